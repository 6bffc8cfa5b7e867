// The look for a message that may have been sent, against answers made by hand: all that was sent in its time is compared,
// bit by bit as units allow, and what was not all seen proves nothing.
import { describe, expect, it } from 'vitest'
import { createGmail } from '../../src/providers/gmail.ts'

const accessToken = 'ya29.marked'
const since = new Date('2025-01-01T00:00:00Z')

interface Message {
  readonly id: string
  readonly labelIds: readonly string[]
  readonly headers: Record<string, string>
}

/** A sent one, unless it says otherwise. */
const mail = (id: string, headers: Record<string, string> = {}, labelIds = ['SENT']): Message => ({
  id,
  labelIds,
  headers: { 'Message-ID': `<${id}@x>`, ...headers },
})
const mails = (count: number): Message[] => Array.from({ length: count }, (_, at) => mail(`n${at}`))
const replaced = mail('ours', { 'X-Google-Original-Message-ID': '<ours@x>', 'Message-ID': '<CA@mail.gmail.com>' })

interface Box {
  readonly byName?: readonly Message[]
  readonly sent?: readonly Message[]
  readonly until?: Date
  /** Of each message when it is read. */
  readonly status?: number
  /** A batch leaves these out. */
  readonly missing?: readonly string[]
  /** Units there are. */
  readonly units?: number
}

/** Looks for `<ours@x>`; what it found, what was asked of Gmail, and what units were asked for. */
async function find(box: Box) {
  const lists: URLSearchParams[] = []
  const asked: number[] = []
  let reads = 0
  let left = box.units ?? Number.POSITIVE_INFINITY
  const { byName = [], sent = [], status = 200, missing = [] } = box
  const fetch: typeof globalThis.fetch = (input, init) => {
    const query = new URL(String(input)).searchParams
    if (init?.method === 'GET') {
      lists.push(query)
      const all = query.get('q')?.startsWith('rfc822msgid:') === true ? byName : sent
      const [start, size] = [Number(query.get('pageToken') ?? 0), Number(query.get('maxResults'))]
      const page = { messages: all.slice(start, start + size).map(({ id }) => ({ id })) }
      const isMore = start + size < all.length
      return Promise.resolve(Response.json(isMore ? { ...page, nextPageToken: String(start + size) } : page))
    }
    const ids = [...String(init?.body).matchAll(/GET \S+\/messages\/(\w+)\?/g)].map(([, id]) => id)
    reads += ids.length
    const parts = ids.map((id, item) => {
      const found = [...byName, ...sent].find((it) => it.id === id)
      if (found === undefined || missing.includes(found.id)) return ''
      const headers = Object.entries(found.headers).map(([name, value]) => ({ name, value }))
      const body = JSON.stringify({ id, threadId: `t${id}`, labelIds: found.labelIds, payload: { headers } })
      const head = `--b\r\nContent-Type: application/http\r\nContent-ID: <response-item-${item}>\r\n\r\n`
      return `${head}HTTP/1.1 ${status} Whatever\r\nContent-Type: application/json\r\n\r\n${body}\r\n`
    })
    return Promise.resolve(
      new Response(`${parts.join('')}--b--\r\n`, { headers: { 'content-type': 'multipart/mixed; boundary=b' } }),
    )
  }
  const origin = 'https://gmail.googleapis.com'
  const gmail = createGmail({ fetch, clock: () => since, apiOrigin: origin, batchOrigin: origin })
  const allow = async (units: number): Promise<boolean> => {
    asked.push(units)
    left -= units
    return left >= 0
  }
  const { until = null } = box
  const found = await gmail.findSent({ accessToken, messageId: '<ours@x>', since, until, allow })
  return { found, lists, asked, reads }
}

describe('a message that may have been sent', () => {
  const ours = { ok: true, value: { id: 'ours', threadId: 'tours' } }

  it('is found by its name, the sent copy before the received one', async () => {
    const copies = [mail('a', { 'Message-ID': '<ours@x>' }, ['INBOX']), mail('ours', { 'Message-Id': '<ours@x>' })]
    const { found, lists } = await find({ byName: copies })
    expect(found).toEqual(ours)
    expect([lists.length, lists[0]?.get('q')]).toEqual([1, 'rfc822msgid:ours@x'])
    expect(lists[0]?.get('includeSpamTrash')).toBe('true')
  })

  it('is found under the name Gmail gave it, in its own time', async () => {
    const { found, lists } = await find({ sent: [mail('b'), replaced], until: new Date('2025-01-01T00:10:00Z') })
    expect(found).toEqual(ours)
    expect(Object.fromEntries(lists[1] ?? [])).toMatchObject({
      labelIds: 'SENT',
      q: 'after:1735689600 before:1735690200',
      maxResults: '25',
    })
    expect((await find({ sent: [replaced] })).lists[1]?.get('q')).toBe('after:1735689600')
  })

  it('is found behind many that were sent since', async () => {
    const { found, lists } = await find({ sent: [...mails(99), replaced] })
    expect(found).toEqual(ours)
    expect(lists.slice(1).map((it) => it.get('pageToken'))).toEqual([null, '25', '50', '75'])
  })

  it('is not there only where everything was seen', async () => {
    expect((await find({})).found).toEqual({ ok: true, value: null })
    expect((await find({ byName: mails(1), sent: mails(1) })).found).toEqual({ ok: true, value: null })
    expect((await find({ sent: mails(100) })).found).toEqual({ ok: true, value: null })
    const { found, reads } = await find({ sent: [...mails(100), replaced] })
    expect([found, reads]).toEqual([{ ok: true, value: 'unseen' }, 100])
    expect((await find({ byName: mails(6) })).found).toEqual({ ok: true, value: 'unseen' })
    expect((await find({ byName: mails(1), status: 503 })).found).toMatchObject({ ok: false, code: 'http_503' })
    expect((await find({ sent: [mail('a'), replaced], missing: ['ours'] })).found).toMatchObject({
      ok: false,
      kind: 'unavailable',
    })
  })

  it('is looked for with no more units than it takes, in portions of one sending', async () => {
    const short = await find({ byName: [mail('ours', { 'Message-ID': '<ours@x>' })] })
    expect([short.found, short.asked]).toEqual([ours, [5, 20]])
    expect((await find({ sent: mails(7) })).asked).toEqual([5, 5, 100, 40])
  })

  it('stays unseen where the units end before the messages do', async () => {
    const poor = await find({ sent: [...mails(7), replaced], units: 110 })
    expect([poor.found, poor.asked, poor.reads]).toEqual([{ ok: true, value: 'unseen' }, [5, 5, 100, 60], 5])
    const none = await find({ sent: [replaced], units: 4 })
    expect([none.found, none.lists.length]).toEqual([{ ok: true, value: 'unseen' }, 0])
  })
})
