// The strict local Google: OAuth as Google does it, with Gmail's data behind it, on 127.0.0.1. Used by `npm run dev` and
// by the tests. This file is the socket: it reads requests, carries out faults, writes answers. Rules are elsewhere.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createCalls } from './calls.ts'
import { answerControl } from './control.ts'
import { demoUsers, fillDemoMailbox } from './demo-mailbox.ts'
import { createFaults, faultReply, replacesAnswer } from './faults.ts'
import { apiError, json, type Reply, type Request } from './http.ts'
import { createKeys } from './id-token.ts'
import { createQuota } from './mail/quota.ts'
import { createMailboxes } from './mailboxes.ts'
import { answerRequest, type RouteDeps } from './routes.ts'
import { readRequest, write, writeHalf } from './socket.ts'
import { type Client, clearWorld, createWorld, putUser, subjectOf, type World } from './world.ts'

export interface LocalClient {
  clientId: string
  clientSecret: string
  redirectUris: string[] | 'any-loopback'
}

export interface LocalGoogleOptions {
  /** 0, the default, takes any free one. */
  port?: number
  clients?: LocalClient[]
  /** Two people and a filled mailbox. */
  demo?: boolean
  log?: (line: string) => void
}

export interface LocalGoogle {
  url: string
  port: number
  close(): Promise<void>
}

/** Starts it; its issuer is its own origin. */
export async function startLocalGoogle(options: LocalGoogleOptions = {}): Promise<LocalGoogle> {
  const { clients = [], demo = false, log = () => {} } = options
  const world = createWorld()
  const faults = createFaults()
  const calls = createCalls()
  const quota = createQuota()
  const mailboxes = createMailboxes((mailbox) => {
    if (demo) fillDemoMailbox(mailbox, new Date())
  })
  const keys = createKeys()
  let silentUntil = 0
  const held = new Set<ServerResponse>()
  const inTheEnd = new AbortController()

  const server = createServer((incoming, outgoing) => {
    void serve(incoming, outgoing).catch((error: unknown) => {
      log(`local Google: ${error instanceof Error ? error.message : 'unknown error'}`)
      if (!outgoing.headersSent && !outgoing.destroyed) write(outgoing, json(500, { error: 'internal_error' }))
    })
  })
  // A test that waits longer than Node's five seconds must not find its connection just closed.
  server.keepAliveTimeout = 60_000
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const issuer = `http://127.0.0.1:${port}`
  const routes: RouteDeps = { world, keys, issuer, mailboxes, quota, answerPart }

  function seed(): void {
    for (const client of clients) world.clients.set(client.clientId, client satisfies Client)
    if (demo) for (const user of demoUsers) putUser(world, { ...user, sub: subjectOf(user.email) })
  }

  function reset(): void {
    clearWorld(world)
    faults.clear()
    calls.reset()
    quota.reset()
    mailboxes.clear()
    silentUntil = 0
    releaseHeld()
    seed()
  }

  function releaseHeld(): void {
    for (const outgoing of held) outgoing.destroy()
    held.clear()
  }

  function stopAnswering(seconds: number): void {
    silentUntil = Date.now() + seconds * 1000
    setTimeout(() => Date.now() >= silentUntil && releaseHeld(), seconds * 1000 + 5).unref()
  }

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const request = await readRequest(incoming, issuer)
    if (request === null) return write(outgoing, apiError(400, 'badRequest', 'Bad Request'))
    if (request.url.pathname.startsWith('/__control/')) {
      const deps = { world, issuer, faults, calls, mailboxes, quota, reset, stopAnswering }
      return write(outgoing, await answerControl(deps, request))
    }
    const end = calls.begin(request)
    if (Date.now() < silentUntil) {
      outgoing.once('close', () => {
        held.delete(outgoing)
        end(null)
      })
      held.add(outgoing)
      return
    }
    let status: number | null = null
    try {
      const { reply, cut } = await answer(request)
      if (cut === 'dropped') return void outgoing.destroy()
      status = reply.status
      if (cut === 'half') return writeHalf(outgoing, reply)
      write(outgoing, reply)
    } finally {
      end(status)
    }
  }

  async function answer(request: Request): Promise<{ reply: Reply; cut: 'dropped' | 'half' | null }> {
    const fault = faults.take(request)
    if (fault === null) return { reply: await answerRequest(routes, request), cut: null }
    if (fault.drop === 'before') return { reply: json(200, {}), cut: 'dropped' }
    if (fault.delayMs !== undefined) await sleep(fault.delayMs, undefined, { signal: inTheEnd.signal })
    const isProcessed = !replacesAnswer(fault) || fault.process === true || fault.drop === 'after'
    const truth = isProcessed ? await answerRequest(routes, request) : null
    const cut = fault.drop === 'after' ? 'dropped' : fault.truncate === true ? 'half' : null
    return { reply: faultReply(fault, truth), cut }
  }

  /** A part of a batch is counted and may be struck by a fault like any other request. */
  async function answerPart(part: Request): Promise<Reply> {
    const end = calls.begin(part)
    const { reply } = await answer(part)
    end(reply.status)
    return reply
  }

  seed()

  return {
    url: issuer,
    port,
    async close() {
      inTheEnd.abort()
      server.close()
      server.closeAllConnections()
    },
  }
}

export type { World }
