// Sends a message, and looks afterwards for one that may have been sent.

import * as z from 'zod'
import { toBase64Url, utf8 } from '../../crypto/encoding.ts'
import { sendBounded } from '../bounded-request.ts'
import { type ProviderFailure, type ProviderResult, providerFailure } from '../failure.ts'
import type { MailAdapter, MailCosts, SentMessage, Token } from '../mail.ts'
import { sendBatch } from './batch.ts'
import { authorized, type GmailDeps, gmailId, labelId, listOf, readAnswer } from './call.ts'
import { readHeaders } from './headers.ts'
import { arrivedAfter, listMessages } from './listing.ts'

export const SEND_TIMEOUT_MS = 30_000
/** Up to here a message goes as base64 in JSON, above as it is. */
export const MAX_JSON_MESSAGE_BYTES = 5_000_000
/** So many answers to one Message-ID are looked at, and so many of all that was sent meanwhile where there is none. */
const MAX_NAMESAKES = 5
const SENT_PAGE_SIZE = 25
const MAX_SENT_PAGES = 4
/** Messages read in one request: they cost no more than one sending, so that a look gets its turn beside these. */
const PORTION_SIZE = 5

const sentSchema = z.object({ id: gmailId, threadId: gmailId })
const lookSchema = z.object({
  id: gmailId,
  threadId: gmailId,
  labelIds: listOf(labelId),
  payload: z.object({ headers: z.unknown() }),
})
const lookQuery =
  'format=metadata&metadataHeaders=Message-ID&metadataHeaders=X-Google-Original-Message-ID&fields=id,threadId,labelIds,payload/headers'

/** See `MailAdapter.send`. */
export async function sendMessage(
  deps: GmailDeps,
  { accessToken, mime, threadId }: Token & { mime: Uint8Array; threadId: string | null },
): Promise<ProviderResult<SentMessage>> {
  const { path, type, body } = mime.length > MAX_JSON_MESSAGE_BYTES ? asUpload(mime, threadId) : asJson(mime, threadId)
  const answer = await sendBounded(
    deps.fetch,
    `${deps.apiOrigin}${path}`,
    { method: 'POST', headers: { ...authorized(accessToken), 'content-type': type }, body },
    { timeoutMs: SEND_TIMEOUT_MS },
  )
  if ('failure' in answer) return providerFailure('unavailable', answer.failure)
  // The thread to answer in is not there: without it nothing was sent, and never will be.
  if (answer.status === 404) return providerFailure('refused', 'http_404')
  return readAnswer(answer, deps.clock(), sentSchema)
}

type SentLook = Parameters<MailAdapter['findSent']>[0] & { readonly costs: MailCosts }
type Found = ProviderResult<SentMessage | 'unseen' | null>

/** See `MailAdapter.findSent`. Costs up to five lists and 105 messages, mostly two and a few. */
export async function findSentMessage(deps: GmailDeps, look: SentLook): Promise<Found> {
  const name = look.messageId.replaceAll(/[<>\s"]/g, '')
  const { accessToken, since, until } = look
  const period = until === null ? arrivedAfter(since) : `${arrivedAfter(since)} ${arrivedBefore(until)}`
  const places = [
    { search: `rfc822msgid:${name}`, limit: MAX_NAMESAKES, pages: 1 },
    { search: period, limit: SENT_PAGE_SIZE, pages: MAX_SENT_PAGES, labelId: 'SENT' },
  ]
  const seen = new Set<string>()
  let isAllSeen = true
  for (const { pages, ...place } of places) {
    let pageToken: string | null = null
    for (let count = 0; count < pages; count += 1) {
      if (!(await look.allow(look.costs.list))) return { ok: true, value: 'unseen' }
      const page = await listMessages(deps, { accessToken, pageToken, ...place })
      if (!page.ok) return page
      const ids = page.value.ids.filter((id) => !seen.has(id))
      for (const id of ids) seen.add(id)
      const found = await lookThrough(deps, look, { ids, messageId: `<${name}>` })
      if (!found.ok || found.value !== null) return found
      pageToken = page.value.nextPageToken
      if (pageToken === null) break
    }
    isAllSeen &&= pageToken === null
  }
  return { ok: true, value: isAllSeen ? null : 'unseen' }
}

/** `before:` of Gmail's search, to the second. */
function arrivedBefore(time: Date): string {
  return `before:${Math.ceil(time.getTime() / 1000)}`
}

/** A message to oneself may lie there twice: the sent one is meant, the other is as good where there is none. */
async function lookThrough(
  deps: GmailDeps,
  look: SentLook,
  { ids, messageId }: { ids: readonly string[]; messageId: string },
): Promise<Found> {
  let other: SentMessage | null = null
  for (let start = 0; start < ids.length; start += PORTION_SIZE) {
    const portion = ids.slice(start, start + PORTION_SIZE)
    if (!(await look.allow(portion.length * look.costs.message))) return { ok: true, value: other ?? 'unseen' }
    const found = await comparePortion(deps, { accessToken: look.accessToken, ids: portion, messageId })
    if (!found.ok) return other === null ? found : { ok: true, value: other }
    if (found.value?.isSentCopy === true) return { ok: true, value: found.value.message }
    other ??= found.value?.message ?? null
  }
  return { ok: true, value: other }
}

/** Compares the headers themselves: a search that answers too much must not make a letter pass for sent. */
async function comparePortion(
  deps: GmailDeps,
  { accessToken, ids, messageId }: Token & { ids: readonly string[]; messageId: string },
): Promise<ProviderResult<{ message: SentMessage; isSentCopy: boolean } | null>> {
  const paths = ids.map((id) => `/messages/${id}?${lookQuery}`)
  let found: SentMessage | null = null
  let failure: ProviderFailure | null = null
  let unanswered = ids.length
  for await (const answer of sendBatch(deps, { accessToken, paths })) {
    if ('ok' in answer) {
      failure = answer
      continue
    }
    unanswered -= 1
    if (answer.status === 404) continue
    const body = new TextDecoder().decode(answer.body ?? undefined)
    const read = readAnswer({ status: answer.status, headers: answer.headers, body }, deps.clock(), lookSchema)
    if (!read.ok) {
      failure = read
      continue
    }
    const headers = readHeaders(read.value.payload.headers)
    const names = [headers.get('message-id'), headers.get('x-google-original-message-id')]
    if (!names.some((it) => it?.trim() === messageId)) continue
    const { id, threadId, labelIds } = read.value
    if (labelIds.includes('SENT')) return { ok: true, value: { message: { id, threadId }, isSentCopy: true } }
    found ??= { id, threadId }
  }
  if (found !== null) return { ok: true, value: { message: found, isSentCopy: false } }
  // One that could not be looked at may be the one: not found is said only where all were seen.
  if (failure === null && unanswered > 0) failure = providerFailure('unavailable', 'unreadable_answer')
  return failure ?? { ok: true, value: null }
}

interface Posted {
  readonly path: string
  readonly type: string
  readonly body: string | Uint8Array
}

function asJson(mime: Uint8Array, threadId: string | null): Posted {
  const raw = toBase64Url(mime)
  return {
    path: '/gmail/v1/users/me/messages/send?fields=id,threadId',
    type: 'application/json',
    body: JSON.stringify(threadId === null ? { raw } : { raw, threadId }),
  }
}

/** multipart/related: what it is, then the message itself (Gmail's guide to uploads). */
function asUpload(mime: Uint8Array, threadId: string | null): Posted {
  const boundary = `upload_${crypto.randomUUID()}`
  const metadata = JSON.stringify(threadId === null ? {} : { threadId })
  const head = utf8(
    `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${metadata}\r\n--${boundary}\r\nContent-Type: message/rfc822\r\n\r\n`,
  )
  const tail = utf8(`\r\n--${boundary}--\r\n`)
  const body = new Uint8Array(head.length + mime.length + tail.length)
  body.set(head)
  body.set(mime, head.length)
  body.set(tail, head.length + mime.length)
  return {
    path: '/upload/gmail/v1/users/me/messages/send?uploadType=multipart&fields=id,threadId',
    type: `multipart/related; boundary=${boundary}`,
    body,
  }
}
