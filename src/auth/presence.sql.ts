// Whether somebody is there just now: the proof of presence that what cannot be undone asks for. One place for all
// statements.

import { type SQL, sql } from 'drizzle-orm'
import { stepUpMinutes } from './session-figures.ts'

/** Of a row with `authenticated_at_utc` that the statement calls `alias` (`caller`, as a rule); false where there is none. */
export function isPresent(alias: string): SQL {
  const minutes = sql.raw(String(stepUpMinutes))
  return sql`coalesce(${sql.raw(alias)}.authenticated_at_utc > now() - interval '${minutes} minutes', false)`
}
