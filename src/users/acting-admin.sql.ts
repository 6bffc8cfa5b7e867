// Who acts on a user, and the fence that keeps the last administrator: CTEs for every statement that changes or deletes
// one. Two such statements at once run one after the other, and the second sees what the first did.

import { type SQL, sql } from 'drizzle-orm'
import { isPresent } from '../auth/presence.sql.ts'
import { auditRow } from '../db/audit.ts'

/**
 * `admins`: the active administrators, held, where the caller is one. `actor`: the caller, no row for a key; `is_admin`
 * holds only while the caller is among the held ones, so that who was demoted a moment ago demotes nobody.
 */
export const actorCtes: SQL = sql`
  admins AS MATERIALIZED (
    -- In one order: two that hold them at once must not each wait for the other.
    SELECT u.user_id FROM users u
    WHERE u.role_cd = 'admin' AND u.is_active_flg AND EXISTS (SELECT FROM caller WHERE caller.role_cd = 'admin')
    ORDER BY u.user_id
    FOR NO KEY UPDATE OF u
  ),
  actor AS MATERIALIZED (
    SELECT caller.user_id, EXISTS (SELECT FROM admins WHERE admins.user_id = caller.user_id) AS is_admin,
      ${isPresent('caller')} AS is_present
    FROM caller WHERE caller.api_key_id IS NULL
  )`

/** Of the user that the statement calls `alias`: the last active administrator. */
export function isLastAdmin(alias: string): SQL {
  const u = sql.raw(alias)
  return sql`(${u}.role_cd = 'admin' AND ${u}.is_active_flg AND NOT EXISTS (SELECT FROM admins WHERE admins.user_id <> ${u}.user_id))`
}

const nobody = sql`SELECT NULL::uuid, NULL::text WHERE false`

/**
 * The audit row of a refused verb. `condition` says when it was not for the caller, of `actor`; `kept` yields
 * (user_id, reason) of a user whom an administrator may not change so.
 */
export function refusedVerb(verb: string, condition: SQL, kept: SQL = nobody): SQL {
  return auditRow(
    'admin.refused',
    'refused',
    sql`SELECT actor.user_id, ${sql.raw(`'${verb}'`)}, jsonb_strip_nulls(jsonb_build_object('user_id', kept.user_id, 'reason', kept.reason))
      FROM actor LEFT JOIN (${kept}) AS kept(user_id, reason) ON actor.is_admin WHERE ${condition} OR kept.user_id IS NOT NULL`,
  )
}
