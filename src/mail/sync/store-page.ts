// A page of a mailbox as it is gathered, and how it is stored: whole in one statement; where PostgreSQL refuses its data,
// message by message, and the one at fault is recorded and skipped.

import { type Db, sqlState } from '../../db/client.ts'
import type { MailAddress, MailMessage } from '../../providers/mail.ts'
import { htmlToText } from '../html/safe-html.ts'
import { facetsOfLabels, tsvectorLiteral } from '../search/terms.ts'
import { foldText } from '../search/words.ts'
import { type StoredRow, type StoreParams, storePageRow } from './store-page.sql.ts'

/** A message as one row of the statement's JSON. */
export interface MessageRow {
  readonly id: string
  readonly search: string
  readonly label_ids: readonly string[]
  readonly [column: string]: unknown
}

interface PartRow {
  readonly message: string
  readonly [column: string]: unknown
}

/** Either all labels as they are now, or what to add and remove. */
export type LabelUpdate = { readonly labels: string[] } | { readonly added: string[]; readonly removed: string[] }

/** What the next statement stores. A message stands in one of `messages`, `deleted`, `labels` and `met` only. */
export interface Page {
  messages: Map<string, MessageRow>
  parts: PartRow[]
  bytes: number
  deleted: Set<string>
  labels: Map<string, LabelUpdate>
  met: Set<string>
  /** Message → why it was not stored; `later`: it was not answered for. */
  skips: Map<string, string>
  settled: Set<string>
  cursor: string | null
  patch: Record<string, unknown>
  walkPatch: Record<string, unknown>
}

export function emptyPage(): Page {
  return {
    messages: new Map(),
    parts: [],
    bytes: 0,
    deleted: new Set(),
    labels: new Map(),
    met: new Set(),
    skips: new Map(),
    settled: new Set(),
    cursor: null,
    patch: {},
    walkPatch: {},
  }
}

/** Whether the page says something of this message already. */
export function mentions(page: Page, id: string): boolean {
  return page.messages.has(id) || page.deleted.has(id) || page.labels.has(id) || page.met.has(id)
}

const print = ({ name, address }: MailAddress): string => `${name} <${address}>`
const headLength = 2_000

/** @param labelNames of the user's own labels, by id */
export function addMessage(
  page: Page,
  mailboxId: string,
  message: MailMessage,
  labelNames: ReadonlyMap<string, string>,
): void {
  const labelIds = sortedLabels(message.labelIds)
  const people = { from: message.from === null ? [] : [message.from], to: message.to, cc: message.cc, bcc: message.bcc }
  const search = tsvectorLiteral({
    mailboxId,
    subject: message.subject,
    from: people.from.map(print),
    to: people.to.map(print),
    cc: people.cc.map(print),
    bcc: people.bcc.map(print),
    text: message.text ?? (message.html === null ? '' : htmlToText(message.html)),
    attachments: message.attachments,
    labelIds,
    labelNames: labelIds.flatMap((id) => labelNames.get(id) ?? []),
    messageId: message.messageId,
  })
  const head = foldText(
    [message.subject, ...[...people.from, ...people.to, ...people.cc, ...people.bcc].map(print)].join('\n'),
  )
  page.messages.set(message.id, {
    id: message.id,
    thread_id: message.threadId,
    message_id: message.messageId,
    in_reply_to: message.inReplyTo,
    refs: message.references.join(' '),
    subject: message.subject,
    sender: message.from,
    recipients: message.to,
    cc: message.cc,
    bcc: message.bcc,
    reply_to: message.replyTo,
    snippet: message.snippet,
    sent_at: message.receivedAt.toISOString(),
    size_bytes: message.sizeBytes,
    label_ids: labelIds,
    has_attachments: message.attachments.length > 0,
    plain: message.text,
    html: message.html,
    search,
    head: head.slice(0, headLength).toWellFormed(),
  })
  // Whatever a stranger may make long counts: a page is held, and sent, whole.
  page.bytes += search.length + (message.text?.length ?? 0) + (message.html?.length ?? 0) + 2_000
  for (const { name, address } of [...Object.values(people).flat(), ...message.replyTo])
    page.bytes += name.length + address.length + 40
  const seen = new Set<string>()
  for (const [place, part] of message.attachments.entries()) {
    if (seen.has(part.partId)) continue
    seen.add(part.partId)
    page.parts.push({
      message: message.id,
      part: part.partId,
      place,
      filename: part.filename,
      content_type: part.contentType,
      size_bytes: part.sizeBytes,
      content_id: part.contentId,
    })
    page.bytes += part.partId.length + part.filename.length + (part.contentId?.length ?? 0) + 400
  }
  page.settled.add(message.id)
}

/** As the database sorts them, so that equal sets are equal arrays. */
export function sortedLabels(labelIds: readonly string[]): string[] {
  return [...new Set(labelIds)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}

/** What the statement needs beside the page. */
export type Storing = Omit<
  StoreParams,
  | 'messages'
  | 'parts'
  | 'deletedIds'
  | 'labelChanges'
  | 'labelFacets'
  | 'skips'
  | 'settledIds'
  | 'metIds'
  | 'cursor'
  | 'patch'
  | 'walkPatch'
>

/** Stores the page. Where it is not held any more (`isHeld` false), nothing was stored. */
export async function storePage(
  db: Db,
  page: Page,
  storing: Storing,
  labelNames: ReadonlyMap<string, string>,
): Promise<StoredRow> {
  try {
    return await run(db, page, storing, labelNames)
  } catch (thrown) {
    if (dataError(thrown) === null || page.messages.size === 0) throw thrown
    return storeOneByOne(db, page, storing, labelNames)
  }
}

/** Class 22 (data) and 54 (a limit of PostgreSQL): what was given cannot be stored, now or later. */
function dataError(thrown: unknown): string | null {
  const state = sqlState(thrown)
  return state !== null && /^(22|54)/.test(state) ? state : null
}

async function storeOneByOne(
  db: Db,
  page: Page,
  storing: Storing,
  labelNames: ReadonlyMap<string, string>,
): Promise<StoredRow> {
  let inserted = 0
  let updated = 0
  const keepsLease = { isSynced: false, dueSeconds: null, releases: false, yields: false, givesBack: false }
  for (const [id, message] of page.messages) {
    const parts = page.parts.filter((part) => part.message === id)
    const alone = { ...emptyPage(), messages: new Map([[id, message]]), parts, settled: new Set([id]) }
    try {
      const row = await run(db, alone, { ...storing, ...keepsLease, unitsWanted: 0 }, labelNames)
      if (!row.isHeld) return row
      inserted += row.inserted
      updated += row.updated
    } catch (thrown) {
      const state = dataError(thrown)
      if (state === null) throw thrown
      page.skips.set(id, `unstorable_${state.toLowerCase()}`)
      page.settled.delete(id)
    }
  }
  const rest = await run(db, { ...page, messages: new Map(), parts: [] }, storing, labelNames)
  return { ...rest, inserted: rest.inserted + inserted, updated: rest.updated + updated }
}

async function run(db: Db, page: Page, storing: Storing, labelNames: ReadonlyMap<string, string>): Promise<StoredRow> {
  const facets =
    page.labels.size === 0 ? [] : [...labelNames].map(([id, name]) => [id, facetsOfLabels([id], [name])] as const)
  const row = await db.first(storePageRow, {
    ...storing,
    messages: JSON.stringify([...page.messages.values()]),
    parts: JSON.stringify(page.parts),
    deletedIds: [...page.deleted],
    labelChanges: JSON.stringify([...page.labels].map(([id, update]) => ({ id, ...update }))),
    labelFacets: JSON.stringify(Object.fromEntries(facets)),
    skips: JSON.stringify([...page.skips].map(([id, code]) => ({ id, code }))),
    settledIds: [...page.settled],
    metIds: [...page.met],
    cursor: page.cursor,
    patch: JSON.stringify(page.patch),
    walkPatch: JSON.stringify(page.walkPatch),
  })
  if (row === null) throw new Error('a statement that always answers did not')
  return row
}
