// Sync of a whole mailbox: asked for over HTTP, then carried on by the queue's messages, one after the other, until the walk
// is done. Messages a second, trips a page of 50, what it took from the provider, and memory at its peak.
import * as z from 'zod'
import { httpRequest, load, once } from './load.ts'
import type { SignedIn } from './seed.ts'
import type { Workerd } from './workerd.ts'
import type { World } from './world.ts'

export interface SyncRun {
  readonly messages: number
  readonly messagesPerSecond: number
  /** Messages of the queue it took. */
  readonly deliveries: number
  readonly providerCalls: number
  readonly providerBytes: number
  /** Milliseconds of processor time a message: of workerd, and of PostgreSQL. */
  readonly workerCpu: number | null
  readonly databaseCpu: number | null
  /** The most resident bytes of a process that did nothing else, and an empty Worker's. */
  readonly peakBytes: number | null
  readonly emptyBytes: number | null
}

export interface SyncTrips {
  readonly pages: number
  readonly perPage: number
  /** Of a whole walk, whatever its length: its lease, its token, its end. */
  readonly besides: number
}

const pageSize = 50
const answer = z.object({
  acked: z.number(),
  sent: z.array(z.object({ queue: z.string(), body: z.unknown() })).default([]),
})

/** In a process of its own, whose peak is then this sync's. */
export async function runSync(world: World, owner: SignedIn, messages: number): Promise<SyncRun> {
  const worker = await world.start('candidate')
  const empty = await world.start('empty')
  await once(worker.port, { path: '/health/liveness' })
  await once(empty.port, { path: '/' })
  await world.services.setGmail({ email: owner.email, messages })
  const cpu = (): Promise<(number | null)[]> => Promise.all([worker.cpuSeconds(), world.databaseCpuSeconds()])
  await askForSync(worker, owner)
  const before = await cpu()
  const startedAt = performance.now()
  const deliveries = await carryOn(worker, owner)
  const seconds = (performance.now() - startedAt) / 1_000
  const after = await cpu()
  const [memory, emptyMemory] = await Promise.all([worker.memory(), empty.memory()])
  const { calls, bytes } = await world.services.gmailCounts()
  await Promise.all([worker.stop(), empty.stop()])
  await expectStored(world, owner, messages)
  const each = (index: 0 | 1): number | null => {
    const [from, to] = [before[index] ?? null, after[index] ?? null]
    return from === null || to === null ? null : ((to - from) * 1_000) / messages
  }
  return {
    messages,
    messagesPerSecond: messages / seconds,
    deliveries,
    providerCalls: calls,
    providerBytes: bytes,
    workerCpu: each(0),
    databaseCpu: each(1),
    peakBytes: memory?.peakResidentBytes ?? null,
    emptyBytes: emptyMemory?.peakResidentBytes ?? null,
  }
}

export interface SmallHeapSync {
  readonly messages: number
  readonly heapMegabytes: number
  readonly isDone: boolean
  readonly peakBytes: number | null
}

/** The same with a smaller heap: whether it gets by with that, and then its peak, which is garbage no more. */
export async function runSyncWithHeap(
  world: World,
  owner: SignedIn,
  { messages, heapMegabytes }: { readonly messages: number; readonly heapMegabytes: number },
): Promise<SmallHeapSync> {
  const worker = await world.start('candidate', 'direct', heapMegabytes)
  await world.services.setGmail({ email: owner.email, messages })
  try {
    await askForSync(worker, owner)
    await carryOn(worker, owner)
    await expectStored(world, owner, messages)
    const memory = await worker.memory()
    return { messages, heapMegabytes, isDone: true, peakBytes: memory?.peakResidentBytes ?? null }
  } catch {
    return { messages, heapMegabytes, isDone: false, peakBytes: null }
  } finally {
    await worker.stop()
  }
}

/** The trips of a walk of `pages`, and of one twice as long: the difference is what a page takes. */
export async function countSync(world: World, owners: readonly SignedIn[], pages: number): Promise<SyncTrips> {
  const worker = await world.start('candidate', 'counted')
  const trips: number[] = []
  for (const [index, owner] of owners.entries()) {
    const messages = pages * pageSize * (index + 1)
    await world.services.setGmail({ email: owner.email, messages })
    await askForSync(worker, owner)
    const before = await world.services.wireCounts()
    await carryOn(worker, owner)
    const after = await world.services.wireCounts()
    await expectStored(world, owner, messages)
    trips.push(after.roundTrips - before.roundTrips)
  }
  await worker.stop()
  const [short = 0, long = 0] = trips
  return { pages, perPage: (long - short) / pages, besides: 2 * short - long }
}

async function askForSync(worker: Workerd, { accountId, bearer }: SignedIn): Promise<void> {
  const path = `/api/v1/mail-accounts/${accountId}/sync`
  const request = httpRequest({
    method: 'POST',
    path,
    headers: { Authorization: `Bearer ${bearer}` },
    json: { full: true },
  })
  let left = 1
  await load(worker.port, () => (left-- > 0 ? { request, expect: 202 } : null), { lanes: 1 })
}

/** The wrapper drops what a request sends to a queue, so its message is made here. */
async function carryOn(worker: Workerd, { accountId }: SignedIn): Promise<number> {
  const waiting: unknown[] = [{ kind: 'sync', mail_account_id: accountId }]
  let deliveries = 0
  for (let body = waiting.shift(); body !== undefined; body = waiting.shift()) {
    deliveries += 1
    const json = { queue: 'gatepost-sync', bodies: [body] }
    const { acked, sent } = answer.parse(
      JSON.parse((await once(worker.port, { method: 'POST', path: '/__bench/queue', json })).body),
    )
    if (acked !== 1) throw new Error(`a sync was not acknowledged: ${await worker.loggedErrors()}`)
    waiting.push(...sent.filter(({ queue }) => queue === 'gatepost-sync').map((one) => one.body))
  }
  return deliveries
}

async function expectStored({ sql }: World, { accountId }: SignedIn, messages: number): Promise<void> {
  const [row] = await sql<{ stored: number; state: string; error: string | null }[]>`
    SELECT (SELECT count(*)::int FROM emails WHERE user_mail_account_id = ${accountId}) AS stored,
      walk_state_cd AS state, last_error_cd AS error FROM mail_syncs WHERE user_mail_account_id = ${accountId}`
  if (row?.stored !== messages || row.state !== 'done')
    throw new Error(`of ${messages} messages ${row?.stored} are stored; the walk is ${row?.state} (${row?.error})`)
}
