// A sync from its lease to its end: whatever stops it, what was gathered is stored, the lease is released, and the mailbox
// knows when it is due again.

import { AppError } from '../../errors.ts'
import type { ProviderFailure } from '../../providers/failure.ts'
import {
  backoffSeconds,
  closedSeconds,
  dueSeconds,
  judgeSyncFailure,
  longestWaitSeconds,
  nextInterval,
  walkDueSeconds,
} from './policy.ts'
import { flush, isOpenState, type StopReason, type SyncRun, SyncStop, wellPatch } from './run.ts'
import { emptyPage } from './store-page.ts'

/** Why a sync did not come to its end; null where it did. */
export type Ending = StopReason | null

/**
 * Runs the steps under the lease and ends them. Resolves with what stopped them, or null; throws what is no refusal: the
 * database's outage, a bug.
 * @param steps resolves true where there is more to do at once
 */
export async function workUnderLease(run: SyncRun, steps: () => Promise<boolean>): Promise<Ending> {
  let ending: Ending = null
  try {
    run.isUnfinished = await steps()
  } catch (thrown) {
    if (!(thrown instanceof SyncStop)) {
      await releaseAfterBug(run)
      throw thrown
    }
    ending = thrown.reason
  }
  try {
    return await end(run, ending)
  } catch (thrown) {
    if (thrown instanceof SyncStop) return thrown.reason
    throw thrown
  }
}

async function end(run: SyncRun, ending: Ending): Promise<Ending> {
  switch (ending?.kind) {
    case undefined:
      await endWell(run)
      break
    case 'limited':
      // An open walk is sent on by a message; its clock makes up for the message.
      if (run.heard.answered > 0) Object.assign(run.page.patch, wellPatch)
      notBefore(run, run.heard.waitSeconds)
      await flush(run, { releases: true, dueSeconds: ending.waitSeconds + (run.isWalkOpen ? walkDueSeconds : 0) })
      break
    case 'failure':
      notBefore(run, ending.failure.retryAfterSeconds)
      await endBadly(run, ending.failure, judgeSyncFailure(ending.failure))
      break
    case 'refused':
      await endRefused(run, ending.error)
      break
    case 'yielded':
    case 'lost':
      break
  }
  return ending
}

async function endWell(run: SyncRun): Promise<void> {
  const { deps, page, counts, lease, heard } = run
  const brought = counts.inserted + counts.updated + counts.deleted
  const isBusy = brought + page.messages.size + page.labels.size + page.deleted.size > 0
  const interval = nextInterval(
    deps.sync.intervalSeconds,
    lease.intervalSeconds,
    // Somebody looks at this mailbox.
    isBusy || lease.kind === 'on_demand',
  )
  // Not one of the messages asked for was answered for: that is no sign of health.
  const isUnheard = heard.answered === 0 && heard.silentCode !== null
  Object.assign(page.patch, {
    ...(isUnheard ? { last_error_cd: heard.silentCode } : wellPatch),
    wait_until_utc: null,
    interval_seconds_nbr: Math.round(interval),
  })
  notBefore(run, heard.waitSeconds)
  await flush(run, {
    releases: true,
    isSynced: !isUnheard,
    dueSeconds: run.isUnfinished ? 1 : dueSeconds(interval, deps.chance()),
  })
}

/** What the provider asked for holds for everybody: a person, too, is told to come later, and nobody calls it. */
function notBefore(run: SyncRun, retryAfterSeconds: number | null): void {
  if (retryAfterSeconds === null) return
  const waitMs = Math.min(retryAfterSeconds, longestWaitSeconds) * 1_000
  run.page.patch.wait_until_utc = new Date(run.deps.clock().getTime() + waitMs).toISOString()
}

async function endBadly(
  run: SyncRun,
  failure: Pick<ProviderFailure, 'code' | 'retryAfterSeconds'>,
  judged: { kind: 'later' | 'closed'; code: string },
): Promise<void> {
  const { page, lease, deps, walk } = run
  const isClosed = judged.kind === 'closed'
  Object.assign(page.patch, {
    failure_cnt: lease.failureCount + 1,
    last_error_cd: isClosed ? judged.code : failure.code,
  })
  // Nobody can go on with it: it may be asked for again once the mailbox is connected anew.
  if (isClosed && isOpenState(walk.state)) page.walkPatch.walk_state_cd = 'failed'
  await flush(run, {
    releases: true,
    // Connected anew it is due at once. Else a day later, for whoever was closed by mistake.
    dueSeconds: isClosed ? closedSeconds : backoffSeconds(lease.failureCount, failure.retryAfterSeconds, deps.chance()),
  })
}

async function endRefused(run: SyncRun, error: AppError): Promise<void> {
  const isClosed = error.code === 'needs_reauthorization' || error.code === 'insufficient_scope'
  await endBadly(
    run,
    { code: error.code, retryAfterSeconds: error.retryAfterSeconds },
    { kind: isClosed ? 'closed' : 'later', code: error.code },
  )
}

/** What was gathered may be at fault: it is left behind, and the cursor with it. */
async function releaseAfterBug(run: SyncRun): Promise<void> {
  run.page = emptyPage()
  const code = 'internal'
  await endBadly(run, { code, retryAfterSeconds: null }, { kind: 'later', code }).catch(() => undefined)
}

/** What a request is answered where its sync ended so. */
export function refusalOf(ending: StopReason): AppError {
  switch (ending.kind) {
    case 'refused':
      return ending.error
    case 'limited':
      return new AppError('rate_limited', { retryAfterSeconds: ending.waitSeconds })
    case 'lost':
      return new AppError(ending.isConnected ? 'sync_running' : 'not_found')
    case 'yielded':
      return new AppError('sync_running')
    case 'failure': {
      const { kind, code } = judgeSyncFailure(ending.failure)
      const retryAfterSeconds = Math.max(1, ending.failure.retryAfterSeconds ?? 30)
      return new AppError(code, kind === 'later' ? { retryAfterSeconds } : {})
    }
  }
}
