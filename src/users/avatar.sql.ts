// The statements of a person's picture: each takes the old one's place and writes its erasure.

import { type SQL, sql } from 'drizzle-orm'
import { type Me, meColumns } from '../auth/sessions.sql.ts'
import { type AuditAction, auditRow, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { eraseAvatars } from '../db/erasure.ts'

export type AvatarChange = (Me | { readonly id: null }) & {
  readonly isKey: boolean
  /** Of the picture that was there before; null where there was none. */
  readonly erasureId: string | null
}

/**
 * No row: 401. Nulls: a key, or somebody deleted meanwhile. The person's row is held, so that of two changes at once the
 * later erases what the earlier brought.
 */
const change = (avatarId: SQL, action: AuditAction, condition: SQL): SQL => sql`WITH ${callerCtes},
  person AS (
    SELECT u.user_id, u.avatar_id FROM caller JOIN users u ON u.user_id = caller.user_id
    WHERE caller.api_key_id IS NULL FOR NO KEY UPDATE OF u
  ),
  changed AS (
    UPDATE users u SET avatar_id = ${avatarId}, modified_at_utc = now()
    FROM person WHERE u.user_id = person.user_id
    RETURNING u.*
  ),
  erased AS (${eraseAvatars(sql`SELECT person.avatar_id FROM person`)}),
  audited AS (${auditRow(action, 'success', sql`SELECT person.user_id, person.user_id::text, '{}'::jsonb FROM person WHERE ${condition}`)})
  SELECT caller.api_key_id IS NOT NULL AS "isKey", erased.erasure_id AS "erasureId", ${meColumns('changed')}
  FROM caller LEFT JOIN changed ON true LEFT JOIN erased ON true`

export const setAvatar = statement<CallerParams & OriginParams & { avatarId: string }, AvatarChange>(
  'avatar-set',
  change(param('avatarId', 'uuid'), 'avatar.changed', sql`true`),
)

/** Removed already is removed: nothing is told twice. */
export const clearAvatar = statement<CallerParams & OriginParams, AvatarChange>(
  'avatar-clear',
  change(sql`NULL`, 'avatar.removed', sql`person.avatar_id IS NOT NULL`),
)
