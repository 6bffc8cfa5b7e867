// Statements of disconnecting a mailbox and of revoking its grant at the provider.

import { sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { emptyHeldTokens, eraseGrants, heldGrants } from '../db/erasure.ts'

/**
 * Empties the token row at once; its envelope moves to `erasures` with the coordinates it was sealed under. The row is
 * read FOR UPDATE, since a refresh may just have replaced the envelope; the version is the fence of one under way.
 */
export const disconnectAccount = statement<
  CallerParams & OriginParams & { accountId: string; keepsMail: boolean },
  { readonly isKey: boolean; readonly accountId: string | null; readonly erasureId: string | null }
>(
  'mail-account-disconnect',
  sql`WITH ${callerCtes},
  mailbox AS (
    SELECT a.user_mail_account_id, a.user_id, a.provider_cd, a.provider_subject_txt
    FROM caller JOIN user_mail_accounts a ON a.user_id = caller.user_id AND a.user_mail_account_id = ${param('accountId', 'uuid')}
    WHERE caller.api_key_id IS NULL
  ),
  held AS (
    SELECT t.oauth_token_id, t.access_token_txt, t.refresh_token_txt, mailbox.*
    FROM mailbox JOIN oauth_tokens t ON t.user_mail_account_id = mailbox.user_mail_account_id
    FOR UPDATE OF t
  ),
  emptied AS (${emptyHeldTokens}),
  disconnected AS (
    UPDATE user_mail_accounts a SET is_active_flg = false, status_cd = 'disconnected', granted_scopes_txt = '',
      status_changed_at_utc = CASE WHEN a.status_cd = 'disconnected' THEN a.status_changed_at_utc ELSE now() END,
      -- Disconnecting once more without keeping the mail lets it go; keeping comes with the first time only.
      keep_mail_flg = kept.is_kept,
      -- What is not kept is hidden from this moment and deleted by purge; what is kept goes on from its cursor, should the
      -- mailbox come back.
      mail_since_utc = CASE WHEN kept.is_kept THEN a.mail_since_utc ELSE 'infinity' END,
      purge_mail_flg = a.purge_mail_flg OR NOT kept.is_kept,
      sync_cursor_txt = CASE WHEN kept.is_kept THEN a.sync_cursor_txt END, sync_due_at_utc = NULL, modified_at_utc = now()
    -- The token row is locked first; a mailbox without one is disconnected all the same.
    FROM mailbox JOIN user_mail_accounts old ON old.user_mail_account_id = mailbox.user_mail_account_id LEFT JOIN held ON true
    CROSS JOIN LATERAL (SELECT ${param('keepsMail', 'boolean')} AND (old.is_active_flg OR old.keep_mail_flg) AS is_kept) kept
    WHERE a.user_mail_account_id = mailbox.user_mail_account_id
    RETURNING a.user_mail_account_id, a.keep_mail_flg
  ),
  -- A sync under way finds its lease gone and stores nothing more.
  sync_ended AS (
    DELETE FROM mail_syncs s USING disconnected WHERE s.user_mail_account_id = disconnected.user_mail_account_id
  ),
  labels_forgotten AS (
    DELETE FROM mail_labels l USING disconnected
    WHERE l.user_mail_account_id = disconnected.user_mail_account_id AND NOT disconnected.keep_mail_flg
  ),
  skips_forgotten AS (
    DELETE FROM mail_skips k USING disconnected
    WHERE k.user_mail_account_id = disconnected.user_mail_account_id AND NOT disconnected.keep_mail_flg
  ),
  -- What is being sent at this moment ends by its own lease; nothing else leaves any more.
  outbox_ended AS (
    UPDATE outbox o SET status_cd = 'failed', mime_txt = NULL, draft_json = NULL, modified_at_utc = now(),
      -- What may have been sent can be looked up by its sender only.
      last_error_cd = CASE o.status_cd WHEN 'unconfirmed' THEN 'unconfirmed' ELSE 'disconnected' END
    FROM disconnected WHERE o.user_mail_account_id = disconnected.user_mail_account_id AND o.status_cd IN ('queued', 'unconfirmed')
    RETURNING o.outbox_id, o.user_mail_account_id, o.last_error_cd
  ),
  told_failed AS (${auditRow(
    'email.failed',
    'failure',
    sql`SELECT NULL::uuid, outbox_id::text, jsonb_build_object('mail_account_id', user_mail_account_id, 'error', last_error_cd) FROM outbox_ended`,
  )}),
  erased AS (${eraseGrants(heldGrants)}),
  audited AS (${auditRow(
    'mail_account.disconnected',
    'success',
    sql`SELECT mailbox.user_id, mailbox.user_mail_account_id::text, jsonb_build_object('keep_mail', ${param('keepsMail', 'boolean')}) FROM mailbox`,
  )})
  SELECT caller.api_key_id IS NOT NULL AS "isKey", disconnected.user_mail_account_id AS "accountId", erased.erasure_id AS "erasureId"
  FROM caller LEFT JOIN disconnected ON true LEFT JOIN erased ON true`,
)

export interface ClaimedErasure {
  /** `claimed`: call the provider. `dropped`: another grant of the subject lives; the last one revokes. */
  readonly verdict: 'claimed' | 'dropped'
  readonly provider: string
  readonly providerSubject: string
  readonly sealed: string
  readonly sealedAs: string
  readonly version: number
  readonly attemptCount: number
}

/** Longest a revocation is tried, from the first disconnect that asked for it. */
const erasureHours = 24

/**
 * Looks, and claims or drops the row only at the version it looked at. Google's revocation ends every grant of the
 * person for the whole project, so it is claimed only where no live and no waiting grant has the same subject.
 * No row: nothing is due under this id.
 */
export const claimErasure = statement<{ erasureId: string }, ClaimedErasure>(
  'erasure-claim',
  sql`WITH looked AS MATERIALIZED (
    SELECT e.erasure_id, e.version_nbr, e.created_at_utc < now() - interval '${sql.raw(String(erasureHours))} hours' AS given_up,
      EXISTS (
        SELECT FROM user_mail_accounts a JOIN oauth_tokens t ON t.user_mail_account_id = a.user_mail_account_id
        WHERE a.provider_cd = e.provider_cd AND a.provider_subject_txt = e.provider_subject_txt AND a.is_active_flg
          -- What outlived its user is nobody's grant.
          AND a.user_id IS NOT NULL AND a.status_cd <> 'needs_reauthorization' AND coalesce(t.refresh_token_txt, t.access_token_txt) IS NOT NULL
      ) OR EXISTS (
        SELECT FROM one_time_codes c
        -- Consumed or not, expired or not: while its envelope stands it may still be stored, or purge makes an erasure of it.
        WHERE c.provider_cd = e.provider_cd AND c.provider_subject_txt = e.provider_subject_txt AND c.payload_sealed_txt IS NOT NULL
      ) AS has_others
    FROM erasures e
    WHERE e.erasure_id = ${param('erasureId', 'uuid')} AND e.kind_cd = 'grant' AND e.due_at_utc <= now()
  ),
  dropped AS (
    DELETE FROM erasures e USING looked
    WHERE e.erasure_id = looked.erasure_id AND e.version_nbr = looked.version_nbr AND (looked.has_others OR looked.given_up)
    RETURNING e.provider_cd, e.provider_subject_txt, e.sealed_txt, e.sealed_as_txt, e.version_nbr, e.attempt_cnt, looked.has_others
  ),
  claimed AS (
    UPDATE erasures e SET due_at_utc = now() + interval '1 minute' * power(2, least(e.attempt_cnt, 6)), attempt_cnt = e.attempt_cnt + 1, modified_at_utc = now()
    FROM looked
    WHERE e.erasure_id = looked.erasure_id AND e.version_nbr = looked.version_nbr AND e.due_at_utc <= now()
      AND NOT (looked.has_others OR looked.given_up)
    RETURNING e.provider_cd, e.provider_subject_txt, e.sealed_txt, e.sealed_as_txt, e.version_nbr, e.attempt_cnt
  ),
  audited AS (
    INSERT INTO audit_logs (action_cd, outcome_cd, subject_id_txt)
    SELECT 'grant.revocation_given_up', 'failure', ${param('erasureId', 'uuid')}::text FROM dropped WHERE NOT dropped.has_others
  )
  SELECT 'claimed' AS "verdict", provider_cd AS "provider", provider_subject_txt AS "providerSubject", sealed_txt AS "sealed",
         sealed_as_txt AS "sealedAs", version_nbr AS "version", attempt_cnt AS "attemptCount" FROM claimed
  UNION ALL
  SELECT 'dropped', provider_cd, provider_subject_txt, sealed_txt, sealed_as_txt, version_nbr, attempt_cnt FROM dropped`,
)

/**
 * After the provider's call: the row goes where it was answered and nothing joined it meanwhile. Live grants of the
 * subject, made while the call was under way, become due at once, so that a death is noticed.
 */
export const finishErasure = statement<
  {
    erasureId: string
    version: number
    isDone: boolean
    error: string | null
    provider: string
    providerSubject: string
    delaySeconds: number
  },
  { readonly woken: number }
>(
  'erasure-finish',
  sql`WITH gone AS (
    DELETE FROM erasures WHERE erasure_id = ${param('erasureId', 'uuid')} AND version_nbr = ${param('version', 'int')} AND ${param('isDone', 'boolean')}
  ),
  delayed AS (
    UPDATE erasures SET last_error_cd = ${param('error', 'text')}, due_at_utc = greatest(due_at_utc, now() + make_interval(secs => ${param('delaySeconds', 'int')})), modified_at_utc = now()
    WHERE erasure_id = ${param('erasureId', 'uuid')} AND version_nbr = ${param('version', 'int')} AND NOT ${param('isDone', 'boolean')}
  ),
  woken AS (
    UPDATE oauth_tokens t SET refresh_due_at_utc = now()
    FROM user_mail_accounts a
    WHERE a.user_mail_account_id = t.user_mail_account_id AND a.provider_cd = ${param('provider', 'text')}
      AND a.provider_subject_txt = ${param('providerSubject', 'text')} AND a.is_active_flg AND a.status_cd <> 'needs_reauthorization'
      AND t.refresh_token_txt IS NOT NULL
    RETURNING t.oauth_token_id
  ),
  audited AS (
    INSERT INTO audit_logs (action_cd, outcome_cd, subject_id_txt)
    -- Even where a connection took the row away meanwhile: the provider has ended that grant, too.
    SELECT 'grant.revoked', 'success', ${param('erasureId', 'uuid')}::text WHERE ${param('isDone', 'boolean')}
  )
  SELECT count(*)::int AS "woken" FROM woken`,
)

export const findDueErasures = statement<{ limit: number }, { readonly id: string }>(
  'erasure-due',
  sql`SELECT erasure_id AS "id" FROM erasures WHERE due_at_utc <= now() AND kind_cd = 'grant' ORDER BY due_at_utc LIMIT ${param('limit', 'int')}`,
)
