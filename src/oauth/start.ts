// Beginning a flow: state, PKCE verifier and nonce, a record in KV, an address to go to. Signing in costs no database
// trip; connecting costs one, for it belongs to a live session.

import { sha256 } from '../crypto/hash.ts'
import { randomToken } from '../crypto/random.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { newCodeVerifier, newState } from '../providers/oauth2.ts'
import type { Provider, ProviderCode, ScopeSet } from '../providers/provider.ts'
import { type Flow, type FlowStore, flowCookieSuffix, flowIdOf, flowSeconds, type Purpose, saveFlow } from './flow.ts'
import { type Destination, type ReturnSettings, resolveReturn } from './return-to.ts'
import { lookBeforeConnect } from './start.sql.ts'

export interface StartDeps {
  readonly db: Db
  readonly clock: () => Date
  readonly flows: FlowStore
  readonly providers: ReadonlyMap<ProviderCode, Provider>
  readonly returns: ReturnSettings
  readonly isHandoffChallengeRequired: boolean
}

export interface StartRequest {
  readonly entry: 'login' | 'start'
  /** Null: `mail` where the provider has mail, `identity` elsewhere. */
  readonly scopes: ScopeSet | null
  readonly returnTo: string | null
  /** S256 challenge that binds the hand-off to the front end that asked (RFC 7636). */
  readonly codeChallenge: string | null
}

export interface StartedFlow {
  readonly url: string
  readonly state: string
  /** Seconds. */
  readonly expiresIn: number
  /** `login` only: the browser must show it again at the callback. */
  readonly cookie: FlowCookie | null
}

export interface FlowCookie {
  readonly suffix: string
  readonly value: string
  readonly maxAgeSeconds: number
}

/** Throws 404 `provider_unknown`, 400 `invalid_return_to`, 422. */
export async function startSignIn(
  deps: StartDeps,
  request: StartRequest & { readonly provider: string },
): Promise<StartedFlow> {
  const provider = findProvider(deps.providers, request.provider)
  const rest = prepare(deps, provider, request, 'sign_in')
  return begin(deps, provider, {
    ...rest,
    purpose: 'sign_in',
    session: null,
    expected: null,
    loginHint: null,
    prompt: null,
  })
}

/**
 * Begins a flow that only `claim`'s session can complete. With `mailAccountId` it reconnects that mailbox: consent is
 * forced, the address hinted. Throws as `startSignIn`; 401; 403 `step_up_required` (adding a way to sign in); 404.
 */
export async function startConnect(
  deps: StartDeps,
  claim: CallerClaim,
  request: StartRequest &
    (
      | { readonly provider: string; readonly mailAccountId: null }
      | { readonly provider: string | null; readonly mailAccountId: string }
    ),
): Promise<StartedFlow> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const row = await deps.db.first(lookBeforeConnect, { ...callerParams(claim), accountId: request.mailAccountId })
  if (row === null || row.userId === null || row.sessionId === null) throw new AppError('unauthorized')
  const isReconnect = request.mailAccountId !== null
  if (isReconnect && row.accountProvider === null) throw new AppError('not_found')
  const provider = findProvider(deps.providers, request.provider ?? row.accountProvider ?? '')
  if (isReconnect && row.accountProvider !== provider.code) throw new AppError('not_found')
  // A mailbox comes back as one: reconnecting never adds a way to sign in, whatever scopes were asked for.
  const rest = prepare(deps, provider, isReconnect ? { ...request, scopes: 'mail' } : request, 'connect')
  if (rest.scopes === 'identity' && !row.isPresent) throw new AppError('step_up_required')
  return begin(deps, provider, {
    ...rest,
    purpose: 'connect',
    session: { sessionId: row.sessionId, userId: row.userId },
    expected:
      request.mailAccountId === null || row.accountSubject === null
        ? null
        : { accountId: request.mailAccountId, subject: row.accountSubject },
    loginHint: row.accountEmail,
    prompt: isReconnect ? 'consent' : null,
  })
}

/**
 * The second round of a flow whose grant had no refresh token: the consent screen, once. Binding, destination and
 * session are carried over; state, verifier and nonce are new.
 */
export function startConsentRound(
  deps: Omit<StartDeps, 'db'>,
  provider: Provider,
  flow: Flow,
  email: string | null,
): Promise<StartedFlow> {
  const { entry, scopes, destination, codeChallenge, purpose, session, expected } = flow
  return begin(
    deps,
    provider,
    { entry, scopes, destination, codeChallenge, purpose, session, expected, loginHint: email, prompt: 'consent' },
    2,
  )
}

interface FlowPlan {
  readonly entry: 'login' | 'start'
  readonly purpose: Purpose
  readonly scopes: ScopeSet
  readonly destination: Destination
  readonly codeChallenge: string | null
  readonly session: Flow['session']
  readonly expected: Flow['expected']
  readonly loginHint: string | null
  readonly prompt: 'consent' | null
}

function prepare(
  deps: StartDeps,
  provider: Provider,
  request: StartRequest,
  purpose: Purpose,
): Pick<FlowPlan, 'entry' | 'scopes' | 'destination' | 'codeChallenge'> {
  const scopes = request.scopes ?? (provider.supportsMail ? 'mail' : 'identity')
  if (scopes === 'mail' && !provider.supportsMail) {
    throw new AppError('invalid_input', { errors: [{ path: 'scopes', message: 'this provider has no mail' }] })
  }
  const destination = resolveReturn(deps.returns, { entry: request.entry, purpose, returnTo: request.returnTo })
  if (destination.kind === 'hand_off' && deps.isHandoffChallengeRequired && request.codeChallenge === null) {
    throw new AppError('invalid_input', { errors: [{ path: 'code_challenge', message: 'is required here' }] })
  }
  return { scopes, destination, entry: request.entry, codeChallenge: request.codeChallenge }
}

export function findProvider(providers: ReadonlyMap<ProviderCode, Provider>, code: string): Provider {
  const provider = [...providers.values()].find((offered) => offered.code === code)
  if (provider === undefined) throw new AppError('provider_unknown')
  return provider
}

async function begin(
  deps: Omit<StartDeps, 'db'>,
  provider: Provider,
  plan: FlowPlan,
  round: 1 | 2 = 1,
): Promise<StartedFlow> {
  const { prompt, ...kept } = plan
  const state = newState()
  const codeVerifier = newCodeVerifier()
  const nonce = randomToken()
  const secret = plan.entry === 'login' ? randomToken() : null
  const flowId = await flowIdOf(state)
  await saveFlow(deps.flows, flowId, {
    ...kept,
    version: 1,
    provider: provider.code,
    codeVerifier,
    nonce,
    cookieHash: secret === null ? null : await sha256(secret),
    round,
    expiresAt: deps.clock().getTime() + flowSeconds * 1_000,
  })
  const url = provider.authorizationUrl({
    state,
    codeVerifier,
    nonce,
    scopes: plan.scopes,
    prompt,
    loginHint: plan.loginHint,
  })
  return {
    url: url.href,
    state,
    expiresIn: flowSeconds,
    cookie: secret === null ? null : { suffix: flowCookieSuffix(flowId), value: secret, maxAgeSeconds: flowSeconds },
  }
}
