// Sending to a token endpoint, and, apart from it and pure, reading what came back. Which grant it is and what a
// failure leads to is not decided here. Nothing of an answer's text gets into a failure: its code is from a closed list.

import * as z from 'zod'
import { type HttpAnswer, type HttpResponse, readJson, retryAfterSeconds, sendBounded } from './bounded-request.ts'
import { type ProviderFailure, type ProviderFailureKind, type ProviderResult, providerFailure } from './failure.ts'
import type { Grant } from './provider.ts'

export type TokenAnswer = HttpAnswer

const DEFAULT_LIFETIME_SECONDS = 3600
const MAX_LIFETIME_SECONDS = 86_400
const MAX_REFRESH_LIFETIME_SECONDS = 10 * 365 * 86_400

/**
 * What an `error` of RFC 6749 §5.2 (Google's and GitHub's own beside it) says about whose fault it is. An error that is
 * not listed is nobody's: retried, since one account's oddity must neither kill a grant nor stop a whole provider.
 */
const errorKinds: ReadonlyMap<string, ProviderFailureKind> = new Map<string, ProviderFailureKind>([
  ['invalid_grant', 'grant_dead'],
  ['bad_verification_code', 'grant_dead'],
  ['bad_refresh_token', 'grant_dead'],
  // GitHub: this person has no verified primary address.
  ['unverified_user_email', 'grant_dead'],
  ['invalid_client', 'misconfigured'],
  ['unauthorized_client', 'misconfigured'],
  ['redirect_uri_mismatch', 'misconfigured'],
  ['invalid_request', 'misconfigured'],
  ['unsupported_grant_type', 'misconfigured'],
  ['invalid_scope', 'misconfigured'],
  ['deleted_client', 'misconfigured'],
  ['disabled_client', 'misconfigured'],
  ['incorrect_client_credentials', 'misconfigured'],
  ['slow_down', 'rate_limited'],
  ['rate_limit_exceeded', 'rate_limited'],
  ['access_denied', 'unavailable'],
  ['admin_policy_enforced', 'unavailable'],
  ['org_internal', 'unavailable'],
  ['internal_failure', 'unavailable'],
  ['server_error', 'unavailable'],
  ['temporarily_unavailable', 'unavailable'],
])

/**
 * One POST, form-urlencoded, the client's credentials in the body (RFC 6749 §2.3.1; Google takes both ways, the local
 * one only this). Never throws and never repeats: a code shown twice may make a provider revoke what it gave.
 */
export async function sendTokenRequest(
  deps: { readonly fetch: typeof fetch },
  request: { url: string; form: Record<string, string>; clientId: string; clientSecret: string },
): Promise<TokenAnswer> {
  const form = { ...request.form, client_id: request.clientId, client_secret: request.clientSecret }
  return await sendForm(deps, request.url, form)
}

/** One POST of a form as it is, without the client's credentials (Google's revocation takes the token alone). */
export async function sendForm(
  deps: { readonly fetch: typeof fetch },
  url: string,
  form: Record<string, string>,
): Promise<TokenAnswer> {
  // Taken out of the bag first: workerd refuses a `fetch` that is called as somebody's method.
  const { fetch: send } = deps
  return await sendBounded(send, url, {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  })
}

// Printable ASCII without a blank: what RFC 6749 appendix A allows (VSCHAR), and what an Authorization header can carry.
const token = (maxChars: number) =>
  z
    .string()
    .max(maxChars)
    .regex(/^[\x21-\x7e]+$/)
const errorSchema = z.object({ error: z.string() })
const grantSchema = z.object({
  access_token: token(16_384),
  token_type: z
    .string()
    .regex(/^bearer$/i)
    .nullish(),
  refresh_token: z.union([z.literal(''), token(4096)]).nullish(),
  id_token: token(16_384).nullish().catch(null),
  scope: z
    .string()
    .max(8192)
    .regex(/^[\x20-\x7e]*$/)
    .nullish(),
  // Anything: an odd lifetime must not lose a token that was given.
  expires_in: z.unknown().optional(),
  refresh_token_expires_in: z.unknown().optional(),
})

/**
 * What an answer of a token endpoint means (RFC 6749 §5.1, §5.2; DESIGN section 5). By status and `error` only: a 4xx
 * without a readable `error` is nobody's fault and never kills a grant; a 200 may carry an error (GitHub).
 */
export function readTokenAnswer(answer: TokenAnswer, now: Date): ProviderResult<Grant> {
  if ('failure' in answer) return providerFailure('unavailable', answer.failure)
  const unavailable = readUnavailable(answer, now)
  if (unavailable !== null) return unavailable
  const body = readJson(answer.body)
  const error = errorSchema.safeParse(body)
  if (error.success) return failureOf(error.data.error, retryAfterSeconds(answer.headers, now))
  if (answer.status !== 200)
    return providerFailure('unavailable', `http_${answer.status}`, retryAfterSeconds(answer.headers, now))
  const grant = grantSchema.safeParse(body)
  if (!grant.success) return providerFailure('unavailable', answer.body === '' ? 'empty_answer' : 'unreadable_answer')
  return { ok: true, value: toGrant(grant.data, now) }
}

/**
 * The failures every endpoint shares: 429, 5xx, or a status that is neither success nor refusal. Null for 200 and for
 * any other 4xx, where the endpoint decides. `Retry-After` is kept.
 */
export function readUnavailable(answer: HttpResponse, now: Date): ProviderFailure | null {
  const wait = retryAfterSeconds(answer.headers, now)
  if (answer.status === 429) return providerFailure('rate_limited', 'http_429', wait)
  if (answer.status === 200 || (answer.status >= 400 && answer.status < 500)) return null
  return providerFailure('unavailable', `http_${answer.status}`, wait)
}

function failureOf(error: string, wait: number | null): ProviderFailure {
  const kind = errorKinds.get(error)
  return kind === undefined
    ? providerFailure('unavailable', 'unlisted_error', wait)
    : providerFailure(kind, error, wait)
}

function toGrant(answer: z.infer<typeof grantSchema>, now: Date): Grant {
  const lifetime = readLifetime(answer.expires_in, MAX_LIFETIME_SECONDS) ?? DEFAULT_LIFETIME_SECONDS
  const refreshLifetime = readLifetime(answer.refresh_token_expires_in, MAX_REFRESH_LIFETIME_SECONDS)
  const after = (s: number): Date => new Date(now.getTime() + s * 1000)
  return {
    accessToken: answer.access_token,
    expiresAt: after(lifetime),
    // An empty one is none: it must not overwrite the token that is stored.
    refreshToken: answer.refresh_token || null,
    refreshTokenExpiresAt: refreshLifetime === null ? null : after(refreshLifetime),
    scopes:
      typeof answer.scope === 'string' ? [...new Set(answer.scope.split(' ').filter((scope) => scope !== ''))] : null,
    idToken: answer.id_token ?? null,
  }
}

/** Whole seconds from 1 to `max`, from a number or its digits; null where there is no positive number. */
function readLifetime(value: unknown, max: number): number | null {
  const seconds = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 1) return null
  return Math.min(Math.floor(seconds), max)
}
