// The pages of mail, over HTTP: their states, whom they turn away, what a stranger's mail can do to them (nothing), and
// that a form sent twice sends one message.
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { appUrl, type Cookies, call, count, gmail, google, signInBrowser, workerEnv } from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import { beginBrowser, comeBack, consent } from '../support/flows.ts'
import { type StoredMail, storeMails } from '../support/stored-mail.ts'
import { connectMailbox } from '../support/sync.ts'
import { heldQueue } from '../support/vault.ts'

const person = 'ada@gmail.com'
const unknownId = '01890000-0000-7000-8000-000000000000'
const hostile = `</title></a><script>alert(1)</script><img src=x onerror=alert(1)>"'>`
const pagePolicy =
  "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

beforeAll(() => emptyTables())

beforeEach(async () => {
  await proxy.setMode('normal')
  await query('DELETE FROM user_mail_accounts')
  await query('UPDATE sessions SET revoked_at_utc = NULL')
  await google.reset()
})

const jars = new Map<string, Cookies>()

/** Signed in once a file, with a mailbox of its own each time: a dance each would be most of the time. */
async function browserOf(email = person, scopes: readonly string[] = [gmail.read, gmail.send]): Promise<Cookies> {
  let jar = jars.get(email)
  if (jar === undefined) {
    await google.addUser({ email, name: 'Ada Lovelace' })
    jar = await signInBrowser(email, new Map(), { query: { scopes: 'identity' } })
    jars.set(email, jar)
  }
  const [user] = await query<{ id: string }>('SELECT user_id AS id FROM users WHERE email_address_txt = $1', [email])
  await connectMailbox(user?.id ?? '', email, scopes)
  return jar
}

async function mailboxOf(email = person): Promise<string> {
  const [row] = await query<{ id: string }>(
    'SELECT user_mail_account_id AS id FROM user_mail_accounts WHERE email_address_txt = $1',
    [email],
  )
  return row?.id ?? ''
}

async function store(mails: StoredMail[], names: Record<string, string> = {}): Promise<string[]> {
  return storeMails(await mailboxOf(), mails, names)
}

/** The text of a page; nothing in it may be a script, a style, or markup that a stranger wrote. */
async function page(response: Response | Promise<Response>, status = 200, policy = pagePolicy): Promise<string> {
  const answer = await response
  const text = await answer.text()
  expect(answer.status, text).toBe(status)
  expect(answer.headers.get('Content-Security-Policy')).toBe(policy)
  expect(answer.headers.get('X-Frame-Options')).toBe('DENY')
  expect(answer.headers.get('Referrer-Policy')).toBe('same-origin')
  expect(answer.headers.get('Cache-Control')).toBe('no-store')
  expect(text).not.toMatch(/<script|<style|\sstyle=|<[^>"]*\son\w+=|javascript:|<img/i)
  expect(text.match(/<h1[ >]/g)).toHaveLength(1)
  return text
}

const at = (path: string, cookies: Cookies): Promise<Response> =>
  call(path, { cookies, headers: { Accept: 'text/html' } })
const framed = `${pagePolicy}; frame-src 'self'`

function send(path: string, fields: Record<string, string>, cookies: Cookies, origin: string | null = appUrl) {
  return call(path, {
    method: 'POST',
    cookies,
    body: new URLSearchParams(fields).toString(),
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      Accept: 'text/html',
      ...(origin === null ? {} : { Origin: origin }),
    },
  })
}

const letter = { action: 'send', from: person, to: 'max@example.com', subject: 'Hello', text: 'Good day.' }

/**
 * The form of a message, as a browser sends it. The queue is held: what a test says became of a letter must not be
 * overtaken by its delivery.
 */
function sendLetter(cookies: Cookies, fields: Record<string, string>, files: File[] = [], origin: string = appUrl) {
  const form = new FormData()
  for (const [name, value] of Object.entries({ ...letter, ...fields })) form.set(name, value)
  for (const file of files) form.append('files', file)
  return call('/inbox/compose', {
    method: 'POST',
    cookies,
    body: form,
    headers: { Accept: 'text/html', Origin: origin },
    env: workerEnv({ DELIVER_QUEUE: heldQueue() }),
  })
}

const field = (text: string, name: string): string =>
  new RegExp(`name="${name}"[^>]* value="([^"]*)"`).exec(text)?.[1] ?? ''

describe('without a live session', () => {
  const paths = ['/inbox?q=x', '/inbox/compose', `/inbox/${unknownId}`, `/inbox/${unknownId}/frame`]

  it.each([...paths, `/inbox/threads/x.y`, `/inbox/outbox/${unknownId}`, `/inbox/${unknownId}/attachments/1`])(
    '%s leads to the sign-in page and back',
    async (path) => {
      const answer = await at(path, new Map())
      expect(answer.status).toBe(303)
      const wanted = new URL(answer.headers.get('Location') ?? '', appUrl)
      expect([wanted.pathname, wanted.searchParams.get('return_to')]).toEqual(['/sign-in', path])
    },
  )

  it('forms lead there, and forms from elsewhere are refused before anything is asked', async () => {
    const cookies = await browserOf()
    const elsewhere = 'https://evil.test'
    for (const answer of [
      await send('/inbox', { action: 'sync' }, cookies, elsewhere),
      await send('/inbox', { action: 'sync' }, cookies, null),
      await send(`/mailboxes/${await mailboxOf()}`, { action: 'fetch_all' }, cookies, elsewhere),
      await sendLetter(cookies, {}, [], elsewhere),
    ])
      expect(await page(answer, 403)).toContain('did not come from our own page')
    const ended: Cookies = new Map(cookies)
    await query('UPDATE sessions SET revoked_at_utc = now()')
    for (const answer of [
      await send('/inbox', { action: 'sync' }, new Map()),
      await send('/inbox', { action: 'sync' }, ended),
      // Of a letter this long not even the beginning is whole.
      await sendLetter(ended, { text: 'x'.repeat(1_100_000) }),
    ])
      expect([answer.status, answer.headers.get('Location')?.split('?')[0]]).toEqual([303, '/sign-in'])
    expect([await count('outbox'), await count('mail_syncs')]).toEqual([0, 0])
  })
})

describe('an inbox', () => {
  it('without a mailbox leads to connecting one, and so does writing', async () => {
    const cookies = await browserOf()
    await query('DELETE FROM user_mail_accounts')
    const connect = 'href="/auth/google/login?purpose=connect&amp;scopes=mail&amp;return_to=/mailboxes"'
    const text = await page(at('/inbox', cookies))
    expect(text).toContain('No mailbox connected yet')
    expect(text).toContain(connect)
    expect(text).not.toContain('Sync now')
    expect(await page(at('/inbox/compose', cookies))).toContain(connect)
  })

  it.each([
    ['without permission to read', [gmail.send], 'active', 'Permission to read mail is missing'],
    [
      'that needs re-authorization',
      [gmail.read, gmail.send],
      'needs_reauthorization',
      'A mailbox needs re-authorization',
    ],
  ])('of a mailbox %s says so, with the way to reconnect it', async (_name, scopes, status, words) => {
    const cookies = await browserOf(person, scopes)
    await query('UPDATE user_mail_accounts SET status_cd = $1', [status])
    const text = await page(at('/inbox', cookies))
    expect(text).toContain(words)
    expect(text).toContain(`mail_account_id=${await mailboxOf()}&amp;return_to=/mailboxes"`)
    expect(text).not.toContain('Sync now')
  })

  it('never synced says so; a sync fills it, a second one finds nothing new', async () => {
    const cookies = await browserOf()
    await google.addMail(person, [{ subject: 'One', from: 'Max <max@example.com>', text: 'a' }])
    expect(await page(at('/inbox', cookies))).toContain('Not synced yet')
    for (const found of ['1', '0']) {
      const answer = await send('/inbox?folder=all', { action: 'sync' }, cookies)
      expect([answer.status, answer.headers.get('Location')]).toEqual([303, `/inbox?folder=all&synced=${found}`])
    }
    expect(await page(at('/inbox?synced=1', cookies))).toContain('1 new message')
  })

  it('a sync that is refused is said in words, with when to come back', async () => {
    const cookies = await browserOf()
    await send('/inbox', { action: 'sync' }, cookies)
    await query(
      `UPDATE mail_syncs SET lease_id = gen_random_uuid(), lease_until_utc = now() + interval '1 minute', lease_kind_cd = 'background'`,
    )
    expect(await page(send('/inbox', { action: 'sync' }, cookies), 409)).toContain('It is being synced just now')
    await query('UPDATE mail_syncs SET lease_id = NULL, lease_until_utc = NULL')
    await google.fault({ path: '/gmail/*', status: 503, times: null })
    await google.fault({ path: '/batch/*', status: 503, times: null })
    const answer = await send(`/mailboxes/${await mailboxOf()}`, { action: 'sync' }, cookies)
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0)
    expect(await page(answer, 503)).toContain('The provider cannot be reached')
  })

  it('of several mailboxes is one list, and each alone by its address; all are synced behind the page', async () => {
    const cookies = await browserOf()
    const work = 'ada.work@gmail.com'
    await google.addUser({ email: work, name: 'Ada' })
    const begun = await beginBrowser(cookies, { purpose: 'connect', scopes: 'mail' })
    await comeBack(await consent(begun, { email: work }), { cookies })
    await storeMails(await mailboxOf(), [{ subject: 'At home' }])
    await storeMails(await mailboxOf(work), [{ subject: 'At work' }])
    const both = await page(at('/inbox', cookies))
    expect([both.includes('At home'), both.includes('At work')]).toEqual([true, true])
    const one = await page(at('/inbox?user_email=ada.work%40gmail.com', cookies))
    expect([one.includes('At home'), one.includes('At work')]).toEqual([false, true])
    const answer = await send('/inbox', { action: 'sync' }, cookies)
    expect(answer.headers.get('Location')).toBe('/inbox?synced=queued')
  })

  it('ML-14, ML-12 a cursor or a search that cannot be read is said on the page, never a 500', async () => {
    const cookies = await browserOf()
    await store([{ subject: 'One' }])
    for (const path of ['/inbox?cursor=nonsense', `/inbox?cursor=${encodeURIComponent("c1'; DROP TABLE emails")}`])
      expect(await page(at(path, cookies), 422)).toContain('This page of the list is no more')
    expect(await page(at('/inbox?q=after%3Anever', cookies), 422)).toContain('In this search, after: must be')
    await page(at('/inbox?q=%00', cookies), 422)
    await page(at(`/inbox?q=${'a+'.repeat(3_000)}`, cookies), 422)
    for (const q of ['a & | !', 'foo:*', "'; DROP TABLE users;--", '\\', '(((((', '"><script>alert(1)</script>'])
      await page(at(`/inbox?q=${encodeURIComponent(q)}`, cookies))
  })
})

describe('ML-17 what a stranger wrote is text, everywhere', () => {
  it('in lists, conversations, answers, labels and marked snippets', async () => {
    const cookies = await browserOf()
    const [id = ''] = await store(
      [
        {
          thread: 't1',
          subject: hostile,
          from: { name: hostile, address: 'eve@evil.example' },
          to: [{ name: hostile, address: person }],
          cc: [{ name: hostile, address: `"${hostile}"@evil.example` }],
          snippet: `${hostile} needle`,
          text: `${hostile} needle\n> ${hostile}\njavascript:alert(1) https://evil.example/"onclick="x https://evil.example/?a=1&b=2).`,
          labels: ['INBOX', 'Label_9'],
          attachments: [{ partId: '1', filename: hostile, contentType: `text/html;${hostile}` }],
        },
      ],
      { Label_9: hostile },
    )
    const thread = `/inbox/threads/${(await mailboxOf()).replaceAll('-', '')}.t1`
    const seen = [
      await (await at('/inbox', cookies)).text(),
      await (await at('/inbox?q=needle', cookies)).text(),
      await (await at(thread, cookies)).text(),
      await (await at(`/inbox/${id}`, cookies)).text(),
      await (await at(`/inbox/compose?reply_to=${id}&all=1`, cookies)).text(),
      await (await at(`/inbox/compose?to=${encodeURIComponent(hostile)}`, cookies)).text(),
    ]
    for (const text of seen) {
      expect(text).not.toMatch(/<script|<img|<[^>"]*\sonerror/i)
      expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    }
    expect(seen[1]).toContain('<mark>needle</mark>')
    const links = [...(seen[2] ?? '').matchAll(/<a href="(https?:[^"]*)"/g)].map(([, href]) => href)
    expect(links).toEqual(['https://evil.example/', 'https://evil.example/?a=1&amp;b=2'])
  })
})

describe('an HTML mail', () => {
  const html = '<p onclick="x()">Hello <b>you</b></p><img src="http://t.example/a.png"><script>alert(1)</script>'

  it('stands in a sandboxed frame, whose document may do nothing; pictures only when asked for', async () => {
    const cookies = await browserOf()
    const [id = ''] = await store([{ subject: 'Page', html }])
    const text = await page(at(`/inbox/${id}`, cookies), 200, framed)
    expect(/<iframe[^>]*>/.exec(text)?.[0]).toMatch(
      new RegExp(`sandbox="allow-popups allow-popups-to-escape-sandbox" loading="lazy" src="/inbox/${id}/frame"`),
    )
    expect(text).not.toContain('Hello <b>you</b>')
    expect(await page(at(`/inbox/${id}?pictures=remote`, cookies), 200, framed)).toContain(
      `src="/inbox/${id}/frame?pictures=remote"`,
    )
    const document = async (query: string) => {
      const answer = await at(`/inbox/${id}/frame${query}`, cookies)
      expect(answer.headers.get('X-Frame-Options')).toBe('SAMEORIGIN')
      expect(answer.headers.get('Referrer-Policy')).toBe('no-referrer')
      expect(answer.headers.get('Cache-Control')).toBe('no-store')
      const body = await answer.text()
      expect(body).not.toMatch(/<script|onclick|<form/)
      expect(body).toContain('Hello <b>you</b>')
      return { policy: answer.headers.get('Content-Security-Policy'), body }
    }
    const policy = (pictures: string) =>
      `default-src 'none'; style-src 'unsafe-inline'; img-src ${pictures}; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox`
    const plain = await document('')
    expect([plain.policy, plain.body.includes('t.example')]).toEqual([policy('data:'), false])
    const remote = await document('?pictures=remote')
    expect([remote.policy, remote.body.includes('src="https://t.example/a.png"')]).toEqual([
      policy('data: https:'),
      true,
    ])
  })
})

describe('the pictures of a conversation', () => {
  it('load of the one message that they were asked for of, since every other one may tell its sender', async () => {
    const cookies = await browserOf()
    const pictured = (host: string) => ({ thread: 't1', html: `<p>Hello</p><img src="https://${host}/a.png">` })
    const [wanted = '', other = ''] = await store([pictured('friend.example'), pictured('tracker.example')])
    const thread = `/inbox/threads/${(await mailboxOf()).replaceAll('-', '')}.t1`
    const before = await page(at(thread, cookies), 200, framed)
    expect(before).not.toContain('?pictures=remote')
    for (const id of [wanted, other]) expect(before).toContain(`href="${thread}?pictures=${id}#m-${id}"`)
    const shown = await page(at(`${thread}?pictures=${wanted}`, cookies), 200, framed)
    expect(shown).toContain(`src="/inbox/${wanted}/frame?pictures=remote"`)
    expect(shown).toContain(`src="/inbox/${other}/frame"`)
    expect(shown).toMatch(new RegExp(`<details class="message" id="m-${wanted}" open`))
    expect(shown).toContain(`href="${thread}?pictures=${other}#m-${other}"`)
    for (const pictures of ['remote', 'all', '', hostile])
      expect(await page(at(`${thread}?${new URLSearchParams({ pictures })}`, cookies), 200, framed)).not.toContain(
        'frame?pictures',
      )
  })
})

describe('a conversation of which some lies in the trash or in spam', () => {
  const mixed: StoredMail[] = [
    { thread: 't1', subject: 'Plan', text: 'Kept words' },
    { thread: 't1', subject: 'Plan', text: 'Binned words', labels: ['TRASH'] },
  ]
  const threadPath = async () => `/inbox/threads/${(await mailboxOf()).replaceAll('-', '')}.t1`

  it('shows all of it where the trash or a search lists it', async () => {
    const cookies = await browserOf()
    await store(mixed)
    const all = `${await threadPath()}?in=anywhere`
    for (const list of ['/inbox?folder=trash', '/inbox?q=in%3Aanywhere', '/inbox?q=in%3Atrash+binned'])
      expect(await page(at(list, cookies))).toContain(`href="${all}"`)
    const shown = await page(at(all, cookies), 200, framed)
    expect([shown.includes('Kept words'), shown.includes('Binned words')]).toEqual([true, true])
    expect(shown.match(/class="chip">Trash</g)).toHaveLength(1)
    expect(shown.match(/<details class="message"[^>]* open/g)).toHaveLength(1)
    expect(shown).not.toContain('Show all of it')
  })

  it('says elsewhere what is left out, and leads to it', async () => {
    const cookies = await browserOf()
    const [, binned = ''] = await store([...mixed, { thread: 't1', labels: ['SPAM'], html: '<p>Design</p>' }])
    const thread = await threadPath()
    expect(await page(at('/inbox', cookies))).toContain(`href="${thread}"`)
    const kept = await page(at(thread, cookies), 200, framed)
    expect(kept).not.toContain('Binned words')
    expect(kept).toContain('2 messages of this conversation are in spam or in the trash.')
    expect(kept).toContain(`<a href="${thread}?in=anywhere">Show all of it</a>`)
    const all = await page(at(`${thread}?in=anywhere`, cookies), 200, framed)
    expect(all).toContain(`href="${thread}?in=anywhere&amp;view=text#m-`)
    // One message by itself leads to the conversation that it stands in.
    expect(await page(at(`/inbox/${binned}`, cookies), 200, framed)).toContain(
      `<a href="${thread}?in=anywhere">The whole`,
    )
  })
})

describe('somebody else’s mail', () => {
  it('is 404 on every page, its file, its frame, its answer and its way out', async () => {
    const owner = await browserOf()
    const [id = ''] = await store([
      { thread: 't1', subject: 'Secret plan', attachments: [{ partId: '1', filename: 'a.pdf' }] },
    ])
    const sent = (await sendLetter(owner, {})).headers.get('Location') ?? ''
    await page(at(sent, owner))
    const other = await browserOf('eve@gmail.com')
    const thread = `/inbox/threads/${(await mailboxOf()).replaceAll('-', '')}.t1`
    const paths = [thread, `/inbox/${id}`, `/inbox/${id}/frame`, `/inbox/${id}/attachments/1`, sent]
    for (const path of [...paths, `/inbox/compose?reply_to=${id}`, '/inbox/threads/nonsense', '/inbox/nonsense'])
      expect(await page(at(path, other), 404)).not.toContain('Secret')
    await page(at(`/inbox/${id}/attachments/%00`, owner), 404)
    expect(await page(at(`/inbox?user_email=${person}`, other))).not.toContain('Secret')
    await page(sendLetter(other, { from: 'eve@gmail.com', reply_to: id }), 404)
    await page(sendLetter(other, { from: person }), 422)
    expect(await count('outbox')).toBe(1)
  })
})

describe('a message that is written', () => {
  it('ML-23 sent twice at once is one; with another text it asks first, by a key of its own', async () => {
    const cookies = await browserOf()
    const form = await page(at('/inbox/compose', cookies))
    const key = field(form, 'key')
    expect(key).toMatch(/^[0-9a-f-]{36}$/)
    const answers = await Promise.all([sendLetter(cookies, { key }), sendLetter(cookies, { key })])
    const places = answers.map(({ status, headers }) => [status, headers.get('Location')])
    expect(places[0]).toEqual([303, expect.stringMatching(/^\/inbox\/outbox\/[0-9a-f-]{36}$/)])
    expect(places[1]).toEqual(places[0])
    expect(await count('outbox')).toBe(1)
    const refused = await page(sendLetter(cookies, { key, text: 'Another text.' }), 409)
    expect(refused).toContain('Another text.')
    expect(field(refused, 'key')).not.toBe(key)
    expect((await sendLetter(cookies, { key: field(refused, 'key'), text: 'Another text.' })).status).toBe(303)
    expect(await count('outbox')).toBe(2)
  })

  it('ML-20, ML-24 is given back as it was typed where something is wrong with it', async () => {
    const cookies = await browserOf()
    const wrong = {
      to: 'Max <max@example.com>, "Two, names" <two@example.com>, nobody, group: a@x.io;',
      cc: `${hostile}`,
      subject: `Hi ${hostile}`,
      text: `\n\n${hostile}\n`,
    }
    const text = await page(sendLetter(cookies, wrong, [new File(['x'], 'x.txt', { type: 'text/plain' })]), 422)
    expect(text).toContain('“nobody” is no address')
    expect(text).toContain('“&lt;/title&gt;')
    expect(text).toContain('A browser does not keep files')
    expect(field(text, 'to')).toBe(wrong.to.replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'))
    expect(/<textarea[^>]*>([\s\S]*?)<\/textarea>/.exec(text)?.[1]).toMatch(/^\n\r?\n\r?\n&lt;\/title/)
    const big = new File([new Uint8Array(7_000_001)], 'big.bin')
    const tooLarge = await page(sendLetter(cookies, { subject: 'Kept' }, [big]), 413)
    expect([tooLarge.includes('All files together may have 7 MB'), field(tooLarge, 'subject')]).toEqual([true, 'Kept'])
    const huge = new File([new Uint8Array(17_000_000)], 'huge.bin')
    const farTooLarge = await page(sendLetter(cookies, { subject: 'Kept' }, [huge]), 413)
    expect([farTooLarge.includes('All files together'), field(farTooLarge, 'subject')]).toEqual([true, 'Kept'])
    expect(await page(sendLetter(cookies, { cc: 'a@x.io,'.repeat(200_000) }), 422)).toContain(
      'at most 100000 characters',
    )
    expect(await page(sendLetter(cookies, { to: 'a@x.io,'.repeat(101) }), 422)).toContain('at most 100 in all')
    await page(send('/inbox/compose', letter, cookies), 415)
    await page(sendLetter(cookies, { action: 'burn' }), 422)
    expect(await count('outbox')).toBe(0)
  })

  it('is given back where the session ended meanwhile: signing in elsewhere, it can be sent again', async () => {
    const cookies = await browserOf()
    const [original = ''] = await store([{ thread: 't1', subject: 'Plan' }])
    const key = crypto.randomUUID()
    const typed = { key, reply_to: original, subject: hostile, text: `\n${hostile}` }
    const ended: Cookies = new Map(cookies)
    await query('UPDATE sessions SET revoked_at_utc = now()')
    const file = new File([new Uint8Array(17_000_000)], 'huge.bin')
    for (const [jar, files] of [
      [new Map() as Cookies, []],
      [ended, []],
      [ended, [file]],
    ] as const) {
      const text = await page(sendLetter(jar, typed, [...files]), 401)
      expect(text).toContain('You are not signed in any more')
      expect(text).toContain('<a href="/sign-in" target="_blank" rel="noopener">')
      expect(/<textarea[^>]*>([\s\S]*?)<\/textarea>/.exec(text)?.[1]).toContain('&lt;script&gt;alert(1)')
      expect(['to', 'reply_to', 'key'].map((name) => field(text, name))).toEqual([letter.to, original, key])
      expect(text).toContain(`<option value="${person}" selected`)
    }
    expect(await count('outbox')).toBe(0)
    await query('UPDATE sessions SET revoked_at_utc = NULL')
    expect((await sendLetter(cookies, typed)).status).toBe(303)
  })

  it('of somebody who is not known no more is read than a letter has', async () => {
    let given = 0
    const begin = `--b\r\nContent-Disposition: form-data; name="action"\r\n\r\nsend\r\n--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nGood day.\r\n--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n`
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        controller.enqueue(given === 0 ? new TextEncoder().encode(begin) : new Uint8Array(100_000))
        given += 1
      },
    })
    const headers = { Origin: appUrl, 'Content-Type': 'multipart/form-data; boundary=b', Accept: 'text/html' }
    const answer = call('/inbox/compose', { method: 'POST', body, headers, env: workerEnv() })
    expect(await page(answer, 401)).toContain('Good day.')
    expect(given).toBeLessThan(20)
  })

  it('is given back while the database is away, and where something of ours breaks', async () => {
    const cookies = await browserOf()
    const key = crypto.randomUUID()
    await proxy.setMode('refuse')
    const away = await page(sendLetter(cookies, { key, text: 'Long thought.' }), 503)
    await proxy.setMode('normal')
    expect(away).toContain('could not be taken in just now')
    expect([away.includes('Long thought.'), field(away, 'key'), field(away, 'to')]).toEqual([true, key, letter.to])
    await query('ALTER TABLE outbox RENAME TO outbox_away')
    const broken = await page(sendLetter(cookies, { text: 'Long thought.' }), 500)
    await query('ALTER TABLE outbox_away RENAME TO outbox')
    expect(broken).toContain('Long thought.')
    expect((await sendLetter(cookies, { key })).status).toBe(303)
  })

  it('that answers one which is gone goes as a new message the second time', async () => {
    const cookies = await browserOf()
    const refused = await page(sendLetter(cookies, { reply_to: unknownId, text: 'Yes.' }), 404)
    expect(refused).toContain('Sent again, this one goes as a new message')
    expect([refused.includes('Yes.'), field(refused, 'reply_to')]).toEqual([true, ''])
    expect((await sendLetter(cookies, { reply_to: field(refused, 'reply_to'), text: 'Yes.' })).status).toBe(303)
  })

  it('leaves from the mailbox alone, and only where it may send', async () => {
    const cookies = await browserOf(person, [gmail.read])
    expect(await page(at('/inbox/compose', cookies))).toContain('No mailbox that may send')
    expect(await page(sendLetter(cookies, {}), 403)).toContain('Permission to send was not given')
    expect(await page(sendLetter(cookies, { from: 'boss@example.com' }), 422)).toContain(
      'one of your connected mailboxes',
    )
    expect(await count('outbox')).toBe(0)
  })

  it('is refused in words where its mailbox has too much on its way', async () => {
    const cookies = await browserOf()
    await query(
      `INSERT INTO outbox (user_mail_account_id, user_id, body_hash_txt, message_id_txt)
       SELECT user_mail_account_id, user_id, 'x', '<' || n || '>' FROM user_mail_accounts, generate_series(1, 2000) n`,
    )
    const text = await page(sendLetter(cookies, { text: 'Kept.' }), 429)
    expect([text.includes('This mailbox has as much on its way as it may'), text.includes('Kept.')]).toEqual([
      true,
      true,
    ])
  })

  it.each([
    ['queued', null, 'The next try is in about 60 minutes', '60'],
    ['sending', null, 'being sent', '3'],
    ['unconfirmed', 'timeout', 'Rarely, a message that was sent is not found, and arrives twice', null],
    ['sent', null, 'stands in its conversation after the next sync', null],
    ['failed', 'expired', 'or something was wrong on our side. As far as we know', null],
    ['failed', 'provider_unavailable', 'could not be reached for a day. As far as we know', null],
    ['failed', 'disconnected', 'was disconnected meanwhile', null],
    ['failed', 'account_disabled', 'Your account was disabled', null],
    ['failed', 'unconfirmed', 'could not be looked up', null],
    ['failed', 'needs_reauthorization', 'Reconnect the mailbox', null],
  ])('%s (%s) is told in words', async (status, error, words, refresh) => {
    const cookies = await browserOf()
    const place = (await sendLetter(cookies, {})).headers.get('Location') ?? ''
    await query(
      `UPDATE outbox SET status_cd = $1, last_error_cd = $2, due_at_utc = now() + interval '1 hour',
         provider_thread_id_txt = 'abc', sent_at_utc = CASE WHEN $1 = 'sent' THEN now() END`,
      [status, error],
    )
    const answer = await at(place, cookies)
    expect(answer.headers.get('Refresh')).toBe(refresh)
    expect(await page(answer)).toContain(words)
  })

  it.each([
    [0, '3', 'will be sent in a moment'],
    [20, '20', 'will be sent in a moment'],
    [900, '60', 'The next try is in about 15 minutes'],
  ])('that is due in %d seconds is looked at again after %s', async (seconds, refresh, words) => {
    const cookies = await browserOf()
    const place = (await sendLetter(cookies, {})).headers.get('Location') ?? ''
    await query('UPDATE outbox SET due_at_utc = now() + make_interval(secs => $1)', [seconds])
    const answer = await at(place, cookies)
    expect(Math.abs(Number(answer.headers.get('Refresh')) - Number(refresh))).toBeLessThanOrEqual(2)
    expect(await page(answer)).toContain(words)
  })

  it('that fails after its writer left is told in the inbox, in no further trip, with the way to why', async () => {
    const cookies = await browserOf()
    await store([{ subject: 'One' }])
    const places: string[] = []
    for (let nth = 1; nth <= 5; nth += 1)
      places.push((await sendLetter(cookies, { text: `No. ${nth}` })).headers.get('Location') ?? '')
    const notSent = /\d+ messages? (was|were) not sent/
    expect(await page(at('/inbox', cookies))).not.toMatch(notSent)
    const fail = (place: string, more = '') =>
      query(`UPDATE outbox SET status_cd = 'failed'${more} WHERE outbox_id = $1`, [place.split('/').at(-1)])
    await fail(places[0] ?? '')
    await proxy.resetCounts()
    const one = await page(at('/inbox', cookies))
    expect(await proxy.counts()).toMatchObject({ statements: 4 })
    expect(one).toContain('1 message was not sent')
    expect(one).toContain(`<a href="${places[0]}">Written just now: see why</a>`)
    for (const place of places.slice(1)) await fail(place)
    for (const list of ['/inbox', '/inbox?folder=sent', '/inbox?folder=all']) {
      const text = await page(at(list, cookies))
      expect(text).toContain('5 messages were not sent')
      expect(text.match(/href="\/inbox\/outbox\//g)).toHaveLength(3)
      expect(text).toContain('2 before them')
    }
    // Those of long ago, those that a key sent (it asks for itself), and those of other people are nobody's news here.
    for (const place of places) await fail(place, `, created_at_utc = now() - interval '8 days'`)
    expect(await page(at('/inbox', cookies))).not.toMatch(notSent)
    for (const place of places) await fail(place, `, created_at_utc = now(), api_key_id = gen_random_uuid()`)
    expect(await page(at('/inbox', cookies))).not.toMatch(notSent)
    for (const place of places) await fail(place, ', api_key_id = NULL')
    expect(await page(at('/inbox', await browserOf('eve@gmail.com')))).not.toMatch(notSent)
  })

  it('that failed can be written anew as it was, for as long as it is kept, by nobody else', async () => {
    const cookies = await browserOf()
    const [original = ''] = await store([{ subject: 'Pier plan' }])
    const letter = {
      to: '"Pond, Amy" <amy@x.io>, Jürgen <j@x.io>',
      cc: 'cat@x.io',
      bcc: 'hidden@x.io',
      subject: 'Re: Pier plan <1> 東京',
      text: '.\nNorth: 12 metres & more\n\n> quoted',
      reply_to: original,
    }
    const file = new File(['a,b'], 'plan.csv', { type: 'text/csv' })
    const place = (await sendLetter(cookies, letter, [file])).headers.get('Location') ?? ''
    await query(`UPDATE outbox SET status_cd = 'failed', last_error_cd = 'expired'`)
    const again = `/inbox/compose?again=${place.split('/').at(-1)}`
    expect(await page(at(place, cookies))).toContain(`href="${again}"`)
    const form = await page(at(again, cookies))
    for (const value of ['&quot;Pond, Amy&quot; &lt;amy@x.io&gt;, Jürgen &lt;j@x.io&gt;', 'cat@x.io', 'hidden@x.io'])
      expect(form).toContain(`value="${value}"`)
    expect(form).toContain('value="Re: Pier plan &lt;1&gt; 東京"')
    expect(form).toContain('\n.\nNorth: 12 metres &amp; more\n\n&gt; quoted</textarea>')
    expect(form).toContain(`name="reply_to" value="${original}"`)
    expect(form).toContain('choose them again')
    const others = await page(at(again, await browserOf('eve@gmail.com')))
    expect(others).toContain('New message')
    expect(others).not.toContain('North')
    // What it answered is gone, then what it said.
    await query('DELETE FROM emails')
    expect(await page(at(again, cookies))).toContain('name="reply_to" value=""')
    await query('UPDATE outbox SET draft_json = NULL')
    expect(await page(at(again, cookies))).not.toContain('North')
    expect((await at('/inbox/compose?again=x', cookies)).status).toBe(404)
  })

  it('that was sent leads to its conversation once something of it is synced', async () => {
    const cookies = await browserOf()
    await store([{ thread: 't1', subject: 'Plan' }])
    const place = (await sendLetter(cookies, {})).headers.get('Location') ?? ''
    await query(`UPDATE outbox SET status_cd = 'sent', sent_at_utc = now(), provider_thread_id_txt = 't0'`)
    expect(await page(at(place, cookies))).not.toContain('Open its conversation')
    await query(`UPDATE outbox SET provider_thread_id_txt = 't1'`)
    const thread = `/inbox/threads/${(await mailboxOf()).replaceAll('-', '')}.t1`
    await proxy.resetCounts()
    expect(await page(at(place, cookies))).toContain(`href="${thread}"`)
    expect(await proxy.counts()).toMatchObject({ statements: 2 })
  })
})
