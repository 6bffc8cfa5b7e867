// What reached the local Google: counts, a log without secrets, and how much was in flight at once.
import { type Request, readForm } from './http.ts'

const LOG_LIMIT = 5000
const openFields: ReadonlySet<string> = new Set(['grant_type', 'client_id', 'redirect_uri'])

interface LoggedCall {
  readonly at: string
  readonly method: string
  readonly path: string
  /** null while unanswered, and for ever where the connection was dropped. */
  status: number | null
  readonly form?: Readonly<Record<string, string>>
  readonly basic: boolean
  readonly grant_type: string | null
  readonly has_code_verifier: boolean
  readonly redirect_uri: string | null
}

export interface Calls {
  /** @returns what to call once it is answered (null: dropped) */
  begin(request: Request): (status: number | null) => void
  report(): {
    counts: Record<string, number>
    log: readonly LoggedCall[]
    max_parallel: Record<string, number>
  }
  reset(): void
}

export function createCalls(): Calls {
  const counts = new Map<string, number>()
  const inFlight = new Map<string, number>()
  const highest = new Map<string, number>()
  let log: LoggedCall[] = []
  return {
    begin(request) {
      const form = readForm(request)
      const { pathname: path } = request.url
      const name = [request.method, path, path === '/token' ? (form?.get('grant_type') ?? '') : ''].join(' ').trim()
      counts.set(name, (counts.get(name) ?? 0) + 1)
      const parallel = (inFlight.get(name) ?? 0) + 1
      inFlight.set(name, parallel)
      highest.set(name, Math.max(highest.get(name) ?? 0, parallel))
      const call: LoggedCall = {
        at: new Date().toISOString(),
        method: request.method,
        path,
        status: null,
        ...(form === null ? {} : { form: masked(form) }),
        basic: /^Basic /i.test(request.headers.authorization ?? ''),
        grant_type: form?.get('grant_type') ?? null,
        has_code_verifier: form?.has('code_verifier') ?? false,
        redirect_uri: form?.get('redirect_uri') ?? null,
      }
      log.push(call)
      if (log.length > LOG_LIMIT * 2) log = log.slice(-LOG_LIMIT)
      return (status) => {
        call.status = status
        inFlight.set(name, (inFlight.get(name) ?? 1) - 1)
      }
    },
    report: () => ({
      counts: Object.fromEntries(counts),
      log: log.slice(-LOG_LIMIT),
      max_parallel: Object.fromEntries(highest),
    }),
    reset() {
      counts.clear()
      highest.clear()
      log = []
    },
  }
}

function masked(form: URLSearchParams): Record<string, string> {
  const shown = (name: string, value: string): string => {
    if (openFields.has(name)) return value
    return name === 'code_verifier' ? 'present' : '***'
  }
  return Object.fromEntries([...form].map(([name, value]) => [name, shown(name, value)]))
}
