// The doors without a user: cron and queues. What a message may hold, what happens to one nobody can read, what a database
// that goes away does to a batch, and how many trips it all takes. Each name begins with its case.
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createDb } from '../../src/db/client.ts'
import { claimDue } from '../../src/mail-accounts/due.ts'
import {
  call,
  count,
  deliver,
  eventually,
  expireToken,
  google,
  newKey,
  newPerson,
  refusal,
  vend,
} from '../support/app.ts'
import { emptyTables, proxy, query, testAddresses } from '../support/database.ts'
import {
  consume,
  heldQueue,
  makeAllDue,
  runTick,
  seedMailbox,
  seedMailboxes,
  tick,
  tokenRow,
} from '../support/vault.ts'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
})
afterEach(async () => {
  await proxy.setMode('normal')
  await proxy.setDelay(0)
  vi.restoreAllMocks()
})

const refreshCalls = (): Promise<number> => google.count('POST /token refresh_token')
const uuids = (n: number): string[] => Array.from({ length: n }, () => crypto.randomUUID())
const soon = new Date(Date.now() + 300_000).toISOString()

const unreadable: [string, unknown][] = [
  ['null', null],
  ['a text', 'refresh everything'],
  ['an empty object', {}],
  ['an unknown kind', { kind: 'drop_tables', ids: uuids(1) }],
  ['0 ids', { kind: 'refresh', ids: [], claimed_until: soon }],
  ['101 ids', { kind: 'refresh', ids: uuids(101), claimed_until: soon }],
  ['an id that is none', { kind: 'refresh', ids: [`' OR true --`], claimed_until: soon }],
  ['a time that is none', { kind: 'refresh', ids: uuids(1), claimed_until: 'tomorrow' }],
  ['no time', { kind: 'refresh', ids: uuids(1) }],
  ['a field more', { kind: 'refresh', ids: uuids(1), claimed_until: soon, access_token: 'x' }],
  ['an erasure without its id', { kind: 'erase' }],
]

describe('messages nobody can read', () => {
  it.each(unreadable)('RF-16 %s in a batch of 10: 9 acked on their own, 1 to be retried', async (_name, body) => {
    await seedMailboxes(9)
    await makeAllDue()
    const [message] = (await tick()).refresh
    const good = (message?.ids ?? []).map((id) => ({ ...message, ids: [id] }))
    const { acked, retried } = await deliver('gatepost-refresh', [...good.slice(0, 4), body, ...good.slice(4)])
    expect(acked).toHaveLength(9)
    expect(retried).toEqual(['message-4'])
    expect(await refreshCalls()).toBe(9)
    expect(await count('oauth_tokens', 'version_nbr = 2')).toBe(9)
  })

  it('RF-16 through the real queue: the good ones are done once, the unreadable one ends in the table', async () => {
    await seedMailboxes(3)
    await makeAllDue()
    const [message] = (await tick()).refresh
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    const queue = (env as unknown as { REFRESH_QUEUE: Queue }).REFRESH_QUEUE
    await queue.sendBatch([{ body: { kind: 'refresh', ids: 'all' } }, { body: message }])
    await eventually(async () => ((await count('oauth_tokens', 'version_nbr = 2')) === 3 ? true : null))
    await eventually(async () => ((await count('dead_letters')) === 1 ? true : null))
    const lines = log.mock.calls.map(([line]) => String(line))
    log.mockRestore()
    expect(await query('SELECT body_json, queue_txt, status_cd FROM dead_letters')).toEqual([
      { body_json: { kind: 'refresh', ids: 'all' }, queue_txt: 'gatepost-dead', status_cd: 'open' },
    ])
    expect(lines.some((line) => line.includes('alarm_dead_letter'))).toBe(true)
    expect(await refreshCalls()).toBe(3)
  })

  it('RF-16 a dead letter is kept once, whatever it holds', async () => {
    const bodies = [{ kind: 'odd' }, null, 'x'.repeat(20_000), { text: 'NUL \u0000 and a lone \ud800 surrogate' }, 12]
    for (let times = 0; times < 2; times += 1) {
      const { acked, retried } = await deliver('gatepost-dead', bodies)
      expect([acked.length, retried.length]).toEqual([5, 0])
    }
    expect(await count('dead_letters')).toBe(5)
    expect(await count('dead_letters', `body_json @> '{"cut": true}'`)).toBe(2)
  })

  it('ids of nothing, and an erasure of nothing, are acked and ask nobody', async () => {
    const bodies = [
      { kind: 'refresh', ids: uuids(100), claimed_until: soon },
      { kind: 'erase', erasure_id: crypto.randomUUID() },
    ]
    expect((await deliver('gatepost-refresh', bodies)).acked).toHaveLength(2)
    expect((await google.calls()).counts).toEqual({})
  })
})

describe('cron', () => {
  it('claims 10,000 a round at most and all of 10,050 in a tick, in messages of at most 100 ids', async () => {
    const userId = crypto.randomUUID()
    await query(`INSERT INTO users (user_id, email_address_txt) VALUES ($1, 'many@gmail.com')`, [userId])
    await query(
      `WITH made AS (
        INSERT INTO user_mail_accounts (user_id, email_address_txt, provider_cd, provider_subject_txt)
        SELECT $1, 'many' || n || '@gmail.com', 'google', 'many' || n FROM generate_series(1, 10050) n RETURNING user_mail_account_id
      )
      INSERT INTO oauth_tokens (user_mail_account_id, access_token_txt, expires_at_utc, refresh_due_at_utc, client_id_txt)
      SELECT user_mail_account_id, 'gp1.test1.x', now() + interval '10 minutes', now() - interval '1 minute', 'c' FROM made`,
      [userId],
    )
    const db = createDb({ connectionString: testAddresses.TEST_DATABASE_URL })
    const round = await claimDue({ db, clock: () => new Date() })
    expect(round.messages.reduce((sum, { ids }) => sum + ids.length, 0)).toBe(10_000)
    expect([round.messages.length, round.isMore]).toEqual([100, true])
    await makeAllDue()
    const { refresh } = await tick()
    const ids = refresh.flatMap((message) => message.ids)
    expect([ids.length, new Set(ids).size]).toEqual([10_050, 10_050])
    for (const message of refresh) {
      expect(message.ids.length).toBeLessThanOrEqual(100)
      expect(message.ids.length).toBeGreaterThan(0)
      expect(Date.parse(message.claimed_until)).toBeGreaterThan(Date.now() + 290_000)
    }
    // Claimed for five minutes: the next tick has nothing.
    expect((await tick()).refresh).toEqual([])
  })

  it('a queue that refuses loses nothing, and leaves the other duties to run', async () => {
    const box = await seedMailbox()
    await query(
      `INSERT INTO erasures (kind_cd, provider_cd, provider_subject_txt, sealed_txt, sealed_as_txt, due_at_utc) VALUES ('grant', 'google', 'nobody', 'gp1.test1.x', '[]', now())`,
    )
    await makeAllDue()
    const broken = {
      sendBatch: async (): Promise<void> => {
        throw new Error('the queue is full')
      },
    }
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    const deliverQueue = heldQueue()
    await tick({ REFRESH_QUEUE: broken, DELIVER_QUEUE: deliverQueue })
    const lines = log.mock.calls.map(([line]) => JSON.parse(String(line)) as { level: string; job: string })
    log.mockRestore()
    expect(lines.filter(({ level }) => level === 'error').map(({ job }) => job)).toEqual(['refresh'])
    expect(deliverQueue.bodies).toHaveLength(1)
    expect(JSON.stringify(lines)).not.toContain('the queue is full')
    await query(`UPDATE oauth_tokens SET refresh_due_at_utc = refresh_due_at_utc - interval '301 seconds'`)
    await runTick()
    expect((await tokenRow(box.accountId)).version).toBe(2)
  })

  it('runs beside itself three times without an error, with everything there is to purge', async () => {
    const ada = await newPerson('ada@gmail.com')
    await query(`UPDATE sessions SET last_seen_at_utc = now() - interval '32 days'`)
    await query(`UPDATE refresh_tokens SET expires_at_utc = now() - interval '2 days'`)
    await query(`UPDATE one_time_codes SET expires_at_utc = now() - interval '2 minutes'`)
    await query(
      `INSERT INTO dead_letters (message_id_txt, queue_txt, body_json, created_at_utc) VALUES ('old', 'q', '{}', now() - interval '91 days'), ('new', 'q', '{}', now())`,
    )
    await query(
      `INSERT INTO audit_logs (action_cd, outcome_cd, subject_id_txt, ip_address_txt, created_at_utc) VALUES ('test.ancient', 'success', 'x', '10.0.0.1', now() - interval '401 days'), ('test.old', 'success', 'x', '10.0.0.1', now() - interval '91 days'), ('test.new', 'success', 'x', '10.0.0.1', now())`,
    )
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    await Promise.all([tick(), tick(), tick()])
    const lines = log.mock.calls.map(([line]) => JSON.parse(String(line)) as { level: string })
    log.mockRestore()
    expect(lines).toHaveLength(27)
    expect(lines.filter(({ level }) => level !== 'info')).toEqual([])
    expect([await count('sessions'), await count('refresh_tokens'), await count('one_time_codes')]).toEqual([0, 0, 0])
    expect(await query('SELECT message_id_txt FROM dead_letters')).toEqual([{ message_id_txt: 'new' }])
    expect(
      await query(`SELECT action_cd, ip_address_txt FROM audit_logs WHERE action_cd LIKE 'test.%' ORDER BY 1`),
    ).toEqual([
      { action_cd: 'test.new', ip_address_txt: '10.0.0.1' },
      { action_cd: 'test.old', ip_address_txt: null },
    ])
    expect(await count('users', 'user_id = $1', [ada.userId])).toBe(1)
  })
})

describe('the log of a refresh', () => {
  it('RF-16 counts what was refreshed and what the provider refused or did not answer', async () => {
    await seedMailboxes(3)
    await makeAllDue()
    const [message] = (await tick()).refresh
    await google.fault({ path: '/token', grant_type: 'refresh_token', status: 500, times: 1 })
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    expect(await consume(message)).toBe(true)
    const lines = log.mock.calls.map(([line]) => JSON.parse(String(line)) as { job?: string })
    log.mockRestore()
    expect(lines.filter(({ job }) => job === 'refresh')).toEqual([
      expect.objectContaining({ queue: 'gatepost-refresh', count: 3, refreshed: 2, failed: 1 }),
    ])
  })
})

describe('what it costs', () => {
  it('100 tokens in one message: at most 6 trips (claim 1, lease 1, writes 4), at most 5 calls at once', async () => {
    await seedMailboxes(100)
    await google.fault({ path: '/token', delayMs: 20, times: null })
    await makeAllDue()
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    const { refresh } = await tick()
    const claim = log.mock.calls
      .map(([line]) => JSON.parse(String(line)) as { job: string; db_trips: number })
      .find(({ job }) => job === 'refresh')
    log.mockRestore()
    expect(claim?.db_trips).toBe(1)
    expect(refresh).toHaveLength(1)
    await proxy.setDelay(20)
    await proxy.resetCounts()
    expect(await consume(refresh[0])).toBe(true)
    const { roundTrips, statements } = await proxy.counts()
    expect([roundTrips, statements]).toEqual([5, 5])
    expect(await count('oauth_tokens', 'version_nbr = 2')).toBe(100)
    const { counts, max_parallel } = await google.calls()
    expect(counts['POST /token refresh_token']).toBe(100)
    expect(max_parallel['POST /token refresh_token']).toBeLessThanOrEqual(5)
    expect(max_parallel['POST /token refresh_token']).toBeGreaterThan(1)
  })

  it('RF-19 no transaction spans a call to Google', async () => {
    const [box] = await seedMailboxes(5)
    const { access_token } = await newPerson('admin@gmail.com', { query: { scopes: 'identity' } })
    const { key } = await newKey(access_token)
    await google.fault({ path: '/token', grant_type: 'refresh_token', delayMs: 700, times: null })
    await makeAllDue()
    const { refresh } = await tick()
    await expireToken(box?.accountId ?? '')
    const work = [vend(key, box?.accountId ?? ''), consume(refresh[0])]
    for (let looks = 0; looks < 5; looks += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(
        await query(
          `SELECT state, query FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
        ),
      ).toEqual([])
    }
    await Promise.all(work)
    expect(await refreshCalls()).toBe(5)
  })
})

describe('a database that goes away', () => {
  async function readiness(): Promise<number> {
    const answer = await call('/health/readiness')
    await answer.body?.cancel()
    return answer.status
  }

  it('RF-18 mid-batch: nothing acked before it is written, nothing lost, readiness 503 and then 200', async () => {
    await seedMailboxes(20)
    await google.fault({ path: '/token', grant_type: 'refresh_token', delayMs: 150, times: null })
    await makeAllDue()
    const [message] = (await tick()).refresh
    const consuming = consume(message)
    await eventually(async () => ((await refreshCalls()) > 0 ? true : null))
    await proxy.setMode('refuse')
    expect(await readiness()).toBe(503)
    expect(await consuming).toBe(false)
    await proxy.setMode('normal')
    expect(await readiness()).toBe(200)
    expect(await count('oauth_tokens', 'version_nbr = 1')).toBe(20)
    await google.clearFaults()
    // While the dead run's lease stands, a second delivery asks nobody; after it, the row's own clock brings it back.
    await google.resetCalls()
    expect(await consume(message)).toBe(true)
    expect(await refreshCalls()).toBe(0)
    await query(`UPDATE oauth_tokens SET lease_until_utc = now() - interval '1 second'`)
    await makeAllDue()
    await runTick()
    expect(await count('oauth_tokens', 'version_nbr = 2 AND lease_id IS NULL')).toBe(20)
    expect(await count('user_mail_accounts', `status_cd = 'active'`)).toBe(20)
  })

  it.each(['refuse', 'kill', 'hang'] as const)(
    'RF-19 %s: a vend and a sign-in answer 503 with Retry-After, a cron tick ends',
    async (mode) => {
      const box = await seedMailbox()
      const { access_token } = await newPerson('admin@gmail.com', { query: { scopes: 'identity' } })
      const { key } = await newKey(access_token)
      await proxy.setMode(mode)
      const [vended, me, ready] = await Promise.all([
        vend(key, box.accountId),
        call('/auth/me', { bearer: access_token }),
        readiness(),
      ])
      for (const answer of [vended, me]) {
        expect(answer.headers.get('Retry-After')).not.toBeNull()
        expect(await refusal(answer)).toEqual([503, 'unavailable'])
      }
      expect(ready).toBe(503)
      if (mode !== 'hang') expect((await tick()).refresh).toEqual([])
      await proxy.setMode('normal')
      expect((await vend(key, box.accountId)).status).toBe(200)
    },
  )
})
