// Memory and start-up: what a process keeps of each request over a long run, and how long it takes to its first answer.
// Each with the controls beside it, since workerd itself keeps something of every connection it opened.

import type { ControlName } from './build.ts'
import { load, once, type Shooter } from './load.ts'
import { median } from './measure.ts'
import type { World } from './world.ts'

export interface Kept {
  readonly name: string
  readonly requests: number
  /** Null where /proc does not say. */
  readonly bytesPerRequest: number | null
  readonly residentBytes: number | null
}

/** Until the heap has reached the size that V8 likes, growth says nothing. */
const warmUpRequests = 8_000

/** Runs `requests` after the warm-up, and looks at the difference once it is quiet again. */
export async function measureKept(
  world: World,
  what: 'candidate' | ControlName,
  name: string,
  shooter: Shooter,
  requests: number,
): Promise<Kept> {
  const worker = await world.start(what)
  const run = async (count: number): Promise<void> => {
    let left = count
    await load(worker.port, (lane) => (left-- > 0 ? shooter(lane) : null), { lanes: 16 })
    await new Promise((resolve) => setTimeout(resolve, 1_500))
  }
  await run(warmUpRequests)
  const before = await worker.residentBytes()
  await run(requests)
  const after = await worker.residentBytes()
  await worker.stop()
  const bytesPerRequest = before === null || after === null ? null : (after - before) / requests
  return { name, requests, bytesPerRequest, residentBytes: after }
}

export interface StartUp {
  /** Milliseconds from the start of the process to its first answer. */
  readonly candidateMs: number
  readonly emptyMs: number
  /** Median of the differences of each pair. */
  readonly overEmptyMs: number
}

export async function measureStartUp(world: World, rounds: number): Promise<StartUp> {
  const candidate: number[] = []
  const empty: number[] = []
  for (let round = 0; round <= rounds; round += 1) {
    const [emptyMs, candidateMs] = [
      await firstAnswer(world, 'empty', '/'),
      await firstAnswer(world, 'candidate', '/health/liveness'),
    ]
    // The first pair finds cold files.
    if (round === 0) continue
    empty.push(emptyMs)
    candidate.push(candidateMs)
  }
  return {
    candidateMs: median(candidate),
    emptyMs: median(empty),
    overEmptyMs: median(candidate.map((ms, index) => ms - (empty[index] ?? 0))),
  }
}

async function firstAnswer(world: World, what: 'candidate' | 'empty', path: string): Promise<number> {
  const worker = await world.start(what)
  const startedAt = performance.now()
  const answer = await once(worker.port, { path })
  const answeredAfterMs = performance.now() - startedAt
  await worker.stop()
  if (answer.status !== 200) throw new Error(`${what} answered ${answer.status} at its start`)
  return worker.listenedAfterMs + answeredAfterMs
}
