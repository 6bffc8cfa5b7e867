// Who an ID token proves somebody to be (OpenID Connect Core §3.1.3.7): RS256 by the provider's published keys, which
// are cached. It must not know users, nor what an address may be used for.

import { decodeProtectedHeader, importJWK, jwtVerify } from 'jose'
import * as z from 'zod'
import { readJson, retryAfterSeconds, sendBounded } from './bounded-request.ts'
import { type ProviderResult, providerFailure } from './failure.ts'
import type { ProviderDeps } from './provider.ts'

const KEY_TTL_SECONDS = 3600
/** Token after token with unknown keys asks the provider for its keys once in this time, not each time. */
const REFETCH_COOLDOWN_SECONDS = 60
const LEEWAY_SECONDS = 60
const MAX_ISSUED_AHEAD_SECONDS = 300
const MAX_TOKEN_CHARS = 16_384

export interface IdTokenClaims {
  /** Unique and never reused at the issuer; 1 to 255 characters. */
  readonly subject: string
  /** As the provider wrote it, not normalised. */
  readonly email: string | null
  /** True only for the JSON value true: "true" proves nothing. */
  readonly emailVerified: boolean
  /** Google's `hd`: the Workspace domain that manages the account. */
  readonly hostedDomain: string | null
  readonly name: string | null
}

const keySchema = z.object({
  kty: z.string(),
  kid: z.string().optional(),
  use: z.string().optional(),
  alg: z.string().optional(),
  n: z.string().optional(),
  e: z.string().optional(),
})
const keySetSchema = z.object({ keys: z.array(keySchema).max(64) })
const cachedSchema = z.object({ fetched_at: z.int(), keys: z.array(keySchema) })
type PublishedKey = z.infer<typeof keySchema>
type RsaKey = { readonly kty: 'RSA'; readonly n: string; readonly e: string }
type Cached = z.infer<typeof cachedSchema>

const optionalText = z.string().nullish().catch(null)
const claimsSchema = z.object({
  iss: z.string(),
  // A string, where RFC 7519 would also take a list: Google sends one, and a list may name somebody else's client too.
  aud: z.string(),
  azp: z.string().optional(),
  // ASCII, 255 at most (OIDC Core §2); it becomes a key of ours.
  sub: z
    .string()
    .max(255)
    .regex(/^[\x20-\x7e]+$/),
  exp: z.int(),
  iat: z.int(),
  nonce: z.string(),
  email: optionalText,
  email_verified: z.unknown().optional(),
  hd: optionalText,
  name: optionalText,
})

export type IdTokenDeps = Pick<ProviderDeps, 'fetch' | 'clock' | 'keyCache'>

/**
 * Verifies an ID token: signature (RS256 only), `iss` one of `issuers`, `aud` exactly our client (and `azp` where
 * present), `exp` with 60 s of leeway, `iat` at most 5 minutes ahead, `nonce` exactly ours, `sub` of 1 to 255.
 * Fails as `invalid_proof`, or as `unavailable` or `rate_limited` where the keys could not be fetched.
 */
export async function verifyIdToken(
  deps: IdTokenDeps,
  input: { idToken: string; jwksUrl: string; issuers: readonly string[]; clientId: string; nonce: string },
): Promise<ProviderResult<IdTokenClaims>> {
  const kid = readKeyId(input.idToken)
  if (kid === null) return providerFailure('invalid_proof', 'id_token_malformed')
  const key = await findKey(deps, input.jwksUrl, kid)
  if (!key.ok) return key
  let payload: unknown
  try {
    const verified = await jwtVerify(input.idToken, await importJWK(key.value, 'RS256'), {
      algorithms: ['RS256'],
      clockTolerance: LEEWAY_SECONDS,
      currentDate: deps.clock(),
      requiredClaims: ['exp'],
    })
    payload = verified.payload
  } catch {
    return providerFailure('invalid_proof', 'id_token_refused')
  }
  return readClaims(payload, input, deps.clock())
}

function readKeyId(idToken: string): string | null {
  if (idToken.length > MAX_TOKEN_CHARS) return null
  try {
    const { alg, kid, crit } = decodeProtectedHeader(idToken)
    return alg === 'RS256' && crit === undefined && typeof kid === 'string' && kid.length <= 255 ? kid : null
  } catch {
    return null
  }
}

function readClaims(
  payload: unknown,
  expected: { issuers: readonly string[]; clientId: string; nonce: string },
  now: Date,
): ProviderResult<IdTokenClaims> {
  const parsed = claimsSchema.safeParse(payload)
  if (!parsed.success) return providerFailure('invalid_proof', 'id_token_claims')
  const claims = parsed.data
  if (!expected.issuers.includes(claims.iss)) return providerFailure('invalid_proof', 'id_token_issuer')
  if (claims.aud !== expected.clientId || (claims.azp ?? expected.clientId) !== expected.clientId) {
    return providerFailure('invalid_proof', 'id_token_audience')
  }
  if (expected.nonce === '' || claims.nonce !== expected.nonce)
    return providerFailure('invalid_proof', 'id_token_nonce')
  if (claims.iat * 1000 > now.getTime() + MAX_ISSUED_AHEAD_SECONDS * 1000)
    return providerFailure('invalid_proof', 'id_token_time')
  return {
    ok: true,
    value: {
      subject: claims.sub,
      email: claims.email ?? null,
      emailVerified: claims.email_verified === true,
      hostedDomain: claims.hd ?? null,
      name: claims.name ?? null,
    },
  }
}

/** The provider's key of this id: from the cache, else fetched; an unknown id fetches again once a cooldown. */
async function findKey(deps: IdTokenDeps, jwksUrl: string, kid: string): Promise<ProviderResult<RsaKey>> {
  const now = deps.clock().getTime()
  const cached = await readCache(deps, jwksUrl)
  const age = cached === null ? Number.POSITIVE_INFINITY : (now - cached.fetched_at) / 1000
  const known = age < KEY_TTL_SECONDS ? pick(cached?.keys ?? [], kid) : null
  if (known !== null) return { ok: true, value: known }
  if (age < REFETCH_COOLDOWN_SECONDS) return providerFailure('invalid_proof', 'id_token_key_unknown')
  const fetched = await fetchKeys(deps, jwksUrl)
  if (!fetched.ok) return fetched
  await writeCache(deps, jwksUrl, { fetched_at: now, keys: fetched.value })
  const key = pick(fetched.value, kid)
  return key === null ? providerFailure('invalid_proof', 'id_token_key_unknown') : { ok: true, value: key }
}

function pick(keys: readonly PublishedKey[], kid: string): RsaKey | null {
  const fits = (key: PublishedKey): boolean =>
    key.kid === kid && key.kty === 'RSA' && (key.use ?? 'sig') === 'sig' && (key.alg ?? 'RS256') === 'RS256'
  const { n, e } = keys.find(fits) ?? {}
  return n === undefined || e === undefined ? null : { kty: 'RSA', n, e }
}

async function fetchKeys(deps: IdTokenDeps, jwksUrl: string): Promise<ProviderResult<PublishedKey[]>> {
  const { fetch: send } = deps
  const answer = await sendBounded(send, jwksUrl, { method: 'GET', headers: { accept: 'application/json' } })
  if ('failure' in answer) return providerFailure('unavailable', answer.failure)
  const wait = retryAfterSeconds(answer.headers, deps.clock())
  if (answer.status === 429) return providerFailure('rate_limited', 'http_429', wait)
  if (answer.status !== 200) return providerFailure('unavailable', `http_${answer.status}`, wait)
  const set = keySetSchema.safeParse(readJson(answer.body))
  return set.success ? { ok: true, value: set.data.keys } : providerFailure('unavailable', 'unreadable_answer')
}

// The cache may be empty, stale, broken or filled with something else: all of it is a miss.
async function readCache(deps: IdTokenDeps, jwksUrl: string): Promise<Cached | null> {
  try {
    const text = await deps.keyCache.get(cacheKey(jwksUrl))
    const cached = cachedSchema.safeParse(text === null ? null : readJson(text))
    // A record from the future would never grow old.
    const isPast = cached.success && cached.data.fetched_at <= deps.clock().getTime() + LEEWAY_SECONDS * 1000
    return cached.success && isPast ? cached.data : null
  } catch {
    return null
  }
}

async function writeCache(deps: IdTokenDeps, jwksUrl: string, record: Cached): Promise<void> {
  try {
    await deps.keyCache.put(cacheKey(jwksUrl), JSON.stringify(record), { expirationTtl: KEY_TTL_SECONDS })
  } catch {
    // The keys are in hand; the next token fetches them again.
  }
}

function cacheKey(jwksUrl: string): string {
  return `jwks:${jwksUrl}`
}
