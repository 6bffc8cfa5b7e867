// One call of Gmail's API and what its failures mean. What a 401 or 403 leads to is decided elsewhere; nothing of an
// answer's text leaves here but what its schema names.

import * as z from 'zod'
import { type HttpResponse, readJson, retryAfterSeconds, sendBounded } from '../bounded-request.ts'
import { type ProviderFailure, type ProviderResult, providerFailure } from '../failure.ts'
import type { ProviderDeps } from '../provider.ts'

export interface GmailDeps extends Pick<ProviderDeps, 'fetch' | 'clock'> {
  /** An origin: https://gmail.googleapis.com, or the local Google's. */
  readonly apiOrigin: string
  /** Where batches go: https://www.googleapis.com, or the local Google's. */
  readonly batchOrigin: string
}

/** A list of 500 needs 40 KB, history with its labels some hundred; a message without its attachments is another case. */
const MAX_JSON_BYTES = 4_194_304

/** Reasons of a 403 that mean "too fast", not "not allowed" (Gmail's guide to errors). */
const quotaReasons: ReadonlySet<string> = new Set([
  'rateLimitExceeded',
  'userRateLimitExceeded',
  'quotaExceeded',
  'dailyLimitExceeded',
  'RATE_LIMIT_EXCEEDED',
])
const scopeReasons: ReadonlySet<string> = new Set(['insufficientPermissions', 'ACCESS_TOKEN_SCOPE_INSUFFICIENT'])
/** What a refused request may be called in our logs; any other word of theirs stays out. */
const refusalCodes: ReadonlyMap<string, string> = new Map([
  ['invalidArgument', 'invalid_argument'],
  ['failedPrecondition', 'failed_precondition'],
  ['badRequest', 'bad_request'],
  ['invalid', 'invalid'],
])

const reason = z.object({ reason: z.string().optional() })
const errorSchema = z.object({
  error: z.object({ errors: z.array(reason).catch([]), details: z.array(reason).catch([]) }),
})

/** Ids of messages and threads; they go into paths of further calls. */
export const gmailId = z.string().regex(/^[\w-]{1,64}$/)
/** A number of up to 30 digits, kept as text; as a JSON number where it is exact. */
export const historyId = z.union([z.string().regex(/^\d{1,30}$/), z.int().min(0).transform(String)])
/** `INBOX`, `Label_12`, `CATEGORY_SOCIAL`. */
export const labelId = z.string().regex(/^[^\s\p{C}]{1,255}$/u)

/** A figure for people: one that no mailbox has is none. */
export const messageCount = z.number().int().min(0).max(2_147_483_647).catch(0)

/** The values of a list that are what they should be, each once; none where there is no list. What is no list is refused. */
export function listOf<T>(item: z.ZodType<T>): z.ZodType<T[]> {
  return z
    .array(z.unknown())
    .nullish()
    .transform((list) => [...new Set((list ?? []).flatMap((it) => readOne(item, it)))])
}

function readOne<T>(schema: z.ZodType<T>, value: unknown): T[] {
  const parsed = schema.safeParse(value)
  return parsed.success ? [parsed.data] : []
}

export function authorized(accessToken: string): Record<string, string> {
  return { accept: 'application/json', authorization: `Bearer ${accessToken}` }
}

/** GET of a JSON value. @param call.path with its query, below `/gmail/v1/users/me` */
export async function getJson<T>(
  deps: GmailDeps,
  call: { accessToken: string; path: string; schema: z.ZodType<T>; maxBytes?: number },
): Promise<ProviderResult<T>> {
  const answer = await sendBounded(
    deps.fetch,
    `${deps.apiOrigin}/gmail/v1/users/me${call.path}`,
    { method: 'GET', headers: authorized(call.accessToken) },
    { maxAnswerBytes: call.maxBytes ?? MAX_JSON_BYTES },
  )
  if ('failure' in answer) return providerFailure('unavailable', answer.failure)
  return readAnswer(answer, deps.clock(), call.schema)
}

/** A failure, or the value of a 200; an answer that cannot be read is `unavailable`. */
export function readAnswer<T>(answer: HttpResponse, now: Date, schema: z.ZodType<T>): ProviderResult<T> {
  const failure = readGmailFailure(answer, now)
  if (failure !== null) return failure
  const parsed = schema.safeParse(readJson(answer.body))
  return parsed.success ? { ok: true, value: parsed.data } : providerFailure('unavailable', 'unreadable_answer')
}

/**
 * What went wrong in an answer of Gmail, or null for a 200: 401 `unauthorized`, 429 and a 403 for quota
 * `rate_limited`, a 403 for a missing permission `forbidden`, any other 403 `misconfigured` (our project's API is off, a
 * domain's policy): no mailbox is marked for it. 400 and 413 `refused`, everything else `unavailable`. By `reason`, never
 * by text.
 */
export function readGmailFailure(answer: HttpResponse, now: Date): ProviderFailure | null {
  const { status } = answer
  if (status === 200) return null
  const wait = retryAfterSeconds(answer.headers, now)
  if (status === 401) return providerFailure('unauthorized', 'http_401', wait)
  if (status === 429) return providerFailure('rate_limited', 'http_429', wait)
  if (status === 400 || status === 413) {
    const code = readReasons(answer.body).flatMap((it) => refusalCodes.get(it) ?? [])[0]
    return providerFailure('refused', code ?? `http_${status}`, wait)
  }
  if (status !== 403) return providerFailure('unavailable', `http_${status}`, wait)
  const reasons = readReasons(answer.body)
  if (reasons.some((it) => quotaReasons.has(it))) return providerFailure('rate_limited', 'quota_exceeded', wait)
  if (reasons.some((it) => scopeReasons.has(it))) return providerFailure('forbidden', 'insufficient_permissions', wait)
  return providerFailure('misconfigured', 'http_403', wait)
}

function readReasons(body: string): string[] {
  const parsed = errorSchema.safeParse(readJson(body))
  if (!parsed.success) return []
  return [...parsed.data.error.errors, ...parsed.data.error.details].flatMap((it) => it.reason ?? [])
}
