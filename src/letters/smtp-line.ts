// The line to a mail server: whole replies in, commands out, every wait bounded. It knows bytes and reply codes, not what
// is talked about, and it never logs: credentials pass here.

/** The part of a Workers socket that is needed. */
export interface SmtpSocket {
  readonly readable: ReadableStream
  readonly writable: WritableStream
  readonly opened: Promise<unknown>
  readonly closed: Promise<void>
  startTls(): SmtpSocket
  close(): Promise<void>
}

export interface Reply {
  readonly code: number
  /** Each line's text behind its code. */
  readonly lines: readonly string[]
}

export interface SmtpLine {
  /** The next whole reply. Throws `SmtpLineError`. */
  readReply(): Promise<Reply>
  say(command: string): Promise<void>
  write(text: string): Promise<void>
  ask(command: string): Promise<Reply>
  /** True where bytes have come that no reply was made of. */
  hasUnread(): boolean
  /** From here on by TLS, the server's name checked by the runtime. */
  upgrade(): void
  close(): Promise<void>
}

export class SmtpLineError extends Error {
  override readonly name = 'SmtpLineError'
  readonly code: 'timeout' | 'network' | 'smtp_unreadable'
  constructor(code: 'timeout' | 'network' | 'smtp_unreadable') {
    super(code)
    this.code = code
  }
}

const maxReplyCharacters = 65_536

export function openLine(first: SmtpSocket, timeoutMs: number): SmtpLine {
  let socket = first
  let { reader, writer } = attach(socket)
  let unread = ''
  let decoder = new TextDecoder()

  async function bounded<T>(work: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new SmtpLineError('timeout')), timeoutMs)
    })
    try {
      return await Promise.race([work, late])
    } finally {
      clearTimeout(timer)
    }
  }

  async function readLine(): Promise<string> {
    for (;;) {
      const end = unread.indexOf('\n')
      if (end !== -1) {
        const text = unread.slice(0, end).replace(/\r$/, '')
        unread = unread.slice(end + 1)
        return text
      }
      const chunk: { done: boolean; value?: Uint8Array | undefined } = await reader.read()
      // A server that hangs up without a word: an end, not an empty piece to wait behind.
      if (chunk.done) throw new SmtpLineError('network')
      unread += decoder.decode(chunk.value, { stream: true })
      if (unread.length > maxReplyCharacters) throw new SmtpLineError('smtp_unreadable')
    }
  }

  async function readWholeReply(): Promise<Reply> {
    const lines: string[] = []
    for (let size = 0; size <= maxReplyCharacters; ) {
      const text = await readLine()
      const [, code, more, words] = /^(\d{3})(?:([ -])(.*))?$/.exec(text) ?? []
      if (code === undefined) break
      lines.push(words ?? '')
      size += text.length + 1
      if (more !== '-') return { code: Number(code), lines }
    }
    throw new SmtpLineError('smtp_unreadable')
  }

  const readReply = (): Promise<Reply> => bounded(readWholeReply())
  const write = (text: string): Promise<void> => bounded(writer.write(new TextEncoder().encode(text)))
  const say = (command: string): Promise<void> => write(`${command}\r\n`)
  return {
    readReply,
    say,
    write,
    ask: async (command) => {
      await say(command)
      return readReply()
    },
    hasUnread: () => unread !== '',
    upgrade: () => {
      reader.releaseLock()
      writer.releaseLock()
      socket = socket.startTls()
      decoder = new TextDecoder()
      ;({ reader, writer } = attach(socket))
    },
    close: () => bounded(socket.close()).catch(() => undefined),
  }
}

function attach(socket: SmtpSocket): {
  reader: ReadableStreamDefaultReader<Uint8Array>
  writer: WritableStreamDefaultWriter<Uint8Array>
} {
  const reader: ReadableStreamDefaultReader<Uint8Array> = socket.readable.getReader()
  const writer: WritableStreamDefaultWriter<Uint8Array> = socket.writable.getWriter()
  // A broken connection is reported by `read` and `write`; these further reports of it would go unheard.
  for (const report of [socket.opened, socket.closed, reader.closed, writer.closed]) report.catch(() => undefined)
  return { reader, writer }
}
