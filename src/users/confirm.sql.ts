// Statements of confirming a registration: charge the try and look, then write; and its letter once more. The write makes
// the user and the session or nothing, whoever else confirms, signs in or takes the user name at the same moment.

import { sql } from 'drizzle-orm'
import type { AdminEmailsParams } from '../auth/admin-emails.sql.ts'
import { endReplaced, type NewSessionParams, type ReplacedSessionParams, sessionCtes } from '../auth/new-session.sql.ts'
import { endRegistrationsCtes } from '../auth/waiting-registrations.sql.ts'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { eraseAvatars } from '../db/erasure.ts'
import { chargeLetter, writeLetters } from '../letters/outgoing.sql.ts'

/** Wrong passwords a registration takes; after them only a new one may be chosen. */
export const passwordTries = 5

export interface ChargedRegistration {
  readonly payload: string
  /** False once the tries are used up. */
  readonly isAdmitted: boolean
}

/** Charges one try, where `isTry`, before the hash is computed; exact however many come at once. No row: nothing waits. */
export const chargeRegistration = statement<{ codeId: string; isTry: boolean }, ChargedRegistration>(
  'confirm-charge',
  sql`UPDATE one_time_codes c
  SET attempt_cnt = CASE WHEN ${param('isTry', 'boolean')} THEN least(c.attempt_cnt, ${sql.raw(String(passwordTries))}) + 1 ELSE c.attempt_cnt END, modified_at_utc = now()
  WHERE c.one_time_code_id = ${param('codeId', 'uuid')} AND c.purpose_cd = 'registration' AND c.consumed_at_utc IS NULL
    AND c.expires_at_utc > now() AND c.payload_sealed_txt IS NOT NULL
  RETURNING c.payload_sealed_txt AS "payload", NOT ${param('isTry', 'boolean')} OR c.attempt_cnt <= ${sql.raw(String(passwordTries))} AS "isAdmitted"`,
)

export interface ConfirmParams extends AdminEmailsParams, NewSessionParams, OriginParams, ReplacedSessionParams {
  readonly codeId: string
  readonly userId: string
  readonly email: string
  readonly subjectHash: string
  readonly passwordHash: string
  /** Left out where somebody has it meanwhile. */
  readonly username: string | null
  readonly fullName: string | null
  /** False where a new password was chosen: then only the address is kept of what the registration said. */
  readonly keepsProfile: boolean
}

/**
 * One row, or none where the registration is spent or the address proven meanwhile; 23505 (address or user name) and
 * 40P01 mean: run again, and see what the other one did.
 */
export const confirmWrite = statement<ConfirmParams, { readonly userId: string }>(
  'confirm-write',
  sql`WITH held AS MATERIALIZED (
    -- All that wait for the address, in one order: two letters confirmed at once must not each wait for the other's row.
    SELECT c.one_time_code_id, c.avatar_id, c.expires_at_utc FROM one_time_codes c
    WHERE c.purpose_cd = 'registration' AND c.subject_hash_txt = ${param('subjectHash', 'text')} AND c.consumed_at_utc IS NULL
    ORDER BY c.one_time_code_id
    FOR UPDATE OF c
  ),
  registration AS MATERIALIZED (
    SELECT held.one_time_code_id, held.avatar_id FROM held
    WHERE held.one_time_code_id = ${param('codeId', 'uuid')} AND held.expires_at_utc > now()
  ),
  created AS (
    INSERT INTO users (user_id, email_address_txt, email_verified_at_utc, email_proof_cd, password_hash_txt, username_txt, full_name_txt, avatar_id, role_cd)
    SELECT ${param('userId', 'uuid')}, ${param('email', 'text')}, now(), 'letter', ${param('passwordHash', 'text')},
      CASE WHEN NOT EXISTS (SELECT FROM users u WHERE u.username_txt = ${param('username', 'text')}) THEN ${param('username', 'text')} END,
      ${param('fullName', 'text')},
      CASE WHEN ${param('keepsProfile', 'boolean')} THEN registration.avatar_id END,
      CASE WHEN ${param('email', 'text')} = ANY(${param('adminEmails', 'text[]')}) THEN 'admin' ELSE 'user' END
    FROM registration
    WHERE NOT EXISTS (SELECT FROM users u WHERE u.email_address_txt = ${param('email', 'text')} AND u.email_verified_at_utc IS NOT NULL)
    RETURNING user_id, credential_version_nbr, role_cd
  ),
  spent AS (
    UPDATE one_time_codes c SET consumed_at_utc = now(), payload_sealed_txt = NULL, modified_at_utc = now()
    FROM created WHERE c.one_time_code_id = ${param('codeId', 'uuid')}
  ),
  ${endRegistrationsCtes(sql`SELECT ${param('subjectHash', 'text')} FROM created`, param('codeId', 'uuid'))},
  unkept AS (${eraseAvatars(sql`SELECT registration.avatar_id FROM registration, created WHERE NOT ${param('keepsProfile', 'boolean')}`)}),
  ${sessionCtes(sql`SELECT created.user_id, created.credential_version_nbr FROM created`)},
  replaced AS (${endReplaced('created')}),
  audited AS (${auditRow('user.created', 'success', sql`SELECT created.user_id, created.user_id::text, jsonb_build_object('registration', ${param('codeId', 'text')}) FROM created`)}),
  session_audited AS (${auditRow('session.created', 'success', sql`SELECT created.user_id, ${param('newSessionId', 'text')}, '{"by": "registration"}'::jsonb FROM created`)}),
  promotion_audited AS (${auditRow('user.promoted', 'success', sql`SELECT created.user_id, created.user_id::text, '{"by": "setting"}'::jsonb FROM created WHERE created.role_cd = 'admin'`)})
  SELECT user_id AS "userId" FROM created`,
)

/**
 * The newest waiting registration's letter once more: the same code, so the same link. Where nothing waits, or the
 * address is somebody's meanwhile, the letter is void: requests for an address that nobody has yet must not use up what
 * its owner's registration needs.
 */
export const writeVerificationAgain = statement<
  OriginParams & { letterId: string; email: string; subjectHash: string },
  { readonly letterId: string }
>(
  'verification-resend',
  sql`WITH newest AS MATERIALIZED (
    SELECT c.one_time_code_id FROM one_time_codes c
    WHERE c.purpose_cd = 'registration' AND c.subject_hash_txt = ${param('subjectHash', 'text')} AND c.consumed_at_utc IS NULL AND c.expires_at_utc > now()
      AND NOT EXISTS (SELECT FROM users u WHERE u.email_address_txt = ${param('email', 'text')} AND u.email_verified_at_utc IS NOT NULL)
    ORDER BY c.one_time_code_id DESC LIMIT 1
  ),
  allowed AS (${chargeLetter('registration', 'subjectHash', sql`EXISTS (SELECT FROM newest)`)}),
  allowed_void AS (${chargeLetter('void_registration', 'subjectHash', sql`NOT EXISTS (SELECT FROM newest)`)}),
  written AS (${writeLetters(sql`
    SELECT ${param('letterId', 'uuid')}, 'registration', ${param('email', 'text')}, newest.one_time_code_id, 'registration:' || ${param('letterId', 'text')}, 'due'
    FROM allowed, newest
    UNION ALL
    SELECT ${param('letterId', 'uuid')}, 'registration', ${param('email', 'text')}, NULL, 'registration:' || ${param('letterId', 'text')}, 'void'
    FROM allowed_void`)}),
  audited AS (${auditRow('verification.resent', 'success', sql`SELECT NULL::uuid, newest.one_time_code_id::text, '{}'::jsonb FROM allowed, newest`)})
  SELECT letter_id AS "letterId" FROM written`,
)
