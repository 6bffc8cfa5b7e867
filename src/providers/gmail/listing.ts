// What a mailbox holds and what happened to it: messages.list, history.list, labels.list. Ids are checked here, since
// they go on into paths and statements.

import * as z from 'zod'
import { type ProviderResult, providerFailure } from '../failure.ts'
import type { HistoryPage, MailChange, MailLabel, MessagePage, Token } from '../mail.ts'
import { type GmailDeps, getJson, gmailId, historyId, labelId, listOf, messageCount } from './call.ts'
import { fitText } from './text.ts'

/** One page is stored before the cursor moves: small enough for a minute's quota. */
const HISTORY_PAGE_SIZE = 100
const MAX_LIST_SIZE = 500
const MAX_LABEL_NAME_LENGTH = 255

/** Absent on the last page. One that cannot be read is no last page. */
const pageToken = z.union([z.literal('').transform(() => null), z.string().max(4096)]).nullish()
const idHolder = z.object({ id: gmailId })
const listSchema = z.object({
  messages: listOf(idHolder),
  nextPageToken: pageToken,
  resultSizeEstimate: messageCount,
})

const messageHolder = z.object({ message: idHolder })
const labelledHolder = z.object({ message: idHolder, labelIds: listOf(labelId) })
const recordSchema = z.object({
  // One that cannot be read says where its change stands to nobody, but the change counts.
  id: historyId.nullable().catch(null),
  messagesAdded: listOf(messageHolder),
  labelsAdded: listOf(labelledHolder),
  labelsRemoved: listOf(labelledHolder),
  messagesDeleted: listOf(messageHolder),
})
const historySchema = z.object({ history: listOf(recordSchema), historyId, nextPageToken: pageToken })
const historyFields = [
  'history(id,messagesAdded/message/id,messagesDeleted/message/id',
  'labelsAdded(message/id,labelIds),labelsRemoved(message/id,labelIds))',
  'historyId,nextPageToken',
].join(',')

const labelSchema = z.object({ id: labelId, name: z.string(), type: z.string().catch('user') })
// Taken whole or not at all: a label that is missing here would be taken off its messages.
const labelsSchema = z.object({ labels: z.array(labelSchema) })

/** See `MailAdapter.list`. @param input.search in Gmail's own operators */
export async function listMessages(
  deps: GmailDeps,
  input: Token & { limit: number; pageToken: string | null; search: string; labelId?: string },
): Promise<ProviderResult<MessagePage>> {
  const query = new URLSearchParams({
    includeSpamTrash: 'true',
    maxResults: String(Math.min(Math.max(input.limit, 1), MAX_LIST_SIZE)),
    fields: 'messages/id,nextPageToken,resultSizeEstimate',
  })
  if (input.pageToken !== null) query.set('pageToken', input.pageToken)
  if (input.search !== '') query.set('q', input.search)
  if (input.labelId !== undefined) query.set('labelIds', input.labelId)
  const { accessToken } = input
  const page = await getJson(deps, { accessToken, path: `/messages?${query}`, schema: listSchema })
  if (!page.ok) return page
  const { messages, nextPageToken, resultSizeEstimate } = page.value
  return {
    ok: true,
    value: {
      ids: [...new Set(messages.map(({ id }) => id))],
      nextPageToken: nextPageToken ?? null,
      estimate: resultSizeEstimate,
    },
  }
}

/** `after:` of Gmail's search, to the second. */
export function arrivedAfter(time: Date): string {
  return `after:${Math.floor(time.getTime() / 1000)}`
}

/** See `MailAdapter.history`. */
export async function listHistory(
  deps: GmailDeps,
  input: Token & { cursor: string; pageToken: string | null },
): Promise<ProviderResult<HistoryPage>> {
  const query = new URLSearchParams({
    startHistoryId: input.cursor,
    maxResults: String(HISTORY_PAGE_SIZE),
    fields: historyFields,
  })
  if (input.pageToken !== null) query.set('pageToken', input.pageToken)
  const { accessToken } = input
  const page = await getJson(deps, { accessToken, path: `/history?${query}`, schema: historySchema })
  if (!page.ok) return page.code === 'http_404' ? providerFailure('history_expired', 'http_404') : page
  const records = page.value.history
  const nextPageToken = page.value.nextPageToken ?? null
  const reached = nextPageToken === null ? [page.value.historyId] : records.flatMap(({ id }) => id ?? [])
  return {
    ok: true,
    value: { changes: records.flatMap(changesOf), cursor: [input.cursor, ...reached].reduce(newer), nextPageToken },
  }
}

/** See `MailAdapter.labels`. */
export async function listLabels(
  deps: GmailDeps,
  { accessToken }: Token,
): Promise<ProviderResult<readonly MailLabel[]>> {
  const path = '/labels?fields=labels(id,name,type)'
  const answer = await getJson(deps, { accessToken, path, schema: labelsSchema })
  if (!answer.ok) return answer
  // Every mailbox has labels of the provider's own.
  if (!answer.value.labels.some(({ type }) => type === 'system'))
    return providerFailure('unavailable', 'unreadable_answer')
  const labels = answer.value.labels.map(({ id, name, type }) => ({
    id,
    name: fitText(name, MAX_LABEL_NAME_LENGTH),
    isSystem: type === 'system',
  }))
  // One id twice would be two rows of one label.
  return { ok: true, value: [...new Map(labels.map((label) => [label.id, label])).values()] }
}

/** In the order in which they can have happened: a record names the message it adds, too, when it labels it. */
function changesOf(record: z.infer<typeof recordSchema>): MailChange[] {
  return [
    ...record.messagesAdded.map(({ message }) => ({ kind: 'added', id: message.id }) as const),
    ...record.labelsAdded.map(({ message, labelIds }) => ({ kind: 'labels_added', id: message.id, labelIds }) as const),
    ...record.labelsRemoved.map(
      ({ message, labelIds }) => ({ kind: 'labels_removed', id: message.id, labelIds }) as const,
    ),
    ...record.messagesDeleted.map(({ message }) => ({ kind: 'deleted', id: message.id }) as const),
  ]
}

/** Ids have up to 21 digits, more than a number holds. A cursor never goes back. */
function newer(one: string, other: string): string {
  return BigInt(other) > BigInt(one) ? other : one
}
