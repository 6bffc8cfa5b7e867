// GitHub: the shared contract at its HTTP edge and over the wire against the strict local one, then what only GitHub has.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PROVIDER_TIMEOUT_MS } from '../../src/providers/bounded-request.ts'
import { createGithub } from '../../src/providers/github.ts'
import type { Grant, Profile, Provider } from '../../src/providers/provider.ts'
import { createProviders } from '../../src/providers/registry.ts'
import { testAddresses } from '../support/database.ts'
import { github, primary } from '../support/github.ts'
import {
  authorization,
  describeProviderContract,
  type Fault,
  type ProviderHarness,
  type SentRequest,
  value,
} from './contract.ts'
import { api, client, emailsUrl, GithubEdge, githubTraits, revokeUrl, tokenUrl, userUrl } from './github-edge.ts'
import { MemoryKeyCache } from './google-edge.ts'

const now = new Date('2026-11-21T04:00:00Z')
const scopes = { identity: ['read:user', 'user:email'] }
const person: Profile = {
  provider: 'github',
  subject: '583231',
  email: 'ada@example.com',
  emailProof: null,
  fullName: 'Ada Lovelace',
}

function makeWorld(emailTrust: 'trusted' | 'untrusted' = 'untrusted'): { edge: GithubEdge; provider: Provider } {
  const edge = new GithubEdge()
  const deps = { fetch: edge.fetch, clock: () => now, keyCache: new MemoryKeyCache() }
  return { edge, provider: createGithub(deps, { client, emulatorUrl: null, emailTrust }) }
}

const passTimeLimit = async <T>(call: Promise<T>): Promise<T> => {
  await vi.advanceTimersByTimeAsync(PROVIDER_TIMEOUT_MS)
  return await call
}

async function edgeHarness(): Promise<ProviderHarness> {
  const { edge, provider } = makeWorld()
  return {
    provider,
    client,
    person,
    scopes,
    endpoints: { token: tokenUrl, revoke: revokeUrl },
    sentTo: (url) => edge.sent.filter((request) => request.url === url),
    fault: (url, fault) => edge.fault(url, fault),
    consent: async (url) => edge.consent(url),
    passTimeLimit,
  }
}

const grant: Grant = {
  accessToken: 'gho_marked-access',
  expiresAt: now,
  refreshToken: null,
  refreshTokenExpiresAt: null,
  scopes: null,
  idToken: null,
}

const origin = testAddresses.GITHUB_EMULATOR_URL
const localClient = {
  clientId: 'test-github-client',
  clientSecret: 'test-github-secret',
  redirectUri: 'http://localhost:8787/auth/github/callback',
}

// Faults are set over the wire and the harness sets them without waiting: the next call must find them there.
const waiting: Promise<unknown>[] = []

async function wireHarness(): Promise<ProviderHarness> {
  await github.reset()
  const ada = await github.addPerson({
    name: 'Ada Lovelace',
    email: 'public@evil.test',
    emails: [{ email: 'first@evil.test', primary: false, verified: true }, primary('Ada@Example.com')],
  })
  const sent: SentRequest[] = []
  const hanging = new Map<string, Fault>()
  const send: typeof fetch = async (input, init) => {
    await Promise.all(waiting.splice(0))
    const url = String(input)
    const form = new URLSearchParams(typeof init?.body === 'string' ? init.body : '')
    const headers = new Headers(init?.headers)
    sent.push({ method: init?.method ?? 'GET', url, form, headers, redirect: init?.redirect ?? 'follow' })
    const fault = hanging.get(url)
    hanging.delete(url)
    if (fault?.kind === 'hang') return new Promise(() => {})
    if (fault?.kind === 'hang_in_body')
      return new Response(new ReadableStream({ start: (c) => c.enqueue(new Uint8Array([123])) }))
    return fetch(input, init)
  }
  const deps = { fetch: send, clock: () => new Date(), keyCache: new MemoryKeyCache() }
  return {
    provider: createGithub(deps, { client: localClient, emulatorUrl: origin, emailTrust: 'untrusted' }),
    client: localClient,
    person: { ...person, subject: String(ada.id) },
    scopes,
    endpoints: {
      token: `${origin}/login/oauth/access_token`,
      revoke: `${origin}/applications/${localClient.clientId}/grant`,
    },
    sentTo: (url) => sent.filter((request) => request.url === url),
    fault: (url, fault) => {
      const path = new URL(url).pathname
      if (fault.kind === 'hang' || fault.kind === 'hang_in_body') hanging.set(url, fault)
      else if (fault.kind === 'drop') waiting.push(github.fault({ path, drop: 'before' }))
      else waiting.push(github.fault({ path, status: fault.status, body: fault.body, headers: fault.headers ?? {} }))
    },
    consent: async (url) => (await github.redirect(url, ada)).searchParams.get('code') ?? '',
    passTimeLimit,
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describeProviderContract('GitHub at its HTTP edge', githubTraits(api), edgeHarness)
describeProviderContract('GitHub over the wire, strict and local', githubTraits(origin), wireHarness)

describe('GitHub: its addresses', () => {
  it('RFC 9207 names the issuer that its callbacks carry; the local one has its own', () => {
    expect(makeWorld().provider.issuer).toBe('https://github.com/login/oauth')
    const deps = { fetch, clock: () => now, keyCache: new MemoryKeyCache() }
    const local = createGithub(deps, { client, emulatorUrl: 'http://127.0.0.1:4001/', emailTrust: 'untrusted' })
    expect(local.issuer).toBe('http://127.0.0.1:4001/login/oauth')
    const url = local.authorizationUrl(authorization({ prompt: 'consent', loginHint: 'ada@example.com' }))
    expect(`${url.origin}${url.pathname}`).toBe('http://127.0.0.1:4001/login/oauth/authorize')
    expect([...url.searchParams.keys()].sort()).toEqual(
      [
        'client_id',
        'code_challenge',
        'code_challenge_method',
        'redirect_uri',
        'response_type',
        'scope',
        'state',
      ].sort(),
    )
  })

  it('is offered only where it is configured, beside Google', () => {
    const deps = { fetch, clock: () => now, keyCache: new MemoryKeyCache() }
    const settings = { client, emulatorUrl: null }
    const both = createProviders(deps, { google: settings, github: { ...settings, emailTrust: 'untrusted' } })
    expect([...both.keys()]).toEqual(['google', 'github'])
    expect(createProviders(deps, { google: null, github: null }).size).toBe(0)
  })

  it('revokes with the app’s own credentials, the token in the body alone', async () => {
    const { edge, provider } = makeWorld()
    expect(await provider.revoke({ token: 'gho_marked' })).toEqual({ ok: true, value: null })
    const [sent] = edge.sent
    expect(sent?.headers.get('authorization')).toBe(`Basic ${btoa(`${client.clientId}:${client.clientSecret}`)}`)
    expect(sent?.body).toBe('{"access_token":"gho_marked"}')
  })

  it.each<[string, string, string]>([
    ['bad_verification_code', 'grant_dead', 'bad_verification_code'],
    ['incorrect_client_credentials', 'misconfigured', 'incorrect_client_credentials'],
    ['redirect_uri_mismatch', 'misconfigured', 'redirect_uri_mismatch'],
    ['unverified_user_email', 'grant_dead', 'unverified_user_email'],
    ['something new', 'unavailable', 'unlisted_error'],
  ])('an error in a 200 body is one: %s', async (error, kind, code) => {
    const { edge, provider } = makeWorld()
    edge.fault(tokenUrl, { kind: 'answer', status: 200, body: JSON.stringify({ error, access_token: 'gho_x' }) })
    expect(await provider.exchange({ code: 'c', codeVerifier: 'v' })).toMatchObject({ ok: false, kind, code })
  })

  it.each<[string, Record<string, string>, string, number | null]>([
    [
      'no request left, with its end',
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1795233690' },
      'rate_limited',
      90,
    ],
    ['no request left, ended already', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1' }, 'rate_limited', 0],
    [
      'no request left, absurd end',
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '999999999999' },
      'rate_limited',
      86_400,
    ],
    [
      'no request left, unreadable end',
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': 'soon' },
      'rate_limited',
      null,
    ],
    ['a secondary limit', { 'x-ratelimit-remaining': '57', 'retry-after': '60' }, 'rate_limited', 60],
    ['requests left', { 'x-ratelimit-remaining': '57' }, 'forbidden', null],
  ])('a 403 with %s', async (_, headers, kind, retryAfterSeconds) => {
    const { edge, provider } = makeWorld()
    edge.fault(userUrl, { kind: 'answer', status: 403, body: '{}', headers })
    expect(await provider.profile({ grant, nonce: 'n' })).toEqual({
      ok: false,
      kind,
      code: 'http_403',
      retryAfterSeconds,
    })
  })
})

describe('OA-21 whose word GitHub’s is', () => {
  const other = { email: 'other@example.com', primary: false, verified: true }
  it.each<[string, unknown, string | null]>([
    ['the primary and verified one, wherever it stands', [other, primary('Ada@Example.com')], 'ada@example.com'],
    ['not the first one', [other], null],
    ['not an unverified primary one', [other, { email: 'ada@example.com', primary: true, verified: false }], null],
    ['not where verified is text', [{ email: 'ada@example.com', primary: true, verified: 'true' }], null],
    ['not where verified is missing', [{ email: 'ada@example.com', primary: true }], null],
    ['not where primary is 1', [{ email: 'ada@example.com', primary: 1, verified: true }], null],
    ['not one that is no address', [primary('ada@gmail.com\u200b')], null],
    ['not one that is no text', [primary(['ada@gmail.com'] as unknown as string)], null],
    ['past entries that are none', [null, 7, 'ada@example.com', {}, primary('ada@example.com')], 'ada@example.com'],
    ['none of an empty list', [], null],
  ])('takes %s', async (_, emails, email) => {
    for (const trust of ['untrusted', 'trusted'] as const) {
      const { edge, provider } = makeWorld(trust)
      edge.emails = emails
      expect(value(await provider.profile({ grant, nonce: 'n' }))).toMatchObject({
        email,
        // Proof only by the operator's setting, and never of nothing.
        emailProof: trust === 'trusted' && email !== null ? 'trusted' : null,
      })
    }
  })

  it.each<[string, unknown]>([
    ['no id', { login: 'ada' }],
    ['an id that is text', { id: '583231' }],
    ['id 0', { id: 0 }],
    ['a negative id', { id: -1 }],
    ['half an id', { id: 1.5 }],
    ['an id beyond exact numbers', { id: 2 ** 60 }],
    ['a list', []],
    ['null', null],
  ])('OA-18 %s is nobody', async (_, user) => {
    const { edge, provider } = makeWorld()
    edge.user = user
    expect(await provider.profile({ grant, nonce: 'n' })).toMatchObject({ ok: false, code: 'unreadable_answer' })
  })

  it('the subject is the number, whatever the login; a list that is none proves nothing', async () => {
    const { edge, provider } = makeWorld()
    edge.user = { id: 7, login: '583231', name: ['x'], email: 'ada@example.com' }
    expect(value(await provider.profile({ grant, nonce: 'n' }))).toMatchObject({ subject: '7', fullName: null })
    edge.emails = { email: 'ada@example.com', primary: true, verified: true }
    expect(await provider.profile({ grant, nonce: 'n' })).toMatchObject({ ok: false, code: 'unreadable_answer' })
    expect(edge.sent.map(({ url }) => url)).toContain(emailsUrl)
  })
})
