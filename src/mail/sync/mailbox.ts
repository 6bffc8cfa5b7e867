// A mailbox brought in step by a message of the queue: new mail first, then as much of an open walk as one message may do.
// A doubled message finds the lease taken, a late one another claim, and a lost one is made up for by the mailbox's clock.

import { uuidV7 } from '../../crypto/random.ts'
import { describeThrown } from '../../log.ts'
import type { SyncMessage } from '../../messages.ts'
import { limitsOf } from '../quota.ts'
import { readLabelsIfDue } from './labels.ts'
import { leaseForWork } from './lease.sql.ts'
import { batchSize, firstCount, longestWaitSeconds, readScope, spareMessages, startUnits } from './policy.ts'
import { beginRun, isOpenState, offeredProviders, type SyncDeps, type SyncRun } from './run.ts'
import { fetchLater, followHistory, historyCursor, syncFirst } from './steps.ts'
import { continueWalk, relistIfDue } from './walk.ts'
import { type Ending, workUnderLease } from './work.ts'

export interface SyncReport {
  readonly fetched: number
  readonly inserted: number
  readonly deleted: number
  readonly failed: number
}

/**
 * Syncs one mailbox. A mailbox that is disconnected, needs re-authorization, lacks the permission, or whose user is
 * disabled is left alone: nobody is asked. What fails is recorded, and due again after a while.
 */
export async function syncMailbox(deps: SyncDeps, message: SyncMessage): Promise<SyncReport> {
  const run = await leaseRun(deps, message)
  if (run === null) return { fetched: 0, inserted: 0, deleted: 0, failed: 0 }
  const ending = await workUnderLease(run, () => syncSteps(run))
  await sendOn(run, ending)
  const { fetched, inserted, deleted } = run.counts
  const isFailed = ending?.kind === 'failure' || ending?.kind === 'refused'
  return { fetched, inserted, deleted, failed: isFailed ? 1 : 0 }
}

/** Has the queue go on with what a sync left. After a failure its clock decides when. */
export async function sendOn(run: SyncRun, ending: Ending): Promise<void> {
  const { deps, lease, heard } = run
  if (ending === null && (run.isWalkOpen || run.isUnfinished))
    await sendSync(deps, lease.accountId, Math.min(heard.waitSeconds ?? 0, longestWaitSeconds))
  // A walk goes on as soon as there are units for it.
  else if (ending?.kind === 'limited' && run.isWalkOpen) await sendSync(deps, lease.accountId, ending.waitSeconds)
}

/** Hands the mailbox to the queue. A queue that refuses loses nothing: its clock finds it. */
export async function sendSync(
  deps: Pick<SyncDeps, 'syncQueue' | 'log'>,
  accountId: string,
  delaySeconds = 0,
): Promise<void> {
  try {
    await deps.syncQueue.send([{ kind: 'sync', mail_account_id: accountId }], { delaySeconds })
  } catch (thrown) {
    deps.log.error('queue_send_failed', { subject_id: accountId, ...describeThrown(thrown) })
  }
}

async function leaseRun(
  deps: SyncDeps,
  { mail_account_id: accountId, claimed_until: claimedUntil }: SyncMessage,
): Promise<SyncRun | null> {
  const leaseId = uuidV7(deps.clock())
  const lease = await deps.db.first(leaseForWork, {
    accountId,
    claimedUntil: claimedUntil === undefined ? null : new Date(claimedUntil),
    leaseId,
    scope: readScope,
    offered: offeredProviders(deps),
    unitsWanted: startUnits(batchSize + spareMessages),
    unitsLeast: startUnits(1),
    ...limitsOf(deps.sync, 'background'),
  })
  if (lease?.verdict === 'leased') return beginRun(deps, lease, leaseId)
  // What somebody asked for goes on as soon as there are units again; other work waits for its clock.
  if (lease?.verdict === 'limited' && lease.kind === 'back_fill') await sendSync(deps, accountId, lease.waitSeconds)
  return null
}

/** True where there is more to do at once. */
async function syncSteps(run: SyncRun): Promise<boolean> {
  await readLabelsIfDue(run)
  const cursor = historyCursor(run)
  if (cursor === null) await syncFirst(run, firstCount)
  else {
    const outcome = await followHistory(run, cursor)
    if (outcome === 'stopped') return true
    if (outcome === 'expired') await relistIfDue(run)
  }
  const hasLater = await fetchLater(run)
  if (!isOpenState(run.walk.state)) return hasLater
  return run.lease.kind !== 'back_fill' || !(await continueWalk(run)) || hasLater
}
