// argon2id in workerd: known answers, strict PHC strings within bounds, and every byte of a password counted.
import { describe, expect, it } from 'vitest'
import { argon2id } from '../../src/crypto/argon2.ts'
import { hashPassword, isCurrent, verifyPassword } from '../../src/crypto/password.ts'
import { ourVectors, publishedVectors } from '../support/argon2-vectors.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const hex = (of: Uint8Array): string => Array.from(of, (byte) => byte.toString(16).padStart(2, '0')).join('')

/** `password` under "somesalt", as the reference implementation publishes it. */
const published = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'

describe('argon2id', () => {
  // test/node/argon2-vectors.test.ts ties these to RFC 9106 §5.3, whose secret and associated data this module has no door for.
  it.each([...publishedVectors, ...ourVectors])(
    'known answer: m=$memoryKib t=$passes p=$lanes $password $salt',
    ({ password, salt, tag, ...parameters }) => {
      expect(hex(argon2id(bytes(password), bytes(salt), 32, parameters))).toBe(tag)
    },
  )

  it('refuses what is none of its parameters, and works on', () => {
    const run = (memoryKib: number) => () =>
      argon2id(bytes('password'), bytes('somesalt'), 32, { memoryKib, passes: 1, lanes: 1 })
    expect(run(1)).toThrow(RangeError)
    expect(run(64)).not.toThrow()
  })
})

describe('password', () => {
  it('is hashed under OWASP’s first choice and a fresh salt each time', () => {
    const [one, two] = [hashPassword('correct horse'), hashPassword('correct horse')]
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(one).not.toBe(two)
    expect([verifyPassword(one, 'correct horse'), verifyPassword(two, 'correct horse'), isCurrent(one)]).toEqual([
      true,
      true,
      true,
    ])
  })

  it.each([
    ['ASCII', 'correct horse', ['correct hors', 'correct horse ', 'Correct horse', '']],
    ['PW-08 blanks at both ends', '  correct  ', ['correct', ' correct  ', '  correct']],
    ['PW-08 beyond ASCII: no byte is cut', 'éééé1234', ['éééé', 'éééé1235', 'éééé123']],
    ['PW-08 pictures', '🔑🔑🔑🔑🔑🔑🔑🔑', ['🔑🔑🔑🔑', '🔑🔑🔑🔑🔑🔑🔑🔒']],
    ['PW-08 not normalised', 'e\u0301e\u0301e\u0301e\u0301', ['éééé']],
    ['NUL does not end it', 'before\0after', ['before', 'before\0']],
    ['128 and its end', `${'x'.repeat(127)}y`, ['x'.repeat(127), `${'x'.repeat(127)}z`]],
  ])('takes exactly what was set: %s', (_, password, others) => {
    const phc = hashPassword(password)
    expect(verifyPassword(phc, password)).toBe(true)
    expect(others.filter((other) => verifyPassword(phc, other))).toEqual([])
  })

  it('verifies other parameters within bounds, and says they are not today’s', () => {
    expect([verifyPassword(published, 'password'), verifyPassword(published, 'passwort')]).toEqual([true, false])
    expect(isCurrent(published)).toBe(false)
  })

  it.each([
    ['nothing', null],
    ['empty', ''],
    ['argon2i', published.replace('argon2id', 'argon2i')],
    ['another version', published.replace('v=19', 'v=16')],
    ['no version', published.replace('$v=19', '')],
    ['gigabytes', published.replace('m=256', 'm=999999')],
    ['more than 64 MiB', published.replace('m=256', 'm=65537')],
    ['hours', published.replace('t=2', 't=999')],
    ['many lanes', published.replace('p=1', 'p=17')],
    ['too little memory for its lanes', published.replace('m=256,t=2,p=1', 'm=64,t=2,p=16')],
    ['a leading zero', published.replace('m=256', 'm=0256')],
    ['other order', published.replace('m=256,t=2', 't=2,m=256')],
    ['padding', `${published}=`],
    ['more behind it', `${published}$`],
    ['a line end', `${published}\n`],
    ['a short tag', published.slice(0, -30)],
    ['an impossible length', published.slice(0, -2)],
    ['plain text', 'password'],
  ])('nobody gets in by a stored string that is %s', (_, phc) => {
    expect(verifyPassword(phc, 'password')).toBe(false)
    if (phc !== null) expect(isCurrent(phc)).toBe(false)
  })
})
