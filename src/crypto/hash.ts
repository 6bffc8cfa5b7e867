// Digests of secrets with at least 128 random bits, keyed digests of what is guessable, and comparing without a clock
// to read. Passwords are password.ts. It must not know what is hashed; keys are arguments.

import { toBase64Url, utf8 } from './encoding.ts'

/** SHA-256 of the text's UTF-8 as base64url, 43 characters. Only for secrets nobody can guess. */
export async function sha256(text: string): Promise<string> {
  return toBase64Url(await digest(text))
}

/**
 * An HMAC-SHA256 key for one purpose, derived from `secret` by HKDF-SHA256 with `label` as info (RFC 5869), so that
 * values keyed for one purpose mean nothing for another. Not extractable.
 * @param secret at least 16 bytes
 * @throws RangeError for a shorter secret
 */
export async function importHmacKey(secret: Uint8Array, label: string): Promise<CryptoKey> {
  if (secret.byteLength < 16) throw new RangeError('the secret of an HMAC key has at least 16 bytes')
  const base = await crypto.subtle.importKey('raw', new Uint8Array(secret), 'HKDF', false, ['deriveKey'])
  return await crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: utf8('gatepost/hmac'), info: utf8(label) },
    base,
    { name: 'HMAC', hash: 'SHA-256', length: 256 },
    false,
    ['sign'],
  )
}

/** HMAC-SHA256 of the text's UTF-8 as base64url, 43 characters. */
export async function hmac(key: CryptoKey, text: string): Promise<string> {
  return toBase64Url(new Uint8Array(await crypto.subtle.sign('HMAC', key, utf8(text))))
}

/** Whether two texts are equal, in a time that tells neither where they differ nor how long the secret one is. */
export async function equalText(a: string, b: string): Promise<boolean> {
  const [left, right] = await Promise.all([digest(a), digest(b)])
  let difference = left.length ^ right.length
  for (let at = 0; at < left.length; at += 1) difference |= (left[at] ?? 0) ^ (right[at] ?? 0)
  return difference === 0
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(text)))
}
