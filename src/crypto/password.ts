// Passwords at rest: argon2id as a PHC string, written and read by us, strictly. One verification is one computation,
// whatever there is to compare with. It must not know users, policies or lockout.

import { type Argon2Parameters, argon2id } from './argon2.ts'
import { fromBase64, toBase64, utf8 } from './encoding.ts'

/** OWASP's first choice for argon2id (Password Storage Cheat Sheet; DESIGN 6.6). */
const current: Argon2Parameters = { memoryKib: 19_456, passes: 2, lanes: 1 }
const saltBytes = 16
const tagBytes = 32

// What a stored string may ask for: whoever can write one must not be able to take the isolate's memory or time.
const most: Argon2Parameters = { memoryKib: 65_536, passes: 10, lanes: 16 }

interface Stored {
  readonly parameters: Argon2Parameters
  readonly salt: Uint8Array
  readonly tag: Uint8Array
}

/** Hashes under a fresh salt: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>`. Every character counts; nothing is trimmed or normalised. */
export function hashPassword(password: string): string {
  const salt = crypto.getRandomValues(new Uint8Array(saltBytes))
  return format({ parameters: current, salt, tag: argon2id(utf8(password), salt, tagBytes, current) })
}

// For those who have no password: its salt and tag are no secret, and no password is known that it would take.
const nobody = format({
  parameters: current,
  salt: utf8('gatepost/nobody/').slice(0, saltBytes),
  tag: new Uint8Array(tagBytes),
})

/**
 * Whether the password is the stored one. Exactly one argon2 computation, and false, where nothing is stored (null) or
 * what is stored cannot be read: who has no password takes as long as who has one.
 */
export function verifyPassword(phc: string | null, password: string): boolean {
  const stored = phc === null ? null : parse(phc)
  const compared = stored ?? parse(nobody)
  if (compared === null) throw new Error('the dummy hash is malformed')
  const { salt, tag, parameters } = compared
  const isEqual = equalBytes(argon2id(utf8(password), salt, tag.length, parameters), tag)
  return stored !== null && isEqual
}

/** Whether a stored string has the parameters of today; where not, the next sign-in hashes again. */
export function isCurrent(phc: string): boolean {
  const stored = parse(phc)
  if (stored === null) return false
  const { memoryKib, passes, lanes } = stored.parameters
  return (
    memoryKib === current.memoryKib &&
    passes === current.passes &&
    lanes === current.lanes &&
    stored.salt.length === saltBytes &&
    stored.tag.length === tagBytes
  )
}

function format({ parameters: { memoryKib, passes, lanes }, salt, tag }: Stored): string {
  const unpadded = (bytes: Uint8Array): string => toBase64(bytes).replaceAll('=', '')
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${lanes}$${unpadded(salt)}$${unpadded(tag)}`
}

const form =
  /^\$argon2id\$v=19\$m=([1-9]\d{0,5}),t=([1-9]\d{0,2}),p=([1-9]\d?)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

/** The one spelling that `format` writes, within bounds; null for anything else. */
function parse(phc: string): Stored | null {
  const [, m, t, p, salt, tag] = form.exec(phc) ?? []
  if (salt === undefined || tag === undefined) return null
  const parameters = { memoryKib: Number(m), passes: Number(t), lanes: Number(p) }
  const isWithin =
    parameters.memoryKib <= most.memoryKib &&
    parameters.passes <= most.passes &&
    parameters.lanes <= most.lanes &&
    // RFC 9106 §3.1.
    parameters.memoryKib >= 8 * parameters.lanes
  const bytes = { salt: unpadded(salt), tag: unpadded(tag) }
  return isWithin && bytes.salt !== null && bytes.tag !== null ? { parameters, salt: bytes.salt, tag: bytes.tag } : null
}

/** Base64 without its padding, strictly: 8 to 64 bytes here, by the pattern above. */
function unpadded(text: string): Uint8Array | null {
  return fromBase64(text + '='.repeat((4 - (text.length % 4)) % 4))
}

/** In a time that does not tell where they differ. */
function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let at = 0; at < b.length; at += 1) difference |= (a[at] ?? 0) ^ (b[at] ?? 0)
  return difference === 0
}
