// A mailbox brought in step by a message of the queue: new mail first, then as much of an open walk as one message may do.
// A doubled message finds the lease taken, and a lost one is made up for by the mailbox's clock.

import { uuidV7 } from '../crypto/random.ts'
import { describeThrown } from '../log.ts'
import type { SyncMessage } from '../messages.ts'
import { readLabelsIfDue } from './labels.ts'
import { limitsOf } from './quota.ts'
import { leaseForWork } from './sync-lease.sql.ts'
import { batchSize, firstCount, readScope, startUnits } from './sync-policy.ts'
import { beginRun, isOpenState, type SyncDeps, type SyncRun } from './sync-run.ts'
import { fetchLater, followHistory, isRelisting, syncFirst } from './sync-steps.ts'
import { workUnderLease } from './sync-work.ts'
import { continueWalk, startRelist } from './walk.ts'

/** So long a message waits for quota units, its lease free meanwhile, before it leaves the rest to the mailbox's clock. */
const longestWaitMs = 40_000

export interface SyncReport {
  fetched: number
  inserted: number
  deleted: number
  failed: number
}

/**
 * Syncs one mailbox. A mailbox that is disconnected, needs re-authorization, lacks the permission, or whose user is
 * disabled is left alone: nobody is asked. What fails is recorded, and due again after a while.
 */
export async function syncMailbox(deps: SyncDeps, message: SyncMessage): Promise<SyncReport> {
  const report: SyncReport = { fetched: 0, inserted: 0, deleted: 0, failed: 0 }
  const startedAt = deps.clock().getTime()
  for (;;) {
    const run = await leaseRun(deps, message.mail_account_id)
    if (run === null) return report
    const ending = await workUnderLease(run, () => syncSteps(run))
    report.fetched += run.counts.fetched
    report.inserted += run.counts.inserted
    report.deleted += run.counts.deleted
    if (ending?.kind === 'failure' || ending?.kind === 'refused') report.failed += 1
    if (ending === null && (run.isWalkOpen || run.isUnfinished)) await sendSync(deps, message.mail_account_id)
    if (ending?.kind !== 'limited' || !run.isWalkOpen) return report
    const waitMs = ending.waitSeconds * 1_000
    if (deps.clock().getTime() - startedAt + waitMs > longestWaitMs) return report
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}

/** Hands the mailbox to the queue. A queue that refuses loses nothing: its clock finds it. */
export async function sendSync(deps: Pick<SyncDeps, 'syncQueue' | 'log'>, accountId: string): Promise<void> {
  try {
    await deps.syncQueue.send([{ kind: 'sync', mail_account_id: accountId }])
  } catch (thrown) {
    deps.log.error('queue_send_failed', { subject_id: accountId, ...describeThrown(thrown) })
  }
}

async function leaseRun(deps: SyncDeps, accountId: string): Promise<SyncRun | null> {
  const leaseId = uuidV7(deps.clock())
  const lease = await deps.db.first(leaseForWork, {
    accountId,
    leaseId,
    scope: readScope,
    unitsWanted: startUnits(batchSize),
    unitsLeast: startUnits(1),
    ...limitsOf(deps.sync, 'back_fill'),
  })
  return lease?.verdict === 'leased' ? beginRun(deps, lease, leaseId) : null
}

/** True where there is more to do at once. */
async function syncSteps(run: SyncRun): Promise<boolean> {
  await readLabelsIfDue(run)
  await fetchLater(run)
  if (run.cursor === null) await syncFirst(run, firstCount)
  else if (!isRelisting(run)) {
    const outcome = await followHistory(run, run.cursor)
    if (outcome === 'stopped') return true
    if (outcome === 'expired') await startRelist(run)
  }
  if (!isOpenState(run.walk.state)) return false
  return run.lease.kind !== 'back_fill' || !(await continueWalk(run))
}
