// Google as a provider: its addresses, its scopes, and what its ID token proves. No memory, no database, no decision
// about users: answers are values.

import { normalizeEmail } from '../crypto/encoding.ts'
import { type ProviderResult, providerFailure } from './failure.ts'
import { createGmail } from './gmail.ts'
import { type IdTokenClaims, verifyIdToken } from './id-token.ts'
import { authorizationUrl } from './oauth2.ts'
import { readName } from './person-name.ts'
import type { AuthorizationRequest, Profile, Provider, ProviderClient, ProviderDeps, ScopeSet } from './provider.ts'
import { readTokenAnswer, readUnavailable, sendForm, sendTokenRequest } from './token-request.ts'

const IDENTITY_SCOPES: readonly string[] = ['openid', 'email', 'profile']
const MAIL_SCOPES: readonly string[] = [
  'https://www.googleapis.com/auth/gmail.readonly',
  'https://www.googleapis.com/auth/gmail.send',
]

interface Endpoints {
  readonly authorize: string
  readonly token: string
  readonly revoke: string
  readonly keys: string
  readonly gmail: string
  /** Gmail's batches have a host of their own. */
  readonly gmailBatch: string
  /** The first is the one the callback may name; Google's ID tokens carry either (SECURITY G10). */
  readonly issuers: readonly [string, ...string[]]
}

const googleEndpoints: Endpoints = {
  authorize: 'https://accounts.google.com/o/oauth2/v2/auth',
  token: 'https://oauth2.googleapis.com/token',
  revoke: 'https://oauth2.googleapis.com/revoke',
  keys: 'https://www.googleapis.com/oauth2/v3/certs',
  gmail: 'https://gmail.googleapis.com',
  gmailBatch: 'https://www.googleapis.com',
  issuers: ['https://accounts.google.com', 'accounts.google.com'],
}

/** The same paths under one origin (DESIGN section 7). */
function localEndpoints(emulatorUrl: string): Endpoints {
  const { origin } = new URL(emulatorUrl)
  return {
    authorize: `${origin}/o/oauth2/v2/auth`,
    token: `${origin}/token`,
    revoke: `${origin}/revoke`,
    keys: `${origin}/oauth2/v3/certs`,
    gmail: origin,
    gmailBatch: origin,
    issuers: [origin],
  }
}

/** @param settings `emulatorUrl`: where a local Google stands in for the real hosts; null in production */
export function createGoogle(
  deps: ProviderDeps,
  settings: { readonly client: ProviderClient; readonly emulatorUrl: string | null },
): Provider {
  const { client } = settings
  const endpoints = settings.emulatorUrl === null ? googleEndpoints : localEndpoints(settings.emulatorUrl)
  const credentials = { url: endpoints.token, clientId: client.clientId, clientSecret: client.clientSecret }
  return {
    code: 'google',
    displayName: 'Google',
    clientId: client.clientId,
    supportsMail: true,
    mailScopes: MAIL_SCOPES,
    issuer: endpoints.issuers[0],
    authorizationUrl: (request) => googleAuthorizationUrl(endpoints, client, request),

    async exchange({ code, codeVerifier }) {
      const form = {
        grant_type: 'authorization_code',
        code,
        code_verifier: codeVerifier,
        redirect_uri: client.redirectUri,
      }
      return readTokenAnswer(await sendTokenRequest(deps, { ...credentials, form }), deps.clock())
    },

    async profile({ grant, nonce }) {
      if (grant.idToken === null) return providerFailure('invalid_proof', 'id_token_missing')
      const { keys: jwksUrl, issuers } = endpoints
      const proof = await verifyIdToken(deps, {
        idToken: grant.idToken,
        jwksUrl,
        issuers,
        clientId: client.clientId,
        nonce,
      })
      return proof.ok ? { ok: true, value: googleProfile(proof.value) } : proof
    },

    async refresh({ refreshToken }) {
      const form = { grant_type: 'refresh_token', refresh_token: refreshToken }
      return readTokenAnswer(await sendTokenRequest(deps, { ...credentials, form }), deps.clock())
    },

    async revoke({ token }): Promise<ProviderResult<null>> {
      const answer = await sendForm(deps, endpoints.revoke, { token })
      if ('failure' in answer) return providerFailure('unavailable', answer.failure)
      const unavailable = readUnavailable(answer, deps.clock())
      if (unavailable !== null) return unavailable
      // 400: there is nothing left to revoke (SECURITY G5).
      if (answer.status === 200 || answer.status === 400) return { ok: true, value: null }
      return providerFailure('unavailable', `http_${answer.status}`)
    },

    mail: createGmail({
      fetch: deps.fetch,
      clock: deps.clock,
      apiOrigin: endpoints.gmail,
      batchOrigin: endpoints.gmailBatch,
    }),
  }
}

function googleAuthorizationUrl(endpoints: Endpoints, client: ProviderClient, request: AuthorizationRequest): URL {
  const url = authorizationUrl({
    endpoint: endpoints.authorize,
    clientId: client.clientId,
    redirectUri: client.redirectUri,
    state: request.state,
    codeVerifier: request.codeVerifier,
    scopes: scopesOf(request.scopes),
  })
  url.searchParams.set('nonce', request.nonce)
  // A refresh token only where mail is kept fresh: Google keeps 100 a person and client and drops the oldest (G1, G6).
  if (request.scopes === 'mail') url.searchParams.set('access_type', 'offline')
  if (request.prompt !== null) url.searchParams.set('prompt', request.prompt)
  if (request.loginHint !== null) url.searchParams.set('login_hint', request.loginHint)
  return url
}

function scopesOf(set: ScopeSet): readonly string[] {
  return set === 'mail' ? [...IDENTITY_SCOPES, ...MAIL_SCOPES] : IDENTITY_SCOPES
}

/**
 * Google is authoritative for a verified @gmail.com address, and for a verified one of a Workspace account (`hd`); any
 * other address may since belong to somebody else (SECURITY G9).
 */
export function googleProfile(claims: IdTokenClaims): Profile {
  const email = claims.email === null ? null : normalizeEmail(claims.email)
  const isAuthoritative = email !== null && (email.endsWith('@gmail.com') || (claims.hostedDomain ?? '') !== '')
  return {
    provider: 'google',
    subject: claims.subject,
    email,
    emailProof: claims.emailVerified && isAuthoritative ? 'google' : null,
    fullName: readName(claims.name),
  }
}
