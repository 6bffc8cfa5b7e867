// Google against its HTTP edge: the shared contract, then what only Google has.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PROVIDER_TIMEOUT_MS } from '../../src/providers/bounded-request.ts'
import { createGmail } from '../../src/providers/gmail.ts'
import { createGoogle } from '../../src/providers/google.ts'
import type { Grant, Profile, Provider } from '../../src/providers/provider.ts'
import { createProviders } from '../../src/providers/registry.ts'
import { authorization, describeProviderContract, type Fault, type ProviderHarness, value } from './contract.ts'
import { client, GoogleEdge, googleTraits, MemoryKeyCache, newSigningKey } from './google-edge.ts'

const now = new Date('2026-11-21T04:00:00Z')
const mailScopes = ['https://www.googleapis.com/auth/gmail.readonly', 'https://www.googleapis.com/auth/gmail.send']
const person: Profile = {
  provider: 'google',
  subject: '110248495921238986420',
  email: 'ada.lovelace@gmail.com',
  emailProof: 'google',
  fullName: 'Ada Lovelace',
}
const stranger = await newSigningKey('g1')

interface World {
  readonly edge: GoogleEdge
  readonly provider: Provider
}

async function makeWorld(): Promise<World> {
  const edge = await GoogleEdge.open(now)
  const deps = { fetch: edge.fetch, clock: () => now, keyCache: new MemoryKeyCache() }
  return { edge, provider: createGoogle(deps, { client, emulatorUrl: null }) }
}

const grantOf = (idToken: string | null): Grant => ({
  accessToken: 'ya29.marked-access',
  expiresAt: now,
  refreshToken: null,
  refreshTokenExpiresAt: null,
  scopes: null,
  idToken,
})

async function makeHarness(): Promise<ProviderHarness> {
  const { edge, provider } = await makeWorld()
  return {
    provider,
    client,
    person,
    scopes: { identity: ['openid', 'email', 'profile'], mail: ['openid', 'email', 'profile', ...mailScopes] },
    endpoints: { token: 'https://oauth2.googleapis.com/token', revoke: 'https://oauth2.googleapis.com/revoke' },
    refreshTokens: { live: '1//marked-refresh', dead: 'marked-dead' },
    sentTo: (url) => edge.sent.filter((request) => request.url === url),
    fault: (url, fault) => edge.fault(url, fault),
    consent: async (url) => edge.consent(url),
    passTimeLimit: async (call) => {
      await vi.advanceTimersByTimeAsync(PROVIDER_TIMEOUT_MS)
      return await call
    },
    badProofs: async (nonce) => [
      { name: 'no ID token', grant: grantOf(null) },
      { name: 'garbage', grant: grantOf('marked.garbage.token') },
      { name: "another's signature", grant: grantOf(await edge.idToken(nonce, {}, {}, stranger.privateKey)) },
      { name: 'another client', grant: grantOf(await edge.idToken(nonce, { aud: 'other', azp: 'other' })) },
      { name: 'another issuer', grant: grantOf(await edge.idToken(nonce, { iss: 'https://evil.test' })) },
      { name: "another flow's nonce", grant: grantOf(await edge.idToken('other')) },
      { name: 'no nonce', grant: grantOf(await edge.idToken(nonce, { nonce: undefined })) },
      { name: 'expired', grant: grantOf(await edge.idToken(nonce, { exp: now.getTime() / 1000 - 61 })) },
      { name: 'no subject', grant: grantOf(await edge.idToken(nonce, { sub: undefined })) },
    ],
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describeProviderContract('Google at its HTTP edge', googleTraits, makeHarness)

describe('Google: the authorization URL', () => {
  it('TV-01 asks for offline access with mail only, for consent when told, and hints at an address', async () => {
    const { provider } = await makeWorld()
    const request = authorization({ scopes: 'mail', prompt: 'consent', loginHint: 'ada@example.com' })
    const q = provider.authorizationUrl(request).searchParams
    expect([q.get('access_type'), q.get('prompt'), q.get('login_hint'), q.get('nonce')]).toEqual([
      'offline',
      'consent',
      'ada@example.com',
      request.nonce,
    ])
    expect(provider.authorizationUrl(authorization({})).searchParams.has('access_type')).toBe(false)
    expect(provider.mailScopes).toEqual(mailScopes)
    expect(provider.issuer).toBe('https://accounts.google.com')
  })

  it('keeps every real path under the origin of a local Google', async () => {
    const urls: string[] = []
    const fetch = async (input: URL | RequestInfo): Promise<Response> => {
      urls.push(String(input))
      return new Response('{}', { status: 503 })
    }
    const deps = { fetch, clock: () => now, keyCache: new MemoryKeyCache() }
    const provider = createGoogle(deps, { client, emulatorUrl: 'http://127.0.0.1:4001/' })
    const edge = await GoogleEdge.open(now)
    await provider.exchange({ code: 'c', codeVerifier: 'v' })
    await provider.revoke({ token: 't' })
    await provider.profile({ grant: grantOf(await edge.idToken('n')), nonce: 'n' })
    await provider.mail?.mailbox({ accessToken: 'a' })
    expect(urls).toEqual(
      ['/token', '/revoke', '/oauth2/v3/certs', '/oauth2/v3/certs', '/gmail/v1/users/me/profile'].map(
        (path) => `http://127.0.0.1:4001${path}`,
      ),
    )
    const url = provider.authorizationUrl(authorization({}))
    expect(`${url.origin}${url.pathname}`).toBe('http://127.0.0.1:4001/o/oauth2/v2/auth')
    expect(provider.issuer).toBe('http://127.0.0.1:4001')
  })

  it('is offered only where it is configured', async () => {
    const edge = await GoogleEdge.open(now)
    const deps = { fetch: edge.fetch, clock: () => now, keyCache: new MemoryKeyCache() }
    expect([...createProviders(deps, { google: { client, emulatorUrl: null }, github: null }).keys()]).toEqual([
      'google',
    ])
    expect(createProviders(deps, { google: null, github: null }).size).toBe(0)
  })
})

describe('OA-21 what Google proves of an address', () => {
  it.each<[string, Record<string, unknown>, Partial<Profile>]>([
    ['a verified @gmail.com', {}, { emailProof: 'google' }],
    [
      'a verified Workspace address',
      { email: 'ada@example.com', hd: 'example.com' },
      { email: 'ada@example.com', emailProof: 'google' },
    ],
    ['a verified address elsewhere', { email: 'ada@example.com' }, { email: 'ada@example.com', emailProof: null }],
    ['an empty hd', { email: 'ada@example.com', hd: '' }, { emailProof: null }],
    ['an hd that is no text', { email: 'ada@example.com', hd: true }, { emailProof: null }],
    ['email_verified false', { email_verified: false }, { emailProof: null }],
    ['email_verified missing', { email_verified: undefined }, { emailProof: null }],
    ['email_verified "true"', { email_verified: 'true' }, { emailProof: null }],
    ['email_verified 1', { email_verified: 1 }, { emailProof: null }],
    ['email_verified false with hd', { email_verified: false, hd: 'gmail.com' }, { emailProof: null }],
    ['a look-alike domain', { email: 'ada@notgmail.com' }, { emailProof: null }],
    ['a longer domain', { email: 'ada@gmail.com.evil.test' }, { emailProof: null }],
    ['no address', { email: undefined }, { email: null, emailProof: null }],
    ['an address that is none', { email: 'ada@gmail.com\u200b', hd: 'x' }, { email: null, emailProof: null }],
    ['an address that is no text', { email: ['ada@gmail.com'] }, { email: null, emailProof: null }],
    ['no name', { name: undefined }, { fullName: null }],
    ['a name of blanks and control characters', { name: ' \u0000\u202e ' }, { fullName: null }],
    ['a long name', { name: 'x'.repeat(300) }, { fullName: 'x'.repeat(200) }],
  ])('%s', async (_, change, expected) => {
    const { edge, provider } = await makeWorld()
    const grant = grantOf(await edge.idToken('n', change))
    expect(value(await provider.profile({ grant, nonce: 'n' }))).toMatchObject(expected)
  })
})

describe('Gmail: whose mailbox a token opens', () => {
  const url = 'https://gmail.googleapis.com/gmail/v1/users/me/profile'
  const refusal = (reason: string): string =>
    JSON.stringify({ error: { code: 403, message: 'marked', errors: [{ reason }] } })
  const answer = (status: number, body: string, headers: Record<string, string> = {}): Fault => ({
    kind: 'answer',
    status,
    body,
    headers,
  })

  it('says so in the form addresses are stored in', async () => {
    const { edge, provider } = await makeWorld()
    expect(await provider.mail?.mailbox({ accessToken: 'ya29.marked' })).toEqual({
      ok: true,
      value: { email: 'ada.lovelace@gmail.com', historyId: '123456789012345678901', messagesTotal: 3 },
    })
    expect(edge.sent.map(({ redirect }) => redirect)).toEqual(['manual'])
  })

  it.each<[string, Fault, string, string, (number | null)?]>([
    ['401', answer(401, '{}'), 'unauthorized', 'http_401'],
    ['403 rateLimitExceeded', answer(403, refusal('rateLimitExceeded')), 'rate_limited', 'quota_exceeded'],
    [
      '403 userRateLimitExceeded',
      answer(403, refusal('userRateLimitExceeded'), { 'retry-after': '7' }),
      'rate_limited',
      'quota_exceeded',
      7,
    ],
    [
      '403 insufficientPermissions',
      answer(403, refusal('insufficientPermissions')),
      'forbidden',
      'insufficient_permissions',
    ],
    // Our project's matter, or an administrator's: it says nothing of this grant.
    ['403 domainPolicy', answer(403, refusal('domainPolicy')), 'misconfigured', 'http_403'],
    ['403 in HTML', answer(403, '<html>rateLimitExceeded'), 'misconfigured', 'http_403'],
    ['429', answer(429, refusal('rateLimitExceeded'), { 'retry-after': '120' }), 'rate_limited', 'http_429', 120],
    ['500', answer(500, ''), 'unavailable', 'http_500'],
    ['503', answer(503, '', { 'retry-after': '5' }), 'unavailable', 'http_503', 5],
    ['404', answer(404, ''), 'unavailable', 'http_404'],
    ['a redirect', answer(302, '', { location: 'http://[::1]/' }), 'unavailable', 'http_302'],
    ['200 in HTML', answer(200, '<html>'), 'unavailable', 'unreadable_answer'],
    ['200 without an address', answer(200, '{}'), 'unavailable', 'unreadable_answer'],
    ['200 with an odd address', answer(200, '{"emailAddress":"me"}'), 'unavailable', 'unreadable_answer'],
    ['a dropped connection', { kind: 'drop' }, 'unavailable', 'network'],
  ])('%s', async (_, fault, kind, code, retryAfterSeconds = null) => {
    const edge = await GoogleEdge.open(now)
    edge.fault(url, fault)
    const gmail = createGmail({ fetch: edge.fetch, clock: () => now, apiOrigin: new URL(url).origin, batchOrigin: '' })
    expect(await gmail.mailbox({ accessToken: 'ya29.marked' })).toEqual({ ok: false, kind, code, retryAfterSeconds })
  })
})
