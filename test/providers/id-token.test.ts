// ID tokens and the keys they are verified with: what is believed, what is refused, how often the provider is asked.
import { CompactSign, type JWK, UnsecuredJWT } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import { toBase64Url, utf8 } from '../../src/crypto/encoding.ts'
import type { ProviderResult } from '../../src/providers/failure.ts'
import { type IdTokenClaims, verifyIdToken } from '../../src/providers/id-token.ts'
import type { Fault } from './contract.ts'
import { client, GoogleEdge, MemoryKeyCache, newSigningKey } from './google-edge.ts'

const start = new Date('2026-11-21T04:00:00Z')
const seconds = start.getTime() / 1000
const jwksUrl = 'https://www.googleapis.com/oauth2/v3/certs'
const nonce = 'this-flow'
const other = await newSigningKey('g2')

let edge: GoogleEdge
let keyCache: MemoryKeyCache
let now: Date

beforeEach(async () => {
  edge = await GoogleEdge.open(start)
  keyCache = new MemoryKeyCache()
  now = start
})

function verify(idToken: string): Promise<ProviderResult<IdTokenClaims>> {
  const issuers = ['https://accounts.google.com', 'accounts.google.com']
  return verifyIdToken(
    { fetch: edge.fetch, clock: () => now, keyCache },
    { idToken, jwksUrl, issuers, clientId: client.clientId, nonce },
  )
}
const nameless = ({ kid: _kid, ...key }: JWK): JWK => key
const later = (s: number): void => {
  now = new Date(start.getTime() + s * 1000)
}

describe('OA-16, OA-17 an ID token', () => {
  it.each<[string, Record<string, unknown>]>([
    ['as Google writes it', {}],
    ['with the legacy issuer', { iss: 'accounts.google.com' }],
    ['without azp', { azp: undefined }],
    ['expired within the leeway', { exp: seconds - 59 }],
    ['issued 5 minutes ahead', { iat: seconds + 300 }],
    ['with a subject of 255', { sub: '1'.repeat(255) }],
  ])('%s is believed', async (_, change) => {
    expect((await verify(await edge.idToken(nonce, change))).ok).toBe(true)
  })

  it('says who, what address, and whether that was verified', async () => {
    expect(await verify(await edge.idToken(nonce, { hd: 'example.com' }))).toEqual({
      ok: true,
      value: {
        subject: '110248495921238986420',
        email: 'Ada.Lovelace@gmail.com',
        emailVerified: true,
        hostedDomain: 'example.com',
        name: 'Ada Lovelace',
      },
    })
  })

  it.each<[string, Record<string, unknown>]>([
    ['another audience', { aud: 'other' }],
    ['an audience that is a list', { aud: [client.clientId] }],
    ['no audience', { aud: undefined }],
    ['another azp', { azp: 'other' }],
    ['an empty azp', { azp: '' }],
    ['another issuer', { iss: 'https://evil.test' }],
    ['an issuer with a slash', { iss: 'https://accounts.google.com/' }],
    ['no issuer', { iss: undefined }],
    ['expired', { exp: seconds - 61 }],
    ['no exp', { exp: undefined }],
    ['exp as text', { exp: String(seconds + 60) }],
    ['exp = 1e308', { exp: 1e308 }],
    ['issued far ahead', { iat: seconds + 301 }],
    ['no iat', { iat: undefined }],
    ['not valid yet', { nbf: seconds + 300 }],
    ['no subject', { sub: undefined }],
    ['an empty subject', { sub: '' }],
    ['a subject of 256', { sub: '1'.repeat(256) }],
    ['a numeric subject', { sub: 110248 }],
    ["another flow's nonce", { nonce: 'other-flow' }],
    ['no nonce', { nonce: undefined }],
    ['a nonce in a list', { nonce: [nonce] }],
  ])('with %s is refused', async (_, change) => {
    expect(await verify(await edge.idToken(nonce, change))).toMatchObject({ ok: false, kind: 'invalid_proof' })
  })

  it('is refused without a nonce expected', async () => {
    const deps = { fetch: edge.fetch, clock: () => now, keyCache }
    const input = {
      idToken: await edge.idToken(''),
      jwksUrl,
      issuers: ['https://accounts.google.com'],
      clientId: client.clientId,
      nonce: '',
    }
    expect(await verifyIdToken(deps, input)).toMatchObject({ ok: false, code: 'id_token_nonce' })
  })

  it('with a bad signature, no signature or another algorithm is refused', async () => {
    const good = await edge.idToken(nonce)
    const [header = '', payload = '', signature = ''] = good.split('.')
    const part = (value: unknown): string => toBase64Url(utf8(JSON.stringify(value)))
    const hmac = await new CompactSign(utf8('{}'))
      .setProtectedHeader({ alg: 'HS256', kid: 'g1' })
      .sign(utf8('x'.repeat(32)))
    for (const token of [
      '',
      'a.b.c',
      `${header}.${payload}.`,
      `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
      `${header}.${part({ nonce })}.${signature}`,
      `${part({ alg: 'none', kid: 'g1' })}.${payload}.`,
      `${part({ alg: 'RS512', kid: 'g1' })}.${payload}.${signature}`,
      `${part({ alg: 'RS256' })}.${payload}.${signature}`,
      `${part({ alg: 'RS256', kid: 1 })}.${payload}.${signature}`,
      await edge.idToken(nonce, {}, { kid: undefined }, other.privateKey),
      `${part({ alg: 'RS256', kid: 'g1', crit: ['exp'] })}.${payload}.${signature}`,
      new UnsecuredJWT({ nonce }).encode(),
      hmac,
      await edge.idToken(nonce, {}, {}, other.privateKey),
      await edge.idToken(nonce, { more: 'x'.repeat(17_000) }),
    ]) {
      expect(await verify(token)).toMatchObject({ ok: false, kind: 'invalid_proof' })
    }
  })

  it('brings no keys of its own', async () => {
    const header = { jwk: other.jwk, jku: 'https://evil.test/jwks' }
    expect(await verify(await edge.idToken(nonce, {}, header, other.privateKey))).toMatchObject({
      kind: 'invalid_proof',
    })
    expect(edge.sent.map(({ url }) => url)).toEqual([jwksUrl])
  })
})

describe('the provider’s keys', () => {
  it('are fetched once an hour', async () => {
    const token = await edge.idToken(nonce, { exp: seconds + 9000 })
    for (const at of [0, 10, 3599]) {
      later(at)
      expect((await verify(token)).ok).toBe(true)
    }
    expect(edge.sent).toHaveLength(1)
    later(3601)
    expect((await verify(token)).ok).toBe(true)
    expect(edge.sent).toHaveLength(2)
    expect(keyCache.ttls).toEqual([3600, 3600])
  })

  it('are fetched again for an unknown kid, at most once a minute (SE-14)', async () => {
    expect((await verify(await edge.idToken(nonce))).ok).toBe(true)
    edge.publishedKeys.push(other.jwk)
    const rotated = await edge.idToken(nonce, {}, { kid: 'g2' }, other.privateKey)
    later(30)
    expect(await verify(rotated)).toMatchObject({ kind: 'invalid_proof', code: 'id_token_key_unknown' })
    expect(edge.sent).toHaveLength(1)
    later(61)
    expect((await verify(rotated)).ok).toBe(true)
    expect(edge.sent).toHaveLength(2)
    for (let at = 0; at < 1000; at += 1) {
      expect(await verify(await edge.idToken(nonce, {}, { kid: `unknown-${at}` }, other.privateKey))).toMatchObject({
        kind: 'invalid_proof',
      })
    }
    expect(edge.sent).toHaveLength(2)
  })

  it('OA-16 are fetched again where a known kid has a new key, and the token is verified with it', async () => {
    expect((await verify(await edge.idToken(nonce))).ok).toBe(true)
    edge.publishedKeys.splice(0, 1, { ...other.jwk, kid: 'g1' })
    const restarted = await edge.idToken(nonce, {}, {}, other.privateKey)
    later(59)
    expect(await verify(restarted)).toMatchObject({ kind: 'invalid_proof', code: 'id_token_signature' })
    expect(edge.sent).toHaveLength(1)
    later(60)
    expect((await verify(restarted)).ok).toBe(true)
    expect(edge.sent).toHaveLength(2)
    expect((await verify(restarted)).ok).toBe(true)
    expect(await verify(await edge.idToken(nonce))).toMatchObject({ code: 'id_token_signature' })
    expect(edge.sent).toHaveLength(2)
  })

  it('OA-16 just fetched are not fetched again for a bad signature', async () => {
    const forged = await edge.idToken(nonce, {}, {}, other.privateKey)
    expect(await verify(forged)).toMatchObject({ kind: 'invalid_proof', code: 'id_token_signature' })
    expect(edge.sent).toHaveLength(1)
  })

  it('OA-16 are not fetched again for a token that is signed well and refused', async () => {
    const expired = await edge.idToken(nonce, { exp: seconds - 61 })
    for (const at of [0, 120]) {
      later(at)
      expect(await verify(expired)).toMatchObject({ kind: 'invalid_proof', code: 'id_token_refused' })
    }
    expect(edge.sent).toHaveLength(1)
  })

  it.each<[string, (at: number) => Record<string, unknown>]>([
    ['SE-14 a bad signature', () => ({})],
    ['SE-14 an unknown kid', (at) => ({ kid: `unknown-${at}` })],
  ])('%s, 1,000 times in 5 minutes, fetches them at most once a minute', async (_, header) => {
    expect((await verify(await edge.idToken(nonce))).ok).toBe(true)
    for (let at = 0; at < 1000; at += 1) {
      later(at * 0.3)
      const forged = await edge.idToken(nonce, {}, header(at), other.privateKey)
      expect(await verify(forged)).toMatchObject({ ok: false, kind: 'invalid_proof' })
    }
    expect(edge.sent).toHaveLength(5)
  })

  it('SE-14 out of reach, a bad signature asks for them once a minute, and good tokens still pass', async () => {
    expect((await verify(await edge.idToken(nonce))).ok).toBe(true)
    const forged = await edge.idToken(nonce, {}, {}, other.privateKey)
    later(60)
    edge.fault(jwksUrl, { kind: 'answer', status: 429, body: '', headers: { 'retry-after': '9' } })
    expect(await verify(forged)).toMatchObject({ kind: 'rate_limited', code: 'http_429', retryAfterSeconds: 9 })
    for (let at = 0; at < 1000; at += 1) {
      later(60 + at * 0.059)
      expect(await verify(forged)).toMatchObject({ kind: 'unavailable', code: 'id_token_keys_cooldown' })
    }
    expect((await verify(await edge.idToken(nonce))).ok).toBe(true)
    expect(edge.sent).toHaveLength(2)
    later(120)
    expect(await verify(forged)).toMatchObject({ kind: 'invalid_proof', code: 'id_token_signature' })
    expect(edge.sent).toHaveLength(3)
  })

  it.each<[string, () => JWK[], boolean]>([
    ['one key', () => [...edge.publishedKeys], true],
    ['one key that has no kid', () => edge.publishedKeys.map(nameless), true],
    [
      'one key for signing',
      () => [{ ...other.jwk, use: 'enc' }, { kty: 'EC', kid: 'e1' }, ...edge.publishedKeys],
      true,
    ],
    ['two keys for signing', () => [...edge.publishedKeys, other.jwk], false],
    ['no key', () => [], false],
  ])('OA-16 verify a token without kid where there is %s', async (_, keys, isBelieved) => {
    const published = keys()
    edge.publishedKeys.splice(0, edge.publishedKeys.length, ...published)
    const result = await verify(await edge.idToken(nonce, {}, { kid: undefined }))
    if (isBelieved) expect(result.ok).toBe(true)
    else expect(result).toMatchObject({ kind: 'invalid_proof', code: 'id_token_key_unknown' })
    expect(edge.sent).toHaveLength(1)
  })

  it('OA-16 without a kid do not verify a token that names one', async () => {
    edge.publishedKeys.push(...edge.publishedKeys.splice(0).map(nameless))
    expect(await verify(await edge.idToken(nonce))).toMatchObject({ code: 'id_token_key_unknown' })
  })

  it.each<[string, Fault]>([
    ['500', { kind: 'answer', status: 500, body: '' }],
    ['503', { kind: 'answer', status: 503, body: '' }],
    ['a dropped connection', { kind: 'drop' }],
  ])('OA-16 are asked for once more after %s', async (_, fault) => {
    edge.fault(jwksUrl, fault)
    expect((await verify(await edge.idToken(nonce))).ok).toBe(true)
    expect(edge.sent).toHaveLength(2)
  })

  it('of another kind are not used', async () => {
    edge.publishedKeys.splice(0, 1, { ...edge.publishedKeys[0], use: 'enc' })
    expect(await verify(await edge.idToken(nonce))).toMatchObject({ code: 'id_token_key_unknown' })
  })

  it('are fetched where the cache fails, or holds anything else', async () => {
    keyCache.failure = new Error('KV is down')
    expect((await verify(await edge.idToken(nonce))).ok).toBe(true)
    keyCache.failure = null
    const at = start.getTime()
    const broken = JSON.stringify({ fetched_at: at - 60_000, keys: [{ kty: 'RSA', kid: 'g1', n: '!', e: '' }] })
    const future = `{"fetched_at":${at + 1e9},"keys":[]}`
    const failedInFuture = `{"fetched_at":${at - 60_000},"failed_at":${at + 1e9},"keys":[]}`
    for (const text of ['', '{', 'null', '[]', '{"keys":[]}', future, failedInFuture, broken]) {
      keyCache.records.set(`jwks:${jwksUrl}`, text)
      expect((await verify(await edge.idToken(nonce))).ok).toBe(true)
    }
    expect(edge.sent).toHaveLength(9)
  })

  it.each<[string, Fault, number, string, string, number | null]>([
    [
      '500',
      { kind: 'answer', status: 500, body: '', headers: { 'retry-after': '9' } },
      2,
      'unavailable',
      'http_500',
      9,
    ],
    [
      '429',
      { kind: 'answer', status: 429, body: '', headers: { 'retry-after': '9' } },
      1,
      'rate_limited',
      'http_429',
      9,
    ],
    [
      'a redirect',
      { kind: 'answer', status: 302, body: '', headers: { location: 'https://evil.test' } },
      1,
      'unavailable',
      'http_302',
      null,
    ],
    ['HTML', { kind: 'answer', status: 200, body: '<html>' }, 1, 'unavailable', 'unreadable_answer', null],
    ['too much', { kind: 'answer', status: 200, body: ' '.repeat(70_000) }, 1, 'unavailable', 'too_large', null],
    ['a dropped connection', { kind: 'drop' }, 2, 'unavailable', 'network', null],
  ])('out of reach (%s) are no proof against anybody', async (_, fault, times, kind, code, retryAfterSeconds) => {
    for (let n = 0; n < times; n += 1) edge.fault(jwksUrl, fault)
    expect(await verify(await edge.idToken(nonce))).toEqual({ ok: false, kind, code, retryAfterSeconds })
    expect(edge.sent).toHaveLength(times)
    expect(keyCache.records.size).toBe(0)
    expect((await verify(await edge.idToken(nonce))).ok).toBe(true)
  })
})
