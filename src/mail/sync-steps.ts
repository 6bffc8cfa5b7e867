// The steps of a sync: what happened since the cursor, and the newest messages of the list. The cursor is taken before
// anything is listed, and saved with the data or after it.

import type { MailChange } from '../providers/mail.ts'
import { mentions } from './store-page.ts'
import { foldChanges } from './sync-changes.ts'
import { fetchMessages } from './sync-fetch.ts'
import { sliceMs } from './sync-policy.ts'
import { ask, askPlainly, flush, isComplete, isOpenState, type SyncRun } from './sync-run.ts'
import { findKnown } from './walk.sql.ts'

/** Whether the run has worked as long as one may. */
export function isTimeUp(run: SyncRun): boolean {
  return run.deps.clock().getTime() - run.startedAt > sliceMs
}

/** Messages that were not answered for in earlier runs. */
export async function fetchLater(run: SyncRun): Promise<void> {
  await fetchMessages(run, run.lease.laterIds, 'full')
}

/**
 * Brings the mailbox in step with its history, page by page.
 * - `stopped` there is more: the saved cursor says where to go on
 * - `expired` the provider does not remember the cursor: the mailbox must be listed again
 */
export async function followHistory(run: SyncRun, cursor: string): Promise<'done' | 'stopped' | 'expired'> {
  for (let pageToken: string | null = null; ; ) {
    const page = await ask(run, run.adapter.costs.history, (token) =>
      run.adapter.history({ ...token, cursor, pageToken }),
    )
    if (!page.ok) {
      // The cursor itself is not taken, or a later page's token: then the cursor has come as far as that.
      return pageToken === null ? 'expired' : 'stopped'
    }
    await applyChanges(run, page.value.changes)
    run.page.cursor = page.value.cursor
    run.cursor = page.value.cursor
    pageToken = page.value.nextPageToken
    if (pageToken === null) return 'done'
    if (isTimeUp(run)) return 'stopped'
  }
}

async function applyChanges(run: SyncRun, changes: readonly MailChange[]): Promise<void> {
  const { added, deleted, labels } = foldChanges(changes)
  const isMentioned = [...added, ...deleted, ...labels.keys()].some((id) => mentions(run.page, id))
  // One statement says one thing of a message.
  if (isMentioned) await flush(run)
  for (const id of deleted) {
    run.page.deleted.add(id)
    run.page.settled.add(id)
  }
  // Of a message fetched now nothing is left to change: this page's changes are older than the fetch.
  for (const [id, change] of labels) run.page.labels.set(id, change)
  await fetchMessages(run, added, 'full')
}

/** Lists the newest and fetches those that are not here. True where the list goes on, and not all of it is here. */
export async function bringNewest(run: SyncRun, count: number): Promise<boolean> {
  const list = await askPlainly(run, run.adapter.costs.list, (token) =>
    run.adapter.list({ ...token, limit: count, pageToken: null, after: null }),
  )
  await fetchUnknown(run, list.ids)
  return list.nextPageToken !== null && !isComplete(run.walk)
}

async function fetchUnknown(run: SyncRun, ids: readonly string[]): Promise<void> {
  const asked = ids.filter((id) => !mentions(run.page, id) && !run.page.skips.has(id))
  if (asked.length === 0) return
  const { accountId } = run.lease
  const rows = await run.deps.db.all(findKnown, { accountId, ids: asked, walkId: null })
  const known = new Set(rows.map(({ id }) => id))
  await fetchMessages(
    run,
    asked.filter((id) => !known.has(id)),
    'full',
  )
}

/** A mailbox without a cursor: where its history stands, then the newest messages. */
export async function syncFirst(run: SyncRun, count: number): Promise<boolean> {
  const mailbox = await askPlainly(run, run.adapter.costs.mailbox, (token) => run.adapter.mailbox(token))
  const hasMore = await bringNewest(run, count)
  run.page.cursor = mailbox.historyId
  run.cursor = mailbox.historyId
  return hasMore
}

/** Whether a re-list is under way: until it ends the cursor is of no use. */
export function isRelisting(run: SyncRun): boolean {
  return run.walk.kind === 'relist' && isOpenState(run.walk.state)
}
