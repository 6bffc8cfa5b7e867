// users.messages and users.threads but for listing and sending: get, attachments, modify, trash, untrash, delete.
import * as z from 'zod'
import { json, type Reply } from '../http.ts'
import { type Call, invalid, notFound, readBody, readId, readMessage } from './call.ts'
import { threadHistoryId, threadMessages } from './lists.ts'
import { base64url, type Format, formats, messageJson, openAttachment } from './payload.ts'
import { changeLabels, type Mailbox, type Message, removeMessage } from './store.ts'

const MAX_IDS_AT_ONCE = 1000
/** Gmail sets these itself. */
const fixedLabels: readonly string[] = ['SENT', 'DRAFT', 'CHAT']

export function getMessage(call: Call): Reply {
  return json(200, messageJson(call.mailbox, readMessage(call), readView(call)))
}

export function getThread(call: Call): Reply {
  const view = readView(call)
  if (view.format === 'raw') throw invalid('Invalid format')
  const id = readId(call)
  const messages = threadMessages(call.mailbox, id)
  if (messages.length === 0) throw notFound()
  const historyId = threadHistoryId(call.mailbox, id)
  return json(200, { id, historyId, messages: messages.map((it) => messageJson(call.mailbox, it, view)) })
}

function readView(call: Call): Parameters<typeof messageJson>[2] {
  const query = call.request.url.searchParams
  const text = (query.get('format') ?? 'full').toLowerCase()
  const format: Format | undefined = formats.find((it) => it === text)
  if (format === undefined) throw invalid(`Invalid value at 'format': "${text}"`)
  const { textBodies } = call.world.settings
  return { format, textBodies, metadataHeaders: query.getAll('metadataHeaders') }
}

export function getAttachment(call: Call): Reply {
  const message = readMessage(call)
  const content = openAttachment(call.mailbox, message, call.params[1] ?? '')
  if (content === null) throw invalid('Invalid attachment token')
  return json(200, { size: content.length, data: base64url(content) })
}

const labelChange = { addLabelIds: z.array(z.string()).default([]), removeLabelIds: z.array(z.string()).default([]) }

export function modifyMessage(call: Call): Reply {
  const message = readMessage(call)
  const change = readBody(call.request, z.object(labelChange))
  changeChecked(call.mailbox, [message], change)
  return shortAnswer(message)
}

export function batchModify(call: Call): Reply {
  const { ids, ...change } = readBody(call.request, z.object({ ids: idList, ...labelChange }))
  changeChecked(call.mailbox, known(call.mailbox, ids), change)
  return { status: 204, headers: {}, body: '' }
}

export function batchDelete(call: Call): Reply {
  const { ids } = readBody(call.request, z.object({ ids: idList }))
  for (const message of known(call.mailbox, ids)) removeMessage(call.mailbox, message)
  return { status: 204, headers: {}, body: '' }
}

const idList = z.array(z.string()).min(1).max(MAX_IDS_AT_ONCE)

/** Gmail does not say which of the ids it did not know. */
function known(mailbox: Mailbox, ids: readonly string[]): Message[] {
  return [...new Set(ids)].flatMap((id) => mailbox.messages.get(id) ?? [])
}

function changeChecked(
  mailbox: Mailbox,
  messages: readonly Message[],
  change: { addLabelIds: readonly string[]; removeLabelIds: readonly string[] },
): void {
  const { addLabelIds: add, removeLabelIds: remove } = change
  const all = [...add, ...remove]
  if (all.length === 0) throw invalid('No label add or removes specified')
  const wrong = all.find((label) => !mailbox.labels.has(label) || fixedLabels.includes(label))
  if (wrong !== undefined) throw invalid(`Invalid label: ${wrong}`)
  if (add.some((label) => remove.includes(label))) throw invalid('Cannot both add and remove the same label')
  for (const message of messages) changeLabels(mailbox, message, add, remove)
}

export function trashMessage(call: Call): Reply {
  const message = readMessage(call)
  changeLabels(call.mailbox, message, ['TRASH'], ['INBOX'])
  return shortAnswer(message)
}

export function untrashMessage(call: Call): Reply {
  const message = readMessage(call)
  changeLabels(call.mailbox, message, [], ['TRASH'])
  return shortAnswer(message)
}

export function deleteMessage(call: Call): Reply {
  removeMessage(call.mailbox, readMessage(call))
  return { status: 204, headers: {}, body: '' }
}

function shortAnswer({ id, threadId, labelIds }: Message): Reply {
  return json(200, { id, threadId, labelIds: [...labelIds] })
}
