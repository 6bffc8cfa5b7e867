// The CTEs that begin a session, used by every statement that ends in one: a token session (JWT and refresh token) or a
// cookie session of our own pages. The session carries the credential version that was checked, so a change of
// credentials that came between is fatal to it.

import { type SQL, sql } from 'drizzle-orm'
import { param } from '../db/caller.ts'
import type { CookieClaim } from './claims.ts'
import { refreshTokenDays } from './session-figures.ts'

/** Parameters of `sessionCtes`; `newSessionId` null begins none. */
export interface NewSessionParams {
  readonly newSessionId: string | null
  /** Cookie sessions only. */
  readonly newSecretHash: string | null
  /** Token sessions only. */
  readonly newRefreshHash: string | null
}

/** The cookie session that a sign-in replaces; nulls where the browser showed none. */
export interface ReplacedSessionParams {
  readonly endedSessionId: string | null
  readonly endedSecretHash: string | null
}

export function replaces(shown: CookieClaim | null): ReplacedSessionParams {
  return { endedSessionId: shown?.sessionId ?? null, endedSecretHash: shown?.secretHash ?? null }
}

/** `UPDATE` that ends the replaced session, where `person` (the name of a CTE) has a row. */
export function endReplaced(person: string): SQL {
  return sql`
    UPDATE sessions s SET revoked_at_utc = now(), modified_at_utc = now()
    FROM ${sql.raw(person)}
    WHERE s.session_id = ${param('endedSessionId', 'uuid')} AND s.secret_hash_txt = ${param('endedSecretHash', 'text')} AND s.revoked_at_utc IS NULL`
}

export const noSession: NewSessionParams = { newSessionId: null, newSecretHash: null, newRefreshHash: null }

/** `begun` and `begun_refresh`; `source` yields (user_id, credential_version_nbr), one row or none. Needs the audit's origin parameters. */
export function sessionCtes(source: SQL): SQL {
  return sql`
  begun AS (
    INSERT INTO sessions (session_id, user_id, secret_hash_txt, credential_version_nbr, authenticated_at_utc, last_seen_at_utc, user_agent_txt, ip_address_txt)
    SELECT ${param('newSessionId', 'uuid')}, who.user_id, ${param('newSecretHash', 'text')}, who.credential_version_nbr, now(), now(),
           ${param('userAgent', 'text')}, ${param('ipAddress', 'text')}
    FROM (${source}) AS who(user_id, credential_version_nbr)
    WHERE ${param('newSessionId', 'uuid')} IS NOT NULL
    RETURNING session_id, user_id
  ),
  begun_refresh AS (
    INSERT INTO refresh_tokens (token_hash_txt, session_id, expires_at_utc)
    SELECT ${param('newRefreshHash', 'text')}, begun.session_id, now() + interval '${sql.raw(String(refreshTokenDays))} days'
    FROM begun WHERE ${param('newRefreshHash', 'text')} IS NOT NULL
  )`
}
