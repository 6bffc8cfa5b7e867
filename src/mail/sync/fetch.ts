// Messages by the batch, from the provider into the page that is stored next: one message is held whole at a time, and a
// page is stored when it has 50 of them or 4 MB.

import { type ProviderFailure, providerFailure } from '../../providers/failure.ts'
import type { FetchedMessage, MailMessage } from '../../providers/mail.ts'
import { overcome, tokenOf } from './ask.ts'
import { noticeLabels } from './labels.ts'
import { batchSize, pageBytes, smallestBatch, spareMessages } from './policy.ts'
import { batchUnits, flush, isTimeUp, type SyncRun, SyncStop } from './run.ts'
import { addMessage, sortedLabels } from './store-page.ts'

type Depth = 'full' | 'labels'
type Later = Extract<FetchedMessage, { kind: 'later' }>

/** Longer than this nothing is waited for within a sync. */
const longestPauseSeconds = 3

/**
 * Fetches these messages into the page. What is gone at the provider is deleted here, what cannot be read is recorded and
 * skipped, what was not answered for is asked once more, where there are units for it, and else recorded as `later`, so
 * that no cursor loses it. Resolves with those that were not asked for: the provider wants to be left alone, or the time is
 * up. An outage ends the sync.
 * @param onBatch after each batch: how many of the ids are here now
 */
export async function fetchMessages(
  run: SyncRun,
  ids: readonly string[],
  depth: Depth,
  onBatch: (count: number) => void = () => {},
): Promise<readonly string[]> {
  const waiting = [...ids]
  while (waiting.length > 0 && !isEnough(run)) {
    const isFull = run.page.messages.size + Math.min(waiting.length, batchSize) > batchSize
    if (depth === 'full' && isFull && run.page.messages.size > 0) await storeForNext(run, waiting.length)
    const batch = waiting.splice(0, await batchUnits(run, waiting.length))
    const storedBefore = run.heard.stored
    try {
      await fetchBatch(run, batch, depth)
    } finally {
      // What came is stored, whatever ends the batch.
      onBatch(run.heard.stored - storedBefore)
    }
  }
  return waiting
}

/** The first batch is asked for whatever the time: each run comes a little further. */
function isEnough(run: SyncRun): boolean {
  return run.heard.waitSeconds !== null || (run.heard.hasAsked && isTimeUp(run))
}

/** Stores the page, and reserves what the next batch needs in the same statement, second asks among it. */
async function storeForNext(run: SyncRun, waiting: number): Promise<void> {
  const messages = Math.min(batchSize, waiting) + spareMessages
  const wanted = messages * run.adapter.costs.message + run.adapter.costs.list
  await flush(run, { wanted: Math.max(0, wanted - run.units), least: 1 })
}

async function fetchBatch(run: SyncRun, batch: readonly string[], depth: Depth): Promise<void> {
  run.heard.hasAsked = true
  const first = await askBatch(run, batch, depth)
  if (first.length === 0) return
  const cost = first.length * run.adapter.costs.message
  const second = first.length < batch.length && cost <= run.units ? await askAgain(run, first, depth) : first
  for (const { id } of second) run.page.skips.set(id, 'later')
  if (second.length * 2 >= batch.length) run.batchSize = Math.max(smallestBatch, run.batchSize >> 1)
  const fresh = second.filter(({ id }) => !run.owed.has(id)).length
  if (batch.length === 1) run.heard.silentInRow += fresh
  noteSilence(run, second)
  if (isOutage(run, batch.length, fresh)) throw new SyncStop({ kind: 'failure', failure: failureOf(second) })
}

/** A wait that the provider asks for is kept, though only one message was answered so. */
function noteSilence(run: SyncRun, silent: readonly Later[]): void {
  const { heard } = run
  heard.silentCode = silent.at(-1)?.code ?? heard.silentCode
  const waitSeconds = longestWait(silent)
  if (waitSeconds !== null && waitSeconds > 0) heard.waitSeconds = Math.max(heard.waitSeconds ?? 0, waitSeconds)
}

/**
 * Whether so much of a batch was not answered for that it is not the messages' fault. One alone may be refused for ever,
 * and stands in nobody's way; where all are asked for alone, as many in a row as syncs have failed. Where the time is up
 * and nothing has come, no other message is tried.
 * @param freshCount of those asked for, such as were not owed before and were not answered for
 */
function isOutage(run: SyncRun, askedCount: number, freshCount: number): boolean {
  const { answered, silentInRow } = run.heard
  if (freshCount > 0 && answered === 0 && isTimeUp(run)) return true
  if (askedCount > 1) return freshCount > Math.max(1, askedCount / 2)
  return silentInRow > Math.max(1, run.lease.failureCount)
}

function failureOf(silent: readonly Later[]): ProviderFailure {
  const limits = silent.filter(({ isRateLimit }) => isRateLimit)
  const isRateLimit = limits.length * 2 > silent.length
  const code = (isRateLimit ? limits : silent).at(0)?.code ?? 'not_answered'
  return providerFailure(isRateLimit ? 'rate_limited' : 'unavailable', code, longestWait(silent))
}

function longestWait(silent: readonly Later[]): number | null {
  const waits = silent.flatMap(({ retryAfterSeconds }) => retryAfterSeconds ?? [])
  return waits.length === 0 ? null : Math.max(...waits)
}

async function askAgain(run: SyncRun, later: readonly Later[], depth: Depth): Promise<readonly Later[]> {
  const pauseSeconds = longestWait(later) ?? 0
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
    const { accessToken, version } = await tokenOf(run)
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
    if (mayBeAtFault(run, batch, failure, version)) {
      const { code, retryAfterSeconds } = failure
      return [...waiting.values()].map((it) => ({ ...it, code, retryAfterSeconds }))
    }
    // Returns where the token was renewed: the rest is asked for again.
    await overcome(run, failure)
  }
}

/**
 * Asked for alone, a message may be why the request fails: it is owed, and nothing waits for it. So it is where its token is
 * refused, and another call was answered with the same.
 */
function mayBeAtFault(
  run: SyncRun,
  [id, ...others]: readonly string[],
  { kind }: ProviderFailure,
  tokenVersion: number,
): boolean {
  if (id === undefined || others.length > 0) return false
  if (kind === 'unauthorized' || kind === 'forbidden') return run.acceptedVersion === tokenVersion
  // Where others were answered, one may fail; where none was, as many as syncs have.
  const most = Math.max(run.lease.failureCount, run.heard.answered > 0 ? 1 : 0)
  return kind === 'unavailable' && (run.owed.has(id) || run.heard.silentInRow < most)
}

function unansweredLater(id: string): Later {
  return { kind: 'later', id, code: 'not_answered', isRateLimit: false, retryAfterSeconds: null }
}

async function take(run: SyncRun, it: Exclude<FetchedMessage, Later>): Promise<void> {
  run.heard.answered += 1
  run.heard.silentInRow = 0
  switch (it.kind) {
    case 'message':
      return takeMessage(run, it.message)
    case 'labels':
      await noticeLabels(run, it.labelIds)
      run.heard.stored += 1
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
  run.heard.stored += 1
  // It was owed until now.
  run.page.skips.delete(message.id)
  addMessage(run.page, run.lease.accountId, message, run.labelNames)
  if (run.page.bytes >= pageBytes) await flush(run)
}
