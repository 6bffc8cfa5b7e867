// The Gmail adapter against answers made by hand at the HTTP edge: batches cut at every byte, parts out of order or
// missing, failures inside and outside, streams that are left. No network.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { toBase64Url, utf8 } from '../../src/crypto/encoding.ts'
import type { ProviderResult } from '../../src/providers/failure.ts'
import { ATTACHMENT_FIRST_BYTE_MS, ATTACHMENT_IDLE_MS } from '../../src/providers/gmail/attachment.ts'
import { BATCH_FIRST_BYTE_MS, BATCH_IDLE_MS, BATCH_TIMEOUT_MS } from '../../src/providers/gmail/batch.ts'
import { DataFieldReader } from '../../src/providers/gmail/data-field.ts'
import { boundaryOf, MultipartSplitter } from '../../src/providers/gmail/multipart.ts'
import { MAX_JSON_MESSAGE_BYTES, SEND_TIMEOUT_MS } from '../../src/providers/gmail/send.ts'
import { createGmail } from '../../src/providers/gmail.ts'
import type { FetchedMessage, MailAdapter } from '../../src/providers/mail.ts'

const api = 'https://gmail.googleapis.com'
const batchUrl = 'https://www.googleapis.com/batch/gmail/v1'
const now = new Date('2026-01-01T00:00:00Z')
const accessToken = 'ya29.marked'

interface Sent {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  readonly body: string
  readonly signal: AbortSignal | null | undefined
}

/** Google as one function; what it was asked is kept. */
function world(answer: (request: Sent) => Response | Promise<Response>): { gmail: MailAdapter; sent: Sent[] } {
  const sent: Sent[] = []
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const raw = init?.body
    const body = raw instanceof Uint8Array ? new TextDecoder('windows-1252').decode(raw) : String(raw ?? '')
    const url = new URL(String(input))
    const request = {
      method: init?.method ?? 'GET',
      url,
      headers: new Headers(init?.headers),
      body,
      signal: init?.signal,
    }
    expect(init?.redirect).toBe('manual')
    expect(request.headers.get('authorization')).toBe(`Bearer ${accessToken}`)
    sent.push(request)
    return await answer(request)
  }
  return {
    gmail: createGmail({ fetch, clock: () => now, apiOrigin: api, batchOrigin: new URL(batchUrl).origin }),
    sent,
  }
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } })
}

const refusal = (reason: string): unknown => ({
  error: { code: 403, errors: [{ reason }], message: 'marked-upstream' },
})

function message(id: string, text = `text of ${id}`): Record<string, unknown> {
  const body = { size: text.length, data: toBase64Url(utf8(text)) }
  const payload = { mimeType: 'text/plain', filename: '', headers: [{ name: 'Subject', value: `s ${id}` }], body }
  return { id, threadId: `t${id}`, historyId: '7', labelIds: ['INBOX'], internalDate: '1700000000000', payload }
}

interface Part {
  readonly item: number | string
  readonly status?: number
  readonly body: unknown
  readonly headers?: string
}

function multipart(parts: readonly Part[], { end = '--batch_x--\r\n' } = {}): string {
  const written = parts.map(({ item, status = 200, body, headers = '' }) =>
    [
      '--batch_x',
      'Content-Type: application/http',
      `Content-ID: <response-item-${item}>`,
      '',
      `HTTP/1.1 ${status} Whatever`,
      `Content-Type: application/json; charset=UTF-8${headers}`,
      '',
      typeof body === 'string' ? body : JSON.stringify(body, null, 2),
      '',
    ].join('\r\n'),
  )
  return `${written.join('')}${end}`
}

/** In pieces of so many bytes; `after`: what the connection does then. */
function streamed(text: string, size = 65_536, after: 'end' | 'break' | 'hang' = 'end'): Response {
  const bytes = utf8(text)
  let at = 0
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at < bytes.length) controller.enqueue(bytes.slice(at, at + size))
      else if (after === 'end') controller.close()
      else if (after === 'break') controller.error(new Error('connection lost'))
      else return new Promise(() => undefined)
      at += size
    },
  })
  return new Response(body, { headers: { 'content-type': 'multipart/mixed; boundary=batch_x' } })
}

type Fetched = ProviderResult<FetchedMessage>

async function collect(gmail: MailAdapter, ids: string[], depth: 'full' | 'labels' = 'full'): Promise<Fetched[]> {
  const results: Fetched[] = []
  for await (const it of gmail.fetch({ accessToken, ids, depth })) results.push(it)
  return results
}

/** One word for each result: its kind, id and code. */
function brief(results: readonly Fetched[]): string[] {
  return results.map((it) => {
    if (!it.ok) return `failure ${it.kind} ${it.code}`
    if (it.value.kind === 'message') return `message ${it.value.message.id}`
    const code = 'code' in it.value ? ` ${it.value.code}` : ''
    return `${it.value.kind} ${it.value.id}${code}`
  })
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('a batch', () => {
  it('asks once, for every message by its place, with the token outside', async () => {
    const { gmail, sent } = world(() =>
      streamed(multipart([0, 1].map((item) => ({ item, body: message(`m${item}`) })))),
    )
    const results = await collect(gmail, ['m0', 'm1', 'm0'])
    expect(brief(results)).toEqual(['message m0', 'message m1'])
    expect(results[0]).toMatchObject({ value: { message: { subject: 's m0', text: 'text of m0', threadId: 'tm0' } } })
    expect(sent.map(({ method, url }) => `${method} ${url}`)).toEqual([`POST ${batchUrl}`])
    expect(sent[0]?.body).toContain(
      'Content-ID: <item-1>\r\n\r\nGET /gmail/v1/users/me/messages/m1?format=full&fields=id,',
    )
    expect(sent[0]?.body).not.toContain(accessToken)
  })

  it('is taken apart wherever the network cuts it', async () => {
    const text = multipart([0, 1].map((item) => ({ item, body: message(`m${item}`, '--batch_x\n--batch_\r\n-') })))
    for (let size = 1; size <= text.length; size += size < 40 ? 1 : 37) {
      const { gmail } = world(() => streamed(text, size))
      expect(brief(await collect(gmail, ['m0', 'm1'])), `pieces of ${size}`).toEqual(['message m0', 'message m1'])
    }
  })

  it('ML-04 ML-07 answers out of order, in part, twice, and to nobody are told apart', async () => {
    const parts = [
      { item: 2, body: message('m2') },
      { item: 0, status: 404, body: refusal('notFound') },
      { item: 2, body: message('m2', 'again') },
      { item: 77, body: message('m77') },
      { item: 'x', body: message('m1') },
      { item: 3, body: message('m9') },
      { item: 4, status: 400, body: { error: { errors: [{ reason: 'invalidArgument' }] } } },
    ]
    const { gmail } = world(() => streamed(multipart(parts)))
    expect(brief(await collect(gmail, ['m0', 'm1', 'm2', 'm3', 'm4', '../m5']))).toEqual([
      'broken ../m5 invalid_id',
      'message m2',
      'gone m0',
      'broken m3 wrong_id',
      'broken m4 invalid_argument',
      'later m1 unanswered',
    ])
  })

  it('ML-05 ML-06 inner statuses mean what they mean outside', async () => {
    const retry = '\r\nRetry-After: 7'
    const parts = [
      { item: 0, status: 403, body: refusal('userRateLimitExceeded') },
      { item: 1, status: 429, body: refusal('rateLimitExceeded'), headers: retry },
      { item: 2, status: 503, body: '<html>marked-upstream' },
      { item: 3, status: 403, body: refusal('insufficientPermissions') },
      { item: 4, body: message('m4') },
    ]
    const { gmail } = world(() => streamed(multipart(parts)))
    const results = await collect(gmail, ['m0', 'm1', 'm2', 'm3', 'm4', 'm5'])
    expect(brief(results)).toEqual([
      'later m0 quota_exceeded',
      'later m1 http_429',
      'later m2 http_503',
      'message m4',
      'later m3 insufficient_permissions',
      'later m5 unanswered',
    ])
    expect(results[1]).toMatchObject({ value: { isRateLimit: true, retryAfterSeconds: 7 } })
    expect(results[2]).toMatchObject({ value: { isRateLimit: false, retryAfterSeconds: null } })
    expect(JSON.stringify(results)).not.toContain('marked-upstream')
    const refused = world(() => streamed(multipart([{ item: 0, status: 401, body: '' }])))
    expect(brief(await collect(refused.gmail, ['m0', 'm1']))).toEqual(['failure unauthorized http_401'])
  })

  it.each([
    [401, 'authError', 'http_401', 'unauthorized'],
    [403, 'insufficientPermissions', 'insufficient_permissions', 'forbidden'],
    [403, 'domainPolicy', 'http_403', null],
  ])(
    'ML-05 refused with %i %s in one part is later, and the token’s fault only where all parts say so',
    async (...it) => {
      const [status, reason, code, kind] = it
      const refuse = (item: number) => ({ item, status, body: refusal(reason) })
      const some = world(() => streamed(multipart([refuse(0), { item: 1, body: message('m1') }, refuse(2)])))
      expect(brief(await collect(some.gmail, ['m0', 'm1', 'm2'])).sort()).toEqual([
        `later m0 ${code}`,
        `later m2 ${code}`,
        'message m1',
      ])
      const all = world(() => streamed(multipart([refuse(0), refuse(1)])))
      expect(brief(await collect(all.gmail, ['m0', 'm1']))).toEqual(
        kind === null ? [`later m0 ${code}`, `later m1 ${code}`] : [`failure ${kind} ${code}`],
      )
    },
  )

  it.each<[string, () => Response, string]>([
    ['401', () => json(401, refusal('authError')), 'failure unauthorized http_401'],
    ['403 for quota', () => json(403, refusal('rateLimitExceeded')), 'failure rate_limited quota_exceeded'],
    [
      '403 for scope',
      () => json(403, refusal('insufficientPermissions')),
      'failure forbidden insufficient_permissions',
    ],
    ['403 for our project', () => json(403, refusal('accessNotConfigured')), 'failure misconfigured http_403'],
    ['403 for what nobody knows', () => json(403, {}), 'failure misconfigured http_403'],
    ['429', () => json(429, refusal('x')), 'failure rate_limited http_429'],
  ])('ML-05 refused whole with %s says so once', async (_, answer, expected) => {
    expect(brief(await collect(world(answer).gmail, ['m0']))).toEqual([expected])
  })

  it.each<[string, () => Response, string]>([
    ['500', () => json(500, {}), 'http_500'],
    ['a 200 in HTML', () => new Response('<html>'), 'unreadable_answer'],
    ['a redirect', () => new Response(null, { status: 302, headers: { location: 'http://[::1]/' } }), 'http_302'],
    ['a lost connection', () => streamed('--batch_x\r\n', 5, 'break'), 'network'],
    ['no end', () => streamed(multipart([], { end: '--batch_x\r\nCont' })), 'truncated'],
  ])('that fails by %s leaves its messages for later', async (_, answer, code) => {
    expect(brief(await collect(world(answer).gmail, ['m0']))).toEqual([
      `later m0 ${code}`,
      `failure unavailable ${code}`,
    ])
  })

  it('that breaks half-way keeps what was read', async () => {
    const half = multipart([{ item: 0, body: message('m0') }], { end: '--batch_x\r\nContent-Type: appl' })
    for (const after of ['end', 'break'] as const) {
      const { gmail } = world(() => streamed(half, 50, after))
      const code = after === 'end' ? 'truncated' : 'network'
      expect(brief(await collect(gmail, ['m0', 'm1']))).toEqual([
        'message m0',
        `later m1 ${code}`,
        `failure unavailable ${code}`,
      ])
    }
  })

  it.each<[string, () => Response | Promise<Response>, number]>([
    ['before its first byte', () => new Promise<Response>(() => undefined), BATCH_FIRST_BYTE_MS],
    ['half-way', () => streamed(multipart([], { end: '--batch_x\r\n' }), 99, 'hang'), BATCH_IDLE_MS],
  ])('that falls silent %s is given up', async (_, answer, limitMs) => {
    const { gmail, sent } = world(answer)
    const results = collect(gmail, ['m0'])
    await vi.advanceTimersByTimeAsync(limitMs)
    expect(brief(await results)).toEqual(['later m0 timeout', 'failure unavailable timeout'])
    expect(sent[0]?.signal?.aborted).toBe(true)
  })

  it('that drips is given up after its whole time', async () => {
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 5000))
        controller.enqueue(utf8('x'))
      },
    })
    const headers = { 'content-type': 'multipart/mixed; boundary=x' }
    const results = collect(world(() => new Response(body, { headers })).gmail, ['m0'])
    await vi.advanceTimersByTimeAsync(BATCH_TIMEOUT_MS + 5000)
    expect(brief(await results)).toEqual(['later m0 timeout', 'failure unavailable timeout'])
  })

  it('ends its request where its reader stops', async () => {
    const text = multipart([0, 1].map((item) => ({ item, body: message(`m${item}`) })))
    const { gmail, sent } = world(() => streamed(text, 100, 'hang'))
    for await (const it of gmail.fetch({ accessToken, ids: ['m0', 'm1'], depth: 'full' })) {
      expect(it.ok).toBe(true)
      break
    }
    expect(sent[0]?.signal?.aborted).toBe(true)
  })

  it('of labels asks for no more than these', async () => {
    const parts = [
      { item: 0, body: { id: 'm0', labelIds: ['INBOX', 'INBOX', 'a b'] } },
      { item: 1, body: '{"id":"m1"}' },
    ]
    const { gmail, sent } = world(() => streamed(multipart(parts)))
    expect(await collect(gmail, ['m0', 'm1'], 'labels')).toEqual([
      { ok: true, value: { kind: 'labels', id: 'm0', labelIds: ['INBOX'] } },
      { ok: true, value: { kind: 'labels', id: 'm1', labelIds: [] } },
    ])
    expect(sent[0]?.body).toContain('/m0?format=minimal&fields=id,labelIds\r\n')
  })

  it('of nothing asks nobody, and of more than 50 nothing', async () => {
    const { gmail, sent } = world(() => json(500, {}))
    expect(await collect(gmail, [])).toEqual([])
    await expect(
      collect(
        gmail,
        Array.from({ length: 51 }, (_, at) => `m${at}`),
      ),
    ).rejects.toThrow(RangeError)
    expect(sent).toEqual([])
  })
})

describe('a message that cannot be read in its batch', () => {
  const headersOnly = { ...message('m0'), snippet: 'short', payload: { headers: [{ name: 'Subject', value: 'huge' }] } }

  it.each<[string, unknown]>([
    ['too large', message('m0', 'x'.repeat(6_300_000))],
    ['no JSON', '{"id":"m0",'],
    ['without a payload', { ...message('m0'), payload: 7 }],
  ])('%s, is listed by its headers alone', async (_, body) => {
    const parts = [
      { item: 0, body },
      { item: 1, body: message('m1') },
    ]
    const text = multipart(parts)
    const { gmail, sent } = world(({ method }) => (method === 'POST' ? streamed(text) : json(200, headersOnly)))
    const results = await collect(gmail, ['m0', 'm1'])
    expect(brief(results)).toEqual(['message m1', 'message m0'])
    expect(results[1]).toMatchObject({
      value: {
        message: { subject: 'huge', snippet: 'short', text: null, html: null, attachments: [] },
        extraUnits: 20,
      },
    })
    expect(sent[1]?.url.searchParams.get('format')).toBe('metadata')
  })

  it.each<[string, () => Response, string]>([
    ['unreadable too', () => new Response('{'), 'broken m0 unreadable'],
    ['another message', () => json(200, { ...headersOnly, id: 'm9' }), 'broken m0 wrong_id'],
    ['gone', () => json(404, {}), 'gone m0'],
    ['too fast', () => json(429, {}), 'later m0 http_429'],
    ['refused', () => json(401, {}), 'failure unauthorized http_401'],
  ])('whose headers are %s', async (_, answer, expected) => {
    const { gmail } = world(({ method }) =>
      method === 'POST' ? streamed(multipart([{ item: 0, body: '' }])) : answer(),
    )
    expect(brief(await collect(gmail, ['m0']))).toEqual([expected])
  })

  it('is not followed by others where the first of them meets trouble', async () => {
    const parts = [0, 1, 2].map((item) => ({ item, body: '' }))
    const { gmail, sent } = world(({ method }) => (method === 'POST' ? streamed(multipart(parts)) : json(503, {})))
    const expected = ['later m0 http_503', 'later m1 unanswered', 'later m2 unanswered']
    expect(brief(await collect(gmail, ['m0', 'm1', 'm2']))).toEqual(expected)
    expect(sent).toHaveLength(2)
  })

  it('has text parts of its own fetched one by one, as far as they are small', async () => {
    const part = (partId: string, size: number, attachmentId: string): unknown => ({
      partId,
      mimeType: 'text/plain',
      headers: [{ name: 'Content-Type', value: 'text/plain; charset=koi8-r' }],
      body: { size, attachmentId },
    })
    const parts = [part('0', 6, 'ANG-1'), part('1', 2_000_000, 'ANG-2'), part('2', 9, 'ANG-3')]
    const text = multipart([{ item: 0, body: { ...message('m0'), payload: { mimeType: 'multipart/mixed', parts } } }])
    const { gmail, sent } = world(({ method, url }) => {
      if (method === 'POST') return streamed(text)
      return url.pathname.endsWith('/ANG-1') ? json(200, { size: 2, data: '0NI' }) : json(404, {})
    })
    expect(await collect(gmail, ['m0'])).toMatchObject([
      {
        value: {
          message: { text: 'пр', attachments: [{ partId: '1', sizeBytes: 2_000_000 }, { partId: '2' }] },
          extraUnits: 40,
        },
      },
    ])
    expect(sent.slice(1).map(({ url }) => url.pathname.split('/').at(-1))).toEqual(['ANG-1', 'ANG-3'])
    const busy = world(({ method }) => (method === 'POST' ? streamed(text) : json(503, {})))
    expect(brief(await collect(busy.gmail, ['m0']))).toEqual(['later m0 http_503'])
  })
})

describe('a multipart body', () => {
  const split = (text: string, boundary = 'b', limit = 99): string[] => {
    const splitter = new MultipartSplitter(boundary, limit)
    const parts = [...utf8(text)].flatMap((it) => [...splitter.push(new Uint8Array([it]))])
    return [
      ...parts.map(({ bytes, isOverlong }) => `${new TextDecoder().decode(bytes)}${isOverlong ? '…' : ''}`),
      `${splitter.isComplete}`,
    ]
  }

  it.each<[string, string, string[]]>([
    ['preamble and epilogue', 'pre\r\n--b\r\none\r\n--b--\r\npost\r\n--b\r\nno', ['one', 'true']],
    ['bare line feeds', '--b\none\n--b\ntwo\n--b--', ['one', 'two', 'true']],
    ['blanks after a boundary', '--b \t\r\none\r\n--b--', ['one', 'true']],
    ['an empty part', '--b\r\n--b\r\n\r\n--b--', ['', '', 'true']],
    ['longer words that begin as a boundary', '--b\r\n--bc\r\n--b-c\r\n--b--', ['--bc\r\n--b-c', 'true']],
    ['no end', '--b\r\none\r\n--b\r\ntwo', ['one', 'false']],
    ['no boundary at all', 'one', ['false']],
  ])('with %s', (_, text, expected) => {
    expect(split(text)).toEqual(expected)
  })

  it('keeps no more than the beginning of an overlong part', () => {
    const parts = split(`--b\r\n${'x'.repeat(40_000)}\r\n--b\r\nnext\r\n--b--`)
    expect(parts.slice(1)).toEqual(['next', 'true'])
    expect(parts[0]).toMatch(/^x{90,16384}…$/)
  })

  it.each<[string | null, string | null]>([
    ['multipart/mixed; boundary=batch_a-_b', 'batch_a-_b'],
    ['multipart/mixed; charset=x; boundary="a b"', 'a b'],
    ['multipart/mixed;boundary=a;charset=x', 'a'],
    ['application/json', null],
    ['multipart/mixed', null],
    [null, null],
  ])('has the boundary that %j names', (type, boundary) => {
    expect(boundaryOf(type)).toBe(boundary)
  })
})

describe('list, history, labels', () => {
  it('ML-07 list asks for 500 at most, all folders, and gives each id once', async () => {
    const page = { messages: ['a', 'b', 'a', '../c', 'x'.repeat(65)].map((id) => ({ id })), resultSizeEstimate: 9 }
    const { gmail, sent } = world(() => json(200, { ...page, nextPageToken: 'next' }))
    const after = new Date('2025-01-01T00:00:00.900Z')
    expect(await gmail.list({ accessToken, limit: 5000, pageToken: 'p/1', after })).toEqual({
      ok: true,
      value: { ids: ['a', 'b'], nextPageToken: 'next', estimate: 9 },
    })
    expect(Object.fromEntries(sent[0]?.url.searchParams ?? [])).toMatchObject({
      includeSpamTrash: 'true',
      maxResults: '500',
      pageToken: 'p/1',
      q: 'after:1735689600',
    })
    const endless = world(() =>
      json(200, { resultSizeEstimate: 3e9, emailAddress: 'a@gmail.com', historyId: '1', messagesTotal: 3e9 }),
    )
    expect(await endless.gmail.list({ accessToken, limit: 1, pageToken: null, after: null })).toMatchObject({
      value: { estimate: 0 },
    })
    expect(await endless.gmail.mailbox({ accessToken })).toMatchObject({ value: { messagesTotal: 0 } })
    const empty = world(() => json(200, {}))
    const value = { ids: [], nextPageToken: null, estimate: 0 }
    expect(await empty.gmail.list({ accessToken, limit: 1, pageToken: null, after: null })).toEqual({ ok: true, value })
    expect(empty.sent[0]?.url.searchParams.has('q')).toBe(false)
  })

  it('history is told in order, with the cursor to go on from', async () => {
    const held = (id: string): unknown => ({ message: { id } })
    const labelled = (id: string): unknown => ({ message: { id }, labelIds: ['STARRED', 'STARRED'] })
    const history = [
      { id: '100000000000000000009', messagesAdded: [held('a'), held('../x')], labelsAdded: [labelled('a')] },
      { id: '100000000000000000010', labelsRemoved: [labelled('b')], messagesDeleted: [held('c')] },
    ]
    const answer = { history, historyId: '100000000000000000999', nextPageToken: 'more' }
    const { gmail, sent } = world(() => json(200, answer))
    const cursor = '99999999999999999999'
    expect(await gmail.history({ accessToken, cursor, pageToken: null })).toEqual({
      ok: true,
      value: {
        changes: [
          { kind: 'added', id: 'a' },
          { kind: 'labels_added', id: 'a', labelIds: ['STARRED'] },
          { kind: 'labels_removed', id: 'b', labelIds: ['STARRED'] },
          { kind: 'deleted', id: 'c' },
        ],
        cursor: '100000000000000000010',
        nextPageToken: 'more',
      },
    })
    expect(sent[0]?.url.searchParams.get('startHistoryId')).toBe(cursor)
    const last = world(() => json(200, { historyId: '100000000000000000999' }))
    expect(await last.gmail.history({ accessToken, cursor, pageToken: 'more' })).toMatchObject({
      value: { changes: [], cursor: '100000000000000000999', nextPageToken: null },
    })
    const behind = world(() => json(200, { historyId: '5' }))
    expect(await behind.gmail.history({ accessToken, cursor, pageToken: null })).toMatchObject({ value: { cursor } })
  })

  it('ML-01 history that is too old is told from trouble', async () => {
    const ask = async (status: number) =>
      world(() => json(status, {})).gmail.history({ accessToken, cursor: '1', pageToken: null })
    expect(await ask(404)).toMatchObject({ ok: false, kind: 'history_expired' })
    expect(await ask(400)).toMatchObject({ ok: false, kind: 'refused', code: 'http_400' })
    expect(await ask(500)).toMatchObject({ ok: false, kind: 'unavailable', code: 'http_500' })
    const numbered = world(() => json(200, { emailAddress: 'a@gmail.com', historyId: 4711, messagesTotal: 1 }))
    expect(await numbered.gmail.mailbox({ accessToken })).toMatchObject({ value: { historyId: '4711' } })
    const nameless = { messagesAdded: [{ message: { id: 'm1' } }] }
    const unread = world(() =>
      json(200, { history: [{ ...nameless, id: 'x' }, nameless], historyId: '9', nextPageToken: 'p' }),
    )
    expect(await unread.gmail.history({ accessToken, cursor: '1', pageToken: null })).toMatchObject({
      value: { changes: [{ id: 'm1' }, { id: 'm1' }], cursor: '1' },
    })
    const page = world(() => json(200, { historyId: 'x' }))
    expect(await page.gmail.history({ accessToken, cursor: '1', pageToken: null })).toMatchObject({
      kind: 'unavailable',
      code: 'unreadable_answer',
    })
  })

  it('labels carry their names', async () => {
    const labels = [
      { id: 'INBOX', name: 'INBOX', type: 'system' },
      { id: 'Label_1', name: 'a\0/b', type: 'user' },
    ]
    expect(await world(() => json(200, { labels })).gmail.labels({ accessToken })).toEqual({
      ok: true,
      value: [
        { id: 'INBOX', name: 'INBOX', isSystem: true },
        { id: 'Label_1', name: 'a/b', isSystem: false },
      ],
    })
    const twice = world(() => json(200, { labels: [...labels, labels[1], { ...labels[1], name: 'last' }] }))
    expect(await twice.gmail.labels({ accessToken })).toMatchObject({ value: [{}, { id: 'Label_1', name: 'last' }] })
    // What is missing would be taken off its messages: half an answer is none.
    const halves = [{}, { labels: [] }, { labels: labels.slice(1) }, { labels: [...labels, null] }]
    for (const body of [...halves, { labels: [...labels, { id: 'a b', name: 'x' }] }])
      expect(await world(() => json(200, body)).gmail.labels({ accessToken })).toMatchObject({
        kind: 'unavailable',
        code: 'unreadable_answer',
      })
  })
})

describe('an attachment', () => {
  const bytes = Uint8Array.from({ length: 301 }, (_, at) => (at * 7) % 256)
  const part = {
    partId: '1',
    filename: 'a.bin',
    mimeType: 'application/x-a',
    body: { size: 301, attachmentId: 'ANG-1' },
  }
  const found = { id: 'm0', payload: { mimeType: 'multipart/mixed', parts: [part] } }
  const open = async (data: () => Response | Promise<Response>, partId = '1', first: unknown = found) => {
    const { gmail, sent } = world(({ url }) => (url.pathname.includes('/attachments/') ? data() : json(200, first)))
    return { sent, opened: await gmail.attachment({ accessToken, messageId: 'm0', partId }) }
  }
  const bodyOf = (opened: Awaited<ReturnType<MailAdapter['attachment']>>): ReadableStream<Uint8Array> => {
    if (!opened.ok || opened.value === null) throw new Error('not opened')
    return opened.value.body
  }

  it.each<[string, string]>([
    ['as Google writes it', `{\n  "size": 301,\n  "data": "${toBase64Url(bytes)}"\n}\n`],
    ['in another order, with padding', `{"data":"${toBase64Url(bytes)}=","attachmentId":"data","size":301}`],
    [
      'beside decoys',
      `{"x":{"data":"AAAA"},"y":["data","AAAA"],"z":"\\"data\\":","data" : "${toBase64Url(bytes)}\\u003d"}`,
    ],
  ])('is decoded as it comes, %s', async (_, text) => {
    for (const size of [1, 2, 3, 5, 1000, 65_536]) {
      const { opened } = await open(() => streamed(text, size))
      expect(opened).toMatchObject({ ok: true, value: { sizeBytes: 301 } })
      expect(new Uint8Array(await new Response(bodyOf(opened)).arrayBuffer()), `pieces of ${size}`).toEqual(bytes)
    }
  })

  it.each(['{"data":7,"size":"AAAA","data2":"AAAA"}', '{"data":{"a":"AAAA"},"size":["AAAA"]}'])(
    'whose data is no text gives nothing: %s',
    (text) => {
      const reader = new DataFieldReader()
      expect(reader.push(utf8(text))).toHaveLength(0)
      expect([reader.isComplete, reader.hasData]).toEqual([true, false])
    },
  )

  it.each<[string, string, 'end' | 'break']>([
    ['ends early', '{"size":3,"data":"AAAA', 'end'],
    ['breaks', '{"size":3,"data":"AAAA', 'break'],
    ['is no JSON', '<html>', 'end'],
    ['has no data', '{"size":3}', 'end'],
  ])('that %s breaks its stream', async (_, text, after) => {
    const { opened } = await open(() => streamed(text, 4, after))
    await expect(new Response(bodyOf(opened)).arrayBuffer()).rejects.toThrow()
  })

  it('ends its request when it is left', async () => {
    const { opened, sent } = await open(() => streamed('{"data":"AAAAAAAA', 12, 'hang'))
    const reader = bodyOf(opened).getReader()
    expect((await reader.read()).done).toBe(false)
    await reader.cancel()
    expect(sent.at(-1)?.signal?.aborted).toBe(true)
  })

  it('is given up where it falls silent', async () => {
    const never = open(() => new Promise(() => undefined))
    await vi.advanceTimersByTimeAsync(ATTACHMENT_FIRST_BYTE_MS)
    expect((await never).opened).toMatchObject({ kind: 'unavailable', code: 'timeout' })
    const done = await open(() => streamed('{"data":"AAAA"}', 99, 'hang'))
    expect((await new Response(bodyOf(done.opened)).arrayBuffer()).byteLength).toBe(3)
    const { opened } = await open(() => streamed('{"data":"AAAAAAAA', 99, 'hang'))
    const whole = new Response(bodyOf(opened)).arrayBuffer().catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(ATTACHMENT_IDLE_MS)
    expect(await whole).toBeInstanceOf(Error)
  })

  it.each([
    'https://evil.example/',
    '//169.254.169.254/latest',
    '../../../../../../x',
    '@evil.example/a',
    '\\evil.example',
    'a?x=https://evil.example#',
    'a%2f..%2fb',
    'http://127.0.0.1:5432',
  ])('ML-18 is asked of Gmail’s own host alone, whatever its message says: %s', async (attachmentId) => {
    const hostile = { ...part, filename: attachmentId, body: { size: 301, attachmentId } }
    const payload = { mimeType: 'multipart/mixed', parts: [hostile], body: { attachmentId } }
    const { opened, sent } = await open(() => json(200, { data: 'AAAA' }), '1', { id: 'm0', payload })
    expect(opened).toEqual({ ok: true, value: null })
    expect(sent.length).toBeGreaterThan(0)
    for (const { url } of sent) expect(url.origin + url.pathname).toBe(`${api}/gmail/v1/users/me/messages/m0`)
  })

  it.each([301, 302, 303, 307, 308])('ML-18 follows no redirect (%s), of its message or its bytes', async (status) => {
    const elsewhere = () => new Response('x', { status, headers: { location: 'http://169.254.169.254/' } })
    const bytesMoved = await open(elsewhere)
    expect(bytesMoved.opened).toMatchObject({ kind: 'unavailable', code: `http_${status}` })
    expect(bytesMoved.sent.map(({ url }) => url.origin)).toEqual([api, api])
    const { gmail, sent } = world(elsewhere)
    const moved = await gmail.attachment({ accessToken, messageId: 'm0', partId: '1' })
    expect(moved).toMatchObject({ kind: 'unavailable', code: `http_${status}` })
    expect(sent.map(({ url }) => url.origin)).toEqual([api])
  })

  it('that came along in its message is given from there', async () => {
    const small = { ...part, body: { size: 3, data: 'AQID' } }
    const { opened, sent } = await open(() => json(500, {}), '1', { id: 'm0', payload: { parts: [small] } })
    expect(new Uint8Array(await new Response(bodyOf(opened)).arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]))
    expect(sent).toHaveLength(1)
  })

  it.each<[string, () => Response, string, unknown]>([
    ['no such part', () => json(500, {}), '9', found],
    ['its id not taken', () => json(400, {}), '1', found],
    ['gone meanwhile', () => json(404, {}), '1', found],
    ['nothing in it', () => json(500, {}), '1', { id: 'm0', payload: { parts: [{ ...part, body: {} }] } }],
  ])('is null where there is %s', async (_, data, partId, first) => {
    expect((await open(data, partId, first)).opened).toEqual({ ok: true, value: null })
  })

  it('is null where its message is gone, and fails by kind otherwise', async () => {
    const ask = async (status: number, messageId = 'm0') =>
      world(() => json(status, {})).gmail.attachment({ accessToken, messageId, partId: '1' })
    expect(await ask(404)).toEqual({ ok: true, value: null })
    expect(await ask(500, '../x')).toEqual({ ok: true, value: null })
    expect(await ask(401)).toMatchObject({ kind: 'unauthorized' })
    expect((await open(() => json(429, {}))).opened).toMatchObject({ kind: 'rate_limited' })
  })
})

describe('send', () => {
  const mime = utf8('From: a@example.com\r\n\r\nhé')

  it('posts base64 in JSON, with its thread', async () => {
    const { gmail, sent } = world(() => json(200, { id: 'm1', threadId: 't1', labelIds: ['SENT'] }))
    const value = { id: 'm1', threadId: 't1' }
    expect(await gmail.send({ accessToken, mime, threadId: 't1' })).toEqual({ ok: true, value })
    expect(sent[0]?.url.pathname).toBe('/gmail/v1/users/me/messages/send')
    expect(JSON.parse(sent[0]?.body ?? '')).toEqual({ raw: toBase64Url(mime), threadId: 't1' })
    await gmail.send({ accessToken, mime, threadId: null })
    expect(JSON.parse(sent[1]?.body ?? '')).toEqual({ raw: toBase64Url(mime) })
  })

  it('uploads a large one as it is', async () => {
    const large = new Uint8Array(MAX_JSON_MESSAGE_BYTES + 1).fill(0x61)
    const { gmail, sent } = world(() => json(200, { id: 'm1', threadId: 't1' }))
    expect(await gmail.send({ accessToken, mime: large, threadId: 't1' })).toMatchObject({ ok: true })
    const { url, headers, body = '' } = sent[0] ?? {}
    expect(`${url?.pathname}${url?.search}`).toMatch(
      /^\/upload\/gmail\/v1\/users\/me\/messages\/send\?uploadType=multipart/,
    )
    const boundary = boundaryOf(headers?.get('content-type') ?? null)
    const [, metadata, content, end] = body.split(`--${boundary}`)
    expect(metadata).toBe('\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{"threadId":"t1"}\r\n')
    expect(content?.length).toBe(large.length + '\r\nContent-Type: message/rfc822\r\n\r\n\r\n'.length)
    expect(end).toBe('--\r\n')
  })

  it.each<[string, () => Response, string, string]>([
    ['400', () => json(400, { error: { errors: [{ reason: 'invalidArgument' }] } }), 'refused', 'invalid_argument'],
    ['400 for a reason of theirs', () => json(400, refusal('marked-upstream')), 'refused', 'http_400'],
    ['a thread that is not there', () => json(404, {}), 'refused', 'http_404'],
    ['413', () => json(413, {}), 'refused', 'http_413'],
    ['401', () => json(401, {}), 'unauthorized', 'http_401'],
    ['403 for scope', () => json(403, refusal('insufficientPermissions')), 'forbidden', 'insufficient_permissions'],
    ['403 for quota', () => json(403, refusal('userRateLimitExceeded')), 'rate_limited', 'quota_exceeded'],
    ['429, the daily limit', () => json(429, refusal('rateLimitExceeded')), 'rate_limited', 'http_429'],
    ['500', () => json(500, {}), 'unavailable', 'http_500'],
    ['200 without ids', () => json(200, {}), 'unavailable', 'unreadable_answer'],
  ])('%s', async (_, answer, kind, code) => {
    expect(await world(answer).gmail.send({ accessToken, mime, threadId: null })).toMatchObject({
      ok: false,
      kind,
      code,
    })
  })

  it('without an answer may have sent', async () => {
    const lost = world(() => Promise.reject(new TypeError('fetch failed')))
    expect(await lost.gmail.send({ accessToken, mime, threadId: null })).toMatchObject({ code: 'network' })
    const silent = world(() => new Promise(() => undefined)).gmail.send({ accessToken, mime, threadId: null })
    await vi.advanceTimersByTimeAsync(SEND_TIMEOUT_MS)
    expect(await silent).toMatchObject({ kind: 'unavailable', code: 'timeout' })
  })
})
