// The cron door: finds what is due, enqueues it, purges what has expired. It may run late, twice or beside itself.

import type { Deps } from '../deps.ts'
import { dueLetters } from '../letters/deliver.ts'
import { describeThrown } from '../log.ts'
import { dueSends } from '../mail/send/deliver.ts'
import { claimDueSyncs } from '../mail/sync/due.ts'
import { dueErasures } from '../mail-accounts/disconnect.ts'
import { claimDue, resealStale } from '../mail-accounts/due.ts'
import { purgeAbandonedGrants, purgeExpired } from '../ops/purge.ts'
import { dueAvatarErasures } from '../users/avatar-erasure.ts'

/** 10,000 rows a round: what is left after these waits a minute. */
const claimRounds = 10
const erasuresPerTick = 200
const lettersPerTick = 500
const sendsPerTick = 500

type ScheduleDeps = Pick<
  Deps,
  'db' | 'clock' | 'log' | 'keyRing' | 'keyRingOrNull' | 'refreshQueue' | 'deliverQueue' | 'syncQueue' | 'sync' | 'post'
>

/** One tick. Each duty stands alone: one that fails is logged and leaves the others to run. */
export async function runSchedule(deps: ScheduleDeps): Promise<void> {
  // Without keys no token can be opened: what is due stays due until they are back.
  const withKeys = (duty: () => Promise<number>) => async () => (deps.keyRingOrNull === null ? 0 : duty())
  const duties: readonly (readonly [string, () => Promise<number>])[] = [
    ['refresh', withKeys(() => enqueueDueTokens(deps))],
    ['abandoned_grants', () => purgeAbandonedGrants(deps.db)],
    ['erasures', withKeys(async () => enqueue(deps.deliverQueue, await dueErasures(deps.db, erasuresPerTick)))],
    ['avatar_erasures', async () => enqueue(deps.deliverQueue, await dueAvatarErasures(deps.db, erasuresPerTick))],
    ['letters', () => enqueueLetters(deps)],
    ['sends', withKeys(async () => enqueue(deps.deliverQueue, await dueSends(deps.db, sendsPerTick)))],
    ['syncs', withKeys(async () => enqueue(deps.syncQueue, await claimDueSyncs(deps)))],
    ['reseal', withKeys(() => resealStale(deps))],
    ['purge', () => purgeExpired(deps.db, deps.log)],
  ]
  for (const [job, duty] of duties) {
    const startedAt = deps.clock().getTime()
    const tripsBefore = deps.db.trips
    const measured = () => ({
      job,
      duration_ms: deps.clock().getTime() - startedAt,
      db_trips: deps.db.trips - tripsBefore,
    })
    try {
      const count = await duty()
      deps.log.info('job', { ...measured(), count })
    } catch (thrown) {
      deps.log.error('job', { ...measured(), ...describeThrown(thrown) })
    }
  }
}

/** Claims and sends round by round. What a failed send loses is due again in five minutes. */
async function enqueueDueTokens(deps: ScheduleDeps): Promise<number> {
  let count = 0
  for (let round = 0; round < claimRounds; round += 1) {
    const { messages, isMore } = await claimDue(deps)
    await deps.refreshQueue.send(messages)
    count += messages.reduce((sum, message) => sum + message.ids.length, 0)
    if (!isMore) break
  }
  return count
}

/** Sends what was found due, and says how much it was. */
async function enqueue<M>(
  queue: { send(messages: readonly M[]): Promise<void> },
  messages: readonly M[],
): Promise<number> {
  await queue.send(messages)
  return messages.length
}

/** Without a transport letters wait, for a week at most, and the log says so. */
async function enqueueLetters(deps: ScheduleDeps): Promise<number> {
  if (deps.post === null) {
    deps.log.info('misconfigured', { setting: 'MAIL_TRANSPORT', problem: 'is not set: letters wait' })
    return 0
  }
  return enqueue(deps.deliverQueue, await dueLetters(deps.db, lettersPerTick))
}
