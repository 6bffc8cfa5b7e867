// A walk through a mailbox's list, page by page over many messages of the queue: the newest so many, all of it, or what an
// expired cursor makes necessary. What a walk meets it marks, so that a page begun twice counts once, and what it did not
// meet is looked up at the end.

import { uuidV7 } from '../../crypto/random.ts'
import type { MessagePage } from '../../providers/mail.ts'
import { ask, askPlainly } from './ask.ts'
import { fetchMessages } from './fetch.ts'
import { batchSize, isRelistDue, slicePages } from './policy.ts'
import { flush, isComplete, isOpenState, isOver, isRelisting, type SyncRun, SyncStop, type Walk } from './run.ts'
import { mentions } from './store-page.ts'
import { findKnown, findOldest, findUnmet } from './walk.sql.ts'

/** The provider gives no more ids at once. */
const listMost = 500
/** Marks of messages that are here already take little: so many pages of them are stored in one statement. */
const metMost = 1_000
/** So many stored messages are looked through at once for such as the list did not show, and so many of these looked up. */
const scanMost = 2_000
const sweepMost = 200
/** So many pages in a row may show nothing that the walk has not met. */
const quietPagesMost = 20

/** What this slice saw of the list. */
interface Seen {
  readonly pageTokens: Set<string>
  quietPages: number
}

/**
 * The provider does not remember the cursor: the mailbox is listed again, as far back as our mail goes. The new cursor is
 * taken now, and takes the old one's place when the walk is done. A re-list under way goes on, though its own cursor has
 * expired meanwhile: the sync after its end begins another.
 */
export async function relistIfDue(run: SyncRun): Promise<void> {
  const { deps, lease } = run
  if (isRelisting(run) || !isRelistDue(deps.sync.intervalSeconds, lease.relistedAt, deps.clock())) return
  await startRelist(run)
}

async function startRelist(run: SyncRun): Promise<void> {
  const { deps, walk } = run
  const mailbox = await askPlainly(run, run.adapter.costs.mailbox, (token) => run.adapter.mailbox(token))
  const wasOpen = isOpenState(walk.state)
  const isWhole = isComplete(walk) || (wasOpen && walk.kind !== 'newest' && walk.since === null)
  const row = isWhole ? null : await deps.db.first(findOldest, { accountId: run.lease.accountId })
  const now = deps.clock()
  const changed: Partial<Walk> = {
    kind: 'relist',
    state: 'running',
    id: uuidV7(now),
    cursor: mailbox.historyId,
    pageToken: null,
    phase: 'list',
    since: isWhole ? null : (row?.oldest ?? now),
    // The newest that were asked for are brought afterwards.
    wanted: wasOpen ? walk.wanted : null,
    counted: 0,
    // The provider's estimate of a part is no figure.
    total: isWhole ? mailbox.messagesTotal : (row?.storedCount ?? null),
  }
  note(run, changed)
  run.page.walkPatch.walk_started_at_utc = now.toISOString()
  run.page.walkPatch.walk_finished_at_utc = null
  await flush(run)
}

/** Works at the open walk until it ends or the slice does. True where it ended. */
export async function continueWalk(run: SyncRun): Promise<boolean> {
  // What came before is not the walk's: its list meets it and counts it.
  if (run.page.messages.size + run.page.labels.size + run.page.deleted.size > 0) await flush(run)
  run.isWalking = true
  const firstStore = run.stores
  const isSliceOver = (): boolean => isOver(run) || run.stores - firstStore >= slicePages
  if (isSliceOver()) return false
  if (run.walk.phase === null) {
    note(run, { phase: 'list', pageToken: null })
    if (run.walk.total === null) await estimateTotal(run)
  }
  const seen: Seen = { pageTokens: new Set(), quietPages: 0 }
  while (run.walk.phase === 'list') {
    if (isSliceOver() || !(await walkPage(run, seen, isSliceOver))) return false
  }
  while (run.walk.phase === 'sweep') {
    if (isSliceOver()) return false
    await sweepPage(run)
  }
  return true
}

/** Changes the walk, here and with the page in the database. */
function note(run: SyncRun, change: Partial<Walk>): void {
  Object.assign(run.walk, change)
  const columns: Readonly<Record<keyof Walk, string>> = {
    kind: 'walk_kind_cd',
    state: 'walk_state_cd',
    id: 'walk_id',
    cursor: 'walk_cursor_txt',
    pageToken: 'walk_page_token_txt',
    phase: 'walk_phase_cd',
    since: 'walk_since_utc',
    wanted: 'wanted_cnt',
    counted: 'counted_cnt',
    total: 'total_cnt',
  }
  for (const [name, column] of Object.entries(columns))
    if (name in change) run.page.walkPatch[column] = change[name as keyof Walk]
}

/** What a walk counts is marked as met with the same page: listed again, it is not counted again. */
function noteCounted(run: SyncRun, count: number): void {
  const counted = run.walk.counted + count
  const { total } = run.walk
  note(run, { counted, ...(total !== null && total < counted ? { total: counted } : {}) })
}

async function estimateTotal(run: SyncRun): Promise<void> {
  const mailbox = await askPlainly(run, run.adapter.costs.mailbox, (token) => run.adapter.mailbox(token))
  const { kind, wanted } = run.walk
  const total = kind === 'newest' && wanted !== null ? Math.min(wanted, mailbox.messagesTotal) : mailbox.messagesTotal
  note(run, { total })
}

/** One page of the list. False where the slice ended within it: it is listed again, and what was met is known. */
async function walkPage(run: SyncRun, seen: Seen, isSliceOver: () => boolean): Promise<boolean> {
  const list = await listPage(run)
  const { accountId } = run.lease
  const { walk } = run
  const listed = list.ids.filter((id) => !mentions(run.page, id) && run.page.skips.get(id) !== 'later')
  const rows = await run.deps.db.all(findKnown, { accountId, ids: listed, walkId: walk.id })
  // What is owed comes when its time has, and is not asked for again by each walk that lists it.
  const owed = new Set(rows.filter((row) => row.isOwed).map(({ id }) => id))
  const asked = listed.filter((id) => !owed.has(id))
  const met = new Set(rows.filter((row) => row.isMet).map(({ id }) => id))
  const known = new Set(rows.filter((row) => row.isStored).map(({ id }) => id))
  // What could not be read once may be readable now.
  const isSkipped = new Set(walk.kind === 'full' ? [] : rows.filter((row) => !row.isStored).map(({ id }) => id))
  const rest = asked.filter((id) => !met.has(id))
  const unknown = rest.filter((id) => !known.has(id) && !isSkipped.has(id))
  const here = rest.filter((id) => known.has(id))
  if (walk.kind !== 'relist') for (const id of here) run.page.met.add(id)
  const counted = (count: number): void => noteCounted(run, count)
  counted(walk.kind === 'relist' ? 0 : here.length)
  for (const [ids, depth] of [
    [unknown, 'full'],
    // A re-list repairs labels too.
    [walk.kind === 'relist' ? here : [], 'labels'],
  ] as const) {
    for (let start = 0; start < ids.length; start += batchSize) {
      if (isSliceOver()) return false
      const left = await fetchMessages(run, ids.slice(start, start + batchSize), depth, counted)
      if (left.length > 0) return false
    }
  }
  const isEnd =
    isListEnd(run, seen, { list, isNew: rest.length > 0 }) ||
    (walk.kind === 'newest' && walk.counted >= (walk.wanted ?? 0))
  if (isEnd) endList(run)
  else note(run, { pageToken: list.nextPageToken })
  if (run.page.met.size + run.page.labels.size >= metMost) await flush(run)
  return true
}

/** A list that goes round in circles has shown what it has, and so has one that shows nothing new for long. */
function isListEnd(run: SyncRun, seen: Seen, { list, isNew }: { list: MessagePage; isNew: boolean }): boolean {
  if (list.nextPageToken === null) return true
  seen.quietPages = isNew ? 0 : seen.quietPages + 1
  if (run.walk.pageToken === null) seen.pageTokens.clear()
  else seen.pageTokens.add(run.walk.pageToken)
  // A list that was begun again passes what it has met first, by pages that may be small.
  return seen.pageTokens.has(list.nextPageToken) || seen.quietPages > quietPagesMost + run.walk.counted / batchSize
}

async function listPage(run: SyncRun): Promise<MessagePage> {
  const { walk } = run
  for (;;) {
    const limit = walk.kind === 'newest' ? Math.min(listMost, Math.max(1, (walk.wanted ?? 1) - walk.counted)) : listMost
    const list = await ask(run, run.adapter.costs.list, (token) =>
      run.adapter.list({
        ...token,
        limit,
        pageToken: walk.pageToken,
        after: walk.kind === 'relist' ? walk.since : null,
      }),
    )
    if (list.ok) return list.value
    if (walk.pageToken === null) throw new SyncStop({ kind: 'failure', failure: list })
    // The token has expired: the list begins again, and what was met is known by its marks.
    note(run, { pageToken: null })
  }
}

function endList(run: SyncRun): void {
  if (run.walk.kind === 'newest') endWalk(run)
  else note(run, { phase: 'sweep', pageToken: null })
}

/** Stored messages that the list did not show: deleted at the provider, or just out of its sight. */
async function sweepPage(run: SyncRun): Promise<void> {
  // The marks of what was just met must be there before what is not marked is looked for.
  if (run.page.met.size + run.page.labels.size + run.page.messages.size + run.page.deleted.size > 0) await flush(run)
  const { walk } = run
  const row = await run.deps.db.first(findUnmet, {
    accountId: run.lease.accountId,
    walkId: walk.id,
    since: walk.since,
    after: walk.pageToken ?? '',
    scan: scanMost,
  })
  const ids = row?.ids ?? []
  const now = ids.slice(0, sweepMost)
  const left = await fetchMessages(run, now, 'labels')
  if (left.length > 0) {
    note(run, { pageToken: now.at(-1 - left.length) ?? walk.pageToken })
    return
  }
  const upTo = now.length < ids.length ? (now.at(-1) ?? null) : (row?.upTo ?? null)
  if (upTo === null) endWalk(run)
  // Where the sweep goes on; the list's token is of no use any more.
  else note(run, { pageToken: upTo })
}

function endWalk(run: SyncRun): void {
  const { walk, page, deps } = run
  const now = deps.clock().toISOString()
  page.walkPatch.walk_finished_at_utc = now
  const wanted = walk.wanted
  if (walk.kind === 'relist') {
    page.cursor = walk.cursor
    run.cursor = walk.cursor
    page.walkPatch.relisted_at_utc = now
    page.patch.relist_cnt = run.lease.relistCount + 1
    if (wanted !== null) {
      const next = { kind: 'newest', state: 'queued', id: uuidV7(deps.clock()), counted: 0, total: null } as const
      note(run, { ...next, since: deps.clock(), cursor: null, pageToken: null, phase: null })
      // It has not begun: its own times are not the re-list's.
      Object.assign(page.walkPatch, { walk_started_at_utc: null, walk_finished_at_utc: null })
      return
    }
  }
  note(run, { state: 'done', cursor: null, pageToken: null, phase: null, total: walk.counted })
}
