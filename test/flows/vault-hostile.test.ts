// The vault under hostile hands: who may have a token, what stands at rest, what happens to altered envelopes and broken
// keys, and what is left after a disconnect (SECURITY group TV). Each name begins with its case.
import { beforeEach, describe, expect, it } from 'vitest'
import {
  call,
  count,
  dance,
  expireToken,
  gmail,
  google,
  json,
  land,
  makeDue,
  newKey,
  newPerson,
  onlyMailbox,
  refusal,
  vend,
  workerEnv,
} from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import {
  adminKey,
  auditOf,
  consume,
  dumpTables,
  heldQueue,
  makeAllDue,
  refreshCalls,
  revokeCalls,
  runTick,
  type SeededMailbox,
  seedMailbox,
  seedMailboxes,
  tick,
  tokenRow,
  type Vended,
} from '../support/vault.ts'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
})

describe('what is granted', () => {
  it.each([
    ['gmail.send unticked', [gmail.read], [gmail.send]],
    ['gmail.readonly unticked', [gmail.send], [gmail.read]],
    ['both unticked', [], [gmail.read, gmail.send]],
  ])(
    'TV-04 %s: kept as granted, and a token without the permission is refused unasked',
    async (_name, grant, missing) => {
      const { access_token } = await newPerson('ada@gmail.com', { grant: grant.length === 0 ? 'none-optional' : grant })
      const account = await onlyMailbox(access_token)
      expect(account.status).toBe('active')
      expect([...account.missing_scopes].sort()).toEqual([...missing].sort())
      for (const scope of grant) expect(account.granted_scopes).toContain(scope)
      for (const scope of missing) expect(account.granted_scopes).not.toContain(scope)
      const { key } = await adminKey()
      await google.resetCalls()
      for (const scope of missing)
        expect(await refusal(vend(key, account.id, { scopes: [scope] }))).toEqual([403, 'insufficient_scope'])
      const token = await json<Vended>(vend(key, account.id, { scopes: grant }))
      expect([...token.missing_scopes].sort()).toEqual([...missing].sort())
      expect((await google.calls()).counts).toEqual({})
    },
  )

  it('TV-09 tokens of Google’s greatest length come back exactly', async () => {
    await google.settings({ tokenLength: 'maximum' })
    const box = await seedMailbox()
    expect([box.accessToken.length, box.refreshToken.length]).toEqual([2_048, 512])
    const { key } = await adminKey()
    expect((await json<Vended>(vend(key, box.accountId))).access_token).toBe(box.accessToken)
    await expireToken(box.accountId)
    const renewed = await json<Vended>(vend(key, box.accountId))
    expect(renewed.access_token).toHaveLength(2_048)
    expect(await refreshCalls()).toBe(1)
    expect((await json<Vended>(vend(key, box.accountId))).access_token).toBe(renewed.access_token)
  })
})

describe('what stands at rest', () => {
  it('TV-10 no token, code, secret, key or JWT in any table, after every flow', async () => {
    const secrets: string[] = ['test-google-secret']
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    const { key, admin } = await adminKey()
    secrets.push(ada.access_token, ada.refresh_token, key, admin)
    secrets.push((await json<Vended>(vend(key, account.id))).access_token)
    await expireToken(account.id)
    secrets.push((await json<Vended>(vend(key, account.id))).access_token)
    await makeDue(account.id)
    await runTick()
    await google.addUser({ email: 'second@gmail.com' })
    const connecting = await dance('second@gmail.com', { query: { purpose: 'connect' }, bearer: ada.access_token })
    const waiting = await land(connecting)
    secrets.push(connecting.searchParams.get('state') ?? '', connecting.searchParams.get('code') ?? '')
    secrets.push(waiting.searchParams.get('state') ?? '')
    await call(`/api/v1/mail-accounts/${account.id}`, {
      method: 'DELETE',
      bearer: ada.access_token,
      env: workerEnv({ DELIVER_QUEUE: heldQueue() }),
    })
    const dump = await dumpTables()
    expect(await count('one_time_codes', 'payload_sealed_txt IS NOT NULL')).toBe(1)
    expect(await count('erasures')).toBe(1)
    for (const [table, text] of dump) {
      for (const secret of secrets) {
        expect(secret.length, `${table}: nothing to look for`).toBeGreaterThan(10)
        expect(text.includes(secret), `${table} holds ${secret.slice(0, 8)}…`).toBe(false)
      }
      expect(text, table).not.toMatch(/ya29\.|1\/\/0|4\/0A|eyJ[A-Za-z0-9_-]{10,}\.|code_verifier/)
    }
  })

  it('TV-14 each sealing has an IV of its own: 100 rows, two columns, sealed three times over', async () => {
    const boxes = await seedMailboxes(100)
    const ivs = new Set<string>()
    const envelopes = new Set<string>()
    const collect = async (): Promise<void> => {
      for (const { a, r } of await query<{ a: string; r: string }>(
        'SELECT access_token_txt AS a, refresh_token_txt AS r FROM oauth_tokens',
      )) {
        // 12 bytes of IV are the first 16 characters of the body.
        for (const envelope of [a, r]) {
          ivs.add(envelope.split('.')[2]?.slice(0, 16) ?? '')
          envelopes.add(envelope)
        }
      }
    }
    await collect()
    for (let round = 0; round < 2; round += 1) {
      await makeAllDue()
      await runTick()
      await collect()
    }
    expect(boxes).toHaveLength(100)
    // The refresh token is the same plaintext each time, its envelope never.
    expect(envelopes.size).toBe(600)
    expect(ivs.size).toBe(600)
  })
})

describe('TV-18 who gets no token', () => {
  async function world() {
    const ada = await newPerson('ada@gmail.com')
    const eve = await newPerson('eve@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    const eves = await onlyMailbox(eve.access_token)
    const { admin, key } = await adminKey()
    return { ada, eve, account, eves, admin, key }
  }

  async function refused(response: Promise<Response>): Promise<[number, string]> {
    const answer = await response
    const text = await answer.text()
    expect(text).not.toMatch(/ya29|1\/\/0|gp1\./)
    return [answer.status, (JSON.parse(text) as { code: string }).code]
  }

  it('TV-18 nobody, garbage, an expired, a revoked and an unknown key: 401, and no audit row', async () => {
    const { account, admin } = await world()
    const path = `/api/v1/mail-accounts/${account.id}/access-token`
    const expired = await newKey(admin)
    await query(`UPDATE api_keys SET expires_at_utc = now() - interval '1 second' WHERE api_key_id = $1`, [expired.id])
    const revoked = await newKey(admin)
    expect((await call(`/api/v1/api-keys/${revoked.id}`, { method: 'DELETE', bearer: admin })).status).toBe(204)
    const altered = `${expired.key.slice(0, -1)}${expired.key.endsWith('A') ? 'B' : 'A'}`
    const shown = [undefined, 'garbage', 'gp_', expired.key, revoked.key, altered, `gp_${'A'.repeat(43)}`]
    for (const bearer of shown)
      expect((await refused(call(path, bearer === undefined ? { json: {} } : { bearer, json: {} })))[0]).toBe(401)
    expect(await auditOf(account.id)).toHaveLength(1)
  })

  it('TV-18 a key in the query string, a cookie or the body is not looked at', async () => {
    const { account, key } = await world()
    const path = `/api/v1/mail-accounts/${account.id}/access-token`
    for (const name of ['key', 'access_token', 'api_key', 'token'])
      expect([401, 422]).toContain((await refused(call(`${path}?${name}=${key}`, { json: {} })))[0])
    expect((await refused(call(path, { json: {}, cookies: new Map([['session', key]]) })))[0]).toBe(401)
    expect([401, 422]).toContain((await refused(call(path, { json: { key } })))[0])
  })

  it('TV-18 a live key outside its permission, its user or its mailboxes: refused and recorded', async () => {
    const { ada, eve, account, eves, admin, key } = await world()
    const reader = await newKey(admin, { permissions: ['mail_accounts:read', 'emails:read'] })
    const forEve = await newKey(admin, { user_id: eve.userId })
    const forOne = await newKey(admin, { user_id: ada.userId, mail_account_ids: [account.id] })
    expect(await refused(vend(reader.key, account.id))).toEqual([403, 'forbidden'])
    expect(await refused(vend(forEve.key, account.id))).toEqual([404, 'not_found'])
    expect(await refused(vend(forOne.key, eves.id))).toEqual([404, 'not_found'])
    expect(await refused(vend(key, crypto.randomUUID()))).toEqual([404, 'not_found'])
    const named = `/api/v1/mail-accounts/${account.id}/access-token?user_id=${eve.userId}`
    expect(await refused(call(named, { bearer: key, json: {} }))).toEqual([404, 'not_found'])
    expect(await auditOf(account.id)).toEqual([
      expect.objectContaining({ action: 'mail_account.connected' }),
      {
        action: 'token.refused',
        outcome: 'refused',
        actor: null,
        event: { api_key_id: reader.id, reason: 'not_permitted' },
      },
      {
        action: 'token.refused',
        outcome: 'refused',
        actor: null,
        event: { api_key_id: forEve.id, reason: 'not_found' },
      },
      expect.objectContaining({ action: 'token.refused', event: expect.objectContaining({ reason: 'not_found' }) }),
    ])
    expect((await auditOf(eves.id)).at(-1)).toMatchObject({ action: 'token.refused', event: { api_key_id: forOne.id } })
    for (const good of [forOne.key, key]) expect((await vend(good, account.id)).status).toBe(200)
    const owned = `/api/v1/mail-accounts/${account.id}/access-token?user_id=${ada.userId}`
    expect((await call(owned, { bearer: key, json: {} })).status).toBe(200)
  })

  it('TV-18 a key whose one mailbox was moved out of its list, or whose user is another, reads nothing of it', async () => {
    const { ada, eve, account, eves, admin } = await world()
    const crooked = await newKey(admin, { user_id: ada.userId, mail_account_ids: [account.id] })
    await query('UPDATE api_keys SET mail_account_ids = ARRAY[$2::uuid] WHERE api_key_id = $1', [crooked.id, eves.id])
    expect(await refused(vend(crooked.key, account.id))).toEqual([404, 'not_found'])
    expect(await refused(vend(crooked.key, eves.id))).toEqual([404, 'not_found'])
    const path = `/api/v1/mail-accounts/${eves.id}?user_id=${eve.userId}`
    expect(await refused(call(path, { bearer: crooked.key }))).toEqual([404, 'not_found'])
  })

  it('TV-18 a person, the owner too: 403 and recorded as that person', async () => {
    const { ada, eve, account } = await world()
    for (const { access_token, userId } of [ada, eve]) {
      expect(await refused(vend(access_token, account.id))).toEqual([403, 'forbidden'])
      expect((await auditOf(account.id)).at(-1)).toEqual({
        action: 'token.refused',
        outcome: 'refused',
        actor: userId,
        event: { api_key_id: null, reason: 'not_a_key' },
      })
    }
  })

  it('TV-18 a disabled user’s mailbox is nowhere: not vended, not listed for a key, not refreshed', async () => {
    const { ada, account, key } = await world()
    await query('UPDATE users SET is_active_flg = false WHERE user_id = $1', [ada.userId])
    await google.resetCalls()
    expect(await refused(vend(key, account.id))).toEqual([404, 'not_found'])
    expect(await refused(call(`/api/v1/mail-accounts?user_id=${ada.userId}`, { bearer: key }))).toEqual([
      404,
      'not_found',
    ])
    expect(await refused(call('/api/v1/mail-accounts', { bearer: ada.access_token }))).toEqual([401, 'unauthorized'])
    await makeDue(account.id)
    const { refresh } = await runTick()
    expect(refresh).toHaveLength(1)
    expect(await refreshCalls()).toBe(0)
    const row = await tokenRow(account.id)
    expect(row).toMatchObject({ version: 1, status: 'active', failures: 0, leaseId: null })
    expect(row.dueIn).toBeGreaterThan(3_000)
    await query('UPDATE users SET is_active_flg = true WHERE user_id = $1', [ada.userId])
    expect((await vend(key, account.id)).status).toBe(200)
  })
})

describe('TV-19 how fresh a token is', () => {
  async function withSecondsLeft(seconds: number): Promise<{ box: SeededMailbox; key: string }> {
    const box = await seedMailbox()
    const { key } = await adminKey()
    await expireToken(box.accountId, -seconds)
    return { box, key }
  }

  it('TV-19 30 s left: refreshed first; never cached, and never a refresh token', async () => {
    const { box, key } = await withSecondsLeft(30)
    const answer = await vend(key, box.accountId)
    expect(answer.headers.get('Cache-Control')).toBe('no-store')
    const token = await json<Vended>(answer)
    expect(Object.keys(token).sort()).toEqual(
      ['access_token', 'expires_at', 'expires_in', 'missing_scopes', 'scopes', 'token_type'].sort(),
    )
    expect(token.access_token).not.toBe(box.accessToken)
    expect(token.expires_in).toBeGreaterThanOrEqual(60)
    expect(JSON.stringify(token)).not.toContain('1//0')
    expect(await refreshCalls()).toBe(1)
  })

  it.each([
    ['61 s at the default', 90, {}, 0],
    ['1,700 s where 1,800 are asked', 1_700, { min_ttl_seconds: 1_800 }, 1],
    ['1,900 s where 1,800 are asked', 1_900, { min_ttl_seconds: 1_800 }, 0],
    ['30 s where 1 is asked', 30, { min_ttl_seconds: 1 }, 0],
  ])('TV-19 %s: %i s left', async (_name, seconds, body, calls) => {
    const { box, key } = await withSecondsLeft(seconds)
    const token = await json<Vended>(vend(key, box.accountId, body))
    expect(await refreshCalls()).toBe(calls)
    expect(token.access_token === box.accessToken).toBe(calls === 0)
  })

  it.each([0, -1, 1.5, 1_801, '60', null])('TV-19 min_ttl_seconds %j is refused', async (min_ttl_seconds) => {
    const { box, key } = await withSecondsLeft(30)
    expect(await refusal(vend(key, box.accountId, { min_ttl_seconds }))).toEqual([422, 'invalid_input'])
    expect(await refreshCalls()).toBe(0)
  })

  it('TV-19 a permission withdrawn meanwhile is refused after the refresh, and the trail says so', async () => {
    const { box, key } = await withSecondsLeft(-10)
    await google.withdrawScope({ sub: box.sub, scope: gmail.send })
    expect(await refusal(vend(key, box.accountId, { scopes: [gmail.send] }))).toEqual([403, 'insufficient_scope'])
    expect((await auditOf(box.accountId)).map(({ action, event }) => [action, event.reason])).toEqual([
      ['token.refused', 'insufficient_scope'],
    ])
    expect((await tokenRow(box.accountId)).scopes).toBe(gmail.read)
    expect((await json<Vended>(vend(key, box.accountId))).missing_scopes).toEqual([gmail.send])
  })

  it('TV-19 a live token is not handed out once it has expired while Google was asked', async () => {
    const { box, key } = await withSecondsLeft(1)
    await google.fault({ path: '/token', delayMs: 1_500, status: 503 })
    expect(await refusal(vend(key, box.accountId))).toEqual([503, 'provider_unavailable'])
    expect((await auditOf(box.accountId)).filter(({ action }) => action === 'token.handed_out')).toEqual([])
  })

  it('TV-19 trips: fresh 1, refreshed 2, refused 1', async () => {
    const { box, key } = await withSecondsLeft(-10)
    const trips = async (work: () => Promise<Response>): Promise<number> => {
      await proxy.resetCounts()
      await (await work()).body?.cancel()
      return (await proxy.counts()).roundTrips
    }
    expect(await trips(() => vend(key, box.accountId))).toBe(2)
    expect(await trips(() => vend(key, box.accountId))).toBe(1)
    expect(await trips(() => vend(key, crypto.randomUUID()))).toBe(1)
  })
})

describe('disconnecting', () => {
  async function disconnected(): Promise<{
    accountId: string
    bearer: string
    key: string
    message: unknown
    sub: string
  }> {
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    const { key } = await adminKey()
    const queue = heldQueue()
    const env = workerEnv({ DELIVER_QUEUE: queue })
    const path = `/api/v1/mail-accounts/${account.id}`
    expect((await call(path, { method: 'DELETE', bearer: ada.access_token, env })).status).toBe(204)
    expect(await count('oauth_tokens', 'num_nonnulls(access_token_txt, refresh_token_txt, expires_at_utc) > 0')).toBe(0)
    expect(await refusal(vend(key, account.id))).toEqual([404, 'not_found'])
    expect(queue.bodies).toHaveLength(1)
    return { accountId: account.id, bearer: ada.access_token, key, message: queue.bodies[0], sub: ada.sub }
  }

  it.each([
    ['200', null],
    ['400: revoked already', 400],
  ])('TV-07 revoke answers %s: done, once', async (_name, status) => {
    const { message, key, accountId } = await disconnected()
    if (status !== null) await google.fault({ path: '/revoke', status, body: { error: 'invalid_token' } })
    expect(await consume(message)).toBe(true)
    expect(await count('erasures')).toBe(0)
    expect(await consume(message)).toBe(true)
    await runTick()
    expect(await revokeCalls()).toBe(1)
    expect(await refusal(vend(key, accountId))).toEqual([404, 'not_found'])
    expect(
      await count('audit_logs', `action_cd = 'grant.revoked' AND subject_id_txt = $1`, [
        (message as { erasure_id: string }).erasure_id,
      ]),
    ).toBe(1)
  })

  it('TV-07 revoke times out: secrets are gone all the same, and it is tried again by the row’s clock', async () => {
    const { message } = await disconnected()
    await google.fault({ path: '/revoke', delayMs: 10_500 })
    expect(await consume(message)).toBe(true)
    expect(await query('SELECT attempt_cnt, last_error_cd FROM erasures')).toEqual([
      { attempt_cnt: 1, last_error_cd: 'timeout' },
    ])
    // Not before its time, however often it is asked for.
    await consume(message)
    expect((await runTick()).erase).toEqual([])
    expect(await revokeCalls()).toBe(1)
    await query(`UPDATE erasures SET due_at_utc = now()`)
    expect((await runTick()).erase).toHaveLength(1)
    expect([await revokeCalls(), await count('erasures')]).toEqual([2, 0])
  })

  it.each([
    ['500', { status: 500 }, 55],
    ['503 with Retry-After', { status: 503, headers: { 'retry-after': '600' } }, 595],
    ['403', { status: 403 }, 55],
    ['a dropped connection', { drop: 'after' as const }, 55],
  ])('TV-07 revoke answers %s: kept, later', async (_name, fault, seconds) => {
    const { message } = await disconnected()
    await google.fault({ path: '/revoke', ...fault })
    expect(await consume(message)).toBe(true)
    const [row] = await query<{ wait: number }>(
      'SELECT extract(epoch FROM due_at_utc - now())::float AS wait FROM erasures',
    )
    expect(row?.wait).toBeGreaterThan(seconds)
  })

  it('TV-07 after 24 hours it is given up: no call more, nothing left, and the trail says so', async () => {
    const { message } = await disconnected()
    await google.fault({ path: '/revoke', status: 500, times: null })
    await consume(message)
    await query(`UPDATE erasures SET due_at_utc = now(), created_at_utc = now() - interval '24 hours 1 second'`)
    await runTick()
    expect([await revokeCalls(), await count('erasures')]).toEqual([1, 0])
    expect((await auditOf((message as { erasure_id: string }).erasure_id)).map(({ action }) => action)).toEqual([
      'grant.revocation_given_up',
    ])
  })

  it('TV-07 a queue that loses the message loses nothing', async () => {
    const { sub } = await disconnected()
    await runTick()
    expect([await revokeCalls(), await count('erasures')]).toEqual([1, 0])
    expect((await google.grants()).filter((grant) => grant.sub === sub)).toEqual([])
  })

  it('TV-07 disconnecting again is 204, makes no second erasure, and another’s mailbox or a key is refused', async () => {
    const { accountId, bearer, key, message } = await disconnected()
    const eve = await newPerson('eve@gmail.com')
    const path = `/api/v1/mail-accounts/${accountId}`
    expect((await call(path, { method: 'DELETE', bearer })).status).toBe(204)
    expect(await count('erasures')).toBe(1)
    expect(await refusal(call(path, { method: 'DELETE', bearer: eve.access_token }))).toEqual([404, 'not_found'])
    expect(await refusal(call(path, { method: 'DELETE', bearer: key }))).toEqual([403, 'forbidden'])
    await consume(message)
    expect(await revokeCalls()).toBe(1)
  })

  it('TV-08 a deleted user: sessions ended, mailboxes hidden at once, messages under way match nothing, purge takes the rest', async () => {
    const ada = await newPerson('ada@gmail.com')
    const first = await onlyMailbox(ada.access_token)
    await google.addUser({ email: 'ada.work@gmail.com' })
    const landed = await land(
      await dance('ada.work@gmail.com', { query: { purpose: 'connect' }, bearer: ada.access_token }),
    )
    await json(call('/auth/token', { bearer: ada.access_token, json: { state: landed.searchParams.get('state') } }))
    const { key } = await adminKey()
    await makeAllDue()
    const sent = await tick()
    expect(sent.refresh[0]?.ids).toHaveLength(2)
    await query('DELETE FROM users WHERE user_id = $1', [ada.userId])
    await google.resetCalls()
    expect(await refusal(call('/auth/me', { bearer: ada.access_token }))).toEqual([401, 'unauthorized'])
    expect(await refusal(vend(key, first.id))).toEqual([404, 'not_found'])
    expect(await refusal(call(`/api/v1/mail-accounts?user_id=${ada.userId}`, { bearer: key }))).toEqual([
      404,
      'not_found',
    ])
    expect(await count('user_mail_accounts', 'user_id IS NULL')).toBe(2)
    expect(await consume(sent.refresh[0])).toBe(true)
    await runTick()
    await makeAllDue()
    await runTick()
    expect(await refreshCalls()).toBe(0)
    expect([await count('user_mail_accounts'), await count('oauth_tokens')]).toEqual([0, 0])
    expect(await count('sessions', 'user_id = $1', [ada.userId])).toBe(0)
    expect((await dumpTables()).get('oauth_tokens')).toBe('')
  })

  it('TV-08 what outlived its user does not keep a revocation from happening', async () => {
    const { message } = await disconnected()
    const [erasure] = await query<{ subject: string }>('SELECT provider_subject_txt AS subject FROM erasures')
    const box = await seedMailbox()
    await query(
      'UPDATE user_mail_accounts SET provider_subject_txt = $1, user_id = NULL WHERE user_mail_account_id = $2',
      [erasure?.subject, box.accountId],
    )
    await consume(message)
    expect(await revokeCalls()).toBe(1)
  })
})

describe('a grant nobody came for', () => {
  async function waiting(): Promise<{ bearer: string; code: string; sub: string }> {
    const ada = await newPerson('ada@gmail.com')
    const { sub } = await google.addUser({ email: 'ada.work@gmail.com' })
    const landed = await land(
      await dance('ada.work@gmail.com', { query: { purpose: 'connect' }, bearer: ada.access_token }),
    )
    return { bearer: ada.access_token, code: landed.searchParams.get('state') ?? '', sub: sub ?? '' }
  }

  const expireCodes = () =>
    query(
      `UPDATE one_time_codes SET expires_at_utc = now() - interval '20 seconds' WHERE payload_sealed_txt IS NOT NULL`,
    )

  it('TV-27 is no mailbox, is never vended, and is revoked by the tick after its minute', async () => {
    const { bearer, code, sub } = await waiting()
    expect((await onlyMailbox(bearer)).email).toBe('ada@gmail.com')
    // Within its minute it is nobody's to take away.
    await runTick()
    expect(await revokeCalls()).toBe(0)
    await expireCodes()
    await runTick()
    expect([await revokeCalls(), await count('erasures')]).toEqual([1, 0])
    expect(await count('one_time_codes', 'payload_sealed_txt IS NOT NULL')).toBe(0)
    expect((await google.grants()).filter((grant) => grant.sub === sub)).toEqual([])
    expect(await refusal(call('/auth/token', { bearer, json: { state: code } }))).toEqual([400, 'invalid_grant'])
    expect(await count('user_mail_accounts')).toBe(1)
  })

  it('TV-27 shown without its session: spent, 400, and revoked all the same', async () => {
    const { code, bearer } = await waiting()
    expect(await refusal(call('/auth/token', { json: { state: code } }))).toEqual([400, 'invalid_grant'])
    expect(await refusal(call('/auth/token', { bearer, json: { state: code } }))).toEqual([400, 'invalid_grant'])
    await expireCodes()
    await runTick()
    expect([await revokeCalls(), await count('erasures'), await count('user_mail_accounts')]).toEqual([1, 0, 1])
  })

  it('TV-27 is not revoked where another live mailbox has its subject', async () => {
    const { sub } = await waiting()
    await newPerson('ada.work@gmail.com')
    await expireCodes()
    await runTick()
    expect([await revokeCalls(), await count('erasures')]).toEqual([0, 0])
    expect((await google.grants()).some((grant) => grant.sub === sub)).toBe(true)
  })
})
