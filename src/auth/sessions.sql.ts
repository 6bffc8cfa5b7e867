// Statements of sessions: read, list, end, rotate. Each is one trip and begins with the caller where one is needed.

import { type SQL, sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, liveSession, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { isPresent } from './presence.sql.ts'
import { refreshTokenDays, rotationGraceSeconds } from './session-figures.ts'

/** Marks the refresh tokens of ended sessions, for people and tools that read the table; the session's end is what counts. */
const revokeFamily = (sessionIds: SQL): SQL => sql`
  UPDATE refresh_tokens SET revoked_at_utc = now(), modified_at_utc = now()
  WHERE revoked_at_utc IS NULL AND session_id IN (${sessionIds})`

export interface Me {
  readonly id: string
  readonly email: string
  readonly emailVerified: boolean
  readonly username: string | null
  readonly fullName: string | null
  readonly avatarId: string | null
  readonly hasPassword: boolean
  readonly role: 'user' | 'admin'
  readonly createdAt: Date
}

/** `Me`, of the row of `users` that the statement calls `alias`. */
export function meColumns(alias: string): SQL {
  const u = sql.raw(alias)
  return sql`
    ${u}.user_id AS "id", ${u}.email_address_txt AS "email", ${u}.email_verified_at_utc IS NOT NULL AS "emailVerified",
    ${u}.username_txt AS "username", ${u}.full_name_txt AS "fullName", ${u}.avatar_id AS "avatarId",
    ${u}.password_hash_txt IS NOT NULL AS "hasPassword", ${u}.role_cd AS "role", ${u}.created_at_utc AS "createdAt"`
}

/** The person of a live session, and what that session may. */
export interface SignedIn extends Me {
  readonly sessionId: string
  /** True while its proof of presence is recent enough for what asks for one. */
  readonly isPresent: boolean
}

export const readMe = statement<CallerParams, SignedIn>(
  'session-me',
  sql`WITH ${callerCtes}
  SELECT ${meColumns('u')}, caller.session_id AS "sessionId",
    ${isPresent('caller')} AS "isPresent"
  FROM caller JOIN users u ON u.user_id = caller.user_id AND caller.api_key_id IS NULL`,
)

export interface SessionRow {
  /** Null in the one row of a caller without any further session. */
  readonly id: string | null
  readonly userAgent: string | null
  readonly ipAddress: string | null
  readonly createdAt: Date
  readonly lastSeenAt: Date
  readonly isCurrent: boolean
}

export const listLiveSessions = statement<CallerParams & { before: string | null; limit: number }, SessionRow>(
  'session-list',
  sql`WITH ${callerCtes}
  SELECT s.session_id AS "id", s.user_agent_txt AS "userAgent", s.ip_address_txt AS "ipAddress",
         s.created_at_utc AS "createdAt", s.last_seen_at_utc AS "lastSeenAt", s.session_id = caller.session_id AS "isCurrent"
  FROM caller
  LEFT JOIN LATERAL (
    SELECT s.* FROM sessions s JOIN users u ON u.user_id = s.user_id
    WHERE s.user_id = caller.user_id AND caller.api_key_id IS NULL AND ${liveSession}
      AND s.session_id < coalesce(${param('before', 'uuid')}, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY s.session_id DESC LIMIT ${param('limit', 'int')}
  ) s ON true
  WHERE caller.api_key_id IS NULL
  ORDER BY s.session_id DESC`,
)

export const endOneSession = statement<
  CallerParams & OriginParams & { sessionId: string },
  { readonly ended: string | null }
>(
  'session-end-one',
  sql`WITH ${callerCtes},
  ended AS (
    UPDATE sessions SET revoked_at_utc = now(), modified_at_utc = now()
    FROM caller
    WHERE sessions.session_id = ${param('sessionId', 'uuid')} AND sessions.user_id = caller.user_id
      AND caller.api_key_id IS NULL AND sessions.revoked_at_utc IS NULL
    RETURNING sessions.session_id, sessions.user_id
  ),
  family AS (${revokeFamily(sql`SELECT ended.session_id FROM ended`)}),
  audited AS (${auditRow('session.ended', 'success', sql`SELECT ended.user_id, ended.session_id::text, '{}'::jsonb FROM ended`)})
  SELECT ended.session_id AS "ended" FROM caller LEFT JOIN ended ON true WHERE caller.api_key_id IS NULL`,
)

/** Logout. By claim or by refresh token; a session that ended already is left as it is. */
export const endThisSession = statement<
  CallerParams & OriginParams & { refreshHash: string | null },
  { readonly ended: string }
>(
  'session-end-this',
  sql`WITH ended AS (
    UPDATE sessions SET revoked_at_utc = now(), modified_at_utc = now()
    WHERE revoked_at_utc IS NULL AND (
      (session_id = ${param('callerSessionId', 'uuid')}
        AND secret_hash_txt IS NOT DISTINCT FROM ${param('callerSecretHash', 'text')}
        AND user_id = coalesce(${param('callerUserId', 'uuid')}, user_id))
      OR session_id = (SELECT session_id FROM refresh_tokens WHERE token_hash_txt = ${param('refreshHash', 'text')})
    )
    RETURNING session_id, user_id
  ),
  family AS (${revokeFamily(sql`SELECT ended.session_id FROM ended`)}),
  audited AS (${auditRow('session.ended', 'success', sql`SELECT ended.user_id, ended.session_id::text, '{}'::jsonb FROM ended`)})
  SELECT session_id AS "ended" FROM ended`,
)

export const endAllSessions = statement<CallerParams & OriginParams, { readonly userId: string }>(
  'session-end-all',
  sql`WITH ${callerCtes},
  raised AS (
    -- The version is what ends them, also one that is just being made; the marks are for people to read.
    UPDATE users SET credential_version_nbr = credential_version_nbr + 1, modified_at_utc = now()
    FROM caller WHERE users.user_id = caller.user_id AND caller.api_key_id IS NULL
    RETURNING users.user_id
  ),
  ended AS (
    UPDATE sessions SET revoked_at_utc = now(), modified_at_utc = now()
    FROM raised WHERE sessions.user_id = raised.user_id AND sessions.revoked_at_utc IS NULL
    RETURNING sessions.session_id
  ),
  family AS (${revokeFamily(sql`SELECT ended.session_id FROM ended`)}),
  audited AS (${auditRow('session.all_ended', 'success', sql`SELECT raised.user_id, raised.user_id::text, '{}'::jsonb FROM raised`)})
  SELECT user_id AS "userId" FROM raised`,
)

export interface RotationRow {
  readonly verdict: 'rotated' | 'repeated' | 'reused' | 'expired' | 'ended'
  readonly userId: string | null
  readonly sessionId: string
}

/**
 * Shows a refresh token. The first showing spends it and stores its successor; a further one within the grace, while
 * the successor is unused, gets the same successor; any other ends the session. The loser of a race waits for the row
 * and then reads the winner's values from it, so both get the one successor.
 */
export const rotateRefreshToken = statement<OriginParams & { shownHash: string; successorHash: string }, RotationRow>(
  'session-rotate',
  sql`WITH shown AS (
    UPDATE refresh_tokens SET used_at_utc = coalesce(used_at_utc, now()), shown_cnt = shown_cnt + 1, modified_at_utc = now()
    WHERE token_hash_txt = ${param('shownHash', 'text')}
    RETURNING session_id, used_at_utc, shown_cnt, expires_at_utc, revoked_at_utc
  ),
  successor AS (SELECT used_at_utc FROM refresh_tokens WHERE token_hash_txt = ${param('successorHash', 'text')}),
  live AS (
    SELECT s.session_id, s.user_id FROM shown JOIN sessions s ON s.session_id = shown.session_id JOIN users u ON u.user_id = s.user_id
    WHERE s.secret_hash_txt IS NULL AND ${liveSession}
  ),
  judged AS (
    SELECT shown.session_id, live.user_id, CASE
      WHEN live.session_id IS NULL OR shown.revoked_at_utc IS NOT NULL THEN 'ended'
      WHEN shown.expires_at_utc <= now() THEN 'expired'
      WHEN shown.shown_cnt = 1 THEN 'rotated'
      WHEN shown.used_at_utc > now() - interval '${sql.raw(String(rotationGraceSeconds))} seconds'
        AND NOT EXISTS (SELECT FROM successor WHERE successor.used_at_utc IS NOT NULL) THEN 'repeated'
      ELSE 'reused' END AS verdict
    FROM shown LEFT JOIN live ON true
  ),
  stored AS (
    INSERT INTO refresh_tokens (token_hash_txt, session_id, expires_at_utc)
    SELECT ${param('successorHash', 'text')}, session_id, now() + interval '${sql.raw(String(refreshTokenDays))} days'
    FROM judged WHERE verdict = 'rotated'
    ON CONFLICT (token_hash_txt) DO NOTHING
  ),
  touched AS (
    UPDATE sessions SET last_seen_at_utc = CASE WHEN judged.verdict = 'rotated' THEN now() ELSE sessions.last_seen_at_utc END,
                        revoked_at_utc = CASE WHEN judged.verdict = 'reused' THEN now() ELSE sessions.revoked_at_utc END
    FROM judged WHERE sessions.session_id = judged.session_id AND judged.verdict IN ('rotated', 'reused')
  ),
  family AS (${revokeFamily(sql`SELECT judged.session_id FROM judged WHERE judged.verdict = 'reused'`)} AND token_hash_txt <> ${param('shownHash', 'text')}),
  audited AS (${auditRow('session.reuse_detected', 'refused', sql`SELECT judged.user_id, judged.session_id::text, '{}'::jsonb FROM judged WHERE judged.verdict = 'reused'`)})
  SELECT verdict AS "verdict", user_id AS "userId", session_id AS "sessionId" FROM judged`,
)
