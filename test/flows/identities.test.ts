// Linking and unlinking ways to sign in, over HTTP with both providers: who may, when, and that nobody is ever left
// without one. Hostile cases are named as in SECURITY.md; races run with the database 20 ms away.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Cookies,
  call,
  count,
  google,
  json,
  newKey,
  newPerson,
  onlyMailbox,
  refusal,
  signIn,
  signInBrowser,
  type TokenPair,
  workerEnv,
} from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import {
  begin,
  comeBack,
  consent,
  handOff,
  handOffOf,
  outcome,
  provenUser,
  redeem,
  tick,
  untilSomebodyWaits,
} from '../support/flows.ts'
import { browseGithub, danceGithub, github, primary, signInGithub } from '../support/github.ts'
import { auditOf } from '../support/vault.ts'

interface Identity {
  id: string
  provider: string
  email: string | null
  created_at: string
}
interface Person extends TokenPair {
  userId: string
  hub: { id: number }
}

const asked = { purpose: 'connect', scopes: 'identity' }
const hubPerson = () => github.addPerson({ emails: [primary('octo@hub.example')] })
const list = async (bearer: string, query_ = ''): Promise<{ items: Identity[]; next_cursor: string | null }> =>
  json(call(`/auth/identities${query_}`, { bearer }))
const unlink = (bearer: string, id: string): Promise<Response> =>
  call(`/auth/identities/${id}`, { method: 'DELETE', bearer })
const idOf = async (bearer: string, provider: string): Promise<string> =>
  (await list(bearer)).items.find((item) => item.provider === provider)?.id ?? ''
const userOf = async (bearer: string): Promise<string> => (await json<{ id: string }>(call('/auth/me', { bearer }))).id

/** Links this GitHub account by Bearer, as a front end. */
async function linkGithub(bearer: string, hub: { id: number }): Promise<Response> {
  const callback = await danceGithub(hub, { bearer, query: asked })
  return redeem(await handOff(callback), { bearer })
}

/** Somebody who signs in with Google and with GitHub. */
async function bothWays(email = 'ada@gmail.com', options: Parameters<typeof newPerson>[1] = {}): Promise<Person> {
  const person = await newPerson(email, { query: { scopes: 'identity' }, ...options })
  const hub = await hubPerson()
  expect((await linkGithub(person.access_token, hub)).status).toBe(200)
  return { ...person, hub }
}

/** Moves the session's proof of presence, or its last use, into the past. */
async function age(column: 'authenticated_at_utc' | 'last_seen_at_utc', minutes: number): Promise<void> {
  await query(`UPDATE sessions SET ${column} = now() - make_interval(mins => $1)`, [minutes])
}

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await github.reset()
  await proxy.setDelay(0)
})
afterEach(() => proxy.setDelay(0))

describe('linking', () => {
  it('GitHub to an account of Google’s, by Bearer: either way leads to the one user, whose address stays', async () => {
    const person = await newPerson('ada@gmail.com', { query: { scopes: 'identity' } })
    const hub = await hubPerson()
    const { identity } = await json<{ identity: Identity }>(linkGithub(person.access_token, hub))
    expect(identity).toMatchObject({ provider: 'github', email: 'octo@hub.example' })
    expect((await list(person.access_token)).items).toEqual([
      identity,
      { id: expect.any(String), provider: 'google', email: 'ada@gmail.com', created_at: expect.any(String) },
    ])
    const byHub = await signInGithub(hub)
    expect(await json(call('/auth/me', { bearer: byHub.access_token }))).toMatchObject({
      id: person.userId,
      email: 'ada@gmail.com',
      email_verified: true,
    })
    expect(await auditOf(person.userId)).toContainEqual({
      action: 'identity.linked',
      outcome: 'success',
      actor: person.userId,
      event: { provider: 'github' },
    })
    // Once more is no second one.
    expect(await json(linkGithub(person.access_token, hub))).toEqual({ identity })
  })

  it('GitHub by cookie, from our own page and back to it', async () => {
    const cookies = await newBrowser('ada@gmail.com')
    const landed = await browseGithub(cookies, await hubPerson(), { ...asked, return_to: '/settings/security' })
    expect([landed.pathname, landed.search]).toEqual(['/settings/security', ''])
    expect(await count('user_identities')).toBe(2)
    expect(await count('users')).toBe(1)
  })

  it('Google to an account of GitHub’s: the address at Google does not become the user’s', async () => {
    const hub = await hubPerson()
    const { access_token } = await signInGithub(hub)
    await google.addUser({ email: 'ada@gmail.com' })
    const begun = await begin(asked, { bearer: access_token })
    const code = await handOff(await consent(begun, { email: 'ada@gmail.com' }))
    expect(await json(redeem(code, { bearer: access_token }))).toMatchObject({ identity: { provider: 'google' } })
    expect(await json(call('/auth/me', { bearer: access_token }))).toMatchObject({
      email: 'octo@hub.example',
      email_verified: false,
    })
    const byGoogle = await signIn('ada@gmail.com', { query: { scopes: 'identity' } })
    expect(await userOf(byGoogle.access_token)).toBe(await userOf(access_token))
  })

  it('a GitHub account without a verified address links all the same: the number is the identity', async () => {
    const { access_token } = await newPerson('ada@gmail.com', { query: { scopes: 'identity' } })
    const hub = await github.addPerson({ emails: [] })
    expect(await json(linkGithub(access_token, hub))).toMatchObject({ identity: { provider: 'github', email: null } })
    expect(await userOf((await signInGithub(hub)).access_token)).toBe(await userOf(access_token))
  })

  it('account_exists ends well: sign in as before, link, and from then on GitHub leads to the same user', async () => {
    const hub = await github.addPerson({ emails: [primary('ada@gmail.com')] })
    const person = await newPerson('ada@gmail.com', { query: { scopes: 'identity' } })
    expect(await outcome(comeBack(await danceGithub(hub)))).toBe('302 account_exists')
    expect((await linkGithub(person.access_token, hub)).status).toBe(200)
    expect(await userOf((await signInGithub(hub)).access_token)).toBe(person.userId)
  })

  it('needs a session, and a proof of presence of at most 15 minutes, at its beginning and at its end', async () => {
    expect(await refusal(call(`/auth/github/start?${new URLSearchParams(asked)}`))).toEqual([401, 'unauthorized'])
    const hub = await hubPerson()
    const { access_token } = await newPerson('ada@gmail.com', { query: { scopes: 'identity' } })
    const cookies = await signInBrowser('ada@gmail.com', new Map(), { query: { scopes: 'identity' } })
    const early = await danceGithub(hub, { bearer: access_token, query: asked })
    await age('authenticated_at_utc', 16)
    const start = call(`/auth/github/start?${new URLSearchParams(asked)}`, { bearer: access_token })
    expect(await refusal(start)).toEqual([403, 'step_up_required'])
    const login = await call(
      `/auth/github/login?${new URLSearchParams({ ...asked, return_to: '/settings/security' })}`,
      {
        cookies,
        headers: { 'Sec-Fetch-Site': 'same-origin' },
      },
    )
    expect(login.headers.get('Location')).toBe('/step-up?return_to=/settings/security')
    expect(await refusal(redeem(await handOff(early), { bearer: access_token }))).toEqual([403, 'step_up_required'])
    expect(await count('user_identities')).toBe(1)
    // 14 minutes are enough.
    await age('authenticated_at_utc', 14)
    expect((await linkGithub(access_token, hub)).status).toBe(200)
  })

  it('another site’s link connects nothing without a click on ours', async () => {
    const cookies = await newBrowser('ada@gmail.com')
    for (const headers of [{}, { 'Sec-Fetch-Site': 'cross-site' }, { 'Sec-Fetch-Site': 'same-site' }]) {
      const answer = await call(`/auth/github/login?${new URLSearchParams(asked)}`, { cookies, headers })
      expect(answer.status).toBe(200)
      expect(await answer.text()).toContain('Add a way to sign in?')
    }
  })

  it('a connecting code shown by another session, or by none, is 400 and spent', async () => {
    const { access_token } = await newPerson('ada@gmail.com', { query: { scopes: 'identity' } })
    const mallory = await newPerson('mallory@gmail.com', { query: { scopes: 'identity' } })
    for (const options of [{}, { bearer: mallory.access_token }]) {
      const code = await handOff(await danceGithub(await hubPerson(), { bearer: access_token, query: asked }))
      expect(await refusal(redeem(code, options))).toEqual([400, 'invalid_grant'])
      expect(await refusal(redeem(code, { bearer: access_token }))).toEqual([400, 'invalid_grant'])
    }
    expect(await count('user_identities')).toBe(2)
  })

  it('OA-37 another’s GitHub, 20 at once and the database 20 ms away: 409 each, the identity unmoved', async () => {
    const hub = await hubPerson()
    const owner = await userOf((await signInGithub(hub)).access_token)
    const thief = await newPerson('mallory@gmail.com', { query: { scopes: 'identity' } })
    const callbacks = await Promise.all(
      Array.from({ length: 20 }, () => danceGithub(hub, { bearer: thief.access_token, query: asked })),
    )
    await proxy.setDelay(20)
    const outcomes = await Promise.all(callbacks.map((callback) => outcome(comeBack(callback))))
    expect(new Set(outcomes)).toEqual(new Set(['302 identity_in_use']))
    await proxy.setDelay(0)
    expect(await query(`SELECT user_id FROM user_identities WHERE provider_cd = 'github'`)).toEqual([
      { user_id: owner },
    ])
    const cookies = await signInBrowser('mallory@gmail.com', new Map(), { query: { scopes: 'identity' } })
    const landed = await browseGithub(cookies, hub, { ...asked, return_to: '/settings/security' })
    expect([landed.pathname, landed.search]).toEqual(['/mailboxes', '?error=identity_in_use'])
  })

  it('OA-37 a free GitHub wanted by two people at once, 10 runs: one has it, the other gets 409', async () => {
    const people = [
      await newPerson('ada@gmail.com', { query: { scopes: 'identity' } }),
      await newPerson('bob@gmail.com', { query: { scopes: 'identity' } }),
    ]
    for (let run = 0; run < 10; run += 1) {
      const hub = await hubPerson()
      const codes = await Promise.all(
        people.map(async ({ access_token: bearer }) => ({
          bearer,
          code: await handOff(await danceGithub(hub, { bearer, query: asked })),
        })),
      )
      await proxy.setDelay(20)
      const statuses = await Promise.all(codes.map(async ({ bearer, code }) => (await redeem(code, { bearer })).status))
      await proxy.setDelay(0)
      expect(statuses.sort()).toEqual([200, 409])
      expect(await count('user_identities', 'provider_subject_txt = $1', [String(hub.id)])).toBe(1)
    }
  })

  it('an unredeemed link is no link: after its minute the grant is revoked at GitHub', async () => {
    const hub = await hubPerson()
    const { access_token } = await newPerson('ada@gmail.com', { query: { scopes: 'identity' } })
    await handOff(await danceGithub(hub, { bearer: access_token, query: asked }))
    expect(await github.grants()).toEqual({ grants: 1, tokens: 1 })
    await query(`UPDATE one_time_codes SET expires_at_utc = now() - interval '2 minutes' WHERE purpose_cd <> 'flow'`)
    await tick()
    await tick()
    expect(await github.grants()).toEqual({ grants: 0, tokens: 0 })
    expect(await count('user_identities')).toBe(1)
    expect(await count('erasures')).toBe(0)
  })
})

describe('listing', () => {
  it('shows the caller’s own only, newest first, page by page', async () => {
    const person = await bothWays()
    await bothWays('mallory@gmail.com')
    const first = await list(person.access_token, '?limit=1')
    expect(first.items.map(({ provider }) => provider)).toEqual(['github'])
    const rest = await list(person.access_token, `?limit=1&cursor=${first.next_cursor}`)
    expect([rest.items.map(({ provider }) => provider), rest.next_cursor]).toEqual([['google'], null])
    expect(Object.keys(rest.items[0] ?? {})).toEqual(['id', 'provider', 'email', 'created_at'])
    for (const bad of ['?limit=0', '?limit=101', '?cursor=x', '?user_id=1'])
      expect(await refusal(call(`/auth/identities${bad}`, { bearer: person.access_token }))).toEqual([
        422,
        'invalid_input',
      ])
  })

  it('is empty for somebody with a password only; a connected mailbox is none', async () => {
    const person = await newPerson('ada@gmail.com')
    await query('DELETE FROM user_identities')
    expect((await onlyMailbox(person.access_token)).email).toBe('ada@gmail.com')
    expect(await list(person.access_token)).toEqual({ items: [], next_cursor: null })
  })
})

describe('unlinking', () => {
  it('takes the way away: the session that asked goes on, all others end, waiting codes die, one audit row', async () => {
    const person = await bothWays()
    const other = await signInGithub(person.hub)
    const browser = await signInBrowser('ada@gmail.com', new Map(), { query: { scopes: 'identity' } })
    const waiting = handOffOf(await comeBack(await danceGithub(person.hub)))
    const id = await idOf(person.access_token, 'github')
    // Its last use is long ago: the stamp of this one must not undo that the session is kept.
    await age('last_seen_at_utc', 10)
    expect((await unlink(person.access_token, id)).status).toBe(204)
    expect((await list(person.access_token)).items.map(({ provider }) => provider)).toEqual(['google'])
    const renewed = await json<TokenPair>(call('/auth/refresh', { json: { refresh_token: person.refresh_token } }))
    expect(await userOf(renewed.access_token)).toBe(person.userId)
    expect(await refusal(call('/auth/me', { bearer: other.access_token }))).toEqual([401, 'unauthorized'])
    expect((await call('/auth/refresh', { json: { refresh_token: other.refresh_token } })).status).toBe(401)
    expect((await call('/mailboxes', { cookies: browser })).headers.get('Location')).toBe(
      '/sign-in?return_to=/mailboxes',
    )
    expect(await refusal(redeem(waiting))).toEqual([400, 'invalid_grant'])
    expect(await count('sessions', 'revoked_at_utc IS NULL')).toBe(1)
    expect((await auditOf(person.userId)).filter(({ action }) => action === 'identity.unlinked')).toEqual([
      {
        action: 'identity.unlinked',
        outcome: 'success',
        actor: person.userId,
        event: { provider: 'github', identity_id: id },
      },
    ])
    // Twice is 404, and GitHub's account is a stranger's again.
    expect(await refusal(unlink(person.access_token, id))).toEqual([404, 'not_found'])
    expect(await userOf((await signInGithub(person.hub)).access_token)).not.toBe(person.userId)
  })

  it('what was unlinked may be linked again', async () => {
    const person = await bothWays()
    expect((await unlink(person.access_token, await idOf(person.access_token, 'github'))).status).toBe(204)
    expect((await linkGithub(person.access_token, person.hub)).status).toBe(200)
    expect(await userOf((await signInGithub(person.hub)).access_token)).toBe(person.userId)
  })

  it('a sign-in in flight across it is dead on arrival', async () => {
    const person = await bothWays()
    const callback = await danceGithub(person.hub)
    const id = await idOf(person.access_token, 'github')
    // The look has seen the identity; its write waits for the row that the unlinking holds.
    await query('BEGIN')
    await query('SELECT FROM users FOR UPDATE')
    const unlinked = unlink(person.access_token, id)
    await untilSomebodyWaits()
    const arriving = await comeBack(callback)
    await query('COMMIT')
    expect((await unlinked).status).toBe(204)
    expect(await refusal(redeem(handOffOf(arriving)))).toEqual([400, 'invalid_grant'])
    expect(await count('sessions', 'revoked_at_utc IS NULL')).toBe(1)
  })

  it('OA-28 the last one stays: 409; a connected mailbox does not count, neither does one that is another’s', async () => {
    const person = await newPerson('ada@gmail.com')
    const { items } = await list(person.access_token)
    expect(await refusal(unlink(person.access_token, items[0]?.id ?? ''))).toEqual([409, 'last_sign_in_method'])
    const hub = await signInGithub(await hubPerson())
    expect(await refusal(unlink(hub.access_token, await idOf(hub.access_token, 'github')))).toEqual([
      409,
      'last_sign_in_method',
    ])
    expect(await count('user_identities')).toBe(2)
    expect(await count('sessions', 'revoked_at_utc IS NULL')).toBe(2)
    expect(await count('users', 'credential_version_nbr > 1')).toBe(0)
  })

  it('OA-28 a password counts where there is a name to say with it: a verified address or a user name', async () => {
    const person = await newPerson('ada@gmail.com', { query: { scopes: 'identity' } })
    await query(`UPDATE users SET password_hash_txt = '$argon2id$test'`)
    expect((await unlink(person.access_token, await idOf(person.access_token, 'google'))).status).toBe(204)
    expect(await count('user_identities')).toBe(0)
    const nameless = await signInGithub(await hubPerson())
    const id = await idOf(nameless.access_token, 'github')
    await query(`UPDATE users SET password_hash_txt = '$argon2id$test' WHERE password_hash_txt IS NULL`)
    expect(await refusal(unlink(nameless.access_token, id))).toEqual([409, 'last_sign_in_method'])
    await query(`UPDATE users SET username_txt = 'octo' WHERE email_verified_at_utc IS NULL`)
    expect((await unlink(nameless.access_token, id)).status).toBe(204)
  })

  it('needs a proof of presence of at most 15 minutes', async () => {
    const person = await bothWays()
    const id = await idOf(person.access_token, 'github')
    await age('authenticated_at_utc', 16)
    expect(await refusal(unlink(person.access_token, id))).toEqual([403, 'step_up_required'])
    expect(await count('user_identities')).toBe(2)
    await age('authenticated_at_utc', 14)
    expect((await unlink(person.access_token, id)).status).toBe(204)
  })

  it('another’s, none, or no id at all: 404 and 422, and every row stands; a key and a cookie may not ask', async () => {
    const person = await bothWays()
    const admin = await newPerson('admin@gmail.com', { query: { scopes: 'identity' } })
    const theirs = await idOf(person.access_token, 'github')
    expect(await refusal(unlink(admin.access_token, theirs))).toEqual([404, 'not_found'])
    expect(await refusal(unlink(admin.access_token, crypto.randomUUID()))).toEqual([404, 'not_found'])
    expect(await refusal(unlink(admin.access_token, '1'))).toEqual([422, 'invalid_input'])
    const { key } = await newKey(admin.access_token)
    expect(await refusal(unlink(key, theirs))).toEqual([403, 'forbidden'])
    expect(await refusal(call('/auth/identities', { bearer: key }))).toEqual([403, 'forbidden'])
    const cookies: Cookies = await signInBrowser('ada@gmail.com', new Map(), { query: { scopes: 'identity' } })
    expect(await refusal(call('/auth/identities', { cookies }))).toEqual([401, 'unauthorized'])
    const byCookie = call(`/auth/identities/${theirs}`, { method: 'DELETE', cookies })
    expect(await refusal(byCookie)).toEqual([401, 'unauthorized'])
    expect(await refusal(unlink('gp_nothing', theirs))).toEqual([401, 'unauthorized'])
    expect(await count('user_identities')).toBe(3)
  })

  it.each(['one session', 'two sessions'])(
    'OA-28 both ways at once by %s, the database 20 ms away, 10 runs: one always stays',
    async (which) => {
      for (let run = 0; run < 10; run += 1) {
        await emptyTables()
        await google.reset()
        const person = await bothWays()
        const second = which === 'one session' ? person : await signInGithub(person.hub)
        const [hub, goo] = [await idOf(person.access_token, 'github'), await idOf(person.access_token, 'google')]
        await proxy.setDelay(20)
        const answers = await Promise.all([unlink(person.access_token, hub), unlink(second.access_token, goo)])
        await proxy.setDelay(0)
        // Of two sessions the slower one has been ended by the other.
        const loser = which === 'one session' ? 409 : 401
        expect(answers.map(({ status }) => status).sort()).toEqual([204, loser])
        expect(await count('user_identities')).toBe(1)
        expect(await count('sessions', 'revoked_at_utc IS NULL')).toBe(1)
        for (const answer of answers) await answer.body?.cancel()
      }
    },
  )

  it('the same one 10 times at once: one 204, the others 404; the session lives', async () => {
    const person = await bothWays()
    const id = await idOf(person.access_token, 'github')
    await proxy.setDelay(20)
    const statuses = await Promise.all(
      Array.from({ length: 10 }, async () => (await unlink(person.access_token, id)).status),
    )
    await proxy.setDelay(0)
    expect(statuses.filter((status) => status === 204)).toHaveLength(1)
    expect(statuses.filter((status) => status === 404)).toHaveLength(9)
    expect(await userOf(person.access_token)).toBe(person.userId)
    expect(await count('audit_logs', `action_cd = 'identity.unlinked' AND actor_user_id = $1`, [person.userId])).toBe(1)
  })

  it('a trusted address links again at the next sign-in: taking away is no ban', async () => {
    const trusting = workerEnv({ TRUSTED_EMAIL_PROVIDERS: 'github' })
    const owner = await provenUser('ada@example.com')
    const hub = await github.addPerson({ emails: [primary('ada@example.com')] })
    await query(`UPDATE users SET password_hash_txt = '$argon2id$test'`)
    const { access_token } = await signInGithub(hub, { env: trusting })
    expect((await unlink(access_token, await idOf(access_token, 'github'))).status).toBe(204)
    expect(await userOf((await signInGithub(hub, { env: trusting })).access_token)).toBe(owner)
  })
})

async function newBrowser(email: string): Promise<Cookies> {
  await google.addUser({ email })
  return signInBrowser(email, new Map(), { query: { scopes: 'identity' } })
}
