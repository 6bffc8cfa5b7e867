// Everything at once, on loopback and with the database 20 ms away: storms on one token, overlapping crons and doubled
// messages. What is asserted are counts.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { call, count, expireToken, google, json, newKey, newPerson, onlyMailbox, signIn, vend } from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import { consume, makeAllDue, runTick, seedMailbox, seedMailboxes, tick, tokenRow } from '../support/vault.ts'

const refreshCalls = (): Promise<number> => google.count('POST /token refresh_token')

interface Vended {
  access_token: string
}

async function backend(): Promise<string> {
  const { access_token } = await newPerson('admin@gmail.com', { query: { scopes: 'identity' } })
  return (await newKey(access_token)).key
}

describe.each([
  ['on loopback', 0],
  ['with the database 20 ms away', 20],
])('%s', (_where, delayMs) => {
  beforeAll(() => proxy.setDelay(delayMs))
  afterAll(() => proxy.setDelay(0))
  beforeEach(async () => {
    await emptyTables()
    await google.reset()
  })

  it('100 vends of one expired token: 1 provider call, 1 token, 1 version step, 100 audit rows', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await google.settings({ rotateRefreshTokens: true })
    await expireToken(box.accountId)
    await google.resetCalls()
    const answers = await Promise.all(Array.from({ length: 100 }, () => json<Vended>(vend(key, box.accountId))))
    expect(await refreshCalls()).toBe(1)
    expect(new Set(answers.map(({ access_token }) => access_token)).size).toBe(1)
    expect(answers[0]?.access_token).not.toBe(box.accessToken)
    expect(await tokenRow(box.accountId)).toMatchObject({ version: 2, leaseId: null, failures: 0, status: 'active' })
    expect(await count('audit_logs', `action_cd = 'token.handed_out' AND subject_id_txt = $1`, [box.accountId])).toBe(
      100,
    )
    expect(
      await count(
        'audit_logs',
        `action_cd = 'token.handed_out' AND subject_id_txt = $1 AND event_json @> '{"refreshed": true}'`,
        [box.accountId],
      ),
    ).toBe(1)
  })

  it('40 vends of a token whose refresh fails: 1 provider call, 40 refusals, nobody handed anything', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await expireToken(box.accountId)
    await google.fault({ path: '/token', grant_type: 'refresh_token', status: 503, delayMs: 300, times: null })
    const answers = await Promise.all(Array.from({ length: 40 }, () => vend(key, box.accountId)))
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(503))
    expect(await refreshCalls()).toBe(1)
    expect(await tokenRow(box.accountId)).toMatchObject({ version: 1, failures: 1, leaseId: null })
    expect(await count('audit_logs', `action_cd = 'token.handed_out' AND subject_id_txt = $1`, [box.accountId])).toBe(0)
  })

  it('20 vends of a dead grant: 1 provider call, 20 times 409, 1 letter', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await expireToken(box.accountId)
    await google.revoke({ sub: box.sub })
    const answers = await Promise.all(Array.from({ length: 20 }, () => vend(key, box.accountId)))
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(409))
    expect([await refreshCalls(), await count('letters')]).toEqual([1, 1])
    expect(await count('audit_logs', `action_cd = 'token.refused' AND subject_id_txt = $1`, [box.accountId])).toBe(20)
  })

  it('three overlapping crons claim each of 250 rows once, in messages of at most 100', async () => {
    await seedMailboxes(250)
    await makeAllDue()
    const messages = (await Promise.all([tick(), tick(), tick()])).flatMap(({ refresh }) => refresh)
    const ids = messages.flatMap((message) => message.ids)
    expect(ids).toHaveLength(250)
    expect(new Set(ids).size).toBe(250)
    for (const message of messages) expect(message.ids.length).toBeLessThanOrEqual(100)
  })

  it('one message delivered four times at once: each of 60 tokens asked for once', async () => {
    await seedMailboxes(60)
    await google.settings({ rotateRefreshTokens: true })
    await makeAllDue()
    const [message] = (await tick()).refresh
    expect(await Promise.all(Array.from({ length: 4 }, () => consume(message)))).toEqual([true, true, true, true])
    expect(await refreshCalls()).toBe(60)
    expect(await count('oauth_tokens', 'version_nbr = 2 AND lease_id IS NULL')).toBe(60)
  })

  it('RF-06 storms and overlapping crons on rotating tokens: every family lives, one call a step', async () => {
    const boxes = await seedMailboxes(6)
    const key = await backend()
    await google.settings({ rotateRefreshTokens: true })
    for (let round = 2; round <= 3; round += 1) {
      await query(
        `UPDATE oauth_tokens SET expires_at_utc = now() - interval '1 second', last_refreshed_at_utc = now() - interval '1 hour'`,
      )
      await makeAllDue()
      await google.resetCalls()
      const storm = boxes.flatMap(({ accountId }) =>
        Array.from({ length: 6 }, () => json<Vended>(vend(key, accountId))),
      )
      const crons = [runTick(), runTick()]
      await Promise.all([...storm, ...crons])
      expect(await refreshCalls()).toBe(6)
      expect(await count('oauth_tokens', 'version_nbr = $1 AND lease_id IS NULL', [round])).toBe(6)
      expect(await count('user_mail_accounts', `status_cd = 'active'`)).toBe(6)
    }
    expect((await google.grants()).filter(({ refresh_tokens }) => refresh_tokens === 1)).toHaveLength(6)
  })
})

describe('a lease holder that never comes back', () => {
  beforeEach(async () => {
    await emptyTables()
    await google.reset()
  })

  it('RF-15 leaves a caller the live token, after the longest wait, with its audit row; 503 where none lives', async () => {
    const [live, dead] = await seedMailboxes(2)
    const key = await backend()
    await query(
      `UPDATE oauth_tokens SET lease_id = gen_random_uuid(), lease_until_utc = now() + interval '1 minute',
         last_refreshed_at_utc = now() - interval '1 hour',
         expires_at_utc = now() + CASE WHEN user_mail_account_id = $1 THEN interval '5 minutes' ELSE interval '-1 minute' END`,
      [live?.accountId],
    )
    const [given, refused] = await Promise.all([
      vend(key, live?.accountId ?? '', { min_ttl_seconds: 1_800 }),
      vend(key, dead?.accountId ?? ''),
    ])
    expect((await json<{ expires_in: number }>(given)).expires_in).toBeLessThanOrEqual(300)
    expect([refused.status, refused.headers.get('Retry-After')]).toEqual([503, '5'])
    expect(await refreshCalls()).toBe(0)
    expect(await count('audit_logs', `action_cd = 'token.handed_out' AND subject_id_txt = $1`, [live?.accountId])).toBe(
      1,
    )
  })
})

describe('signing in while a refresh is under way', () => {
  it('RF-06 keeps the rotated refresh token: a late answer counts, though no consent was shown', async () => {
    await emptyTables()
    await google.reset()
    const { access_token } = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(access_token)
    const key = await backend()
    await google.settings({ rotateRefreshTokens: true })
    await expireToken(account.id)
    await google.fault({ path: '/token', grant_type: 'refresh_token', delayMs: 1_500 })
    const [vended] = await Promise.all([
      vend(key, account.id),
      new Promise((resolve) => setTimeout(resolve, 300)).then(() => signIn('ada@gmail.com')),
    ])
    await json(vended)
    await expireToken(account.id)
    await json(vend(key, account.id))
    expect((await onlyMailbox(access_token)).status).toBe('active')
    expect(await refreshCalls()).toBe(2)
  })

  it('stores tokens again where their row was lost, and disconnects a mailbox without one', async () => {
    await emptyTables()
    await google.reset()
    const { access_token } = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(access_token)
    await query('DELETE FROM oauth_tokens')
    await google.revoke({ email: 'ada@gmail.com' })
    await signIn('ada@gmail.com')
    expect(await count('oauth_tokens', 'refresh_token_txt IS NOT NULL')).toBe(1)
    await query('DELETE FROM oauth_tokens')
    const path = `/api/v1/mail-accounts/${account.id}`
    expect((await call(path, { method: 'DELETE', bearer: access_token })).status).toBe(204)
    expect((await onlyMailbox(access_token)).status).toBe('disconnected')
  })
})
