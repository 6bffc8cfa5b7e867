// People who leave and come back while Google is being asked, and two who share a mailbox; on loopback and with the
// database 20 ms away. What is asserted are counts.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  call,
  count,
  dance,
  eventually,
  google,
  json,
  land,
  mailboxes,
  newPerson,
  onlyMailbox,
  type TokenPair,
  workerEnv,
} from '../support/app.ts'
import { emptyTables, proxy, testAddresses } from '../support/database.ts'
import { consume, heldQueue, makeAllDue, runTick, tick, tokenRow } from '../support/vault.ts'

const refreshCalls = (): Promise<number> => google.count('POST /token refresh_token')
const revokeCalls = (): Promise<number> => google.count('POST /revoke')

/** Waits until Google has been asked, so that what follows happens while it is answering. */
async function underWay(calls: () => Promise<number>): Promise<void> {
  await eventually(async () => ((await calls()) > 0 ? true : null))
}

/** Connects a further mailbox to a signed-in person, through the consent round where there is one. */
async function connect(person: TokenPair, email: string): Promise<string> {
  let landed = await land(await dance(email, { query: { purpose: 'connect' }, bearer: person.access_token }))
  if (landed.origin === testAddresses.GOOGLE_EMULATOR_URL)
    landed = await land(await google.redirect({ url: landed, email, grant: 'all' }))
  return redeem(person, landed)
}

async function redeem(person: TokenPair, landed: URL): Promise<string> {
  const answer = await json<{ mail_account: { id: string } }>(
    call('/auth/token', { bearer: person.access_token, json: { state: landed.searchParams.get('state') } }),
  )
  return answer.mail_account.id
}

async function reconnect(person: TokenPair, accountId: string, email: string): Promise<void> {
  await redeem(person, await beginReconnect(person, accountId, email))
}

/** All of a reconnection but its last step. */
async function beginReconnect(person: TokenPair, accountId: string, email: string): Promise<URL> {
  const path = `/api/v1/mail-accounts/${accountId}/reconnect`
  const { url } = await json<{ url: string }>(call(path, { bearer: person.access_token, json: {} }))
  return land(await google.redirect({ url, email, grant: 'all' }))
}

async function disconnect(person: TokenPair, accountId: string): Promise<unknown[]> {
  const queue = heldQueue()
  const env = workerEnv({ DELIVER_QUEUE: queue })
  const answer = await call(`/api/v1/mail-accounts/${accountId}`, {
    method: 'DELETE',
    bearer: person.access_token,
    env,
  })
  expect(answer.status).toBe(204)
  return queue.bodies
}

const secretsLeft = async (): Promise<number> =>
  (await count('oauth_tokens', 'num_nonnulls(access_token_txt, refresh_token_txt) > 0')) +
  (await count('erasures', 'sealed_txt IS NOT NULL')) +
  (await count('one_time_codes', 'payload_sealed_txt IS NOT NULL'))

const liveGrants = async (sub: string): Promise<number> =>
  (await google.grants()).filter((grant) => grant.sub === sub).length

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

  it('disconnect during a refresh: its answer is discarded, 0 secrets left, the grant revoked', async () => {
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    await google.fault({ path: '/token', grant_type: 'refresh_token', delayMs: 2_000 })
    await makeAllDue()
    const [message] = (await tick()).refresh
    const refreshing = consume(message)
    await underWay(refreshCalls)
    const [erase] = await disconnect(ada, account.id)
    expect(await refreshing).toBe(true)
    expect(await tokenRow(account.id)).toMatchObject({
      accessToken: null,
      refreshToken: null,
      status: 'disconnected',
      dueAt: null,
    })
    expect(await consume(erase)).toBe(true)
    expect([await refreshCalls(), await revokeCalls(), await secretsLeft()]).toEqual([1, 1, 0])
    expect(await liveGrants(ada.sub)).toBe(0)
  })

  it('reconnect during a refresh: the newer grant stands, whether the older one’s answer is good or dead', async () => {
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    let version = 1
    for (const answer of [{}, { status: 400, body: { error: 'invalid_grant' } }]) {
      await google.fault({ path: '/token', grant_type: 'refresh_token', delayMs: 2_500, ...answer })
      const landed = await beginReconnect(ada, account.id, 'ada@gmail.com')
      await google.resetCalls()
      await makeAllDue()
      const [message] = (await tick()).refresh
      const refreshing = consume(message)
      await underWay(refreshCalls)
      await redeem(ada, landed)
      const renewed = await tokenRow(account.id)
      expect(await refreshing).toBe(true)
      version += 1
      expect(await tokenRow(account.id)).toMatchObject({
        version,
        accessToken: renewed.accessToken,
        refreshToken: renewed.refreshToken,
        status: 'active',
        failures: 0,
      })
    }
    expect(await count('letters')).toBe(0)
  })

  it('disconnect and reconnect during a revocation: the death it brings is noticed by the next tick', async () => {
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    const [erase] = await disconnect(ada, account.id)
    await google.fault({ path: '/revoke', delayMs: 3_500 })
    const revoking = consume(erase)
    await underWay(revokeCalls)
    await reconnect(ada, account.id, 'ada@gmail.com')
    expect(await tokenRow(account.id)).toMatchObject({ status: 'active' })
    expect(await count('erasures')).toBe(0)
    expect(await revoking).toBe(true)
    expect((await tokenRow(account.id)).dueIn).toBeLessThanOrEqual(0)
    await runTick()
    expect(await tokenRow(account.id)).toMatchObject({ status: 'needs_reauthorization', lastError: 'invalid_grant' })
    expect([await revokeCalls(), await refreshCalls(), await count('letters')]).toEqual([1, 1, 1])
    expect(
      await count('audit_logs', `action_cd = 'grant.revoked' AND subject_id_txt = $1`, [
        (erase as { erasure_id: string }).erasure_id,
      ]),
    ).toBe(1)
  })

  it('a second disconnect that joins during a revocation is revoked, too', async () => {
    const [ada, eve] = [await newPerson('ada@gmail.com'), await newPerson('eve@gmail.com')]
    const { sub } = await google.addUser({ email: 'shared@gmail.com' })
    const adas = await connect(ada, 'shared@gmail.com')
    const [erase] = await disconnect(ada, adas)
    await google.fault({ path: '/revoke', delayMs: 4_500 })
    const revoking = consume(erase)
    await underWay(revokeCalls)
    const eves = await connect(eve, 'shared@gmail.com')
    const [second] = await disconnect(eve, eves)
    expect(await revoking).toBe(true)
    await consume(second)
    await runTick()
    expect([await liveGrants(sub ?? ''), await count('erasures')]).toEqual([0, 0])
    expect(await count('oauth_tokens', 'num_nonnulls(access_token_txt, refresh_token_txt) = 0')).toBe(2)
  })

  it('TV-23 two users of one mailbox disconnect at once: exactly 1 revoke call, 0 secrets left', async () => {
    for (let round = 0; round < 2; round += 1) {
      await emptyTables()
      await google.reset()
      const [ada, eve] = [await newPerson('ada@gmail.com'), await newPerson('eve@gmail.com')]
      const { sub } = await google.addUser({ email: 'shared@gmail.com' })
      const adas = await connect(ada, 'shared@gmail.com')
      const eves = await connect(eve, 'shared@gmail.com')
      await google.resetCalls()
      // Each message is consumed as soon as it is there, as the queue would.
      const leave = async (person: TokenPair, accountId: string): Promise<void> => {
        for (const message of await disconnect(person, accountId)) expect(await consume(message)).toBe(true)
      }
      await Promise.all([leave(ada, adas), leave(eve, eves)])
      await runTick()
      expect(await revokeCalls()).toBe(1)
      expect(await count('erasures')).toBe(0)
      expect(
        await count(
          'oauth_tokens t JOIN user_mail_accounts a USING (user_mail_account_id)',
          `a.provider_subject_txt = $1 AND num_nonnulls(t.access_token_txt, t.refresh_token_txt) > 0`,
          [sub],
        ),
      ).toBe(0)
      expect(await liveGrants(sub ?? '')).toBe(0)
    }
  })

  it('the first of two users leaves: 0 revoke calls, and the other’s mailbox goes on', async () => {
    const [ada, eve] = [await newPerson('ada@gmail.com'), await newPerson('eve@gmail.com')]
    await google.addUser({ email: 'shared@gmail.com' })
    const adas = await connect(ada, 'shared@gmail.com')
    const eves = await connect(eve, 'shared@gmail.com')
    for (const message of await disconnect(ada, adas)) await consume(message)
    await makeAllDue()
    await runTick()
    expect([await revokeCalls(), await count('erasures')]).toEqual([0, 0])
    expect(await tokenRow(eves)).toMatchObject({ status: 'active', version: 2 })
  })

  it('connecting again cancels a waiting erasure: 0 revoke calls, and the new grant lives', async () => {
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    const [erase] = await disconnect(ada, account.id)
    expect(await count('erasures')).toBe(1)
    await reconnect(ada, account.id, 'ada@gmail.com')
    expect(await count('erasures')).toBe(0)
    expect(await consume(erase)).toBe(true)
    await makeAllDue()
    await runTick()
    expect(await revokeCalls()).toBe(0)
    expect(await tokenRow(account.id)).toMatchObject({ status: 'active', failures: 0 })
  })

  it('ten disconnects of one mailbox at once: 1 erasure, 1 revoke call', async () => {
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    const messages = (await Promise.all(Array.from({ length: 10 }, () => disconnect(ada, account.id)))).flat()
    expect(messages).toHaveLength(1)
    await Promise.all([...messages, ...messages].map((message) => consume(message)))
    expect([await revokeCalls(), await secretsLeft()]).toEqual([1, 0])
    expect((await mailboxes(ada.access_token)).map(({ status }) => status)).toEqual(['disconnected'])
  })

  it('a revocation delivered twice at once: 1 call', async () => {
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    const [erase] = await disconnect(ada, account.id)
    await google.fault({ path: '/revoke', delayMs: 300 })
    await Promise.all([consume(erase), consume(erase), runTick()])
    await eventually(async () => ((await count('erasures')) === 0 ? true : null))
    expect(await revokeCalls()).toBe(1)
  })
})
