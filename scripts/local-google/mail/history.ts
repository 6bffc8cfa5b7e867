// users.history.list and users.getProfile: what changed since an id, in order. Ids are compared as numbers: 21 digits
// pass 2^53.
import { json, type Reply } from '../http.ts'
import { type Call, invalid, notFound, readMaxResults, readPageToken, writePageToken } from './call.ts'
import type { HistoryKind, HistoryRecord, Mailbox } from './store.ts'

const kindOfType: Readonly<Record<string, HistoryKind>> = {
  messageAdded: 'messagesAdded',
  messageDeleted: 'messagesDeleted',
  labelAdded: 'labelsAdded',
  labelRemoved: 'labelsRemoved',
}

/** SECURITY G16: too old a start is 404, and the client starts over. */
export function listHistory(call: Call): Reply {
  const { mailbox, world, request } = call
  const query = request.url.searchParams
  const text = query.get('startHistoryId') ?? ''
  if (!/^\d{1,30}$/.test(text)) throw invalid('Missing or invalid startHistoryId')
  const start = BigInt(text)
  const size = readMaxResults(query)
  const types = query.getAll('historyTypes')
  const kinds = new Set(types.map(readKind))
  const label = query.get('labelId')
  if (label !== null && !mailbox.labels.has(label)) throw invalid('Invalid labelId')
  const { historyFloor } = world.settings
  if (start < mailbox.historyFloor || (historyFloor !== null && start < BigInt(historyFloor))) throw notFound()

  const of = JSON.stringify(['history', text, types, label])
  const after = BigInt(readPageToken(query, of) ?? start)
  const found: HistoryRecord[] = []
  for (let at = firstAfter(mailbox, after); at < mailbox.history.length && found.length <= size; at++) {
    const record = mailbox.history[at]
    if (record !== undefined && isWanted(record, kinds, label)) found.push(record)
  }
  const page = found.slice(0, size)
  const last = page.at(-1)
  return json(200, {
    ...(page.length === 0 ? {} : { history: page.map(recordJson) }),
    ...(last === undefined || found.length <= size ? {} : { nextPageToken: writePageToken(of, String(last.id)) }),
    historyId: String(mailbox.historyId),
  })
}

function readKind(type: string): HistoryKind {
  const kind = Object.hasOwn(kindOfType, type) ? kindOfType[type] : undefined
  if (kind === undefined) throw invalid(`Invalid value at 'history_types': "${type}"`)
  return kind
}

function isWanted(record: HistoryRecord, kinds: ReadonlySet<HistoryKind>, label: string | null): boolean {
  if (kinds.size > 0 && !kinds.has(record.kind)) return false
  return label === null || record.message.labelIds.includes(label) || record.labelIds.includes(label)
}

/** Records stand in order: half the rest at every step. */
function firstAfter(mailbox: Mailbox, id: bigint): number {
  let [low, high] = [0, mailbox.history.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const record = mailbox.history[middle]
    if (record !== undefined && record.id <= id) low = middle + 1
    else high = middle
  }
  return low
}

function recordJson({ id, kind, message, labelIds }: HistoryRecord): object {
  const short = { id: message.id, threadId: message.threadId }
  const told = message.labelIds.length === 0 ? short : { ...short, labelIds: message.labelIds }
  const change = labelIds.length === 0 ? { message: told } : { message: told, labelIds }
  return { id: String(id), messages: [short], [kind]: [change] }
}

export function getProfile({ mailbox }: Call): Reply {
  return json(200, {
    emailAddress: mailbox.email,
    messagesTotal: mailbox.messages.size,
    threadsTotal: mailbox.threads.size,
    historyId: String(mailbox.historyId),
  })
}
