// The statement that reads the audit trail, for administrators.

import { sql } from 'drizzle-orm'
import type { AuditAction, AuditOutcome } from '../db/audit.ts'
import { isAdmin, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { type AdminParams, type AdminRow, adminCtes } from './admin-gate.sql.ts'

export interface AuditEntry {
  readonly id: string
  readonly action: AuditAction
  readonly actorUserId: string | null
  readonly subjectId: string | null
  readonly outcome: AuditOutcome
  readonly ipAddress: string | null
  readonly userAgent: string | null
  readonly createdAt: Date
  readonly event: Readonly<Record<string, unknown>>
}

export interface AuditFilterParams {
  readonly actor: string | null
  readonly action: AuditAction | null
  readonly after: Date | null
  /** An id older than anything of `after`: ids are made after the row's time, so this bounds the walk. */
  readonly oldestId: string
  readonly before: string | null
  readonly limit: number
}

export const listAuditEntries = statement<
  AdminParams & AuditFilterParams,
  AdminRow & (AuditEntry | { readonly id: null })
>(
  'audit-list',
  sql`WITH ${adminCtes('audit_trail.read')}
  SELECT ${isAdmin} AS "isAdmin", l.audit_log_id AS "id", l.action_cd AS "action", l.actor_user_id AS "actorUserId", l.subject_id_txt AS "subjectId",
    l.outcome_cd AS "outcome", l.ip_address_txt AS "ipAddress", l.user_agent_txt AS "userAgent", l.created_at_utc AS "createdAt", l.event_json AS "event"
  FROM caller
  LEFT JOIN LATERAL (
    SELECT * FROM audit_logs
    WHERE ${isAdmin} AND audit_log_id < coalesce(${param('before', 'uuid')}, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AND audit_log_id >= ${param('oldestId', 'uuid')}
      AND (${param('actor', 'uuid')} IS NULL OR actor_user_id = ${param('actor', 'uuid')})
      AND (${param('action', 'text')} IS NULL OR action_cd = ${param('action', 'text')})
      AND (${param('after', 'timestamptz')} IS NULL OR created_at_utc > ${param('after', 'timestamptz')})
    ORDER BY audit_log_id DESC LIMIT ${param('limit', 'int')}
  ) l ON true
  ORDER BY l.audit_log_id DESC`,
)
