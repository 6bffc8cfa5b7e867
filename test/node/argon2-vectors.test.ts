// The known answers that the Worker's argon2id is held to are right: Node's, which takes a secret and associated data,
// gives RFC 9106's vector and every one of them.
import { argon2Sync } from 'node:crypto'
import { expect, it } from 'vitest'
import { ourVectors, publishedVectors, rfc9106 } from '../support/argon2-vectors.ts'

it('RFC 9106 §5.3, and the vectors the Worker is tested with', () => {
  const { memoryKib: memory, passes, lanes: parallelism } = rfc9106
  const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex')
  expect(
    argon2Sync('argon2id', {
      message: bytes(rfc9106.password),
      nonce: bytes(rfc9106.salt),
      secret: bytes(rfc9106.secret),
      associatedData: bytes(rfc9106.associatedData),
      tagLength: 32,
      memory,
      passes,
      parallelism,
    }).toString('hex'),
  ).toBe(rfc9106.tag)
  for (const { password, salt, memoryKib, passes, lanes, tag } of [...publishedVectors, ...ourVectors]) {
    const figures = { tagLength: 32, memory: memoryKib, passes, parallelism: lanes }
    expect(argon2Sync('argon2id', { message: password, nonce: salt, ...figures }).toString('hex')).toBe(tag)
  }
})
