// What lies outside PostgreSQL (grants, avatars) is erased by a row of `erasures`, one a provider and subject, written
// in the statement that empties the source. Common ground of every room that must forget something.

import { type SQL, sql } from 'drizzle-orm'

// An access token lives an hour, and revoking a dead one says nothing: it never replaces a refresh token that waits.
const isPoorer = sql`excluded.sealed_as_txt LIKE '%access_token%' AND erasures.sealed_as_txt NOT LIKE '%access_token%'`

/**
 * `INSERT` of grants to revoke. `source` yields (provider_cd, provider_subject_txt, sealed_txt, sealed_as_txt,
 * due_at_utc), one row a subject at most. A row that waits already is joined: it takes the newer envelope (an older one
 * may be spent) and a higher version, so that a consumer that looked before cannot act on what it saw.
 */
export function eraseGrants(source: SQL): SQL {
  return sql`
    INSERT INTO erasures (kind_cd, provider_cd, provider_subject_txt, sealed_txt, sealed_as_txt, due_at_utc)
    SELECT 'grant', g.provider_cd, g.provider_subject_txt, g.sealed_txt, g.sealed_as_txt, g.due_at_utc
    FROM (${source}) AS g(provider_cd, provider_subject_txt, sealed_txt, sealed_as_txt, due_at_utc)
    WHERE g.sealed_txt IS NOT NULL
    ON CONFLICT (kind_cd, provider_cd, provider_subject_txt) DO UPDATE SET
      sealed_txt = CASE WHEN ${isPoorer} THEN erasures.sealed_txt ELSE excluded.sealed_txt END,
      sealed_as_txt = CASE WHEN ${isPoorer} THEN erasures.sealed_as_txt ELSE excluded.sealed_as_txt END,
      due_at_utc = excluded.due_at_utc,
      version_nbr = erasures.version_nbr + 1,
      attempt_cnt = 0,
      modified_at_utc = now()
    RETURNING erasure_id`
}

/** The coordinates of an envelope of `oauth_tokens`, as crypto/seal formats them (`formatSealedAs`). */
function sealedAsSql(column: 'access_token_txt' | 'refresh_token_txt', rowId: SQL, userId: SQL): SQL {
  return sql`jsonb_build_array(${sql.raw(`'oauth_tokens.${column}'`)}, ${rowId}::text, ${userId}::text)::text`
}

/** `UPDATE` that empties the token rows of the CTE `held`, which has locked them; the version is the fence of a refresh under way. */
export const emptyHeldTokens: SQL = sql`
    UPDATE oauth_tokens t SET access_token_txt = NULL, refresh_token_txt = NULL, expires_at_utc = NULL, refresh_token_expires_at_utc = NULL,
      refresh_due_at_utc = NULL, lease_id = NULL, lease_until_utc = NULL, failure_cnt = 0, last_error_cd = NULL,
      version_nbr = t.version_nbr + 1, modified_at_utc = now()
    FROM held WHERE t.oauth_token_id = held.oauth_token_id`

/**
 * For `eraseGrants`: the grants of the CTE `held` (provider, subject, mailbox, user and both envelopes), each by its
 * refresh token where it has one.
 */
export const heldGrants: SQL = sql`
    SELECT held.provider_cd, held.provider_subject_txt, coalesce(held.refresh_token_txt, held.access_token_txt),
      CASE WHEN held.refresh_token_txt IS NOT NULL
        THEN ${sealedAsSql('refresh_token_txt', sql`held.user_mail_account_id`, sql`held.user_id`)}
        ELSE ${sealedAsSql('access_token_txt', sql`held.user_mail_account_id`, sql`held.user_id`)} END,
      now()
    FROM held`

/** `INSERT` of pictures to remove from R2. `source` yields avatar ids; nulls are left out. */
export function eraseAvatars(source: SQL): SQL {
  return sql`
    INSERT INTO erasures (kind_cd, provider_cd, provider_subject_txt, due_at_utc)
    SELECT 'avatar', 'r2', a.avatar_id::text, now() FROM (${source}) AS a(avatar_id) WHERE a.avatar_id IS NOT NULL
    ON CONFLICT (kind_cd, provider_cd, provider_subject_txt) DO NOTHING
    RETURNING erasure_id`
}
