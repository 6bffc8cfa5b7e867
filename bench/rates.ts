// Rates beside their controls, one process each: which paths are measured together, and against what.
import { type Contestant, type Measured, measure } from './measure.ts'
import {
  passwordLoginShooter,
  registerShooter,
  unknownNameShooter,
  wrongPasswordShooter,
  wrongTries,
} from './password-paths.ts'
import {
  type Callers,
  callbackShooter,
  controlByIdShooter,
  controlShooter,
  handOffShooter,
  listShooter,
  loginShooter,
  meShooter,
  sessionRefreshShooter,
  startShooter,
  vendExpiredShooter,
  vendFreshShooter,
} from './paths.ts'
import type { Person } from './seed.ts'
import type { Workerd } from './workerd.ts'
import type { World } from './world.ts'

export interface RateFigures {
  readonly rounds: number
  /** Of each contestant and round. */
  readonly seconds: number
  /** Requests of a path that uses up what it is given, each round. */
  readonly single: number
}

const lanes = 16
/** A hash takes twenty milliseconds, one at a time: fewer lanes keep it busy, and a round of few requests says little. */
const ofHashing = { lanes: 4, times: 2 }

/** The group that is measured against one argon2id computation; the empty Worker is in it to be taken off. */
export const hashControl = 'one argon2id'
export const emptyControl = 'empty Worker'

/** Each group begins with its control. */
export async function measureRates(
  world: World,
  callers: Callers,
  candidate: Workerd,
  { figures, say }: { readonly figures: RateFigures; readonly say: (line: string) => void },
): Promise<Measured[][]> {
  const handOffs: string[] = []
  let taken = 1_000
  const returning = (): readonly Person[] => {
    taken = (taken + figures.single) % Math.max(1, callers.people.length - 2 * figures.single)
    return callers.people.slice(taken, taken + figures.single)
  }
  const own = (name: string, shooter: Contestant['shooter']): Contestant => ({ name, process: candidate, shooter })
  const finite = (name: string, shooter: Contestant['shooter']): Contestant => ({
    ...own(name, shooter),
    isFinite: true,
  })
  const control = async (
    what: Parameters<World['start']>[0],
    name: string,
    shooter: Contestant['shooter'],
  ): Promise<Contestant> => ({ name, process: await world.start(what), shooter })
  const byId = (): ReturnType<typeof controlByIdShooter> => controlByIdShooter(callers)
  const tried = wrongTries(callers)
  const groups: Contestant[][] = [
    [await control('kv', 'one KV put', controlShooter), own('login', loginShooter), own('start', startShooter)],
    [
      await control('query', 'one query', byId),
      own('me', () => meShooter(callers)),
      own('mailbox list', () => listShooter(callers)),
    ],
    [
      await control('insert', 'one insert', byId),
      own('vend, fresh', () => vendFreshShooter(callers)),
      own('session refresh', () => sessionRefreshShooter(callers)),
    ],
    [
      await control('fetch', 'one fetch', controlShooter),
      finite('vend, expired', () => vendExpiredShooter(world, callers, figures.single)),
      finite('callback', () => callbackShooter(world, candidate.port, { people: returning() }, handOffs)),
      finite('hand-off', () => handOffShooter(handOffs.splice(0))),
    ],
    [
      await control('hash', hashControl, controlShooter),
      await control('empty', emptyControl, controlShooter),
      own('password login', () => passwordLoginShooter(callers)),
      own('login refused', () => wrongPasswordShooter(tried)),
      own('login refused (unknown name)', unknownNameShooter),
      own('register', registerShooter),
    ],
  ]
  const measured: Measured[][] = []
  for (const group of groups) {
    say(`rates: ${group.map(({ name }) => name).join(', ')}`)
    const { rounds, seconds } = figures
    const isHashing = group[0]?.name === hashControl
    const options = isHashing ? { lanes: ofHashing.lanes, seconds: seconds * ofHashing.times } : { lanes, seconds }
    measured.push(await measure(world, group, { rounds, ...options }))
  }
  const controls = groups.flat().filter(({ process }) => process !== candidate)
  await Promise.all(controls.map(({ process }) => process.stop()))
  return measured
}
