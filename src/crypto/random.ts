// What must not be guessed, and ids that sort by time. It must not know what a token or an id is for.

import { toBase64Url } from './encoding.ts'

/** `bytes` random bytes (32 unless told) as base64url: 43 characters for 32. Never fewer than 16 (128 bits). */
export function randomToken(bytes = 32): string {
  if (!Number.isSafeInteger(bytes) || bytes < 16 || bytes > 1024)
    throw new RangeError('a random token has 16 to 1,024 bytes')
  return toBase64Url(crypto.getRandomValues(new Uint8Array(bytes)))
}

/**
 * A UUID of version 7 (RFC 9562 §5.7) in lower case: 48 bits of milliseconds, 74 random ones. Ids of different
 * milliseconds sort by time as text; within one millisecond their order is chance.
 * @throws RangeError for a time before 1970 or no time at all
 */
export function uuidV7(now: Date): string {
  const time = now.getTime()
  if (!Number.isSafeInteger(time) || time < 0 || time >= 2 ** 48)
    throw new RangeError('a UUID of version 7 needs a time')
  const random = crypto.getRandomValues(new Uint8Array(10))
  random[0] = ((random[0] ?? 0) & 0x0f) | 0x70
  random[2] = ((random[2] ?? 0) & 0x3f) | 0x80
  const hex =
    time.toString(16).padStart(12, '0') + Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** Whether PostgreSQL would take this text as a uuid in its canonical spelling; version and case do not matter. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
}
