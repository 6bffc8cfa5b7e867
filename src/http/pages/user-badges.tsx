// A user's role and state in words, for the list and for the user's own page.

import type { User } from '../../users/administration.ts'
import { Badge } from './parts.tsx'

export const RoleBadge = ({ user }: { user: User }) =>
  user.role === 'admin' ? <Badge tone="good">Administrator</Badge> : <Badge tone="calm">User</Badge>

/** Disabled says more than locked, and locked more than an address nobody confirmed. */
export const StateBadge = ({ user }: { user: User }) => {
  if (!user.isActive) return <Badge tone="bad">Disabled</Badge>
  if (user.lockedUntil !== null) return <Badge tone="warn">Locked</Badge>
  return user.emailVerified ? <Badge tone="good">Active</Badge> : <Badge tone="calm">Active, unconfirmed</Badge>
}

/** What to call somebody: the name they gave, else their address. */
export function userTitle(user: User): string {
  return user.fullName ?? user.email
}
