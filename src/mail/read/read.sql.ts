// Statements that read messages whole: one, or those of a thread.

import { type SQL, sql } from 'drizzle-orm'
import { callerCtes, param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'
import { inReach, isShown, ownerCte, type ReachParams, type ReachRow, reachColumns } from '../../db/reach.ts'
import { type Address, labelNames } from './list-parts.sql.ts'

export interface AttachmentRow {
  readonly partId: string
  readonly filename: string
  readonly contentType: string
  readonly sizeBytes: number
}

export interface MessageRow {
  readonly id: string
  readonly accountId: string
  readonly providerThreadId: string
  readonly providerMessageId: string
  /** RFC 5322 Message-ID with its angle brackets, as `inReplyTo` and `references`. */
  readonly messageId: string | null
  readonly inReplyTo: string | null
  /** Separated by spaces. */
  readonly references: string
  readonly subject: string
  readonly from: Address | null
  readonly to: readonly Address[]
  readonly cc: readonly Address[]
  readonly bcc: readonly Address[]
  readonly replyTo: readonly Address[]
  readonly snippet: string
  readonly sentAt: Date
  readonly labels: readonly string[]
  readonly isUnread: boolean
  readonly hasAttachments: boolean
  /** Where it lies beside other mail, by the provider's ids: a label of the user's own may be called so, too. */
  readonly aside: 'spam' | 'trash' | null
  readonly text: string | null
  /** Hostile until sanitised. */
  readonly html: string | null
  /** Text and HTML stayed behind: the messages after it are as much as one answer holds, and each can be read alone. */
  readonly isBodyLeftOut: boolean
  readonly attachments: readonly AttachmentRow[]
}

/** Beside each message of a thread: how many of the whole thread lie aside. */
export interface ThreadMessageRow extends MessageRow {
  readonly spamCount: number
  readonly trashCount: number
}

/** The newest so many of a thread, and no more text and HTML of them than this (the newest message's always). */
const threadMost = 100
const threadBytesMost = 2_000_000

const messageColumns: SQL = sql`
  e.email_id AS "id", e.user_mail_account_id AS "accountId", e.provider_thread_id_txt AS "providerThreadId",
  e.provider_message_id_txt AS "providerMessageId", e.message_id_txt AS "messageId", e.in_reply_to_txt AS "inReplyTo",
  e.references_txt AS "references", e.subject_txt AS "subject", e.from_json AS "from", e.to_json AS "to", e.cc_json AS "cc",
  e.bcc_json AS "bcc", e.reply_to_json AS "replyTo", e.snippet_txt AS "snippet", e.sent_at_utc AS "sentAt",
  ${labelNames(sql`e.label_ids_txt`, sql`e.user_mail_account_id`)} AS "labels",
  e.is_unread_flg AS "isUnread", e.has_attachments_flg AS "hasAttachments",
  CASE WHEN 'TRASH' = ANY(e.label_ids_txt) THEN 'trash' WHEN 'SPAM' = ANY(e.label_ids_txt) THEN 'spam' END AS "aside",
  (
    SELECT coalesce(jsonb_agg(jsonb_build_object('partId', p.part_id_txt, 'filename', p.filename_txt,
      'contentType', p.content_type_txt, 'sizeBytes', p.size_bytes_nbr) ORDER BY p.position_nbr), '[]')
    FROM email_attachments p WHERE p.email_id = e.email_id
  ) AS "attachments"`

export const readMessage = statement<
  ReachParams & { emailId: string },
  ReachRow & (MessageRow | { readonly id: null })
>(
  'email-read',
  sql`WITH ${callerCtes}, ${ownerCte('emails:read')}
  SELECT ${reachColumns('emails:read')}, m.*
  FROM caller LEFT JOIN owner ON true
  LEFT JOIN LATERAL (
    SELECT ${messageColumns}, e.text_txt AS "text", e.html_txt AS "html", false AS "isBodyLeftOut"
    FROM emails e JOIN user_mail_accounts a ON a.user_mail_account_id = e.user_mail_account_id
    WHERE e.email_id = ${param('emailId', 'uuid')} AND a.user_id = owner.user_id AND ${inReach} AND ${isShown}
  ) m ON true`,
)

/**
 * Oldest first. What lies in spam or trash is left out before anything is counted, so that it takes no room from what is
 * shown; it is there where it was asked for, and where all of the thread lies so.
 */
export const readThreadMessages = statement<
  ReachParams & { accountId: string; providerThreadId: string; isAnywhere: boolean },
  ReachRow & (ThreadMessageRow | { readonly id: null })
>(
  'thread-read',
  sql`WITH ${callerCtes}, ${ownerCte('emails:read')}, found AS (
    SELECT e.*, e.label_ids_txt && '{SPAM,TRASH}' AS is_aside, bool_and(e.label_ids_txt && '{SPAM,TRASH}') OVER () AS is_all_aside,
      (count(*) FILTER (WHERE 'TRASH' = ANY(e.label_ids_txt)) OVER ())::int AS trash_count,
      (count(*) FILTER (WHERE 'SPAM' = ANY(e.label_ids_txt) AND 'TRASH' <> ALL(e.label_ids_txt)) OVER ())::int AS spam_count
    FROM caller JOIN owner ON true
    JOIN user_mail_accounts a ON a.user_id = owner.user_id AND a.user_mail_account_id = ${param('accountId', 'uuid')} AND ${inReach}
    JOIN emails e ON e.user_mail_account_id = a.user_mail_account_id
      AND e.provider_thread_id_txt = ${param('providerThreadId', 'text')} AND ${isShown}
  ), newest AS (
    SELECT e.*, sum(octet_length(coalesce(e.text_txt, '')) + octet_length(coalesce(e.html_txt, '')))
        OVER (ORDER BY e.sent_at_utc DESC, e.email_id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newer_bytes
    FROM (
      SELECT e.* FROM found e WHERE ${param('isAnywhere', 'boolean')} OR NOT e.is_aside OR e.is_all_aside
      ORDER BY e.sent_at_utc DESC, e.email_id DESC LIMIT ${sql.raw(String(threadMost))}
    ) e
  ), message AS (
    SELECT ${messageColumns}, e.spam_count AS "spamCount", e.trash_count AS "trashCount",
      CASE WHEN NOT f.is_left_out THEN e.text_txt END AS "text",
      CASE WHEN NOT f.is_left_out THEN e.html_txt END AS "html", f.is_left_out AS "isBodyLeftOut"
    FROM newest e CROSS JOIN LATERAL (
      SELECT coalesce(e.newer_bytes + octet_length(coalesce(e.text_txt, '')) + octet_length(coalesce(e.html_txt, '')) > ${sql.raw(String(threadBytesMost))}, false) AS is_left_out
    ) f
  )
  SELECT ${reachColumns('emails:read')}, m.*
  FROM caller LEFT JOIN owner ON true LEFT JOIN message m ON true
  ORDER BY m."sentAt", m."id"`,
)
