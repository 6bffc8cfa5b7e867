// Statements of recovery: ask for a letter, charge a try of its six digits, look at what its link opens, set the password.
// Unknown addresses run the same statements as known ones, and count as they do.

import { type SQL, sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { allowanceKind, chargeLetter, writeLetters } from '../letters/outgoing.sql.ts'
import { forgiveAttempts } from './attempts.sql.ts'

/** The six digits of a letter, and its link. */
const digitsMinutes = 10
const linkMinutes = 60
/** Wrong digits that one letter takes. */
const triesOfOneCode = 5
/** Wrong digits that one account takes, over all its letters. */
const triesADay = 15

/** `counters.kind_cd` of wrong digits. */
const digitsKind = 'reset_code'

/**
 * `counts`: the counters of these users' waiting resets, held. It stands before whatever holds the codes, since asking
 * and guessing hold counters first, too. `users` yields user ids.
 */
export function resetCountsCte(users: SQL, ...others: readonly (typeof digitsKind)[]): SQL {
  const kinds = [allowanceKind('password_reset'), ...others].map((kind) => sql.raw(`'${kind}'`))
  return sql`
  counts AS MATERIALIZED (
    SELECT n.counter_id FROM counters n
    WHERE n.kind_cd IN (${sql.join(kinds, sql`, `)}) AND n.subject_hash_txt IN (
      SELECT c.subject_hash_txt FROM one_time_codes c
      WHERE c.purpose_cd = 'password_reset' AND c.consumed_at_utc IS NULL AND c.user_id IN (${users}))
    ORDER BY n.counter_id
    FOR UPDATE OF n
  )`
}

/**
 * `spent` ends what waits for these users and would let somebody in, or move the account, past a change of its password
 * or address: resets and changes of address. `uncounted` clears `counts`: whoever used up the letters ended here must
 * not keep the owner from a new one. `users` yields user ids.
 */
export function endPendingCodesCtes(users: SQL): SQL {
  return sql`
  spent AS (
    UPDATE one_time_codes c SET consumed_at_utc = now(), payload_sealed_txt = NULL, modified_at_utc = now()
    WHERE (SELECT count(*) FROM counts) >= 0
      AND c.purpose_cd IN ('password_reset', 'email_change') AND c.consumed_at_utc IS NULL AND c.user_id IN (${users})
  ),
  uncounted AS (
    UPDATE counters SET used_cnt = 0, modified_at_utc = now()
    WHERE counters.counter_id IN (SELECT counts.counter_id FROM counts) AND EXISTS (${users})
  )`
}

export interface ResetRequestParams {
  readonly codeId: string
  readonly letterId: string
  /** Normalised, and its keyed hash. */
  readonly email: string
  readonly subjectHash: string
}

/**
 * One row where a letter was written, void or not; none where the allowance is used up, and then nothing was changed.
 * A newer reset ends the older one's digits and leaves its link, and the link of an hour's first letter lives as long as
 * its allowance is used up: a stranger who asks again and again takes nothing away.
 */
export const writeResetRequest = statement<OriginParams & ResetRequestParams, { readonly letterId: string }>(
  'reset-request',
  sql`WITH holder AS MATERIALIZED (
    SELECT u.user_id, u.is_active_flg, u.credential_version_nbr FROM users u
    WHERE u.email_address_txt = ${param('email', 'text')} AND u.email_verified_at_utc IS NOT NULL
  ),
  newest AS MATERIALIZED (
    SELECT c.one_time_code_id FROM one_time_codes c
    WHERE c.purpose_cd = 'registration' AND c.subject_hash_txt = ${param('subjectHash', 'text')} AND c.consumed_at_utc IS NULL AND c.expires_at_utc > now()
      AND NOT EXISTS (SELECT FROM holder)
    ORDER BY c.one_time_code_id DESC LIMIT 1
  ),
  allowed AS (${chargeLetter('password_reset', 'subjectHash', sql`EXISTS (SELECT FROM holder WHERE holder.is_active_flg)`)}),
  allowed_void AS (${chargeLetter('void_password_reset', 'subjectHash', sql`NOT EXISTS (SELECT FROM newest) AND NOT EXISTS (SELECT FROM holder WHERE holder.is_active_flg)`)}),
  allowed_registration AS (${chargeLetter('registration', 'subjectHash', sql`EXISTS (SELECT FROM newest)`)}),
  superseded AS (
    UPDATE one_time_codes c SET code_expires_at_utc = now(), modified_at_utc = now()
    FROM allowed, holder
    WHERE c.user_id = holder.user_id AND c.purpose_cd = 'password_reset' AND c.consumed_at_utc IS NULL AND c.code_expires_at_utc > now()
      -- Of two asked for at once, the one that counts as the newest (chargeDigits) stays.
      AND c.one_time_code_id < ${param('codeId', 'uuid')}
  ),
  issued AS (
    INSERT INTO one_time_codes (one_time_code_id, purpose_cd, user_id, subject_hash_txt, credential_version_nbr, code_expires_at_utc, expires_at_utc)
    SELECT ${param('codeId', 'uuid')}, 'password_reset', holder.user_id, ${param('subjectHash', 'text')}, holder.credential_version_nbr,
      now() + interval '${sql.raw(String(digitsMinutes))} minutes', now() + interval '${sql.raw(String(linkMinutes))} minutes'
    FROM allowed, holder
    RETURNING one_time_code_id, user_id
  ),
  written AS (${writeLetters(sql`
    SELECT ${param('letterId', 'uuid')}, 'password_reset', ${param('email', 'text')}, issued.one_time_code_id, 'password_reset:' || ${param('letterId', 'text')}, 'due'
    FROM issued
    UNION ALL
    SELECT ${param('letterId', 'uuid')}, 'password_reset', ${param('email', 'text')}, NULL, 'password_reset:' || ${param('letterId', 'text')}, 'void'
    FROM allowed_void
    UNION ALL
    SELECT ${param('letterId', 'uuid')}, 'registration', ${param('email', 'text')}, newest.one_time_code_id, 'registration:' || ${param('letterId', 'text')}, 'due'
    FROM allowed_registration, newest`)}),
  audited AS (${auditRow('password_reset.requested', 'success', sql`SELECT NULL::uuid, issued.user_id::text, jsonb_build_object('reset', issued.one_time_code_id) FROM issued`)})
  SELECT letter_id AS "letterId" FROM written`,
)

export interface ResetCandidate {
  /** The reset whose digits or link are judged. */
  readonly codeId: string | null
  readonly email: string | null
  readonly username: string | null
}

/**
 * Charges one try of six digits, to the newest letter and to the address, before they are compared. One row, always;
 * its `codeId` is null where nothing may be compared: no live letter, or no tries left. Two letters written at once
 * have live digits both, so it is the newest that counts.
 */
export const chargeDigits = statement<{ subjectHash: string }, ResetCandidate>(
  'reset-charge-digits',
  sql`WITH day AS (
    INSERT INTO counters (kind_cd, subject_hash_txt, used_cnt) VALUES (${sql.raw(`'${digitsKind}'`)}, ${param('subjectHash', 'text')}, 1)
    ON CONFLICT (kind_cd, subject_hash_txt) DO UPDATE SET
      used_cnt = CASE WHEN counters.window_started_at_utc < now() - interval '24 hours' THEN 1 ELSE counters.used_cnt + 1 END,
      window_started_at_utc = CASE WHEN counters.window_started_at_utc < now() - interval '24 hours' THEN now() ELSE counters.window_started_at_utc END,
      modified_at_utc = now()
    WHERE counters.window_started_at_utc < now() - interval '24 hours' OR counters.used_cnt < ${sql.raw(String(triesADay))}
    RETURNING counter_id
  ),
  newest AS MATERIALIZED (
    SELECT c.one_time_code_id, c.user_id FROM one_time_codes c
    WHERE c.purpose_cd = 'password_reset' AND c.subject_hash_txt = ${param('subjectHash', 'text')} AND c.consumed_at_utc IS NULL
    ORDER BY c.one_time_code_id DESC LIMIT 1
  ),
  charged AS (
    UPDATE one_time_codes c SET attempt_cnt = c.attempt_cnt + 1, modified_at_utc = now()
    FROM newest, day
    WHERE c.one_time_code_id = newest.one_time_code_id AND c.consumed_at_utc IS NULL AND c.code_expires_at_utc > now()
      AND c.attempt_cnt < ${sql.raw(String(triesOfOneCode))}
    RETURNING c.one_time_code_id, c.user_id
  )
  SELECT charged.one_time_code_id AS "codeId", u.email_address_txt AS "email", u.username_txt AS "username"
  FROM (SELECT 1) AS always LEFT JOIN charged ON true LEFT JOIN users u ON u.user_id = charged.user_id`,
)

/** What a link opens: outside all counters, since nobody guesses one. */
export const findResetByLink = statement<{ codeId: string }, ResetCandidate>(
  'reset-find-link',
  sql`SELECT c.one_time_code_id AS "codeId", u.email_address_txt AS "email", u.username_txt AS "username"
  FROM one_time_codes c JOIN users u ON u.user_id = c.user_id
  WHERE c.one_time_code_id = ${param('codeId', 'uuid')} AND c.purpose_cd = 'password_reset' AND c.consumed_at_utc IS NULL AND c.expires_at_utc > now()
    AND u.is_active_flg`,
)

export interface ResetParams extends OriginParams {
  readonly codeId: string
  readonly isByLink: boolean
  /** Whose the letter was when it was looked at, and its keyed hash. */
  readonly email: string
  readonly subjectHash: string
  readonly passwordHash: string
  /** Keyed, as tries are counted under it; null without a user name. */
  readonly usernameHash: string | null
  readonly letterId: string
}

/**
 * One row, or none where the reset was spent meanwhile, or its letter went to an address that is no longer the account's
 * (one asked for while the address changes is seen by neither). Of several letters used at once exactly one sets the
 * password.
 */
export const resetWrite = statement<ResetParams, { readonly userId: string }>(
  'reset-write',
  sql`WITH owner AS MATERIALIZED (
    -- The person before their codes: the order of every statement that holds both.
    SELECT u.user_id FROM users u
    WHERE u.user_id = (
      SELECT c.user_id FROM one_time_codes c WHERE c.one_time_code_id = ${param('codeId', 'uuid')} AND c.purpose_cd = 'password_reset'
    )
    FOR NO KEY UPDATE OF u
  ),
  ${resetCountsCte(sql`SELECT owner.user_id FROM owner`, digitsKind)},
  held AS MATERIALIZED (
    -- All letters of the account, in one order: the second of two used at once finds its own spent by the first.
    SELECT c.one_time_code_id, c.user_id, c.subject_hash_txt, c.expires_at_utc, c.code_expires_at_utc FROM one_time_codes c
    WHERE (SELECT count(*) FROM counts) >= 0 AND c.user_id = (SELECT owner.user_id FROM owner) AND c.purpose_cd = 'password_reset' AND c.consumed_at_utc IS NULL
    ORDER BY c.one_time_code_id
    FOR UPDATE OF c
  ),
  code AS MATERIALIZED (
    SELECT held.user_id, held.subject_hash_txt FROM held
    WHERE held.one_time_code_id = ${param('codeId', 'uuid')} AND held.expires_at_utc > now() AND held.subject_hash_txt = ${param('subjectHash', 'text')}
      AND (${param('isByLink', 'boolean')} OR held.code_expires_at_utc > now())
  ),
  person AS (
    -- The version is what ends the sessions, also one that is just being made.
    UPDATE users u SET password_hash_txt = ${param('passwordHash', 'text')}, credential_version_nbr = u.credential_version_nbr + 1, modified_at_utc = now()
    FROM code WHERE u.user_id = code.user_id AND u.is_active_flg
      AND u.email_address_txt = ${param('email', 'text')} AND u.email_verified_at_utc IS NOT NULL
    RETURNING u.user_id, u.email_address_txt, code.subject_hash_txt
  ),
  ${endPendingCodesCtes(sql`SELECT person.user_id FROM person`)},
  ended AS (
    UPDATE sessions s SET revoked_at_utc = now(), modified_at_utc = now()
    FROM person WHERE s.user_id = person.user_id AND s.revoked_at_utc IS NULL
    RETURNING s.session_id
  ),
  family AS (
    UPDATE refresh_tokens SET revoked_at_utc = now(), modified_at_utc = now()
    WHERE revoked_at_utc IS NULL AND session_id IN (SELECT ended.session_id FROM ended)
  ),
  forgiven AS (${forgiveAttempts(sql`
    user_id = (SELECT person.user_id FROM person) OR identifier_hash_txt = (SELECT person.subject_hash_txt FROM person)
    OR (identifier_hash_txt = ${param('usernameHash', 'text')} AND EXISTS (SELECT FROM person))`)}),
  written AS (${writeLetters(sql`
    SELECT ${param('letterId', 'uuid')}, 'password_changed', person.email_address_txt, NULL::uuid, 'password_changed:' || ${param('letterId', 'text')}, 'due' FROM person`)}),
  audited AS (${auditRow(
    'password.reset',
    'success',
    sql`SELECT person.user_id, person.user_id::text, jsonb_build_object('by', CASE WHEN ${param('isByLink', 'boolean')} THEN 'link' ELSE 'digits' END) FROM person`,
  )})
  SELECT user_id AS "userId" FROM person`,
)
