// Who an ID token proves somebody to be (OpenID Connect Core §3.1.3.7): RS256 by the provider's published keys, which
// are cached. It must not know users, nor what an address may be used for.

import { decodeProtectedHeader, errors, importJWK, jwtVerify } from 'jose'
import * as z from 'zod'
import { type HttpAnswer, readJson, retryAfterSeconds, sendBounded } from './bounded-request.ts'
import { type ProviderResult, providerFailure } from './failure.ts'
import type { ProviderDeps } from './provider.ts'

const KEY_TTL_SECONDS = 3600
/** Token after token that no cached key verifies asks the provider for its keys once in this time, not each time. */
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
// `failed_at`: when they were last asked for anew, in vain.
const cachedSchema = z.object({ fetched_at: z.int(), failed_at: z.int().default(0), keys: z.array(keySchema) })
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

/** What the provider's newest keys may undo: it has new ones, or restarted and gave a new one the old name. */
const refusedByKeys: ReadonlySet<string> = new Set(['id_token_key_unknown', 'id_token_signature'])

/**
 * Verifies an ID token: signature (RS256 only), `iss` one of `issuers`, `aud` exactly our client (and `azp` where
 * present), `exp` with 60 s of leeway, `iat` at most 5 minutes ahead, `nonce` exactly ours, `sub` of 1 to 255.
 * A token without `kid` is verified where exactly one published key fits. Cached keys that do not verify it are fetched
 * again, once a cooldown. Fails as `invalid_proof`, or as `unavailable` or `rate_limited` where keys could not be fetched.
 */
export async function verifyIdToken(
  deps: IdTokenDeps,
  input: { idToken: string; jwksUrl: string; issuers: readonly string[]; clientId: string; nonce: string },
): Promise<ProviderResult<IdTokenClaims>> {
  const header = readHeader(input.idToken)
  if (header === null) return providerFailure('invalid_proof', 'id_token_malformed')
  const now = deps.clock()
  const verify = (keys: readonly PublishedKey[]): Promise<ProviderResult<unknown>> =>
    verifySignature(input.idToken, pick(keys, header.kid), now)
  const cached = await readCache(deps, input.jwksUrl)
  let verified = cached === null ? null : await verify(cached.keys)
  if (verified === null || (!verified.ok && refusedByKeys.has(verified.code))) {
    const newest = await refetchKeys(deps, input.jwksUrl, cached)
    if (newest === null) return verified ?? providerFailure('invalid_proof', 'id_token_key_unknown')
    if (!newest.ok) return newest
    verified = await verify(newest.value)
  }
  return verified.ok ? readClaims(verified.value, input, now) : verified
}

/** `kid` is null where the token names no key. */
function readHeader(idToken: string): { kid: string | null } | null {
  if (idToken.length > MAX_TOKEN_CHARS) return null
  try {
    const { alg, kid = null, crit } = decodeProtectedHeader(idToken)
    if (alg !== 'RS256' || crit !== undefined) return null
    return kid === null || (typeof kid === 'string' && kid.length <= 255) ? { kid } : null
  } catch {
    return null
  }
}

/** The payload, where this key signed it and it is in time. The signature is judged before anything in the token is. */
async function verifySignature(idToken: string, key: RsaKey | null, now: Date): Promise<ProviderResult<unknown>> {
  if (key === null) return providerFailure('invalid_proof', 'id_token_key_unknown')
  try {
    const { payload } = await jwtVerify(idToken, await importJWK(key, 'RS256'), {
      algorithms: ['RS256'],
      clockTolerance: LEEWAY_SECONDS,
      currentDate: now,
      requiredClaims: ['exp'],
    })
    return { ok: true, value: payload }
  } catch (error) {
    // What is not jose's own refusal is WebCrypto's, of a key that is none.
    const isKeys = error instanceof errors.JWSSignatureVerificationFailed || !(error instanceof errors.JOSEError)
    return providerFailure('invalid_proof', isKeys ? 'id_token_signature' : 'id_token_refused')
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

/** The one usable key of this id; of a token that names none, the only usable key there is. */
function pick(keys: readonly PublishedKey[], kid: string | null): RsaKey | null {
  const fitting = keys.flatMap((key): RsaKey[] => {
    const isFor = key.kty === 'RSA' && (key.use ?? 'sig') === 'sig' && (key.alg ?? 'RS256') === 'RS256'
    if (!isFor || key.n === undefined || key.e === undefined || (kid !== null && key.kid !== kid)) return []
    return [{ kty: 'RSA', n: key.n, e: key.e }]
  })
  return kid === null && fitting.length > 1 ? null : (fitting[0] ?? null)
}

/**
 * The keys as published now, in place of these cached ones. Null: they are too fresh to ask again. Where asking them
 * anew just failed they are neither asked for nor believed to be the newest: `unavailable`.
 */
async function refetchKeys(
  deps: IdTokenDeps,
  jwksUrl: string,
  cached: Cached | null,
): Promise<ProviderResult<PublishedKey[]> | null> {
  const now = deps.clock().getTime()
  const isRecent = (at: number): boolean => now - at < REFETCH_COOLDOWN_SECONDS * 1000
  if (cached !== null && isRecent(cached.fetched_at)) return null
  if (cached !== null && isRecent(cached.failed_at)) return providerFailure('unavailable', 'id_token_keys_cooldown')
  const fetched = await fetchKeys(deps, jwksUrl)
  if (fetched.ok) await writeCache(deps, jwksUrl, { fetched_at: now, failed_at: 0, keys: fetched.value })
  else if (cached !== null) await writeCache(deps, jwksUrl, { ...cached, failed_at: now })
  return fetched
}

async function fetchKeys(deps: IdTokenDeps, jwksUrl: string): Promise<ProviderResult<PublishedKey[]>> {
  const { fetch: send } = deps
  const ask = (): Promise<HttpAnswer> =>
    sendBounded(send, jwksUrl, { method: 'GET', headers: { accept: 'application/json' } })
  const first = await ask()
  // Once more, at once: somebody waits, and the code they came with is spent. Not after 10 s without an answer.
  const answer = isPassing(first) ? await ask() : first
  if ('failure' in answer) return providerFailure('unavailable', answer.failure)
  const wait = retryAfterSeconds(answer.headers, deps.clock())
  if (answer.status === 429) return providerFailure('rate_limited', 'http_429', wait)
  if (answer.status !== 200) return providerFailure('unavailable', `http_${answer.status}`, wait)
  const set = keySetSchema.safeParse(readJson(answer.body))
  return set.success ? { ok: true, value: set.data.keys } : providerFailure('unavailable', 'unreadable_answer')
}

function isPassing(answer: HttpAnswer): boolean {
  return 'failure' in answer ? answer.failure === 'network' : answer.status >= 500
}

// The cache may be empty, stale, broken or filled with something else: all of it is a miss.
async function readCache(deps: IdTokenDeps, jwksUrl: string): Promise<Cached | null> {
  try {
    const text = await deps.keyCache.get(cacheKey(jwksUrl))
    const cached = cachedSchema.safeParse(text === null ? null : readJson(text))
    if (!cached.success) return null
    const { fetched_at, failed_at } = cached.data
    const now = deps.clock().getTime()
    // A record from the future would never grow old.
    const isPast = Math.max(fetched_at, failed_at) <= now + LEEWAY_SECONDS * 1000
    return isPast && now - fetched_at < KEY_TTL_SECONDS * 1000 ? cached.data : null
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
