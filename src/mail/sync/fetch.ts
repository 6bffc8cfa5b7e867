// Messages by the batch, from the provider into the page that is stored next: one message is held whole at a time, and a
// page is stored when it has 50 of them or 4 MB.

import type { ProviderFailure } from '../../providers/failure.ts'
import type { FetchedMessage, MailMessage } from '../../providers/mail.ts'
import { overcome, tokenOf } from './ask.ts'
import { noticeLabels } from './labels.ts'
import { batchSize, pageBytes, smallestBatch } from './policy.ts'
import { batchUnits, flush, type SyncRun, SyncStop } from './run.ts'
import { addMessage, sortedLabels } from './store-page.ts'

type Depth = 'full' | 'labels'
type Later = Extract<FetchedMessage, { kind: 'later' }>

/** Longer than this nothing is waited for within a sync. */
const longestPauseSeconds = 3

/**
 * Fetches these messages into the page. What is gone at the provider is deleted here, what cannot be read is recorded and
 * skipped, what was not answered for is asked once more and else recorded as `later`, so that no cursor loses it.
 * @param onBatch after each batch: how many of the ids are dealt with for good
 */
export async function fetchMessages(
  run: SyncRun,
  ids: readonly string[],
  depth: Depth,
  onBatch: (count: number) => void = () => {},
): Promise<void> {
  const waiting = [...ids]
  while (waiting.length > 0) {
    const isFull = run.page.messages.size + Math.min(waiting.length, batchSize) > batchSize
    if (depth === 'full' && isFull && run.page.messages.size > 0) await storeForNext(run, waiting.length)
    const batch = waiting.splice(0, await batchUnits(run, waiting.length))
    onBatch(batch.length - (await fetchBatch(run, batch, depth)))
  }
}

/** Stores the page, and reserves what the next batch needs in the same statement. */
async function storeForNext(run: SyncRun, waiting: number): Promise<void> {
  const wanted = Math.min(batchSize, waiting) * run.adapter.costs.message + run.adapter.costs.list
  await flush(run, { wanted: Math.max(0, wanted - run.units), least: 1 })
}

/** Returns how many were not answered for. */
async function fetchBatch(run: SyncRun, batch: readonly string[], depth: Depth): Promise<number> {
  const first = await askBatch(run, batch, depth)
  if (first.length === 0) return 0
  const cost = first.length * run.adapter.costs.message
  const second = first.length < batch.length && cost <= run.units ? await askAgain(run, first, depth) : first
  for (const { id } of second) run.page.skips.set(id, 'later')
  if (second.length * 2 >= batch.length) run.batchSize = Math.max(smallestBatch, run.batchSize >> 1)
  const limits = second.filter(({ isRateLimit }) => isRateLimit)
  const [limit] = limits
  // One alone may be refused for ever, and stands in nobody's way.
  if (limit === undefined || limits.length <= Math.max(1, batch.length / 2)) return second.length
  // Too fast: what was brought is stored, and the rest waits its time.
  const { code, retryAfterSeconds } = limit
  throw new SyncStop({ kind: 'failure', failure: { ok: false, kind: 'rate_limited', code, retryAfterSeconds } })
}

async function askAgain(run: SyncRun, later: readonly Later[], depth: Depth): Promise<readonly Later[]> {
  const pauseSeconds = Math.max(...later.map(({ retryAfterSeconds }) => retryAfterSeconds ?? 0))
  if (pauseSeconds > longestPauseSeconds) return later
  const pauseMs = Math.max(pauseSeconds * 1_000, 400) * (1 + run.deps.chance() / 2)
  await new Promise((resolve) => setTimeout(resolve, pauseMs))
  const ids = later.map(({ id }) => id)
  return askBatch(run, ids, depth)
}

/** One request. Returns what was not answered for, one by one; where the request itself failed, that ends the sync. */
async function askBatch(run: SyncRun, batch: readonly string[], depth: Depth): Promise<readonly Later[]> {
  const waiting = new Map<string, Later>(batch.map((id) => [id, unansweredLater(id)]))
  for (;;) {
    const { accessToken } = await tokenOf(run)
    run.units -= waiting.size * run.adapter.costs.message
    let failure: ProviderFailure | null = null
    for await (const answer of run.adapter.fetch({ accessToken, ids: [...waiting.keys()], depth })) {
      if (!answer.ok) {
        failure = answer
        break
      }
      const it = answer.value
      run.units -= it.extraUnits ?? 0
      if (it.kind === 'later') waiting.set(it.id, it)
      else {
        waiting.delete(it.kind === 'message' ? it.message.id : it.id)
        await take(run, it)
      }
    }
    if (failure === null || waiting.size === 0) return [...waiting.values()]
    // Asked for alone, it may be why: it is owed, and nothing waits for it.
    if (failure.kind === 'unavailable' && batch.length === 1) return [...waiting.values()]
    // Returns where the token was renewed: the rest is asked for again.
    await overcome(run, failure)
  }
}

function unansweredLater(id: string): Later {
  return { kind: 'later', id, code: 'not_answered', isRateLimit: false, retryAfterSeconds: null }
}

async function take(run: SyncRun, it: Exclude<FetchedMessage, Later>): Promise<void> {
  switch (it.kind) {
    case 'message':
      return takeMessage(run, it.message)
    case 'labels':
      await noticeLabels(run, it.labelIds)
      run.page.labels.set(it.id, { labels: sortedLabels(it.labelIds) })
      return
    case 'gone':
      run.page.skips.delete(it.id)
      run.page.deleted.add(it.id)
      run.page.settled.add(it.id)
      return
    case 'broken':
      run.page.skips.set(it.id, it.code)
  }
}

async function takeMessage(run: SyncRun, message: MailMessage): Promise<void> {
  await noticeLabels(run, message.labelIds)
  run.counts.fetched += 1
  // It was owed until now.
  run.page.skips.delete(message.id)
  addMessage(run.page, run.lease.accountId, message, run.labelNames)
  if (run.page.bytes >= pageBytes) await flush(run)
}
