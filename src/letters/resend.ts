// Letters by Resend's HTTP interface (https://resend.com/docs/api-reference/emails/send-email). One request that always
// ends; the answer's words go nowhere, only its status and the error's name decide.

import {
  headerProblem,
  type OutgoingLetter,
  SEND_TIMEOUT_MS,
  type SendResult,
  senderHeader,
  sendFailure,
  type Transport,
} from './transport.ts'

const productionUrl = 'https://api.resend.com'
const maxAnswerBytes = 16_384
const maxRetryAfterSeconds = 86_400

export interface ResendDeps {
  readonly fetch: typeof fetch
  readonly clock: () => Date
}

export interface ResendSettings {
  readonly apiKey: string
  /** An origin in place of Resend's; development only. */
  readonly emulatorUrl: string | null
}

/** The same letter goes with the same `Idempotency-Key`, its id, which Resend keeps for 24 hours: a repeat sends nothing. */
export function createResendTransport(deps: ResendDeps, settings: ResendSettings): Transport {
  const url = `${settings.emulatorUrl ?? productionUrl}/emails`
  return {
    async send(letter) {
      const problem = headerProblem(letter)
      if (problem !== null) return problem
      return withTimeLimit(async (signal) => {
        const response = await deps.fetch(url, { ...requestOf(letter, settings.apiKey), redirect: 'manual', signal })
        const errorName = await readErrorName(response)
        return judge(response, errorName, deps.clock())
      })
    },
  }
}

function requestOf(letter: OutgoingLetter, apiKey: string): RequestInit {
  return {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${apiKey}`,
      'Content-Type': 'application/json',
      'Idempotency-Key': letter.id,
      // Resend refuses requests without one.
      'User-Agent': 'gatepost',
    },
    body: JSON.stringify({
      from: senderHeader(letter.from),
      to: [letter.to],
      subject: letter.subject,
      text: letter.text,
      html: letter.html,
      // RFC 3834: no out-of-office answers, please.
      headers: { 'Auto-Submitted': 'auto-generated' },
    }),
  }
}

/** Raced, not only aborted: a time limit that depends on the other side noticing is none. */
async function withTimeLimit(send: (signal: AbortSignal) => Promise<SendResult>): Promise<SendResult> {
  const abort = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const timedOut = new Promise<SendResult>((resolve) => {
    timer = setTimeout(() => {
      resolve(sendFailure('unavailable', 'timeout'))
      abort.abort()
    }, SEND_TIMEOUT_MS)
  })
  try {
    return await Promise.race([
      send(abort.signal).catch(() => sendFailure('unavailable', abort.signal.aborted ? 'timeout' : 'network')),
      timedOut,
    ])
  } finally {
    clearTimeout(timer)
  }
}

/** Resend's machine name of an error; null for an answer without one. Every body is read to its end or cancelled. */
async function readErrorName(response: Response): Promise<string | null> {
  if (response.body === null) return null
  if (response.ok) {
    await response.body.cancel()
    return null
  }
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    text += decoder.decode(chunk.value, { stream: true })
    if (text.length > maxAnswerBytes) {
      await reader.cancel()
      return null
    }
  }
  const [, name] = /"name"\s*:\s*"([a-z0-9_]{1,50})"/.exec(text) ?? []
  return name ?? null
}

function judge(response: Response, errorName: string | null, now: Date): SendResult {
  const { status } = response
  if (response.ok) return { ok: true }
  const code = `resend_${errorName ?? `http_${status}`}`
  const wait = retryAfterSeconds(response.headers, now)
  // Under this key another body was taken before (our words changed between two tries): the letter has left.
  if (status === 409 && errorName === 'invalid_idempotent_request') return { ok: true }
  if (status === 409) return sendFailure('unavailable', code, wait)
  if (status === 429) return sendFailure('rate_limited', code, wait)
  // A key that is missing, wrong or restricted, or a sender's domain that is not verified: no letter's fault.
  if (status === 401 || status === 403 || errorName === 'invalid_from_address')
    return sendFailure('misconfigured', code, wait)
  if (status === 400 || status === 413 || status === 422 || status === 451) return sendFailure('refused', code)
  if (status >= 400 && status < 500) return sendFailure('misconfigured', code, wait)
  return sendFailure('unavailable', code, wait)
}

/** `Retry-After` in both its forms (RFC 9110 §10.2.3), clamped; null where it says nothing readable. */
function retryAfterSeconds(headers: Headers, now: Date): number | null {
  const text = headers.get('retry-after')?.trim() ?? ''
  const seconds = /^\d+$/.test(text)
    ? Number(text)
    : /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)
      ? Math.ceil((Date.parse(text) - now.getTime()) / 1_000)
      : Number.NaN
  return Number.isNaN(seconds) ? null : Math.min(Math.max(seconds, 0), maxRetryAfterSeconds)
}
