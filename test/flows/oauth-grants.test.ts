// Groups OA and TV of SECURITY.md after the exchange: whose account it is, who gets the session, to whom a connection
// belongs, and what becomes of a grant that is not kept. Rows and revocations are counted in each case.
import { beforeEach, describe, expect, it } from 'vitest'
import {
  type Cookies,
  call,
  count,
  dance,
  eventually,
  frontEnd,
  gmail,
  google,
  json,
  mailboxes,
  newKey,
  newPerson,
  onlyMailbox,
  refusal,
  signIn,
  signInBrowser,
  vend,
  workerEnv,
} from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import {
  begin,
  beginBrowser,
  comeBack,
  consent,
  consentAnew,
  disable,
  handOff,
  handOffOf,
  hashOf,
  noRows,
  outcome,
  provenUser,
  redeem,
  rows,
  tick,
} from '../support/flows.ts'

const exchanges = () => google.count('POST /token authorization_code')
const revocations = () => google.count('POST /revoke')

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await proxy.setDelay(0)
})

/** Cron finds every waiting erasure; the queue carries it; Google answers. */
async function revokedWithinATick(): Promise<void> {
  await tick()
  expect(await count('erasures')).toBe(0)
}

async function waitingEnvelopesExpire(): Promise<void> {
  await query(`UPDATE one_time_codes SET expires_at_utc = now() - interval '20 seconds' WHERE purpose_cd <> 'flow'`)
}

describe('whose account it is', () => {
  it('OA-20 the same number at another provider is another person', async () => {
    const githubUser = await provenUser('gita@x.test')
    await query(
      `INSERT INTO user_identities (user_id, provider_cd, provider_subject_txt) VALUES ($1, 'github', '1234')`,
      [githubUser],
    )
    await google.addUser({ sub: '1234', email: 'ada@gmail.com' })
    const pair = await signIn('ada@gmail.com')
    const me = await json<{ id: string; email: string }>(call('/auth/me', { bearer: pair.access_token }))
    expect(me.id).not.toBe(githubUser)
    expect(await rows()).toMatchObject({ users: 2, identities: 2 })
  })

  const unproven: [string, Parameters<typeof google.addUser>[0]][] = [
    ['email_verified false', { email: 'ada@gmail.com', email_verified: false }],
    ['email_verified missing', { email: 'ada@gmail.com', email_verified: undefined }],
    ['email_verified "true"', { email: 'ada@gmail.com', email_verified: 'true' }],
    ['email_verified 1', { email: 'ada@gmail.com', email_verified: 1 }],
    ['verified, neither gmail.com nor hd', { email: 'ada@corp.test' }],
    ['hd, not verified', { email: 'ada@corp.test', hd: 'corp.test', email_verified: false }],
    ['a look-alike domain', { email: 'ada@gmail.com.evil.test' }],
    ['empty hd', { email: 'ada@corp.test', hd: '' }],
  ]

  it.each(unproven)(
    'OA-21 %s: no link, no takeover; refused where a verified user has the address',
    async (_, user) => {
      const owner = await provenUser(user.email)
      const { sub } = await google.addUser(user)
      const before = await query('SELECT * FROM users')
      expect(await outcome(comeBack(await consent(await begin(), { sub })))).toBe('302 account_exists')
      expect(await rows()).toEqual({ ...noRows, users: 1 })
      expect(await query('SELECT * FROM users')).toEqual(before)
      expect(await count('erasures', 'provider_subject_txt = $1', [sub])).toBe(1)
      await revokedWithinATick()
      expect(await google.grants()).toEqual([])
      expect(owner).toBeTruthy()
    },
  )

  it.each(unproven)('OA-21 %s: with nobody there, a new user whose address is unverified', async (_, user) => {
    const { sub } = await google.addUser(user)
    const code = await handOff(await consent(await begin(), { sub }))
    const pair = await json<{ access_token: string }>(redeem(code))
    expect(await json(call('/auth/me', { bearer: pair.access_token }))).toMatchObject({
      email: user.email,
      email_verified: false,
      role: 'user',
    })
    // It blocks nobody: the one who proves the address gets an account of their own.
    const owner = await provenUser(user.email)
    expect(await count('users', 'email_address_txt = $1', [user.email])).toBe(2)
    expect(owner).toBeTruthy()
  })

  it('a proven address links to the user who has it verified: once a provider', async () => {
    const owner = await provenUser('ada@corp.test')
    const first = await google.addUser({ sub: '111', email: 'ada@corp.test', hd: 'corp.test' })
    const second = await google.addUser({ sub: '222', email: 'ada@corp.test', hd: 'corp.test' })
    const code = await handOff(await consent(await begin(), { sub: first.sub }))
    const pair = await json<{ access_token: string }>(redeem(code))
    expect(await json(call('/auth/me', { bearer: pair.access_token }))).toMatchObject({ id: owner })
    expect(await outcome(comeBack(await consent(await begin(), { sub: second.sub })))).toBe('302 account_exists')
    expect(await rows()).toMatchObject({ users: 1, identities: 1, mailboxes: 1 })
  })

  it('an address that changes at Google changes on the identity, not on the user', async () => {
    const ada = await newPerson('ada@gmail.com')
    await google.addUser({ sub: ada.sub, email: 'ada.new@gmail.com' })
    const victim = await provenUser('ada.new@gmail.com')
    const pair = await json<{ access_token: string }>(
      redeem(await handOff(await consent(await begin(), { sub: ada.sub }))),
    )
    expect(await json(call('/auth/me', { bearer: pair.access_token }))).toMatchObject({
      id: ada.userId,
      email: 'ada@gmail.com',
    })
    expect(await query('SELECT email_address_txt AS email FROM user_identities')).toEqual([
      { email: 'ada.new@gmail.com' },
    ])
    expect(await count('user_identities', 'user_id = $1', [victim])).toBe(0)
  })

  it('OA-30 an identity that cannot be written leaves no user behind', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    await query(
      `CREATE FUNCTION refuse_identity() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$`,
    )
    await query(
      'CREATE TRIGGER refuse BEFORE INSERT ON user_identities FOR EACH ROW EXECUTE FUNCTION refuse_identity()',
    )
    try {
      const answer = await comeBack(await dance('ada@gmail.com'))
      expect(answer.status).toBe(500)
      expect(await answer.text()).not.toMatch(/refuse_identity|user_identities|INSERT/)
    } finally {
      await query('DROP TRIGGER refuse ON user_identities')
      await query('DROP FUNCTION refuse_identity')
    }
    expect(await rows()).toEqual(noRows)
    expect(await outcome(comeBack(await dance('ada@gmail.com')))).not.toMatch(/^[45]/)
  })

  it('OA-37 another user’s Google as a way to sign in: 409 identity_in_use, by Bearer and by cookie', async () => {
    const owner = await newPerson('ada@gmail.com')
    const thief = await newPerson('mallory@gmail.com')
    const asked = { purpose: 'connect', scopes: 'identity' }
    const begun = await begin(asked, { bearer: thief.access_token })
    expect(await outcome(comeBack(await consent(begun, { email: 'ada@gmail.com' })))).toBe('302 identity_in_use')
    const cookies = await signInBrowser('mallory@gmail.com')
    const byCookie = await beginBrowser(cookies, asked)
    const answer = comeBack(await consent(byCookie, { email: 'ada@gmail.com' }), { cookies })
    expect(await outcome(answer)).toBe('302 identity_in_use')
    expect(await query('SELECT user_id FROM user_identities WHERE provider_subject_txt = $1', [owner.sub])).toEqual([
      { user_id: owner.userId },
    ])
    expect(await count('user_identities')).toBe(2)
  })

  it('an identity is added only with a fresh proof of presence, at the start and at the end', async () => {
    const { access_token, userId } = await newPerson('ada@gmail.com')
    await google.addUser({ email: 'ada.two@gmail.com' })
    const asked = { purpose: 'connect', scopes: 'identity' }
    const begun = await begin(asked, { bearer: access_token })
    const code = await handOff(await consent(begun, { email: 'ada.two@gmail.com' }))
    await query(`UPDATE sessions SET authenticated_at_utc = now() - interval '16 minutes'`)
    expect(await refusal(redeem(code, { bearer: access_token }))).toEqual([403, 'step_up_required'])
    const again = call(`/auth/google/start?${new URLSearchParams(asked)}`, { bearer: access_token })
    expect(await refusal(again)).toEqual([403, 'step_up_required'])
    // A mailbox needs none.
    await begin({ purpose: 'connect', scopes: 'mail' }, { bearer: access_token })
    expect(await count('user_identities', 'user_id = $1', [userId])).toBe(1)
    await query('UPDATE sessions SET authenticated_at_utc = now()')
    const fresh = await begin(asked, { bearer: access_token })
    const codeNow = await handOff(await consent(fresh, { email: 'ada.two@gmail.com' }))
    expect(await json(redeem(codeNow, { bearer: access_token }))).toHaveProperty('identity')
    expect(await count('user_identities', 'user_id = $1', [userId])).toBe(2)
    expect(await count('user_mail_accounts', 'user_id = $1', [userId])).toBe(1)
  })

  it('a connected mailbox does not become a way to sign in', async () => {
    const { access_token, userId } = await newPerson('ada@gmail.com')
    const { sub } = await google.addUser({ email: 'work@corp.test', hd: 'corp.test' })
    const begun = await begin({ purpose: 'connect', scopes: 'mail' }, { bearer: access_token })
    await json(redeem(await handOff(await consent(begun, { sub })), { bearer: access_token }))
    expect(await mailboxes(access_token)).toHaveLength(2)
    const pair = await signIn('work@corp.test')
    const me = await json<{ id: string }>(call('/auth/me', { bearer: pair.access_token }))
    expect(me.id).not.toBe(userId)
    expect(await count('users')).toBe(2)
  })

  it.each([
    ['gmail.com, verified', { email: 'admin@gmail.com' }, 'admin'],
    ['hd, verified', { email: 'boss@corp.test', hd: 'corp.test' }, 'admin'],
    ['gmail.com, not verified', { email: 'admin@gmail.com', email_verified: false }, 'user'],
    ['verified, without hd', { email: 'boss@corp.test' }, 'user'],
    ['hd, not verified', { email: 'boss@corp.test', hd: 'corp.test', email_verified: false }, 'user'],
    ['not in the list', { email: 'notadmin@gmail.com' }, 'user'],
    ['in another case', { email: 'Admin@GMail.com' }, 'admin'],
  ] as const)('ADMIN_EMAILS %s', async (_, user, role) => {
    const env = workerEnv({ ADMIN_EMAILS: 'Admin@gmail.com, boss@corp.test' })
    const { sub } = await google.addUser(user)
    for (let round = 1; round <= 2; round += 1) {
      const callback = await consent(await begin({}, { env }), { sub })
      const pair = await json<{ access_token: string }>(redeem(handOffOf(await comeBack(callback, { env })), { env }))
      expect(await json(call('/auth/me', { bearer: pair.access_token, env }))).toMatchObject({ role })
    }
    expect(await count('users')).toBe(1)
    const [{ user_id } = { user_id: '' }] = await query<{ user_id: string }>('SELECT user_id FROM users')
    const promotions = await count('audit_logs', `action_cd = 'user.promoted' AND subject_id_txt = $1`, [user_id])
    expect(promotions).toBe(role === 'admin' ? 1 : 0)
  })

  it('ADMIN_EMAILS promotes an old user at the next sign-in only by a proven address, and says so once', async () => {
    const proven = await newPerson('ada@gmail.com')
    const { sub } = await google.addUser({ email: 'eve@gmail.com', email_verified: false })
    await json(redeem(await handOff(await consent(await begin(), { sub }))))
    await query(
      `UPDATE users SET email_proof_cd = 'trusted', email_verified_at_utc = now() WHERE email_address_txt = 'eve@gmail.com'`,
    )
    const env = workerEnv({ ADMIN_EMAILS: 'ada@gmail.com,eve@gmail.com' })
    for (const person of [{ sub: proven.sub }, { sub: proven.sub }, { sub }]) {
      await comeBack(await consent(await begin({}, { env }), person), { env })
    }
    expect(await query('SELECT email_address_txt AS email, role_cd AS role FROM users ORDER BY 1')).toEqual([
      { email: 'ada@gmail.com', role: 'admin' },
      { email: 'eve@gmail.com', role: 'user' },
    ])
    const told = await query(
      'SELECT actor_user_id, outcome_cd FROM audit_logs WHERE action_cd = $1 AND subject_id_txt = $2',
      ['user.promoted', proven.userId],
    )
    expect(told).toEqual([{ actor_user_id: proven.userId, outcome_cd: 'success' }])
  })

  it('ADMIN_EMAILS says nothing about another address of the same person', async () => {
    const { access_token, userId } = await newPerson('ada@gmail.com')
    await google.addUser({ email: 'admin@gmail.com' })
    const begun = await begin({ purpose: 'connect', scopes: 'identity' }, { bearer: access_token })
    await json(redeem(await handOff(await consent(begun, { email: 'admin@gmail.com' })), { bearer: access_token }))
    await signIn('admin@gmail.com')
    expect(await query('SELECT user_id, role_cd FROM users')).toEqual([{ user_id: userId, role_cd: 'user' }])
  })
})

describe('hand-off codes', () => {
  const verifier = 'v'.repeat(60)

  it('OA-33 without a challenge: any verifier is refused, and the code is spent', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const code = await handOff(await dance('ada@gmail.com'))
    expect(await refusal(redeem(code, { verifier }))).toEqual([400, 'invalid_grant'])
    expect(await refusal(redeem(code))).toEqual([400, 'invalid_grant'])
    expect(await count('sessions')).toBe(0)
  })

  it('OA-33 with a challenge: none or a wrong verifier is refused, and the code is spent', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const query = { code_challenge: await hashOf(verifier) }
    for (const wrong of [{}, { verifier: 'w'.repeat(60) }, { verifier: query.code_challenge }]) {
      const code = await handOff(await dance('ada@gmail.com', { query }))
      expect(await refusal(redeem(code, wrong))).toEqual([400, 'invalid_grant'])
      expect(await refusal(redeem(code, { verifier }))).toEqual([400, 'invalid_grant'])
    }
    expect(await count('sessions')).toBe(0)
    await json(redeem(await handOff(await dance('ada@gmail.com', { query })), { verifier }))
    expect(await count('sessions')).toBe(1)
  })

  it('OA-33 connecting: a wrong verifier spends the code of a connecting flow too', async () => {
    const { access_token } = await newPerson('ada@gmail.com')
    await google.addUser({ email: 'two@gmail.com' })
    const asked = { purpose: 'connect', scopes: 'mail', code_challenge: await hashOf(verifier) }
    const code = await handOff(await consent(await begin(asked, { bearer: access_token }), { email: 'two@gmail.com' }))
    expect(await refusal(redeem(code, { bearer: access_token }))).toEqual([400, 'invalid_grant'])
    expect(await refusal(redeem(code, { bearer: access_token, verifier }))).toEqual([400, 'invalid_grant'])
    expect(await mailboxes(access_token)).toHaveLength(1)
  })

  it('lives 60 seconds, works once, is hashed at rest, and is not the state that went to Google', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const begun = await begin()
    const callback = await consent(begun, { email: 'ada@gmail.com' })
    const code = await handOff(callback)
    expect(code).not.toBe(begun.state)
    expect(code).toMatch(/^[A-Za-z0-9_-]{43}$/)
    const [row] = await query<{ hash: string; seconds: number }>(
      `SELECT code_hash_txt AS hash, extract(epoch FROM expires_at_utc - created_at_utc)::int AS seconds FROM one_time_codes WHERE purpose_cd = 'hand_off'`,
    )
    expect(row).toEqual({ hash: await hashOf(code), seconds: 60 })
    expect(await refusal(redeem(begun.state))).toEqual([400, 'invalid_grant'])
    expect(await refusal(redeem(await hashOf(code)))).toEqual([400, 'invalid_grant'])
    await json(redeem(code))
    expect(await refusal(redeem(code))).toEqual([400, 'invalid_grant'])
    const late = await handOff(await dance('ada@gmail.com'))
    await query(`UPDATE one_time_codes SET expires_at_utc = now() - interval '1 second' WHERE consumed_at_utc IS NULL`)
    expect(await refusal(redeem(late))).toEqual([400, 'invalid_grant'])
    expect(await count('sessions')).toBe(1)
  })

  it('SE-25 no session from a waiting hand-off once the user is disabled or has logged out everywhere', async () => {
    const { access_token, userId } = await newPerson('ada@gmail.com')
    const waiting = await handOff(await dance('ada@gmail.com'))
    expect((await call('/auth/logout-everywhere', { method: 'POST', bearer: access_token })).status).toBe(204)
    expect(await refusal(redeem(waiting))).toEqual([400, 'invalid_grant'])
    const second = await handOff(await dance('ada@gmail.com'))
    await disable(userId)
    expect(await refusal(redeem(second))).toEqual([400, 'invalid_grant'])
    expect(await outcome(comeBack(await dance('ada@gmail.com')))).toBe('302 account_disabled')
    expect(await count('sessions', 'revoked_at_utc IS NULL')).toBe(0)
  })
})

describe('connecting belongs to one session', () => {
  it('begun with Bearer: another session, another user, a cookie or nobody gets 400, and the code is spent', async () => {
    const ada = await newPerson('ada@gmail.com')
    const sameUser = await signIn('ada@gmail.com')
    const mallory = await newPerson('mallory@gmail.com')
    const { key } = await newKey((await newPerson('admin@gmail.com')).access_token)
    const cookies = await signInBrowser('ada@gmail.com')
    await google.addUser({ email: 'two@gmail.com' })
    const wrongs = [
      {},
      { bearer: mallory.access_token },
      { bearer: sameUser.access_token },
      { bearer: key },
      { cookies },
    ]
    for (const wrong of wrongs) {
      const begun = await begin({ purpose: 'connect', scopes: 'mail' }, { bearer: ada.access_token })
      const code = await handOff(await consent(begun, { email: 'two@gmail.com' }))
      expect(await refusal(redeem(code, wrong))).toEqual([400, 'invalid_grant'])
      expect(await refusal(redeem(code, { bearer: ada.access_token }))).toEqual([400, 'invalid_grant'])
    }
    expect(await count('user_mail_accounts', `email_address_txt = 'two@gmail.com'`)).toBe(0)
    // TV-27: what was sealed under the spent codes is not readable by anyone, and goes to be revoked.
    await waitingEnvelopesExpire()
    await revokedWithinATick()
    expect(await count('one_time_codes', 'payload_sealed_txt IS NOT NULL')).toBe(0)
    expect((await google.grants()).filter(({ sub }) => sub !== ada.sub && sub !== mallory.sub)).toHaveLength(1) // admin
  })

  it('begun with a cookie: without it, with another user’s or another session of the same user, 400; then it works', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    await google.addUser({ email: 'mallory@gmail.com' })
    await google.addUser({ email: 'two@gmail.com' })
    const cookies = await signInBrowser('ada@gmail.com')
    const begun = await beginBrowser(cookies, { purpose: 'connect', scopes: 'mail' })
    const flowCookies = [...cookies].filter(([name]) => name !== 'session')
    const callback = await consent(begun, { email: 'two@gmail.com' })
    const foreign = await signInBrowser('mallory@gmail.com')
    const sameUser = await signInBrowser('ada@gmail.com')
    for (const jar of [new Map(), foreign, sameUser]) {
      const shown: Cookies = new Map([...jar, ...flowCookies])
      expect(await outcome(comeBack(callback, { cookies: shown }))).toBe('400')
    }
    expect(await exchanges()).toBe(3)
    expect(await outcome(comeBack(callback, { cookies }))).toBe('302 /mailboxes')
    expect(await count('user_mail_accounts', `email_address_txt = 'two@gmail.com'`)).toBe(1)
  })

  it('begun with a cookie: the right session id with a wrong secret connects nothing', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const { sub } = await google.addUser({ email: 'two@gmail.com' })
    const cookies = await signInBrowser('ada@gmail.com')
    const begun = await beginBrowser(cookies, { purpose: 'connect', scopes: 'mail' })
    const [id = ''] = (cookies.get('session') ?? '').split('.')
    cookies.set('session', `${id}.${'A'.repeat(43)}`)
    const answer = comeBack(await consent(begun, { email: 'two@gmail.com' }), { cookies })
    expect(await outcome(answer)).toBe('302 session_expired')
    expect(await count('user_mail_accounts', 'provider_subject_txt = $1', [sub])).toBe(0)
    expect(await count('erasures', 'provider_subject_txt = $1', [sub])).toBe(1)
  })

  it('the grant of a waiting connection is neither listed nor handed out', async () => {
    const ada = await newPerson('ada@gmail.com')
    await google.addUser({ email: 'two@gmail.com' })
    const begun = await begin({ purpose: 'connect', scopes: 'mail' }, { bearer: ada.access_token })
    const code = await handOff(await consent(begun, { email: 'two@gmail.com' }))
    expect(await mailboxes(ada.access_token)).toHaveLength(1)
    expect(await rows()).toMatchObject({ mailboxes: 1, tokens: 1, codes: 2 })
    const connected = await json<{ mail_account: { email: string } }>(redeem(code, { bearer: ada.access_token }))
    expect(connected.mail_account).toMatchObject({ email: 'two@gmail.com', status: 'active' })
    expect(await count('one_time_codes', 'payload_sealed_txt IS NOT NULL')).toBe(0)
  })
})

describe('grants that are not kept', () => {
  it('TV-27 a connection nobody picked up: no mailbox, no vend; purged into an erasure and revoked', async () => {
    const ada = await newPerson('ada@gmail.com')
    const { sub } = await google.addUser({ email: 'two@gmail.com' })
    const begun = await begin({ purpose: 'connect', scopes: 'mail' }, { bearer: ada.access_token })
    const code = await handOff(await consent(begun, { email: 'two@gmail.com' }))
    const [waiting] = await query<{ payload: string }>(
      `SELECT payload_sealed_txt AS payload FROM one_time_codes WHERE purpose_cd = 'connect_hand_off'`,
    )
    expect(waiting?.payload).not.toMatch(/ya29|1\/\/0|two@gmail/)
    // Not before its time: a tick now leaves it for its session.
    await tick()
    expect(await count('erasures')).toBe(0)
    await waitingEnvelopesExpire()
    expect(await refusal(redeem(code, { bearer: ada.access_token }))).toEqual([400, 'invalid_grant'])
    await google.resetCalls()
    await revokedWithinATick()
    expect(await revocations()).toBe(1)
    expect((await google.grants()).filter((grant) => grant.sub === sub)).toEqual([])
    expect((await google.grants()).filter((grant) => grant.sub === ada.sub)).toHaveLength(1)
    expect(await count('one_time_codes', 'payload_sealed_txt IS NOT NULL')).toBe(0)
    expect(await mailboxes(ada.access_token)).toHaveLength(1)
  })

  it('TV-27 the session ends before it picks its grant up', async () => {
    const ada = await newPerson('ada@gmail.com')
    const { sub } = await google.addUser({ email: 'two@gmail.com' })
    const begun = await begin({ purpose: 'connect', scopes: 'mail' }, { bearer: ada.access_token })
    const code = await handOff(await consent(begun, { email: 'two@gmail.com' }))
    await call('/auth/logout', { method: 'POST', bearer: ada.access_token })
    expect(await refusal(redeem(code, { bearer: ada.access_token }))).toEqual([400, 'invalid_grant'])
    await waitingEnvelopesExpire()
    await revokedWithinATick()
    expect((await google.grants()).filter((grant) => grant.sub === sub)).toEqual([])
  })

  it('TV-28 account_exists: revoked within a tick, nothing stays', async () => {
    await provenUser('ada@corp.test')
    const { sub } = await google.addUser({ email: 'ada@corp.test' })
    expect(await outcome(comeBack(await consent(await begin(), { sub })))).toBe('302 account_exists')
    const [erasure] = await query<{ sealed: string; subject: string }>(
      'SELECT sealed_txt AS sealed, provider_subject_txt AS subject FROM erasures',
    )
    expect(erasure?.subject).toBe(sub)
    expect(erasure?.sealed).not.toMatch(/ya29|1\/\/0/)
    await revokedWithinATick()
    expect(await revocations()).toBe(1)
    expect(await google.grants()).toEqual([])
    expect(await rows()).toEqual({ ...noRows, users: 1 })
  })

  it('TV-28 wrong_mailbox, by Bearer and by cookie: revoked, the mailbox untouched', async () => {
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    const before = await query('SELECT * FROM oauth_tokens')
    const { sub } = await google.addUser({ email: 'two@gmail.com' })
    const started = await json<{ url: string }>(
      call(`/api/v1/mail-accounts/${account.id}/reconnect`, { bearer: ada.access_token, json: {} }),
    )
    const callback = await consent({ url: new URL(started.url) }, { sub })
    expect(await outcome(comeBack(callback))).toBe('302 wrong_mailbox')
    await revokedWithinATick()
    expect((await google.grants()).filter((grant) => grant.sub === sub)).toEqual([])
    const cookies = await signInBrowser('ada@gmail.com', new Map(), { query: { scopes: 'identity' } })
    const begun = await beginBrowser(cookies, { mail_account_id: account.id })
    expect(await outcome(comeBack(await consent(begun, { sub }), { cookies }))).toBe('302 wrong_mailbox')
    await revokedWithinATick()
    expect((await google.grants()).filter((grant) => grant.sub === sub)).toEqual([])
    expect(await query('SELECT * FROM oauth_tokens')).toEqual(before)
    expect(await count('user_mail_accounts')).toBe(1)
  })

  it('TV-28 a cookie session that ended on the way: session_expired, revoked', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const { sub } = await google.addUser({ email: 'two@gmail.com' })
    const cookies = await signInBrowser('ada@gmail.com')
    const begun = await beginBrowser(cookies, { purpose: 'connect', scopes: 'mail' })
    await query('UPDATE sessions SET revoked_at_utc = now()')
    const answer = await comeBack(await consent(begun, { sub }), { cookies })
    expect(answer.headers.get('Location')).toBe('/mailboxes?error=session_expired')
    await revokedWithinATick()
    expect((await google.grants()).filter((grant) => grant.sub === sub)).toEqual([])
    expect(await rows()).toMatchObject({ mailboxes: 1, tokens: 1 })
  })

  it('TV-28 a refused grant is left alone where the subject has a live one', async () => {
    const owner = await newPerson('ada@gmail.com')
    const thief = await newPerson('mallory@gmail.com')
    const account = await onlyMailbox(thief.access_token)
    await google.resetCalls()
    const started = await json<{ url: string }>(
      call(`/api/v1/mail-accounts/${account.id}/reconnect`, { bearer: thief.access_token, json: {} }),
    )
    const callback = await consent({ url: new URL(started.url) }, { sub: owner.sub })
    expect(await outcome(comeBack(callback))).toBe('302 wrong_mailbox')
    await revokedWithinATick()
    expect(await revocations()).toBe(0)
    expect((await google.grants()).filter((grant) => grant.sub === owner.sub).length).toBeGreaterThan(0)
  })

  it('what its user disconnected comes back by connecting it, not by signing in; the sign-in’s grant is revoked', async () => {
    const ada = await newPerson('ada@gmail.com')
    const { id } = await onlyMailbox(ada.access_token)
    await call(`/api/v1/mail-accounts/${id}`, { method: 'DELETE', bearer: ada.access_token })
    await eventually(async () => ((await count('erasures')) === 0 ? true : null))
    const again = await signIn('ada@gmail.com')
    expect((await onlyMailbox(again.access_token)).status).toBe('disconnected')
    expect(await count('oauth_tokens', 'access_token_txt IS NOT NULL OR refresh_token_txt IS NOT NULL')).toBe(0)
    await revokedWithinATick()
    expect(await google.grants()).toEqual([])
    const begun = await begin({ purpose: 'connect', scopes: 'mail' }, { bearer: again.access_token })
    const code = await handOff(await consent(begun, { email: 'ada@gmail.com' }))
    const connected = await json<{ mail_account: object }>(redeem(code, { bearer: again.access_token }))
    expect(connected.mail_account).toMatchObject({ id, status: 'active' })
  })
})

describe('consent', () => {
  it('a second round is bound as the first: challenge, destination and hint carried over, state and nonce new', async () => {
    const verifier = 'v'.repeat(50)
    await newPerson('ada@gmail.com')
    await query('UPDATE oauth_tokens SET refresh_token_txt = NULL')
    const asked = { code_challenge: await hashOf(verifier), return_to: 'http://localhost:3000/other' }
    const first = await begin(asked)
    const round = await comeBack(await consent(first, { email: 'ada@gmail.com' }))
    const url = new URL(round.headers.get('Location') ?? '')
    expect(url.searchParams.get('prompt')).toBe('consent')
    expect(url.searchParams.get('login_hint')).toBe('ada@gmail.com')
    expect(url.searchParams.get('state')).not.toBe(first.state)
    expect(url.searchParams.get('nonce')).not.toBe(first.url.searchParams.get('nonce'))
    expect(await count('erasures', `due_at_utc > now() + interval '9 minutes'`)).toBe(1)
    const landed = await comeBack(await consent({ url }, { email: 'ada@gmail.com' }))
    expect(landed.headers.get('Location')).toMatch(/^http:\/\/localhost:3000\/other\?state=/)
    expect(await count('erasures')).toBe(0)
    expect(await refusal(redeem(handOffOf(landed)))).toEqual([400, 'invalid_grant'])
    const again = await handOff(await dance('ada@gmail.com', { query: asked }))
    await json(redeem(again, { verifier }))
  })

  it('a second round of a browser needs its new cookie, and the session of a connecting one', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    await google.addUser({ email: 'two@gmail.com' })
    const cookies = await signInBrowser('ada@gmail.com')
    await google.settings({ omitRefreshToken: true })
    const begun = await beginBrowser(cookies, { purpose: 'connect', scopes: 'mail' })
    const round = await comeBack(await consent(begun, { email: 'two@gmail.com' }), { cookies })
    expect(await outcome(round.clone())).toBe('302 google')
    expect([...cookies.keys()]).toHaveLength(2)
    const url = new URL(round.headers.get('Location') ?? '')
    await google.settings({ omitRefreshToken: false })
    const callback = await consent({ url }, { email: 'two@gmail.com' })
    const session = cookies.get('session') ?? ''
    const flowOnly: Cookies = new Map([...cookies].filter(([name]) => name !== 'session'))
    expect(await outcome(comeBack(callback, { cookies: new Map([['session', session]]) }))).toBe('400')
    expect(await outcome(comeBack(callback, { cookies: flowOnly }))).toBe('400')
    expect(await outcome(comeBack(callback, { cookies }))).toBe('302 /mailboxes')
    expect([...cookies.keys()]).toEqual(['session'])
  })

  it('is asked for once only: without a refresh token even then, the mailbox serves while its token lives', async () => {
    const { sub } = await google.addUser({ email: 'ada@gmail.com' })
    await google.settings({ omitRefreshToken: true })
    const round = await comeBack(await consent(await begin(), { sub }))
    expect(await outcome(round.clone())).toBe('302 google')
    expect(await rows()).toEqual(noRows)
    const url = new URL(round.headers.get('Location') ?? '')
    const landed = await comeBack(await consent({ url }, { sub }))
    const pair = await json<{ access_token: string }>(redeem(handOffOf(landed)))
    expect(await exchanges()).toBe(2)
    const account = await onlyMailbox(pair.access_token)
    expect(account.status).toBe('degraded')
    expect(await count('erasures')).toBe(0)
    const { key } = await newKey((await newPersonAsAdmin()).access_token)
    expect((await vend(key, account.id)).status).toBe(200)
  })

  it('a second round that is cancelled or never comes: the first round’s grant is revoked when its time is up', async () => {
    const { sub } = await google.addUser({ email: 'ada@gmail.com' })
    await google.settings({ omitRefreshToken: true })
    const round = await comeBack(await consent(await begin(), { sub }))
    const url = new URL(round.headers.get('Location') ?? '')
    const cancelled = await google.redirect({ url, email: 'ada@gmail.com', cancel: true })
    expect(await outcome(comeBack(cancelled))).toBe('302 access_denied')
    await tick()
    expect(await count('erasures')).toBe(1)
    await query('UPDATE erasures SET due_at_utc = now()')
    await revokedWithinATick()
    expect(await google.grants()).toEqual([])
    expect(await rows()).toEqual(noRows)
  })

  it('TV-03 101 sign-ins with the same mailbox: one row, one refresh token at Google, no consent forced', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    for (let n = 0; n < 101; n += 1) {
      const begun = await begin()
      expect(begun.url.searchParams.has('prompt')).toBe(false)
      const answer = await comeBack(await consent(begun, { email: 'ada@gmail.com' }))
      expect(answer.headers.get('Location')).toContain(frontEnd)
    }
    expect(await rows()).toMatchObject({ users: 1, identities: 1, mailboxes: 1, tokens: 1 })
    const grants = await google.grants()
    expect(grants.reduce((sum, grant) => sum + grant.refresh_tokens, 0)).toBe(1)
    expect(await count('oauth_tokens', 'version_nbr = 1 AND refresh_token_txt IS NOT NULL')).toBe(1)
    expect(await exchanges()).toBe(101)
  })

  it.each([
    ['without send', ['gmail.readonly'], [gmail.send]],
    ['without readonly', ['gmail.send'], [gmail.read]],
    ['without either', 'none-optional', [gmail.read, gmail.send]],
  ] as const)(
    'TV-04 granted %s: kept as granted, active, refused for the rest without asking Google',
    async (_, grant, missing) => {
      await google.addUser({ email: 'ada@gmail.com' })
      const pair = await signIn('ada@gmail.com', { grant: typeof grant === 'string' ? grant : [...grant] })
      const account = await onlyMailbox(pair.access_token)
      expect(account.status).toBe('active')
      expect([...account.missing_scopes].sort()).toEqual([...missing].sort())
      for (const scope of missing) expect(account.granted_scopes).not.toContain(scope)
      const { key } = await newKey((await newPersonAsAdmin()).access_token)
      await google.resetCalls()
      for (const scope of missing) {
        expect(await refusal(vend(key, account.id, { scopes: [scope] }))).toEqual([403, 'insufficient_scope'])
      }
      expect((await google.calls()).log).toEqual([])
    },
  )

  it('TV-04 no scope in the answer means as asked; granting more later adds to the same mailbox', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const pair = await signIn('ada@gmail.com', { grant: ['gmail.readonly'] })
    const { id } = await onlyMailbox(pair.access_token)
    const started = await json<{ url: string }>(
      call(`/api/v1/mail-accounts/${id}/reconnect`, { bearer: pair.access_token, json: {} }),
    )
    await google.settings({ omitScope: true })
    const code = await handOff(await consent({ url: new URL(started.url) }, { email: 'ada@gmail.com' }))
    await json(redeem(code, { bearer: pair.access_token }))
    expect(await onlyMailbox(pair.access_token)).toMatchObject({ id, missing_scopes: [], status: 'active' })
  })

  it('a sign-in for identity only asks for no mail and leaves the mailbox as it is', async () => {
    const ada = await newPerson('ada@gmail.com')
    const before = await query('SELECT * FROM oauth_tokens')
    await signIn('ada@gmail.com', { query: { scopes: 'identity' } })
    expect(await query('SELECT * FROM oauth_tokens')).toEqual(before)
    expect((await onlyMailbox(ada.access_token)).status).toBe('active')
    expect(await count('erasures')).toBe(0)
    await google.addUser({ email: 'bob@gmail.com' })
    const bob = await signIn('bob@gmail.com', { query: { scopes: 'identity' } })
    expect(await mailboxes(bob.access_token)).toEqual([])
  })

  it('two people may connect one mailbox, each with a grant of their own', async () => {
    const ada = await newPerson('ada@gmail.com')
    const bob = await newPerson('bob@gmail.com')
    const begun = await begin({ purpose: 'connect', scopes: 'mail' }, { bearer: bob.access_token })
    const code = await handOff(await consentAnew(begun, { email: 'ada@gmail.com' }))
    await json(redeem(code, { bearer: bob.access_token }))
    expect((await mailboxes(bob.access_token)).map(({ email }) => email).sort()).toEqual([
      'ada@gmail.com',
      'bob@gmail.com',
    ])
    expect(await mailboxes(ada.access_token)).toHaveLength(1)
    const sealed = await query<{ refresh: string }>(
      `SELECT t.refresh_token_txt AS refresh FROM oauth_tokens t JOIN user_mail_accounts a USING (user_mail_account_id) WHERE a.email_address_txt = 'ada@gmail.com'`,
    )
    expect(new Set(sealed.map(({ refresh }) => refresh)).size).toBe(2)
  })
})

async function newPersonAsAdmin(): Promise<{ access_token: string }> {
  await google.settings({ omitRefreshToken: false })
  return newPerson('admin@gmail.com')
}
