// From the look to the person of the write, as a pure function of facts: whom the decision found or makes, under which
// preconditions, and whether the mailbox comes with it.

import { decideConnect, decideSignIn } from '../auth/link-decision.ts'
import { uuidV7 } from '../crypto/random.ts'
import type { ErrorCode } from '../errors.ts'
import type { PersonParams } from './complete.sql.ts'
import type { ReceivedGrant } from './grant.ts'
import type { LookRow } from './look.sql.ts'

export type Plan =
  | {
      readonly kind: 'write'
      readonly person: PersonParams
      readonly connectsMailbox: boolean
    }
  | { readonly kind: 'refused'; readonly code: ErrorCode }

export interface PlanFacts {
  readonly grant: ReceivedGrant
  readonly look: LookRow
  /** Connecting flows: the session that must be the flow's, and live. */
  readonly connecting: { readonly sessionId: string; readonly userId: string } | null
  readonly adminEmails: readonly string[]
  readonly now: Date
}

/** Which user the write makes, holds or takes; refusals are values. */
export function planPerson({ grant, look, connecting, adminEmails, now }: PlanFacts): Plan {
  const identityHolder =
    look.identityUserId === null ? null : { userId: look.identityUserId, isActive: look.identityIsActive }
  const person = {
    rowVersion: null,
    credentialVersion: 1,
    email: grant.email ?? '',
    emailProof: grant.emailProof,
    fullName: grant.fullName,
    adminEmails,
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
    // A mailbox without an address cannot be told from another.
    if (decision.kind === 'connect_mailbox' && grant.email === null && look.accountId === null)
      return { kind: 'refused', code: 'provider_refused' }
    if (decision.kind === 'add_identity' && !look.isPresent) return { kind: 'refused', code: 'step_up_required' }
    return {
      kind: 'write',
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
        person: { ...person, mode: 'new_user', userId: uuidV7(now), addsIdentity: true },
        connectsMailbox: true,
      }
    case 'link':
      return {
        kind: 'write',
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
