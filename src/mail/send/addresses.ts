// Recipients as they are typed, strictly one address each, and as header values. Pure.

import { encodedWords, isPlainHeaderText } from '../../crypto/encoded-words.ts'
import { normalizeEmail } from '../../crypto/encoding.ts'

export interface Mailbox {
  /** Empty where there is none. */
  readonly name: string
  /** The local part as it was typed, the domain normalised (punycode, lower case). */
  readonly address: string
}

const nameCharacters = 200

// C0 and C1 controls, and the two separators that some parsers take for line ends.
const unfit = /[\p{Cc}\u2028\u2029]/u

/** Whether text could end a header early (CR, LF, NUL and their like): refused, never repaired. */
export function endsHeader(text: string): boolean {
  return unfit.test(text)
}

/**
 * As `readTyped`, or in parts, as lists of mail give people. A name in parts is often a stranger's: where it would mislead
 * it is left out, and a separator in it is a blank, so that every message can be answered.
 */
export function readRecipient(given: string | Mailbox): Mailbox | null {
  if (typeof given === 'string') return readTyped(given)
  const { name, address } = given
  if (/\p{Cc}/u.test(name) || endsHeader(address) || [...name].length > nameCharacters) return null
  return recipientOf(name, address)
}

/**
 * Reads `a@x.io`, `Name <a@x.io>` or `"Name, with commas" <a@x.io>`. Null for anything else: two addresses, a group, a
 * comment, an unquoted name that looks like an address or a list, a line break (RFC 5322 §3.4; SECURITY ML-20).
 */
function readTyped(text: string): Mailbox | null {
  if (endsHeader(text) || !text.isWellFormed()) return null
  const framed = /^(?<shown>[^<>]*)<(?<inner>[^<>]*)>$/.exec(text.trim())
  // A quoted name may hold angle brackets of its own; they are then none of the address.
  const quoted = /^"(?<shown>(?:[^"\\]|\\.)*)"\s*<(?<inner>[^<>]*)>$/u.exec(text.trim())
  if (quoted?.groups !== undefined)
    return mailboxOf((quoted.groups.shown ?? '').replaceAll(/\\(.)/gu, '$1'), quoted.groups.inner ?? '')
  if (framed?.groups !== undefined) {
    const shown = framed.groups.shown ?? ''
    return /[",;:@()[\]\\]/.test(shown) ? null : mailboxOf(shown, framed.groups.inner ?? '')
  }
  return mailboxOf('', text.trim())
}

/** From stored parts, which strangers wrote: a name that would mislead is left out. Null where the address is none. */
export function recipientOf(name: string, address: string): Mailbox | null {
  return mailboxOf(name.replaceAll(/[\p{Cc}\u2028\u2029\s]+/gu, ' '), address) ?? mailboxOf('', address)
}

function mailboxOf(shown: string, address: string): Mailbox | null {
  const normalized = normalizeEmail(address)
  // ASCII before the @: other letters would need SMTPUTF8 all the way.
  const local = address.slice(0, address.lastIndexOf('@'))
  if (normalized === null || !/^[\x21-\x7e]+$/.test(local)) return null
  const name = shown.trim()
  // A name that is an address is one the reader may take for the sender's or recipient's own: only where it is.
  if (name.includes('@') && normalizeEmail(name) !== normalized) return null
  if ([...name].length > nameCharacters || !name.isWellFormed()) return null
  const isRepeated = name.includes('@')
  return { name: isRepeated ? '' : name, address: `${local}${normalized.slice(normalized.lastIndexOf('@'))}` }
}

/** One mailbox as a header value, folded where it has encoded words; its lines stay under 998 characters. */
export function mailboxHeader({ name, address }: Mailbox): string {
  if (name === '') return address
  if (!isPlainHeaderText(name)) return `${encodedWords(name)}\r\n <${address}>`
  const isAtoms = /^[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*$/.test(name)
  return isAtoms ? `${name} <${address}>` : `"${name.replaceAll(/["\\]/g, '\\$&')}" <${address}>`
}

/** Several, one a line. */
export function mailboxesHeader(mailboxes: readonly Mailbox[]): string {
  return mailboxes.map(mailboxHeader).join(',\r\n ')
}
