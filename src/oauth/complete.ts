// The callback: from what the browser brings back to a session, a hand-off code, a connected mailbox, or a refusal in
// words. Order matters: nothing is asked of the provider before the flow is known, bound to this browser and claimed.

import type { CookieClaim } from '../auth/claims.ts'
import { replaces } from '../auth/new-session.sql.ts'
import { newCookieSession } from '../auth/sessions.ts'
import { equalText, sha256 } from '../crypto/hash.ts'
import { randomToken, uuidV7 } from '../crypto/random.ts'
import { recordAudit } from '../db/audit.sql.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ProviderFailure } from '../providers/failure.ts'
import type { Grant, Profile, Provider } from '../providers/provider.ts'
import { claimFlow, writeWaitingGrant } from './complete.sql.ts'
import { type Ending, endsNothing, noHandOff, nothingMore } from './ending.ts'
import { type Flow, flowCookieSuffix, flowIdOf, flowSeconds, forgetFlow, readFlow } from './flow.ts'
import { type ReceivedGrant, receive, sealWaiting } from './grant.ts'
import { setAsideForConsent } from './refuse-grant.ts'
import { type FlowCookie, findProvider, type StartDeps, startConsentRound } from './start.ts'
import { admitWaitingGrant, type StoreDeps, storeGrant } from './store-grant.ts'

export type CompleteDeps = StartDeps & StoreDeps & { readonly log: Log }

export interface CallbackRequest {
  readonly provider: string
  readonly code: string | null
  readonly state: string | null
  readonly error: string | null
  /** RFC 9207; must match where it is sent. */
  readonly issuer: string | null
  /** The flow cookie with this suffix, if the browser shows one. */
  readonly flowCookie: (suffix: string) => string | null
  /** The session cookie, its form checked; null without one. */
  readonly sessionCookie: CookieClaim | null
}

export interface Completed {
  /** Where the browser goes: a path of ours, a configured address, or the provider once more. */
  readonly location: string
  /** A new session for our own pages. */
  readonly sessionCookie: string | null
  readonly spentCookieSuffix: string
  readonly nextFlowCookie: FlowCookie | null
}

/** Throws 400 `flow_unknown` where no flow is known or it is not this browser's; every later refusal is a location with `error`. */
export async function completeFlow(
  deps: CompleteDeps,
  request: CallbackRequest,
  origin: RequestOrigin,
): Promise<Completed> {
  const provider = findProvider(deps.providers, request.provider)
  const { flow, flowId } = await admitFlow(deps, provider, request)
  const end = (location: string, more: Partial<Completed> = {}): Completed => ({
    location,
    sessionCookie: null,
    nextFlowCookie: null,
    spentCookieSuffix: flowCookieSuffix(flowId),
    ...more,
  })
  // A grant that could not be sealed would be lost: before the exchange, not after it.
  void deps.keyRing
  const claimed = await deps.db.first(claimFlow, { claimId: uuidV7(deps.clock()), flowId, provider: provider.code })
  if (claimed === null) throw new AppError('flow_unknown')
  await forgetFlow(deps.flows, flowId)
  try {
    return end(...(await finishFlow(deps, { provider, flow, request, origin })))
  } catch (thrown) {
    // From here on the flow is known, and so is where its person waits for an answer.
    if (!(thrown instanceof AppError)) throw thrown
    deps.log.error('unavailable', { code: thrown.code, provider: provider.code })
    return end(refusalLocation(flow, thrown.code))
  }
}

interface AdmittedCallback {
  readonly provider: Provider
  readonly flow: Flow
  readonly request: CallbackRequest
  readonly origin: RequestOrigin
}

type Finish = readonly [location: string, more?: Partial<Completed>]

async function finishFlow(deps: CompleteDeps, { provider, flow, request, origin }: AdmittedCallback): Promise<Finish> {
  if (request.code === null) {
    const code = request.error === 'access_denied' ? 'access_denied' : 'provider_refused'
    await recordRefusal(deps, flow, code, origin)
    return [refusalLocation(flow, code)]
  }
  const verified = await exchangeAndVerify(provider, flow, request.code)
  if (!('grant' in verified)) {
    // Our own client was refused: everybody is, until somebody looks.
    if (verified.kind === 'misconfigured')
      deps.log.error('alarm_provider_misconfigured', { provider: provider.code, code: verified.code })
    await recordRefusal(deps, flow, verified.code, origin)
    return [refusalLocation(flow, refusalOf(verified))]
  }
  const grant = receive(provider, flow, verified.grant, verified.profile)

  const finish = await prepareEnding(deps, flow, request)
  const common = { provider, grant, mayAskConsent: flow.round === 1, origin }
  const outcome =
    flow.session !== null && flow.entry === 'start'
      ? await admitWaitingGrant(deps, { ...common, ownerUserId: flow.session.userId })
      : await storeGrant(deps, {
          ...common,
          connecting: flow.session === null ? null : { claim: request.sessionCookie, ...flow.session },
          ending: finish.ending,
        })
  switch (outcome.kind) {
    case 'refused':
      return [refusalLocation(flow, outcome.code)]
    case 'consent_needed': {
      await setAsideForConsent(deps, grant, flowSeconds, origin)
      const next = await startConsentRound(deps, provider, flow, grant.email)
      return [next.url, { nextFlowCookie: next.cookie }]
    }
    case 'admitted':
      // Begun with Bearer: what it connects waits, sealed, until that very session shows the code.
      await keepWaiting(deps, flow, finish.ending, grant)
      return [finish.location]
    case 'stored':
      return [finish.location, { sessionCookie: finish.cookie }]
  }
}

function recordRefusal(deps: CompleteDeps, flow: Flow, code: string, origin: RequestOrigin): Promise<void> {
  return recordAudit(deps.db, origin, [
    {
      action: 'sign_in.refused',
      actorUserId: flow.session?.userId ?? null,
      subjectId: null,
      outcome: 'refused',
      event: { provider: flow.provider, code },
    },
  ])
}

/** The flow, if it is known, this provider's, and this browser's (and session's). */
async function admitFlow(
  deps: CompleteDeps,
  provider: Provider,
  request: CallbackRequest,
): Promise<{ flow: Flow; flowId: string }> {
  if (request.state === null || (request.code === null) === (request.error === null)) throw new AppError('flow_unknown')
  const flowId = await flowIdOf(request.state)
  const flow = await readFlow(deps.flows, flowId, deps.clock())
  if (flow === null || flow.provider !== provider.code) throw new AppError('flow_unknown')
  if (request.issuer !== null && provider.issuer !== null && request.issuer !== provider.issuer)
    throw new AppError('flow_unknown')
  if (flow.cookieHash !== null) {
    const shown = request.flowCookie(flowCookieSuffix(flowId))
    if (shown === null || !(await equalText(await sha256(shown), flow.cookieHash))) throw new AppError('flow_unknown')
    if (flow.session !== null && request.sessionCookie?.sessionId !== flow.session.sessionId)
      throw new AppError('flow_unknown')
  }
  return { flow, flowId }
}

async function exchangeAndVerify(
  provider: Provider,
  flow: Flow,
  code: string,
): Promise<{ grant: Grant; profile: Profile } | ProviderFailure> {
  const exchanged = await provider.exchange({ code, codeVerifier: flow.codeVerifier })
  if (!exchanged.ok) return exchanged
  const profile = await provider.profile({ grant: exchanged.value, nonce: flow.nonce })
  return profile.ok ? { grant: exchanged.value, profile: profile.value } : profile
}

function refusalOf(failure: ProviderFailure): ErrorCode {
  switch (failure.kind) {
    case 'rate_limited':
    case 'unavailable':
    case 'misconfigured':
      return 'provider_unavailable'
    case 'grant_dead':
    case 'unauthorized':
    case 'forbidden':
    case 'history_expired':
    case 'refused':
    case 'invalid_proof':
      return 'provider_refused'
  }
}

interface PreparedEnding {
  readonly ending: Ending
  readonly location: string
  readonly cookie: string | null
}

/** What the flow shall leave behind: nothing more (connecting), a session of our pages, or a hand-off code. */
async function prepareEnding(deps: CompleteDeps, flow: Flow, request: CallbackRequest): Promise<PreparedEnding> {
  const { destination } = flow
  // A sign-in that shows a session ends it; only where the flow is this browser's, or anybody could sign it out.
  const shown = flow.entry === 'login' && flow.purpose === 'sign_in' ? request.sessionCookie : null
  const ends = { ...endsNothing, ...replaces(shown) }
  if (destination.kind === 'own') {
    if (flow.purpose === 'connect') return { ending: nothingMore, location: destination.path, cookie: null }
    const session = await newCookieSession(deps.clock)
    return {
      ending: { session: session.params, handOff: noHandOff, ends },
      location: destination.path,
      cookie: session.cookie,
    }
  }
  const code = randomToken()
  const handOff = {
    handOffId: uuidV7(deps.clock()),
    handOffHash: await sha256(code),
    handOffChallenge: flow.codeChallenge,
  }
  return {
    ending: { ...nothingMore, handOff, ends },
    location: withQuery(destination.url, 'state', code),
    cookie: null,
  }
}

async function keepWaiting(deps: CompleteDeps, flow: Flow, ending: Ending, grant: ReceivedGrant): Promise<void> {
  const { session } = flow
  const { handOff } = ending
  if (session === null || handOff.handOffId === null) throw new AppError('flow_unknown')
  await deps.db.all(writeWaitingGrant, {
    ...handOff,
    ...session,
    provider: grant.provider,
    subject: grant.subject,
    payload: await sealWaiting(deps.keyRing, grant, handOff.handOffId, session.userId),
  })
}

function refusalLocation(flow: Flow, code: ErrorCode): string {
  if (flow.destination.kind === 'hand_off') return withQuery(flow.destination.url, 'error', code)
  return `${flow.purpose === 'sign_in' ? '/sign-in' : '/mailboxes'}?error=${code}`
}

function withQuery(address: string, name: string, value: string): string {
  const url = new URL(address)
  url.searchParams.set(name, value)
  return url.href
}
