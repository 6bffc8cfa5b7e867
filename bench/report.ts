// From what was measured to what is read: one table of budgets with their marks, and docs/performance.md around it.
import { fixed, kib, type Line, mark, mib, table } from './figures.ts'
import { mailTable, searchTable } from './mail-page.ts'
import type { Measured } from './measure.ts'
import { passwordLines } from './password-lines.ts'
import { emptyControl } from './rates.ts'
import type { Results } from './run.ts'
import { farawayMs } from './wire.ts'

/** A fifth of what a lane of 20 ms lets through, times nine tenths of five of them. */
const fiveLanesShare = 0.9
const tokensOfFiveLanes = 250

export function lines(results: Results): Line[] {
  return [
    ...rateLines(results),
    ...tripLines(results),
    ...passwordLines(results),
    ...refreshLines(results),
    ...sizeLines(results),
  ]
}

const rateBudgets = new Map<string, number>([
  ['login', 0.8],
  ['start', 0.8],
  ['me', 0.8],
  ['mailbox list', 0.8],
  ['vend, fresh', 0.8],
])

function rateLines({ groups, wire }: Results): Line[] {
  const rates = groups.flatMap(([control, ...others]) =>
    others.flatMap((one): Line[] => {
      // It stands beside the hash to be taken off, not to be judged.
      if (one.name === emptyControl) return []
      const budget = rateBudgets.get(one.name)
      return [
        {
          path: `${one.name}: rate`,
          measured: `${one.ratio.toFixed(2)} of ${control?.name}`,
          budget: budget === undefined ? 'none' : `≥ ${budget}`,
          isKept: budget === undefined ? null : one.ratio >= budget,
        },
      ]
    }),
  )
  const times = wire.faraway
    .filter(({ name }) => name === 'me' || name === 'mailbox list')
    .map((one): Line => {
      return {
        path: `${one.name}: time, database ${farawayMs} ms away`,
        measured: `${one.timeRatio.toFixed(3)} of one query`,
        budget: '≤ 1.05',
        isKept: one.timeRatio <= 1.05,
      }
    })
  return [...rates, ...times]
}

const tripBudgets = new Map<string, number>([
  ['login', 0],
  ['start', 0],
  ['start (connect)', 1],
  ['callback', 3],
  ['callback (newcomer)', 3],
  ['hand-off', 1],
  ['me', 1],
  ['mailbox list', 1],
  ['session refresh', 1],
  ['vend, fresh', 1],
  ['vend, expired', 2],
  // Charge and look; then the session, or the refusal.
  ['password login', 2],
  ['login refused', 2],
  ['login refused (unknown name)', 2],
])

function tripLines({ wire }: Results): Line[] {
  return wire.counted.map(({ name, trips, connections }) => {
    const budget = tripBudgets.get(name) ?? null
    return {
      path: `${name}: round trips`,
      measured: `${trips} (${connections} connection${connections === 1 ? '' : 's'})`,
      budget: budget === null ? 'none' : `${budget}`,
      isKept: budget === null ? null : trips <= budget && connections <= 1,
    }
  })
}

function refreshLines({ scheduled, scheduledTrips, claims }: Results): Line[] {
  const rates = scheduled.map((run): Line => {
    const isBudgeted = run.providerMs > 0 || run.consumers > 1
    const goal = run.providerMs > 0 ? fiveLanesShare * tokensOfFiveLanes : 1_000
    const provider = run.providerMs === 0 ? 'immediate provider' : `provider of ${run.providerMs} ms`
    return {
      path: `scheduled refresh, ${run.stored} stored, ${provider}, ${run.consumers} consumer${run.consumers === 1 ? '' : 's'}`,
      measured: `${run.tokensPerSecond.toFixed(0)} tokens/s (claim and tick ${run.tickMs.toFixed(0)} ms)`,
      budget: isBudgeted ? `≥ ${goal}/s` : 'none (with 4 consumers)',
      isKept: isBudgeted ? run.tokensPerSecond >= goal : null,
    }
  })
  const single = scheduled.filter((run) => run.providerMs === 0 && run.consumers === 1)
  const [first, last] = [single[0], single.at(-1)]
  const perThousand = claims.map(({ due, ms }) => (ms / due) * 1_000)
  const worstClaim = Math.max(...perThousand)
  return [
    ...rates,
    {
      path: 'claim with half of all due: ms for each thousand',
      measured: claims
        .map(({ stored, due }, index) => `${fixed(perThousand[index] ?? null, 0)} (${due} due of ${stored})`)
        .join(', '),
      budget: 'flat: at most 2 times the least',
      isKept: worstClaim <= 2 * Math.min(...perThousand),
    },
    {
      path: 'scheduled refresh: flat as the table grows',
      measured: `${fixed((last?.tokensPerSecond ?? 0) / (first?.tokensPerSecond ?? 1))} of the rate with ${first?.stored} stored`,
      budget: '≥ 0.8',
      isKept: (last?.tokensPerSecond ?? 0) >= 0.8 * (first?.tokensPerSecond ?? 0),
    },
    {
      path: 'scheduled refresh: round trips a token',
      measured: `${scheduledTrips.perToken.toFixed(3)} (the tick's ${scheduledTrips.tick} serve every batch and the purges)`,
      budget: '≤ 0.06',
      isKept: scheduledTrips.perToken <= 0.06,
    },
  ]
}

function sizeLines({ bundle, startUp, kept, due, dueCount, emptyBytes, scheduled }: Results): Line[] {
  const me = kept.find(({ name }) => name === 'me')?.bytesPerRequest ?? null
  const query = kept.find(({ name }) => name === 'one query')?.bytesPerRequest ?? null
  const peakBytes = due?.peakBytes ?? null
  const peak = peakBytes === null || emptyBytes === null ? null : peakBytes - emptyBytes
  const small = scheduled.filter((run) => run.consumers === 1 && run.providerMs === 0).at(-1)
  const claimGrowth = due === null || small === undefined ? null : due.tickMs / due.due / (small.tickMs / small.due)
  return [
    {
      path: 'Worker bundle',
      measured: `${kib(bundle.gzipBytes)} gzip, ${kib(bundle.bytes)} raw`,
      budget: '≤ 250 KiB gzip',
      isKept: bundle.gzipBytes <= 250 * 1_024,
    },
    {
      path: 'start-up to the first answer',
      measured: `${startUp.overEmptyMs.toFixed(0)} ms over the empty Worker's ${startUp.emptyMs.toFixed(0)} ms`,
      budget: '≤ 50 ms over',
      isKept: startUp.overEmptyMs <= 50,
    },
    {
      path: 'memory kept of a request (me)',
      measured: kept.length === 0 ? 'not in a quick run' : `${kib(me)} (one query: ${kib(query)})`,
      budget: '≤ 5 KiB',
      isKept: me === null ? null : me <= 5 * 1_024,
    },
    {
      path: `peak while ${dueCount} due accounts are refreshed`,
      measured: due === null ? 'it failed' : `${mib(peak)} over an empty Worker (${mib(peakBytes)} in all)`,
      budget: '< 128 MB',
      isKept: due === null ? false : peak === null ? null : peak < 128 * 1_048_576,
    },
    {
      path: `cron tick with ${dueCount} due, a token`,
      measured:
        claimGrowth === null
          ? 'it failed'
          : `${claimGrowth.toFixed(1)} times that with ${small?.due} due (${((due?.tickMs ?? 0) / 1_000).toFixed(1)} s in all; then ${due?.tokensPerSecond.toFixed(0)} tokens/s)`,
      budget: '≤ 1.5',
      isKept: claimGrowth !== null && claimGrowth <= 1.5,
    },
  ]
}

export function budgetTable(results: Results): string {
  return table(
    ['path', 'measured', 'budget', ''],
    lines(results).map((line) => [line.path, line.measured, line.budget, mark(line)]),
  )
}

export function rateTable(results: Results): string {
  const row = (one: Measured): string[] => [
    one.name,
    one.rate.toFixed(0),
    fixed(one.p50, 1),
    fixed(one.p99, 1),
    fixed(one.workerCpu),
    fixed(one.databaseCpu),
    fixed(one.ratio),
    fixed(one.cpuRatio),
  ]
  return table(
    ['path', 'requests/s', 'p50 ms', 'p99 ms', 'workerd ms', 'PostgreSQL ms', 'rate to control', 'workerd to control'],
    results.groups.flat().map(row),
  )
}

export function planTable({ plans }: Results): string {
  const names = plans[0]?.plans.map(({ name }) => name) ?? []
  return table(
    ['statement', ...plans.map(({ stored }) => `ms, ${stored} stored`), 'reads whole tables'],
    names.map((name) => [
      name,
      ...plans.map(({ plans: all }) => fixed(all.find((plan) => plan.name === name)?.executionMs ?? null)),
      plans
        .at(-1)
        ?.plans.find((plan) => plan.name === name)
        ?.wholeTables.join(', ') || 'none',
    ]),
  )
}

export function printed(results: Results): string {
  const { mail } = results
  return [budgetTable(results), rateTable(results), planTable(results), mailTable(mail), searchTable(mail)].join('\n\n')
}
