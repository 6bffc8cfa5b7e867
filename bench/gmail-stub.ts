// A mailbox at Gmail for the bench: list, batches of messages, history, labels, sending. Answers are made beforehand and
// put together as bytes, so that the machine's time goes to the Worker; of what is asked it understands no more than the
// ids. A real Gmail's strictness is the tests' (scripts/local-google).
import type { IncomingMessage, ServerResponse } from 'node:http'
import { randomNumbers, vocabulary } from './mail-words.ts'

export interface GmailCounts {
  readonly calls: number
  /** Of answers' bodies. */
  readonly bytes: number
}

export interface GmailStub {
  /** What it holds from now on. */
  readonly setMailbox: (mailbox: { email: string; messages: number }) => void
  readonly counts: () => GmailCounts
  /** False where the request is none of Gmail's. */
  readonly answer: (request: IncomingMessage, response: ServerResponse) => boolean
}

const historyId = '100000000000000004711'
const kinds = 200
const firstId = 0x19_0000_0000_0000n
const day = 86_400_000

export function createGmailStub(): GmailStub {
  let made: readonly MessageText[] | null = null
  let mailbox = { email: 'nobody@gmail.com', messages: 0 }
  let [calls, bytes, sent] = [0, 0, 0]

  function send(response: ServerResponse, type: string, body: readonly Buffer[]): void {
    const length = body.reduce((sum, it) => sum + it.length, 0)
    bytes += length
    response.writeHead(200, { 'content-type': type, 'content-length': length })
    for (const piece of body) response.write(piece)
    response.end()
  }
  const sendJson = (response: ServerResponse, value: unknown): void =>
    send(response, 'application/json', [Buffer.from(JSON.stringify(value))])

  function list(url: URL): unknown {
    if (url.searchParams.has('q') || url.searchParams.has('labelIds')) return { resultSizeEstimate: 0 }
    const from = Number(url.searchParams.get('pageToken') ?? 0)
    const to = Math.min(mailbox.messages, from + Number(url.searchParams.get('maxResults') ?? 100))
    return {
      messages: Array.from({ length: to - from }, (_, index) => ({ id: idOf(mailbox.messages - 1 - from - index) })),
      resultSizeEstimate: mailbox.messages,
      ...(to < mailbox.messages ? { nextPageToken: String(to) } : {}),
    }
  }

  /** What one part of a batch asks for. */
  function part(path: string, index: number): Buffer[] {
    made ??= makeTexts()
    const id = /\/messages\/([0-9a-f]{16})\?/.exec(path)?.[1] ?? ''
    const number = Number(BigInt(`0x${id}`) - firstId)
    const text = made[number % kinds]
    if (text === undefined) throw new Error('a batch asks for a message by its id')
    const head = `--batch_bench\r\nContent-Type: application/http\r\nContent-ID: <response-item-${index}>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n`
    const date = Date.now() - (mailbox.messages - number) * (day / 20)
    const thread = idOf(number - (number % 3))
    const own = `{"id":"${id}","threadId":"${thread}","historyId":"${historyId}","internalDate":"${Math.floor(date)}",`
    if (path.includes('format=minimal')) return [Buffer.from(`${head}${own}"labelIds":["INBOX"]}\r\n`)]
    const messageId = `{"name":"Message-ID","value":"<${id}@mail.example>"}`
    return [Buffer.from(head + own), text.before, Buffer.from(messageId), text.after, Buffer.from('\r\n')]
  }

  async function answerWithBody(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    if (url.pathname !== '/batch/gmail/v1') {
      sent += 1
      const id = idOf(1_000_000 + sent)
      return sendJson(response, { id, threadId: id, labelIds: ['SENT'] })
    }
    const paths = [
      ...Buffer.concat(pieces)
        .toString('latin1')
        .matchAll(/^GET (\S+)/gm),
    ].map((match) => match[1] ?? '')
    const body = [...paths.flatMap(part), Buffer.from('--batch_bench--\r\n')]
    send(response, 'multipart/mixed; boundary=batch_bench', body)
  }

  return {
    setMailbox: (next) => {
      mailbox = next
      ;[calls, bytes] = [0, 0]
    },
    counts: () => ({ calls, bytes }),
    answer: (request, response) => {
      const url = new URL(request.url ?? '/', 'http://stub')
      if (!/^\/(batch|upload)?\/?gmail\/v1/.test(url.pathname)) return false
      calls += 1
      if (request.method === 'POST') void answerWithBody(url, request, response)
      else if (url.pathname.endsWith('/profile'))
        sendJson(response, { emailAddress: mailbox.email, messagesTotal: mailbox.messages, threadsTotal: 1, historyId })
      else if (url.pathname.endsWith('/history')) sendJson(response, { historyId })
      else if (url.pathname.endsWith('/labels'))
        sendJson(response, { labels: [{ id: 'INBOX', name: 'INBOX', type: 'system' }] })
      else if (url.pathname.endsWith('/messages')) sendJson(response, list(url))
      else response.writeHead(404, { 'content-length': 0 }).end()
      return true
    },
  }
}

const idOf = (number: number): string => (firstId + BigInt(number)).toString(16).padStart(16, '0')

/** The JSON of a message around its Message-ID, behind its ids. */
interface MessageText {
  readonly before: Buffer
  readonly after: Buffer
}

/** Mostly text of one to six KB with HTML of ten times that, attachments with every sixth; a few very large ones. */
function makeTexts(): MessageText[] {
  const random = randomNumbers(3)
  const words = (bytes: number): string => {
    const found: string[] = []
    for (let size = 0; size < bytes; size += (found.at(-1)?.length ?? 0) + 1)
      found.push(vocabulary[Math.floor(Math.exp(random() * Math.log(vocabulary.length)))] ?? '')
    return found.join(' ')
  }
  return Array.from({ length: kinds }, (_, kind) => {
    const size = kind % 100 === 50 ? 300_000 : 1_000 + Math.floor(random() ** 2 * 5_000)
    const text = words(size)
    const repeats = kind % 100 === 75 ? Math.ceil(1_000_000 / size) : random() < 0.7 ? 2 + Math.floor(random() * 8) : 0
    const paragraph = `<p style="margin:0 0 12px;font-family:Arial,sans-serif">${text}</p><!-- layout -->`
    const html = `<html><body>${paragraph.repeat(kind % 100 === 50 ? Math.min(1, repeats) : repeats)}</body></html>`
    const leaf = (partId: string, mimeType: string, content: string) => ({
      ...{ partId, mimeType, filename: '' },
      headers: [{ name: 'Content-Type', value: `${mimeType}; charset="UTF-8"` }],
      body: { size: Buffer.byteLength(content), data: Buffer.from(content).toString('base64url') },
    })
    const file = {
      ...{ partId: '2', mimeType: 'application/pdf', filename: `${words(12)}.pdf` },
      headers: [{ name: 'Content-Disposition', value: 'attachment' }],
      body: { size: 400_000, attachmentId: 'A'.repeat(380) },
    }
    const parts = [
      leaf('0', 'text/plain', text),
      ...(repeats === 0 ? [] : [leaf('1', 'text/html', html)]),
      ...(kind % 6 === 0 ? [file] : []),
    ]
    const [given, family] = [words(4), words(4)]
    const headers = [
      { name: 'From', value: `${given} ${family} <${given.split(' ')[0]}@mail.example>` },
      { name: 'To', value: 'Person of the bench <person@gmail.com>' },
      { name: 'Subject', value: words(40) },
      { name: 'Date', value: 'Mon, 02 Nov 2026 10:00:00 +0000' },
    ]
    const message = {
      labelIds: ['INBOX', ...(kind % 5 === 0 ? ['UNREAD'] : [])],
      snippet: text.slice(0, 180),
      sizeEstimate: size * (2 + repeats),
      payload: {
        partId: '',
        mimeType: 'multipart/alternative',
        filename: '',
        headers: [...headers, mark],
        body: { size: 0 },
        parts,
      },
    }
    const [before = '', after = ''] = JSON.stringify(message).slice(1).split(JSON.stringify(mark))
    return { before: Buffer.from(before), after: Buffer.from(after) }
  })
}

/** Stands where a message has its own id. */
const mark = { name: 'Message-ID', value: 'here' }
