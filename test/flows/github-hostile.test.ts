// Group OA of SECURITY.md for GitHub, over HTTP against the strict local one: what a sign-in leaves behind, what an
// unproven address may not do, and what happens when GitHub misbehaves. Rows are counted in each case.
import { beforeEach, describe, expect, it } from 'vitest'
import {
  type Cookies,
  call,
  count,
  dance,
  google,
  json,
  newPerson,
  refusal,
  signIn,
  type TokenPair,
  workerEnv,
} from '../support/app.ts'
import { emptyTables, proxy, query, testAddresses } from '../support/database.ts'
import {
  begin,
  comeBack,
  consent,
  disable,
  handOffOf,
  noRows,
  outcome,
  provenUser,
  redeem,
  rows,
} from '../support/flows.ts'
import {
  beginGithub,
  browseGithub,
  danceGithub,
  exchangeCall,
  github,
  primary,
  signInGithub,
} from '../support/github.ts'
import { dumpTables } from '../support/vault.ts'

interface Me {
  id: string
  email: string
  email_verified: boolean
  full_name: string | null
  role: string
}

const trusting = workerEnv({ TRUSTED_EMAIL_PROVIDERS: 'github' })
const me = async ({ access_token }: TokenPair): Promise<Me> => json(call('/auth/me', { bearer: access_token }))
const ada = () => github.addPerson({ id: 1234, login: 'octo-ada', name: 'Ada', emails: [primary('Ada@Example.com')] })

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await github.reset()
  await proxy.setDelay(0)
})

describe('signing in with GitHub', () => {
  it('makes a user with an unproven address, an identity and a session; no mailbox, no token of GitHub’s anywhere', async () => {
    const pair = await signInGithub(await ada())
    expect(await me(pair)).toMatchObject({
      email: 'ada@example.com',
      email_verified: false,
      full_name: 'Ada',
      role: 'user',
    })
    expect(await rows()).toEqual({ ...noRows, users: 1, identities: 1, sessions: 1, codes: 1 })
    expect(await count('erasures')).toBe(0)
    for (const [table, text] of await dumpTables()) expect([table, /gho_/.test(text)]).toEqual([table, false])
    expect(await query('SELECT provider_cd, provider_subject_txt, email_address_txt FROM user_identities')).toEqual([
      { provider_cd: 'github', provider_subject_txt: '1234', email_address_txt: 'ada@example.com' },
    ])
  })

  it('again is the same user, whatever the login and the address are by then: the address moves on the identity only', async () => {
    const person = await ada()
    const first = await me(await signInGithub(person))
    await github.addPerson({ ...person, login: 'renamed', emails: [primary('ada@new.example')] })
    expect(await me(await signInGithub(person))).toMatchObject({ id: first.id, email: 'ada@example.com' })
    expect(await query('SELECT email_address_txt AS email FROM user_identities')).toEqual([
      { email: 'ada@new.example' },
    ])
    // Not even its address is needed any more: the identity decides.
    await github.addPerson({ ...person, emails: [] })
    expect((await me(await signInGithub(person))).id).toBe(first.id)
    expect(await rows()).toMatchObject({ users: 1, identities: 1 })
  })

  it('sets a session cookie for a flow begun by login, and ends on our own page', async () => {
    const cookies: Cookies = new Map()
    expect((await browseGithub(cookies, await ada())).pathname).toBe('/mailboxes')
    expect([...cookies.keys()]).toEqual(['session'])
    const page = await call('/mailboxes', { cookies })
    expect(await page.text()).toContain('ada@example.com')
  })

  it('is offered beside Google, with its mark, and leads by a link', async () => {
    const { items } = await json<{ items: unknown[] }>(call('/oauth/providers'))
    expect(items).toEqual([
      { id: 'google', name: 'Google', supports_mail: true },
      { id: 'github', name: 'GitHub', supports_mail: false },
    ])
    const text = await (await call('/sign-in')).text()
    expect(text).toMatch(/href="\/auth\/github\/login\?return_to=\/mailboxes"[^>]*><svg class="provider-mark"/)
    expect(text).toContain('Sign in with GitHub')
  })

  it('defaults to identity; scopes=mail is 422 at every door', async () => {
    for (const path of ['/auth/github/start', '/oauth/github/initiate', '/api/v1/auth/github/start']) {
      expect(await refusal(call(`${path}?scopes=mail`))).toEqual([422, 'invalid_input'])
      const { url } = await json<{ url: string }>(call(path))
      expect(new URL(url).searchParams.get('scope')).toBe('read:user user:email')
    }
    expect((await call('/auth/github/login?scopes=mail')).status).toBe(422)
  })

  it('OA-08 OA-31 sends PKCE, a fresh state and the configured redirect URI, whatever the caller says', async () => {
    const urls = await Promise.all(
      [1, 2].map(() => beginGithub({ return_to: 'http://localhost:3000/other' }, { headers: { Host: 'evil.test' } })),
    )
    for (const { searchParams: q } of urls) {
      expect(q.get('code_challenge_method')).toBe('S256')
      expect(q.get('redirect_uri')).toBe('http://localhost:8787/auth/github/callback')
    }
    expect(new Set(urls.map(({ searchParams: q }) => q.get('state'))).size).toBe(2)
    expect(new Set(urls.map(({ searchParams: q }) => q.get('code_challenge'))).size).toBe(2)
  })
})

describe('the callback', () => {
  it('takes the right issuer or none (RFC 9207); a wrong one is 400 and asks nobody', async () => {
    const person = await ada()
    const truth = await danceGithub(person)
    expect(truth.searchParams.get('iss')).toBe(`${testAddresses.GITHUB_EMULATOR_URL}/login/oauth`)
    await github.settings({ issuerInCallback: false })
    const silent = await danceGithub(person)
    expect(silent.searchParams.has('iss')).toBe(false)
    for (const lie of ['https://evil.test/login/oauth', testAddresses.GOOGLE_EMULATOR_URL]) {
      await github.settings({ issuerInCallback: lie })
      expect(await outcome(comeBack(await danceGithub(person)))).toBe('400')
    }
    expect(await github.count(exchangeCall)).toBe(0)
    expect(await rows()).toEqual(noRows)
    expect(await outcome(comeBack(silent))).toBe('302 state')
    expect(await outcome(comeBack(truth))).toBe('302 state')
  })

  it('mix-up: a flow of one provider at the other’s callback is 400, and both still complete at their own', async () => {
    await google.addUser({ email: 'bob@gmail.com' })
    const hub = await danceGithub(await ada())
    const goo = await dance('bob@gmail.com')
    for (const [callback, elsewhere] of [
      [hub, '/auth/google/callback'],
      [goo, '/auth/github/callback'],
    ] as const) {
      const moved = new URL(callback)
      moved.pathname = elsewhere
      moved.searchParams.delete('iss')
      expect(await outcome(comeBack(moved))).toBe('400')
    }
    expect(await rows()).toEqual(noRows)
    expect(await outcome(comeBack(hub))).toBe('302 state')
    expect(await outcome(comeBack(goo))).toBe('302 state')
  })

  it('OA-01 OA-10 OA-11: without its cookie, with another’s code, cancelled, or twice', async () => {
    const person = await ada()
    const login = await call('/auth/github/login?return_to=/mailboxes')
    expect(await outcome(comeBack(await github.redirect(login.headers.get('Location') ?? '', person)))).toBe('400')
    const [victim, attacker] = [await danceGithub(person), await danceGithub(await github.addPerson({ emails: [] }))]
    victim.searchParams.set('code', attacker.searchParams.get('code') ?? '')
    expect(await outcome(comeBack(victim))).toBe('302 provider_refused')
    expect(await outcome(comeBack(attacker))).toBe('302 provider_refused')
    expect(await outcome(comeBack(await github.redirect(await beginGithub(), person, 'cancel')))).toBe(
      '302 access_denied',
    )
    expect(await rows()).toEqual(noRows)
    const callback = await danceGithub(person)
    expect(await outcome(comeBack(callback))).toBe('302 state')
    expect(await outcome(comeBack(callback))).toBe('400')
  })

  it.each<[string, Parameters<typeof github.fault>[0], string]>([
    [
      'a dead code in a 200 body',
      { path: '/login/oauth/access_token', body: { error: 'bad_verification_code' } },
      'provider_refused',
    ],
    [
      'our credentials refused in a 200 body',
      { path: '/login/oauth/access_token', body: { error: 'incorrect_client_credentials' } },
      'provider_unavailable',
    ],
    [
      'nobody’s verified address, said at the exchange',
      { path: '/login/oauth/access_token', body: { error: 'unverified_user_email' } },
      'provider_refused',
    ],
    [
      'a token in a form instead of JSON',
      { path: '/login/oauth/access_token', body: 'access_token=gho_x&token_type=bearer' },
      'provider_unavailable',
    ],
    ['500 at the exchange', { path: '/login/oauth/access_token', status: 500 }, 'provider_unavailable'],
    [
      'a dropped connection at the exchange',
      { path: '/login/oauth/access_token', drop: 'before' },
      'provider_unavailable',
    ],
    ['429 for the person', { path: '/user', status: 429, headers: { 'retry-after': '60' } }, 'provider_unavailable'],
    [
      '403 with no request left',
      { path: '/user', status: 403, headers: { 'x-ratelimit-remaining': '0' } },
      'provider_unavailable',
    ],
    ['401 for the person', { path: '/user', status: 401 }, 'provider_refused'],
    ['HTML for the person', { path: '/user', body: '<html>' }, 'provider_unavailable'],
    [
      'a person without an id',
      { path: '/user', body: { login: 'ada', email: 'ada@example.com' } },
      'provider_unavailable',
    ],
    ['404 for the addresses: the permission is missing', { path: '/user/emails', status: 404 }, 'provider_refused'],
    ['502 for the addresses', { path: '/user/emails', status: 502, body: '<html>' }, 'provider_unavailable'],
    [
      'addresses that are no list',
      { path: '/user/emails', body: { email: 'ada@example.com' } },
      'provider_unavailable',
    ],
  ])('%s: refused in words, nothing kept', async (_, fault, code) => {
    const callback = await danceGithub(await ada())
    await github.fault(fault)
    const answer = await comeBack(callback)
    expect(answer.headers.get('Location')).toBe(`http://localhost:3000/callback?error=${code}`)
    expect(await rows()).toEqual(noRows)
    expect(await count('erasures')).toBe(0)
  })

  it.each<[string, Parameters<typeof github.addPerson>[0]]>([
    ['no address at all', { email: 'public@example.com', emails: [] }],
    ['an unverified primary one', { emails: [{ email: 'ada@example.com', primary: true, verified: false }] }],
    ['a verified one that is not primary', { emails: [{ email: 'ada@example.com', primary: false, verified: true }] }],
    ['verified in words', { emails: [{ email: 'ada@example.com', primary: true, verified: 'true' }] }],
  ])('a new person with %s is refused, and told what to do', async (_, person) => {
    const added = await github.addPerson(person)
    expect(await outcome(comeBack(await danceGithub(added, { env: trusting }), { env: trusting }))).toBe(
      '302 provider_refused',
    )
    expect(await rows()).toEqual(noRows)
    const cookies: Cookies = new Map()
    const landed = await browseGithub(cookies, added)
    expect([landed.pathname, landed.search, cookies.size]).toEqual(['/sign-in', '?error=provider_refused', 0])
    expect(await (await call(`${landed.pathname}${landed.search}`)).text()).toContain('verified primary e-mail address')
  })
})

describe('whose account it is', () => {
  it('OA-20 GitHub id 1234 and Google sub 1234 are two people, in either order', async () => {
    await google.addUser({ sub: '1234', email: 'ada@gmail.com' })
    const hub = await me(await signInGithub(await ada()))
    const goo = await me(await signIn('ada@gmail.com', { query: { scopes: 'identity' } }))
    expect(hub.id).not.toBe(goo.id)
    expect((await me(await signInGithub({ id: 1234 }))).id).toBe(hub.id)
    expect(await rows()).toMatchObject({ users: 2, identities: 2 })
  })

  it('OA-21 an address that somebody has verified: account_exists, on a page that leads to linking', async () => {
    const owner = await provenUser('ada@example.com')
    const person = await ada()
    expect(await outcome(comeBack(await danceGithub(person)))).toBe('302 account_exists')
    const cookies: Cookies = new Map()
    const landed = await browseGithub(cookies, person)
    expect([`${landed.pathname}${landed.search}`, cookies.size]).toEqual(['/sign-in?error=account_exists', 0])
    expect(await rows()).toEqual({ ...noRows, users: 1 })
    expect(await count('users', 'user_id = $1 AND full_name_txt IS NULL', [owner])).toBe(1)
    const text = await (await call('/sign-in?error=account_exists')).text()
    expect(text).toContain('the way you did before')
    expect(text).toContain('href="/auth/google/login?return_to=/settings/security"')
  })

  it('OA-21 an unproven address finds nobody, blocks nobody and makes nobody admin', async () => {
    const squatter = await github.addPerson({ emails: [primary('admin@gmail.com')] })
    const first = await me(await signInGithub(squatter))
    expect(first).toMatchObject({ email: 'admin@gmail.com', email_verified: false, role: 'user' })
    // A second one of the same address: another user, and neither is in the other's way.
    const second = await me(await signInGithub(await github.addPerson({ emails: [primary('admin@gmail.com')] })))
    expect(second.id).not.toBe(first.id)
    // Whose address it really is comes later, as a user of their own.
    const owner = await newPerson('admin@gmail.com', { query: { scopes: 'identity' } })
    expect(await me(owner)).toMatchObject({ email_verified: true, role: 'admin' })
    expect([first.id, second.id]).not.toContain(owner.userId)
    expect(await me(await signInGithub(squatter))).toMatchObject({ id: first.id, email_verified: false, role: 'user' })
    expect(await rows()).toMatchObject({ users: 3, identities: 3 })
  })

  it('TRUSTED_EMAIL_PROVIDERS: its word links to who proved the address, proves a new one, and is never enough for an admin', async () => {
    const owner = await provenUser('ada@example.com')
    const linked = await signInGithub(await ada(), { env: trusting })
    expect((await me(linked)).id).toBe(owner)
    const boss = await github.addPerson({ emails: [primary('admin@gmail.com')] })
    expect(await me(await signInGithub(boss, { env: trusting }))).toMatchObject({ email_verified: true, role: 'user' })
    expect(await me(await signInGithub(boss, { env: trusting }))).toMatchObject({ role: 'user' })
    expect(await query('SELECT email_proof_cd AS proof FROM users ORDER BY created_at_utc')).toEqual([
      { proof: 'letter' },
      { proof: 'trusted' },
    ])
    // A second GitHub account of one trusted address is not the same person's.
    const again = await github.addPerson({ emails: [primary('ada@example.com')] })
    const refused = comeBack(await danceGithub(again, { env: trusting }), { env: trusting })
    expect(await outcome(refused)).toBe('302 account_exists')
    expect(await rows()).toMatchObject({ users: 2, identities: 2 })
  })

  it('trust taken away proves nothing more: who is linked stays, who is new is not', async () => {
    const person = await ada()
    const first = await me(await signInGithub(person, { env: trusting }))
    expect((await me(await signInGithub(person))).id).toBe(first.id)
    const other = await github.addPerson({ emails: [primary('ada@example.com')] })
    expect(await outcome(comeBack(await danceGithub(other)))).toBe('302 account_exists')
  })

  it('OA-39 Google and GitHub with one proven address at once, the database 20 ms away: one user, each way once, 10 runs', async () => {
    for (let run = 0; run < 10; run += 1) {
      await emptyTables()
      const owner = run % 2 === 0 ? await provenUser('ada@gmail.com') : null
      const { sub } = await google.addUser({ email: 'ada@gmail.com' })
      const hubs = [1, 2].map((id) => ({ id: 5_000 + id, emails: [primary('ada@gmail.com')] }))
      const people = await Promise.all(hubs.map((person) => github.addPerson(person)))
      const callbacks = [
        await consent(await begin({ scopes: 'identity' }), { sub }),
        ...(await Promise.all(people.map((person) => danceGithub(person)))),
      ]
      await proxy.setDelay(20)
      const outcomes = await Promise.all(callbacks.map((callback) => outcome(comeBack(callback, { env: trusting }))))
      await proxy.setDelay(0)
      expect(outcomes.sort()).toEqual(['302 account_exists', '302 state', '302 state'])
      expect(await rows()).toMatchObject({ users: 1, identities: 2 })
      expect(await count('user_identities', `provider_cd = 'github'`)).toBe(1)
      if (owner !== null) expect(await count('user_identities', 'user_id = $1', [owner])).toBe(2)
    }
  })

  it('first sign-ins of one GitHub account, 5 at once: one user, five sessions', async () => {
    const person = await ada()
    const callbacks = await Promise.all(Array.from({ length: 5 }, () => danceGithub(person)))
    await proxy.setDelay(20)
    const answers = await Promise.all(callbacks.map((callback) => comeBack(callback)))
    await proxy.setDelay(0)
    const pairs = await Promise.all(answers.map((answer) => json<TokenPair>(redeem(handOffOf(answer)))))
    expect(new Set((await Promise.all(pairs.map(me))).map(({ id }) => id)).size).toBe(1)
    expect(await rows()).toMatchObject({ users: 1, identities: 1, sessions: 5 })
  })

  it('SE-25 a disabled user gets no session by GitHub: not by a new sign-in, not by a waiting hand-off', async () => {
    const person = await ada()
    const pair = await signInGithub(person)
    const { id } = await me(pair)
    const waiting = handOffOf(await comeBack(await danceGithub(person)))
    await disable(id)
    expect(await refusal(redeem(waiting))).toEqual([400, 'invalid_grant'])
    expect(await outcome(comeBack(await danceGithub(person)))).toBe('302 account_disabled')
    const cookies: Cookies = new Map()
    expect((await browseGithub(cookies, person)).search).toBe('?error=account_disabled')
    expect(cookies.size).toBe(0)
    expect(await refusal(call('/auth/me', { bearer: pair.access_token }))).toEqual([401, 'unauthorized'])
    // By a trusted address neither: the account that it would be linked to is closed.
    const closed = await provenUser('closed@example.com')
    await disable(closed)
    const other = await github.addPerson({ emails: [primary('closed@example.com')] })
    const answer = comeBack(await danceGithub(other, { env: trusting }), { env: trusting })
    expect(await outcome(answer)).toBe('302 account_disabled')
    expect(await count('sessions')).toBe(1)
  })

  it('OA-30 an identity that cannot be written leaves no user behind', async () => {
    const person = await ada()
    await query(
      `CREATE FUNCTION refuse_identity() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$`,
    )
    await query(
      'CREATE TRIGGER refuse BEFORE INSERT ON user_identities FOR EACH ROW EXECUTE FUNCTION refuse_identity()',
    )
    try {
      expect((await comeBack(await danceGithub(person))).status).toBe(500)
    } finally {
      await query('DROP TRIGGER refuse ON user_identities')
      await query('DROP FUNCTION refuse_identity')
    }
    expect(await rows()).toEqual(noRows)
    expect(await outcome(comeBack(await danceGithub(person)))).toBe('302 state')
  })
})
