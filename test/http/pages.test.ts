// Our own pages, over HTTP: what they show, whom they turn away, and that a form is believed only from our own origin.
// They are read as a person's browser gets them; the database is asked what really happened.
import { beforeEach, describe, expect, it } from 'vitest'
import { appUrl, type Cookies, call, count, gmail, google, signInBrowser } from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'

const admin = 'admin@gmail.com'
const person = 'ada@gmail.com'
const unknownId = '01890000-0000-7000-8000-000000000000'
const htmlAccept = { Accept: 'text/html' }

beforeEach(async () => {
  await emptyTables()
  await google.reset()
})

/** A browser of somebody who signed in at Google; their mailbox is connected with what `grant` allows. */
async function browserOf(email: string, grant: 'all' | 'none-optional' | string[] = 'all'): Promise<Cookies> {
  await google.addUser({ email, name: 'Ada Lovelace' })
  return signInBrowser(email, new Map(), { grant })
}

/** The text of a page, after everything that holds for each of them was seen to hold. */
async function page(response: Response | Promise<Response>, status = 200): Promise<string> {
  const answer = await response
  const text = await answer.text()
  expect(answer.status, text).toBe(status)
  expect(answer.headers.get('Content-Type')).toMatch(/^text\/html; charset=utf-8$/i)
  const policy = answer.headers.get('Content-Security-Policy') ?? ''
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).not.toContain('script-src')
  expect(policy).not.toContain('unsafe-inline')
  expect(answer.headers.get('Cache-Control')).toBe('no-store')
  expect(answer.headers.get('X-Content-Type-Options')).toBe('nosniff')
  // Under no-referrer browsers post `Origin: null`: only a page without forms may send that.
  const referrers = text.includes('<form') ? ['same-origin'] : ['same-origin', 'no-referrer']
  expect(referrers).toContain(answer.headers.get('Referrer-Policy'))
  expect(answer.headers.get('X-Request-Id')).not.toBeNull()
  expect(text).toMatch(/^<!doctype html><html lang="en">/)
  expect(text.match(/<h1[ >]/g)).toHaveLength(1)
  expect(text).not.toMatch(/<script|<style|\sstyle=|<[^>]*\son\w+=|javascript:/i)
  expect(text).toContain('<main id="content"')
  return text
}

interface FormOptions {
  cookies?: Cookies
  /** Our own unless given; null sends none. */
  origin?: string | null
  headers?: Record<string, string>
}

function send(path: string, fields: Record<string, string> | [string, string][], options: FormOptions = {}) {
  const origin = options.origin === undefined ? appUrl : options.origin
  return call(path, {
    method: 'POST',
    body: new URLSearchParams(fields).toString(),
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      ...htmlAccept,
      ...(origin === null ? {} : { Origin: origin }),
      ...options.headers,
    },
    ...(options.cookies === undefined ? {} : { cookies: options.cookies }),
  })
}

async function seeOther(response: Response | Promise<Response>): Promise<string | null> {
  const answer = await response
  expect(answer.status, await answer.text()).toBe(303)
  return answer.headers.get('Location')
}

async function onlyMailboxId(): Promise<string> {
  const [row] = await query<{ id: string }>('SELECT user_mail_account_id AS id FROM user_mail_accounts')
  return row?.id ?? ''
}

describe('pages for anybody', () => {
  it('home says what this is, and leads to the provider and the documents', async () => {
    const text = await page(call('/'))
    for (const path of ['/auth/google/login?return_to=/mailboxes', '/docs', '/redoc', '/openapi.json']) {
      expect(text).toContain(`href="${path}"`)
    }
  })

  it('home knows who is signed in', async () => {
    const text = await page(call('/', { cookies: await browserOf(person) }))
    expect(text).toContain(person)
    expect(text).toContain('href="/mailboxes"')
    expect(text).not.toContain('/admin/keys')
  })

  it('the style sheet and the icon come from our own origin', async () => {
    const text = await page(call('/'))
    const addresses = [...text.matchAll(/<link[^>]*href="([^"]+)"/g)].map(([, address]) => address)
    expect(addresses).toEqual(['/assets/favicon.svg', '/assets/style.css'])
  })

  it.each([
    ['access_denied', 'Permission was not given'],
    ['account_exists', 'There is an account with this address'],
    ['account_disabled', 'This account is disabled'],
    ['provider_refused', 'did not accept this'],
    ['provider_unavailable', 'cannot be reached'],
  ])('sign-in explains %s', async (code, words) => {
    expect(await page(call(`/sign-in?error=${code}`))).toContain(words)
  })

  it.each(['nonsense', '__proto__', 'constructor', '<script>alert(1)</script>', '"><img src=x onerror=alert(1)>'])(
    'sign-in ignores the error %j',
    async (code) => {
      const text = await page(call(`/sign-in?error=${encodeURIComponent(code)}`))
      expect(text).not.toContain('role="alert"')
      expect(text).not.toContain('alert(1)')
    },
  )

  it('sign-in carries a page of ours on', async () => {
    const wanted = encodeURIComponent('/mailboxes?error=conflict')
    const text = await page(call(`/sign-in?return_to=${wanted}`))
    expect(text).toContain('href="/auth/google/login?return_to=/mailboxes%3Ferror%3Dconflict"')
  })

  it.each([
    '//evil.test',
    'https://evil.test/',
    '/\\evil.test',
    '/\t/evil.test',
    'javascript:alert(1)',
    '/auth/google/login?purpose=connect',
  ])('sign-in carries %j nowhere', async (wanted) => {
    const text = await page(call(`/sign-in?return_to=${encodeURIComponent(wanted)}`))
    expect(text).toContain('href="/auth/google/login?return_to=/mailboxes"')
    expect(text).not.toContain('evil.test')
  })

  it('a return address full of markup stays text', async () => {
    const wanted = encodeURIComponent('/mailboxes?x="><svg/onload=alert(1)>')
    await page(call(`/sign-in?return_to=${wanted}`))
    await page(call(`/sign-in?return_to=${wanted}`, { cookies: await browserOf(person) }))
  })

  it('a callback without a flow is a page that begins again, whatever it was sent', async () => {
    const bad = encodeURIComponent('<script>alert(1)</script>')
    const cookies = await browserOf(person)
    for (const path of ['/auth/google/callback?code=x&state=y', `/auth/google/callback?error=${bad}&state=${bad}`]) {
      const answer = await call(path, { cookies })
      expect(answer.headers.get('Referrer-Policy')).toBe('no-referrer')
      const text = await page(answer, 400)
      expect(text).toContain('href="/auth/google/login"')
      expect(text).not.toContain('alert(1)')
      expect(text).toMatch(/Request <code class="id">[0-9a-f-]{36}</)
    }
  })

  it('an unknown address is a page for a browser and a problem document for a program', async () => {
    await page(call('/nothing/here', { headers: htmlAccept }), 404)
    await page(call('/mailboxes/a/b/c', { headers: htmlAccept }), 404)
    const plain = await call('/nothing/here')
    expect(plain.headers.get('Content-Type')).toContain('application/problem+json')
  })

  it('an unknown provider is a page', async () => {
    expect(await page(call('/auth/nobody/login'), 404)).toContain('href="/sign-in"')
  })

  it.each(['/docs', '/redoc'])('%s loads its viewer from our own origin, with nothing inline', async (path) => {
    const answer = await call(path)
    const text = await answer.text()
    expect(answer.status).toBe(200)
    expect(answer.headers.get('Content-Security-Policy')).toContain("script-src 'self';")
    for (const [, attributes, content] of text.matchAll(/<script([^>]*)>([^<]*)<\/script>/g)) {
      expect(attributes).toMatch(/^ src="\/assets\/[\w./-]+"$/)
      expect(content).toBe('')
    }
    expect(text).not.toMatch(/\sstyle=|https?:\/\//)
  })
})

describe('without a live session', () => {
  const paths = [
    '/mailboxes',
    `/mailboxes/${unknownId}`,
    `/mailboxes/${unknownId}/disconnect`,
    '/admin/keys',
    `/admin/keys/${unknownId}/revoke`,
  ]

  it.each(paths)('%s leads to the sign-in page and back', async (path) => {
    expect(await seeOther(call(path))).toBe(`/sign-in?return_to=${path}`)
  })

  it.each(paths)('%s does so for a cookie whose session has ended', async (path) => {
    const cookies = await browserOf(person)
    await query('UPDATE sessions SET revoked_at_utc = now()')
    expect(await seeOther(call(path, { cookies }))).toBe(`/sign-in?return_to=${path}`)
  })

  it('forms lead there too, and change nothing', async () => {
    await browserOf(person)
    const fields = { action: 'disconnect', mail_account_id: await onlyMailboxId() }
    expect(await seeOther(send('/mailboxes', fields))).toBe('/sign-in?return_to=/mailboxes')
    expect(await seeOther(send('/admin/keys', { action: 'create', name: 'x', permissions: 'tokens:vend' }))).toBe(
      '/sign-in?return_to=/admin/keys',
    )
    expect(await count('user_mail_accounts', "status_cd = 'active'")).toBe(1)
    expect(await count('api_keys')).toBe(0)
  })

  it('connecting says so with the contract’s 401, and leads back to the page it was to end on', async () => {
    const flow = '/auth/google/login?purpose=connect&scopes=mail'
    expect(await page(call(flow), 401)).toContain('href="/sign-in?return_to=/mailboxes"')
    expect(await page(call(`${flow}&return_to=/admin/keys`), 401)).toContain('href="/sign-in?return_to=/admin/keys"')
    expect(await page(call(`${flow}&return_to=https://evil.test/`), 401)).toContain(
      'href="/sign-in?return_to=/mailboxes"',
    )
  })

  it('the sign-in page does not send anybody round in circles', async () => {
    const cookies = await browserOf(person)
    await query('UPDATE sessions SET revoked_at_utc = now()')
    await page(call('/sign-in?return_to=/mailboxes', { cookies }))
  })
})

describe('forms', () => {
  const origins: [string, string | null][] = [
    ['no Origin', null],
    ['a null Origin', 'null'],
    ['a foreign Origin', 'https://evil.test'],
    ['a sibling', 'http://mail.localhost:8787'],
    ['another port', 'http://localhost:3000'],
    ['another scheme', 'https://localhost:8787'],
    ['a longer name', 'http://localhost:8787.evil.test'],
  ]

  it.each(origins)('with %s are refused and change nothing', async (_, origin) => {
    const cookies = await browserOf(admin)
    const mailbox = { action: 'disconnect', mail_account_id: await onlyMailboxId() }
    const before = new Map(cookies)
    const keyFields = { action: 'create', name: 'x', permissions: 'tokens:vend' }
    const forms: [string, Record<string, string>][] = [
      ['/mailboxes', mailbox],
      ['/admin/keys', keyFields],
      ['/sign-out', {}],
    ]
    for (const [path, fields] of forms) {
      const text = await page(send(path, fields, { cookies, origin }), 403)
      expect(text).toContain('did not come from our own page')
    }
    expect(await count('user_mail_accounts', "status_cd = 'active'")).toBe(1)
    expect(await count('api_keys')).toBe(0)
    expect(await count('sessions', 'revoked_at_utc IS NULL')).toBe(1)
    expect(cookies).toEqual(before)
  })

  it('take one media type, 64 KB, and no NUL', async () => {
    const cookies = await browserOf(admin)
    const fields = { action: 'create', name: 'x', permissions: 'tokens:vend' }
    for (const type of ['application/json', 'multipart/form-data; boundary=x', 'text/plain']) {
      await page(send('/admin/keys', fields, { cookies, headers: { 'Content-Type': type } }), 415)
    }
    await page(send('/admin/keys', { ...fields, name: 'x'.repeat(70_000) }, { cookies }), 413)
    await page(send('/admin/keys', { ...fields, name: 'a\0b' }, { cookies }), 400)
    expect(await count('api_keys')).toBe(0)
  })

  it('with an unknown action are refused', async () => {
    const cookies = await browserOf(admin)
    await page(send('/mailboxes', { action: 'explode' }, { cookies }), 422)
    await page(send('/admin/keys', {}, { cookies }), 422)
  })
})

describe('/sign-out', () => {
  it('asks, ends the session, clears the cookie and goes home', async () => {
    const cookies = await browserOf(person)
    expect(await page(call('/sign-out', { cookies }))).toContain(person)
    const answer = await send('/sign-out', {}, { cookies })
    expect(await seeOther(answer)).toBe('/')
    expect(answer.headers.getSetCookie().join()).toMatch(/^session=;.*Max-Age=0;.*HttpOnly;.*SameSite=Lax/i)
    expect(cookies.has('session')).toBe(false)
    expect(await count('sessions', 'revoked_at_utc IS NULL')).toBe(0)
  })

  it('may be done twice, and without a session', async () => {
    expect(await seeOther(send('/sign-out', {}))).toBe('/')
    expect(await page(call('/sign-out'))).toContain('You are signed out')
  })
})

describe('/mailboxes', () => {
  it('invites to connect where there is none', async () => {
    const cookies = await browserOf(person)
    await query('DELETE FROM user_mail_accounts')
    const text = await page(call('/mailboxes', { cookies }))
    expect(text).toContain('No mailbox connected yet')
    expect(text).toContain('href="/auth/google/login?purpose=connect&amp;scopes=mail&amp;return_to=/mailboxes"')
  })

  it('shows address, status, what was granted and what is missing', async () => {
    const cookies = await browserOf(person, [gmail.read])
    const text = await page(call('/mailboxes', { cookies }))
    expect(text).toContain(person)
    expect(text).toMatch(/Status: <\/span>Active/)
    expect(text).toMatch(/class="granted">.*?Read mail/)
    expect(text).toMatch(/class="missing">.*?Send mail/)
    expect(text).toContain('Permission to send mail was not given')
    expect(text).toMatch(/in (5\d minutes|1 hour)/)
    expect(text).toMatch(/<time datetime="\d{4}-\d\d-\d\dT[\d:.]+Z">/)
    const id = await onlyMailboxId()
    expect(text).toContain(
      `href="/auth/google/login?purpose=connect&amp;mail_account_id=${id}&amp;return_to=/mailboxes"`,
    )
    expect(text).toContain(`href="/mailboxes/${id}/disconnect"`)
  })

  it.each([
    ['degraded', 'Degraded'],
    ['needs_reauthorization', 'Needs re-authorization'],
  ])('names the state %s', async (status, label) => {
    const cookies = await browserOf(person)
    await query('UPDATE user_mail_accounts SET status_cd = $1', [status])
    expect(await page(call('/mailboxes', { cookies }))).toContain(label)
  })

  it('says when access ends by itself', async () => {
    const cookies = await browserOf(person)
    await query("UPDATE oauth_tokens SET refresh_token_expires_at_utc = '2031-03-01T12:00:00Z'")
    const text = await page(call('/mailboxes', { cookies }))
    expect(text).toContain('Access ends on')
    expect(text).toContain('1 March 2031')
  })

  it('shows nobody else’s', async () => {
    await browserOf(person)
    const id = await onlyMailboxId()
    const cookies = await browserOf('eve@gmail.com')
    expect(await page(call('/mailboxes', { cookies }))).not.toContain(person)
    await page(call(`/mailboxes/${id}`, { cookies }), 404)
    await page(call(`/mailboxes/${id}/disconnect`, { cookies }), 404)
    await page(send('/mailboxes', { action: 'disconnect', mail_account_id: id }, { cookies }), 404)
    expect(await count('user_mail_accounts', "status_cd = 'active'")).toBe(2)
  })

  it('shows one with its history', async () => {
    const cookies = await browserOf(person)
    const history = [
      { at: '2026-11-20T10:00:00Z', outcome: 'retry', error: 'http_503' },
      { at: '2026-11-20T09:00:00Z', outcome: 'refreshed', error: null },
    ]
    await query('UPDATE oauth_tokens SET refresh_history_json = $1', [JSON.stringify(history)])
    const text = await page(call(`/mailboxes/${await onlyMailboxId()}`, { cookies }))
    expect(text).toMatch(/<th scope="col">When<\/th>/)
    expect(text).toContain('http_503')
    expect(text).toContain('Renewed')
  })

  it.each(['not-a-uuid', '%00', "' OR 1=1", unknownId])('is 404 for the id %j', async (id) => {
    const cookies = await browserOf(person)
    const path = `/mailboxes/${encodeURIComponent(id)}`
    await page(call(path, { cookies }), 404)
    await page(call(`${path}/disconnect`, { cookies }), 404)
    await page(send('/mailboxes', { action: 'disconnect', mail_account_id: id.replace('%00', 'x') }, { cookies }), 404)
  })

  it('asks before disconnecting, then erases and says so', async () => {
    const cookies = await browserOf(person)
    const id = await onlyMailboxId()
    const question = await page(call(`/mailboxes/${id}/disconnect`, { cookies }))
    expect(question).toContain('method="post" action="/mailboxes"')
    expect(question).toContain(`name="mail_account_id" value="${id}"`)
    const fields = { action: 'disconnect', mail_account_id: id, keep_mail: 'on' }
    const location = await seeOther(send('/mailboxes', fields, { cookies }))
    expect(location).toBe('/mailboxes?done=disconnected')
    expect(await count('oauth_tokens', 'access_token_txt IS NOT NULL OR refresh_token_txt IS NOT NULL')).toBe(0)
    expect(await count('user_mail_accounts', "status_cd = 'disconnected' AND keep_mail_flg")).toBe(1)
    const after = await page(call(location ?? '', { cookies }))
    expect(after).toContain('Mailbox disconnected')
    expect(after).not.toContain(`/mailboxes/${id}/disconnect`)
    expect(after).toContain('Reconnect')
    expect(await seeOther(call(`/mailboxes/${id}/disconnect`, { cookies }))).toBe(`/mailboxes/${id}`)
  })

  it('keeps no mail unless asked to, and takes the first of doubled fields', async () => {
    const cookies = await browserOf(person)
    const id = await onlyMailboxId()
    const fields: [string, string][] = [
      ['action', 'disconnect'],
      ['action', 'explode'],
      ['mail_account_id', id],
      ['mail_account_id', unknownId],
      ['stray', 'x'],
    ]
    expect(await seeOther(send('/mailboxes', fields, { cookies }))).toBe('/mailboxes?done=disconnected')
    expect(await count('user_mail_accounts', "status_cd = 'disconnected' AND NOT keep_mail_flg")).toBe(1)
  })

  it('escapes what others chose, and knows a closed list of notices', async () => {
    const cookies = await browserOf(person)
    await query("UPDATE user_mail_accounts SET email_address_txt = $1, status_cd = 'degraded'", [
      '"><script>alert(1)</script>@gmail.com',
    ])
    await query("UPDATE users SET email_address_txt = '<b onclick=alert(2)>@gmail.com'")
    await query("UPDATE oauth_tokens SET last_error_cd = '<i>', refresh_history_json = $1", [
      JSON.stringify([{ at: '2026-11-20T10:00:00Z', outcome: 'retry', error: '<script>alert(3)</script>' }]),
    ])
    const id = await onlyMailboxId()
    for (const path of ['', `/${id}`, `/${id}/disconnect`]) {
      const text = await page(call(`/mailboxes${path}`, { cookies }))
      expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
      expect(text).not.toContain('<b onclick')
    }
    const text = await page(call('/mailboxes?done=%3Cscript%3E&error=%3Cscript%3E', { cookies }))
    expect(text).not.toMatch(/role="(alert|status)"/)
    expect(await page(call('/mailboxes?error=wrong_mailbox', { cookies }))).toContain('You chose another mailbox')
  })

  it('refuses a cursor that is none of ours', async () => {
    await page(call('/mailboxes?cursor=x', { cookies: await browserOf(person) }), 422)
  })
})

describe('connecting from elsewhere', () => {
  const flow = '/auth/google/login?purpose=connect&scopes=mail&return_to=/mailboxes'

  it('asks first, by a link that repeats the request', async () => {
    const cookies = await browserOf(person)
    const text = await page(call(flow, { cookies, headers: { 'Sec-Fetch-Site': 'cross-site' } }))
    expect(text).toContain(`href="${flow.replaceAll('&', '&amp;')}"`)
    expect(text).toContain(person)
    const clicked = await call(flow, { cookies, headers: { 'Sec-Fetch-Site': 'same-origin' } })
    expect(clicked.status).toBe(302)
  })

  it('leads to signing in where the session has ended', async () => {
    const cookies = await browserOf(person)
    await query('UPDATE sessions SET revoked_at_utc = now()')
    expect(await page(call(flow, { cookies }), 401)).toContain('href="/sign-in?return_to=/mailboxes"')
  })
})

describe('/admin/keys', () => {
  const fields = { action: 'create', name: 'Billing', permissions: 'tokens:vend' }

  it('is for administrators', async () => {
    const cookies = await browserOf(person)
    await page(call('/admin/keys', { cookies }), 403)
    await page(send('/admin/keys', fields, { cookies }), 403)
    await page(send('/admin/keys', { ...fields, name: '' }, { cookies }), 403)
    await page(call(`/admin/keys/${unknownId}/revoke`, { cookies }), 403)
    expect(await count('api_keys')).toBe(0)
  })

  it('shows a new key once, with a call to try, and keeps its hash only', async () => {
    const cookies = await browserOf(admin)
    const id = await onlyMailboxId()
    const text = await page(send('/admin/keys', fields, { cookies }))
    const key = /<code id="new-key">(gp_[A-Za-z0-9_-]{43})<\/code>/.exec(text)?.[1] ?? ''
    expect(key).not.toBe('')
    expect(text).toContain(`curl -X POST ${appUrl}/api/v1/mail-accounts/${id}/access-token`)
    expect(text).toContain(`Authorization: Bearer ${key}`)
    const [stored] = await query<{ row: string; hash: string }>(
      'SELECT to_jsonb(k)::text AS row, key_hash_txt AS hash FROM api_keys k',
    )
    expect(stored?.row).not.toContain(key)
    expect(stored?.hash).toMatch(/^[A-Za-z0-9_-]{43}$/)
    const list = await page(call('/admin/keys', { cookies }))
    expect(list).toContain('Billing')
    expect(list).toContain(key.slice(0, 7))
    expect(list).not.toContain(key)
    const vended = await call(`/api/v1/mail-accounts/${id}/access-token`, { bearer: key, json: {} })
    expect(vended.status).toBe(200)
  })

  it('makes a key of narrow reach that expires at the end of its day', async () => {
    const cookies = await browserOf(admin)
    const [owner] = await query<{ id: string }>('SELECT user_id AS id FROM users')
    const narrow = { user_id: owner?.id ?? '', mail_account_ids: await onlyMailboxId(), expires_on: '2031-03-01' }
    await page(send('/admin/keys', { ...fields, ...narrow }, { cookies }))
    const where = 'user_id = $1 AND mail_account_ids = ARRAY[$2]::uuid[] AND expires_at_utc = $3'
    expect(await count('api_keys', where, [owner?.id, narrow.mail_account_ids, '2031-03-01T23:59:59Z'])).toBe(1)
    const list = await page(call('/admin/keys', { cookies }))
    expect(list).toContain('One mailbox of user')
  })

  const refused: [string, Record<string, string>, string][] = [
    ['an empty name', { name: '   ' }, 'Give the key a name'],
    ['a long name', { name: 'x'.repeat(101) }, 'Give the key a name'],
    ['an unknown permission', { permissions: 'everything' }, 'Tick at least one permission'],
    ['a user id that is none', { user_id: "1'; DROP" }, 'This is no user id'],
    ['an unknown user', { user_id: unknownId }, 'There is no user with this id'],
    ['mailbox ids that are none', { user_id: unknownId, mail_account_ids: 'a b' }, 'mailbox ids, one a line'],
    ['mailboxes of nobody', { mail_account_ids: unknownId }, 'Say whose mailboxes these are'],
    ['another’s mailbox', { user_id: unknownId, mail_account_ids: unknownId }, 'all be mailboxes of that user'],
    ['a day that has passed', { expires_on: '2020-01-01' }, 'This day has passed'],
    ['no date', { expires_on: '2031-02-30' }, 'This is no date'],
  ]

  it.each(refused)('says what is wrong with %s, and keeps what was typed', async (_, wrong, words) => {
    const cookies = await browserOf(admin)
    const text = await page(send('/admin/keys', { ...fields, name: 'Typed name', ...wrong }, { cookies }), 422)
    expect(text).toContain(words)
    expect(text).toContain('role="alert"')
    if (!('permissions' in wrong)) expect(text).toContain('aria-invalid="true"')
    if (!('name' in wrong)) expect(text).toContain('value="Typed name"')
    expect(await count('api_keys')).toBe(0)
  })

  it('escapes names, in the list and in the form', async () => {
    const cookies = await browserOf(admin)
    const name = '"><script>alert(1)</script>'
    const created = await page(send('/admin/keys', { ...fields, name }, { cookies }))
    expect(created).toContain('&lt;script&gt;')
    await page(call('/admin/keys', { cookies }))
    const [key] = await query<{ id: string }>('SELECT api_key_id AS id FROM api_keys')
    await page(call(`/admin/keys/${key?.id}/revoke`, { cookies }))
    const bad = { ...fields, name, user_id: name, mail_account_ids: '</textarea><script>alert(1)</script>' }
    await page(send('/admin/keys', bad, { cookies }), 422)
  })

  it('asks before revoking, and a second click is no error', async () => {
    const cookies = await browserOf(admin)
    await page(send('/admin/keys', fields, { cookies }))
    await page(send('/admin/keys', { ...fields, name: 'Other' }, { cookies }))
    const [key] = await query<{ id: string }>("SELECT api_key_id AS id FROM api_keys WHERE name_txt = 'Billing'")
    const id = key?.id ?? ''
    const question = await page(call(`/admin/keys/${id}/revoke`, { cookies }))
    expect(question).toContain('Billing')
    expect(question).not.toContain('Other')
    const revoke = { action: 'revoke', key_id: id }
    expect(await seeOther(send('/admin/keys', revoke, { cookies }))).toBe('/admin/keys?done=revoked')
    expect(await count('api_keys', "status_cd = 'revoked' AND api_key_id = $1", [id])).toBe(1)
    expect(await count('api_keys', "status_cd = 'active'")).toBe(1)
    expect(await seeOther(send('/admin/keys', revoke, { cookies }))).toBe('/admin/keys?done=gone')
    await page(call(`/admin/keys/${id}/revoke`, { cookies }), 404)
    await page(send('/admin/keys', { action: 'revoke', key_id: 'x' }, { cookies }), 404)
    expect(await page(call('/admin/keys?done=revoked', { cookies }))).toContain('Key revoked')
  })

  it('a person who is no administrator any more revokes nothing', async () => {
    const cookies = await browserOf(admin)
    await page(send('/admin/keys', fields, { cookies }))
    await query("UPDATE users SET role_cd = 'user'")
    const [key] = await query<{ id: string }>('SELECT api_key_id AS id FROM api_keys')
    await page(send('/admin/keys', { action: 'revoke', key_id: key?.id ?? '' }, { cookies }), 403)
    expect(await count('api_keys', "status_cd = 'active'")).toBe(1)
  })

  it('goes on where the list is longer than a page', async () => {
    const cookies = await browserOf(admin)
    await query(
      `INSERT INTO api_keys (name_txt, key_hash_txt, key_hint_txt, permissions_txt)
       SELECT 'many ' || n, 'hash ' || n, 'gp_many', ARRAY['tokens:vend'] FROM generate_series(1, 55) n`,
    )
    const first = await page(call('/admin/keys', { cookies }))
    const next = /href="(\/admin\/keys\?cursor=[^"]+)"/.exec(first)?.[1] ?? ''
    expect(first.match(/<article/g)).toHaveLength(50)
    expect((await page(call(next, { cookies }))).match(/<article/g)).toHaveLength(5)
  })
})

describe('database trips of a page', () => {
  it('signed out it asks the database nothing', async () => {
    await proxy.resetCounts()
    for (const path of ['/', '/sign-in', '/sign-out', '/docs', '/redoc']) await (await call(path)).text()
    expect((await proxy.counts()).statements).toBe(0)
  })
})
