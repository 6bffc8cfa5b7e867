// Look, decide, write: what becomes of a verified grant. The decision is pure (auth/link-decision); the write holds its
// preconditions, and where one no longer holds all three run again, three times at most.

import { type ConnectDecision, decideConnect, decideSignIn, type SignInDecision } from '../auth/link-decision.ts'
import { type NewSessionParams, noSession } from '../auth/new-session.sql.ts'
import { uuidV7 } from '../crypto/random.ts'
import type { KeyRing } from '../crypto/seal.ts'
import { type AuditEvent, auditParams, type RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import { type Db, isConflict } from '../db/client.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import type { MailAccount } from '../mail-accounts/list.ts'
import { nextRefreshAt } from '../mail-accounts/refresh-policy.ts'
import { sealTokens } from '../mail-accounts/vault.ts'
import type { Provider } from '../providers/provider.ts'
import {
  type EndingParams,
  type HandOffParams,
  type LookRow,
  lookBeforeWrite,
  type MailboxParams,
  type PersonParams,
  type RefusedGrantParams,
  writeCompletion,
  writeRefusal,
} from './complete.sql.ts'
import { opensMail, type ReceivedGrant, sealForRevocation } from './grant.ts'

export interface StoreDeps {
  readonly db: Db
  readonly clock: () => Date
  readonly chance: () => number
  readonly keyRing: KeyRing
  readonly adminEmails: readonly string[]
}

/** What shall exist once the grant is stored. */
export interface Ending {
  readonly session: NewSessionParams
  readonly handOff: HandOffParams
  readonly ends: EndingParams
}

export const noHandOff: HandOffParams = { handOffId: null, handOffHash: null, handOffChallenge: null }
export const endsNothing: EndingParams = { endedSessionId: null, endedSecretHash: null, waitingId: null }
export const nothingMore: Ending = { session: noSession, handOff: noHandOff, ends: endsNothing }

export type Stored =
  | { readonly kind: 'stored'; readonly userId: string; readonly account: MailAccount | null }
  /** No refresh token came and none is stored: show the consent screen, once. */
  | { readonly kind: 'consent_needed' }
  | { readonly kind: 'refused'; readonly code: ErrorCode }

export interface StoreRequest {
  readonly provider: Provider
  readonly grant: ReceivedGrant
  /** Connecting flows: the session that must be the flow's, and live. */
  readonly connecting: {
    readonly claim: CallerClaim | null
    readonly sessionId: string
    readonly userId: string
  } | null
  /** False in the second round: take what there is. */
  readonly mayAskConsent: boolean
  readonly ending: Ending
  readonly origin: RequestOrigin
  /** The look that came with an earlier statement, for the first try. */
  readonly firstLook?: LookRow
}

/** Stores a grant with all that follows from it in one statement, or refuses and sends the grant to be revoked. */
export async function storeGrant(deps: StoreDeps, request: StoreRequest): Promise<Stored> {
  const { grant, connecting, provider } = request
  let look = request.firstLook ?? null
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    look ??= await deps.db.first(lookBeforeWrite, {
      ...callerParams(connecting?.claim ?? null),
      provider: grant.provider,
      subject: grant.subject,
      email: grant.email,
      ownerUserId: connecting?.userId ?? null,
    })
    if (look === null) throw new Error('the look answers one row')
    const plan = decide(deps, request, look)
    if (plan.kind === 'refused') {
      const { waitingId } = request.ending.ends
      await refuseGrant(
        deps,
        { grant, provider, actorUserId: connecting?.userId ?? null, origin: request.origin, waitingId },
        plan.code,
      )
      return plan
    }
    const keepsMailbox = grant.wants === 'mail' && plan.connectsMailbox
    if (keepsMailbox && request.mayAskConsent && needsConsent(provider, grant, look)) return { kind: 'consent_needed' }
    const mailbox = keepsMailbox ? await planMailbox(deps, provider, grant, look, plan.person.userId) : noMailbox
    const notKept = !keepsMailbox && opensMail(provider, grant) ? await refusedGrant(deps, grant, 0) : nothingRefused
    const events = describe(request, plan, mailbox)
    try {
      const row = await deps.db.first(writeCompletion, {
        ...callerParams(connecting?.claim ?? null),
        ...plan.person,
        ...mailbox,
        ...notKept,
        ...request.ending.session,
        ...request.ending.handOff,
        ...request.ending.ends,
        ...auditParams(request.origin, events),
      })
      if (row !== null)
        return {
          kind: 'stored',
          userId: row.userId,
          account: describeMailbox(provider, grant, mailbox, row, deps.clock()),
        }
    } catch (thrown) {
      if (!isConflict(thrown)) throw thrown
    }
    look = null
  }
  throw new AppError('conflict')
}

/**
 * For a grant that will wait for its session: what can be told before that session shows its code. A refusal sends the
 * grant to be revoked.
 */
export async function admitWaitingGrant(
  deps: StoreDeps,
  request: Omit<StoreRequest, 'connecting' | 'ending' | 'firstLook'> & { readonly ownerUserId: string },
): Promise<{ kind: 'admitted' } | Exclude<Stored, { kind: 'stored' }>> {
  const { grant, provider, ownerUserId, origin } = request
  const { subject } = grant
  const look = await deps.db.first(lookBeforeWrite, {
    ...callerParams(null),
    provider: grant.provider,
    subject,
    email: null,
    ownerUserId,
  })
  if (look === null) throw new Error('the look answers one row')
  const identityHolder =
    look.identityUserId === null ? null : { userId: look.identityUserId, isActive: look.identityIsActive }
  const decision = decideConnect({
    callerUserId: ownerUserId,
    identityHolder,
    expectedSubject: grant.expectedSubject,
    subject,
    wants: grant.wants,
  })
  if (decision.kind === 'refused') {
    await refuseGrant(deps, { grant, provider, actorUserId: ownerUserId, origin, waitingId: null }, decision.code)
    return decision
  }
  if (decision.kind === 'connect_mailbox' && request.mayAskConsent && needsConsent(provider, grant, look))
    return { kind: 'consent_needed' }
  return { kind: 'admitted' }
}

function needsConsent(provider: Provider, grant: ReceivedGrant, look: LookRow): boolean {
  return opensMail(provider, grant) && grant.refreshToken === null && !hasUsableToken(look, grant)
}

type Plan =
  | {
      readonly kind: 'write'
      readonly person: PersonParams
      readonly connectsMailbox: boolean
      readonly decision: SignInDecision | ConnectDecision
    }
  | { readonly kind: 'refused'; readonly code: ErrorCode }

function decide(deps: StoreDeps, request: StoreRequest, look: LookRow): Plan {
  const { grant, connecting } = request
  const identityHolder =
    look.identityUserId === null ? null : { userId: look.identityUserId, isActive: look.identityIsActive }
  const person = {
    rowVersion: null,
    credentialVersion: 1,
    email: grant.email ?? '',
    emailProof: grant.emailProof,
    fullName: grant.fullName,
    adminEmails: deps.adminEmails,
    provider: grant.provider,
    subject: grant.subject,
    identityEmail: grant.email,
  }
  if (connecting !== null) {
    // The session that began it is gone, or is not the one that came back.
    if (look.callerSessionId !== connecting.sessionId || look.callerUserId !== connecting.userId)
      return { kind: 'refused', code: 'session_expired' }
    const decision = decideConnect({
      callerUserId: connecting.userId,
      identityHolder,
      expectedSubject: grant.expectedSubject,
      subject: grant.subject,
      wants: grant.wants,
    })
    if (decision.kind === 'refused') return decision
    if (decision.kind === 'add_identity' && !look.isPresent) return { kind: 'refused', code: 'step_up_required' }
    return {
      kind: 'write',
      decision,
      person: { ...person, mode: 'caller', userId: connecting.userId, addsIdentity: decision.kind === 'add_identity' },
      connectsMailbox: decision.kind === 'connect_mailbox',
    }
  }
  const decision = decideSignIn({
    profile: grant,
    identityHolder,
    addressHolder:
      look.addressUserId === null
        ? null
        : {
            userId: look.addressUserId,
            isActive: look.addressIsActive,
            hasIdentityOfProvider: look.addressHasIdentity,
          },
  })
  switch (decision.kind) {
    case 'refused':
      return decision
    case 'new_user':
      return {
        kind: 'write',
        decision,
        person: { ...person, mode: 'new_user', userId: uuidV7(deps.clock()), addsIdentity: true },
        connectsMailbox: true,
      }
    case 'link':
      return {
        kind: 'write',
        decision,
        person: {
          ...person,
          mode: 'link',
          userId: decision.userId,
          rowVersion: look.addressRowVersion,
          credentialVersion: look.addressCredentialVersion ?? 0,
          addsIdentity: true,
        },
        connectsMailbox: look.accountStatus !== 'disconnected',
      }
    case 'existing_user':
      return {
        kind: 'write',
        decision,
        person: {
          ...person,
          mode: 'existing',
          userId: decision.userId,
          credentialVersion: look.identityCredentialVersion ?? 0,
          addsIdentity: false,
        },
        // What its user disconnected comes back only by connecting it.
        connectsMailbox: look.accountStatus !== 'disconnected',
      }
  }
}

function hasUsableToken(look: LookRow, grant: ReceivedGrant): boolean {
  return (
    look.accountHasRefreshToken &&
    look.accountClientId === grant.clientId &&
    look.accountStatus !== 'needs_reauthorization' &&
    look.accountStatus !== 'disconnected'
  )
}

const noMailbox: MailboxParams = {
  accountId: null,
  isNewAccount: false,
  seenVersion: null,
  accountEmail: null,
  accountStatus: null,
  scopes: null,
  accessToken: null,
  refreshToken: null,
  tokenExpiresAt: null,
  refreshTokenExpiresAt: null,
  refreshDueAt: null,
  clientId: null,
}

async function planMailbox(
  deps: StoreDeps,
  provider: Provider,
  grant: ReceivedGrant,
  look: LookRow,
  userId: string,
): Promise<MailboxParams & { accountId: string }> {
  const now = deps.clock()
  const accountId = look.accountId ?? uuidV7(now)
  const sealed = await sealTokens(deps.keyRing, { accountId, userId }, grant)
  const expiresAt = new Date(grant.expiresAt)
  const refreshTokenExpiresAt = grant.refreshTokenExpiresAt === null ? null : new Date(grant.refreshTokenExpiresAt)
  const canRefresh = grant.refreshToken !== null || hasUsableToken(look, grant)
  const isMailOpen = opensMail(provider, grant)
  return {
    accountId,
    isNewAccount: look.accountId === null,
    seenVersion: look.accountVersion,
    accountEmail: grant.email ?? '',
    // Nothing will follow the access token: it serves while it lives, and its end is noticed at its expiry.
    accountStatus: canRefresh || !isMailOpen ? 'active' : 'degraded',
    scopes: grant.scopes.join(' '),
    accessToken: sealed.accessToken,
    refreshToken: sealed.refreshToken,
    tokenExpiresAt: expiresAt,
    refreshTokenExpiresAt,
    refreshDueAt: canRefresh
      ? nextRefreshAt(now, expiresAt, refreshTokenExpiresAt, deps.chance())
      : isMailOpen
        ? expiresAt
        : null,
    clientId: grant.clientId,
  }
}

/** The mailbox as it now stands, from what was written: no trip to read it back. */
function describeMailbox(
  provider: Provider,
  grant: ReceivedGrant,
  mailbox: MailboxParams,
  row: { accountCreatedAt: Date | null; lastSyncedAt: Date | null },
  now: Date,
): MailAccount | null {
  if (mailbox.accountId === null || mailbox.accountStatus === null) return null
  return {
    id: mailbox.accountId,
    email: mailbox.accountEmail ?? '',
    provider: provider.code,
    status: mailbox.accountStatus,
    grantedScopes: grant.scopes,
    missingScopes: provider.mailScopes.filter((scope) => !grant.scopes.includes(scope)),
    expiresAt: mailbox.tokenExpiresAt,
    lastRefreshedAt: now,
    lastSyncedAt: row.lastSyncedAt,
    createdAt: row.accountCreatedAt ?? now,
    refreshTokenExpiresAt: mailbox.refreshTokenExpiresAt,
    lastError: null,
  }
}

function describe(request: StoreRequest, plan: Plan & { kind: 'write' }, mailbox: MailboxParams): AuditEvent[] {
  const { person } = plan
  const base = { actorUserId: person.userId, outcome: 'success' } as const
  const provider = request.grant.provider
  const events: AuditEvent[] = []
  if (person.mode === 'new_user')
    events.push({ ...base, action: 'user.created', subjectId: person.userId, event: { provider } })
  if (person.addsIdentity && person.mode !== 'new_user') {
    events.push({ ...base, action: 'identity.linked', subjectId: person.userId, event: { provider } })
  }
  if (mailbox.accountId !== null)
    events.push({ ...base, action: 'mail_account.connected', subjectId: mailbox.accountId, event: { provider } })
  if (request.ending.session.newSessionId !== null) {
    events.push({
      ...base,
      action: 'session.created',
      subjectId: request.ending.session.newSessionId,
      event: { provider },
    })
  }
  return events
}

const nothingRefused: RefusedGrantParams = { refusedGrant: null, refusedAs: null, refusedDueAt: null }

async function refusedGrant(deps: StoreDeps, grant: ReceivedGrant, delaySeconds: number): Promise<RefusedGrantParams> {
  const { sealed, sealedAs } = await sealForRevocation(deps.keyRing, grant, uuidV7(deps.clock()))
  return {
    refusedGrant: sealed,
    refusedAs: sealedAs,
    refusedDueAt: new Date(deps.clock().getTime() + delaySeconds * 1_000),
  }
}

/** Records a refusal and sends the grant, if it opens mail, to be revoked; within a cron tick unless another lives. */
async function refuseGrant(
  deps: StoreDeps,
  refused: {
    grant: ReceivedGrant
    provider: Provider
    actorUserId: string | null
    origin: RequestOrigin
    waitingId: string | null
  },
  code: ErrorCode,
): Promise<void> {
  const { grant, provider, actorUserId, origin, waitingId } = refused
  await deps.db.all(writeRefusal, {
    ...(opensMail(provider, grant) ? await refusedGrant(deps, grant, 0) : nothingRefused),
    ...auditParams(origin, [
      {
        action: 'sign_in.refused',
        actorUserId,
        subjectId: null,
        outcome: 'refused',
        event: { provider: grant.provider, code },
      },
    ]),
    provider: grant.provider,
    subject: grant.subject,
    waitingId,
  })
}

/** The grant of a first round whose consent screen is still to come: revoked if nobody completes it in time. */
export async function setAsideForConsent(
  deps: StoreDeps,
  grant: ReceivedGrant,
  delaySeconds: number,
  origin: RequestOrigin,
): Promise<void> {
  await deps.db.all(writeRefusal, {
    ...(await refusedGrant(deps, grant, delaySeconds)),
    ...auditParams(origin, []),
    provider: grant.provider,
    subject: grant.subject,
    waitingId: null,
  })
}
