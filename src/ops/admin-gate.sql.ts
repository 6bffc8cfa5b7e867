// Who may see and do what the administration offers: a signed-in person whose role is admin. The check stands in the first
// statement of each verb, and a refusal leaves its audit row there.

import { type SQL, sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes } from '../db/caller.ts'
import { AppError } from '../errors.ts'

export type AdminParams = CallerParams & OriginParams

/** Who asked, beside what was found. */
export interface AdminRow {
  readonly isAdmin: boolean
}

/** Of a row of `caller`. */
export const isAdmin: SQL = sql`coalesce(caller.role_cd = 'admin', false)`

/** `caller`, and the audit row of a caller who is no admin. `verb` names what was refused. */
export function adminCtes(verb: string): SQL {
  return sql`${callerCtes},
  refused AS (${auditRow(
    'admin.refused',
    'refused',
    sql`SELECT caller.user_id, ${sql.raw(`'${verb}'`)}, jsonb_strip_nulls(jsonb_build_object('api_key_id', caller.api_key_id)) FROM caller WHERE NOT ${isAdmin}`,
  )})`
}

/** Throws 401 where nobody lives behind what was shown, 403 for a person who is no admin and for every key. */
export function admitted<R extends AdminRow>(row: R | null): R {
  if (row === null) throw new AppError('unauthorized')
  if (!row.isAdmin) throw new AppError('forbidden')
  return row
}
