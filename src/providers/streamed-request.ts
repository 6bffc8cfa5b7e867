// One HTTP request to a provider whose answer is read piece by piece and always ends: a limit to the first byte, one for
// each silence, and, where named, one for all of it. No redirect followed, never a throw. It must not know what the
// answer means.

export interface StreamLimits {
  readonly firstByteMs: number
  readonly idleMs: number
  /** Null where only silence ends it. */
  readonly totalMs: number | null
}

export type StreamFailure = 'timeout' | 'network'

/** A piece, the end (null), or why there is no end. After either of these two nothing is held. */
export type Piece = Uint8Array | null | { readonly failure: StreamFailure }

export interface StreamedResponse {
  readonly status: number
  readonly headers: Headers
  read(): Promise<Piece>
  /** Ends the request; safe to call at any time, more than once, and after the end. */
  cancel(): void
}

/** Sends once. The caller reads to the end or cancels. */
export async function sendStreamed(
  send: typeof fetch,
  url: string,
  request: { method: 'GET' | 'POST'; headers: Record<string, string>; body?: string },
  limits: StreamLimits,
): Promise<StreamedResponse | { readonly failure: StreamFailure }> {
  const abort = new AbortController()
  const total = limits.totalMs === null ? undefined : setTimeout(() => abort.abort(), limits.totalMs)
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  let ended: Piece | undefined

  const end = (piece: null | { readonly failure: StreamFailure }): Piece => {
    clearTimeout(total)
    ended ??= piece
    abort.abort()
    // What breaks while it is being ended concerns nobody any more.
    reader?.cancel().catch(() => undefined)
    return ended
  }
  const cancel = (): void => void end(null)

  const response = await within(limits.firstByteMs, abort.signal, async () => {
    const answer = await send(url, { ...request, redirect: 'manual', signal: abort.signal })
    // Come too late: nobody will read it.
    if (abort.signal.aborted) await answer.body?.cancel()
    return answer
  })
  if ('failure' in response) {
    end(response)
    return response
  }
  const { status, headers, body } = response.value
  reader = body?.getReader()
  // A connection that breaks is reported by `read`; this second report of it would go unheard.
  reader?.closed.catch(() => undefined)
  let isFirst = true

  const read = async (): Promise<Piece> => {
    if (ended !== undefined) return ended
    if (reader === undefined) return end(null)
    const from = reader
    const piece = await within(isFirst ? limits.firstByteMs : limits.idleMs, abort.signal, () => from.read())
    isFirst = false
    if (ended !== undefined) return ended
    if ('failure' in piece) return end(piece)
    return piece.value.done ? end(null) : piece.value.value
  }
  return { status, headers, read, cancel }
}

/** Raced, not only aborted: a time limit that depends on the other side noticing is none. */
async function within<T>(
  limitMs: number,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<{ readonly value: T } | { readonly failure: StreamFailure }> {
  if (signal.aborted) return { failure: 'timeout' }
  let timer: ReturnType<typeof setTimeout> | undefined
  let onAbort = (): void => undefined
  const timedOut = new Promise<{ failure: StreamFailure }>((resolve) => {
    onAbort = () => resolve({ failure: 'timeout' })
    timer = setTimeout(onAbort, limitMs)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    const working = work().then(
      (value) => ({ value }),
      (): { failure: StreamFailure } => ({ failure: signal.aborted ? 'timeout' : 'network' }),
    )
    return await Promise.race([working, timedOut])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}
