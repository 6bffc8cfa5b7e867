// Lists by date: walked along the index of each mailbox in reach, newest first, and no further than the page needs. For
// what asks for no more than one common label and a span of time; everything else is a search (search.sql.ts). Where few
// messages of a mailbox have the label, a walk would read them all: these few are found by the index of words.

import { type SQL, sql } from 'drizzle-orm'
import { callerCtes, param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'
import { ownerCte, type ReachParams, type ReachRow, reachColumns } from '../../db/reach.ts'
import {
  behindCursor,
  type EmailRow,
  emailItemCte,
  isListed,
  itemOrder,
  type ListParams,
  mailboxCte,
  type ThreadRow,
  threadItemCte,
} from './list-parts.sql.ts'
import { type UnsentRow, unsentCte } from './unsent.sql.ts'

export interface BrowseParams extends ListParams {
  /** Id of a label; null: any. */
  readonly labelId: string | null
  /** What the index of words is asked for that label; null without one. */
  readonly tsquery: string | null
  /** Inclusive. */
  readonly after: Date | null
  /** Exclusive. */
  readonly before: Date | null
}

type Listed<Row> = ReachRow & (Row | { readonly id: null })

/** Of a message in its mailbox `a`: not hidden (db/reach `isShown`), and what the list asks for. */
const isAsked = (row: 'e' | 't'): SQL => {
  const column = (name: string): SQL => sql.raw(`${row}.${name}`)
  return sql`
      ${column('user_mail_account_id')} = a.user_mail_account_id AND ${column('created_at_utc')} >= a.mail_since_utc AND ${isListed(row)}
      AND (${param('labelId', 'text')} IS NULL OR ${param('labelId', 'text')} = ANY(${column('label_ids_txt')}))
`
}

const since: SQL = sql`coalesce(${param('after', 'timestamptz')}, '-infinity')`
const until: SQL = sql`coalesce(${param('before', 'timestamptz')}, 'infinity')`

/** Of the newest, so many pages tell whether a label is common there. */
const nearPages = 4
/** A label with so many pages is walked to, in any case. */
const fewPages = 40

const pages = (count: number): SQL => sql`${sql.raw(String(count))} * ${param('limit', 'int')}`
const listed: SQL = sql`e.email_id, e.user_mail_account_id, e.provider_thread_id_txt, e.sent_at_utc, e.created_at_utc, e.label_ids_txt`

/**
 * `box a`: the mailboxes, and whether the label is so common that a page is near along the dates. Told by the newest, and
 * where it is not among these, by whether the index has `few` of it: a mailbox of 100,000 is then not walked for nothing.
 */
const boxCtes: SQL = sql`
  looked AS MATERIALIZED (
    SELECT a.*, ${param('labelId', 'text')} IS NULL OR near.found >= ${param('limit', 'int')} AS is_near
    FROM mailbox a CROSS JOIN LATERAL (
      SELECT count(*) AS found FROM (
        SELECT e.label_ids_txt FROM emails e
        WHERE e.user_mail_account_id = a.user_mail_account_id AND ${behindCursor('e')} AND ${param('labelId', 'text')} IS NOT NULL
        ORDER BY e.sent_at_utc DESC, e.email_id DESC LIMIT ${pages(nearPages)}
      ) e
      WHERE ${param('labelId', 'text')} = ANY(e.label_ids_txt)
    ) near
  ),
  few AS MATERIALIZED (
    SELECT e.* FROM (
      SELECT ('''' || ':m:' || replace(a.user_mail_account_id::text, '-', '') || '''')::tsquery AS mailbox, ${param('tsquery', 'text')}::tsquery AS label
      FROM looked a WHERE NOT a.is_near
    ) asked CROSS JOIN LATERAL (
      -- Asked apart, so that the planner expects next to nothing, and takes the index.
      SELECT ${listed} FROM emails e WHERE e.search_tsv @@ asked.mailbox AND e.search_tsv @@ asked.label LIMIT ${pages(fewPages)}
    ) e
  ),
  box AS MATERIALIZED (
    SELECT a.*, a.is_near OR (SELECT count(*) FROM few WHERE few.user_mail_account_id = a.user_mail_account_id) >= ${pages(fewPages)} AS is_common
    FROM looked a
  )`

/** `page h`: of each mailbox as many as the page may need, of all of them as many as it has. */
const pageCte = (isWanted: SQL): SQL => {
  const isOnPage = sql`${isAsked('e')} AND e.sent_at_utc >= ${since} AND e.sent_at_utc < ${until} AND ${behindCursor('e')} ${isWanted}`
  return sql`${boxCtes},
  page AS (
    SELECT e.*, 0::bigint AS rank_nbr FROM (
      SELECT e.* FROM box a CROSS JOIN LATERAL (
        SELECT ${listed} FROM emails e WHERE a.is_common AND ${isOnPage}
        ORDER BY e.sent_at_utc DESC, e.email_id DESC LIMIT ${param('limit', 'int')}
      ) e
      UNION ALL
      SELECT ${listed} FROM box a JOIN few e ON NOT a.is_common AND ${isOnPage}
    ) e
    ORDER BY e.sent_at_utc DESC, e.email_id DESC LIMIT ${param('limit', 'int')}
  )`
}

/**
 * A thread stands where its newest message that is asked for stands. `IS TRUE` keeps these conditions from an index: the
 * one of threads serves here, and the one of dates would walk from each message to the newest of its mailbox.
 */
const isHead: SQL = sql`
      AND NOT EXISTS (
        SELECT FROM emails t
        WHERE ${isAsked('t')} AND t.provider_thread_id_txt = e.provider_thread_id_txt AND (t.sent_at_utc < ${until}) IS TRUE
          AND ((t.sent_at_utc, t.email_id) > (e.sent_at_utc, e.email_id)) IS TRUE
      )`

const browse = (isWanted: SQL, itemCte: SQL): SQL => sql`
  WITH ${callerCtes}, ${ownerCte('emails:read')}, ${mailboxCte}, ${pageCte(isWanted)}, ${itemCte}
  SELECT ${reachColumns('emails:read')}, item.*
  FROM caller LEFT JOIN owner ON true LEFT JOIN item ON true
  ORDER BY ${itemOrder}`

export const browseEmails = statement<BrowseParams, Listed<EmailRow>>('email-list', browse(sql``, emailItemCte))

export const browseThreads = statement<BrowseParams, Listed<ThreadRow>>('thread-list', browse(isHead, threadItemCte))

/** The same for a page, which tells of what was not sent as well: in one trip. */
export const browseThreadsAndUnsent = statement<BrowseParams, Listed<ThreadRow> & { readonly unsent: UnsentRow }>(
  'thread-list-unsent',
  sql`WITH ${callerCtes}, ${ownerCte('emails:read')}, ${unsentCte}, ${mailboxCte}, ${pageCte(isHead)}, ${threadItemCte}
  SELECT ${reachColumns('emails:read')}, unsent.told AS "unsent", item.*
  FROM caller LEFT JOIN owner ON true CROSS JOIN unsent LEFT JOIN item ON true
  ORDER BY ${itemOrder}`,
)

/** The addresses of the mailboxes in reach: whom `from:me` means. */
export const ownAddresses = statement<
  ReachParams & { userEmail: string | null },
  ReachRow & { readonly address: string | null }
>(
  'email-own-addresses',
  sql`WITH ${callerCtes}, ${ownerCte('emails:read')}, ${mailboxCte}
  SELECT ${reachColumns('emails:read')}, a.email_address_txt AS "address"
  FROM caller LEFT JOIN owner ON true LEFT JOIN mailbox a ON true
  LIMIT 20`,
)
