// Codes and link tokens of letters: derived from a key and the id of their row, never stored, so a letter sent a second
// time says the same (DESIGN section 5, Letters). Pure; it must not know what a purpose allows or whether a row lives.

import { fromBase64Url } from './encoding.ts'
import { equalText, hmac } from './hash.ts'

export type CodePurpose = 'registration' | 'email_change' | 'password_reset'

/**
 * The token of a letter's link: the row's id and 256 bits of HMAC over purpose and id, 75 characters of base64url's
 * alphabet. Whoever holds it had the letter.
 * @param id the row of `one_time_codes`, a UUID in its canonical spelling
 */
export async function deriveLinkToken(key: CryptoKey, purpose: CodePurpose, id: string): Promise<string> {
  return `${id.replaceAll('-', '')}${await hmac(key, `link:${purpose}:${id}`)}`
}

/** The row's id, where this is a token of ours for this purpose; null for anything else. */
export async function readLinkToken(key: CryptoKey, purpose: CodePurpose, token: string): Promise<string | null> {
  const [, a, b, c, d, e] =
    /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})[\w-]{43}$/.exec(token) ?? []
  if (a === undefined) return null
  const id = [a, b, c, d, e].join('-')
  return (await equalText(token, await deriveLinkToken(key, purpose, id))) ? id : null
}

/**
 * The six digits of a letter. Guessable by nature: the row counts wrong ones. Of 2^48 values the digits are taken, so
 * none is likelier than another by more than one part in 10^8.
 */
export async function deriveDigits(key: CryptoKey, purpose: CodePurpose, id: string): Promise<string> {
  const bytes = fromBase64Url(await hmac(key, `digits:${purpose}:${id}`)) ?? new Uint8Array(32)
  const value = bytes.slice(0, 6).reduce((sum, byte) => sum * 256 + byte, 0)
  return String(value % 1_000_000).padStart(6, '0')
}
