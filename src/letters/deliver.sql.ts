// Statements of sending letters: claim one, write what came of it, find those that a queue lost. They must not know what
// a letter says.

import { sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../db/audit.ts'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import type { LetterKind } from './outgoing.sql.ts'

/** Longer than any transport takes to answer or give up: a claim nobody ended is free again after it. */
export const claimSeconds = 120
export const maxAttempts = 8
/** Cron leaves what a queue message just carries. */
const queueGraceSeconds = 30

export interface ClaimedLetter {
  readonly letterId: string
  readonly kind: LetterKind
  readonly recipient: string
  /** The row its code and link are derived from. */
  readonly oneTimeCodeId: string | null
  /** The mailbox it is about, for the two kinds that are about one. */
  readonly accountId: string | null
  readonly mailbox: string | null
  readonly provider: string | null
  /** The fence of what is written afterwards. */
  readonly attempt: number
  /** `void`: what it would say is no longer so; `failed`: its tries were used up by runs that never ended. */
  readonly status: 'due' | 'void' | 'failed'
}

// The cause of these two is `<word>:<mail account>:<which one>` (mail-accounts/refresh.sql.ts).
const aboutMailbox = sql.raw(`('mailbox_needs_reauthorization', 'mailbox_access_ends')`)
const accountOfCause = sql`CASE WHEN l.kind_cd IN ${aboutMailbox} AND split_part(l.cause_txt, ':', 2) ~ '^[0-9a-f-]{36}$'
  THEN split_part(l.cause_txt, ':', 2)::uuid END`
// The others may name a code as their cause, and are true whatever becomes of it.
const carriesCode = sql.raw(`('registration', 'password_reset', 'email_change')`)

/**
 * Claims one letter that is due, its try counted: the row's clock moves on, so a doubled or late message matches nothing.
 * It becomes void here where it is of no use any more: its code was consumed, has expired or is purged, its person is
 * disabled, or its mailbox works again or is gone.
 */
export const claimLetter = statement<OriginParams & { letterId: string }, ClaimedLetter>(
  'letter-claim',
  sql`WITH seen AS (
    SELECT l.letter_id, a.user_mail_account_id, a.email_address_txt, a.provider_cd,
      CASE
        WHEN l.kind_cd IN ${carriesCode} THEN c.consumed_at_utc IS NULL AND c.expires_at_utc > now()
          AND (c.user_id IS NULL OR EXISTS (SELECT FROM users u WHERE u.user_id = c.user_id AND u.is_active_flg))
        WHEN l.kind_cd IN ${aboutMailbox} AND NOT EXISTS (SELECT FROM users u WHERE u.user_id = a.user_id AND u.is_active_flg) THEN false
        WHEN l.kind_cd = 'mailbox_needs_reauthorization' THEN a.status_cd = 'needs_reauthorization'
        WHEN l.kind_cd = 'mailbox_access_ends' THEN a.status_cd IN ('active', 'degraded') AND t.refresh_token_expires_at_utc > now()
          -- Another end than the one it was written for: the mailbox was connected anew since.
          AND to_char(t.refresh_token_expires_at_utc AT TIME ZONE 'UTC', 'YYYY-MM-DD') = split_part(l.cause_txt, ':', 3)
        ELSE true
      END AS is_of_use
    FROM letters l
    LEFT JOIN one_time_codes c ON c.one_time_code_id = l.one_time_code_id
    LEFT JOIN user_mail_accounts a ON a.user_mail_account_id = ${accountOfCause}
    LEFT JOIN oauth_tokens t ON t.user_mail_account_id = a.user_mail_account_id
    WHERE l.letter_id = ${param('letterId', 'uuid')}
  ),
  claimed AS (
    UPDATE letters l SET
      status_cd = CASE WHEN seen.is_of_use IS NOT TRUE THEN 'void' WHEN l.attempt_cnt >= ${sql.raw(String(maxAttempts))} THEN 'failed' ELSE 'due' END,
      attempt_cnt = l.attempt_cnt + CASE WHEN seen.is_of_use AND l.attempt_cnt < ${sql.raw(String(maxAttempts))} THEN 1 ELSE 0 END,
      due_at_utc = now() + interval '${sql.raw(String(claimSeconds))} seconds',
      modified_at_utc = now()
    FROM seen
    -- Checked again where another consumer's claim was waited for.
    WHERE l.letter_id = seen.letter_id AND l.status_cd = 'due' AND l.due_at_utc <= now()
    RETURNING l.letter_id, l.kind_cd, l.recipient_txt, l.one_time_code_id, l.attempt_cnt, l.status_cd, l.last_error_cd,
              seen.user_mail_account_id, seen.email_address_txt, seen.provider_cd
  ),
  audited AS (${auditRow(
    'letter.given_up',
    'failure',
    sql`SELECT NULL::uuid, letter_id::text, jsonb_build_object('kind', kind_cd, 'attempts', attempt_cnt, 'error', last_error_cd)
        FROM claimed WHERE status_cd = 'failed'`,
  )})
  SELECT letter_id AS "letterId", kind_cd AS "kind", recipient_txt AS "recipient", one_time_code_id AS "oneTimeCodeId",
         user_mail_account_id AS "accountId", email_address_txt AS "mailbox", provider_cd AS "provider", attempt_cnt AS "attempt", status_cd AS "status"
  FROM claimed`,
)

export interface Delivery extends OriginParams {
  readonly letterId: string
  readonly attempt: number
  readonly isSent: boolean
  /** True where a further try is pointless. */
  readonly isFinal: boolean
  readonly error: string | null
  /** Until the next try. */
  readonly delaySeconds: number
}

/**
 * Writes what came of a try, where that try is still the row's last. Given up, with an audit row: a letter that is
 * refused for good, after its last try, and where its code will be dead before the next one.
 */
export const finishLetter = statement<Delivery, { readonly status: 'sent' | 'due' | 'failed' }>(
  'letter-finish',
  sql`WITH tried AS (
    SELECT l.letter_id, now() + make_interval(secs => ${param('delaySeconds', 'int')}) AS next_at,
      CASE
        WHEN ${param('isSent', 'boolean')} THEN 'sent'
        WHEN ${param('isFinal', 'boolean')} OR l.attempt_cnt >= ${sql.raw(String(maxAttempts))} THEN 'failed'
        WHEN c.expires_at_utc <= now() + make_interval(secs => ${param('delaySeconds', 'int')}) THEN 'failed'
        ELSE 'due'
      END AS status
    FROM letters l LEFT JOIN one_time_codes c ON c.one_time_code_id = l.one_time_code_id AND l.kind_cd IN ${carriesCode}
    WHERE l.letter_id = ${param('letterId', 'uuid')}
  ),
  finished AS (
    UPDATE letters l SET
      status_cd = tried.status,
      sent_at_utc = CASE WHEN tried.status = 'sent' THEN now() END,
      last_error_cd = ${param('error', 'text')},
      due_at_utc = CASE WHEN tried.status = 'due' THEN tried.next_at ELSE l.due_at_utc END,
      modified_at_utc = now()
    FROM tried
    WHERE l.letter_id = tried.letter_id AND l.status_cd = 'due' AND l.attempt_cnt = ${param('attempt', 'int')}
    RETURNING l.letter_id, l.kind_cd, l.attempt_cnt, l.status_cd, l.last_error_cd
  ),
  audited AS (${auditRow(
    'letter.given_up',
    'failure',
    sql`SELECT NULL::uuid, letter_id::text, jsonb_build_object('kind', kind_cd, 'attempts', attempt_cnt, 'error', last_error_cd)
        FROM finished WHERE status_cd = 'failed'`,
  )})
  SELECT status_cd AS "status" FROM finished`,
)

/** Oldest first, by the partial index of due letters. */
export const findDueLetters = statement<{ limit: number }, { readonly id: string }>(
  'letter-find-due',
  sql`SELECT letter_id AS "id" FROM letters
  WHERE status_cd = 'due' AND due_at_utc <= now() - interval '${sql.raw(String(queueGraceSeconds))} seconds'
  ORDER BY due_at_utc LIMIT ${param('limit', 'int')}`,
)
