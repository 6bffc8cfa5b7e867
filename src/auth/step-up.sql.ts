// Statements of proving presence within a session: charge the session and look, then renew its proof. Shared by step-up
// and the change of a password; strangers at the sign-in door cannot reach this count.

import { sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { chargeAttempt, forgiveAttempts, type LockoutParams, secondsToUnlock } from './attempts.sql.ts'
import { isPresent } from './presence.sql.ts'

export interface SessionPerson {
  readonly userId: string
  readonly sessionId: string
  readonly email: string
  readonly username: string | null
  readonly passwordHash: string | null
  readonly credentialVersion: number
  /** Signed in or stepped up within the last 15 minutes. */
  readonly isPresent: boolean
  /** False where the session has tried too often; true where nothing was to be charged. */
  readonly isAdmitted: boolean
  /** Whole seconds to the end of the session's lock. */
  readonly retryAfterSeconds: number
}

/** The caller, with one try charged to the session where a password was shown (`isTry`). No row: 401. */
export const chargeSession = statement<CallerParams & OriginParams & LockoutParams & { isTry: boolean }, SessionPerson>(
  'step-up-charge',
  sql`WITH ${callerCtes},
  person AS MATERIALIZED (
    SELECT u.user_id, u.email_address_txt, u.username_txt, u.password_hash_txt, u.credential_version_nbr, caller.session_id,
      ${isPresent('caller')} AS is_present
    FROM caller JOIN users u ON u.user_id = caller.user_id WHERE caller.api_key_id IS NULL
  ),
  charged AS (${chargeAttempt('session_id', sql`SELECT person.session_id FROM person WHERE ${param('isTry', 'boolean')}`)}),
  refused AS (${auditRow(
    'step_up.refused',
    'refused',
    sql`SELECT person.user_id, person.session_id::text, '{"reason": "locked"}'::jsonb FROM person
    WHERE ${param('isTry', 'boolean')} AND NOT EXISTS (SELECT FROM charged)`,
  )})
  SELECT person.user_id AS "userId", person.session_id AS "sessionId", person.email_address_txt AS "email", person.username_txt AS "username",
    person.password_hash_txt AS "passwordHash", person.credential_version_nbr AS "credentialVersion", person.is_present AS "isPresent",
    (NOT ${param('isTry', 'boolean')} OR charged.failed_cnt IS NOT NULL) AS "isAdmitted",
    ${secondsToUnlock(sql`a.session_id = person.session_id`)} AS "retryAfterSeconds"
  FROM person LEFT JOIN charged ON true`,
)

/** After a right password that led to nothing: what was charged for it is undone. */
export const forgiveSession = statement<{ sessionId: string }, object>(
  'step-up-forgive',
  forgiveAttempts(sql`session_id = ${param('sessionId', 'uuid')}`),
)

/** No row where the session ended meanwhile, or the password that was checked is none any more. */
export const renewPresence = statement<
  OriginParams & { userId: string; sessionId: string; credentialVersion: number },
  { readonly sessionId: string }
>(
  'step-up-renew',
  sql`WITH held AS MATERIALIZED (
    SELECT u.user_id FROM users u
    WHERE u.user_id = ${param('userId', 'uuid')} AND u.credential_version_nbr = ${param('credentialVersion', 'int')} AND u.is_active_flg
    FOR NO KEY UPDATE OF u
  ),
  renewed AS (
    UPDATE sessions s SET authenticated_at_utc = now(), last_seen_at_utc = now(), modified_at_utc = now()
    FROM held
    WHERE s.session_id = ${param('sessionId', 'uuid')} AND s.user_id = held.user_id
      AND s.credential_version_nbr = ${param('credentialVersion', 'int')} AND s.revoked_at_utc IS NULL
    RETURNING s.session_id, s.user_id
  ),
  forgiven AS (${forgiveAttempts(sql`session_id = (SELECT renewed.session_id FROM renewed)`)}),
  audited AS (${auditRow('step_up.passed', 'success', sql`SELECT renewed.user_id, renewed.session_id::text, '{}'::jsonb FROM renewed`)})
  SELECT session_id AS "sessionId" FROM renewed`,
)
