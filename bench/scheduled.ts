// Scheduled refresh: one cron tick, then its messages, as the queue would deliver them (one a batch). Tokens a second,
// trips a token, and what a table that grows does to it.
import * as z from 'zod'
import { once } from './load.ts'
import { makeDue } from './seed.ts'
import type { Workerd } from './workerd.ts'
import type { World } from './world.ts'

export interface ScheduledRun {
  readonly stored: number
  readonly due: number
  readonly providerMs: number
  readonly consumers: number
  /** Tokens a second over all messages, the tick left out. */
  readonly tokensPerSecond: number
  readonly tickMs: number
  /** Milliseconds of workerd's processor time a token, the tick left out. */
  readonly workerCpu: number | null
  readonly providerCalls: number
  readonly peakBytes: number | null
}

export interface ScheduledTrips {
  readonly tick: number
  readonly messages: number
  /** The claim and the messages, a token: what refreshing costs. The tick's other trips are housekeeping. */
  readonly perToken: number
}

const messages = z.array(z.object({ queue: z.string(), body: z.unknown() }))

export async function runScheduled(
  world: World,
  worker: Workerd,
  setup: { stored: number; due: number; providerMs: number; consumers: number },
): Promise<ScheduledRun> {
  await makeDue(world.sql, setup.due)
  await world.services.setProviderDelay(setup.providerMs)
  const callsBefore = await world.services.providerCalls()
  const peak = watchPeak(worker)
  const startedAt = performance.now()
  const bodies = await tick(worker)
  const tickMs = performance.now() - startedAt
  const cpuBefore = await worker.cpuSeconds()
  const consumedAt = performance.now()
  await consume(worker, bodies, setup.consumers)
  const seconds = (performance.now() - consumedAt) / 1_000
  const cpuAfter = await worker.cpuSeconds()
  const peakBytes = await peak()
  await world.services.setProviderDelay(0)
  const providerCalls = (await world.services.providerCalls()) - callsBefore
  if (providerCalls !== setup.due) throw new Error(`${setup.due} tokens were due, ${providerCalls} were asked for`)
  const [left] = await world.sql`SELECT count(*)::int AS n FROM oauth_tokens WHERE refresh_due_at_utc <= now()`
  if (left?.n !== 0) throw new Error(`${left?.n} tokens are still due`)
  return {
    ...setup,
    tokensPerSecond: setup.due / seconds,
    tickMs,
    workerCpu: cpuBefore === null || cpuAfter === null ? null : ((cpuAfter - cpuBefore) * 1_000) / setup.due,
    providerCalls,
    peakBytes,
  }
}

/** The same, through the counting proxy. */
export async function countScheduled(world: World, due: number): Promise<ScheduledTrips> {
  const worker = await world.start('candidate', 'counted')
  await makeDue(world.sql, due)
  const before = await world.services.wireCounts()
  const bodies = await tick(worker)
  const between = await world.services.wireCounts()
  await consume(worker, bodies, 1)
  const after = await world.services.wireCounts()
  await worker.stop()
  const perMessages = after.roundTrips - between.roundTrips
  return {
    tick: between.roundTrips - before.roundTrips,
    messages: perMessages,
    perToken: (1 + perMessages) / due,
  }
}

async function tick(worker: Workerd): Promise<unknown[]> {
  const answer = await once(worker.port, { method: 'POST', path: '/__bench/scheduled', json: {} })
  return messages
    .parse(JSON.parse(answer.body))
    .filter(({ queue }) => queue === 'gatepost-refresh')
    .map(({ body }) => body)
}

async function consume(worker: Workerd, bodies: readonly unknown[], consumers: number): Promise<void> {
  const waiting = [...bodies]
  const consumer = async (): Promise<void> => {
    for (let body = waiting.shift(); body !== undefined; body = waiting.shift()) {
      const json = { queue: 'gatepost-refresh', bodies: [body] }
      const answer = await once(worker.port, { method: 'POST', path: '/__bench/queue', json })
      if (!answer.body.startsWith('{"acked":1'))
        throw new Error(`a message was not acknowledged: ${await worker.loggedErrors()}`)
    }
  }
  await Promise.all(Array.from({ length: consumers }, consumer))
}

/** Looks at the process's memory twenty times a second until the answer is called. */
export function watchPeak(worker: Workerd): () => Promise<number | null> {
  let highest: number | null = null
  const look = async (): Promise<void> => {
    const bytes = await worker.residentBytes()
    if (bytes !== null) highest = Math.max(highest ?? 0, bytes)
  }
  const timer = setInterval(() => void look(), 50)
  return async () => {
    clearInterval(timer)
    await look()
    return highest
  }
}
