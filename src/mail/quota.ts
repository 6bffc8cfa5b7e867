// How much of the provider's quota each kind of work may use, and reserving some for a single call.

import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { reserveUnitsRow } from './quota.sql.ts'

export interface QuotaSettings {
  /** Units a minute. */
  readonly unitsPerMailbox: number
  readonly unitsPerProject: number
}

/** Of either budget: a back-fill leaves room for whoever waits in front of a page. */
const backFillShare = 0.8

/** The limits of a kind of work, units a minute. */
export function limitsOf(
  settings: QuotaSettings,
  share: 'interactive' | 'back_fill',
): { mailboxLimit: number; projectLimit: number } {
  const part = share === 'back_fill' ? backFillShare : 1
  return {
    mailboxLimit: Math.floor(settings.unitsPerMailbox * part),
    projectLimit: Math.floor(settings.unitsPerProject * part),
  }
}

/**
 * Reserves units for one call that a person waits for, or for a message to send. Null where they are granted, else the
 * seconds after which to ask again.
 */
export async function reserveUnits(
  deps: { readonly db: Db; readonly sync: QuotaSettings },
  call: { accountId: string; provider: string; units: number; share?: 'interactive' | 'back_fill' },
): Promise<number | null> {
  const row = await deps.db.first(reserveUnitsRow, {
    accountId: call.accountId,
    provider: call.provider,
    unitsWanted: call.units,
    unitsLeast: call.units,
    ...limitsOf(deps.sync, call.share ?? 'interactive'),
  })
  return row === null || row.granted < call.units ? Math.max(1, row?.wait ?? 1) : null
}

/** As `reserveUnits`; throws 429 `rate_limited` with `Retry-After`. */
export async function takeUnits(...input: Parameters<typeof reserveUnits>): Promise<void> {
  const retryAfterSeconds = await reserveUnits(...input)
  if (retryAfterSeconds !== null) throw new AppError('rate_limited', { retryAfterSeconds })
}
