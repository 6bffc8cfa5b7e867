// Refresh against a provider and a database that misbehave (SECURITY group RF): what each answer does to the row, to the
// circuit, and to whoever asks meanwhile. Time moves by SQL. Each name begins with its case.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  call,
  count,
  eventually,
  expireToken,
  gmail,
  google,
  json,
  newKey,
  newPerson,
  refusal,
  vend,
} from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import type { GoogleFault } from '../support/google.ts'
import {
  auditOf,
  consume,
  dumpTables,
  makeAllDue,
  runTick,
  type SeededMailbox,
  seedMailbox,
  seedMailboxes,
  tick,
  tokenRow,
} from '../support/vault.ts'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
})
afterEach(async () => {
  await proxy.setMode('normal')
  vi.restoreAllMocks()
})

const refreshCalls = (): Promise<number> => google.count('POST /token refresh_token')

async function backend(): Promise<string> {
  const { access_token } = await newPerson('admin@gmail.com', { query: { scopes: 'identity' } })
  return (await newKey(access_token)).key
}

const failing = (fault: Partial<GoogleFault>): Promise<unknown> =>
  google.fault({ path: '/token', grant_type: 'refresh_token', times: null, ...fault })

/** Waits until Google has been asked that often, so that what follows happens while it is answering. */
async function underWay(calls: number): Promise<void> {
  await eventually(async () => ((await refreshCalls()) >= calls ? true : null))
}

const deadGrant = { status: 400, body: { error: 'invalid_grant', error_description: 'Bad Request' } }
const badClient = { status: 401, body: { error: 'invalid_client' } }

interface Vended {
  access_token: string
  expires_in: number
}

describe('a dead grant', () => {
  it('RF-01 needs re-authorization, is told of once, and is never asked for again', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await google.revoke({ sub: box.sub })
    await makeAllDue()
    const [message] = (await runTick()).refresh
    expect(await tokenRow(box.accountId)).toMatchObject({
      status: 'needs_reauthorization',
      dueAt: null,
      leaseId: null,
      lastError: 'invalid_grant',
      version: 2,
    })
    expect(await query('SELECT kind_cd, recipient_txt FROM letters')).toEqual([
      { kind_cd: 'mailbox_needs_reauthorization', recipient_txt: expect.stringMatching(/^owner\d+@gmail\.com$/) },
    ])
    for (let ticks = 0; ticks < 3; ticks += 1) {
      expect((await runTick()).refresh).toEqual([])
      await consume(message)
      expect(await refusal(vend(key, box.accountId))).toEqual([409, 'needs_reauthorization'])
    }
    expect([await refreshCalls(), await count('letters')]).toEqual([1, 1])
    expect((await auditOf(box.accountId)).map(({ action }) => action)).toEqual([
      'mail_account.needs_reauthorization',
      'token.refused',
      'token.refused',
      'token.refused',
    ])
  })

  it('RF-01 found by a vend: 409 at once, told of once, recorded as refused', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await google.revoke({ sub: box.sub })
    await expireToken(box.accountId)
    expect(await refusal(vend(key, box.accountId))).toEqual([409, 'needs_reauthorization'])
    expect(await refusal(vend(key, box.accountId))).toEqual([409, 'needs_reauthorization'])
    expect([await refreshCalls(), await count('letters')]).toEqual([1, 1])
    const refused = (await auditOf(box.accountId)).filter(({ action }) => action === 'token.refused')
    expect(refused.map(({ event }) => event.reason)).toEqual(['needs_reauthorization', 'needs_reauthorization'])
  })

  it('RF-01 the letter goes to the mailbox’s own address where the user has none that is proven', async () => {
    const box = await seedMailbox()
    await query('UPDATE users SET email_verified_at_utc = NULL, email_proof_cd = NULL WHERE user_id = $1', [box.userId])
    await failing(deadGrant)
    await makeAllDue()
    await runTick()
    expect(await query('SELECT recipient_txt FROM letters')).toEqual([{ recipient_txt: box.email }])
  })

  it('RF-01 by `error`, never by its description or status', async () => {
    const box = await seedMailbox()
    await failing({ status: 500, body: { error: 'invalid_grant' } })
    await makeAllDue()
    await runTick()
    expect((await tokenRow(box.accountId)).status).toBe('degraded')
    await google.clearFaults()
    await failing({
      status: 400,
      body: { error: 'temporarily_unavailable', error_description: 'invalid_grant: expired or revoked' },
    })
    await makeAllDue()
    await runTick()
    expect(await tokenRow(box.accountId)).toMatchObject({ status: 'degraded', lastError: 'temporarily_unavailable' })
    expect(await count('letters')).toBe(0)
  })

  it('RF-01 reconnecting makes it live again, and a later death is told of again', async () => {
    const ada = await newPerson('ada@gmail.com')
    const [account] = await query<{ id: string }>('SELECT user_mail_account_id AS id FROM user_mail_accounts')
    const id = account?.id ?? ''
    for (const letters of [1, 2]) {
      await google.revoke({ sub: ada.sub })
      await makeAllDue()
      await runTick()
      expect((await tokenRow(id)).status).toBe('needs_reauthorization')
      expect(await count('letters')).toBe(letters)
      const started = await json<{ url: string }>(
        call(`/api/v1/mail-accounts/${id}/reconnect`, { bearer: ada.access_token, json: {} }),
      )
      const back = await google.redirect({ url: started.url, email: 'ada@gmail.com', grant: 'all' })
      const landed = await call(`${back.pathname}${back.search}`)
      const state = new URL(landed.headers.get('Location') ?? '').searchParams.get('state')
      await json(call('/auth/token', { bearer: ada.access_token, json: { state } }))
      expect((await tokenRow(id)).status).toBe('active')
    }
  })

  it('no refresh token is stored: the live one serves, and its end needs re-authorization, unasked', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await query('UPDATE oauth_tokens SET refresh_token_txt = NULL')
    expect((await json<Vended>(vend(key, box.accountId, { min_ttl_seconds: 1_800 }))).access_token).toBe(
      box.accessToken,
    )
    await expireToken(box.accountId)
    await makeAllDue()
    await runTick()
    expect(await tokenRow(box.accountId)).toMatchObject({
      status: 'needs_reauthorization',
      lastError: 'no_refresh_token',
    })
    expect(await refusal(vend(key, box.accountId))).toEqual([409, 'needs_reauthorization'])
    expect(await refreshCalls()).toBe(0)
  })
})

describe('a blip', () => {
  const html = '<html><body>502 Bad Gateway</body></html>'
  const shapes: [string, Partial<GoogleFault>, string][] = [
    ['500', { status: 500, body: '' }, 'http_500'],
    ['502 with HTML', { status: 502, body: html }, 'http_502'],
    ['200 with HTML', { status: 200, body: html }, 'unreadable_answer'],
    ['200 {}', { status: 200, body: {} }, 'unreadable_answer'],
    ['200 with an error that is nobody’s', { status: 200, body: { error: 'please_wait' } }, 'unlisted_error'],
    ['truncated JSON', { truncate: true }, 'network'],
    ['JSON that ends early', { status: 200, body: '{"access_token":"ya29.x' }, 'unreadable_answer'],
    ['200 with nothing', { status: 200, body: '' }, 'empty_answer'],
    ['204', { status: 204 }, 'http_204'],
    ['a redirect', { status: 302, headers: { location: 'https://evil.test/token' } }, 'http_302'],
    ['404 with HTML', { status: 404, body: html }, 'http_404'],
    ['400 without an error', { status: 400, body: {} }, 'http_400'],
    ['a dropped connection', { drop: 'before' }, 'network'],
    [
      'a token that is no token',
      { status: 200, body: { access_token: 'a b\nc', token_type: 'Bearer' } },
      'unreadable_answer',
    ],
    ['a token of another type', { status: 200, body: { access_token: 'x', token_type: 'mac' } }, 'unreadable_answer'],
    ['70 KB', { status: 200, body: 'x'.repeat(70_000) }, 'too_large'],
  ]

  it.each(shapes)(
    'RF-03 %s: stored tokens unchanged, tried again later, the rest of the batch refreshed',
    async (_name, fault, error) => {
      const boxes = await seedMailboxes(4)
      const [struck] = boxes as [SeededMailbox]
      const before = await tokenRow(struck.accountId)
      await failing({ token: struck.refreshToken, ...fault })
      await makeAllDue()
      await runTick()
      const row = await tokenRow(struck.accountId)
      expect([row.accessToken, row.refreshToken, row.version]).toEqual([before.accessToken, before.refreshToken, 1])
      expect(row).toMatchObject({ status: 'degraded', failures: 1, lastError: error, leaseId: null })
      expect(row.history).toMatchObject([{ outcome: 'retry', error }])
      expect(row.dueIn).toBeGreaterThan(10)
      expect(row.dueIn).toBeLessThan(31)
      expect(await count('oauth_tokens', 'version_nbr = 2')).toBe(3)
      expect(await refreshCalls()).toBe(4)
    },
  )

  it('RF-03 the pause doubles, the history keeps ten attempts, and a success makes it active again', async () => {
    const box = await seedMailbox()
    await failing({ status: 503 })
    for (let attempt = 0; attempt < 12; attempt += 1) {
      await makeAllDue()
      await runTick()
      const most = Math.min(30 * 2 ** attempt, 3_600)
      const { dueIn } = await tokenRow(box.accountId)
      expect(dueIn).toBeGreaterThan(most / 2 - 3)
      expect(dueIn).toBeLessThanOrEqual(most)
    }
    expect(await tokenRow(box.accountId)).toMatchObject({ status: 'degraded', failures: 12, version: 1 })
    expect((await tokenRow(box.accountId)).history).toHaveLength(10)
    await google.clearFaults()
    await makeAllDue()
    await runTick()
    const row = await tokenRow(box.accountId)
    expect(row).toMatchObject({ status: 'active', failures: 0, lastError: null, version: 2 })
    expect(row.history).toHaveLength(10)
    expect(row.history[0]).toMatchObject({ outcome: 'refreshed', error: null })
    expect(row.history.map(({ at }) => at)).toEqual([...row.history.map(({ at }) => at)].sort().reverse())
    expect(await count('letters')).toBe(0)
  })

  it('RF-03 meanwhile the live token is handed out unasked; once it has expired, 503 with Retry-After', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await failing({ status: 503 })
    await expireToken(box.accountId, -30)
    // 30 s are left where 60 are asked: it asks once, and serves what there is.
    for (let times = 0; times < 3; times += 1)
      expect((await json<Vended>(vend(key, box.accountId))).access_token).toBe(box.accessToken)
    expect(await refreshCalls()).toBe(1)
    await expireToken(box.accountId)
    for (let times = 0; times < 3; times += 1) {
      const answer = await vend(key, box.accountId)
      expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0)
      expect(Number(answer.headers.get('Retry-After'))).toBeLessThanOrEqual(30)
      expect(await refusal(answer)).toEqual([503, 'provider_unavailable'])
    }
    expect(await refreshCalls()).toBe(1)
    expect((await auditOf(box.accountId)).filter(({ action }) => action === 'token.handed_out')).toHaveLength(3)
  })

  it('RF-04 429 with Retry-After 120: not before, not for its neighbours, and no vend gets round it', async () => {
    const [box, other] = (await seedMailboxes(2)) as [SeededMailbox, SeededMailbox]
    const key = await backend()
    await failing({ token: box.refreshToken, status: 429, headers: { 'retry-after': '120' } })
    await makeAllDue()
    await runTick()
    expect((await tokenRow(box.accountId)).dueIn).toBeGreaterThanOrEqual(118)
    expect((await tokenRow(box.accountId)).dueIn).toBeLessThanOrEqual(133)
    expect((await tokenRow(other.accountId)).version).toBe(2)
    await expireToken(box.accountId)
    const answer = await vend(key, box.accountId)
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(100)
    expect(await refusal(answer)).toEqual([503, 'provider_unavailable'])
    for (let ticks = 0; ticks < 3; ticks += 1) expect((await runTick()).refresh).toEqual([])
    expect(await refreshCalls()).toBe(2)
  })

  it.each([
    ['missing', null, 3_600],
    ['0', 0, 3_600],
    ['-5', -5, 3_600],
    ['"3599"', '3599', 3_599],
    ['1e12', 1e12, 86_400],
    ['a sentence', 'one hour', 3_600],
  ])('RF-05 expires_in %s: a safe life, and no hot loop', async (_name, expiresIn, life) => {
    const box = await seedMailbox()
    await google.settings({ expiresIn })
    await makeAllDue()
    await runTick()
    const row = await tokenRow(box.accountId)
    expect(row.expiresIn).toBeGreaterThan(life - 10)
    expect(row.expiresIn).toBeLessThanOrEqual(life + 2)
    expect(row.dueIn).toBeGreaterThan(60)
    for (let ticks = 0; ticks < 3; ticks += 1) expect((await runTick()).refresh).toEqual([])
    expect(await refreshCalls()).toBe(1)
  })

  it('RF-07 fewer scopes: stored, refused by name, never marked dead', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await google.settings({ scopeOverrideOnRefresh: gmail.read })
    await makeAllDue()
    await runTick()
    expect(await tokenRow(box.accountId)).toMatchObject({ status: 'active', scopes: gmail.read })
    expect(await refusal(vend(key, box.accountId, { scopes: [gmail.send] }))).toEqual([403, 'insufficient_scope'])
    expect((await vend(key, box.accountId)).status).toBe(200)
    await google.settings({ scopeOverrideOnRefresh: null, omitScope: true })
    await makeAllDue()
    await runTick()
    // An answer without `scope` changes nothing (RFC 6749 §5.1).
    expect((await tokenRow(box.accountId)).scopes).toBe(gmail.read)
  })

  it('RF-08 time-based access: stored, warned of once, and its state flips when it ends, unasked', async () => {
    await google.settings({ refreshTokenExpiresIn: 2 * 86_400 })
    const ada = await newPerson('ada@gmail.com')
    const [account] = await query<{ id: string; ends: number }>(
      `SELECT user_mail_account_id AS id, extract(epoch FROM refresh_token_expires_at_utc - now())::float AS ends FROM oauth_tokens`,
    )
    const id = account?.id ?? ''
    expect(account?.ends).toBeGreaterThan(2 * 86_400 - 60)
    for (let times = 0; times < 2; times += 1) {
      await makeAllDue()
      await runTick()
    }
    expect(await query('SELECT kind_cd, recipient_txt FROM letters')).toEqual([
      { kind_cd: 'mailbox_access_ends', recipient_txt: 'ada@gmail.com' },
    ])
    await google.resetCalls()
    await query(`UPDATE oauth_tokens SET refresh_token_expires_at_utc = now() - interval '1 second'`)
    await makeAllDue()
    await runTick()
    expect(await tokenRow(id)).toMatchObject({ status: 'needs_reauthorization', lastError: 'refresh_token_expired' })
    expect(await refreshCalls()).toBe(0)
    expect(ada.userId).not.toBe('')
  })

  it('RF-24 300 s tokens and 100 vends that ask for 1,800: one call a minute, and the short token is handed out', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await google.settings({ accessTokenLifetimeSeconds: 300 })
    await expireToken(box.accountId)
    const hundred = async (): Promise<Set<string>> => {
      const tokens = new Set<string>()
      for (let times = 0; times < 10; times += 1) {
        const answers = await Promise.all(
          Array.from({ length: 10 }, () => json<Vended>(vend(key, box.accountId, { min_ttl_seconds: 1_800 }))),
        )
        for (const { access_token, expires_in } of answers) {
          tokens.add(access_token)
          expect(expires_in).toBeLessThanOrEqual(300)
        }
      }
      return tokens
    }
    expect((await hundred()).size).toBe(1)
    expect(await refreshCalls()).toBe(1)
    await query(`UPDATE oauth_tokens SET last_refreshed_at_utc = now() - interval '61 seconds'`)
    expect((await hundred()).size).toBe(1)
    expect(await refreshCalls()).toBe(2)
    expect((await tokenRow(box.accountId)).dueIn).toBeGreaterThan(60)
  })
})

describe('the circuit', () => {
  const state = async (): Promise<{ open: number | null; errors: number } | undefined> =>
    (
      await query<{ open: number | null; errors: number }>(
        `SELECT extract(epoch FROM open_until_utc - now())::float AS open, configuration_error_cnt AS errors FROM provider_states`,
      )
    )[0]

  it('opens after 5 configuration errors in a minute, for 5 minutes: nobody marked, alarmed, recorded', async () => {
    await seedMailboxes(40)
    await failing(badClient)
    await makeAllDue()
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    await runTick()
    const lines = log.mock.calls.map(([line]) => String(line))
    log.mockRestore()
    expect(lines.some((line) => line.includes('alarm_circuit_open'))).toBe(true)
    // Five lanes may each have a call under way when the fifth answer comes.
    expect(await refreshCalls()).toBeGreaterThanOrEqual(5)
    expect(await refreshCalls()).toBeLessThanOrEqual(9)
    expect((await state())?.open).toBeGreaterThan(295)
    expect(await count('user_mail_accounts', `status_cd <> 'active'`)).toBe(0)
    expect(await count('oauth_tokens', 'failure_cnt > 0 OR version_nbr > 1')).toBe(0)
    expect(await count('letters')).toBe(0)
    expect((await auditOf('google')).at(-1)).toMatchObject({ action: 'circuit.opened', outcome: 'failure' })
    await google.resetCalls()
    await makeAllDue()
    for (let ticks = 0; ticks < 3; ticks += 1) expect((await runTick()).refresh).toEqual([])
    expect(await refreshCalls()).toBe(0)
  })

  it('does not open for four, for five that took longer than a minute, or where one success came between', async () => {
    const boxes = await seedMailboxes(4)
    await failing(badClient)
    await makeAllDue()
    await runTick()
    expect(await state()).toEqual({ open: null, errors: 4 })
    await query(`UPDATE provider_states SET window_started_at_utc = now() - interval '61 seconds'`)
    await makeAllDue()
    await runTick()
    expect(await state()).toEqual({ open: null, errors: 4 })
    await google.clearFaults()
    await query(`UPDATE oauth_tokens SET refresh_due_at_utc = now() WHERE oauth_token_id = $1`, [boxes[0]?.tokenId])
    await runTick()
    expect(await state()).toEqual({ open: null, errors: 0 })
    await failing(badClient)
    await makeAllDue()
    await runTick()
    expect(await state()).toEqual({ open: null, errors: 4 })
  })

  it('half-open: the first call after the pause is the one that worked last, the next another; success closes it', async () => {
    const boxes = await seedMailboxes(8)
    const best = boxes[5] as SeededMailbox
    await failing(badClient)
    await makeAllDue()
    await runTick()
    await query(
      `UPDATE oauth_tokens SET last_refreshed_at_utc = now() - interval '2 minutes', last_error_cd = NULL WHERE oauth_token_id = $1`,
      [best.tokenId],
    )
    await makeAllDue()
    await query(`UPDATE provider_states SET open_until_utc = now() - interval '1 second'`)
    await google.resetCalls()
    const failed = await runTick()
    expect(failed.refresh.map(({ ids }) => ids)).toEqual([[best.tokenId]])
    // One more configuration error opens it again at once.
    expect((await state())?.open).toBeGreaterThan(295)
    expect(await refreshCalls()).toBe(1)
    await google.clearFaults()
    await makeAllDue()
    await query(`UPDATE provider_states SET open_until_utc = now() - interval '1 second'`)
    // It was refused, perhaps for itself: were it asked each time, all others would wait for it.
    const [again] = (await runTick()).refresh
    expect(again?.ids).toHaveLength(1)
    expect(again?.ids).not.toContain(best.tokenId)
    expect(await state()).toEqual({ open: null, errors: 0 })
    expect((await runTick()).refresh[0]?.ids).toHaveLength(7)
    expect(await count('oauth_tokens', 'version_nbr = 2')).toBe(8)
  })

  it('two overlapping crons send one probe between them', async () => {
    await seedMailboxes(5)
    await query(
      `INSERT INTO provider_states (provider_cd, open_until_utc) VALUES ('google', now() - interval '1 second')`,
    )
    await makeAllDue()
    const ticks = await Promise.all([tick(), tick()])
    const ids = ticks.flatMap(({ refresh }) => refresh.flatMap((message) => message.ids))
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.length).toBeLessThanOrEqual(2)
    expect(ids.length).toBeGreaterThanOrEqual(1)
  })

  it('while it is open a vend serves the live token, else 503 with Retry-After, and asks nobody', async () => {
    const [live, gone] = (await seedMailboxes(2)) as [SeededMailbox, SeededMailbox]
    const key = await backend()
    await expireToken(live.accountId, -30)
    await expireToken(gone.accountId)
    await google.resetCalls()
    for (const until of [`now() + interval '200 seconds'`, `now() - interval '1 second'`]) {
      await query(
        `INSERT INTO provider_states AS p (provider_cd, open_until_utc) VALUES ('google', ${until}) ON CONFLICT (provider_cd) DO UPDATE SET open_until_utc = excluded.open_until_utc`,
      )
      expect((await json<Vended>(vend(key, live.accountId, { min_ttl_seconds: 1_800 }))).access_token).toBe(
        live.accessToken,
      )
      const answer = await vend(key, gone.accountId)
      expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThanOrEqual(29)
      expect(Number(answer.headers.get('Retry-After'))).toBeLessThanOrEqual(201)
      expect(await refusal(answer)).toEqual([503, 'provider_unavailable'])
    }
    expect((await google.calls()).counts).toEqual({})
  })

  it('messages under way when it opens are handed back unasked', async () => {
    await seedMailboxes(3)
    await makeAllDue()
    const { refresh } = await tick()
    await query(
      `INSERT INTO provider_states (provider_cd, open_until_utc) VALUES ('google', now() + interval '200 seconds')`,
    )
    for (const message of refresh) expect(await consume(message)).toBe(true)
    expect(await refreshCalls()).toBe(0)
    expect(
      await count(
        'oauth_tokens',
        `lease_id IS NULL AND refresh_due_at_utc BETWEEN now() + interval '190 seconds' AND now() + interval '231 seconds'`,
      ),
    ).toBe(3)
    expect(await count('oauth_tokens', `refresh_history_json = '[]'`)).toBe(3)
  })

  it('vends that meet configuration errors open it too, and then no further vend asks', async () => {
    const boxes = await seedMailboxes(8)
    const key = await backend()
    await query(`UPDATE oauth_tokens SET expires_at_utc = now() - interval '1 second'`)
    await failing(badClient)
    for (const { accountId } of boxes)
      expect(await refusal(vend(key, accountId))).toEqual([503, 'provider_unavailable'])
    expect(await refreshCalls()).toBe(5)
    expect((await state())?.open).toBeGreaterThan(295)
  })

  it('RF-23 grants of another client are marked unasked; those of ours refresh; the circuit stays closed', async () => {
    await seedMailboxes(120, { underClient: 'the-old-client' })
    const fresh = await seedMailboxes(10)
    await makeAllDue()
    await runTick()
    expect(await refreshCalls()).toBe(10)
    expect(await count('user_mail_accounts', `status_cd = 'needs_reauthorization'`)).toBe(120)
    expect(await count('oauth_tokens', `last_error_cd = 'client_changed' AND refresh_due_at_utc IS NULL`)).toBe(120)
    for (const { accountId } of fresh) expect(await tokenRow(accountId)).toMatchObject({ status: 'active', version: 2 })
    expect(await state()).toBeUndefined()
    const key = await backend()
    const [old] = await query<{ id: string }>(
      `SELECT user_mail_account_id AS id FROM user_mail_accounts WHERE status_cd = 'needs_reauthorization' LIMIT 1`,
    )
    expect(await refusal(vend(key, old?.id ?? ''))).toEqual([409, 'needs_reauthorization'])
  })

  it('RF-23 where the provider itself refuses some of ours as another client’s, the others get their turn all the same', async () => {
    const boxes = await seedMailboxes(30)
    for (const { refreshToken } of boxes.slice(0, 12))
      await failing({ token: refreshToken, status: 401, body: { error: 'unauthorized_client' } })
    // None of them worked before, so that nothing but the refusals tells them apart.
    await query('UPDATE oauth_tokens SET last_refreshed_at_utc = NULL')
    await makeAllDue()
    for (let pauses = 0; pauses < 5; pauses += 1) {
      await runTick()
      await runTick()
      // Six minutes later: the pause is over, and who was refused comes after who was not asked.
      await query(
        `UPDATE provider_states SET open_until_utc = open_until_utc - interval '6 minutes', window_started_at_utc = window_started_at_utc - interval '6 minutes'`,
      )
      await query(`UPDATE oauth_tokens SET refresh_due_at_utc = refresh_due_at_utc - interval '6 minutes'`)
    }
    for (const { accountId } of boxes.slice(12)) expect((await tokenRow(accountId)).version).toBe(2)
    expect(await count('user_mail_accounts', `status_cd <> 'active'`)).toBe(0)
    expect(await count('letters')).toBe(0)
  })
})

describe('time that passes and messages that come late', () => {
  it('RF-11 three ticks missed: the next catches up, and vending works all the while', async () => {
    const boxes = await seedMailboxes(150)
    const key = await backend()
    await query(
      `UPDATE oauth_tokens SET refresh_due_at_utc = now() - interval '4 minutes', expires_at_utc = now() + interval '6 minutes'`,
    )
    expect((await json<Vended>(vend(key, boxes[0]?.accountId ?? ''))).access_token).toBe(boxes[0]?.accessToken)
    await runTick()
    expect(await count('oauth_tokens', 'version_nbr = 2')).toBe(150)
    expect(await refreshCalls()).toBe(150)
  })

  it('a doubled message, and one later than its claim, lease nothing and ask nobody', async () => {
    await seedMailboxes(3)
    await makeAllDue()
    const { refresh } = await tick()
    expect(await consume(refresh[0])).toBe(true)
    expect(await consume(refresh[0])).toBe(true)
    expect(await refreshCalls()).toBe(3)
    await makeAllDue()
    const late = (await tick()).refresh
    await makeAllDue()
    const later = (await tick()).refresh
    for (const message of late) expect(await consume(message)).toBe(true)
    expect(await refreshCalls()).toBe(3)
    for (const message of later) expect(await consume(message)).toBe(true)
    expect(await refreshCalls()).toBe(6)
  })

  it('a token that a vend refreshed meanwhile is not refreshed again by its message', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await expireToken(box.accountId)
    await makeAllDue()
    const { refresh } = await tick()
    await json(vend(key, box.accountId))
    await consume(refresh[0])
    expect(await refreshCalls()).toBe(1)
  })

  it('a mailbox that was disconnected while its message travelled is not touched', async () => {
    const ada = await newPerson('ada@gmail.com')
    const [account] = await query<{ id: string }>('SELECT user_mail_account_id AS id FROM user_mail_accounts')
    await makeAllDue()
    const { refresh } = await tick()
    await call(`/api/v1/mail-accounts/${account?.id}`, { method: 'DELETE', bearer: ada.access_token })
    await consume(refresh[0])
    expect(await refreshCalls()).toBe(0)
    expect(await tokenRow(account?.id ?? '')).toMatchObject({
      accessToken: null,
      refreshToken: null,
      status: 'disconnected',
      dueAt: null,
    })
  })

  it('RF-15 the Worker stops between the answer and the write: the lease ends, and the next run succeeds', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await makeAllDue()
    const { refresh } = await tick()
    // What a Worker that died leaves behind: claimed and leased, nothing written.
    await query(`UPDATE oauth_tokens SET lease_id = gen_random_uuid(), lease_until_utc = now() + interval '60 seconds'`)
    expect(await consume(refresh[0])).toBe(true)
    expect(await refreshCalls()).toBe(0)
    expect((await vend(key, box.accountId)).status).toBe(200)
    await query(`UPDATE oauth_tokens SET lease_until_utc = now() - interval '1 second'`)
    expect(await consume(refresh[0])).toBe(true)
    expect(await tokenRow(box.accountId)).toMatchObject({
      version: 2,
      leaseId: null,
      leaseUntil: null,
      status: 'active',
    })
    expect(await refreshCalls()).toBe(1)
  })

  it('RF-15 a vend takes an expired lease over; a message that is lost is due again five minutes later', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await expireToken(box.accountId)
    await query(`UPDATE oauth_tokens SET lease_id = gen_random_uuid(), lease_until_utc = now() - interval '1 second'`)
    expect((await vend(key, box.accountId)).status).toBe(200)
    await makeAllDue()
    await tick()
    const { dueIn } = await tokenRow(box.accountId)
    expect(dueIn).toBeGreaterThan(290)
    expect(dueIn).toBeLessThanOrEqual(300)
  })

  it('RF-15 the database is away when the answer comes: it is waited out, and the answer is not lost', async () => {
    const box = await seedMailbox()
    await google.settings({ rotateRefreshTokens: true })
    await google.fault({ path: '/token', delayMs: 1_500 })
    await makeAllDue()
    const { refresh } = await tick()
    const consuming = consume(refresh[0])
    await underWay(1)
    await proxy.setMode('kill')
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await proxy.setMode('normal')
    expect(await consuming).toBe(true)
    expect(await tokenRow(box.accountId)).toMatchObject({ version: 2, status: 'active', leaseId: null })
    // The only copy of the rotated token was in that answer: it works.
    await google.settings({ rotateRefreshTokens: false })
    await makeAllDue()
    await runTick()
    expect(await tokenRow(box.accountId)).toMatchObject({ version: 3, status: 'active' })
  })

  it('a late answer counts while its lease id stands, and is discarded once another has leased the row', async () => {
    const box = await seedMailbox()
    const key = await backend()
    await google.fault({ path: '/token', delayMs: 1_000 })
    await makeAllDue()
    const [first] = (await tick()).refresh
    const slow = consume(first)
    await underWay(1)
    await query(`UPDATE oauth_tokens SET lease_until_utc = now() - interval '1 second'`)
    await slow
    expect((await tokenRow(box.accountId)).version).toBe(2)

    await google.fault({ path: '/token', delayMs: 3_000, ...deadGrant })
    await expireToken(box.accountId)
    await makeAllDue()
    const [second] = (await tick()).refresh
    const stale = consume(second)
    await underWay(2)
    await query(`UPDATE oauth_tokens SET lease_until_utc = now() - interval '1 second'`)
    const { access_token } = await json<Vended>(vend(key, box.accountId))
    expect(await stale).toBe(true)
    // The stale failure does not mark the newer grant dead.
    expect(await tokenRow(box.accountId)).toMatchObject({ version: 3, status: 'active', lastError: null })
    expect((await json<Vended>(vend(key, box.accountId))).access_token).toBe(access_token)
    expect(await count('letters')).toBe(0)
  })

  it('RF-06 a rotated refresh token is stored with its access token; the old one is gone', async () => {
    const box = await seedMailbox()
    await google.settings({ rotateRefreshTokens: true })
    for (let round = 2; round <= 6; round += 1) {
      const { refreshToken } = await tokenRow(box.accountId)
      await makeAllDue()
      await runTick()
      const row = await tokenRow(box.accountId)
      expect(row).toMatchObject({ version: round, status: 'active' })
      expect(row.refreshToken).not.toBe(refreshToken)
      expect(row.history[0]?.outcome).toBe('refreshed')
      expect([...(await dumpTables()).values()].join('\n').includes(refreshToken ?? 'x')).toBe(false)
    }
    expect(await refreshCalls()).toBe(5)
  })

  it('an answer without a refresh token, or with an empty one, keeps the stored one', async () => {
    const box = await seedMailbox()
    await google.fault({
      path: '/token',
      status: 200,
      body: { access_token: 'ya29.a', refresh_token: '', token_type: 'Bearer', expires_in: 3_600 },
    })
    for (let times = 0; times < 2; times += 1) {
      await makeAllDue()
      await runTick()
    }
    expect(await tokenRow(box.accountId)).toMatchObject({ version: 3, status: 'active' })
  })
})

describe('what is told of a refresh', () => {
  it('a marked secret is in no log line, queue message, audit row, letter or error', async () => {
    const marks = {
      access: `ya29.MARKED-${'a'.repeat(40)}`,
      refresh: `1//0MARKED-${'r'.repeat(40)}`,
      text: 'MARKED-description',
    }
    const boxes = await seedMailboxes(4)
    const key = await backend()
    const [ok, dead, odd, cut] = boxes as [SeededMailbox, SeededMailbox, SeededMailbox, SeededMailbox]
    const answer = { access_token: marks.access, refresh_token: marks.refresh, token_type: 'Bearer', expires_in: 3_600 }
    await failing({ token: ok.refreshToken, status: 200, body: answer, times: 1 })
    await failing({
      token: dead.refreshToken,
      status: 400,
      body: { error: 'invalid_grant', error_description: marks.text },
    })
    await failing({
      token: odd.refreshToken,
      status: 400,
      body: { error: marks.text, error_description: marks.access },
    })
    await failing({ token: cut.refreshToken, status: 502, body: `<p>${marks.text} ${marks.refresh}</p>` })
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    const error = vi.spyOn(console, 'error').mockImplementation(() => {})
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    await makeAllDue()
    const sent = await runTick()
    const answers: string[] = []
    for (const { accountId } of [dead, odd, cut]) {
      await expireToken(accountId)
      answers.push(await (await vend(key, accountId)).text())
    }
    const said = [...log.mock.calls, ...error.mock.calls, ...warn.mock.calls].flat().map(String)
    vi.restoreAllMocks()
    expect((await json<Vended>(vend(key, ok.accountId))).access_token).toBe(marks.access)
    expect((await tokenRow(odd.accountId)).lastError).toBe('unlisted_error')
    const told = [...said, ...answers, JSON.stringify(sent), ...(await dumpTables()).values()].join('\n')
    expect(said.length).toBeGreaterThan(5)
    expect(told).not.toMatch(/MARKED|ya29\.|1\/\/0|test-google-secret/)
    for (const { accessToken, refreshToken } of boxes) {
      expect(told.includes(accessToken)).toBe(false)
      expect(told.includes(refreshToken)).toBe(false)
    }
  })
})
