// Group SE of SECURITY.md: sessions, their tokens, our JWT, cookies and CORS, tried by somebody who means harm. Time is
// moved on the rows, never waited for.
import { CompactSign, generateKeyPair, importJWK, type JWK } from 'jose'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import {
  appUrl,
  type Cookies,
  call,
  count,
  google,
  json,
  makeDue,
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
import { emptyTables, proxy, query } from '../support/database.ts'
import {
  begin,
  beginBrowser,
  comeBack,
  consent,
  cookieLives,
  disable,
  hashOf,
  outcome,
  provenUser,
  tick,
  untilSomebodyWaits,
} from '../support/flows.ts'
import { testKeys } from '../support/keys.ts'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await proxy.setDelay(0)
})

const refresh = (refresh_token: string) => call('/auth/refresh', { json: { refresh_token } })
const me = (bearer: string) => call('/auth/me', { bearer })
const liveLeaves = () =>
  count(
    'refresh_tokens r',
    `used_at_utc IS NULL AND EXISTS (SELECT FROM sessions s WHERE s.session_id = r.session_id AND s.revoked_at_utc IS NULL)`,
  )
const graceIsOver = () =>
  query(`UPDATE refresh_tokens SET used_at_utc = used_at_utc - interval '11 seconds' WHERE used_at_utc IS NOT NULL`)

interface SessionJson {
  id: string
  is_current: boolean
  device: string
  ip_address: string
}

const sessionsOf = async (bearer: string) =>
  (await json<{ items: SessionJson[] }>(call('/auth/sessions', { bearer }))).items

const claimsOf = (jwt: string) =>
  JSON.parse(atob((jwt.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/'))) as Record<string, unknown>

describe('rotation', () => {
  it('SE-01 each refresh gives another token; only hashes are stored; the old ones are marked', async () => {
    const r0 = (await newPerson('ada@gmail.com')).refresh_token
    const r1 = (await json<TokenPair>(refresh(r0))).refresh_token
    const second = await json<TokenPair>(refresh(r1))
    const r2 = second.refresh_token
    expect(new Set([r0, r1, r2]).size).toBe(3)
    expect(second).toMatchObject({ token_type: 'bearer', expires_in: 1_800 })
    const stored = await query<{ hash: string; used: boolean; shown: number }>(
      'SELECT token_hash_txt AS hash, used_at_utc IS NOT NULL AS used, shown_cnt AS shown FROM refresh_tokens ORDER BY created_at_utc',
    )
    expect(stored).toEqual([
      { hash: await hashOf(r0), used: true, shown: 1 },
      { hash: await hashOf(r1), used: true, shown: 1 },
      { hash: await hashOf(r2), used: false, shown: 0 },
    ])
    expect((await me(second.access_token)).status).toBe(200)
    expect(await count('sessions')).toBe(1)
  })

  it('SE-04 a lost answer is given again within the grace: the same successor, no new branch', async () => {
    const r0 = (await newPerson('ada@gmail.com')).refresh_token
    const first = await json<TokenPair>(refresh(r0))
    const again = await json<TokenPair>(refresh(r0))
    expect(again.refresh_token).toBe(first.refresh_token)
    expect(await count('refresh_tokens')).toBe(2)
    expect(await liveLeaves()).toBe(1)
    await json(refresh(again.refresh_token))
  })

  it('SE-04 after the grace the same retry is reuse: the session ends', async () => {
    const { refresh_token: r0, access_token } = await newPerson('ada@gmail.com')
    const { refresh_token: r1 } = await json<TokenPair>(refresh(r0))
    await graceIsOver()
    expect(await refusal(refresh(r0))).toEqual([401, 'invalid_refresh_token'])
    expect((await refresh(r1)).status).toBe(401)
    expect((await me(access_token)).status).toBe(401)
    expect(await liveLeaves()).toBe(0)
  })

  it('SE-05 100 showings within the grace leave one live leaf; R0 after R1 was used ends the family, told once', async () => {
    const { refresh_token: r0, access_token, userId } = await newPerson('ada@gmail.com')
    const { refresh_token: r1 } = await json<TokenPair>(refresh(r0))
    for (let batch = 0; batch < 10; batch += 1) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => json<TokenPair>(refresh(r0))))
      expect(new Set(answers.map(({ refresh_token }) => refresh_token))).toEqual(new Set([r1]))
      // Time stands still for the grace's purpose: this is about the number of showings.
      await query('UPDATE refresh_tokens SET used_at_utc = now() WHERE used_at_utc IS NOT NULL')
    }
    expect(await count('refresh_tokens')).toBe(2)
    expect(await liveLeaves()).toBe(1)
    const { refresh_token: r2 } = await json<TokenPair>(refresh(r1))
    expect(await refusal(refresh(r0))).toEqual([401, 'invalid_refresh_token'])
    for (const token of [r0, r1, r2]) expect((await refresh(token)).status).toBe(401)
    expect((await me(access_token)).status).toBe(401)
    expect(await liveLeaves()).toBe(0)
    expect(await count('audit_logs', `action_cd = 'session.reuse_detected' AND actor_user_id = $1`, [userId])).toBe(1)
  })

  it('SE-05 reuse ends one session, not the person’s others', async () => {
    const first = await newPerson('ada@gmail.com')
    const other = await signIn('ada@gmail.com')
    const r1 = await json<TokenPair>(refresh(first.refresh_token))
    await json(refresh(r1.refresh_token))
    expect((await refresh(first.refresh_token)).status).toBe(401)
    expect((await me(other.access_token)).status).toBe(200)
    await json(refresh(other.refresh_token))
  })

  it('SE-06 30 days are the end, however fresh the token', async () => {
    const pair = await newPerson('ada@gmail.com')
    await query(`UPDATE sessions SET created_at_utc = now() - interval '29 days 23 hours'`)
    const next = await json<TokenPair>(refresh(pair.refresh_token))
    await query(`UPDATE sessions SET created_at_utc = now() - interval '30 days 1 second'`)
    expect(await refusal(refresh(next.refresh_token))).toEqual([401, 'session_expired'])
    expect((await me(next.access_token)).status).toBe(401)
    expect(await count('refresh_tokens')).toBe(2)
  })

  it('a session unused for 7 days is over, and so is a refresh token of 7 days', async () => {
    const idle = await newPerson('ada@gmail.com')
    const cookies = await signInBrowser('ada@gmail.com')
    const old = await newPerson('bob@gmail.com')
    await query(`UPDATE sessions SET last_seen_at_utc = now() - interval '7 days 1 second' WHERE user_id = $1`, [
      idle.userId,
    ])
    expect(await refusal(refresh(idle.refresh_token))).toEqual([401, 'session_expired'])
    expect((await me(idle.access_token)).status).toBe(401)
    expect(await cookieLives(cookies)).toBe(false)
    await query('UPDATE refresh_tokens SET expires_at_utc = now()')
    expect((await refresh(old.refresh_token)).status).toBe(401)
    expect(await count('refresh_tokens')).toBe(2)
  })

  it('a refresh token that nobody made, or in another form, is 401', async () => {
    for (const token of [
      `gpr_${'A'.repeat(43)}`,
      'gpr_',
      'x',
      'null',
      `gp_${'A'.repeat(43)}`,
      `gpr_${'A'.repeat(44)}`,
    ]) {
      expect(await refusal(refresh(token))).toEqual([401, 'invalid_refresh_token'])
    }
    const stored = await newPerson('ada@gmail.com')
    expect((await refresh(await hashOf(stored.refresh_token))).status).toBe(401)
  })
})

describe('ending', () => {
  it('SE-07 logout ends JWT and refresh token at once; again is 204', async () => {
    for (const how of ['bearer', 'body'] as const) {
      const pair = await newPerson(`${how}@gmail.com`)
      const logout = () =>
        how === 'bearer'
          ? call('/auth/logout', { method: 'POST', bearer: pair.access_token })
          : call('/auth/logout', { json: { refresh_token: pair.refresh_token } })
      expect((await logout()).status).toBe(204)
      expect((await me(pair.access_token)).status).toBe(401)
      expect((await refresh(pair.refresh_token)).status).toBe(401)
      expect((await logout()).status).toBe(204)
    }
    expect(await refusal(call('/auth/logout', { method: 'POST' }))).toEqual([401, 'unauthorized'])
  })

  it('logout-everywhere ends all sessions, cookies among them; one that comes after lives', async () => {
    const first = await newPerson('ada@gmail.com')
    const second = await signIn('ada@gmail.com')
    const cookies = await signInBrowser('ada@gmail.com')
    const bob = await newPerson('bob@gmail.com')
    expect((await call('/auth/logout-everywhere', { method: 'POST', bearer: first.access_token })).status).toBe(204)
    for (const pair of [first, second]) {
      expect((await me(pair.access_token)).status).toBe(401)
      expect(await refusal(refresh(pair.refresh_token))).toEqual([401, 'session_expired'])
    }
    expect(await cookieLives(cookies)).toBe(false)
    expect((await me(bob.access_token)).status).toBe(200)
    expect((await me((await signIn('ada@gmail.com')).access_token)).status).toBe(200)
    expect((await call('/auth/logout-everywhere', { method: 'POST', bearer: first.access_token })).status).toBe(401)
  })

  it.each(['logout-everywhere', 'disabled'] as const)(
    'a sign-in in flight across %s is dead on arrival, as hand-off and as cookie',
    async (change) => {
      const ada = await newPerson('ada@gmail.com')
      for (const kind of ['start', 'login'] as const) {
        await query('UPDATE users SET is_active_flg = true')
        const fresh = await signIn('ada@gmail.com')
        const cookies: Cookies = new Map()
        const begun = kind === 'start' ? await begin() : await beginBrowser(cookies, { return_to: '/mailboxes' })
        const callback = await consent(begun, { email: 'ada@gmail.com' })
        // The write waits behind this lock, after its look.
        await query('BEGIN')
        await query('SELECT FROM oauth_tokens FOR UPDATE')
        const landing = comeBack(callback, { cookies })
        await untilSomebodyWaits()
        if (change === 'disabled') {
          // In the lock's own transaction: it is true from the moment the write goes on.
          await disable(ada.userId)
        } else {
          const ended = await call('/auth/logout-everywhere', { method: 'POST', bearer: fresh.access_token })
          expect(ended.status).toBe(204)
        }
        await query('COMMIT')
        const answer = await landing
        const code = new URL(answer.headers.get('Location') ?? '', appUrl).searchParams.get('state')
        if (code !== null)
          expect(await refusal(call('/auth/token', { json: { state: code } }))).toEqual([400, 'invalid_grant'])
        expect(await cookieLives(cookies)).toBe(false)
        expect(
          await count(
            'sessions s',
            's.revoked_at_utc IS NULL AND s.credential_version_nbr = (SELECT u.credential_version_nbr FROM users u WHERE u.user_id = s.user_id)',
          ),
        ).toBe(0)
      }
    },
  )

  it('SE-09 a disabled user: JWT, refresh, cookie, vend and sign-in all end at once', async () => {
    const ada = await newPerson('ada@gmail.com')
    const cookies = await signInBrowser('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    const { key } = await newKey((await newPerson('admin@gmail.com')).access_token)
    expect((await vend(key, account.id)).status).toBe(200)
    await disable(ada.userId)
    expect((await me(ada.access_token)).status).toBe(401)
    expect((await refresh(ada.refresh_token)).status).toBe(401)
    expect(await cookieLives(cookies)).toBe(false)
    expect(await refusal(vend(key, account.id))).toEqual([404, 'not_found'])
    const sessions = await count('sessions')
    expect(await outcome(comeBack(await consent(await begin(), { email: 'ada@gmail.com' })))).toBe(
      '302 account_disabled',
    )
    const jar: Cookies = new Map()
    const begun = await beginBrowser(jar, { return_to: '/mailboxes' })
    expect(await outcome(comeBack(await consent(begun, { email: 'ada@gmail.com' }), { cookies: jar }))).toBe(
      '302 account_disabled',
    )
    expect(jar.has('session')).toBe(false)
    expect(await count('sessions')).toBe(sessions)
  })

  it('SE-25 a disabled user: no session by linking, and nothing is refreshed for them', async () => {
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    await disable(ada.userId)
    await google.addUser({ sub: '555', email: 'ada@gmail.com' })
    await query(`DELETE FROM user_identities`)
    expect(await outcome(comeBack(await consent(await begin(), { sub: '555' })))).toBe('302 account_disabled')
    await google.resetCalls()
    await makeDue(account.id)
    await tick()
    expect(await google.count('POST /token refresh_token')).toBe(0)
  })

  it('SE-10 another’s session is 404 and stays; the list shows one’s own, without secrets', async () => {
    const ada = await newPerson('ada@gmail.com')
    const bob = await newPerson('bob@gmail.com')
    const bobs = String(claimsOf(bob.access_token).sid)
    expect(await refusal(call(`/auth/sessions/${bobs}`, { method: 'DELETE', bearer: ada.access_token }))).toEqual([
      404,
      'not_found',
    ])
    expect((await me(bob.access_token)).status).toBe(200)
    const other = await signIn('ada@gmail.com')
    const cookies = await signInBrowser('ada@gmail.com')
    const list = await sessionsOf(ada.access_token)
    expect(list).toHaveLength(3)
    expect(list.filter(({ is_current }) => is_current).map(({ id }) => id)).toEqual([claimsOf(ada.access_token).sid])
    expect(Object.keys(list[0] ?? {}).sort()).toEqual(
      ['created_at', 'device', 'id', 'ip_address', 'is_current', 'last_seen_at', 'user_agent'].sort(),
    )
    const secrets = [other.refresh_token, cookies.get('session')?.split('.')[1] ?? 'none']
    const hashes = await Promise.all(secrets.map(hashOf))
    for (const secret of [...secrets, ...hashes]) expect(JSON.stringify(list)).not.toContain(secret)
    const own = String(claimsOf(other.access_token).sid)
    expect((await call(`/auth/sessions/${own}`, { method: 'DELETE', bearer: ada.access_token })).status).toBe(204)
    expect((await me(other.access_token)).status).toBe(401)
    expect((await refresh(other.refresh_token)).status).toBe(401)
    expect(await sessionsOf(ada.access_token)).toHaveLength(2)
    for (const id of ['not-a-uuid', '%00', '00000000-0000-0000-0000-000000000000']) {
      const { status } = await call(`/auth/sessions/${id}`, { method: 'DELETE', bearer: ada.access_token })
      expect([404, 422]).toContain(status)
    }
  })

  it('SE-11 a session known before signing in does not survive it: a new id, the shown one ended', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    await google.addUser({ email: 'mallory@gmail.com' })
    const planted = await signInBrowser('mallory@gmail.com')
    const before = planted.get('session') ?? ''
    const victim: Cookies = new Map([['session', before]])
    await signInBrowser('ada@gmail.com', victim)
    expect(victim.get('session')).not.toBe(before)
    expect(victim.get('session')?.split('.')[0]).not.toBe(before.split('.')[0])
    expect(await cookieLives(new Map([['session', before]]))).toBe(false)
    expect(await cookieLives(victim)).toBe(true)
  })

  it('SE-11 nobody ends a session by showing its id alone; a made-up cookie is no session', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    await google.addUser({ email: 'mallory@gmail.com' })
    const ada = await signInBrowser('ada@gmail.com')
    const [id = ''] = (ada.get('session') ?? '').split('.')
    for (const forged of [`${id}.${'A'.repeat(43)}`, id, `${id}.`, 'x', `${crypto.randomUUID()}.${'A'.repeat(43)}`]) {
      const jar: Cookies = new Map([['session', forged]])
      expect(await cookieLives(jar)).toBe(false)
      await signInBrowser('mallory@gmail.com', jar)
      expect(jar.get('session')).not.toBe(forged)
    }
    expect(await cookieLives(ada)).toBe(true)
  })

  it('a refused sign-in leaves the session that was shown', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const cookies = await signInBrowser('ada@gmail.com')
    await provenUser('eve@corp.test')
    const { sub } = await google.addUser({ email: 'eve@corp.test' })
    const begun = await beginBrowser(cookies, { return_to: '/mailboxes' })
    expect(await outcome(comeBack(await consent(begun, { sub }), { cookies }))).toBe('302 account_exists')
    expect(await cookieLives(cookies)).toBe(true)
  })
})

const [signingJwk] = (JSON.parse(testKeys.JWT_SIGNING_KEYS) as { keys: [JWK] }).keys
const kid = String(signingJwk.kid)
const encode = (value: unknown) =>
  btoa(typeof value === 'string' ? value : JSON.stringify(value))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

/** A JWT with these claims and header, correctly signed by the key given (ours unless told). */
async function signed(claims: unknown, header: Record<string, unknown> = {}, key?: CryptoKey): Promise<string> {
  const body = new TextEncoder().encode(typeof claims === 'string' ? claims : JSON.stringify(claims))
  const by = key ?? (await importJWK(signingJwk, 'ES256'))
  return new CompactSign(body).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid, ...header }).sign(by)
}

describe('our JWT', () => {
  const now = () => Math.floor(Date.now() / 1000)

  it('is what the contract says, and a re-signed copy is accepted: the forgeries below fail for their own reason', async () => {
    const { access_token, userId } = await newPerson('ada@gmail.com')
    const claims = claimsOf(access_token)
    expect(claims).toMatchObject({ iss: appUrl, aud: appUrl, sub: userId })
    expect(Number(claims.exp) - Number(claims.iat)).toBe(1_800)
    expect((await me(await signed(claims))).status).toBe(200)
  })

  it('SE-12 alg none in any spelling, an empty signature, HS256 by the public key: 401', async () => {
    const { access_token } = await newPerson('ada@gmail.com')
    const [head = '', body = '', signature = ''] = access_token.split('.')
    const header = JSON.parse(atob(head.replaceAll('-', '+').replaceAll('_', '/'))) as object
    for (const alg of ['none', 'None', 'nOnE', 'NONE', '', null]) {
      for (const tail of ['', signature]) {
        expect((await me(`${encode({ ...header, alg })}.${body}.${tail}`)).status).toBe(401)
      }
    }
    const tampered = [
      `${head}.${body}.`,
      `${head}.${body}`,
      `${head}.${body}.${signature.slice(0, -2)}AA`,
      `${head}.${encode({ ...claimsOf(access_token), sub: crypto.randomUUID() })}.${signature}`,
      `${body}.${head}.${signature}`,
      `${access_token}.${signature}`,
    ]
    for (const token of tampered) expect((await me(token)).status).toBe(401)
    const publicText = JSON.stringify({ kty: 'EC', crv: 'P-256', x: signingJwk.x, y: signingJwk.y })
    const hmacKey = await crypto.subtle.importKey(
      'raw',
      new TextEncoder().encode(publicText),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign'],
    )
    expect((await me(await signed(claimsOf(access_token), { alg: 'HS256' }, hmacKey as CryptoKey))).status).toBe(401)
  })

  it('SE-14 kid and key headers: 401 each, 0 outbound calls', async () => {
    const { access_token } = await newPerson('ada@gmail.com')
    const claims = claimsOf(access_token)
    const foreign = await generateKeyPair('ES256', { extractable: true })
    const foreignJwk = { ...((await crypto.subtle.exportKey('jwk', foreign.publicKey)) as object), kid }
    await google.resetCalls()
    const spy = vi.spyOn(globalThis, 'fetch')
    try {
      const kids = [
        '../../dev/null',
        "' OR 1=1--",
        'k'.repeat(3_000),
        'unknown',
        '',
        '__proto__',
        'constructor',
        `${kid}\u0000`,
        null,
        1,
      ]
      for (const bad of kids) expect((await me(await signed(claims, { kid: bad }))).status).toBe(401)
      const hosts = ['jku', 'x5u', 'jwk', 'x5c'].map((name) => ({
        [name]: name === 'jwk' ? foreignJwk : name === 'x5c' ? ['AAAA'] : 'https://evil.test/keys',
      }))
      for (const header of hosts) expect((await me(await signed(claims, header, foreign.privateKey))).status).toBe(401)
      expect((await me(await signed(claims, {}, foreign.privateKey))).status).toBe(401)
      expect((await me(`${access_token}${'A'.repeat(10_000)}`)).status).toBe(401)
      const many = await Promise.all(
        Array.from({ length: 200 }, async (_, n) => (await me(await signed(claims, { kid: `unknown-${n}` }))).status),
      )
      expect(new Set(many)).toEqual(new Set([401]))
      expect(spy).not.toHaveBeenCalled()
    } finally {
      spy.mockRestore()
    }
    expect((await google.calls()).log).toEqual([])
    // A header that says where to find the key changes nothing where the key is ours.
    expect((await me(await signed(claims, { jku: 'https://evil.test' }))).status).toBe(200)
  })

  it('SE-15 a token of another kind is 401 at each door', async () => {
    const { access_token, refresh_token } = await newPerson('ada@gmail.com')
    expect((await me(refresh_token)).status).toBe(401)
    const { kid: _, ...other } = { kid, typ: 'JWT' }
    for (const typ of ['JWT', 'JOSE', 'at+JWT+x', null])
      expect((await me(await signed(claimsOf(access_token), { ...other, typ }))).status).toBe(401)
    const rsa = await generateKeyPair('RS256')
    const idToken = await new CompactSign(new TextEncoder().encode(JSON.stringify(claimsOf(access_token))))
      .setProtectedHeader({ alg: 'RS256', kid: 'google', typ: 'JWT' })
      .sign(rsa.privateKey)
    expect((await me(idToken)).status).toBe(401)
    const cookies = await signInBrowser('ada@gmail.com')
    expect((await me(cookies.get('session') ?? '')).status).toBe(401)
    expect((await refresh(access_token)).status).toBe(401)
  })

  it('SE-15 a JWT for a cookie session, and a cookie for a token session: neither passes for the other', async () => {
    const { access_token, userId } = await newPerson('ada@gmail.com')
    const cookies = await signInBrowser('ada@gmail.com')
    const [cookieSession = ''] = (cookies.get('session') ?? '').split('.')
    expect((await me(await signed({ ...claimsOf(access_token), sid: cookieSession }))).status).toBe(401)
    const forged: Cookies = new Map([['session', `${String(claimsOf(access_token).sid)}.${'A'.repeat(43)}`]])
    expect(await cookieLives(forged)).toBe(false)
    const bob = await newPerson('bob@gmail.com')
    expect((await me(await signed({ ...claimsOf(access_token), sub: bob.userId }))).status).toBe(401)
    expect(userId).not.toBe(bob.userId)
  })

  it('SE-16 another aud or iss, none, or a list: 401', async () => {
    const claims = claimsOf((await newPerson('ada@gmail.com')).access_token)
    const { aud: _, ...noAud } = claims
    const { iss: __, ...noIss } = claims
    const wrong = [
      { ...claims, aud: 'other' },
      { ...claims, aud: [appUrl, 'other'] },
      { ...claims, aud: `${appUrl}/` },
      { ...claims, iss: 'https://evil.test' },
      { ...claims, iss: `${appUrl}/` },
      { ...claims, aud: null },
      noAud,
      noIss,
    ]
    for (const each of wrong) expect((await me(await signed(each))).status).toBe(401)
  })

  it('SE-17 clock skew: 60 s of leeway, whole numbers only', async () => {
    const { exp: _, ...claims } = claimsOf((await newPerson('ada@gmail.com')).access_token)
    const exp = now() + 600
    const accepted = [{ exp: now() - 1 }, { exp, nbf: now() + 30 }, { exp, iat: now() + 30 }]
    for (const each of accepted) expect((await me(await signed({ ...claims, ...each }))).status).toBe(200)
    const refused = [
      {},
      { exp: now() - 61 },
      { exp: 0 },
      { exp: -1 },
      { exp: String(exp) },
      { exp: exp + 0.5 },
      { exp: null },
      { exp: [exp] },
      { exp: true },
      { exp, nbf: now() + 300 },
      { exp, nbf: 'soon' },
      { exp, iat: now() + 3_600 },
      { exp, iat: 'now' },
      { exp, iat: null },
    ]
    for (const each of refused) {
      expect([JSON.stringify(each), (await me(await signed({ ...claims, ...each }))).status]).toEqual([
        JSON.stringify(each),
        401,
      ])
    }
    for (const raw of ['1e308', '1e999', 'NaN']) {
      const text = JSON.stringify({ ...claims, exp: 0 }).replace('"exp":0', `"exp":${raw}`)
      expect((await me(await signed(text))).status).toBe(401)
    }
  })

  it('SE-18 sub and sid of another type or of nobody: 401, never 500', async () => {
    const claims = claimsOf((await newPerson('ada@gmail.com')).access_token)
    const gone = await newPerson('bob@gmail.com')
    await query('DELETE FROM users WHERE user_id = $1', [gone.userId])
    const values = [
      1,
      null,
      [],
      {},
      '1 OR 1=1',
      '',
      '\u0000',
      "'; DROP TABLE users;--",
      crypto.randomUUID(),
      gone.userId,
    ]
    for (const value of values) {
      expect((await me(await signed({ ...claims, sub: value }))).status).toBe(401)
      expect((await me(await signed({ ...claims, sid: value }))).status).toBe(401)
    }
    expect((await me(gone.access_token)).status).toBe(401)
    for (const text of ['null', '[]', '1', '"x"', '{', '']) expect((await me(await signed(text))).status).toBe(401)
  })

  it('SE-20 rotating the signing key: nothing fails while both are there; without the old one its tokens are 401', async () => {
    const pair = await generateKeyPair('ES256', { extractable: true })
    const next = {
      ...((await crypto.subtle.exportKey('jwk', pair.privateKey)) as JWK),
      kid: 'test-signing-2',
      alg: 'ES256',
      use: 'sig',
    }
    const jwk = {
      kty: next.kty,
      crv: next.crv,
      x: next.x,
      y: next.y,
      d: next.d,
      kid: next.kid,
      alg: next.alg,
      use: next.use,
    }
    const both = workerEnv({ JWT_SIGNING_KEYS: JSON.stringify({ keys: [jwk, signingJwk] }) })
    const only = workerEnv({ JWT_SIGNING_KEYS: JSON.stringify({ keys: [jwk] }) })
    const old = await newPerson('ada@gmail.com')
    expect((await call('/auth/me', { bearer: old.access_token, env: both })).status).toBe(200)
    const renewed = await json<TokenPair>(
      call('/auth/refresh', { json: { refresh_token: old.refresh_token }, env: both }),
    )
    const header = JSON.parse(
      atob((renewed.access_token.split('.')[0] ?? '').replaceAll('-', '+').replaceAll('_', '/')),
    ) as { kid: string }
    expect(header.kid).toBe('test-signing-2')
    for (const bearer of [old.access_token, renewed.access_token]) {
      expect((await call('/auth/me', { bearer, env: both })).status).toBe(200)
    }
    const published = await json<{ keys: { kid: string }[] }>(call('/.well-known/jwks.json', { env: both }))
    expect(published.keys.map((key) => key.kid)).toEqual(['test-signing-2', kid])
    expect((await call('/auth/me', { bearer: old.access_token, env: only })).status).toBe(401)
    expect((await call('/auth/me', { bearer: renewed.access_token, env: only })).status).toBe(200)
    // The session itself outlives the key.
    await json(call('/auth/refresh', { json: { refresh_token: renewed.refresh_token }, env: only }))
  })

  it('SE-27 JWKS shows public members only', async () => {
    const response = await call('/.well-known/jwks.json')
    const { keys } = await json<{ keys: Record<string, unknown>[] }>(response)
    expect(keys).toHaveLength(1)
    for (const key of keys) expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    expect(JSON.stringify(keys)).not.toContain(String(signingJwk.d))
  })
})

describe('cookies, origins and Bearer', () => {
  const setCookies = (response: Response) => response.headers.getSetCookie().filter((line) => !/max-age=0/i.test(line))

  it('SE-21 over http on this machine: HttpOnly, Lax, Path=/, no Domain; nothing secret in the name', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const login = await call('/auth/google/login?return_to=/mailboxes')
    const [flow = ''] = setCookies(login)
    expect(flow).toMatch(/^flow-[A-Za-z0-9_-]{16}=[A-Za-z0-9_-]{43}; /)
    expect(flow).toMatch(/HttpOnly/)
    expect(flow).toMatch(/SameSite=Lax/)
    expect(flow).toMatch(/Path=\//)
    expect(flow).toMatch(/Max-Age=600/)
    expect(flow).not.toMatch(/Domain/i)
    const state = new URL(login.headers.get('Location') ?? '').searchParams.get('state') ?? ''
    expect(flow).not.toContain(state.slice(0, 16))
  })

  it('SE-21 over https: __Host-, Secure, and the plain name does not count', async () => {
    const env = workerEnv({ APP_URL: 'https://localhost:8787' })
    await google.addUser({ email: 'ada@gmail.com' })
    const jar: Cookies = new Map()
    const login = await call('/auth/google/login?return_to=/mailboxes', { env, cookies: jar })
    const callback = await consent({ url: new URL(login.headers.get('Location') ?? '') }, { email: 'ada@gmail.com' })
    const plain: Cookies = new Map([...jar].map(([name, value]) => [name.replace('__Host-', ''), value]))
    expect((await comeBack(callback, { env, cookies: plain })).status).toBe(400)
    const landed = await comeBack(callback, { env, cookies: jar })
    expect(landed.status).toBe(302)
    const cookies = [...setCookies(login), ...setCookies(landed)]
    expect(cookies).toHaveLength(2)
    for (const line of cookies) {
      expect(line).toMatch(/^__Host-(flow-[A-Za-z0-9_-]{16}|session)=/)
      expect(line).toMatch(/; Secure/)
      expect(line).toMatch(/; HttpOnly/)
      expect(line).toMatch(/; SameSite=Lax/)
      expect(line).toMatch(/; Path=\/(;|$)/)
      expect(line).not.toMatch(/Domain/i)
    }
    expect([...jar.keys()]).toEqual(['__Host-session'])
    const connect = (cookies: Cookies) =>
      call('/auth/google/login?purpose=connect', { env, cookies, headers: { 'Sec-Fetch-Site': 'same-origin' } })
    const value = jar.get('__Host-session') ?? ''
    expect(await outcome(connect(new Map([['session', value]])))).not.toBe('302 google')
    expect(await outcome(connect(new Map([['__Host-session', value]])))).toBe('302 google')
  })

  it('SE-22 a cookie never refreshes anything, whatever the Origin', async () => {
    await google.addUser({ email: 'ada@gmail.com' })
    const cookies = await signInBrowser('ada@gmail.com')
    const before = await query('SELECT * FROM sessions')
    for (const headers of [{ Origin: 'https://evil.test' }, { Origin: appUrl }, {}]) {
      const { status } = await call('/auth/refresh', { method: 'POST', cookies: new Map(cookies), headers })
      expect(status).toBeGreaterThanOrEqual(400)
      expect(status).toBeLessThan(500)
    }
    expect(await query('SELECT * FROM sessions')).toEqual(before)
    expect(await count('refresh_tokens')).toBe(0)
  })

  it.each([
    'null',
    'https://evil.test',
    'http://localhost:3000.evil.test',
    'http://evillocalhost:3000',
    'https://localhost:3000',
    'http://localhost:30000',
    'http://localhost:3000/',
    'http://localhost.:3000',
    'http://.*:3000',
    'http://localhost:3000, http://evil.test',
    'HTTP://LOCALHOST:3000',
  ])('SE-23 Origin %s gets no CORS header, on the call and on the preflight', async (origin) => {
    const { access_token } = await newPerson('ada@gmail.com')
    for (const options of [
      { bearer: access_token, headers: { Origin: origin } },
      { method: 'OPTIONS', headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' } },
    ]) {
      const answer = await call('/auth/me', options)
      expect(answer.headers.get('Access-Control-Allow-Origin')).toBeNull()
      expect(answer.headers.get('Access-Control-Allow-Credentials')).toBeNull()
      await answer.body?.cancel()
    }
  })

  it('SE-23 the listed origin gets itself, never credentials, on refusals too', async () => {
    const { access_token } = await newPerson('ada@gmail.com')
    for (const options of [{ bearer: access_token }, {}, { method: 'OPTIONS' }]) {
      const headers = { Origin: 'http://localhost:3000', 'Access-Control-Request-Method': 'GET' }
      const answer = await call('/auth/me', { ...options, headers })
      expect(answer.headers.get('Access-Control-Allow-Origin')).toBe('http://localhost:3000')
      expect(answer.headers.get('Access-Control-Allow-Credentials')).toBeNull()
      expect(answer.headers.get('Vary')).toContain('Origin')
      await answer.body?.cancel()
    }
  })

  it('SE-26 a session cookie counts on no JSON route', async () => {
    const ada = await newPerson('ada@gmail.com')
    const account = await onlyMailbox(ada.access_token)
    const cookies = await signInBrowser('ada@gmail.com')
    const id = crypto.randomUUID()
    const routes: [string, string, unknown?][] = [
      ['GET', '/auth/me'],
      ['GET', '/auth/sessions'],
      ['DELETE', `/auth/sessions/${cookies.get('session')?.split('.')[0]}`],
      ['POST', '/auth/logout'],
      ['POST', '/auth/logout-everywhere'],
      ['GET', '/auth/google/start?purpose=connect'],
      ['GET', '/api/v1/oauth/google/initiate?purpose=connect'],
      ['GET', '/emails/addresses'],
      ['GET', '/api/v1/mail-accounts'],
      ['GET', `/api/v1/mail-accounts/${account.id}`],
      ['DELETE', `/api/v1/mail-accounts/${account.id}`],
      ['POST', `/api/v1/mail-accounts/${account.id}/reconnect`, {}],
      ['POST', `/api/v1/mail-accounts/${account.id}/access-token`, {}],
      ['GET', '/api/v1/api-keys'],
      ['POST', '/api/v1/api-keys', { name: 'x', permissions: ['tokens:vend'] }],
      ['DELETE', `/api/v1/api-keys/${id}`],
    ]
    for (const [method, path, body] of routes) {
      const answer = await call(path, {
        method,
        cookies: new Map(cookies),
        headers: { Origin: appUrl, 'Sec-Fetch-Site': 'same-origin' },
        ...(body === undefined ? {} : { json: body }),
      })
      expect([method, path, answer.status]).toEqual([method, path, 401])
      await answer.body?.cancel()
    }
    expect(await cookieLives(cookies)).toBe(true)
    expect((await onlyMailbox(ada.access_token)).status).toBe('active')
  })

  it('SE-26 Bearer A together with cookie B acts as A', async () => {
    const ada = await newPerson('ada@gmail.com')
    await google.addUser({ email: 'bob@gmail.com' })
    const bob = await signInBrowser('bob@gmail.com')
    expect(await json(call('/auth/me', { bearer: ada.access_token, cookies: bob }))).toMatchObject({ id: ada.userId })
    expect((await call('/auth/me', { bearer: 'not.a.token', cookies: bob })).status).toBe(401)
    const begun = await begin({ purpose: 'connect', scopes: 'mail' }, { bearer: ada.access_token, cookies: bob })
    await google.addUser({ email: 'two@gmail.com' })
    const landed = await comeBack(await consent(begun, { email: 'two@gmail.com' }), { cookies: bob })
    const code = new URL(landed.headers.get('Location') ?? '').searchParams.get('state')
    await json(call('/auth/token', { bearer: ada.access_token, cookies: bob, json: { state: code } }))
    expect(await query(`SELECT user_id FROM user_mail_accounts WHERE email_address_txt = 'two@gmail.com'`)).toEqual([
      { user_id: ada.userId },
    ])
    await call('/auth/logout', { method: 'POST', bearer: ada.access_token, cookies: bob })
    expect(await cookieLives(bob)).toBe(true)
  })

  it('SE-28 service keys: an ordinary session reads, makes and revokes none, and each try is told', async () => {
    const ada = await newPerson('ada@gmail.com')
    const admin = await newPerson('admin@gmail.com')
    const { id, key } = await newKey(admin.access_token)
    const tries = [
      call('/api/v1/api-keys', { bearer: ada.access_token }),
      call('/api/v1/api-keys', { bearer: ada.access_token, json: { name: 'x', permissions: ['tokens:vend'] } }),
      call(`/api/v1/api-keys/${id}`, { method: 'DELETE', bearer: ada.access_token }),
      call(`/api/v1/api-keys/${crypto.randomUUID()}`, { method: 'DELETE', bearer: ada.access_token }),
      // A key is no admin either.
      call('/api/v1/api-keys', { bearer: key }),
      call(`/api/v1/api-keys/${id}`, { method: 'DELETE', bearer: key }),
    ]
    for (const answer of tries) expect(await refusal(answer)).toEqual([403, 'forbidden'])
    expect(await query('SELECT status_cd FROM api_keys')).toEqual([{ status_cd: 'active' }])
    expect(
      await count('audit_logs', `action_cd = 'admin.refused' AND actor_user_id = $1`, [ada.userId]),
    ).toBeGreaterThanOrEqual(3)
    // Demoted, a live session loses it at once.
    await query(`UPDATE users SET role_cd = 'user' WHERE user_id = $1`, [admin.userId])
    expect(await refusal(call(`/api/v1/api-keys/${id}`, { method: 'DELETE', bearer: admin.access_token }))).toEqual([
      403,
      'forbidden',
    ])
    expect(await count('api_keys', `status_cd = 'active'`)).toBe(1)
  })
})
