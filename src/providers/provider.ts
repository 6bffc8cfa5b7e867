// What Gatepost asks of a provider: a few verbs over HTTP, no memory of its own. Types only.
// A provider never sees our database, sessions or sealing; it gets a narrow bag and answers with values.

import type { ProviderResult } from './failure.ts'
import type { MailAdapter } from './mail.ts'

export type ProviderCode = 'google' | 'github'

/** What a flow asks for: who somebody is, or that and the mailbox. */
export type ScopeSet = 'identity' | 'mail'

export interface ProviderDeps {
  readonly fetch: typeof fetch
  readonly clock: () => Date
  /** Holds the provider's published signing keys; may be stale or empty at any time (Workers KV). */
  readonly keyCache: {
    get(key: string): Promise<string | null>
    put(key: string, value: string, options: { expirationTtl: number }): Promise<void>
  }
}

export interface ProviderClient {
  readonly clientId: string
  readonly clientSecret: string
  /** The one redirect URI, exactly as registered with the provider. */
  readonly redirectUri: string
}

/** What came back for a code or a refresh token. Times are absolute, scopes as granted (never as asked). */
export interface Grant {
  readonly accessToken: string
  /** Never in the past, never beyond 24 h: a missing or absurd `expires_in` is clamped (default 3,600 s → RFC 6749 §5.1). */
  readonly expiresAt: Date
  /** Null where the provider sent none: the stored one stays valid (RFC 6749 §6). */
  readonly refreshToken: string | null
  /** Google's time-based access (`refresh_token_expires_in`); null where the token does not expire by itself. */
  readonly refreshTokenExpiresAt: Date | null
  /** Null where the answer had no `scope` (then it equals what was asked: RFC 6749 §5.1). */
  readonly scopes: readonly string[] | null
  readonly idToken: string | null
}

/** Who the provider says this is. `emailProof` says whether that address may find or make a verified user. */
export interface Profile {
  readonly provider: ProviderCode
  /** Unique and never reused at the provider (Google: `sub`); the only key of an identity. */
  readonly subject: string
  /** Normalised (see crypto/encoding `normalizeEmail`), or null where it has none. */
  readonly email: string | null
  /** `google`: Google is authoritative for it (@gmail.com, or verified with `hd`); `trusted`: verified at a provider the operator trusts; null: unproven. */
  readonly emailProof: 'google' | 'trusted' | null
  readonly fullName: string | null
}

export interface AuthorizationRequest {
  readonly state: string
  readonly codeVerifier: string
  readonly nonce: string
  readonly scopes: ScopeSet
  /** Shows the consent screen again, the only way to get another refresh token from Google. */
  readonly prompt: 'consent' | null
  readonly loginHint: string | null
}

export interface Provider {
  readonly code: ProviderCode
  /** As people read it: `Google`. */
  readonly displayName: string
  /** The client id new grants are made under; a stored grant of another client cannot be refreshed. */
  readonly clientId: string
  readonly supportsMail: boolean
  /** The mail permissions a full mailbox has, as the provider writes them; empty where it has no mail. */
  readonly mailScopes: readonly string[]
  /** `iss` that the provider may send to the callback (RFC 9207); null where it sends none. */
  readonly issuer: string | null
  authorizationUrl(request: AuthorizationRequest): URL
  /** One POST to the token endpoint; the verifier is always sent (RFC 7636 §4.5). */
  exchange(input: { code: string; codeVerifier: string }): Promise<ProviderResult<Grant>>
  /** Verifies the ID token of `grant` (signature, iss, aud, azp, exp, nonce) or asks the provider's API who this is. */
  profile(input: { grant: Grant; nonce: string }): Promise<ProviderResult<Profile>>
  refresh(input: { refreshToken: string }): Promise<ProviderResult<Grant>>
  /** Resolves ok for 200 and for 400 (already revoked); anything else is a failure to retry. Google ends every grant of the person. */
  revoke(input: { token: string }): Promise<ProviderResult<null>>
  readonly mail: MailAdapter | null
}
