// Codes and link tokens of letters: derived from a key and the id of their row, never stored, so a letter sent a second
// time says the same (DESIGN section 5, Letters). Pure; it must not know what a purpose allows or whether a row lives.

import { fromBase64Url } from './encoding.ts'
import { equalText, hmac } from './hash.ts'

export type CodePurpose = 'registration' | 'email_change' | 'password_reset'

/** For the sixteen values of half a byte: letters only, so that no digits of a link are taken for a letter's code. */
const halves = 'abcdefghijklmnop'

/**
 * The token of a letter's link: the row's id and 256 bits of HMAC over purpose and id, 96 small letters. Whoever holds
 * it had the letter.
 * @param id the row of `one_time_codes`, a UUID in its canonical spelling
 */
export async function deriveLinkToken(key: CryptoKey, purpose: CodePurpose, id: string): Promise<string> {
  const mac = await macOf(key, `link:${purpose}:${id}`)
  const hex = [...mac].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${id.replaceAll('-', '')}${hex}`.replace(/[0-9a-f]/g, (half) => halves.charAt(Number.parseInt(half, 16)))
}

/** The row's id, where this is a token of ours for this purpose; null for anything else. */
export async function readLinkToken(key: CryptoKey, purpose: CodePurpose, token: string): Promise<string | null> {
  if (!/^[a-p]{96}$/.test(token)) return null
  const hex = token.slice(0, 32).replace(/[a-p]/g, (letter) => halves.indexOf(letter).toString(16))
  const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return (await equalText(token, await deriveLinkToken(key, purpose, id))) ? id : null
}

/**
 * The six digits of a letter. Guessable by nature: the row counts wrong ones. Of 2^48 values the digits are taken, so
 * none is likelier than another by more than one part in 10^8.
 */
export async function deriveDigits(key: CryptoKey, purpose: CodePurpose, id: string): Promise<string> {
  const mac = await macOf(key, `digits:${purpose}:${id}`)
  const value = mac.slice(0, 6).reduce((sum, byte) => sum * 256 + byte, 0)
  return String(value % 1_000_000).padStart(6, '0')
}

async function macOf(key: CryptoKey, message: string): Promise<Uint8Array> {
  return fromBase64Url(await hmac(key, message)) ?? new Uint8Array(32)
}
