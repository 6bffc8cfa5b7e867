// Removes what has served its time. Called by every cron tick; batches are bounded, and so is their number, so that a
// backlog drains over some minutes and a tick still ends.

import type { Db, Statement } from '../db/client.ts'
import { describeThrown, type Log } from '../log.ts'
import {
  abandonWaitingGrants,
  blankOldOrigins,
  forgetUnsentMail,
  purgeHiddenMail,
  purgeOrphanedMailboxes,
  purges,
  releaseIdempotencyKeys,
  voidOldLetters,
} from './purge.sql.ts'

const batchRows = 5_000
/** 100,000 rows a table and tick. */
const batchesPerTick = 20

/** Turns abandoned grants into erasures. Every tick, before erasures are looked for. */
export async function purgeAbandonedGrants(db: Db): Promise<number> {
  return purgeWith(db, abandonWaitingGrants)
}

/**
 * Everything else that ages by hours or days. Resolves with the number of rows. A statement that fails is logged under
 * its name and leaves the others to run.
 */
export async function purgeExpired(db: Db, log: Log): Promise<number> {
  let count = 0
  for (const query of [
    ...purges,
    purgeHiddenMail,
    purgeOrphanedMailboxes,
    releaseIdempotencyKeys,
    forgetUnsentMail,
    blankOldOrigins,
    voidOldLetters,
  ]) {
    try {
      count += await purgeWith(db, query)
    } catch (thrown) {
      log.error('job', { job: query.name, ...describeThrown(thrown) })
    }
  }
  return count
}

/** Again while a batch is full. */
async function purgeWith(
  db: Db,
  query: Statement<{ readonly limit: number }, { readonly count: number }>,
): Promise<number> {
  let count = 0
  for (let batch = 0; batch < batchesPerTick; batch += 1) {
    const purged = (await db.first(query, { limit: batchRows }))?.count ?? 0
    count += purged
    if (purged < batchRows) break
  }
  return count
}
