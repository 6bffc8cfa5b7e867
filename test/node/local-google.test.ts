// The local Google is as strict as Google: one test for each point at which a laxer one would hide a fault of ours.
import { createHash } from 'node:crypto'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type LocalGoogle, startLocalGoogle } from '../../scripts/local-google/server.ts'
import { googleControl } from '../support/google.ts'

const EMAIL = 'ada@gmail.com'
const CALLBACK = 'http://localhost:8787/auth/google/callback'
const VERIFIER = 'v'.repeat(64)
const READ = 'https://www.googleapis.com/auth/gmail.readonly'
const SEND = 'https://www.googleapis.com/auth/gmail.send'
const ADDRESS = 'https://www.googleapis.com/auth/userinfo.email'
const client = { clientId: 'client-1', clientSecret: 'secret-1', redirectUris: [CALLBACK] }
const other = { clientId: 'client-2', clientSecret: 'secret-2', redirectUris: [CALLBACK] }

let google: LocalGoogle
let control: ReturnType<typeof googleControl>

beforeAll(async () => {
  google = await startLocalGoogle({ clients: [client, other] })
  control = googleControl(google.url)
})
afterAll(() => google.close())
beforeEach(async () => {
  await control.reset()
  await control.addUser({ email: EMAIL, name: 'Ada Lovelace', hd: 'gmail.com' })
})

function authorizeUrl(changes: Record<string, string | null> = {}): URL {
  const url = new URL('/o/oauth2/v2/auth', google.url)
  const parameters = {
    client_id: client.clientId,
    redirect_uri: CALLBACK,
    response_type: 'code',
    scope: `openid email ${READ} ${SEND}`,
    code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
    code_challenge_method: 'S256',
    state: 'state-1',
    nonce: 'nonce-1',
    access_type: 'offline',
    ...changes,
  }
  for (const [name, value] of Object.entries(parameters)) if (value !== null) url.searchParams.set(name, value)
  return url
}

async function codeFor(changes: Record<string, string | null> = {}): Promise<string> {
  const location = await control.redirect({ url: authorizeUrl(changes), email: EMAIL })
  return location.searchParams.get('code') ?? ''
}

const tokens = z.looseObject({
  access_token: z.string().default(''),
  refresh_token: z.string().optional(),
  id_token: z.string().default(''),
  scope: z.string().default(''),
  expires_in: z.unknown().optional(),
  error: z.unknown().optional(),
})
type Answer = z.infer<typeof tokens> & { status: number }

async function post(path: string, form: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(google.url + path, { method: 'POST', body: new URLSearchParams(form), headers })
  return { ...tokens.parse(await response.json()), status: response.status }
}

const credentials = { client_id: client.clientId, client_secret: client.clientSecret }

function redeem(code: string, changes: Record<string, string> = {}): Promise<Answer> {
  const grant = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: VERIFIER }
  return post('/token', { ...credentials, ...grant, ...changes })
}

function refresh(token: string | undefined, changes: Record<string, string> = {}): Promise<Answer> {
  return post('/token', { ...credentials, grant_type: 'refresh_token', refresh_token: token ?? '', ...changes })
}

const connect = async (changes: Record<string, string | null> = {}): Promise<Answer> => redeem(await codeFor(changes))

async function get(path: string, token?: string): Promise<{ status: number; text: string; headers: Headers }> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(new URL(path, google.url), { headers, redirect: 'manual' })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

describe('the authorization endpoint', () => {
  it.each([
    ['an unknown client', { client_id: 'nobody' }],
    ['a redirect URI that is not exactly registered', { redirect_uri: `${CALLBACK}/` }],
    ['another response type', { response_type: 'token' }],
    ['an unknown scope', { scope: 'openid https://www.googleapis.com/auth/gmail.everything' }],
    ['no scope', { scope: null }],
    ['plain PKCE', { code_challenge_method: 'plain' }],
    ['a challenge without its method', { code_challenge_method: null }],
    ['a prompt that does not exist', { prompt: 'please' }],
    ['an access type that does not exist', { access_type: 'forever' }],
  ])('answers %s with a page, not a redirect', async (_name, changes) => {
    const answer = await get(authorizeUrl(changes).href)
    expect(answer.status).toBe(400)
    expect(answer.headers.get('location')).toBeNull()
    expect(answer.text).toContain('Local Google (development)')
    expect(await control.authorize({ url: authorizeUrl(changes), email: EMAIL })).toHaveProperty('error')
  })

  it('lets a person choose the account even when there is one, then asks for consent', async () => {
    const chooser = await get(authorizeUrl().href)
    const sub = /name="sub" value="(\d{21})"/.exec(chooser.text)?.[1] ?? ''
    expect(sub).not.toBe('')
    const choose = { method: 'POST', body: new URLSearchParams({ sub }) }
    const consent = await (await fetch(authorizeUrl(), choose)).text()
    expect(consent).toMatch(/<input type="checkbox" name="scope" value="[^"]*gmail\.readonly" checked/)
    expect(consent).not.toMatch(/name="scope" value="openid"/)
    const body = new URLSearchParams({ sub, decision: 'allow', scope: SEND })
    const left = await fetch(authorizeUrl(), { method: 'POST', body, redirect: 'manual' })
    const location = new URL(left.headers.get('location') ?? '')
    await left.text()
    expect(location.searchParams.get('state')).toBe('state-1')
    expect(location.searchParams.get('authuser')).toBe('0')
    expect(location.searchParams.get('scope')).toContain(SEND)
    expect(location.searchParams.get('scope')).not.toContain(READ)
    expect(location.searchParams.has('iss')).toBe(false)
  })

  it('answers Cancel with access_denied and the state', async () => {
    const location = await control.redirect({ url: authorizeUrl(), email: EMAIL, cancel: true })
    expect(Object.fromEntries(location.searchParams)).toEqual({ error: 'access_denied', state: 'state-1' })
    const body = new URLSearchParams({ decision: 'cancel' })
    const fromChooser = await fetch(authorizeUrl(), { method: 'POST', body, redirect: 'manual' })
    await fromChooser.text()
    expect(fromChooser.headers.get('location')).toBe(location.href)
  })

  it('shows no page to a hinted person who granted all, and then gives no refresh token', async () => {
    expect((await connect()).refresh_token).toMatch(/^1\/\//)
    expect((await get(authorizeUrl({ login_hint: EMAIL }).href)).status).toBe(302)
    expect((await get(authorizeUrl({ login_hint: EMAIL, prompt: 'consent' }).href)).text).toContain('type="checkbox"')
    expect((await connect()).refresh_token).toBeUndefined()
    expect((await connect({ prompt: 'consent' })).refresh_token).toBeDefined()
    expect((await connect({ prompt: 'consent', access_type: 'online' })).refresh_token).toBeUndefined()
  })

  it('with prompt=none shows no page, whatever happens', async () => {
    const silent = authorizeUrl({ prompt: 'none', login_hint: EMAIL })
    expect((await get(silent.href)).headers.get('location')).toContain('error=interaction_required')
    await connect()
    expect((await get(silent.href)).headers.get('location')).toContain('code=')
  })

  it('tells its issuer in the callback only when set to', async () => {
    await control.settings({ issuerInCallback: true })
    const location = await control.redirect({ url: authorizeUrl(), email: EMAIL })
    expect(location.searchParams.get('iss')).toBe(google.url)
  })
})

describe('codes', () => {
  it('give a token answer of the shape of Google’s', async () => {
    const code = await codeFor()
    expect(code).toMatch(/^4\/0A/)
    expect(code.length).toBeLessThanOrEqual(256)
    const answer = await redeem(code)
    expect(answer).toMatchObject({ status: 200, expires_in: 3599, token_type: 'Bearer' })
    expect(answer.access_token).toMatch(/^ya29\./)
    expect(answer.scope.split(' ').sort()).toEqual([READ, SEND, ADDRESS, 'openid'].sort())
  })

  it('work once, and a second use ends what the first one gave', async () => {
    const code = await codeFor()
    const first = await redeem(code)
    expect(await redeem(code)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(await refresh(first.refresh_token)).toMatchObject({ error: 'invalid_grant' })
    expect((await get('/v1/userinfo', first.access_token)).status).toBe(401)
  })

  it('are burned by a wrong verifier', async () => {
    const code = await codeFor()
    expect(await redeem(code, { code_verifier: 'x'.repeat(64) })).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(await redeem(code)).toMatchObject({ error: 'invalid_grant' })
    expect(await redeem(await codeFor(), { code_verifier: '' })).toMatchObject({ error: 'invalid_grant' })
  })

  it('are bound to redirect URI, client and ten minutes', async () => {
    const wrongUri = await redeem(await codeFor(), { redirect_uri: 'http://localhost:1/' })
    expect(wrongUri).toMatchObject({ status: 400, error: 'redirect_uri_mismatch' })
    const stranger = { client_id: other.clientId, client_secret: other.clientSecret }
    expect(await redeem(await codeFor(), stranger)).toMatchObject({ error: 'invalid_grant' })
    const late = await codeFor()
    await control.advanceClock(601)
    expect(await redeem(late)).toMatchObject({ error: 'invalid_grant' })
  })
})

describe('the token endpoint', () => {
  it('knows clients by Basic or body, and no other secret', async () => {
    const authorization = `Basic ${Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64')}`
    const grant = { grant_type: 'refresh_token', refresh_token: (await connect()).refresh_token ?? '' }
    expect((await post('/token', grant, { authorization })).status).toBe(200)
    const wrong = await post('/token', { ...grant, ...credentials, client_secret: 'guess' })
    expect(wrong).toMatchObject({ status: 401, error: 'invalid_client' })
  })

  it('takes form-urlencoded only, and two kinds of grant', async () => {
    expect(await refresh('x', { grant_type: 'password' })).toMatchObject({
      status: 400,
      error: 'unsupported_grant_type',
    })
    const body = JSON.stringify({ ...credentials, grant_type: 'refresh_token', refresh_token: 'x' })
    const asJson = await fetch(`${google.url}/token`, { method: 'POST', body })
    expect([asJson.status, await asJson.json()]).toMatchObject([400, { error: 'invalid_request' }])
  })

  it('refreshes without a new refresh token', async () => {
    const first = await connect()
    const second = await refresh(first.refresh_token)
    expect(second).toMatchObject({ status: 200, expires_in: 3599 })
    expect(second.refresh_token).toBeUndefined()
    expect(second.access_token).not.toBe(first.access_token)
  })

  it('rotates when set to, and reuse of the old token ends the family', async () => {
    await control.settings({ rotateRefreshTokens: true })
    const first = await connect()
    const second = await refresh(first.refresh_token)
    expect(second.refresh_token).toBeDefined()
    const reused = await refresh(first.refresh_token)
    expect(reused).toMatchObject({ status: 400, error_description: 'Token has been expired or revoked.' })
    expect(await refresh(second.refresh_token)).toMatchObject({ error: 'invalid_grant' })
  })

  it('refuses the refresh token of another client', async () => {
    const stranger = { client_id: other.clientId, client_secret: other.clientSecret }
    const refused = await refresh((await connect()).refresh_token, stranger)
    expect(refused).toMatchObject({ status: 401, error: 'unauthorized_client' })
  })

  it('silently ends the oldest of 101 refresh tokens', async () => {
    const first = await connect({ prompt: 'consent' })
    let last = first
    for (let count = 2; count <= 100; count++) last = await connect({ prompt: 'consent' })
    expect((await refresh(first.refresh_token)).status).toBe(200)
    await connect({ prompt: 'consent' })
    expect(await refresh(first.refresh_token)).toMatchObject({ error: 'invalid_grant' })
    expect((await refresh(last.refresh_token)).status).toBe(200)
  })

  it('says what a test wants it to say', async () => {
    await control.settings({ expiresIn: 'soon', omitScope: true, tokenLength: 'maximum' })
    const odd = await connect()
    expect(odd).toMatchObject({ expires_in: 'soon', scope: '' })
    expect([odd.access_token.length, odd.refresh_token?.length]).toEqual([2048, 512])
    await control.settings({ expiresIn: null, scopeOverrideOnRefresh: 'openid', refreshTokenExpiresIn: 60 })
    const refreshed = await refresh(odd.refresh_token)
    expect(refreshed.scope).toBe('openid')
    expect('expires_in' in refreshed && refreshed.expires_in !== undefined).toBe(false)
    const short = await connect({ prompt: 'consent' })
    expect(short).toMatchObject({ refresh_token_expires_in: 60 })
    await control.advanceClock(61)
    expect(await refresh(short.refresh_token)).toMatchObject({ error: 'invalid_grant' })
    await control.settings({ omitRefreshToken: true })
    expect((await connect({ prompt: 'consent' })).refresh_token).toBeUndefined()
  })
})

describe('ID tokens', () => {
  const verify = (token: string): ReturnType<typeof jwtVerify> =>
    jwtVerify(token, createRemoteJWKSet(new URL('/oauth2/v3/certs', google.url)), {
      issuer: google.url,
      audience: client.clientId,
      algorithms: ['RS256'],
    })

  it('verify against the published key and carry the claims', async () => {
    const answer = await connect({ scope: 'openid email profile' })
    const { payload } = await verify(answer.id_token)
    expect(payload).toMatchObject({ email: EMAIL, email_verified: true, nonce: 'nonce-1', hd: 'gmail.com' })
    expect(payload).toMatchObject({ azp: client.clientId, given_name: 'Ada', family_name: 'Lovelace' })
    const half = createHash('sha256').update(answer.access_token).digest().subarray(0, 16)
    expect(payload.at_hash).toBe(half.toString('base64url'))
    expect((await get('/oauth2/v3/certs')).headers.get('cache-control')).toContain('max-age')
  })

  it('keep a numeric sub of 21 digits for an address over restarts', async () => {
    const { sub } = decodeJwt((await connect()).id_token)
    const second = await startLocalGoogle()
    const again = await googleControl(second.url).addUser({ email: EMAIL })
    await second.close()
    expect(sub).toMatch(/^\d{21}$/)
    expect(again.sub).toBe(sub)
  })

  it.each([
    ['a foreign key', { key: 'foreign' }],
    ['no signature', { alg: 'none' }],
    ['the secret as a key', { alg: 'HS256' }],
    ['another audience', { claims: { aud: 'somebody-else' } }],
  ] as const)('can be made wrong: %s', async (_name, idToken) => {
    await control.settings({ idToken })
    await expect(verify((await connect()).id_token)).rejects.toThrow()
  })

  it('can be left out, or lack a claim', async () => {
    await control.settings({ idToken: { claims: { email: null, email_verified: 'true' } } })
    const claims = decodeJwt((await connect()).id_token)
    expect(claims).not.toHaveProperty('email')
    expect(claims.email_verified).toBe('true')
    await control.settings({ idToken: { omit: true } })
    expect((await connect()).id_token).toBe('')
  })
})

describe('revocation', () => {
  it('ends every grant of the person, for all clients, and the consent', async () => {
    const one = await connect()
    const two = await control.mint({ email: EMAIL, client_id: other.clientId, scopes: ['openid'] })
    expect((await post('/revoke', { token: one.access_token })).status).toBe(200)
    expect(await refresh(one.refresh_token)).toMatchObject({ error: 'invalid_grant' })
    expect((await get('/v1/userinfo', two[0]?.access_token)).status).toBe(401)
    expect(await control.grants()).toEqual([])
    expect((await connect()).refresh_token).toBeDefined()
  })

  it('answers 400 invalid_token for an unknown token', async () => {
    expect(await post('/revoke', { token: 'unknown' })).toMatchObject({ status: 400, error: 'invalid_token' })
  })

  it('can be done by the person, for one client alone', async () => {
    const kept = await control.mint({ email: EMAIL, client_id: other.clientId, scopes: ['openid'] })
    const lost = await connect()
    await control.revoke({ email: EMAIL, client_id: client.clientId })
    expect((await get('/v1/userinfo', lost.access_token)).status).toBe(401)
    expect((await get('/v1/userinfo', kept[0]?.access_token)).status).toBe(200)
  })
})

describe('Gmail', () => {
  it('answers 401 in Google’s shape without a live token, also when the clock has passed it', async () => {
    const { access_token } = await connect()
    expect((await get('/gmail/v1/users/me/profile', access_token)).status).toBe(200)
    await control.advanceClock(3601)
    for (const token of [access_token, 'ya29.unknown', undefined]) {
      const answer = await get('/gmail/v1/users/me/messages', token)
      expect(answer.status).toBe(401)
      expect(JSON.parse(answer.text)).toMatchObject({
        error: { code: 401, status: 'UNAUTHENTICATED', errors: [{ reason: 'authError', domain: 'global' }] },
      })
    }
  })

  it('answers 403 without the scope', async () => {
    const [reader] = await control.mint({ email: EMAIL, client_id: client.clientId, scopes: [READ] })
    const [sender] = await control.mint({ email: EMAIL, client_id: client.clientId, scopes: [SEND] })
    const read = await get('/gmail/v1/users/me/messages', sender?.access_token)
    expect(read.status).toBe(403)
    expect(JSON.parse(read.text)).toMatchObject({
      error: { status: 'PERMISSION_DENIED', errors: [{ reason: 'insufficientPermissions' }] },
    })
    const send = (token = ''): Promise<number> => sendMail(token)
    expect([await send(reader?.access_token), await send(sender?.access_token)]).toEqual([403, 200])
  })

  it('keeps mailboxes apart', async () => {
    const scopes = [READ, SEND]
    const [ada] = await control.mint({ email: EMAIL, client_id: client.clientId, scopes })
    const [bob] = await control.mint({ email: 'bob@gmail.com', client_id: client.clientId, scopes })
    await sendMail(ada?.access_token ?? '')
    const total = async (token?: string): Promise<unknown> =>
      JSON.parse((await get('/gmail/v1/users/me/profile', token)).text)
    expect(await total(ada?.access_token)).toMatchObject({ emailAddress: EMAIL, messagesTotal: 1 })
    expect(await total(bob?.access_token)).toMatchObject({ emailAddress: 'bob@gmail.com', messagesTotal: 0 })
    expect((await get(`/gmail/v1/users/${EMAIL}/messages`, ada?.access_token)).status).toBe(200)
    expect((await get(`/gmail/v1/users/${EMAIL}/messages`, bob?.access_token)).status).toBe(403)
  })

  it('answers 404 for history from before the floor', async () => {
    const { access_token } = await connect()
    const floor = '179523631725101465114'
    await control.settings({ historyFloor: floor })
    const history = (start: string): Promise<{ status: number }> =>
      get(`/gmail/v1/users/me/history?startHistoryId=${start}`, access_token)
    expect((await history('179523631725101465113')).status).toBe(404)
    expect((await history(floor)).status).toBe(200)
  })

  it('answers a batch part by part, up to 100', async () => {
    const { access_token } = await connect()
    const paths = ['/gmail/v1/users/me/profile', '/gmail/v1/users/nobody@example.com/profile']
    const answer = await batch(access_token, paths)
    expect(answer.status).toBe(200)
    expect(answer.text).toMatch(/Content-ID: <response-item0>\s+HTTP\/1\.1 200 OK/i)
    expect(answer.text).toMatch(/Content-ID: <response-item1>\s+HTTP\/1\.1 403/i)
    expect((await batch('unknown', paths)).text).toContain('HTTP/1.1 401')
    expect(
      (
        await batch(
          access_token,
          Array.from({ length: 101 }, () => '/gmail/v1/users/me/profile'),
        )
      ).status,
    ).toBe(400)
  })

  async function sendMail(token: string): Promise<number> {
    const raw = Buffer.from(`From: ${EMAIL}\r\nTo: carol@example.com\r\nSubject: Hi\r\n\r\nHi`).toString('base64url')
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const url = `${google.url}/gmail/v1/users/me/messages/send`
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ raw }) })
    await response.text()
    return response.status
  }

  async function batch(token: string, paths: string[]): Promise<{ status: number; text: string }> {
    const parts = paths.map(
      (path, index) =>
        `--b1\r\nContent-Type: application/http\r\nContent-ID: <item${index}>\r\n\r\nGET ${path}\r\n\r\n`,
    )
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'multipart/mixed; boundary=b1' }
    const body = `${parts.join('')}--b1--\r\n`
    const response = await fetch(`${google.url}/batch/gmail/v1`, { method: 'POST', headers, body })
    return { status: response.status, text: await response.text() }
  }
})

describe('the control', () => {
  it('injects faults by path and grant, as often as asked', async () => {
    const { refresh_token } = await connect()
    const fault = { path: '/token', grant_type: 'refresh_token', status: 429, headers: { 'retry-after': '7' } }
    await control.fault({ ...fault, body: { error: 'rate_limit' } })
    expect(await refresh(refresh_token)).toMatchObject({ status: 429, error: 'rate_limit' })
    expect((await refresh(refresh_token)).status).toBe(200)
    await control.fault({ path: '/v1/*', times: null, status: 503, body: 'down' })
    expect([(await get('/v1/userinfo')).status, (await get('/v1/userinfo')).status]).toEqual([503, 503])
    await control.clearFaults()
    const [minted] = await control.mint({ email: EMAIL, client_id: client.clientId, scopes: ['openid'] })
    await control.fault({ path: '/v1/userinfo', token: minted?.access_token ?? '', status: 500 })
    expect((await get('/v1/userinfo', minted?.access_token)).status).toBe(500)
    expect((await get('/v1/userinfo')).status).toBe(401)
  })

  it('loses an answer after its effect, or the request before it', async () => {
    const [before, after] = [await codeFor(), await codeFor()]
    await control.fault({ path: '/token', drop: 'before' })
    await expect(redeem(before)).rejects.toThrow()
    expect((await redeem(before)).status).toBe(200)
    await control.fault({ path: '/token', drop: 'after' })
    await expect(redeem(after)).rejects.toThrow()
    expect(await redeem(after)).toMatchObject({ error: 'invalid_grant' })
    await control.fault({ path: '/oauth2/v3/certs', truncate: true })
    await expect(get('/oauth2/v3/certs')).rejects.toThrow()
  })

  it('counts calls, keeps no secret, and sees what runs at once', async () => {
    const { refresh_token } = await connect()
    await control.resetCalls()
    await control.fault({ path: '/token', times: 3, delayMs: 200 })
    await Promise.all([1, 2, 3].map(() => refresh(refresh_token)))
    const calls = await control.calls()
    expect(calls.counts).toEqual({ 'POST /token refresh_token': 3 })
    expect(calls.log[0]).toMatchObject({ grant_type: 'refresh_token', has_code_verifier: false, basic: false })
    expect(calls.max_parallel['POST /token refresh_token']).toBe(3)
    expect(JSON.stringify(calls)).not.toContain(refresh_token)
    expect(JSON.stringify(calls)).not.toContain(client.clientSecret)
  })

  it('withdraws a scope from a grant', async () => {
    const { refresh_token } = await connect()
    await control.withdrawScope({ email: EMAIL, scope: SEND })
    expect((await refresh(refresh_token)).scope).not.toContain(SEND)
  })

  it('mints 10,000 pairs at once, outside the limit of 100', async () => {
    const count = 10_000
    const minted = await control.mint({ email: EMAIL, client_id: client.clientId, scopes: ['openid', READ], count })
    expect(minted).toHaveLength(count)
    expect((await refresh(minted[0]?.refresh_token)).status).toBe(200)
  })

  it('stops answering for a while', async () => {
    await control.stopAnswering(0.3)
    const impatient = fetch(`${google.url}/oauth2/v3/certs`, { signal: AbortSignal.timeout(100) })
    await expect(impatient).rejects.toThrow()
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect((await get('/oauth2/v3/certs')).status).toBe(200)
  })
})

describe('the demo', () => {
  it('starts with two people and a mailbox full of mail', async () => {
    const demo = await startLocalGoogle({ demo: true, clients: [client] })
    try {
      const email = 'demo.gatepost@gmail.com'
      const [token] = await googleControl(demo.url).mint({ email, client_id: client.clientId, scopes: [READ] })
      const headers = { authorization: `Bearer ${token?.access_token}` }
      const response = await fetch(`${demo.url}/gmail/v1/users/me/profile`, { headers })
      const profile = z.object({ messagesTotal: z.number(), threadsTotal: z.number() }).parse(await response.json())
      expect(profile.messagesTotal).toBeGreaterThan(30)
      expect(profile.threadsTotal).toBeGreaterThan(15)
    } finally {
      await demo.close()
    }
  })
})
