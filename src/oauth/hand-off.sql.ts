// Redeeming a hand-off code: spent by being shown, right or wrong; a session in the same trip, or the look for a connection.

import { sql } from 'drizzle-orm'
import { type NewSessionParams, sessionCtes } from '../auth/new-session.sql.ts'
import { isPresent } from '../auth/presence.sql.ts'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { type LookRow, lookColumns, lookJoins } from './look.sql.ts'

export interface RedeemedRow extends LookRow {
  readonly verdict: 'sign_in' | 'connect' | 'refused'
  readonly codeId: string
  readonly userId: string
  readonly codeSessionId: string | null
  /** Sealed. */
  readonly payload: string | null
  readonly begunSessionId: string | null
}

export const redeemHandOff = statement<
  CallerParams & OriginParams & NewSessionParams & { codeHash: string; challenge: string | null },
  RedeemedRow
>(
  'hand-off-redeem',
  sql`WITH ${callerCtes},
  shown AS (
    UPDATE one_time_codes c SET consumed_at_utc = now(), attempt_cnt = c.attempt_cnt + 1, modified_at_utc = now()
    WHERE c.purpose_cd IN ('hand_off', 'connect_hand_off') AND c.code_hash_txt = ${param('codeHash', 'text')}
      AND c.consumed_at_utc IS NULL AND c.expires_at_utc > now()
    RETURNING c.*
  ),
  judged AS (
    SELECT shown.*, caller.user_id AS caller_user_id, caller.session_id AS caller_session_id, caller.authenticated_at_utc,
      CASE
        -- No downgrade either way: a verifier belongs to a flow with a challenge, and only there (RFC 9700 §2.1.1).
        WHEN shown.challenge_txt IS DISTINCT FROM ${param('challenge', 'text')} THEN 'refused'
        WHEN shown.purpose_cd = 'hand_off' THEN 'sign_in'
        WHEN caller.session_id = shown.session_id AND caller.user_id = shown.user_id THEN 'connect'
        ELSE 'refused'
      END AS verdict
    FROM shown LEFT JOIN caller ON caller.api_key_id IS NULL
  ),
  ${sessionCtes(sql`
    SELECT u.user_id, judged.credential_version_nbr FROM judged JOIN users u ON u.user_id = judged.user_id
    WHERE judged.verdict = 'sign_in' AND u.is_active_flg AND u.credential_version_nbr = judged.credential_version_nbr`)},
  audited AS (${auditRow('session.created', 'success', sql`SELECT begun.user_id, begun.session_id::text, '{"by": "hand_off"}'::jsonb FROM begun`)}),
  refused AS (${auditRow('sign_in.refused', 'refused', sql`SELECT judged.user_id, judged.one_time_code_id::text, '{"code": "invalid_grant"}'::jsonb FROM judged WHERE judged.verdict = 'refused'`)})
  SELECT judged.verdict AS "verdict", judged.one_time_code_id AS "codeId", judged.user_id AS "userId", judged.session_id AS "codeSessionId",
    judged.payload_sealed_txt AS "payload", begun.session_id AS "begunSessionId",
    judged.caller_user_id AS "callerUserId", judged.caller_session_id AS "callerSessionId",
    ${isPresent('judged')} AS "isPresent", ${lookColumns}
  FROM judged LEFT JOIN begun ON true
  ${lookJoins({
    provider: sql`judged.provider_cd`,
    subject: sql`judged.provider_subject_txt`,
    // A connecting flow finds nobody by address.
    email: sql`NULL::text`,
    candidate: sql`judged.user_id`,
  })}`,
)
