// Letters used at once, with the database 20 ms away: exactly one user, one password, one owner of an address or name; and
// guesses counted exactly, however many come at the same moment.
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { call, count, dance, google, json, refusal, type TokenPair } from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import { comeBack } from '../support/flows.ts'
import { letterFor, lettersFor } from '../support/letters.ts'
import { goodPassword, newPasswordUser } from '../support/people.ts'
import { newRegistered, passwordIs, register, verify } from '../support/registration.ts'

const other = 'another staple entirely'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await proxy.setDelay(0)
})

afterAll(() => proxy.setDelay(0))

const far = () => proxy.setDelay(20)
const times = <T>(n: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, index) => make(index)))
const statuses = (answers: readonly Response[]): number[] => answers.map(({ status }) => status).sort()
const ones = (list: readonly number[], status: number): number => list.filter((each) => each === status).length

describe('confirming at once', () => {
  it('OT-01 one letter ten times: one user, one session', async () => {
    await register({ email: 'v@x.example' })
    const { linkToken: token } = await letterFor('v@x.example', 'registration')
    await far()
    const answers = statuses(await times(5, () => verify({ token, password: goodPassword })))
    expect(ones(answers, 200)).toBe(1)
    expect(ones(answers, 400)).toBe(4)
    expect(await count('users')).toBe(1)
    expect(await count('sessions')).toBe(1)
    expect(
      await count('audit_logs', `action_cd = 'user.created' AND actor_user_id IN (SELECT user_id FROM users)`),
    ).toBe(1)
  })

  it('PW-23 two letters of one address, each with its own password: one of them, and only its password', async () => {
    for (let round = 0; round < 5; round += 1) {
      await proxy.setDelay(0)
      const email = `v${round}@x.example`
      await register({ email, password: goodPassword })
      await register({ email, password: other })
      const [second, first] = await lettersFor(email, 'registration')
      await far()
      const answers = await Promise.all([
        verify({ token: first?.linkToken, password: goodPassword }),
        verify({ token: second?.linkToken, password: other }),
      ])
      expect(statuses(answers)).toEqual([200, 400])
      const winner = answers[0]?.status === 200 ? goodPassword : other
      const [row] = await query<{ user_id: string }>('SELECT user_id FROM users WHERE email_address_txt = $1', [email])
      expect(await passwordIs(row?.user_id ?? '', winner)).toBe(true)
      expect(await count('users', 'email_address_txt = $1', [email])).toBe(1)
    }
  })

  it('a letter and Google at the same moment: one verified user, whoever comes first', async () => {
    for (let round = 0; round < 5; round += 1) {
      await proxy.setDelay(0)
      const email = `v${round}@gmail.com`
      await google.addUser({ email })
      await register({ email })
      const { linkToken: token } = await letterFor(email, 'registration')
      const callback = await dance(email)
      await far()
      const [confirmed, landed] = await Promise.all([verify({ token, password: goodPassword }), comeBack(callback)])
      expect([200, 400]).toContain(confirmed.status)
      expect(landed.status).toBe(302)
      expect(new URL(landed.headers.get('Location') ?? '').searchParams.get('error')).toBe(null)
      expect(await count('users', 'email_address_txt = $1', [email])).toBe(1)
      expect(await count('users', 'email_address_txt = $1 AND password_hash_txt IS NOT NULL', [email])).toBe(
        confirmed.status === 200 ? 1 : 0,
      )
      expect(await count('one_time_codes', `purpose_cd = 'registration' AND consumed_at_utc IS NULL`)).toBe(0)
    }
  })

  it('two addresses with one user name: both are in, one has the name', async () => {
    await register({ email: 'a@x.example', username: 'same' })
    await register({ email: 'b@x.example', username: 'same' })
    const tokens = [await letterFor('a@x.example', 'registration'), await letterFor('b@x.example', 'registration')]
    await far()
    const answers = await Promise.all(tokens.map(({ linkToken: token }) => verify({ token, password: goodPassword })))
    expect(statuses(answers)).toEqual([200, 200])
    expect(await count('users', `username_txt = 'same'`)).toBe(1)
    expect(await count('users', 'username_txt IS NULL')).toBe(1)
  })

  it('twelve wrong passwords at once: five are compared, and then the right one is not', async () => {
    await register({ email: 'v@x.example' })
    const { linkToken: token, codeId } = await letterFor('v@x.example', 'registration')
    await far()
    const answers = await times(12, () => refusal(verify({ token, password: other })))
    expect(answers.every(([status, code]) => status === 400 && code === 'wrong_password')).toBe(true)
    expect(await refusal(verify({ token, password: goodPassword }))).toEqual([400, 'wrong_password'])
    const [row] = await query<{ n: number }>(
      'SELECT attempt_cnt AS n FROM one_time_codes WHERE one_time_code_id = $1',
      [codeId],
    )
    expect(row?.n).toBe(6)
    await json(verify({ token, new_password: other }))
  })

  it('ten registrations of one address at once: five letters', async () => {
    await far()
    const answers = await times(10, () => register({ email: 'v@x.example' }))
    expect(ones(statuses(answers), 201)).toBe(10)
    expect(await lettersFor('v@x.example', 'registration')).toHaveLength(5)
    expect(await count('one_time_codes', `purpose_cd = 'registration'`)).toBe(5)
  })
})

describe('resetting at once', () => {
  const reset = (json: Record<string, unknown>) => call('/auth/reset-password', { json })
  const email = 'ada@x.example'

  it('twelve wrong guesses and the right one: five are compared; each counts once for the account', async () => {
    await newPasswordUser({ email })
    await call('/auth/forgot-password', { json: { email } })
    const { digits, codeId } = await letterFor(email, 'password_reset')
    const wrong = String((Number(digits) + 1) % 1_000_000).padStart(6, '0')
    await far()
    const answers = await times(12, () => reset({ email, otp: wrong, new_password: other }))
    expect(ones(statuses(answers), 400)).toBe(12)
    const [row] = await query<{ n: number }>(
      'SELECT attempt_cnt AS n FROM one_time_codes WHERE one_time_code_id = $1',
      [codeId],
    )
    expect(row?.n).toBe(5)
    expect(await count('counters', `kind_cd = 'reset_code' AND used_cnt = 12`)).toBe(1)
    expect(await refusal(reset({ email, otp: digits, new_password: other }))).toEqual([400, 'invalid_code'])
    await times(8, () => reset({ email, otp: wrong, new_password: other }))
    expect(await count('counters', `kind_cd = 'reset_code' AND used_cnt = 15`)).toBe(1)
  })

  it('two letters, link and digits, four at once: one password is set', async () => {
    const { userId } = await newPasswordUser({ email })
    await call('/auth/forgot-password', { json: { email } })
    await call('/auth/forgot-password', { json: { email } })
    const [newer, older] = await lettersFor(email, 'password_reset')
    const shown = [
      { token: older?.linkToken },
      { token: newer?.linkToken },
      { email, otp: newer?.digits },
      { token: newer?.linkToken },
    ]
    await far()
    const answers = await Promise.all(shown.map((each, n) => reset({ ...each, new_password: `staple number ${n}` })))
    expect(statuses(answers)).toEqual([200, 400, 400, 400])
    const winner = answers.findIndex(({ status }) => status === 200)
    expect(await passwordIs(userId, `staple number ${winner}`)).toBe(true)
    expect(await lettersFor(email, 'password_changed')).toHaveLength(1)
    const [row] = await query<{ n: number }>('SELECT credential_version_nbr AS n FROM users WHERE user_id = $1', [
      userId,
    ])
    expect(row?.n).toBe(2)
  })

  it('two letters asked for at once: the digits of one only', async () => {
    await newPasswordUser({ email })
    await far()
    await times(2, () => call('/auth/forgot-password', { json: { email } }))
    const letters = await lettersFor(email, 'password_reset')
    expect(letters).toHaveLength(2)
    const newest = [...letters].sort((a, b) => ((a.codeId ?? '') < (b.codeId ?? '') ? 1 : -1))
    expect((await reset({ email, otp: newest[1]?.digits, new_password: other })).status).toBe(400)
    expect((await reset({ email, otp: newest[0]?.digits, new_password: other })).status).toBe(200)
  })

  it('a confirmation in flight across a reset leaves no session behind', async () => {
    const ada = await newRegistered({ email })
    await call('/auth/forgot-password', { json: { email } })
    const { linkToken: token } = await letterFor(email, 'password_reset')
    await far()
    const [done, refreshed] = await Promise.all([
      reset({ token, new_password: other }),
      call('/auth/refresh', { json: { refresh_token: ada.refresh_token } }),
    ])
    expect(done.status).toBe(200)
    if (refreshed.status === 200) {
      const pair = await json<TokenPair>(refreshed)
      expect((await call('/auth/me', { bearer: pair.access_token })).status).toBe(401)
    }
    expect((await call('/auth/me', { bearer: ada.access_token })).status).toBe(401)
  })
})

describe('one address for two', () => {
  it('a reset and a change of address of one person at once: neither waits for the other for ever', async () => {
    for (let round = 0; round < 4; round += 1) {
      await proxy.setDelay(0)
      const email = `ada${round}@x.example`
      const ada = await newRegistered({ email })
      await json(
        call('/auth/me/email', { bearer: ada.access_token, json: { new_email: `new${round}@x.example` } }),
        202,
      )
      await call('/auth/forgot-password', { json: { email } })
      const change = await letterFor(`new${round}@x.example`, 'email_change')
      const reset = await letterFor(email, 'password_reset')
      await far()
      const answers = await Promise.all([
        verify({ token: change.linkToken }, { bearer: ada.access_token }),
        call('/auth/reset-password', { json: { token: reset.linkToken, new_password: other } }),
      ])
      const [changed, done] = answers.map(({ status }) => status)
      // The first one ends the other's letter; a change that was read before the reset finds its session gone.
      expect([
        [200, 400],
        [400, 200],
        [401, 200],
      ]).toContainEqual([changed, done])
      expect(await passwordIs(ada.userId, done === 200 ? other : goodPassword)).toBe(true)
    }
  })

  it('two users change to one address at once: one has it, the other is told 409', async () => {
    for (let round = 0; round < 4; round += 1) {
      await proxy.setDelay(0)
      const people = [
        await newRegistered({ email: `a${round}@x.example` }),
        await newRegistered({ email: `b${round}@x.example` }),
      ]
      const tokens: string[] = []
      for (const { access_token } of people) {
        await json(call('/auth/me/email', { bearer: access_token, json: { new_email: `new${round}@x.example` } }), 202)
        tokens.push((await letterFor(`new${round}@x.example`, 'email_change')).linkToken)
      }
      await far()
      const answers = await Promise.all(
        people.map((person, n) => verify({ token: tokens[n] }, { bearer: person.access_token })),
      )
      expect(statuses(answers)).toEqual([200, 409])
      expect(await count('users', 'email_address_txt = $1', [`new${round}@x.example`])).toBe(1)
    }
  })

  it('one link three times: changed once, told once', async () => {
    const ada = await newRegistered({ email: 'ada@x.example' })
    await json(call('/auth/me/email', { bearer: ada.access_token, json: { new_email: 'new@x.example' } }), 202)
    const { linkToken: token } = await letterFor('new@x.example', 'email_change')
    await far()
    const answers = await times(3, () => verify({ token }, { bearer: ada.access_token }))
    expect(statuses(answers)).toEqual([200, 400, 400])
    expect(await lettersFor('ada@x.example', 'email_changed')).toHaveLength(1)
  })
})
