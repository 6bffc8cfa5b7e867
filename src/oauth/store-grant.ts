// Look, decide, write: what becomes of a verified grant. The decision is pure (auth/link-decision); the write holds its
// preconditions, and where one no longer holds all three run again, three times at most.

import { decideConnect } from '../auth/link-decision.ts'
import { emailHash } from '../auth/subject-hash.ts'
import type { KeyRing } from '../crypto/seal.ts'
import { type AuditEvent, auditParams, type RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import { type Db, isConflict } from '../db/client.ts'
import type { ErrorCode } from '../errors.ts'
import type { MailAccount } from '../mail-accounts/list.ts'
import type { Provider } from '../providers/provider.ts'
import { type MailboxParams, type PersonParams, type WrittenRow, writeCompletion } from './complete.sql.ts'
import type { Ending } from './ending.ts'
import { opensMail, type ReceivedGrant } from './grant.ts'
import { planPerson } from './link-plan.ts'
import { type LookRow, lookBeforeWrite } from './look.sql.ts'
import { describeMailbox, needsConsent, noMailbox, planMailbox } from './mailbox-plan.ts'
import { nothingRefused, type RefusedRequest, refusedGrant, refuseGrant } from './refuse-grant.ts'

export interface StoreDeps {
  readonly db: Db
  readonly clock: () => Date
  readonly chance: () => number
  readonly keyRing: KeyRing
  readonly adminEmails: readonly string[]
  readonly subjectKey: CryptoKey
}

export interface LinkedIdentity {
  readonly id: string
  readonly provider: string
  readonly email: string | null
  readonly createdAt: Date
}

export type Stored =
  | {
      readonly kind: 'stored'
      readonly userId: string
      readonly account: MailAccount | null
      readonly identity: LinkedIdentity | null
    }
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
  const hasWaited = request.ending.ends.waitingId !== null
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
    const plan = planPerson({ grant, look, connecting, adminEmails: deps.adminEmails, now: deps.clock() })
    if (plan.kind === 'refused') {
      await refuseGrant(deps, refusedRequest(request), plan.code)
      return plan
    }
    const keepsMailbox = grant.wants === 'mail' && plan.connectsMailbox
    if (keepsMailbox && request.mayAskConsent && needsConsent(provider, grant, look)) return { kind: 'consent_needed' }
    const mailbox = keepsMailbox
      ? await planMailbox(deps, provider, grant, look, { userId: plan.person.userId, hasWaited })
      : noMailbox
    const notKept = !keepsMailbox && opensMail(provider, grant) ? await refusedGrant(deps, grant, 0) : nothingRefused
    const events = describe(request, plan.person, mailbox, look)
    try {
      const row = await deps.db.first(writeCompletion, {
        ...callerParams(connecting?.claim ?? null),
        ...plan.person,
        provenHash: await provenHashOf(deps, plan.person),
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
          identity: describeIdentity(grant, row),
        }
    } catch (thrown) {
      if (!isConflict(thrown)) throw thrown
    }
    look = null
  }
  // Somebody was faster three times: this grant is not kept, so it goes the way of every refused one.
  await refuseGrant(deps, refusedRequest(request), 'conflict')
  return { kind: 'refused', code: 'conflict' }
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

/** Of the address that a new user begins with, or by which one is found: by proof, in both cases. */
async function provenHashOf(deps: StoreDeps, person: PersonParams): Promise<string | null> {
  const isProven = person.emailProof !== null && (person.mode === 'new_user' || person.mode === 'link')
  return isProven ? emailHash(deps.subjectKey, person.email) : null
}

function refusedRequest({ grant, provider, connecting, origin, ending }: StoreRequest): RefusedRequest {
  return { grant, provider, actorUserId: connecting?.userId ?? null, origin, waitingId: ending.ends.waitingId }
}

function describeIdentity(grant: ReceivedGrant, row: WrittenRow): LinkedIdentity | null {
  if (row.identityId === null || row.identityCreatedAt === null) return null
  return { id: row.identityId, provider: grant.provider, email: grant.email, createdAt: row.identityCreatedAt }
}

function describe(request: StoreRequest, person: PersonParams, mailbox: MailboxParams, look: LookRow): AuditEvent[] {
  const base = { actorUserId: person.userId, outcome: 'success' } as const
  const provider = request.grant.provider
  const events: AuditEvent[] = []
  if (person.mode === 'new_user')
    events.push({ ...base, action: 'user.created', subjectId: person.userId, event: { provider } })
  if (person.addsIdentity && person.mode !== 'new_user') {
    events.push({ ...base, action: 'identity.linked', subjectId: person.userId, event: { provider } })
  }
  // Signing in again with a mailbox that is connected anyway would bury the real connections.
  if (mailbox.accountId !== null && (look.accountStatus !== 'active' || !mailbox.keepsRefreshToken))
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
