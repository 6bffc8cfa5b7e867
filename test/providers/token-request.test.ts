// Reading a token endpoint's answer, without a network and with the clock frozen.
import { describe, expect, it } from 'vitest'
import { retryAfterSeconds } from '../../src/providers/bounded-request.ts'
import { readTokenAnswer, sendTokenRequest } from '../../src/providers/token-request.ts'
import { value } from './contract.ts'

const now = new Date('2026-11-21T04:00:00Z')
const granted = { access_token: 'ya29.a', expires_in: 3599, token_type: 'Bearer' }
const read = (body: unknown, status = 200) =>
  readTokenAnswer({ status, headers: new Headers(), body: typeof body === 'string' ? body : JSON.stringify(body) }, now)
const secondsUntil = (date: Date | null): number | null =>
  date === null ? null : (date.getTime() - now.getTime()) / 1000

describe('a grant', () => {
  it('is read whole', () => {
    const answer = {
      ...granted,
      refresh_token: '1//r',
      scope: 'openid  email openid',
      id_token: 'a.b.c',
      more: { anything: 1 },
    }
    expect(read(answer)).toEqual({
      ok: true,
      value: {
        accessToken: 'ya29.a',
        expiresAt: new Date('2026-11-21T04:59:59Z'),
        refreshToken: '1//r',
        refreshTokenExpiresAt: null,
        scopes: ['openid', 'email'],
        idToken: 'a.b.c',
      },
    })
  })

  it.each([[undefined], [null], ['']])('with refresh_token %j has none', (refresh_token) => {
    expect(value(read({ ...granted, refresh_token })).refreshToken).toBeNull()
  })

  it('RF-07 has the scopes granted, none where the list is empty, null where there is no list', () => {
    expect(value(read({ ...granted, scope: '' })).scopes).toEqual([])
    expect(value(read(granted)).scopes).toBeNull()
  })

  it('TV-09 keeps tokens of 2,048 and 512 characters, and up to 16 KB and 4 KB', () => {
    for (const [access, refresh] of [[2048, 512] as const, [16_384, 4096] as const]) {
      const grant = value(read({ ...granted, access_token: 'x'.repeat(access), refresh_token: 'y'.repeat(refresh) }))
      expect([grant.accessToken, grant.refreshToken]).toEqual(['x'.repeat(access), 'y'.repeat(refresh)])
    }
  })

  it.each<[string, unknown]>([
    ['an access token of more', { ...granted, access_token: 'x'.repeat(16_385) }],
    ['a refresh token of more', { ...granted, refresh_token: 'x'.repeat(4097) }],
    ['an access token with a line break', { ...granted, access_token: 'a\r\nb' }],
    ['an access token with a blank', { ...granted, access_token: 'a b' }],
    ['an access token beyond ASCII', { ...granted, access_token: 'ä' }],
    ['an empty access token', { ...granted, access_token: '' }],
    ['an access token that is no text', { ...granted, access_token: 5 }],
    ['a refresh token that is no text', { ...granted, refresh_token: { a: 1 } }],
    ['another token type', { ...granted, token_type: 'mac' }],
    ['scopes that are no text', { ...granted, scope: ['openid'] }],
    ['a list', [granted]],
    ['null', null],
    ['text', '"ya29.a"'],
  ])('RF-03 %s is unreadable', (_, body) => {
    expect(read(body)).toMatchObject({ ok: false, kind: 'unavailable', code: 'unreadable_answer' })
  })
})

describe('RF-05 expires_in', () => {
  it.each([
    [undefined, 3600],
    [null, 3600],
    [0, 3600],
    [-5, 3600],
    ['3599', 3599],
    ['-5', 3600],
    ['1e3', 3600],
    ['', 3600],
    [0.5, 3600],
    [1, 1],
    [3599.9, 3599],
    [86_400, 86_400],
    [86_401, 86_400],
    [1e12, 86_400],
    ['999999999999', 86_400],
    [1e308, 86_400],
    [true, 3600],
    [[60], 3600],
  ])('%j is %d seconds', (expires_in, expected) => {
    expect(secondsUntil(value(read({ ...granted, expires_in })).expiresAt)).toBe(expected)
  })

  it('beyond every number is the default', () => {
    expect(secondsUntil(value(read('{"access_token":"a","expires_in":1e999}')).expiresAt)).toBe(3600)
  })
})

describe('RF-08 refresh_token_expires_in', () => {
  it.each([
    [2_592_000, 2_592_000],
    ['2592000', 2_592_000],
    [1e12, 315_360_000],
    [0, null],
    [-1, null],
    [undefined, null],
    ['soon', null],
  ])('%j is %j seconds', (refresh_token_expires_in, expected) => {
    expect(secondsUntil(value(read({ ...granted, refresh_token_expires_in })).refreshTokenExpiresAt)).toBe(expected)
  })
})

describe('whose fault an error is', () => {
  it.each([
    ['invalid_grant', 'grant_dead'],
    ['bad_verification_code', 'grant_dead'],
    ['bad_refresh_token', 'grant_dead'],
    ['invalid_client', 'misconfigured'],
    ['unauthorized_client', 'misconfigured'],
    ['redirect_uri_mismatch', 'misconfigured'],
    ['invalid_request', 'misconfigured'],
    ['unsupported_grant_type', 'misconfigured'],
    ['invalid_scope', 'misconfigured'],
    ['incorrect_client_credentials', 'misconfigured'],
    ['temporarily_unavailable', 'unavailable'],
  ])('%s: %s, with any 4xx and with 200', (error, kind) => {
    for (const status of [200, 400, 401, 403, 404, 422])
      expect(read({ error }, status)).toMatchObject({ ok: false, kind, code: error })
  })

  it('429 and 5xx outweigh any error', () => {
    expect(read({ error: 'invalid_grant' }, 429)).toMatchObject({ kind: 'rate_limited', code: 'http_429' })
    expect(read({ error: 'invalid_grant' }, 503)).toMatchObject({ kind: 'unavailable', code: 'http_503' })
  })

  it.each(['Invalid_Grant', 'invalid_grant ', 'constructor', '', 'x'.repeat(5000)])('%j is nobody’s', (error) => {
    expect(read({ error, error_description: 'invalid_grant' }, 400)).toMatchObject({
      kind: 'unavailable',
      code: 'unlisted_error',
    })
  })
})

describe('RF-04 Retry-After', () => {
  it.each([
    ['120', 120],
    ['0', 0],
    ['999999999999999999999999', 86_400],
    ['Sat, 21 Nov 2026 04:02:00 GMT', 120],
    ['Sat, 21 Nov 2026 03:00:00 GMT', 0],
    ['Sat, 21 Nov 2099 03:00:00 GMT', 86_400],
    ['-5', null],
    ['1.5', null],
    ['soon', null],
    ['', null],
    ['2026-11-21T04:02:00Z', null],
    ['Xxx, 99 Xxx 2026 99:99:99 GMT', null],
  ])('%j is %j seconds', (text, expected) => {
    expect(retryAfterSeconds(new Headers({ 'retry-after': text }), now)).toBe(expected)
  })
})

describe('sending', () => {
  it('calls fetch as nobody’s method, credentials in the body, and keeps the headers', async () => {
    const seen: { self: unknown; init: RequestInit | undefined }[] = []
    const deps = {
      fetch: async function (this: unknown, _: unknown, init?: RequestInit): Promise<Response> {
        seen.push({ self: this, init })
        return new Response('{"a":1}', { status: 418, headers: { 'x-kept': 'yes' } })
      },
    }
    const request = {
      url: 'https://provider.test/token',
      form: { code: 'a b&c\r\n' },
      clientId: 'id',
      clientSecret: 's+/=',
    }
    const answer = await sendTokenRequest(deps, request)
    expect(answer).toMatchObject({ status: 418, body: '{"a":1}' })
    expect('headers' in answer && answer.headers.get('x-kept')).toBe('yes')
    expect(seen).toHaveLength(1)
    expect(seen[0]?.self).toBeUndefined()
    expect(seen[0]?.init).toMatchObject({ method: 'POST', redirect: 'manual' })
    expect(seen[0]?.init?.body).toBe('code=a+b%26c%0D%0A&client_id=id&client_secret=s%2B%2F%3D')
    expect(JSON.stringify(seen[0]?.init?.headers)).not.toContain('authorization')
  })

  it('reads 64 KB, and cancels what is longer', async () => {
    let cancelled = false
    const body = (bytes: number): ReadableStream =>
      new ReadableStream({
        start: (it) => it.enqueue(new Uint8Array(bytes).fill(32)),
        cancel: () => {
          cancelled = true
        },
      })
    const request = { url: 'https://provider.test/token', form: {}, clientId: 'id', clientSecret: 's' }
    expect(await sendTokenRequest({ fetch: async () => new Response(' '.repeat(65_536)) }, request)).toMatchObject({
      status: 200,
    })
    expect(await sendTokenRequest({ fetch: async () => new Response(body(65_537)) }, request)).toEqual({
      failure: 'too_large',
    })
    expect(cancelled).toBe(true)
  })
})
