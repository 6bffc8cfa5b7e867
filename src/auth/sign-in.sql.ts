// Statements of signing in by password: charge and look, then begin the session or record the refusal. Unknown names run
// the same statements as known ones, and count as they do.

import { type SQL, sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { type AdminEmailsParams, isAdminByAddress } from './admin-emails.sql.ts'
import { chargeAttempt, forgiveAttempts, type LockoutParams, secondsToUnlock } from './attempts.sql.ts'
import { endReplaced, type NewSessionParams, type ReplacedSessionParams, sessionCtes } from './new-session.sql.ts'

export interface ChargeParams extends OriginParams, LockoutParams {
  /** Of what was typed, known or not. */
  readonly identifierHash: string
  /** One of the two, in the form in which it is looked up; both null for what can be nobody's. */
  readonly email: string | null
  readonly username: string | null
}

export interface ChargeRow {
  /** False where the identifier is locked: nothing may be compared. */
  readonly isAdmitted: boolean
  /** Whole seconds to the end of the identifier's lock. */
  readonly retryAfterSeconds: number
  /** This try reached the threshold. */
  readonly locksIdentifier: boolean
  readonly locksAccount: boolean
  /** Null where nobody has this name. */
  readonly userId: string | null
  /** False where the account is locked, by whatever names. */
  readonly isAccountAdmitted: boolean
  readonly isActive: boolean
  readonly passwordHash: string | null
  readonly credentialVersion: number | null
}

/**
 * Charges one try to the identifier and, where somebody has it, to the account; one row, always. The identifier first:
 * the order in which `forgiveAttempts` locks, and a locked one charges nobody's account.
 */
export const chargeSignIn = statement<ChargeParams, ChargeRow>(
  'sign-in-charge',
  sql`WITH found AS MATERIALIZED (
    SELECT u.user_id, u.is_active_flg, u.password_hash_txt, u.credential_version_nbr FROM users u
    WHERE (u.email_address_txt = ${param('email', 'text')} AND u.email_verified_at_utc IS NOT NULL)
      OR u.username_txt = ${param('username', 'text')}
  ),
  identifier AS (${chargeAttempt('identifier_hash_txt', sql`SELECT ${param('identifierHash', 'text')}`)}),
  account AS (${chargeAttempt('user_id', sql`SELECT found.user_id FROM found WHERE EXISTS (SELECT FROM identifier)`)}),
  refused AS (${auditRow(
    'sign_in.refused',
    'refused',
    sql`SELECT NULL::uuid, found.user_id::text, '{"reason": "locked"}'::jsonb FROM (SELECT 1) AS always LEFT JOIN found ON true
    WHERE NOT EXISTS (SELECT FROM identifier)`,
  )})
  SELECT identifier.failed_cnt IS NOT NULL AS "isAdmitted",
    ${secondsToUnlock(sql`a.identifier_hash_txt = ${param('identifierHash', 'text')}`)} AS "retryAfterSeconds",
    identifier.locked_until_utc IS NOT NULL AS "locksIdentifier", account.locked_until_utc IS NOT NULL AS "locksAccount",
    found.user_id AS "userId", account.failed_cnt IS NOT NULL AS "isAccountAdmitted", coalesce(found.is_active_flg, false) AS "isActive",
    found.password_hash_txt AS "passwordHash", found.credential_version_nbr AS "credentialVersion"
  FROM (SELECT 1) AS always LEFT JOIN found ON true LEFT JOIN identifier ON true LEFT JOIN account ON true`,
)

/** What a password was compared with. */
export interface CheckedPerson {
  readonly userId: string
  readonly passwordHash: string
  readonly credentialVersion: number
}

export interface BeginParams
  extends CheckedPerson,
    OriginParams,
    NewSessionParams,
    ReplacedSessionParams,
    AdminEmailsParams {
  readonly identifierHash: string
  /** A hash of today's parameters, where the stored one has others. */
  readonly newPasswordHash: string | null
}

/** No row where the person is no longer as checked. */
export const beginPasswordSession = statement<BeginParams, { readonly userId: string }>(
  'sign-in-begin',
  sql`WITH held AS MATERIALIZED (
    -- Held, so that a change of password or a disabling that comes between is either seen here or ends this session.
    SELECT u.user_id, u.credential_version_nbr, u.role_cd FROM users u
    WHERE u.user_id = ${param('userId', 'uuid')} AND u.credential_version_nbr = ${param('credentialVersion', 'int')}
      AND u.password_hash_txt = ${param('passwordHash', 'text')} AND u.is_active_flg
    FOR NO KEY UPDATE OF u
  ),
  changed AS (
    UPDATE users u SET password_hash_txt = coalesce(${param('newPasswordHash', 'text')}, u.password_hash_txt),
      role_cd = CASE WHEN ${isAdminByAddress('u')} THEN 'admin' ELSE u.role_cd END, modified_at_utc = now()
    FROM held
    WHERE u.user_id = held.user_id
      AND (${param('newPasswordHash', 'text')} IS NOT NULL OR (u.role_cd <> 'admin' AND ${isAdminByAddress('u')}))
    RETURNING u.user_id, held.role_cd AS role_before, u.role_cd
  ),
  forgiven AS (${forgiveAttempts(sql`EXISTS (SELECT FROM held)
    AND (identifier_hash_txt = ${param('identifierHash', 'text')} OR user_id = (SELECT held.user_id FROM held))`)}),
  ${sessionCtes(sql`SELECT held.user_id, held.credential_version_nbr FROM held`)},
  replaced AS (${endReplaced('held')}),
  audited AS (${auditRow('session.created', 'success', sql`SELECT begun.user_id, begun.session_id::text, '{"by": "password"}'::jsonb FROM begun`)}),
  promotion_audited AS (${auditRow(
    'user.promoted',
    'success',
    sql`SELECT changed.user_id, changed.user_id::text, '{"by": "setting"}'::jsonb FROM changed WHERE changed.role_cd = 'admin' AND changed.role_before <> 'admin'`,
  )})
  SELECT held.user_id AS "userId" FROM held`,
)

/** For a sign-in whose person changed between its two statements. */
export const lookAgain = statement<{ userId: string }, CheckedPerson>(
  'sign-in-look-again',
  sql`SELECT u.user_id AS "userId", u.password_hash_txt AS "passwordHash", u.credential_version_nbr AS "credentialVersion"
  FROM users u WHERE u.user_id = ${param('userId', 'uuid')} AND u.is_active_flg AND u.password_hash_txt IS NOT NULL`,
)

export interface RefusedParams extends OriginParams {
  readonly identifierHash: string
  readonly userId: string | null
  readonly reason: string
  readonly locksIdentifier: boolean
  readonly locksAccount: boolean
}

const standing = (what: 'identifier' | 'account', setByThisTry: SQL, subject: SQL): SQL => sql`
  SELECT NULL::uuid, ${param('userId', 'uuid')}::text, jsonb_build_object('what', ${sql.raw(`'${what}'`)}::text)
  WHERE ${setByThisTry} AND EXISTS (SELECT FROM login_attempts a WHERE ${subject} AND a.locked_until_utc > now())`

/** Records a refusal, and a lock that this try set where it still stands: a right one in flight may have lifted it. */
export const recordRefusedSignIn = statement<RefusedParams, object>(
  'sign-in-refused',
  sql`WITH refused AS (${auditRow(
    'sign_in.refused',
    'refused',
    sql`SELECT NULL::uuid, ${param('userId', 'uuid')}::text, jsonb_build_object('reason', ${param('reason', 'text')})`,
  )})
  ${auditRow(
    'sign_in.locked',
    'refused',
    sql`${standing('identifier', param('locksIdentifier', 'boolean'), sql`a.identifier_hash_txt = ${param('identifierHash', 'text')}`)}
    UNION ALL ${standing('account', param('locksAccount', 'boolean'), sql`a.user_id = ${param('userId', 'uuid')}`)}`,
  )}`,
)
