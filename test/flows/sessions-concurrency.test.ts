// Sessions at the same time as themselves, on real PostgreSQL: on loopback and with the database 20 ms away. What is
// asserted are counts: rows, live leaves, and what lives when everybody is done.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  appUrl,
  type Cookies,
  call,
  count,
  google,
  json,
  newPerson,
  signIn,
  signInBrowser,
  type TokenPair,
} from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import { begin, beginBrowser, comeBack, consent, consentAnew, handOffOf, redeem } from '../support/flows.ts'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await proxy.setDelay(0)
})
afterEach(() => proxy.setDelay(0))

const times = <T>(n: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, index) => make(index)))

/** Callbacks of one person, each with a refresh token, ready to come back at once. */
function readyCallbacks(n: number, person: { email: string } | { sub: string }): Promise<URL[]> {
  return times(n, async () => consentAnew(await begin(), person))
}

describe.each([0, 20])('with the database %i ms away', (delay) => {
  const far = () => proxy.setDelay(delay)

  it('SE-04 30 refreshes of one token at once: all the same successor, two rows, one live leaf', async () => {
    const { refresh_token } = await newPerson('ada@gmail.com')
    await far()
    const answers = await times(30, () => json<TokenPair>(call('/auth/refresh', { json: { refresh_token } })))
    expect(new Set(answers.map((answer) => answer.refresh_token)).size).toBe(1)
    expect(await count('refresh_tokens')).toBe(2)
    expect(await count('refresh_tokens', 'used_at_utc IS NULL')).toBe(1)
    expect(await count('refresh_tokens', 'shown_cnt = 30')).toBe(1)
    expect(await count('sessions', 'revoked_at_utc IS NULL')).toBe(1)
    const [successor] = answers
    await json(call('/auth/refresh', { json: { refresh_token: successor?.refresh_token } }))
    expect(await count('refresh_tokens')).toBe(3)
  })

  it('SE-05 reuse and refresh at once: the family is dead afterwards, whoever came first', async () => {
    for (let run = 0; run < 3; run += 1) {
      await proxy.setDelay(0)
      const { refresh_token: r0, access_token } = await (run === 0
        ? newPerson('ada@gmail.com')
        : signIn('ada@gmail.com'))
      const refresh = (token: string) => call('/auth/refresh', { json: { refresh_token: token } })
      const r1 = (await json<TokenPair>(refresh(r0))).refresh_token
      const r2 = (await json<TokenPair>(refresh(r1))).refresh_token
      await far()
      const [reused, ...fresh] = await Promise.all([refresh(r0), ...Array.from({ length: 4 }, () => refresh(r2))])
      await proxy.setDelay(0)
      expect(reused?.status).toBe(401)
      const successors = await Promise.all(
        fresh.filter(({ status }) => status === 200).map((answer) => json<TokenPair>(answer)),
      )
      for (const token of [r2, ...successors.map((pair) => pair.refresh_token)])
        expect((await refresh(token)).status).toBe(401)
      for (const bearer of [access_token, ...successors.map((pair) => pair.access_token)]) {
        expect((await call('/auth/me', { bearer })).status).toBe(401)
      }
    }
    expect(await count('sessions', 'revoked_at_utc IS NULL')).toBe(0)
  })

  it('logout and refresh at once: nothing of the session lives afterwards', async () => {
    const pair = await newPerson('ada@gmail.com')
    await far()
    const refreshes = Array.from({ length: 5 }, () =>
      call('/auth/refresh', { json: { refresh_token: pair.refresh_token } }),
    )
    const [logout, ...answers] = await Promise.all([
      call('/auth/logout', { method: 'POST', bearer: pair.access_token }),
      ...refreshes,
    ])
    await proxy.setDelay(0)
    expect(logout?.status).toBe(204)
    const given = await Promise.all(
      answers.filter(({ status }) => status === 200).map((answer) => json<TokenPair>(answer)),
    )
    for (const { access_token, refresh_token } of [pair, ...given]) {
      expect((await call('/auth/me', { bearer: access_token })).status).toBe(401)
      expect((await call('/auth/refresh', { json: { refresh_token } })).status).toBe(401)
    }
  })

  it('logout-everywhere and sign-ins at once: afterwards a session lives only if it began after', async () => {
    const ada = await newPerson('ada@gmail.com')
    const callbacks = await readyCallbacks(3, { email: 'ada@gmail.com' })
    const codes = await Promise.all(
      (await readyCallbacks(2, { email: 'ada@gmail.com' })).map(async (callback) => {
        const answer = await comeBack(callback)
        return handOffOf(answer)
      }),
    )
    await far()
    const [ended, redeemed, landed] = await Promise.all([
      call('/auth/logout-everywhere', { method: 'POST', bearer: ada.access_token }),
      Promise.all(codes.map((code) => redeem(code))),
      Promise.all(callbacks.map((callback) => comeBack(callback))),
    ])
    expect(ended.status).toBe(204)
    expect(redeemed.every(({ status }) => status === 200 || status === 400)).toBe(true)
    expect(landed.every(({ status }) => status === 302)).toBe(true)
    // Whatever was begun under the old version is dead, marked or not.
    const [{ n } = { n: -1 }] = await query<{ n: number }>(
      `SELECT count(*)::int AS n FROM sessions s JOIN users u USING (user_id)
       WHERE s.revoked_at_utc IS NULL AND s.credential_version_nbr = u.credential_version_nbr AND u.credential_version_nbr <> 2`,
    )
    expect(n).toBe(0)
    for (const answer of redeemed.filter(({ status }) => status === 200)) {
      const pair = await json<TokenPair>(answer)
      expect((await call('/auth/me', { bearer: pair.access_token })).status).toBe(401)
    }
    expect((await call('/auth/me', { bearer: ada.access_token })).status).toBe(401)
  })
})

describe('the browser’s session under parallel sign-ins', () => {
  it('a shown session is ended once, and each new one is another', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const cookies = await signInBrowser('ada@gmail.com')
    const begun = await times(3, () => beginBrowser(cookies, { return_to: '/mailboxes' }))
    const callbacks = await Promise.all(begun.map((each) => consent(each, { email: 'ada@gmail.com' })))
    const jars: Cookies[] = callbacks.map(() => new Map(cookies))
    const answers = await Promise.all(
      callbacks.map((callback, n) => comeBack(callback, { cookies: jars[n] ?? new Map() })),
    )
    expect(answers.every(({ status }) => status === 302)).toBe(true)
    const values = jars.map((jar) => jar.get('session'))
    expect(new Set([...values, cookies.get('session')]).size).toBe(4)
    expect(await count('sessions')).toBe(4)
    expect(await count('sessions', 'revoked_at_utc IS NULL')).toBe(3)
    expect(new URL(answers[0]?.headers.get('Location') ?? '', appUrl).pathname).toBe('/mailboxes')
  })
})
