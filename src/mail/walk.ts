// A walk through a mailbox's list, page by page over many messages of the queue: the newest so many, all of it, or what an
// expired cursor makes necessary. What a walk meets it marks, so that a page begun twice counts once, and what it did not
// meet is looked up at the end.

import { uuidV7 } from '../crypto/random.ts'
import type { MessagePage } from '../providers/mail.ts'
import { mentions } from './store-page.ts'
import { fetchMessages } from './sync-fetch.ts'
import { batchSize, slicePages } from './sync-policy.ts'
import { ask, askPlainly, flush, isComplete, isOpenState, type SyncRun, SyncStop, type Walk } from './sync-run.ts'
import { isTimeUp } from './sync-steps.ts'
import { findKnown, findOldest, findUnmet } from './walk.sql.ts'

/** The provider gives no more ids at once. */
const listMost = 500
/** Marks of messages that are here already take little: so many pages of them are stored in one statement. */
const metMost = 1_000

/**
 * The provider does not remember the cursor: the mailbox is listed again, as far back as our mail goes. The new cursor is
 * taken now, and takes the old one's place when the walk is done.
 */
export async function startRelist(run: SyncRun): Promise<void> {
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
    total: isWhole ? mailbox.messagesTotal : null,
  }
  note(run, changed)
  run.page.walkPatch.walk_started_at_utc = now.toISOString()
  run.page.walkPatch.walk_finished_at_utc = null
  await flush(run)
}

/** Works at the open walk until it ends or the slice does. True where it ended. */
export async function continueWalk(run: SyncRun): Promise<boolean> {
  // What came before is not the walk's: its list meets it and counts it.
  if (run.page.messages.size > 0) await flush(run)
  run.isWalking = true
  const firstStore = run.stores
  const isSliceOver = (): boolean => isTimeUp(run) || run.stores - firstStore >= slicePages
  if (run.walk.phase === null) {
    note(run, { phase: 'list', pageToken: null })
    if (run.walk.total === null) await estimateTotal(run)
  }
  while (run.walk.phase === 'list') {
    if (isSliceOver() || !(await walkPage(run, isSliceOver))) return false
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

async function estimateTotal(run: SyncRun): Promise<void> {
  const mailbox = await askPlainly(run, run.adapter.costs.mailbox, (token) => run.adapter.mailbox(token))
  const { kind, wanted } = run.walk
  const total = kind === 'newest' && wanted !== null ? Math.min(wanted, mailbox.messagesTotal) : mailbox.messagesTotal
  note(run, { total })
}

/** One page of the list. False where the slice ended within it: it is listed again, and what was met is known. */
async function walkPage(run: SyncRun, isSliceOver: () => boolean): Promise<boolean> {
  const list = await listPage(run)
  const { accountId } = run.lease
  const { walk } = run
  const asked = list.ids.filter((id) => !mentions(run.page, id))
  const rows = await run.deps.db.all(findKnown, { accountId, ids: asked, walkId: walk.id })
  const met = new Set(rows.filter((row) => row.isMet).map(({ id }) => id))
  const known = new Set(rows.filter((row) => row.isStored).map(({ id }) => id))
  // What could not be read once may be readable now.
  const isSkipped = new Set(walk.kind === 'full' ? [] : rows.filter((row) => !row.isStored).map(({ id }) => id))
  const rest = asked.filter((id) => !met.has(id))
  const unknown = rest.filter((id) => !known.has(id) && !isSkipped.has(id))
  const here = rest.filter((id) => known.has(id))
  if (walk.kind !== 'relist') for (const id of here) run.page.met.add(id)
  const counted = (count: number): void => note(run, { counted: walk.counted + count })
  counted(isSkipped.size + (walk.kind === 'relist' ? 0 : here.length))
  for (const [ids, depth] of [
    [unknown, 'full'],
    // A re-list repairs labels too.
    [walk.kind === 'relist' ? here : [], 'labels'],
  ] as const) {
    for (let start = 0; start < ids.length; start += batchSize) {
      if (isSliceOver()) return false
      await fetchMessages(run, ids.slice(start, start + batchSize), depth, counted)
    }
  }
  const isEnd = list.nextPageToken === null || (walk.kind === 'newest' && walk.counted >= (walk.wanted ?? 0))
  if (isEnd) endList(run)
  else note(run, { pageToken: list.nextPageToken })
  if (run.page.met.size + run.page.labels.size >= metMost) await flush(run)
  return true
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
    if (list.ok) {
      if (walk.total === null) note(run, { total: list.value.estimate })
      return list.value
    }
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
  const rows = await run.deps.db.all(findUnmet, {
    accountId: run.lease.accountId,
    walkId: walk.id,
    since: walk.since,
    after: walk.pageToken ?? '',
    limit: batchSize,
  })
  const ids = rows.map(({ id }) => id)
  await fetchMessages(run, ids, 'labels')
  const last = ids.at(-1)
  if (last === undefined || ids.length < batchSize) endWalk(run)
  // Where the sweep goes on; the list's token is of no use any more.
  else note(run, { pageToken: last })
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
      return
    }
  }
  note(run, { state: 'done', cursor: null, pageToken: null, phase: null, total: walk.counted })
}
