// What has served its time, removed in bounded batches, one statement a subject. Each may run twice and overlap.

import { type SQL, sql } from 'drizzle-orm'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { eraseAvatars, eraseGrants } from '../db/erasure.ts'

interface Limit {
  readonly limit: number
}

interface Purged {
  readonly count: number
}

/**
 * Envelopes that still stand under an expired code, consumed or not, become erasures: nobody came for the grant. A
 * connection that is being written at this moment gets 15 s.
 */
export const abandonWaitingGrants = statement<Limit, Purged>(
  'purge-waiting-grants',
  sql`WITH abandoned AS MATERIALIZED (
    SELECT c.one_time_code_id, c.provider_cd, c.provider_subject_txt, c.payload_sealed_txt, c.user_id
    FROM one_time_codes c
    WHERE c.expires_at_utc < now() - interval '15 seconds' AND c.payload_sealed_txt IS NOT NULL AND c.provider_subject_txt IS NOT NULL
    ORDER BY c.expires_at_utc LIMIT ${param('limit', 'int')}
    FOR UPDATE SKIP LOCKED
  ),
  emptied AS (
    UPDATE one_time_codes c SET payload_sealed_txt = NULL, modified_at_utc = now() FROM abandoned WHERE c.one_time_code_id = abandoned.one_time_code_id
  ),
  erased AS (${eraseGrants(sql`
    SELECT DISTINCT ON (abandoned.provider_cd, abandoned.provider_subject_txt) abandoned.provider_cd, abandoned.provider_subject_txt, abandoned.payload_sealed_txt,
      jsonb_build_array('one_time_codes.payload_sealed_txt', abandoned.one_time_code_id::text, abandoned.user_id::text)::text, now()
    FROM abandoned ORDER BY abandoned.provider_cd, abandoned.provider_subject_txt, abandoned.one_time_code_id DESC`)})
  SELECT count(*)::int AS "count" FROM abandoned`,
)

const purge = (name: string, table: string, key: string, condition: SQL) =>
  statement<Limit, Purged>(
    `purge-${name}`,
    sql`WITH old AS MATERIALIZED (
      SELECT ${sql.raw(key)} FROM ${sql.raw(table)} WHERE ${condition} LIMIT ${param('limit', 'int')} FOR UPDATE SKIP LOCKED
    ),
    gone AS (DELETE FROM ${sql.raw(table)} WHERE ${sql.raw(key)} IN (SELECT ${sql.raw(key)} FROM old) RETURNING 1)
    SELECT count(*)::int AS "count" FROM gone`,
  )

/** Codes that expired; the picture of a registration that nobody confirmed goes with it. */
const purgeCodes = statement<Limit, Purged>(
  'purge-one-time-codes',
  sql`WITH old AS MATERIALIZED (
    SELECT one_time_code_id FROM one_time_codes
    WHERE expires_at_utc < now() - interval '1 minute' AND (payload_sealed_txt IS NULL OR provider_subject_txt IS NULL)
    LIMIT ${param('limit', 'int')} FOR UPDATE SKIP LOCKED
  ),
  gone AS (
    DELETE FROM one_time_codes WHERE one_time_code_id IN (SELECT one_time_code_id FROM old)
    RETURNING purpose_cd, consumed_at_utc, avatar_id
  ),
  -- A consumed one's picture is its user's, or was erased where another way ended it.
  erased AS (${eraseAvatars(sql`SELECT gone.avatar_id FROM gone WHERE gone.purpose_cd = 'registration' AND gone.consumed_at_utc IS NULL`)})
  SELECT count(*)::int AS "count" FROM gone`,
)

export const purges = [
  purgeCodes,
  // A spent token is kept while its reuse would tell of a theft: as long as it could have lived.
  purge('refresh-tokens', 'refresh_tokens', 'token_hash_txt', sql`expires_at_utc < now() - interval '1 day'`),
  purge('sessions', 'sessions', 'session_id', sql`last_seen_at_utc < now() - interval '31 days'`),
  purge('audit-logs', 'audit_logs', 'audit_log_id', sql`created_at_utc < now() - interval '400 days'`),
  // A cause stays told for as long as it could come up again: a request's code lives a day, a mailbox's dying token and
  // its letter's version or date never return, and a queue or a consumer repeats itself within hours.
  purge('letters', 'letters', 'letter_id', sql`status_cd <> 'due' AND created_at_utc < now() - interval '90 days'`),
  // A count that nobody added to for a day begins anew anyway (auth/attempts); a lock that stands is kept.
  purge(
    'login-attempts',
    'login_attempts',
    'login_attempt_id',
    sql`modified_at_utc < now() - interval '24 hours' AND (locked_until_utc IS NULL OR locked_until_utc <= now())`,
  ),
  // The longest window is a day.
  purge('counters', 'counters', 'counter_id', sql`window_started_at_utc < now() - interval '25 hours'`),
  // Sent or given up: the message itself went when it was.
  purge(
    'outbox',
    'outbox',
    'outbox_id',
    sql`created_at_utc < now() - interval '30 days' AND status_cd IN ('sent', 'failed')`,
  ),
  purge('dead-letters', 'dead_letters', 'dead_letter_id', sql`created_at_utc < now() - interval '90 days'`),
] as const

/** Its conditions are those of the partial index `audit_logs_origin_ix`, which holds only what is not blanked yet. */
export const blankOldOrigins = statement<Limit, Purged>(
  'purge-audit-origins',
  sql`WITH old AS MATERIALIZED (
    SELECT audit_log_id FROM audit_logs
    WHERE created_at_utc < now() - interval '90 days' AND (ip_address_txt IS NOT NULL OR user_agent_txt IS NOT NULL)
    ORDER BY created_at_utc LIMIT ${param('limit', 'int')} FOR UPDATE SKIP LOCKED
  ),
  blanked AS (
    UPDATE audit_logs SET ip_address_txt = NULL, user_agent_txt = NULL WHERE audit_log_id IN (SELECT audit_log_id FROM old) RETURNING 1
  )
  SELECT count(*)::int AS "count" FROM blanked`,
)

/**
 * Letters that nobody took for a week are void: they must not all go out on the day a transport lands. The row stays, so
 * that its cause stays told.
 */
export const voidOldLetters = statement<Limit, Purged>(
  'purge-old-letters',
  sql`WITH old AS MATERIALIZED (
    SELECT letter_id FROM letters WHERE status_cd = 'due' AND due_at_utc < now() - interval '7 days'
    ORDER BY due_at_utc LIMIT ${param('limit', 'int')} FOR UPDATE SKIP LOCKED
  ),
  voided AS (
    UPDATE letters SET status_cd = 'void', modified_at_utc = now() WHERE letter_id IN (SELECT letter_id FROM old) RETURNING 1
  )
  SELECT count(*)::int AS "count" FROM voided`,
)

/** A message that was given up can be written anew for a week. */
export const forgetUnsentMail = statement<Limit, Purged>(
  'purge-unsent-mail',
  sql`WITH old AS MATERIALIZED (
    SELECT outbox_id FROM outbox
    WHERE modified_at_utc < now() - interval '7 days' AND status_cd = 'failed' AND draft_json IS NOT NULL
    ORDER BY modified_at_utc LIMIT ${param('limit', 'int')} FOR UPDATE SKIP LOCKED
  ),
  forgotten AS (UPDATE outbox SET draft_json = NULL WHERE outbox_id IN (SELECT outbox_id FROM old) RETURNING 1)
  SELECT count(*)::int AS "count" FROM forgotten`,
)

/** An Idempotency-Key counts for a day. */
export const releaseIdempotencyKeys = statement<Limit, Purged>(
  'purge-idempotency-keys',
  sql`WITH old AS MATERIALIZED (
    SELECT outbox_id FROM outbox
    WHERE created_at_utc < now() - interval '24 hours' AND created_at_utc > now() - interval '31 days' AND idempotency_key_txt IS NOT NULL
    LIMIT ${param('limit', 'int')} FOR UPDATE SKIP LOCKED
  ),
  released AS (UPDATE outbox SET idempotency_key_txt = NULL WHERE outbox_id IN (SELECT outbox_id FROM old) RETURNING 1)
  SELECT count(*)::int AS "count" FROM released`,
)

/**
 * Mail that is hidden: of mailboxes disconnected without keeping it, also where they came back since, and of those that
 * outlived their user. The mark goes once nothing hidden is left.
 */
export const purgeHiddenMail = statement<Limit, Purged>(
  'purge-hidden-mail',
  sql`WITH mailbox AS MATERIALIZED (
    SELECT a.user_mail_account_id, a.mail_since_utc, CASE WHEN a.user_id IS NULL THEN 'infinity' ELSE a.mail_since_utc END AS shown_since
    FROM user_mail_accounts a WHERE a.purge_mail_flg OR a.user_id IS NULL
    ORDER BY a.user_mail_account_id LIMIT 1000
  ),
  old AS MATERIALIZED (
    SELECT hidden.email_id FROM mailbox CROSS JOIN LATERAL (
      SELECT e.email_id FROM emails e
      WHERE e.user_mail_account_id = mailbox.user_mail_account_id AND e.created_at_utc < mailbox.shown_since
      LIMIT ${param('limit', 'int')}
    ) hidden LIMIT ${param('limit', 'int')}
  ),
  -- A sync may have shown one of them again meanwhile.
  gone AS (
    DELETE FROM emails e USING mailbox
    WHERE e.email_id IN (SELECT email_id FROM old)
      AND e.user_mail_account_id = mailbox.user_mail_account_id AND e.created_at_utc < mailbox.shown_since
    RETURNING 1
  ),
  cleared AS (
    UPDATE user_mail_accounts a SET purge_mail_flg = false FROM mailbox
    WHERE a.user_mail_account_id = mailbox.user_mail_account_id AND a.purge_mail_flg AND a.mail_since_utc = mailbox.mail_since_utc AND NOT EXISTS (
      SELECT FROM emails e WHERE e.user_mail_account_id = a.user_mail_account_id AND e.created_at_utc < a.mail_since_utc)
  )
  SELECT count(*)::int AS "count" FROM gone`,
)

/**
 * Mailboxes that outlived their user, once their mail is gone. They hold no secret: whatever deletes a user moves the envelopes to `erasures`,
 * and where it did not, a trigger does (migration 0006).
 */
export const purgeOrphanedMailboxes = purge(
  'orphaned-mailboxes',
  'user_mail_accounts',
  'user_mail_account_id',
  sql`user_id IS NULL AND NOT EXISTS (SELECT FROM emails e WHERE e.user_mail_account_id = user_mail_accounts.user_mail_account_id)`,
)
