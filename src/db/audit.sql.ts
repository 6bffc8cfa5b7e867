// A refusal recorded on its own, where no change commits that it could ride on.

import { sql } from 'drizzle-orm'
import { type AuditEvent, type AuditParams, auditParams, auditRows, type RequestOrigin } from './audit.ts'
import { type Db, statement } from './client.ts'

const recordEvents = statement<AuditParams, object>('audit-record', auditRows(sql`true`))

export async function recordAudit(db: Db, origin: RequestOrigin, events: readonly AuditEvent[]): Promise<void> {
  await db.all(recordEvents, auditParams(origin, events))
}
