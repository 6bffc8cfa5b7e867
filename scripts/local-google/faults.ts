// Faults that a test injects by path. It chooses and counts them; the server carries them out.
import { bearerToken, type Reply, type Request, readForm } from './http.ts'

export interface Fault {
  readonly method?: string | undefined
  /** Exact, or a beginning that ends in `*`. */
  readonly path: string
  readonly grant_type?: string | undefined
  /** Matches the form's `refresh_token`, `token` or `code`, or the bearer token. */
  readonly token?: string | undefined
  /** How often it strikes: once when absent, for ever when null. */
  readonly times?: number | null | undefined
  readonly delayMs?: number | undefined
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: unknown
  /** Processes the request and then answers the fault all the same. */
  readonly process?: boolean | undefined
  readonly drop?: 'before' | 'after' | undefined
  /** Sends half of the body and breaks off. */
  readonly truncate?: boolean | undefined
}

export interface Faults {
  add(fault: Fault): string
  /** The first fault that matches, one strike of it used up. */
  take(request: Request): Fault | null
  clear(): void
}

export function createFaults(): Faults {
  let waiting: { fault: Fault; left: number }[] = []
  let nextId = 1
  return {
    add(fault) {
      waiting.push({ fault, left: fault.times === null ? Number.POSITIVE_INFINITY : (fault.times ?? 1) })
      return `fault-${nextId++}`
    },
    take(request) {
      const found = waiting.find(({ fault, left }) => left > 0 && matches(fault, request))
      if (found === undefined) return null
      found.left -= 1
      return found.fault
    },
    clear() {
      waiting = []
    },
  }
}

function matches(fault: Fault, request: Request): boolean {
  const { pathname } = request.url
  const isPath = fault.path.endsWith('*') ? pathname.startsWith(fault.path.slice(0, -1)) : pathname === fault.path
  if (!isPath || (fault.method !== undefined && fault.method.toUpperCase() !== request.method)) return false
  if (fault.grant_type === undefined && fault.token === undefined) return true
  const form = readForm(request)
  if (fault.grant_type !== undefined && form?.get('grant_type') !== fault.grant_type) return false
  if (fault.token === undefined || bearerToken(request) === fault.token) return true
  return ['refresh_token', 'token', 'code'].some((it) => form?.get(it) === fault.token)
}

/** Whether the fault takes the place of an answer. */
export function replacesAnswer(fault: Fault): boolean {
  return fault.status !== undefined || fault.body !== undefined
}

/** The answer as the fault wants it: its own, or the true one with its headers added. */
export function faultReply(fault: Fault, truth: Reply | null): Reply {
  if (truth !== null && !replacesAnswer(fault)) return { ...truth, headers: { ...truth.headers, ...fault.headers } }
  const isText = typeof fault.body === 'string'
  return {
    status: fault.status ?? 200,
    headers: { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json', ...fault.headers },
    body: fault.body === undefined ? '' : isText ? String(fault.body) : JSON.stringify(fault.body),
  }
}
