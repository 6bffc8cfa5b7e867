// Stands in for @oslojs/crypto/sha2, of which Arctic takes SHA-256 for PKCE: the runtime has one.

import { createHash } from 'node:crypto'

export function sha256(data) {
  return new Uint8Array(createHash('sha256').update(data).digest())
}
