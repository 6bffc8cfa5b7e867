// Gmail's API as far as an opened mailbox needs it. It must not know users, sealing or where the access token came
// from; what a 401 or 403 leads to is decided elsewhere.

import * as z from 'zod'
import { normalizeEmail } from '../crypto/encoding.ts'
import { type HttpResponse, readJson, retryAfterSeconds, sendBounded } from './bounded-request.ts'
import { type ProviderFailure, type ProviderResult, providerFailure } from './failure.ts'
import type { MailAdapter, ProviderDeps } from './provider.ts'

/** Reasons of a 403 that mean "too fast", not "not allowed" (Gmail's guide to errors). */
const quotaReasons: ReadonlySet<string> = new Set([
  'rateLimitExceeded',
  'userRateLimitExceeded',
  'quotaExceeded',
  'dailyLimitExceeded',
  'RATE_LIMIT_EXCEEDED',
])
const scopeReasons: ReadonlySet<string> = new Set(['insufficientPermissions', 'ACCESS_TOKEN_SCOPE_INSUFFICIENT'])

const profileSchema = z.object({ emailAddress: z.string() })
const reason = z.object({ reason: z.string().optional() })
const errorSchema = z.object({
  error: z.object({ errors: z.array(reason).catch([]), details: z.array(reason).catch([]) }),
})

/** @param baseUrl an origin: https://gmail.googleapis.com, or the local Google's */
export function createGmail(deps: Pick<ProviderDeps, 'fetch' | 'clock'>, baseUrl: string): MailAdapter {
  const { fetch: send, clock } = deps
  return {
    async mailbox({ accessToken }): Promise<ProviderResult<{ email: string }>> {
      const answer = await sendBounded(send, `${baseUrl}/gmail/v1/users/me/profile`, {
        method: 'GET',
        headers: { accept: 'application/json', authorization: `Bearer ${accessToken}` },
      })
      if ('failure' in answer) return providerFailure('unavailable', answer.failure)
      const failure = readGmailFailure(answer, clock())
      if (failure !== null) return failure
      const profile = profileSchema.safeParse(readJson(answer.body))
      const email = profile.success ? normalizeEmail(profile.data.emailAddress) : null
      return email === null ? providerFailure('unavailable', 'unreadable_answer') : { ok: true, value: { email } }
    },
  }
}

/**
 * What went wrong in an answer of Gmail, or null for a 200: 401 `unauthorized`, 429 and a 403 for quota
 * `rate_limited`, any other 403 `forbidden`, everything else `unavailable`. By `reason`, never by text.
 */
export function readGmailFailure(answer: HttpResponse, now: Date): ProviderFailure | null {
  if (answer.status === 200) return null
  const wait = retryAfterSeconds(answer.headers, now)
  if (answer.status === 401) return providerFailure('unauthorized', 'http_401', wait)
  if (answer.status === 429) return providerFailure('rate_limited', 'http_429', wait)
  if (answer.status !== 403) return providerFailure('unavailable', `http_${answer.status}`, wait)
  const reasons = readReasons(answer.body)
  if (reasons.some((it) => quotaReasons.has(it))) return providerFailure('rate_limited', 'quota_exceeded', wait)
  if (reasons.some((it) => scopeReasons.has(it))) return providerFailure('forbidden', 'insufficient_permissions', wait)
  return providerFailure('forbidden', 'http_403', wait)
}

function readReasons(body: string): string[] {
  const parsed = errorSchema.safeParse(readJson(body))
  if (!parsed.success) return []
  return [...parsed.data.error.errors, ...parsed.data.error.details].flatMap((it) => it.reason ?? [])
}
