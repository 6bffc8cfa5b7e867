// Administration, looked at again with hostile eyes: odd input at every door of it, refusals in the trail, and races that
// a snapshot hides. Races run with the database 20 ms away.
import { beforeEach, describe, expect, it } from 'vitest'
import { call, count, cron, eventually, google, json, newKey, newPerson, refusal, signInBrowser, type TokenPair } from '../support/app.ts'
import { proxy, query, truncateAll } from '../support/database.ts'
import { untilSomebodyWaits } from '../support/flows.ts'
import { someId } from '../support/operations.ts'
import { png } from '../support/pictures.ts'
import { auditOf, revokeCalls } from '../support/vault.ts'

beforeEach(async () => {
  await truncateAll()
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
const refusals = () =>
  query<{ verb: string; actor: string; event: object }>(
    `SELECT subject_id_txt AS verb, actor_user_id AS actor, event_json AS event FROM audit_logs WHERE action_cd = 'admin.refused' ORDER BY audit_log_id`,
  )

describe('odd input', () => {
  it.each([
    '/api/v1/users?q=%00',
    '/api/v1/users?q=a%00b',
    '/api/v1/users?q=%ED%A0%80',
    '/api/v1/users?q=%FF',
    '/api/v1/users?q=a&q=b',
    '/api/v1/users?is_active=true&is_active=false',
    '/api/v1/users?limit=1e400',
    '/api/v1/users?cursor=%00',
    '/api/v1/users/%00',
    `/api/v1/users/${'a'.repeat(10_000)}`,
    '/api/v1/users/..%2f..%2f',
    '/api/v1/users/%FF',
    '/api/v1/audit-logs?after=0000-01-01T00:00:00Z',
    '/api/v1/audit-logs?after=9999-12-31T23:59:59-23:59',
    '/api/v1/audit-logs?after=2026-02-30T00:00:00Z',
    '/api/v1/audit-logs?after=2026-01-01T00:00:00.123456789Z',
    '/api/v1/audit-logs?actor=%00',
    '/api/v1/audit-logs?action=%00',
    '/api/v1/cache/status?cursor=%00',
    '/api/v1/cache/status?cursor=x&cursor=y',
    '/metrics/database/slow-queries?min_ms=0x10',
    '/metrics/database/slow-queries?min_ms=1e9',
    '/metrics/database/queries?limit=%00',
    '/status?x=1',
    '/avatars/%00',
    '/avatars/..%2f',
    `/avatars/${someId}`,
    '/admin/users?q=%00%01a',
    '/admin/users?cursor=x',
    '/admin/users/%00',
    '/admin/users/x/delete',
    '/admin/audit?actor=%00&action=%00&after=0000-00-00',
    '/admin/audit?after=2026-02-31',
    '/admin/mailboxes?user=%00x',
    '/admin/mailboxes?status=%00x',
    '/auth/identities?cursor=%00',
  ])('GET %s is no 500', async (where) => {
    const boss = await admin()
    const cookies = where.startsWith('/admin') ? await signInBrowser('admin@gmail.com', new Map(), identity) : undefined
    const answer = await call(where, cookies === undefined ? { bearer: boss.access_token } : { cookies })
    expect(answer.status).toBeLessThan(500)
    console.log('PROBE', where.slice(0, 80), answer.status)
  })

  it('other methods are no 500', async () => {
    const boss = await admin()
    const bearer = boss.access_token
    const tries: [string, string, object][] = [
      ['DELETE', '/api/v1/cache/%00', {}],
      ['DELETE', '/api/v1/cache/%FF', {}],
      ['DELETE', `/api/v1/cache/${'ä'.repeat(257)}`, {}],
      ['DELETE', `/api/v1/cache/${'ä'.repeat(256)}`, {}],
      ['DELETE', '/api/v1/cache/%2e%2e', {}],
      ['DELETE', '/api/v1/cache/a%2Fb', {}],
      ['DELETE', '/api/v1/users/%00', {}],
      ['POST', '/api/v1/users/%00/unlock', {}],
      ['DELETE', '/auth/identities/%00', {}],
      ['PUT', path(boss.userId), { body: '{"full_name":"\\ud800"}', headers: { 'Content-Type': 'application/json' } }],
      ['PUT', path(boss.userId), { body: '{"full_name":"\\u0000"}', headers: { 'Content-Type': 'application/json' } }],
      ['PUT', path(boss.userId), { body: '[]', headers: { 'Content-Type': 'application/json' } }],
      ['PUT', path(boss.userId), { body: 'null', headers: { 'Content-Type': 'application/json' } }],
      ['PUT', path(boss.userId), { body: '{"role":"admin"}', headers: { 'Content-Type': 'text/plain' } }],
      ['PUT', path(boss.userId), { json: { role: null } }],
      ['PUT', path(boss.userId), { json: {} }],
      ['PUT', '/auth/me/avatar', {}],
      ['PUT', '/auth/me/avatar', { body: png(), headers: { 'Content-Type': 'multipart/form-data' } }],
      ['PUT', '/auth/me/avatar', { body: png(), headers: { 'Content-Type': 'multipart/form-data; boundary=' } }],
      ['POST', '/metrics/database/reset', {}],
      ['POST', '/api/v1/cache/clear', {}],
    ]
    for (const [method, where, rest] of tries) {
      const answer = await call(where, { method, bearer, ...rest })
      console.log('PROBE', method, where.slice(0, 60), answer.status)
      expect(answer.status, where).toBeLessThan(500)
    }
    await call('/auth/me/avatar', { method: 'PUT', bearer, body: png() })
    const { avatar_url: url } = await json<{ avatar_url: string }>(call('/auth/me', { bearer }))
    for (const tag of ['*', '"', '""', '"a", "b"', 'W/"x"', '"\u00e4"', `"${'a'.repeat(5000)}"`]) {
      const answer = await call(new URL(url).pathname, { headers: { 'If-None-Match': tag } })
      console.log('PROBE', 'avatar', tag.slice(0, 20), answer.status)
      await answer.arrayBuffer()
    }
    const head = await call(new URL(url).pathname, { method: 'HEAD' })
    console.log('PROBE HEAD', head.status, JSON.stringify([...head.headers]))
  })
})

describe('races', () => {
  it('unlinking the last identity while the user name is cleared leaves a way in', async () => {
    const ada = await person('ada')
    await json(call('/auth/me', { method: 'PATCH', bearer: ada.access_token, json: { username: 'ada' } }))
    await query(`UPDATE users SET password_hash_txt = 'x', email_verified_at_utc = NULL, email_proof_cd = NULL`)
    const [only] = (await json<{ items: { id: string }[] }>(call('/auth/identities', { bearer: ada.access_token }))).items
    for (const how of ['patch', 'put'] as const) {
      await query('BEGIN')
      await query('UPDATE users SET credential_version_nbr = credential_version_nbr')
      await query('DELETE FROM user_identities')
      const late =
        how === 'put'
          ? put(ada, ada.userId, { username: null })
          : call('/auth/me', { method: 'PATCH', bearer: ada.access_token, json: { username: null } })
      await untilSomebodyWaits()
      await query('COMMIT')
      expect.soft(await refusal(late), how).toEqual([409, 'last_sign_in_method'])
      console.log('PROBE', only?.id)
      await query(`UPDATE users SET username_txt = 'ada'`)
      await query(`INSERT INTO user_identities (user_id, provider_cd, provider_subject_txt) VALUES ($1, 'google', '1')`, [ada.userId])
    }
  })
})

describe('by hand', () => {
  it('a user deleted at psql: the grant is revoked, the mailbox goes', async () => {
    await newPerson('ada@gmail.com')
    const before = await revokeCalls()
    await query('DELETE FROM users')
    expect(await count('oauth_tokens', 'coalesce(access_token_txt, refresh_token_txt) IS NOT NULL')).toBe(0)
    await cron()
    await eventually(async () => ((await revokeCalls()) === before + 1 ? true : null))
    await cron()
    expect(await count('user_mail_accounts')).toBe(0)
    void [newKey, auditOf, refusals]
  })
})
