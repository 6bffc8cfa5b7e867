// users.messages.list and users.threads.list: which messages are meant, newest first, page by page.
import { json, type Reply } from '../http.ts'
import { now } from '../world.ts'
import { type Call, invalid, readFlag, readMaxResults, readPageToken, writePageToken } from './call.ts'
import { messageJson } from './payload.ts'
import { searchMessages } from './search.ts'
import { byNewest, type Mailbox, type Message, newestFirst } from './store.ts'

/** With `listRepeatsIds`, every so many ids one comes twice. */
const REPEAT_EVERY = 5

export function listMessages(call: Call): Reply {
  const { query, of, found } = select(call)
  const page = pageOf(call, query, of, found)
  const messages = page.rows.map(({ id, threadId }) => ({ id, threadId }))
  return json(200, {
    ...(messages.length === 0 ? {} : { messages }),
    ...(page.next === null ? {} : { nextPageToken: page.next }),
    resultSizeEstimate: found.length,
  })
}

/** A thread stands where its newest matching message stands. */
export function listThreads(call: Call): Reply {
  const { query, of, found } = select(call)
  const heads = [...new Map([...found].reverse().map((message) => [message.threadId, message])).values()]
  const page = pageOf(call, query, of, heads.sort(byNewest))
  const threads = page.rows.map(({ threadId }) => {
    const newest = threadMessages(call.mailbox, threadId).at(-1)
    const view = { format: 'minimal', textBodies: call.world.settings.textBodies } as const
    const snippet = newest === undefined ? '' : messageJson(call.mailbox, newest, view).snippet
    return { id: threadId, snippet, historyId: threadHistoryId(call.mailbox, threadId) }
  })
  return json(200, {
    ...(threads.length === 0 ? {} : { threads }),
    ...(page.next === null ? {} : { nextPageToken: page.next }),
    resultSizeEstimate: heads.length,
  })
}

/** Oldest first, as a conversation is read. */
export function threadMessages(mailbox: Mailbox, threadId: string): Message[] {
  return [...(mailbox.threads.get(threadId) ?? [])].sort(byNewest).reverse()
}

export function threadHistoryId(mailbox: Mailbox, threadId: string): string {
  const ids = [...(mailbox.threads.get(threadId) ?? [])].map((message) => message.historyId)
  return String(ids.reduce((highest, id) => (id > highest ? id : highest), 0n))
}

function select(call: Call): { query: URLSearchParams; of: string; found: readonly Message[] } {
  const { mailbox, world, request } = call
  const query = request.url.searchParams
  const labels = query.getAll('labelIds')
  const unknown = labels.find((label) => !mailbox.labels.has(label))
  if (unknown !== undefined) throw invalid(`Invalid label: ${unknown}`)
  const includeSpamTrash = readFlag(query, 'includeSpamTrash')
  const q = query.get('q') ?? ''
  const hasLabels = (message: Message): boolean => labels.every((label) => message.labelIds.has(label))
  const asked = labels.length === 0 ? newestFirst(mailbox) : newestFirst(mailbox).filter(hasLabels)
  const found = searchMessages(mailbox, asked, q, { now: now(world), includeSpamTrash })
  return { query, of: JSON.stringify([request.url.pathname, labels, includeSpamTrash, q]), found }
}

/** The rows after the token's place. A place is a date and an id, so mail that comes or goes moves no border. */
function pageOf(
  call: Call,
  query: URLSearchParams,
  of: string,
  found: readonly Message[],
): { rows: Message[]; next: string | null } {
  const size = readMaxResults(query)
  const after = readPageToken(query, of)
  const start = after === null ? 0 : firstAfter(found, after)
  const repeats = call.world.settings.listRepeatsIds
  const rows: Message[] = []
  const before = found[start - 1]
  if (repeats && before !== undefined && size > 1) rows.push(before)
  let at = start
  for (; at < found.length && rows.length < size; at++) {
    const message = found[at]
    if (message === undefined) break
    rows.push(message)
    if (repeats && at % REPEAT_EVERY === 0 && rows.length < size) rows.push(message)
  }
  const last = found[at - 1]
  const next = last === undefined || at >= found.length ? null : writePageToken(of, `${last.internalDate} ${last.id}`)
  return { rows, next }
}

function firstAfter(found: readonly Message[], after: string): number {
  const [date = '', id = ''] = after.split(' ')
  const at = found.findIndex((it) => it.internalDate < Number(date) || (it.internalDate === Number(date) && it.id < id))
  return at < 0 ? found.length : at
}
