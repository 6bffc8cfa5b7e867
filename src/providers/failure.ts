// The closed list of ways a provider can fail us, as a value. It decides nothing: mail-accounts/refresh-policy and
// oauth/complete do. Decided by `error` and HTTP status, never by a description's text (Google documents none).

/**
 * - `grant_dead`     this very grant (code or refresh token) is refused: RFC 6749 §5.2 `invalid_grant`
 * - `misconfigured`  our client is wrong: `invalid_client`, `unauthorized_client`, `redirect_uri_mismatch`, …
 * - `rate_limited`   429, or a 403 whose reason says quota
 * - `unavailable`    5xx, network, time-out, redirect, or an answer that cannot be read
 * - `unauthorized`   a live-looking access token was refused (401 of a resource server)
 * - `forbidden`      the grant lacks a permission (403 of a resource server)
 * - `history_expired` the cursor is older than what the provider remembers (Gmail: 404 of `history.list`)
 * - `refused`        the request itself is not acceptable (400, 413): asking again cannot help
 * - `invalid_proof`  the ID token does not prove what it must (signature, `iss`, `aud`, `exp`, `nonce`, `sub`)
 */
export type ProviderFailureKind =
  | 'grant_dead'
  | 'misconfigured'
  | 'rate_limited'
  | 'unavailable'
  | 'unauthorized'
  | 'forbidden'
  | 'history_expired'
  | 'refused'
  | 'invalid_proof'

export interface ProviderFailure {
  readonly ok: false
  readonly kind: ProviderFailureKind
  /** Short machine code for logs and `last_error_cd`: an RFC error code or one of ours (`timeout`, `http_502`, …); `[a-z0-9_]{1,64}`. */
  readonly code: string
  /** Seconds the provider asked us to wait (`Retry-After`, both forms), clamped to 0..86,400; null where it said nothing. */
  readonly retryAfterSeconds: number | null
}

export interface ProviderSuccess<T> {
  readonly ok: true
  readonly value: T
}

export type ProviderResult<T> = ProviderSuccess<T> | ProviderFailure

export function providerFailure(
  kind: ProviderFailureKind,
  code: string,
  retryAfterSeconds: number | null = null,
): ProviderFailure {
  return { ok: false, kind, code, retryAfterSeconds }
}
