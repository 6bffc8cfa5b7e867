// The rules of the authorization endpoint: which requests are refused, when consent is needed, where the browser goes
// next. No page and no socket is known here.
import { newSecret } from './grants.ts'
import { callbackScope, isOptional, parseScopes } from './scopes.ts'
import { type Client, findUser, now, pairKey, type User, type World } from './world.ts'

const CODE_LIFETIME_MS = 600_000
const PROMPTS: ReadonlySet<string> = new Set(['none', 'consent', 'select_account'])

/** A request that passed every check. */
export interface AuthorizeRequest {
  readonly client: Client
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly challenge: string | null
  readonly state: string | null
  readonly nonce: string | null
  readonly loginHint: string | null
  readonly prompts: ReadonlySet<string>
  readonly offline: boolean
  readonly includeGranted: boolean
}

/** Why a request gets a page and no redirect. */
export interface Refusal {
  readonly error: string
  readonly description: string
}

class Refused extends Error {
  readonly refusal: Refusal
  constructor(error: string, description: string) {
    super(error)
    this.refusal = { error, description }
  }
}

/** All of Google's checks; what fails one is never redirected (SECURITY: no open redirect by error). */
export function parseAuthorize(
  world: World,
  query: URLSearchParams,
): { request: AuthorizeRequest } | { refused: Refusal } {
  try {
    return { request: readRequest(world, query) }
  } catch (error) {
    if (error instanceof Refused) return { refused: error.refusal }
    throw error
  }
}

function readRequest(world: World, query: URLSearchParams): AuthorizeRequest {
  for (const name of new Set(query.keys())) {
    if (query.getAll(name).length > 1) {
      throw new Refused('invalid_request', `OAuth 2 parameters can only have a single value: ${name}`)
    }
  }
  const client = world.clients.get(required(query, 'client_id'))
  if (client === undefined) throw new Refused('invalid_client', 'The OAuth client was not found.')
  const redirectUri = required(query, 'redirect_uri')
  if (!isRegistered(client, redirectUri)) {
    throw new Refused('redirect_uri_mismatch', `The redirect URI ${redirectUri} is not registered for this client.`)
  }
  if (required(query, 'response_type') !== 'code') {
    throw new Refused('unsupported_response_type', 'Only response_type=code is supported.')
  }
  const scopes = parseScopes(required(query, 'scope'))
  if (scopes === null) throw new Refused('invalid_scope', 'Some requested scopes were invalid.')
  const prompts = new Set((query.get('prompt') ?? '').split(' ').filter((word) => word !== ''))
  if ([...prompts].some((word) => !PROMPTS.has(word)) || (prompts.has('none') && prompts.size > 1)) {
    throw new Refused('invalid_request', 'Invalid parameter value for prompt.')
  }
  return {
    client,
    redirectUri,
    scopes,
    challenge: readChallenge(query),
    state: query.get('state'),
    nonce: query.get('nonce'),
    loginHint: query.get('login_hint') || null,
    prompts,
    offline: oneOf(query, 'access_type', ['online', 'offline']) === 'offline',
    includeGranted: oneOf(query, 'include_granted_scopes', ['false', 'true']) === 'true',
  }
}

function required(query: URLSearchParams, name: string): string {
  const value = query.get(name)
  if (!value) throw new Refused('invalid_request', `Missing required parameter: ${name}`)
  return value
}

/** The first value is what an absent parameter means. */
function oneOf(query: URLSearchParams, name: string, values: string[]): string | undefined {
  const value = query.get(name) ?? values[0]
  if (value === undefined || !values.includes(value)) {
    throw new Refused('invalid_request', `Invalid parameter value for ${name}.`)
  }
  return value
}

/** PKCE (RFC 7636): a client may go without, as at Google, but not with the method that protects nothing. */
function readChallenge(query: URLSearchParams): string | null {
  const challenge = query.get('code_challenge')
  const method = query.get('code_challenge_method')
  if (challenge === null && method === null) return null
  if (method !== 'S256') throw new Refused('invalid_request', 'This Google wants code_challenge_method=S256.')
  if (!/^[\w-]{43}$/.test(challenge ?? '')) throw new Refused('invalid_request', 'Invalid code_challenge.')
  return challenge
}

function isRegistered(client: Client, uri: string): boolean {
  if (client.redirectUris !== 'any-loopback') return client.redirectUris.includes(uri)
  if (!URL.canParse(uri) || uri.includes('#')) return false
  const { protocol, hostname } = new URL(uri)
  return protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
}

/** The person `login_hint` names, unless the app wants the chooser to be shown. */
export function hintedUser(world: World, asked: AuthorizeRequest): User | null {
  if (asked.loginHint === null || asked.prompts.has('select_account')) return null
  return findUser(world, asked.loginHint) ?? null
}

/** Whether the consent page must come: asked for, or something asked was never granted. */
export function needsConsent(world: World, asked: AuthorizeRequest, user: User): boolean {
  const granted = world.consents.get(pairKey(user.sub, asked.client.clientId))
  return asked.prompts.has('consent') || asked.scopes.some((scope) => !granted?.has(scope))
}

/** prompt=none: a code without any page, or an error. */
export function answerSilently(world: World, asked: AuthorizeRequest): string {
  const user = hintedUser(world, asked)
  if (user === null || needsConsent(world, asked, user)) return errorLocation(asked, 'interaction_required')
  return complete(world, asked, user, null)
}

/** @param ticked the optional scopes left ticked; null where no consent page was shown */
export function complete(
  world: World,
  asked: AuthorizeRequest,
  user: User,
  ticked: ReadonlySet<string> | null,
): string {
  const { clientId } = asked.client
  const key = pairKey(user.sub, clientId)
  const granted = asked.scopes.filter((scope) => ticked === null || !isOptional(scope) || ticked.has(scope))
  if (granted.length === 0) return errorLocation(asked, 'access_denied')
  if (ticked !== null) {
    // The user's last word on what was asked; older grants of other scopes stay.
    const others = [...(world.consents.get(key) ?? [])].filter((scope) => !asked.scopes.includes(scope))
    world.consents.set(key, new Set([...others, ...granted]))
  }
  const consented = world.consents.get(key) ?? []
  const scopes = asked.includeGranted ? [...new Set([...granted, ...consented])] : granted
  const code = newSecret(world, 'code')
  world.codes.set(code, {
    sub: user.sub,
    clientId,
    redirectUri: asked.redirectUri,
    challenge: asked.challenge,
    scopes,
    nonce: asked.nonce,
    givesRefreshToken: asked.offline && ticked !== null,
    expiresAt: now(world) + CODE_LIFETIME_MS,
    state: 'open',
  })
  const prompt = ticked === null ? 'none' : 'consent'
  const hd: Record<string, string> = user.hd === undefined ? {} : { hd: user.hd }
  return locationWith(asked, { code, scope: callbackScope(scopes), authuser: '0', ...hd, prompt })
}

export function errorLocation(asked: AuthorizeRequest, error: string): string {
  return locationWith(asked, { error })
}

function locationWith(asked: AuthorizeRequest, parameters: Record<string, string>): string {
  const url = new URL(asked.redirectUri)
  if (asked.state !== null) url.searchParams.set('state', asked.state)
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

/** `iss` of RFC 9207, by setting only: Google does not send it. */
export function withIssuer(world: World, location: string, issuer: string): string {
  const { issuerInCallback } = world.settings
  if (issuerInCallback === false) return location
  const url = new URL(location)
  url.searchParams.set('iss', issuerInCallback === true ? issuer : issuerInCallback)
  return url.href
}
