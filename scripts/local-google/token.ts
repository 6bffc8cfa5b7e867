// What a client talks to directly: /token, /revoke, /v1/userinfo and the two public documents. It must not know pages or
// mail.
import { createHash } from 'node:crypto'
import {
  endGrant,
  issueAccessToken,
  issueRefreshToken,
  liveAccessToken,
  openGrant,
  revokeUser,
  rotateRefreshToken,
} from './grants.ts'
import {
  apiError,
  bearerToken,
  json,
  oauthError,
  type Reply,
  type Request,
  readForm,
  repeatedParameter,
} from './http.ts'
import { makeIdToken, profileOf, type SigningKeys } from './id-token.ts'
import { EMAIL, PROFILE, scopeWords } from './scopes.ts'
import { type Client, type Grant, now, type World } from './world.ts'

export interface TokenDeps {
  readonly world: World
  readonly keys: SigningKeys
  readonly issuer: string
}

/** The token endpoint (RFC 6749 section 3.2). */
export function answerToken(deps: TokenDeps, request: Request): Reply {
  const form = readForm(request)
  if (form === null) return oauthError(400, 'invalid_request', 'The body must be application/x-www-form-urlencoded.')
  const repeated = repeatedParameter(form)
  if (repeated !== null) return oauthError(400, 'invalid_request', `Parameter given twice: ${repeated}`)
  const found = authenticate(deps.world, request, form)
  if ('refused' in found) return found.refused
  const grantType = form.get('grant_type')
  if (grantType === 'authorization_code') return redeemCode(deps, found.client, form)
  if (grantType === 'refresh_token') return refresh(deps, found.client, form)
  if (grantType === null) return oauthError(400, 'invalid_request', 'Required parameter is missing: grant_type')
  return oauthError(400, 'unsupported_grant_type', `Invalid grant_type: ${grantType}`)
}

/** Client credentials by HTTP Basic or in the body, not both (RFC 6749 section 2.3). */
function authenticate(world: World, request: Request, form: URLSearchParams): { client: Client } | { refused: Reply } {
  const refuse = (status: number, error: string, description: string): { refused: Reply } => {
    const refused = oauthError(status, error, description)
    if (status === 401) refused.headers['www-authenticate'] = 'Basic realm="local-google"'
    return { refused }
  }
  const basic = readBasic(request)
  const [bodyId, bodySecret] = [form.get('client_id'), form.get('client_secret')]
  if (basic && (bodySecret !== null || (bodyId !== null && bodyId !== basic.id))) {
    return refuse(400, 'invalid_request', 'Client credentials given twice.')
  }
  const id = basic?.id ?? bodyId
  const secret = basic?.secret ?? bodySecret
  if (!id) return refuse(400, 'invalid_request', 'Could not determine client ID from request.')
  const client = world.clients.get(id)
  if (client === undefined) return refuse(401, 'invalid_client', 'The OAuth client was not found.')
  if (!secret) return refuse(400, 'invalid_request', 'client_secret is missing.')
  if (secret !== client.clientSecret) return refuse(401, 'invalid_client', 'Unauthorized')
  return { client }
}

function readBasic(request: Request): { id: string; secret: string } | null {
  const encoded = /^Basic +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  if (encoded === undefined) return null
  const [id = '', ...rest] = Buffer.from(encoded, 'base64').toString('utf8').split(':')
  return { id: formDecode(id), secret: formDecode(rest.join(':')) }
}

/** RFC 6749 section 2.3.1: both halves are form-encoded before they are joined. */
function formDecode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

function redeemCode(deps: TokenDeps, client: Client, form: URLSearchParams): Reply {
  const { world } = deps
  const text = form.get('code')
  if (!text) return oauthError(400, 'invalid_request', 'Missing required parameter: code')
  const code = world.codes.get(text)
  if (code === undefined || code.clientId !== client.clientId) {
    return oauthError(400, 'invalid_grant', 'Malformed auth code.')
  }
  // RFC 6749 section 4.1.2: a second use also ends what the first one gave.
  if (typeof code.state === 'object') endGrant(world, code.state)
  if (code.state !== 'open' || code.expiresAt <= now(world)) return oauthError(400, 'invalid_grant', 'Bad Request')
  if (form.get('redirect_uri') !== code.redirectUri) return oauthError(400, 'redirect_uri_mismatch', 'Bad Request')
  code.state = 'burned'
  const verifier = form.get('code_verifier')
  const challenge = verifier === null ? null : createHash('sha256').update(verifier).digest('base64url')
  if (challenge !== code.challenge) {
    const word = verifier === null ? 'Missing' : 'Invalid'
    return oauthError(400, 'invalid_grant', `${word} code verifier.`)
  }
  const grant = openGrant(world, { sub: code.sub, clientId: code.clientId, scopes: code.scopes })
  code.state = grant
  const answer = answerFor(deps, client, grant, code.nonce)
  if (code.givesRefreshToken) addRefreshToken(world, answer, issueRefreshToken(world, grant))
  return json(200, answer)
}

function refresh(deps: TokenDeps, client: Client, form: URLSearchParams): Reply {
  const { world } = deps
  const text = form.get('refresh_token')
  if (!text) return oauthError(400, 'invalid_request', 'Missing required parameter: refresh_token')
  const found = world.refreshTokens.get(text)
  const spent = world.spentRefreshTokens.get(text)
  const owner = found?.grant ?? spent
  if (owner && owner.clientId !== client.clientId) return oauthError(401, 'unauthorized_client', 'Unauthorized')
  if (spent) endGrant(world, spent)
  if (!found || (found.expiresAt !== null && found.expiresAt <= now(world))) {
    return oauthError(400, 'invalid_grant', 'Token has been expired or revoked.')
  }
  const { grant } = found
  const answer = answerFor(deps, client, grant, null)
  const { rotateRefreshTokens, scopeOverrideOnRefresh } = world.settings
  if (scopeOverrideOnRefresh !== null) answer.scope = scopeOverrideOnRefresh
  if (rotateRefreshTokens) addRefreshToken(world, answer, rotateRefreshToken(world, grant, text))
  else addRefreshExpiry(world, answer, text)
  return json(200, answer)
}

function addRefreshToken(world: World, answer: Record<string, unknown>, token: string): void {
  if (!world.settings.omitRefreshToken) answer.refresh_token = token
  addRefreshExpiry(world, answer, token)
}

/** Google tells the end of a refresh token only where it has one. */
function addRefreshExpiry(world: World, answer: Record<string, unknown>, token: string): void {
  const expiresAt = world.refreshTokens.get(token)?.expiresAt ?? null
  if (expiresAt !== null) answer.refresh_token_expires_in = Math.round((expiresAt - now(world)) / 1000)
}

function answerFor(deps: TokenDeps, client: Client, grant: Grant, nonce: string | null): Record<string, unknown> {
  const { world, keys, issuer } = deps
  const { settings } = world
  const lifetimeSeconds = settings.accessTokenLifetimeSeconds
  const accessToken = issueAccessToken(world, grant, lifetimeSeconds)
  const answer: Record<string, unknown> = { access_token: accessToken }
  // Google's own figure is one second short of the hour.
  const expiresIn = settings.expiresIn === 'default' ? lifetimeSeconds - 1 : settings.expiresIn
  if (expiresIn !== null) answer.expires_in = expiresIn
  if (!settings.omitScope) answer.scope = grant.scopes.join(' ')
  answer.token_type = 'Bearer'
  const user = world.users.get(grant.sub)
  if (user && grant.scopes.includes('openid') && settings.idToken?.omit !== true) {
    const [{ scopes }, given] = [grant, settings.idToken ?? {}]
    const input = { issuer, user, client, scopes, accessToken, nonce, nowMs: now(world), settings: given }
    answer.id_token = makeIdToken(input, keys)
  }
  return answer
}

/** The revocation endpoint: with one token the person's grants to every client end (SECURITY G5). No client secret. */
export function answerRevoke({ world }: TokenDeps, request: Request): Reply {
  const token = readForm(request)?.get('token') ?? request.url.searchParams.get('token')
  if (!token) return oauthError(400, 'invalid_request', 'Missing required parameter: token')
  const found = world.refreshTokens.get(token)
  const isLive = found && (found.expiresAt === null || found.expiresAt > now(world))
  const sub = isLive ? found.grant.sub : liveAccessToken(world, token)?.sub
  if (sub === undefined) return oauthError(400, 'invalid_token', 'Token expired or revoked')
  revokeUser(world, sub)
  return json(200, {})
}

/** Who the bearer of a live access token is. */
export function answerUserinfo({ world }: TokenDeps, request: Request): Reply {
  const token = bearerToken(request)
  const live = token === null ? null : liveAccessToken(world, token)
  const user = live === null ? undefined : world.users.get(live.sub)
  if (live === null || user === undefined) {
    return apiError(401, 'authError', 'Request had invalid authentication credentials.')
  }
  return json(200, {
    sub: user.sub,
    ...(live.scopes.includes(PROFILE) ? profileOf(user) : {}),
    ...(live.scopes.includes(EMAIL) ? { email: user.email, email_verified: user.email_verified } : {}),
    ...(user.hd === undefined ? {} : { hd: user.hd }),
  })
}

/** The keys; clients may keep them for hours, as Google's say. */
export function answerCerts({ keys }: TokenDeps): Reply {
  return json(200, { keys: [keys.publicJwk] }, { 'cache-control': 'public, max-age=19800, must-revalidate' })
}

/** OpenID Connect Discovery 1.0, section 4. */
export function answerDiscovery({ issuer }: TokenDeps): Reply {
  const document = {
    issuer,
    authorization_endpoint: `${issuer}/o/oauth2/v2/auth`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/v1/userinfo`,
    revocation_endpoint: `${issuer}/revoke`,
    jwks_uri: `${issuer}/oauth2/v3/certs`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    scopes_supported: Object.keys(scopeWords),
    token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
    code_challenge_methods_supported: ['S256'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
  }
  return json(200, document, { 'cache-control': 'public, max-age=3600' })
}
