// Statements of identities: the ways a person signs in by a provider. A connected mailbox is none, and is not here.

import { sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { isPresent } from './presence.sql.ts'

export interface Identity {
  readonly id: string
  readonly provider: string
  /** As the provider last said it; no proof of anything. */
  readonly email: string | null
  readonly createdAt: Date
}

export const listOwnIdentities = statement<
  CallerParams & { before: string | null; limit: number },
  /** A row of nulls where the caller has none (further). */
  Identity | { readonly id: null }
>(
  'identity-list',
  sql`WITH ${callerCtes}
  SELECT i.user_identity_id AS "id", i.provider_cd AS "provider", i.email_address_txt AS "email", i.created_at_utc AS "createdAt"
  FROM caller
  LEFT JOIN LATERAL (
    SELECT * FROM user_identities i
    WHERE i.user_id = caller.user_id AND i.user_identity_id < coalesce(${param('before', 'uuid')}, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY i.user_identity_id DESC LIMIT ${param('limit', 'int')}
  ) i ON true
  WHERE caller.api_key_id IS NULL
  ORDER BY i.user_identity_id DESC`,
)

export interface UnlinkRow {
  /** False where the credentials changed between the statement's snapshot and its lock: ask again. */
  readonly isHeld: boolean
  /** The identity is the caller's. */
  readonly isOwn: boolean
  readonly isPresent: boolean
  readonly removedId: string | null
  /** The session that asked, raised with its user. */
  readonly keptSessionId: string | null
}

/**
 * No row: 401. Whoever unlinks holds the user's row, and every unlinking raises its credential version: of two at once
 * the second finds the version changed under its lock and is not held, since its snapshot still shows the identity that
 * the first one took.
 */
export const unlinkOwnIdentity = statement<CallerParams & OriginParams & { identityId: string }, UnlinkRow>(
  'identity-unlink',
  sql`WITH ${callerCtes},
  asking AS MATERIALIZED (
    SELECT caller.user_id, caller.session_id, s.credential_version_nbr,
      ${isPresent('caller')} AS is_present
    FROM caller JOIN sessions s ON s.session_id = caller.session_id
    WHERE caller.api_key_id IS NULL
  ),
  held AS MATERIALIZED (
    -- A password counts where there is a name to say with it: look-ups by address see only verified ones.
    SELECT u.user_id, u.password_hash_txt IS NOT NULL AND (u.email_verified_at_utc IS NOT NULL OR u.username_txt IS NOT NULL) AS has_password
    FROM asking JOIN users u ON u.user_id = asking.user_id AND u.credential_version_nbr = asking.credential_version_nbr
    FOR UPDATE OF u
  ),
  own AS MATERIALIZED (
    SELECT i.user_identity_id FROM user_identities i JOIN held ON i.user_id = held.user_id
    WHERE i.user_identity_id = ${param('identityId', 'uuid')}
  ),
  removed AS (
    DELETE FROM user_identities i USING held, asking
    WHERE i.user_identity_id = ${param('identityId', 'uuid')} AND i.user_id = held.user_id AND asking.is_present
      AND (held.has_password OR EXISTS (
        SELECT FROM user_identities other WHERE other.user_id = held.user_id AND other.user_identity_id <> ${param('identityId', 'uuid')}
      ))
    RETURNING i.user_identity_id, i.user_id, i.provider_cd
  ),
  raised AS (
    UPDATE users u SET credential_version_nbr = u.credential_version_nbr + 1, modified_at_utc = now()
    FROM removed WHERE u.user_id = removed.user_id
    RETURNING u.user_id, u.credential_version_nbr
  ),
  kept AS (
    -- Read by the last SELECT: so it runs before the caller's last-use stamp, which writes the same row and would win.
    UPDATE sessions s SET credential_version_nbr = raised.credential_version_nbr, last_seen_at_utc = now(), modified_at_utc = now()
    FROM raised, asking WHERE s.session_id = asking.session_id
    RETURNING s.session_id
  ),
  ended AS (
    UPDATE sessions s SET revoked_at_utc = now(), modified_at_utc = now()
    FROM raised, asking
    WHERE s.user_id = raised.user_id AND s.session_id <> asking.session_id AND s.revoked_at_utc IS NULL
    RETURNING s.session_id
  ),
  family AS (
    UPDATE refresh_tokens t SET revoked_at_utc = now(), modified_at_utc = now()
    FROM ended WHERE t.session_id = ended.session_id AND t.revoked_at_utc IS NULL
  ),
  audited AS (${auditRow(
    'identity.unlinked',
    'success',
    sql`SELECT removed.user_id, removed.user_id::text, jsonb_build_object('provider', removed.provider_cd, 'identity_id', removed.user_identity_id) FROM removed`,
  )})
  SELECT held.user_id IS NOT NULL AS "isHeld", own.user_identity_id IS NOT NULL AS "isOwn", asking.is_present AS "isPresent",
    removed.user_identity_id AS "removedId", kept.session_id AS "keptSessionId"
  FROM asking LEFT JOIN held ON true LEFT JOIN own ON true LEFT JOIN removed ON true LEFT JOIN kept ON true`,
)
