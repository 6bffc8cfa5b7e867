// Sync on demand: the newest messages and everything since the cursor, now, for somebody who waits. What is more than a
// request can do goes to the queue.

import { normalizeEmail } from '../../crypto/encoding.ts'
import { uuidV7 } from '../../crypto/random.ts'
import type { RequestOrigin } from '../../db/audit.ts'
import { type CallerClaim, callerParams } from '../../db/caller.ts'
import { assertReach } from '../../db/reach.ts'
import { AppError } from '../../errors.ts'
import { limitsOf } from '../quota.ts'
import { readLabelsIfDue } from './labels.ts'
import { leaseOnDemand, type WhichMailbox } from './lease.sql.ts'
import { sendOn } from './mailbox.ts'
import { onDemandMost, readScope, spareMessages, startUnits } from './policy.ts'
import { requestWalk, type SyncRecord } from './record.ts'
import { beginRun, offeredProviders, type SyncCounts, type SyncDeps, type SyncRun } from './run.ts'
import { bringNewest, fetchLater, followHistory, historyCursor, syncFirst } from './steps.ts'
import { relistIfDue } from './walk.ts'
import { refusalOf, workUnderLease } from './work.ts'

const longestWaitMs = 10_000
const firstPollMs = 150
const longestPollMs = 1_000

/** Which mailbox: by its address, or its id. */
export type SyncTarget =
  | { readonly email: string; readonly accountId: null }
  | { readonly email: null; readonly accountId: string }

export type SyncRequest = SyncTarget & {
  /** How many of the newest: 1 to 500. */
  readonly count: number
  /** The `user_id` of the query; null where none was given. */
  readonly forUserId: string | null
}

export type SyncOutcome =
  | ({ readonly kind: 'synced'; readonly hasMore: boolean } & SyncCounts)
  /** It was more than a request can do: the queue does it. */
  | { readonly kind: 'queued'; readonly record: SyncRecord }

/**
 * Brings the newest `count` and everything since the cursor; more than 50 are left to the queue. Throws 401; 403
 * `forbidden` (a key without `emails:sync`), `insufficient_scope`; 404; 409 `needs_reauthorization`, `sync_running`; 422
 * (a key that names nobody, asked for nobody); 429 `rate_limited` and 503 `provider_unavailable` with `Retry-After`.
 */
export async function syncNow(
  deps: SyncDeps,
  claim: CallerClaim,
  request: SyncRequest,
  origin: RequestOrigin,
): Promise<SyncOutcome> {
  // What is no address is no mailbox's; who asks is checked all the same.
  const email = request.email === null ? null : (normalizeEmail(request.email) ?? '')
  const { accountId, count, forUserId } = request
  if (count > onDemandMost) {
    const record = await requestWalk(deps, claim, { email, accountId, count, forUserId, kind: 'newest' }, origin)
    return { kind: 'queued', record }
  }
  const run = await leaseRun(deps, claim, { email, accountId, count, forUserId })
  let hasMore = false
  const ending = await workUnderLease(run, async () => {
    const outcome = await syncSteps(run, count)
    hasMore = outcome.hasMore
    return outcome.isUnfinished
  })
  // Without quota for the rest, what was brought is an answer.
  const isPart = ending?.kind === 'limited' && run.counts.fetched > 0
  const hasOpenWork = run.isWalkOpen || isPart
  await sendOn(run, ending)
  if (ending !== null && !isPart) throw refusalOf(ending)
  return { kind: 'synced', ...run.counts, hasMore: hasMore || hasOpenWork || run.isOwing }
}

async function leaseRun(
  deps: SyncDeps,
  claim: CallerClaim,
  request: WhichMailbox & { count: number; forUserId: string | null },
): Promise<SyncRun> {
  const startedAt = deps.clock().getTime()
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, longestPollMs)) {
    const leaseId = uuidV7(deps.clock())
    const row = await deps.db.first(leaseOnDemand, {
      ...callerParams(claim),
      forUserId: request.forUserId,
      email: request.email,
      accountId: request.accountId,
      leaseId,
      scope: readScope,
      offered: offeredProviders(deps),
      unitsWanted: startUnits(request.count + spareMessages),
      unitsLeast: startUnits(1),
      ...limitsOf(deps.sync, 'interactive'),
    })
    assertReach(row, request.forUserId)
    switch (row.verdict) {
      case 'leased':
        return beginRun(deps, row, leaseId)
      case 'limited':
        throw new AppError('rate_limited', { retryAfterSeconds: Math.max(1, row.waitSeconds) })
      case 'not_offered':
        throw new AppError('provider_unavailable', { retryAfterSeconds: 300 })
      case 'running':
        throw new AppError('sync_running')
      case 'awaited':
        break
      case 'not_found':
      case 'needs_reauthorization':
      case 'insufficient_scope':
        throw new AppError(row.verdict)
    }
    if (deps.clock().getTime() - startedAt + pollMs > longestWaitMs) throw new AppError('sync_running')
    await new Promise((resolve) => setTimeout(resolve, pollMs * (0.75 + deps.chance() / 2)))
  }
}

async function syncSteps(run: SyncRun, count: number): Promise<{ hasMore: boolean; isUnfinished: boolean }> {
  await readLabelsIfDue(run)
  const cursor = historyCursor(run)
  if (cursor === null) return { hasMore: await syncFirst(run, count), isUnfinished: false }
  const outcome = await followHistory(run, cursor)
  if (outcome === 'expired') await relistIfDue(run)
  const isStopped = outcome === 'stopped'
  const hasMore = (await bringNewest(run, count)) || isStopped || outcome === 'expired'
  return { hasMore, isUnfinished: (await fetchLater(run)) || isStopped }
}
