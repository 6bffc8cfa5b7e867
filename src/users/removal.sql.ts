// The statement that deletes a user and all that hangs on them.

import { sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { emptyHeldTokens, eraseAvatars, eraseGrants, heldGrants } from '../db/erasure.ts'
import { writeLetters } from '../letters/outgoing.sql.ts'
import { actorCtes, isLastAdmin, refusedVerb } from './acting-admin.sql.ts'

export interface RemovalRow {
  /** False for another's account where the caller is no administrator, whether it exists or not. */
  readonly isAllowed: boolean
  readonly isFound: boolean
  readonly isPresent: boolean
  readonly isLastAdmin: boolean
  readonly deletedId: string | null
  readonly grantErasureIds: readonly string[]
  readonly avatarErasureId: string | null
  readonly letterId: string | null
}

const isSelf = sql`actor.user_id = coalesce(${param('targetId', 'uuid')}, actor.user_id)`

/**
 * No row: 401, or a key. Envelopes are bound to the user's id, so they move to `erasures` here or nobody can ever open
 * them again, not even to revoke; their rows are held first, since a refresh may just have replaced one. Sessions,
 * tokens, identities, tries and keys go with the user's row. Mailboxes are left emptied, ownerless and hidden for purge;
 * grants that wait under a code become due for it at once. A mailbox that is being connected at this moment is not in
 * the statement's snapshot: the trigger on ownerless mailboxes lets go of it the same way.
 */
export const removeUser = statement<
  CallerParams & OriginParams & { targetId: string | null; letterId: string },
  RemovalRow
>(
  'user-remove',
  sql`WITH ${callerCtes}, ${actorCtes},
  target AS MATERIALIZED (
    SELECT u.user_id, u.email_address_txt, u.email_verified_at_utc, u.avatar_id, u.role_cd, u.is_active_flg, actor.user_id AS actor_id, actor.is_present
    FROM actor JOIN users u ON u.user_id = coalesce(${param('targetId', 'uuid')}, actor.user_id)
    WHERE actor.is_admin OR ${isSelf}
    FOR UPDATE OF u
  ),
  leaving AS MATERIALIZED (SELECT target.* FROM target WHERE target.is_present AND NOT ${isLastAdmin('target')}),
  held AS MATERIALIZED (
    SELECT t.oauth_token_id, t.access_token_txt, t.refresh_token_txt, a.user_mail_account_id, a.user_id, a.provider_cd, a.provider_subject_txt
    FROM leaving JOIN user_mail_accounts a ON a.user_id = leaving.user_id
    JOIN oauth_tokens t ON t.user_mail_account_id = a.user_mail_account_id
    ORDER BY t.oauth_token_id
    FOR UPDATE OF t
  ),
  emptied AS (${emptyHeldTokens}),
  left_behind AS (
    UPDATE user_mail_accounts a SET user_id = NULL, is_active_flg = false, status_cd = 'disconnected', granted_scopes_txt = '',
      keep_mail_flg = false, mail_since_utc = 'infinity', sync_cursor_txt = NULL, sync_due_at_utc = NULL, modified_at_utc = now()
    -- The token rows are held first: every statement locks in this order.
    FROM leaving, (SELECT count(*) FROM held) AS held_first
    WHERE a.user_id = leaving.user_id
    RETURNING a.user_mail_account_id
  ),
  erased AS (${eraseGrants(heldGrants)}),
  picture AS (${eraseAvatars(sql`SELECT leaving.avatar_id FROM leaving`)}),
  codes_ended AS (
    UPDATE one_time_codes c SET consumed_at_utc = coalesce(c.consumed_at_utc, now()), expires_at_utc = least(c.expires_at_utc, now()),
      -- A waiting grant's envelope stays until purge has made an erasure of it; what else waits is forgotten.
      payload_sealed_txt = CASE WHEN c.provider_subject_txt IS NOT NULL THEN c.payload_sealed_txt END, modified_at_utc = now()
    FROM leaving WHERE c.user_id = leaving.user_id
  ),
  written AS (${writeLetters(sql`
    SELECT ${param('letterId', 'uuid')}, 'account_deleted', leaving.email_address_txt, NULL::uuid, 'account_deleted:' || ${param('letterId', 'uuid')}::text, 'due'
    FROM leaving WHERE leaving.email_verified_at_utc IS NOT NULL`)}),
  deleted AS (
    DELETE FROM users u USING leaving WHERE u.user_id = leaving.user_id
    RETURNING u.user_id
  ),
  audited AS (${auditRow(
    'user.deleted',
    'success',
    sql`SELECT leaving.actor_id, leaving.user_id::text, jsonb_build_object('by', CASE WHEN leaving.actor_id = leaving.user_id THEN 'self' ELSE 'admin' END,
      'mailboxes', (SELECT count(*) FROM left_behind)) FROM leaving`,
  )}),
  refused AS (${refusedVerb(
    'user.delete',
    sql`NOT actor.is_admin AND NOT ${isSelf}`,
    sql`SELECT target.user_id, 'last_admin' FROM target WHERE target.is_present AND ${isLastAdmin('target')}`,
  )})
  SELECT actor.is_admin OR ${isSelf} AS "isAllowed", target.user_id IS NOT NULL AS "isFound", actor.is_present AS "isPresent",
    coalesce(${isLastAdmin('target')}, false) AS "isLastAdmin", deleted.user_id AS "deletedId",
    ARRAY(SELECT erased.erasure_id::text FROM erased) AS "grantErasureIds",
    (SELECT picture.erasure_id FROM picture) AS "avatarErasureId", (SELECT written.letter_id FROM written) AS "letterId"
  FROM actor LEFT JOIN target ON true LEFT JOIN deleted ON true`,
)
