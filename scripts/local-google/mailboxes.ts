// Gmail's data: one instance of the npm package `emulate` for each mailbox, started at its first use. `emulate` takes
// any unknown token for its first user, so an instance of its own is what keeps mailboxes apart. It must not know our
// tokens, scopes or faults: who asks is already proven.
import type { Emulator } from 'emulate'
import type { Reply, Request } from './http.ts'

/** `emulate` refuses a token after 5,000 requests an hour: take a new one before that. */
const REQUESTS_PER_TOKEN = 4000

export interface MailboxSeed {
  readonly labels: readonly object[]
  readonly messages: readonly object[]
}

export interface Mailboxes {
  /** Passes a Gmail request on; its path already says `users/me`. */
  send(email: string, request: Request): Promise<Reply>
  /** Starts the mailbox now, so that the first request need not wait. */
  open(email: string): Promise<void>
  /** Empties all mailboxes: they start again from their seeds. */
  close(): Promise<void>
}

interface OpenMailbox {
  readonly emulator: Promise<Emulator>
  requestCount: number
}

export function createMailboxes(seedOf: (email: string) => MailboxSeed): Mailboxes {
  const open = new Map<string, OpenMailbox>()

  function mailbox(email: string): OpenMailbox {
    const found = open.get(email) ?? { emulator: startEmulator(email, seedOf(email)), requestCount: 0 }
    open.set(email, found)
    return found
  }

  return {
    async send(email, request) {
      const box = mailbox(email)
      const port = new URL((await box.emulator).url).port
      const url = new URL(request.url.pathname + request.url.search, `http://127.0.0.1:${port}`)
      const token = `mailbox-${Math.floor(box.requestCount++ / REQUESTS_PER_TOKEN)}`
      const headers: Record<string, string> = { authorization: `Bearer ${token}` }
      const type = request.headers['content-type']
      if (type !== undefined) headers['content-type'] = type
      const isBare = request.method === 'GET' || request.method === 'HEAD'
      const init: RequestInit = { method: request.method, headers, redirect: 'manual' }
      if (!isBare) init.body = new Uint8Array(request.body)
      const answer = await fetch(url, init)
      const body = Buffer.from(await answer.arrayBuffer())
      const contentType = answer.headers.get('content-type')
      return { status: answer.status, headers: contentType === null ? {} : { 'content-type': contentType }, body }
    },
    async open(email) {
      await mailbox(email).emulator
    },
    async close() {
      const started = [...open.values()]
      open.clear()
      await Promise.allSettled(started.map(async ({ emulator }) => (await emulator).close()))
    },
  }
}

async function startEmulator(email: string, seed: MailboxSeed): Promise<Emulator> {
  const { createEmulator } = await import('emulate')
  return createEmulator({
    service: 'google',
    port: 0,
    seed: { google: { users: [{ email }], labels: seed.labels, messages: seed.messages } },
  })
}
