// Opens one attachment of a message as a stream: finds its part again, since Gmail's attachment ids change between
// reads, and decodes what comes as it comes.

import * as z from 'zod'
import { type ProviderResult, providerFailure } from '../failure.ts'
import type { AttachmentStream, Token } from '../mail.ts'
import { type StreamedResponse, sendStreamed } from '../streamed-request.ts'
import { readError } from './batch.ts'
import { authorized, type GmailDeps, getJson, gmailId, readGmailFailure } from './call.ts'
import { DataFieldReader } from './data-field.ts'
import { type FoundAttachment, leavesOf, readPayload } from './payload.ts'
import { decodeBase64 } from './text.ts'

export const ATTACHMENT_FIRST_BYTE_MS = 10_000
export const ATTACHMENT_IDLE_MS = 15_000
const MAX_MESSAGE_BYTES = 8_388_608
/** So deep only ids and names are asked for; what lies deeper comes as it is. */
const NAMED_LEVELS = 8

const messageSchema = z.object({ payload: z.unknown() })

/** See `MailAdapter.attachment`. */
export async function openAttachment(
  deps: GmailDeps,
  input: Token & { messageId: string; partId: string },
): Promise<ProviderResult<AttachmentStream | null>> {
  if (!gmailId.safeParse(input.messageId).success) return { ok: true, value: null }
  const found = await findPart(deps, input, `id,payload(${partFields(NAMED_LEVELS)})`)
  if (!found.ok || found.value === null) return found.ok ? { ok: true, value: null } : found
  const { attachmentId, inlineData, sizeBytes } = found.value
  if (attachmentId !== null) return openById(deps, input, attachmentId, sizeBytes)
  if (inlineData !== null) return { ok: true, value: inlineStream(inlineData) }
  // Small parts may have no id: their bytes stand in the message.
  const whole = await findPart(deps, input, 'id,payload')
  if (!whole.ok) return whole
  const data = whole.value?.inlineData ?? null
  return { ok: true, value: data === null ? null : inlineStream(data) }
}

async function findPart(
  deps: GmailDeps,
  { accessToken, messageId, partId }: Token & { messageId: string; partId: string },
  fields: string,
): Promise<ProviderResult<FoundAttachment | null>> {
  const path = `/messages/${messageId}?format=full&fields=${fields}`
  const answer = await getJson(deps, { accessToken, path, schema: messageSchema, maxBytes: MAX_MESSAGE_BYTES })
  if (!answer.ok) return isGone(answer.code, answer.kind) ? { ok: true, value: null } : answer
  const payload = readPayload(answer.value.payload)
  if (payload === null) return providerFailure('unavailable', 'unreadable_answer')
  // A text part too large to be shown is listed as an attachment, so it can be opened as one.
  const texts = leavesOf(payload.body).map(({ attachment }) => attachment)
  const part = [...payload.attachments, ...texts].find((it) => it.partId === partId)
  return { ok: true, value: part ?? null }
}

async function openById(
  deps: GmailDeps,
  { accessToken, messageId }: Token & { messageId: string },
  attachmentId: string,
  sizeBytes: number,
): Promise<ProviderResult<AttachmentStream | null>> {
  const response = await sendStreamed(
    deps.fetch,
    `${deps.apiOrigin}/gmail/v1/users/me/messages/${messageId}/attachments/${attachmentId}`,
    { method: 'GET', headers: authorized(accessToken) },
    { firstByteMs: ATTACHMENT_FIRST_BYTE_MS, idleMs: ATTACHMENT_IDLE_MS, totalMs: null },
  )
  if ('failure' in response) return providerFailure('unavailable', response.failure)
  if (response.status !== 200) {
    const failure = readGmailFailure(await readError(response), deps.clock())
    return failure === null || isGone(failure.code, failure.kind) ? { ok: true, value: null } : failure
  }
  return { ok: true, value: { body: decodedStream(response, sizeBytes), sizeBytes: sizeBytes > 0 ? sizeBytes : null } }
}

/** One piece for each that the consumer asks for. A broken answer breaks the stream: half a file must not pass for one. */
function decodedStream(response: StreamedResponse, sizeBytes: number): ReadableStream<Uint8Array> {
  const reader = new DataFieldReader()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        while (true) {
          const piece = await response.read()
          if (piece === null) {
            controller.error(new Error('attachment: truncated'))
            return
          }
          if ('failure' in piece) {
            controller.error(new Error(`attachment: ${piece.failure}`))
            return
          }
          const bytes = reader.push(piece)
          if (bytes.length > 0) controller.enqueue(bytes)
          if (reader.isComplete) {
            response.cancel()
            if (reader.hasData || sizeBytes === 0) controller.close()
            else controller.error(new Error('attachment: no data'))
          }
          if (bytes.length > 0 || reader.isComplete) return
        }
      },
      cancel() {
        response.cancel()
      },
    },
    { highWaterMark: 0 },
  )
}

function inlineStream(data: string): AttachmentStream {
  const bytes = decodeBase64(data)
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes)
      controller.close()
    },
  })
  return { body, sizeBytes: bytes.length }
}

/** A message, a part or an attachment id that is not there (any more). */
function isGone(code: string, kind: string): boolean {
  return code === 'http_404' || kind === 'refused'
}

function partFields(levels: number): string {
  const own = 'partId,mimeType,filename,headers,body(size,attachmentId)'
  return levels === 0 ? `${own},parts` : `${own},parts(${partFields(levels - 1)})`
}
