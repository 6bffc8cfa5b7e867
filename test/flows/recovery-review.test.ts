// What holds between the flows of passwords, letters and addresses: that no request or guess of a stranger leaves the
// owner without a live link, that nobody reads from the work done who has an account, and that two writers who meet end.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { call, count, google, json, refusal, type TokenPair } from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import { disable, untilSomebodyWaits } from '../support/flows.ts'
import { letterFor, lettersFor } from '../support/letters.ts'
import { goodPassword, newPasswordUser } from '../support/people.ts'
import { heldQueue, newRegistered, passwordIs, register } from '../support/registration.ts'

const ada = 'ada@x.example'
const fresh = 'a fresh staple for ada'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await proxy.setDelay(0)
})

afterEach(() => {
  vi.restoreAllMocks()
})

const forgot = (email: string, options: object = {}) => call('/auth/forgot-password', { json: { email }, ...options })
const reset = (body: Record<string, unknown>) =>
  call('/auth/reset-password', { json: { new_password: fresh, ...body } })
const logIn = (password: string) => json<TokenPair>(call('/auth/login', { json: { email: ada, password } }))
const invalidCode = [400, 'invalid_code']

/** As many requests as the allowance takes, and more. */
async function useUp(email: string): Promise<void> {
  for (let n = 0; n < 7; n += 1) await json(forgot(email), 202)
}

describe('OT-17 a stranger who asks for letters does not shut the owner out', () => {
  it('where the letters’ links work, each of them, and another one after a password was set by one', async () => {
    const { userId } = await newPasswordUser({ email: ada })
    await useUp(ada)
    const [last, ...others] = await lettersFor(ada, 'password_reset')
    expect(others).toHaveLength(4)
    await json(reset({ token: others[3]?.linkToken }))
    expect(await refusal(reset({ token: last?.linkToken }))).toEqual(invalidCode)
    // All links died with it: what was asked for before must not keep the owner from a new one.
    await json(forgot(ada), 202)
    await json(reset({ token: (await letterFor(ada, 'password_reset')).linkToken, new_password: 'one more staple' }))
    expect(await passwordIs(userId, 'one more staple')).toBe(true)
  })

  it('where the owner changed the password in a session, which ends the links', async () => {
    const { userId } = await newPasswordUser({ email: ada })
    await useUp(ada)
    const { access_token: bearer } = await logIn(goodPassword)
    await json(
      call('/auth/me/password', { bearer, json: { current_password: goodPassword, new_password: 'one more staple' } }),
      204,
    )
    await json(forgot(ada), 202)
    await json(reset({ token: (await letterFor(ada, 'password_reset')).linkToken }))
    expect(await passwordIs(userId, fresh)).toBe(true)
  })

  it('where the address was nobody’s, or a disabled person’s, while the stranger asked', async () => {
    await useUp(ada)
    const { userId } = await newRegistered({ email: ada })
    await json(forgot(ada), 202)
    expect((await letterFor(ada, 'password_reset')).status).not.toBe('void')
    await query('DELETE FROM counters')
    await disable(userId)
    await useUp(ada)
    await query('UPDATE users SET is_active_flg = true WHERE user_id = $1', [userId])
    await json(forgot(ada), 202)
    await json(reset({ token: (await letterFor(ada, 'password_reset')).linkToken }))
  })
})

describe('OT-09 PW-01 the same work, whatever was asked for before', () => {
  it('one message for each request: capped or not, known or not, in whatever order', async () => {
    await newPasswordUser({ email: 'known@x.example' })
    const requests = {
      register: (email: string, options: object) => register({ email }, options),
      resend: (email: string, options: object) => call('/auth/resend-verification', { json: { email }, ...options }),
      forgot,
    }
    const names = ['register', 'resend', 'forgot'] as const
    for (const first of names)
      for (const then of names) {
        const seen: unknown[] = []
        for (const email of ['known@x.example', 'unknown@x.example']) {
          const { env, sent } = heldQueue()
          for (let n = 0; n < 6; n += 1) await requests[first](email, { env })
          await requests[then](email, { env })
          seen.push(sent.map((message) => Object.keys(message as object)))
        }
        expect(seen[0], `${first}, then ${then}`).toEqual(seen[1])
        expect(seen[0]).toHaveLength(7)
        await query('TRUNCATE counters, letters, one_time_codes')
      }
  })
})

describe('OT-10 letters to an address that is no longer the account’s', () => {
  it('open nothing, even where the letter was asked for while the address changed', async () => {
    const { userId } = await newPasswordUser({ email: ada })
    await json(forgot(ada), 202)
    const { linkToken, digits } = await letterFor(ada, 'password_reset')
    // The change saw no letter, since the request was in flight: it ended none.
    await query(`UPDATE users SET email_address_txt = 'new@x.example' WHERE user_id = $1`, [userId])
    expect(await refusal(reset({ token: linkToken }))).toEqual(invalidCode)
    expect(await refusal(reset({ email: ada, otp: digits }))).toEqual(invalidCode)
    expect(await passwordIs(userId, goodPassword)).toBe(true)
  })

  it('the address changes between look and write of a reset', async () => {
    const { userId } = await newPasswordUser({ email: ada })
    await json(forgot(ada), 202)
    const { linkToken } = await letterFor(ada, 'password_reset')
    await query('BEGIN')
    await query('SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE', [userId])
    const answer = refusal(reset({ token: linkToken }))
    await untilSomebodyWaits()
    await query(`UPDATE users SET email_address_txt = 'new@x.example' WHERE user_id = $1`, [userId])
    await query('COMMIT')
    expect(await answer).toEqual(invalidCode)
  })
})

describe('two who meet', () => {
  it('a guess while a reset is being written: neither waits for the other for ever', async () => {
    const { userId } = await newPasswordUser({ email: ada })
    await logIn(goodPassword)
    await json(forgot(ada), 202)
    const { linkToken, digits } = await letterFor(ada, 'password_reset')
    const otp = String((Number(digits) + 1) % 1_000_000).padStart(6, '0')
    expect((await reset({ email: ada, otp })).status).toBe(400)
    await query('BEGIN')
    await query('SELECT FROM sessions WHERE user_id = $1 FOR UPDATE', [userId])
    const owner = reset({ token: linkToken })
    await untilSomebodyWaits()
    const stranger = reset({ email: ada, otp })
    await new Promise((done) => setTimeout(done, 200))
    await query('COMMIT')
    expect([(await owner).status, (await stranger).status]).toEqual([200, 400])
  })

  it('a letter asked for while a password is being changed', async () => {
    const { userId } = await newPasswordUser({ email: ada })
    await json(forgot(ada), 202)
    const { access_token: bearer } = await logIn(goodPassword)
    await logIn(goodPassword)
    await query('BEGIN')
    await query(
      'SELECT FROM sessions WHERE user_id = $1 AND session_id = (SELECT max(session_id::text)::uuid FROM sessions) FOR UPDATE',
      [userId],
    )
    const change = call('/auth/me/password', {
      bearer,
      json: { current_password: goodPassword, new_password: fresh },
    })
    await untilSomebodyWaits()
    const asked = forgot(ada)
    await new Promise((done) => setTimeout(done, 200))
    await query('COMMIT')
    expect([(await change).status, (await asked).status]).toEqual([204, 202])
  })

  it('letters asked for, guesses, links, a change of password and of address, all at once: each is answered', async () => {
    for (let round = 0; round < 3; round += 1) {
      await proxy.setDelay(0)
      await emptyTables()
      const { userId } = await newPasswordUser({ email: ada, username: 'ada' })
      const { access_token: bearer } = await logIn(goodPassword)
      await json(forgot(ada), 202)
      await json(forgot(ada), 202)
      const [newer, older] = await lettersFor(ada, 'password_reset')
      await json(call('/auth/me/email', { bearer, json: { new_email: 'new@x.example' } }), 202)
      const { linkToken: token } = await letterFor('new@x.example', 'email_change')
      await proxy.setDelay(20)
      const current = { current_password: goodPassword, new_password: 'one more staple' }
      const answers = await Promise.all([
        forgot(ada),
        reset({ email: ada, otp: '000000' }),
        reset({ token: older?.linkToken }),
        forgot(ada),
        call('/auth/me/password', { bearer, json: current }),
        reset({ email: ada, otp: newer?.digits }),
        call('/auth/verify-email', { bearer, json: { token } }),
        call('/auth/login', { json: { username: 'ada', password: goodPassword } }),
        forgot(ada),
        reset({ email: ada, otp: '000001' }),
      ])
      const strange = answers.filter(({ status }) => ![200, 202, 204, 400, 401, 409].includes(status))
      expect(strange.map(({ url, status }) => [url, status])).toEqual([])
      // Whoever came first: of those that need the password of before, one at most was granted.
      expect([answers[2], answers[4], answers[5]].filter((answer) => answer?.ok)).toHaveLength(1)
      expect(await count('users', `user_id = '${userId}' AND credential_version_nbr = 2`)).toBe(1)
    }
  })

  it.each(['/auth/step-up', '/auth/me/password'])('%s and the deletion of the person: 401', async (path) => {
    const { userId } = await newPasswordUser({ email: ada })
    const { access_token: bearer } = await logIn(goodPassword)
    await query('BEGIN')
    await query('DELETE FROM users WHERE user_id = $1', [userId])
    const body = path.endsWith('step-up')
      ? { password: goodPassword }
      : { current_password: goodPassword, new_password: fresh }
    const answer = refusal(call(path, { bearer, json: body }))
    await untilSomebodyWaits()
    await query('COMMIT')
    expect(await answer).toEqual([401, 'unauthorized'])
  })
})

describe('a password in a form with a picture', () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)
  const withPassword = (password: Uint8Array): Promise<Response> => {
    const head = (name: string): string => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`
    const before = text(`${head('email')}v@x.example\r\n${head('password')}`)
    return call('/auth/register', {
      body: new Uint8Array([...before, ...password, ...text('\r\n--b--\r\n')]),
      headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
    })
  }

  it('PW-08 is judged as in JSON: NUL is 422, and what is no UTF-8 is 400', async () => {
    expect(await refusal(withPassword(text('a good staple\0 indeed')))).toEqual([422, 'invalid_input'])
    expect(await refusal(withPassword(new Uint8Array([...text('a good stapl'), 0xe9])))).toEqual([
      400,
      'malformed_request',
    ])
    expect(await count('letters')).toBe(0)
    expect((await withPassword(text('a good staplé'))).status).toBe(201)
  })
})
