// The authorization request: state, PKCE verifier and address. The only file that imports Arctic, so that leaving it
// is one file; nothing here talks to the network or knows a provider's name.

import { CodeChallengeMethod, generateCodeVerifier, generateState, OAuth2Client } from 'arctic'

/** A fresh state: 32 random bytes as base64url, 43 characters. */
export function newState(): string {
  return generateState()
}

/** A fresh PKCE verifier: 32 random bytes as base64url, 43 characters (RFC 7636 §4.1). */
export function newCodeVerifier(): string {
  return generateCodeVerifier()
}

/** Where to send the browser: code flow with PKCE S256 (RFC 6749 §4.1.1, RFC 7636 §4.3). The verifier is not in it. */
export function authorizationUrl(request: {
  endpoint: string
  clientId: string
  redirectUri: string
  state: string
  codeVerifier: string
  scopes: readonly string[]
}): URL {
  const client = new OAuth2Client(request.clientId, null, request.redirectUri)
  return client.createAuthorizationURLWithPKCE(
    request.endpoint,
    request.state,
    CodeChallengeMethod.S256,
    request.codeVerifier,
    [...request.scopes],
  )
}
