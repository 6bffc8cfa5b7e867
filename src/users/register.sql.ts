// The statement of registering: it writes the waiting registration and its letter, or the letter to who has the address
// already. Known and unknown addresses run the same one.

import { sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { eraseAvatars } from '../db/erasure.ts'
import { chargeLetter, writeLetters } from '../letters/outgoing.sql.ts'

/** How long a registration waits for its letter to be opened. */
const registrationHours = 24

export interface RegistrationParams {
  readonly codeId: string
  readonly letterId: string
  /** Normalised, and its keyed hash. */
  readonly email: string
  readonly subjectHash: string
  readonly username: string | null
  /** Of the picture already put; it becomes an erasure where no registration is written. */
  readonly avatarId: string | null
  /** Sealed for the code's row. */
  readonly payload: string
}

export interface RegistrationRow {
  readonly isNameTaken: boolean
  readonly erasureId: string | null
}

/**
 * One row, always; where the allowance of the address is used up nothing was changed. The user name is judged before the
 * address is looked at, so that a refusal says nothing of it. The
 * letter to an address that is somebody's has an allowance of its own: it takes none of the registration letters'.
 */
export const writeRegistration = statement<OriginParams & RegistrationParams, RegistrationRow>(
  'register',
  sql`WITH taken AS MATERIALIZED (SELECT 1 FROM users u WHERE u.username_txt = ${param('username', 'text')}),
  holder AS MATERIALIZED (
    SELECT u.user_id, u.is_active_flg FROM users u
    WHERE u.email_address_txt = ${param('email', 'text')} AND u.email_verified_at_utc IS NOT NULL
  ),
  allowed AS (${chargeLetter('registration', 'subjectHash', sql`NOT EXISTS (SELECT FROM taken) AND NOT EXISTS (SELECT FROM holder)`)}),
  allowed_known AS (${chargeLetter('account_exists', 'subjectHash', sql`NOT EXISTS (SELECT FROM taken) AND EXISTS (SELECT FROM holder)`)}),
  waiting AS (
    INSERT INTO one_time_codes (one_time_code_id, purpose_cd, subject_hash_txt, avatar_id, payload_sealed_txt, expires_at_utc)
    SELECT ${param('codeId', 'uuid')}, 'registration', ${param('subjectHash', 'text')}, ${param('avatarId', 'uuid')}, ${param('payload', 'text')},
      now() + interval '${sql.raw(String(registrationHours))} hours'
    FROM allowed
    RETURNING one_time_code_id
  ),
  written AS (${writeLetters(sql`
    SELECT ${param('letterId', 'uuid')}, 'registration', ${param('email', 'text')}, waiting.one_time_code_id, 'registration:' || waiting.one_time_code_id, 'due' FROM waiting
    UNION ALL
    SELECT ${param('letterId', 'uuid')}, 'account_exists', ${param('email', 'text')}, NULL, 'account_exists:' || ${param('letterId', 'text')},
      CASE WHEN holder.is_active_flg THEN 'due' ELSE 'void' END
    FROM allowed_known, holder`)}),
  unkept AS (${eraseAvatars(sql`SELECT ${param('avatarId', 'uuid')} WHERE NOT EXISTS (SELECT FROM waiting)`)}),
  audited AS (${auditRow('user.registered', 'success', sql`SELECT NULL::uuid, waiting.one_time_code_id::text, '{}'::jsonb FROM waiting`)}),
  refused AS (${auditRow('user.registered', 'refused', sql`SELECT NULL::uuid, holder.user_id::text, '{"code": "account_exists"}'::jsonb FROM allowed_known, holder`)})
  SELECT EXISTS (SELECT FROM taken) AS "isNameTaken", (SELECT erasure_id FROM unkept) AS "erasureId"`,
)
