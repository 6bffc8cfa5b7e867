// Sealing: what opens, where, under which key, and that nothing else ever does.
import { describe, expect, it } from 'vitest'
import { fromBase64Url, toBase64Url } from '../../src/crypto/encoding.ts'
import {
  formatSealedAs,
  type KeyRing,
  open,
  parseKeyRing,
  parseSealedAs,
  type SealedAs,
  seal,
} from '../../src/crypto/seal.ts'

const key = (fill: number): string => btoa(String.fromCharCode(...new Uint8Array(32).fill(fill)))
const as: SealedAs = {
  column: 'oauth_tokens.refresh_token_txt',
  rowId: '0192f0e0-a1b2-7c3d-8e4f-5a6b7c8d9e0f',
  userId: '0192f0e0-a1b2-7c3d-8e4f-000000000001',
}
const ring = await parseKeyRing(`k2:${key(2)},k1:${key(1)}`)
const plaintext = '1//marked-refresh-token'

const bodyOf = (envelope: string): Uint8Array => fromBase64Url(envelope.split('.')[2] ?? '') ?? new Uint8Array()
const withBody = (body: Uint8Array): string => `gp1.k2.${toBase64Url(body)}`

describe('an envelope', () => {
  it('names its key and opens in its place', async () => {
    const envelope = await seal(ring, plaintext, as)
    expect(envelope).toMatch(/^gp1\.k2\.[\w-]+$/)
    expect(envelope).not.toContain('marked')
    expect(bodyOf(envelope)).toHaveLength(12 + plaintext.length + 16)
    expect(await open(ring, envelope, as)).toEqual({ ok: true, plaintext })
  })

  it('opens under an older key of the ring, whatever its place', async () => {
    const old = await seal(await parseKeyRing(`k1:${key(1)}`), plaintext, as)
    expect(old).toMatch(/^gp1\.k1\./)
    expect(await open(ring, old, as)).toEqual({ ok: true, plaintext })
  })

  it.each([
    ['empty', ''],
    ['not ASCII', 'exämple 📬'],
    ['2,048 characters (TV-09)', 'x'.repeat(2048)],
    ['512 characters (TV-09)', 'y'.repeat(512)],
    ['16 KB', 'z'.repeat(16_384)],
  ])('holds a text that is %s', async (_, text) => {
    expect(await open(ring, await seal(ring, text, as), as)).toEqual({ ok: true, plaintext: text })
  })

  it.each<[string, SealedAs]>([
    ['another column', { ...as, column: 'oauth_tokens.access_token_txt' }],
    ['another row', { ...as, rowId: '0192f0e0-a1b2-7c3d-8e4f-5a6b7c8d9e10' }],
    ['another user', { ...as, userId: '0192f0e0-a1b2-7c3d-8e4f-000000000002' }],
    ['no user', { ...as, userId: null }],
    ['an empty user', { ...as, userId: '' }],
    ['a shifted boundary', { ...as, column: `${as.column}"`, rowId: as.rowId.slice(1) }],
  ])('does not open in %s', async (_, elsewhere) => {
    expect(await open(ring, await seal(ring, plaintext, as), elsewhere)).toEqual({ ok: false, reason: 'refused' })
  })

  it('tells no user from an empty one', async () => {
    const nobody = { ...as, userId: null }
    const envelope = await seal(ring, plaintext, nobody)
    expect(await open(ring, envelope, nobody)).toEqual({ ok: true, plaintext })
    expect(await open(ring, envelope, { ...as, userId: '' })).toEqual({ ok: false, reason: 'refused' })
    expect(await open(ring, envelope, { ...as, userId: 'null' })).toEqual({ ok: false, reason: 'refused' })
  })

  it('does not open under another key of the same name', async () => {
    const impostor = await parseKeyRing(`k2:${key(9)}`)
    expect(await open(impostor, await seal(ring, plaintext, as), as)).toEqual({ ok: false, reason: 'refused' })
  })

  it('does not open with another key named in it', async () => {
    const envelope = (await seal(ring, plaintext, as)).replace('gp1.k2.', 'gp1.k1.')
    expect(await open(ring, envelope, as)).toEqual({ ok: false, reason: 'refused' })
  })
})

describe('TV-13 truncated and altered envelopes', () => {
  it('never open, cut anywhere', async () => {
    const body = bodyOf(await seal(ring, plaintext, as))
    for (let length = 0; length < body.length; length += 1) {
      const opened = await open(ring, withBody(body.slice(0, length)), as)
      expect(opened).toEqual({ ok: false, reason: length < 28 ? 'malformed' : 'refused' })
    }
  })

  it('never open with a tag of 4 bytes, 1 byte or none', async () => {
    const body = bodyOf(await seal(ring, plaintext, as))
    for (const kept of [4, 1, 0]) {
      const opened = await open(ring, withBody(body.slice(0, body.length - 16 + kept)), as)
      expect(opened.ok).toBe(false)
    }
  })

  it('never open with one bit flipped anywhere', async () => {
    const body = bodyOf(await seal(ring, plaintext, as))
    for (let bit = 0; bit < body.length * 8; bit += 1) {
      const flipped = body.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(await open(ring, withBody(flipped), as)).toEqual({ ok: false, reason: 'refused' })
    }
  })

  it.each([
    '',
    plaintext,
    'gp1',
    'gp1.k2',
    'gp1.k2.',
    'gp1..AAAA',
    'gp2.k2.AAAA',
    'GP1.k2.AAAA',
    'gp1.k2.AAAA.AAAA',
    'gp1.k 2.AAAA',
    `gp1.${'k'.repeat(33)}.${'A'.repeat(80)}`,
    `gp1.k2.${'A'.repeat(80)}=`,
    ` gp1.k2.${'A'.repeat(80)}`,
    `gp1.k2.${'A'.repeat(79)}+`,
  ])('malformed: %j', async (envelope) => {
    expect(await open(ring, envelope, as)).toEqual({ ok: false, reason: 'malformed' })
  })
})

describe('TV-14 nonces', () => {
  it('10,000 envelopes of one text have 10,000 IVs and bodies', async () => {
    const ivs = new Set<string>()
    const bodies = new Set<string>()
    for (let batch = 0; batch < 100; batch += 1) {
      const sealed = await Promise.all(Array.from({ length: 100 }, () => seal(ring, plaintext, as)))
      for (const envelope of sealed) {
        ivs.add(toBase64Url(bodyOf(envelope).slice(0, 12)))
        bodies.add(toBase64Url(bodyOf(envelope).slice(12)))
      }
    }
    expect([ivs.size, bodies.size]).toEqual([10_000, 10_000])
  })
})

describe('TV-16 unknown key id', () => {
  it('is told apart from a refused envelope, and other rows work', async () => {
    const lost = await seal(await parseKeyRing(`K9:${key(9)}`), plaintext, as)
    expect(await open(ring, lost, as)).toEqual({ ok: false, reason: 'unknown_key' })
    expect((await open(ring, await seal(ring, plaintext, as), as)).ok).toBe(true)
  })
})

describe('the key ring', () => {
  it('keeps its order and forgives blanks around an entry', async () => {
    const read: KeyRing = await parseKeyRing(` b:${key(1)} ,\na:${key(2)}\n`)
    expect(read.map(({ id }) => id)).toEqual(['b', 'a'])
    expect(read[0].master.extractable).toBe(false)
  })

  const short = btoa('x'.repeat(31))
  it.each([
    ['nothing', ''],
    ['a trailing comma', `a:${key(1)},`],
    ['no colon', key(1)],
    ['no name', `:${key(1)}`],
    ['a name with a dot', `a.b:${key(1)}`],
    ['a long name', `${'a'.repeat(33)}:${key(1)}`],
    ['31 bytes', `a:${short}`],
    ['33 bytes', `a:${btoa('x'.repeat(33))}`],
    ['no padding', `a:${key(1).replace('=', '')}`],
    ['not base64', `a:${'!'.repeat(44)}`],
    ['a name twice', `a:${key(1)},a:${key(2)}`],
  ])('refuses %s without repeating it', async (_, text) => {
    const failure: unknown = await parseKeyRing(text).catch((error: unknown) => error)
    expect(failure).toMatchObject({ name: 'KeyRingError' })
    for (const secret of [key(1), key(2), short, '!!!']) expect(String(failure)).not.toContain(secret)
  })
})

describe('the place as text', () => {
  it.each<SealedAs>([as, { ...as, userId: null }])('reads back', (place) => {
    expect(parseSealedAs(formatSealedAs(place))).toEqual(place)
  })

  it.each(['', 'null', '[]', '["a","b"]', '["a","b",1]', '["a","","c"]', '["a","b","c","d"]', '{"column":"a"}'])(
    'takes %j for no place',
    (text) => {
      expect(parseSealedAs(text)).toBeNull()
    },
  )
})
