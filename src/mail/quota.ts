// How much of the provider's quota each kind of work may use, and reserving some for a single call.

import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { reserveUnitsRow } from './quota.sql.ts'

export interface QuotaSettings {
  /** Units a minute. */
  readonly unitsPerMailbox: number
  readonly unitsPerProject: number
}

/** Of either: a back-fill leaves room for whoever waits in front of a page. */
const backFillShare = 0.75
/** Units that are reserved are spent within so many seconds, or reserved anew (quota.sql.ts counts them so much longer). */
export const holdSeconds = 5

/** Units a minute that a kind of work may use. */
export interface QuotaLimits {
  readonly mailboxRoom: number
  readonly projectRoom: number
}

export function limitsOf(settings: QuotaSettings, share: 'interactive' | 'back_fill'): QuotaLimits {
  const part = share === 'back_fill' ? backFillShare : 1
  return {
    mailboxRoom: Math.floor(settings.unitsPerMailbox * part),
    projectRoom: Math.floor(settings.unitsPerProject * part),
  }
}

/**
 * Reserves units for one call that a person waits for, or for a message to send. Null where they are granted, else the
 * seconds after which to ask again.
 */
export async function reserveUnits(
  deps: { readonly db: Db; readonly sync: QuotaSettings },
  call: { accountId: string; provider: string; units: number },
): Promise<number | null> {
  const ask = () =>
    deps.db.first(reserveUnitsRow, {
      accountId: call.accountId,
      provider: call.provider,
      unitsWanted: call.units,
      unitsLeast: call.units,
      ...limitsOf(deps.sync, 'interactive'),
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
