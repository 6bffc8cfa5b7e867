// users.labels: list, get, create, patch and update, delete.
import * as z from 'zod'
import { json, type Reply } from '../http.ts'
import { type Call, invalid, notFound, Refused, readBody } from './call.ts'
import { type Label, type Mailbox, putLabel, removeLabel } from './store.ts'

const MAX_NAME_LENGTH = 225

export function listLabels({ mailbox }: Call): Reply {
  return json(200, { labels: [...mailbox.labels.values()].map(labelJson) })
}

export function getLabel(call: Call): Reply {
  const label = find(call)
  const labelled = [...call.mailbox.messages.values()].filter((message) => message.labelIds.has(label.id))
  const unread = labelled.filter((message) => message.labelIds.has('UNREAD'))
  const threads = (messages: typeof labelled): number => new Set(messages.map((it) => it.threadId)).size
  return json(200, {
    ...labelJson(label),
    messagesTotal: labelled.length,
    messagesUnread: unread.length,
    threadsTotal: threads(labelled),
    threadsUnread: threads(unread),
  })
}

export function createLabel(call: Call): Reply {
  const { name } = readBody(call.request, z.object({ name: z.string() }))
  checkName(call.mailbox, name, null)
  return json(200, labelJson(putLabel(call.mailbox, undefined, name)))
}

export function patchLabel(call: Call): Reply {
  const label = find(call)
  const { name = label.name } = readBody(call.request, z.object({ name: z.string().optional() }))
  if (label.type === 'system') throw invalid('Invalid update request')
  checkName(call.mailbox, name, label)
  return json(200, labelJson(putLabel(call.mailbox, label.id, name)))
}

export function deleteLabel(call: Call): Reply {
  const label = find(call)
  if (label.type === 'system') throw invalid('Invalid delete request')
  removeLabel(call.mailbox, label)
  return { status: 204, headers: {}, body: '' }
}

function find({ mailbox, params }: Call): Label {
  const label = mailbox.labels.get(params[0] ?? '')
  if (label === undefined) throw notFound()
  return label
}

function checkName(mailbox: Mailbox, name: string, own: Label | null): void {
  if (name.trim() === '' || name.length > MAX_NAME_LENGTH) throw invalid('Invalid label name')
  const same = [...mailbox.labels.values()].find((label) => label.name.toLowerCase() === name.toLowerCase())
  if (same === undefined || same === own) return
  if (same.type === 'system') throw invalid('Invalid label name')
  throw new Refused(409, 'aborted', 'Label name exists or conflicts')
}

function labelJson({ id, name, type }: Label): object {
  if (type === 'system') return { id, name, type }
  return { id, name, messageListVisibility: 'show', labelListVisibility: 'labelShow', type }
}
