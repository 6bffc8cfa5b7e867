// Passwords at the same time as themselves, on real PostgreSQL with the database 20 ms away. What is asserted are counts:
// how many tries were compared (the trail says why each was refused), which rows stand, what lives when all are done.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { call, count, json, refusal, type TokenPair } from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import { untilSomebodyWaits } from '../support/flows.ts'
import { goodPassword, newPasswordUser } from '../support/people.ts'

let begun = new Date(0)

beforeEach(async () => {
  await emptyTables()
  const [row] = await query<{ now: Date }>('SELECT clock_timestamp() AS now')
  begun = row?.now ?? begun
  await proxy.setDelay(20)
})
afterEach(() => proxy.setDelay(0))

const times = <T>(n: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, index) => make(index)))
/** A hundred, fifty at a time: more connections at once than that would test the patience of the database, not ours. */
const hundred = async <T>(make: (index: number) => Promise<T>): Promise<T[]> => [
  ...(await times(50, make)),
  ...(await times(50, (n) => make(n + 50))),
]
const logIn = (body: Record<string, unknown>) => call('/auth/login', { json: body })
const statusOf = async (answer: Promise<Response>): Promise<number> => {
  const { status, body } = await answer
  await body?.cancel()
  return status
}
const tally = (statuses: readonly number[]): Record<number, number> => {
  const sums: Record<number, number> = {}
  for (const status of statuses) sums[status] = (sums[status] ?? 0) + 1
  return sums
}
/** Refusals by their reason: `wrong_password` was compared with the account's hash, no other was. */
const reasons = async (action = 'sign_in.refused'): Promise<Record<string, number>> =>
  Object.fromEntries(
    (
      await query<{ reason: string; n: number }>(
        `SELECT event_json->>'reason' AS reason, count(*)::int AS n FROM audit_logs
         WHERE action_cd = $1 AND created_at_utc > $2 GROUP BY 1`,
        [action, begun],
      )
    ).map(({ reason, n }) => [reason, n]),
  )

describe('100 wrong tries at once', () => {
  it('PW-26 PW-13 by all names of one account: 5 are compared, and the account is locked', async () => {
    await newPasswordUser({ email: 'ada@example.com', username: 'ada' })
    const names = [{ email: 'ada@example.com' }, { email: 'ADA@Example.com' }, { username: 'ada' }, { username: 'Ada' }]
    const statuses = await hundred((n) => statusOf(logIn({ ...names[n % names.length], password: `wrong ${n}` })))
    // Each of the two names admits five; of those ten the account admits five.
    expect(tally(statuses)).toEqual({ 401: 10, 429: 90 })
    expect(await reasons()).toEqual({ wrong_password: 5, account_locked: 5, locked: 90 })
    expect(await count('login_attempts', 'failed_cnt = 5 AND locked_until_utc > now()')).toBe(3)
    expect(await count('audit_logs', `action_cd = 'sign_in.locked' AND created_at_utc > $1`, [begun])).toBe(3)
    expect(await refusal(logIn({ email: 'ada@example.com', password: goodPassword }))).toEqual([429, 'account_locked'])
  })

  it('PW-13 by a name that nobody has: the same answers', async () => {
    const statuses = await hundred((n) => statusOf(logIn({ email: 'nobody@example.com', password: `wrong ${n}` })))
    expect(tally(statuses)).toEqual({ 401: 5, 429: 95 })
    expect(await reasons()).toEqual({ unknown: 5, locked: 95 })
  })

  it('PW-13 at the step-up of one session: 5 are compared', async () => {
    await newPasswordUser({ email: 'ada@example.com' })
    const { access_token: bearer } = await json<TokenPair>(logIn({ email: 'ada@example.com', password: goodPassword }))
    const statuses = await times(50, (n) =>
      statusOf(
        n % 2 === 0
          ? call('/auth/step-up', { bearer, json: { password: `wrong ${n}` } })
          : call('/auth/me/password', {
              bearer,
              json: { current_password: `wrong ${n}`, new_password: 'another good one' },
            }),
      ),
    )
    expect(tally(statuses)).toEqual({ 401: 5, 429: 45 })
    expect(await reasons('step_up.refused')).toEqual({ wrong_password: 5, locked: 45 })
  })
})

describe('right passwords at once', () => {
  it('PW-16 leave no lock behind, whatever was in flight', async () => {
    await newPasswordUser({ email: 'ada@example.com', username: 'ada' })
    for (let run = 0; run < 3; run += 1) {
      const statuses = await times(20, (n) =>
        statusOf(
          logIn({ ...(n % 2 === 0 ? { email: 'ada@example.com' } : { username: 'ada' }), password: goodPassword }),
        ),
      )
      const { 200: passed = 0, ...others } = tally(statuses)
      expect(passed).toBeGreaterThanOrEqual(5)
      expect(Object.keys(others).every((status) => ['401', '429'].includes(status))).toBe(true)
      expect(
        await count('login_attempts', 'user_id IS NOT NULL AND (failed_cnt > 0 OR locked_until_utc IS NOT NULL)'),
      ).toBe(0)
      // A name's own tries that the account refused meanwhile stay counted.
      await query('UPDATE login_attempts SET failed_cnt = 0, locked_until_utc = NULL')
      expect(await statusOf(logIn({ email: 'ada@example.com', password: goodPassword }))).toBe(200)
    }
  })

  it('PW-10 both get in where both hash again', async () => {
    const old = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
    for (let run = 0; run < 5; run += 1) {
      const email = `old${run}@example.com`
      const { userId } = await newPasswordUser({ email, phc: old })
      expect(await times(4, () => statusOf(logIn({ email, password: 'password' })))).toEqual([200, 200, 200, 200])
      expect(await count('users', `user_id = $1 AND password_hash_txt LIKE '%m=19456%'`, [userId])).toBe(1)
      expect(await count('sessions', 'user_id = $1', [userId])).toBe(4)
    }
  })
})

describe('a change while a right password is on its way', () => {
  it.each([
    ['SE-25 disabled', 'is_active_flg = false', 401],
    ['SE-25 credentials raised', 'credential_version_nbr = credential_version_nbr + 1', 401],
    [
      'another password',
      `password_hash_txt = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'`,
      401,
    ],
    ['password removed', 'password_hash_txt = NULL', 401],
    ['nothing that matters', `full_name_txt = 'Ada'`, 200],
  ])('%s', async (_, change, status) => {
    const { userId } = await newPasswordUser({ email: 'ada@example.com' })
    await query('BEGIN')
    await query('SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE', [userId])
    const answer = statusOf(logIn({ email: 'ada@example.com', password: goodPassword }))
    await untilSomebodyWaits()
    await query(`UPDATE users SET ${change} WHERE user_id = $1`, [userId])
    await query('COMMIT')
    expect(await answer).toBe(status)
    expect(await count('sessions')).toBe(status === 200 ? 1 : 0)
    expect(await count('login_attempts', 'failed_cnt > 0')).toBe(status === 200 ? 0 : 2)
  })

  it('deleted', async () => {
    const { userId } = await newPasswordUser({ email: 'ada@example.com' })
    await query('BEGIN')
    await query('SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE', [userId])
    const answer = statusOf(logIn({ email: 'ada@example.com', password: goodPassword }))
    await untilSomebodyWaits()
    await query('DELETE FROM users WHERE user_id = $1', [userId])
    await query('COMMIT')
    expect(await answer).toBe(401)
    expect(await count('sessions')).toBe(0)
  })
})

describe('changing the password', () => {
  it('PW-21 twice at once: one password stands, and one letter was written', async () => {
    for (let run = 0; run < 3; run += 1) {
      const email = `ada${run}@example.com`
      const { userId } = await newPasswordUser({ email })
      const { access_token: bearer } = await json<TokenPair>(logIn({ email, password: goodPassword }))
      const statuses = await times(4, (n) =>
        statusOf(
          call('/auth/me/password', {
            bearer,
            json: { current_password: goodPassword, new_password: `the new one, ${n}` },
          }),
        ),
      )
      expect(statuses.filter((status) => status === 204)).toHaveLength(1)
      expect(statuses.every((status) => [204, 401, 409].includes(status))).toBe(true)
      expect(await count('letters', 'recipient_txt = $1', [email])).toBe(1)
      expect(await count('users', 'user_id = $1 AND credential_version_nbr = 2', [userId])).toBe(1)
      const winner = statuses.indexOf(204)
      expect(await statusOf(logIn({ email, password: `the new one, ${winner}` }))).toBe(200)
      await json(call('/auth/me', { bearer }))
    }
  })

  it('PW-21 while somebody signs in with the old one: no session by it lives on', async () => {
    for (let run = 0; run < 5; run += 1) {
      const email = `ada${run}@example.com`
      await newPasswordUser({ email })
      const { access_token: bearer } = await json<TokenPair>(logIn({ email, password: goodPassword }))
      const [changed, thief] = await Promise.all([
        statusOf(
          call('/auth/me/password', { bearer, json: { current_password: goodPassword, new_password: 'the new one' } }),
        ),
        logIn({ email, password: goodPassword }),
      ])
      expect(changed).toBe(204)
      if (thief.status === 200) {
        const { access_token, refresh_token } = await json<TokenPair>(thief)
        expect((await refusal(call('/auth/me', { bearer: access_token })))[0]).toBe(401)
        expect((await refusal(call('/auth/refresh', { json: { refresh_token } })))[0]).toBe(401)
      } else expect((await refusal(thief))[0]).toBe(401)
      await json(call('/auth/me', { bearer }))
    }
  })
})
