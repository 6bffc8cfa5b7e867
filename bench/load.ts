// The load generator: a fixed number of keep-alive connections, each sending its next request as soon as the last one
// was answered. Raw sockets, because an HTTP client library costs more than the Worker under test.
import { connect, type Socket } from 'node:net'

export interface Answer {
  readonly status: number
  readonly head: string
  readonly body: string
}

export interface Shot {
  readonly request: string
  readonly expect: number
  readonly take?: (answer: Answer) => void
}

/** The next request of a lane; null where there is none left. */
export type Shooter = (lane: number) => Shot | null

export interface LoadResult {
  readonly count: number
  readonly seconds: number
  /** Answers a second. */
  readonly rate: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

export interface RequestParts {
  readonly method?: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
}

/** A request as text; the headers are those a client behind Cloudflare would bring. */
export function httpRequest(parts: RequestParts): string {
  const body = parts.json === undefined ? '' : JSON.stringify(parts.json)
  const headers: Record<string, string> = {
    Host: 'localhost:8787',
    'User-Agent': 'gatepost-bench/1',
    'CF-Connecting-IP': '203.0.113.7',
    ...(parts.json === undefined ? {} : { 'Content-Type': 'application/json' }),
    ...(parts.method === 'POST' ? { 'Content-Length': String(Buffer.byteLength(body)) } : {}),
    ...parts.headers,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${parts.method ?? 'GET'} ${parts.path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

/** Sends until `seconds` have passed, or until the shooter has nothing left. Throws at the first unexpected status. */
export async function load(
  port: number,
  shooter: Shooter,
  options: { readonly lanes: number; readonly seconds?: number },
): Promise<LoadResult> {
  const lanes = await Promise.all(Array.from({ length: options.lanes }, () => Lane.open(port)))
  const times: number[] = []
  const startedAt = performance.now()
  const endsAt = startedAt + (options.seconds ?? Number.POSITIVE_INFINITY) * 1_000
  const run = async (lane: Lane, index: number): Promise<void> => {
    for (;;) {
      const sentAt = performance.now()
      const shot = sentAt < endsAt ? shooter(index) : null
      if (shot === null) return
      const answer = await lane.send(shot.request)
      if (answer.status !== shot.expect)
        throw new Error(`expected ${shot.expect}, got ${answer.status} ${answer.body.slice(0, 300)}`)
      times.push(performance.now() - sentAt)
      shot.take?.(answer)
    }
  }
  try {
    await Promise.all(lanes.map(run))
  } finally {
    for (const lane of lanes) lane.close()
  }
  const seconds = (performance.now() - startedAt) / 1_000
  times.sort((a, b) => a - b)
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
  return { count: times.length, seconds, rate: times.length / seconds, p50: at(0.5), p99: at(0.99) }
}

/** One request on a connection of its own. */
export async function once(port: number, parts: RequestParts): Promise<Answer> {
  const lane = await Lane.open(port)
  try {
    return await lane.send(httpRequest(parts))
  } finally {
    lane.close()
  }
}

class Lane {
  private readonly socket: Socket
  private text = ''
  private settle: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | null = null

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      this.text += chunk
      const answer = readAnswer(this.text)
      if (answer === null) return
      this.text = ''
      this.settle?.resolve(answer)
    })
    socket.on('error', (error) => this.settle?.reject(error))
    socket.on('close', () => this.settle?.reject(new Error('the Worker closed the connection')))
  }

  static open(port: number): Promise<Lane> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('error', reject)
      socket.once('connect', () => resolve(new Lane(socket)))
    })
  }

  send(request: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.settle = { resolve, reject }
      this.socket.write(request)
    })
  }

  close(): void {
    this.settle = null
    this.socket.destroy()
  }
}

/** The whole answer in `text`, or null while some of it is missing. Bodies are read as Latin-1. */
function readAnswer(text: string): Answer | null {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return null
  const head = text.slice(0, end)
  const status = Number(head.slice(9, 12))
  const rest = text.slice(end + 4)
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
  if (length !== undefined) return rest.length < Number(length) ? null : { status, head, body: rest }
  if (/\r\ntransfer-encoding: chunked/i.test(head)) {
    if (!rest.endsWith('0\r\n\r\n')) return null
    return { status, head, body: joinChunks(rest) }
  }
  return { status, head, body: '' }
}

function joinChunks(text: string): string {
  let body = ''
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, end), 16)
    if (!(size > 0)) return body
    body += text.slice(end + 2, end + 2 + size)
    at = end + 2 + size + 2
  }
}
