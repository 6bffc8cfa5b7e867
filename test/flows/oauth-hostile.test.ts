// Group OA of SECURITY.md up to the exchange: what a browser, a front end, a stranger or Google itself may do wrong, and
// what must then not exist. Rows and provider calls are counted in each case.
import { beforeEach, describe, expect, it } from 'vitest'
import {
  appUrl,
  type Cookies,
  call,
  clientId,
  count,
  dance,
  frontEnd,
  gmail,
  google,
  json,
  land,
  newKey,
  newPerson,
  onlyMailbox,
  refusal,
  signIn,
  signInBrowser,
  workerEnv,
} from '../support/app.ts'
import { emptyTables, proxy, query, testAddresses } from '../support/database.ts'
import {
  begin,
  beginBrowser,
  changeFlowRecord,
  comeBack,
  consent,
  consentAnew,
  cookieLives,
  flowRecord,
  hashOf,
  keyCache,
  noRows,
  outcome,
  rows,
} from '../support/flows.ts'
import type { GoogleFault } from '../support/google.ts'

const exchanges = () => google.count('POST /token authorization_code')
const bindings = workerEnv() as unknown as { OAUTH_STATE: KVNamespace }

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await proxy.setDelay(0)
})

describe('beginning a flow', () => {
  it('TV-01 asks for exactly five scopes offline, no prompt, nothing granted before', async () => {
    const { url } = await begin()
    expect([...new Set(url.searchParams.get('scope')?.split(' '))].sort()).toEqual(
      ['openid', 'email', 'profile', gmail.read, gmail.send].sort(),
    )
    expect(url.searchParams.get('access_type')).toBe('offline')
    expect(url.searchParams.has('prompt')).toBe(false)
    expect(url.searchParams.has('include_granted_scopes')).toBe(false)
    expect(url.searchParams.get('response_type')).toBe('code')
    const identity = (await begin({ scopes: 'identity' })).url.searchParams
    expect(identity.get('scope')?.split(' ').sort()).toEqual(['email', 'openid', 'profile'])
    expect(identity.get('access_type')).not.toBe('offline')
    expect(identity.has('prompt')).toBe(false)
  })

  it('OA-08 PKCE S256, state and nonce are fresh for each flow; the verifier is nowhere in the address', async () => {
    const flows = await Promise.all(Array.from({ length: 5 }, () => begin()))
    for (const name of ['state', 'nonce', 'code_challenge']) {
      expect(new Set(flows.map(({ url }) => url.searchParams.get(name))).size).toBe(5)
    }
    for (const { url, state } of flows) {
      const record = await flowRecord(state)
      const verifier = String(record?.codeVerifier)
      expect(verifier).toMatch(/^[A-Za-z0-9._~-]{43,128}$/)
      expect(url.searchParams.get('code_challenge_method')).toBe('S256')
      expect(url.searchParams.get('code_challenge')).toBe(await hashOf(verifier))
      expect(url.href).not.toContain(verifier)
      // The state itself is not stored, only its hash as the key.
      expect(JSON.stringify(record)).not.toContain(state)
    }
  })

  it('OA-08 the exchange carries the verifier of its flow; a wrong one gains nothing', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const good = await begin()
    expect(await outcome(comeBack(await consent(good, { email: 'ada@gmail.com' })))).toBe('302 state')
    const { log } = await google.calls()
    expect(log.filter(({ path }) => path === '/token')).toMatchObject([
      { has_code_verifier: true, redirect_uri: `${appUrl}/auth/google/callback`, basic: false },
    ])
    await emptyTables()
    await google.resetCalls()
    const bad = await begin()
    await changeFlowRecord(bad.state, { codeVerifier: 'x'.repeat(43) })
    expect(await outcome(comeBack(await consent(bad, { email: 'ada@gmail.com' })))).toBe('302 provider_refused')
    expect(await rows()).toEqual(noRows)
    expect(await exchanges()).toBe(1)
  })

  it('OA-31 the redirect URI is the configured one, whatever is asked for or called', async () => {
    const configured = `${appUrl}/auth/google/callback`
    const asked = await begin({ redirect_uri: 'https://evil.test/', callback: 'https://evil.test/' })
    expect(asked.url.searchParams.get('redirect_uri')).toBe(configured)
    const answer = await call('http://evil.test/api/v1/oauth/google/initiate', {
      headers: { 'X-Forwarded-Host': 'evil.test', Forwarded: 'host=evil.test', Origin: 'https://evil.test' },
    })
    const { url } = await json<{ url: string }>(answer)
    expect(new URL(url).searchParams.get('redirect_uri')).toBe(configured)
    expect(url).not.toContain('evil')
  })

  const hostileReturns = [
    '//evil.test',
    'https:evil.test',
    'https://app.test@evil.test',
    'https://app.test.evil.test',
    '/\\evil.test',
    '\\/evil.test',
    '/\t/evil.test',
    '/\n/evil.test',
    ' /mailboxes',
    'javascript:alert(1)',
    'data:text/html,x',
    '%2F%2Fevil.test',
    'https://app.test%00.evil.test',
    'http://localhost:8787.evil.test/mailboxes',
    'http://localhost:8787@evil.test/',
    'http://localhost:8787/mailboxes',
    'http://localhost:3000',
    'http://localhost:3000/callback/',
    'http://localhost:3000/callback?x=1',
    'http://localhost:3000/callback#x',
    'http://localhost:3000/Callback',
    'http://localhost:3000/callback/../other2',
    'https://localhost:3000/callback',
    'http://LOCALHOST:3000/callback',
    'http://localhost:3000/evil',
    '/auth/google/login',
    '/api/v1/auth/google/login?purpose=connect',
    '/x/../oauth/google/initiate',
    '',
  ]

  it.each(hostileReturns)('OA-13 return_to %j is 400 for login, start and reconnect', async (returnTo) => {
    const escaped = encodeURIComponent(returnTo)
    const login = await call(`/auth/google/login?return_to=${escaped}`)
    expect([login.status, login.headers.get('Location')]).toEqual([400, null])
    await login.body?.cancel()
    expect(await refusal(call(`/auth/google/start?return_to=${escaped}`))).toEqual([400, 'invalid_return_to'])
  })

  it('OA-13 reconnect refuses the same; what is listed passes, whole', async () => {
    const { access_token } = await newPerson('ada@gmail.com')
    const { id } = await onlyMailbox(access_token)
    for (const return_to of hostileReturns) {
      const answer = call(`/api/v1/mail-accounts/${id}/reconnect`, { bearer: access_token, json: { return_to } })
      expect([return_to, ...(await refusal(answer))]).toEqual([return_to, 400, 'invalid_return_to'])
    }
    for (const return_to of [frontEnd, 'http://localhost:3000/other']) {
      await json(call(`/api/v1/mail-accounts/${id}/reconnect`, { bearer: access_token, json: { return_to } }))
      await begin({ return_to })
    }
    const landed = await land(await dance('ada@gmail.com', { query: { return_to: 'http://localhost:3000/other' } }))
    expect(`${landed.origin}${landed.pathname}`).toBe('http://localhost:3000/other')
  })

  it('OA-13 odd paths of our own stay on our own origin', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    for (const path of ['/%09/evil.test', '/..//evil.test', '/.//evil.test', '/mailboxes?next=//evil.test']) {
      const cookies: Cookies = new Map()
      const begun = await beginBrowser(cookies, { return_to: path })
      const answer = await comeBack(await consent(begun, { email: 'ada@gmail.com' }), { cookies })
      expect(answer.status).toBe(302)
      expect(new URL(answer.headers.get('Location') ?? 'x:', appUrl).origin).toBe(appUrl)
    }
  })

  it('start never ends on our own origin; a connecting flow with a cookie ends nowhere else', async () => {
    expect(await refusal(call('/auth/google/start?return_to=/mailboxes'))).toEqual([400, 'invalid_return_to'])
    const withoutFrontEnd = workerEnv({ FRONTEND_CALLBACK_URL: '' })
    expect(await refusal(call('/auth/google/start', { env: withoutFrontEnd }))).toEqual([400, 'invalid_return_to'])
    await google.addUser({ email: 'ada@gmail.com' })
    const cookies = await signInBrowser('ada@gmail.com')
    const login = (returnTo: string) =>
      call(`/auth/google/login?purpose=connect&return_to=${encodeURIComponent(returnTo)}`, {
        cookies,
        headers: { 'Sec-Fetch-Site': 'same-origin' },
      })
    expect((await login(frontEnd)).status).toBe(400)
    expect((await login('/mailboxes')).status).toBe(302)
    // With no front end configured, a browser's sign-in ends on our own page.
    const jar: Cookies = new Map()
    const begun = await beginBrowser(jar, {}, { env: withoutFrontEnd })
    const callback = await consent(begun, { email: 'ada@gmail.com' })
    expect(await outcome(comeBack(callback, { cookies: jar, env: withoutFrontEnd }))).toBe('302 /mailboxes')
  })

  it('HANDOFF_CHALLENGE=required refuses a hand-off without one, and leaves our own pages alone', async () => {
    const env = workerEnv({ HANDOFF_CHALLENGE: 'required' })
    expect(await refusal(call('/auth/google/start', { env }))).toEqual([422, 'invalid_input'])
    const code_challenge = await hashOf('v'.repeat(43))
    await begin({ code_challenge }, { env })
    expect((await call('/auth/google/login', { env })).status).toBe(422)
    expect((await call('/auth/google/login?return_to=/mailboxes', { env })).status).toBe(302)
    const { access_token } = await newPerson('ada@gmail.com')
    const { id } = await onlyMailbox(access_token)
    const reconnect = (body: object) =>
      call(`/api/v1/mail-accounts/${id}/reconnect`, { bearer: access_token, json: body, env })
    expect((await reconnect({})).status).toBe(422)
    expect((await reconnect({ code_challenge })).status).toBe(200)
  })

  it('a connecting flow needs a live session of its own kind: cookie for login, Bearer for start', async () => {
    expect(await refusal(call('/auth/google/start?purpose=connect'))).toEqual([401, 'unauthorized'])
    expect((await call('/auth/google/login?purpose=connect')).status).toBe(401)
    const { access_token, refresh_token } = await newPerson('ada@gmail.com')
    const cookies = await signInBrowser('ada@gmail.com')
    expect(await refusal(call('/auth/google/start?purpose=connect', { cookies: new Map(cookies) }))).toEqual([
      401,
      'unauthorized',
    ])
    expect((await call('/auth/google/login?purpose=connect', { bearer: access_token })).status).toBe(401)
    const { key } = await newKey((await newPerson('admin@gmail.com')).access_token)
    expect(await refusal(call('/auth/google/start?purpose=connect', { bearer: key }))).toEqual([403, 'forbidden'])
    await call('/auth/logout', { json: { refresh_token } })
    expect(await refusal(call('/auth/google/start?purpose=connect', { bearer: access_token }))).toEqual([
      401,
      'unauthorized',
    ])
  })

  it('a connecting login from another site shows a page first and begins nothing', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const cookies = await signInBrowser('ada@gmail.com')
    for (const site of ['cross-site', 'same-site', 'none', undefined]) {
      const jar = new Map(cookies)
      const answer = await call('/auth/google/login?purpose=connect&scopes=mail', {
        cookies: jar,
        headers: site === undefined ? {} : { 'Sec-Fetch-Site': site },
      })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('Content-Type')).toContain('text/html')
      expect([...jar.keys()]).toEqual(['session'])
      expect(answer.headers.get('Content-Security-Policy')).toContain("frame-ancestors 'none'")
      await answer.body?.cancel()
    }
  })

  it('login with mail_account_id reconnects that mailbox: own only, consent forced, always with mail', async () => {
    const ada = await newPerson('ada@gmail.com')
    const bob = await newPerson('bob@gmail.com')
    const cookies = await signInBrowser('ada@gmail.com')
    const { id } = await onlyMailbox(ada.access_token)
    const foreign = await onlyMailbox(bob.access_token)
    const headers = { 'Sec-Fetch-Site': 'same-origin' }
    const other = await call(`/auth/google/login?mail_account_id=${foreign.id}`, { cookies, headers })
    expect(other.status).toBe(404)
    for (const extra of ['', '&scopes=mail', '&scopes=identity']) {
      const answer = await call(`/auth/google/login?mail_account_id=${id}${extra}`, {
        cookies: new Map(cookies),
        headers,
      })
      const { searchParams } = new URL(answer.headers.get('Location') ?? '')
      expect([searchParams.get('prompt'), searchParams.get('login_hint')]).toEqual(['consent', 'ada@gmail.com'])
      expect(searchParams.get('scope')).toContain(gmail.read)
      expect(searchParams.get('access_type')).toBe('offline')
    }
  })
})

describe('the flow and its browser', () => {
  it('OA-01 no state, an empty, a foreign or a spent one: 400, nobody asked, nothing made', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const callback = await dance('ada@gmail.com')
    const code = callback.searchParams.get('code') ?? ''
    for (const path of [
      '/auth/google/callback',
      `/auth/google/callback?code=${encodeURIComponent(code)}`,
      `/auth/google/callback?code=${encodeURIComponent(code)}&state=`,
      `/auth/google/callback?code=${encodeURIComponent(code)}&state=${'a'.repeat(43)}`,
      `/auth/google/callback?state=${callback.searchParams.get('state')}`,
      `/auth/google/callback?state=${callback.searchParams.get('state')}&code=x&error=access_denied`,
      `/oauth/google/callback?code=${encodeURIComponent(code)}`,
    ]) {
      const answer = await call(path)
      expect([path, answer.status]).toEqual([path, 400])
      expect(answer.headers.get('Content-Type')).toContain('text/html')
      expect(answer.headers.getSetCookie()).toEqual([])
      await answer.body?.cancel()
    }
    expect(await exchanges()).toBe(0)
    expect(await rows()).toEqual(noRows)
    // None of it spent the flow.
    expect(await outcome(comeBack(callback))).toBe('302 state')
  })

  it('OA-01 a login flow without its cookie, or with a foreign one, is 400; its own browser can still finish', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const victim: Cookies = new Map()
    const begun = await beginBrowser(victim, { return_to: '/mailboxes' })
    const [name = ''] = [...victim.keys()]
    const attacker: Cookies = new Map()
    await beginBrowser(attacker, { return_to: '/mailboxes' })
    const [foreign = ''] = [...attacker.values()]
    const callback = await consent(begun, { email: 'ada@gmail.com' })
    const jars: Cookies[] = [new Map(), attacker, new Map([[name, foreign]]), new Map([[name, '']])]
    for (const cookies of jars) {
      const answer = await comeBack(callback, { cookies: new Map(cookies) })
      expect(answer.status).toBe(400)
      expect(answer.headers.getSetCookie()).toEqual([])
      await answer.body?.cancel()
    }
    expect(await exchanges()).toBe(0)
    expect(await rows()).toEqual(noRows)
    expect(await outcome(comeBack(callback, { cookies: victim }))).toBe('302 /mailboxes')
    expect([...victim.keys()]).toEqual(['session'])
  })

  it('two tabs of one browser each finish their own flow', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const cookies: Cookies = new Map()
    const first = await beginBrowser(cookies, { return_to: '/mailboxes?tab=1' })
    const second = await beginBrowser(cookies, { return_to: '/mailboxes?tab=2' })
    expect(cookies.size).toBe(2)
    for (const begun of [second, first]) {
      const answer = comeBack(await consent(begun, { email: 'ada@gmail.com' }), { cookies })
      expect(await outcome(answer)).toBe('302 /mailboxes')
    }
    expect([...cookies.keys()]).toEqual(['session'])
  })

  it('a flow begun by start never gives a cookie session, whoever comes back', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const cookies = await signInBrowser('ada@gmail.com')
    const answer = await comeBack(await dance('ada@gmail.com'), { cookies: new Map(cookies) })
    expect(answer.headers.getSetCookie().filter((line) => line.includes('session='))).toEqual([])
    expect(await outcome(answer)).toBe('302 state')
    // The cookie did not count there: its session stands.
    expect(await cookieLives(cookies)).toBe(true)
  })

  it('OA-03 KV that has not heard of the flow yet, or fails: begin again, nothing half-made', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const callback = await dance('ada@gmail.com')
    let misses = 3
    const late = {
      get: (key: string) => (misses-- > 0 ? Promise.resolve(null) : bindings.OAUTH_STATE.get(key)),
      put: bindings.OAUTH_STATE.put.bind(bindings.OAUTH_STATE),
      delete: () => Promise.reject(new Error('KV 500')),
    }
    const env = workerEnv({ OAUTH_STATE: late })
    for (let miss = 0; miss < 3; miss += 1) expect((await comeBack(callback, { env })).status).toBe(400)
    const broken = { get: () => Promise.reject(new Error('KV 500')), put: late.put, delete: late.delete }
    expect((await comeBack(callback, { env: workerEnv({ OAUTH_STATE: broken }) })).status).toBe(400)
    expect(await exchanges()).toBe(0)
    expect(await rows()).toEqual(noRows)
    // The fourth read finds it, and a delete that fails does not matter.
    expect(await outcome(comeBack(callback, { env }))).toBe('302 state')
    expect(await outcome(comeBack(callback, { env }))).toBe('400')
  })

  it('OA-03 KV that cannot be written: 503 with Retry-After, not a bug', async () => {
    const refusing = { ...bindings.OAUTH_STATE, put: () => Promise.reject(new Error('KV 500')) }
    const answer = await call('/auth/google/start', { env: workerEnv({ OAUTH_STATE: refusing }) })
    expect(answer.headers.get('Retry-After')).not.toBeNull()
    expect(await refusal(answer)).toEqual([503, 'unavailable'])
  })

  it.each([
    ['verifier missing', { codeVerifier: undefined }],
    ['nonce missing', { nonce: undefined }],
    ['expired by its own clock', { expiresAt: Date.now() - 1 }],
    ['of another version', { version: 2 }],
    ['of another provider', { provider: 'github' }],
  ])('OA-09 a flow record %s is no flow: 400, no exchange', async (_, change) => {
    await google.addUser({ email: 'ada@gmail.com' })
    const begun = await begin()
    const callback = await consent(begun, { email: 'ada@gmail.com' })
    await changeFlowRecord(begun.state, change)
    expect(await outcome(comeBack(callback))).toBe('400')
    expect(await exchanges()).toBe(0)
    expect(await rows()).toEqual(noRows)
  })

  it('OA-09 a flow record that is not JSON is no flow either', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const begun = await begin()
    const callback = await consent(begun, { email: 'ada@gmail.com' })
    await bindings.OAUTH_STATE.put(`flow:${await hashOf(begun.state)}`, '{"version":1,')
    expect(await outcome(comeBack(callback))).toBe('400')
    expect(await exchanges()).toBe(0)
  })

  it("OA-10 the attacker's code with the victim's state: refused by the verifier, asked once, no rows", async () => {
    await google.addUser({ email: 'mallory@gmail.com' })
    const injected = (await dance('mallory@gmail.com')).searchParams.get('code') ?? ''
    const cookies: Cookies = new Map()
    const victim = await beginBrowser(cookies, { return_to: '/mailboxes' })
    const callback = new URL(`${appUrl}/auth/google/callback`)
    callback.search = new URLSearchParams({ code: injected, state: victim.state }).toString()
    const answer = await comeBack(callback, { cookies })
    expect(answer.headers.get('Location')).toBe('/sign-in?error=provider_refused')
    expect(cookies.size).toBe(0)
    expect(await exchanges()).toBe(1)
    expect(await rows()).toEqual(noRows)
    expect(await google.grants()).toEqual([])
  })

  it('OA-11 Cancel goes back with access_denied and spends the flow; other errors in our words only', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const begun = await begin()
    const cancelled = await google.redirect({ url: begun.url, email: 'ada@gmail.com', cancel: true })
    const answer = await comeBack(cancelled)
    expect(answer.headers.get('Location')).toBe(`${frontEnd}?error=access_denied`)
    expect((await comeBack(cancelled)).status).toBe(400)
    const hostile = await begin()
    const words = encodeURIComponent('<img src=x onerror=alert(1)>')
    const refused = await call(
      `/auth/google/callback?error=${words}&error_description=${words}&error_uri=https://evil.test&state=${hostile.state}`,
    )
    expect(refused.headers.get('Location')).toBe(`${frontEnd}?error=provider_refused`)
    const unknown = await call(`/auth/google/callback?error=${words}&error_description=${words}&state=unknown`)
    expect(unknown.status).toBe(400)
    expect(await unknown.text()).not.toContain('<img src=x')
    expect(await exchanges()).toBe(0)
    expect(await rows()).toEqual(noRows)
  })

  it('OA-11 a connecting flow that is cancelled goes back to /mailboxes, one of signing in to /sign-in', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const cookies = await signInBrowser('ada@gmail.com')
    for (const [purpose, page] of [
      ['connect', '/mailboxes?error=access_denied'],
      ['sign_in', '/sign-in?error=access_denied'],
    ] as const) {
      const { url } = await beginBrowser(cookies, { purpose, return_to: '/mailboxes' })
      const cancelled = await google.redirect({ url, email: 'ada@gmail.com', cancel: true })
      expect((await comeBack(cancelled, { cookies })).headers.get('Location')).toBe(page)
    }
    expect(await cookieLives(cookies)).toBe(true)
  })

  it('OA-12 doubled, oversized or control-laden parameters: 400 and 0 outbound calls', async () => {
    const { state } = await begin()
    for (const search of [
      `code=a&code=b&state=${state}`,
      `code=a&state=${state}&state=t`,
      `code=${'a'.repeat(10_240)}&state=${state}`,
      `code=a%0d%0aSet-Cookie:x&state=${state}`,
      `code=a%00&state=${state}`,
      `code=%F0%9F%98%80&state=${state}`,
      `code=a&state=${'s'.repeat(10_240)}`,
      `code=a&state=${state}&iss=a&iss=b`,
      `error=x&error=y&state=${state}`,
      `code=&state=${state}`,
    ]) {
      const answer = await call(`/auth/google/callback?${search}`)
      expect([search.slice(0, 60), answer.status]).toEqual([search.slice(0, 60), 400])
      await answer.body?.cancel()
    }
    expect((await google.calls()).log.filter(({ path }) => path !== '/o/oauth2/v2/auth')).toEqual([])
    expect(await rows()).toEqual(noRows)
  })

  it('OA-15 the callback answers 302, no-referrer and no-store, and 400 likewise', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const callback = await dance('ada@gmail.com')
    for (const status of [302, 400]) {
      const answer = await comeBack(callback)
      expect(answer.status).toBe(status)
      expect(answer.headers.get('Cache-Control')).toBe('no-store')
      expect(answer.headers.get('Referrer-Policy')).toBe('no-referrer')
      await answer.body?.cancel()
    }
  })

  it('a flow is known at its own provider only, at both callback paths; a wrong issuer is 400 and spends nothing', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const callback = await dance('ada@gmail.com')
    const elsewhere = new URL(callback)
    for (const provider of ['github', 'Google', 'goog%6ce2', '..']) {
      elsewhere.pathname = `/auth/${provider}/callback`
      const { status } = await comeBack(elsewhere)
      expect([provider, status >= 400 && status < 500]).toEqual([provider, true])
    }
    const wrong = new URL(callback)
    wrong.searchParams.set('iss', 'https://accounts.evil.test')
    expect((await comeBack(wrong)).status).toBe(400)
    expect(await exchanges()).toBe(0)
    const right = new URL(callback)
    right.searchParams.set('iss', testAddresses.GOOGLE_EMULATOR_URL)
    right.pathname = '/api/v1/oauth/google/callback'
    expect(await outcome(comeBack(right))).toBe('302 state')
  })

  it('mix-up: Google itself names another issuer in the callback', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    await google.settings({ issuerInCallback: 'https://accounts.evil.test' })
    expect(await outcome(comeBack(await dance('ada@gmail.com')))).toBe('400')
    expect(await exchanges()).toBe(0)
    await google.settings({ issuerInCallback: true })
    expect(await outcome(comeBack(await consentAnew(await begin(), { email: 'ada@gmail.com' })))).toBe('302 state')
  })

  it('a callback shown again is 400, and the code is not exchanged twice', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const callback = await dance('ada@gmail.com')
    expect(await outcome(comeBack(callback))).toBe('302 state')
    expect(await outcome(comeBack(callback))).toBe('400')
    expect(await exchanges()).toBe(1)
    expect(await count('one_time_codes', `purpose_cd = 'flow'`)).toBe(1)
    // The first one's grant lives: a doubled code would have ended it.
    expect(await google.grants()).toMatchObject([{ refresh_tokens: 1 }])
  })

  it('replayed after KV forgot that it was used: PostgreSQL still knows', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const begun = await begin()
    const callback = await consent(begun, { email: 'ada@gmail.com' })
    const record = await flowRecord(begun.state)
    expect(await outcome(comeBack(callback))).toBe('302 state')
    await changeFlowRecord(begun.state, record ?? {})
    expect(await outcome(comeBack(callback))).toBe('400')
    expect(await exchanges()).toBe(1)
  })
})

describe('what Google answers at the exchange', () => {
  const html = '<!doctype html><title>Error</title>'
  const faults: [string, GoogleFault, 'provider_unavailable' | 'provider_refused'][] = [
    ['500', { path: '/token', status: 500, body: {} }, 'provider_unavailable'],
    ['503 HTML', { path: '/token', status: 503, body: html }, 'provider_unavailable'],
    ['200 HTML', { path: '/token', status: 200, body: html }, 'provider_unavailable'],
    ['200 {}', { path: '/token', status: 200, body: {} }, 'provider_unavailable'],
    ['200 with an error', { path: '/token', status: 200, body: { error: 'server_error' } }, 'provider_unavailable'],
    ['204', { path: '/token', status: 204, body: '' }, 'provider_unavailable'],
    ['429', { path: '/token', status: 429, headers: { 'Retry-After': '120' }, body: {} }, 'provider_unavailable'],
    ['a redirect', { path: '/token', status: 302, headers: { Location: '/evil' }, body: '' }, 'provider_unavailable'],
    ['dropped', { path: '/token', drop: 'before' }, 'provider_unavailable'],
    ['dropped after', { path: '/token', drop: 'after' }, 'provider_unavailable'],
    ['half an answer', { path: '/token', truncate: true }, 'provider_unavailable'],
    ['100 KB', { path: '/token', status: 200, body: 'x'.repeat(100_000) }, 'provider_unavailable'],
    ['invalid_client', { path: '/token', status: 401, body: { error: 'invalid_client' } }, 'provider_unavailable'],
    ['invalid_grant', { path: '/token', status: 400, body: { error: 'invalid_grant' } }, 'provider_refused'],
    ['no answer for 10 s', { path: '/token', delayMs: 11_000 }, 'provider_unavailable'],
  ]

  it.each(faults)('%s: refused in our words, 0 rows, asked once', async (_, fault, expected) => {
    await google.addUser({ email: 'ada@gmail.com' })
    await google.fault({ ...fault, times: null })
    const callback = await dance('ada@gmail.com')
    const answer = await comeBack(callback)
    expect(answer.headers.get('Location')).toBe(`${frontEnd}?error=${expected}`)
    expect(await rows()).toEqual(noRows)
    expect(await exchanges()).toBe(1)
    await google.clearFaults()
    expect(await outcome(comeBack(callback))).toBe('400')
    expect(await exchanges()).toBe(1)
    const [audit] = await query<{ action_cd: string; event_json: object }>(
      'SELECT action_cd, event_json FROM audit_logs ORDER BY created_at_utc DESC LIMIT 1',
    )
    expect(audit?.action_cd).toBe('sign_in.refused')
  })

  it.each([
    ['500', { path: '/oauth2/v3/certs', status: 500, body: {} }],
    ['garbage', { path: '/oauth2/v3/certs', status: 200, body: 'x' }],
  ])('keys that cannot be fetched (%s): provider_unavailable, 0 rows', async (_, fault) => {
    await keyCache.clear()
    await google.addUser({ email: 'ada@gmail.com' })
    await google.fault({ ...fault, times: null })
    expect(await outcome(comeBack(await dance('ada@gmail.com')))).toBe('302 provider_unavailable')
    expect(await rows()).toEqual(noRows)
    await google.clearFaults()
    expect(await outcome(comeBack(await consentAnew(await begin(), { email: 'ada@gmail.com' })))).toBe('302 state')
  })

  it('JWKS rotation: a key that is not cached yet is fetched once, and cached', async () => {
    await keyCache.clear()
    await google.addUser({ email: 'ada@gmail.com' })
    await signIn('ada@gmail.com')
    const [cached] = await keyCache.entries()
    // What is cached is the set before the rotation, two minutes old.
    const old = (cached?.record.keys ?? []).map((key) => ({ ...key, kid: 'before-rotation' }))
    await keyCache.put(cached?.name ?? '', { fetched_at: Date.now() - 120_000, keys: old })
    await google.resetCalls()
    await signIn('ada@gmail.com')
    await signIn('ada@gmail.com')
    expect(await google.count('GET /oauth2/v3/certs')).toBe(1)
  })

  it('unknown key ids do not make us fetch each time', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    await signIn('ada@gmail.com')
    await google.resetCalls()
    for (let n = 0; n < 10; n += 1) {
      await google.settings({ idToken: { kid: `unknown-${n}` } })
      expect(await outcome(comeBack(await dance('ada@gmail.com')))).toBe('302 provider_refused')
    }
    expect(await google.count('GET /oauth2/v3/certs')).toBeLessThanOrEqual(1)
  })
})

describe('ID tokens', () => {
  const seconds = (ahead: number) => Math.floor(Date.now() / 1000) + ahead
  const bad: [string, NonNullable<Parameters<typeof google.settings>[0]['idToken']>][] = [
    ['OA-16 signed by a key nobody published', { key: 'foreign' }],
    ['OA-16 alg none', { alg: 'none' }],
    ['OA-16 alg HS256 with the client secret', { alg: 'HS256' }],
    ['OA-16 missing', { omit: true }],
    ['OA-16 aud of another client', { claims: { aud: 'other-client' } }],
    ['OA-16 aud a list with ours in it', { claims: { aud: [clientId, 'other-client'] } }],
    ['OA-16 azp of another client', { claims: { azp: 'other-client' } }],
    ['OA-16 iss evil', { claims: { iss: 'https://evil.test' } }],
    ['OA-16 iss of the real Google, at the local one', { claims: { iss: 'https://accounts.google.com' } }],
    ['OA-16 expired', { claims: { exp: seconds(-3_600) } }],
    ['OA-16 exp as text', { claims: { exp: '9999999999' } }],
    ['OA-16 exp missing', { claims: { exp: null } }],
    ['OA-16 issued tomorrow', { claims: { iat: seconds(86_400) } }],
    ['OA-16 no sub', { claims: { sub: null } }],
    ['OA-16 empty sub', { claims: { sub: '' } }],
    ['OA-16 sub a number', { claims: { sub: 1234 } }],
    ['OA-16 sub of 256 characters', { claims: { sub: '1'.repeat(256) } }],
    ['OA-16 sub with NUL', { claims: { sub: '12\u000034' } }],
    ['OA-17 no nonce', { claims: { nonce: null } }],
    ['OA-17 another flow’s nonce', { claims: { nonce: 'n'.repeat(43) } }],
    ['OA-17 empty nonce', { claims: { nonce: '' } }],
  ]

  it.each(bad)('%s: provider_refused, no row', async (_, idToken) => {
    await google.addUser({ email: 'ada@gmail.com' })
    await google.settings({ idToken })
    expect(await outcome(comeBack(await dance('ada@gmail.com')))).toBe('302 provider_refused')
    expect(await rows()).toEqual(noRows)
    expect(await exchanges()).toBe(1)
  })

  it("OA-17 a browser's sign-in with a foreign nonce gets no cookie", async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const cookies: Cookies = new Map()
    const first = await beginBrowser(cookies, { return_to: '/mailboxes' })
    const second = await beginBrowser(cookies, { return_to: '/mailboxes' })
    const url = new URL(first.url)
    url.searchParams.set('nonce', second.url.searchParams.get('nonce') ?? '')
    const answer = await comeBack(await google.redirect({ url, email: 'ada@gmail.com' }), { cookies })
    expect(answer.headers.get('Location')).toBe('/sign-in?error=provider_refused')
    expect(cookies.has('session')).toBe(false)
    expect(await rows()).toEqual(noRows)
  })

  it('a bad ID token changes nothing of a user who is there', async () => {
    const { access_token } = await newPerson('ada@gmail.com')
    const before = [await rows(), await query('SELECT * FROM oauth_tokens')]
    await google.settings({ idToken: { key: 'foreign' } })
    expect(await outcome(comeBack(await dance('ada@gmail.com')))).toBe('302 provider_refused')
    expect([await rows(), await query('SELECT * FROM oauth_tokens')]).toEqual(before)
    expect((await onlyMailbox(access_token)).status).toBe('active')
  })
})
