// The steps of a sync: what happened since the cursor, and the newest messages of the list. The cursor is taken before
// anything is listed, and saved with the data or after it.

import type { MailChange, MessagePage } from '../../providers/mail.ts'
import { ask, askPlainly } from './ask.ts'
import { foldChanges } from './changes.ts'
import { fetchMessages } from './fetch.ts'
import { noticeLabels } from './labels.ts'
import { laterMost } from './lease.sql.ts'
import { batchSize } from './policy.ts'
import { flush, isComplete, isOver, isRelisting, type SyncRun } from './run.ts'
import { mentions } from './store-page.ts'
import { findKnown, type KnownRow } from './walk.sql.ts'

/** So many pages of history without a change are looked at in a row. */
const emptyPagesMost = 20
/** So many deletions and label changes are stored in one statement. */
const changesMost = 1_000
/** So many pages of the list bring the newest of them. */
const newestPagesMost = 5

/**
 * Messages that were not answered for in earlier runs, after all that is new: they have waited already, and may be refused
 * again. True where more of them are due, and the provider answers.
 */
export async function fetchLater(run: SyncRun): Promise<boolean> {
  const { laterIds } = run.lease
  const { page, heard } = run
  const answeredBefore = heard.answered
  const ids = laterIds.filter((id) => !mentions(page, id) && !page.skips.has(id))
  await fetchMessages(run, ids, 'full')
  return laterIds.length === laterMost && (heard.answered - answeredBefore) * 2 > ids.length
}

/**
 * Brings the mailbox in step with its history, page by page. During a re-list the walk's own cursor is followed and moved
 * on: new mail comes meanwhile, and the cursor is fresh when the walk ends.
 * - `stopped` there is more: the saved cursor says where to go on, and what came beyond it is known
 * - `stuck`   there may be more, but the provider says nothing new: the next sync asks again
 * - `expired` the provider does not remember the cursor: the mailbox must be listed again
 */
export async function followHistory(run: SyncRun, cursor: string): Promise<'done' | 'stopped' | 'stuck' | 'expired'> {
  let reached = cursor
  const left = (): 'stopped' | 'stuck' => (reached === cursor ? 'stuck' : 'stopped')
  let emptyPages = 0
  for (let pageToken: string | null = null; ; ) {
    const page = await ask(run, run.adapter.costs.history, (token) =>
      run.adapter.history({ ...token, cursor, pageToken }),
    )
    // The cursor itself is not taken, or a later page's token: then the cursor has come as far as that.
    if (!page.ok) return pageToken === null ? 'expired' : left()
    const { changes, nextPageToken } = page.value
    if (!(await applyChanges(run, changes))) return 'stopped'
    // A page that names no record reaches no further than the one before it.
    if (page.value.cursor !== cursor) {
      reached = page.value.cursor
      moveCursor(run, reached)
    }
    if (run.page.labels.size + run.page.deleted.size >= changesMost) await flush(run)
    if (nextPageToken === null) return 'done'
    emptyPages = changes.length === 0 ? emptyPages + 1 : 0
    if (nextPageToken === pageToken || emptyPages >= emptyPagesMost) return 'stuck'
    pageToken = nextPageToken
    if (isOver(run)) return left()
  }
}

/** The cursor goes with the page that holds what it stands for. */
function moveCursor(run: SyncRun, cursor: string): void {
  if (isRelisting(run)) {
    run.walk.cursor = cursor
    run.page.walkPatch.walk_cursor_txt = cursor
    return
  }
  run.cursor = cursor
  run.page.cursor = cursor
}

/** What history is followed from; null where there is none yet. */
export function historyCursor(run: SyncRun): string | null {
  return isRelisting(run) ? run.walk.cursor : run.cursor
}

/** False where the time is up, or the provider wants to be left alone, before all of it is here. */
async function applyChanges(run: SyncRun, changes: readonly MailChange[]): Promise<boolean> {
  const { added, deleted, labels } = foldChanges(changes)
  // Before they are folded into what messages are found by: a new label has a name.
  await noticeLabels(
    run,
    [...labels.values()].flatMap((change) => change.added),
  )
  const isMentioned = [...added, ...deleted, ...labels.keys()].some((id) => mentions(run.page, id))
  // One statement says one thing of a message.
  if (isMentioned) await flush(run)
  for (const id of deleted) {
    run.page.deleted.add(id)
    run.page.settled.add(id)
  }
  const here = await findFetched(run, added)
  const missing = added.filter((id) => !here.has(id))
  const isFetched = new Set(missing)
  // Of a message fetched now nothing is left to change: this page's changes are older than the fetch.
  for (const [id, change] of labels) if (!isFetched.has(id)) run.page.labels.set(id, change)
  return (await fetchMessages(run, missing, 'full')).length === 0
}

/**
 * Which of these came when the same page was begun before. Not asked where all of them fit into one store: then the page
 * is stored with its cursor, or begun again at little cost.
 */
async function findFetched(run: SyncRun, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const isOneStore = ids.length <= batchSize && ids.length * run.adapter.costs.message <= run.units
  if (isOneStore && run.lease.failureCount === 0) return new Set()
  // What is owed is recorded: the cursor may pass it.
  return new Set((await findRows(run, ids)).map(({ id }) => id))
}

async function findRows(run: SyncRun, ids: readonly string[]): Promise<readonly KnownRow[]> {
  if (ids.length === 0) return []
  return run.deps.db.all(findKnown, { accountId: run.lease.accountId, ids, walkId: null })
}

/** Lists the newest and fetches those that are not here. True where the list goes on, and not all of it is here. */
export async function bringNewest(run: SyncRun, count: number): Promise<boolean> {
  if (isOver(run)) return true
  const { ids, hasMore } = await listNewest(run, count)
  const left = await fetchMessages(run, await findUnknown(run, ids), 'full')
  return left.length > 0 || (hasMore && !isComplete(run.walk))
}

/** The provider may give fewer at once than it was asked for. */
async function listNewest(run: SyncRun, count: number): Promise<{ ids: string[]; hasMore: boolean }> {
  const ids = new Set<string>()
  let pageToken: string | null = null
  for (let pages = 0; pages < newestPagesMost; pages += 1) {
    const asked: string | null = pageToken
    const list: MessagePage = await askPlainly(run, run.adapter.costs.list, (token) =>
      run.adapter.list({ ...token, limit: count - ids.size, pageToken: asked, after: null }),
    )
    for (const id of list.ids) ids.add(id)
    pageToken = list.nextPageToken
    if (pageToken === null || pageToken === asked || ids.size >= count) break
  }
  return { ids: [...ids], hasMore: pageToken !== null }
}

/** Those that are to be fetched, owed ones among them: somebody waits. What history said of their labels is of no use any more. */
async function findUnknown(run: SyncRun, ids: readonly string[]): Promise<string[]> {
  const { messages, deleted, skips } = run.page
  const asked = ids.filter((id) => !messages.has(id) && !deleted.has(id) && !skips.has(id))
  const rows = await findRows(run, asked)
  for (const { id, isOwed } of rows) if (isOwed) run.owed.add(id)
  const here = new Set(rows.filter(({ isOwed }) => !isOwed).map(({ id }) => id))
  const unknown = asked.filter((id) => !here.has(id))
  for (const id of unknown) run.page.labels.delete(id)
  return unknown
}

/**
 * A mailbox without a cursor: where its history stands, then the newest messages. The cursor is saved with the first of
 * them, and what is still to be fetched then is owed: no later cursor is ever taken over what is stored.
 */
export async function syncFirst(run: SyncRun, count: number): Promise<boolean> {
  const mailbox = await askPlainly(run, run.adapter.costs.mailbox, (token) => run.adapter.mailbox(token))
  const { ids, hasMore } = await listNewest(run, count)
  const unknown = await findUnknown(run, ids)
  const firstStore = run.stores
  run.page.cursor = mailbox.historyId
  run.cursor = mailbox.historyId
  for (const id of unknown) run.page.skips.set(id, 'later')
  try {
    await fetchMessages(run, unknown, 'full')
  } catch (thrown) {
    // Nothing came: the next sync begins anew.
    if (run.stores === firstStore && run.page.messages.size === 0) {
      run.page.cursor = null
      for (const id of unknown) run.page.skips.delete(id)
    }
    throw thrown
  }
  return hasMore
}
