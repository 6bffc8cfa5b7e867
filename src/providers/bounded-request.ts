// One HTTP request to a provider that always ends: 10 s with its body, 64 KB (where the caller names no others), no
// redirect followed, never a throw.
// It must not know what the answer means, and nothing of an answer leaves it but status, headers and body.

export const PROVIDER_TIMEOUT_MS = 10_000
export const MAX_ANSWER_BYTES = 65_536
const MAX_RETRY_AFTER_SECONDS = 86_400

export interface HttpResponse {
  readonly status: number
  readonly headers: Headers
  readonly body: string
}

/** What came back, whole, or why nothing did. */
export type HttpAnswer = HttpResponse | { readonly failure: 'timeout' | 'network' | 'too_large' }

export interface RequestLimits {
  readonly timeoutMs?: number
  readonly maxAnswerBytes?: number
}

/** Sends once. Every body is read to its end or cancelled; the time limit covers both. */
export async function sendBounded(
  send: typeof fetch,
  url: string,
  request: { method: 'GET' | 'POST' | 'DELETE'; headers: Record<string, string>; body?: string | Uint8Array },
  { timeoutMs = PROVIDER_TIMEOUT_MS, maxAnswerBytes = MAX_ANSWER_BYTES }: RequestLimits = {},
): Promise<HttpAnswer> {
  const abort = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  // Raced, not only aborted: a time limit that depends on the other side noticing is none.
  const timedOut = new Promise<HttpAnswer>((resolve) => {
    timer = setTimeout(() => {
      resolve({ failure: 'timeout' })
      abort.abort()
    }, timeoutMs)
  })
  try {
    const init = { ...request, redirect: 'manual' as const, signal: abort.signal }
    return await Promise.race([attempt(send, url, init, maxAnswerBytes), timedOut])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Seconds a provider asks us to wait (`Retry-After`, RFC 9110 §10.2.3: seconds or an HTTP date), clamped to 0..86,400;
 * null where it says nothing readable.
 */
export function retryAfterSeconds(headers: Headers, now: Date): number | null {
  const text = headers.get('retry-after')?.trim() ?? ''
  const seconds = /^\d+$/.test(text)
    ? Number(text)
    : /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)
      ? Math.ceil((Date.parse(text) - now.getTime()) / 1000)
      : Number.NaN
  return Number.isNaN(seconds) ? null : Math.min(Math.max(seconds, 0), MAX_RETRY_AFTER_SECONDS)
}

/** The JSON value of a body; undefined where it is none. */
export function readJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

async function attempt(
  send: typeof fetch,
  url: string,
  init: RequestInit & { signal: AbortSignal },
  maxAnswerBytes: number,
): Promise<HttpAnswer> {
  try {
    const response = await send(url, init)
    const body = await readCapped(response, init.signal, maxAnswerBytes)
    return body === null ? { failure: 'too_large' } : { status: response.status, headers: response.headers, body }
  } catch {
    return { failure: init.signal.aborted ? 'timeout' : 'network' }
  }
}

async function readCapped(response: Response, signal: AbortSignal, maxBytes: number): Promise<string | null> {
  if (response.body === null) return ''
  const reader = response.body.getReader()
  // A connection that breaks is reported by `read`; this second report of it would go unheard.
  reader.closed.catch(() => undefined)
  const cancel = (): Promise<void> => reader.cancel().catch(() => undefined)
  if (signal.aborted) {
    await cancel()
    return ''
  }
  signal.addEventListener('abort', () => void cancel(), { once: true })
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    size += chunk.value.byteLength
    if (size > maxBytes) {
      await cancel()
      return null
    }
    text += decoder.decode(chunk.value, { stream: true })
  }
  return text + decoder.decode()
}
