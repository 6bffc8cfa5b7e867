// Stands for Hyperdrive in the bench: a pooler in transaction mode that shares named statements over its connections,
// as Hyperdrive and PgBouncer ≥ 1.21 do. Bench only: no TLS, no cancel, no COPY, one user.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Pooler {
  readonly port: number
  /** Connections that clients opened so far. */
  readonly connections: () => number
  readonly close: () => void
}

interface Message {
  readonly type: string
  readonly bytes: Buffer
}

/** One burst of a client, up to its Sync. */
interface Job {
  readonly client: Socket
  /** The Parse messages this client sent so far, by name: it names each only once, and may meet any server connection. */
  readonly known: Map<string, Buffer>
  readonly messages: readonly Message[]
}

interface Pool {
  readonly idle: ServerLink[]
  readonly waiting: Job[]
  readonly pinned: Map<Socket, ServerLink>
}

const parseComplete = Buffer.from([0x31, 0, 0, 0, 4])

/** @param target connection string of the server, or of what stands before it */
export async function startPooler(target: string, size: number): Promise<Pooler> {
  const pool: Pool = { idle: [], waiting: [], pinned: new Map() }
  const links = await Promise.all(Array.from({ length: size }, () => ServerLink.open(target, pool)))
  pool.idle.push(...links)
  const greeting = links[0]?.greeting ?? Buffer.alloc(0)
  let connections = 0
  const clients = new Set<Socket>()
  const server = createServer((client) => {
    clients.add(client)
    client.setNoDelay(true)
    client.on('error', () => client.destroy())
    client.on('close', () => {
      clients.delete(client)
      pool.pinned.delete(client)
    })
    let isGreeted = false
    let rest: Buffer = Buffer.alloc(0)
    let burst: Message[] = []
    const known = new Map<string, Buffer>()
    client.on('data', (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      if (!isGreeted) {
        if (rest.length < 8 || rest.length < rest.readInt32BE(0)) return
        rest = rest.subarray(rest.readInt32BE(0))
        isGreeted = true
        connections += 1
        client.write(greeting)
      }
      rest = eachMessage(rest, (message) => {
        if (message.type === 'X') return client.end()
        burst.push(message)
        if (message.type !== 'S' && message.type !== 'Q') return
        submit(pool, { client, known, messages: burst })
        burst = []
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    close: () => {
      server.close()
      for (const client of clients) client.destroy()
      for (const link of links) link.close()
    },
  }
}

function submit(pool: Pool, job: Job): void {
  const link = pool.pinned.get(job.client) ?? pool.idle.pop()
  if (link === undefined) pool.waiting.push(job)
  else link.run(job)
}

/** Calls back with every whole message and answers the bytes that are left. */
function eachMessage(bytes: Buffer, act: (message: Message) => void): Buffer {
  let at = 0
  while (bytes.length - at >= 5) {
    const end = at + 1 + bytes.readInt32BE(at + 1)
    if (end > bytes.length) break
    act({ type: String.fromCharCode(bytes[at] ?? 0), bytes: bytes.subarray(at, end) })
    at = end
  }
  return bytes.subarray(at)
}

class ServerLink {
  /** What the server said of itself at start-up, for clients: AuthenticationOk, parameters, key data, ready. */
  greeting: Buffer = Buffer.alloc(0)
  private readonly socket: Socket
  private readonly pool: Pool
  /** Statements this connection knows, by name. */
  private readonly prepared = new Map<string, string>()
  private rest: Buffer = Buffer.alloc(0)
  private job: Job | null = null
  private unconfirmed: { name: string; text: string; isOurs: boolean }[] = []
  private onReady: (() => void) | null = null

  private constructor(socket: Socket, pool: Pool) {
    this.socket = socket
    this.pool = pool
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => this.read(chunk))
  }

  static async open(target: string, pool: Pool): Promise<ServerLink> {
    const url = new URL(target)
    const link = new ServerLink(connect(Number(url.port), url.hostname), pool)
    const words = ['user', url.username, 'database', url.pathname.slice(1), '', ''].join('\0')
    const startUp = Buffer.alloc(8 + Buffer.byteLength(words))
    startUp.writeInt32BE(startUp.length, 0)
    startUp.writeInt32BE(196_608, 4)
    startUp.write(words, 8)
    const ready = new Promise<void>((resolve) => {
      link.onReady = resolve
    })
    link.password = decodeURIComponent(url.password)
    link.socket.write(startUp)
    await ready
    return link
  }

  private password = ''

  close(): void {
    this.socket.destroy()
  }

  run(job: Job): void {
    this.job = job
    const out: Buffer[] = []
    for (const message of job.messages) {
      if (message.type === 'P') this.parse(job, message.bytes, out)
      else {
        if (message.type === 'B') this.ensurePrepared(job, message.bytes, out)
        out.push(message.bytes)
      }
    }
    this.socket.write(out.length === 1 && out[0] !== undefined ? out[0] : Buffer.concat(out))
  }

  private parse(job: Job, bytes: Buffer, out: Buffer[]): void {
    const { name, text } = readParse(bytes)
    if (name !== '') job.known.set(name, Buffer.from(bytes))
    if (name !== '' && this.prepared.get(name) === text) job.client.write(parseComplete)
    else {
      out.push(bytes)
      this.unconfirmed.push({ name, text, isOurs: false })
    }
  }

  /** A statement that the client prepared elsewhere is prepared here too, without the client seeing it. */
  private ensurePrepared(job: Job, bind: Buffer, out: Buffer[]): void {
    const start = bind.indexOf(0, 5) + 1
    const name = bind.toString('latin1', start, bind.indexOf(0, start))
    const parse = job.known.get(name)
    if (parse === undefined || this.prepared.has(name) || this.unconfirmed.some((one) => one.name === name)) return
    out.push(parse)
    this.unconfirmed.push({ ...readParse(parse), isOurs: true })
  }

  private read(chunk: Buffer): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    const replies: Buffer[] = []
    this.rest = Buffer.from(
      eachMessage(bytes, (message) => {
        if (this.onReady !== null) return this.greet(message)
        const parsed = message.type === '1' ? this.unconfirmed.shift() : undefined
        if (parsed !== undefined && parsed.name !== '') this.prepared.set(parsed.name, parsed.text)
        if (parsed?.isOurs !== true) replies.push(message.bytes)
        if (message.type !== 'Z') return
        const reply = Buffer.concat(replies.splice(0))
        this.finish(reply, message.bytes[5] === 0x49)
      }),
    )
    if (replies.length > 0) this.job?.client.write(Buffer.concat(replies))
  }

  private finish(reply: Buffer, isIdle: boolean): void {
    const client = this.job?.client
    this.job = null
    this.unconfirmed = []
    if (isIdle) {
      if (client !== undefined) this.pool.pinned.delete(client)
      const next = this.pool.waiting.shift()
      if (next === undefined) this.pool.idle.push(this)
      else this.run(next)
    } else if (client !== undefined) this.pool.pinned.set(client, this)
    client?.write(reply)
  }

  private greet(message: Message): void {
    if (message.type === 'E') throw new Error(`the pooler was refused: ${message.bytes.toString('latin1', 5)}`)
    if (message.type === 'R' && message.bytes.readInt32BE(5) === 3) {
      const answer = Buffer.alloc(6 + Buffer.byteLength(this.password))
      answer.write('p', 0)
      answer.writeInt32BE(answer.length - 1, 1)
      answer.write(this.password, 5)
      this.socket.write(answer)
      return
    }
    if (message.type === 'R' && message.bytes.readInt32BE(5) !== 0) throw new Error('only clear-text passwords here')
    this.greeting = Buffer.concat([this.greeting, message.bytes])
    if (message.type !== 'Z') return
    this.onReady?.()
    this.onReady = null
  }
}

/** Name and everything else of a Parse message. */
function readParse(bytes: Buffer): { name: string; text: string } {
  const end = bytes.indexOf(0, 5)
  return { name: bytes.toString('latin1', 5, end), text: bytes.toString('latin1', end + 1) }
}
