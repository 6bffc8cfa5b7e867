// Signing in by password, step-up and changing the password, with everything wrong that can be shown at those doors.
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { call, count, google, json, newPerson, refusal, type TokenPair } from '../support/app.ts'
import { emptyTables, query } from '../support/database.ts'
import { cookieLives, hashOf } from '../support/flows.ts'
import { callWith, noLimit, problemOf, someId } from '../support/operations.ts'
import { goodPassword, newPasswordUser } from '../support/people.ts'

const lines: string[] = []

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  lines.length = 0
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line))
})
afterEach(() => vi.restoreAllMocks())

const logIn = (body: Record<string, unknown>, path = '/auth/login') => call(path, { json: body })
const passwordLogIn = (email: string, password = goodPassword) => json<TokenPair>(logIn({ email, password }))
const form = (fields: Record<string, string> | string, headers: Record<string, string> = {}) =>
  call('/auth/login', {
    body: typeof fields === 'string' ? fields : new URLSearchParams(fields).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
  })
const lastTrips = (): unknown => JSON.parse(lines.findLast((line) => line.includes('"request"')) ?? '{}').db_trips

interface Attempts {
  subject: string
  failed: number
  locked: boolean
}
const attempts = () =>
  query<Attempts>(
    `SELECT CASE WHEN identifier_hash_txt IS NOT NULL THEN 'identifier' WHEN user_id IS NOT NULL THEN 'account' ELSE 'session' END AS subject,
      failed_cnt AS failed, coalesce(locked_until_utc > now(), false) AS locked FROM login_attempts ORDER BY 1 DESC, 2`,
  )
const trail = (action: string) =>
  query<{ outcome: string; actor: string | null; subject: string | null; event: unknown }>(
    `SELECT outcome_cd AS outcome, actor_user_id AS actor, subject_id_txt AS subject, event_json AS event FROM audit_logs
     WHERE action_cd = $1 AND created_at_utc > $2 ORDER BY audit_log_id`,
    [action, begun],
  )
let begun = new Date(0)
beforeEach(async () => {
  const [row] = await query<{ now: Date }>('SELECT clock_timestamp() AS now')
  begun = row?.now ?? begun
})

describe('signing in', () => {
  it('works by address and by user name, in every spelling that is the same one, in 2 trips, without a cookie', async () => {
    const { userId } = await newPasswordUser({ email: 'ada@example.com', username: 'ada.l' })
    const ways = [
      { email: 'ada@example.com' },
      { email: 'ADA@Example.COM' },
      { username: 'ada.l' },
      { username: 'ADA.L' },
      { username: 'ada@example.com' },
    ]
    for (const way of ways) {
      for (const path of ['/auth/login', '/api/v1/auth/login/']) {
        const answer = await logIn({ ...way, password: goodPassword }, path)
        expect(answer.headers.get('Set-Cookie')).toBeNull()
        expect(answer.headers.get('Cache-Control')).toBe('no-store')
        const pair = await json<TokenPair>(answer)
        expect(lastTrips()).toBe(2)
        expect(pair).toEqual({
          access_token: expect.any(String),
          refresh_token: expect.any(String),
          token_type: 'bearer',
          expires_in: 1800,
        })
        expect(await json(call('/auth/me', { bearer: pair.access_token }))).toMatchObject({ id: userId })
        await json(call('/auth/refresh', { json: { refresh_token: pair.refresh_token } }))
      }
    }
    expect(
      await count('sessions', `user_id = $1 AND authenticated_at_utc > now() - interval '1 minute'`, [userId]),
    ).toBe(10)
    expect(await trail('session.created')).toHaveLength(10)
    expect(await attempts()).toEqual(expect.arrayContaining([{ subject: 'account', failed: 0, locked: false }]))
  })

  it('takes the OAuth2 password form as libraries send it', async () => {
    await newPasswordUser({ email: 'ada@example.com', username: 'ada', password: 'plus + and & ümläut=' })
    const password = 'plus + and & ümläut='
    await json(form({ username: 'ada', password }))
    await json(
      form({
        grant_type: 'password',
        username: 'ada@example.com',
        password,
        scope: '',
        client_id: 'x',
        client_secret: 'y',
      }),
    )
    await json(
      form('username=ada&password=plus+%2B+and+%26+%C3%BCml%C3%A4ut%3D', {
        'Content-Type': 'Application/X-WWW-Form-URLencoded; charset=utf-8',
      }),
    )
  })

  it('SE-11 gives a session of its own each time, whatever was shown before', async () => {
    await newPasswordUser({ email: 'ada@example.com' })
    const first = await passwordLogIn('ada@example.com')
    const answer = await call('/auth/login', {
      json: { email: 'ada@example.com', password: goodPassword },
      bearer: first.access_token,
      headers: { Cookie: `session=${someId}.${'x'.repeat(43)}` },
    })
    const second = await json<TokenPair>(answer)
    expect(second.refresh_token).not.toBe(first.refresh_token)
    expect(await count('sessions', 'session_id = $1', [someId])).toBe(0)
    expect(await count('sessions')).toBe(2)
  })

  it.each([
    [
      'a form that is JSON',
      'application/x-www-form-urlencoded',
      JSON.stringify({ email: 'ada@example.com', password: goodPassword }),
      422,
    ],
    ['text/plain', 'text/plain', JSON.stringify({ email: 'ada@example.com', password: goodPassword }), 415],
    ['no type', '', '{}', 415],
    ['multipart', 'multipart/form-data; boundary=x', '--x--', 415],
    ['another grant', 'application/x-www-form-urlencoded', 'grant_type=client_credentials&username=a&password=b', 422],
    ['a field of its own', 'application/x-www-form-urlencoded', 'username=a&password=b&remember=1', 422],
    ['email in a form', 'application/x-www-form-urlencoded', 'email=ada%40example.com&password=b', 422],
    ['a field twice', 'application/x-www-form-urlencoded', 'username=a&username=b&password=c', 422],
    ['no password', 'application/x-www-form-urlencoded', 'username=a', 422],
    ['escapes that are no UTF-8', 'application/x-www-form-urlencoded', 'username=a&password=%ff', 400],
    ['broken escapes', 'application/x-www-form-urlencoded', 'username=a&password=%zz', 400],
    ['NUL in a form’s name', 'application/x-www-form-urlencoded', 'username=a%00b&password=c', 400],
    ['NUL in a form’s password', 'application/x-www-form-urlencoded', 'username=a&password=c%00d', 422],
    ['a prototype', 'application/x-www-form-urlencoded', '__proto__=1&username=a&password=b', 422],
    ['1 MiB', 'application/x-www-form-urlencoded', `username=a&password=${'x'.repeat(1 << 20)}`, 413],
    ['both names', 'application/json', '{"email":"a@b.example","username":"a","password":"x"}', 422],
    ['neither', 'application/json', '{"password":"x"}', 422],
    ['a number', 'application/json', '{"email":"a@b.example","password":12345678}', 422],
    ['null', 'application/json', '{"email":"a@b.example","password":null}', 422],
    ['a list', 'application/json', '{"email":["a@b.example"],"password":"x"}', 422],
    ['an unknown key', 'application/json', '{"email":"a@b.example","password":"x","admin":true}', 422],
    ['NUL in a password', 'application/json', '{"email":"a@b.example","password":"x\\u0000y"}', 422],
    ['NUL in a name', 'application/json', '{"username":"a\\u0000b","password":"x"}', 400],
    ['half a surrogate', 'application/json', '{"email":"a@b.example","password":"\\ud800xxxxxxx"}', 422],
    ['129 characters', 'application/json', `{"email":"a@b.example","password":"${'x'.repeat(129)}"}`, 422],
    ['1 MiB of password', 'application/json', `{"email":"a@b.example","password":"${'x'.repeat(1 << 20)}"}`, 413],
    ['a name of 60,000', 'application/json', `{"username":"${'x'.repeat(60_000)}","password":"x"}`, 422],
  ])('PW-18 PW-05 refuses %s before anything is counted or hashed', async (_, type, body, status) => {
    const answer = await call('/auth/login', {
      body,
      headers: { ...(type === '' ? {} : { 'Content-Type': type }), Origin: 'https://evil.test' },
    })
    expect((await problemOf(answer)).status).toBe(status)
    expect([answer.headers.get('Set-Cookie'), answer.headers.get('Access-Control-Allow-Origin')]).toEqual([null, null])
    expect(lastTrips()).toBe(0)
    expect(await count('login_attempts')).toBe(0)
  })

  it('PW-08 compares exactly what was set: nothing trimmed, cut or normalised', async () => {
    const cases: [string, string, string[]][] = [
      ['blanks@example.com', '  two blanks  ', ['two blanks', ' two blanks  ', '  two blanks']],
      ['emoji@example.com', '🔑🔑🔑🔑🔑🔑🔑🔑', ['🔑🔑🔑🔑', '🔑🔑🔑🔑🔑🔑🔑🔒']],
      ['accent@example.com', 'éééé1234', ['éééé1235', 'e\u0301e\u0301e\u0301e\u03011234', 'éééé']],
      ['long@example.com', `${'é'.repeat(127)}1`, [`${'é'.repeat(127)}2`, 'é'.repeat(127), 'é'.repeat(64)]],
    ]
    for (const [email, password, others] of cases) {
      await newPasswordUser({ email, password })
      for (const other of others)
        expect(await refusal(logIn({ email, password: other }))).toEqual([401, 'invalid_credentials'])
      await passwordLogIn(email, password)
    }
  })

  it('PW-10 hashes again where the parameters are not today’s, once', async () => {
    // "password" under "somesalt", m=256: a published vector of the reference implementation.
    const old = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
    const { userId } = await newPasswordUser({ email: 'old@example.com', phc: old })
    const stored = async () =>
      (
        await query<{ phc: string; version: number }>(
          'SELECT password_hash_txt AS phc, credential_version_nbr AS version FROM users WHERE user_id = $1',
          [userId],
        )
      )[0]
    expect(await refusal(logIn({ email: 'old@example.com', password: 'wrong password' }))).toEqual([
      401,
      'invalid_credentials',
    ])
    expect(await stored()).toEqual({ phc: old, version: 1 })
    const first = await passwordLogIn('old@example.com', 'password')
    expect(lastTrips()).toBe(2)
    const renewed = await stored()
    expect(renewed).toEqual({ phc: expect.stringMatching(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/), version: 1 })
    await passwordLogIn('old@example.com', 'password')
    expect(await stored()).toEqual(renewed)
    await json(call('/auth/me', { bearer: first.access_token }))
  })

  it('PW-12 refuses a user without a password, whatever is shown, and one whose stored hash is none', async () => {
    const person = await newPerson('google-only@gmail.com', { query: { scopes: 'identity' } })
    for (const password of ['', 'null', 'undefined', ' ', '0'])
      expect(await refusal(logIn({ email: 'google-only@gmail.com', password }))).toEqual([401, 'invalid_credentials'])
    for (const phc of [
      '',
      'null',
      '!',
      '$argon2id$v=19$m=999999,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
      '$2b$10$abcdefghijklmnopqrstuv',
    ]) {
      const email = `broken-${crypto.randomUUID()}@example.com`
      await newPasswordUser({ email, phc })
      expect(await refusal(logIn({ email, password: phc }))).toEqual([401, 'invalid_credentials'])
      expect(await refusal(logIn({ email, password: '' }))).toEqual([401, 'invalid_credentials'])
    }
    expect(await count('sessions', 'user_id <> $1', [person.userId])).toBe(0)
    // Its own way in stays open, five wrong passwords or not.
    await json(call('/auth/me', { bearer: person.access_token }))
    await newPerson('google-only2@gmail.com')
  })

  it('answers unknown, unconfirmed, wrong, disabled and passwordless names alike, in body, headers and trips', async () => {
    await newPasswordUser({ email: 'known@example.com', username: 'known' })
    const disabled = await newPasswordUser({ email: 'disabled@example.com' })
    await query('UPDATE users SET is_active_flg = false WHERE user_id = $1', [disabled.userId])
    const unproven = await newPasswordUser({ email: 'unproven@example.com' })
    await query('UPDATE users SET email_verified_at_utc = NULL, email_proof_cd = NULL WHERE user_id = $1', [
      unproven.userId,
    ])
    await newPasswordUser({ email: 'none@example.com', phc: null })
    const shown = [
      { email: 'unknown@example.com', password: goodPassword },
      { email: 'known@example.com', password: 'wrong password' },
      { email: 'known@example.com', password: '' },
      { username: 'known', password: 'wrong password' },
      { username: 'nobody', password: goodPassword },
      { username: 'no such name at all!', password: goodPassword },
      { email: 'no address', password: goodPassword },
      { email: 'disabled@example.com', password: goodPassword },
      { email: 'unproven@example.com', password: goodPassword },
      { email: 'none@example.com', password: goodPassword },
    ]
    const answers = new Set<string>()
    for (const body of shown) {
      const answer = await logIn(body)
      const id = answer.headers.get('X-Request-Id') ?? 'none'
      answers.add(`${answer.status} ${await answer.text()} ${JSON.stringify([...answer.headers])}`.replaceAll(id, 'ID'))
      expect(lastTrips()).toBe(2)
    }
    expect([...answers]).toHaveLength(1)
    expect([...answers][0]).toContain('401')
    expect(await count('sessions')).toBe(0)
    const told = await trail('sign_in.refused')
    expect(told.map(({ event }) => (event as { reason: string }).reason)).toEqual([
      'unknown',
      'wrong_password',
      'wrong_password',
      'wrong_password',
      'unknown',
      'unknown',
      'unknown',
      'disabled',
      'unknown',
      'no_password',
    ])
    expect(JSON.stringify(told)).not.toMatch(/example\.com|no such name|wrong password|battery/)
    expect(lines.join('\n')).not.toMatch(/example\.com|no such name|wrong password|battery/)
  })

  it('SE-25 a disabled user gets no session by a right password', async () => {
    const { userId } = await newPasswordUser({ email: 'ada@example.com' })
    await query('UPDATE users SET is_active_flg = false WHERE user_id = $1', [userId])
    expect(await refusal(logIn({ email: 'ada@example.com', password: goodPassword }))).toEqual([
      401,
      'invalid_credentials',
    ])
    expect(await count('sessions')).toBe(0)
    await query('UPDATE users SET is_active_flg = true WHERE user_id = $1', [userId])
    await passwordLogIn('ada@example.com')
  })

  it('makes an administrator of whom ADMIN_EMAILS names and a letter or Google has proven, and of nobody else', async () => {
    const admin = await newPasswordUser({ email: 'admin@gmail.com' })
    const { access_token } = await passwordLogIn('admin@gmail.com')
    expect(await json(call('/auth/me', { bearer: access_token }))).toMatchObject({ role: 'admin' })
    expect(await trail('user.promoted')).toEqual([
      { outcome: 'success', actor: admin.userId, subject: admin.userId, event: { by: 'setting' } },
    ])
    await passwordLogIn('admin@gmail.com')
    expect(await trail('user.promoted')).toHaveLength(1)
    await query(`UPDATE users SET role_cd = 'user', email_proof_cd = 'trusted'`)
    await passwordLogIn('admin@gmail.com')
    expect(await count('users', `role_cd = 'admin'`)).toBe(0)
  })
})

describe('lockout', () => {
  const wrong = (who: Record<string, string>) => logIn({ ...who, password: 'wrong password' })

  it.each([
    ['known', { email: 'ada@example.com' }],
    ['known by user name', { username: 'ada' }],
    ['unknown', { email: 'nobody@example.com' }],
    ['no address', { email: 'no address' }],
  ] as [string, Record<string, string>][])(
    'PW-13 five wrong passwords lock a name (%s); the right one is 429 then, whoever asks',
    async (kind, who) => {
      const { userId } = await newPasswordUser({ email: 'ada@example.com', username: 'ada' })
      for (let n = 0; n < 5; n += 1) expect(await refusal(wrong(who))).toEqual([401, 'invalid_credentials'])
      const answer = await logIn({ ...who, password: goodPassword })
      const problem = await problemOf(answer)
      expect([problem.status, problem.code, lastTrips()]).toEqual([429, 'account_locked', 1])
      const after = Number(answer.headers.get('Retry-After'))
      expect(after).toBeGreaterThan(29 * 60)
      expect(after).toBeLessThanOrEqual(30 * 60)
      const [row] = await query<{ minutes: number }>(
        `SELECT extract(epoch FROM locked_until_utc - now())::float / 60 AS minutes FROM login_attempts WHERE identifier_hash_txt IS NOT NULL`,
      )
      expect(row?.minutes).toBeGreaterThan(29)
      expect(row?.minutes).toBeLessThanOrEqual(30)
      expect(await count('sessions')).toBe(0)
      const subject = kind.startsWith('known') ? userId : null
      // Both rows are of one statement, so their order is chance.
      const locks = (await trail('sign_in.locked')).map(({ subject, event }) => JSON.stringify([subject, event])).sort()
      expect(locks).toEqual(
        (kind.startsWith('known') ? ['account', 'identifier'] : ['identifier']).map((what) =>
          JSON.stringify([subject, { what }]),
        ),
      )
      expect((await trail('sign_in.refused')).at(-1)).toEqual({
        outcome: 'refused',
        actor: null,
        subject,
        event: { reason: 'locked' },
      })
    },
  )

  it('PW-13 does not extend a lock by tries during it, and begins anew when it has run out', async () => {
    await newPasswordUser({ email: 'ada@example.com' })
    for (let n = 0; n < 5; n += 1) await wrong({ email: 'ada@example.com' })
    const until = () => query('SELECT locked_until_utc, failed_cnt FROM login_attempts ORDER BY login_attempt_id')
    const set = await until()
    for (let n = 0; n < 3; n += 1) expect((await refusal(wrong({ email: 'ada@example.com' })))[0]).toBe(429)
    expect(await until()).toEqual(set)
    await query(`UPDATE login_attempts SET locked_until_utc = now() - interval '1 second'`)
    expect(await refusal(wrong({ email: 'ada@example.com' }))).toEqual([401, 'invalid_credentials'])
    expect(await attempts()).toEqual([
      { subject: 'identifier', failed: 1, locked: false },
      { subject: 'account', failed: 1, locked: false },
    ])
    await passwordLogIn('ada@example.com')
  })

  it('PW-16 a right password sets the count back: 4 wrong, right, 4 wrong, right', async () => {
    await newPasswordUser({ email: 'ada@example.com' })
    for (let round = 0; round < 2; round += 1) {
      for (let n = 0; n < 4; n += 1) expect((await refusal(wrong({ email: 'ada@example.com' })))[0]).toBe(401)
      await passwordLogIn('ada@example.com')
      expect(await attempts()).toEqual([
        { subject: 'identifier', failed: 0, locked: false },
        { subject: 'account', failed: 0, locked: false },
      ])
    }
    expect(await trail('sign_in.locked')).toEqual([])
  })

  it('PW-13 the fifth try may be the right one, and leaves no lock', async () => {
    await newPasswordUser({ email: 'ada@example.com' })
    for (let n = 0; n < 4; n += 1) await wrong({ email: 'ada@example.com' })
    await passwordLogIn('ada@example.com')
    expect(await count('login_attempts', 'locked_until_utc IS NOT NULL OR failed_cnt > 0')).toBe(0)
    expect(await trail('sign_in.locked')).toEqual([])
  })

  it('PW-26 an account counts over all its names; the others then answer 401, not 429', async () => {
    await newPasswordUser({ email: 'ada@example.com', username: 'ada' })
    for (const email of ['ada@example.com', 'ADA@example.com', 'Ada@EXAMPLE.com'])
      expect((await refusal(wrong({ email })))[0]).toBe(401)
    for (const username of ['ada', 'ADA']) expect((await refusal(wrong({ username })))[0]).toBe(401)
    expect(await attempts()).toEqual([
      { subject: 'identifier', failed: 2, locked: false },
      { subject: 'identifier', failed: 3, locked: false },
      { subject: 'account', failed: 5, locked: true },
    ])
    // Width variants are nobody's: they take nothing from the account.
    expect((await refusal(wrong({ email: 'ａｄａ@example.com' })))[0]).toBe(401)
    expect(await refusal(logIn({ email: 'ada@example.com', password: goodPassword }))).toEqual([
      401,
      'invalid_credentials',
    ])
    expect(await refusal(logIn({ username: 'ada', password: goodPassword }))).toEqual([401, 'invalid_credentials'])
    expect((await attempts()).at(-1)).toEqual({ subject: 'account', failed: 5, locked: true })
    expect(await count('sessions')).toBe(0)
    await query(
      `UPDATE login_attempts SET locked_until_utc = now() - interval '1 second' WHERE locked_until_utc IS NOT NULL`,
    )
    await json(logIn({ username: 'ada', password: goodPassword }))
  })

  it('PW-13 never blocks a provider’s sign-in, and does not end sessions', async () => {
    const person = await newPerson('ada@gmail.com', { query: { scopes: 'identity' } })
    for (let n = 0; n < 6; n += 1) await wrong({ email: 'ada@gmail.com' })
    expect((await refusal(wrong({ email: 'ada@gmail.com' })))[0]).toBe(429)
    await json(call('/auth/me', { bearer: person.access_token }))
    await json(call('/auth/refresh', { json: { refresh_token: person.refresh_token } }))
  })

  it('PW-13 keeps what the settings say', async () => {
    await newPasswordUser({ email: 'ada@example.com' })
    const strict = (password: string) =>
      callWith(
        { ACCOUNT_LOCKOUT_THRESHOLD: '1', ACCOUNT_LOCKOUT_DURATION_MINUTES: '2', AUTH_RATE_LIMIT: noLimit },
        '/auth/login',
        {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ email: 'ada@example.com', password }),
        },
      )
    await json(strict(goodPassword))
    expect(await refusal(strict('wrong password'))).toEqual([401, 'invalid_credentials'])
    const answer = await strict(goodPassword)
    expect(answer.status).toBe(429)
    expect(Number(answer.headers.get('Retry-After'))).toBeLessThanOrEqual(120)
  })

  it('PW-17 one address that sprays a password over many names is stopped by the fence', async () => {
    const seen: number[] = []
    for (let n = 0; n < 125 && !seen.includes(429); n += 1) {
      const answer = await call('/auth/login', {
        ip: '192.0.2.77',
        json: { email: `person${n}@example.com`, password: 'Spring2026!' },
        headers: { 'X-Forwarded-For': `10.0.0.${n}`, 'X-Real-IP': `10.1.0.${n}` },
      })
      seen.push(answer.status)
      await answer.body?.cancel()
    }
    expect(new Set(seen)).toEqual(new Set([401, 429]))
  })

  it('AP-09 is closed where the limiter or the database fails', async () => {
    const init = {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ email: 'ada@example.com', password: goodPassword }),
    }
    expect(await refusal(callWith({ AUTH_RATE_LIMIT: undefined }, '/auth/login', init))).toEqual([503, 'unavailable'])
    const gone = { connectionString: 'postgres://gatepost:gatepost@127.0.0.1:1/none' }
    expect(await refusal(callWith({ HYPERDRIVE: gone, AUTH_RATE_LIMIT: noLimit }, '/auth/login', init))).toEqual([
      503,
      'unavailable',
    ])
  })
})

describe('step-up', () => {
  const stepUp = (bearer: string, password: string) => call('/auth/step-up', { bearer, json: { password } })
  const age = () => query(`UPDATE sessions SET authenticated_at_utc = now() - interval '1 hour'`)
  const isFresh = async () => (await count('sessions', `authenticated_at_utc > now() - interval '1 minute'`)) === 1

  it('renews the proof of presence of this session only, in 2 trips', async () => {
    const { userId } = await newPasswordUser({ email: 'ada@example.com' })
    const { access_token } = await passwordLogIn('ada@example.com')
    await passwordLogIn('ada@example.com')
    await age()
    const answer = await stepUp(access_token, goodPassword)
    expect([answer.status, await answer.text(), lastTrips()]).toEqual([204, '', 2])
    expect(await isFresh()).toBe(true)
    expect((await trail('step_up.passed')).map(({ actor }) => actor)).toEqual([userId])
  })

  it('counts wrong ones by session: 5, then 429 for 30 minutes; the door of sign-in does not reach it, nor it that', async () => {
    await newPasswordUser({ email: 'ada@example.com' })
    const { access_token } = await passwordLogIn('ada@example.com')
    const other = await passwordLogIn('ada@example.com')
    for (let n = 0; n < 6; n += 1) await logIn({ email: 'ada@example.com', password: 'wrong password' })
    await age()
    for (let n = 0; n < 4; n += 1)
      expect(await refusal(stepUp(access_token, 'wrong password'))).toEqual([401, 'invalid_credentials'])
    // Step-up and changing the password are one count.
    expect(
      await refusal(
        call('/auth/me/password', {
          bearer: access_token,
          json: { current_password: 'wrong', new_password: 'another good one' },
        }),
      ),
    ).toEqual([401, 'invalid_credentials'])
    const locked = await stepUp(access_token, goodPassword)
    expect([locked.status, Number(locked.headers.get('Retry-After')) > 29 * 60]).toEqual([429, true])
    expect((await problemOf(locked)).code).toBe('account_locked')
    expect(
      await refusal(
        call('/auth/me/password', {
          bearer: access_token,
          json: { current_password: goodPassword, new_password: 'another good one' },
        }),
      ),
    ).toEqual([429, 'account_locked'])
    expect(await isFresh()).toBe(false)
    expect((await stepUp(other.access_token, goodPassword)).status).toBe(204)
    expect((await trail('step_up.refused')).map(({ event }) => event)).toEqual([
      ...Array(5).fill({ reason: 'wrong_password' }),
      { reason: 'locked' },
      { reason: 'locked' },
    ])
    await json(call('/auth/me', { bearer: access_token }))
  })

  it('a right password sets the count back', async () => {
    await newPasswordUser({ email: 'ada@example.com' })
    const { access_token } = await passwordLogIn('ada@example.com')
    for (let round = 0; round < 2; round += 1) {
      for (let n = 0; n < 4; n += 1) await stepUp(access_token, 'wrong password')
      expect((await stepUp(access_token, goodPassword)).status).toBe(204)
    }
  })

  it('refuses nobody’s session, keys, cookies, users without a password, and what is no password', async () => {
    expect(await refusal(call('/auth/step-up', { json: { password: goodPassword } }))).toEqual([401, 'unauthorized'])
    expect(await refusal(stepUp(`gp_${'x'.repeat(43)}`, goodPassword))).toEqual([403, 'forbidden'])
    const { userId } = await newPasswordUser({ email: 'ada@example.com' })
    const { access_token } = await passwordLogIn('ada@example.com')
    for (const password of ['x'.repeat(129), 'a\0b'])
      expect(await refusal(stepUp(access_token, password))).toEqual([422, 'invalid_input'])
    expect(await count('login_attempts', 'session_id IS NOT NULL')).toBe(0)
    await query('UPDATE users SET password_hash_txt = NULL WHERE user_id = $1', [userId])
    for (const password of ['', 'null', goodPassword])
      expect(await refusal(stepUp(access_token, password))).toEqual([401, 'invalid_credentials'])
    await query('UPDATE users SET credential_version_nbr = 9 WHERE user_id = $1', [userId])
    expect(await refusal(stepUp(access_token, goodPassword))).toEqual([401, 'unauthorized'])
  })
})

describe('changing the password', () => {
  const change = (bearer: string, body: Record<string, unknown>) => call('/auth/me/password', { bearer, json: body })
  const stored = async (userId: string) =>
    (await query<{ phc: string | null }>('SELECT password_hash_txt AS phc FROM users WHERE user_id = $1', [userId]))[0]
      ?.phc

  it('PW-21 ends the other sessions and what waits, keeps this one, and tells the owner', async () => {
    const { userId } = await newPasswordUser({ email: 'ada@example.com' })
    const [mine, other] = [await passwordLogIn('ada@example.com'), await passwordLogIn('ada@example.com')]
    await query(
      `INSERT INTO one_time_codes (purpose_cd, user_id, expires_at_utc, payload_sealed_txt)
       SELECT purpose, $1, now() + interval '1 hour', 'gp1.x.y' FROM unnest(ARRAY['password_reset', 'email_change', 'hand_off']) purpose`,
      [userId],
    )
    const answer = await change(mine.access_token, {
      current_password: goodPassword,
      new_password: 'a much better one',
    })
    expect([answer.status, await answer.text(), lastTrips()]).toEqual([204, '', 2])
    await json(call('/auth/me', { bearer: mine.access_token }))
    await json(call('/auth/refresh', { json: { refresh_token: mine.refresh_token } }))
    expect((await refusal(call('/auth/me', { bearer: other.access_token })))[0]).toBe(401)
    expect((await refusal(call('/auth/refresh', { json: { refresh_token: other.refresh_token } })))[0]).toBe(401)
    expect(
      await count('refresh_tokens', 'token_hash_txt = $1 AND revoked_at_utc IS NOT NULL', [
        await hashOf(other.refresh_token),
      ]),
    ).toBe(1)
    expect(
      await query('SELECT purpose_cd AS purpose, consumed_at_utc IS NOT NULL AS spent FROM one_time_codes ORDER BY 1'),
    ).toEqual([
      { purpose: 'email_change', spent: true },
      { purpose: 'hand_off', spent: false },
      { purpose: 'password_reset', spent: true },
    ])
    expect(await query('SELECT kind_cd AS kind, recipient_txt AS "to" FROM letters')).toEqual([
      { kind: 'password_changed', to: 'ada@example.com' },
    ])
    expect(await trail('password.changed')).toEqual([{ outcome: 'success', actor: userId, subject: userId, event: {} }])
    expect(await refusal(logIn({ email: 'ada@example.com', password: goodPassword }))).toEqual([
      401,
      'invalid_credentials',
    ])
    await passwordLogIn('ada@example.com', 'a much better one')
  })

  it('PW-21 without the current one 422, with a wrong one 401; the hash unchanged', async () => {
    const { userId } = await newPasswordUser({ email: 'ada@example.com', username: 'ada.lovelace' })
    const { access_token } = await passwordLogIn('ada@example.com')
    const before = await stored(userId)
    const good = 'a much better one'
    const tries: [Record<string, unknown>, number, string][] = [
      [{ new_password: good }, 422, 'invalid_input'],
      [{ current_password: null, new_password: good }, 422, 'invalid_input'],
      [{ current_password: '', new_password: good }, 401, 'invalid_credentials'],
      [{ current_password: `${goodPassword} `, new_password: good }, 401, 'invalid_credentials'],
      [{ current_password: goodPassword }, 422, 'invalid_input'],
      [{ current_password: goodPassword, new_password: good, role: 'admin' }, 422, 'invalid_input'],
      [{ current_password: goodPassword, new_password: 'ada@example.com' }, 422, 'password_too_common'],
      [{ current_password: goodPassword, new_password: 'ADA@EXAMPLE.COM' }, 422, 'password_too_common'],
      [{ current_password: goodPassword, new_password: 'Ada.Lovelace' }, 422, 'password_too_common'],
    ]
    for (const [body, status, code] of tries)
      expect([body, ...(await refusal(change(access_token, body)))]).toEqual([body, status, code])
    expect(await stored(userId)).toBe(before)
    // What was right and led to nothing is no failed try.
    expect(await count('login_attempts', 'session_id IS NOT NULL AND failed_cnt > 0')).toBe(0)
    expect(await count('letters')).toBe(0)
  })

  it('PW-05 PW-07 PW-08 takes 8 to 128 characters exactly, and none that attackers try first', async () => {
    const { userId } = await newPasswordUser({ email: 'ada@example.com' })
    const { access_token } = await passwordLogIn('ada@example.com')
    const refused: [string, string][] = [
      ['1234567', 'invalid_input'],
      ['🔑🔑🔑🔑🔑🔑🔑', 'invalid_input'],
      ['x'.repeat(129), 'invalid_input'],
      ['🔑'.repeat(129), 'invalid_input'],
      ['nul\0inside', 'invalid_input'],
      ['\ud800xxxxxxxx', 'invalid_input'],
      ...[
        'password',
        'password123',
        'PassWord123',
        '12345678',
        'qwertyuiop',
        'iloveyou',
        'football',
        'trustno1',
        '1q2w3e4r',
      ].map((common): [string, string] => [common, 'password_too_common']),
    ]
    const before = await stored(userId)
    for (const [password, code] of refused)
      expect([
        password,
        ...(await refusal(change(access_token, { current_password: goodPassword, new_password: password }))),
      ]).toEqual([password, 422, code])
    expect(await stored(userId)).toBe(before)
    let current = goodPassword
    for (const password of [
      '8 chars!',
      'x'.repeat(64),
      `${'é'.repeat(127)}y`,
      '🔑'.repeat(128),
      '  blank at both ends  ',
      'password123 ',
    ]) {
      expect([
        password,
        (await change(access_token, { current_password: current, new_password: password })).status,
      ]).toEqual([password, 204])
      // 422 where it cannot be a password at all: too long, or half a character.
      for (const near of [password.trim(), password.normalize('NFD'), password.slice(0, -1)])
        if (near !== password)
          expect([401, 422]).toContain((await refusal(logIn({ email: 'ada@example.com', password: near })))[0])
      await passwordLogIn('ada@example.com', password)
      current = password
    }
    expect((await change(access_token, { current_password: current, new_password: 'x'.repeat(1 << 20) })).status).toBe(
      413,
    )
  })

  it('PW-07 is closed where the list cannot be read', async () => {
    await newPasswordUser({ email: 'ada@example.com' })
    const { isCommonPassword } = await import('../../src/auth/common-passwords.ts')
    const { access_token } = await passwordLogIn('ada@example.com')
    await json(call('/auth/me', { bearer: access_token }))
    // The isolate keeps the list once it was read, so the reader is asked on a fresh copy of its module, which must not be
    // the next file's.
    vi.resetModules()
    onTestFinished(() => void vi.resetModules())
    const fresh: { isCommonPassword: typeof isCommonPassword } = await import('../../src/auth/common-passwords.ts')
    const broken = [
      async () => new Response(null, { status: 404 }),
      async () => new Response('<!doctype html>'),
      async () => new Response(`\n${'x'.repeat(200_000)}`),
      () => Promise.reject(new Error('no assets')),
    ]
    for (const fetch of broken)
      await expect(fresh.isCommonPassword({ assets: { fetch } }, 'password123')).rejects.toMatchObject({
        code: 'unavailable',
      })
    const list = `\n${Array.from({ length: 20_000 }, (_, n) => `common${n}`).join('\n')}\n`
    const whole = { assets: { fetch: async () => new Response(list) } }
    expect(await fresh.isCommonPassword(whole, 'COMMON7')).toBe(true)
    expect(await fresh.isCommonPassword(whole, 'common')).toBe(false)
    expect(await fresh.isCommonPassword(whole, 'common7\ncommon8')).toBe(false)
  })

  it('sets the first password with a fresh proof of presence only', async () => {
    const person = await newPerson('ada@gmail.com', { query: { scopes: 'identity' } })
    const other = await json<TokenPair>(logIn({ email: 'ada@gmail.com', password: 'x' }), 401)
    expect(other).toMatchObject({ code: 'invalid_credentials' })
    await query(`UPDATE sessions SET authenticated_at_utc = now() - interval '16 minutes'`)
    expect(await refusal(change(person.access_token, { new_password: 'the very first' }))).toEqual([
      403,
      'step_up_required',
    ])
    await query(`UPDATE sessions SET authenticated_at_utc = now() - interval '14 minutes'`)
    for (const current of ['', 'null', 'undefined'])
      expect(
        await refusal(change(person.access_token, { current_password: current, new_password: 'the very first' })),
      ).toEqual([401, 'invalid_credentials'])
    expect(await stored(person.userId)).toBeNull()
    expect((await change(person.access_token, { new_password: 'the very first' })).status).toBe(204)
    expect((await trail('password.set')).map(({ subject }) => subject)).toEqual([person.userId])
    await json(call('/auth/me', { bearer: person.access_token }))
    await passwordLogIn('ada@gmail.com', 'the very first')
    expect((await refusal(change(person.access_token, { new_password: 'the second one' })))[0]).toBe(422)
  })

  it('SE-26 takes no cookie', async () => {
    const cookies = new Map([['session', `${someId}.${'x'.repeat(43)}`]])
    expect(await cookieLives(cookies)).toBe(false)
    expect(await refusal(call('/auth/me/password', { cookies, json: { new_password: 'the very first' } }))).toEqual([
      401,
      'unauthorized',
    ])
  })
})
