// Lists by date: walked along the index of each mailbox in reach, newest first, and no further than the page needs. For
// what asks for no more than one common label and a span of time; everything else is a search (search.sql.ts).

import { type SQL, sql } from 'drizzle-orm'
import { callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { ownerCte, type ReachParams, type ReachRow, reachColumns } from '../db/reach.ts'
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

export interface BrowseParams extends ListParams {
  /** Id of a label; null: any. */
  readonly labelId: string | null
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

/** `page h`: of each mailbox as many as the page may need, of all of them as many as it has. */
const pageCte = (isWanted: SQL): SQL => sql`
  page AS (
    SELECT e.*, 0::bigint AS rank_nbr
    FROM mailbox a CROSS JOIN LATERAL (
      SELECT e.email_id, e.user_mail_account_id, e.provider_thread_id_txt, e.sent_at_utc
      FROM emails e
      WHERE ${isAsked('e')} AND e.sent_at_utc >= ${since} AND e.sent_at_utc < ${until} AND ${behindCursor('e')} ${isWanted}
      ORDER BY e.sent_at_utc DESC, e.email_id DESC LIMIT ${param('limit', 'int')}
    ) e
    ORDER BY e.sent_at_utc DESC, e.email_id DESC LIMIT ${param('limit', 'int')}
  )`

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
