// Encodings, ids, digests: strict forms in, one form out.
import { describe, expect, it } from 'vitest'
import { fromBase64, fromBase64Url, fromUtf8, normalizeEmail, toBase64Url, utf8 } from '../../src/crypto/encoding.ts'
import { equalText, hmac, importHmacKey, sha256 } from '../../src/crypto/hash.ts'
import { isUuid, randomToken, uuidV7 } from '../../src/crypto/random.ts'

const now = new Date('2026-11-21T04:00:00.123Z')

describe('base64url', () => {
  it('reads back every length and every byte', () => {
    for (let length = 0; length < 300; length += 1) {
      const bytes = Uint8Array.from({ length }, (_, at) => (at * 7 + length) % 256)
      expect(fromBase64Url(toBase64Url(bytes))).toEqual(bytes)
    }
    const large = new Uint8Array(100_000).fill(255)
    expect(fromBase64Url(toBase64Url(large))).toEqual(large)
  })

  it.each(['=', 'AA==', 'A', 'AAAAA', 'AB', 'A A', 'AA\n', 'A+/A', 'ÄA'])('refuses %j', (text) => {
    expect(fromBase64Url(text)).toBeNull()
  })

  it.each(['AA', 'AB==', 'A===', 'AA==\n', ' AA==', 'A-_A', '===='])('refuses %j as base64', (text) => {
    expect(fromBase64(text)).toBeNull()
  })

  it('reads base64', () => {
    expect(fromBase64('/+8=')).toEqual(new Uint8Array([0xff, 0xef]))
    expect(fromBase64('')).toEqual(new Uint8Array())
  })
})

describe('UTF-8', () => {
  it('reads back text, and refuses bytes that are none', () => {
    expect(fromUtf8(utf8('\u{feff}exämple 📬'))).toBe('\u{feff}exämple 📬')
    expect(fromUtf8(new Uint8Array([0xc3, 0x28]))).toBeNull()
  })
})

describe('PW-19 e-mail addresses', () => {
  it.each([
    ['User@Example.COM', 'user@example.com'],
    ['user@exämple.com', 'user@xn--exmple-cua.com'],
    ['user@EXÄMPLE.com', 'user@xn--exmple-cua.com'],
    ['user@XN--exmple-cua.com', 'user@xn--exmple-cua.com'],
    ["o'brien+tag@mail.example.co.uk", "o'brien+tag@mail.example.co.uk"],
    ['Аdmin@x.io', 'аdmin@x.io'],
    ['JÖRG@example.com', 'jörg@example.com'],
    [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
  ])('%j is stored as %j, and so is that', (text, stored) => {
    expect(normalizeEmail(text)).toBe(stored)
    expect(normalizeEmail(stored)).toBe(stored)
  })

  it('keeps a Cyrillic look-alike another account', () => {
    expect(normalizeEmail('аdmin@x.io')).not.toBe(normalizeEmail('admin@x.io'))
  })

  it.each([
    ['fullwidth', 'ＵＳＥＲ@gmail.com'],
    ['fullwidth domain', 'user@ｇmail.com'],
    ['Kelvin sign', '\u212Aate@gmail.com'],
    ['long s', 'u\u017Fer@gmail.com'],
    ['zero width at the end', 'user@gmail.com\u200b'],
    ['zero width in the local part', 'us\u200ber@gmail.com'],
    ['soft hyphen', 'user@gm\u00adail.com'],
    ['variation selector', 'user\ufe0f@gmail.com'],
    ['Hangul filler', 'user\u115f@gmail.com'],
    ['right-to-left override', 'user\u202e@gmail.com'],
    ['NUL', 'user\u0000@gmail.com'],
    ['line break', 'user@gmail.com\r\nBcc: x@y.zz'],
    ['leading blank', ' user@gmail.com'],
    ['inner blank', 'us er@gmail.com'],
    ['no-break space', 'user\u00a0@gmail.com'],
    ['lone surrogate', 'user\ud800@gmail.com'],
    ['quoted', '"user"@gmail.com'],
    ['angle brackets', '<user@gmail.com>'],
    ['two at signs', 'user@evil.test@gmail.com'],
    ['no local part', '@gmail.com'],
    ['no at sign', 'gmail.com'],
    ['nothing', ''],
    ['dots', 'a..b@gmail.com'],
    ['leading dot', '.a@gmail.com'],
    ['no dot in domain', 'user@localhost'],
    ['trailing dot', 'user@gmail.com.'],
    ['empty label', 'user@gmail..com'],
    ['port', 'user@gmail.com:80'],
    ['path', 'user@gmail.com/x'],
    ['escape', 'user@gm%61il.com'],
    ['IPv4', 'user@127.0.0.1'],
    ['IPv4 in short', 'user@127.1'],
    ['IPv4 in hex', 'user@0x7f.1'],
    ['IPv6', 'user@[::1]'],
    ['underscore', 'user@my_host.com'],
    ['hyphen at the edge', 'user@-a.com'],
    ['long local part', `${'a'.repeat(65)}@example.com`],
    ['long', `${'a'.repeat(60)}@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(12)}.com`],
    ['long only in punycode', `${'a'.repeat(60)}@${Array(5).fill('ä'.repeat(30)).join('.')}.${'e'.repeat(30)}.com`],
  ])('refuses %s', (_, text) => {
    expect(normalizeEmail(text)).toBeNull()
  })
})

describe('random', () => {
  it('makes tokens of the size asked for, never a short one', () => {
    expect(randomToken()).toMatch(/^[\w-]{43}$/)
    expect(randomToken(16)).toMatch(/^[\w-]{22}$/)
    expect(randomToken()).not.toBe(randomToken())
    expect(() => randomToken(8)).toThrow(RangeError)
  })

  it('makes UUIDs of version 7 that sort by time', () => {
    const id = uuidV7(now)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(now.getTime())
    expect(uuidV7(new Date(now.getTime() + 1)) > id).toBe(true)
    expect(isUuid(id)).toBe(true)
    expect(() => uuidV7(new Date(Number.NaN))).toThrow(RangeError)
    expect(() => uuidV7(new Date(-1))).toThrow(RangeError)
  })

  it.each([
    '',
    '1 OR 1=1',
    '0192f0e0a1b27c3d8e4f5a6b7c8d9e0f',
    '{0192f0e0-a1b2-7c3d-8e4f-5a6b7c8d9e0f}',
    '0192f0e0-a1b2-7c3d-8e4f-5a6b7c8d9e0f\n',
  ])('takes %j for no UUID', (text) => {
    expect(isUuid(text)).toBe(false)
  })
})

describe('digests', () => {
  it('are SHA-256 (FIPS 180-4)', async () => {
    expect(await sha256('abc')).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0')
  })

  it('keyed ones differ by key, label and text', async () => {
    const secret = new Uint8Array(32).fill(7)
    const [key, other, again] = await Promise.all([
      importHmacKey(secret, 'codes'),
      importHmacKey(secret, 'addresses'),
      importHmacKey(new Uint8Array(32).fill(7), 'codes'),
    ])
    const tag = await hmac(key, 'user@example.com')
    expect(tag).toMatch(/^[\w-]{43}$/)
    expect(await hmac(again, 'user@example.com')).toBe(tag)
    expect(await hmac(other, 'user@example.com')).not.toBe(tag)
    expect(await hmac(key, 'user@example.org')).not.toBe(tag)
    expect(key.extractable).toBe(false)
    await expect(importHmacKey(new Uint8Array(8), 'codes')).rejects.toThrow(RangeError)
  })

  it('compares', async () => {
    expect(await equalText('a', 'a')).toBe(true)
    expect(await equalText('a', 'b')).toBe(false)
    expect(await equalText('a', 'aa')).toBe(false)
    expect(await equalText('', '')).toBe(true)
  })
})
