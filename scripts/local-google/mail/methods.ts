// The table of Gmail's methods: path, price in quota units (SECURITY G12), the scopes of which one is enough (Gmail's
// reference, per method), and who answers.
import type { Reply } from '../http.ts'
import { GMAIL_COMPOSE, GMAIL_FULL, GMAIL_MODIFY, GMAIL_READONLY, GMAIL_SEND } from '../scopes.ts'
import type { Call } from './call.ts'
import { getProfile, listHistory } from './history.ts'
import { createLabel, deleteLabel, getLabel, listLabels, patchLabel } from './labels.ts'
import { listMessages, listThreads } from './lists.ts'
import * as messages from './messages.ts'
import { sendMessage, sendUpload } from './send.ts'

export interface Method {
  /** `GET /messages/{}`: a place for one segment each. */
  readonly name: string
  readonly units: number
  readonly scopes: readonly string[]
  answer(call: Call): Reply
}

const READ = [GMAIL_READONLY, GMAIL_MODIFY, GMAIL_FULL]
const CHANGE = [GMAIL_MODIFY, GMAIL_FULL]
const SEND = [GMAIL_SEND, GMAIL_COMPOSE, GMAIL_MODIFY, GMAIL_FULL]

const table: readonly Method[] = [
  { name: 'GET /profile', units: 1, scopes: [...READ, GMAIL_COMPOSE], answer: getProfile },
  { name: 'GET /messages', units: 5, scopes: READ, answer: listMessages },
  { name: 'POST /messages/send', units: 100, scopes: SEND, answer: sendMessage },
  { name: 'POST /upload/messages/send', units: 100, scopes: SEND, answer: sendUpload },
  { name: 'POST /messages/batchModify', units: 50, scopes: CHANGE, answer: messages.batchModify },
  { name: 'POST /messages/batchDelete', units: 50, scopes: [GMAIL_FULL], answer: messages.batchDelete },
  { name: 'GET /messages/{}', units: 20, scopes: READ, answer: messages.getMessage },
  { name: 'DELETE /messages/{}', units: 10, scopes: [GMAIL_FULL], answer: messages.deleteMessage },
  { name: 'GET /messages/{}/attachments/{}', units: 20, scopes: READ, answer: messages.getAttachment },
  { name: 'POST /messages/{}/modify', units: 5, scopes: CHANGE, answer: messages.modifyMessage },
  { name: 'POST /messages/{}/trash', units: 5, scopes: CHANGE, answer: messages.trashMessage },
  { name: 'POST /messages/{}/untrash', units: 5, scopes: CHANGE, answer: messages.untrashMessage },
  { name: 'GET /threads', units: 5, scopes: READ, answer: listThreads },
  { name: 'GET /threads/{}', units: 40, scopes: READ, answer: messages.getThread },
  { name: 'GET /labels', units: 1, scopes: READ, answer: listLabels },
  { name: 'POST /labels', units: 5, scopes: CHANGE, answer: createLabel },
  { name: 'GET /labels/{}', units: 1, scopes: READ, answer: getLabel },
  { name: 'PATCH /labels/{}', units: 5, scopes: CHANGE, answer: patchLabel },
  { name: 'PUT /labels/{}', units: 5, scopes: CHANGE, answer: patchLabel },
  { name: 'DELETE /labels/{}', units: 5, scopes: CHANGE, answer: deleteLabel },
  { name: 'GET /history', units: 2, scopes: READ, answer: listHistory },
]

const patterns = table.map((method) => {
  const [verb = '', path = ''] = method.name.split(' ')
  return { method, verb, pattern: new RegExp(`^${path.replaceAll('{}', '([^/]+)')}$`) }
})

/** @param path from after the mailbox's name, `/upload` before it where the request has it */
export function findMethod(
  verb: string,
  path: string,
): { method: Method; params: string[] } | 'unknown' | 'wrong-verb' {
  const onPath = patterns.flatMap((entry) => {
    const match = entry.pattern.exec(path)
    return match === null ? [] : [{ ...entry, params: match.slice(1) }]
  })
  const found = onPath.find((entry) => entry.verb === verb)
  if (found !== undefined) return { method: found.method, params: found.params }
  return onPath.length === 0 ? 'unknown' : 'wrong-verb'
}
