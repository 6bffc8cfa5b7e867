// The administration over HTTP: who is let in, what the database says of itself with and without pg_stat_statements, that
// no value shows in a statement's text (SECURITY AP-14), and the cache. Each route works, refuses, and says 503 without a
// database.
import { env } from 'cloudflare:workers'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { call, count, json, newKey, newPerson, refusal, type TokenPair } from '../support/app.ts'
import { proxy, query, testAddresses } from '../support/database.ts'
import { callWith, expectGuarded, problemOf } from '../support/operations.ts'

const kv = env as unknown as { OAUTH_STATE: KVNamespace; CACHE: KVNamespace }

let admin: TokenPair & { userId: string }
let user: TokenPair & { userId: string }
let key = ''
let keyId = ''

beforeAll(async () => {
  admin = await newPerson('admin@gmail.com')
  user = await newPerson('someone@gmail.com', { query: { scopes: 'identity' } })
  const made = await newKey(admin.access_token, { permissions: ['metrics:read', 'tokens:vend'] })
  key = made.key
  keyId = made.id
})

afterEach(async () => {
  await proxy.setMode('normal')
})

const routes = [
  ['GET', '/health/database/detailed', 'database_health.read'],
  ['GET', '/status', 'status.read'],
  ['GET', '/metrics/database', 'database_statistics.read'],
  ['GET', '/metrics/database/queries', 'database_queries.read'],
  ['GET', '/metrics/database/slow-queries', 'database_slow_queries.read'],
  ['POST', '/metrics/database/reset', 'database_statistics.reset'],
  ['GET', '/api/v1/cache/status', 'cache.read'],
  ['POST', '/api/v1/cache/clear', 'cache.clear'],
  ['DELETE', '/api/v1/cache/some%2Fkey', 'cache.read'],
] as const

interface StatementJson {
  statement: string
  calls: number
  mean_ms: number
  total_ms: number
}

interface Queries {
  source: string
  statements: StatementJson[]
  tables: Record<string, unknown>[]
  unused_indexes: Record<string, unknown>[]
}

interface SlowQueries {
  source: string
  statements: StatementJson[]
  running: { pid: number; running_ms: number; statement: string }[]
}

const ask = <T>(path: string, method = 'GET'): Promise<T> => json<T>(call(path, { method, bearer: admin.access_token }))

describe.each(routes)('%s %s', (method, path, verb) => {
  it('lets an admin in and nobody else; a refusal is in the trail', async () => {
    expect(await refusal(call(path, { method }))).toEqual([401, 'unauthorized'])
    const refusals = () => count('audit_logs', `action_cd = 'admin.refused' AND subject_id_txt = $1`, [verb])
    const before = await refusals()
    expect(await refusal(call(path, { method, bearer: user.access_token }))).toEqual([403, 'forbidden'])
    expect(await refusal(call(path, { method, bearer: key }))).toEqual([403, 'forbidden'])
    expect(await refusals()).toBe(before + 2)
    const rows = await query(
      `SELECT actor_user_id, event_json, outcome_cd FROM audit_logs WHERE action_cd = 'admin.refused' AND subject_id_txt = $1
       ORDER BY created_at_utc DESC, audit_log_id DESC LIMIT 2`,
      [verb],
    )
    expect(rows).toEqual([
      { actor_user_id: null, event_json: { api_key_id: keyId }, outcome_cd: 'refused' },
      { actor_user_id: user.userId, event_json: {}, outcome_cd: 'refused' },
    ])
    const response = await call(path, { method, bearer: admin.access_token })
    expect(response.status).toBe(method === 'DELETE' ? 404 : 200)
    expectGuarded(response)
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    await response.body?.cancel()
  })

  it('answers 503 while the database is away', async () => {
    await proxy.setMode('refuse')
    expect((await problemOf(await call(path, { method, bearer: admin.access_token }))).code).toBe('unavailable')
  })
})

describe('what the database says of itself', () => {
  it('tells an admin its health in detail, and no host', async () => {
    const found = await ask<Record<string, unknown>>('/health/database/detailed')
    expect(found).toMatchObject({
      status: 'up',
      read_only: false,
      replica: false,
      replay_lag_seconds: null,
      migrations: { pending: 0 },
      sealing_keys: [{ id: 'test1', rows: 1, first: true, known: true }],
      connections: {
        max: expect.any(Number),
        by_state: expect.arrayContaining([{ state: 'active', count: expect.any(Number) }]),
      },
    })
    expect(found.version).toMatch(/^1[4-9]/)
    expect(found.tables).toContainEqual(
      expect.objectContaining({ table: 'oauth_tokens', live_rows: expect.any(Number) }),
    )
    expect(JSON.stringify(found)).not.toMatch(/127\.0\.0\.1|postgres:\/\//)
  })

  it('names migrations that are still to come, and a transaction that stays open', async () => {
    await query(`CREATE TABLE kept AS SELECT * FROM drizzle.__drizzle_migrations`)
    await query(
      `DELETE FROM drizzle.__drizzle_migrations WHERE id = (SELECT max(id) FROM drizzle.__drizzle_migrations)`,
    )
    await query('BEGIN')
    try {
      const found = await ask<{ longest_transaction_seconds: number }>('/health/database/detailed')
      expect(found).toMatchObject({ migrations: { pending: 1 } })
      expect(found.longest_transaction_seconds).toBeGreaterThanOrEqual(0)
    } finally {
      await query('COMMIT')
      await query(`INSERT INTO drizzle.__drizzle_migrations SELECT * FROM kept ON CONFLICT DO NOTHING`)
      await query('DROP TABLE kept')
    }
  })

  it('counts', async () => {
    const found = await ask<{ transactions: { committed: number }; connections: { open: number } }>('/metrics/database')
    expect(found.transactions.committed).toBeGreaterThan(0)
    expect(found.connections.open).toBeGreaterThan(0)
  })

  it('gives one overview', async () => {
    expect(await ask('/status')).toMatchObject({
      name: 'Gatepost',
      database: { status: 'up' },
      mailboxes: [{ provider: 'google', status: 'active', count: 1 }],
      refreshes: { due: 0, overdue: 0, oldest_due_seconds: 0 },
      dead_letters_open: 0,
      users: expect.arrayContaining([
        { role: 'admin', active: true, count: 1 },
        { role: 'user', active: true, count: 1 },
      ]),
      sessions: { live: 2, seen_last_day: 2 },
      sealing_keys: [{ id: 'test1', rows: 1 }],
      samples: expect.arrayContaining([{ table: 'users', percent: 100 }]),
    })
  })
})

describe('statements', () => {
  const marked = 'MARKED-7f3a@secret.test'
  const otp = '918273'

  /** What somebody could have run, with values in it. */
  async function runMarked(): Promise<void> {
    await query(`SELECT user_id FROM users WHERE email_address_txt = '${marked}' OR username_txt = E'it\\'s ${marked}'`)
    await query(`SELECT ${otp} + 1, '${marked}'::text`)
    await query(`SET application_name = '${marked}'`)
    await query(`DO $do$ BEGIN PERFORM '${marked}', ${otp}; END $do$`)
    await query(`COMMENT ON TABLE users IS '${marked} ${otp}'`)
    await query('SELECT 1 FROM users WHERE email_address_txt = $1', [marked])
    await query('RESET application_name')
  }

  const preloaded = async (): Promise<boolean> => (await count('pg_settings', `name = 'pg_stat_statements.max'`)) === 1
  const drop = () => query('DROP EXTENSION IF EXISTS pg_stat_statements')

  afterAll(drop)

  it('AP-14 works without the extension: tables, indexes and what runs just now', async () => {
    await drop()
    await runMarked()
    const queries = await ask<Queries>('/metrics/database/queries')
    expect(queries).toMatchObject({ source: 'catalog', statements: [] })
    expect(queries.tables).toContainEqual(
      expect.objectContaining({
        table: 'users',
        sequential_scans: expect.any(Number),
        index_scans: expect.any(Number),
      }),
    )
    expect(queries.unused_indexes.every(({ index }) => /_ix$/.test(String(index)))).toBe(true)

    const sleeping = query(`SELECT pg_sleep(1.5), '${marked}', ${otp} /* ${marked} */`)
    try {
      await new Promise((resolve) => setTimeout(resolve, 300))
      const slow = await ask<SlowQueries>('/metrics/database/slow-queries?min_ms=100')
      expect(slow).toMatchObject({ source: 'catalog', statements: [] })
      expect(slow.running.map(({ statement }) => statement)).toContain('SELECT pg_sleep(?), ?, ?')
      expect(JSON.stringify(slow)).not.toMatch(/MARKED|918273/)
      expect((await ask<SlowQueries>('/metrics/database/slow-queries?min_ms=60000')).running).toEqual([])
    } finally {
      await sleeping
    }
  })

  it.for(['public', 'Odd "schema"'])(
    'AP-14 shows parameterised text only, with the extension in %s',
    async (schema, { skip }) => {
      skip(!(await preloaded()), 'this server does not load pg_stat_statements')
      await drop()
      const quoted = `"${schema.replaceAll('"', '""')}"`
      await query(`CREATE SCHEMA IF NOT EXISTS ${quoted}`)
      await query(`CREATE EXTENSION pg_stat_statements SCHEMA ${quoted}`)
      await runMarked()
      for (const path of [
        '/metrics/database/queries?limit=100',
        '/metrics/database/queries?limit=100&by=calls',
        '/metrics/database/queries?limit=100&by=mean_time',
        '/metrics/database/slow-queries?min_ms=0&limit=100',
      ]) {
        const found = await ask<Queries>(path)
        expect(found.source).toBe('pg_stat_statements')
        expect(found.statements.length).toBeGreaterThan(5)
        expect(JSON.stringify(found)).not.toMatch(/MARKED|918273|secret\.test/)
        for (const { statement } of found.statements) expect(statement).not.toContain("'")
      }
      const { statements } = await ask<Queries>('/metrics/database/queries?limit=2')
      expect(statements).toHaveLength(2)
      expect(statements[0]?.total_ms).toBeGreaterThanOrEqual(statements[1]?.total_ms ?? 0)
      expect((await ask<SlowQueries>('/metrics/database/slow-queries?min_ms=86400000')).statements).toEqual([])
    },
  )

  it('takes the version that is there: 1.8, and one from before for none', async ({ skip }) => {
    skip(!(await preloaded()), 'this server does not load pg_stat_statements')
    for (const [version, source] of [
      ['1.8', 'pg_stat_statements'],
      ['1.4', 'catalog'],
    ]) {
      await drop()
      await query(`CREATE EXTENSION pg_stat_statements VERSION '${version}'`)
      expect((await ask<Queries>('/metrics/database/queries')).source).toBe(source)
      expect((await ask<SlowQueries>('/metrics/database/slow-queries')).source).toBe(source)
    }
  })

  it('resets what there is, once with its audit row', async ({ skip }) => {
    const resets = () =>
      count('audit_logs', `action_cd = 'database_statistics.reset' AND actor_user_id = $1`, [admin.userId])
    const before = await resets()
    await drop()
    expect(await ask('/metrics/database/reset', 'POST')).toEqual({
      reset: ['catalog'],
      not_reset: ['pg_stat_statements'],
    })
    expect(await ask<{ reset_at: string | null }>('/metrics/database')).toMatchObject({ reset_at: expect.any(String) })
    expect(await resets()).toBe(before + 1)
    skip(!(await preloaded()), 'this server does not load pg_stat_statements')
    await query('CREATE EXTENSION pg_stat_statements')
    await query('SELECT 1 AS counted_once')
    const shown = async () =>
      (await ask<Queries>('/metrics/database/queries?limit=100&by=calls')).statements.some(({ statement }) =>
        statement.includes('counted_once'),
      )
    expect(await ask('/metrics/database/reset', 'POST')).toEqual({
      reset: ['pg_stat_statements', 'catalog'],
      not_reset: [],
    })
    expect(await shown()).toBe(false)
    expect(await resets()).toBe(before + 2)
    await query('SELECT 1 AS counted_once')
    expect(await ask<Queries>('/metrics/database/queries?limit=100')).toMatchObject({ source: 'pg_stat_statements' })
  })

  it('works for a role that owns nothing else, and says what it may not reset', async () => {
    await drop()
    if (await preloaded()) await query('CREATE EXTENSION pg_stat_statements')
    const role = `gatepost_limited_${crypto.randomUUID().slice(0, 8)}`
    await query(`CREATE ROLE ${role} LOGIN PASSWORD 'limited'`)
    await query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`)
    const url = new URL(testAddresses.TEST_DATABASE_URL)
    url.username = role
    url.password = 'limited'
    const overrides = { HYPERDRIVE: { connectionString: url.href } }
    const asked = (path: string, method = 'GET') =>
      callWith(overrides, path, { method, headers: { Authorization: `Bearer ${admin.access_token}` } })
    try {
      for (const [method, path] of routes.slice(0, 5)) {
        const response = await asked(path, method)
        expect(`${path} ${response.status}`).toBe(`${path} 200`)
        await response.body?.cancel()
      }
      expect(await json(asked('/health/database/detailed'))).toMatchObject({ migrations: null })
      const before = await count('audit_logs', `action_cd = 'database_statistics.reset'`)
      expect(await json(asked('/metrics/database/reset', 'POST'))).toEqual({
        reset: [],
        not_reset: ['pg_stat_statements', 'catalog'],
      })
      expect(await count('audit_logs', `action_cd = 'database_statistics.reset'`)).toBe(before)
    } finally {
      await query(`DROP OWNED BY ${role}`)
      await query(`DROP ROLE ${role}`)
    }
  })

  it.each(['limit=0', 'limit=101', 'limit=x', 'by=name', 'min_ms=-1', 'min_ms=99999999999', 'schema=x'])(
    'refuses %s',
    async (text) => {
      const path = text.startsWith('by') ? 'queries' : 'slow-queries'
      expect(await refusal(call(`/metrics/database/${path}?${text}`, { bearer: admin.access_token }))).toEqual([
        422,
        'invalid_input',
      ])
    },
  )
})

describe('the cache', () => {
  const slashed = 'jwks:https://www.googleapis.com/oauth2/v3/certs?a=b c#d%2F'

  async function fill(): Promise<void> {
    for (const { name } of (await kv.CACHE.list()).keys) await kv.CACHE.delete(name)
    await kv.CACHE.put('plain', '1')
    await kv.CACHE.put(slashed, '{}', { expirationTtl: 3_600 })
    await kv.OAUTH_STATE.put('flow:kept', '{}')
  }

  const changes = () =>
    query(
      `SELECT event_json AS event FROM audit_logs WHERE action_cd = 'cache.cleared' ORDER BY created_at_utc, audit_log_id`,
    )

  it('lists keys with their end, in pages, and never a value or a flow', async () => {
    await fill()
    const found = await ask<{ items: { key: string; expires_at: string | null }[]; next_cursor: string | null }>(
      '/api/v1/cache/status',
    )
    expect(found).toEqual({
      count: 2,
      count_is_complete: true,
      items: [
        { key: slashed, expires_at: expect.stringMatching(/^\d{4}-.*Z$/) },
        { key: 'plain', expires_at: null },
      ],
      next_cursor: null,
    })
    const first = await ask<{ count: number; items: unknown[]; next_cursor: string }>('/api/v1/cache/status?limit=1')
    expect(first).toMatchObject({ count: 2, items: [{ key: slashed }] })
    const rest = await ask(`/api/v1/cache/status?limit=1&cursor=${encodeURIComponent(first.next_cursor)}`)
    expect(rest).toMatchObject({ count: null, items: [{ key: 'plain' }], next_cursor: null })
  })

  it('deletes one key, whatever its name; 404 where there is none; what flows need stays', async () => {
    await fill()
    const before = (await changes()).length
    const forget = (name: string) =>
      call(`/api/v1/cache/${encodeURIComponent(name)}`, { method: 'DELETE', bearer: admin.access_token })
    expect((await forget(slashed)).status).toBe(204)
    expect(await kv.CACHE.get(slashed)).toBeNull()
    expect(await refusal(forget(slashed))).toEqual([404, 'not_found'])
    expect(await refusal(forget('flow:kept'))).toEqual([404, 'not_found'])
    expect(await refusal(forget('x'.repeat(513)))).toEqual([422, 'invalid_input'])
    expect(await kv.OAUTH_STATE.get('flow:kept')).toBe('{}')
    expect((await changes()).slice(before)).toEqual([{ event: { scope: 'key' } }])
  })

  it('empties the cache in bounded batches and nothing else', async () => {
    await fill()
    const before = (await changes()).length
    const names = Array.from({ length: 520 }, (_, index) => `many:${index}`)
    await Promise.all(names.map((name) => kv.CACHE.put(name, '1')))
    expect(await ask('/api/v1/cache/clear', 'POST')).toEqual({ deleted: 500, has_more: true })
    expect(await ask('/api/v1/cache/clear', 'POST')).toEqual({ deleted: 22, has_more: false })
    expect(await ask('/api/v1/cache/clear', 'POST')).toEqual({ deleted: 0, has_more: false })
    expect((await kv.CACHE.list()).keys).toEqual([])
    expect(await kv.OAUTH_STATE.get('flow:kept')).toBe('{}')
    expect((await changes()).slice(before)).toEqual(Array(3).fill({ event: { scope: 'all' } }))
  })

  it('leaves the cache alone for who is no admin, and says 503 where KV fails', async () => {
    await fill()
    expect(await refusal(call('/api/v1/cache/clear', { method: 'POST', bearer: user.access_token }))).toEqual([
      403,
      'forbidden',
    ])
    expect(await refusal(call('/api/v1/cache/plain', { method: 'DELETE', bearer: user.access_token }))).toEqual([
      403,
      'forbidden',
    ])
    expect(await kv.CACHE.get('plain')).toBe('1')
    const fails = async () => {
      throw new Error('KV GET failed: 500')
    }
    const broken = { CACHE: { get: fails, list: fails, delete: fails, put: fails } }
    for (const [method, path] of routes.slice(6)) {
      const response = await callWith(broken, path, {
        method,
        headers: { Authorization: `Bearer ${admin.access_token}` },
      })
      expect((await problemOf(response)).code).toBe('unavailable')
    }
  })
})
