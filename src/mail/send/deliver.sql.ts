// Statements of sending what was taken in: one consumer at a time has a row, and writes only what its lease still covers.

import { sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../../db/audit.ts'
import { param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'
import { isUnderWay, type SendStatus } from './outbox.sql.ts'

/** Longer than two tokens fetched and two sendings timed out. */
export const leaseSeconds = 120
/** Longest a message waits to be sent, from the request on. */
const expiryHours = 24
/** What was just queued is left to the queue. */
const queueGraceSeconds = 15
/** What was told to the queue is not told again before. */
const toldSeconds = 120
/** So many of one mailbox are told at once: as many as its minute has units for (mail/quota). */
const toldOfMailbox = 45

const isUntold = sql`${isUnderWay} AND o.due_at_utc <= now() - interval '${sql.raw(String(queueGraceSeconds))} seconds'
      AND (o.lease_until_utc IS NULL OR o.lease_until_utc <= now())`

export interface ClaimedSend {
  readonly outboxId: string
  /** `unconfirmed`: it may have been sent; look first. */
  readonly status: 'sending' | 'unconfirmed'
  /** This turn counted (mail/send/policy). */
  readonly attempt: number
  readonly accountId: string
  readonly provider: string
  readonly mailboxStatus: 'active' | 'degraded' | 'needs_reauthorization' | 'disconnected'
  readonly isUserActive: boolean
  readonly isExpired: boolean
  readonly waitedSeconds: number
  /** Why it waited, or null. */
  readonly lastError: string | null
  readonly firstAttemptAt: Date
  readonly messageId: string
  readonly threadId: string | null
  readonly mime: string | null
}

/**
 * Takes one row that is due. A row found `sending` was left by a consumer that never came back, perhaps after the
 * provider had taken the message: it becomes `unconfirmed`. No row: not due, not there, or in somebody else's hands.
 */
export const claimSend = statement<{ outboxId: string; leaseId: string }, ClaimedSend>(
  'send-claim',
  sql`WITH claimed AS (
    UPDATE outbox o SET
      status_cd = CASE o.status_cd WHEN 'queued' THEN 'sending' ELSE 'unconfirmed' END,
      attempt_cnt = o.attempt_cnt + CASE o.status_cd WHEN 'queued' THEN 1 ELSE 0 END,
      lease_id = ${param('leaseId', 'uuid')},
      lease_until_utc = now() + interval '${sql.raw(String(leaseSeconds))} seconds',
      due_at_utc = now() + interval '${sql.raw(String(leaseSeconds))} seconds',
      first_attempt_at_utc = coalesce(o.first_attempt_at_utc, now()),
      modified_at_utc = now()
    WHERE o.outbox_id = ${param('outboxId', 'uuid')} AND ${isUnderWay} AND o.due_at_utc <= now()
      -- Without a holder it only says that the queue was told.
      AND (o.lease_id IS NULL OR o.lease_until_utc <= now())
    RETURNING o.*
  )
  SELECT c.outbox_id AS "outboxId", c.status_cd AS "status", c.attempt_cnt AS "attempt", c.user_mail_account_id AS "accountId",
    a.provider_cd AS "provider", a.status_cd AS "mailboxStatus", u.is_active_flg AND a.user_id IS NOT NULL AS "isUserActive",
    c.created_at_utc <= now() - interval '${sql.raw(String(expiryHours))} hours' AS "isExpired",
    extract(epoch FROM now() - c.created_at_utc)::int AS "waitedSeconds", c.last_error_cd AS "lastError", c.first_attempt_at_utc AS "firstAttemptAt",
    c.message_id_txt AS "messageId", c.provider_thread_id_txt AS "threadId", c.mime_txt AS "mime"
  FROM claimed c
  JOIN user_mail_accounts a ON a.user_mail_account_id = c.user_mail_account_id
  JOIN users u ON u.user_id = c.user_id`,
)

/**
 * Takes a claim back whose answer was lost: nobody was asked to send. A row that was not claimed so, or is somebody else's
 * by now, stays as it is.
 */
export const unclaimSend = statement<{ outboxId: string; leaseId: string }, { readonly id: string }>(
  'send-unclaim',
  sql`UPDATE outbox SET status_cd = 'queued', attempt_cnt = attempt_cnt - 1, lease_id = NULL, lease_until_utc = NULL, due_at_utc = now(),
    first_attempt_at_utc = CASE WHEN attempt_cnt > 1 THEN first_attempt_at_utc END, modified_at_utc = now()
  WHERE outbox_id = ${param('outboxId', 'uuid')} AND lease_id = ${param('leaseId', 'uuid')} AND status_cd = 'sending'
  RETURNING outbox_id AS "id"`,
)

export interface SendEnding extends OriginParams {
  readonly outboxId: string
  readonly leaseId: string
  readonly status: SendStatus
  readonly attempt: number
  readonly error: string | null
  readonly delaySeconds: number
  readonly providerMessageId: string | null
  readonly threadId: string | null
  /** The provider wants no mail of this mailbox for now: what else it has to send waits as long. */
  readonly holdsMailbox: boolean
}

/**
 * Writes what came of a turn, under its lease; that it was sent is written in any case, for it stays true. What has ended
 * holds no message any more; what was typed of one given up is kept for a week. Of a mailbox disconnected meanwhile nothing
 * waits, and nothing is kept. After a sending the mailbox is due to be synced, so that the message is soon in its lists. The
 * mailbox is locked first, as disconnecting does.
 */
export const finishSend = statement<SendEnding, { readonly status: SendStatus }>(
  'send-finish',
  sql`WITH box AS MATERIALIZED (
    SELECT a.is_active_flg FROM user_mail_accounts a
    WHERE a.user_mail_account_id = (SELECT o.user_mail_account_id FROM outbox o WHERE o.outbox_id = ${param('outboxId', 'uuid')})
    FOR NO KEY UPDATE
  ),
  ending AS (
    SELECT CASE WHEN it.is_left THEN 'failed' ELSE it.status END AS status,
      CASE WHEN it.is_left THEN 'disconnected' ELSE ${param('error', 'text')} END AS error
    FROM (
      SELECT ${param('status', 'text')} AS status, ${param('status', 'text')} = 'queued' AND NOT box.is_active_flg AS is_left FROM box
    ) it
  ),
  finished AS (
    UPDATE outbox o SET
      status_cd = ending.status, attempt_cnt = ${param('attempt', 'int')}, last_error_cd = ending.error,
      due_at_utc = now() + make_interval(secs => ${param('delaySeconds', 'int')}),
      lease_id = NULL, lease_until_utc = NULL,
      -- Whoever put it back before anything was sent has begun nothing.
      first_attempt_at_utc = CASE WHEN ${param('attempt', 'int')} > 0 THEN o.first_attempt_at_utc END,
      mime_txt = CASE WHEN ending.status NOT IN ('sent', 'failed') THEN o.mime_txt END,
      draft_json = CASE WHEN ending.status <> 'sent' AND ending.error IS DISTINCT FROM 'disconnected' THEN o.draft_json END,
      provider_message_id_txt = ${param('providerMessageId', 'text')},
      provider_thread_id_txt = coalesce(${param('threadId', 'text')}, o.provider_thread_id_txt),
      sent_at_utc = CASE WHEN ending.status = 'sent' THEN now() END,
      modified_at_utc = now()
    FROM ending
    WHERE o.outbox_id = ${param('outboxId', 'uuid')}
      -- A row given up meanwhile is corrected, too.
      AND (${isUnderWay} AND o.lease_id = ${param('leaseId', 'uuid')} OR ending.status = 'sent' AND o.status_cd <> 'sent')
    RETURNING o.*
  ),
  held AS (
    UPDATE outbox o SET due_at_utc = finished.due_at_utc, last_error_cd = finished.last_error_cd, lease_until_utc = NULL, modified_at_utc = now()
    FROM finished
    WHERE ${param('holdsMailbox', 'boolean')} AND o.user_mail_account_id = finished.user_mail_account_id AND o.outbox_id <> finished.outbox_id
      AND o.status_cd = 'queued' AND o.due_at_utc < finished.due_at_utc
  ),
  woken AS (
    UPDATE user_mail_accounts a SET sync_due_at_utc = now(), modified_at_utc = now()
    FROM finished
    WHERE a.user_mail_account_id = finished.user_mail_account_id AND finished.status_cd = 'sent' AND a.sync_due_at_utc > now()
  ),
  told_sent AS (${auditRow(
    'email.sent',
    'success',
    sql`SELECT NULL::uuid, outbox_id::text, jsonb_build_object('mail_account_id', user_mail_account_id) FROM finished WHERE status_cd = 'sent'`,
  )}),
  told_failed AS (${auditRow(
    'email.failed',
    'failure',
    sql`SELECT NULL::uuid, outbox_id::text, jsonb_build_object('mail_account_id', user_mail_account_id, 'error', last_error_cd)
      FROM finished WHERE status_cd = 'failed'`,
  )})
  SELECT status_cd AS "status" FROM finished`,
)

/**
 * By the partial index of what is under way. The mailboxes take turns, so that one with thousands holds up nobody else;
 * of one mailbox, what may have been sent is looked up before anything new is sent, then what was never told comes first,
 * then the oldest. A lease without a holder keeps each from being told again for a while; it stays due, for whoever gets
 * the message and for whoever watches its age.
 */
export const takeDueSends = statement<{ limit: number }, { readonly id: string }>(
  'send-take-due',
  sql`WITH ranked AS MATERIALIZED (
    SELECT o.outbox_id, o.lease_until_utc, o.due_at_utc, row_number() OVER (
      PARTITION BY o.user_mail_account_id ORDER BY o.status_cd = 'queued', o.lease_until_utc NULLS FIRST, o.due_at_utc
    ) AS place
    FROM outbox o WHERE ${isUntold}
  ),
  due AS MATERIALIZED (
    -- Asked again of each row: another tick may have told it since.
    SELECT o.outbox_id FROM ranked r JOIN outbox o ON o.outbox_id = r.outbox_id
    WHERE r.place <= ${sql.raw(String(toldOfMailbox))} AND ${isUntold}
    ORDER BY r.place, r.lease_until_utc NULLS FIRST, r.due_at_utc LIMIT ${param('limit', 'int')}
    FOR UPDATE OF o SKIP LOCKED
  )
  UPDATE outbox o SET lease_id = NULL, lease_until_utc = now() + interval '${sql.raw(String(toldSeconds))} seconds', modified_at_utc = now()
  FROM due WHERE o.outbox_id = due.outbox_id
  RETURNING o.outbox_id AS "id"`,
)
