// Who is calling, as the first CTE of every authenticated statement: live session or live key, active user, role,
// permissions. Check and data cost one trip, and a verb that takes a CallerClaim cannot forget the check.

import { type SQL, sql } from 'drizzle-orm'

/** What was shown and held in form (signature, shape): not yet that it lives. Made by the http/caller middleware only. */
export type CallerClaim =
  | { readonly kind: 'session'; readonly userId: string; readonly sessionId: string }
  | { readonly kind: 'cookie'; readonly sessionId: string; readonly secretHash: string }
  | { readonly kind: 'key'; readonly keyHash: string }

/** The parameters that `callerCtes` needs, for any kind of claim. */
export interface CallerParams {
  readonly callerSessionId: string | null
  readonly callerUserId: string | null
  readonly callerSecretHash: string | null
  readonly callerKeyHash: string | null
}

export function callerParams(claim: CallerClaim | null): CallerParams {
  return {
    callerSessionId: claim === null || claim.kind === 'key' ? null : claim.sessionId,
    callerUserId: claim?.kind === 'session' ? claim.userId : null,
    callerSecretHash: claim?.kind === 'cookie' ? claim.secretHash : null,
    callerKeyHash: claim?.kind === 'key' ? claim.keyHash : null,
  }
}

export type Permission =
  | 'tokens:vend'
  | 'mail_accounts:read'
  | 'emails:read'
  | 'emails:sync'
  | 'emails:send'
  | 'metrics:read'

/** A named, typed placeholder: `${param('userId', 'uuid')}` renders `$n::uuid`. */
export function param(
  name: string,
  type: 'uuid' | 'text' | 'int' | 'bigint' | 'boolean' | 'jsonb' | 'timestamptz' | 'text[]' | 'uuid[]' | 'interval',
): SQL {
  return sql`${sql.placeholder(name)}::${sql.raw(type)}`
}

/** Of a row of `caller`: a signed-in person whose role is admin, and never a key. */
export const isAdmin: SQL = sql`coalesce(caller.role_cd = 'admin', false)`

/** A session ends after 7 days unused, 30 in all (DESIGN section 3). One place for all statements. */
export const liveSession: SQL = sql`
  s.revoked_at_utc IS NULL
  AND s.created_at_utc > now() - interval '30 days'
  AND s.last_seen_at_utc > now() - interval '7 days'
  AND u.credential_version_nbr = s.credential_version_nbr
  AND u.is_active_flg`

/**
 * `caller`: no row (401) or one row:
 * `user_id` (a key's own user, or null), `session_id`, `role_cd`, `authenticated_at_utc`, `api_key_id`, `permissions`,
 * `mail_account_ids`. Beside it the last-use stamps, at most once a minute and never waiting for one another.
 */
export const callerCtes: SQL = sql`
  caller AS MATERIALIZED (
    SELECT u.user_id, s.session_id, u.role_cd, s.authenticated_at_utc,
           NULL::uuid AS api_key_id, NULL::text[] AS permissions, NULL::uuid[] AS mail_account_ids
    FROM sessions s JOIN users u ON u.user_id = s.user_id
    WHERE s.session_id = ${param('callerSessionId', 'uuid')}
      -- A token session has no secret, a cookie session is no token session: neither can pass for the other.
      AND s.secret_hash_txt IS NOT DISTINCT FROM ${param('callerSecretHash', 'text')}
      AND s.user_id = coalesce(${param('callerUserId', 'uuid')}, s.user_id)
      AND ${liveSession}
    UNION ALL
    SELECT k.user_id, NULL, NULL, NULL, k.api_key_id, k.permissions_txt, k.mail_account_ids
    FROM api_keys k LEFT JOIN users u ON u.user_id = k.user_id
    WHERE k.key_hash_txt = ${param('callerKeyHash', 'text')}
      AND k.status_cd = 'active'
      AND (k.expires_at_utc IS NULL OR k.expires_at_utc > now())
  ),
  session_seen AS (
    UPDATE sessions SET last_seen_at_utc = now()
    WHERE session_id IN (
      SELECT session_id FROM sessions
      WHERE session_id = (SELECT session_id FROM caller) AND last_seen_at_utc < now() - interval '1 minute'
      FOR UPDATE SKIP LOCKED
    )
  ),
  key_used AS (
    UPDATE api_keys SET last_used_at_utc = now()
    WHERE api_key_id IN (
      SELECT api_key_id FROM api_keys
      WHERE api_key_id = (SELECT api_key_id FROM caller)
        AND (last_used_at_utc IS NULL OR last_used_at_utc < now() - interval '1 minute')
      FOR UPDATE SKIP LOCKED
    )
  )`
