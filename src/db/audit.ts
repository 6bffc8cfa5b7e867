// The audit trail's closed vocabulary, and the CTE that commits rows with the change they tell of. `event` holds ids
// and codes; never a secret, an address typed by a stranger, or an upstream text.

import { type SQL, sql } from 'drizzle-orm'
import { isAdmin, param } from './caller.ts'

/** Every action the trail knows. */
export const auditActions = [
  'user.created',
  'user.promoted',
  'user.registered',
  'user.updated',
  'user.role_changed',
  'user.disabled',
  'user.enabled',
  'user.unlocked',
  'user.deleted',
  'profile.updated',
  'avatar.changed',
  'avatar.removed',
  'password.set',
  'password.changed',
  'password.reset',
  'password_reset.requested',
  'email_change.requested',
  'email.changed',
  'verification.resent',
  'code.refused',
  'identity.linked',
  'identity.unlinked',
  'sign_in.refused',
  'sign_in.locked',
  'step_up.passed',
  'step_up.refused',
  'session.created',
  'session.ended',
  'session.all_ended',
  'session.reuse_detected',
  'mail_account.connected',
  'mail_account.disconnected',
  'mail_account.needs_reauthorization',
  'mail_account.recovered',
  'mail_sync.requested',
  'email.queued',
  'email.sent',
  'email.failed',
  'token.handed_out',
  'token.refused',
  'token.unreadable',
  'grant.revoked',
  'grant.revocation_given_up',
  'api_key.created',
  'api_key.revoked',
  'admin.refused',
  'circuit.opened',
  'letter.given_up',
  'cache.cleared',
  'database_statistics.reset',
] as const

export type AuditAction = (typeof auditActions)[number]

export type AuditOutcome = 'success' | 'refused' | 'failure'

/** Where a request came from, as far as the trail keeps it (blanked after 90 days). */
export interface RequestOrigin {
  /** `CF-Connecting-IP`, nothing else. */
  readonly ipAddress: string | null
  /** At most 300 characters. */
  readonly userAgent: string | null
}

export interface AuditEvent {
  readonly action: AuditAction
  readonly actorUserId: string | null
  readonly subjectId: string | null
  readonly outcome: AuditOutcome
  readonly event?: Readonly<Record<string, string | number | boolean | null>>
}

export interface OriginParams {
  readonly ipAddress: string | null
  readonly userAgent: string | null
}

export interface AuditParams extends OriginParams {
  /** JSON of rows for `auditRows`. */
  readonly audit: string
}

export function auditParams(origin: RequestOrigin, events: readonly AuditEvent[]): AuditParams {
  return {
    ipAddress: origin.ipAddress,
    userAgent: origin.userAgent,
    audit: JSON.stringify(
      events.map((row) => ({
        action_cd: row.action,
        actor_user_id: row.actorUserId,
        subject_id_txt: row.subjectId,
        outcome_cd: row.outcome,
        event_json: row.event ?? {},
      })),
    ),
  }
}

/** `INSERT` of the rows given by `auditParams`, all or none: only where `condition` holds. */
export function auditRows(condition: SQL): SQL {
  return sql`
    INSERT INTO audit_logs (action_cd, actor_user_id, subject_id_txt, outcome_cd, event_json, ip_address_txt, user_agent_txt)
    SELECT a.action_cd, a.actor_user_id, a.subject_id_txt, a.outcome_cd, a.event_json, ${param('ipAddress', 'text')}, ${param('userAgent', 'text')}
    FROM jsonb_to_recordset(${param('audit', 'jsonb')})
      AS a(action_cd text, actor_user_id uuid, subject_id_txt text, outcome_cd text, event_json jsonb)
    WHERE ${condition}`
}

/** `INSERT` of one row told by the statement itself: `values` yields actor, subject, event from the statement's CTEs. */
export function auditRow(action: AuditAction, outcome: AuditOutcome, values: SQL): SQL {
  return sql`
    INSERT INTO audit_logs (action_cd, outcome_cd, ip_address_txt, user_agent_txt, actor_user_id, subject_id_txt, event_json)
    SELECT ${sql.raw(`'${action}', '${outcome}'`)}, ${param('ipAddress', 'text')}, ${param('userAgent', 'text')}, told.*
    FROM (${values}) AS told`
}

/**
 * `INSERT` of the row of an administrators' verb that is not for the caller: beside `callerCtes`, in the verb's own
 * statement, for reads as for writes. `verb` names what was refused; a key is named by its id, for one that
 * names a user acts for them, not as them.
 */
export function auditRefusedVerb(verb: string, condition: SQL = sql`NOT ${isAdmin}`): SQL {
  return auditRow(
    'admin.refused',
    'refused',
    sql`SELECT CASE WHEN caller.api_key_id IS NULL THEN caller.user_id END, ${sql.raw(`'${verb}'`)},
      jsonb_strip_nulls(jsonb_build_object('api_key_id', caller.api_key_id)) FROM caller WHERE ${condition}`,
  )
}
