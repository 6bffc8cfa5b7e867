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
 * False where a change takes the user name away that a password needs: of an account without a verified address and
 * without a linked identity. Nobody could sign in to it any more.
 */
export const keepsWayIn: SQL = sql`NOT (
  ${param('setsUsername', 'boolean')} AND ${param('username', 'text')} IS NULL AND u.username_txt IS NOT NULL
  AND u.password_hash_txt IS NOT NULL AND u.email_verified_at_utc IS NULL
  AND NOT EXISTS (SELECT FROM user_identities i WHERE i.user_id = u.user_id))`

/** Which names a change set, for the trail: never the names. */
export const namesSet: SQL = sql`jsonb_build_object('username', ${param('setsUsername', 'boolean')}, 'full_name', ${param('setsFullName', 'boolean')})`

/** No row: 401. Nulls: refused, since it is the last way in. A user name that somebody has is 23505. */
export const updateOwnNames = statement<
  CallerParams & OriginParams & NameParams,
  { readonly isKey: boolean } & (Me | { readonly id: null })
>(
  'profile-update',
  sql`WITH ${callerCtes},
  changed AS (
    UPDATE users u SET ${nameAssignments}, modified_at_utc = now()
    FROM caller WHERE u.user_id = caller.user_id AND caller.api_key_id IS NULL AND ${keepsWayIn}
    RETURNING u.*
  ),
  audited AS (${auditRow('profile.updated', 'success', sql`SELECT changed.user_id, changed.user_id::text, ${namesSet} FROM changed`)})
  SELECT caller.api_key_id IS NOT NULL AS "isKey", ${meColumns('changed')} FROM caller LEFT JOIN changed ON true`,
)
