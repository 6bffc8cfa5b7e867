// What browsers and lists meet: CORS, static files, public documents, and `limit` and `cursor` of every list (SECURITY
// SE-23, AP-15, ML-14, ML-15).
import { beforeAll, describe, expect, it } from 'vitest'
import { call, json, newKey, newPerson, refusal } from '../support/app.ts'
import { query } from '../support/database.ts'
import {
  callWith,
  expectGuarded,
  noLimit,
  type Operation,
  problemOf,
  readOperations,
  someId,
} from '../support/operations.ts'

let operations: Operation[] = []
let admin = ''

beforeAll(async () => {
  operations = await readOperations()
  admin = (await newPerson('admin@gmail.com')).access_token
})

const allowed = 'http://localhost:3000'

function preflight(path: string, origin: string, method = 'POST'): Promise<Response> {
  return call(path, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': method,
      'Access-Control-Request-Headers': 'authorization,content-type',
    },
  })
}

describe('CORS', () => {
  it('SE-23 lets a configured front end ask for every route, with Bearer and never with cookies', async () => {
    for (const operation of operations) {
      const response = await preflight(operation.path, allowed, operation.method)
      expect(response.status).toBe(204)
      expect(response.headers.get('Access-Control-Allow-Origin')).toBe(allowed)
      expect(response.headers.get('Access-Control-Allow-Methods')?.split(',')).toContain(operation.method)
      expect(response.headers.get('Access-Control-Allow-Headers')).toMatch(/Authorization.*Content-Type/)
      expect(response.headers.get('Vary')).toContain('Origin')
      expectGuarded(response)
    }
  })

  it.each([
    'null',
    'https://evil.test',
    'http://localhost:3000.evil.test',
    'http://evillocalhost:3000',
    'http://localhost:30000',
    'http://localhost:3001',
    'http://localhost',
    'https://localhost:3000',
    'http://LOCALHOST:3000',
    'http://localhost:3000/',
    'http://localhost:3000@evil.test',
    'http://localhost:3000,http://evil.test',
    'http://localhostx3000',
    'http://localhost:8787.evil.test',
    '*',
  ])('SE-23 gives %s nothing', async (origin) => {
    for (const path of ['/auth/me', '/api/v1/auth/token', '/api/v1/mail-accounts', '/nothing']) {
      const [asked, answered] = [await preflight(path, origin), await call(path, { headers: { Origin: origin } })]
      for (const response of [asked, answered]) {
        expect(response.headers.get('Access-Control-Allow-Origin')).toBeNull()
        expect(response.headers.get('Access-Control-Allow-Credentials')).toBeNull()
      }
      await answered.body?.cancel()
    }
  })

  it('SE-23 shows refusals to the configured front end too, and what it needs of their headers', async () => {
    for (const path of ['/auth/me', '/nothing', `/api/v1/mail-accounts/${someId}`]) {
      const response = await call(path, { headers: { Origin: allowed } })
      expect(response.headers.get('Access-Control-Allow-Origin')).toBe(allowed)
      expect(response.headers.get('Access-Control-Expose-Headers')).toMatch(
        /X-Request-Id.*Retry-After.*Content-Disposition/,
      )
      expect(response.headers.get('Vary')).toContain('Origin')
      await problemOf(response)
    }
  })

  it('SE-23 takes a dot in a configured origin for a dot', async () => {
    const ask = (origin: string) =>
      callWith({ CORS_ORIGINS: 'https://app.x.test, https://other.test' }, '/auth/me', { headers: { Origin: origin } })
    expect((await ask('https://app.x.test')).headers.get('Access-Control-Allow-Origin')).toBe('https://app.x.test')
    expect((await ask('https://appxx.test')).headers.get('Access-Control-Allow-Origin')).toBeNull()
    expect((await ask('https://a.app.x.test')).headers.get('Access-Control-Allow-Origin')).toBeNull()
    expect((await ask(allowed)).headers.get('Access-Control-Allow-Origin')).toBeNull()
  })
})

describe('public documents and files', () => {
  it('SE-27 shows only public members of the signing keys', async () => {
    const response = await call('/.well-known/jwks.json')
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*')
    const { keys } = await json<{ keys: object[] }>(response)
    expect(keys.map((one) => Object.keys(one).sort())).toEqual([['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']])
  })

  it('answers a known ETag with 304: the document and static files', async () => {
    for (const path of ['/openapi.json', '/assets/swagger-ui/swagger-ui.css']) {
      const first = await call(path)
      expectGuarded(first)
      expect(first.status).toBe(200)
      expect(first.headers.get('Cache-Control')).toMatch(/^public, max-age=\d+$/)
      expect((await first.text()).length).toBeGreaterThan(1_000)
      const tag = first.headers.get('ETag') ?? ''
      expect(tag).toMatch(/^(W\/)?"[^"]+"$/)
      const again = await call(path, { headers: { 'If-None-Match': tag } })
      expect(again.status).toBe(304)
      expect(await again.text()).toBe('')
      expectGuarded(again)
      expect(again.headers.get('ETag')).toBe(tag)
      const other = await call(path, { headers: { 'If-None-Match': '"other"' } })
      expect(other.status).toBe(200)
      await other.body?.cancel()
    }
  })

  it('AP-15 guards files, pages and refusals alike; styles come as styles', async () => {
    const css = await call('/assets/swagger-ui/swagger-ui.css')
    expect(css.headers.get('Content-Type')).toMatch(/^text\/css/)
    await css.body?.cancel()
    for (const path of [
      '/',
      '/docs',
      '/redoc',
      '/assets/nothing.css',
      '/assets/',
      '/nothing',
      '/auth/google/callback',
    ]) {
      const response = await call(path, { headers: { Accept: 'text/html' } })
      expectGuarded(response)
      await response.body?.cancel()
    }
    expect(await refusal(call('/assets/nothing.css'))).toEqual([404, 'not_found'])
    for (const path of [
      '/assets/../wrangler.toml',
      '/assets/%2e%2e/wrangler.toml',
      '/wrangler.toml',
      '/.dev.vars',
      '/.git/config',
    ])
      expect(await refusal(call(path))).toEqual([404, 'not_found'])
  })

  it('AP-15 stores no answer that is somebody’s', async () => {
    for (const path of [
      '/auth/me',
      '/auth/sessions',
      '/api/v1/mail-accounts',
      '/api/v1/api-keys',
      '/auth/google/start',
    ]) {
      const response = await call(path, { bearer: admin })
      expect(response.status).toBe(200)
      expect(response.headers.get('Cache-Control')).toBe('no-store')
      await response.body?.cancel()
    }
  })

  it('answers a path that nobody has with a document, or a page where a person looks; API paths always with a document', async () => {
    expect(await refusal(call('/nothing'))).toEqual([404, 'not_found'])
    const page = await call('/nothing', { headers: { Accept: 'text/html' } })
    expect([page.status, page.headers.get('Content-Type')?.split(';')[0]]).toEqual([404, 'text/html'])
    await page.body?.cancel()
    for (const path of ['/api/v1/nothing', '/auth/nothing', '/emails/a/nothing', '/oauth/nothing', '/health/nothing'])
      expect((await problemOf(await call(path, { headers: { Accept: 'text/html' } }))).code).toBe('not_found')
  })
})

describe('lists', () => {
  // Figures of the database and keys of KV have limits of their own; what pages through PostgreSQL has a cursor of ours.
  const isList = ({ operationId, parameters }: Operation) =>
    operationId !== 'cacheStatus' && parameters.some(({ name }) => name === 'cursor')
  const lists = () => operations.filter(isList)

  it('finds every list in the document, with limit and cursor', () => {
    expect(
      lists()
        .map(({ operationId }) => operationId)
        .sort(),
    ).toEqual(
      [
        'listAddresses',
        'listApiKeys',
        'listAuditLogs',
        'listEmails',
        'listIdentities',
        'listMailAccounts',
        'listSessions',
        'listThreads',
        'listUsers',
      ].sort(),
    )
    for (const { parameters } of lists()) expect(parameters.map(({ name }) => name)).toContain('limit')
  })

  const refused = [
    ...['0', '-1', '101', '1e9', '1000000000000000000000', '1.5', 'ten', 'NaN', 'Infinity', '', 'null', '1;DROP'].map(
      (limit) => `limit=${limit}`,
    ),
    ...[
      'x',
      'c1',
      `c1${'g'.repeat(32)}`,
      `c1${'0'.repeat(33)}`,
      `c2${'0'.repeat(32)}`,
      someId,
      `' OR 1=1--`,
      '%00',
    ].map((cursor) => `cursor=${cursor}`),
    `cursor=${'x'.repeat(5_000)}`,
    'limit=1&limit=2',
    'cursor=a&cursor=b',
    'limit[]=1',
    'offset=-1',
    'page=2',
    'sort=created_at;DROP',
    'order=desc%20nulls',
    'fields=password_hash',
    'user_id=x',
    'constructor=1',
  ]

  it('ML-14 ML-15 refuses a limit, cursor or parameter that is none of ours', async () => {
    for (const { path } of lists()) {
      for (const wrong of refused) {
        const init = { headers: { Authorization: `Bearer ${admin}` } }
        const problem = await problemOf(await callWith({ AUTH_RATE_LIMIT: noLimit }, `${path}?${wrong}`, init))
        expect(`${path} ${wrong.slice(0, 40)} ${problem.code}`).toBe(`${path} ${wrong.slice(0, 40)} invalid_input`)
        expect(JSON.stringify(problem)).not.toMatch(/DROP|OR 1=1/)
      }
    }
  })

  it('ML-14 pages by an opaque cursor that shows each row once', async () => {
    for (let made = 0; made < 5; made += 1) await newKey(admin, { name: `key ${made}` })
    const whole = await json<{ items: { id: string }[] }>(call('/api/v1/api-keys', { bearer: admin }))
    const seen: string[] = []
    let cursor: string | null = ''
    for (let page = 0; cursor !== null && page < 10; page += 1) {
      const at: string = cursor === '' ? '' : `&cursor=${cursor}`
      const list: { items: { id: string }[]; next_cursor: string | null } = await json(
        call(`/api/v1/api-keys?limit=2${at}`, { bearer: admin }),
      )
      expect(list.items.length).toBeLessThanOrEqual(2)
      seen.push(...list.items.map(({ id }) => id))
      cursor = list.next_cursor
    }
    expect(seen).toEqual(whole.items.map(({ id }) => id))
  })

  it('ML-14 shows nobody else’s rows by a forged or foreign cursor', async () => {
    const other = await newPerson('ada@gmail.com')
    const [mine] = await json<{ items: { id: string }[] }>(call('/api/v1/mail-accounts', { bearer: admin })).then(
      (l) => l.items,
    )
    const [theirs] = await query<{ id: string }>(
      `SELECT user_mail_account_id AS id FROM user_mail_accounts WHERE user_id = $1`,
      [other.userId],
    )
    for (const id of ['f'.repeat(32), (theirs?.id ?? '').replaceAll('-', ''), '0'.repeat(32)]) {
      const list = await json<{ items: { id: string }[] }>(
        call(`/api/v1/mail-accounts?cursor=c1${id}`, { bearer: admin }),
      )
      expect(list.items.every((item) => item.id === mine?.id)).toBe(true)
    }
  })
})
