// The outer fence of /auth and /oauth: 60 a minute, by session only where a JWT's signature held, else by the address that
// the platform vouches for (SECURITY AP-09, PW-17; DESIGN 6.7).
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { networkOf } from '../../src/http/middleware/rate-limit.ts'
import { call, json, newKey, newPerson, type TokenPair } from '../support/app.ts'
import { query } from '../support/database.ts'
import { callWith, expectGuarded, problemOf, readOperations, someId } from '../support/operations.ts'

/** What the Worker counted a request under, whatever the fence then said. */
let keys: string[] = []
const recording = {
  limit: async ({ key }: { key: string }) => {
    keys.push(key)
    return { success: true }
  },
}
const spent = { limit: async () => ({ success: false }) }
const failing = {
  limit: async () => {
    throw new Error('MARKED limiter trouble')
  },
}

beforeEach(() => {
  keys = []
})

async function bucketOf(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<string[]> {
  const before = keys.length
  const response = await callWith({ AUTH_RATE_LIMIT: recording }, path, { headers, method })
  await response.body?.cancel()
  return keys.slice(before)
}

describe('sixty a minute', () => {
  const until429 = async (ask: (n: number) => Promise<Response>): Promise<{ passed: number; refused: Response }> => {
    // The platform counts by the clock's minute: of 125 quick calls at least one minute has its 61st.
    for (let passed = 0; passed < 125; passed += 1) {
      const response = await ask(passed)
      if (response.status === 429) return { passed, refused: response }
      await response.body?.cancel()
    }
    throw new Error('125 calls passed')
  }

  it('AP-09 refuses the 61st with 429 and Retry-After', async () => {
    const { passed, refused } = await until429(() => call('/auth/me', { ip: '192.0.2.1' }))
    expect(passed).toBeGreaterThanOrEqual(60)
    expect(refused.headers.get('Retry-After')).toBe('60')
    expect((await problemOf(refused)).code).toBe('rate_limited')
    const other = await call('/auth/me', { ip: '192.0.2.2' })
    expect((await problemOf(other)).code).toBe('unauthorized')
  })

  it('PW-17 gives no fresh bucket to spoofed headers, other mounts, methods or paths', async () => {
    const { passed, refused } = await until429((n) => {
      const paths = ['/auth/refresh', '/api/v1/auth/refresh', '/auth/token', '/oauth/google/initiate', '/auth/nothing']
      const path = paths[n % paths.length] ?? ''
      const json = { refresh_token: `x${n}` }
      return call(path + (n % 2 === 0 ? '/' : ''), {
        ip: '192.0.2.9',
        ...(n % 5 < 3 ? { json } : {}),
        headers: {
          'X-Forwarded-For': `10.9.${n}.1`,
          'X-Real-IP': `10.8.${n}.1`,
          'True-Client-IP': `10.7.${n}.1`,
          'X-Client-IP': `10.6.${n}.1`,
          Forwarded: `for=10.5.${n}.1`,
          'User-Agent': `agent ${n}`,
          'CF-Connecting-IPv6': `2001:db8:${n}::1`,
        },
      })
    })
    expect(passed).toBeGreaterThanOrEqual(60)
    expect((await problemOf(refused)).code).toBe('rate_limited')
  })

  it('answers a person at login and callback with a page, and Retry-After', async () => {
    for (const path of [
      '/auth/google/login',
      '/api/v1/auth/google/callback?code=a&state=b',
      '/oauth/google/callback',
    ]) {
      const response = await callWith({ AUTH_RATE_LIMIT: spent }, path)
      expect([response.status, response.headers.get('Content-Type')?.split(';')[0]]).toEqual([429, 'text/html'])
      expect(response.headers.get('Retry-After')).toBe('60')
      expectGuarded(response)
      await response.body?.cancel()
    }
    expect((await problemOf(await callWith({ AUTH_RATE_LIMIT: spent }, '/auth/google/start'))).code).toBe(
      'rate_limited',
    )
  })
})

describe('the bucket', () => {
  let pair: TokenPair
  let sessionId = ''
  let serviceKey = ''

  beforeAll(async () => {
    pair = await newPerson('admin@gmail.com')
    serviceKey = (await newKey(pair.access_token)).key
    const [row] = await query<{ id: string }>('SELECT session_id AS id FROM sessions')
    sessionId = row?.id ?? ''
  })

  const from = { 'CF-Connecting-IP': '192.0.2.5' }

  it('AP-09 is one for all mounts, and stands before everything under /auth and /oauth, once', async () => {
    for (const operation of await readOperations()) {
      const isFenced = /^\/api\/v1\/(auth|oauth)\//.test(operation.path)
      const expected = isFenced ? ['address:192.0.2.5'] : []
      expect(await bucketOf(operation.path, from, operation.method), operation.path).toEqual(expected)
      expect(await bucketOf(`${operation.path}/`, from, operation.method), operation.path).toEqual(expected)
      if (isFenced)
        expect(await bucketOf(operation.path.slice('/api/v1'.length), from, operation.method)).toEqual(expected)
    }
    for (const path of ['/auth', '/auth/', '/auth/nothing', '/api/v1/oauth', '/auth/google/x/y'])
      expect(await bucketOf(path, from)).toEqual(['address:192.0.2.5'])
  })

  it('AP-09 is the session for what a signed-in person asks about themselves', async () => {
    const signedIn = { ...from, Authorization: `Bearer ${pair.access_token}` }
    for (const path of ['/auth/me', '/api/v1/auth/me', '/auth/sessions', '/auth/me/'])
      expect(await bucketOf(path, signedIn)).toEqual([`session:${sessionId}`])
    expect(await bucketOf(`/auth/sessions/${someId}`, signedIn, 'DELETE')).toEqual([`session:${sessionId}`])
    for (const path of ['/auth/step-up', '/auth/me/password', '/api/v1/auth/step-up/'])
      expect(await bucketOf(path, signedIn, 'POST')).toEqual([`session:${sessionId}`])
  })

  it('AP-09 is the address for signing in, codes and letters, whoever is signed in', async () => {
    const signedIn = { ...from, Authorization: `Bearer ${pair.access_token}` }
    for (const path of [
      '/auth/login',
      '/auth/register',
      '/auth/verify-email',
      '/auth/resend-verification',
      '/auth/forgot-password',
      '/auth/reset-password',
      '/auth/me/email',
      '/api/v1/auth/me/email/',
      '/auth/token',
      '/auth/refresh',
      '/auth/google/start',
      '/oauth/google/initiate',
      '/auth/google/login',
    ])
      expect(await bucketOf(path, signedIn, path.includes('google') ? 'GET' : 'POST')).toEqual(['address:192.0.2.5'])
    for (const path of ['/auth/meanwhile', '/auth/x/me', '/auth/ME', '/oauth/me'])
      expect(await bucketOf(path, signedIn)).toEqual(['address:192.0.2.5'])
  })

  it('PW-17 is the address’s for the forms of our pages that call the same verbs, and none for reading them', async () => {
    const cookie = { ...from, Origin: 'http://localhost:8787', Cookie: `session=${sessionId}.${'x'.repeat(43)}` }
    const forms = [
      '/sign-in',
      '/register',
      '/verify-email',
      '/forgot-password',
      '/reset-password',
      '/step-up',
      '/settings',
      '/settings/security',
    ]
    for (const path of forms) {
      const headers = { ...cookie, 'Content-Type': 'application/x-www-form-urlencoded' }
      expect([path, await bucketOf(path, headers, 'POST')]).toEqual([path, ['address:192.0.2.5']])
      expect([path, await bucketOf(path, cookie)]).toEqual([path, []])
      for (const [limiter, status] of [
        [spent, 429],
        [failing, 503],
        [undefined, 503],
      ] as const) {
        const refused = await callWith({ AUTH_RATE_LIMIT: limiter }, path, { method: 'POST', headers })
        expect([path, refused.status, refused.headers.get('Content-Type')?.split(';')[0]]).toEqual([
          path,
          status,
          'text/html',
        ])
        await refused.body?.cancel()
      }
    }
  })

  it('AP-09 takes no session out of a token whose signature does not hold, a key or a cookie', async () => {
    const [header = '', , signature = ''] = pair.access_token.split('.')
    const claims = btoa(JSON.stringify({ sub: someId, sid: someId, exp: 4_102_444_800 })).replaceAll('=', '')
    for (const shown of [
      `${header}.${claims}.${signature}`,
      `${pair.access_token.slice(0, -8)}AAAAAAAA`,
      serviceKey,
      'x',
    ])
      expect(await bucketOf('/auth/me', { ...from, Authorization: `Bearer ${shown}` })).toEqual(['address:192.0.2.5'])
    expect(await bucketOf('/auth/me', { ...from, Cookie: `session=${sessionId}.${'x'.repeat(43)}` })).toEqual([
      'address:192.0.2.5',
    ])
  })

  it('PW-17 is shared by all callers without an address, whatever other headers say', async () => {
    expect(await bucketOf('/auth/refresh', { 'X-Forwarded-For': '10.1.1.1' }, 'POST')).toEqual(['address:unknown'])
    expect(await bucketOf('/auth/refresh', { 'X-Real-IP': '10.1.1.1' }, 'POST')).toEqual(['address:unknown'])
  })

  it('AP-09 closes signing in and codes where the limiter fails, and leaves a signed-in person’s reading open', async () => {
    const headers = { Authorization: `Bearer ${pair.access_token}` }
    for (const limiter of [failing, undefined]) {
      const closed = [
        ['POST', '/auth/login'],
        ['POST', '/auth/register'],
        ['POST', '/auth/forgot-password'],
        ['POST', '/auth/reset-password'],
        ['POST', '/auth/step-up'],
        ['POST', '/auth/me/password'],
        ['POST', '/auth/token'],
        ['POST', '/auth/refresh'],
        ['GET', '/auth/google/start'],
        ['POST', '/auth/logout-everywhere'],
        ['DELETE', `/auth/sessions/${someId}`],
      ] as const
      for (const [method, path] of closed) {
        const response = await callWith({ AUTH_RATE_LIMIT: limiter }, path, { method, headers })
        const problem = await problemOf(response)
        expect([path, problem.status, problem.code]).toEqual([path, 503, 'unavailable'])
        expect(JSON.stringify(problem)).not.toContain('MARKED')
      }
      const login = await callWith({ AUTH_RATE_LIMIT: limiter }, '/auth/google/login')
      expect([login.status, login.headers.get('Set-Cookie')]).toEqual([503, null])
      await login.body?.cancel()
      for (const path of ['/auth/me', '/auth/sessions'])
        await json(callWith({ AUTH_RATE_LIMIT: limiter }, path, { headers }))
      const head = await callWith({ AUTH_RATE_LIMIT: limiter }, '/auth/me', { method: 'HEAD', headers })
      expect(head.status).toBe(200)
      await json(callWith({ AUTH_RATE_LIMIT: limiter }, '/api/v1/mail-accounts', { headers }))
    }
  })
})

describe('networkOf', () => {
  it.each([
    ['', 'unknown'],
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2:0:0:0:1', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:0000:0000:0000:0001', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:1::', '2001:db8:0:0::/64'],
    ['2001::1:2:3:4:5', '2001:0:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'unknown'],
    ['2001:db8', 'unknown'],
    ['1:2:3:4:5:6:7:8:9', 'unknown'],
    ['[::1]', 'unknown'],
    ['::1]/@evil.test/[', 'unknown'],
    [':', 'unknown'],
    ['::ffff:192.0.2.1', '0:0:0:0:0:ffff:c000:201'],
    ['::ffff:192.0.2.2', '0:0:0:0:0:ffff:c000:202'],
    ['::FFFF:c000:0201', '0:0:0:0:0:ffff:c000:201'],
    ['192.0.2.1, 192.0.2.2', 'unknown'],
    ['192.0.2.1:80', 'unknown'],
    ['marked', 'unknown'],
    ['1'.repeat(200), 'unknown'],
  ])('AP-09 counts %s under %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })
})
