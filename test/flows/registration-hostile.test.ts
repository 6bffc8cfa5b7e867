// Registration and change of address (groups PW and OT of SECURITY.md), tried by somebody who means harm: who asks in
// another's name, who has another's letter, and who wants to know who has an account.
import { beforeEach, describe, expect, it } from 'vitest'
import { call, count, google, json, newPerson, refusal, type TokenPair, workerEnv } from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import { disable, provenUser, tick } from '../support/flows.ts'
import { letterFor, lettersFor } from '../support/letters.ts'
import { goodPassword, newPasswordUser } from '../support/people.ts'
import {
  age,
  counted,
  heldQueue,
  newRegistered,
  passwordIs,
  register,
  verify,
  visible,
} from '../support/registration.ts'

const other = 'another staple entirely'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await proxy.setDelay(0)
  for (const key of await pictures()) await bucket.delete(key)
})

const bucket = (workerEnv() as unknown as { AVATARS: R2Bucket }).AVATARS
const pictures = async (): Promise<string[]> => (await bucket.list()).objects.map(({ key }) => key)
const waiting = () => count('one_time_codes', `purpose_cd = 'registration' AND consumed_at_utc IS NULL`)
const me = (bearer: string) => json(call('/auth/me', { bearer }))
const audited = (action: string, subject: string | null, outcome = 'success') =>
  count('audit_logs', 'action_cd = $1 AND subject_id_txt IS NOT DISTINCT FROM $2 AND outcome_cd = $3', [
    action,
    subject,
    outcome,
  ])

/** A small PNG with nothing but itself. */
const png = Uint8Array.from(
  atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='),
  (char) => char.charCodeAt(0),
)

function form(fields: Record<string, string>, picture: Uint8Array<ArrayBuffer> | null = png): FormData {
  const body = new FormData()
  for (const [name, value] of Object.entries(fields)) body.append(name, value)
  if (picture !== null) body.append('avatar', new File([picture], 'me.png', { type: 'image/png' }))
  return body
}

describe('asking', () => {
  it('PW-01 a known and an unknown address: the same answer, trips and messages; the account is unchanged and its owner told', async () => {
    const ada = await newPasswordUser({ email: 'ada@known.example', username: 'ada', fullName: 'Ada' })
    const before = await query('SELECT * FROM users')
    const seen: unknown[] = []
    for (const email of ['ada@known.example', 'bob@unknown.example']) {
      const { env, sent } = heldQueue()
      const json = { email, password: other, username: 'someone', full_name: 'Some One' }
      const { answer, trips } = await counted('/auth/register', { json, env })
      seen.push([await visible(answer, email), trips, sent.map((message) => Object.keys(message as object))])
    }
    expect(seen[0]).toEqual(seen[1])
    expect(seen[0]).toMatchObject([
      { body: '{"status":"verification_pending","email":"ADDRESS"}' },
      1,
      [['kind', 'letter_id']],
    ])
    expect(await query('SELECT * FROM users')).toEqual(before)
    expect(await passwordIs(ada.userId, goodPassword)).toBe(true)
    expect(await count('one_time_codes', `subject_hash_txt IS NOT NULL`)).toBe(1)
    expect((await letterFor('ada@known.example', 'account_exists')).status).toBe('due')
    expect(await lettersFor('ada@known.example', 'registration')).toEqual([])
    expect((await letterFor('bob@unknown.example', 'registration')).status).toBe('due')
    expect(await count('sessions')).toBe(0)
  })

  it('a disabled owner gets no letter, and the answer is the same', async () => {
    await disable(await provenUser('ada@known.example'))
    await json(register({ email: 'ada@known.example' }), 201)
    expect((await letterFor('ada@known.example', 'account_exists')).status).toBe('void')
    expect(await waiting()).toBe(0)
  })

  it('PW-03 fields that are ours to decide are refused, as JSON and as a form, and leave nothing', async () => {
    const extra = {
      role: 'admin',
      is_admin: true,
      is_active: true,
      email_verified: true,
      id: crypto.randomUUID(),
      created_at: '2000-01-01',
    }
    for (const [name, value] of Object.entries(extra)) {
      const json = { email: 'eve@x.example', password: goodPassword, [name]: value }
      expect(await refusal(call('/auth/register', { json }))).toEqual([422, 'invalid_input'])
      const body = form({ email: 'eve@x.example', password: goodPassword, [name]: String(value) })
      expect(await refusal(call('/auth/register', { body }))).toEqual([422, 'invalid_input'])
    }
    const doubled = form({ email: 'eve@x.example', password: goodPassword })
    doubled.append('email', 'mallory@x.example')
    expect(await refusal(call('/auth/register', { body: doubled }))).toEqual([422, 'invalid_input'])
    expect(await waiting()).toBe(0)
    expect(await count('letters')).toBe(0)
    expect(await pictures()).toEqual([])
    const eve = await newRegistered({ email: 'eve@x.example' })
    expect(await me(eve.access_token)).toMatchObject({ role: 'user', email_verified: true })
  })

  it('what is refused before anything is written: form, password, user name, name', async () => {
    const bad: Record<string, unknown>[] = [
      { email: 'eve', password: goodPassword },
      { email: 'eve@x.example', password: 'short' },
      { email: 'eve@x.example', password: 'eve@x.example' },
      { email: 'eve@x.example', password: 'password123' },
      { email: 'eve@x.example', password: 'x'.repeat(129) },
      { email: 'eve@x.example' },
      { password: goodPassword },
      { email: 'eve@x.example', password: goodPassword, username: 'ab' },
      { email: 'eve@x.example', password: goodPassword, username: '-abc' },
      { email: 'eve@x.example', password: goodPassword, username: 'a b c' },
      { email: 'eve@x.example', password: goodPassword, username: '\u212Aelvin' },
      { email: 'eve@x.example', password: goodPassword, username: 'a'.repeat(33) },
      { email: 'eve@x.example', password: goodPassword, full_name: ' ' },
      { email: 'eve@x.example', password: goodPassword, full_name: 'x'.repeat(201) },
      { email: 'eve@x.example', password: goodPassword, full_name: 'a\nb' },
    ]
    for (const json of bad) expect((await call('/auth/register', { json })).status, JSON.stringify(json)).toBe(422)
    for (const headers of [{ 'Content-Type': 'text/plain' }, { 'Content-Type': 'application/x-www-form-urlencoded' }])
      expect((await call('/auth/register', { body: '{"email":"eve@x.example"}', headers })).status).toBe(415)
    expect(await count('letters')).toBe(0)
    expect(await count('counters')).toBe(0)
  })

  it('PW-19 one account for all spellings of an address; look-alikes are refused or another account', async () => {
    for (const email of ['ＵＳＥＲ@gmail.com', 'user@gmail.com\u200b', 'user\u0007@gmail.com', '"user"@gmail.com'])
      expect((await register({ email })).status, email).toBe(422)
    await newRegistered({ email: 'user@xn--exmple-cua.com' })
    const again = await json<{ email: string }>(register({ email: 'User@exämple.com' }), 201)
    expect(again.email).toBe('user@xn--exmple-cua.com')
    expect((await lettersFor('user@xn--exmple-cua.com', 'account_exists')).length).toBe(1)
    const latin = await newRegistered({ email: 'admin@x.example' })
    const cyrillic = await newRegistered({ email: 'аdmin@x.example', password: other })
    expect(cyrillic.userId).not.toBe(latin.userId)
    expect(await passwordIs(latin.userId, goodPassword)).toBe(true)
  })

  it('a user name in use is refused first, whatever the address; nothing is charged or written', async () => {
    await newPasswordUser({ email: 'ada@known.example', username: 'ada' })
    for (const email of ['ada@known.example', 'new@unknown.example'])
      expect(await refusal(register({ email, username: 'ADA' }))).toEqual([409, 'username_taken'])
    const body = form({ email: 'new@unknown.example', password: goodPassword, username: 'ada' })
    expect(await refusal(call('/auth/register', { body }))).toEqual([409, 'username_taken'])
    expect(await count('letters')).toBe(0)
    expect(await count('counters')).toBe(0)
    expect(await waiting()).toBe(0)
    expect(await count('erasures', `kind_cd = 'avatar'`)).toBe(1)
    await tick()
    expect(await pictures()).toEqual([])
  })

  it('the sixth letter in an hour is left out silently, and so is what it would have changed', async () => {
    await newPasswordUser({ email: 'ada@known.example' })
    for (const [email, kind] of [
      ['ada@known.example', 'account_exists'],
      ['bob@unknown.example', 'registration'],
    ] as const) {
      const answers: unknown[] = []
      for (let n = 0; n < 7; n += 1) answers.push(await visible(await register({ email }), email))
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
      expect(await lettersFor(email, kind)).toHaveLength(5)
    }
    expect(await waiting()).toBe(5)
    const body = form({ email: 'bob@unknown.example', password: goodPassword })
    expect((await call('/auth/register', { body })).status).toBe(201)
    await tick()
    expect(await pictures()).toEqual([])
    await age('counters', 3_601)
    await register({ email: 'bob@unknown.example' })
    expect(await waiting()).toBe(6)
  })

  it('requests for an address nobody has use up nothing that its owner’s registration needs', async () => {
    for (let n = 0; n < 7; n += 1)
      await json(call('/auth/resend-verification', { json: { email: 'v@x.example' } }), 202)
    expect((await letterFor('v@x.example', 'registration')).status).toBe('void')
    await newRegistered({ email: 'v@x.example' })
  })
})

describe('confirming', () => {
  it('PW-23 two registrations of one address: the first letter with its own password; the second is dead', async () => {
    await register({ email: 'v@x.example', password: goodPassword })
    const first = await letterFor('v@x.example', 'registration')
    await register({ email: 'v@x.example', password: other })
    const second = await letterFor('v@x.example', 'registration')
    expect(first.linkToken).not.toBe(second.linkToken)
    expect(await waiting()).toBe(2)
    expect(await refusal(verify({ token: first.linkToken, password: other }))).toEqual([400, 'wrong_password'])
    expect(await count('users')).toBe(0)
    const pair = await json<TokenPair>(verify({ token: first.linkToken, password: goodPassword }))
    const { id } = (await me(pair.access_token)) as { id: string }
    expect(await refusal(verify({ token: second.linkToken, password: other }))).toEqual([400, 'invalid_code'])
    expect(await refusal(verify({ token: second.linkToken, new_password: other }))).toEqual([400, 'invalid_code'])
    expect(await count('users')).toBe(1)
    expect(await passwordIs(id, goodPassword)).toBe(true)
    expect(await passwordIs(id, other)).toBe(false)
    expect(await audited('code.refused', first.codeId, 'refused')).toBe(1)
    expect(await audited('user.created', id)).toBe(1)
    expect(await count('one_time_codes', 'payload_sealed_txt IS NOT NULL')).toBe(0)
  })

  it('five wrong passwords, then only a new one is taken; it keeps the address and nothing else', async () => {
    const body = form({ email: 'v@x.example', password: goodPassword, username: 'stranger', full_name: 'A Stranger' })
    expect((await call('/auth/register', { body })).status).toBe(201)
    const { linkToken: token } = await letterFor('v@x.example', 'registration')
    for (let n = 0; n < 5; n += 1)
      expect(await refusal(verify({ token, password: other }))).toEqual([400, 'wrong_password'])
    expect(await refusal(verify({ token, password: goodPassword }))).toEqual([400, 'wrong_password'])
    expect(await refusal(verify({ token, new_password: 'short' }))).toEqual([422, 'invalid_input'])
    expect(await refusal(verify({ token, new_password: 'v@x.example' }))).toEqual([422, 'password_too_common'])
    expect(await count('users')).toBe(0)
    const pair = await json<TokenPair>(verify({ token, new_password: other }))
    expect(await me(pair.access_token)).toMatchObject({
      email: 'v@x.example',
      username: null,
      full_name: null,
      avatar_url: null,
    })
    await tick()
    expect(await pictures()).toEqual([])
  })

  it('with the password everything it said is kept: name, user name in lower case, picture', async () => {
    const body = form({
      email: 'Ada@X.example',
      password: goodPassword,
      username: 'Ada.L',
      full_name: ' Ada Lovelace ',
    })
    expect(await json(call('/api/v1/auth/register', { body }), 201)).toEqual({
      status: 'verification_pending',
      email: 'ada@x.example',
    })
    const { linkToken: token } = await letterFor('ada@x.example', 'registration')
    const pair = await json<TokenPair>(verify({ token, password: goodPassword }))
    const stored = await pictures()
    expect(stored).toHaveLength(1)
    expect(await me(pair.access_token)).toMatchObject({
      username: 'ada.l',
      full_name: 'Ada Lovelace',
      email_verified: true,
      role: 'user',
      avatar_url: `http://localhost:8787/avatars/${stored[0]}`,
    })
    // Purging the spent registration leaves the picture: it is the person's now.
    await age('one_time_codes', 86_400 + 120)
    await tick()
    expect(await count('one_time_codes', `purpose_cd = 'registration'`)).toBe(0)
    expect(await count('erasures')).toBe(0)
    expect(await pictures()).toEqual(stored)
  })

  it('a picture that is none is refused and kept nowhere; one of a registration never confirmed goes with it', async () => {
    const bad = form(
      { email: 'v@x.example', password: goodPassword },
      new Uint8Array(new TextEncoder().encode('<svg onload=alert(1)>')),
    )
    expect(await refusal(call('/auth/register', { body: bad }))).toEqual([422, 'picture_refused'])
    const text = form({ email: 'v@x.example', password: goodPassword, avatar: 'text' }, null)
    expect((await call('/auth/register', { body: text })).status).toBe(422)
    expect(await pictures()).toEqual([])
    expect(
      (await call('/auth/register', { body: form({ email: 'v@x.example', password: goodPassword }) })).status,
    ).toBe(201)
    expect(await pictures()).toHaveLength(1)
    await age('one_time_codes', 86_400 + 120)
    await tick()
    await tick()
    expect(await count('one_time_codes')).toBe(0)
    expect(await pictures()).toEqual([])
  })

  it('OT-01 a letter’s link works once; an altered, foreign or expired one never', async () => {
    await register({ email: 'v@x.example' })
    const { linkToken: token, codeId } = await letterFor('v@x.example', 'registration')
    const wrong = [
      token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A'),
      token.slice(1),
      `${token}A`,
      'x',
      token.toUpperCase(),
    ]
    for (const each of wrong)
      expect(await refusal(verify({ token: each, password: goodPassword }))).toEqual([400, 'invalid_code'])
    for (const each of [{ token, otp: '123456' }, { token, password: goodPassword, new_password: other }, {}])
      expect((await verify(each)).status).toBe(422)
    // A link alone is a change of address, and needs a session.
    expect(await refusal(verify({ token }))).toEqual([401, 'unauthorized'])
    await json(verify({ token, password: goodPassword }))
    const [spent] = await query<{ at: Date }>(
      'SELECT consumed_at_utc AS at FROM one_time_codes WHERE one_time_code_id = $1',
      [codeId],
    )
    expect(await refusal(verify({ token, password: goodPassword }))).toEqual([400, 'invalid_code'])
    expect(await refusal(verify({ token, new_password: other }))).toEqual([400, 'invalid_code'])
    const [still] = await query<{ at: Date }>(
      'SELECT consumed_at_utc AS at FROM one_time_codes WHERE one_time_code_id = $1',
      [codeId],
    )
    expect(still).toEqual(spent)
    await register({ email: 'late@x.example' })
    const late = await letterFor('late@x.example', 'registration')
    await age('one_time_codes', 86_401)
    expect(await refusal(verify({ token: late.linkToken, password: goodPassword }))).toEqual([400, 'invalid_code'])
  })

  it('a payload that does not open stops there: 503, and the row stays as it is', async () => {
    await register({ email: 'v@x.example' })
    const { linkToken: token } = await letterFor('v@x.example', 'registration')
    await query(`UPDATE one_time_codes SET payload_sealed_txt = replace(payload_sealed_txt, 'gp1.test1', 'gp1.gone')`)
    expect(await refusal(verify({ token, password: goodPassword }))).toEqual([503, 'sealed_token_unreadable'])
    expect(await refusal(verify({ token, new_password: other }))).toEqual([503, 'sealed_token_unreadable'])
    await query(`UPDATE one_time_codes SET payload_sealed_txt = replace(payload_sealed_txt, 'gp1.gone', 'gp1.test1')`)
    await json(verify({ token, password: goodPassword }))
  })

  it('a user name taken meanwhile is left out', async () => {
    await register({ email: 'v@x.example', username: 'vee', full_name: 'Vee' })
    await newPasswordUser({ email: 'w@x.example', username: 'vee' })
    const { linkToken: token } = await letterFor('v@x.example', 'registration')
    const pair = await json<TokenPair>(verify({ token, password: goodPassword }))
    expect(await me(pair.access_token)).toMatchObject({ username: null, full_name: 'Vee' })
  })

  it('an address that Google proves meanwhile ends its registrations, pictures too; a stranger’s password never counts', async () => {
    const body = form({ email: 'v@gmail.com', password: goodPassword, full_name: 'Mallory' })
    await call('/auth/register', { body })
    await register({ email: 'v@gmail.com', password: other })
    const letters = await lettersFor('v@gmail.com', 'registration')
    const v = await newPerson('v@gmail.com')
    expect(await waiting()).toBe(0)
    for (const { linkToken } of letters) {
      expect(await refusal(verify({ token: linkToken, password: goodPassword }))).toEqual([400, 'invalid_code'])
      expect(await refusal(verify({ token: linkToken, new_password: other }))).toEqual([400, 'invalid_code'])
    }
    expect(await me(v.access_token)).toMatchObject({ full_name: 'v', avatar_url: null })
    expect(await count('users', 'password_hash_txt IS NOT NULL')).toBe(0)
    await tick()
    expect(await pictures()).toEqual([])
  })

  it('whoever registered first does not stand in the way of Google, nor an unverified user in the way of a registration', async () => {
    await google.addUser({ email: 'v@work.example' })
    const { access_token } = await newPerson('v@work.example')
    expect(await me(access_token)).toMatchObject({ email: 'v@work.example', email_verified: false })
    const registered = await newRegistered({ email: 'v@work.example' })
    expect(await me(registered.access_token)).toMatchObject({ email_verified: true })
    expect(await count('users', `email_address_txt = 'v@work.example'`)).toBe(2)
    expect(await me(access_token)).toMatchObject({ email_verified: false })
  })

  it('ADMIN_EMAILS counts once the letter proved the address', async () => {
    const admin = await newRegistered({ email: 'admin@gmail.com' })
    expect(await me(admin.access_token)).toMatchObject({ role: 'admin' })
    expect(await audited('user.promoted', admin.userId)).toBe(1)
  })

  it('resend-verification: the newest one’s link again, 202 whatever waits, at most 5 an hour', async () => {
    await newPasswordUser({ email: 'ada@known.example' })
    await register({ email: 'v@x.example', password: other })
    await register({ email: 'v@x.example' })
    const newest = await letterFor('v@x.example', 'registration')
    const seen: unknown[] = []
    for (const email of ['v@x.example', 'ada@known.example', 'nobody@x.example']) {
      const { env, sent } = heldQueue()
      const { answer, trips } = await counted('/auth/resend-verification', { json: { email }, env })
      seen.push([await visible(answer, email), trips, sent.length])
    }
    expect(seen[0]).toMatchObject([{ status: 202 }, 1, 1])
    expect(seen[1]).toEqual(seen[0])
    expect(seen[2]).toEqual(seen[0])
    expect((await letterFor('v@x.example', 'registration')).linkToken).toBe(newest.linkToken)
    expect((await letterFor('ada@known.example', 'registration')).status).toBe('void')
    for (let n = 0; n < 5; n += 1) await call('/auth/resend-verification', { json: { email: 'v@x.example' } })
    expect(await lettersFor('v@x.example', 'registration')).toHaveLength(5)
    await json(verify({ token: newest.linkToken, password: goodPassword }))
  })
})

describe('changing the address', () => {
  const ask = (bearer: string, new_email: string) => call('/auth/me/email', { bearer, json: { new_email } })

  it('OT-12 only with a recent proof of presence, only once the new address confirms; the old one is told both times', async () => {
    const ada = await newRegistered({ email: 'ada@old.example' })
    await age('sessions', 901)
    expect(await refusal(ask(ada.access_token, 'ada@new.example'))).toEqual([403, 'step_up_required'])
    expect(await count('counters', `kind_cd LIKE 'letter:email%'`)).toBe(0)
    await age('sessions', -901)
    await json(ask(ada.access_token, 'Ada@New.example'), 202)
    expect((await letterFor('ada@old.example', 'email_change_requested')).status).not.toBe('void')
    expect(await me(ada.access_token)).toMatchObject({ email: 'ada@old.example' })
    const { linkToken: token } = await letterFor('ada@new.example', 'email_change')
    expect(await json(verify({ token }, { bearer: ada.access_token }))).toEqual({ email: 'ada@new.example' })
    expect(await me(ada.access_token)).toMatchObject({ email: 'ada@new.example', email_verified: true })
    expect((await letterFor('ada@old.example', 'email_changed')).status).not.toBe('void')
    expect(await refusal(verify({ token }, { bearer: ada.access_token }))).toEqual([400, 'invalid_code'])
    expect(await audited('email.changed', ada.userId)).toBe(1)
  })

  it('OT-18 confirmed by whom it was sent to, without the asker’s session: nothing happens', async () => {
    const mallory = await newRegistered({ email: 'mallory@x.example' })
    await json(ask(mallory.access_token, 'v@gmail.com'), 202)
    const { linkToken: token } = await letterFor('v@gmail.com', 'email_change')
    expect(await refusal(verify({ token }))).toEqual([401, 'unauthorized'])
    expect((await verify({ token, password: goodPassword })).status).toBe(400)
    expect((await verify({ token, new_password: other })).status).toBe(400)
    const v = await newPerson('v@gmail.com')
    expect(v.userId).not.toBe(mallory.userId)
    expect(await refusal(verify({ token }, { bearer: v.access_token }))).toEqual([400, 'invalid_code'])
    expect(await me(mallory.access_token)).toMatchObject({ email: 'mallory@x.example' })
    expect(await count('users')).toBe(2)
  })

  it('OA-26 an address that its owner proved meanwhile is theirs: 409', async () => {
    const mallory = await newRegistered({ email: 'mallory@x.example' })
    await json(ask(mallory.access_token, 'v@x.example'), 202)
    const { linkToken: token } = await letterFor('v@x.example', 'email_change')
    const v = await newRegistered({ email: 'v@x.example', password: other })
    expect(await refusal(verify({ token }, { bearer: mallory.access_token }))).toEqual([409, 'email_taken'])
    expect(await me(mallory.access_token)).toMatchObject({ email: 'mallory@x.example' })
    expect(await me(v.access_token)).toMatchObject({ email: 'v@x.example' })
  })

  it('an address that is somebody’s is answered the same, in as many trips, and no letter goes there', async () => {
    await newPasswordUser({ email: 'v@x.example' })
    const mallory = await newRegistered({ email: 'mallory@x.example' })
    const seen: unknown[] = []
    for (const email of ['v@x.example', 'free@x.example']) {
      const { env, sent } = heldQueue()
      const asked = { bearer: mallory.access_token, json: { new_email: email }, env }
      const { answer, trips } = await counted('/auth/me/email', asked)
      seen.push([await visible(answer, email), trips, sent.length])
    }
    expect(seen[0]).toEqual(seen[1])
    expect(seen[0]).toMatchObject([{ status: 202 }, 2, 2])
    expect((await letterFor('v@x.example', 'email_change')).status).toBe('void')
    expect((await letterFor('free@x.example', 'email_change')).status).toBe('due')
  })

  it('a newer request replaces the older; sessions ended and resets asked for before are over', async () => {
    const ada = await newRegistered({ email: 'ada@x.example' })
    await json(ask(ada.access_token, 'one@x.example'), 202)
    const one = await letterFor('one@x.example', 'email_change')
    await json(ask(ada.access_token, 'two@x.example'), 202)
    const two = await letterFor('two@x.example', 'email_change')
    expect(await refusal(verify({ token: one.linkToken }, { bearer: ada.access_token }))).toEqual([400, 'invalid_code'])
    // A reset letter to the address from before must not open the account once it is another's.
    await call('/auth/forgot-password', { json: { email: 'ada@x.example' } })
    const reset = await letterFor('ada@x.example', 'password_reset')
    await json(verify({ token: two.linkToken }, { bearer: ada.access_token }))
    const stale = { token: reset.linkToken, new_password: other }
    expect(await refusal(call('/auth/reset-password', { json: stale }))).toEqual([400, 'invalid_code'])
    await json(ask(ada.access_token, 'three@x.example'), 202)
    const three = await letterFor('three@x.example', 'email_change')
    await call('/auth/logout-everywhere', { method: 'POST', bearer: ada.access_token })
    expect(await refusal(verify({ token: three.linkToken }, { bearer: ada.access_token }))).toEqual([
      401,
      'unauthorized',
    ])
  })

  it('an unverified user proves its own address so; registrations that wait for it end', async () => {
    await google.addUser({ email: 'v@work.example' })
    const v = await newPerson('v@work.example')
    await register({ email: 'v@work.example' })
    const stale = await letterFor('v@work.example', 'registration')
    await json(ask(v.access_token, 'v@work.example'), 202)
    const { linkToken: token } = await letterFor('v@work.example', 'email_change')
    await json(verify({ token }, { bearer: v.access_token }))
    expect(await me(v.access_token)).toMatchObject({ email: 'v@work.example', email_verified: true })
    expect(await lettersFor('v@work.example', 'email_change_requested')).toEqual([])
    expect(await refusal(verify({ token: stale.linkToken, password: goodPassword }))).toEqual([400, 'invalid_code'])
  })

  it('letters to a new address are at most 5 an hour, and so are the notices of one account', async () => {
    const ada = await newRegistered({ email: 'ada@x.example' })
    for (let n = 0; n < 7; n += 1) await json(ask(ada.access_token, `n${n}@x.example`), 202)
    expect(await lettersFor('ada@x.example', 'email_change_requested')).toHaveLength(5)
    expect(await lettersFor('n5@x.example', 'email_change')).toEqual([])
    const { linkToken } = await letterFor('n4@x.example', 'email_change')
    await json(verify({ token: linkToken }, { bearer: ada.access_token }))
  })
})
