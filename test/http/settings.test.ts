// A deployment whose settings are broken: everything but health is closed, the setting is named in the log, its value
// nowhere; a broken key ring closes the token routes only (SECURITY AP-20, TV-17; DESIGN 6.11).
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { checkSettingsAndKeys, compose } from '../../src/deps.ts'
import { parseSettings, type WorkerEnv } from '../../src/env.ts'
import { call, json, newKey, newPerson, onlyMailbox, refusal } from '../support/app.ts'
import { callWith, expectGuarded, problemOf, readOperations } from '../support/operations.ts'

const lines: string[] = []

beforeEach(() => {
  lines.length = 0
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line))
})

afterEach(() => {
  vi.restoreAllMocks()
})

const logged = (event: string): Record<string, unknown>[] =>
  lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line.event === event)

const paths = [
  '/',
  '/auth/me',
  '/auth/google/login',
  '/auth/google/start',
  '/auth/google/callback?code=a&state=b',
  '/api/v1/mail-accounts',
  '/openapi.json',
  '/docs',
  '/.well-known/jwks.json',
  '/assets/swagger-ui/swagger-ui.css',
  '/nothing',
]

/** Closed but for health, the settings named, and `secret` neither on the wire nor in the log. */
async function expectClosed(overrides: Record<string, unknown>, settings: string[], secret?: string): Promise<void> {
  const said: string[] = []
  for (const path of paths) {
    const response = await callWith(overrides, path)
    const problem = await problemOf(response)
    expect([path, problem.status, problem.code]).toEqual([path, 503, 'misconfigured'])
    expect(response.headers.getSetCookie()).toEqual([])
    said.push(JSON.stringify(problem))
  }
  for (const path of ['/health', '/health/readiness', '/health/database', '/health/readiness/']) {
    const response = await callWith(overrides, path)
    expectGuarded(response)
    const body = await json(response, 503)
    if (path !== '/health/database') expect(body).toMatchObject({ status: 'not_ready', settings: 'broken' })
    said.push(JSON.stringify(body))
  }
  const alive = await callWith(overrides, '/health/liveness')
  expectGuarded(alive)
  expect(await json(alive)).toEqual({ status: 'alive' })
  const named = logged('misconfigured')
  expect([...new Set(named.map(({ setting }) => setting))].sort()).toEqual([...settings].sort())
  const all = said.join('') + lines.join('')
  for (const setting of settings) expect(said.join('')).not.toContain(setting)
  if (secret !== undefined) expect(all).not.toContain(secret)
}

const text = (name: string): string => {
  const value: unknown = Reflect.get(env, name)
  if (typeof value !== 'string') throw new Error(`${name} is no text`)
  return value
}

const https = {
  APP_URL: 'https://x.test',
  GOOGLE_EMULATOR_URL: '',
  GITHUB_EMULATOR_URL: '',
  MAIL_TRANSPORT: 'resend',
  MAIL_FROM: 'no-reply@x.test',
  RESEND_API_KEY: 'test-resend-key',
}

describe('development doors', () => {
  it('AP-20 serves where the app is https and no development door is open', async () => {
    const response = await callWith(https, '/auth/google/login')
    expect(response.status).toBe(302)
    const [cookie = ''] = response.headers.getSetCookie()
    expect(cookie).toMatch(/^__Host-flow-[^;]+;.*Secure/)
    expect(new URL(response.headers.get('Location') ?? '').origin).toBe('https://accounts.google.com')
    await json(callWith({ ...https, MAIL_TRANSPORT: '' }, '/health/readiness'))
  })

  it.each([
    ['MAIL_TRANSPORT', 'console'],
    ['GOOGLE_EMULATOR_URL', 'http://127.0.0.1:4000'],
    ['GOOGLE_EMULATOR_URL', 'https://marked.test'],
    ['GITHUB_EMULATOR_URL', 'http://localhost:4000'],
    ['RESEND_EMULATOR_URL', 'http://[::1]:4000'],
  ])('AP-20 closes an https deployment with %s=%s', async (name, value) => {
    await expectClosed({ ...https, [name]: value }, [name], name === 'MAIL_TRANSPORT' ? undefined : value)
  })

  it('AP-20 names all of them at once, on any host that is not loopback', async () => {
    const doors = {
      MAIL_TRANSPORT: 'console',
      GOOGLE_EMULATOR_URL: 'http://127.0.0.1:1',
      GITHUB_EMULATOR_URL: 'http://127.0.0.1:2',
      RESEND_EMULATOR_URL: 'http://127.0.0.1:3',
    }
    for (const APP_URL of [
      'https://x.test',
      'https://localhost.x.test',
      'https://127.0.0.1.x.test',
      'https://10.0.0.1',
    ]) {
      lines.length = 0
      await expectClosed({ APP_URL, ...doors }, Object.keys(doors))
    }
    for (const APP_URL of ['https://localhost', 'http://127.0.0.1:8787', 'http://[::1]:8787'])
      expect((await callWith({ APP_URL }, '/auth/google/start')).status).toBe(200)
  })
})

describe('letters', () => {
  it.each([
    [{ ...https, RESEND_API_KEY: '' }, 'RESEND_API_KEY'],
    [{ ...https, MAIL_FROM: '' }, 'MAIL_FROM'],
    [{ ...https, MAIL_TRANSPORT: 'smtp' }, 'SMTP_URL'],
  ])('are no core setting: without one everything else is served, and the log names it', async (settings, missing) => {
    lines.length = 0
    await json(callWith(settings, '/health/readiness'))
    expect(lines.filter((line) => line.includes('"misconfigured"')).join('')).toContain(missing)
  })
})

describe('core settings', () => {
  const keyOf = () => (JSON.parse(text('JWT_SIGNING_KEYS')) as { keys: [Record<string, string>] }).keys[0]
  const keySet = (...keys: object[]) => JSON.stringify({ keys })

  it('AP-20 is closed without the database or another binding', async () => {
    await expectClosed({ HYPERDRIVE: undefined }, ['HYPERDRIVE'])
    lines.length = 0
    await expectClosed({ OAUTH_STATE: undefined, DELIVER_QUEUE: undefined }, ['OAUTH_STATE', 'DELIVER_QUEUE'])
  })

  it('AP-20 is closed with broken signing keys', async () => {
    const key = keyOf()
    const broken = [
      undefined,
      '',
      'MARKED',
      '{"keys":"MARKED"}',
      keySet(),
      keySet({ ...key, d: undefined }),
      keySet({ ...key, d: `${key.d?.slice(0, -1)}A` }),
      keySet({ ...key, crv: 'MARKED' }),
      keySet({ ...key, kty: 'oct', k: 'MARKED' }),
      keySet({ ...key, alg: 'HS256' }),
      keySet(key, key),
      JSON.stringify(key),
    ]
    for (const JWT_SIGNING_KEYS of broken) {
      lines.length = 0
      await expectClosed({ JWT_SIGNING_KEYS }, ['JWT_SIGNING_KEYS'], 'MARKED')
      expect(lines.join('')).not.toContain(key.d)
    }
  })

  it('AP-20 is closed with a missing, short or malformed pepper', async () => {
    const short = btoa('MARKED'.repeat(5))
    for (const CODE_PEPPER of [undefined, '', 'MARKED', short, `${short}====`, '!'.repeat(44), 'MARKED '.repeat(10)]) {
      lines.length = 0
      await expectClosed({ CODE_PEPPER }, ['CODE_PEPPER'], CODE_PEPPER === '' ? undefined : CODE_PEPPER)
    }
  })

  it('AP-20 is closed with an address that is none', async () => {
    for (const APP_URL of [
      undefined,
      '',
      'marked',
      'http://marked.test',
      'https://marked.test/path',
      'https://marked.test?x=1',
      'https://marked.test#x',
      'https://user@marked.test',
      'ftp://localhost',
      'javascript:alert(1)//marked',
    ]) {
      lines.length = 0
      await expectClosed({ APP_URL }, ['APP_URL'], 'marked')
    }
  })

  it.each([
    ['CORS_ORIGINS', '*'],
    ['CORS_ORIGINS', 'https://good.test, http://marked.test'],
    ['CORS_ORIGINS', 'https://marked.test/path'],
    ['RETURN_URLS', 'javascript:marked'],
    ['RETURN_URLS', 'https://good.test/a,marked'],
    ['FRONTEND_CALLBACK_URL', 'http://marked.test/callback'],
    ['FRONTEND_CALLBACK_URL', 'https://good.test/#marked'],
    ['GOOGLE_REDIRECT_URI', 'marked'],
    ['GOOGLE_CLIENT_SECRET', ''],
    ['GOOGLE_CLIENT_ID', ''],
    ['HANDOFF_CHALLENGE', 'marked'],
    ['MAIL_TRANSPORT', 'marked'],
    ['APP_NAME', 'marked'.repeat(20)],
  ])('AP-20 takes no guess at %s=%s', async (name, value) => {
    await expectClosed({ [name]: value }, [name], 'marked')
  })

  it('takes blanks and empty settings for absent ones, and an origin with its slash', async () => {
    const overrides = {
      APP_NAME: ' ',
      RETURN_URLS: ' , ',
      CORS_ORIGINS: '',
      MAIL_TRANSPORT: '',
      APP_URL: ' http://localhost:8787/ ',
    }
    const document = await json<{ info: { title: string }; servers: { url: string }[] }>(
      callWith(overrides, '/openapi.json'),
    )
    expect(document.servers).toEqual([{ url: 'http://localhost:8787' }])
    const providers = await json(
      callWith(
        { GOOGLE_CLIENT_ID: '', GOOGLE_CLIENT_SECRET: '', GITHUB_CLIENT_ID: ' ', GITHUB_CLIENT_SECRET: ' ' },
        '/oauth/providers',
      ),
    )
    expect(providers).toEqual({ items: [], next_cursor: null })
  })

  it('does not remember a broken setting once it is whole', async () => {
    expect((await callWith({ APP_URL: 'x' }, '/auth/google/start')).status).toBe(503)
    expect((await call('/auth/google/start')).status).toBe(200)
  })
})

describe('addresses of administrators', () => {
  it('AP-20 are of the stored form; an entry that is none is named, never quoted, and closes nothing', async () => {
    const ADMIN_EMAILS = ' Ada@B\u00fccher.example ,marked, bob@x.test'
    const composed = await compose({ ...env, ADMIN_EMAILS } as unknown as WorkerEnv)
    expect('deps' in composed ? composed.deps.adminEmails : null).toEqual(['ada@xn--bcher-kva.example', 'bob@x.test'])
    expect(logged('misconfigured').map(({ setting }) => setting)).toEqual(['ADMIN_EMAILS'])
    expect(lines.join('')).not.toContain('marked')
    expect((await callWith({ ADMIN_EMAILS }, '/auth/google/start')).status).toBe(200)
  })
})

describe('the check before a start', () => {
  const ring = `one:${btoa('k'.repeat(32))}`
  const well = {
    APP_URL: 'http://localhost:8787',
    TOKEN_ENCRYPTION_KEYS: ring,
    JWT_SIGNING_KEYS: text('JWT_SIGNING_KEYS'),
    CODE_PEPPER: text('CODE_PEPPER'),
  }

  it.each([
    ['JWT_SIGNING_KEYS', 'marked'],
    ['CODE_PEPPER', 'marked!'.repeat(10)],
    ['TOKEN_ENCRYPTION_KEYS', `${ring},${ring}`],
    ['ADMIN_EMAILS', 'marked'],
  ])('AP-20 opens what the form of %s=%s does not show, and names it only', async (name, value) => {
    expect(parseSettings({ ...well, [name]: value }).problems).toEqual([])
    const [problem = '', ...others] = await checkSettingsAndKeys({ ...well, [name]: value })
    expect(others).toEqual([])
    expect(problem.startsWith(`${name} `)).toBe(true)
    expect(problem).not.toContain(value)
  })

  it('finds nothing wrong with good settings, and what the form shows as well', async () => {
    expect(await checkSettingsAndKeys(well)).toEqual([])
    expect((await checkSettingsAndKeys({ ...well, APP_URL: 'x' }))[0]).toMatch(/^APP_URL /)
  })
})

describe('the key ring', () => {
  const key = (bytes: number): string => btoa('k'.repeat(bytes))
  const rings: [string, string | undefined][] = [
    ['no key', undefined],
    ['an empty one', ''],
    ['a short key', `marked:${key(16)}`],
    ['a long key', `marked:${key(33)}`],
    ['no base64', `marked:${'!'.repeat(44)}`],
    ['base64 with stray bits', `marked:${key(32).slice(0, -2)}B=`],
    ['a key without its name', key(32)],
    ['a strange name', `ma rked:${key(32)}`],
    ['one name twice', `marked:${key(32)},marked:${key(32)}`],
    ['a good and a short key', `good:${key(32)},marked:${key(16)}`],
    ['a trailing comma', `marked:${key(32)},`],
  ]

  it.each(rings)('TV-17 closes the token routes with %s, and nothing else; readiness says so', async (_, ring) => {
    const overrides = { TOKEN_ENCRYPTION_KEYS: ring }
    for (const path of ['/auth/google/start', '/oauth/google/initiate']) {
      const problem = await problemOf(await callWith(overrides, path))
      expect([problem.status, problem.code]).toEqual([503, 'misconfigured'])
    }
    const login = await callWith(overrides, '/auth/google/login')
    expect([login.status, login.headers.getSetCookie(), login.headers.get('Location')]).toEqual([503, [], null])
    expect(Number(login.headers.get('Retry-After'))).toBeGreaterThan(0)
    await login.body?.cancel()
    for (const path of ['/health', '/health/readiness']) {
      const body = await json(callWith(overrides, path), 503)
      expect(body).toMatchObject({ status: 'not_ready', settings: 'broken', database: { status: 'up' } })
    }
    expect(await json(callWith(overrides, '/health/database'))).toMatchObject({ status: 'up' })
    expect(await json(callWith(overrides, '/oauth/providers'))).toMatchObject({
      items: [{ id: 'google' }, { id: 'github' }],
    })
    expect(logged('misconfigured').map(({ setting }) => setting)).toContain('TOKEN_ENCRYPTION_KEYS')
    expect(lines.join('')).not.toContain(key(32))
    expect(lines.join('')).not.toContain('marked')
  })

  it('TV-17 hands out and reconnects nothing without keys; the person, their sessions and lists still work', async () => {
    const { access_token } = await newPerson('admin@gmail.com')
    const account = await onlyMailbox(access_token)
    const { key: serviceKey } = await newKey(access_token)
    const ask = (path: string, bearer: string, method = 'GET'): Promise<Response> =>
      callWith({ TOKEN_ENCRYPTION_KEYS: 'broken' }, path, {
        method,
        headers: { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' },
        ...(method === 'POST' ? { body: '{}' } : {}),
      })
    expect(await refusal(ask(`/api/v1/mail-accounts/${account.id}/access-token`, serviceKey, 'POST'))).toEqual([
      503,
      'misconfigured',
    ])
    expect(await refusal(ask(`/api/v1/mail-accounts/${account.id}/reconnect`, access_token, 'POST'))).toEqual([
      503,
      'misconfigured',
    ])
    for (const path of ['/auth/me', '/auth/sessions', '/api/v1/mail-accounts', `/api/v1/mail-accounts/${account.id}`])
      await json(ask(path, access_token))
    expect((await readOperations()).length).toBeGreaterThan(0)
    expect((await ask(`/api/v1/mail-accounts/${account.id}`, access_token, 'DELETE')).status).toBe(204)
  })
})
