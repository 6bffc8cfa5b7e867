// The pages of people, over HTTP, as somebody meets them who means harm or makes a mistake: old cookies, letters' links,
// forms from elsewhere, proofs of presence, and whether each refusal says what happened and leads on.
import { beforeEach, describe, expect, it } from 'vitest'
import { appUrl, type Cookies, call, count, gmail, google, json, refusal, signInBrowser } from '../support/app.ts'
import { emptyTables, query } from '../support/database.ts'
import { letterFor } from '../support/letters.ts'
import { goodPassword, newPasswordUser } from '../support/people.ts'

const ada = 'ada@example.com'
const otherPassword = 'a stapled battery of horses'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
})

interface FormOptions {
  cookies?: Cookies
  origin?: string | null
  bearer?: string
}

function send(path: string, fields: Record<string, string>, options: FormOptions = {}): Promise<Response> {
  const { origin = appUrl, cookies = new Map(), bearer } = options
  return call(path, {
    method: 'POST',
    body: new URLSearchParams(fields).toString(),
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      ...(origin === null ? {} : { Origin: origin }),
      ...(bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }),
    },
    cookies,
  })
}

function sendPicture(form: FormData | string, cookies: Cookies, type?: string): Promise<Response> {
  const headers = { Origin: appUrl, ...(type === undefined ? {} : { 'Content-Type': type }) }
  return call('/settings', { method: 'POST', body: form, headers, cookies })
}

async function seeOther(response: Response | Promise<Response>): Promise<string | null> {
  const answer = await response
  expect(answer.status, await answer.text()).toBe(303)
  return answer.headers.get('Location')
}

async function page(response: Response | Promise<Response>, status = 200): Promise<string> {
  const answer = await response
  const text = await answer.text()
  expect([answer.status, answer.headers.get('Content-Type')?.toLowerCase()], text).toEqual([
    status,
    'text/html; charset=utf-8',
  ])
  return text
}

/** What the notice or refusal of a page says, without markup. */
function alertOf(text: string): string {
  const [, words = ''] = /role="alert">(.*?)<\/div>/s.exec(text) ?? []
  return words
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

async function signInByPage(identifier: string, password = goodPassword, cookies: Cookies = new Map()) {
  expect(await seeOther(send('/sign-in', { action: 'sign_in', identifier, password }, { cookies }))).toBe('/mailboxes')
  return cookies
}

const live = (where = 'true') => count('sessions', `revoked_at_utc IS NULL AND ${where}`)
const stale = () => query(`UPDATE sessions SET authenticated_at_utc = now() - interval '1 hour'`)

describe('SE-11 a sign-in at our pages', () => {
  it('by password gives a new session, and ends the one that was shown', async () => {
    await newPasswordUser({ email: 'mallory@example.com' })
    await newPasswordUser({ email: ada })
    const planted = await signInByPage('mallory@example.com')
    const victim = new Map(planted)
    await signInByPage(ada, goodPassword, victim)
    expect(victim.get('session')).not.toBe(planted.get('session'))
    expect(await live()).toBe(1)
    expect(await seeOther(call('/settings', { cookies: planted }))).toBe('/sign-in?return_to=/settings')
    expect(await page(call('/settings', { cookies: victim }))).toContain(ada)
  })

  it('keeps no value that was planted as a cookie', async () => {
    await newPasswordUser({ email: ada })
    const cookies: Cookies = new Map([['session', '01890000-0000-7000-8000-000000000000.AAAA']])
    await signInByPage(ada, goodPassword, cookies)
    expect(cookies.get('session')).not.toContain('01890000-0000-7000-8000-000000000000')
  })

  it('refused, ends nothing and sets nothing', async () => {
    await newPasswordUser({ email: ada })
    const cookies = await signInByPage(ada)
    const before = new Map(cookies)
    await page(send('/sign-in', { action: 'sign_in', identifier: ada, password: 'wrong wrong' }, { cookies }), 401)
    expect(cookies).toEqual(before)
    expect(await live()).toBe(1)
  })

  it('by a registration’s letter ends the session that was shown, too', async () => {
    await newPasswordUser({ email: 'mallory@example.com' })
    const cookies = await signInByPage('mallory@example.com')
    const planted = new Map(cookies)
    expect(await seeOther(send('/register', { action: 'register', email: ada, password: goodPassword }))).toBe(
      '/verify-email',
    )
    const token = (await letterFor(ada, 'registration')).linkToken
    const location = await seeOther(
      send('/verify-email', { action: 'confirm', token, password: goodPassword }, { cookies }),
    )
    expect(location).toBe('/mailboxes')
    expect(cookies.get('session')).not.toBe(planted.get('session'))
    expect(await seeOther(call('/settings', { cookies: planted }))).toBe('/sign-in?return_to=/settings')
    expect(await live()).toBe(1)
  })
})

describe('SE-26 forms', () => {
  const forms: [string, Record<string, string>][] = [
    ['/sign-in', { action: 'sign_in', identifier: ada, password: goodPassword }],
    ['/register', { action: 'register', email: 'new@example.com', password: goodPassword }],
    ['/verify-email', { action: 'resend', email: ada }],
    ['/forgot-password', { action: 'request', email: ada }],
    ['/reset-password', { action: 'code', email: ada, otp: '123456', new_password: goodPassword }],
    ['/step-up', { action: 'password', password: goodPassword }],
    ['/settings', { action: 'profile', full_name: 'Mallory' }],
    ['/settings', { action: 'email', new_email: 'mallory@example.com' }],
    ['/settings/security', { action: 'password', current_password: goodPassword, new_password: otherPassword }],
    ['/settings/security', { action: 'end_all' }],
    ['/settings/delete', { action: 'delete' }],
  ]
  const foreign = [null, 'null', 'http://sub.localhost:8787', 'http://localhost:8787/', `${appUrl}, ${appUrl}`]

  it('of people are refused from elsewhere, set nothing and change nothing', async () => {
    await newPasswordUser({ email: ada })
    const cookies = await signInByPage(ada)
    const before = new Map(cookies)
    const state = () =>
      query(`SELECT xmin::text, (SELECT count(*)::int FROM letters) AS letters,
        (SELECT count(*)::int FROM one_time_codes) AS codes FROM users`)
    const unchanged = await state()
    for (const [path, fields] of forms) {
      for (const origin of foreign) {
        const text = await page(send(path, fields, { cookies, origin }), 403)
        expect(text).toContain('did not come from our own page')
      }
    }
    expect(cookies).toEqual(before)
    expect(await state()).toEqual(unchanged)
    expect(await live()).toBe(1)
  })

  it('of people act for the cookie’s person, whatever Bearer is beside it; JSON for the Bearer’s', async () => {
    await newPasswordUser({ email: ada })
    await newPasswordUser({ email: 'bob@example.com' })
    const cookies = await signInByPage(ada)
    const { access_token: bearer } = await json<{ access_token: string }>(
      call('/auth/login', { json: { email: 'bob@example.com', password: goodPassword } }),
    )
    await seeOther(send('/settings', { action: 'profile', full_name: 'Ada', username: '' }, { cookies, bearer }))
    expect(await count('users', `full_name_txt = 'Ada' AND email_address_txt = '${ada}'`)).toBe(1)
    expect(await json(call('/auth/me', { cookies, bearer }))).toMatchObject({ email: 'bob@example.com' })
    expect(await refusal(call('/auth/me', { cookies }))).toEqual([401, 'unauthorized'])
  })

  it('without a session lead to the sign-in page, and change nothing', async () => {
    for (const [path, fields] of forms.slice(5))
      expect(await seeOther(send(path, fields))).toBe(`/sign-in?return_to=${path}`)
  })

  it('with an action that is none of the page’s are refused', async () => {
    await newPasswordUser({ email: ada })
    const cookies = await signInByPage(ada)
    for (const path of ['/verify-email', '/settings', '/settings/security'])
      for (const action of ['', 'nonsense', '__proto__', 'constructor'])
        await page(send(path, { action, email: ada }, { cookies }), 422)
    expect(await count('letters')).toBe(0)
  })

  it('with a picture refuse what is none, in words about pictures', async () => {
    await newPasswordUser({ email: ada })
    const cookies = await signInByPage(ada)
    const withFile = (bytes: Uint8Array<ArrayBuffer>, action = 'picture', name = 'avatar') => {
      const form = new FormData()
      form.set('action', action)
      form.set(name, new File([bytes], '../../x.png', { type: 'image/png' }))
      return form
    }
    const tooLarge = alertOf(await page(sendPicture(withFile(new Uint8Array(2_200_000)), cookies), 413))
    expect(tooLarge).toContain('2 MB')
    expect(alertOf(await page(sendPicture(withFile(new Uint8Array(2_097_153)), cookies), 413))).toBe(tooLarge)
    for (const form of [
      withFile(new Uint8Array(10)),
      withFile(new Uint8Array(0)),
      withFile(new Uint8Array(9), 'picture', 'x'),
    ])
      expect(alertOf(await page(sendPicture(form, cookies), 422))).toContain('PNG, JPEG or WebP')
    for (const action of ['profile', 'email', 'remove_picture', 'nonsense'])
      await page(sendPicture(withFile(new Uint8Array(10), action), cookies), 422)
    const asText = new FormData()
    asText.set('action', 'picture')
    asText.set('avatar', '<svg onload=alert(1)>')
    expect(alertOf(await page(sendPicture(asText, cookies), 422))).not.toContain('svg')
    for (const type of ['multipart/form-data', 'multipart/form-data; boundary=', 'multipart/form-data; boundary=x'])
      await page(sendPicture('no parts at all', cookies, type), 400)
    const part = '--x\r\nContent-Disposition: form-data; name="action"\r\n\r\npicture\r\n'
    await page(sendPicture(`${part.repeat(20_000)}--x--\r\n`, cookies, 'multipart/form-data; boundary=x'), 422)
    expect(await count('users', 'avatar_id IS NOT NULL')).toBe(0)
  })

  it('with odd fields are refused in words, never with 500', async () => {
    await newPasswordUser({ email: ada })
    const cookies = await signInByPage(ada)
    const long = 'x'.repeat(50_000)
    const odd: [string, Record<string, string>][] = [
      ['/sign-in', { action: 'sign_in', identifier: long, password: 'x' }],
      ['/sign-in', { action: 'sign_in', identifier: ada, password: long }],
      ['/sign-in', {}],
      ['/register', { action: 'register', email: long, password: goodPassword }],
      ['/register', { action: 'register', email: 'b@example.com', password: goodPassword, full_name: long }],
      ['/register', { action: 'register', email: 'b@example.com', password: goodPassword, username: long }],
      ['/verify-email', { action: 'confirm', token: long, password: 'x' }],
      ['/verify-email', { action: 'change', token: long }],
      ['/verify-email', { action: 'resend', email: 'not an address' }],
      ['/forgot-password', { action: 'request', email: '\r\nBcc: x@x.io' }],
      ['/reset-password', { action: 'link', token: long, new_password: goodPassword }],
      ['/reset-password', { action: 'code', email: ada, otp: long, new_password: goodPassword }],
      ['/reset-password', {}],
      ['/step-up', { action: 'password', password: long }],
      ['/settings', { action: 'profile', full_name: `a\u0007b`, username: 'A B' }],
      ['/settings', { action: 'email', new_email: long }],
      ['/settings/security', { action: 'password', current_password: 'x', new_password: long }],
    ]
    for (const [path, fields] of odd) {
      const text = await page(
        send(path, fields, { cookies }).then((answer) => {
          expect([400, 401, 422], `${path} ${JSON.stringify(fields).slice(0, 80)} ${answer.status}`).toContain(
            answer.status,
          )
          return new Response(answer.body, { status: 200, headers: answer.headers })
        }),
      )
      expect(text).toMatch(/role="alert"|does not work/)
    }
    expect(await live()).toBe(1)
  })
})

describe('OT-13 letters’ links', () => {
  it('change nothing when opened or asked for, with or without their letter’s session', async () => {
    await newPasswordUser({ email: ada })
    const cookies = await signInByPage(ada)
    await send('/register', { action: 'register', email: 'new@example.com', password: goodPassword })
    await send('/forgot-password', { action: 'request', email: ada })
    await send('/settings', { action: 'email', new_email: 'ada.new@example.com' }, { cookies })
    const links = [
      `/verify-email?token=${(await letterFor('new@example.com', 'registration')).linkToken}`,
      `/reset-password?token=${(await letterFor(ada, 'password_reset')).linkToken}`,
      `/verify-email?token=${(await letterFor('ada.new@example.com', 'email_change')).linkToken}`,
    ]
    const state = () => query(`SELECT xmin::text FROM one_time_codes ORDER BY 1`)
    const before = await state()
    expect(before).toHaveLength(3)
    for (const link of links)
      for (const method of ['HEAD', 'GET'])
        for (const jar of [new Map(), cookies]) {
          const answer = await call(link, { method, cookies: jar })
          expect([200, 303]).toContain(answer.status)
          // The token stays here: no other origin learns it from a Referer, and no cache keeps it.
          expect(answer.headers.get('Referrer-Policy')).toBe('same-origin')
          expect(answer.headers.get('Cache-Control')).toBe('no-store')
          const text = await answer.text()
          expect(text).not.toMatch(/(src|href)="(https?:)?\/\//)
        }
    expect(await state()).toEqual(before)
    expect(await count('users')).toBe(1)
  })

  it('a change of address opened where the session has ended leads to signing in, and back to the link', async () => {
    await newPasswordUser({ email: ada })
    const cookies = await signInByPage(ada)
    await send('/settings', { action: 'email', new_email: 'ada.new@example.com' }, { cookies })
    const { linkToken } = await letterFor('ada.new@example.com', 'email_change')
    await query('UPDATE sessions SET revoked_at_utc = now()')
    const link = `/verify-email?token=${linkToken}`
    const onward = `/sign-in?return_to=${encodeURIComponent(link).replaceAll('%2F', '/')}`
    expect(await seeOther(call(link, { cookies }))).toBe(onward)
    expect(await seeOther(call(link))).toBe(onward)
  })

  it('that are spent say so, and lead on', async () => {
    await send('/register', { action: 'register', email: ada, password: goodPassword })
    const { linkToken: token } = await letterFor(ada, 'registration')
    const confirm = () => send('/verify-email', { action: 'confirm', token, password: goodPassword })
    expect(await seeOther(confirm())).toBe('/mailboxes')
    const text = await page(confirm(), 400)
    expect(text).toContain('href="/sign-in"')
    expect(text).toContain('href="/verify-email"')
    const cookies = await signInByPage(ada)
    await send('/settings', { action: 'email', new_email: 'ada.new@example.com' }, { cookies })
    const change = (await letterFor('ada.new@example.com', 'email_change')).linkToken
    const confirmChange = () => send('/verify-email', { action: 'change', token: change }, { cookies })
    expect(await seeOther(confirmChange())).toBe('/settings?done=email_changed')
    expect(await page(confirmChange(), 400)).toContain('href="/settings"')
  })
})

describe('a proof of presence', () => {
  it('at a provider asks for who it is and nothing more, names the account to choose, and connects no mailbox', async () => {
    await google.addUser({ email: 'ada@gmail.com', name: 'Ada' })
    const cookies = await signInBrowser('ada@gmail.com', new Map(), { query: { scopes: 'identity' } })
    await stale()
    const text = await page(call('/step-up?return_to=/settings/delete', { cookies }))
    expect(text).toMatch(/Confirm with Google[\s\S]*ada@gmail\.com/)
    const [, href = ''] = /href="(\/auth\/google\/login[^"]*)"/.exec(text) ?? []
    const login = await call(href.replaceAll('&amp;', '&'), { cookies })
    const url = login.headers.get('Location') ?? ''
    expect(new URL(url).searchParams.get('scope')).not.toContain(gmail.read)
    const back = await google.redirect({ url, email: 'ada@gmail.com', grant: 'all' })
    const landed = await call(`${back.pathname}${back.search}`, { cookies })
    expect(landed.headers.get('Location')).toBe('/settings/delete')
    expect(await count('user_mail_accounts')).toBe(0)
    expect(await live()).toBe(1)
    expect(await seeOther(send('/settings/delete', { action: 'delete' }, { cookies }))).toBe(
      '/sign-in?done=account_deleted',
    )
  })

  it('at a provider leaves a connected mailbox as it is', async () => {
    await google.addUser({ email: 'ada@gmail.com', name: 'Ada' })
    const cookies = await signInBrowser('ada@gmail.com')
    const vault = () => query('SELECT xmin::text, * FROM oauth_tokens')
    const before = await vault()
    expect(before).toHaveLength(1)
    await signInBrowser('ada@gmail.com', cookies, { query: { return_to: '/settings/delete', scopes: 'identity' } })
    expect(await vault()).toEqual(before)
    expect(await count('erasures')).toBe(0)
    expect(await live()).toBe(1)
  })

  it('of another account at the provider proves nothing for this one', async () => {
    for (const email of ['ada@gmail.com', 'bob@gmail.com']) await google.addUser({ email, name: email })
    await signInBrowser('bob@gmail.com')
    const cookies = await signInBrowser('ada@gmail.com')
    await stale()
    const planted = new Map(cookies)
    await signInBrowser('bob@gmail.com', cookies, { query: { return_to: '/settings/delete', scopes: 'identity' } })
    // The session is Bob's now, and the page says so before it asks; Ada's ended, unproven.
    expect(await page(call('/settings/delete', { cookies }))).toContain('bob@gmail.com')
    expect(await seeOther(call('/settings/delete', { cookies: planted }))).toBe('/sign-in?return_to=/settings/delete')
  })

  it('that is missing leads to it and back, and its wrong password is said in words', async () => {
    await newPasswordUser({ email: ada })
    const cookies = await signInByPage(ada)
    await stale()
    const needing: [string, Record<string, string>][] = [
      ['/settings', { action: 'email', new_email: 'ada.new@example.com' }],
      ['/settings/delete', { action: 'delete' }],
    ]
    for (const [path, fields] of needing)
      expect(await seeOther(send(path, fields, { cookies }))).toBe(`/step-up?return_to=${path}`)
    const wrong = await page(send('/step-up', { action: 'password', password: 'wrong wrong' }, { cookies }), 401)
    expect(alertOf(wrong)).not.toContain('name or address')
    expect(wrong).toMatch(/aria-invalid="true"/)
    const proven = { action: 'password', password: goodPassword, return_to: '/settings/delete' }
    expect(await seeOther(send('/step-up', proven, { cookies }))).toBe('/settings/delete')
    await stale()
    for (const return_to of [
      '//evil.test',
      'https://evil.test',
      '/\\evil.test',
      '/auth/google/login',
      '/%09/evil.test\n',
    ])
      expect(await seeOther(send('/step-up', { ...proven, return_to }, { cookies }))).toBe('/settings/security')
  })
})

describe('refusals', () => {
  it('at the sign-in form come from no blank that a keyboard put behind the name', async () => {
    await newPasswordUser({ email: ada })
    await signInByPage(` ${ada} `)
  })

  it('at the sign-in form send nobody elsewhere', async () => {
    await newPasswordUser({ email: ada })
    const fields = { action: 'sign_in', identifier: ada, password: goodPassword }
    for (const return_to of [
      '//evil.test',
      'https://evil.test',
      '/\\evil.test',
      '/auth/google/login',
      '/./auth/x',
      'javascript:1',
    ])
      expect(await seeOther(send('/sign-in', { ...fields, return_to }))).toBe('/mailboxes')
    expect(await seeOther(send('/sign-in', { ...fields, return_to: '/settings?done=x' }))).toBe('/settings?done=x')
  })

  it('of a lock carry Retry-After, say how long, and lead to the way in', async () => {
    await newPasswordUser({ email: ada })
    const fields = { action: 'sign_in', identifier: ada, password: 'wrong wrong' }
    for (let n = 0; n < 5; n += 1) await page(send('/sign-in', fields), 401)
    const answer = await send('/sign-in', { ...fields, password: goodPassword })
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(1_700)
    const text = await page(answer, 429)
    expect(alertOf(text)).toMatch(/30 minutes/)
    expect(text).toContain('href="/forgot-password"')
  })

  it('of a wrong current password say that, beside its field', async () => {
    await newPasswordUser({ email: ada })
    const cookies = await signInByPage(ada)
    const fields = { action: 'password', current_password: 'wrong wrong', new_password: otherPassword }
    const text = await page(send('/settings/security', fields, { cookies }), 401)
    expect(alertOf(text)).toContain('current password')
    expect(alertOf(text)).not.toContain('name or address')
    expect(text).toMatch(/name="current_password"[^>]*aria-invalid="true"/)
  })

  it.each([
    ['identity_in_use', '/settings/security'],
    ['step_up_required', '/step-up?return_to=/settings/security'],
  ])('of linking (%s) lead from the mailboxes to where linking is', async (code, path) => {
    await newPasswordUser({ email: ada })
    const text = await page(call(`/mailboxes?error=${code}`, { cookies: await signInByPage(ada) }))
    const [, notice = ''] = /role="alert">(.*?)<\/div>/s.exec(text) ?? []
    expect(notice).toContain(`href="${path}"`)
  })

  it('reflect nothing of ?error= and ?done=', async () => {
    await newPasswordUser({ email: ada })
    const cookies = await signInByPage(ada)
    for (const path of ['/sign-in', '/settings', '/settings/security', '/mailboxes', '/verify-email', '/step-up'])
      for (const value of ['marked-value', '__proto__', 'constructor', '<svg onload=marked-value>']) {
        const text = await page(
          call(`${path}?error=${encodeURIComponent(value)}&done=${encodeURIComponent(value)}`, { cookies }),
        )
        expect(text).not.toContain('marked-value')
        expect(text).not.toMatch(/class="notice/)
      }
  })

  it('HEAD answers a page as GET does, without a body', async () => {
    await newPasswordUser({ email: ada })
    const cookies = await signInByPage(ada)
    for (const path of [
      '/',
      '/sign-in',
      '/register',
      '/verify-email',
      '/forgot-password',
      '/reset-password',
      '/step-up',
      '/settings',
      '/settings/security',
      '/settings/delete',
      '/mailboxes',
      '/sign-out',
    ])
      for (const jar of [new Map(), cookies]) {
        const [head, get] = await Promise.all([
          call(path, { method: 'HEAD', cookies: jar }),
          call(path, { cookies: jar }),
        ])
        expect([path, head.status, head.headers.get('Location')]).toEqual([
          path,
          get.status,
          get.headers.get('Location'),
        ])
        expect(await head.text()).toBe('')
      }
    expect(await live()).toBe(1)
  })
})
