// Letters on their way: sent once for one cause, tried again with a bound, void where they are of no use any more, and
// nothing they hold in a log line or an audit row. By the console transport and by Resend, faked at the HTTP edge.
import { createScheduledController } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { fromBase64 } from '../../src/crypto/encoding.ts'
import { importHmacKey } from '../../src/crypto/hash.ts'
import { deriveDigits, deriveLinkToken } from '../../src/crypto/one-time-code.ts'
import { createDb } from '../../src/db/client.ts'
import worker from '../../src/index.ts'
import { createLog } from '../../src/log.ts'
import { purgeExpired } from '../../src/ops/purge.ts'
import { count, workerEnv } from '../support/app.ts'
import { emptyTables, proxy, query, testAddresses } from '../support/database.ts'
import { testKeys } from '../support/keys.ts'
import { byResend, FakeResend, letterState, makeLetterDue, post, seedCode, seedLetter } from '../support/post.ts'
import { heldQueue, seedMailbox } from '../support/vault.ts'

let resend: FakeResend
let lines: string[]
let auditMark: string

beforeEach(async () => {
  await emptyTables()
  lines = []
  for (const name of ['log', 'info', 'warn', 'error', 'debug'] as const)
    vi.spyOn(console, name).mockImplementation((...words: unknown[]) => void lines.push(words.map(String).join(' ')))
  resend = new FakeResend()
  auditMark = (await query<{ at: string }>('SELECT now()::text AS at'))[0]?.at ?? ''
})
afterEach(async () => {
  await proxy.setMode('normal')
  await proxy.setDelay(0)
  vi.restoreAllMocks()
})

const givenUp = (): Promise<{ subject: string; event: unknown }[]> =>
  query(
    `SELECT subject_id_txt AS subject, event_json AS event FROM audit_logs WHERE action_cd = 'letter.given_up' AND created_at_utc >= $1::timestamptz`,
    [auditMark],
  )
const codeKey = (): Promise<CryptoKey> =>
  importHmacKey(fromBase64(testKeys.CODE_PEPPER) ?? new Uint8Array(), 'gatepost/one-time-code')

async function seedUser(options: { isActive?: boolean } = {}): Promise<string> {
  const userId = crypto.randomUUID()
  await query(
    `INSERT INTO users (user_id, email_address_txt, email_verified_at_utc, email_proof_cd, is_active_flg) VALUES ($1, $2, now(), 'letter', $3)`,
    [userId, `${userId}@example.com`, options.isActive ?? true],
  )
  return userId
}

describe('a letter', () => {
  it('is sent, and its row says so', async () => {
    const id = await seedLetter()
    expect(await post(id)).toBe(true)
    expect(await letterState(id)).toMatchObject({ status: 'sent', attempts: 1, error: null, isSent: true })
    expect(lines.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ event: 'job', job: 'letter', count: 1, failed: 0 }),
    )
  })

  it('goes to Resend with its id as Idempotency-Key, in the product’s name', async () => {
    const codeId = await seedCode('password_reset')
    const id = await seedLetter({ kind: 'password_reset', codeId })
    await post(id, { ...byResend, APP_NAME: 'Post & Söhne' })
    expect(resend.requests).toEqual([
      {
        key: id,
        authorization: `Bearer ${byResend.RESEND_API_KEY}`,
        mail: expect.objectContaining({
          from: 'Post & Söhne <no-reply@gatepost.test>',
          to: ['ada@example.com'],
          subject: 'Choose a new password for Post & Söhne',
          headers: { 'Auto-Submitted': 'auto-generated' },
        }),
      },
    ])
    const token = await deriveLinkToken(await codeKey(), 'password_reset', codeId)
    const digits = await deriveDigits(await codeKey(), 'password_reset', codeId)
    const { text, html } = resend.requests[0]?.mail ?? { text: '', html: '' }
    for (const side of [text, html]) {
      expect(side).toContain(`http://localhost:8787/reset-password?token=${token}`)
      expect(side.match(/\b\d{6}\b/g)).toEqual([digits])
    }
  })

  it('doubled and late messages match nothing', async () => {
    const id = await seedLetter()
    for (let times = 0; times < 3; times += 1) expect(await post(id, byResend)).toBe(true)
    await makeLetterDue(id)
    expect(await post(id, byResend)).toBe(true)
    expect(await post(crypto.randomUUID(), byResend)).toBe(true)
    expect(resend.requests).toHaveLength(1)
    expect(await letterState(id)).toMatchObject({ status: 'sent', attempts: 1 })
  })

  it('20 deliveries of one message at once, the database 20 ms away: one is sent', async () => {
    const id = await seedLetter()
    await proxy.setDelay(20)
    await Promise.all(Array.from({ length: 20 }, () => post(id, byResend)))
    expect(resend.requests).toHaveLength(1)
    expect(await letterState(id)).toMatchObject({ status: 'sent', attempts: 1 })
  })

  it('one letter a cause, whatever writes twice', async () => {
    await seedLetter({ cause: 'the same' })
    await expect(seedLetter({ cause: 'the same' })).rejects.toThrow(/unique/)
  })

  it('costs two trips, and holds none while the provider answers', async () => {
    const id = await seedLetter()
    resend.answers.push(async () => {
      const open = await query(
        `SELECT state FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
      )
      return open.length === 0 ? Response.json({}) : new Response(null, { status: 500 })
    })
    await proxy.resetCounts()
    await post(id, byResend)
    expect((await proxy.counts()).statements).toBe(2)
    expect(await letterState(id)).toMatchObject({ status: 'sent' })
  })
})

describe('a try that fails', () => {
  const never = (): Promise<Response> => new Promise(() => {})
  const broken = (): Promise<Response> => Promise.reject(new TypeError('connection lost'))
  const status =
    (code: number, body: object = {}, headers: Record<string, string> = {}) =>
    (): Response =>
      Response.json(body, { status: code, headers })

  it.each([
    ['a 500', status(500), 'resend_http_500'],
    ['a 503', status(503, { name: 'application_error' }), 'resend_application_error'],
    ['a lost connection', broken, 'network'],
    ['a redirect', status(302, {}, { Location: 'http://localhost:9/x' }), 'resend_http_302'],
    [
      'a request at work already',
      status(409, { name: 'concurrent_idempotent_requests' }),
      'resend_concurrent_idempotent_requests',
    ],
    ['a body without end', () => new Response('x'.repeat(200_000), { status: 502 }), 'resend_http_502'],
  ])('%s: due again later, and then the same letter under the same key', async (_name, answer, code) => {
    const id = await seedLetter({ kind: 'registration', codeId: await seedCode('registration') })
    resend.answers.push(answer)
    expect(await post(id, byResend)).toBe(true)
    const state = await letterState(id)
    expect(state).toMatchObject({ status: 'due', attempts: 1, error: code, isSent: false })
    expect(state.wait).toBeGreaterThan(20)
    // Too early: nothing.
    await post(id, byResend)
    expect(resend.requests).toHaveLength(1)
    await makeLetterDue(id)
    await post(id, byResend)
    expect(resend.requests[1]).toEqual(resend.requests[0])
    expect(await letterState(id)).toMatchObject({ status: 'sent', attempts: 2, error: null })
  })

  it('a provider that never answers: a time-out, and due again', async () => {
    const id = await seedLetter()
    resend.answers.push(never)
    await post(id, byResend)
    expect(await letterState(id)).toMatchObject({ status: 'due', error: 'timeout' })
  }, 30_000)

  it('waits for as long as it is asked to, in either form', async () => {
    for (const wait of ['7200', new Date(Date.now() + 7_200_000).toUTCString()]) {
      const id = await seedLetter()
      resend.answers.push(status(429, { name: 'rate_limit_exceeded' }, { 'Retry-After': wait }))
      await post(id, byResend)
      const state = await letterState(id)
      expect(state).toMatchObject({ status: 'due', error: 'resend_rate_limit_exceeded' })
      expect(state.wait).toBeGreaterThan(7_100)
    }
  })

  it('a recipient refused: given up at once, with one audit row', async () => {
    const id = await seedLetter()
    resend.answers.push(status(422, { name: 'validation_error', message: 'ada@example.com is no address' }))
    await post(id, byResend)
    expect(await letterState(id)).toMatchObject({ status: 'failed', attempts: 1, error: 'resend_validation_error' })
    await makeLetterDue(id)
    await post(id, byResend)
    expect(resend.requests).toHaveLength(1)
    expect(await givenUp()).toEqual([
      { subject: id, event: { kind: 'password_changed', attempts: 1, error: 'resend_validation_error' } },
    ])
  })

  it('a key refused is our own fault: an alarm, and the letter waits', async () => {
    const id = await seedLetter()
    resend.answers.push(status(401, { name: 'restricted_api_key', message: `key ${byResend.RESEND_API_KEY}` }))
    await post(id, byResend)
    expect(await letterState(id)).toMatchObject({ status: 'due', error: 'resend_restricted_api_key' })
    expect(lines.map((line) => JSON.parse(line))).toContainEqual({
      level: 'error',
      event: 'alarm_letters_misconfigured',
      code: 'resend_restricted_api_key',
    })
  })

  it('words changed between two tries: the first had left, so it counts as sent', async () => {
    const id = await seedLetter()
    await post(id, byResend)
    await query(`UPDATE letters SET status_cd = 'due', sent_at_utc = NULL WHERE letter_id = $1`, [id])
    await makeLetterDue(id)
    await post(id, { ...byResend, APP_NAME: 'Another name' })
    expect([resend.requests.length, resend.sent.size]).toEqual([2, 1])
    expect(await letterState(id)).toMatchObject({ status: 'sent', attempts: 2 })
  })

  it('eight of them, and it is given up with one audit row', async () => {
    const id = await seedLetter()
    for (let tries = 1; tries <= 10; tries += 1) {
      resend.answers.push(status(500))
      await makeLetterDue(id)
      await post(id, byResend)
      expect(await letterState(id)).toMatchObject({
        status: tries < 8 ? 'due' : 'failed',
        attempts: Math.min(tries, 8),
      })
    }
    expect(resend.requests).toHaveLength(8)
    expect(await givenUp()).toHaveLength(1)
  })

  it('eight that never ended, and it is given up with one audit row', async () => {
    const id = await seedLetter({ attempts: 8 })
    await Promise.all([post(id, byResend), post(id, byResend)])
    expect(resend.requests).toHaveLength(0)
    expect(await letterState(id)).toMatchObject({ status: 'failed', attempts: 8 })
    expect(await givenUp()).toHaveLength(1)
  })

  it('where the code will be dead before the next one, it is given up now', async () => {
    const id = await seedLetter({
      kind: 'password_reset',
      codeId: await seedCode('password_reset', { minutes: 30 }),
      attempts: 4,
    })
    resend.answers.push(status(500))
    await post(id, byResend)
    expect(await letterState(id)).toMatchObject({ status: 'failed', attempts: 5, error: 'resend_http_500' })
    expect(await givenUp()).toHaveLength(1)
  })

  it('sent, but the database gone before that was written: sent again under the same key, one mail', async () => {
    const id = await seedLetter()
    resend.answers.push(async () => {
      await proxy.setMode('refuse')
      const [request] = resend.requests
      if (request !== undefined) resend.sent.set(request.key, request)
      return Response.json({})
    })
    expect(await post(id, byResend)).toBe(false)
    await proxy.setMode('normal')
    // While that claim stands nobody sends; after it, cron finds the row.
    expect(await post(id, byResend)).toBe(true)
    expect(resend.requests).toHaveLength(1)
    await makeLetterDue(id)
    await post(id, byResend)
    expect([resend.requests.length, resend.sent.size]).toEqual([2, 1])
    expect(await letterState(id)).toMatchObject({ status: 'sent', attempts: 2 })
  })
})

describe('a letter of no use', () => {
  it('written void, for the sake of sameness: never sent, and its message is acked', async () => {
    const id = await seedLetter({ kind: 'password_reset', status: 'void' })
    expect(await post(id, byResend)).toBe(true)
    expect(resend.requests).toHaveLength(0)
    expect(await letterState(id)).toMatchObject({ status: 'void', attempts: 0 })
  })

  it.each([
    ['expired', async () => seedCode('password_reset', { minutes: -1 })],
    ['used', async () => seedCode('password_reset', { isConsumed: true })],
    ['purged', async () => crypto.randomUUID()],
    ['missing', async () => null],
    ['of a disabled person', async () => seedCode('password_reset', { userId: await seedUser({ isActive: false }) })],
    ['of a person who is gone', async () => seedCode('password_reset', { userId: crypto.randomUUID() })],
  ])('its code is %s: void', async (_name, code) => {
    const id = await seedLetter({ kind: 'password_reset', codeId: await code() })
    await post(id, byResend)
    expect(resend.requests).toHaveLength(0)
    expect(await letterState(id)).toMatchObject({ status: 'void', attempts: 0 })
    expect(await givenUp()).toEqual([])
  })

  it('a notice is true whatever became of the code it names', async () => {
    const id = await seedLetter({
      kind: 'email_change_requested',
      codeId: await seedCode('email_change', { isConsumed: true }),
    })
    await post(id, byResend)
    expect(await letterState(id)).toMatchObject({ status: 'sent' })
  })

  it('of a kind that this version does not know: given up, not sent', async () => {
    const id = await seedLetter()
    await query(`UPDATE letters SET kind_cd = 'toString' WHERE letter_id = $1`, [id])
    await post(id, byResend)
    expect(resend.requests).toHaveLength(0)
    expect(await letterState(id)).toMatchObject({ status: 'failed', error: 'nothing_to_say' })
  })
})

describe('letters about mailboxes', () => {
  async function seedDead(): Promise<{ accountId: string; id: string }> {
    const { accountId } = await seedMailbox()
    await query(`UPDATE user_mail_accounts SET status_cd = 'needs_reauthorization' WHERE user_mail_account_id = $1`, [
      accountId,
    ])
    const id = await seedLetter({
      kind: 'mailbox_needs_reauthorization',
      cause: `needs_reauthorization:${accountId}:2`,
    })
    return { accountId, id }
  }

  async function seedEnding(): Promise<{ accountId: string; id: string }> {
    const { accountId } = await seedMailbox()
    const [row] = await query<{ day: string }>(
      `UPDATE oauth_tokens SET refresh_token_expires_at_utc = now() + interval '3 days' WHERE user_mail_account_id = $1
       RETURNING to_char(refresh_token_expires_at_utc AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day`,
      [accountId],
    )
    const id = await seedLetter({ kind: 'mailbox_access_ends', cause: `access_ends:${accountId}:${row?.day}` })
    return { accountId, id }
  }

  it.each([
    ['needs re-authorization', seedDead],
    ['access ends', seedEnding],
  ])('%s: names the mailbox and its provider, and leads to its own page', async (_name, seed) => {
    const { accountId, id } = await seed()
    const [box] = await query<{ email: string }>(
      'SELECT email_address_txt AS email FROM user_mail_accounts WHERE user_mail_account_id = $1',
      [accountId],
    )
    await post(id, byResend)
    const { text, html } = resend.requests[0]?.mail ?? { text: '', html: '' }
    for (const side of [text, html]) {
      expect(side).toContain(`${box?.email} at Google`)
      expect(side).toContain(`http://localhost:8787/mailboxes/${accountId}`)
    }
    expect(await letterState(id)).toMatchObject({ status: 'sent' })
  })

  const setStatus = (status: string) => (accountId: string) =>
    query(
      `UPDATE user_mail_accounts SET status_cd = $2, is_active_flg = $2 <> 'disconnected' WHERE user_mail_account_id = $1`,
      [accountId, status],
    )
  it.each([
    ['works again', seedDead, setStatus('active')],
    ['is disconnected', seedDead, setStatus('disconnected')],
    ['is disconnected', seedEnding, setStatus('disconnected')],
    ['has failed since, which has a letter of its own', seedEnding, setStatus('needs_reauthorization')],
    [
      'is gone',
      seedDead,
      (accountId: string) => query('DELETE FROM user_mail_accounts WHERE user_mail_account_id = $1', [accountId]),
    ],
    [
      'lost its user',
      seedDead,
      (accountId: string) =>
        query('UPDATE user_mail_accounts SET user_id = NULL WHERE user_mail_account_id = $1', [accountId]),
    ],
    ['has a disabled user', seedEnding, () => query('UPDATE users SET is_active_flg = false')],
    [
      'was connected anew',
      seedEnding,
      (accountId: string) =>
        query('UPDATE oauth_tokens SET refresh_token_expires_at_utc = NULL WHERE user_mail_account_id = $1', [
          accountId,
        ]),
    ],
    [
      'has a later end',
      seedEnding,
      (accountId: string) =>
        query(
          `UPDATE oauth_tokens SET refresh_token_expires_at_utc = now() + interval '90 days' WHERE user_mail_account_id = $1`,
          [accountId],
        ),
    ],
  ])('the mailbox %s: void', async (_name, seed, change) => {
    const { accountId, id } = await seed()
    await change(accountId)
    await post(id, byResend)
    expect(resend.requests).toHaveLength(0)
    expect(await letterState(id)).toMatchObject({ status: 'void' })
  })
})

describe('cron', () => {
  async function tick(overrides: Record<string, unknown> = {}): Promise<unknown[]> {
    const held = heldQueue()
    await worker.scheduled(
      createScheduledController({ scheduledTime: new Date(), cron: '* * * * *' }),
      workerEnv({ DELIVER_QUEUE: held, REFRESH_QUEUE: heldQueue(), ...overrides }),
    )
    return held.bodies
  }

  it('finds letters that no message seems to carry, and leaves the others', async () => {
    const lost = await seedLetter({ dueFor: 40 })
    await seedLetter({ dueFor: 1 })
    await seedLetter({ dueFor: -60 })
    await seedLetter({ dueFor: 40, status: 'void' })
    await seedLetter({ dueFor: 40, status: 'sent' })
    expect(await tick()).toEqual([{ kind: 'letter', letter_id: lost }])
    await post(lost)
    expect(await tick()).toEqual([])
  })

  it('takes 500 a tick, oldest first', async () => {
    await query(
      `INSERT INTO letters (kind_cd, recipient_txt, cause_txt, due_at_utc)
       SELECT 'account_deleted', 'a@example.com', 'many:' || n, now() - interval '1 hour' FROM generate_series(1, 505) n`,
    )
    const oldest = await seedLetter({ dueFor: 7_200 })
    const bodies = await tick()
    expect(bodies).toHaveLength(500)
    expect(bodies[0]).toEqual({ kind: 'letter', letter_id: oldest })
  })

  it('without a transport letters wait: no message, no try charged, one line', async () => {
    const id = await seedLetter({ dueFor: 40 })
    const none = { MAIL_TRANSPORT: '' }
    expect(await tick(none)).toEqual([])
    expect(lines.map((line) => JSON.parse(line))).toContainEqual({
      level: 'info',
      event: 'misconfigured',
      setting: 'MAIL_TRANSPORT',
      problem: 'is not set: letters wait',
    })
    expect(await post(id, none)).toBe(true)
    expect(await letterState(id)).toMatchObject({ status: 'due', attempts: 0 })
  })

  it('purges letters after 90 days, but none that is due', async () => {
    const [old, due, young] = [
      await seedLetter({ status: 'sent' }),
      await seedLetter(),
      await seedLetter({ status: 'sent' }),
    ]
    await query(`UPDATE letters SET created_at_utc = now() - interval '91 days' WHERE letter_id = ANY($1)`, [
      [old, due],
    ])
    const db = createDb({ connectionString: testAddresses.TEST_DATABASE_URL })
    expect(
      await purgeExpired(
        db,
        createLog(() => {}),
      ),
    ).toBe(1)
    expect(await count('letters', 'letter_id = ANY($1)', [[due, young]])).toBe(2)
  })
})

it('what a letter holds is in no log line, no audit row and no column', async () => {
  const key = await codeKey()
  const secrets = [byResend.RESEND_API_KEY, 'Bearer re_']
  const purposes = ['registration', 'password_reset', 'email_change'] as const
  for (const [index, answer] of [500, 401, 422, 429, 200].entries()) {
    for (const purpose of purposes) {
      const codeId = await seedCode(purpose)
      const token = await deriveLinkToken(key, purpose, codeId)
      secrets.push(token, token.slice(32), `"${await deriveDigits(key, purpose, codeId)}"`)
      const id = await seedLetter({ kind: purpose, codeId, recipient: `marked${index}@recipient.example` })
      resend.answers.push(() => Response.json({ name: 'x', message: `no: ${token} ${id}` }, { status: answer }))
      await post(id, byResend)
    }
  }
  const tables = await query<{ name: string }>(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`)
  const everything = await Promise.all(
    tables.map(async ({ name }) => JSON.stringify(await query(`SELECT * FROM "${name}"`))),
  )
  const audit = JSON.stringify(
    await query('SELECT * FROM audit_logs WHERE created_at_utc >= $1::timestamptz', [auditMark]),
  )
  for (const secret of secrets) {
    expect(lines.join('\n')).not.toContain(secret)
    expect(everything.join('\n')).not.toContain(secret)
  }
  for (const text of [lines.join('\n'), audit]) expect(text).not.toMatch(/recipient\.example|no: /)
  expect(await givenUp()).toHaveLength(3)
})
