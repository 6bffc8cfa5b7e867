// A TCP proxy in front of PostgreSQL for tests and the bench (plain Node): it counts what crosses the wire, puts the
// database some milliseconds away, and plays a database that is down. It reads the protocol only far enough to tell
// start-up from work, and changes no byte of work. As Hyperdrive does, it spares the server what a connection costs (a
// process, and the schema read anew): one whose client left in good order is reset and serves the next client.
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
  /** Connections to the server, and those of them that wait for a client. */
  backends: Set<Backend>
  spares: Set<Backend>
  keepsSilent: boolean
  open: () => Backend
}

/**
 * Starts the proxy for the server at `target` (a connection string; without TLS).
 * @param options.keepsSilent its clients are a pooler's, which may rest for as long as they like
 */
export async function startDatabaseProxy(
  target: string,
  options: { readonly keepsSilent?: boolean } = {},
): Promise<DatabaseProxy> {
  const { hostname, port } = new URL(target)
  const host = hostname.replace(/^\[|\]$/g, '')
  const backends = new Set<Backend>()
  const open = (): Backend => new Backend(connect(Number(port || 5432), host), backends)
  const state: State = {
    counts: noCounts(),
    delayMs: 0,
    mode: 'normal',
    links: new Set(),
    backends,
    spares: new Set(),
    keepsSilent: options.keepsSilent ?? false,
    open,
  }
  const clients = new Set<Socket>()
  const server = createServer((client) => {
    clients.add(client)
    client.on('close', () => clients.delete(client))
    client.on('error', () => client.destroy())
    if (state.mode === 'refuse') client.destroy()
    else state.links.add(new Link(client, state))
  })
  const setMode = (mode: ProxyMode): void => {
    state.mode = mode
    if (mode !== 'normal') for (const spare of [...state.spares]) spare.drop()
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
      for (const socket of [...clients, ...[...backends].map((backend) => backend.socket)]) socket.destroy()
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

/** How long a connection to the server waits for its next client, and how many do. */
const SPARE_MS = 15_000
const MAX_SPARES = 60

/** A client that has said nothing for so long has left: what a test calls itself keeps its sockets until the file ends. */
const SILENT_MS = 30_000

/** What the server says last when it is ready and in no transaction. */
const readyAndIdle = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

/** A simple query that makes a session as good as new. */
const discardAll = Buffer.concat([Buffer.from([0x51, 0, 0, 0, 16]), Buffer.from('DISCARD ALL\0')])

const noTls = Buffer.from('N')

/** One connection to the server. It serves one client at a time. */
class Backend {
  readonly socket: Socket
  owner: Link | null = null
  /** The start-up message of its clients: user, database, settings. */
  startUp: Buffer = Buffer.alloc(0)
  private greeting: Buffer = Buffer.alloc(0)
  private isGreeted = false
  private rest: Buffer = Buffer.alloc(0)
  private spares: Set<Backend> | null = null
  private timer: NodeJS.Timeout | undefined

  constructor(socket: Socket, all: Set<Backend>) {
    this.socket = socket
    all.add(this)
    socket.setNoDelay(true)
    socket.on('error', () => {
      this.leaveSpares()
      this.owner?.cut()
    })
    socket.on('data', (chunk) => this.read(chunk))
    socket.on('end', () => {
      this.leaveSpares()
      this.owner?.serverLeft()
    })
    socket.on('close', () => {
      this.owner?.serverLeft()
      this.leaveSpares()
      all.delete(this)
    })
  }

  /** What a client hears that need not show its password again: AuthenticationOk, the server's settings, ready. */
  get welcome(): Buffer {
    const messages: Buffer[] = []
    for (let at = 0; at < this.greeting.length; ) {
      const message = this.greeting.subarray(at, at + 1 + this.greeting.readInt32BE(at + 1))
      if (message[0] !== 0x52 || message.readInt32BE(5) === 0) messages.push(message)
      at += message.length
    }
    return Buffer.concat(messages)
  }

  /** Resets the session and waits among the spares for a client with the same start-up message, but not for long. */
  release(spares: Set<Backend>): void {
    this.owner = null
    if (this.socket.destroyed) return
    this.spares = spares
    this.timer = setTimeout(() => this.drop(), SPARE_MS).unref()
    this.rest = Buffer.alloc(0)
    this.socket.write(discardAll)
  }

  /** It leaves the spares first: a socket is told to be closed some time after it is destroyed, and nobody may take it then. */
  drop(): void {
    this.leaveSpares()
    this.socket.destroy()
  }

  leaveSpares(): void {
    clearTimeout(this.timer)
    this.spares?.delete(this)
    this.spares = null
  }

  private becomeSpare(): void {
    if (this.spares !== null && this.spares.size < MAX_SPARES) this.spares.add(this)
    else this.socket.destroy()
  }

  private read(chunk: Buffer): void {
    if (this.owner === null) {
      this.rest = Buffer.concat([this.rest, chunk])
      if (this.rest.subarray(-readyAndIdle.length).equals(readyAndIdle)) this.becomeSpare()
      return
    }
    if (!this.isGreeted) {
      this.greeting = Buffer.concat([this.greeting, chunk])
      this.isGreeted = this.greeting.subarray(-readyAndIdle.length).equals(readyAndIdle)
    }
    this.owner.readServer(chunk)
  }
}

/** One client connection and its server connection. */
class Link {
  private readonly client: Socket
  private readonly state: State
  private readonly down: DelayedWriter
  private server: { backend: Backend; up: DelayedWriter } | null = null
  private readonly fromClient = new MessageReader()
  private readonly fromServer = new MessageReader()
  private isStartedUp = false
  private isAwaitingAnswer = false
  /** Answers of the server that are still to come: a ReadyForQuery each. */
  private outstanding = 0
  /** Nothing is outstanding and no transaction is open. */
  private isAtRest = false
  private silence: NodeJS.Timeout | undefined

  constructor(client: Socket, state: State) {
    this.client = client
    this.state = state
    this.down = new DelayedWriter(client, state)
    client.setNoDelay(true)
    client.on('error', () => this.cut())
    client.on('data', (chunk) => this.readClient(chunk))
    client.on('end', () => this.clientLeft())
    client.on('close', () => this.clientLeft())
  }

  cut(): void {
    this.client.destroy()
    this.server?.backend.socket.destroy()
    this.state.links.delete(this)
  }

  resume(): void {
    this.server?.up.flush()
    this.down.flush()
  }

  serverLeft(): void {
    this.down.end()
    this.state.links.delete(this)
  }

  private clientLeft(): void {
    this.state.links.delete(this)
    clearTimeout(this.silence)
    if (this.server === null) return
    const { backend, up } = this.server
    if (!this.isAtRest || !this.isUndisturbed) {
      up.end()
      return
    }
    this.server = null
    backend.release(this.state.spares)
    this.client.end()
  }

  private get isUndisturbed(): boolean {
    return this.state.mode === 'normal' && this.down.isEmpty && this.server?.up.isEmpty !== false
  }

  private readClient(chunk: Buffer): void {
    if (!this.isStartedUp) {
      this.readStartUp(chunk)
      return
    }
    let isWork = false
    let isGoodbye = false
    this.fromClient.read(chunk, (type) => {
      if (type === 'Q' || type === 'E' || type === 'F') this.state.counts.statements += 1
      if (type === 'Q' || type === 'S' || type === 'F') this.outstanding += 1
      if (type === 'X') isGoodbye = true
      else isWork = true
    })
    // A chunk that only continues a long message is part of a burst as well.
    if (isWork || this.fromClient.isInsideMessage) {
      if (this.state.mode === 'kill') {
        this.cut()
        return
      }
      this.isAwaitingAnswer = true
      this.isAtRest = false
      clearTimeout(this.silence)
    }
    if (isGoodbye && this.isAtRest && this.isUndisturbed) this.clientLeft()
    else this.server?.up.write(chunk)
  }

  private readStartUp(chunk: Buffer): void {
    const code = chunk.length < 8 ? 0 : chunk.readInt32BE(4)
    if (code === SSL_REQUEST || code === GSS_REQUEST) {
      // There is no TLS on this way.
      this.down.write(noTls)
      return
    }
    const isStartUp = this.server === null && code !== CANCEL_REQUEST && code >> 16 === 3
    if (isStartUp) this.state.counts.connections += 1
    const spare = isStartUp && this.isUndisturbed ? this.takeSpare(chunk) : null
    if (spare !== null) {
      this.isStartedUp = true
      this.isAtRest = true
      // Half a round trip here, half in the writer: a start-up takes one.
      setTimeout(() => this.down.write(spare.welcome), this.state.delayMs / 2)
      return
    }
    this.server ??= this.serve(this.state.open())
    if (isStartUp) this.server.backend.startUp = Buffer.from(chunk)
    this.server.up.write(chunk)
  }

  private takeSpare(startUp: Buffer): Backend | null {
    for (const spare of this.state.spares) {
      if (!spare.startUp.equals(startUp)) continue
      spare.leaveSpares()
      this.server = this.serve(spare)
      return spare
    }
    return null
  }

  private serve(backend: Backend): { backend: Backend; up: DelayedWriter } {
    backend.owner = this
    return { backend, up: new DelayedWriter(backend.socket, this.state) }
  }

  readServer(chunk: Buffer): void {
    let isReady = false
    this.fromServer.read(chunk, (type) => {
      if (type !== 'Z') return
      isReady = true
      if (this.isStartedUp) this.outstanding -= 1
    })
    if (this.fromServer.hasJustRead('Z')) this.isAtRest = this.outstanding === 0 && chunk.at(-1) === 0x49
    clearTimeout(this.silence)
    if (this.isAtRest && !this.state.keepsSilent) this.silence = setTimeout(() => this.clientLeft(), SILENT_MS).unref()
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

  get isEmpty(): boolean {
    return this.queue.length === 0
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
  private lastType = ''

  get isInsideMessage(): boolean {
    return this.remaining > 0 || this.header.length > 0
  }

  /** True when what was read ends with a whole message of this type. */
  hasJustRead(type: string): boolean {
    return !this.isInsideMessage && this.lastType === type
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
      this.lastType = String.fromCharCode(this.header[0] ?? 0)
      onMessage(this.lastType)
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
