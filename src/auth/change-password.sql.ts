// The statement that sets a signed-in person's password, with all that ends by it.

import { sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { writeLetters } from '../letters/outgoing.sql.ts'
import { forgiveAttempts } from './attempts.sql.ts'
import { endPendingCodesCtes, resetCountsCte } from './reset-password.sql.ts'

export interface PasswordParams extends OriginParams {
  readonly userId: string
  readonly sessionId: string
  readonly credentialVersion: number
  readonly passwordHash: string
  readonly letterId: string
}

/**
 * No row where the credentials changed since they were looked at. `letterId` is null where no address is proven. The
 * version is what ends the other sessions, also one that is just being made; the session that asks is raised with it.
 */
export const writePassword = statement<PasswordParams, { readonly userId: string; readonly letterId: string | null }>(
  'password-write',
  sql`WITH before AS MATERIALIZED (
    SELECT u.user_id, u.password_hash_txt IS NULL AS is_first FROM users u JOIN sessions s ON s.user_id = u.user_id
    WHERE u.user_id = ${param('userId', 'uuid')} AND u.credential_version_nbr = ${param('credentialVersion', 'int')} AND u.is_active_flg
      AND s.session_id = ${param('sessionId', 'uuid')} AND s.credential_version_nbr = ${param('credentialVersion', 'int')} AND s.revoked_at_utc IS NULL
    FOR NO KEY UPDATE OF u, s
  ),
  raised AS (
    UPDATE users u SET password_hash_txt = ${param('passwordHash', 'text')}, credential_version_nbr = u.credential_version_nbr + 1, modified_at_utc = now()
    FROM before WHERE u.user_id = before.user_id
    RETURNING u.user_id, u.credential_version_nbr, u.email_address_txt, u.email_verified_at_utc, before.is_first
  ),
  kept AS (
    UPDATE sessions s SET credential_version_nbr = raised.credential_version_nbr, last_seen_at_utc = now(), modified_at_utc = now()
    FROM raised WHERE s.session_id = ${param('sessionId', 'uuid')}
  ),
  ended AS (
    UPDATE sessions s SET revoked_at_utc = now(), modified_at_utc = now()
    FROM raised WHERE s.user_id = raised.user_id AND s.session_id <> ${param('sessionId', 'uuid')} AND s.revoked_at_utc IS NULL
    RETURNING s.session_id
  ),
  family AS (
    UPDATE refresh_tokens t SET revoked_at_utc = now(), modified_at_utc = now()
    FROM ended WHERE t.session_id = ended.session_id AND t.revoked_at_utc IS NULL
  ),
  ${resetCountsCte(sql`SELECT before.user_id FROM before`)},
  ${endPendingCodesCtes(sql`SELECT raised.user_id FROM raised`)},
  forgiven AS (${forgiveAttempts(sql`session_id = ${param('sessionId', 'uuid')} AND EXISTS (SELECT FROM raised)`)}),
  written AS (${writeLetters(sql`
    SELECT ${param('letterId', 'uuid')}, 'password_changed', raised.email_address_txt, NULL::uuid, 'password_changed:' || ${param('letterId', 'text')}, 'due'
    FROM raised WHERE raised.email_verified_at_utc IS NOT NULL`)}),
  changed AS (${auditRow('password.changed', 'success', sql`SELECT raised.user_id, raised.user_id::text, '{}'::jsonb FROM raised WHERE NOT raised.is_first`)}),
  first_set AS (${auditRow('password.set', 'success', sql`SELECT raised.user_id, raised.user_id::text, '{}'::jsonb FROM raised WHERE raised.is_first`)})
  SELECT raised.user_id AS "userId", written.letter_id AS "letterId" FROM raised LEFT JOIN written ON true`,
)
