// Fetches messages: a batch first, then alone and without its body whatever could not be read in it, so that one bad
// message is listed all the same and stands in nobody's way.

import * as z from 'zod'
import { readJson } from '../bounded-request.ts'
import type { ProviderFailure, ProviderResult } from '../failure.ts'
import type { FetchedMessage, MailMessage, Token } from '../mail.ts'
import { asHttpResponse, type BatchAnswer, MAX_BATCH_SIZE, sendBatch } from './batch.ts'
import { type GmailDeps, getJson, gmailId, labelId, listOf, readGmailFailure } from './call.ts'
import { finishMessage, missingLeaves, readMessage } from './message.ts'
import type { TextLeaf } from './payload.ts'
import { decodeBase64 } from './text.ts'

/** A text part kept apart from its message is fetched up to this size, and so many of one message. */
const MAX_TEXT_BYTES = 1_048_576
const MAX_FETCHED_TEXTS = 4
const MAX_TEXT_ANSWER_BYTES = 2_097_152
const MAX_METADATA_BYTES = 1_048_576
/** What each further call for a message costs (SECURITY G12). */
const UNITS_OF_CALL = 20

const fields = 'id,threadId,labelIds,snippet,historyId,internalDate,sizeEstimate'
const metadataHeaders = [
  'From',
  'To',
  'Cc',
  'Bcc',
  'Reply-To',
  'Subject',
  'Date',
  'Message-ID',
  'In-Reply-To',
  'References',
]
const metadataQuery = [
  `format=metadata&fields=${fields},payload/headers`,
  ...metadataHeaders.map((it) => `metadataHeaders=${it}`),
].join('&')
const queries = {
  full: `format=full&fields=${fields},payload`,
  labels: 'format=minimal&fields=id,labelIds',
} as const

const labelsSchema = z.object({ id: gmailId, labelIds: listOf(labelId).catch([]) })
const dataSchema = z.object({ data: z.string() })

/** What one message came to; `unreadable` is asked for once more, alone. */
type Outcome = FetchedMessage | ProviderFailure | 'unreadable'

/**
 * See `MailAdapter.fetch`. Where the connection broke, what was not answered is `later`, and then comes the failure. A token
 * or a permission is every message's: one that is refused for it among others that are not is `later`, too.
 */
export async function* fetchMessages(
  deps: GmailDeps,
  input: Token & { ids: readonly string[]; depth: 'full' | 'labels' },
): AsyncGenerator<ProviderResult<FetchedMessage>, void, undefined> {
  const all = [...new Set(input.ids)]
  if (all.length > MAX_BATCH_SIZE) throw new RangeError(`a batch takes ${MAX_BATCH_SIZE} messages`)
  const ids = all.filter((id) => gmailId.safeParse(id).success)
  for (const id of all) if (!ids.includes(id)) yield success({ kind: 'broken', id, code: 'invalid_id' })
  if (ids.length === 0) return

  const calls = new Map<string, number>()
  const counting = (id: string): GmailDeps => ({
    ...deps,
    fetch: (...call) => {
      calls.set(id, (calls.get(id) ?? 0) + 1)
      return deps.fetch(...call)
    },
  })
  const waiting = new Set(ids)
  const alone: string[] = []
  const refused = new Map<string, ProviderFailure>()
  let failure: ProviderFailure | null = null
  const paths = ids.map((id) => `/messages/${id}?${queries[input.depth]}`)
  for await (const answer of sendBatch(deps, { accessToken: input.accessToken, paths })) {
    if ('ok' in answer) {
      failure ??= answer
      continue
    }
    const id = ids[answer.index]
    if (id === undefined) continue
    const outcome = await readAnswer(counting(id), input, id, answer)
    if (outcome === 'unreadable') {
      alone.push(id)
      continue
    }
    waiting.delete(id)
    if ('ok' in outcome) refused.set(id, outcome)
    else yield success(outcome, calls.get(id))
  }
  const isRefused = failure !== null && ['unauthorized', 'forbidden', 'misconfigured'].includes(failure.kind)
  for (const id of isRefused ? [] : alone) {
    const outcome = await fetchHeaders(counting(id), input, id)
    waiting.delete(id)
    if ('ok' in outcome) refused.set(id, outcome)
    else yield success(outcome, calls.get(id))
    // Slow or too fast: the next would fare no better, and each may take its whole time.
    if ('ok' in outcome || outcome.kind === 'later') break
  }
  const answeredCount = ids.length - waiting.size
  if (failure === null && refused.size > 0 && refused.size === answeredCount) failure = [...refused.values()][0] ?? null
  else for (const [id, it] of refused) yield success(later(id, it.code, it), calls.get(id))
  if (failure === null || failure.kind === 'unavailable') {
    for (const id of waiting) yield success(later(id, failure?.code ?? 'unanswered', failure))
  }
  if (failure !== null) yield failure
}

async function readAnswer(
  deps: GmailDeps,
  input: Token & { depth: 'full' | 'labels' },
  id: string,
  answer: BatchAnswer,
): Promise<Outcome> {
  const failure = answer.status === 200 ? null : readGmailFailure(asHttpResponse(answer), deps.clock())
  if (failure !== null) return judge(id, failure)
  const value = answer.body === null ? undefined : readJson(new TextDecoder().decode(answer.body))
  if (input.depth === 'full') return readWhole(deps, input, id, value)
  const labels = labelsSchema.safeParse(value)
  if (!labels.success) return { kind: 'broken', id, code: 'unreadable' }
  return labels.data.id === id
    ? { kind: 'labels', id, labelIds: labels.data.labelIds }
    : { kind: 'broken', id, code: 'wrong_id' }
}

/** A mail that breaks what reads it is as unreadable as one that is no mail. */
async function readWhole(deps: GmailDeps, input: Token, id: string, value: unknown): Promise<Outcome> {
  try {
    const read = readMessage(value)
    if (read === null) return 'unreadable'
    if (read.fields.id !== id) return { kind: 'broken', id, code: 'wrong_id' }
    const texts = await fetchTexts(deps, input, id, missingLeaves(read))
    return texts instanceof Map ? asMessage(finishMessage(read, texts)) : texts
  } catch {
    return 'unreadable'
  }
}

async function fetchTexts(
  deps: GmailDeps,
  { accessToken }: Token,
  id: string,
  leaves: readonly TextLeaf[],
): Promise<Map<TextLeaf, Uint8Array> | FetchedMessage | ProviderFailure> {
  const texts = new Map<TextLeaf, Uint8Array>()
  for (const leaf of leaves.filter((it) => it.sizeBytes <= MAX_TEXT_BYTES).slice(0, MAX_FETCHED_TEXTS)) {
    const path = `/messages/${id}/attachments/${leaf.attachmentId}?fields=data`
    const part = await getJson(deps, { accessToken, path, schema: dataSchema, maxBytes: MAX_TEXT_ANSWER_BYTES })
    if (part.ok) texts.set(leaf, decodeBase64(part.value.data))
    else if (!isUnreadable(part) && part.kind !== 'refused' && part.code !== 'http_404') return judge(id, part)
  }
  return texts
}

/** Without its body: headers, snippet and labels, so that it is listed all the same. */
async function fetchHeaders(
  deps: GmailDeps,
  { accessToken }: Token,
  id: string,
): Promise<FetchedMessage | ProviderFailure> {
  const path = `/messages/${id}?${metadataQuery}`
  const answer = await getJson(deps, { accessToken, path, schema: z.unknown(), maxBytes: MAX_METADATA_BYTES })
  if (!answer.ok) return isUnreadable(answer) ? { kind: 'broken', id, code: answer.code } : judge(id, answer)
  try {
    const read = readMessage(answer.value)
    if (read === null) return { kind: 'broken', id, code: 'unreadable' }
    return read.fields.id === id ? asMessage(finishMessage(read, new Map())) : { kind: 'broken', id, code: 'wrong_id' }
  } catch {
    return { kind: 'broken', id, code: 'unreadable' }
  }
}

function judge(id: string, failure: ProviderFailure): FetchedMessage | ProviderFailure {
  if (failure.code === 'http_404') return { kind: 'gone', id }
  if (failure.kind === 'refused') return { kind: 'broken', id, code: failure.code }
  if (failure.kind === 'unauthorized' || failure.kind === 'forbidden') return failure
  // A 403 that nobody knows the reason of, too: it may be this message's own.
  return later(id, failure.code, failure)
}

function isUnreadable(failure: ProviderFailure): boolean {
  return failure.code === 'too_large' || failure.code === 'unreadable_answer'
}

function later(id: string, code: string, failure: ProviderFailure | null): FetchedMessage {
  const isRateLimit = failure?.kind === 'rate_limited'
  return { kind: 'later', id, code, isRateLimit, retryAfterSeconds: failure?.retryAfterSeconds ?? null }
}

function asMessage(message: MailMessage): FetchedMessage {
  return { kind: 'message', message }
}

function success(value: FetchedMessage, calls = 0): ProviderResult<FetchedMessage> {
  return { ok: true, value: calls === 0 ? value : { ...value, extraUnits: calls * UNITS_OF_CALL } }
}
