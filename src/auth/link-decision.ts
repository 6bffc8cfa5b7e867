// Whom an identity belongs to, as a pure function: no I/O, no clock. Its answer is a value; oauth/complete acts on it.
// It never links by an address that was not proven, and never moves an identity to another user.
//
// An address is proven by our own letter, or by Google for @gmail.com or verified with `hd`; the provider's profile says
// so (`emailProof`). See docs/decisions and the account-takeover classes in its evidence (classic and pre-registered).

import type { Profile } from '../providers/provider.ts'

/** A user as the look before the write found it. */
export interface KnownUser {
  readonly userId: string
  readonly isActive: boolean
}

export interface LinkFacts {
  readonly profile: Pick<Profile, 'email' | 'emailProof'>
  /** Whose identity this (provider, subject) is. */
  readonly identityHolder: KnownUser | null
  /** Who has the profile's address *verified*. */
  readonly addressHolder: (KnownUser & { readonly hasIdentityOfProvider: boolean }) | null
}

export type SignInDecision =
  | { readonly kind: 'existing_user'; readonly userId: string }
  | { readonly kind: 'link'; readonly userId: string }
  | { readonly kind: 'new_user'; readonly isEmailProven: boolean }
  | { readonly kind: 'refused'; readonly code: 'account_exists' | 'account_disabled' | 'provider_refused' }

export function decideSignIn(facts: LinkFacts): SignInDecision {
  const { identityHolder, addressHolder, profile } = facts
  if (identityHolder !== null) {
    return identityHolder.isActive
      ? { kind: 'existing_user', userId: identityHolder.userId }
      : { kind: 'refused', code: 'account_disabled' }
  }
  if (profile.email === null) return { kind: 'refused', code: 'provider_refused' }
  if (addressHolder === null) return { kind: 'new_user', isEmailProven: profile.emailProof !== null }
  if (profile.emailProof === null || addressHolder.hasIdentityOfProvider)
    return { kind: 'refused', code: 'account_exists' }
  return addressHolder.isActive
    ? { kind: 'link', userId: addressHolder.userId }
    : { kind: 'refused', code: 'account_disabled' }
}

export interface ConnectFacts {
  readonly callerUserId: string
  readonly identityHolder: KnownUser | null
  /** The subject a reconnecting flow must end with; null where any mailbox will do. */
  readonly expectedSubject: string | null
  readonly subject: string
  readonly wants: 'identity' | 'mail'
}

export type ConnectDecision =
  | { readonly kind: 'connect_mailbox' }
  | { readonly kind: 'add_identity' }
  | { readonly kind: 'already_linked' }
  | { readonly kind: 'refused'; readonly code: 'identity_in_use' | 'wrong_mailbox' }

/** For a flow that belongs to a signed-in session. A mailbox does not become a way to sign in; an identity never changes its user. */
export function decideConnect(facts: ConnectFacts): ConnectDecision {
  if (facts.expectedSubject !== null && facts.expectedSubject !== facts.subject)
    return { kind: 'refused', code: 'wrong_mailbox' }
  if (facts.wants === 'mail') return { kind: 'connect_mailbox' }
  if (facts.identityHolder === null) return { kind: 'add_identity' }
  return facts.identityHolder.userId === facts.callerUserId
    ? { kind: 'already_linked' }
    : { kind: 'refused', code: 'identity_in_use' }
}
