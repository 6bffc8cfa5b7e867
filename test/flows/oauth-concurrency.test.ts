// The same thing at the same time, on real PostgreSQL: on loopback and with the database 20 ms away. What is asserted are
// counts: rows, versions, provider calls, and how many of the parallel ones won.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Cookies,
  call,
  count,
  google,
  json,
  type MailAccountJson,
  mailboxes,
  newPerson,
  onlyMailbox,
  type TokenPair,
  workerEnv,
} from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import {
  begin,
  beginBrowser,
  comeBack,
  consent,
  consentAnew,
  handOff,
  handOffOf,
  hashOf,
  noRows,
  outcome,
  provenUser,
  redeem,
  rows,
  tick,
  untilSomebodyWaits,
} from '../support/flows.ts'

// The revocation is not what is watched here, and would run on into the next test.
const silent = workerEnv({ DELIVER_QUEUE: { sendBatch: async () => undefined } })
const exchanges = () => google.count('POST /token authorization_code')

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await proxy.setDelay(0)
})
afterEach(() => proxy.setDelay(0))

const times = <T>(n: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, index) => make(index)))

/** How often each outcome came. */
function tally(outcomes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const each of outcomes) counts[each] = (counts[each] ?? 0) + 1
  return counts
}

/** Callbacks of one person, each with a refresh token, ready to come back at once. */
function readyCallbacks(n: number, person: { email: string } | { sub: string }): Promise<URL[]> {
  return times(n, async () => consentAnew(await begin(), person))
}

describe.each([0, 20])('with the database %i ms away', (delay) => {
  const far = () => proxy.setDelay(delay)

  it('two first sign-ins of one account: one user, one identity, one mailbox, two sessions, two exchanges', async () => {
    for (let run = 0; run < 3; run += 1) {
      await proxy.setDelay(0)
      await emptyTables()
      await google.reset()
      await google.addUser({ email: 'ada@gmail.com' })
      const callbacks = await readyCallbacks(2, { email: 'ada@gmail.com' })
      await far()
      const landed = await Promise.all(callbacks.map((callback) => comeBack(callback)))
      await proxy.setDelay(0)
      expect(landed.map(({ status }) => status)).toEqual([302, 302])
      const pairs = await Promise.all(landed.map((answer) => json<TokenPair>(redeem(handOffOf(answer)))))
      expect(await rows()).toMatchObject({ users: 1, identities: 1, sessions: 2, mailboxes: 1, tokens: 1 })
      expect(await query('SELECT version_nbr FROM oauth_tokens')).toEqual([{ version_nbr: 2 }])
      expect(await exchanges()).toBe(2)
      const ids = await Promise.all(
        pairs.map(
          async ({ access_token }) => (await json<{ id: string }>(call('/auth/me', { bearer: access_token }))).id,
        ),
      )
      expect(new Set(ids).size).toBe(1)
      expect(await count('audit_logs', `action_cd = 'user.created' AND subject_id_txt = $1`, [ids[0]])).toBe(1)
    }
  })

  it('two first sign-ins of one browser: one user, two cookie sessions', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const cookies: Cookies = new Map()
    const begun = await times(2, () => beginBrowser(cookies, { return_to: '/mailboxes' }))
    const callbacks = await Promise.all(begun.map((each) => consentAnew(each, { email: 'ada@gmail.com' })))
    await far()
    const outcomes = await Promise.all(
      callbacks.map((callback) => outcome(comeBack(callback, { cookies: new Map(cookies) }))),
    )
    expect(outcomes).toEqual(['302 /mailboxes', '302 /mailboxes'])
    expect(await rows()).toMatchObject({ users: 1, identities: 1, sessions: 2, mailboxes: 1, codes: 0 })
  })

  it('eight at once: each ends signed in or told to try again; no page, no second user, no lost grant', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const callbacks = await readyCallbacks(8, { email: 'ada@gmail.com' })
    await far()
    const counts = tally(await Promise.all(callbacks.map((callback) => outcome(comeBack(callback)))))
    const { '302 state': signedIn = 0, '302 conflict': again = 0 } = counts
    expect(signedIn + again).toBe(8)
    // Each of the three tries lets one through at the least.
    expect(signedIn).toBeGreaterThanOrEqual(3)
    expect(await rows()).toMatchObject({ users: 1, identities: 1, mailboxes: 1, tokens: 1, codes: signedIn })
    expect(await query('SELECT version_nbr FROM oauth_tokens')).toEqual([{ version_nbr: signedIn }])
    expect(await exchanges()).toBe(8)
    // The refused ones' grants are of a person whose mailbox lives: nothing may be revoked.
    await tick()
    expect(await google.count('POST /revoke')).toBe(0)
    expect(await count('erasures')).toBe(0)
  })

  it('one callback 20 times: exactly one goes on, one exchange, one hand-off', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const [callback] = await readyCallbacks(1, { email: 'ada@gmail.com' })
    if (callback === undefined) throw new Error('no callback')
    await far()
    expect(tally(await times(20, () => outcome(comeBack(callback))))).toEqual({ '302 state': 1, '400': 19 })
    expect(await exchanges()).toBe(1)
    expect(await count('one_time_codes', `purpose_cd = 'flow'`)).toBe(1)
    expect(await rows()).toEqual({ ...noRows, users: 1, identities: 1, mailboxes: 1, tokens: 1, codes: 1 })
    expect(await google.grants()).toMatchObject([{ refresh_tokens: 1 }])
  })

  it('one callback of a browser 20 times: one session', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const cookies: Cookies = new Map()
    const callback = await consent(await beginBrowser(cookies, { return_to: '/mailboxes' }), { email: 'ada@gmail.com' })
    await far()
    const outcomes = await times(20, () => outcome(comeBack(callback, { cookies: new Map(cookies) })))
    expect(tally(outcomes)).toEqual({ '302 /mailboxes': 1, '400': 19 })
    expect(await count('sessions')).toBe(1)
    expect(await exchanges()).toBe(1)
  })

  it('one hand-off code 20 times: exactly one session; with a challenge, wrong verifiers among them, at most one', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const [first] = await readyCallbacks(1, { email: 'ada@gmail.com' })
    if (first === undefined) throw new Error('no callback')
    const code = await handOff(first)
    await far()
    expect(tally(await times(20, async () => String((await redeem(code)).status)))).toEqual({ '200': 1, '400': 19 })
    expect(await count('sessions')).toBe(1)
    expect(await count('refresh_tokens')).toBe(1)
    const verifier = 'v'.repeat(43)
    const bound = await handOff(
      await consentAnew(await begin({ code_challenge: await hashOf(verifier) }), { email: 'ada@gmail.com' }),
    )
    const mixed = await times(
      20,
      async (n) => (await redeem(bound, { verifier: n % 2 === 0 ? verifier : 'w'.repeat(43) })).status,
    )
    const won = mixed.filter((status) => status === 200).length
    expect(won).toBeLessThanOrEqual(1)
    expect(mixed.filter((status) => status === 400)).toHaveLength(20 - won)
    expect(await count('sessions')).toBe(1 + won)
  })

  it('one connecting code 20 times: exactly one mailbox, no exchange, no envelope left', async () => {
    const ada = await newPerson('ada@gmail.com')
    await google.addUser({ email: 'two@gmail.com' })
    const begun = await begin({ purpose: 'connect', scopes: 'mail' }, { bearer: ada.access_token })
    const code = await handOff(await consent(begun, { email: 'two@gmail.com' }))
    await google.resetCalls()
    await far()
    const statuses = await times(20, async () => String((await redeem(code, { bearer: ada.access_token })).status))
    expect(tally(statuses)).toEqual({ '200': 1, '400': 19 })
    expect(await rows()).toMatchObject({ mailboxes: 2, tokens: 2 })
    expect(await exchanges()).toBe(0)
    expect(await count('one_time_codes', 'payload_sealed_txt IS NOT NULL')).toBe(0)
    expect(await count('erasures')).toBe(0)
  })

  it('two connections of one mailbox by one person, redeemed at once: one row at version 2, both told', async () => {
    const ada = await newPerson('ada@gmail.com')
    await google.addUser({ email: 'two@gmail.com' })
    const codes = await times(2, async () => {
      const begun = await begin({ purpose: 'connect', scopes: 'mail' }, { bearer: ada.access_token })
      return handOff(await consentAnew(begun, { email: 'two@gmail.com' }))
    })
    await far()
    const redeemed = await Promise.all(
      codes.map((code) => json<{ mail_account: MailAccountJson }>(redeem(code, { bearer: ada.access_token }))),
    )
    expect(new Set(redeemed.map(({ mail_account }) => mail_account.id)).size).toBe(1)
    expect(await mailboxes(ada.access_token)).toHaveLength(2)
    const versions = await query(
      `SELECT version_nbr FROM oauth_tokens t JOIN user_mail_accounts a USING (user_mail_account_id) WHERE a.email_address_txt = 'two@gmail.com'`,
    )
    expect(versions).toEqual([{ version_nbr: 2 }])
  })

  it('OA-37 20 tries at once to take another’s Google: 409 each, the identity unmoved', async () => {
    const owner = await newPerson('ada@gmail.com')
    const thief = await newPerson('mallory@gmail.com')
    const callbacks = await times(20, async () => {
      const begun = await begin({ purpose: 'connect', scopes: 'identity' }, { bearer: thief.access_token })
      return consent(begun, { email: 'ada@gmail.com' })
    })
    await far()
    const outcomes = await Promise.all(callbacks.map((callback) => outcome(comeBack(callback))))
    expect(tally(outcomes)).toEqual({ '302 identity_in_use': 20 })
    expect(await query('SELECT user_id FROM user_identities WHERE provider_subject_txt = $1', [owner.sub])).toEqual([
      { user_id: owner.userId },
    ])
    expect(await count('user_identities')).toBe(2)
  })

  it('OA-37 a free Google wanted by two people, 10 times each, at once: one of them has it, the other gets 409', async () => {
    const people = [await newPerson('ada@gmail.com'), await newPerson('bob@gmail.com')]
    const { sub } = await google.addUser({ email: 'third@gmail.com' })
    const waiting = await times(20, async (n) => {
      const person = people[n % 2]
      if (person === undefined) throw new Error('nobody')
      const begun = await begin({ purpose: 'connect', scopes: 'identity' }, { bearer: person.access_token })
      return { person, code: await handOff(await consent(begun, { sub })) }
    })
    await far()
    const answers = await Promise.all(
      waiting.map(async ({ person, code }) => ({
        userId: person.userId,
        status: (await redeem(code, { bearer: person.access_token })).status,
      })),
    )
    const holders = await query<{ user_id: string }>(
      'SELECT user_id FROM user_identities WHERE provider_subject_txt = $1',
      [sub],
    )
    expect(holders).toHaveLength(1)
    const [{ user_id: holder } = { user_id: '' }] = holders
    const statuses = (of: (userId: string) => boolean) =>
      tally(answers.filter(({ userId }) => of(userId)).map(({ status }) => String(status)))
    expect(statuses((userId) => userId === holder)).toEqual({ '200': 10 })
    expect(statuses((userId) => userId !== holder)).toEqual({ '409': 10 })
    expect(await count('user_identities')).toBe(3)
    expect(await count('audit_logs', `action_cd = 'identity.linked' AND actor_user_id = $1`, [holder])).toBe(1)
  })

  it('disconnecting and signing in at once: the mailbox stays gone, whoever came first', async () => {
    for (let run = 0; run < 4; run += 1) {
      await proxy.setDelay(0)
      await emptyTables()
      await google.reset()
      const ada = await newPerson('ada@gmail.com')
      const { id } = await onlyMailbox(ada.access_token)
      const [callback] = await readyCallbacks(1, { email: 'ada@gmail.com' })
      if (callback === undefined) throw new Error('no callback')
      await far()
      const [removed, word] = await Promise.all([
        call(`/api/v1/mail-accounts/${id}`, { method: 'DELETE', bearer: ada.access_token, env: silent }),
        outcome(comeBack(callback)),
      ])
      expect([removed.status, word]).toEqual([204, '302 state'])
      // Either order ends so: a sign-in that looked before the disconnect must not bring the mailbox back.
      expect(
        await query(
          `SELECT a.status_cd AS status, a.is_active_flg AS active, coalesce(t.access_token_txt, t.refresh_token_txt) AS token
           FROM user_mail_accounts a JOIN oauth_tokens t USING (user_mail_account_id)`,
        ),
      ).toEqual([{ status: 'disconnected', active: false, token: null }])
    }
  })
})

it('a sign-in that looked before a disconnect and writes after it leaves the mailbox disconnected', async () => {
  await newPerson('ada@gmail.com')
  const [callback] = await readyCallbacks(1, { email: 'ada@gmail.com' })
  if (callback === undefined) throw new Error('no callback')
  await query('BEGIN')
  await query('SELECT FROM oauth_tokens FOR UPDATE')
  const landing = outcome(comeBack(callback))
  await untilSomebodyWaits()
  await query(
    'UPDATE oauth_tokens SET access_token_txt = NULL, refresh_token_txt = NULL, version_nbr = version_nbr + 1',
  )
  await query(`UPDATE user_mail_accounts SET status_cd = 'disconnected', is_active_flg = false`)
  await query('COMMIT')
  expect(await landing).toBe('302 state')
  expect(await count('oauth_tokens', 'access_token_txt IS NOT NULL OR refresh_token_txt IS NOT NULL')).toBe(0)
  expect(await count('user_mail_accounts', `status_cd = 'disconnected' AND NOT is_active_flg`)).toBe(1)
  // The grant that was not kept waits to be revoked.
  expect(await count('erasures')).toBe(1)
})

describe('OA-39 two subjects of one provider with one proven address, the database 20 ms away, 20 runs', () => {
  async function race(): Promise<string[]> {
    const first = await google.addUser({ sub: '111', email: 'ada@gmail.com' })
    const second = await google.addUser({ sub: '222', email: 'ada@gmail.com' })
    const callbacks = [
      await consentAnew(await begin(), { sub: first.sub }),
      await consentAnew(await begin(), { sub: second.sub }),
    ]
    await proxy.setDelay(20)
    const outcomes = await Promise.all(callbacks.map((callback) => outcome(comeBack(callback))))
    await proxy.setDelay(0)
    return outcomes.sort()
  }

  it('never both linked to the user who has the address', async () => {
    for (let run = 0; run < 20; run += 1) {
      await emptyTables()
      const owner = await provenUser('ada@gmail.com')
      expect(await race()).toEqual(['302 account_exists', '302 state'])
      expect(await query('SELECT user_id FROM user_identities')).toEqual([{ user_id: owner }])
      expect(await rows()).toMatchObject({ users: 1, identities: 1, mailboxes: 1 })
    }
  })

  it('never two users, and never both with the one, where nobody has the address yet', async () => {
    for (let run = 0; run < 10; run += 1) {
      await emptyTables()
      expect(await race()).toEqual(['302 account_exists', '302 state'])
      expect(await rows()).toMatchObject({ users: 1, identities: 1, mailboxes: 1 })
    }
  })
})
