// Deleting a user, by themselves or by an administrator: one statement here, and messages for what must still be erased
// elsewhere (grants at the provider, the picture) and told (the letter).

import { uuidV7 } from '../crypto/random.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import { againOnConflict, type Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { DeliverMessage } from '../messages.ts'
import { type RemovalRow, removeUser } from './removal.sql.ts'

export interface RemovalDeps {
  readonly db: Db
  readonly clock: () => Date
}

/**
 * Deletes the caller. Throws 401, 403 (a key; `step_up_required` where the last proof of presence is older than 15
 * minutes), 409 `last_admin`.
 */
export function deleteOwnAccount(
  deps: RemovalDeps,
  claim: CallerClaim,
  origin: RequestOrigin,
): Promise<{ messages: DeliverMessage[] }> {
  return remove(deps, claim, null, origin)
}

/**
 * Deletes a user: oneself, or anyone as an administrator, whose own presence it needs. Throws as `deleteOwnAccount`, 403
 * for another's account without the role, and 404.
 */
export function deleteUser(
  deps: RemovalDeps,
  claim: CallerClaim,
  userId: string,
  origin: RequestOrigin,
): Promise<{ messages: DeliverMessage[] }> {
  return remove(deps, claim, userId, origin)
}

async function remove(
  deps: RemovalDeps,
  claim: CallerClaim,
  targetId: string | null,
  origin: RequestOrigin,
): Promise<{ messages: DeliverMessage[] }> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  return againOnConflict(async () => {
    const letterId = uuidV7(deps.clock())
    return judged(await deps.db.first(removeUser, { ...callerParams(claim), ...origin, targetId, letterId }))
  })
}

function judged(row: RemovalRow | null): { messages: DeliverMessage[] } {
  if (row === null) throw new AppError('unauthorized')
  if (!row.isAllowed) throw new AppError('forbidden')
  if (!row.isFound) throw new AppError('not_found')
  if (!row.isPresent) throw new AppError('step_up_required')
  if (row.isLastAdmin) throw new AppError('last_admin')
  // Held, present and not the last: only another's write can have come between.
  if (row.deletedId === null) throw new AppError('conflict')
  const messages: DeliverMessage[] = row.grantErasureIds.map((id) => ({ kind: 'erase', erasure_id: id }))
  if (row.avatarErasureId !== null) messages.push({ kind: 'erase_avatar', erasure_id: row.avatarErasureId })
  if (row.letterId !== null) messages.push({ kind: 'letter', letter_id: row.letterId })
  return { messages }
}
