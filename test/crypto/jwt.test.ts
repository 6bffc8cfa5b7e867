// Access tokens: clock frozen, then hostile inputs one by one.
import {
  CompactSign,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  type CryptoKey as JoseKey,
  UnsecuredJWT,
} from 'jose'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { toBase64Url, utf8 } from '../../src/crypto/encoding.ts'
import { parseSigningKeys, signAccessToken, verifyAccessToken } from '../../src/crypto/jwt.ts'

const issuer = 'https://mail.example.com'
const now = new Date('2026-11-21T04:00:00.750Z')
const nowSeconds = Math.floor(now.getTime() / 1000)
const claims = { userId: '0192f0e0-a1b2-7c3d-8e4f-000000000001', sessionId: '0192f0e0-a1b2-7c3d-8e4f-000000000002' }
const goodPayload = {
  iss: issuer,
  aud: issuer,
  sub: claims.userId,
  sid: claims.sessionId,
  iat: nowSeconds,
  exp: nowSeconds + 900,
}
const goodHeader = { alg: 'ES256', kid: 'k1', typ: 'at+jwt' }

async function newKey(kid: string): Promise<{ jwk: Record<string, unknown>; privateKey: JoseKey }> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { jwk: { ...(await exportJWK(privateKey)), kid, alg: 'ES256', use: 'sig' }, privateKey }
}

const first = await newKey('k1')
const second = await newKey('k2')
const keys = await parseSigningKeys(JSON.stringify({ keys: [first.jwk, second.jwk] }))

/** Signed with the right key, whatever it says. */
function forge(
  payload: unknown,
  header: Record<string, unknown> = {},
  key: JoseKey = first.privateKey,
): Promise<string> {
  return new CompactSign(utf8(JSON.stringify(payload))).setProtectedHeader({ ...goodHeader, ...header }).sign(key)
}
const verify = (token: string) => verifyAccessToken(keys, token, { issuer, now })
const part = (value: unknown): string => toBase64Url(utf8(JSON.stringify(value)))

const outbound = vi.fn()
beforeEach(() => {
  vi.stubGlobal('fetch', outbound)
})
afterEach(() => {
  expect(outbound).not.toHaveBeenCalled()
  vi.unstubAllGlobals()
})

describe('an access token', () => {
  it('says who and until when, and nothing else', async () => {
    const token = await signAccessToken(keys, claims, { issuer, now, ttlSeconds: 900 })
    expect(decodeProtectedHeader(token)).toEqual(goodHeader)
    expect(decodeJwt(token)).toEqual(goodPayload)
    expect(await verify(token)).toEqual(claims)
  })

  it('verifies under an older key of the set', async () => {
    const older = await parseSigningKeys(JSON.stringify({ keys: [second.jwk] }))
    expect(await verify(await signAccessToken(older, claims, { issuer, now, ttlSeconds: 900 }))).toEqual(claims)
  })

  it('is refused altered', async () => {
    const [header, , signature] = (await forge(goodPayload)).split('.')
    expect(await verify([header, part({ ...goodPayload, sub: claims.sessionId }), signature].join('.'))).toBeNull()
  })

  it.each([
    '',
    '.',
    '..',
    'a.b',
    'a.b.c',
    'a.b.c.d',
    '.'.repeat(5000),
    'gp_key',
    '\u0000',
    `${part(null)}..`,
    `${part([])}.${part({})}.`,
  ])('garbage is refused: %j', async (token) => {
    expect(await verify(token)).toBeNull()
  })

  it('is refused where it is longer than 4,096 characters', async () => {
    expect(await verify(await forge({ ...goodPayload, more: 'x'.repeat(4096) }))).toBeNull()
  })

  it.each([
    ['a list', [1]],
    ['text', 'x'],
    ['null', null],
  ])('is refused where the payload is %s', async (_, payload) => {
    expect(await verify(await forge(payload))).toBeNull()
  })
})

describe('SE-12 alg', () => {
  it.each(['none', 'None', 'nOnE'])('%s is refused', async (alg) => {
    const payload = part(goodPayload)
    const signature = (await forge(goodPayload)).split('.')[2] ?? ''
    expect(await verify(`${part({ ...goodHeader, alg })}.${payload}.`)).toBeNull()
    expect(await verify(`${part({ ...goodHeader, alg })}.${payload}.${signature}`)).toBeNull()
  })

  it('an unsecured token and an empty signature are refused', async () => {
    expect(await verify(new UnsecuredJWT(goodPayload).encode())).toBeNull()
    expect(await verify(`${part(goodHeader)}.${part(goodPayload)}.`)).toBeNull()
  })

  it('HS256 keyed with the public key is refused', async () => {
    const publicJwk = utf8(JSON.stringify(keys.publicJwks.keys[0]))
    const token = await new CompactSign(utf8(JSON.stringify(goodPayload)))
      .setProtectedHeader({ ...goodHeader, alg: 'HS256' })
      .sign(publicJwk)
    expect(await verify(token)).toBeNull()
  })
})

describe('SE-14 kid', () => {
  it.each(['../../dev/null', "' OR 1=1--", 'x'.repeat(3000), 'k3', '', 'constructor', '__proto__', 'K1'])(
    '%j is refused',
    async (kid) => {
      expect(await verify(await forge(goodPayload, { kid }))).toBeNull()
    },
  )

  it.each([[undefined], [null], [1], [['k1']], [{ k1: 1 }]])('%j is refused', async (kid) => {
    const [, payload, signature] = (await forge(goodPayload)).split('.')
    expect(await verify([part({ ...goodHeader, kid }), payload, signature].join('.'))).toBeNull()
  })

  it('a thousand unknown kids lead to nothing', async () => {
    const [, payload, signature] = (await forge(goodPayload)).split('.')
    for (let at = 0; at < 1000; at += 1) {
      expect(await verify([part({ ...goodHeader, kid: `unknown-${at}` }), payload, signature].join('.'))).toBeNull()
    }
  })

  it('a retired key is refused', async () => {
    const retired = await newKey('k0')
    expect(await verify(await forge(goodPayload, { kid: 'k0' }, retired.privateKey))).toBeNull()
  })

  it("another key under a known key's kid is refused", async () => {
    expect(await verify(await forge(goodPayload, { kid: 'k1' }, second.privateKey))).toBeNull()
  })

  it('keys offered by the token are not looked at', async () => {
    const evil = await newKey('k1')
    const { d: _, ...jwk } = evil.jwk
    const offers = { jku: 'https://evil.test/jwks', x5u: 'https://evil.test/x5u', jwk }
    expect(await verify(await forge(goodPayload, offers, evil.privateKey))).toBeNull()
    expect(await verify(await forge(goodPayload, offers))).toEqual(claims)
  })

  it('crit is refused', async () => {
    const [, payload, signature] = (await forge(goodPayload)).split('.')
    for (const crit of [['b64'], ['exp'], [], null]) {
      expect(await verify([part({ ...goodHeader, crit, b64: true, exp: 1 }), payload, signature].join('.'))).toBeNull()
    }
  })
})

describe('SE-15 typ', () => {
  it.each(['JWT', 'at+JWT', 'application/at+jwt', '', undefined])('%j is refused', async (typ) => {
    expect(await verify(await forge(goodPayload, { typ }))).toBeNull()
  })
})

describe('SE-16 aud and iss', () => {
  it.each<[string, Record<string, unknown>]>([
    ['another aud', { aud: 'https://other.example.com' }],
    ['no aud', { aud: undefined }],
    ['aud as a list', { aud: [issuer] }],
    ['another iss', { iss: 'https://other.example.com' }],
    ['iss with a slash', { iss: `${issuer}/` }],
    ['no iss', { iss: undefined }],
    ['iss as a list', { iss: [issuer] }],
  ])('%s is refused', async (_, change) => {
    expect(await verify(await forge({ ...goodPayload, ...change }))).toBeNull()
  })
})

describe('SE-17 times', () => {
  it.each<[string, Record<string, unknown>, boolean]>([
    ['exp = now - 1', { exp: nowSeconds - 1 }, true],
    ['exp = now - 59', { exp: nowSeconds - 59 }, true],
    ['exp = now - 61', { exp: nowSeconds - 61 }, false],
    ['nbf = now + 30', { nbf: nowSeconds + 30 }, true],
    ['nbf = now + 300', { nbf: nowSeconds + 300 }, false],
    ['nbf as text', { nbf: '0' }, false],
    ['iat = now + 30', { iat: nowSeconds + 30 }, true],
    ['iat = now + 3600', { iat: nowSeconds + 3600 }, false],
    ['iat missing', { iat: undefined }, false],
    ['exp as text', { exp: String(nowSeconds + 900) }, false],
    ['exp = 1e308', { exp: 1e308 }, false],
    ['exp = 2^53', { exp: 2 ** 53 }, false],
    ['exp with a fraction', { exp: nowSeconds + 900.5 }, false],
    ['exp null', { exp: null }, false],
    ['exp missing', { exp: undefined }, false],
  ])('%s: accepted %4$s', async (_, change, accepted) => {
    expect(await verify(await forge({ ...goodPayload, ...change }))).toEqual(accepted ? claims : null)
  })

  it('exp beyond every number is refused', async () => {
    const text = JSON.stringify(goodPayload).replace(/"exp":\d+/, '"exp":1e999')
    const token = await new CompactSign(utf8(text)).setProtectedHeader(goodHeader).sign(first.privateKey)
    expect(await verify(token)).toBeNull()
  })
})

describe('SE-18 sub and sid', () => {
  it.each([[1], [null], [['a']], ['1 OR 1=1'], [''], [undefined], [`${claims.userId}\n`]])(
    '%j is refused',
    async (value) => {
      expect(await verify(await forge({ ...goodPayload, sub: value }))).toBeNull()
      expect(await verify(await forge({ ...goodPayload, sid: value }))).toBeNull()
    },
  )
})

describe('the key set', () => {
  it('shows the public halves only', () => {
    expect(keys.active.kid).toBe('k1')
    expect([...keys.verify.keys()]).toEqual(['k1', 'k2'])
    for (const key of keys.publicJwks.keys)
      expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    expect(JSON.stringify(keys.publicJwks)).not.toContain(String(first.jwk.d))
    expect(keys.active.privateKey.extractable).toBe(false)
  })

  const { d: _, ...publicOnly } = first.jwk
  it.each<[string, string]>([
    ['no JSON', `${first.jwk.d}`],
    ['no set', JSON.stringify(first.jwk)],
    ['no key', '{"keys":[]}'],
    ['a public key', JSON.stringify({ keys: [publicOnly] })],
    ['no kid', JSON.stringify({ keys: [{ ...first.jwk, kid: undefined }] })],
    ['an odd kid', JSON.stringify({ keys: [{ ...first.jwk, kid: 'a b' }] })],
    ['a long kid', JSON.stringify({ keys: [{ ...first.jwk, kid: 'k'.repeat(65) }] })],
    ['a kid twice', JSON.stringify({ keys: [first.jwk, { ...second.jwk, kid: 'k1' }] })],
    ['another curve', JSON.stringify({ keys: [{ ...first.jwk, crv: 'P-384' }] })],
    ['another algorithm', JSON.stringify({ keys: [{ ...first.jwk, alg: 'ES384' }] })],
    ['an encryption key', JSON.stringify({ keys: [{ ...first.jwk, use: 'enc' }] })],
    ['mixed halves', JSON.stringify({ keys: [{ ...first.jwk, d: second.jwk.d }] })],
    ['a point off the curve', JSON.stringify({ keys: [{ ...first.jwk, x: second.jwk.x }] })],
    ['a secret beside a good key', JSON.stringify({ keys: [first.jwk, { kty: 'oct', k: first.jwk.d, kid: 'k3' }] })],
  ])('refuses %s without repeating it', async (_, text) => {
    const failure: unknown = await parseSigningKeys(text).catch((error: unknown) => error)
    expect(failure).toMatchObject({ name: 'SigningKeysError' })
    for (const jwk of [first.jwk, second.jwk]) expect(String(failure)).not.toContain(String(jwk.d))
  })
})
