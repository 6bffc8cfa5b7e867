// Statements of a change of address: ask for it with a fresh proof of presence, look at what a link opens, and make the
// change in the session of the very user who asked.

import { type SQL, sql } from 'drizzle-orm'
import { isPresent } from '../auth/presence.sql.ts'
import { endPendingCodesCtes, resetCountsCte } from '../auth/reset-password.sql.ts'
import { endRegistrationsCtes } from '../auth/waiting-registrations.sql.ts'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { chargeLetter, writeLetters } from '../letters/outgoing.sql.ts'

/** How long the link to the new address opens. */
const changeHours = 24

export interface ChangeRequestParams {
  /** The caller, as the look before gave it: the payload is sealed for this user. */
  readonly userId: string
  readonly codeId: string
  readonly letterId: string
  readonly noticeId: string
  /** Normalised, and its keyed hash. */
  readonly newEmail: string
  readonly subjectHash: string
  /** Keyed hash of the account, under which its notices are counted. */
  readonly accountHash: string
  readonly payload: string
}

export interface ChangeRequestRow {
  readonly isPresent: boolean
  /** Null where an allowance is used up: then nothing was changed. */
  readonly letterId: string | null
  readonly noticeId: string | null
}

/**
 * No row: 401. Where the address is somebody's already the letter is void, and everything else is the same. The notices
 * are counted by account and the letters by new address; neither goes without the other.
 */
export const writeChangeRequest = statement<CallerParams & OriginParams & ChangeRequestParams, ChangeRequestRow>(
  'email-change-request',
  sql`WITH ${callerCtes},
  present AS MATERIALIZED (
    SELECT caller.user_id, caller.session_id FROM caller
    WHERE caller.api_key_id IS NULL AND caller.user_id = ${param('userId', 'uuid')}
      AND ${isPresent('caller')}
  ),
  allowed_notice AS (${chargeLetter('email_change_requested', 'accountHash', sql`EXISTS (SELECT FROM present)`)}),
  allowed AS (${chargeLetter('email_change', 'subjectHash', sql`EXISTS (SELECT FROM allowed_notice)`)}),
  person AS MATERIALIZED (
    SELECT u.user_id, u.email_address_txt, u.email_verified_at_utc, u.credential_version_nbr, present.session_id
    FROM allowed, present JOIN users u ON u.user_id = present.user_id
  ),
  replaced AS (
    UPDATE one_time_codes c SET consumed_at_utc = now(), payload_sealed_txt = NULL, modified_at_utc = now()
    FROM person WHERE c.user_id = person.user_id AND c.purpose_cd = 'email_change' AND c.consumed_at_utc IS NULL
  ),
  issued AS (
    INSERT INTO one_time_codes (one_time_code_id, purpose_cd, user_id, session_id, subject_hash_txt, credential_version_nbr, payload_sealed_txt, expires_at_utc)
    SELECT ${param('codeId', 'uuid')}, 'email_change', person.user_id, person.session_id, ${param('subjectHash', 'text')}, person.credential_version_nbr,
      ${param('payload', 'text')}, now() + interval '${sql.raw(String(changeHours))} hours'
    FROM person
    RETURNING one_time_code_id
  ),
  written AS (${writeLetters(sql`
    SELECT ${param('letterId', 'uuid')}, 'email_change', ${param('newEmail', 'text')}, issued.one_time_code_id, 'email_change:' || issued.one_time_code_id,
      CASE WHEN EXISTS (SELECT FROM users u WHERE u.email_address_txt = ${param('newEmail', 'text')} AND u.email_verified_at_utc IS NOT NULL) THEN 'void' ELSE 'due' END
    FROM issued
    UNION ALL
    SELECT ${param('noticeId', 'uuid')}, 'email_change_requested', person.email_address_txt, NULL, 'email_change_requested:' || issued.one_time_code_id, 'due'
    FROM issued, person
    -- An address that was never proven may be anybody's: nothing is sent there.
    WHERE person.email_verified_at_utc IS NOT NULL`)}),
  audited AS (${auditRow('email_change.requested', 'success', sql`SELECT person.user_id, issued.one_time_code_id::text, '{}'::jsonb FROM issued, person`)})
  SELECT EXISTS (SELECT FROM present) AS "isPresent",
    (SELECT w.letter_id FROM written w WHERE w.letter_id = ${param('letterId', 'uuid')}) AS "letterId",
    (SELECT w.letter_id FROM written w WHERE w.letter_id = ${param('noticeId', 'uuid')}) AS "noticeId"
  FROM caller`,
)

/** A live change of this caller's; a password set or sessions ended since it was asked for (the version) have ended it. */
const liveChange = (user: SQL): SQL => sql`
  c.one_time_code_id = ${param('codeId', 'uuid')} AND c.purpose_cd = 'email_change' AND c.user_id = ${user}
  AND c.consumed_at_utc IS NULL AND c.expires_at_utc > now() AND c.payload_sealed_txt IS NOT NULL`

export interface ChangeLook {
  readonly userId: string | null
  /** Null where the link opens nothing for this caller. */
  readonly payload: string | null
}

/** No row: 401. */
export const findChange = statement<CallerParams & { codeId: string | null }, ChangeLook>(
  'email-change-find',
  sql`WITH ${callerCtes}
  SELECT caller.user_id AS "userId", c.payload_sealed_txt AS "payload"
  FROM caller
  LEFT JOIN users u ON u.user_id = caller.user_id AND caller.api_key_id IS NULL
  LEFT JOIN one_time_codes c ON ${liveChange(sql`u.user_id`)} AND c.credential_version_nbr = u.credential_version_nbr`,
)

export interface ChangeParams {
  readonly codeId: string
  readonly newEmail: string
  readonly subjectHash: string
  readonly letterId: string
}

export interface ChangeRow {
  readonly isLive: boolean
  readonly isTaken: boolean
  readonly userId: string | null
  readonly letterId: string | null
}

/** No row: 401. 23505 means that somebody else proves the address at this moment: run again, and it is taken. */
export const writeChange = statement<CallerParams & OriginParams & ChangeParams, ChangeRow>(
  'email-change-write',
  sql`WITH ${callerCtes},
  before AS MATERIALIZED (
    SELECT u.user_id, u.email_address_txt, u.email_verified_at_utc, u.credential_version_nbr
    FROM caller JOIN users u ON u.user_id = caller.user_id WHERE caller.api_key_id IS NULL
    FOR NO KEY UPDATE OF u
  ),
  change AS MATERIALIZED (
    SELECT c.one_time_code_id, before.user_id, before.email_address_txt, before.email_verified_at_utc
    FROM before JOIN one_time_codes c ON ${liveChange(sql`before.user_id`)} AND c.credential_version_nbr = before.credential_version_nbr
    FOR UPDATE OF c
  ),
  taken AS MATERIALIZED (
    SELECT 1 FROM users u, change
    WHERE u.email_address_txt = ${param('newEmail', 'text')} AND u.email_verified_at_utc IS NOT NULL AND u.user_id <> change.user_id
  ),
  person AS (
    UPDATE users u SET email_address_txt = ${param('newEmail', 'text')}, email_verified_at_utc = now(), email_proof_cd = 'letter', modified_at_utc = now()
    FROM change WHERE u.user_id = change.user_id AND NOT EXISTS (SELECT FROM taken)
    RETURNING u.user_id
  ),
  -- Resets, too: their letters went to the address from before.
  ${resetCountsCte(sql`SELECT change.user_id FROM change`)},
  ${endPendingCodesCtes(sql`SELECT person.user_id FROM person`)},
  ${endRegistrationsCtes(sql`SELECT ${param('subjectHash', 'text')} FROM person`)},
  written AS (${writeLetters(sql`
    SELECT ${param('letterId', 'uuid')}, 'email_changed', change.email_address_txt, NULL::uuid, 'email_changed:' || change.one_time_code_id, 'due'
    FROM change JOIN person ON person.user_id = change.user_id
    WHERE change.email_verified_at_utc IS NOT NULL AND change.email_address_txt <> ${param('newEmail', 'text')}`)}),
  audited AS (${auditRow('email.changed', 'success', sql`SELECT person.user_id, person.user_id::text, jsonb_build_object('change', change.one_time_code_id) FROM person, change`)}),
  refused AS (${auditRow('email.changed', 'refused', sql`SELECT change.user_id, change.user_id::text, '{"code": "email_taken"}'::jsonb FROM change, taken`)})
  SELECT EXISTS (SELECT FROM change) AS "isLive", EXISTS (SELECT FROM taken) AS "isTaken", (SELECT user_id FROM person) AS "userId",
    (SELECT letter_id FROM written) AS "letterId"
  FROM caller`,
)
