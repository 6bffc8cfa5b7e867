// Memory and start-up: what a process keeps of each request over a long run, what ten logins at once take, and how long it
// takes to its first answer.
// Each with the controls beside it, since workerd itself keeps something of every connection it opened.
import type { ControlName } from './build.ts'
import { load, once, type Shooter } from './load.ts'
import { median } from './measure.ts'
import { passwordLoginShooter } from './password-paths.ts'
import type { Callers } from './paths.ts'
import type { Memory } from './workerd.ts'
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

export interface TenLogins {
  readonly atOnce: number
  readonly logins: number
  /** Resident bytes of the Worker after an answer without a password, after one login, and the most of all of them. */
  readonly before: number | null
  readonly afterOne: number | null
  readonly peak: number | null
  readonly emptyBytes: number | null
  /** The most argon2 instances that the Worker had. */
  readonly instances: number | null
  /** What the first computation adds to a Worker with nothing but the hash. */
  readonly instanceBytes: number | null
}

const atOnce = 10

/** Ten logins at a time, over and over, in a process that has seen none. */
export async function measureTenLogins(world: World, callers: Callers, rounds: number): Promise<TenLogins> {
  const logins = atOnce * rounds
  const worker = await world.start('candidate')
  await once(worker.port, { path: '/health/liveness' })
  const before = await worker.memory()
  const shooter = passwordLoginShooter(callers)
  const run = async (requests: number, lanes: number): Promise<void> => {
    let left = requests
    await load(worker.port, (lane) => (left-- > 0 ? shooter(lane) : null), { lanes })
  }
  await run(1, 1)
  const afterOne = await worker.memory()
  await run(logins, atOnce)
  const afterAll = await worker.memory()
  await worker.stop()
  return {
    ...{ atOnce, logins },
    before: before?.residentBytes ?? null,
    afterOne: afterOne?.residentBytes ?? null,
    peak: afterAll?.peakResidentBytes ?? null,
    instances: countInstances(before, afterOne, afterAll),
    ...(await measureInstance(world)),
  }
}

/** V8 reserves so much address space for a WebAssembly memory, whatever is used of it, that nothing else looks like one. */
const leastReserved = 1_024 ** 3

/** What the first login reserved is one instance; the most that was ever reserved tells how many there were. */
function countInstances(before: Memory | null, afterOne: Memory | null, afterAll: Memory | null): number | null {
  if (before === null || afterOne === null || afterAll === null) return null
  const one = afterOne.reservedBytes - before.reservedBytes
  return one < leastReserved ? null : (afterAll.peakReservedBytes - before.reservedBytes) / one
}

async function measureInstance(world: World): Promise<Pick<TenLogins, 'emptyBytes' | 'instanceBytes'>> {
  const [empty, hash] = [await world.start('empty'), await world.start('hash')]
  await once(empty.port, { path: '/' })
  // Its 404: everything but the hash has run.
  await once(hash.port, { path: '/nothing' })
  const before = await hash.residentBytes()
  await once(hash.port, { path: '/' })
  const [emptyBytes, after] = await Promise.all([empty.residentBytes(), hash.residentBytes()])
  await Promise.all([empty.stop(), hash.stop()])
  return { emptyBytes, instanceBytes: before === null || after === null ? null : after - before }
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
