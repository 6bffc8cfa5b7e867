// Rounds: contestants take turns, a few seconds each, and every ratio is taken within one round, so that a machine that
// gets slower or busier takes its controls along. The median of the rounds counts.
import { type LoadResult, load, type Shooter } from './load.ts'
import type { Workerd } from './workerd.ts'
import type { World } from './world.ts'

export interface Contestant {
  readonly name: string
  readonly process: Workerd
  /** Of each round; may prepare what the round uses up. */
  readonly shooter: () => Shooter | Promise<Shooter>
  /** True where a round lasts until the shooter has nothing left. */
  readonly isFinite?: boolean
}

export interface Measured {
  readonly name: string
  readonly rate: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Milliseconds of processor time a request: of workerd, and of PostgreSQL. */
  readonly workerCpu: number | null
  readonly databaseCpu: number | null
  /** Rate and workerd's processor time to those of the first contestant, the control. */
  readonly ratio: number
  readonly cpuRatio: number | null
  /** Median time of a request to the control's. */
  readonly timeRatio: number
}

interface Round extends LoadResult {
  readonly workerCpu: number | null
  readonly databaseCpu: number | null
}

export interface RoundOptions {
  readonly rounds: number
  readonly seconds: number
  readonly lanes: number
}

/** Measures all of them in turns; the first one is the control of the others. */
export async function measure(
  world: World,
  contestants: readonly Contestant[],
  options: RoundOptions,
): Promise<Measured[]> {
  const rounds = new Map<string, Round[]>(contestants.map(({ name }) => [name, []]))
  for (let round = -1; round < options.rounds; round += 1) {
    for (const contestant of contestants) {
      // The first round only warms up: compiled code, prepared statements, the pages of the database.
      const seconds = round < 0 ? Math.min(1, options.seconds) : options.seconds
      const result = await oneRound(world, contestant, { lanes: options.lanes, seconds })
      if (round >= 0) rounds.get(contestant.name)?.push(result)
    }
  }
  const control = rounds.get(contestants[0]?.name ?? '') ?? []
  return contestants.map(({ name }) => summarise(name, rounds.get(name) ?? [], control))
}

async function oneRound(
  world: World,
  contestant: Contestant,
  options: { lanes: number; seconds: number },
): Promise<Round> {
  const shooter = await contestant.shooter()
  const before = await Promise.all([contestant.process.cpuSeconds(), world.databaseCpuSeconds()])
  const result = await load(
    contestant.process.port,
    shooter,
    contestant.isFinite === true ? { lanes: options.lanes } : options,
  )
  const after = await Promise.all([contestant.process.cpuSeconds(), world.databaseCpuSeconds()])
  const each = (index: 0 | 1): number | null => {
    const [from, to] = [before[index], after[index]]
    return from === null || to === null ? null : ((to - from) * 1_000) / result.count
  }
  return { ...result, workerCpu: each(0), databaseCpu: each(1) }
}

function summarise(name: string, rounds: readonly Round[], control: readonly Round[]): Measured {
  const ratios = (figure: (round: Round) => number | null): number[] =>
    rounds.flatMap((round, index) => {
      const other = control[index]
      const [own, base] = [figure(round), other === undefined ? null : figure(other)]
      return own === null || base === null || base === 0 ? [] : [own / base]
    })
  const cpuRatios = ratios((round) => round.workerCpu)
  return {
    name,
    rate: median(rounds.map((round) => round.rate)),
    p50: median(rounds.map((round) => round.p50)),
    p99: median(rounds.map((round) => round.p99)),
    workerCpu: medianOrNull(rounds.map((round) => round.workerCpu)),
    databaseCpu: medianOrNull(rounds.map((round) => round.databaseCpu)),
    ratio: median(ratios((round) => round.rate)),
    cpuRatio: cpuRatios.length === 0 ? null : median(cpuRatios),
    timeRatio: median(ratios((round) => round.p50)),
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2
}

function medianOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : median(known)
}
