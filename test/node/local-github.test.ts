// The strict local GitHub as an OAuth client meets it, and our provider against `emulate`'s GitHub, which others point
// GITHUB_EMULATOR_URL at: it must sign people in there too, however lax that one is.
import { createHash, randomBytes } from 'node:crypto'
import { createEmulator, type Emulator } from 'emulate'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LocalGithub, startLocalGithub } from '../../scripts/local-github/server.ts'
import { createGithub } from '../../src/providers/github.ts'

const client = {
  clientId: 'app',
  clientSecret: 'app-secret',
  redirectUri: 'http://localhost:8787/auth/github/callback',
}
const keyCache = { get: async () => null, put: async () => {} }
const deps = { fetch, clock: () => new Date(), keyCache }
const verifier = randomBytes(32).toString('base64url')
const challenge = createHash('sha256').update(verifier).digest('base64url')

describe('the strict local GitHub', () => {
  let local: LocalGithub
  beforeAll(async () => {
    local = await startLocalGithub({ demo: true, clients: [{ ...client, redirectUris: [client.redirectUri] }] })
  })
  afterAll(() => local.close())

  const authorizeUrl = (change: Record<string, string | null> = {}): string => {
    const url = new URL('/login/oauth/authorize', local.url)
    const asked = {
      client_id: client.clientId,
      redirect_uri: client.redirectUri,
      state: 'state',
      scope: 'read:user user:email',
      code_challenge: challenge,
      code_challenge_method: 'S256',
      ...change,
    }
    for (const [name, value] of Object.entries(asked)) if (value !== null) url.searchParams.set(name, value)
    return url.href
  }

  /** What a press of a button does; where the browser goes. */
  const press = async (form: Record<string, string>, url = authorizeUrl()): Promise<URL> => {
    const answer = await fetch(url, { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' })
    return new URL(answer.headers.get('location') ?? 'http://nowhere.test')
  }
  const newCode = async (): Promise<string> => (await press({ person: '4310001' })).searchParams.get('code') ?? ''
  const exchange = async (change: Record<string, string>, accept = 'application/json'): Promise<string> => {
    const form = {
      client_id: client.clientId,
      client_secret: client.clientSecret,
      redirect_uri: client.redirectUri,
      code_verifier: verifier,
      ...change,
    }
    const answer = await fetch(new URL('/login/oauth/access_token', local.url), {
      method: 'POST',
      headers: { accept },
      body: new URLSearchParams(form),
    })
    expect(answer.status).toBe(200)
    return answer.text()
  }
  const errorOf = async (change: Record<string, string>): Promise<unknown> =>
    (JSON.parse(await exchange(change)) as { error?: string }).error

  it.each([
    { client_id: 'another' },
    { redirect_uri: 'https://evil.test/' },
    { redirect_uri: `${client.redirectUri}/more` },
    { state: null },
    { code_challenge: null },
    { code_challenge_method: 'plain' },
    { code_challenge_method: null },
  ])('asks nobody for %j', async (change) => {
    const answer = await fetch(authorizeUrl(change), { redirect: 'manual' })
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null])
    await answer.body?.cancel()
  })

  it('asks a person, who agrees or cancels; the callback names its issuer', async () => {
    const page = await (await fetch(authorizeUrl())).text()
    expect(page).toContain('demo.hub@example.com')
    expect(page).toContain('uma@example.com, not verified')
    const cancelled = await press({ decision: 'cancel' })
    expect(Object.fromEntries(cancelled.searchParams)).toMatchObject({ error: 'access_denied', state: 'state' })
    const agreed = await press({ person: '4310001' })
    expect(`${agreed.origin}${agreed.pathname}`).toBe(client.redirectUri)
    expect(agreed.searchParams.get('iss')).toBe(`${local.url}/login/oauth`)
  })

  it('takes a code once, with its verifier, secret and redirect URI; each wrong showing spends it', async () => {
    for (const [change, error] of [
      [{ code_verifier: 'x'.repeat(43) }, 'bad_verification_code'],
      [{ code_verifier: '' }, 'bad_verification_code'],
      [{ redirect_uri: 'http://localhost:8787/other' }, 'redirect_uri_mismatch'],
    ] as const) {
      const code = await newCode()
      expect(await errorOf({ code, ...change })).toBe(error)
      expect(await errorOf({ code })).toBe('bad_verification_code')
    }
    expect(await errorOf({ code: await newCode(), client_secret: 'wrong' })).toBe('incorrect_client_credentials')
    const code = await newCode()
    expect(await errorOf({ code })).toBeUndefined()
    expect(await errorOf({ code })).toBe('bad_verification_code')
    expect(await exchange({ code: await newCode() }, '*/*')).toMatch(/^access_token=gho_/)
  })

  it('answers the API with a live token, a user agent and the scope only; revocation ends all of the person’s', async () => {
    const first = JSON.parse(await exchange({ code: await newCode() })) as { access_token: string }
    const ask = async (path: string, token: string, agent = 'test'): Promise<number> => {
      const headers = { authorization: `Bearer ${token}`, 'user-agent': agent }
      const answer = await fetch(new URL(path, local.url), { headers })
      await answer.body?.cancel()
      return answer.status
    }
    expect(await ask('/user', first.access_token)).toBe(200)
    expect(await ask('/user', 'gho_unknown')).toBe(401)
    expect(await ask('/user', first.access_token, '')).toBe(403)
    const narrow = (await press({ person: '4310001' }, authorizeUrl({ scope: 'read:user' }))).searchParams.get('code')
    const second = JSON.parse(await exchange({ code: narrow ?? '' })) as { access_token: string }
    expect(await ask('/user/emails', second.access_token)).toBe(404)
    const provider = createGithub(deps, { client, emulatorUrl: local.url, emailTrust: 'untrusted' })
    expect(await provider.revoke({ token: first.access_token })).toEqual({ ok: true, value: null })
    expect(await ask('/user', second.access_token)).toBe(401)
    expect(await provider.revoke({ token: first.access_token })).toEqual({ ok: true, value: null })
  })
})

describe('emulate’s GitHub', () => {
  let emulator: Emulator
  beforeAll(async () => {
    emulator = await createEmulator({
      service: 'github',
      port: 0,
      seed: {
        github: {
          users: [{ login: 'octocat', name: 'The Octocat', email: 'octocat@example.com' }],
          oauth_apps: [
            {
              client_id: client.clientId,
              client_secret: client.clientSecret,
              name: 'App',
              redirect_uris: [client.redirectUri],
            },
          ],
        },
      },
    })
  })
  afterAll(() => emulator.close())

  it('signs somebody in', async () => {
    const provider = createGithub(deps, { client, emulatorUrl: emulator.url, emailTrust: 'untrusted' })
    const request = { state: 'state', nonce: 'n', scopes: 'identity', prompt: null, loginHint: null } as const
    const url = provider.authorizationUrl({ ...request, codeVerifier: verifier })
    expect((await fetch(url)).status).toBe(200)
    const form = Object.fromEntries(url.searchParams)
    const pressed = await fetch(new URL('/login/oauth/callback', emulator.url), {
      method: 'POST',
      body: new URLSearchParams({ ...form, login: 'octocat' }),
      redirect: 'manual',
    })
    const code = new URL(pressed.headers.get('location') ?? '').searchParams.get('code') ?? ''
    const grant = await provider.exchange({ code, codeVerifier: verifier })
    if (!grant.ok) throw new Error(grant.code)
    const profile = await provider.profile({ grant: grant.value, nonce: 'n' })
    expect(profile).toMatchObject({ ok: true, value: { provider: 'github', email: 'octocat@example.com' } })
    expect(await provider.exchange({ code, codeVerifier: verifier })).toMatchObject({ code: 'bad_verification_code' })
  })
})
