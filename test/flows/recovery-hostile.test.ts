// Recovery (group OT of SECURITY.md), tried by somebody who means harm: who guesses, who asks again and again, who wants
// to know who has an account; and the owner, who must get in all the same.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { call, count, google, json, newPerson, refusal, signIn, signInBrowser, type TokenPair } from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import { cookieLives, disable, provenUser } from '../support/flows.ts'
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

const fresh = 'a fresh staple for ada'
const ada = 'ada@x.example'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await proxy.setDelay(0)
})

afterEach(() => {
  vi.restoreAllMocks()
})

const forgot = (email: string, options: object = {}) => call('/auth/forgot-password', { json: { email }, ...options })
const byDigits = (email: string, otp: string, new_password = fresh) =>
  call('/auth/reset-password', { json: { email, otp, new_password } })
const byLink = (token: string, new_password = fresh) => call('/auth/reset-password', { json: { token, new_password } })
const wrong = (digits: string) => String((Number(digits) + 1) % 1_000_000).padStart(6, '0')
const lastReset = async () => letterFor(ada, 'password_reset')
const attempts = async (codeId: string | null) =>
  (await query<{ n: number }>('SELECT attempt_cnt AS n FROM one_time_codes WHERE one_time_code_id = $1', [codeId]))[0]
    ?.n
const refused = [400, 'invalid_code']

async function newAda(): Promise<string> {
  return (await newPasswordUser({ email: ada, username: 'ada' })).userId
}

describe('asking', () => {
  it('OT-09 known, unknown, locked, disabled, without a password, waiting: one answer, as many trips and messages', async () => {
    await newAda()
    await provenUser('oauth-only@x.example')
    await disable(await provenUser('disabled@x.example'))
    const locked = await newPasswordUser({ email: 'locked@x.example' })
    await query(
      `INSERT INTO login_attempts (user_id, failed_cnt, locked_until_utc) VALUES ($1, 5, now() + interval '30 minutes')`,
      [locked.userId],
    )
    const held = heldQueue()
    await register({ email: 'waiting@x.example' }, held)
    const deleted = await provenUser('deleted@x.example')
    await query('DELETE FROM users WHERE user_id = $1', [deleted])
    const seen: string[] = []
    for (const name of ['ada', 'unknown', 'locked', 'disabled', 'deleted', 'oauth-only', 'waiting']) {
      const email = `${name}@x.example`
      const { env, sent } = heldQueue()
      const { answer, trips } = await counted('/auth/forgot-password', { json: { email }, env })
      seen.push(JSON.stringify([await visible(answer, email), trips, sent.map((each) => Object.keys(each as object))]))
    }
    expect(new Set(seen).size).toBe(1)
    expect(JSON.parse(seen[0] ?? '')).toMatchObject([
      { status: 202, body: '{"status":"accepted"}' },
      1,
      [['kind', 'letter_id']],
    ])
    const statuses = await query<{ r: string; s: string; k: string }>(
      `SELECT recipient_txt AS r, status_cd AS s, kind_cd AS k FROM letters WHERE kind_cd = 'password_reset' ORDER BY 1`,
    )
    expect(Object.fromEntries(statuses.map(({ r, s }) => [r.split('@')[0], s]))).toEqual({
      ada: 'due',
      deleted: 'void',
      disabled: 'void',
      locked: 'due',
      'oauth-only': 'due',
      unknown: 'void',
    })
    expect(await lettersFor('waiting@x.example', 'registration')).toHaveLength(2)
    expect(await count('one_time_codes', `purpose_cd = 'password_reset'`)).toBe(3)
  })

  it('OT-09 a queue that does not take the message changes nothing in the answer', async () => {
    await newAda()
    const answer = await forgot(ada)
    const broken = { ...heldQueue().env, DELIVER_QUEUE: { sendBatch: async () => Promise.reject(new Error('down')) } }
    const without = await forgot(ada, { env: broken })
    expect(await visible(without, ada)).toEqual(await visible(answer, ada))
  })

  it('for a waiting registration its own letter: the same link, and no reset', async () => {
    await register({ email: ada })
    const first = await letterFor(ada, 'registration')
    await json(forgot(ada), 202)
    const again = await letterFor(ada, 'registration')
    expect(again.id).not.toBe(first.id)
    expect(again.linkToken).toBe(first.linkToken)
    expect(await count('one_time_codes', `purpose_cd = 'password_reset'`)).toBe(0)
    await json(verify({ token: again.linkToken, new_password: fresh }))
  })

  it('an unverified user’s address gets no code', async () => {
    await google.addUser({ email: 'v@work.example' })
    await newPerson('v@work.example')
    await json(forgot('v@work.example'), 202)
    expect((await letterFor('v@work.example', 'password_reset')).status).toBe('void')
  })

  it('the sixth letter in an hour is left out silently, and leaves the fifth’s digits alive', async () => {
    const userId = await newAda()
    for (let n = 0; n < 5; n += 1) await json(forgot(ada), 202)
    const fifth = await lastReset()
    const capped = await visible(await forgot(ada), ada)
    expect(capped).toEqual(await visible(await forgot('unknown@x.example'), 'unknown@x.example'))
    expect(await lettersFor(ada, 'password_reset')).toHaveLength(5)
    expect(await count('one_time_codes', `purpose_cd = 'password_reset'`)).toBe(5)
    await json(byDigits(ada, fifth.digits))
    expect(await passwordIs(userId, fresh)).toBe(true)
  })

  it('OT-11 no header of the request finds its way into what is written', async () => {
    await newAda()
    const headers = {
      'X-Forwarded-Host': 'evil.test',
      Origin: 'https://evil.test',
      Referer: 'https://evil.test/x',
      Forwarded: 'host=evil.test',
    }
    await json(forgot(ada, { headers }), 202)
    await lastReset()
    const stored = await query<{ t: string }>(
      `SELECT row_to_json(t)::text AS t FROM letters t UNION ALL SELECT row_to_json(c)::text FROM one_time_codes c`,
    )
    expect(stored.map(({ t }) => t).join()).not.toContain('evil.test')
  })
})

describe('the six digits', () => {
  it('OT-07 hold for ten minutes; the link for sixty', async () => {
    const userId = await newAda()
    await forgot(ada)
    const { digits, linkToken, codeId } = await lastReset()
    await age('one_time_codes', 601)
    expect(await refusal(byDigits(ada, digits))).toEqual(refused)
    expect(await count('one_time_codes', 'one_time_code_id = $1 AND consumed_at_utc IS NOT NULL', [codeId])).toBe(0)
    expect(await attempts(codeId)).toBe(0)
    await json(byLink(linkToken))
    expect(await passwordIs(userId, fresh)).toBe(true)
  })

  it('OT-08 a newer letter ends the older one’s digits, not its link', async () => {
    await newAda()
    await forgot(ada)
    const first = await lastReset()
    await forgot(ada)
    const second = await lastReset()
    expect(first.digits).not.toBe(second.digits)
    expect(await refusal(byDigits(ada, first.digits))).toEqual(refused)
    await json(byDigits(ada, second.digits))
    expect(await refusal(byDigits(ada, second.digits, 'yet another staple'))).toEqual(refused)
    expect(await refusal(byLink(first.linkToken, 'yet another staple'))).toEqual(refused)
  })

  it('a newer letter leaves the older one’s link', async () => {
    const userId = await newAda()
    await forgot(ada)
    const first = await lastReset()
    await forgot(ada)
    await json(byLink(first.linkToken))
    expect(await passwordIs(userId, fresh)).toBe(true)
  })

  it('OT-17 five wrong guesses end them, the right ones too; the link works once, and not an hour later', async () => {
    const userId = await newAda()
    await forgot(ada)
    const { digits, linkToken, codeId } = await lastReset()
    for (let n = 0; n < 5; n += 1) expect(await refusal(byDigits(ada, wrong(digits)))).toEqual(refused)
    expect(await refusal(byDigits(ada, digits))).toEqual(refused)
    expect(await attempts(codeId)).toBe(5)
    expect(await passwordIs(userId, goodPassword)).toBe(true)
    await json(byLink(linkToken))
    expect(await passwordIs(userId, fresh)).toBe(true)
    expect(await refusal(byLink(linkToken, 'yet another staple'))).toEqual(refused)
    await forgot(ada)
    const late = await lastReset()
    await age('one_time_codes', 3_601)
    expect(await refusal(byLink(late.linkToken, 'yet another staple'))).toEqual(refused)
    expect(await refusal(byDigits(ada, late.digits, 'yet another staple'))).toEqual(refused)
    expect(await passwordIs(userId, fresh)).toBe(true)
  })

  it('fifteen wrong ones in a day close them for the account, whatever letter; the link opens, and clears the count', async () => {
    const userId = await newAda()
    for (let letter = 0; letter < 3; letter += 1) {
      await forgot(ada)
      const { digits } = await lastReset()
      for (let n = 0; n < 5; n += 1) expect(await refusal(byDigits(ada, wrong(digits)))).toEqual(refused)
    }
    await forgot(ada)
    const closed = await lastReset()
    expect(await refusal(byDigits(ada, closed.digits))).toEqual(refused)
    expect(await attempts(closed.codeId)).toBe(0)
    expect(await count('counters', `kind_cd = 'reset_code' AND used_cnt = 15`)).toBe(1)
    await json(byLink(closed.linkToken))
    expect(await count('counters', `kind_cd = 'reset_code' AND used_cnt = 0`)).toBe(1)
    await forgot(ada)
    await json(byDigits(ada, (await lastReset()).digits, 'yet another staple'))
    expect(await passwordIs(userId, 'yet another staple')).toBe(true)
  })

  it('a day later the count begins anew; the right digits undo their charges', async () => {
    await newAda()
    await forgot(ada)
    const { digits } = await lastReset()
    for (let n = 0; n < 4; n += 1) await byDigits(ada, wrong(digits))
    await json(byDigits(ada, digits))
    expect(await count('counters', `kind_cd = 'reset_code' AND used_cnt = 0`)).toBe(1)
    await query(
      `UPDATE counters SET used_cnt = 15, window_started_at_utc = now() - interval '24 hours 1 second' WHERE kind_cd = 'reset_code'`,
    )
    await forgot(ada)
    await json(byDigits(ada, (await lastReset()).digits, 'yet another staple'))
  })

  it('unknown addresses are refused the same, in as many trips, and count the same', async () => {
    await newAda()
    await provenUser('no-letter@x.example')
    await forgot(ada)
    const { digits } = await lastReset()
    const seen: unknown[] = []
    for (const email of [ada, 'unknown@x.example', 'no-letter@x.example']) {
      const json = { email, otp: wrong(digits), new_password: fresh }
      const { answer, trips } = await counted('/auth/reset-password', { json })
      const { status, body } = (await visible(answer, email)) as { status: number; body: string }
      seen.push([status, body.replace(/"request_id":"[^"]+"/, ''), trips])
    }
    expect(seen[0]).toEqual(seen[1])
    expect(seen[0]).toEqual(seen[2])
    expect(await count('counters', `kind_cd = 'reset_code' AND used_cnt = 1`)).toBe(3)
    expect(
      await count(
        'audit_logs',
        `action_cd = 'code.refused' AND outcome_cd = 'refused' AND event_json ->> 'by' = 'digits'`,
      ),
    ).toBeGreaterThanOrEqual(3)
  })

  it('in another form they are wrong; nobody’s digits are not everybody’s', async () => {
    await newAda()
    await forgot(ada)
    const { digits } = await lastReset()
    for (const otp of [` ${digits}`, `${digits}0`, digits.slice(0, 5), '', '０１２３４５']) {
      const answer = await byDigits(ada, otp)
      expect([400, 422]).toContain(answer.status)
    }
    await provenUser('bob@x.example')
    expect(await refusal(byDigits('bob@x.example', digits))).toEqual(refused)
  })
})

describe('what a reset does', () => {
  it('OT-10 ends all sessions, other letters and a change of address under way; lifts the locks; tells the owner', async () => {
    const person = await newRegistered({ email: 'ada@gmail.com', username: 'ada' })
    await google.addUser({ email: 'ada@gmail.com', sub: 'ada-at-google' })
    const pairs: TokenPair[] = [person, await signIn('ada@gmail.com'), await signIn('ada@gmail.com')]
    const cookies = await signInBrowser('ada@gmail.com')
    await json(call('/auth/me/email', { bearer: person.access_token, json: { new_email: 'new@x.example' } }), 202)
    const change = await letterFor('new@x.example', 'email_change')
    await forgot('ada@gmail.com')
    const older = await letterFor('ada@gmail.com', 'password_reset')
    await forgot('ada@gmail.com')
    const { digits } = await letterFor('ada@gmail.com', 'password_reset')
    const { subject } = (
      await query<{ subject: string }>(
        `SELECT subject_hash_txt AS subject FROM one_time_codes WHERE one_time_code_id = $1`,
        [older.codeId],
      )
    )[0] ?? { subject: '' }
    await query(
      `INSERT INTO login_attempts (user_id, identifier_hash_txt, failed_cnt, locked_until_utc)
       VALUES ($1, NULL, 5, now() + interval '30 minutes'), (NULL, $2, 5, now() + interval '30 minutes'), (NULL, 'a-stranger', 5, now() + interval '30 minutes')`,
      [person.userId, subject],
    )
    expect(await json(byDigits('ada@gmail.com', digits))).toEqual({ status: 'password_changed' })
    for (const { access_token, refresh_token } of pairs) {
      expect((await call('/auth/me', { bearer: access_token })).status).toBe(401)
      expect((await call('/auth/refresh', { json: { refresh_token } })).status).toBe(401)
    }
    expect(await cookieLives(cookies)).toBe(false)
    expect(await count('sessions', 'revoked_at_utc IS NULL')).toBe(0)
    expect(await count('refresh_tokens', 'revoked_at_utc IS NULL')).toBe(0)
    expect(
      await count('one_time_codes', `purpose_cd IN ('password_reset', 'email_change') AND consumed_at_utc IS NULL`),
    ).toBe(0)
    expect(await count('login_attempts', 'locked_until_utc IS NOT NULL')).toBe(1)
    expect(await refusal(byLink(older.linkToken, 'yet another staple'))).toEqual(refused)
    const back = await signIn('ada@gmail.com')
    expect(await refusal(verify({ token: change.linkToken }, { bearer: back.access_token }))).toEqual(refused)
    expect((await letterFor('ada@gmail.com', 'password_changed')).status).not.toBe('void')
    expect(await count('audit_logs', `action_cd = 'password.reset' AND actor_user_id = $1`, [person.userId])).toBe(1)
    expect(await passwordIs(person.userId, fresh)).toBe(true)
  })

  it('who has only Google gets a password this way', async () => {
    const g = await newPerson('g@gmail.com')
    await forgot('g@gmail.com')
    const { linkToken } = await letterFor('g@gmail.com', 'password_reset')
    await json(byLink(linkToken))
    expect(await passwordIs(g.userId, fresh)).toBe(true)
  })

  it('a password that is refused spends nothing', async () => {
    await newAda()
    await forgot(ada)
    const { digits, linkToken, codeId } = await lastReset()
    for (const password of ['short', 'password123', ada, 'x'.repeat(129)]) {
      expect((await byDigits(ada, digits, password)).status).toBe(422)
      expect((await byLink(linkToken, password)).status).toBe(422)
    }
    expect(await attempts(codeId)).toBe(0)
    expect(await refusal(byLink(linkToken, ada))).toEqual([422, 'password_too_common'])
    await json(byLink(linkToken))
  })

  it('a disabled person’s letter opens nothing', async () => {
    const userId = await newAda()
    await forgot(ada)
    const { digits, linkToken } = await lastReset()
    await disable(userId)
    expect(await refusal(byDigits(ada, digits))).toEqual(refused)
    expect(await refusal(byLink(linkToken))).toEqual(refused)
    expect(await passwordIs(userId, goodPassword)).toBe(true)
  })

  it('a link of another letter, or an altered one, is none', async () => {
    await newAda()
    await register({ email: 'v@x.example' })
    await forgot(ada)
    const registration = await letterFor('v@x.example', 'registration')
    const { linkToken } = await lastReset()
    const altered = linkToken.slice(0, -1) + (linkToken.endsWith('A') ? 'B' : 'A')
    for (const token of [registration.linkToken, altered, 'x', `${linkToken}=`])
      expect(await refusal(byLink(token))).toEqual(refused)
    expect(await refusal(verify({ token: linkToken, password: goodPassword }))).toEqual(refused)
    expect(
      (
        await call('/auth/reset-password', {
          json: { token: linkToken, email: ada, otp: '123456', new_password: fresh },
        })
      ).status,
    ).toBe(422)
  })

  it('what was asked for and shown is in no log, audit row or table as it was', async () => {
    const lines: string[] = []
    for (const name of ['log', 'info', 'warn', 'error', 'debug'] as const)
      vi.spyOn(console, name).mockImplementation((...words: unknown[]) => void lines.push(words.map(String).join(' ')))
    const marked = 'marked-registration-secret'
    const newer = 'marked-reset-secret'
    const wrongOne = 'marked-wrong-secret'
    const person = await newRegistered({ email: 'marked@x.example', password: marked, full_name: 'Marked Person' })
    const registration = await letterFor('marked@x.example', 'registration')
    await register({ email: 'other@x.example', password: marked, full_name: 'Marked Other' })
    const waitingLetter = await letterFor('other@x.example', 'registration')
    await verify({ token: waitingLetter.linkToken, password: wrongOne })
    await forgot('marked@x.example')
    const reset = await letterFor('marked@x.example', 'password_reset')
    await byDigits('marked@x.example', wrong(reset.digits), wrongOne)
    await json(byDigits('marked@x.example', reset.digits, newer))
    const tables = await query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'public'`,
    )
    const stored: string[] = []
    for (const { name } of tables) {
      const found = await query<{ t: string }>(`SELECT row_to_json(t)::text AS t FROM ${name} t`)
      stored.push(...found.map(({ t }) => t))
    }
    const everywhere = [...stored, ...lines].join('\n')
    const secrets = [
      marked,
      newer,
      wrongOne,
      registration.linkToken,
      waitingLetter.linkToken,
      reset.linkToken,
      person.refresh_token,
    ]
    for (const secret of secrets) expect(everywhere).not.toContain(secret)
    const trail = await query<{ t: string }>('SELECT row_to_json(t)::text AS t FROM audit_logs t')
    const told = [...trail.map(({ t }) => t), ...lines].join('\n')
    for (const typed of ['marked@x.example', 'other@x.example', 'Marked']) expect(told).not.toContain(typed)
    expect(stored.join('\n')).not.toContain('Marked Other')
  })
})
