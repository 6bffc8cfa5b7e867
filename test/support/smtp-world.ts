// The SMTP transport in a real workerd that trusts one test certificate, and servers for it to meet (plain Node): a real
// one, and one that says whatever the test writes. workerd itself verifies certificates; the test runner cannot be told
// to trust one more.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { projectRoot } from '../../scripts/postgres.ts'
import type { OutgoingLetter, SendResult } from '../../src/letters/transport.ts'
import type { TestCertificate } from './test-certificate.ts'

export interface SmtpSender {
  send(url: string, letter: OutgoingLetter): Promise<SendResult>
  /** All it wrote to its console. */
  output(): string
  stop(): Promise<void>
}

const fromWrangler = createRequire(createRequire(import.meta.url).resolve('wrangler/package.json'))

/** Builds the Worker and starts it; `trusted` is the only certificate that counts there. */
export async function startSmtpSender(trusted: TestCertificate): Promise<SmtpSender> {
  const folder = await mkdtemp(join(tmpdir(), 'gatepost-smtp-'))
  const esbuild = fromWrangler('esbuild') as typeof import('esbuild')
  await esbuild.build({
    entryPoints: [join(projectRoot, 'test', 'support', 'workers', 'smtp-worker.ts')],
    outfile: join(folder, 'worker.js'),
    bundle: true,
    format: 'esm',
    external: ['cloudflare:*'],
    logLevel: 'silent',
  })
  await writeFile(join(folder, 'config.capnp'), configuration(trusted))
  const { default: binary } = fromWrangler('workerd') as { default: string }
  const child = spawn(binary, ['serve', '--control-fd=3', join(folder, 'config.capnp')], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const endWithUs = (): void => void child.kill('SIGKILL')
  process.once('exit', endWithUs)
  const port = await listening(child, () => output)
  return {
    send: async (url, letter) => {
      const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: JSON.stringify({ url, letter }) })
      return (await answer.json()) as SendResult
    },
    output: () => output,
    stop: async () => {
      process.off('exit', endWithUs)
      child.kill('SIGKILL')
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function listening(child: ChildProcess, output: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = ''
    ;(child.stdio[3] as Readable).on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const port = /"event":"listen","socket":"http","port":(\d+)/.exec(text)?.[1]
      if (port !== undefined) resolve(Number(port))
    })
    child.once('exit', (code) => reject(new Error(`workerd ended with ${code}:\n${output()}`)))
  })
}

function configuration({ cert }: TestCertificate): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (
      allow = ["local", "private", "public"],
      tlsOptions = (trustBrowserCas = false, trustedCertificates = [${JSON.stringify(cert)}]),
    )),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-08-15", compatibilityFlags = ["nodejs_compat"],
);
`
}

export interface Received {
  from: string
  to: string[]
  raw: Buffer
  user: string | null
  isSecure: boolean
}

export interface MailServer {
  port: number
  received: Received[]
  /** Logins tried, right or wrong, and whether the line was encrypted. */
  logins: { isSecure: boolean }[]
  close(): Promise<void>
}

/** A real mail server with one account, `gatepost:secret/word`; `options` bend it. */
export async function startMailServer(
  certificate: TestCertificate,
  options: SMTPServerOptions & { isLoginOptional?: boolean } = {},
): Promise<MailServer> {
  const received: Received[] = []
  const logins: { isSecure: boolean }[] = []
  const { isLoginOptional, ...bent } = options
  const server = new SMTPServer({
    ...certificate,
    logger: false,
    authOptional: isLoginOptional === true,
    onAuth: (auth, session, done) => {
      logins.push({ isSecure: session.secure })
      const isRight = auth.username === 'gatepost' && auth.password === 'secret/word'
      done(isRight ? null : new Error('wrong'), isRight ? { user: 'gatepost' } : undefined)
    },
    onData: (stream, session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        received.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          raw: Buffer.concat(chunks),
          user: typeof session.user === 'string' ? session.user : null,
          isSecure: session.secure,
        })
        done()
      })
    },
    ...bent,
  })
  // A client that hangs up at a certificate is what some tests want.
  server.on('error', () => {})
  const port = await new Promise<number>((resolve) => {
    const listener = server.listen(0, '127.0.0.1', () => {
      const address = listener.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
  return { port, received, logins, close: () => new Promise((resolve) => server.close(() => resolve())) }
}

export interface ScriptedServer {
  port: number
  /** Everything clients said. */
  heard(): string
  /** Connections that are open now. */
  open(): number
  close(): Promise<void>
}

/** A server that answers by `reply`: bytes to send, or null to hang up. It is asked once at the start, with ''. */
export async function startScriptedServer(
  reply: (line: string, socket: Socket) => string | null | undefined,
): Promise<ScriptedServer> {
  let heard = ''
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    const answer = (line: string): void => {
      const words = reply(line, socket)
      if (words === null) socket.end()
      else if (words !== undefined) socket.write(words)
    }
    answer('')
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString()
      for (const line of chunk
        .toString()
        .split('\r\n')
        .filter((text) => text !== ''))
        answer(line)
    })
  })
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
  return {
    port,
    heard: () => heard,
    open: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
