// The keys and ID tokens of this Google, the deliberately wrong ones included. It must not know grants or HTTP.
import { createHash, createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { JWK } from 'jose'
import { EMAIL, PROFILE } from './scopes.ts'
import type { Client, IdTokenSettings, User } from './world.ts'

type JsonObject = Record<string, unknown>

const LIFETIME_SECONDS = 3600

export interface SigningKeys {
  readonly kid: string
  readonly own: KeyObject
  foreign(): KeyObject
  /** What the certificate endpoint publishes. */
  readonly publicJwk: JWK
}

/** A fresh key, and on demand another that nobody published. */
export function createKeys(): SigningKeys {
  const own = newKey()
  const publicKey = createPublicKey(own)
  const kid = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 40)
  let foreign: KeyObject | undefined
  return {
    kid,
    own,
    foreign: () => {
      foreign ??= newKey()
      return foreign
    },
    publicJwk: { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' },
  }
}

function newKey(): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
}

export interface IdTokenInput {
  issuer: string
  user: User
  client: Client
  scopes: readonly string[]
  accessToken: string
  nonce: string | null
  nowMs: number
  settings: IdTokenSettings
}

/** The claims Google puts in: the person's own only with the scopes for them. */
function claimsOf({ issuer, user, client, scopes, accessToken, nonce, nowMs }: IdTokenInput): JsonObject {
  const iat = Math.floor(nowMs / 1000)
  const half = createHash('sha256').update(accessToken).digest().subarray(0, 16)
  return {
    iss: issuer,
    azp: client.clientId,
    aud: client.clientId,
    sub: user.sub,
    ...(user.hd === undefined ? {} : { hd: user.hd }),
    ...(scopes.includes(EMAIL) ? { email: user.email, email_verified: user.email_verified } : {}),
    at_hash: half.toString('base64url'),
    ...(nonce === null ? {} : { nonce }),
    ...(scopes.includes(PROFILE) ? profileOf(user) : {}),
    iat,
    exp: iat + LIFETIME_SECONDS,
  }
}

/** Name and picture as ID token and userinfo show them. */
export function profileOf(user: User): JsonObject {
  const name = user.name ?? user.email.split('@')[0] ?? ''
  const [given = '', ...rest] = name.split(' ')
  return {
    name,
    ...(user.picture === undefined ? {} : { picture: user.picture }),
    given_name: given,
    ...(rest.length === 0 ? {} : { family_name: rest.join(' ') }),
  }
}

/** A compact JWT; honest unless the settings say otherwise. */
export function makeIdToken(input: IdTokenInput, keys: SigningKeys): string {
  const { claims = {}, key = 'own', alg = 'RS256', kid = keys.kid } = input.settings
  const payload = { ...claimsOf(input), ...claims }
  const kept = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== null))
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg, kid, typ: 'JWT' })}.${part(kept)}`
  const signature = signatureOf(alg, signed, key === 'foreign' ? keys.foreign() : keys.own, input.client.clientSecret)
  return `${signed}.${signature.toString('base64url')}`
}

function signatureOf(alg: string, text: string, key: KeyObject, secret: string): Buffer {
  if (alg === 'none') return Buffer.alloc(0)
  if (alg === 'HS256') return createHmac('sha256', secret).update(text).digest()
  return sign('sha256', Buffer.from(text), key)
}
