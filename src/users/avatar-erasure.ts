// Pictures that nobody has any more are removed from R2, by the queue, until R2 says they are gone. Safe to repeat.

import type { Db } from '../db/client.ts'
import { describeThrown, type Log } from '../log.ts'
import type { EraseAvatarMessage } from '../messages.ts'
import { claimAvatarErasure, findDueAvatarErasures, finishAvatarErasure } from './avatar-erasure.sql.ts'

/** Removes one picture. Retries are scheduled by the row, not by the queue, and do not end: a picture must not stay. */
export async function eraseAvatar(
  deps: { db: Db; avatars: R2Bucket; log: Log },
  message: EraseAvatarMessage,
): Promise<'done' | 'retry' | 'nothing'> {
  const erasureId = message.erasure_id
  const claimed = await deps.db.first(claimAvatarErasure, { erasureId })
  if (claimed === null) return 'nothing'
  let error: string | null = null
  try {
    // Deleting what is not there is well, too.
    await deps.avatars.delete(claimed.avatarId)
  } catch (thrown) {
    error = 'storage_unavailable'
    deps.log.error('storage_failed', { job: 'erase_avatar', ...describeThrown(thrown) })
  }
  await deps.db.all(finishAvatarErasure, { erasureId, error })
  return error === null ? 'done' : 'retry'
}

/** Pictures due to be removed: what a queue lost, or no door sent, is found here. */
export async function dueAvatarErasures(db: Db, limit: number): Promise<EraseAvatarMessage[]> {
  const rows = await db.all(findDueAvatarErasures, { limit })
  return rows.map((row) => ({ kind: 'erase_avatar', erasure_id: row.id }))
}
