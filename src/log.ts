// One structured line a thing that happened. Fields are an allow-list by type and by run time: an error object, a body
// or a header cannot be passed, so a secret cannot slip in through one.

/** Every field that may ever be logged. Values are short and harmless: ids, codes, counts, milliseconds. */
export interface LogFields {
  readonly request_id?: string
  readonly method?: string
  readonly route?: string
  readonly status?: number
  readonly code?: string
  readonly duration_ms?: number
  readonly db_trips?: number
  readonly provider_calls?: number
  readonly job?: string
  readonly queue?: string
  readonly message_id?: string
  readonly attempts?: number
  readonly count?: number
  readonly refreshed?: number
  readonly fetched?: number
  readonly inserted?: number
  readonly deleted?: number
  readonly failed?: number
  readonly provider?: string
  readonly subject_id?: string
  readonly setting?: string
  readonly problem?: string
  /** The class of something thrown, and its place: never its message, which may quote input. */
  readonly error_name?: string
  readonly error_code?: string
  readonly error_at?: string
}

const allowed = new Set<string>([
  'request_id',
  'method',
  'route',
  'status',
  'code',
  'duration_ms',
  'db_trips',
  'provider_calls',
  'job',
  'queue',
  'message_id',
  'attempts',
  'count',
  'refreshed',
  'fetched',
  'inserted',
  'deleted',
  'failed',
  'provider',
  'subject_id',
  'setting',
  'problem',
  'error_name',
  'error_code',
  'error_at',
])

export type LogEvent =
  | 'request'
  | 'job'
  | 'misconfigured'
  | 'bug'
  | 'alarm_circuit_open'
  | 'alarm_provider_misconfigured'
  | 'alarm_sealed_token_unreadable'
  | 'alarm_dead_letter'
  | 'alarm_letters_misconfigured'
  | 'queue_send_failed'
  | 'storage_failed'
  | 'unavailable'

export interface Log {
  info(event: LogEvent, fields?: LogFields): void
  error(event: LogEvent, fields?: LogFields): void
}

/** Writes JSON lines through `write`; strings are cut at 200 characters, unknown fields dropped. */
export function createLog(write: (line: string) => void, base: LogFields = {}): Log {
  function line(level: 'info' | 'error', event: LogEvent, fields: LogFields): void {
    const out: Record<string, string | number> = { level, event }
    for (const [key, value] of Object.entries({ ...base, ...fields })) {
      if (!allowed.has(key)) continue
      if (typeof value === 'string') out[key] = value.slice(0, 200)
      else if (typeof value === 'number') out[key] = value
    }
    write(JSON.stringify(out))
  }
  return {
    info: (event, fields = {}) => line('info', event, fields),
    error: (event, fields = {}) => line('error', event, fields),
  }
}

/** What may be said of something thrown: its class, its code, and the first place in our own code. Never its message. */
export function describeThrown(thrown: unknown): LogFields {
  if (!(thrown instanceof Error)) return { error_name: typeof thrown }
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
  const place = framesOf(thrown)
    .split('\n')
    .find((text) => text.trimStart().startsWith('at '))
    ?.trim()
  return {
    error_name: thrown.name,
    ...(code === undefined ? {} : { error_code: code }),
    ...(place === undefined ? {} : { error_at: place }),
  }
}

/** The stack without the message before it, which may have lines of its own. */
function framesOf(error: Error): string {
  const stack = error.stack ?? ''
  const at = stack.indexOf(error.message)
  return at === -1 ? stack : stack.slice(at + error.message.length)
}

export const consoleLog: Log = createLog((line) => console.log(line))
