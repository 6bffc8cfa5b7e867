// Mail as callers read it: lists, threads, messages, attachments; who may, and what a stranger's mail may not do.
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDb } from '../../src/db/client.ts'
import { createLog } from '../../src/log.ts'
import { purgeExpired } from '../../src/ops/purge.ts'
import { call, count, google, json, type MailAccountJson, newKey, newPerson, refusal } from '../support/app.ts'
import { emptyTables, proxy, query, testAddresses } from '../support/database.ts'
import { type StoredMail, storeMails } from '../support/stored-mail.ts'

interface EmailJson {
  id: string
  mail_account_id: string
  thread_id: string
  provider_message_id: string
  subject: string
  sent_at: string
  labels: string[]
  text: string | null
  html: string | null
  has_remote_pictures: boolean
  body_left_out: boolean
  highlighted_snippet: string | null
  attachments: { part_id: string; filename: string; content_type: string; size_bytes: number }[]
}

interface ThreadJson {
  id: string
  subject: string
  message_count: number
}

interface Page<Item> {
  items: Item[]
  next_cursor: string | null
}

interface Someone {
  bearer: string
  userId: string
  box: Box
}

type Box = Pick<MailAccountJson, 'id' | 'email'>

const signedIn: ReturnType<typeof newPerson>[] = []
let people = 0

/** Somebody else each time in a test, with an empty mailbox; the same people in the next one, since a dance takes long. */
async function someone(): Promise<Someone> {
  const at = people
  people += 1
  signedIn[at] ??= newPerson(`reader${at}@gmail.com`, { query: { scopes: 'identity' } })
  const { access_token: bearer, userId } = await signedIn[at]
  const email = `box${at}@gmail.com`
  const [box] = await query<{ id: string }>(
    `INSERT INTO user_mail_accounts (user_id, email_address_txt, provider_cd, provider_subject_txt)
     VALUES ($1, $2, 'google', $2) RETURNING user_mail_account_id AS id`,
    [userId, email],
  )
  return { bearer, userId, box: { id: box?.id ?? '', email } }
}

let signedInAdmin: ReturnType<typeof newPerson> | null = null
function administrator(): ReturnType<typeof newPerson> {
  signedInAdmin ??= newPerson('admin@gmail.com', { query: { scopes: 'identity' } })
  return signedInAdmin
}

const path = (base: string, query: Record<string, string>): string => `${base}?${new URLSearchParams(query)}`

const list = (bearer: string, query: Record<string, string> = {}): Promise<Page<EmailJson>> =>
  json(call(path('/api/v1/emails', query), { bearer }))

const threads = (bearer: string, query: Record<string, string> = {}): Promise<Page<ThreadJson>> =>
  json(call(path('/emails/threads', query), { bearer }))

async function subjects(bearer: string, query: Record<string, string>): Promise<string> {
  return (await list(bearer, query)).items.map(({ subject }) => subject).join(' ')
}

async function storeOne(box: Box, mail: StoredMail): Promise<string> {
  const [id] = await storeMails(box.id, [mail])
  if (id === undefined) throw new Error('nothing was stored')
  return id
}

beforeAll(async () => {
  await emptyTables()
  await google.reset()
})
beforeEach(async () => {
  people = 0
  await query('DELETE FROM user_mail_accounts')
  await query('UPDATE users SET is_active_flg = true')
})
afterEach(() => proxy.setDelay(0))

describe('GET /emails', () => {
  it('gives what the contract names, newest first, in one trip', async () => {
    const { bearer, box } = await someone()
    const [older, newer] = await storeMails(
      box.id,
      [
        { subject: 'older', sentAt: '2026-01-01T00:00:00.123Z' },
        {
          subject: 'newer',
          thread: 'abc123',
          providerId: '18c0ffee',
          snippet: 'An <b>offer</b>',
          sentAt: '2026-01-02T00:00:00Z',
          cc: [{ name: 'Cee', address: 'cee@x.io' }],
          labels: ['INBOX', 'UNREAD', 'Label_7', 'Label_9'],
          attachments: [{ partId: '1', filename: 'a.pdf' }],
        },
      ],
      { Label_7: 'Receipts/2026' },
    )
    await proxy.resetCounts()
    const page = await list(bearer)
    expect(await proxy.counts()).toMatchObject({ roundTrips: 1, statements: 1 })
    expect(page.next_cursor).toBeNull()
    expect(page.items).toHaveLength(2)
    expect(page.items[1]).toMatchObject({ id: older, sent_at: '2026-01-01T00:00:00.123Z', highlighted_snippet: null })
    expect(page.items[0]).toEqual({
      id: newer,
      mail_account_id: box.id,
      thread_id: `${box.id.replaceAll('-', '')}.abc123`,
      provider_message_id: '18c0ffee',
      from: { name: 'Amy Pond', address: 'amy@acme.io' },
      to: [{ name: '', address: 'me@gmail.com' }],
      cc: [{ name: 'Cee', address: 'cee@x.io' }],
      subject: 'newer',
      snippet: 'An <b>offer</b>',
      sent_at: '2026-01-02T00:00:00.000Z',
      labels: ['INBOX', 'Label_9', 'Receipts/2026', 'UNREAD'],
      is_unread: true,
      has_attachments: true,
      highlighted_snippet: null,
    })
  })

  it('takes each filter, all of them together, and leaves spam and trash out', async () => {
    const { bearer, box } = await someone()
    await storeMails(
      box.id,
      [
        {
          subject: 'one',
          from: { name: 'Bob', address: 'bob@x.io' },
          labels: ['INBOX', 'UNREAD'],
          sentAt: '2026-03-01T10:00:00Z',
        },
        {
          subject: 'two',
          to: [{ name: 'Eve', address: 'eve@y.io' }],
          labels: ['SENT'],
          sentAt: '2026-03-02T10:00:00Z',
        },
        {
          subject: 'three invoice',
          labels: ['INBOX', 'Label_1'],
          attachments: [{ partId: '1', filename: 'x.zip' }],
          sentAt: '2026-03-03T10:00:00Z',
        },
        { subject: 'four', labels: ['SPAM', 'UNREAD'], sentAt: '2026-03-04T10:00:00Z' },
        { subject: 'five', labels: ['TRASH'], sentAt: '2026-03-05T10:00:00Z' },
        { subject: 'six', labels: ['STARRED'], text: 'an Invoice', sentAt: '2026-03-06T10:00:00Z' },
      ],
      { Label_1: 'Tax Returns' },
    )
    for (const [filters, expected] of [
      [{}, 'six three invoice two one'],
      [{ from: 'bob' }, 'one'],
      [{ to: 'eve@y.io' }, 'two'],
      [{ subject: 'invoice' }, 'three invoice'],
      [{ q: 'invoice' }, 'six three invoice'],
      [{ q: 'invoice', label: 'STARRED' }, 'six'],
      [{ q: 'invoi*' }, 'six three invoice'],
      [{ q: 'in*' }, 'six three invoice'],
      [{ q: 'in* OR larger:1M' }, 'six three invoice'],
      [{ label: 'inbox' }, 'three invoice one'],
      [{ label: 'Tax Returns' }, 'three invoice'],
      [{ label: 'SPAM' }, 'four'],
      [{ label: 'trash' }, 'five'],
      [{ label: 'STARRED' }, 'six'],
      [{ q: 'in:anywhere' }, 'six five four three invoice two one'],
      [{ is_unread: 'true' }, 'one'],
      [{ is_unread: 'false' }, 'six three invoice two'],
      [{ has_attachment: 'true' }, 'three invoice'],
      [{ has_attachment: 'false', label: 'INBOX' }, 'one'],
      [{ after: '2026-03-03', before: '2026-03-06' }, 'three invoice'],
      [{ after: '2026-03-02T10:00:00Z', before: '2026-03-02T10:00:00.001Z' }, 'two'],
      [{ after: '2026-03-06', before: '2026-03-01' }, ''],
      [{ user_email: box.email.toUpperCase() }, 'six three invoice two one'],
      [{ user_email: 'nobody@gmail.com' }, ''],
      [{ user_email: 'no address' }, ''],
    ] as const)
      expect([filters, await subjects(bearer, filters)]).toEqual([filters, expected])
  })

  it('marks what was found, escaped, from the text where it stands there', async () => {
    const { bearer, box } = await someone()
    await storeMails(box.id, [
      { subject: 'deep', snippet: 'The beginning', text: `${'word '.repeat(800)}<script>Total</script> of it` },
      { subject: 'near', snippet: 'The beginning', text: `${'word '.repeat(80)}<b>Tôtal</b> of it` },
      { subject: 'total', snippet: 'The <i>beginning', text: null },
    ])
    const marked = (await list(bearer, { q: 'total' })).items.map((item) => item.highlighted_snippet ?? '')
    expect(marked).toEqual([
      'The &lt;i&gt;beginning',
      expect.stringContaining('<mark>Tôtal</mark>'),
      expect.stringContaining('<mark>Total</mark>'),
    ])
    expect(marked.join()).not.toMatch(/<(?!\/?mark>)/)
  })

  it('ranks a word of the subject above one of the text, and goes on by rank', async () => {
    const { bearer, box } = await someone()
    await storeMails(box.id, [
      { subject: 'budget', sentAt: '2026-01-01T00:00:00Z' },
      { subject: 'text', text: 'the budget of it', sentAt: '2026-01-02T00:00:00Z' },
      { subject: 'nothing', text: 'budgie', sentAt: '2026-01-03T00:00:00Z' },
      { subject: 'same', text: 'the budget of it', sentAt: '2026-01-02T00:00:00Z' },
    ])
    expect(await subjects(bearer, { q: 'budget', sort: 'date' })).toMatch(/budget$/)
    const first = await list(bearer, { q: 'budget', sort: 'relevance', limit: '1' })
    expect(first.items.map(({ subject }) => subject)).toEqual(['budget'])
    const rest = await list(bearer, { q: 'budget', sort: 'relevance', limit: '1', cursor: first.next_cursor ?? '' })
    const last = await list(bearer, { q: 'budget', sort: 'relevance', limit: '1', cursor: rest.next_cursor ?? '' })
    expect([...rest.items, ...last.items].map(({ subject }) => subject).sort()).toEqual(['same', 'text'])
    expect(last.next_cursor).toBeNull()
    expect(await refusal(call(path('/emails', { q: 'budget', cursor: first.next_cursor ?? '' }), { bearer }))).toEqual([
      422,
      'invalid_input',
    ])
  })

  it.each(['/api/v1/emails', '/emails/threads'])(
    '%s goes on without gaps and doubles under equal times, over mailboxes',
    async (base) => {
      const { bearer, box, userId } = await someone()
      const [second] = await query<{ id: string }>(
        `INSERT INTO user_mail_accounts (user_id, email_address_txt, provider_cd, provider_subject_txt) VALUES ($1, 'second@gmail.com', 'google', 's2') RETURNING user_mail_account_id AS id`,
        [userId],
      )
      // Microseconds that no Date holds: a cursor that rounds would lose or double some.
      const mails = (from: number): StoredMail[] =>
        Array.from({ length: 20 }, (_, n) => ({
          subject: `needle ${from + n}`,
          sentAt: `2026-05-01T00:00:00.00000${Math.floor(n / 5)}Z`,
        }))
      await storeMails(box.id, mails(0))
      await storeMails(second?.id ?? '', mails(20))
      for (const q of ['', 'needle']) {
        const seen: string[] = []
        let cursor: string | null = null
        do {
          const page: Page<EmailJson> = await json(
            call(path(base, { q, limit: '7', ...(cursor === null ? {} : { cursor }) }), { bearer }),
          )
          seen.push(...page.items.map(({ subject }) => subject))
          cursor = page.next_cursor
        } while (cursor !== null)
        expect([q, seen.length, new Set(seen).size]).toEqual([q, 40, 40])
      }
    },
  )

  it('from:me is one of the mailboxes in reach', async () => {
    const { bearer, box } = await someone()
    await storeMails(box.id, [
      { subject: 'mine', from: { name: '', address: box.email }, labels: ['SENT'] },
      { subject: 'theirs' },
    ])
    expect(await subjects(bearer, { q: 'from:me' })).toBe('mine')
    expect(await subjects(bearer, { from: 'me' })).toBe('mine')
    expect(await subjects(bearer, { q: '-from:me' })).toBe('theirs')
    // Whose addresses these are is asked for nobody else of that name.
    for (const [filters, trips] of [
      [{ q: 'call me' }, 1],
      [{ q: 'me' }, 1],
      [{ q: '"tell me" OR (me {me you})' }, 1],
      [{ q: 'subject:me' }, 1],
      [{ subject: 'me', label: 'me' }, 1],
      [{ q: 'from:amy me' }, 1],
      [{ q: 'from:me' }, 2],
      [{ q: 'from: (amy OR Me)' }, 2],
      [{ q: 'cc:me' }, 2],
      [{ to: 'me' }, 2],
    ] as const) {
      await proxy.resetCounts()
      await list(bearer, filters)
      expect([filters, (await proxy.counts()).roundTrips]).toEqual([filters, trips])
    }
  })
})

describe('threads', () => {
  it('are listed by their newest message and read oldest first, in one trip each', async () => {
    const { bearer, box } = await someone()
    await storeMails(
      box.id,
      [
        { thread: 'a', subject: 'Plan', sentAt: '2026-01-01T00:00:00Z', snippet: 'first' },
        { thread: 'b', subject: 'Other', sentAt: '2026-01-02T00:00:00Z' },
        {
          thread: 'a',
          subject: 'Re: Plan',
          sentAt: '2026-01-03T00:00:00Z',
          from: { name: 'Bob', address: 'bob@x.io' },
          labels: ['SENT', 'Label_1'],
          attachments: [{ partId: '1', filename: 'a.pdf' }],
          text: 'needle here',
        },
        {
          thread: 'a',
          subject: 'Re: Plan',
          sentAt: '2026-01-04T00:00:00Z',
          labels: ['INBOX', 'UNREAD'],
          snippet: 'last',
          providerId: '18c0ffee',
          cc: [{ name: 'Cee', address: 'cee@x.io' }],
        },
        { thread: 'a', subject: 'Re: Plan', sentAt: '2026-01-05T00:00:00Z', labels: ['TRASH'] },
        // A label of the user's own may have such a name.
        { thread: 'c', subject: 'Named', sentAt: '2025-01-01T00:00:00Z', labels: ['INBOX', 'Label_2'] },
        { thread: 'c', subject: 'Named', sentAt: '2025-01-02T00:00:00Z', labels: ['INBOX'] },
      ],
      { Label_1: 'Work', Label_2: 'TRASH' },
    )
    await proxy.resetCounts()
    const page = await threads(bearer)
    expect(await proxy.counts()).toMatchObject({ roundTrips: 1, statements: 1 })
    expect(page.items.map(({ subject }) => subject)).toEqual(['Plan', 'Other', 'Named'])
    expect(page.items[0]).toEqual({
      id: `${box.id.replaceAll('-', '')}.a`,
      mail_account_id: box.id,
      thread_id: `${box.id.replaceAll('-', '')}.a`,
      provider_message_id: '18c0ffee',
      from: { name: 'Amy Pond', address: 'amy@acme.io' },
      to: [{ name: '', address: 'me@gmail.com' }],
      cc: [{ name: 'Cee', address: 'cee@x.io' }],
      subject: 'Plan',
      snippet: 'last',
      sent_at: '2026-01-04T00:00:00.000Z',
      is_unread: true,
      highlighted_snippet: null,
      participants: [
        { name: 'Amy Pond', address: 'amy@acme.io' },
        { name: 'Bob', address: 'bob@x.io' },
      ],
      message_count: 3,
      unread_count: 1,
      has_attachments: true,
      last_message_at: '2026-01-04T00:00:00.000Z',
      labels: ['INBOX', 'SENT', 'UNREAD', 'Work'],
    })
    expect(page.items[1]).toMatchObject({ is_unread: false, unread_count: 0 })
    // What stands for it in a search is another message; what tells of it is its newest all the same.
    expect((await threads(bearer, { q: 'needle' })).items).toMatchObject([
      { subject: 'Plan', message_count: 3, snippet: 'last', provider_message_id: '18c0ffee' },
    ])
    expect((await threads(bearer, { q: 'needle', sort: 'relevance' })).items).toMatchObject([{ subject: 'Plan' }])
    expect((await threads(bearer, { label: 'SENT' })).items).toMatchObject([{ subject: 'Plan', message_count: 3 }])
    expect((await threads(bearer, { limit: '1' })).next_cursor).not.toBeNull()

    await proxy.resetCounts()
    const thread = await json<{ messages: EmailJson[] }>(call(`/emails/threads/${page.items[0]?.id}`, { bearer }))
    expect(await proxy.counts()).toMatchObject({ roundTrips: 1, statements: 1 })
    expect(thread).toMatchObject({ id: page.items[0]?.id, mail_account_id: box.id, subject: 'Plan' })
    expect(thread.messages.map(({ sent_at }) => sent_at.slice(8, 10))).toEqual(['01', '03', '04'])
    expect(thread.messages[1]?.attachments).toEqual([
      { part_id: '1', filename: 'a.pdf', content_type: 'application/pdf', size_bytes: 10 },
    ])
    const named = call(`/emails/threads/${page.items[2]?.id}`, { bearer })
    expect((await json<{ messages: EmailJson[] }>(named)).messages).toHaveLength(2)
    const trashed = await threads(bearer, { q: 'in:trash', after: '2026-01-01T10:00:00 02:00' })
    expect(trashed.items).toMatchObject([{ subject: 'Plan', message_count: 4 }])
  })

  it('a long one gives the newest text whole and says where it left off', async () => {
    const { bearer, box } = await someone()
    const big = 'x'.repeat(900_000)
    await storeMails(
      box.id,
      Array.from({ length: 4 }, (_, n) => ({
        thread: 'long',
        subject: `n${n}`,
        text: big,
        sentAt: `2026-01-0${n + 1}T00:00:00Z`,
      })),
    )
    const { messages } = await json<{ messages: EmailJson[] }>(
      call(`/emails/threads/${box.id.replaceAll('-', '')}.long`, { bearer }),
    )
    expect(messages.map(({ subject, body_left_out, text }) => [subject, body_left_out, text?.length ?? null])).toEqual([
      ['n0', true, null],
      ['n1', true, null],
      ['n2', false, 900_000],
      ['n3', false, 900_000],
    ])
  })

  it('what lies in spam or trash takes no room from what is shown', async () => {
    const { bearer, box } = await someone()
    const big = 'x'.repeat(1_100_000)
    const threadOf = async (thread: string): Promise<[string, boolean][]> => {
      const way = `/emails/threads/${box.id.replaceAll('-', '')}.${thread}`
      const { messages } = await json<{ messages: EmailJson[] }>(call(way, { bearer }))
      return messages.map(({ subject, body_left_out }) => [subject, body_left_out])
    }
    await storeMails(box.id, [
      { thread: 'big', subject: 'kept', text: big },
      { thread: 'big', subject: 'binned', text: big, labels: ['TRASH'] },
      { thread: 'many', subject: 'kept' },
      ...Array.from({ length: 100 }, () => ({ thread: 'many', subject: 'binned', labels: ['SPAM'] })),
      { thread: 'gone', subject: 'spam', labels: ['SPAM'] },
      { thread: 'gone', subject: 'trash', labels: ['TRASH', 'SPAM'] },
    ])
    expect(await threadOf('big')).toEqual([['kept', false]])
    expect(await threadOf('many')).toEqual([['kept', false]])
    expect(await threadOf('gone')).toEqual([
      ['spam', false],
      ['trash', false],
    ])
  })
})

describe('GET /emails/{id}', () => {
  it('ML-16 gives HTML sanitised only, pictures from elsewhere on request, as JSON that no browser runs', async () => {
    const { bearer, box } = await someone()
    const hostile = `<p onclick="x()">Hello</p><script>steal()</script><svg onload=steal()></svg><img src="https://spy.example/p.gif" alt="spy"><a href="javascript:steal()">x</a><iframe src="data:text/html,x"></iframe><base href="//evil"><form action="//evil"><input></form><style>@import url(//evil)</style><meta http-equiv=refresh content="0;url=//evil"><math><mtext><table><mglyph><style><img src=x onerror=steal()>`
    const id = await storeOne(box, {
      html: hostile,
      bcc: [{ name: '', address: 'b@x.io' }],
      messageId: '<m@x>',
    })
    const answer = await call(`/emails/${id}`, { bearer })
    expect(answer.headers.get('Content-Type')).toBe('application/json; charset=utf-8')
    expect(answer.headers.get('X-Content-Type-Options')).toBe('nosniff')
    expect(answer.headers.get('Cache-Control')).toBe('no-store')
    const email = await json<EmailJson>(answer)
    expect(email).toMatchObject({
      message_id: '<m@x>',
      in_reply_to: null,
      references: [],
      bcc: [{ name: '', address: 'b@x.io' }],
      reply_to: [],
      has_remote_pictures: true,
      body_left_out: false,
      attachments: [],
    })
    expect(email.html).toContain('Hello')
    expect(email.html).not.toMatch(
      /script|onclick|onerror|onload|svg|iframe|<base|<form|@import|http-equiv|spy\.example/i,
    )
    expect(email.text).toContain('Hello')
    expect(email.text).not.toContain('steal')
    const shown = await json<EmailJson>(call(`/emails/${id}?pictures=remote`, { bearer }))
    expect(shown.html).toContain('https://spy.example/p.gif')
    expect(shown.html).not.toMatch(/script|onclick|onerror|onload|svg|iframe/i)
    expect(await refusal(call(`/emails/${id}?pictures=all`, { bearer }))).toEqual([422, 'invalid_input'])
  })

  it.each([
    [' ', null],
    ['<style>p { color: red }</style>', null],
    ['<html><body><div>&nbsp;\u200b&#8203;</div><hr><table><tr><td></td></tr></table></body></html>', null],
    ['<p>.</p>', '<p>.</p>'],
    ['<img src="https://x.io/a.png" alt="">', '<img alt="" />'],
  ])('HTML that shows nothing (%j) is none: the text beside it is the message', async (html, shown) => {
    const { bearer, box } = await someone()
    const id = await storeOne(box, { text: 'Real words', html })
    expect(await json<EmailJson>(call(`/emails/${id}`, { bearer }))).toMatchObject({ text: 'Real words', html: shown })
    const only = await storeOne(box, { text: null, html })
    const { html: alone, text } = await json<EmailJson>(call(`/emails/${only}`, { bearer }))
    expect([alone, typeof text]).toEqual([shown, 'string'])
  })

  it('ML-17 a subject of markup stays text', async () => {
    const { bearer, box } = await someone()
    const subject = '</script><img src=x onerror=alert(1)>'
    const id = await storeOne(box, { subject })
    for (const way of ['/emails', `/emails/${id}`, '/emails/threads', path('/emails', { q: 'onerror' })]) {
      const answer = await call(way, { bearer })
      expect([way, answer.headers.get('Content-Type')]).toEqual([way, 'application/json; charset=utf-8'])
      expect(answer.headers.get('X-Content-Type-Options')).toBe('nosniff')
      const body = await json<EmailJson & Partial<Page<EmailJson>>>(answer)
      expect([way, (body.items?.[0] ?? body).subject]).toEqual([way, subject])
    }
  })
})

describe('hostile input', () => {
  it('ML-12 any q is an answer or 422, and nothing else happens', async () => {
    const { bearer, box } = await someone()
    await storeOne(box, { subject: 'a b' })
    const before = await query('SELECT count(*) FROM users')
    const queries = [
      'a & | !',
      'foo:*',
      "'; DROP TABLE users;--",
      '\\',
      "\\' | 'x",
      '(((((',
      'a '.repeat(5_000),
      'larger:99999999999999999999',
      'size:9999999999999999999M',
      'older_than:999999999y',
      'newer_than:99999999999d',
      'before:9999999999999999',
      'after:0001/01/01',
      'before:999999/01/01',
      '*%_*',
      '-*a*',
      '"',
      '{a b} OR (c -d)',
      "label:'x",
      'from:"a b" to:({x y})',
      '\u202e\ufeff',
      ':m:0 | :l:SPAM',
      '<->',
      'a <2> b',
      '!!a',
      'a:A',
    ]
    // Turn and turn about: what reads them is one.
    const answers = await Promise.all(
      queries.map(async (q, at) => {
        const way = at % 2 === 0 ? path('/emails', { q, sort: 'relevance' }) : path('/emails/threads', { q })
        return [q.slice(0, 40), (await call(way, { bearer })).status]
      }),
    )
    expect(answers.filter(([, status]) => status !== 200 && status !== 422)).toEqual([])
    expect(await query('SELECT count(*) FROM users')).toEqual(before)
    for (const parameter of ['from', 'to', 'subject', 'label', 'after', 'before', 'user_email', 'cursor'])
      for (const value of ["'", '%', '\\', '9'.repeat(600)])
        expect([200, 422]).toContain((await call(path('/emails', { [parameter]: value }), { bearer })).status)
  })

  it('ML-14 limits and cursors that are none of ours are refused; a cursor of another person opens nothing', async () => {
    const amy = await someone()
    const eve = await someone()
    await storeMails(amy.box.id, [{ subject: 'amy 1' }, { subject: 'amy 2' }])
    const { next_cursor } = await list(amy.bearer, { limit: '1' })
    const id = next_cursor?.split('_').at(-1) ?? ''
    for (const parameters of [
      { limit: '0' },
      { limit: '101' },
      { limit: '1e9' },
      { limit: '-1' },
      { offset: '-1' },
      { page: '2' },
      { cursor: 'x' },
      { cursor: "d1_0_'; DROP TABLE users" },
      { cursor: `d1_zzzzzzzzzzz_${id}` },
      { cursor: `d1_-zzzzzzzzzzz_${id}` },
      { cursor: `d1__${id}` },
      { cursor: `r1_1_1_${id}` },
      { cursor: `d2_1_${id}` },
      { cursor: `c1${id}` },
    ] as Record<string, string>[])
      expect([parameters, (await call(path('/emails', parameters), { bearer: amy.bearer })).status]).toEqual([
        parameters,
        422,
      ])
    expect((await list(amy.bearer, { cursor: next_cursor ?? '' })).items).toMatchObject([{ subject: 'amy 1' }])
    expect((await list(eve.bearer, { cursor: next_cursor ?? '' })).items).toEqual([])
    expect((await call(path('/emails', { cursor: `d1_0_${id}` }), { bearer: eve.bearer })).status).toBe(200)
    expect(
      (
        await call(path('/emails', { cursor: `r1_zzzzzzzzzz_1_${id}`, q: 'amy', sort: 'relevance' }), {
          bearer: amy.bearer,
        })
      ).status,
    ).toBe(200)
  })

  it('ML-12 an id that cannot be stored names nothing', async () => {
    const { bearer, box } = await someone()
    const id = await storeOne(box, { attachments: [{ partId: '1', filename: 'a.pdf' }] })
    for (const way of [`${id}/attachments/%00`, `${id}/attachments/1%00`, 'threads/%00', '%00'])
      expect([404, 422], way).toContain((await refusal(call(`/emails/${way}`, { bearer })))[0])
    for (const part of ["1'--", '1..2', '.1', 'a', '1'.repeat(401)])
      expect(await refusal(call(`/emails/${id}/attachments/${part}`, { bearer }))).toEqual([422, 'invalid_input'])
  })

  it('ML-15 sort and fields are from a list', async () => {
    const { bearer } = await someone()
    for (const parameters of [
      { sort: 'created_at;DROP' },
      { sort: 'date desc' },
      { order: 'desc nulls' },
      { fields: 'password_hash' },
      { has_attachment: 'maybe' },
      { is_unread: '2' },
    ] as Record<string, string>[])
      for (const base of ['/emails', '/emails/threads'])
        expect(await refusal(call(path(base, parameters), { bearer }))).toEqual([422, 'invalid_input'])
  })
})

describe('who may read', () => {
  /** Every way to one message. */
  async function ways(id: string, threadId: string, auth: { bearer: string }, query = ''): Promise<number[]> {
    const paths = [`/emails/${id}`, `/emails/threads/${threadId}`, `/emails/${id}/attachments/1`]
    return Promise.all(paths.map(async (way) => (await call(`${way}${query}`, auth)).status))
  }

  it('another person: 404, as for what does not exist', async () => {
    const amy = await someone()
    const eve = await someone()
    const id = await storeOne(amy.box, { thread: 'x', attachments: [{ partId: '1', filename: 'a.pdf' }] })
    const threadId = `${amy.box.id.replaceAll('-', '')}.x`
    expect(await ways(id, threadId, eve)).toEqual([404, 404, 404])
    expect(await ways(crypto.randomUUID(), `${eve.box.id.replaceAll('-', '')}.x`, eve)).toEqual([404, 404, 404])
    expect((await list(eve.bearer, { q: 'hello' })).items).toEqual([])
    expect((await list(eve.bearer, { user_email: amy.box.email })).items).toEqual([])
    expect((await threads(eve.bearer)).items).toEqual([])
    expect((await call(`/emails?user_id=${amy.userId}`, { bearer: eve.bearer })).status).toBe(404)
    expect((await call(`/emails/threads/${amy.box.id}.x`, { bearer: amy.bearer })).status).toBe(404)
    expect((await call('/emails')).status).toBe(401)
    expect((await call(`/emails/${id}`, { bearer: 'gp_x' })).status).toBe(401)
  })

  it('a key: with its permission, for whom it names, within its mailboxes', async () => {
    const admin = await administrator()
    const amy = await someone()
    const id = await storeOne(amy.box, { thread: 'x', attachments: [{ partId: '1', filename: 'a.pdf' }] })
    const threadId = `${amy.box.id.replaceAll('-', '')}.x`
    const [other] = await query<{ id: string }>(
      `INSERT INTO user_mail_accounts (user_id, email_address_txt, provider_cd, provider_subject_txt) VALUES ($1, 'second@gmail.com', 'google', 's2') RETURNING user_mail_account_id AS id`,
      [amy.userId],
    )
    const permissions = ['emails:read']
    const open = await newKey(admin.access_token, { permissions })
    const named = await newKey(admin.access_token, { permissions, user_id: amy.userId })
    const bound = await newKey(admin.access_token, { permissions, user_id: amy.userId, mail_account_ids: [other?.id] })
    const without = await newKey(admin.access_token, { permissions: ['emails:sync'], user_id: amy.userId })
    expect((await call('/emails', { bearer: open.key })).status).toBe(422)
    expect((await list(open.key, { user_id: amy.userId })).items).toMatchObject([{ id }])
    expect((await call(`/emails?user_id=${admin.userId}`, { bearer: named.key })).status).toBe(404)
    expect((await list(named.key)).items).toMatchObject([{ id }])
    expect((await json<EmailJson>(call(`/emails/${id}`, { bearer: named.key }))).id).toBe(id)
    expect((await list(bound.key)).items).toEqual([])
    expect((await list(bound.key, { q: 'hello' })).items).toEqual([])
    expect((await threads(bound.key)).items).toEqual([])
    expect(await ways(id, threadId, { bearer: bound.key })).toEqual([404, 404, 404])
    expect(await ways(id, threadId, { bearer: without.key })).toEqual([403, 403, 403])
    expect((await call('/emails', { bearer: without.key })).status).toBe(403)
    await query('UPDATE users SET is_active_flg = false WHERE user_id = $1', [amy.userId])
    expect(await ways(id, threadId, { bearer: open.key }, `?user_id=${amy.userId}`)).toEqual([404, 404, 404])
  })

  it.each(['false', 'true'])('ML-27 after disconnecting with keep_mail=%s, and after a purge', async (keepMail) => {
    const admin = await administrator()
    const amy = await someone()
    const key = await newKey(admin.access_token, { permissions: ['emails:read'], user_id: amy.userId })
    const id = await storeOne(amy.box, { thread: 'x', attachments: [{ partId: '1', filename: 'a.pdf' }] })
    const threadId = `${amy.box.id.replaceAll('-', '')}.x`
    await json(
      call(`/api/v1/mail-accounts/${amy.box.id}?keep_mail=${keepMail}`, { method: 'DELETE', bearer: amy.bearer }),
      204,
    )
    const isKept = keepMail === 'true'
    const look = async (bearer: string): Promise<void> => {
      const found = [
        await list(bearer),
        await list(bearer, { q: 'hello' }),
        await threads(bearer),
        await threads(bearer, { q: 'hello' }),
      ]
      expect(found.map(({ items }) => items.length)).toEqual(isKept ? [1, 1, 1, 1] : [0, 0, 0, 0])
      // What is kept is what was synced: the provider is asked for nothing more.
      expect(await ways(id, threadId, { bearer })).toEqual(isKept ? [200, 200, 404] : [404, 404, 404])
    }
    for (const bearer of [amy.bearer, key.key]) await look(bearer)
    expect(await count('emails', 'email_id = $1', [id])).toBe(1)
    await purgeExpired(
      createDb({ connectionString: testAddresses.TEST_DATABASE_URL }),
      createLog(() => undefined),
    )
    expect(await count('emails', 'email_id = $1', [id])).toBe(isKept ? 1 : 0)
    for (const bearer of [amy.bearer, key.key]) await look(bearer)
  })
})
