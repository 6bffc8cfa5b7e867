// A TCP proxy in front of PostgreSQL for tests and the bench (plain Node): it counts what crosses the wire, puts the
// database some milliseconds away, and plays a database that is down. It reads the protocol only far enough to tell
// start-up from work; it never changes a byte.
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** What crossed the wire since the last reset. */
export interface WireCounts {
  /** Connections opened (that got as far as a start-up message). */
  connections: number
  /** Bursts of client messages that the server answered; start-up and goodbye left out, BEGIN and COMMIT counted. */
  roundTrips: number
  /** Statements sent: simple queries and executions of prepared ones. */
  statements: number
}

/**
 * `normal`; `refuse`: every connection is cut at once, old ones too; `hang`: connections stay open and nothing passes;
 * `kill`: old connections are cut, new ones get through their start-up and are cut at their first statement.
 */
export type ProxyMode = 'normal' | 'refuse' | 'hang' | 'kill'

export interface DatabaseProxy {
  /** Where PostgreSQL seems to listen, on 127.0.0.1. */
  port: number
  /** HTTP control: GET and DELETE /counts, PUT /delay {"ms":n}, PUT /mode {"mode":…}. */
  controlUrl: string
  counts(): WireCounts
  resetCounts(): void
  /** Milliseconds of one round trip, half of it each way. */
  setDelay(ms: number): void
  setMode(mode: ProxyMode): void
  close(): Promise<void>
}

const MODES: readonly string[] = ['normal', 'refuse', 'hang', 'kill'] satisfies ProxyMode[]
const SSL_REQUEST = 80877103
const GSS_REQUEST = 80877104
const CANCEL_REQUEST = 80877102

interface State {
  counts: WireCounts
  delayMs: number
  mode: ProxyMode
  links: Set<Link>
}

/** Starts the proxy for the server at `target` (a connection string; without TLS). */
export async function startDatabaseProxy(target: string): Promise<DatabaseProxy> {
  const { hostname, port } = new URL(target)
  const host = hostname.replace(/^\[|\]$/g, '')
  const state: State = { counts: noCounts(), delayMs: 0, mode: 'normal', links: new Set() }
  const server = createServer((client) => {
    client.on('error', () => client.destroy())
    if (state.mode === 'refuse') client.destroy()
    else state.links.add(new Link(client, connect(Number(port || 5432), host), state))
  })
  const setMode = (mode: ProxyMode): void => {
    state.mode = mode
    if (mode === 'refuse' || mode === 'kill') for (const link of state.links) link.cut()
    if (mode === 'normal') for (const link of state.links) link.resume()
  }
  const actions = {
    counts: () => ({ ...state.counts }),
    resetCounts: () => {
      state.counts = noCounts()
    },
    setDelay: (ms: number) => {
      state.delayMs = ms
    },
    setMode,
  }
  const control = createHttpServer((request, response) => void answer(request, response, actions))
  const [proxyPort, controlPort] = await Promise.all([listen(server), listen(control)])
  return {
    port: proxyPort,
    controlUrl: `http://127.0.0.1:${controlPort}`,
    ...actions,
    close: async () => {
      for (const link of state.links) link.cut()
      control.closeAllConnections()
      await Promise.all([closed(server), closed(control)])
    },
  }
}

/** The connection string of `url` with this proxy's address in place of the server's. */
export function throughProxy(url: string, proxy: DatabaseProxy): string {
  const changed = new URL(url)
  changed.hostname = '127.0.0.1'
  changed.port = String(proxy.port)
  return changed.href
}

function noCounts(): WireCounts {
  return { connections: 0, roundTrips: 0, statements: 0 }
}

/** One client connection and its server connection. */
class Link {
  private readonly client: Socket
  private readonly server: Socket
  private readonly state: State
  private readonly up: DelayedWriter
  private readonly down: DelayedWriter
  private readonly fromClient = new MessageReader()
  private readonly fromServer = new MessageReader()
  private isStartedUp = false
  private isAskedForTls = false
  private isAwaitingAnswer = false

  constructor(client: Socket, server: Socket, state: State) {
    this.client = client
    this.server = server
    this.state = state
    this.up = new DelayedWriter(server, state)
    this.down = new DelayedWriter(client, state)
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      socket.on('error', () => this.cut())
      socket.on('close', () => state.links.delete(this))
    }
    client.on('data', (chunk) => this.readClient(chunk))
    server.on('data', (chunk) => this.readServer(chunk))
    client.on('end', () => this.up.end())
    server.on('end', () => this.down.end())
    client.on('close', () => this.up.end())
    server.on('close', () => this.down.end())
  }

  cut(): void {
    this.client.destroy()
    this.server.destroy()
    this.state.links.delete(this)
  }

  resume(): void {
    this.up.flush()
    this.down.flush()
  }

  private readClient(chunk: Buffer): void {
    if (!this.isStartedUp) {
      this.readStartUp(chunk)
      this.up.write(chunk)
      return
    }
    let isWork = false
    this.fromClient.read(chunk, (type) => {
      if (type === 'Q' || type === 'E' || type === 'F') this.state.counts.statements += 1
      if (type !== 'X') isWork = true
    })
    // A chunk that only continues a long message is part of a burst as well.
    if (isWork || this.fromClient.isInsideMessage) {
      if (this.state.mode === 'kill') {
        this.cut()
        return
      }
      this.isAwaitingAnswer = true
    }
    this.up.write(chunk)
  }

  private readStartUp(chunk: Buffer): void {
    if (chunk.length < 8) return
    const code = chunk.readInt32BE(4)
    if (code === SSL_REQUEST || code === GSS_REQUEST) this.isAskedForTls = true
    else if (code !== CANCEL_REQUEST && code >> 16 === 3) this.state.counts.connections += 1
  }

  private readServer(chunk: Buffer): void {
    let rest = chunk
    if (this.isAskedForTls) {
      // One bare byte, 'N': there is no TLS on this way.
      this.isAskedForTls = false
      rest = chunk.subarray(1)
    }
    let isReady = false
    this.fromServer.read(rest, (type) => {
      if (type === 'Z') isReady = true
    })
    this.down.write(chunk, () => {
      if (this.isAwaitingAnswer) this.state.counts.roundTrips += 1
      this.isAwaitingAnswer = false
      if (isReady) this.isStartedUp = true
    })
  }
}

/** Writes in order, each piece half a round trip after it came; holds everything while the mode is `hang`. */
class DelayedWriter {
  private readonly socket: Socket
  private readonly state: State
  private readonly queue: { dueAt: number; chunk: Buffer | null; onWrite: () => void }[] = []
  private timer: NodeJS.Timeout | undefined

  constructor(socket: Socket, state: State) {
    this.socket = socket
    this.state = state
  }

  write(chunk: Buffer, onWrite: () => void = () => {}): void {
    this.queue.push({ dueAt: performance.now() + this.state.delayMs / 2, chunk, onWrite })
    this.flush()
  }

  end(): void {
    this.queue.push({ dueAt: performance.now() + this.state.delayMs / 2, chunk: null, onWrite: () => {} })
    this.flush()
  }

  flush(): void {
    clearTimeout(this.timer)
    for (let next = this.queue[0]; next && this.state.mode !== 'hang'; next = this.queue[0]) {
      const waitMs = next.dueAt - performance.now()
      if (waitMs > 0.5) {
        this.timer = setTimeout(() => this.flush(), waitMs)
        return
      }
      this.queue.shift()
      next.onWrite()
      if (this.socket.destroyed) continue
      if (next.chunk) this.socket.write(next.chunk)
      else this.socket.end()
    }
  }
}

/** Finds the message types in a stream cut anywhere: one type byte, four bytes of length, content. */
class MessageReader {
  private header = Buffer.alloc(0)
  private remaining = 0

  get isInsideMessage(): boolean {
    return this.remaining > 0 || this.header.length > 0
  }

  read(chunk: Buffer, onMessage: (type: string) => void): void {
    let at = 0
    while (at < chunk.length) {
      if (this.remaining > 0) {
        const skipped = Math.min(this.remaining, chunk.length - at)
        this.remaining -= skipped
        at += skipped
        continue
      }
      const taken = chunk.subarray(at, at + 5 - this.header.length)
      this.header = Buffer.concat([this.header, taken])
      at += taken.length
      if (this.header.length < 5) return
      this.remaining = this.header.readInt32BE(1) - 4
      onMessage(String.fromCharCode(this.header[0] ?? 0))
      this.header = Buffer.alloc(0)
    }
  }
}

type Actions = Pick<DatabaseProxy, 'counts' | 'resetCounts' | 'setDelay' | 'setMode'>

async function answer(request: IncomingMessage, response: ServerResponse, actions: Actions): Promise<void> {
  const body = await readJson(request)
  const route = `${request.method} ${request.url}`
  const send = (status: number, value: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  }
  if (route === 'GET /counts') return send(200, actions.counts())
  if (route === 'DELETE /counts') actions.resetCounts()
  else if (route === 'PUT /delay' && typeof body.ms === 'number') actions.setDelay(body.ms)
  else if (route === 'PUT /mode' && isMode(body.mode)) actions.setMode(body.mode)
  else return send(400, { error: `${route} is not understood` })
  return send(200, {})
}

function isMode(value: unknown): value is ProxyMode {
  return typeof value === 'string' && MODES.includes(value)
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = ''
  for await (const chunk of request) text += chunk
  try {
    return text ? JSON.parse(text) : {}
  } catch {
    return {}
  }
}

async function listen(server: Server | ReturnType<typeof createHttpServer>): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return address.port
}

async function closed(server: Server | ReturnType<typeof createHttpServer>): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()))
}
