// How much of the provider's quota each kind of work may use, and reserving some for a single call.

import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { reserveUnitsRow } from './quota.sql.ts'

export interface QuotaSettings {
  /** Units a minute. */
  readonly unitsPerMailbox: number
  readonly unitsPerProject: number
}

/**
 * Of either: whoever waits in front of a page finds room whatever else goes on, and a message that was just written finds
 * some beside a back-fill.
 */
const shares = { interactive: 1, sending: 0.8, background: 0.75 } as const

export type WorkKind = keyof typeof shares

/** Units that are reserved are spent within so many seconds, or reserved anew (quota.sql.ts counts them so much longer). */
export const holdSeconds = 5

/** Units a minute that a kind of work may use. */
export interface QuotaLimits {
  readonly mailboxRoom: number
  readonly projectRoom: number
}

export function limitsOf(settings: QuotaSettings, work: WorkKind): QuotaLimits {
  return {
    mailboxRoom: Math.floor(settings.unitsPerMailbox * shares[work]),
    projectRoom: Math.floor(settings.unitsPerProject * shares[work]),
  }
}

/**
 * Reserves units for one call that holds no lease. Null where they are granted, else the seconds after which to ask again:
 * when there are so many, and not before the provider asked us to come back.
 */
export async function reserveUnits(
  deps: { readonly db: Db; readonly sync: QuotaSettings },
  call: { accountId: string; provider: string; units: number; work: WorkKind },
): Promise<number | null> {
  const ask = () =>
    deps.db.first(reserveUnitsRow, {
      accountId: call.accountId,
      provider: call.provider,
      unitsWanted: call.units,
      unitsLeast: call.units,
      ...limitsOf(deps.sync, call.work),
    })
  let row = await ask()
  if (row !== null && !row.isGranted && row.wait === 0) row = await ask()
  return row?.isGranted ? null : Math.max(1, row?.wait ?? 1)
}

/** As `reserveUnits`; throws 429 `rate_limited` with `Retry-After`. */
export async function takeUnits(...input: Parameters<typeof reserveUnits>): Promise<void> {
  const retryAfterSeconds = await reserveUnits(...input)
  if (retryAfterSeconds !== null) throw new AppError('rate_limited', { retryAfterSeconds })
}
