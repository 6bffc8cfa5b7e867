// How refreshing goes: mailboxes by state, what is due, what came of the last day's attempts, and why some failed. For
// admins; figures only. What is a sample, or was counted up to a cap, says so.

import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { admitted } from './admin-gate.sql.ts'
import {
  countedMailboxes,
  dueStepMinutes,
  dueSteps,
  outcomeHours,
  type RefreshHealthRow,
  readRefreshHealthRow,
  sampledTokens,
} from './refresh-health.sql.ts'

/** The closed list of outcomes that histories hold (mail-accounts/refresh-policy.ts). */
export const refreshOutcomes = ['refreshed', 'retry', 'misconfigured', 'dead'] as const
export type RefreshOutcomeCode = (typeof refreshOutcomes)[number]

export interface OutcomeHour {
  readonly beginsAt: Date
  readonly counts: Readonly<Record<RefreshOutcomeCode, number>>
  /** Share of the histories that reach back to its beginning, 0 to 1: each keeps its newest ten attempts only. */
  readonly keptShare: number
}

export interface DueStep {
  readonly beginsAt: Date
  readonly count: number
}

export interface RefreshHealth {
  readonly asOf: Date
  readonly states: RefreshHealthRow['states']
  /** True where there are more mailboxes than were counted. */
  readonly areStatesCapped: boolean
  /** Due and not claimed: less than a minute old while cron keeps up. */
  readonly overdue: { readonly count: number; readonly oldestAt: Date | null }
  readonly due: readonly DueStep[]
  /** Set where more is due than was counted: nothing after this moment was. */
  readonly dueCountedUntil: Date | null
  /** Oldest first; the last is the present hour. */
  readonly hours: readonly OutcomeHour[]
  readonly errors: RefreshHealthRow['errors']
  /** Providers that are not asked for now (`openUntil` ahead), or of which one mailbox is tried first. */
  readonly circuits: readonly {
    readonly provider: string
    readonly openUntil: Date | null
    readonly configurationErrors: number
  }[]
  /** `of` is null where every history was read. */
  readonly sample: { readonly size: number; readonly ofAbout: number | null }
}

/** Throws 401, 403 (audited). */
export async function readRefreshHealth(db: Db, claim: CallerClaim, origin: RequestOrigin): Promise<RefreshHealth> {
  const row = admitted(await db.first(readRefreshHealthRow, { ...callerParams(claim), ...origin }))
  const countOf = new Map(row.due.map(({ step, count }) => [step, count]))
  const overdue = countOf.get(-1) ?? 0
  return {
    asOf: row.asOf,
    states: row.states,
    areStatesCapped: row.states.reduce((sum, { count }) => sum + count, 0) >= countedMailboxes,
    overdue: { count: overdue, oldestAt: overdue === 0 ? null : row.oldestDueAt },
    due: Array.from({ length: dueSteps }, (_, step) => ({
      beginsAt: later(row.asOf, step * dueStepMinutes),
      count: countOf.get(step) ?? 0,
    })),
    dueCountedUntil: row.lastCountedDueAt,
    hours: hoursOf(row),
    errors: row.errors,
    circuits: row.circuits.map(({ openUntil, ...circuit }) => ({
      ...circuit,
      openUntil: openUntil === null ? null : new Date(openUntil),
    })),
    sample: sampleOf(row),
  }
}

function hoursOf(row: RefreshHealthRow): OutcomeHour[] {
  const counts = Array.from({ length: outcomeHours }, () => ({ refreshed: 0, retry: 0, misconfigured: 0, dead: 0 }))
  for (const { hour, outcome, count } of row.outcomes) {
    const known = refreshOutcomes.find((code) => code === outcome)
    const slot = counts[Math.min(hour, outcomeHours - 1)]
    if (known !== undefined && slot !== undefined) slot[known] += count
  }
  let reaching = 0
  return counts.map((slot, hour) => {
    reaching += row.reaches.find((reach) => reach.hour === hour)?.tokens ?? 0
    const keptShare = row.sampled === 0 ? 1 : reaching / row.sampled
    return { beginsAt: later(row.hoursBeginAt, hour * 60), counts: slot, keptShare }
  })
}

/** Fewer were read than PostgreSQL believes there are, by more than an estimate may be out. */
function sampleOf({ sampled, tokensAbout }: RefreshHealthRow): RefreshHealth['sample'] {
  const isSample = sampled < tokensAbout * 0.9 && tokensAbout > sampledTokens
  return { size: sampled, ofAbout: isSample ? Number(tokensAbout.toPrecision(2)) : null }
}

function later(moment: Date, minutes: number): Date {
  return new Date(moment.getTime() + minutes * 60_000)
}
