// People and administrators: lists, changes, roles, disabling, deleting; and those who try it without the right (SECURITY
// AP-01, AP-03, AP-07, AP-22, SE-09, SE-25, SE-28, TV-08). Races run with the database 20 ms away.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { emailHash, usernameHash } from '../../src/auth/subject-hash.ts'
import { importHmacKey } from '../../src/crypto/hash.ts'
import {
  call,
  count,
  cron,
  dance,
  eventually,
  google,
  json,
  land,
  newKey,
  newPerson,
  onlyMailbox,
  refusal,
  signIn,
  signInBrowser,
  type TokenPair,
  vend,
  workerEnv,
} from '../support/app.ts'
import { emptyTables, proxy, query, testAddresses } from '../support/database.ts'
import { begin, consent, cookieLives, handOff, provenUser, redeem, untilSomebodyWaits } from '../support/flows.ts'
import { testKeys } from '../support/keys.ts'
import { someId } from '../support/operations.ts'
import { png } from '../support/pictures.ts'
import { auditOf, consume, dumpTables, heldQueue, refreshCalls, revokeCalls, seedMailbox } from '../support/vault.ts'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await proxy.setDelay(0)
})

interface UserJson {
  id: string
  email: string
  username: string | null
  full_name: string | null
  role: string
  is_active: boolean
  locked_until: string | null
}

interface UserRow {
  full_name_txt: string | null
  role_cd: string
}

type Person = TokenPair & { userId: string }

const identity = { query: { scopes: 'identity' } }
const admin = () => newPerson('admin@gmail.com', identity)
const person = (name: string) => newPerson(`${name}@gmail.com`, identity)
const path = (id: string) => `/api/v1/users/${id}`
const put = (by: Person, id: string, body: object) =>
  call(path(id), { method: 'PUT', bearer: by.access_token, json: body })
const remove = (by: Person, id: string, options: Parameters<typeof call>[1] = {}) =>
  call(path(id), { method: 'DELETE', bearer: by.access_token, ...options })
const list = async (by: Person, query = '') =>
  json<{ items: UserJson[]; next_cursor: string | null }>(call(`/api/v1/users${query}`, { bearer: by.access_token }))
const rowOf = async (id: string) => (await query<UserRow>('SELECT * FROM users WHERE user_id = $1', [id]))[0]
const staleNow = () => query(`UPDATE sessions SET authenticated_at_utc = now() - interval '16 minutes'`)
const refusals = () =>
  query<{ verb: string }>(
    `SELECT subject_id_txt AS verb FROM audit_logs WHERE action_cd = 'admin.refused' AND actor_user_id IN (SELECT user_id FROM users) ORDER BY audit_log_id`,
  )
/** A further administrator, made by the first. */
async function secondAdmin(first: Person, name = 'eve'): Promise<Person> {
  const made = await person(name)
  await json(put(first, made.userId, { role: 'admin' }))
  return made
}

describe('who may', () => {
  it('AP-01 another’s entry is for administrators; nobody learns who exists', async () => {
    const [ada, bob] = [await person('ada'), await person('bob')]
    for (const id of [bob.userId, someId]) {
      expect(await refusal(call(path(id), { bearer: ada.access_token }))).toEqual([403, 'forbidden'])
      expect(await refusal(put(ada, id, { full_name: 'x' }))).toEqual([403, 'forbidden'])
      expect(await refusal(remove(ada, id))).toEqual([403, 'forbidden'])
      for (const method of ['GET', 'PUT', 'DELETE']) expect((await call(path(id), { method })).status).toBe(401)
    }
    expect((await rowOf(bob.userId))?.full_name_txt).toBe('bob')
    const own = await json<UserJson>(call(path(ada.userId), { bearer: ada.access_token }))
    expect(own).toMatchObject({ id: ada.userId, role: 'user', is_active: true, locked_until: null })
  })

  it('SE-28 each verb of administrators is 403 for a live ordinary session, on record, and nothing changed', async () => {
    const [ada, bob] = [await person('ada'), await person('bob')]
    const before = await rowOf(bob.userId)
    const attempts: [string, string, object?][] = [
      ['GET', '/api/v1/users'],
      ['GET', '/api/v1/audit-logs'],
      ['PUT', path(bob.userId), { role: 'admin' }],
      ['PUT', path(bob.userId), { is_active: false }],
      ['DELETE', path(bob.userId)],
      ['POST', `${path(bob.userId)}/unlock`],
      ['PUT', path(ada.userId), { role: 'admin' }],
      ['PUT', path(ada.userId), { full_name: 'Ada', is_active: true }],
    ]
    for (const [method, where, body] of attempts) {
      const options = body === undefined ? {} : { json: body }
      expect(
        await refusal(call(where, { method, bearer: ada.access_token, ...options })),
        `${method} ${where}`,
      ).toEqual([403, 'forbidden'])
    }
    expect(await rowOf(bob.userId)).toEqual(before)
    expect(await rowOf(ada.userId)).toMatchObject({ role_cd: 'user', full_name_txt: 'ada' })
    expect((await refusals()).map(({ verb }) => verb)).toEqual([
      'user.list',
      'audit_trail.read',
      'user.update',
      'user.update',
      'user.delete',
      'user.unlock',
      'user.update',
      'user.update',
    ])
  })

  it('AP-07 what is no id is refused in our words; an id of nobody is 404 for an administrator', async () => {
    const boss = await admin()
    for (const method of ['GET', 'DELETE']) {
      expect(await refusal(call(path('not-a-uuid'), { method, bearer: boss.access_token }))).toEqual([
        422,
        'invalid_input',
      ])
      expect(await refusal(call(path(someId), { method, bearer: boss.access_token }))).toEqual([404, 'not_found'])
    }
    expect(await refusal(put(boss, someId, { full_name: 'x' }))).toEqual([404, 'not_found'])
    expect(await refusal(call(`${path(someId)}/unlock`, { method: 'POST', bearer: boss.access_token }))).toEqual([
      404,
      'not_found',
    ])
  })

  it('unknown and forbidden fields are refused, nothing is taken from them', async () => {
    const ada = await person('ada')
    for (const body of [
      { email: 'x@y.z' },
      { id: someId },
      { email_verified: true },
      { password: 'x' },
      { role: 'owner' },
      { is_active: 'false' },
      { created_at: 'x' },
    ]) {
      expect(await refusal(put(ada, ada.userId, body))).toEqual([422, 'invalid_input'])
      expect(await refusal(call('/auth/me', { method: 'PATCH', bearer: ada.access_token, json: body }))).toEqual([
        422,
        'invalid_input',
      ])
    }
  })
})

describe('the list', () => {
  it('searches address, user name and full name, in any case, and takes no wildcards', async () => {
    const boss = await admin()
    const [ada, bob] = [await person('ada'), await person('bob')]
    await json(put(boss, ada.userId, { full_name: 'Ada 100%_Lovelace\\', username: 'countess' }))
    const found = async (q: string) => (await list(boss, `?q=${encodeURIComponent(q)}`)).items.map(({ id }) => id)
    for (const q of ['ADA@', 'count', 'lovelace', '100%_', '\\', 'Ada 100'])
      expect(await found(q), q).toEqual([ada.userId])
    for (const q of ['a%a', '_da', 'bob_', "';--", 'nobody', 'a'.repeat(200)]) expect(await found(q), q).toEqual([])
    expect(await found('%')).toEqual([ada.userId])
    expect(await found('@gmail.com')).toEqual([bob.userId, ada.userId, boss.userId])
    expect(await found('')).toHaveLength(3)
  })

  it('filters by role and activity, and pages by cursor, newest first', async () => {
    const boss = await admin()
    const people = [await person('ada'), await person('bob'), await person('cleo')]
    await json(put(boss, people[1]?.userId ?? '', { is_active: false }))
    const ids = async (q: string) => (await list(boss, q)).items.map(({ email }) => email.split('@')[0])
    expect(await ids('?role=admin')).toEqual(['admin'])
    expect(await ids('?role=user&is_active=true')).toEqual(['cleo', 'ada'])
    expect(await ids('?is_active=false')).toEqual(['bob'])
    const first = await list(boss, '?limit=3')
    expect(first.items.map(({ email }) => email)).toEqual(['cleo@gmail.com', 'bob@gmail.com', 'ada@gmail.com'])
    const second = await list(boss, `?limit=3&cursor=${first.next_cursor}`)
    expect(second.items.map(({ id }) => id)).toEqual([boss.userId])
    expect(second.next_cursor).toBeNull()
    expect(Object.keys(second.items[0] ?? {}).sort()).toEqual([
      'avatar_url',
      'created_at',
      'email',
      'email_verified',
      'full_name',
      'id',
      'is_active',
      'locked_until',
      'role',
      'username',
    ])
    for (const q of ['?limit=0', '?limit=101', '?cursor=x', '?role=x', '?is_active=1', '?unknown=1'])
      expect(await refusal(call(`/api/v1/users${q}`, { bearer: boss.access_token })), q).toEqual([422, 'invalid_input'])
  })
})

describe('names', () => {
  const patch = (by: Person, body: object) => call('/auth/me', { method: 'PATCH', bearer: by.access_token, json: body })

  it('PATCH /auth/me sets, keeps and clears; each change is on record without the names', async () => {
    const ada = await person('ada')
    const me = await json(patch(ada, { username: 'Ada.L', full_name: '  Ada Lovelace  ' }))
    expect(me).toMatchObject({ username: 'ada.l', full_name: 'Ada Lovelace' })
    expect(await json(patch(ada, { full_name: null }))).toMatchObject({ username: 'ada.l', full_name: null })
    expect(await json(patch(ada, {}))).toMatchObject({ username: 'ada.l', full_name: null })
    expect(await json(patch(ada, { username: null }))).toMatchObject({ username: null })
    const rows = (await auditOf(ada.userId)).filter(({ action }) => action === 'profile.updated')
    expect(rows.map(({ event }) => event)).toContainEqual({ username: true, full_name: true })
    expect(JSON.stringify(rows)).not.toContain('Lovelace')
  })

  it.each([
    ['username', ['ab', 'a'.repeat(33), '.ada', 'a da', 'ädä', 'ada@x', '', 'a\u212aa', 'ada\n', 5]],
    ['full_name', ['', '   ', 'a'.repeat(201), 'a\nb', 'a\u0000b', 'a\u0007b', 5]],
  ])('PATCH /auth/me refuses %s', async (field, values) => {
    const ada = await person('ada')
    for (const value of values)
      expect((await patch(ada, { [field]: value })).status, JSON.stringify(value)).toBeOneOf([400, 422])
    expect(await rowOf(ada.userId)).toMatchObject({ username_txt: null, full_name_txt: 'ada' })
  })

  it('a user name is one person’s: taken in any case, and by one of two at once', async () => {
    const [ada, bob] = [await person('ada'), await person('bob')]
    await json(patch(ada, { username: 'taken' }))
    expect(await refusal(patch(bob, { username: 'TAKEN' }))).toEqual([409, 'username_taken'])
    expect(await refusal(put(bob, bob.userId, { username: 'taken', full_name: 'Bob' }))).toEqual([
      409,
      'username_taken',
    ])
    expect((await rowOf(bob.userId))?.full_name_txt).toBe('bob')
    await proxy.setDelay(20)
    const answers = await Promise.all([patch(ada, { username: 'both' }), patch(bob, { username: 'both' })])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
    expect(await count('users', `username_txt = 'both'`)).toBe(1)
  })

  it('the user name that a password needs cannot be cleared where nothing else leads in', async () => {
    const ada = await person('ada')
    await json(patch(ada, { username: 'ada' }))
    await query(`UPDATE users SET password_hash_txt = 'x', email_verified_at_utc = NULL, email_proof_cd = NULL`)
    await query('DELETE FROM user_identities')
    expect(await refusal(patch(ada, { username: null }))).toEqual([409, 'last_sign_in_method'])
    expect(await refusal(put(ada, ada.userId, { username: null }))).toEqual([409, 'last_sign_in_method'])
    expect(await json(patch(ada, { username: 'ada2' }))).toMatchObject({ username: 'ada2' })
  })
})

describe('administrators', () => {
  it('AP-03 the only administrator can neither demote, disable nor delete themselves', async () => {
    const boss = await admin()
    for (const body of [{ role: 'user' }, { is_active: false }, { role: 'user', full_name: 'x' }])
      expect(await refusal(put(boss, boss.userId, body))).toEqual([409, 'last_admin'])
    expect(await refusal(remove(boss, boss.userId))).toEqual([409, 'last_admin'])
    expect(await refusal(call('/auth/me', { method: 'DELETE', bearer: boss.access_token }))).toEqual([
      409,
      'last_admin',
    ])
    expect(await rowOf(boss.userId)).toMatchObject({ role_cd: 'admin', is_active_flg: true, full_name_txt: 'admin' })
    // A disabled administrator is none.
    const eve = await secondAdmin(boss)
    await json(put(boss, eve.userId, { is_active: false }))
    expect(await refusal(remove(boss, boss.userId))).toEqual([409, 'last_admin'])
  })

  it('a role acts at once in both directions, and is told once', async () => {
    const boss = await admin()
    const eve = await secondAdmin(boss)
    expect((await list(eve)).items).toHaveLength(2)
    await json(put(boss, eve.userId, { role: 'admin' }))
    await json(put(boss, eve.userId, { role: 'user' }))
    expect(await refusal(call('/api/v1/users', { bearer: eve.access_token }))).toEqual([403, 'forbidden'])
    const changes = (await auditOf(eve.userId)).filter(({ action }) => action === 'user.role_changed')
    expect(changes.map(({ event, actor }) => [actor, event])).toEqual([
      [boss.userId, { from: 'user', to: 'admin' }],
      [boss.userId, { from: 'admin', to: 'user' }],
    ])
  })

  it('an administrator by setting cannot be demoted, where letter or Google proved the address', async () => {
    const boss = await admin()
    const eve = await secondAdmin(boss)
    for (const proof of ['google', 'letter']) {
      await query('UPDATE users SET email_proof_cd = $2 WHERE user_id = $1', [boss.userId, proof])
      expect(await refusal(put(eve, boss.userId, { role: 'user' }))).toEqual([409, 'admin_by_setting'])
    }
    expect((await rowOf(boss.userId))?.role_cd).toBe('admin')
    // A trusted provider's word makes nobody an administrator by setting, so it keeps nobody one.
    await query(`UPDATE users SET email_proof_cd = 'trusted' WHERE user_id = $1`, [boss.userId])
    expect(await json(put(eve, boss.userId, { role: 'user' }))).toMatchObject({ role: 'user' })
  })

  it.each([
    ['demote', (by: Person, id: string) => put(by, id, { role: 'user' })],
    ['disable', (by: Person, id: string) => put(by, id, { is_active: false })],
    ['delete', (by: Person, id: string) => remove(by, id)],
  ])('AP-03 two administrators %s each other, and themselves, at once: one is left', async (_, verb) => {
    for (let round = 0; round < 4; round += 1) {
      await emptyTables()
      await google.reset()
      const boss = await admin()
      const eve = await secondAdmin(boss)
      await query(`UPDATE users SET email_proof_cd = 'trusted'`)
      await proxy.setDelay(20)
      const answers = await Promise.all(
        round % 2 === 0
          ? [verb(boss, eve.userId), verb(eve, boss.userId)]
          : [verb(boss, boss.userId), verb(eve, eve.userId)],
      )
      await proxy.setDelay(0)
      expect(await count('users', `role_cd = 'admin' AND is_active_flg`)).toBe(1)
      expect(answers.filter(({ status }) => status < 300)).toHaveLength(1)
      expect(answers.find(({ status }) => status >= 300)?.status).toBeOneOf([401, 403, 409])
    }
  })

  it('who was demoted a moment ago demotes nobody: the second waits, and sees it', async () => {
    const boss = await admin()
    const [eve, ada] = [await secondAdmin(boss), await secondAdmin(boss, 'ada')]
    await query('BEGIN')
    await query(`UPDATE users SET role_cd = 'user' WHERE user_id = $1`, [eve.userId])
    const late = put(eve, ada.userId, { role: 'user' })
    await untilSomebodyWaits()
    await query('COMMIT')
    expect(await refusal(late)).toEqual([403, 'forbidden'])
    expect((await rowOf(ada.userId))?.role_cd).toBe('admin')
  })
})

describe('disabling', () => {
  it('SE-09 sessions, tokens and vending end at once; all of it is on record', async () => {
    const boss = await admin()
    const ada = await newPerson('ada@gmail.com')
    const cookies = await signInBrowser('ada@gmail.com')
    const box = await onlyMailbox(ada.access_token)
    const { key } = await newKey(boss.access_token)
    expect((await vend(key, box.id)).status).toBe(200)
    expect(await json(put(boss, ada.userId, { is_active: false }))).toMatchObject({ is_active: false })
    expect(await refusal(call('/auth/me', { bearer: ada.access_token }))).toEqual([401, 'unauthorized'])
    expect((await call('/auth/refresh', { json: { refresh_token: ada.refresh_token } })).status).toBe(401)
    expect(await cookieLives(cookies)).toBe(false)
    expect((await vend(key, box.id)).status).toBe(404)
    expect(await count('sessions', 'user_id = $1 AND revoked_at_utc IS NULL', [ada.userId])).toBe(0)
    expect(
      await count(
        'refresh_tokens t JOIN sessions s USING (session_id)',
        's.user_id = $1 AND t.revoked_at_utc IS NULL',
        [ada.userId],
      ),
    ).toBe(0)
    await json(put(boss, ada.userId, { is_active: false, full_name: 'Ada' }))
    expect(
      (await auditOf(ada.userId)).map(({ action }) => action).filter((action) => action.startsWith('user.')),
    ).toEqual(['user.created', 'user.disabled', 'user.updated'])
  })

  it('SE-25 no way in, and no provider call for their data, until enabled again', async () => {
    const boss = await admin()
    const ada = await newPerson('ada@gmail.com')
    const waiting = await handOff(await consent(await begin({ scopes: 'identity' }), { email: 'ada@gmail.com' }))
    await json(put(boss, ada.userId, { is_active: false }))
    expect(await refusal(redeem(waiting))).toEqual([400, 'invalid_grant'])
    await expect(signIn('ada@gmail.com', identity)).rejects.toThrow('account_disabled')
    expect(await count('sessions', 'user_id = $1 AND revoked_at_utc IS NULL', [ada.userId])).toBe(0)
    const before = await refreshCalls()
    await query(
      `UPDATE oauth_tokens SET refresh_due_at_utc = now() - interval '1 second', expires_at_utc = now() - interval '1 second'`,
    )
    await cron()
    await eventually(async () =>
      (await count(
        'oauth_tokens',
        `lease_until_utc IS NULL AND refresh_due_at_utc > now() + interval '10 minutes'`,
      )) === 1
        ? true
        : null,
    )
    expect(await refreshCalls()).toBe(before)
    expect(await json(put(boss, ada.userId, { is_active: true }))).toMatchObject({ is_active: true })
    expect(await count('oauth_tokens', 'refresh_due_at_utc <= now()')).toBe(1)
    await cron()
    await eventually(async () => ((await refreshCalls()) === before + 1 ? true : null))
    expect((await signIn('ada@gmail.com', identity)).access_token).toBeTypeOf('string')
    // Sessions from before stay ended.
    expect((await call('/auth/me', { bearer: ada.access_token })).status).toBe(401)
  })
})

describe('unlocking', () => {
  it('lifts the locks of account, address, user name and step-up, of this user only', async () => {
    const boss = await admin()
    const [ada, bob] = [await person('ada'), await person('bob')]
    await json(put(boss, ada.userId, { username: 'ada' }))
    const key = await importHmacKey(
      Uint8Array.from(atob(testKeys.CODE_PEPPER), (c) => c.charCodeAt(0)),
      'gatepost/subject',
    )
    const hashes = [
      await emailHash(key, 'ada@gmail.com'),
      await usernameHash(key, 'ada'),
      await emailHash(key, 'bob@gmail.com'),
    ]
    await query(
      `INSERT INTO login_attempts (identifier_hash_txt, failed_cnt, locked_until_utc) SELECT unnest($1::text[]), 5, now() + interval '30 minutes'`,
      [hashes],
    )
    await query(
      `INSERT INTO login_attempts (user_id, failed_cnt, locked_until_utc) SELECT user_id, 5, now() + interval '30 minutes' FROM users`,
    )
    await query(
      `INSERT INTO login_attempts (session_id, failed_cnt, locked_until_utc) SELECT session_id, 5, now() + interval '30 minutes' FROM sessions WHERE user_id = $1`,
      [ada.userId],
    )
    const locked = (await list(boss, '?q=ada@')).items[0]?.locked_until
    expect(Date.parse(locked ?? '')).toBeGreaterThan(Date.now())
    const unlocked = await json<UserJson>(
      call(`${path(ada.userId)}/unlock`, { method: 'POST', bearer: boss.access_token }),
    )
    expect(unlocked.locked_until).toBeNull()
    expect(await count('login_attempts', 'locked_until_utc IS NULL AND failed_cnt = 0')).toBe(4)
    const left = await query(
      'SELECT 1 FROM login_attempts WHERE locked_until_utc IS NOT NULL AND (user_id = ANY($1) OR identifier_hash_txt = $2)',
      [[bob.userId, boss.userId], hashes[2]],
    )
    expect(left).toHaveLength(3)
    expect(await auditOf(ada.userId)).toContainEqual({
      action: 'user.unlocked',
      outcome: 'success',
      actor: boss.userId,
      event: {},
    })
  })
})

describe('deleting', () => {
  /** Connects a further mailbox. */
  async function connect(by: Person, email: string): Promise<string> {
    await google.addUser({ email, name: 'box' })
    let landed = await land(await dance(email, { query: { purpose: 'connect' }, bearer: by.access_token }))
    if (landed.origin === testAddresses.GOOGLE_EMULATOR_URL)
      landed = await land(await google.redirect({ url: landed, email, grant: 'all' }))
    const state = landed.searchParams.get('state')
    return (
      await json<{ mail_account: { id: string } }>(call('/auth/token', { bearer: by.access_token, json: { state } }))
    ).mail_account.id
  }

  it('TV-08 with two mailboxes, three sessions, a picture, a key: all secrets gone, grants revoked, messages come to nothing', async () => {
    const boss = await admin()
    const ada = await newPerson('ada@gmail.com')
    await connect(ada, 'ada.work@gmail.com')
    await signIn('ada@gmail.com', identity)
    await signInBrowser('ada@gmail.com')
    await json(call('/auth/me/avatar', { method: 'PUT', bearer: ada.access_token, body: png() }))
    await newKey(boss.access_token, { user_id: ada.userId })
    const envelopes = await query<{ a: string; r: string }>(
      'SELECT access_token_txt AS a, refresh_token_txt AS r FROM oauth_tokens',
    )
    expect(envelopes).toHaveLength(2)
    const before = await revokeCalls()
    const queue = heldQueue()
    expect((await remove(ada, ada.userId, { env: workerEnv({ DELIVER_QUEUE: queue }) })).status).toBe(204)

    for (const table of ['users', 'sessions', 'user_identities', 'api_keys'])
      expect(await count(table, 'user_id = $1', [ada.userId]), table).toBe(0)
    expect(
      await count(
        'oauth_tokens',
        'access_token_txt IS NOT NULL OR refresh_token_txt IS NOT NULL OR refresh_due_at_utc IS NOT NULL',
      ),
    ).toBe(0)
    expect(
      await count('user_mail_accounts', `user_id IS NULL AND NOT is_active_flg AND status_cd = 'disconnected'`),
    ).toBe(2)
    const dump = await dumpTables()
    for (const [table, rows] of dump)
      for (const { a, r } of envelopes) {
        expect(rows, table).not.toContain(a)
        if (table !== 'erasures') expect(rows, table).not.toContain(r)
      }
    expect(await query('SELECT kind_cd, recipient_txt, status_cd FROM letters')).toEqual([
      { kind_cd: 'account_deleted', recipient_txt: 'ada@gmail.com', status_cd: 'due' },
    ])
    const kinds = queue.bodies.map((body) => (body as { kind: string }).kind).sort()
    expect(kinds).toEqual(['erase', 'erase', 'erase_avatar', 'letter'])

    const erasing = queue.bodies.filter((body) => (body as { kind: string }).kind !== 'letter')
    for (const body of [...erasing, ...erasing]) expect(await consume(body)).toBe(true)
    expect(await revokeCalls()).toBe(before + 2)
    expect(await count('erasures')).toBe(0)
    expect((await (env as unknown as { AVATARS: R2Bucket }).AVATARS.list()).objects).toEqual([])
    await cron()
    expect([await count('user_mail_accounts'), await count('oauth_tokens')]).toEqual([0, 0])
    expect(await refusal(call('/auth/me', { bearer: ada.access_token }))).toEqual([401, 'unauthorized'])
    // The address is free again, for somebody new.
    expect(
      (await json<{ id: string }>(call('/auth/me', { bearer: (await signIn('ada@gmail.com', identity)).access_token })))
        .id,
    ).not.toBe(ada.userId)
  })

  it('AP-22 the trail of a deleted user stays, and says who did it', async () => {
    const [boss, ada] = [await admin(), await person('ada')]
    await query(
      `INSERT INTO audit_logs (action_cd, outcome_cd, actor_user_id, subject_id_txt) SELECT 'session.created', 'success', $1::uuid, $1::text FROM generate_series(1, 100)`,
      [ada.userId],
    )
    const before = await auditOf(ada.userId)
    expect((await remove(boss, ada.userId)).status).toBe(204)
    const after = await auditOf(ada.userId)
    expect(after.slice(0, before.length)).toEqual(before)
    expect(after.at(-1)).toEqual({
      action: 'user.deleted',
      outcome: 'success',
      actor: boss.userId,
      event: { by: 'admin', mailboxes: 0 },
    })
  })

  it('needs the presence of who asks, of the last 15 minutes: by oneself and by an administrator', async () => {
    const [boss, ada] = [await admin(), await person('ada')]
    await staleNow()
    expect(await refusal(call('/auth/me', { method: 'DELETE', bearer: ada.access_token }))).toEqual([
      403,
      'step_up_required',
    ])
    expect(await refusal(remove(boss, ada.userId))).toEqual([403, 'step_up_required'])
    // The target's presence is not the administrator's.
    await query('UPDATE sessions SET authenticated_at_utc = now() WHERE user_id = $1', [ada.userId])
    expect(await refusal(remove(boss, ada.userId))).toEqual([403, 'step_up_required'])
    expect((await call('/auth/me', { method: 'DELETE', bearer: ada.access_token })).status).toBe(204)
    expect(await count('users')).toBe(1)
  })

  it('a grant that waits for its session is revoked, too', async () => {
    const ada = await person('ada')
    await google.addUser({ email: 'ada.work@gmail.com', name: 'box' })
    const begun = await begin({ purpose: 'connect', scopes: 'mail' }, { bearer: ada.access_token })
    const code = await handOff(await consent(begun, { email: 'ada.work@gmail.com' }))
    expect(await count('one_time_codes', 'payload_sealed_txt IS NOT NULL AND user_id = $1', [ada.userId])).toBe(1)
    expect((await call('/auth/me', { method: 'DELETE', bearer: ada.access_token })).status).toBe(204)
    expect(await refusal(redeem(code, { bearer: ada.access_token }))).toEqual([400, 'invalid_grant'])
    const before = await revokeCalls()
    // Purge gives a connection that is being written 15 s.
    await query(`UPDATE one_time_codes SET expires_at_utc = expires_at_utc - interval '16 seconds'`)
    await cron()
    await eventually(async () => ((await revokeCalls()) === before + 1 ? true : null))
    expect(await count('one_time_codes', 'payload_sealed_txt IS NOT NULL')).toBe(0)
  })

  it('what waits under a code and is no grant is forgotten at once', async () => {
    const ada = await person('ada')
    await query(
      `INSERT INTO one_time_codes (purpose_cd, user_id, payload_sealed_txt, expires_at_utc) VALUES ('email_change', $1, 'gp1.x.y', now() + interval '1 day')`,
      [ada.userId],
    )
    expect((await call('/auth/me', { method: 'DELETE', bearer: ada.access_token })).status).toBe(204)
    expect(
      await count(
        'one_time_codes',
        `purpose_cd = 'email_change' AND payload_sealed_txt IS NULL AND consumed_at_utc IS NOT NULL AND expires_at_utc <= now()`,
      ),
    ).toBe(1)
  })

  it('the other user of a shared mailbox keeps it: nothing is revoked', async () => {
    const [ada, bob] = [await newPerson('ada@gmail.com'), await person('bob')]
    await connect(bob, 'ada@gmail.com')
    const before = await revokeCalls()
    expect((await call('/auth/me', { method: 'DELETE', bearer: ada.access_token })).status).toBe(204)
    await eventually(async () => ((await count('erasures')) === 0 ? true : null))
    expect(await revokeCalls()).toBe(before)
    expect((await onlyMailbox(bob.access_token)).status).toBe('active')
  })

  it('twice at once, with the database 20 ms away: one 204, one refusal, one letter, one row in the trail', async () => {
    const [boss, ada] = [await admin(), await newPerson('ada@gmail.com')]
    await proxy.setDelay(20)
    const answers = await Promise.all([remove(boss, ada.userId), remove(ada, ada.userId), remove(boss, ada.userId)])
    await proxy.setDelay(0)
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1)
    for (const { status } of answers) expect(status).toBeOneOf([204, 401, 403, 404])
    expect(await count('letters', `kind_cd = 'account_deleted'`)).toBe(1)
    expect((await auditOf(ada.userId)).filter(({ action }) => action === 'user.deleted')).toHaveLength(1)
  })

  it('a mailbox that is being connected at this moment is not left behind with its secrets', async () => {
    const ada = await person('ada')
    const box = await seedMailbox()
    await query('BEGIN')
    // As a connection in flight: its mailbox is written, and not yet committed when the deletion takes its snapshot.
    await query('UPDATE user_mail_accounts SET user_id = $1 WHERE user_mail_account_id = $2', [
      ada.userId,
      box.accountId,
    ])
    const gone = call('/auth/me', {
      method: 'DELETE',
      bearer: ada.access_token,
      env: workerEnv({ DELIVER_QUEUE: heldQueue() }),
    })
    await untilSomebodyWaits()
    await query('COMMIT')
    expect((await gone).status).toBe(204)
    expect(await count('oauth_tokens', 'coalesce(access_token_txt, refresh_token_txt) IS NOT NULL')).toBe(0)
    expect(await count('erasures', `kind_cd = 'grant' AND provider_subject_txt = $1`, [box.sub])).toBe(1)
  })

  it('an unverified address gets no letter', async () => {
    const [boss, ada] = [await admin(), await provenUser('ada@x.test')]
    await query('UPDATE users SET email_verified_at_utc = NULL, email_proof_cd = NULL WHERE user_id = $1', [ada])
    expect((await remove(boss, ada)).status).toBe(204)
    expect(await count('letters')).toBe(0)
  })

  it('a sign-in on its way while the account is deleted ends as somebody new, or not at all', async () => {
    for (let round = 0; round < 4; round += 1) {
      await emptyTables()
      const ada = await newPerson('ada@gmail.com', identity)
      await proxy.setDelay(20)
      const [gone, came] = await Promise.allSettled([
        call('/auth/me', { method: 'DELETE', bearer: ada.access_token }),
        signIn('ada@gmail.com', identity),
      ])
      await proxy.setDelay(0)
      expect(gone.status === 'fulfilled' ? gone.value.status : gone.reason).toBe(204)
      expect(await count('users', 'user_id = $1', [ada.userId])).toBe(0)
      const live =
        came.status === 'fulfilled' ? (await call('/auth/me', { bearer: came.value.access_token })).status : 401
      if (live === 200) expect(await count('users')).toBe(1)
    }
  })
})
