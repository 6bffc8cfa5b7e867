// The keyed hashes under which tries, letters and waiting codes are counted and found: one place, so that every flow
// means the same subject. A table of them tells nobody who has an account. It must not know what is counted.

import { normalizeEmail } from '../crypto/encoding.ts'
import { hmac } from '../crypto/hash.ts'

/**
 * HMAC of an address, 43 characters of base64url. The address is normalised first (normalising twice is once), so all
 * its spellings share one count; what is no address is hashed as it was typed, in lower case.
 */
export function emailHash(key: CryptoKey, email: string): Promise<string> {
  return hmac(key, `email:${normalizeEmail(email) ?? email.toLowerCase()}`)
}

/** HMAC of a user name in lower case, 43 characters of base64url. */
export function usernameHash(key: CryptoKey, name: string): Promise<string> {
  return hmac(key, `username:${name.toLowerCase()}`)
}
