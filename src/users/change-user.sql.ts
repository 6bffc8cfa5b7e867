// Statements of changing a user: names, role, disabling, and the end of a lock. Role and the fence of the last
// administrator stand in the writes themselves; a refusal leaves its audit row.

import { sql } from 'drizzle-orm'
import { type AdminEmailsParams, isAdminByAddress } from '../auth/admin-emails.sql.ts'
import { forgiveAttempts } from '../auth/attempts.sql.ts'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { actorCtes, isLastAdmin, refusedVerb } from './acting-admin.sql.ts'
import { type User, userColumns } from './administration.sql.ts'
import type { NameParams } from './name-change.ts'
import { linkedWays, nameAssignments, namesSet, needsUsername, setsNames } from './profile.sql.ts'

export interface ChangeParams extends NameParams, AdminEmailsParams {
  readonly targetId: string
  /** Null: as it is. Either of these two is for administrators only. */
  readonly role: 'user' | 'admin' | null
  readonly isActive: boolean | null
}

export type ChangeVerdict = 'changed' | 'last_admin' | 'admin_by_setting' | 'last_sign_in_method'

type Changed = {
  /** False where this is not for the caller, whether there is such a user or not. */
  readonly isAllowed: boolean
  /** Null: there is no such user. */
  readonly verdict: ChangeVerdict | null
}

const sheds = sql`(judging.new_role_cd <> 'admin' OR NOT judging.is_to_be_active)`
const mayAct = sql`(actor.is_admin OR (actor.user_id = ${param('targetId', 'uuid')} AND ${param('role', 'text')} IS NULL AND ${param('isActive', 'boolean')} IS NULL))`

/**
 * No row: 401, or a key. Disabling ends the user's sessions by the credential version (also one that is just being made)
 * and marks them; enabling makes their tokens due. A demotion needs no such thing: the role is read fresh each time. A
 * user name that somebody has is 23505.
 */
export const changeUserRow = statement<
  CallerParams & OriginParams & ChangeParams,
  Changed & (User | { readonly id: null })
>(
  'user-change',
  sql`WITH ${callerCtes}, ${actorCtes},
  target AS MATERIALIZED (
    SELECT u.user_id, u.role_cd, u.is_active_flg, u.email_address_txt, u.email_verified_at_utc, u.email_proof_cd, ${needsUsername} AS needs_username,
      actor.user_id AS actor_id
    FROM actor JOIN users u ON u.user_id = ${param('targetId', 'uuid')}
    WHERE ${mayAct}
    FOR NO KEY UPDATE OF u
  ),
  ways AS MATERIALIZED (${linkedWays('target')}),
  judging AS (
    SELECT target.*, coalesce(${param('role', 'text')}, target.role_cd) AS new_role_cd,
      coalesce(${param('isActive', 'boolean')}, target.is_active_flg) AS is_to_be_active
    FROM target
  ),
  judged AS MATERIALIZED (
    SELECT judging.*, judging.is_active_flg AND NOT judging.is_to_be_active AS is_disabled,
      judging.is_to_be_active AND NOT judging.is_active_flg AS is_enabled,
      CASE WHEN ${isLastAdmin('judging')} AND ${sheds} THEN 'last_admin'
        WHEN judging.role_cd = 'admin' AND judging.new_role_cd <> 'admin' AND ${isAdminByAddress('judging')} THEN 'admin_by_setting'
        WHEN judging.needs_username AND NOT EXISTS (SELECT FROM ways) THEN 'last_sign_in_method'
        ELSE 'changed' END AS verdict
    FROM judging
  ),
  changing AS MATERIALIZED (SELECT judged.* FROM judged WHERE judged.verdict = 'changed'),
  changed AS (
    UPDATE users u SET ${nameAssignments}, role_cd = changing.new_role_cd, is_active_flg = changing.is_to_be_active,
      credential_version_nbr = u.credential_version_nbr + CASE WHEN changing.is_disabled THEN 1 ELSE 0 END, modified_at_utc = now()
    FROM changing WHERE u.user_id = changing.user_id
    RETURNING u.*
  ),
  ended AS (
    UPDATE sessions s SET revoked_at_utc = now(), modified_at_utc = now()
    FROM changing WHERE s.user_id = changing.user_id AND changing.is_disabled AND s.revoked_at_utc IS NULL
    RETURNING s.session_id
  ),
  family AS (
    UPDATE refresh_tokens t SET revoked_at_utc = now(), modified_at_utc = now()
    FROM ended WHERE t.session_id = ended.session_id AND t.revoked_at_utc IS NULL
  ),
  woken AS (
    -- While disabled they were handed back each time they were due.
    UPDATE oauth_tokens t SET refresh_due_at_utc = now()
    FROM changing JOIN user_mail_accounts a ON a.user_id = changing.user_id AND changing.is_enabled
    WHERE t.user_mail_account_id = a.user_mail_account_id AND a.is_active_flg AND a.status_cd <> 'needs_reauthorization'
      AND t.refresh_token_txt IS NOT NULL
  ),
  sync_woken AS (
    UPDATE user_mail_accounts a SET sync_due_at_utc = now()
    FROM changing WHERE a.user_id = changing.user_id AND changing.is_enabled AND a.is_active_flg
  ),
  names_audited AS (${auditRow('user.updated', 'success', sql`SELECT changing.actor_id, changing.user_id::text, ${namesSet} FROM changing WHERE ${setsNames}`)}),
  role_audited AS (${auditRow('user.role_changed', 'success', sql`SELECT changing.actor_id, changing.user_id::text, jsonb_build_object('from', changing.role_cd, 'to', changing.new_role_cd) FROM changing WHERE changing.role_cd <> changing.new_role_cd`)}),
  disabling_audited AS (${auditRow('user.disabled', 'success', sql`SELECT changing.actor_id, changing.user_id::text, '{}'::jsonb FROM changing WHERE changing.is_disabled`)}),
  enabling_audited AS (${auditRow('user.enabled', 'success', sql`SELECT changing.actor_id, changing.user_id::text, '{}'::jsonb FROM changing WHERE changing.is_enabled`)}),
  refused AS (${refusedVerb('user.update', sql`NOT ${mayAct}`, sql`SELECT judged.user_id, judged.verdict FROM judged WHERE judged.verdict <> 'changed'`)})
  SELECT ${mayAct} AS "isAllowed", judged.verdict AS "verdict", ${userColumns('changed')}
  FROM actor LEFT JOIN judged ON true LEFT JOIN changed ON true`,
)

export interface UnlockParams {
  readonly targetId: string
  /** Of the address, where it is verified: sign-in looks for no other. */
  readonly emailHash: string | null
  readonly usernameHash: string | null
}

/** Lifts every lock of a user: the account's, its identifiers', those of its sessions' step-ups. */
export const unlockUserRow = statement<
  CallerParams & OriginParams & UnlockParams,
  { readonly isAllowed: boolean; readonly userId: string | null }
>(
  'user-unlock',
  sql`WITH ${callerCtes}, ${actorCtes},
  target AS MATERIALIZED (
    SELECT u.user_id, actor.user_id AS actor_id FROM actor JOIN users u ON u.user_id = ${param('targetId', 'uuid')} WHERE actor.is_admin
  ),
  forgiven AS (${forgiveAttempts(sql`EXISTS (SELECT FROM target) AND (
    user_id = ${param('targetId', 'uuid')} OR identifier_hash_txt IN (${param('emailHash', 'text')}, ${param('usernameHash', 'text')})
    OR session_id IN (SELECT s.session_id FROM sessions s WHERE s.user_id = ${param('targetId', 'uuid')}))`)}),
  audited AS (${auditRow('user.unlocked', 'success', sql`SELECT target.actor_id, target.user_id::text, '{}'::jsonb FROM target`)}),
  refused AS (${refusedVerb('user.unlock', sql`NOT actor.is_admin`)})
  SELECT actor.is_admin AS "isAllowed", target.user_id AS "userId" FROM actor LEFT JOIN target ON true`,
)
