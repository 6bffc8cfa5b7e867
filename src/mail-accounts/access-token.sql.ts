// The statements that hand a token out, to a backend or to our own work on the mailbox: check, data, lease and audit row in
// one trip.

import { type SQL, sql } from 'drizzle-orm'
import type { OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import type { LeasedToken } from './refresh.sql.ts'
import { leaseInterval } from './refresh.sql.ts'

export interface VendParams extends CallerParams, OriginParams {
  readonly accountId: string
  /** The `user_id` that was given; null where none was. */
  readonly forUserId: string | null
  readonly scopes: readonly string[]
  readonly minTtlSeconds: number
  readonly leaseId: string
  /** False where too little of the longest wait is left for a call to the provider. */
  readonly mayLease: boolean
}

/**
 * - `fresh`    hand `accessToken` out; the audit row is written
 * - `leased`   the caller holds the lease now: refresh
 * - `busy`     somebody else does: poll
 * - `held`     not to be asked before `retryAt` (backing off, or the circuit is open), and no live token is left
 */
export type VendVerdict =
  | 'fresh'
  | 'leased'
  | 'busy'
  | 'held'
  | 'not_a_key'
  | 'not_permitted'
  | 'not_found'
  | 'needs_reauthorization'
  | 'insufficient_scope'

export type VendRow = LeasedToken & {
  readonly verdict: VendVerdict
  readonly apiKeyId: string | null
  /** Sealed. */
  readonly accessToken: string | null
  readonly expiresAt: Date | null
  readonly grantedScopes: string
  readonly retryAt: Date | null
}

const foundColumns: SQL = sql`
    t.*, a.user_id, a.provider_cd, a.status_cd, a.granted_scopes_txt, u.is_active_flg, p.open_until_utc,
      -- After the pause cron probes first, with the grant that worked last; where none came for two minutes, this may.
      coalesce(p.open_until_utc > now() - interval '2 minutes', false) AS is_circuit_open,
      t.failure_cnt > 0 AND t.refresh_due_at_utc > now() AS is_backing_off,
      t.lease_until_utc > now() AS is_leased`

const foundRows: SQL = sql`
    JOIN users u ON u.user_id = a.user_id AND u.is_active_flg
    JOIN oauth_tokens t ON t.user_mail_account_id = a.user_mail_account_id
    LEFT JOIN provider_states p ON p.provider_cd = a.provider_cd`

const retryAt: SQL = sql`
      CASE WHEN found.is_circuit_open THEN greatest(found.open_until_utc, now() + interval '30 seconds') ELSE found.refresh_due_at_utc END AS retry_at`

/** The branches of a CASE over a row of `found`; `stale` becomes `leased` or `busy`. `mayServe`: the stored token may be handed out at all. */
const tokenVerdict = (mayServe: SQL): SQL => sql`
        WHEN found.oauth_token_id IS NULL THEN 'not_found'
        WHEN found.status_cd = 'needs_reauthorization' THEN 'needs_reauthorization'
        WHEN NOT string_to_array(found.granted_scopes_txt, ' ') @> ${param('scopes', 'text[]')} THEN 'insufficient_scope'
        -- Nothing of mail was granted and nothing can refresh it: there is no token to hand out, and nothing died.
        WHEN found.refresh_token_txt IS NULL AND found.refresh_due_at_utc IS NULL AND found.expires_at_utc <= now() THEN 'insufficient_scope'
        WHEN found.expires_at_utc > now() AND ${mayServe} AND (
          found.expires_at_utc > now() + make_interval(secs => ${param('minTtlSeconds', 'int')})
          -- What was refreshed within the last minute will not get longer by asking again.
          OR found.last_refreshed_at_utc > now() - interval '1 minute'
          -- Nobody can be asked now: the live token is what there is.
          OR found.refresh_token_txt IS NULL
          OR found.is_circuit_open
          OR found.is_backing_off
        ) THEN 'fresh'
        -- While somebody is asking, there is an answer to wait for.
        WHEN (found.is_circuit_open OR found.is_backing_off) AND found.is_leased IS NOT TRUE THEN 'held'
        ELSE 'stale'`

const leasedCte: SQL = sql`
  leased AS (
    UPDATE oauth_tokens t SET lease_id = ${param('leaseId', 'uuid')}, lease_until_utc = now() + ${leaseInterval}
    FROM judged
    WHERE judged.verdict = 'stale' AND ${param('mayLease', 'boolean')} AND NOT judged.is_circuit_open AND NOT judged.is_backing_off
      AND t.oauth_token_id = judged.oauth_token_id AND t.version_nbr = judged.version_nbr
      AND (t.lease_until_utc IS NULL OR t.lease_until_utc <= now())
    RETURNING t.oauth_token_id
  )`

const answerColumns: SQL = sql`
    CASE judged.verdict WHEN 'stale' THEN CASE WHEN leased.oauth_token_id IS NULL THEN 'busy' ELSE 'leased' END ELSE judged.verdict END AS "verdict",
    judged.oauth_token_id AS "tokenId", judged.user_mail_account_id AS "accountId", judged.user_id AS "userId", judged.provider_cd AS "provider",
    judged.version_nbr AS "version", judged.client_id_txt AS "clientId", judged.access_token_txt AS "accessToken", judged.refresh_token_txt AS "refreshToken",
    judged.expires_at_utc AS "expiresAt", judged.refresh_token_expires_at_utc AS "refreshTokenExpiresAt", judged.failure_cnt AS "failureCount", judged.last_error_cd AS "lastError",
    judged.is_active_flg AS "isUserActive", NULL::timestamptz AS "heldUntil", judged.granted_scopes_txt AS "grantedScopes", judged.retry_at AS "retryAt"`

/** No row: the caller is nobody (401). Every other refusal is a verdict, recorded in the audit trail. */
export const vendToken = statement<VendParams, VendRow>(
  'vend',
  sql`WITH ${callerCtes},
  found AS (
    SELECT ${foundColumns}
    FROM caller
    JOIN user_mail_accounts a ON a.user_mail_account_id = ${param('accountId', 'uuid')} AND a.is_active_flg
    ${foundRows}
    WHERE caller.api_key_id IS NOT NULL
      AND (caller.user_id IS NULL OR caller.user_id = a.user_id)
      AND (caller.mail_account_ids IS NULL OR a.user_mail_account_id = ANY(caller.mail_account_ids))
      AND (${param('forUserId', 'uuid')} IS NULL OR ${param('forUserId', 'uuid')} = a.user_id)
  ),
  judged AS (
    SELECT found.*, caller.api_key_id, caller.user_id AS caller_user_id, ${retryAt},
      CASE
        WHEN caller.api_key_id IS NULL THEN 'not_a_key'
        WHEN NOT 'tokens:vend' = ANY(caller.permissions) THEN 'not_permitted'
        ${tokenVerdict(sql`true`)}
      END AS verdict
    FROM caller LEFT JOIN found ON true
  ),
  ${leasedCte},
  audited AS (
    INSERT INTO audit_logs (action_cd, outcome_cd, actor_user_id, subject_id_txt, ip_address_txt, user_agent_txt, event_json)
    SELECT CASE judged.verdict WHEN 'fresh' THEN 'token.handed_out' ELSE 'token.refused' END,
           CASE judged.verdict WHEN 'fresh' THEN 'success' ELSE 'refused' END,
           -- A key that names a user acts for them, not as them.
           CASE WHEN judged.api_key_id IS NULL THEN judged.caller_user_id END, ${param('accountId', 'uuid')}::text, ${param('ipAddress', 'text')}, ${param('userAgent', 'text')},
           jsonb_build_object('api_key_id', judged.api_key_id) || CASE judged.verdict WHEN 'fresh' THEN '{}' ELSE jsonb_build_object('reason', judged.verdict) END
    FROM judged WHERE judged.verdict NOT IN ('stale', 'held')
  )
  SELECT ${answerColumns}, judged.api_key_id AS "apiKeyId"
  FROM judged LEFT JOIN leased ON true`,
)

export interface LiveTokenParams {
  readonly accountId: string
  readonly scopes: readonly string[]
  readonly minTtlSeconds: number
  readonly leaseId: string
  readonly mayLease: boolean
  /** The version whose access token the provider has just refused: it is not handed out again, however long it has left. */
  readonly refusedVersion: number | null
}

/**
 * The same for our own work on a mailbox (sync, send): whoever asked for that work was checked and recorded by its own
 * statement. A mailbox that is disconnected, or whose user is disabled, is `not_found`.
 */
export const lookLiveToken = statement<LiveTokenParams, VendRow>(
  'live-token',
  sql`WITH found AS (
    SELECT ${foundColumns}
    FROM user_mail_accounts a
    ${foundRows}
    WHERE a.user_mail_account_id = ${param('accountId', 'uuid')} AND a.is_active_flg
  ),
  judged AS (
    SELECT found.*, ${retryAt},
      CASE ${tokenVerdict(sql`found.version_nbr IS DISTINCT FROM ${param('refusedVersion', 'int')}`)}
      END AS verdict
    FROM (SELECT) AS one LEFT JOIN found ON true
  ),
  ${leasedCte}
  SELECT ${answerColumns}, NULL::uuid AS "apiKeyId"
  FROM judged LEFT JOIN leased ON true`,
)
