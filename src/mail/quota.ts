// How much of the provider's quota each kind of work may use, and reserving some for a single call.

import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { reserveUnitsRow } from './quota.sql.ts'

export interface QuotaSettings {
  /** Units a minute. */
  readonly unitsPerMailbox: number
  readonly unitsPerProject: number
}

/** Of either bucket: a back-fill leaves room for whoever waits in front of a page. */
const backFillShare = 0.6
/** Units that are reserved are spent within so many seconds, or reserved anew. */
export const holdSeconds = 5
/** A message to send, and a little more, must fit into the smallest bucket. */
const smallestBucket = 150

/** Room in units, drains in thousandths of one a second. */
export interface QuotaLimits {
  readonly mailboxRoom: number
  readonly mailboxDrain: number
  readonly projectRoom: number
  readonly projectDrain: number
}

/** The buckets of a kind of work. Above `L` units in no minute: a bucket of `C` drains `(L - C) / 60` a second, so any minute sees `C + (L - C)` at most. */
export function limitsOf(settings: QuotaSettings, share: 'interactive' | 'back_fill'): QuotaLimits {
  const part = share === 'back_fill' ? backFillShare : 1
  const [mailbox, project] = [bucketOf(settings.unitsPerMailbox), bucketOf(settings.unitsPerProject)]
  return {
    mailboxRoom: Math.floor(mailbox.room * part),
    mailboxDrain: Math.floor(mailbox.drain * 1_000),
    projectRoom: Math.floor(project.room * part),
    projectDrain: Math.floor(project.drain * 1_000),
  }
}

function bucketOf(limit: number): { room: number; drain: number } {
  const size = Math.max(limit / 4, smallestBucket)
  const drain = (limit - size) / 60
  // What was reserved may be spent a little later than it was counted.
  return { room: size - holdSeconds * drain, drain }
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
    unitsSpent: call.units,
    ...limitsOf(deps.sync, call.share ?? 'interactive'),
  })
  return row?.isGranted ? null : Math.max(1, row?.wait ?? 1)
}

/** As `reserveUnits`; throws 429 `rate_limited` with `Retry-After`. */
export async function takeUnits(...input: Parameters<typeof reserveUnits>): Promise<void> {
  const retryAfterSeconds = await reserveUnits(...input)
  if (retryAfterSeconds !== null) throw new AppError('rate_limited', { retryAfterSeconds })
}
