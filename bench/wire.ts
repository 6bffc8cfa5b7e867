// What crosses the wire: round trips and connections of each operation, counted by the TCP proxy in runs of their own,
// one request at a time; and how long a request takes with the database 20 ms away.
import { load, type Shooter } from './load.ts'
import { type Measured, measure } from './measure.ts'
import {
  forgotShooter,
  passwordLoginShooter,
  registerShooter,
  resetShooter,
  stepUpShooter,
  unknownNameShooter,
  wrongPasswordShooter,
  wrongTries,
} from './password-paths.ts'
import {
  type Callers,
  callbackShooter,
  connectStartShooter,
  controlByIdShooter,
  handOffShooter,
  listShooter,
  loginShooter,
  meShooter,
  sessionRefreshShooter,
  startShooter,
  vendExpiredShooter,
  vendFreshShooter,
} from './paths.ts'
import type { World } from './world.ts'

export interface Counted {
  readonly name: string
  /** Of each request. */
  readonly trips: number
  readonly connections: number
}

export interface WireResult {
  readonly counted: readonly Counted[]
  /** With the database 20 ms away, beside one query: the control first. */
  readonly faraway: readonly Measured[]
}

const requests = 20
export const farawayMs = 20

export async function measureWire(world: World, callers: Callers, seconds: number): Promise<WireResult> {
  const candidate = await world.start('candidate', 'counted')
  const control = await world.start('query', 'counted')
  const { port } = candidate
  const handOffs: string[] = []
  const operations: readonly (readonly [string, () => Shooter | Promise<Shooter>])[] = [
    ['login', loginShooter],
    ['start', startShooter],
    ['start (connect)', () => connectStartShooter(callers)],
    ['callback', () => callbackShooter(world, port, { people: callers.people.slice(100, 100 + requests) }, handOffs)],
    ['callback (newcomer)', () => callbackShooter(world, port, { newcomers: requests }, handOffs)],
    ['hand-off', () => handOffShooter(handOffs)],
    ['me', () => meShooter(callers)],
    ['mailbox list', () => listShooter(callers)],
    ['session refresh', () => sessionRefreshShooter(callers)],
    ['vend, fresh', () => vendFreshShooter(callers)],
    ['vend, expired', () => vendExpiredShooter(world, callers, requests)],
    ['password login', () => passwordLoginShooter(callers)],
    ['login refused', () => wrongPasswordShooter(wrongTries(callers))],
    ['login refused (unknown name)', unknownNameShooter],
    ['step-up', () => stepUpShooter(callers)],
    ['register', registerShooter],
    ['forgot password', () => forgotShooter(callers)],
    ['reset by digits', () => resetShooter(world, port, callers)],
  ]
  const counted: Counted[] = []
  for (const [name, shooter] of operations) counted.push(await count(world, port, name, await shooter()))
  await world.services.setDatabaseDelay(farawayMs)
  const faraway = await measure(
    world,
    [
      { name: 'one query', process: control, shooter: () => controlByIdShooter(callers) },
      { name: 'me', process: candidate, shooter: () => meShooter(callers) },
      { name: 'mailbox list', process: candidate, shooter: () => listShooter(callers) },
      { name: 'vend, fresh', process: candidate, shooter: () => vendFreshShooter(callers) },
    ],
    { rounds: 3, seconds, lanes: 1 },
  )
  await world.services.setDatabaseDelay(0)
  await Promise.all([candidate.stop(), control.stop()])
  return { counted, faraway }
}

export async function count(world: World, port: number, name: string, shooter: Shooter): Promise<Counted> {
  const before = await world.services.wireCounts()
  let left = requests
  const result = await load(port, (lane) => (left-- > 0 ? shooter(lane) : null), { lanes: 1 })
  const after = await world.services.wireCounts()
  return {
    name,
    trips: (after.roundTrips - before.roundTrips) / result.count,
    connections: (after.connections - before.connections) / result.count,
  }
}
