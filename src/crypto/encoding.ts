// Bytes and text, both ways, and the one form in which an e-mail address is stored and looked up.
// Pure; it must not know what the bytes mean, nor whose address it is.

const encoder = new TextEncoder()
const CHUNK = 8192

/** Bytes → base64url without padding (RFC 4648 §5). */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/**
 * Base64url → bytes (RFC 4648 §5), so strict that one value has one spelling: no padding, no blanks, no stray bits
 * in the last character. Null otherwise.
 */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null
  return fromBase64(text.replaceAll('-', '+').replaceAll('_', '/') + '='.repeat((4 - (text.length % 4)) % 4))
}

/** Standard base64 with its padding → bytes (RFC 4648 §4); as strict as `fromBase64Url`. Null otherwise. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null
  let binary: string
  try {
    binary = atob(text)
  } catch {
    return null
  }
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at)
  return toBase64(bytes) === text ? bytes : null
}

/** Text → its UTF-8 bytes. A lone surrogate becomes U+FFFD. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encoder.encode(text))
}

/** UTF-8 bytes → text, a byte order mark kept; null where the bytes are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

/**
 * The one form of an address that is stored and compared: lower case, domain in punycode (so a U-label and its A-label
 * are one account). Null where it is no address or could be mistaken for another one: blanks, control and invisible
 * characters, compatibility forms such as fullwidth letters, quoted local parts, domains without a dot or that are IP
 * addresses, more than 64 characters before the @ or 254 in all (RFC 5321 §4.5.3.1, SECURITY PW-19). A Cyrillic
 * letter stays what it is: another account than its Latin look-alike. Nothing is trimmed; normalising twice is once.
 */
export function normalizeEmail(text: string): string | null {
  if (text.length > 254) return null
  // Refused for the whole address: UTS-46 would silently drop or map these in the domain.
  if (/[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u.test(text) || text.normalize('NFKC') !== text) return null
  const at = text.lastIndexOf('@')
  const local = normalizeLocalPart(text.slice(0, Math.max(at, 0)))
  const domain = normalizeDomain(text.slice(at + 1))
  if (local === null || domain === null) return null
  const email = `${local}@${domain}`
  return email.length <= 254 ? email : null
}

function normalizeLocalPart(text: string): string | null {
  // RFC 5322 dot-atom, with RFC 6532's letters beyond ASCII.
  if (!/^[\w!#$%&'*+/=?^`{|}~\u{80}-\u{10ffff}-]+(?:\.[\w!#$%&'*+/=?^`{|}~\u{80}-\u{10ffff}-]+)*$/u.test(text))
    return null
  const lower = text.toLowerCase()
  return lower.length <= 64 && lower.normalize('NFKC') === lower ? lower : null
}

function normalizeDomain(text: string): string | null {
  // Letters, digits, marks, hyphen and dot only: nothing that a URL would read as a port, a path or an escape.
  if (!/^[\p{L}\p{N}\p{M}.-]+$/u.test(text) || !URL.canParse(`http://${text}`)) return null
  const { hostname } = new URL(`http://${text}`)
  // The last label begins with a letter, so IP addresses in any spelling fall out here.
  if (
    hostname.length > 253 ||
    !/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/.test(hostname)
  )
    return null
  return new URL(`http://${hostname}`).hostname === hostname ? hostname : null
}

/** Base64 with padding (RFC 4648 §4). */
export function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let at = 0; at < bytes.length; at += CHUNK) binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK))
  return btoa(binary)
}

const htmlEntities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text for element content and for attributes in quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => htmlEntities[sign] ?? '')
}
