// One mailbox in memory: messages, threads, labels and the history of their changes. It keeps and finds; what Gmail's
// API says of it is elsewhere. History ids are 21 digits, past 2^53, and never next to each other, as Gmail's may be.
import { randomBytes } from 'node:crypto'
import { fieldOf, readFields } from './mime.ts'

const FIRST_HISTORY_ID = 100_000_000_000_000_000_000n
const HISTORY_STEP = 7n

export interface Message {
  readonly id: string
  readonly threadId: string
  readonly labelIds: Set<string>
  /** Milliseconds. */
  readonly internalDate: number
  historyId: bigint
  /** The header section with its empty line. */
  readonly head: Buffer
  /** May be one object for many messages. */
  readonly body: Buffer
  /** As it stands, `<…>`. */
  readonly messageId: string | null
}

export interface Label {
  readonly id: string
  name: string
  readonly type: 'system' | 'user'
}

export type HistoryKind = 'messagesAdded' | 'messagesDeleted' | 'labelsAdded' | 'labelsRemoved'

export interface HistoryRecord {
  readonly id: bigint
  readonly kind: HistoryKind
  readonly message: { readonly id: string; readonly threadId: string; readonly labelIds: readonly string[] }
  /** What was added or removed; empty for messages that came or went. */
  readonly labelIds: readonly string[]
}

export interface Mailbox {
  readonly email: string
  readonly messages: Map<string, Message>
  readonly threads: Map<string, Set<Message>>
  readonly byMessageId: Map<string, Set<Message>>
  readonly labels: Map<string, Label>
  readonly history: HistoryRecord[]
  historyId: bigint
  /** Older start ids are 404. */
  historyFloor: bigint
  /** What seals this mailbox's attachment ids. */
  readonly attachmentKey: Buffer
  /** Newest first; null after a change of messages. */
  sorted: readonly Message[] | null
  nextLabelNumber: number
}

export const SYSTEM_LABELS = [
  'INBOX',
  'SENT',
  'DRAFT',
  'SPAM',
  'TRASH',
  'UNREAD',
  'STARRED',
  'IMPORTANT',
  'CHAT',
  'CATEGORY_PERSONAL',
  'CATEGORY_SOCIAL',
  'CATEGORY_PROMOTIONS',
  'CATEGORY_UPDATES',
  'CATEGORY_FORUMS',
] as const

export function createMailbox(email: string): Mailbox {
  return {
    email,
    messages: new Map(),
    threads: new Map(),
    byMessageId: new Map(),
    labels: new Map(SYSTEM_LABELS.map((id) => [id, { id, name: id, type: 'system' }])),
    history: [],
    historyId: FIRST_HISTORY_ID,
    historyFloor: FIRST_HISTORY_ID,
    attachmentKey: randomBytes(32),
    sorted: null,
    nextLabelNumber: 1,
  }
}

export interface NewMessage {
  readonly id?: string | undefined
  readonly threadId?: string | undefined
  readonly labelIds: readonly string[]
  readonly internalDate: number
  readonly head: Buffer
  readonly body: Buffer
}

/** Adds a message, or replaces the one with its id. @param history `quiet` leaves no record, as an import by nobody */
export function addMessage(mailbox: Mailbox, input: NewMessage, history: 'told' | 'quiet' = 'told'): Message {
  const id = input.id ?? freshId(mailbox, input.internalDate)
  const before = mailbox.messages.get(id)
  if (before !== undefined) forget(mailbox, before)
  const messageId = fieldOf(readFields(input.head), 'message-id')
  const message: Message = {
    id,
    threadId: input.threadId ?? id,
    labelIds: new Set(input.labelIds),
    internalDate: input.internalDate,
    historyId: mailbox.historyId,
    head: input.head,
    body: input.body,
    messageId,
  }
  for (const label of input.labelIds) if (!mailbox.labels.has(label)) putLabel(mailbox, label, label)
  mailbox.messages.set(id, message)
  addTo(mailbox.threads, message.threadId, message)
  if (messageId !== null) addTo(mailbox.byMessageId, messageId, message)
  mailbox.sorted = null
  if (history === 'told') record(mailbox, message, 'messagesAdded', [])
  return message
}

function addTo(map: Map<string, Set<Message>>, key: string, message: Message): void {
  map.set(key, (map.get(key) ?? new Set()).add(message))
}

/** Ids are times, in hex: later messages have greater ones. */
function freshId(mailbox: Mailbox, atMs: number): string {
  let number = BigInt(Math.max(0, Math.floor(atMs))) << 20n
  const text = (): string => number.toString(16).padStart(16, '0')
  while (mailbox.messages.has(text())) number += 1n
  return text()
}

export function removeMessage(mailbox: Mailbox, message: Message): void {
  forget(mailbox, message)
  record(mailbox, message, 'messagesDeleted', [])
}

function forget(mailbox: Mailbox, message: Message): void {
  mailbox.messages.delete(message.id)
  dropFrom(mailbox.threads, message.threadId, message)
  if (message.messageId !== null) dropFrom(mailbox.byMessageId, message.messageId, message)
  mailbox.sorted = null
}

function dropFrom(map: Map<string, Set<Message>>, key: string, message: Message): void {
  const set = map.get(key)
  set?.delete(message)
  if (set?.size === 0) map.delete(key)
}

/** Only what really changes is recorded. */
export function changeLabels(
  mailbox: Mailbox,
  message: Message,
  add: readonly string[],
  remove: readonly string[],
): void {
  const gone = remove.filter((label) => message.labelIds.delete(label))
  const come = [...new Set(add)].filter((label) => !message.labelIds.has(label))
  for (const label of come) message.labelIds.add(label)
  if (come.length > 0) record(mailbox, message, 'labelsAdded', come)
  if (gone.length > 0) record(mailbox, message, 'labelsRemoved', gone)
}

function record(mailbox: Mailbox, message: Message, kind: HistoryKind, labelIds: readonly string[]): void {
  mailbox.historyId += HISTORY_STEP
  message.historyId = mailbox.historyId
  const { id, threadId } = message
  const told = { id, threadId, labelIds: [...message.labelIds] }
  mailbox.history.push({ id: mailbox.historyId, kind, message: told, labelIds })
}

/** Every start id that was ever given out is too old from now on. */
export function expireHistory(mailbox: Mailbox): void {
  mailbox.historyId += HISTORY_STEP
  mailbox.historyFloor = mailbox.historyId
  mailbox.history.length = 0
}

export function newestFirst(mailbox: Mailbox): readonly Message[] {
  mailbox.sorted ??= [...mailbox.messages.values()].sort(byNewest)
  return mailbox.sorted
}

export function byNewest(a: Message, b: Message): number {
  return b.internalDate - a.internalDate || (a.id < b.id ? 1 : -1)
}

/** Adds a label of the person's, or renames the one with this id. */
export function putLabel(mailbox: Mailbox, id: string | undefined, name: string): Label {
  const before = id === undefined ? undefined : mailbox.labels.get(id)
  if (before !== undefined) {
    before.name = name
    return before
  }
  let free = id
  while (free === undefined || (id === undefined && mailbox.labels.has(free))) {
    free = `Label_${mailbox.nextLabelNumber++}`
  }
  const label: Label = { id: free, name, type: 'user' }
  mailbox.labels.set(free, label)
  return label
}

export function removeLabel(mailbox: Mailbox, label: Label): void {
  for (const message of mailbox.messages.values()) changeLabels(mailbox, message, [], [label.id])
  mailbox.labels.delete(label.id)
}
