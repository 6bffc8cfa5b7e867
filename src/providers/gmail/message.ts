// A message as Gmail's API answers it → ours: cut to size, cleaned, decoded. Pure; a stranger wrote what it reads.

import * as z from 'zod'
import type { MailMessage } from '../mail.ts'
import { gmailId, historyId, labelId, listOf } from './call.ts'
import { readAddresses, readMessageId, readReferences, readText } from './headers.ts'
import { composeBody, leafText, leavesOf, type Payload, readPayload, type TextLeaf } from './payload.ts'
import { fitText } from './text.ts'

const MAX_BODY_LENGTH = 1_000_000
const MAX_SUBJECT_LENGTH = 1000
const MAX_SNIPPET_LENGTH = 400
const MAX_DATE_LENGTH = 100
const YEAR_2200_MS = Date.UTC(2200, 0, 1)

const messageSchema = z.object({
  id: gmailId,
  threadId: gmailId,
  // Nothing depends on it.
  historyId: historyId.catch('0'),
  labelIds: listOf(labelId).catch([]),
  internalDate: z.string().catch(''),
  sizeEstimate: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).catch(0),
  snippet: z.string().catch(''),
  payload: z.unknown(),
})

/** A message whose text parts may still have to be fetched. */
export interface ReadMessage {
  readonly fields: Omit<z.infer<typeof messageSchema>, 'payload'>
  readonly payload: Payload
}

/** Null where it is no message. @param value the JSON of `messages.get`, format full or metadata */
export function readMessage(value: unknown): ReadMessage | null {
  const parsed = messageSchema.safeParse(value)
  if (!parsed.success) return null
  const { payload: tree, ...fields } = parsed.data
  const payload = readPayload(tree)
  return payload === null ? null : { fields, payload }
}

/** The text parts that did not come along, in their order. */
export function missingLeaves(read: ReadMessage): TextLeaf[] {
  return leavesOf(read.payload.body).filter((it) => it.data === null && it.attachmentId !== null)
}

/** @param fetched the bytes of text parts that did not come along; those that could not be had are listed as attachments */
export function finishMessage(read: ReadMessage, fetched: ReadonlyMap<TextLeaf, Uint8Array>): MailMessage {
  const { fields, payload } = read
  const { headers } = payload
  const { text, html } = composeBody(payload.body, (leaf) => {
    const data = leaf.data ?? fetched.get(leaf)
    return data === undefined ? null : leafText(leaf, data)
  })
  const left = missingLeaves(read).filter((it) => !fetched.has(it))
  const attachments = [...payload.attachments, ...left.map((it) => it.attachment)]
  return {
    id: fields.id,
    threadId: fields.threadId,
    historyId: fields.historyId,
    labelIds: fields.labelIds,
    receivedAt: readDate(fields.internalDate, headers.get('date')),
    sizeBytes: fields.sizeEstimate,
    messageId: readMessageId(headers.get('message-id')),
    inReplyTo: readMessageId(headers.get('in-reply-to')),
    references: readReferences(headers.get('references')),
    subject: readText(headers.get('subject'), MAX_SUBJECT_LENGTH),
    from: readAddresses(headers.get('from'))[0] ?? null,
    to: readAddresses(headers.get('to')),
    cc: readAddresses(headers.get('cc')),
    bcc: readAddresses(headers.get('bcc')),
    replyTo: readAddresses(headers.get('reply-to')),
    snippet: fitText(unescapeHtml(fields.snippet), MAX_SNIPPET_LENGTH),
    // An empty text beside HTML is a mailer's habit, not what the mail says.
    text: text === null || (html !== null && text.trim() === '') ? null : fitText(text, MAX_BODY_LENGTH),
    html: html === null ? null : fitText(html, MAX_BODY_LENGTH),
    attachments: attachments.map(({ partId, filename, contentType, sizeBytes, contentId }) => ({
      partId,
      filename,
      contentType,
      sizeBytes,
      contentId,
    })),
  }
}

/** The provider's time; where it is missing or absurd the sender's, else 1970. */
function readDate(internalDate: string, dateHeader: string | undefined): Date {
  const own = /^\d{1,15}$/.test(internalDate) ? Number(internalDate) : Number.NaN
  const sent = Date.parse((dateHeader ?? '').slice(0, MAX_DATE_LENGTH))
  return new Date([own, sent].find((it) => it >= 0 && it < YEAR_2200_MS) ?? 0)
}

/** Gmail escapes its snippets for HTML. One pass: what comes out is not read again. */
function unescapeHtml(text: string): string {
  return text.replaceAll(
    /&(?:(amp|lt|gt|quot|apos|nbsp)|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi,
    (all, name, decimal, hex) => {
      if (name !== undefined) return namedCharacters.get(name.toLowerCase()) ?? all
      const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
      return code > 0x10ffff ? all : String.fromCodePoint(code)
    },
  )
}

const namedCharacters: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['nbsp', '\u00a0'],
])
