// Administration, looked at with hostile eyes: odd input at its doors, refusals in the trail, and what a statement's
// snapshot hides from it.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  call,
  count,
  cron,
  eventually,
  google,
  json,
  newKey,
  newPerson,
  refusal,
  signInBrowser,
  type TokenPair,
} from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import { untilSomebodyWaits } from '../support/flows.ts'
import { someId } from '../support/operations.ts'
import { png } from '../support/pictures.ts'
import { auditOf, revokeCalls } from '../support/vault.ts'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await proxy.setDelay(0)
})

type Person = TokenPair & { userId: string }

const identity = { query: { scopes: 'identity' } }
const admin = () => newPerson('admin@gmail.com', identity)
const person = (name: string) => newPerson(`${name}@gmail.com`, identity)
const path = (id: string) => `/api/v1/users/${id}`
const put = (by: Person, id: string, body: object) =>
  call(path(id), { method: 'PUT', bearer: by.access_token, json: body })
const patch = (by: Person, body: object) => call('/auth/me', { method: 'PATCH', bearer: by.access_token, json: body })
const refusals = () =>
  query<{ verb: string; actor: string | null; event: object }>(
    `SELECT subject_id_txt AS verb, actor_user_id AS actor, event_json AS event FROM audit_logs WHERE action_cd = 'admin.refused' ORDER BY audit_log_id`,
  )
/** A password that only the user name can be said with, and one identity beside it. */
async function withUsernameOnly(by: Person): Promise<void> {
  await json(patch(by, { username: 'ada' }))
  await query(
    `UPDATE users SET password_hash_txt = 'x', email_verified_at_utc = NULL, email_proof_cd = NULL WHERE user_id = $1`,
    [by.userId],
  )
}

describe('odd input', () => {
  it('what PostgreSQL cannot take as text is refused in a query, in our words', async () => {
    const { access_token: bearer } = await admin()
    for (const q of ['q=%00', 'q=a%00b', 'q=x&cursor=%00', '%00=x'])
      expect(await refusal(call(`/api/v1/users?${q}`, { bearer })), q).toEqual([422, 'invalid_input'])
  })

  it.each([
    '/api/v1/users?q=%ED%A0%80',
    '/api/v1/users?q=a&q=b',
    '/api/v1/users?limit=1e400',
    `/api/v1/users/${'a'.repeat(10_000)}`,
    '/api/v1/users/..%2f..%2f',
    '/api/v1/audit-logs?after=0000-01-01T00:00:00Z',
    '/api/v1/audit-logs?after=9999-12-31T23:59:59-23:59',
    '/api/v1/audit-logs?actor=%00&action=%00',
    '/api/v1/cache/status?cursor=%00',
    '/metrics/database/slow-queries?min_ms=0x10',
    '/avatars/%00',
  ])('GET %.60s is answered, not failed at', async (where) => {
    const { access_token: bearer } = await admin()
    expect((await call(where, { bearer })).status).toBeLessThan(500)
  })
})

describe('refusals are on record', () => {
  it('SE-28 each verb of administrators leaves one row, for reading as for changing, for people and keys', async () => {
    const [boss, ada] = [await admin(), await person('ada')]
    // Narrowed to somebody, who did none of this.
    const { id: keyId, key } = await newKey(boss.access_token, { user_id: ada.userId })
    const verbs: [string, string, string, object?][] = [
      ['user.list', 'GET', '/api/v1/users'],
      ['audit_trail.read', 'GET', '/api/v1/audit-logs'],
      ['api_key.list', 'GET', '/api/v1/api-keys'],
      ['user.unlock', 'POST', `${path(boss.userId)}/unlock`],
      ['user.read', 'GET', path(boss.userId)],
      ['user.update', 'PUT', path(boss.userId), { full_name: 'x' }],
      ['user.delete', 'DELETE', path(boss.userId)],
    ]
    for (const [verb, method, where, body] of verbs) {
      const options = { method, ...(body === undefined ? {} : { json: body }) }
      const before = (await refusals()).length
      expect(await refusal(call(where, { ...options, bearer: ada.access_token })), verb).toEqual([403, 'forbidden'])
      expect((await refusals()).slice(before), verb).toEqual([{ verb, actor: ada.userId, event: {} }])
      expect(await refusal(call(where, { ...options, bearer: key })), verb).toEqual([403, 'forbidden'])
      // What people may do with their own entry asks a key nothing.
      const isForPeople = ['user.read', 'user.update', 'user.delete'].includes(verb)
      expect((await refusals()).slice(before + 1), verb).toEqual(
        isForPeople ? [] : [{ verb, actor: null, event: { api_key_id: keyId } }],
      )
    }
    const before = (await refusals()).length
    await json(call(path(ada.userId), { bearer: ada.access_token }))
    await json(call(path(ada.userId), { bearer: boss.access_token }))
    await json(call('/api/v1/users', { bearer: boss.access_token }))
    expect(await refusal(call(`${path(someId)}/unlock`, { method: 'POST', bearer: boss.access_token }))).toEqual([
      404,
      'not_found',
    ])
    expect(await refusals()).toHaveLength(before)
  })

  it('AP-03 so is an administrator who may not be given up, with whom and why', async () => {
    const before = (await refusals()).length
    const boss = await admin()
    const at = { user_id: boss.userId }
    await refusal(put(boss, boss.userId, { is_active: false }))
    await refusal(call(path(boss.userId), { method: 'DELETE', bearer: boss.access_token }))
    const eve = await person('eve')
    await json(put(boss, eve.userId, { role: 'admin' }))
    await refusal(put(eve, boss.userId, { role: 'user' }))
    expect((await refusals()).slice(before)).toEqual([
      { verb: 'user.update', actor: boss.userId, event: { ...at, reason: 'last_admin' } },
      { verb: 'user.delete', actor: boss.userId, event: { ...at, reason: 'last_admin' } },
      { verb: 'user.update', actor: eve.userId, event: { ...at, reason: 'admin_by_setting' } },
    ])
  })
})

describe('one row a change', () => {
  it('several fields at once are several rows; what stays as it is leaves none', async () => {
    const [boss, ada] = [await admin(), await person('ada')]
    const before = (await auditOf(ada.userId)).length
    const rowsOf = async () =>
      (await auditOf(ada.userId)).slice(before).map(({ action, actor, event }) => ({ action, actor, event }))
    await json(put(boss, ada.userId, { username: 'ada', full_name: null, role: 'admin', is_active: false }))
    const told = await rowsOf()
    expect(told.map(({ actor }) => actor)).toEqual([boss.userId, boss.userId, boss.userId])
    expect(told.map(({ action }) => action).sort()).toEqual(['user.disabled', 'user.role_changed', 'user.updated'])
    expect(told.find(({ action }) => action === 'user.updated')?.event).toEqual({ username: true, full_name: true })
    // A disabled administrator counts for nothing and may be demoted; enabled again they are what they are then.
    await json(put(boss, ada.userId, { role: 'user', is_active: true }))
    expect(
      (await rowsOf())
        .slice(3)
        .map(({ action }) => action)
        .sort(),
    ).toEqual(['user.enabled', 'user.role_changed'])
    await json(put(boss, ada.userId, {}))
    await json(put(boss, ada.userId, { role: 'user', is_active: true }))
    expect(await rowsOf()).toHaveLength(5)
    await json(patch(boss, {}))
    expect((await auditOf(boss.userId)).filter(({ action }) => action === 'profile.updated')).toEqual([])
  })

  it('all or nothing: a taken user name takes role and access back, too, and tells nothing', async () => {
    const [boss, ada, bob] = [await admin(), await person('ada'), await person('bob')]
    await json(patch(bob, { username: 'taken' }))
    const before = await auditOf(ada.userId)
    expect(await refusal(put(boss, ada.userId, { username: 'taken', role: 'admin', is_active: false }))).toEqual([
      409,
      'username_taken',
    ])
    expect(await auditOf(ada.userId)).toEqual(before)
    expect((await call('/auth/me', { bearer: ada.access_token })).status).toBe(200)
  })
})

describe('what the snapshot hides', () => {
  it.each([
    ['by oneself', (by: Person) => patch(by, { username: null })],
    ['by PUT', (by: Person) => put(by, by.userId, { username: null })],
  ])('OA-28 the user name stays, cleared %s while the last identity is unlinked', async (_, clear) => {
    const ada = await person('ada')
    await withUsernameOnly(ada)
    await query('BEGIN')
    // As unlinking does it: the user's row held, the identity gone, the session that asked raised with its user.
    await query('UPDATE users SET credential_version_nbr = credential_version_nbr + 1')
    await query('UPDATE sessions SET credential_version_nbr = credential_version_nbr + 1')
    await query('DELETE FROM user_identities')
    const late = clear(ada)
    await untilSomebodyWaits()
    await query('COMMIT')
    expect(await refusal(late)).toEqual([409, 'last_sign_in_method'])
    expect(await count('users', `username_txt = 'ada'`)).toBe(1)
  })

  it('OA-28 unlinking and clearing at once, with the database 20 ms away: there is always a way in', async () => {
    for (let round = 0; round < 6; round += 1) {
      await emptyTables()
      await google.reset()
      const ada = await person('ada')
      await withUsernameOnly(ada)
      const bearer = ada.access_token
      const { items } = await json<{ items: { id: string }[] }>(call('/auth/identities', { bearer }))
      await proxy.setDelay(20)
      const unlinking = () => call(`/auth/identities/${items[0]?.id}`, { method: 'DELETE', bearer })
      const clearing = () => (round < 3 ? patch(ada, { username: null }) : put(ada, ada.userId, { username: null }))
      await Promise.all(round % 2 === 0 ? [unlinking(), clearing()] : [clearing(), unlinking()])
      await proxy.setDelay(0)
      expect(
        await count(
          'users u',
          'username_txt IS NOT NULL OR EXISTS (SELECT FROM user_identities i WHERE i.user_id = u.user_id)',
        ),
      ).toBe(1)
    }
  })

  it('AP-03 demoting, disabling and leaving at once, with the database 20 ms away: one administrator is left', async () => {
    for (let round = 0; round < 4; round += 1) {
      await emptyTables()
      await google.reset()
      const [boss, eve, ida] = [await admin(), await person('eve'), await person('ida')]
      for (const { userId } of [eve, ida]) await json(put(boss, userId, { role: 'admin' }))
      await query(`UPDATE users SET email_proof_cd = 'trusted'`)
      await proxy.setDelay(20)
      await Promise.all([
        put(boss, eve.userId, { role: 'user' }),
        put(eve, ida.userId, { is_active: false }),
        call('/auth/me', { method: 'DELETE', bearer: ida.access_token }),
        put(ida, boss.userId, { role: 'user' }),
        call('/auth/me', { method: 'DELETE', bearer: boss.access_token }),
      ])
      await proxy.setDelay(0)
      expect(await count('users', `role_cd = 'admin' AND is_active_flg`)).toBeGreaterThan(0)
    }
  })

  it.each([
    ['put', { method: 'PUT', body: png() }],
    ['removed', { method: 'DELETE' }],
    ['renamed', { method: 'PATCH', json: { full_name: 'x' } }],
  ])(
    'a person who is deleted while their picture or name is %s is nobody: 401, and no picture stays',
    async (_, options) => {
      const bucket = (env as unknown as { AVATARS: R2Bucket }).AVATARS
      for (const { key } of (await bucket.list()).objects) await bucket.delete(key)
      const ada = await person('ada')
      await query('BEGIN')
      await query('DELETE FROM users')
      const late = call(options.method === 'PATCH' ? '/auth/me' : '/auth/me/avatar', {
        bearer: ada.access_token,
        ...options,
      })
      await untilSomebodyWaits()
      await query('COMMIT')
      expect(await refusal(late)).toEqual([401, 'unauthorized'])
      expect((await bucket.list()).objects).toEqual([])
    },
  )

  it('TV-08 a user deleted by hand: the grant is revoked, the mailbox goes', async () => {
    await newPerson('ada@gmail.com')
    const before = await revokeCalls()
    await query('DELETE FROM users')
    expect(await count('oauth_tokens', 'coalesce(access_token_txt, refresh_token_txt) IS NOT NULL')).toBe(0)
    await cron()
    await eventually(async () => ((await revokeCalls()) === before + 1 ? true : null))
    await cron()
    expect(await count('user_mail_accounts')).toBe(0)
  })
})

describe('the security page', () => {
  it('OA-28 offers no way to remove what the verb would refuse', async () => {
    await google.addUser({ email: 'ada@gmail.com', name: 'ada' })
    const cookies = await signInBrowser('ada@gmail.com', new Map(), identity)
    await query(`UPDATE users SET password_hash_txt = 'x'`)
    const shown = async () => (await call('/settings/security', { cookies })).text()
    expect(await shown()).not.toContain('the only way in')
    await query('UPDATE users SET email_verified_at_utc = NULL, email_proof_cd = NULL')
    expect(await shown()).toContain('the only way in')
    await query(`UPDATE users SET username_txt = 'ada'`)
    expect(await shown()).not.toContain('the only way in')
  })
})
