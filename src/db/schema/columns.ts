// The column conventions of every table (DESIGN section 4): `_utc` is timestamptz, ids are UUIDv7 made by the Worker.

import { sql } from 'drizzle-orm'
import { timestamp } from 'drizzle-orm/pg-core'

export function utc(name: string) {
  return timestamp(name, { withTimezone: true, mode: 'date' })
}

export const createdAt = { createdAt: utc('created_at_utc').notNull().defaultNow() }

export const createdAndModified = {
  ...createdAt,
  modifiedAt: utc('modified_at_utc').notNull().defaultNow(),
}

/** For rows that a statement makes beside its main work; the function comes with the first migration. */
export const uuidV7 = sql`gatepost_uuid_v7()`
