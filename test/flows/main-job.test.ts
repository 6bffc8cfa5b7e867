// The main job, end to end inside workerd: sign in with Google, a mailbox connected, its token handed to a backend, kept
// fresh by cron and queue, and gone when it is disconnected. Counts of trips and provider calls are part of it.
import { beforeEach, describe, expect, it } from 'vitest'
import {
  call,
  count,
  cron,
  dance,
  eventually,
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
  signIn,
  signInBrowser,
  vend,
} from '../support/app.ts'
import { emptyTables, proxy, query, testAddresses } from '../support/database.ts'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
})

async function gmailAccepts(token: string): Promise<number> {
  const answer = await fetch(`${testAddresses.GOOGLE_EMULATOR_URL}/gmail/v1/users/me/profile`, {
    headers: { Authorization: `Bearer ${token}` },
  })
  await answer.body?.cancel()
  return answer.status
}

describe('the main job', () => {
  it('connects a mailbox by signing in, and hands out a token that Gmail accepts', async () => {
    const { access_token, userId } = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(access_token)
    expect(account).toMatchObject({ email: 'ada@gmail.com', provider: 'google', status: 'active', missing_scopes: [] })
    expect(account.granted_scopes).toEqual(expect.arrayContaining([gmail.read, gmail.send]))
    const admin = await newPerson('admin@gmail.com')
    const { key } = await newKey(admin.access_token)
    const response = await vend(key, account.id)
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    const token = await json<{ access_token: string; expires_in: number; token_type: string }>(response)
    expect(token.token_type).toBe('Bearer')
    expect(token.expires_in).toBeGreaterThan(3_000)
    expect(await gmailAccepts(token.access_token)).toBe(200)
    expect(await count('audit_logs', `action_cd = 'token.handed_out' AND subject_id_txt = $1`, [account.id])).toBe(1)
    const me = await json(call('/auth/me', { bearer: access_token }))
    expect(me).toMatchObject({
      id: userId,
      email: 'ada@gmail.com',
      email_verified: true,
      role: 'user',
      avatar_url: null,
    })
  })

  it('keeps the token fresh by cron and queue after the first would have expired', async () => {
    const { access_token } = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(access_token)
    const { key } = await newKey((await newPerson('admin@gmail.com')).access_token)
    const first = await json<{ access_token: string }>(vend(key, account.id))
    await google.advanceClock(3_700)
    expect(await gmailAccepts(first.access_token)).toBe(401)
    await makeDue(account.id)
    await google.resetCalls()
    await cron()
    await eventually(async () => ((await count('oauth_tokens', 'version_nbr = 2')) === 1 ? true : null))
    const second = await json<{ access_token: string }>(vend(key, account.id))
    expect(second.access_token).not.toBe(first.access_token)
    expect(await gmailAccepts(second.access_token)).toBe(200)
    expect(await google.count('POST /token refresh_token')).toBe(1)
    const detail = await json<{ refresh_history: { outcome: string }[] }>(
      call(`/api/v1/mail-accounts/${account.id}`, { bearer: access_token }),
    )
    expect(detail.refresh_history).toMatchObject([{ outcome: 'refreshed', error: null }])
  })

  it('refreshes on demand where the stored token has expired, in two trips', async () => {
    const { access_token } = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(access_token)
    const { key } = await newKey((await newPerson('admin@gmail.com')).access_token)
    await expireToken(account.id)
    await proxy.resetCounts()
    const token = await json<{ access_token: string; expires_in: number }>(vend(key, account.id))
    expect((await proxy.counts()).roundTrips).toBe(2)
    expect(await gmailAccepts(token.access_token)).toBe(200)
    await proxy.resetCounts()
    await json(vend(key, account.id))
    expect((await proxy.counts()).roundTrips).toBe(1)
    expect(await count('audit_logs', `action_cd = 'token.handed_out' AND subject_id_txt = $1`, [account.id])).toBe(2)
  })

  it('disconnects: secrets gone at once, the grant revoked, hand-out 404; reconnecting brings it back', async () => {
    const { access_token } = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(access_token)
    const { key } = await newKey((await newPerson('admin@gmail.com')).access_token)
    expect((await call(`/api/v1/mail-accounts/${account.id}`, { method: 'DELETE', bearer: access_token })).status).toBe(
      204,
    )
    expect(
      await query('SELECT access_token_txt, refresh_token_txt FROM oauth_tokens WHERE user_mail_account_id = $1', [
        account.id,
      ]),
    ).toEqual([{ access_token_txt: null, refresh_token_txt: null }])
    expect(await refusal(vend(key, account.id))).toEqual([404, 'not_found'])
    await eventually(async () =>
      (await google.count('POST /revoke')) === 1 && (await count('erasures')) === 0 ? true : null,
    )
    expect((await onlyMailbox(access_token)).status).toBe('disconnected')
    const reconnect = await json<{ url: string }>(
      call(`/api/v1/mail-accounts/${account.id}/reconnect`, { bearer: access_token, json: {} }),
    )
    const landed = await land(await google.redirect({ url: reconnect.url, email: 'ada@gmail.com', grant: 'all' }))
    const redeemed = await json<{ mail_account: { id: string; status: string } }>(
      call('/auth/token', { bearer: access_token, json: { state: landed.searchParams.get('state') } }),
    )
    expect(redeemed.mail_account).toMatchObject({ id: account.id, status: 'active' })
    expect(await gmailAccepts((await json<{ access_token: string }>(vend(key, account.id))).access_token)).toBe(200)
  })

  it('signs in again without forcing consent, and keeps the stored refresh token', async () => {
    await newPerson('ada@gmail.com')
    const before = await query('SELECT refresh_token_txt FROM oauth_tokens')
    const again = await signIn('ada@gmail.com')
    expect(await query('SELECT refresh_token_txt FROM oauth_tokens')).toEqual(before)
    expect(await count('users')).toBe(1)
    expect((await onlyMailbox(again.access_token)).status).toBe('active')
  })

  it('asks for consent once where no refresh token came and none is stored', async () => {
    await newPerson('ada@gmail.com')
    await query('UPDATE oauth_tokens SET refresh_token_txt = NULL')
    const landed = await land(await dance('ada@gmail.com'))
    expect(landed.origin).toBe(testAddresses.GOOGLE_EMULATOR_URL)
    expect(landed.searchParams.get('prompt')).toBe('consent')
    const home = await land(await google.redirect({ url: landed, email: 'ada@gmail.com', grant: 'all' }))
    expect(home.searchParams.get('state')).not.toBeNull()
    expect(await count('oauth_tokens', 'refresh_token_txt IS NOT NULL')).toBe(1)
    expect(await count('erasures')).toBe(0)
  })

  it('gives a browser a session cookie for our own pages, and connects a second mailbox to it', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    await google.addUser({ email: 'ada.work@gmail.com' })
    const cookies = await signInBrowser('ada@gmail.com')
    expect([...cookies.keys()]).toEqual(['session'])
    const login = await call('/auth/google/login?purpose=connect&scopes=mail', {
      cookies,
      headers: { 'Sec-Fetch-Site': 'same-origin' },
    })
    expect(login.status).toBe(302)
    const landed = await land(
      await google.redirect({ url: login.headers.get('Location') ?? '', email: 'ada.work@gmail.com', grant: 'all' }),
      cookies,
    )
    expect(landed.pathname).toBe('/mailboxes')
    expect(await count('user_mail_accounts')).toBe(2)
    expect(await count('users')).toBe(1)
    expect(await count('user_identities')).toBe(1)
  })

  it('stays within its trips: login 0, callback 3, hand-off 1, me 1, list 1, refresh 1', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const trips = async (work: () => Promise<unknown>): Promise<number> => {
      await proxy.resetCounts()
      await work()
      return (await proxy.counts()).roundTrips
    }
    let callback = new URL('http://x')
    expect(
      await trips(async () => {
        callback = await dance('ada@gmail.com')
      }),
    ).toBe(0)
    let landed = new URL('http://x')
    expect(
      await trips(async () => {
        landed = await land(callback)
      }),
    ).toBe(3)
    let pair = { access_token: '', refresh_token: '' }
    expect(
      await trips(async () => {
        pair = await json(call('/auth/token', { json: { state: landed.searchParams.get('state') } }))
      }),
    ).toBe(1)
    expect(await trips(() => json(call('/auth/me', { bearer: pair.access_token })))).toBe(1)
    expect(await trips(() => json(call('/emails/addresses', { bearer: pair.access_token })))).toBe(1)
    expect(await trips(() => json(call('/auth/refresh', { json: { refresh_token: pair.refresh_token } })))).toBe(1)
  })
})
