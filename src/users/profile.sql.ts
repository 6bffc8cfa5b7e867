// The statement of changing one's own names, and the columns that every change of names sets.

import { type SQL, sql } from 'drizzle-orm'
import { type Me, meColumns } from '../auth/sessions.sql.ts'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import type { NameParams } from './name-change.ts'

/** For `UPDATE users u SET …`, by `NameParams`. */
export const nameAssignments: SQL = sql`
  username_txt = CASE WHEN ${param('setsUsername', 'boolean')} THEN ${param('username', 'text')} ELSE u.username_txt END,
  full_name_txt = CASE WHEN ${param('setsFullName', 'boolean')} THEN ${param('fullName', 'text')} ELSE u.full_name_txt END`

/**
 * Of a user's row `u`: the change takes the user name away that the password needs, since no address is verified.
 * Without a linked identity nobody could sign in to the account any more.
 */
export const needsUsername: SQL = sql`(
  ${param('setsUsername', 'boolean')} AND ${param('username', 'text')} IS NULL AND u.username_txt IS NOT NULL
  AND u.password_hash_txt IS NOT NULL AND u.email_verified_at_utc IS NULL)`

/**
 * The linked identities of the CTE `person` (user_id, needs_username), which holds the user's row. They are locked, too:
 * the statement's snapshot still shows one that was unlinked while it waited for that row, and a lock passes over it.
 */
export function linkedWays(person: string): SQL {
  const p = sql.raw(person)
  return sql`SELECT i.user_identity_id FROM ${p} JOIN user_identities i ON i.user_id = ${p}.user_id WHERE ${p}.needs_username FOR KEY SHARE OF i`
}

/** False for a change that leaves all names as they are: nothing to tell. */
export const setsNames: SQL = sql`(${param('setsUsername', 'boolean')} OR ${param('setsFullName', 'boolean')})`

/** Which names a change set, for the trail: never the names. */
export const namesSet: SQL = sql`jsonb_build_object('username', ${param('setsUsername', 'boolean')}, 'full_name', ${param('setsFullName', 'boolean')})`

/** No row: 401, or a key. Nulls: refused, since it is the last way in. A user name that somebody has is 23505. */
export const updateOwnNames = statement<CallerParams & OriginParams & NameParams, Me | { readonly id: null }>(
  'profile-update',
  sql`WITH ${callerCtes},
  person AS MATERIALIZED (
    SELECT u.user_id, ${needsUsername} AS needs_username
    FROM caller JOIN users u ON u.user_id = caller.user_id
    WHERE caller.api_key_id IS NULL
    FOR NO KEY UPDATE OF u
  ),
  ways AS MATERIALIZED (${linkedWays('person')}),
  changed AS (
    UPDATE users u SET ${nameAssignments}, modified_at_utc = now()
    FROM person WHERE u.user_id = person.user_id AND (NOT person.needs_username OR EXISTS (SELECT FROM ways))
    RETURNING u.*
  ),
  audited AS (${auditRow('profile.updated', 'success', sql`SELECT changed.user_id, changed.user_id::text, ${namesSet} FROM changed WHERE ${setsNames}`)})
  SELECT ${meColumns('changed')} FROM person LEFT JOIN changed ON true`,
)
