// Many GETs of Gmail's API in one request (developers.google.com/gmail/api/guides/batch), answered for one by one as the
// bytes arrive. No more than one answer is held whole. What an answer means is the caller's.

import type { HttpResponse } from '../bounded-request.ts'
import { type ProviderFailure, providerFailure } from '../failure.ts'
import { type StreamedResponse, sendStreamed } from '../streamed-request.ts'
import { authorized, type GmailDeps, readGmailFailure } from './call.ts'
import { boundaryOf, MultipartSplitter } from './multipart.ts'

/** Google advises against more than 50 (SECURITY G15). */
export const MAX_BATCH_SIZE = 50
export const BATCH_TIMEOUT_MS = 30_000
/** Google gathers all answers before it sends the first. */
export const BATCH_FIRST_BYTE_MS = 25_000
export const BATCH_IDLE_MS = 10_000
/** The largest JSON of one message that is held; a longer one passes by unread. */
export const MAX_PART_BYTES = 8_388_608

const MAX_HEAD_LENGTH = 16_384
const MAX_ERROR_BYTES = 65_536

export interface BatchAnswer {
  readonly index: number
  readonly status: number
  readonly headers: Headers
  /** Null where it was longer than `MAX_PART_BYTES`. */
  readonly body: Uint8Array | null
}

/**
 * Answers in the provider's order, one for an index; some may be missing. A failure of the request itself comes last.
 * @param batch.paths with their queries, below `/gmail/v1/users/me`
 */
export async function* sendBatch(
  deps: GmailDeps,
  batch: { accessToken: string; paths: readonly string[] },
): AsyncGenerator<BatchAnswer | ProviderFailure, void, undefined> {
  const boundary = `batch_${crypto.randomUUID()}`
  const response = await sendStreamed(
    deps.fetch,
    `${deps.batchOrigin}/batch/gmail/v1`,
    {
      method: 'POST',
      headers: { ...authorized(batch.accessToken), 'content-type': `multipart/mixed; boundary=${boundary}` },
      body: writeBatch(batch.paths, boundary),
    },
    { firstByteMs: BATCH_FIRST_BYTE_MS, idleMs: BATCH_IDLE_MS, totalMs: BATCH_TIMEOUT_MS },
  )
  if ('failure' in response) {
    yield providerFailure('unavailable', response.failure)
    return
  }
  try {
    yield* readBatch(deps, response, batch.paths.length)
  } finally {
    response.cancel()
  }
}

/** What an error answer says, as far as it is worth reading. */
export function asHttpResponse(answer: BatchAnswer): HttpResponse {
  const body = new TextDecoder().decode(answer.body?.subarray(0, MAX_ERROR_BYTES))
  return { status: answer.status, headers: answer.headers, body }
}

/** The beginning of a streamed answer's body, for its error. */
export async function readError(response: StreamedResponse): Promise<HttpResponse> {
  const decoder = new TextDecoder()
  let body = ''
  let size = 0
  for (let piece = await response.read(); piece instanceof Uint8Array; piece = await response.read()) {
    size += piece.length
    if (size > MAX_ERROR_BYTES) break
    body += decoder.decode(piece, { stream: true })
  }
  response.cancel()
  return { status: response.status, headers: response.headers, body }
}

async function* readBatch(
  deps: GmailDeps,
  response: StreamedResponse,
  count: number,
): AsyncGenerator<BatchAnswer | ProviderFailure, void, undefined> {
  if (response.status !== 200) {
    const failure = readGmailFailure(await readError(response), deps.clock())
    if (failure !== null) yield failure
    return
  }
  const boundary = boundaryOf(response.headers.get('content-type'))
  if (boundary === null) {
    yield providerFailure('unavailable', 'unreadable_answer')
    return
  }
  const splitter = new MultipartSplitter(boundary, MAX_PART_BYTES)
  const answered = new Set<number>()
  while (true) {
    const piece = await response.read()
    if (piece === null) break
    if ('failure' in piece) {
      yield providerFailure('unavailable', piece.failure)
      return
    }
    for (const { bytes, isOverlong } of splitter.push(piece)) {
      const answer = readPart(bytes, isOverlong)
      if (answer === null || answer.index >= count || answered.has(answer.index)) continue
      answered.add(answer.index)
      yield answer
    }
  }
  if (!splitter.isComplete) yield providerFailure('unavailable', 'truncated')
}

function writeBatch(paths: readonly string[], boundary: string): string {
  const parts = paths.map(
    (path, index) =>
      `--${boundary}\r\nContent-Type: application/http\r\nContent-ID: <item-${index}>\r\n\r\nGET /gmail/v1/users/me${path}\r\n\r\n`,
  )
  return `${parts.join('')}--${boundary}--\r\n`
}

/** A part's own headers, then a whole HTTP answer; null where it is none of ours. */
function readPart(bytes: Uint8Array, isOverlong: boolean): BatchAnswer | null {
  const head = new TextDecoder('windows-1252').decode(bytes.subarray(0, MAX_HEAD_LENGTH))
  const match =
    /^(?<part>.*?)\r?\n\r?\n\s*HTTP\/\d(?:\.\d)? (?<status>\d{3})[^\n]*\n(?<headers>(?:[^\r\n]+\r?\n)*)\r?\n/s.exec(
      head,
    )
  const groups = match?.groups
  const index = /^content-id:\s*<?response-item-(\d{1,3})>?\s*$/im.exec(groups?.part ?? '')?.[1]
  if (match === null || groups === undefined || index === undefined) return null
  return {
    index: Number(index),
    status: Number(groups.status),
    headers: readRetryHeaders(groups.headers ?? ''),
    // One byte is one character of this decoding, so the places agree.
    body: isOverlong ? null : bytes.subarray(match[0].length),
  }
}

/** Of an inner answer only what a failure is judged by. */
function readRetryHeaders(text: string): Headers {
  const wait = /^retry-after:[ \t]*([\w ,:]{1,64})/im.exec(text)?.[1]
  return new Headers(wait === undefined ? {} : { 'retry-after': wait.trim() })
}
