// A mailbox's sync record as its owner, or a key on their behalf, may see it, and the walks they may ask for.

import { uuidV7 } from '../../crypto/random.ts'
import type { RequestOrigin } from '../../db/audit.ts'
import { type CallerClaim, callerParams } from '../../db/caller.ts'
import { assertReach } from '../../db/reach.ts'
import { AppError } from '../../errors.ts'
import { minuteSeconds } from '../quota.sql.ts'
import { limitsOf } from '../quota.ts'
import type { WalkKind, WalkState, WhichMailbox } from './lease.sql.ts'
import { sendSync } from './mailbox.ts'
import { readScope } from './policy.ts'
import { readSyncRow, requestWalkRow, type SyncRecordRow } from './record.sql.ts'
import { isOpenState, type SyncDeps } from './run.ts'

export interface SyncRecord {
  readonly accountId: string
  /** Of the walk through the mailbox; `none` where there was none yet. */
  readonly state: WalkState
  readonly kind: WalkKind | null
  readonly counted: number
  readonly total: number | null
  /** Null while nothing runs, or nothing is known of how much there is. */
  readonly etaSeconds: number | null
  readonly lastError: string | null
  readonly lastSyncedAt: Date | null
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
  /** Messages that cannot be read or stored. */
  readonly skipped: number
  /** What re-lists after an expired history id repaired, the last time; null where there was none. */
  readonly relisted: {
    readonly count: number
    readonly at: Date
    readonly added: number
    readonly deleted: number
  } | null
}

type RecordDeps = Pick<SyncDeps, 'db' | 'clock' | 'sync'>

/** Where a mailbox's sync stands. Throws 401; 403 (a key without `emails:sync`); 404; 422 (a key that names nobody, asked for nobody). */
export async function readSync(
  deps: RecordDeps,
  claim: CallerClaim,
  which: { accountId: string; forUserId: string | null },
): Promise<SyncRecord> {
  const row = await deps.db.first(readSyncRow, { ...callerParams(claim), ...which })
  assertReach(row, which.forUserId)
  return present(deps, row)
}

/**
 * Asks for a back-fill of the whole mailbox, or joins the one under way. Throws as `readSync`, and 403
 * `insufficient_scope`, 409 `needs_reauthorization`; a disconnected mailbox is 404.
 */
export async function requestBackFill(
  deps: RecordDeps & Pick<SyncDeps, 'syncQueue' | 'log'>,
  claim: CallerClaim,
  which: { accountId: string; forUserId: string | null },
  origin: RequestOrigin,
): Promise<SyncRecord> {
  return requestWalk(deps, claim, { ...which, email: null, kind: 'full', count: null }, origin)
}

/** As `requestBackFill`, for the newest `count` as well. */
export async function requestWalk(
  deps: RecordDeps & Pick<SyncDeps, 'syncQueue' | 'log'>,
  claim: CallerClaim,
  request: WhichMailbox & { kind: 'newest' | 'full'; count: number | null; forUserId: string | null },
  origin: RequestOrigin,
): Promise<SyncRecord> {
  const { email, accountId, forUserId, kind, count } = request
  const row = await deps.db.first(requestWalkRow, {
    ...callerParams(claim),
    ...origin,
    email,
    accountId,
    forUserId,
    kind,
    wanted: count,
    walkId: uuidV7(deps.clock()),
    scope: readScope,
  })
  assertReach(row, forUserId)
  if (row.objection !== null) throw new AppError(row.objection)
  const record = present(deps, row)
  await sendSync(deps, record.accountId)
  return record
}

function present(deps: RecordDeps, row: SyncRecordRow): SyncRecord {
  if (row.accountId === null) throw new AppError('not_found')
  const state = row.state ?? 'none'
  const counted = row.counted ?? 0
  const { total, startedAt } = row
  const isRelisted = row.relistedAt !== null && row.relistCount !== null && row.relistCount > 0
  return {
    accountId: row.accountId,
    state,
    kind: row.kind,
    counted,
    total,
    etaSeconds: isOpenState(state) && total !== null ? etaSeconds(deps, total - counted, counted, startedAt) : null,
    lastError: row.lastError,
    lastSyncedAt: row.lastSyncedAt,
    startedAt,
    finishedAt: row.finishedAt,
    skipped: row.skipped,
    relisted:
      isRelisted && row.relistedAt !== null
        ? {
            count: row.relistCount ?? 0,
            at: row.relistedAt,
            added: row.relistAdded ?? 0,
            deleted: row.relistDeleted ?? 0,
          }
        : null,
  }
}

/** As Gmail counts a message. */
const unitsEach = 20

/** By how it went so far, and never faster than the quota allows. */
function etaSeconds(deps: RecordDeps, left: number, counted: number, startedAt: Date | null): number {
  const perSecond = limitsOf(deps.sync, 'background').mailboxRoom / minuteSeconds / unitsEach
  const elapsed = startedAt === null ? 0 : (deps.clock().getTime() - startedAt.getTime()) / 1_000
  const each = counted === 0 ? 0 : elapsed / counted
  return Math.ceil(Math.max(0, left) * Math.max(each, 1 / perSecond))
}
