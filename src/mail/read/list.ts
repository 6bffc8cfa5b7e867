// Mail listed and searched, message by message or by thread. Gmail's language is compiled before the trip
// (search/search.ts); what asks for little goes along the dates, everything else by the word index.

import { normalizeEmail } from '../../crypto/encoding.ts'
import { type CallerClaim, callerParams } from '../../db/caller.ts'
import type { Db, Statement } from '../../db/client.ts'
import { assertReach, type ReachRow } from '../../db/reach.ts'
import { AppError } from '../../errors.ts'
import { highlightSnippet } from '../search/highlight.ts'
import type { SearchFilters } from '../search/query.ts'
import {
  type RankedSearchParams,
  type SearchParams,
  searchEmails,
  searchEmailsRanked,
  searchThreads,
  searchThreadsRanked,
} from '../search/search.sql.ts'
import { planSearch, type SearchPlan } from '../search/search.ts'
import { type BrowseParams, browseEmails, browseThreads, browseThreadsAndUnsent, ownAddresses } from './list.sql.ts'
import { type ListOrder, parseCursor, printCursor } from './list-cursor.ts'
import type { Address, EmailRow, ListParams, PlacedRow, ThreadRow } from './list-parts.sql.ts'
import { printThreadId } from './thread-id.ts'
import type { UnsentRow } from './unsent.sql.ts'
import { type Unsent, unsentOf } from './unsent.ts'

export interface ListQuery extends SearchFilters {
  /** For a service key: on whose behalf. */
  readonly forUserId: string | null
  /** One mailbox by its address; null: all. */
  readonly userEmail: string | null
  /** Gmail's search language; null or empty: no search. */
  readonly q: string | null
  readonly sort: 'date' | 'relevance'
  readonly limit: number
  /** `nextCursor` of the page before; null: the first page. */
  readonly cursor: string | null
}

export interface Page<Item> {
  readonly items: readonly Item[]
  readonly nextCursor: string | null
  /** Spam and trash are listed, since they were asked for: a thread counts what lies there, too. */
  readonly isAnywhere: boolean
}

export interface ListedEmail {
  readonly id: string
  readonly accountId: string
  readonly snippet: string
  /** HTML: escaped, what was found in `<mark>`; null without `q`. */
  readonly highlightedSnippet: string | null
  readonly labels: readonly string[]
  readonly hasAttachments: boolean
  readonly subject: string
  readonly threadId: string
  readonly providerMessageId: string
  readonly from: Address | null
  readonly to: readonly Address[]
  readonly cc: readonly Address[]
  readonly sentAt: Date
  readonly isUnread: boolean
}

/** Message id, people and time are its newest message's; unread where any of it is; the subject is its oldest's. */
export interface ListedThread extends ListedEmail {
  /** Who wrote in it, in order of their first message. */
  readonly participants: readonly Address[]
  readonly messageCount: number
  readonly unreadCount: number
}

interface ListDeps {
  readonly db: Db
  readonly clock: () => Date
}

/**
 * Newest first, or best first; spam and trash only where they are asked for. Throws 401; 403 (a key without
 * `emails:read`); 404 (a person out of reach); 422 (a search that cannot be read, a cursor that is none of this list).
 */
export function listEmails(deps: ListDeps, claim: CallerClaim, query: ListQuery): Promise<Page<ListedEmail>> {
  const verbs = { browse: browseEmails, search: searchEmails, searchRanked: searchEmailsRanked }
  return list(deps, claim, query, verbs, (row, item) => ({
    ...item,
    id: row.id,
    isUnread: row.isUnread,
  }))
}

/** Threads by the newest (or best) of their messages that match. Throws as `listEmails`. */
export function listThreads(deps: ListDeps, claim: CallerClaim, query: ListQuery): Promise<Page<ListedThread>> {
  const verbs = { browse: browseThreads, search: searchThreads, searchRanked: searchThreadsRanked }
  return list(deps, claim, query, verbs, presentThread)
}

/** As `listThreads`, and what of the caller's own mail was not sent: told with a folder, not with a search. */
export async function listThreadsAndUnsent(
  deps: ListDeps,
  claim: CallerClaim,
  query: ListQuery,
): Promise<Page<ListedThread> & { readonly unsent: Unsent }> {
  const verbs = { browse: browseThreadsAndUnsent, search: searchThreads, searchRanked: searchThreadsRanked }
  const found = await fetchList(deps, claim, query, verbs)
  return { ...pageOf(found, query, presentThread), unsent: unsentOf(found.rows[0]?.unsent) }
}

function presentThread(row: ThreadRow, item: SharedItem): ListedThread {
  return {
    ...item,
    id: item.threadId,
    isUnread: row.unreadCount > 0,
    snippet: row.newestSnippet,
    participants: distinctAddresses(row.senders),
    messageCount: row.messageCount,
    unreadCount: row.unreadCount,
  }
}

type Listed<Row> = ReachRow & { readonly unsent?: UnsentRow } & (Row | { readonly id: null })

interface ListStatements<Row> {
  readonly browse: Statement<BrowseParams, Listed<Row>>
  readonly search: Statement<SearchParams, Listed<Row>>
  readonly searchRanked: Statement<RankedSearchParams, Listed<Row>>
}

type SharedItem = Omit<ListedEmail, 'id' | 'isUnread'>
type SharedRow = Pick<EmailRow & ThreadRow, keyof EmailRow & keyof ThreadRow>

async function list<Row extends SharedRow, Item>(
  deps: ListDeps,
  claim: CallerClaim,
  query: ListQuery,
  statements: ListStatements<Row>,
  present: (row: Row, shared: SharedItem) => Item,
): Promise<Page<Item>> {
  return pageOf(await fetchList(deps, claim, query, statements), query, present)
}

interface Found<Row> {
  readonly plan: SearchPlan
  readonly order: ListOrder
  readonly rows: readonly Listed<Row>[]
}

async function fetchList<Row>(
  deps: ListDeps,
  claim: CallerClaim,
  query: ListQuery,
  statements: ListStatements<Row>,
): Promise<Found<Row>> {
  const plan = await planOf(deps, claim, query)
  const order: ListOrder = plan.kind === 'ranked' ? 'rank' : 'date'
  const cursor = parseCursor(order, query.cursor)
  if (cursor === null)
    throw new AppError('invalid_input', { errors: [{ path: 'cursor', message: 'is none of this list' }] })
  const rows = await run(deps.db, statements, plan, {
    ...callerParams(claim),
    ...cursor,
    ...mailboxesOf(query),
    // One more than asked for: it tells that there is a next page.
    limit: query.limit + 1,
    isAnywhere: plan.isAnywhere,
    words: plan.excerptWords,
  })
  assertReach(rows[0] ?? null, query.forUserId)
  return { plan, order, rows }
}

function pageOf<Row extends SharedRow, Item>(
  { plan, order, rows }: Found<Row>,
  query: ListQuery,
  present: (row: Row, shared: SharedItem) => Item,
): Page<Item> {
  const found = rows.filter((row): row is ReachRow & Row => row.id !== null)
  const shown = found.slice(0, query.limit)
  const last = shown.at(-1)
  return {
    items: shown.map((row) => present(row, sharedItem(row, query, plan))),
    nextCursor: found.length > query.limit && last !== undefined ? printCursor(order, last) : null,
    isAnywhere: plan.isAnywhere,
  }
}

function run<Row>(
  db: Db,
  statements: ListStatements<Row>,
  plan: SearchPlan,
  params: ListParams,
): Promise<Listed<Row>[]> {
  switch (plan.kind) {
    case 'browse':
      return db.all(statements.browse, { ...params, ...plan.params })
    case 'search':
      return db.all(statements.search, { ...params, ...plan.params })
    case 'ranked':
      return db.all(statements.searchRanked, { ...params, ...plan.params })
  }
}

function sharedItem(row: SharedRow, query: ListQuery, plan: SearchPlan): SharedItem {
  const isSearch = (query.q ?? '').trim() !== ''
  return {
    accountId: row.accountId,
    threadId: printThreadId(row),
    providerMessageId: row.providerMessageId,
    from: row.from,
    to: row.to,
    cc: row.cc,
    subject: row.subject,
    sentAt: row.sentAt,
    snippet: row.snippet,
    highlightedSnippet: isSearch ? markedSnippet(row, plan.highlight) : null,
    labels: row.labels,
    hasAttachments: row.hasAttachments,
  }
}

/** The text where a word stands in it; else what every list shows. */
function markedSnippet(row: PlacedRow, words: readonly string[]): string {
  const { html } = highlightSnippet(row.excerpt ?? '', words)
  return html.includes('<mark>') ? html : highlightSnippet(row.snippet, words).html
}

function mailboxesOf(query: ListQuery): { forUserId: string | null; userEmail: string | null } {
  const { forUserId, userEmail } = query
  // One that is no address is nobody's: it is asked for as it is, and finds nothing.
  return { forUserId, userEmail: userEmail === null ? null : (normalizeEmail(userEmail) ?? userEmail) }
}

/** Who `me` is costs a trip of its own, and only where somebody of that name is looked for. */
async function planOf(deps: ListDeps, claim: CallerClaim, query: ListQuery): Promise<SearchPlan> {
  const now = deps.clock()
  const plan = planSearch(query, now, [])
  if (!plan.saysMe) return plan
  const rows = await deps.db.all(ownAddresses, { ...callerParams(claim), ...mailboxesOf(query) })
  assertReach(rows[0] ?? null, query.forUserId)
  const own = rows.flatMap(({ address }) => (address === null ? [] : [address]))
  return planSearch(query, now, own)
}

const participantsMost = 20

function distinctAddresses(addresses: readonly (Address | null)[]): Address[] {
  const byAddress = new Map<string, Address>()
  for (const address of addresses) {
    const key = address?.address.toLowerCase() ?? ''
    if (address !== null && !byAddress.has(key) && byAddress.size < participantsMost) byAddress.set(key, address)
  }
  return [...byAddress.values()]
}
