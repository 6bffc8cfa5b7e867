// Statements of keeping tokens fresh: claim what is due, lease it, store what came of it.

import { sql } from 'drizzle-orm'
import { type AuditParams, auditRows } from '../db/audit.ts'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { circuitOpenSeconds, circuitThreshold, expiryWarningDays, leaseSeconds } from './refresh-policy.ts'

/** A token row somebody holds the lease of, with all that a refresh needs. */
export interface LeasedToken {
  readonly tokenId: string
  readonly accountId: string
  readonly userId: string
  readonly provider: string
  readonly version: number
  readonly clientId: string
  /** Sealed. */
  readonly refreshToken: string | null
  readonly refreshTokenExpiresAt: Date | null
  readonly failureCount: number
  /** What its last refresh ended with; null where it worked. */
  readonly lastError: string | null
  readonly isUserActive: boolean
  readonly heldUntil: Date | null
}

export const leaseInterval = sql.raw(`interval '${leaseSeconds} seconds'`)

/**
 * Claims what is due, 10,000 at most: its clock is set to `until`, which the message repeats, so that a doubled or late
 * message matches nothing. The inner select is MATERIALIZED: as a plain IN it may run twice and claim twice the limit.
 * Where a provider's circuit is open nothing of it is claimed; once the pause is over, one grant goes first: of those that
 * were not refused since, the one that worked last; else the one that was asked longest ago, so that none that is refused
 * for itself is asked each time, and keeps all others waiting.
 */
export const claimDueTokens = statement<{ until: Date; limit: number }, { readonly id: string }>(
  'refresh-claim',
  sql`WITH due AS MATERIALIZED (
    SELECT t.ctid AS place FROM oauth_tokens t
    WHERE t.refresh_due_at_utc <= now()
      -- Whether any circuit is open is asked once; only then each row is looked up by its provider.
      AND NOT (
        (SELECT count(*) > 0 FROM provider_states WHERE open_until_utc IS NOT NULL)
        AND EXISTS (
          SELECT FROM provider_states p
          JOIN user_mail_accounts a ON a.provider_cd = p.provider_cd
          WHERE p.open_until_utc IS NOT NULL AND a.user_mail_account_id = t.user_mail_account_id
        )
      )
    ORDER BY t.refresh_due_at_utc LIMIT ${param('limit', 'int')}
    FOR UPDATE OF t SKIP LOCKED
  ),
  probe AS MATERIALIZED (
    SELECT best.place FROM provider_states p
    CROSS JOIN LATERAL (
      SELECT t.ctid AS place FROM oauth_tokens t JOIN user_mail_accounts a ON a.user_mail_account_id = t.user_mail_account_id
      WHERE a.provider_cd = p.provider_cd AND t.refresh_due_at_utc <= now()
      ORDER BY t.last_error_cd IS NOT NULL, CASE WHEN t.last_error_cd IS NULL THEN coalesce(t.last_refreshed_at_utc, t.created_at_utc) END DESC,
        t.modified_at_utc LIMIT 1
    ) best
    WHERE p.open_until_utc <= now()
  )
  UPDATE oauth_tokens SET refresh_due_at_utc = ${param('until', 'timestamptz')}
  -- By place, which is one plan whatever the planner believes is due: a join of 10,000 may compare each with each (14 s
  -- against half a second). A row that was changed since the snapshot stands elsewhere, and stays due for the next tick.
  WHERE ctid = ANY(ARRAY(SELECT place FROM due UNION ALL SELECT place FROM probe))
    -- Checked again where a row was waited for: an overlapping cron may have claimed the probe.
    AND (refresh_due_at_utc <= now()) IS TRUE
  RETURNING oauth_token_id AS "id"`,
)

export const leaseClaimedTokens = statement<
  { ids: readonly string[]; claimedUntil: Date; leaseId: string },
  LeasedToken
>(
  'refresh-lease',
  sql`UPDATE oauth_tokens t SET lease_id = ${param('leaseId', 'uuid')}, lease_until_utc = now() + ${leaseInterval}
  FROM user_mail_accounts a
  JOIN users u ON u.user_id = a.user_id
  LEFT JOIN provider_states p ON p.provider_cd = a.provider_cd
  WHERE t.user_mail_account_id = a.user_mail_account_id
    AND t.oauth_token_id = ANY(${param('ids', 'uuid[]')})
    -- Not by the index of due rows: a whole claim shares this time, and each message would read all of it.
    AND t.refresh_due_at_utc IS NOT DISTINCT FROM ${param('claimedUntil', 'timestamptz')}
    AND (t.lease_until_utc IS NULL OR t.lease_until_utc <= now())
  RETURNING t.oauth_token_id AS "tokenId", t.user_mail_account_id AS "accountId", a.user_id AS "userId", a.provider_cd AS "provider",
    t.version_nbr AS "version", t.client_id_txt AS "clientId", t.refresh_token_txt AS "refreshToken",
    t.refresh_token_expires_at_utc AS "refreshTokenExpiresAt", t.failure_cnt AS "failureCount", t.last_error_cd AS "lastError", u.is_active_flg AS "isUserActive",
    p.open_until_utc AS "heldUntil"`,
)

/** One answer as `storeAnswers` reads it (JSON, snake case as in the record type there). */
export interface AnswerRow {
  readonly token_id: string
  readonly lease_id: string
  readonly version: number
  readonly result: 'refreshed' | 'dead' | 'retry' | 'misconfigured' | 'handed_back' | 'unreadable'
  readonly access_token: string | null
  readonly refresh_token: string | null
  readonly expires_at: string | null
  readonly refresh_token_expires_at: string | null
  readonly scopes: string | null
  readonly due_at: string | null
  readonly error: string | null
}

export interface StoredAnswer {
  readonly tokenId: string
  /** True where this write opened the provider's circuit. */
  readonly circuitOpened: boolean
}

/**
 * Writes answers where lease and version still stand; returns those that counted. A late answer counts as long as its
 * lease id stands in the row, for it may hold the only copy of a rotated token. Token row first, then mailbox: every
 * statement locks in this order.
 */
export const storeAnswers = statement<AuditParams & { answers: string }, StoredAnswer>(
  'refresh-store',
  sql`WITH answer AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(${param('answers', 'jsonb')}) AS a(
      token_id uuid, lease_id uuid, version int, result text, access_token text, refresh_token text, expires_at timestamptz,
      refresh_token_expires_at timestamptz, scopes text, due_at timestamptz, error text)
  ),
  stored AS (
    UPDATE oauth_tokens t SET
      access_token_txt = coalesce(answer.access_token, t.access_token_txt),
      -- An answer without a refresh token keeps the stored one (RFC 6749 §6), sealed again.
      refresh_token_txt = coalesce(answer.refresh_token, t.refresh_token_txt),
      expires_at_utc = coalesce(answer.expires_at, t.expires_at_utc),
      refresh_token_expires_at_utc = coalesce(answer.refresh_token_expires_at, t.refresh_token_expires_at_utc),
      refresh_due_at_utc = CASE answer.result
        WHEN 'unreadable' THEN t.refresh_due_at_utc WHEN 'dead' THEN NULL ELSE answer.due_at END,
      failure_cnt = CASE answer.result
        WHEN 'refreshed' THEN 0 WHEN 'retry' THEN t.failure_cnt + 1 WHEN 'dead' THEN t.failure_cnt + 1 ELSE t.failure_cnt END,
      last_error_cd = CASE answer.result
        WHEN 'refreshed' THEN NULL WHEN 'unreadable' THEN t.last_error_cd ELSE coalesce(answer.error, t.last_error_cd) END,
      last_refreshed_at_utc = CASE WHEN answer.result = 'refreshed' THEN now() ELSE t.last_refreshed_at_utc END,
      version_nbr = t.version_nbr + CASE WHEN answer.result IN ('refreshed', 'dead') THEN 1 ELSE 0 END,
      lease_id = NULL, lease_until_utc = NULL,
      refresh_history_json = CASE WHEN answer.result IN ('handed_back', 'unreadable') THEN t.refresh_history_json ELSE
        jsonb_path_query_array(
          jsonb_build_array(jsonb_build_object('at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'outcome', answer.result, 'error', answer.error))
          || t.refresh_history_json, '$[0 to 9]') END,
      modified_at_utc = CASE WHEN answer.result IN ('handed_back', 'unreadable') THEN t.modified_at_utc ELSE now() END
    FROM answer
    WHERE t.oauth_token_id = answer.token_id AND t.lease_id = answer.lease_id AND t.version_nbr = answer.version
    RETURNING t.oauth_token_id, t.user_mail_account_id, t.refresh_token_expires_at_utc, t.last_error_cd, t.version_nbr,
              answer.result, answer.scopes
  ),
  marked AS (
    UPDATE user_mail_accounts a SET
      status_cd = new.status,
      status_changed_at_utc = CASE WHEN a.status_cd = new.status THEN a.status_changed_at_utc ELSE now() END,
      granted_scopes_txt = coalesce(new.scopes, a.granted_scopes_txt),
      modified_at_utc = now()
    FROM (
      SELECT stored.user_mail_account_id, stored.scopes, stored.last_error_cd, old.status_cd AS old_status,
        CASE stored.result WHEN 'refreshed' THEN 'active' WHEN 'dead' THEN 'needs_reauthorization' WHEN 'retry' THEN 'degraded' ELSE old.status_cd END AS status
      FROM stored JOIN user_mail_accounts old ON old.user_mail_account_id = stored.user_mail_account_id
    ) new
    WHERE a.user_mail_account_id = new.user_mail_account_id AND a.is_active_flg
      AND (a.status_cd <> new.status OR new.scopes <> a.granted_scopes_txt)
    RETURNING a.user_mail_account_id, a.user_id, a.email_address_txt, a.status_cd, a.status_changed_at_utc, new.old_status, new.last_error_cd
  ),
  told AS (
    -- Once a death: at the user's proven address, else at the mailbox's own.
    INSERT INTO letters (kind_cd, recipient_txt, cause_txt)
    SELECT 'mailbox_needs_reauthorization',
           CASE WHEN u.email_verified_at_utc IS NOT NULL THEN u.email_address_txt ELSE marked.email_address_txt END,
           'needs_reauthorization:' || marked.user_mail_account_id || ':' || stored.version_nbr
    FROM marked JOIN users u ON u.user_id = marked.user_id JOIN stored ON stored.user_mail_account_id = marked.user_mail_account_id
    WHERE marked.status_cd = 'needs_reauthorization' AND marked.old_status <> 'needs_reauthorization'
    ON CONFLICT (cause_txt) DO NOTHING
  ),
  warned AS (
    INSERT INTO letters (kind_cd, recipient_txt, cause_txt)
    SELECT 'mailbox_access_ends',
           CASE WHEN u.email_verified_at_utc IS NOT NULL THEN u.email_address_txt ELSE a.email_address_txt END,
           'access_ends:' || stored.user_mail_account_id || ':' || to_char(stored.refresh_token_expires_at_utc AT TIME ZONE 'UTC', 'YYYY-MM-DD')
    FROM stored JOIN user_mail_accounts a ON a.user_mail_account_id = stored.user_mail_account_id JOIN users u ON u.user_id = a.user_id
    WHERE stored.result = 'refreshed' AND stored.refresh_token_expires_at_utc < now() + interval '${sql.raw(String(expiryWarningDays))} days'
    ON CONFLICT (cause_txt) DO NOTHING
  ),
  verdicts AS (
    SELECT a.provider_cd, count(*) FILTER (WHERE stored.result = 'misconfigured')::int AS bad, bool_or(stored.result = 'refreshed') AS good
    FROM stored JOIN user_mail_accounts a ON a.user_mail_account_id = stored.user_mail_account_id
    GROUP BY a.provider_cd
  ),
  circuit AS (
    INSERT INTO provider_states AS p (provider_cd, configuration_error_cnt, open_until_utc)
    SELECT v.provider_cd, CASE WHEN v.good THEN 0 ELSE v.bad END,
           CASE WHEN NOT v.good AND v.bad >= ${sql.raw(String(circuitThreshold))} THEN now() + interval '${sql.raw(String(circuitOpenSeconds))} seconds' END
    FROM verdicts v LEFT JOIN provider_states s ON s.provider_cd = v.provider_cd
    -- The row is left alone while all is well, so that consumers do not queue for it.
    WHERE (NOT v.good AND v.bad > 0) OR (v.good AND (s.configuration_error_cnt > 0 OR s.open_until_utc IS NOT NULL))
    ON CONFLICT (provider_cd) DO UPDATE SET
      configuration_error_cnt = CASE WHEN excluded.configuration_error_cnt = 0 THEN 0
        WHEN p.window_started_at_utc < now() - interval '1 minute' THEN excluded.configuration_error_cnt
        ELSE p.configuration_error_cnt + excluded.configuration_error_cnt END,
      window_started_at_utc = CASE WHEN excluded.configuration_error_cnt = 0 OR p.window_started_at_utc < now() - interval '1 minute' THEN now() ELSE p.window_started_at_utc END,
      open_until_utc = CASE WHEN excluded.configuration_error_cnt = 0 THEN NULL
        WHEN p.open_until_utc IS NOT NULL
          OR excluded.configuration_error_cnt + CASE WHEN p.window_started_at_utc < now() - interval '1 minute' THEN 0 ELSE p.configuration_error_cnt END >= ${sql.raw(String(circuitThreshold))}
        THEN now() + interval '${sql.raw(String(circuitOpenSeconds))} seconds' END,
      modified_at_utc = now()
    RETURNING p.provider_cd, p.open_until_utc
  ),
  audited_states AS (
    INSERT INTO audit_logs (action_cd, outcome_cd, actor_user_id, subject_id_txt, event_json)
    SELECT CASE WHEN marked.status_cd = 'needs_reauthorization' THEN 'mail_account.needs_reauthorization' ELSE 'mail_account.recovered' END,
           'success', NULL::uuid, marked.user_mail_account_id::text, jsonb_build_object('error', marked.last_error_cd)
    FROM marked
    WHERE marked.status_cd <> marked.old_status AND (marked.status_cd = 'needs_reauthorization' OR marked.old_status = 'needs_reauthorization')
    UNION ALL
    SELECT 'circuit.opened', 'failure', NULL, circuit.provider_cd, '{}'::jsonb FROM circuit WHERE circuit.open_until_utc IS NOT NULL
  ),
  audited AS (${auditRows(sql`EXISTS (SELECT FROM stored)`)})
  SELECT oauth_token_id AS "tokenId", EXISTS (SELECT FROM circuit WHERE circuit.open_until_utc IS NOT NULL) AS "circuitOpened" FROM stored`,
)

export interface StaleSeal {
  readonly tokenId: string
  readonly accountId: string
  readonly userId: string
  readonly version: number
  readonly accessToken: string | null
  readonly refreshToken: string | null
}

/**
 * Rows sealed under the ring's older keys; the index answers. Those under a key that is not in the ring cannot be sealed
 * again: they must not take the places of those that can (readiness names them).
 */
export const findStaleSeals = statement<{ olderKeyIds: readonly string[]; limit: number }, StaleSeal>(
  'reseal-find',
  sql`SELECT t.oauth_token_id AS "tokenId", t.user_mail_account_id AS "accountId", a.user_id AS "userId", t.version_nbr AS "version",
         t.access_token_txt AS "accessToken", t.refresh_token_txt AS "refreshToken"
  FROM oauth_tokens t JOIN user_mail_accounts a ON a.user_mail_account_id = t.user_mail_account_id AND a.user_id IS NOT NULL
  WHERE split_part(coalesce(t.refresh_token_txt, t.access_token_txt), '.', 2) = ANY(${param('olderKeyIds', 'text[]')})
  LIMIT ${param('limit', 'int')}`,
)

/** Only where the envelopes are still those that were read: whoever wrote meanwhile has sealed under the first key already. */
export const storeReseals = statement<{ rows: string }, { readonly tokenId: string }>(
  'reseal-store',
  sql`UPDATE oauth_tokens t SET access_token_txt = r.access_token, refresh_token_txt = r.refresh_token, modified_at_utc = now()
  FROM jsonb_to_recordset(${param('rows', 'jsonb')}) AS r(token_id uuid, was_access_token text, was_refresh_token text, access_token text, refresh_token text)
  WHERE t.oauth_token_id = r.token_id AND t.access_token_txt IS NOT DISTINCT FROM r.was_access_token AND t.refresh_token_txt IS NOT DISTINCT FROM r.was_refresh_token
  RETURNING t.oauth_token_id AS "tokenId"`,
)
