// Sends a message, and looks afterwards for one that may have been sent.

import * as z from 'zod'
import { toBase64Url, utf8 } from '../../crypto/encoding.ts'
import { sendBounded } from '../bounded-request.ts'
import { type ProviderResult, providerFailure } from '../failure.ts'
import type { SentMessage, Token } from '../mail.ts'
import { sendBatch } from './batch.ts'
import { authorized, type GmailDeps, gmailId, labelId, listOf, readAnswer } from './call.ts'
import { readHeaders } from './headers.ts'
import { arrivedAfter, listMessages } from './listing.ts'

export const SEND_TIMEOUT_MS = 30_000
/** Up to here a message goes as base64 in JSON, above as it is. */
export const MAX_JSON_MESSAGE_BYTES = 5_000_000
/** So many answers to one Message-ID are looked at, and so many of the newest sent messages where there is none. */
const MAX_NAMESAKES = 5
const MAX_LOOKED_THROUGH = 25

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

/** See `MailAdapter.findSent`. Costs two lists and up to 30 messages. */
export async function findSentMessage(
  deps: GmailDeps,
  { accessToken, messageId, since }: Token & { messageId: string; since: Date },
): Promise<ProviderResult<SentMessage | null>> {
  const name = messageId.replaceAll(/[<>\s"]/g, '')
  const searches = [
    { search: `rfc822msgid:${name}`, limit: MAX_NAMESAKES },
    { search: arrivedAfter(since), limit: MAX_LOOKED_THROUGH, labelId: 'SENT' },
  ]
  const seen = new Set<string>()
  for (const search of searches) {
    const page = await listMessages(deps, { accessToken, pageToken: null, ...search })
    if (!page.ok) return page
    const ids = page.value.ids.filter((id) => !seen.has(id)).slice(0, search.limit)
    for (const id of ids) seen.add(id)
    const found = await lookThrough(deps, { accessToken, ids, messageId: `<${name}>` })
    if (!found.ok || found.value !== null) return found
  }
  return { ok: true, value: null }
}

/** Compares the headers themselves: a search that answers too much must not make a letter pass for sent. */
async function lookThrough(
  deps: GmailDeps,
  { accessToken, ids, messageId }: Token & { ids: readonly string[]; messageId: string },
): Promise<ProviderResult<SentMessage | null>> {
  if (ids.length === 0) return { ok: true, value: null }
  const paths = ids.map((id) => `/messages/${id}?${lookQuery}`)
  let found: SentMessage | null = null
  let failure: ProviderResult<null> | null = null
  for await (const answer of sendBatch(deps, { accessToken, paths })) {
    if ('ok' in answer) {
      failure = answer
      continue
    }
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
    // A message to oneself may lie there twice: the sent one is meant.
    if (labelIds.includes('SENT')) return { ok: true, value: { id, threadId } }
    found ??= { id, threadId }
  }
  // One that could not be looked at may be the one: not found is said only where all were seen.
  return found === null && failure !== null && !failure.ok ? failure : { ok: true, value: found }
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
