// What the statements that list mail share: the mailboxes in reach, where a page goes on, and what an item shows. Text is
// never read for a message that is not on the page.

import { type SQL, sql } from 'drizzle-orm'
import { param } from '../../db/caller.ts'
import { inReach, type ReachParams } from '../../db/reach.ts'

export interface Address {
  readonly name: string
  readonly address: string
}

/** Where a page goes on: behind this item. All null: from the beginning. */
export interface CursorParams {
  /** Of a ranked list only: its rank, in millionths. */
  readonly cursorRank: string | null
  /** Microseconds since 1970: what PostgreSQL stores, so that nothing is rounded and met twice. */
  readonly cursorMicros: string | null
  readonly cursorId: string | null
}

export interface ListParams extends ReachParams, CursorParams {
  /** One mailbox by its address; null: all in reach. */
  readonly userEmail: string | null
  readonly limit: number
  /** Spam and trash are listed too. */
  readonly isAnywhere: boolean
  /** Folded words that an excerpt is wanted around; empty: none is. */
  readonly words: readonly string[]
}

/** What stands in every item of a list; `sortMicros` and `sortRank` say where it stands in it. */
export interface PlacedRow {
  readonly id: string
  readonly accountId: string
  readonly providerThreadId: string
  readonly sortMicros: string
  readonly sortRank: string
  /** The text around the first word that stands in it, else its beginning; null where none was looked for. */
  readonly excerpt: string | null
  readonly snippet: string
}

/** Of the message itself, or of the newest in the thread. */
interface MessageColumns {
  readonly providerMessageId: string
  readonly from: Address | null
  readonly to: readonly Address[]
  readonly cc: readonly Address[]
  readonly sentAt: Date
}

export interface EmailRow extends PlacedRow, MessageColumns {
  readonly subject: string
  readonly labels: readonly string[]
  readonly isUnread: boolean
  readonly hasAttachments: boolean
}

export interface ThreadRow extends PlacedRow, MessageColumns {
  /** Of its oldest message. */
  readonly subject: string
  readonly newestSnippet: string
  /** Senders, oldest message first, as often as they wrote. */
  readonly senders: readonly (Address | null)[]
  readonly messageCount: number
  readonly unreadCount: number
  readonly hasAttachments: boolean
  readonly labels: readonly string[]
}

/** More messages of one thread are not counted. */
const threadMost = 500

/** `mailbox a`, beside `owner`: those in reach whose mail may show. A mailbox let go of is not even looked into. */
export const mailboxCte: SQL = sql`
  mailbox AS MATERIALIZED (
    SELECT a.user_mail_account_id, a.email_address_txt, a.mail_since_utc
    FROM caller JOIN owner ON true JOIN user_mail_accounts a ON a.user_id = owner.user_id
    WHERE ${inReach} AND a.mail_since_utc < 'infinity'
      AND (${param('userEmail', 'text')} IS NULL OR a.email_address_txt = ${param('userEmail', 'text')})
  )`

const cursorAt: SQL = sql`coalesce('epoch'::timestamptz + ${param('cursorMicros', 'bigint')} * interval '1 microsecond', 'infinity')`
const cursorId: SQL = sql`coalesce(${param('cursorId', 'uuid')}, 'ffffffff-ffff-ffff-ffff-ffffffffffff')`

/** Of rows with a time and an id: those behind the cursor, newest first. */
export const behindCursor = (row: 'e' | 'h'): SQL =>
  sql`(${sql.raw(`${row}.sent_at_utc, ${row}.email_id`)}) < (${cursorAt}, ${cursorId})`

/** The same of ranked rows, best first. */
export const behindRankedCursor: SQL = sql`
  (h.rank_nbr, h.sent_at_utc, h.email_id) < (coalesce(${param('cursorRank', 'bigint')}, 9223372036854775807), ${cursorAt}, ${cursorId})`

/** Of a message: it is listed unless it is in spam or trash, or these were asked for. */
export const isListed = (row: 'e' | 't'): SQL =>
  sql`(${param('isAnywhere', 'boolean')} OR NOT ${sql.raw(row)}.label_ids_txt && '{SPAM,TRASH}')`

/** The user's own labels by name, the provider's by their ids. */
export const labelNames = (ids: SQL, mailboxId: SQL): SQL => sql`
  (SELECT coalesce(array_agg(DISTINCT coalesce(l.name_txt, u.label_id)), '{}') FROM unnest(${ids}) AS u (label_id)
    LEFT JOIN mail_labels l ON l.user_mail_account_id = ${mailboxId} AND l.provider_label_id_txt = u.label_id AND NOT l.is_system_flg)`

const placedColumns: SQL = sql`
  h.email_id AS "id", h.user_mail_account_id AS "accountId", h.provider_thread_id_txt AS "providerThreadId",
  (extract(epoch FROM h.sent_at_utc) * 1000000)::bigint::text AS "sortMicros", h.rank_nbr::text AS "sortRank",
  e.snippet_txt AS "snippet", x.excerpt AS "excerpt"`

const messageColumns = (row: 'e' | 'newest'): SQL => {
  const column = (name: string): SQL => sql.raw(`${row}.${name}`)
  return sql`${column('provider_message_id_txt')} AS "providerMessageId", ${column('from_json')} AS "from",
      ${column('to_json')} AS "to", ${column('cc_json')} AS "cc", ${column('sent_at_utc')} AS "sentAt"`
}

/** For `page h`: its message `e`, found by its key, and the excerpt `x`. */
const withMessage: SQL = sql`
  CROSS JOIN LATERAL (SELECT e.* FROM emails e WHERE e.email_id = h.email_id LIMIT 1) e
  LEFT JOIN LATERAL (
    SELECT CASE WHEN p.place IS NULL THEN left(b.beginning, 2000) ELSE substr(b.beginning, greatest(1, p.place - 100), 500) END AS excerpt
    FROM (SELECT left(e.text_txt, 20000) AS beginning WHERE ${param('words', 'text[]')} <> '{}') b
    CROSS JOIN LATERAL (
      SELECT min(nullif(strpos(lower(b.beginning), w.word), 0)) AS place FROM unnest(${param('words', 'text[]')}) AS w (word)
    ) p
  ) x ON true`

/** `item`, of `page h`: messages as a list shows them. */
export const emailItemCte: SQL = sql`
  item AS (
    SELECT ${placedColumns}, ${messageColumns('e')}, e.subject_txt AS "subject", e.is_unread_flg AS "isUnread",
      e.has_attachments_flg AS "hasAttachments",
      ${labelNames(sql`e.label_ids_txt`, sql`e.user_mail_account_id`)} AS "labels"
    FROM page h ${withMessage}
  )`

/** `item`, of `page h`: threads, each by the message that stands for it in the list. */
export const threadItemCte: SQL = sql`
  item AS (
    SELECT ${placedColumns}, thread.*, ${messageColumns('newest')}, newest.snippet_txt AS "newestSnippet",
      ${labelNames(sql`string_to_array(thread."labelIds", ' ')`, sql`h.user_mail_account_id`)} AS "labels"
    FROM page h ${withMessage}
    CROSS JOIN LATERAL (
      SELECT count(*)::int AS "messageCount", (count(*) FILTER (WHERE t.is_unread_flg))::int AS "unreadCount",
        bool_or(t.has_attachments_flg) AS "hasAttachments",
        (array_agg(t.subject_txt ORDER BY t.sent_at_utc, t.email_id))[1] AS "subject",
        (array_agg(t.email_id ORDER BY t.sent_at_utc DESC, t.email_id DESC))[1] AS "newestId",
        jsonb_agg(t.from_json ORDER BY t.sent_at_utc, t.email_id) AS "senders",
        string_agg(array_to_string(t.label_ids_txt, ' '), ' ') AS "labelIds"
      FROM (
        SELECT t.* FROM emails t JOIN mailbox a ON a.user_mail_account_id = h.user_mail_account_id
        WHERE t.user_mail_account_id = h.user_mail_account_id AND t.provider_thread_id_txt = h.provider_thread_id_txt
          AND t.created_at_utc >= a.mail_since_utc AND ${isListed('t')}
        ORDER BY t.sent_at_utc DESC, t.email_id DESC LIMIT ${sql.raw(String(threadMost))}
      ) t
    ) thread
    CROSS JOIN LATERAL (SELECT t.* FROM emails t WHERE t.email_id = thread."newestId" LIMIT 1) newest
  )`

/** The newest first; the best first where there is a rank. */
export const itemOrder: SQL = sql`item."sortRank"::bigint DESC, item."sortMicros"::bigint DESC, item."id" DESC`
