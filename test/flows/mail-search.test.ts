// Gmail's search language over a synced mailbox of varied and broken mail: what our search finds is what the local Google's
// own search finds, which was written apart from it. Then attachments, which come from there, too.
import { beforeAll, describe, expect, it } from 'vitest'
import { call, eventually, google, json, newPerson, onlyMailbox, refusal, workerEnv } from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'

const email = 'searcher@gmail.com'
let bearer = ''
let boxId = ''

interface Page {
  items: { id: string; provider_message_id: string; has_attachments: boolean; subject: string }[]
  next_cursor: string | null
}

async function sync(): Promise<void> {
  await json(call(`/api/v1/mail-accounts/${boxId}/sync`, { bearer, json: { full: true } }), 202)
  await eventually(async () => {
    const { state } = await json<{ state: string }>(call(`/api/v1/mail-accounts/${boxId}/sync`, { bearer }))
    return state === 'done' ? state : null
  })
}

beforeAll(async () => {
  await emptyTables()
  await google.reset()
  bearer = (await newPerson(email)).access_token
  boxId = (await onlyMailbox(bearer)).id
  await google.generateMail(email, 160, 7)
  await google.addMail(
    email,
    [
      {
        subject: 'Quarterly numbers',
        from: 'Grace Hopper <grace@navy.example>',
        cc: 'Carl <carl@copy.example>',
        text: "The café opens at eight; don't be late. 東京大学 voicemail",
        attachments: [
          { filename: 'Report_final v2.PDF', contentType: 'application/pdf', contentBase64: btoa('%PDF-1.7 numbers') },
          { filename: '../../evil.html', contentType: 'text/html', contentBase64: btoa('<script>steal()</script>') },
          { filename: 'CON.svg', contentType: 'image/svg+xml', contentBase64: btoa('<svg onload=steal()>') },
          { filename: `${'ü'.repeat(200)}.txt`, contentType: 'text/plain', contentBase64: btoa('long name') },
          { filename: 'large.bin', contentType: 'application/zip', contentBase64: 'QUJD'.repeat(500_000) },
        ],
      },
    ],
    { quiet: true },
  )
  await sync()
}, 60_000)

/** All that is found, by the provider's ids, sorted. */
async function found(q: string): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | null = null
  do {
    const parameters = new URLSearchParams({ q, limit: '100', ...(cursor === null ? {} : { cursor }) })
    const page: Page = await json(call(`/api/v1/emails?${parameters}`, { bearer }))
    ids.push(...page.items.map((item) => item.provider_message_id))
    cursor = page.next_cursor
  } while (cursor !== null)
  return ids.sort()
}

const words = [
  'invoice',
  'MEETING',
  'zurich',
  'café',
  'naive',
  'Łódź',
  'nowhere',
  'hello',
  'party',
  '1042',
  'דוח',
  'الاجتماع',
  '會議',
  '附件',
  'yamada',
  '山田',
  'nul',
  'bottom',
  'inner',
  'owned',
  'grüße',
  'don’t',
  "don't",
]
const pieces = [
  '"harbour bicycle"',
  '"at the bottom of thirty"',
  '"quarterly numbers"',
  '"numbers quarterly"',
  '-invoice',
  '-"hello"',
  'invoice -meeting',
  'invoice OR meeting',
  'invoice | piano',
  '{invoice piano}',
  '(invoice OR piano) library',
  'invoice AND library',
  '-{invoice piano}',
  '-(invoice piano)',
  'invoice (library OR -kitchen)',
  '+invoice',
  'from:ada',
  'from:northwind.example',
  'from:"ada byron"',
  'from:byron',
  'from:ada@northwind.example',
  'from:(ada OR amy)',
  'from:{ada amy}',
  'from:me',
  'from:nobody',
  '-from:me',
  'from:山田',
  'from:juergen',
  'from:jürgen',
  'to:me',
  'to:searcher',
  'cc:carl',
  'cc:ada',
  'bcc:carl',
  'subject:invoice',
  'subject:(invoice garden)',
  'subject:"invoice garden"',
  'subject:{invoice garden}',
  'subject:re',
  'subject:numbers',
  'subject:café',
  '-subject:re',
  'label:work',
  'label:work-projects',
  'label:receipts',
  'label:travel-2025',
  'label:Label_3',
  'label:überfällig',
  'label:"Travel 2025"',
  'label:inbox',
  'label:nothing',
  '-label:work',
  'label:work OR label:receipts',
  'in:inbox',
  'in:sent',
  'in:spam',
  'in:trash',
  'in:anywhere',
  'in:anywhere invoice',
  'in:draft',
  'in:starred',
  'in:unread',
  '-in:inbox',
  'in:spam OR in:trash',
  'is:unread',
  'is:read',
  'is:starred',
  'is:important',
  'is:snoozed',
  '-is:unread',
  'is:unread is:important',
  'has:userlabels',
  'has:nouserlabels',
  'has:drive',
  'has:youtube',
  'has:attachment invoice',
  'filename:pdf',
  'filename:report',
  'filename:txt',
  'filename:con',
  'filename:passwd',
  'filename:請求書',
  'filename:final',
  'filename:"report final"',
  'filename:zip',
  'larger:1M',
  'larger:200K',
  'smaller:1K',
  'size:300000',
  'larger:10K smaller:400K',
  '-larger:10K',
  'larger:1M OR is:starred',
  'category:promotions',
  'category:social',
  'category:updates',
  'category:forums',
  'category:personal',
  'category:primary',
  'after:2026/01/01',
  'before:2026/01/01',
  'after:2026-01-01 before:2026-03-01',
  'after:01/15/2026',
  'older:2025/06/01',
  'newer:2026/10/01',
  'newer_than:30d',
  'older_than:1y',
  'newer_than:6m',
  'older_than:3m newer_than:9m',
  '-newer_than:6m',
  'invoice after:2026/01/01',
  'after:1767225600',
  'after:2026/06/01 OR from:ada',
  'rfc822msgid:generated-7-12@mail.example.com',
  'rfc822msgid:<generated-7-12@mail.example.com>',
  'rfc822msgid:none@x',
  'is:unread from:ada -subject:re has:attachment',
  'in:inbox {from:ada from:amy} -label:work newer_than:1y',
  '(from:ada subject:invoice) OR (from:amy subject:piano)',
]

/**
 * Where we find more: `to:` finds cc and bcc too, as Gmail's does; letters that Unicode does not take apart are folded; a
 * part without a name is an attachment; words behind broken markup are words.
 */
const wider = ['to:ada', 'to:carl', 'to:copy.example', 'aero', 'from:weiss', 'has:attachment', 'harmless']

const queriesAtOnce = 12

describe('what Gmail gives', () => {
  it('is what is found, id by id, for words, operators and their combinations', async () => {
    const state = await google.mailState(email)
    const [row] = await query<{ n: number }>('SELECT count(*)::int AS n FROM emails WHERE user_mail_account_id = $1', [
      boxId,
    ])
    expect(row?.n).toBe(state.messages.length)
    const differing: Record<string, { missing: string[]; extra: string[] }> = {}
    let hits = 0
    const queries = [...words, ...pieces, ...wider]
    for (let start = 0; start < queries.length; start += queriesAtOnce)
      await Promise.all(
        queries.slice(start, start + queriesAtOnce).map(async (q) => {
          const [ours, theirs] = await Promise.all([found(q), google.searchMail(email, q)])
          hits += theirs.length
          const missing = theirs.filter((id) => !ours.includes(id))
          const extra = wider.includes(q) ? [] : ours.filter((id) => !theirs.includes(id))
          if (missing.length + extra.length > 0) differing[q] = { missing, extra }
        }),
      )
    expect(differing).toEqual({})
    // An oracle that finds nothing would agree with anything.
    expect(hits).toBeGreaterThan(1_500)
  }, 60_000)
})

interface Message {
  attachments: { part_id: string; filename: string; content_type: string; size_bytes: number }[]
}

describe('attachments', () => {
  async function numbers(): Promise<{ id: string; parts: Map<string, string> }> {
    const [item] = (await json<Page>(call('/emails?q=subject:numbers', { bearer }))).items
    if (item === undefined) throw new Error('it was not found')
    const { attachments } = await json<Message>(call(`/emails/${item.id}`, { bearer }))
    return { id: item.id, parts: new Map(attachments.map(({ filename, part_id }) => [filename.slice(-12), part_id])) }
  }

  it('ML-24 come as downloads under a harmless name and type', async () => {
    const { id, parts } = await numbers()
    const open = async (end: string) => {
      const answer = await call(`/emails/${id}/attachments/${parts.get(end)}`, { bearer })
      expect([end, answer.status]).toEqual([end, 200])
      expect(answer.headers.get('X-Content-Type-Options')).toBe('nosniff')
      expect(answer.headers.get('Content-Security-Policy')).toContain('sandbox')
      expect(answer.headers.get('Cache-Control')).toBe('private, no-store')
      const disposition = answer.headers.get('Content-Disposition') ?? ''
      return [await answer.text(), answer.headers.get('Content-Type'), disposition]
    }
    expect(await open('final v2.PDF')).toEqual([
      '%PDF-1.7 numbers',
      'application/pdf',
      `attachment; filename="Report_final v2.PDF"; filename*=UTF-8''Report_final%20v2.PDF`,
    ])
    expect(await open('../evil.html')).toEqual([
      '<script>steal()</script>',
      'application/octet-stream',
      `attachment; filename="evil.html"; filename*=UTF-8''evil.html`,
    ])
    expect(await open('CON.svg')).toEqual([
      '<svg onload=steal()>',
      'application/octet-stream',
      `attachment; filename="_CON.svg"; filename*=UTF-8''_CON.svg`,
    ])
    const [text, type, disposition] = await open([...parts.keys()].find((end) => end.includes('ü')) ?? '')
    expect([text, type]).toEqual(['long name', 'text/plain'])
    const name = decodeURIComponent(disposition?.split("UTF-8''")[1] ?? '')
    expect(new TextEncoder().encode(name).length).toBeLessThanOrEqual(150)
    expect((await open('large.bin'))[0]?.length).toBe(1_500_000)
  })

  it('are not found once they are gone, and cost the mailbox its units', async () => {
    const { id, parts } = await numbers()
    const part = parts.get('final v2.PDF')
    expect(await refusal(call(`/emails/${id}/attachments/99`, { bearer }))).toEqual([404, 'not_found'])
    await google.fault({ path: '/gmail/v1/users/me/messages/*', status: 404 })
    expect(await refusal(call(`/emails/${id}/attachments/${part}`, { bearer }))).toEqual([404, 'not_found'])
    await query(`UPDATE mail_syncs SET units_used_cnt = '{300}', units_window_at_utc = now()`)
    const poor = workerEnv({ GMAIL_UNITS_PER_MINUTE: '200' })
    const refused = await call(`/emails/${id}/attachments/${part}`, { bearer, env: poor })
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0)
    expect(await refusal(refused)).toEqual([429, 'rate_limited'])
    await proxy.resetCounts()
    expect((await call(`/emails/${id}/attachments/${part}`, { bearer })).status).toBe(200)
    expect((await proxy.counts()).statements).toBe(3)
    // A HEAD says what it is called; its body nobody would read.
    await google.resetCalls()
    const head = await call(`/emails/${id}/attachments/${part}`, { method: 'HEAD', bearer })
    expect([head.status, head.headers.get('Content-Type'), await head.text()]).toEqual([200, 'application/pdf', ''])
    expect((await google.calls()).log).toEqual([])
  })

  it.each([
    ['429', 429, {}],
    ['403 for quota', 403, { errors: [{ reason: 'rateLimitExceeded' }] }],
  ])('ML-06 of a mailbox that the provider slows down (%s) are for later', async (_, status, details) => {
    const { id, parts } = await numbers()
    await google.fault({
      path: '/gmail/v1/users/me/messages/*',
      status,
      headers: { 'Retry-After': '17' },
      body: { error: { code: status, ...details } },
    })
    const refused = await call(`/emails/${id}/attachments/${parts.get('final v2.PDF')}`, { bearer })
    expect(refused.headers.get('Retry-After')).toBe('17')
    expect(await refusal(refused)).toEqual([429, 'rate_limited'])
    expect((await onlyMailbox(bearer)).status).toBe('active')
  })

  it('a refused token is renewed once; a second refusal ends the grant', async () => {
    const { id, parts } = await numbers()
    const path = `/emails/${id}/attachments/${parts.get('final v2.PDF')}`
    await google.fault({ path: '/gmail/v1/users/me/messages/*', status: 503 })
    expect(await refusal(call(path, { bearer }))).toEqual([503, 'provider_unavailable'])
    await google.fault({ path: '/gmail/v1/users/me/messages/*', status: 401, body: { error: { code: 401 } } })
    expect((await call(path, { bearer })).status).toBe(200)
    await google.fault({ path: '/gmail/v1/users/me/messages/*', status: 401, times: 2, body: { error: { code: 401 } } })
    expect(await refusal(call(path, { bearer }))).toEqual([409, 'needs_reauthorization'])
    expect((await onlyMailbox(bearer)).status).toBe('needs_reauthorization')
    expect((await call(`/emails/${id}`, { bearer })).status).toBe(200)
  })
})
