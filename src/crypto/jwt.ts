// Our own access tokens: ES256 JWTs (RFC 9068 shape), signed by the first key of a set, verified by any of its keys.
// It must not know sessions or users beyond their ids: a token that verifies says nothing about a session still alive.

import { decodeProtectedHeader, jwtVerify, SignJWT } from 'jose'
import * as z from 'zod'
import { isUuid } from './random.ts'

const TYPE = 'at+jwt'
const MAX_TOKEN_CHARS = 4096
const LEEWAY_SECONDS = 60
const ECDSA = { name: 'ECDSA', namedCurve: 'P-256' }

/** A public key as the JWKS shows it, with nothing else in it. */
export interface PublicJwk {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly kid: string
  readonly alg: 'ES256'
  readonly use: 'sig'
}

export interface SigningKeys {
  readonly active: { readonly kid: string; readonly privateKey: CryptoKey }
  /** By kid, the active one among them. */
  readonly verify: ReadonlyMap<string, CryptoKey>
  readonly publicJwks: { readonly keys: PublicJwk[] }
}

export interface AccessTokenClaims {
  readonly userId: string
  readonly sessionId: string
}

/** A key set that cannot be used. The message names the key by its position, never by its content. */
export class SigningKeysError extends Error {
  override readonly name = 'SigningKeysError'
}

const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const keySetSchema = z.object({ keys: z.array(z.unknown()).min(1).max(16) })
const keySchema = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: coordinate,
  y: coordinate,
  d: coordinate,
  kid: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  alg: z.literal('ES256').optional(),
  use: z.literal('sig').optional(),
})

/**
 * Reads a private JWK set (RFC 7517) of EC P-256 keys; the first one signs, all verify.
 * @throws SigningKeysError where it is no such set, a kid stands twice, or a key's halves do not belong together
 */
export async function parseSigningKeys(text: string): Promise<SigningKeys> {
  const verify = new Map<string, CryptoKey>()
  const publicKeys: PublicJwk[] = []
  let active: SigningKeys['active'] | null = null
  for (const [index, raw] of readKeySet(text).entries()) {
    const which = `key ${index + 1} of the set`
    const parsed = keySchema.safeParse(raw)
    if (!parsed.success) {
      const members = [...new Set(parsed.error.issues.map(({ path }) => String(path[0] ?? 'key')))]
      throw new SigningKeysError(`${which} is no private EC P-256 key for ES256: ${members.join(', ')}`)
    }
    const { x, y, d, kid } = parsed.data
    if (verify.has(kid)) throw new SigningKeysError(`${which} has the kid of an earlier one`)
    const pair = await importPair({ kty: 'EC', crv: 'P-256', x, y }, d, which)
    active ??= { kid, privateKey: pair.privateKey }
    verify.set(kid, pair.publicKey)
    publicKeys.push({ kty: 'EC', crv: 'P-256', x, y, kid, alg: 'ES256', use: 'sig' })
  }
  if (active === null) throw new SigningKeysError('the set has no key')
  return { active, verify, publicJwks: { keys: publicKeys } }
}

function readKeySet(text: string): unknown[] {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    throw new SigningKeysError('the set is not JSON')
  }
  const set = keySetSchema.safeParse(raw)
  if (!set.success) throw new SigningKeysError('the set is no JWK set of 1 to 16 keys')
  return set.data.keys
}

async function importPair(
  publicJwk: { kty: 'EC'; crv: 'P-256'; x: string; y: string },
  d: string,
  which: string,
): Promise<{ privateKey: CryptoKey; publicKey: CryptoKey }> {
  const probe = new Uint8Array(32)
  const signature = { name: 'ECDSA', hash: 'SHA-256' }
  let belongTogether = false
  try {
    const privateKey = await crypto.subtle.importKey('jwk', { ...publicJwk, d }, ECDSA, false, ['sign'])
    const publicKey = await crypto.subtle.importKey('jwk', publicJwk, ECDSA, false, ['verify'])
    // Not every platform compares d with x and y; a wrong pair would sign what nobody can verify.
    belongTogether = await crypto.subtle.verify(
      signature,
      publicKey,
      await crypto.subtle.sign(signature, privateKey, probe),
      probe,
    )
    if (belongTogether) return { privateKey, publicKey }
  } catch {
    throw new SigningKeysError(`${which} is no point or number of P-256`)
  }
  throw new SigningKeysError(`${which} has a private half that does not belong to its public one`)
}

/** Signs an access token: `iss` = `aud` = issuer, `sub` = user, `sid` = session, `iat` and `exp` in whole seconds. */
export async function signAccessToken(
  keys: SigningKeys,
  claims: AccessTokenClaims,
  options: { issuer: string; now: Date; ttlSeconds: number },
): Promise<string> {
  const issuedAt = Math.floor(options.now.getTime() / 1000)
  return await new SignJWT({ sid: claims.sessionId })
    .setProtectedHeader({ alg: 'ES256', kid: keys.active.kid, typ: TYPE })
    .setIssuer(options.issuer)
    .setAudience(options.issuer)
    .setSubject(claims.userId)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + options.ttlSeconds)
    .sign(keys.active.privateKey)
}

/**
 * Whose token this is, or null; never throws. One algorithm, the key by `kid` from our own map, `typ`, `iss`, `aud`,
 * integer times with 60 s of leeway; `jku`, `jwk`, `x5u` and the rest are not read (RFC 8725 §3.1, §3.10).
 */
export async function verifyAccessToken(
  keys: SigningKeys,
  token: string,
  options: { issuer: string; now: Date },
): Promise<AccessTokenClaims | null> {
  if (token.length > MAX_TOKEN_CHARS) return null
  try {
    const header = decodeProtectedHeader(token)
    if (header.alg !== 'ES256' || header.typ !== TYPE || header.crit !== undefined) return null
    if (typeof header.kid !== 'string' || header.kid.length > 64) return null
    const key = keys.verify.get(header.kid)
    if (key === undefined) return null
    const { payload } = await jwtVerify(token, key, {
      algorithms: ['ES256'],
      issuer: options.issuer,
      audience: options.issuer,
      requiredClaims: ['exp', 'iat', 'sub', 'sid'],
      clockTolerance: LEEWAY_SECONDS,
      currentDate: options.now,
    })
    return readClaims(payload, options)
  } catch {
    return null
  }
}

const claimsSchema = z.object({
  iss: z.string(),
  // A string, where RFC 7519 would also take a list: we sign no list.
  aud: z.string(),
  sub: z.string().refine(isUuid),
  sid: z.string().refine(isUuid),
  iat: z.int(),
  exp: z.int(),
  nbf: z.int().optional(),
})

function readClaims(payload: unknown, { issuer, now }: { issuer: string; now: Date }): AccessTokenClaims | null {
  const claims = claimsSchema.safeParse(payload)
  if (!claims.success) return null
  const { iss, aud, sub, sid, iat } = claims.data
  if (iss !== issuer || aud !== issuer || iat > Math.floor(now.getTime() / 1000) + LEEWAY_SECONDS) return null
  return { userId: sub, sessionId: sid }
}
