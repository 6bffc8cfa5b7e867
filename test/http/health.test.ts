// Health, and what a request is told while the database is down, hanging, cut off or broken: a fast refusal in our own
// words, one log line, and recovery (SECURITY AP-08, AP-13; DESIGN 6.10, 6.11).
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { call, json, newKey, newPerson, onlyMailbox, type TokenPair, vend } from '../support/app.ts'
import { proxy, query } from '../support/database.ts'
import { callWith, expectGuarded, leaks, problemOf, someId } from '../support/operations.ts'

let admin: TokenPair & { userId: string }
let key = ''
let accountId = ''
const lines: string[] = []

beforeAll(async () => {
  admin = await newPerson('admin@gmail.com')
  key = (await newKey(admin.access_token)).key
  accountId = (await onlyMailbox(admin.access_token)).id
})

beforeEach(() => {
  lines.length = 0
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line))
})

afterEach(async () => {
  vi.restoreAllMocks()
  await proxy.setMode('normal')
})

const logged = (event: string): Record<string, unknown>[] =>
  lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line.event === event)

/** Two seconds, of which our timers take a second and a half; and what a machine that does three things at once adds. */
const mostMs = 4_000

async function timed(work: () => Promise<Response>): Promise<{ response: Response; ms: number }> {
  const startedAt = performance.now()
  const response = await work()
  return { response, ms: performance.now() - startedAt }
}

describe('health', () => {
  it('AP-13 is alive, ready and connected, for anyone, and says nothing of where', async () => {
    expect(await json(call('/health/liveness'))).toEqual({ status: 'alive' })
    for (const path of ['/health', '/health/readiness']) {
      const response = await call(path)
      expectGuarded(response)
      expect(response.headers.get('Cache-Control')).toBe('no-store')
      const text = await response.text()
      expect(text).not.toMatch(leaks)
      expect(JSON.parse(text)).toEqual({
        status: 'ready',
        settings: 'well',
        database: { status: 'up', migrated: true, latency_ms: expect.any(Number) },
        // A mailbox's token row; the sealed form names its key.
        sealing_keys: [{ id: 'test1', rows: 1, first: true, known: true }],
      })
    }
    expect(await json(call('/health/database'))).toMatchObject({ status: 'up', migrated: true })
  })

  it('AP-13 says null, not 0, where the rows of a key could not be counted: failed, or too slow', async () => {
    const uncounted = { status: 'ready', sealing_keys: [{ id: 'test1', rows: null, first: true, known: true }] }
    await query('ALTER TABLE one_time_codes RENAME TO one_time_codes_away')
    try {
      expect(await json(call('/health/readiness'))).toMatchObject(uncounted)
    } finally {
      await query('ALTER TABLE one_time_codes_away RENAME TO one_time_codes')
    }
    await query('BEGIN')
    try {
      await query('LOCK TABLE oauth_tokens')
      const { response, ms } = await timed(() => call('/health/readiness'))
      const body = await response.json<{ sealing_keys: unknown }>()
      expect(body.sealing_keys).toEqual(uncounted.sealing_keys)
      expect(ms).toBeLessThan(mostMs)
    } finally {
      await query('ROLLBACK')
    }
    expect(await json(call('/health/readiness'))).toMatchObject({ sealing_keys: [{ id: 'test1', rows: 1 }] })
  })

  it('AP-13 is not ready before the migrations', async () => {
    await query('ALTER TABLE oauth_tokens RENAME TO oauth_tokens_away')
    try {
      expect(await json(call('/health/readiness'), 503)).toMatchObject({
        status: 'not_ready',
        database: { status: 'up', migrated: false },
      })
    } finally {
      await query('ALTER TABLE oauth_tokens_away RENAME TO oauth_tokens')
    }
  })

  it.each(['refuse', 'hang', 'kill'] as const)(
    'AP-13 stays alive and says within two seconds that it is not ready: %s; then recovers',
    async (mode) => {
      await proxy.setMode(mode)
      for (const path of ['/health', '/health/readiness', '/health/database']) {
        const { response, ms } = await timed(() => call(path))
        expect(response.status).toBe(503)
        expect(Number(response.headers.get('Retry-After'))).toBeGreaterThan(0)
        expect(ms).toBeLessThan(mostMs)
        expectGuarded(response)
        const text = await response.text()
        expect(text).not.toMatch(leaks)
        expect(JSON.parse(text)).toMatchObject(
          path === '/health/database'
            ? { status: 'down' }
            : { status: 'not_ready', database: { status: 'down' }, sealing_keys: [{ id: 'test1', rows: null }] },
        )
      }
      expect(await json(call('/health/liveness'))).toEqual({ status: 'alive' })
      await proxy.setMode('normal')
      expect(await json(call('/health/readiness'))).toMatchObject({ status: 'ready' })
    },
  )

  it('AP-13 says so within two seconds where the database is far too slow for both questions', async () => {
    // Each step within its own limit, all together 2.8 s.
    await proxy.setDelay(700)
    try {
      const { response, ms } = await timed(() => call('/health/readiness'))
      expect(await json(response, 503)).toMatchObject({ status: 'not_ready', database: { status: 'down' } })
      expect(ms).toBeLessThan(mostMs)
    } finally {
      await proxy.setDelay(0)
    }
  })
})

describe('the database is away', () => {
  it.each(['refuse', 'hang', 'kill'] as const)(
    'AP-08 answers 503 with Retry-After, soon and in our own words: %s; then recovers',
    async (mode) => {
      await proxy.setMode(mode)
      const asked = await Promise.all([
        timed(() => call('/auth/me', { bearer: admin.access_token })),
        timed(() => call('/auth/sessions', { bearer: admin.access_token })),
        timed(() => call('/api/v1/mail-accounts', { bearer: admin.access_token })),
        timed(() => call(`/api/v1/mail-accounts/${accountId}`, { method: 'DELETE', bearer: admin.access_token })),
        timed(() => call('/api/v1/api-keys', { bearer: admin.access_token })),
        timed(() => call('/auth/refresh', { json: { refresh_token: `gpr_${'x'.repeat(43)}` } })),
        timed(() => call('/auth/token', { json: { state: 'x'.repeat(43) } })),
        timed(() => call('/auth/logout', { json: { refresh_token: 'x' } })),
        timed(() => vend(key, accountId)),
      ])
      for (const { response, ms } of asked) {
        const problem = await problemOf(response)
        expect(problem).toMatchObject({ status: 503, code: 'unavailable' })
        expect(ms).toBeLessThan(8_000)
      }
      // What needs no database still answers, and who shows nothing learns nothing of the outage.
      expect((await problemOf(await call('/auth/me'))).code).toBe('unauthorized')
      expect((await call('/.well-known/jwks.json')).status).toBe(200)
      expect((await call('/auth/google/start')).status).toBe(200)
      expect(lines.join('\n')).not.toMatch(/127\.0\.0\.1|gpr?_[A-Za-z0-9_-]{43}|password|SELECT/)
      expect(logged('unavailable').length).toBe(asked.length)
      await proxy.setMode('normal')
      await json(call('/auth/me', { bearer: admin.access_token }))
      await json(vend(key, accountId))
    },
  )

  it('AP-08 changed nothing by what it refused', async () => {
    const [row] = await query<{ status: string; revoked: number }>(
      `SELECT status_cd AS status, (SELECT count(*)::int FROM sessions WHERE revoked_at_utc IS NOT NULL) AS revoked
       FROM user_mail_accounts WHERE user_mail_account_id = $1`,
      [accountId],
    )
    expect(row).toEqual({ status: 'active', revoked: 0 })
  })
})

describe('a bug', () => {
  it('AP-08 answers 500 with the request id and nothing else, and logs class and place only', async () => {
    await query('ALTER TABLE users RENAME COLUMN full_name_txt TO full_name_away')
    try {
      const problem = await problemOf(await call('/auth/me', { bearer: admin.access_token }))
      expect(problem).toMatchObject({ status: 500, code: 'internal', title: 'Something went wrong' })
      const [bug] = logged('bug')
      expect(bug).toMatchObject({ level: 'error', request_id: problem.request_id, error_code: '42703' })
      expect(lines.join('\n')).not.toMatch(/full_name|SELECT|admin@gmail/)
    } finally {
      await query('ALTER TABLE users RENAME COLUMN full_name_away TO full_name_txt')
    }
  })

  it('AP-08 says no more where a binding breaks', async () => {
    const broken = { put: () => Promise.reject(new Error('MARKED kv at 127.0.0.1\n    at MARKED')) }
    const problem = await problemOf(await callWith({ OAUTH_STATE: broken }, '/auth/google/start'))
    expect(problem.status).toBeGreaterThanOrEqual(500)
    expect(JSON.stringify(problem) + lines.join('')).not.toContain('MARKED')
  })
})

describe('the log', () => {
  it('AP-08 has one line a request: pattern, status, times and counts; no id, query, header, body or secret', async () => {
    const { access_token } = admin
    const asked: [() => Promise<Response>, Record<string, unknown>][] = [
      [() => call('/auth/me', { bearer: access_token }), { route: '/auth/me', status: 200, db_trips: 1 }],
      [
        () => call(`/api/v1/mail-accounts/${accountId}?user_id=${someId}`, { bearer: key }),
        { route: '/api/v1/mail-accounts/:id', status: 404, db_trips: 1 },
      ],
      [() => vend(key, accountId), { method: 'POST', route: '/api/v1/mail-accounts/:id/access-token', status: 200 }],
      [
        () => call('/auth/google/callback?code=MARKED-CODE&state=MARKED-STATE'),
        { route: '/auth/:provider/callback', status: 400, db_trips: 0, provider_calls: 0 },
      ],
      [
        () => call('/auth/token', { json: { state: 'MARKED-HAND-OFF' } }),
        { method: 'POST', route: '/auth/token', status: 400, db_trips: 1 },
      ],
      [
        () =>
          call('/nothing/MARKED-PATH?MARKED-QUERY', {
            headers: { 'User-Agent': 'MARKED-AGENT', Cookie: 'session=MARKED' },
          }),
        { route: 'none', status: 404 },
      ],
      [() => call('/auth/me', { bearer: 'MARKED-BEARER' }), { status: 401, db_trips: 0 }],
      [
        () => call('/auth/sessions/MARKED-ID', { method: 'DELETE', bearer: access_token }),
        { method: 'DELETE', status: 422 },
      ],
      [() => call('/auth/me', { method: 'HEAD' }), { method: 'HEAD', route: '/auth/me', status: 401 }],
      [() => call('/auth/me', { method: 'PUT' }), { method: 'PUT', status: 405 }],
    ]
    for (const [ask, expected] of asked) {
      lines.length = 0
      const response = await ask()
      await response.body?.cancel()
      expect(logged('request')).toEqual([
        {
          level: 'info',
          event: 'request',
          request_id: response.headers.get('X-Request-Id'),
          method: 'GET',
          route: expect.any(String),
          duration_ms: expect.any(Number),
          db_trips: expect.any(Number),
          provider_calls: expect.any(Number),
          ...expected,
        },
      ])
      const text = lines.join('\n')
      for (const secret of ['MARKED', accountId, someId, access_token, key, admin.userId, 'gmail.com', '10.0.'])
        expect(text).not.toContain(secret)
    }
  })
})
