// Searches: what matches is found by the word index alone, whatever the planner believes of the rest. Every stored message
// has its mailbox among its words, so the index itself keeps to the mailboxes in reach; whose they are is asked again
// beside it. By date, the newest few pages are looked through first: what is common fills the page there.

import { type SQL, sql } from 'drizzle-orm'
import { callerCtes, param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'
import { isShown, ownerCte, type ReachRow, reachColumns } from '../../db/reach.ts'
import {
  behindCursor,
  behindRankedCursor,
  type EmailRow,
  emailItemCte,
  itemOrder,
  type ListParams,
  mailboxCte,
  type ThreadRow,
  threadItemCte,
} from '../read/list-parts.sql.ts'

/** One way to match, beside the words that all ways ask for. */
export interface BranchParam {
  /** Null where the statement's own `tsquery` says it all. */
  readonly tsquery: string | null
  readonly after: Date | null
  readonly before: Date | null
  readonly min_bytes: number | null
  readonly max_bytes: number | null
  /** Patterns for LIKE, folded as `head_txt` is. */
  readonly contains: readonly string[]
  readonly lacks: readonly string[]
}

export interface SearchParams extends ListParams {
  /** What the index is asked: the branches' words, any of them; null where one asks for none. */
  readonly tsquery: string | null
  /** JSON of `BranchParam[]`: one of them must hold. */
  readonly branches: string
}

export interface RankedSearchParams extends SearchParams {
  /** Words whose places count: near one another, and each for itself. */
  readonly nearQuery: string
  readonly anyQuery: string
}

type Listed<Row> = ReachRow & (Row | { readonly id: null })

/** Only the newest so many that match are ranked: a common word must not read a whole mailbox's text. */
const rankedMost = 2_000

/** So many pages of the newest are looked through before the index is asked. */
const nearPages = 4

const branchCte: SQL = sql`
  branch AS MATERIALIZED (
    SELECT b.* FROM jsonb_to_recordset(${param('branches', 'jsonb')})
      AS b (tsquery tsquery, after timestamptz, before timestamptz, min_bytes bigint, max_bytes bigint, contains text[], lacks text[])
    LIMIT 16
  )`

/** Of a message `e` that has the words: one of the branches holds. */
const holds: SQL = sql`
    EXISTS (
      SELECT FROM branch b
      WHERE (b.after IS NULL OR e.sent_at_utc >= b.after) AND (b.before IS NULL OR e.sent_at_utc < b.before)
        AND (b.min_bytes IS NULL OR e.size_bytes_nbr >= b.min_bytes)
        AND (b.max_bytes IS NULL OR e.size_bytes_nbr < b.max_bytes)
        AND e.head_txt LIKE ALL (b.contains) AND NOT e.head_txt LIKE ANY (b.lacks)
        AND (b.tsquery IS NULL OR e.search_tsv @@ b.tsquery)
    )`

const hitColumns: SQL = sql`e.email_id, e.user_mail_account_id, e.provider_thread_id_txt, e.sent_at_utc, e.created_at_utc`

/**
 * `near`: what matches among the newest, found along the dates. The index knows no dates: of what stands in every second
 * message it would bring a whole mailbox, to show a page of it. A limit that the planner cannot know makes it walk,
 * whatever it believes of the mailbox.
 */
const nearCtes = (isWanted: SQL): SQL => sql`
  newest AS MATERIALIZED (
    SELECT e.* FROM mailbox a CROSS JOIN LATERAL (
      SELECT ${hitColumns}, e.size_bytes_nbr, e.head_txt, e.search_tsv
      FROM emails e
      WHERE e.user_mail_account_id = a.user_mail_account_id AND ${isShown} AND ${behindCursor('e')} AND ${isWanted}
      ORDER BY e.sent_at_utc DESC, e.email_id DESC LIMIT ${sql.raw(String(nearPages))} * ${param('limit', 'int')}
    ) e
    ORDER BY e.sent_at_utc DESC, e.email_id DESC LIMIT ${sql.raw(String(nearPages))} * ${param('limit', 'int')}
  ),
  near AS MATERIALIZED (
    SELECT ${hitColumns} FROM newest e
    WHERE coalesce(e.search_tsv @@ ${param('tsquery', 'text')}::tsquery, true) AND ${holds}
  )`

/** What is near is enough where it fills the page: everything else is older. */
const isNearTooLittle = (item: SQL): SQL => sql`
    HAVING (SELECT count(DISTINCT ${item}) FROM near e) < ${param('limit', 'int')}`

/**
 * `hit`: all that match, by the index; no facets, and it is not asked. A value of another row is what it is asked, so the
 * plan does not hang on what the planner believes of a word; joined to nothing it could walk instead.
 */
const hitCtes = (isNeeded: SQL, orNear: SQL): SQL => sql`
  facets AS MATERIALIZED (
    SELECT string_agg('''' || ':m:' || replace(a.user_mail_account_id::text, '-', '') || '''', ' | ')::tsquery AS mailboxes
    FROM mailbox a ${isNeeded}
  ),
  hit AS MATERIALIZED (
    SELECT ${hitColumns}
    FROM facets JOIN emails e
      ON e.search_tsv @@ coalesce(facets.mailboxes && ${param('tsquery', 'text')}::tsquery, facets.mailboxes)
    WHERE ${holds} ${orNear}
  ),
  shown AS (
    SELECT e.* FROM hit e JOIN mailbox a ON a.user_mail_account_id = e.user_mail_account_id WHERE ${isShown}
  )`

/** Of messages that match by date; `item` is what a page counts. */
const datedHits = (isNearWanted: SQL, item: SQL): SQL =>
  sql`${nearCtes(isNearWanted)}, ${hitCtes(
    isNearTooLittle(item),
    sql`UNION ALL SELECT e.* FROM near e WHERE NOT EXISTS (SELECT FROM facets)`,
  )}`

const rankedHits: SQL = hitCtes(sql``, sql``)

/** `candidate h`: with a rank, which is nothing where the list goes by date. */
const datedCte: SQL = sql`
  candidate AS (SELECT h.*, 0::bigint AS rank_nbr FROM shown h)`

const rankedCte: SQL = sql`
  candidate AS (
    SELECT h.*, (1000000 * (
        ts_rank_cd('{0.1,0.3,0.6,1.0}', e.search_tsv, ${param('nearQuery', 'text')}::tsquery, 1)
        + ts_rank('{0.1,0.3,0.6,1.0}', e.search_tsv, ${param('anyQuery', 'text')}::tsquery, 1)
      ))::bigint AS rank_nbr
    FROM (
      SELECT h.* FROM shown h ORDER BY h.sent_at_utc DESC, h.email_id DESC LIMIT ${sql.raw(String(rankedMost))}
    ) h
    CROSS JOIN LATERAL (SELECT e.search_tsv FROM emails e WHERE e.email_id = h.email_id LIMIT 1) e
  )`

/** `page h`; a thread stands where its best message stands. */
const pageCte = (from: SQL, isBehind: SQL): SQL => sql`
  page AS (
    SELECT h.* FROM ${from} h WHERE ${isBehind}
    ORDER BY h.rank_nbr DESC, h.sent_at_utc DESC, h.email_id DESC LIMIT ${param('limit', 'int')}
  )`

const messages: SQL = sql`candidate`
const threads: SQL = sql`(
      SELECT DISTINCT ON (c.user_mail_account_id, c.provider_thread_id_txt) c.* FROM candidate c
      ORDER BY c.user_mail_account_id, c.provider_thread_id_txt, c.rank_nbr DESC, c.sent_at_utc DESC, c.email_id DESC
    )`

const search = (hits: SQL, candidateCte: SQL, page: SQL, itemCte: SQL): SQL => sql`
  WITH ${callerCtes}, ${ownerCte('emails:read')}, ${mailboxCte}, ${branchCte}, ${hits}, ${candidateCte}, ${page}, ${itemCte}
  SELECT ${reachColumns('emails:read')}, item.*
  FROM caller LEFT JOIN owner ON true LEFT JOIN item ON true
  ORDER BY ${itemOrder}`

export const searchEmails = statement<SearchParams, Listed<EmailRow>>(
  'email-search',
  search(datedHits(sql`true`, sql`e.email_id`), datedCte, pageCte(messages, behindCursor('h')), emailItemCte),
)

/** From the first page on only: behind a cursor, a thread's newer messages tell that it was shown already. */
const isFirstPage: SQL = sql`${param('cursorMicros', 'bigint')} IS NULL`

export const searchThreads = statement<SearchParams, Listed<ThreadRow>>(
  'thread-search',
  search(
    datedHits(isFirstPage, sql`(e.user_mail_account_id, e.provider_thread_id_txt)`),
    datedCte,
    pageCte(threads, behindCursor('h')),
    threadItemCte,
  ),
)

export const searchEmailsRanked = statement<RankedSearchParams, Listed<EmailRow>>(
  'email-search-ranked',
  search(rankedHits, rankedCte, pageCte(messages, behindRankedCursor), emailItemCte),
)

export const searchThreadsRanked = statement<RankedSearchParams, Listed<ThreadRow>>(
  'thread-search-ranked',
  search(rankedHits, rankedCte, pageCte(threads, behindRankedCursor), threadItemCte),
)
