// Envelopes and their keys under hostile hands: cut, altered, moved, under unknown keys, keys that are broken, and keys
// that are changed (SECURITY group TV). Each name begins with its case.
import { beforeEach, describe, expect, it, vi } from 'vitest'
import {
  call,
  count,
  expireToken,
  google,
  json,
  newPerson,
  onlyMailbox,
  refusal,
  vend,
  workerEnv,
} from '../support/app.ts'
import { emptyTables, query } from '../support/database.ts'
import { testKeys } from '../support/keys.ts'
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

const cut = (bytes: number) => (envelope: string) => {
  const [version, keyId, body = ''] = envelope.split('.')
  const whole = Buffer.from(body, 'base64url')
  const length = bytes < 0 ? whole.length + bytes : bytes
  return `${version}.${keyId}.${whole.subarray(0, length).toString('base64url')}`
}

const flip = (at: number) => (envelope: string) => {
  const [version, keyId, body = ''] = envelope.split('.')
  const bytes = Buffer.from(body, 'base64url')
  const index = at < 0 ? bytes.length + at : at
  bytes[index] = (bytes[index] ?? 0) ^ 1
  return `${version}.${keyId}.${bytes.toString('base64url')}`
}

const alterations: [string, string, (envelope: string) => string][] = [
  ['TV-13', 'cut to a tag of 4 bytes', cut(-12)],
  ['TV-13', 'cut to 1 byte', cut(1)],
  ['TV-13', 'cut to its IV', cut(12)],
  ['TV-13', 'with an empty body', cut(0)],
  ['TV-13', 'empty', () => ''],
  ['TV-13', 'with a bit of its IV flipped', flip(0)],
  ['TV-13', 'with a bit of its text flipped', flip(20)],
  ['TV-13', 'with a bit of its tag flipped', flip(-1)],
  ['TV-13', 'of another version', (envelope) => envelope.replace('gp1.', 'gp2.')],
  ['TV-13', 'that is a bare token', () => 'ya29.a-token-in-the-clear'],
  ['TV-16', 'under an unknown key', (envelope) => envelope.replace('.test1.', '.K9.')],
]

async function put(box: SeededMailbox, column: string, envelope: string): Promise<void> {
  await query(`UPDATE oauth_tokens SET ${column} = $2 WHERE oauth_token_id = $1`, [box.tokenId, envelope])
}

function loggedEvents(spy: { mock: { calls: unknown[][] } }): string[] {
  return spy.mock.calls.map(([line]) => String((JSON.parse(String(line)) as { event: string }).event))
}

describe('an envelope that does not open', () => {
  it.each(alterations)(
    '%s an access token %s: 503, audited, alarmed, the row untouched',
    async (_case, _name, alter) => {
      const [box, other] = (await seedMailboxes(2)) as [SeededMailbox, SeededMailbox]
      const { key } = await adminKey()
      const stored = await tokenRow(box.accountId)
      await put(box, 'access_token_txt', alter(stored.accessToken ?? ''))
      const before = await tokenRow(box.accountId)
      const log = vi.spyOn(console, 'log').mockImplementation(() => {})
      const answer = await vend(key, box.accountId)
      const text = await answer.text()
      const events = loggedEvents(log)
      log.mockRestore()
      expect([answer.status, (JSON.parse(text) as { code: string }).code]).toEqual([503, 'sealed_token_unreadable'])
      expect(answer.headers.get('Retry-After')).not.toBeNull()
      expect(text).not.toContain('ya29')
      expect(events).toContain('alarm_sealed_token_unreadable')
      expect(await auditOf(box.accountId)).toContainEqual(
        expect.objectContaining({ action: 'token.unreadable', outcome: 'failure' }),
      )
      expect({ ...(await tokenRow(box.accountId)), dueIn: 0, expiresIn: 0 }).toEqual({
        ...before,
        dueIn: 0,
        expiresIn: 0,
      })
      expect((await google.calls()).counts['POST /token refresh_token']).toBeUndefined()
      expect((await json<Vended>(vend(key, other.accountId))).access_token).toBe(other.accessToken)
    },
  )

  it.each(alterations)(
    '%s a refresh token %s: by vend and by cron nobody is asked, nothing is marked',
    async (_case, _name, alter) => {
      const [box, other] = (await seedMailboxes(2)) as [SeededMailbox, SeededMailbox]
      const { key } = await adminKey()
      await put(box, 'refresh_token_txt', alter((await tokenRow(box.accountId)).refreshToken ?? ''))
      await expireToken(box.accountId)
      const before = await tokenRow(box.accountId)
      const untouched = ({
        accessToken,
        refreshToken,
        version,
        failures,
        lastError,
        history,
        status,
        leaseId,
      }: typeof before) => ({
        accessToken,
        refreshToken,
        version,
        failures,
        lastError,
        history,
        status,
        leaseId,
      })
      expect(await refusal(vend(key, box.accountId))).toEqual([503, 'sealed_token_unreadable'])
      expect({ ...(await tokenRow(box.accountId)), dueIn: 0, expiresIn: 0 }).toEqual({
        ...before,
        dueIn: 0,
        expiresIn: 0,
      })
      expect((await auditOf(box.accountId)).map(({ action }) => action)).toEqual(['token.unreadable'])
      await makeAllDue()
      await runTick()
      expect(untouched(await tokenRow(box.accountId))).toEqual(untouched(before))
      expect((await tokenRow(other.accountId)).version).toBe(2)
      expect(await refreshCalls()).toBe(1)
      expect(await count('letters')).toBe(0)
    },
  )

  it('TV-13 an envelope moved to another mailbox, or to the other column, does not open', async () => {
    const [box, other] = (await seedMailboxes(2)) as [SeededMailbox, SeededMailbox]
    const { key } = await adminKey()
    const theirs = await tokenRow(other.accountId)
    await put(box, 'access_token_txt', theirs.accessToken ?? '')
    expect(await refusal(vend(key, box.accountId))).toEqual([503, 'sealed_token_unreadable'])
    await put(other, 'access_token_txt', theirs.refreshToken ?? '')
    expect(await refusal(vend(key, other.accountId))).toEqual([503, 'sealed_token_unreadable'])
  })
})

const short = Buffer.alloc(16, 7).toString('base64')
const long = Buffer.alloc(32, 7).toString('base64')

describe('broken sealing keys', () => {
  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['of 16 bytes', `k1:${short}`],
    ['not base64', 'k1:this is not base64 at all, not at all!!'],
    ['without a name', long],
    ['named twice', `k1:${long},k1:${long}`],
    ['with a trailing comma', `k1:${long},`],
    ['with a broken second key', `k1:${long},k2:${short}`],
  ])('TV-17 %s: token routes refuse, readiness says so, nothing falls back', async (_name, value) => {
    const box = await seedMailbox()
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    const { key } = await adminKey()
    await google.resetCalls()
    const before = await dumpTables()
    const env = workerEnv({ TOKEN_ENCRYPTION_KEYS: value })
    const asked = (path: string, options: Parameters<typeof call>[1] = {}) => call(path, { ...options, env })
    const token = `/api/v1/mail-accounts/${box.accountId}/access-token`
    expect(await refusal(asked(token, { bearer: key, json: {} }))).toEqual([503, 'misconfigured'])
    const reconnect = `/api/v1/mail-accounts/${account.id}/reconnect`
    expect(await refusal(asked(reconnect, { bearer: ada.access_token, json: {} }))).toEqual([503, 'misconfigured'])
    // Before the user is sent away: what Google would give could not be kept.
    expect(await refusal(asked('/auth/google/start'))).toEqual([503, 'misconfigured'])
    const login = await asked('/auth/google/login')
    expect([login.status, login.headers.get('Location')]).toEqual([503, null])
    await login.body?.cancel()
    expect((await asked('/health/readiness')).status).toBe(503)
    expect((await asked('/health/liveness')).status).toBe(200)
    expect((await google.calls()).counts).toEqual({})
    const after = await dumpTables()
    expect(after.get('oauth_tokens')).toBe(before.get('oauth_tokens'))
    expect(await auditOf(box.accountId)).toEqual([])
    // Cron claims nothing it could not open: with the keys back, it is still due.
    await makeAllDue()
    expect(await tick({ TOKEN_ENCRYPTION_KEYS: value })).toEqual({ refresh: [], erase: [] })
    const { refresh } = await tick()
    expect(refresh.flatMap(({ ids }) => ids)).toHaveLength(2)
    // A message that was under way waits in the queue, and leases nothing.
    expect(await consume(refresh[0], { TOKEN_ENCRYPTION_KEYS: value })).toBe(false)
    expect(await consume(refresh[0])).toBe(true)
    expect(await refreshCalls()).toBe(2)
    expect((await call('/health/readiness')).status).toBe(200)
  })

  it('TV-17 a disconnect still empties the row, and its revocation waits for the keys', async () => {
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    const env = workerEnv({ TOKEN_ENCRYPTION_KEYS: '', DELIVER_QUEUE: heldQueue() })
    const path = `/api/v1/mail-accounts/${account.id}`
    expect((await call(path, { method: 'DELETE', bearer: ada.access_token, env })).status).toBe(204)
    expect(await count('oauth_tokens', 'access_token_txt IS NULL AND refresh_token_txt IS NULL')).toBe(1)
    const [erasure] = await query<{ id: string }>('SELECT erasure_id AS id FROM erasures')
    expect(await consume({ kind: 'erase', erasure_id: erasure?.id }, { TOKEN_ENCRYPTION_KEYS: '' })).toBe(false)
    expect(await count('erasures', 'attempt_cnt = 0')).toBe(1)
    expect(await revokeCalls()).toBe(0)
    await runTick()
    expect([await revokeCalls(), await count('erasures')]).toEqual([1, 0])
  })
})

describe('changing the sealing key', () => {
  const [, first] = testKeys.TOKEN_ENCRYPTION_KEYS.split(':')
  const fresh = Buffer.alloc(32, 'another sealing key').toString('base64')
  const both = `k2:${fresh},test1:${first}`

  interface ReadinessJson {
    sealing_keys: { id: string; rows: number; first: boolean; known: boolean }[]
  }
  const keysOf = async (keys: string) =>
    (await json<ReadinessJson>(call('/health/readiness', { env: workerEnv({ TOKEN_ENCRYPTION_KEYS: keys }) })))
      .sealing_keys

  it('TV-16 cron seals older rows again, so that the old key can be retired; readiness counts them', async () => {
    const boxes = await seedMailboxes(230)
    expect(await keysOf(both)).toEqual([
      { id: 'k2', rows: 0, first: true, known: true },
      { id: 'test1', rows: 230, first: false, known: true },
    ])
    await tick({ TOKEN_ENCRYPTION_KEYS: both })
    expect((await keysOf(both)).map(({ rows }) => rows)).toEqual([200, 30])
    await tick({ TOKEN_ENCRYPTION_KEYS: both })
    expect((await keysOf(both)).map(({ rows }) => rows)).toEqual([230, 0])
    const { key } = await adminKey()
    const alone = workerEnv({ TOKEN_ENCRYPTION_KEYS: `k2:${fresh}` })
    const path = `/api/v1/mail-accounts/${boxes[7]?.accountId}/access-token`
    expect((await json<Vended>(call(path, { bearer: key, json: {}, env: alone }))).access_token).toBe(
      boxes[7]?.accessToken,
    )
    // Sealing again is no new token: the version, and with it a lease under way, stands.
    expect(await count('oauth_tokens', 'version_nbr = 1')).toBe(230)
    expect(await refreshCalls()).toBe(0)
  })

  it('TV-16 a refresh seals under the first key, an unchanged refresh token too', async () => {
    const box = await seedMailbox()
    await makeAllDue()
    for (const message of (await tick()).refresh) await consume(message, { TOKEN_ENCRYPTION_KEYS: both })
    const row = await tokenRow(box.accountId)
    expect([row.accessToken?.split('.')[1], row.refreshToken?.split('.')[1]]).toEqual(['k2', 'k2'])
    expect(await keysOf(`k2:${fresh}`)).toEqual([{ id: 'k2', rows: 1, first: true, known: true }])
  })

  it('TV-16 rows under a key that was retired too early are named, and do not keep others from being sealed again', async () => {
    await seedMailboxes(210, { keys: `a0:${fresh}` })
    await seedMailboxes(3)
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    await tick({ TOKEN_ENCRYPTION_KEYS: both })
    log.mockRestore()
    expect(await keysOf(both)).toEqual([
      { id: 'k2', rows: 3, first: true, known: true },
      { id: 'test1', rows: 0, first: false, known: true },
      { id: 'a0', rows: 210, first: false, known: false },
    ])
  })

  it('TV-16 a row that is written meanwhile keeps what was written', async () => {
    const box = await seedMailbox()
    await google.settings({ rotateRefreshTokens: true })
    await makeAllDue()
    const { refresh } = await tick()
    await Promise.all([consume(refresh[0], { TOKEN_ENCRYPTION_KEYS: both }), tick({ TOKEN_ENCRYPTION_KEYS: both })])
    await makeAllDue()
    await runTick({ TOKEN_ENCRYPTION_KEYS: both })
    expect(await tokenRow(box.accountId)).toMatchObject({ version: 3, status: 'active' })
  })
})
