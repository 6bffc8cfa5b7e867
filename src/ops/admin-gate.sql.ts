// Who may see and do what the administration offers: a signed-in person whose role is admin. The check stands in the first
// statement of each verb, and a refusal leaves its audit row there.

import { type SQL, sql } from 'drizzle-orm'
import { auditRefusedVerb, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes } from '../db/caller.ts'
import { AppError } from '../errors.ts'

export type AdminParams = CallerParams & OriginParams

/** Who asked, beside what was found. */
export interface AdminRow {
  readonly isAdmin: boolean
}

/** `caller`, and the audit row of a caller who is no admin. `verb` names what was refused. */
export function adminCtes(verb: string): SQL {
  return sql`${callerCtes},
  refused AS (${auditRefusedVerb(verb)})`
}

/** Throws 401 where nobody lives behind what was shown, 403 for a person who is no admin and for every key. */
export function admitted<R extends AdminRow>(row: R | null): R {
  if (row === null) throw new AppError('unauthorized')
  if (!row.isAdmin) throw new AppError('forbidden')
  return row
}
