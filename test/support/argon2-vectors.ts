// Known answers of argon2id. Node's own argon2 (OpenSSL) reproduces RFC 9106's vector, which needs a secret and
// associated data that the Worker's module does not take, and these, which the Worker must reproduce.

export interface Argon2Vector {
  readonly memoryKib: number
  readonly passes: number
  readonly lanes: number
  readonly password: string
  readonly salt: string
  /** Hexadecimal. */
  readonly tag: string
}

/** RFC 9106 §5.3. */
export const rfc9106 = {
  password: '01'.repeat(32),
  salt: '02'.repeat(16),
  secret: '03'.repeat(8),
  associatedData: '04'.repeat(12),
  memoryKib: 32,
  passes: 3,
  lanes: 4,
  tag: '0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659',
} as const

const reference = (figures: [number, number, number], password: string, salt: string, tag: string): Argon2Vector => ({
  memoryKib: figures[0],
  passes: figures[1],
  lanes: figures[2],
  password,
  salt,
  tag,
})

/** `src/test.c` of the reference implementation (P-H-C/phc-winner-argon2), argon2id, version 0x13. */
export const publishedVectors: readonly Argon2Vector[] = [
  reference([65_536, 2, 1], 'password', 'somesalt', '09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7'),
  reference([256, 2, 1], 'password', 'somesalt', '9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe'),
  reference([256, 2, 2], 'password', 'somesalt', '6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037'),
  reference([65_536, 1, 1], 'password', 'somesalt', 'f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98'),
  reference([65_536, 4, 1], 'password', 'somesalt', '9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c'),
  reference(
    [65_536, 2, 1],
    'differentpassword',
    'somesalt',
    '0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde',
  ),
  reference([65_536, 2, 1], 'password', 'diffsalt', 'bdf32b05ccc42eb15d58fd19b1f856b113da1e9a5874fdcc544308565aa8141c'),
]

/** At our own parameters, with what a wrapper that counts characters for bytes gets wrong. */
export const ourVectors: readonly Argon2Vector[] = [
  reference(
    [19_456, 2, 1],
    'пароль-密码-🔑 é',
    '0123456789abcdef',
    '5098d79e498967b802ba0e7885906454898d6cf309c0585890c6440c1748c49e',
  ),
  reference(
    [19_456, 2, 1],
    'x'.repeat(128),
    'fedcba9876543210',
    '9c6755a7d06c86ec3a3490758dd9af9562e00b5f277edd5d0fddc86ddef18a93',
  ),
  reference(
    [19_456, 2, 1],
    ' leading and trailing ',
    '0000000000000000',
    '2356facbc3b4974c7da4cbdccaa500c6e73d2805e55f007722d3f2e9b9b283a9',
  ),
]
