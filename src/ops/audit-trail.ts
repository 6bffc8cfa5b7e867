// Reading the audit trail: who did what to whom, newest first. It is written in the statements of the changes it tells of.

import type { AuditAction, RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { admitted } from './admin-gate.sql.ts'
import { type AuditEntry, listAuditEntries } from './audit-trail.sql.ts'

export { type AuditAction, auditActions } from '../db/audit.ts'
export type { AuditEntry } from './audit-trail.sql.ts'

export interface AuditFilter {
  readonly actor: string | null
  readonly action: AuditAction | null
  /** Only what came later. */
  readonly after: Date | null
}

/** Entries, newest first. Throws 401, 403 (audited). */
export async function listAuditTrail(
  db: Db,
  claim: CallerClaim,
  filter: AuditFilter,
  page: { before: string | null; limit: number },
  origin: RequestOrigin,
): Promise<AuditEntry[]> {
  const oldestId = oldestIdOf(filter.after)
  const rows = await db.all(listAuditEntries, { ...callerParams(claim), ...filter, ...page, ...origin, oldestId })
  admitted(rows[0] ?? null)
  return rows.filter((row): row is typeof row & AuditEntry => row.id !== null)
}

/** The smallest id of that millisecond: the first 48 bits of an id (UUIDv7) are its time. */
function oldestIdOf(after: Date | null): string {
  const time = Math.min(Math.max(after?.getTime() ?? 0, 0), 2 ** 48 - 1)
  const hex = time.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`
}
