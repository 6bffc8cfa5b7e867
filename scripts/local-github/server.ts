// The strict local GitHub on 127.0.0.1: sign-in as GitHub does it, for `npm run dev` and the tests. This file is the
// socket and the control that tests steer it by; rules are in authorize.ts and api.ts.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createCalls } from '../local-google/calls.ts'
import { createFaults, faultReply } from '../local-google/faults.ts'
import { json, type Reply, type Request } from '../local-google/http.ts'
import { readRequest, write } from '../local-google/socket.ts'
import { answerEmails, answerRevoke, answerToken, answerUser } from './api.ts'
import { answerAuthorize, decide, parseAuthorize } from './authorize.ts'
import { type App, clearWorld, createWorld, demoPeople, type Person } from './world.ts'

export interface LocalGithubOptions {
  /** 0, the default, takes any free one. */
  port?: number
  clients?: App[]
  /** Two people, one of them without a verified address. */
  demo?: boolean
}

export interface LocalGithub {
  url: string
  port: number
  close(): Promise<void>
}

export async function startLocalGithub(options: LocalGithubOptions = {}): Promise<LocalGithub> {
  const { clients = [], demo = false } = options
  const world = createWorld()
  const faults = createFaults()
  const calls = createCalls()
  let nextId = 1_000

  function seed(): void {
    for (const app of clients) world.apps.set(app.clientId, app)
    if (demo) for (const person of demoPeople) world.people.set(person.id, person)
  }

  const server = createServer((incoming, outgoing) => {
    void serve(incoming, outgoing).catch(() => {
      if (!outgoing.headersSent && !outgoing.destroyed) write(outgoing, json(500, { message: 'internal error' }))
    })
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const origin = `http://127.0.0.1:${port}`
  const issuer = `${origin}/login/oauth`
  seed()

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const request = await readRequest(incoming, origin)
    if (request === null) return write(outgoing, json(400, { message: 'Bad Request' }))
    if (request.url.pathname.startsWith('/__control/')) return write(outgoing, control(request))
    const end = calls.begin(request)
    const fault = faults.take(request)
    if (fault?.drop !== undefined) {
      end(null)
      return void outgoing.destroy()
    }
    const reply = fault === null ? answer(request) : faultReply(fault, null)
    end(reply.status)
    write(outgoing, reply)
  }

  function answer(request: Request): Reply {
    const { method } = request
    const path = request.url.pathname
    if (path === '/login/oauth/authorize' && (method === 'GET' || method === 'POST'))
      return answerAuthorize(world, request, issuer)
    if (path === '/login/oauth/access_token' && method === 'POST') return answerToken(world, request)
    if (path === '/user' && method === 'GET') return answerUser(world, request)
    if (path === '/user/emails' && method === 'GET') return answerEmails(world, request)
    const clientId = /^\/applications\/([^/]+)\/grant$/.exec(path)?.[1]
    if (clientId !== undefined && method === 'DELETE') return answerRevoke(world, request, decodeURIComponent(clientId))
    return json(404, { message: 'Not Found', status: '404' })
  }

  /** For tests, which are trusted: their bodies are what test/support/github.ts sends. */
  function control(request: Request): Reply {
    const name = `${request.method} ${request.url.pathname.slice('/__control/'.length)}`
    const body = request.body.length === 0 ? {} : JSON.parse(request.body.toString('utf8'))
    switch (name) {
      case 'PUT people': {
        nextId += 1
        const person: Person = { id: nextId, login: `person-${nextId}`, name: null, email: null, emails: [], ...body }
        world.people.set(person.id, person)
        return json(200, person)
      }
      case 'POST authorize': {
        const asked = parseAuthorize(world, new URL(body.url).searchParams)
        const person = world.people.get(body.id)
        if ('refused' in asked) return json(400, { error: asked.refused })
        if (person === undefined) return json(400, { error: 'unknown_person' })
        return json(200, { location: decide(world, asked, body.cancel === true ? 'cancel' : { person }, issuer) })
      }
      case 'POST settings':
        world.issuerInCallback = body.issuerInCallback ?? true
        return json(200, {})
      case 'POST faults':
        return json(200, { id: faults.add(body) })
      case 'GET calls':
        return json(200, calls.report())
      case 'GET grants':
        return json(200, { grants: world.grants.size, tokens: world.tokens.size })
      case 'POST reset':
        clearWorld(world)
        faults.clear()
        calls.reset()
        seed()
        return json(200, {})
      default:
        return json(404, { message: name })
    }
  }

  return {
    url: origin,
    port,
    async close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
