// Who is an administrator by setting: a user whose address, proven by our own letter or by Google, stands in ADMIN_EMAILS.
// What a trusted provider says of an address is never enough.

import { type SQL, sql } from 'drizzle-orm'
import { param } from '../db/caller.ts'

export interface AdminEmailsParams {
  /** Normalised. */
  readonly adminEmails: readonly string[]
}

/** Of the row of `users` that the statement calls `alias`. */
export function isAdminByAddress(alias: string): SQL {
  const u = sql.raw(alias)
  return sql`(${u}.email_verified_at_utc IS NOT NULL AND ${u}.email_proof_cd IN ('letter', 'google') AND ${u}.email_address_txt = ANY(${param('adminEmails', 'text[]')}))`
}
