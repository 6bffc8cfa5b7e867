// Removes what has served its time. Called by every cron tick; a batch is small, so a backlog drains over some minutes.

import type { Db } from '../db/client.ts'
import { abandonWaitingGrants, blankOldOrigins, purgeOrphanedMailboxes, purges } from './purge.sql.ts'

const batch = 1_000

/** Turns abandoned grants into erasures. Every tick, before erasures are looked for. */
export async function purgeAbandonedGrants(db: Db): Promise<number> {
  return (await db.first(abandonWaitingGrants, { limit: batch }))?.count ?? 0
}

/** Everything else that ages by hours or days. Resolves with the number of rows. */
export async function purgeExpired(db: Db): Promise<number> {
  let count = 0
  for (const query of [...purges, purgeOrphanedMailboxes, blankOldOrigins])
    count += (await db.first(query, { limit: batch }))?.count ?? 0
  return count
}
