// Linked ways to sign in: list, and take one away. Linking is the dance itself (oauth/), and mailboxes are not counted:
// a connected mailbox signs nobody in.

import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { type Identity, listOwnIdentities, unlinkOwnIdentity } from './identities.sql.ts'

export type { Identity } from './identities.sql.ts'

/** The caller's identities, newest first. Throws 401, and 403 for a service key. */
export async function listIdentities(
  db: Db,
  claim: CallerClaim,
  page: { before: string | null; limit: number },
): Promise<Identity[]> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const rows = await db.all(listOwnIdentities, { ...callerParams(claim), ...page })
  if (rows.length === 0) throw new AppError('unauthorized')
  return rows.filter((row): row is Identity => row.id !== null)
}

/**
 * Takes a way to sign in away: the session that asked goes on, all others end. Throws 401; 403 for a service key; 404
 * for another's or none; 403 `step_up_required` (presence of at most 15 minutes, DESIGN section 3); 409
 * `last_sign_in_method` where nobody could sign in any more; 409 `conflict` where others were faster three times.
 */
export async function unlinkIdentity(
  db: Db,
  claim: CallerClaim,
  identityId: string,
  origin: RequestOrigin,
): Promise<void> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const row = await db.first(unlinkOwnIdentity, { ...callerParams(claim), ...origin, identityId })
    if (row === null) throw new AppError('unauthorized')
    if (row.removedId !== null) return
    if (!row.isHeld) continue
    if (!row.isOwn) throw new AppError('not_found')
    throw new AppError(row.isPresent ? 'last_sign_in_method' : 'step_up_required')
  }
  throw new AppError('conflict')
}
