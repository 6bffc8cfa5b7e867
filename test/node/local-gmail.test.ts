// The local Google's Gmail answers as Gmail's reference says, where a laxer one would hide a fault of ours: pages,
// history, parts, sending, quota. Its search is in local-gmail-search.test.ts.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type LocalGoogle, startLocalGoogle } from '../../scripts/local-google/server.ts'
import { type GoogleControl, googleControl } from '../support/google.ts'

const ADA = 'ada@gmail.com'
const BOB = 'bob@gmail.com'
const client = { clientId: 'client-1', clientSecret: 'secret-1', redirectUris: ['http://localhost:8787/callback'] }

let google: LocalGoogle
let control: GoogleControl
let token = ''

beforeAll(async () => {
  google = await startLocalGoogle({ clients: [client] })
  control = googleControl(google.url)
})
afterAll(() => google.close())
beforeEach(async () => {
  await control.reset()
  token = await tokenOf(ADA)
})

async function tokenOf(email: string): Promise<string> {
  const scopes = ['https://mail.google.com/']
  const [minted] = await control.mint({ email, client_id: client.clientId, scopes })
  return minted?.access_token ?? ''
}

const short = z.object({ id: z.string(), threadId: z.string() })
interface Part {
  partId: string
  mimeType: string
  filename: string
  headers: { name: string; value: string }[]
  body: { size: number; data?: string | undefined; attachmentId?: string | undefined }
  parts?: Part[] | undefined
}
const part: z.ZodType<Part> = z.lazy(() =>
  z.object({
    partId: z.string(),
    mimeType: z.string(),
    filename: z.string(),
    headers: z.array(z.object({ name: z.string(), value: z.string() })),
    body: z.strictObject({ size: z.number(), data: z.string().optional(), attachmentId: z.string().optional() }),
    parts: z.array(part).optional(),
  }),
)
const answers = z.looseObject({
  messages: z.array(z.looseObject({ id: z.string(), threadId: z.string().optional() })).optional(),
  threads: z.array(z.looseObject({ id: z.string() })).optional(),
  nextPageToken: z.string().optional(),
  historyId: z.string().default(''),
  history: z.array(z.looseObject({ id: z.string() })).optional(),
  id: z.string().default(''),
  threadId: z.string().default(''),
  payload: z.unknown().optional(),
  raw: z.string().default(''),
  snippet: z.string().default(''),
  data: z.string().default(''),
})
type Answer = z.infer<typeof answers> & { status: number }

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const isText = typeof body === 'string' || body instanceof Uint8Array
  const prefix = path.startsWith('/upload') ? '' : '/gmail/v1/users/me'
  const response = await fetch(google.url + prefix + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { ...answers.parse(text === '' ? {} : JSON.parse(text)), status: response.status }
}

const get = (path: string): Promise<Answer> => call('GET', path)
const idsOf = (answer: Answer): string[] => (answer.messages ?? []).map(({ id }) => id)
const fullOf = async (id: string): Promise<Part> => part.parse((await get(`/messages/${id}`)).payload)
const textOf = (data = ''): string => Buffer.from(data, 'base64url').toString('utf8')
const headerOf = (found: Part, name: string): string | undefined =>
  found.headers.find((header) => header.name.toLowerCase() === name)?.value

async function add(mail: Parameters<GoogleControl['addMail']>[1][number]): Promise<{ id: string; threadId: string }> {
  const [added] = await control.addMail(ADA, [mail])
  if (added === undefined) throw new Error('nothing added')
  return added
}

describe('lists', () => {
  it('leave out what is empty, and give newest first in pages that new mail does not move', async () => {
    expect(await get('/messages')).not.toHaveProperty('messages')
    const mails = Array.from({ length: 7 }, (_, day) => ({ subject: `no ${day}`, internalDate: 1e12 + day * 1e8 }))
    const ids = (await control.addMail(ADA, mails)).map(({ id }) => id).reverse()
    expect(ids[0]).toMatch(/^[0-9a-f]{16}$/)
    const first = await get('/messages?maxResults=3')
    expect(idsOf(first)).toEqual(ids.slice(0, 3))
    await add({ subject: 'newer than all' })
    const second = await get(`/messages?maxResults=3&pageToken=${first.nextPageToken}`)
    expect(idsOf(second)).toEqual(ids.slice(3, 6))
    const third = await get(`/messages?maxResults=3&pageToken=${second.nextPageToken}`)
    expect(idsOf(third)).toEqual(ids.slice(6))
    expect(third).not.toHaveProperty('nextPageToken')
  })

  it('refuse a token of another question, no size, and a label that is none', async () => {
    await control.addMail(ADA, [{ subject: 'a' }, { subject: 'b' }])
    const { nextPageToken } = await get('/messages?maxResults=1')
    const bad = ['q=x&maxResults=1', 'labelIds=INBOX'].map((it) => `/messages?${it}&pageToken=${nextPageToken}`)
    const refused = [...bad, '/messages?maxResults=0', '/messages?maxResults=ten', '/messages?labelIds=Label_9']
    for (const path of refused) expect([path, (await get(path)).status]).toEqual([path, 400])
    expect((await get('/messages?maxResults=9999')).status).toBe(200)
  })

  it('want all labels, and leave spam and trash out until asked', async () => {
    const both = await add({ subject: 'both', labelIds: ['INBOX', 'STARRED'] })
    const inbox = await add({ subject: 'inbox', labelIds: ['INBOX'] })
    const spam = await add({ subject: 'spam', labelIds: ['SPAM'] })
    const trash = await add({ subject: 'trash', labelIds: ['TRASH'] })
    const found = async (query: string): Promise<string[]> => idsOf(await get(`/messages?${query}`)).sort()
    expect(await found('labelIds=INBOX&labelIds=STARRED')).toEqual([both.id])
    expect(await found('')).toEqual([both.id, inbox.id].sort())
    expect(await found('includeSpamTrash=true')).toHaveLength(4)
    expect(await found('q=in:spam')).toEqual([spam.id])
    expect(await found('q=in:trash')).toEqual([trash.id])
    expect(await found('q=in:anywhere')).toHaveLength(4)
  })

  it('can give ids twice, over borders too, and still give all', async () => {
    await control.addMail(
      ADA,
      Array.from({ length: 30 }, (_, index) => ({ subject: `${index}` })),
    )
    await control.settings({ listRepeatsIds: true })
    const pages: string[][] = []
    for (let path = '/messages?maxResults=10'; ; ) {
      const page = await get(path)
      pages.push(idsOf(page))
      if (page.nextPageToken === undefined) break
      path = `/messages?maxResults=10&pageToken=${page.nextPageToken}`
    }
    expect(new Set(pages.flat()).size).toBe(30)
    expect(pages[1]?.[0]).toBe(pages[0]?.at(-1))
    expect(new Set(pages[0]).size).toBeLessThan(10)
  })

  it('give threads by their newest message, and a thread oldest first', async () => {
    const [one] = await control.addMail(ADA, [
      { subject: 'Plan', messageId: 'm1@x', text: 'first', internalDate: 1e12 },
    ])
    const [other] = await control.addMail(ADA, [{ subject: 'Other', internalDate: 1e12 + 1 }])
    const [two] = await control.addMail(ADA, [
      { subject: 'Re: Plan', inReplyTo: 'm1@x', text: 'second', internalDate: 1e12 + 2 },
    ])
    expect(two?.threadId).toBe(one?.threadId)
    const listed = await get('/threads')
    expect(listed.threads).toMatchObject([{ id: one?.threadId, snippet: 'second' }, { id: other?.threadId }])
    const thread = await get(`/threads/${one?.threadId}?format=minimal`)
    expect(thread.messages?.map(({ id }) => id)).toEqual([one?.id, two?.id])
    expect((await get('/threads/00000000000000aa')).status).toBe(404)
  })
})

const tree = [
  'From: Ada <ada@gmail.com>',
  'Subject: =?ISO-8859-1?Q?Gr=FC=DFe?=',
  'Message-ID: <tree@x>',
  'X-Folded: one',
  '  two',
  'Content-Type: multipart/mixed; boundary=a',
  '',
  'preamble',
  '--a',
  'Content-Type: multipart/alternative; boundary="b b"',
  '',
  '--b b',
  'Content-Type: text/plain; charset=iso-8859-1',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'Gr=FC=DFe & <b>',
  '--b b',
  'Content-Type: text/html',
  '',
  '<p>x</p>',
  '--b b--',
  '--a',
  'Content-Type: text/plain; name="a.txt"',
  "Content-Disposition: attachment; filename*0*=UTF-8''%C3%BC; filename*1=ber.txt",
  'Content-Transfer-Encoding: base64',
  '',
  'aGVsbG8=',
  '--a',
  'Content-Type: message/rfc822',
  '',
  'Subject: inner',
  'Content-Type: text/plain',
  '',
  'inner text',
  '--a--',
  '',
].join('\r\n')

describe('a message', () => {
  it('is a tree with Gmail’s part ids, texts inside and attachments apart', async () => {
    const { id } = await add({ raw: tree })
    const root = await fullOf(id)
    const flat = (it: Part): Part[] => [it, ...(it.parts ?? []).flatMap(flat)]
    expect(flat(root).map((it) => `${it.partId} ${it.mimeType} ${it.filename}`.trim())).toEqual([
      'multipart/mixed',
      '0 multipart/alternative',
      '0.0 text/plain',
      '0.1 text/html',
      '1 text/plain über.txt',
      '2 message/rfc822',
      '2.0 text/plain',
    ])
    const [, , plain, , file, letter] = flat(root)
    expect(textOf(plain?.body.data)).toBe('Grüße & <b>')
    expect(plain?.body.size).toBe(Buffer.byteLength('Grüße & <b>'))
    expect(file?.body).toEqual({ size: 5, attachmentId: expect.any(String) })
    expect(letter?.body.attachmentId).toBeDefined()
    expect(root.body).toEqual({ size: 0 })
    expect([headerOf(root, 'subject'), headerOf(root, 'x-folded')]).toEqual(['Grüße', 'one  two'])
    expect((await get(`/messages/${id}`)).snippet).toBe('Grüße &amp; &lt;b&gt;')
  })

  it('can come with texts and headers as they were sent', async () => {
    await control.settings({ textBodies: 'as-sent' })
    const root = await fullOf((await add({ raw: tree })).id)
    const plain = root.parts?.[0]?.parts?.[0]
    expect(Buffer.from(plain?.body.data ?? '', 'base64url')).toEqual(Buffer.from('Grüße & <b>', 'latin1'))
    expect(headerOf(root, 'subject')).toBe('=?ISO-8859-1?Q?Gr=FC=DFe?=')
  })

  it('comes in the format asked for', async () => {
    const { id, threadId } = await add({ raw: tree, internalDate: 1_700_000_000_123 })
    const minimal = await get(`/messages/${id}?format=minimal`)
    expect(minimal).toMatchObject({ id, threadId, internalDate: '1700000000123', labelIds: ['INBOX', 'UNREAD'] })
    expect(minimal.payload).toBeUndefined()
    const metadata = await get(`/messages/${id}?format=metadata&metadataHeaders=subject&metadataHeaders=From`)
    expect(metadata.payload).toEqual({
      mimeType: 'multipart/mixed',
      headers: [
        { name: 'From', value: 'Ada <ada@gmail.com>' },
        { name: 'Subject', value: 'Grüße' },
      ],
    })
    expect(textOf((await get(`/messages/${id}?format=raw`)).raw)).toBe(tree)
    expect((await get(`/messages/${id}?format=everything`)).status).toBe(400)
    expect((await get('/messages/00000000000000aa')).status).toBe(404)
    expect((await get('/messages/not-hex')).status).toBe(400)
  })

  it('names its attachments anew at every read, and takes the old names too', async () => {
    const { id } = await add({ raw: tree })
    const other = await add({ raw: tree.replace('tree@x', 'other@x') })
    const nameOf = async (of: string): Promise<string> => (await fullOf(of)).parts?.[1]?.body.attachmentId ?? ''
    const [first, second, foreign] = [await nameOf(id), await nameOf(id), await nameOf(other.id)]
    expect(first).not.toBe(second)
    for (const name of [first, second]) {
      const answer = await get(`/messages/${id}/attachments/${name}`)
      expect([answer.status, textOf(answer.data), answer.size]).toEqual([200, 'hello', 5])
    }
    for (const name of [foreign, `${first.startsWith('A') ? 'B' : 'A'}${first.slice(1)}`, 'nonsense']) {
      expect((await get(`/messages/${id}/attachments/${name}`)).status).toBe(400)
    }
  })
})

describe('history', () => {
  it('tells what changed since, in order, by kind and label, page by page', async () => {
    const start = (await get('/profile')).historyId
    expect(start).toMatch(/^\d{21}$/)
    expect(await get(`/history?startHistoryId=${start}`)).toEqual(
      expect.not.objectContaining({ history: expect.anything() }),
    )
    const { id, threadId } = await add({ subject: 'new' })
    await call('POST', `/messages/${id}/modify`, { addLabelIds: ['STARRED'], removeLabelIds: ['UNREAD'] })
    await call('POST', `/messages/${id}/trash`)
    await call('DELETE', `/messages/${id}`)
    const all = await get(`/history?startHistoryId=${start}`)
    const message = { id, threadId }
    expect(all.history).toMatchObject([
      { messages: [message], messagesAdded: [{ message: { ...message, labelIds: ['INBOX', 'UNREAD'] } }] },
      { messages: [message], labelsAdded: [{ message, labelIds: ['STARRED'] }] },
      { messages: [message], labelsRemoved: [{ message, labelIds: ['UNREAD'] }] },
      { labelsAdded: [{ labelIds: ['TRASH'] }] },
      { labelsRemoved: [{ labelIds: ['INBOX'] }] },
      { messagesDeleted: [{ message }] },
    ])
    const keysOf = async (query: string): Promise<string[]> =>
      ((await get(`/history?startHistoryId=${start}&${query}`)).history ?? []).map((it) => Object.keys(it)[2] ?? '')
    expect(await keysOf('historyTypes=messageAdded&historyTypes=messageDeleted')).toEqual([
      'messagesAdded',
      'messagesDeleted',
    ])
    expect(await keysOf('labelId=UNREAD')).toEqual(['messagesAdded', 'labelsRemoved'])
    const page = await get(`/history?startHistoryId=${start}&maxResults=4`)
    const rest = await get(`/history?startHistoryId=${start}&maxResults=4&pageToken=${page.nextPageToken}`)
    expect([...(page.history ?? []), ...(rest.history ?? [])]).toEqual(all.history)
    expect(rest).not.toHaveProperty('nextPageToken')
    expect(rest.historyId).toBe((await get('/profile')).historyId)
  })

  it('is refused from a start that is none, and 404 from one that is too old', async () => {
    await add({ subject: 'x' })
    const old = (await get('/profile')).historyId
    expect((await get('/history')).status).toBe(400)
    expect((await get('/history?startHistoryId=now')).status).toBe(400)
    expect((await get(`/history?startHistoryId=${old}&historyTypes=everything`)).status).toBe(400)
    expect((await get('/history?startHistoryId=1')).status).toBe(404)
    await control.expireHistory(ADA)
    expect((await get(`/history?startHistoryId=${old}`)).status).toBe(404)
    expect((await get(`/history?startHistoryId=${(await get('/profile')).historyId}`)).status).toBe(200)
  })

  it('is told of what the control does, but not of what it does quietly', async () => {
    const start = (await get('/profile')).historyId
    const [quiet] = await control.addMail(ADA, [{ subject: 'old' }], { quiet: true })
    await control.modifyMail(ADA, [quiet?.id ?? ''], { removeLabelIds: ['UNREAD', 'STARRED'] })
    await control.deleteMail(ADA, [quiet?.id ?? ''])
    const { history } = await get(`/history?startHistoryId=${start}`)
    expect(history).toMatchObject([{ labelsRemoved: [{ labelIds: ['UNREAD'] }] }, { messagesDeleted: [{}] }])
    const state = await control.mailState(ADA)
    expect(state).toEqual({ historyId: history?.at(-1)?.id, messages: [] })
  })
})

describe('labels', () => {
  it('are made, renamed and deleted, the system’s ones are not', async () => {
    const made = await call('POST', '/labels', { name: 'Work' })
    expect(made.id).toMatch(/^Label_\d+$/)
    expect((await call('POST', '/labels', { name: 'work' })).status).toBe(409)
    const { id } = await add({ labelIds: ['INBOX', 'UNREAD', made.id] })
    expect(await get(`/labels/${made.id}`)).toMatchObject({ type: 'user', messagesTotal: 1, threadsUnread: 1 })
    expect(await call('PATCH', `/labels/${made.id}`, { name: 'Job' })).toMatchObject({ id: made.id, name: 'Job' })
    expect(await control.putLabel(ADA, { id: made.id, name: 'Again' })).toEqual({ id: made.id, name: 'Again' })
    for (const verb of ['PATCH', 'DELETE']) expect((await call(verb, '/labels/INBOX', {})).status).toBe(400)
    expect((await call('DELETE', `/labels/${made.id}`)).status).toBe(204)
    expect((await get(`/messages/${id}?format=minimal`)).labelIds).toEqual(['INBOX', 'UNREAD'])
    expect((await get('/labels/Label_99')).status).toBe(404)
  })

  it('are changed on messages only where there is something to change', async () => {
    const { id } = await add({ subject: 'x' })
    const modify = (body: object): Promise<Answer> => call('POST', `/messages/${id}/modify`, body)
    for (const body of [{}, { addLabelIds: ['Label_9'] }, { removeLabelIds: ['SENT'] }]) {
      expect((await modify(body)).status).toBe(400)
    }
    expect((await call('POST', '/messages/batchModify', { ids: [id], addLabelIds: ['STARRED'] })).status).toBe(204)
    expect(await call('POST', `/messages/${id}/trash`)).toMatchObject({ labelIds: ['UNREAD', 'STARRED', 'TRASH'] })
    expect(await call('POST', `/messages/${id}/untrash`)).toMatchObject({ labelIds: ['UNREAD', 'STARRED'] })
    expect((await call('GET', `/messages/${id}/trash`)).status).toBe(405)
    expect((await call('GET', '/nothing')).status).toBe(404)
  })
})

function rawMail(fields: Record<string, string | undefined>, body = 'Hi'): string {
  const all = { From: ADA, To: BOB, Subject: 'Hi', 'Message-ID': '<own@x>', ...fields }
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

function send(fields: Record<string, string | undefined>, threadId?: string): Promise<Answer> {
  const raw = Buffer.from(rawMail(fields)).toString('base64url')
  return call('POST', '/messages/send', { raw, ...(threadId === undefined ? {} : { threadId }) })
}

describe('sending', () => {
  it('keeps a copy with Bcc, delivers one without, and gives both a conversation', async () => {
    await control.addUser({ email: BOB })
    const sent = await send({ Bcc: 'Carol <carol@x.example>', From: 'Somebody Else <else@x.example>', Date: undefined })
    expect(sent).toMatchObject({ status: 200, labelIds: ['SENT'], threadId: sent.id })
    const [own] = await control.sentMail(ADA)
    expect(own?.raw).toContain('Bcc: Carol')
    expect(own?.raw).toContain(`From: Somebody Else <${ADA}>\r\n`)
    expect(own?.raw).toMatch(/^Date: /m)
    expect(own?.raw).toMatch(/\r\n\r\nHi$/)
    token = await tokenOf(BOB)
    const [received = ''] = idsOf(await get('/messages?q=subject:hi'))
    const copy = textOf((await get(`/messages/${received}?format=raw`)).raw)
    expect(copy).toContain('<own@x>')
    expect(copy).not.toMatch(/bcc|carol/i)
    expect((await control.mailState(BOB)).messages[0]?.labelIds).toEqual(['UNREAD', 'INBOX'])
  })

  it('threads by reference and subject together, a named thread too', async () => {
    const { threadId } = await add({ subject: 'Plan', messageId: 'm1@x' })
    const [other] = await control.addMail(ADA, [{ subject: 'Plan', messageId: 'm2@x' }])
    const reply = { Subject: 'Re: AW: plan', 'In-Reply-To': '<m1@x>', References: '<m0@x> <m1@x>' }
    expect((await send(reply)).threadId).toBe(threadId)
    expect((await send(reply, threadId)).threadId).toBe(threadId)
    for (const sent of [
      await send({ ...reply, Subject: 'Another' }, threadId),
      await send({ Subject: 'Re: Plan' }, threadId),
      await send(reply, other?.threadId),
    ]) {
      expect(sent.status).toBe(200)
      expect(sent.threadId).toBe(sent.id)
    }
    expect((await send(reply, '00000000000000aa')).status).toBe(404)
    expect((await send(reply, 'thread-1')).status).toBe(400)
  })

  it('keeps, replaces or makes the Message-ID', async () => {
    const idOf = async (): Promise<(string | undefined)[]> => {
      const raw = (await control.sentMail(ADA))[0]?.raw ?? ''
      return [/^Message-ID: (.*)$/im.exec(raw)?.[1]?.trim(), /^X-Google-Original-Message-ID: (.*)$/im.exec(raw)?.[1]]
    }
    const googles = expect.stringMatching(/^<CA[\w-]+@mail\.gmail\.com>$/)
    await send({})
    expect(await idOf()).toEqual(['<own@x>', undefined])
    await send({ 'Message-ID': undefined })
    expect(await idOf()).toEqual([googles, undefined])
    await control.settings({ messageIdOnSend: 'replaced' })
    await send({})
    expect(await idOf()).toEqual([googles, '<own@x>'])
  })

  it('takes uploads, alone or with a JSON part, byte by byte', async () => {
    const { threadId } = await add({ subject: 'Plan', messageId: 'm1@x' })
    const mail = rawMail(
      { Subject: 'Re: Plan', 'In-Reply-To': '<m1@x>', Date: 'Mon, 30 Nov 2026 12:00:00 +0000' },
      'naïve \u0000 body\r\n',
    )
    const path = '/upload/gmail/v1/users/me/messages/send?uploadType='
    const media = await call('POST', `${path}media`, mail, { 'content-type': 'message/rfc822' })
    expect(media.status).toBe(200)
    expect((await control.sentMail(ADA))[0]?.raw).toBe(mail)
    const related = `--r\r\nContent-Type: application/json\r\n\r\n${JSON.stringify({ threadId })}\r\n--r\r\nContent-Type: message/rfc822\r\n\r\n${mail}\r\n--r--\r\n`
    const both = await call('POST', `${path}multipart`, related, { 'content-type': 'multipart/related; boundary=r' })
    expect(both).toMatchObject({ status: 200, threadId })
    expect((await control.sentMail(ADA))[0]?.raw).toBe(mail)
    for (const [kind, type] of [
      ['media', 'text/plain'],
      ['resumable', 'message/rfc822'],
      ['multipart', 'message/rfc822'],
    ]) {
      expect((await call('POST', path + kind, mail, { 'content-type': type ?? '' })).status).toBe(400)
    }
  })

  it('refuses what has no recipient, is no base64url, or is too large', async () => {
    expect((await send({ To: undefined })).status).toBe(400)
    expect((await send({ To: 'undisclosed-recipients:;' })).status).toBe(400)
    expect((await send({ To: 'not an address' })).status).toBe(400)
    expect(
      (await send({ To: '"Last, First (x)" <a@b.example>, (c) d@e.example', Cc: 'Team: f@g.example;' })).status,
    ).toBe(200)
    expect((await call('POST', '/messages/send', {})).status).toBe(400)
    expect((await call('POST', '/messages/send', { raw: 'a+b/' })).status).toBe(400)
    const large = new Uint8Array(36_700_161).fill(120)
    large.set(Buffer.from(rawMail({})))
    const path = '/upload/gmail/v1/users/me/messages/send?uploadType=media'
    expect((await call('POST', path, large, { 'content-type': 'message/rfc822' })).status).toBe(413)
    expect(await control.sentMail(ADA)).toHaveLength(1)
  })

  it('to oneself is one message, sent and received', async () => {
    expect((await send({ To: ADA })).labelIds).toEqual(['UNREAD', 'SENT', 'INBOX'])
    expect((await control.mailState(ADA)).messages).toHaveLength(1)
  })
})

describe('quota', () => {
  it('is counted always, and ends calls where it is set', async () => {
    const { id } = await add({ subject: 'x' })
    await get('/messages')
    await get(`/messages/${id}`)
    await send({})
    expect(await control.calls()).toMatchObject({ units: { [ADA]: 125 }, max_units_per_minute: { [ADA]: 125 } })
    await control.settings({ quotaUnitsPerMinutePerUser: 130 })
    expect((await get('/messages')).status).toBe(200)
    expect(await get('/profile')).toMatchObject({
      status: 403,
      error: { errors: [{ reason: 'userRateLimitExceeded' }] },
    })
    await control.settings({ quotaStatus: 429 })
    expect((await get('/profile')).status).toBe(429)
    await control.advanceClock(61)
    expect((await get('/profile')).status).toBe(200)
    expect(await control.calls()).toMatchObject({ units: { [ADA]: 131 }, max_units_per_minute: { [ADA]: 130 } })
  })
})

describe('generated mail', () => {
  it('is varied, the same for the same seed, fast, and readable to the last message', async () => {
    const startedAt = performance.now()
    await control.generateMail(ADA, 10_000)
    // Three seconds is the promise on an idle machine; the tests share theirs.
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    await control.generateMail(BOB, 200, 7)
    await control.generateMail('eve@gmail.com', 200, 7)
    const [bob, eve] = [await control.mailState(BOB), await control.mailState('eve@gmail.com')]
    const labelsOf = (state: typeof bob): unknown => state.messages.map(({ labelIds }) => labelIds)
    expect(labelsOf(bob)).toEqual(labelsOf(eve))
    expect(await get('/profile')).toMatchObject({ messagesTotal: 10_000 })

    token = await tokenOf(BOB)
    const mimeTypes = new Set<string>()
    const collect = (it: Part): void => {
      mimeTypes.add(it.mimeType)
      it.parts?.forEach(collect)
    }
    for (const { id } of bob.messages) collect(await fullOf(id))
    expect([...mimeTypes]).toEqual(expect.arrayContaining(['message/rfc822', 'text/calendar', 'text/html']))
    const found = async (q: string): Promise<number> => (await control.searchMail(BOB, `in:anywhere ${q}`)).length
    expect(await found('京都')).toBeGreaterThan(0)
    expect(await found('счёт')).toBeGreaterThan(0)
    expect(await found('Zürich')).toBeGreaterThan(0)
    expect(await found('"at the bottom of thirty boxes"')).toBe(4)
    expect(await found('larger:900K')).toBe(4)
    expect(await found('filename:passwd')).toBeGreaterThan(0)
  })
})

describe('a batch', () => {
  it('answers its parts apart, each of which a fault may strike', async () => {
    const { id } = await add({ raw: tree })
    await control.fault({ path: `/gmail/v1/users/me/messages/${id}`, status: 429, body: { error: {} } })
    const parts = ['profile', `messages/${id}`, `messages/${id}`, 'messages/xyz'].map(
      (path, index) =>
        `--b\r\nContent-Type: application/http\r\nContent-ID: <i${index}>\r\n\r\nGET /gmail/v1/users/me/${path}\r\n\r\n`,
    )
    const response = await fetch(`${google.url}/batch/gmail/v1`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'multipart/mixed; boundary=b' },
      body: `${parts.join('')}--b--\r\n`,
    })
    const text = await response.text()
    expect([...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map((match) => match[1])).toEqual(['200', '429', '200', '400'])
    expect((await control.calls()).units).toEqual({ [ADA]: 41 })
  })
})

it('keeps its list answers to ids and threads', async () => {
  await add({ subject: 'x' })
  const { messages } = await get('/messages')
  expect(messages).toEqual([z.strictObject(short.shape).parse(messages?.[0])])
})
