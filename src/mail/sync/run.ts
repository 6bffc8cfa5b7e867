// A sync under way: the lease it holds, the token it shows, the units it may spend, the page it gathers. Whatever ends it
// is a `SyncStop`.

import type { KeyRing } from '../../crypto/seal.ts'
import type { Db } from '../../db/client.ts'
import type { AppError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { HandedOutToken } from '../../mail-accounts/access-token.ts'
import type { SyncMessage } from '../../messages.ts'
import type { ProviderFailure } from '../../providers/failure.ts'
import type { MailAdapter } from '../../providers/mail.ts'
import type { Provider, ProviderCode } from '../../providers/provider.ts'
import { holdSeconds, limitsOf, type QuotaSettings } from '../quota.ts'
import type { LeaseRow, WalkKind, WalkState } from './lease.sql.ts'
import { firstBatchSize, onDemandMs, sliceMs, spareMessages } from './policy.ts'
import { emptyPage, type Page, storePage } from './store-page.ts'

export interface SyncDeps {
  readonly db: Db
  readonly clock: () => Date
  /** 0 to 1, for jitter. */
  readonly chance: () => number
  readonly log: Log
  readonly keyRing: KeyRing
  readonly providers: ReadonlyMap<ProviderCode, Provider>
  readonly sync: QuotaSettings & { readonly intervalSeconds: number }
  readonly syncQueue: {
    send(messages: readonly SyncMessage[], options?: { readonly delaySeconds: number }): Promise<void>
  }
}

/** Why a sync ended before its work was done. */
export type StopReason =
  | { readonly kind: 'failure'; readonly failure: ProviderFailure }
  | { readonly kind: 'refused'; readonly error: AppError }
  /** No quota units are left for so long. */
  | { readonly kind: 'limited'; readonly waitSeconds: number }
  /** Somebody on demand waited for the lease; it is released. */
  | { readonly kind: 'yielded' }
  /** The lease is another's, or the mailbox was disconnected: nothing more can be stored. */
  | { readonly kind: 'lost'; readonly isConnected: boolean }

export class SyncStop extends Error {
  override readonly name = 'SyncStop'
  readonly reason: StopReason

  constructor(reason: StopReason) {
    super(reason.kind)
    this.reason = reason
  }
}

/** A walk as it stands; columns of `mail_syncs`. */
export interface Walk {
  kind: WalkKind | null
  state: WalkState
  id: string | null
  cursor: string | null
  pageToken: string | null
  phase: 'list' | 'sweep' | null
  since: Date | null
  wanted: number | null
  counted: number
  total: number | null
}

export interface SyncCounts {
  fetched: number
  inserted: number
  updated: number
  deleted: number
}

/** How the provider has answered for messages so far. */
export interface Heard {
  /** A batch was asked for. */
  hasAsked: boolean
  /** Messages that were answered for: stored, gone or unreadable. */
  answered: number
  /** Of these, such as the next page stores, marked by its walk. */
  stored: number
  /** Messages asked for alone that were not answered for, one after another. */
  silentInRow: number
  /** Why the last of those that were not answered for was not; null where there was none. */
  silentCode: string | null
  /** The longest wait that the provider asked for; nothing more is fetched then. */
  waitSeconds: number | null
}

export interface SyncRun {
  readonly deps: SyncDeps
  readonly adapter: MailAdapter
  readonly lease: LeaseRow
  readonly leaseId: string
  readonly counts: SyncCounts
  readonly walk: Walk
  /** The walk's id and wish as they stand in the database: the fence of its columns. */
  storedWalkId: string | null
  storedWanted: number | null
  readonly startedAt: number
  /** Names of the user's own labels, by id. */
  labelNames: ReadonlyMap<string, string>
  /** All labels known, the provider's own too. */
  labelIds: ReadonlySet<string>
  hasReadLabels: boolean
  /** Null until the provider is first asked. */
  token: HandedOutToken | null
  hasRenewed: boolean
  /** Of the token that a call was answered with last. */
  acceptedVersion: number | null
  cursor: string | null
  units: number
  /** Since when the oldest of the units are reserved. */
  unitsSince: number
  /** Messages asked for at once: fewer where the provider is slow. */
  batchSize: number
  readonly heard: Heard
  /** Messages that were owed before they were asked for: that they are not answered for again is no news. */
  readonly owed: Set<string>
  /** Some message of the mailbox is owed, as of the last page. */
  isOwing: boolean
  /** How many pages were stored. */
  stores: number
  page: Page
  /** The walk's marks and figures are this page's. */
  isWalking: boolean
  isWalkOpen: boolean
  /** There is more to do at once. */
  isUnfinished: boolean
}

/** Providers whose mailboxes can be read. */
export function offeredProviders(deps: SyncDeps): string[] {
  return [...deps.providers.values()].flatMap(({ code, mail }) => (mail ? [code] : []))
}

/** The work under a lease. */
export function beginRun(deps: SyncDeps, lease: LeaseRow, leaseId: string): SyncRun {
  const provider = [...deps.providers.values()].find(({ code }) => code === lease.provider)
  if (!provider?.mail) throw new Error('a mailbox of a provider that is not offered was leased')
  return {
    deps,
    adapter: provider.mail,
    lease,
    leaseId,
    counts: { fetched: 0, inserted: 0, updated: 0, deleted: 0 },
    walk: {
      kind: lease.walkKind,
      state: lease.walkState,
      id: lease.walkId,
      cursor: lease.walkCursor,
      pageToken: lease.walkPageToken,
      phase: lease.walkPhase,
      since: lease.walkSince,
      wanted: lease.wantedCount,
      counted: lease.countedCount,
      total: lease.totalCount,
    },
    storedWalkId: lease.walkId,
    storedWanted: lease.wantedCount,
    startedAt: deps.clock().getTime(),
    labelNames: new Map(lease.labels.filter(({ isSystem }) => !isSystem).map(({ id, name }) => [id, name])),
    labelIds: new Set(lease.labels.map(({ id }) => id)),
    hasReadLabels: false,
    token: null,
    hasRenewed: false,
    acceptedVersion: null,
    cursor: lease.cursor,
    units: lease.units,
    unitsSince: deps.clock().getTime(),
    batchSize: firstBatchSize(lease.failureCount),
    heard: { hasAsked: false, answered: 0, stored: 0, silentInRow: 0, silentCode: null, waitSeconds: null },
    owed: new Set(lease.laterIds),
    isOwing: false,
    stores: 0,
    page: emptyPage(),
    isWalking: false,
    isWalkOpen: isOpenState(lease.walkState),
    isUnfinished: false,
  }
}

/** Whether the run has worked as long as one may. */
export function isTimeUp(run: SyncRun): boolean {
  const limitMs = run.lease.kind === 'on_demand' ? onDemandMs : sliceMs
  return run.deps.clock().getTime() - run.startedAt > limitMs
}

/** Whether nothing more is to be asked for: the time is up, or the provider wants to be left alone. */
export function isOver(run: SyncRun): boolean {
  return run.heard.waitSeconds !== null || isTimeUp(run)
}

export function isOpenState(state: WalkState): boolean {
  return state === 'queued' || state === 'running'
}

/** Whether a re-list is under way: until it ends the old cursor is of no use. */
export function isRelisting(run: SyncRun): boolean {
  return run.walk.kind === 'relist' && isOpenState(run.walk.state)
}

/** Everything older is here: a walk through all of it ended, and nothing has been missed since. */
export function isComplete(walk: Walk): boolean {
  return walk.state === 'done' && walk.since === null && (walk.kind === 'full' || walk.kind === 'relist')
}

/**
 * Makes sure of `least` units, and of `wanted` where there are so many: stores what was gathered to get them, and `spare`
 * more with them.
 */
export async function ensureUnits(run: SyncRun, wanted: number, least: number, spare = 0): Promise<void> {
  // Reserved long ago is not reserved: the minute has moved on.
  const isStale = run.units > 0 && unitsAgeMs(run) > holdSeconds * 1_000
  if (!isStale && run.units >= least && (run.units >= wanted || run.page.bytes === 0)) return
  const stored = isStale
    ? await flush(run, { wanted: wanted + spare, least, returns: true })
    : await flush(run, { wanted: wanted + spare - run.units, least: Math.max(1, least - run.units) })
  if (run.units < least) throw new SyncStop({ kind: 'limited', waitSeconds: Math.max(1, stored.waitSeconds) })
}

/** Of a mailbox that the provider answers for. */
export const wellPatch = { failure_cnt: 0, last_error_cd: null } as const

/** What the statement does beside storing the page. */
interface FlushOptions {
  readonly wanted?: number
  readonly least?: number
  /** Gives back what is reserved, for what is granted now. */
  readonly returns?: boolean
  readonly releases?: boolean
  readonly isSynced?: boolean
  readonly dueSeconds?: number
}

/** Stores the page and begins another. Throws `SyncStop` where the lease is lost, or given to somebody who waits. */
export async function flush(run: SyncRun, options: FlushOptions = {}): Promise<{ waitSeconds: number }> {
  const releases = options.releases ?? false
  const returns = releases || (options.returns ?? false)
  const page = run.page
  run.page = emptyPage()
  // What came ends the failures in a row, also where the run ends with this page: somebody may be waiting for the lease.
  if (!releases && run.heard.answered > 0) Object.assign(page.patch, wellPatch)
  const row = await storePage(
    run.deps.db,
    page,
    {
      accountId: run.lease.accountId,
      leaseId: run.leaseId,
      markId: run.isWalking ? run.storedWalkId : null,
      patchedWalkId: run.storedWalkId,
      patchedWanted: run.storedWanted,
      isSynced: options.isSynced ?? false,
      dueSeconds: options.dueSeconds ?? null,
      releases,
      yields: run.lease.kind === 'back_fill',
      unitsWanted: options.wanted ?? 0,
      unitsLeast: options.least ?? 0,
      unitsHeld: run.units,
      givesBack: returns,
      unitsAge: unitsAgeMs(run),
      ...limitsOf(run.deps.sync, run.lease.kind === 'on_demand' ? 'interactive' : 'background'),
    },
    run.labelNames,
  )
  if (!row.isHeld) throw new SyncStop({ kind: 'lost', isConnected: row.isConnected })
  run.stores += 1
  run.storedWalkId = run.walk.id
  // Somebody may have asked for more meanwhile.
  run.storedWanted = row.wanted
  run.walk.wanted = row.wanted
  if (returns) run.units = 0
  if (run.units <= 0) run.unitsSince = run.deps.clock().getTime()
  run.units += row.units
  run.isWalkOpen = row.isWalkOpen
  run.isOwing = row.isOwing
  run.counts.inserted += row.inserted
  run.counts.updated += row.updated
  run.counts.deleted += row.deleted
  if (row.isReleased && !releases) throw new SyncStop({ kind: 'yielded' })
  return row
}

function unitsAgeMs(run: SyncRun): number {
  return Math.min(600_000, Math.max(0, run.deps.clock().getTime() - run.unitsSince))
}

/** How many messages the next batch has: what the units allow, and no more than the run takes at once. */
export async function batchUnits(run: SyncRun, waiting: number): Promise<number> {
  const each = run.adapter.costs.message
  const wanted = Math.min(run.batchSize, waiting) * each
  const { unitsPerMailbox, unitsPerProject } = run.deps.sync
  const share = Math.floor(Math.min(unitsPerMailbox, unitsPerProject) / 16)
  await ensureUnits(run, wanted, Math.min(wanted, Math.max(each, share)), spareMessages * each)
  return Math.min(run.batchSize, waiting, Math.floor(run.units / each))
}
