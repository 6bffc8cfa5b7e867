// Bytes of a mail body → text, and texts made fit to be stored: base64 as it comes, a charset that may be a lie, NUL,
// lone surrogates, too much of it. Pure; nothing here throws.

const ESCAPE = 0x1b

/** Labels that mail carries and the Encoding Standard does not list. */
const charsetAliases: ReadonlyMap<string, string> = new Map([
  ['cp932', 'shift_jis'],
  ['windows-932', 'shift_jis'],
  ['cp936', 'gbk'],
  ['windows-936', 'gbk'],
  ['cp949', 'euc-kr'],
  ['cp950', 'big5'],
  ['windows-950', 'big5'],
  ['iso-2022-jp-1', 'iso-2022-jp'],
  ['iso-2022-jp-2', 'iso-2022-jp'],
  ['iso-2022-jp-ms', 'iso-2022-jp'],
  ['cp50220', 'iso-2022-jp'],
  ['cp50221', 'iso-2022-jp'],
  ['cp1252', 'windows-1252'],
])

/**
 * The text of a body. Valid UTF-8 wins over what was declared, since Gmail converts many bodies and leaves their headers
 * as they were; but not where the declared charset writes its letters in 7 bits or with NULs, which are valid UTF-8 too.
 * @param charset as declared; null where nothing was
 */
export function decodeText(bytes: Uint8Array, charset: string | null): string {
  const label = charsetLabel(charset)
  if (label.startsWith('iso-2022-') && bytes.includes(ESCAPE) && isSevenBit(bytes)) {
    const text = tryDecode(bytes, label, 'strict')
    if (text !== null) return text
  }
  if (/^(?:utf-16|ucs-2|unicode)/.test(label) && bytes.includes(0)) {
    const text = tryDecode(bytes, label, 'lenient')
    if (text !== null) return text
  }
  return (
    tryDecode(bytes, 'utf-8', 'strict') ??
    (label === '' ? null : tryDecode(bytes, label, 'lenient')) ??
    tryDecode(bytes, 'windows-1252', 'lenient') ??
    new TextDecoder().decode(bytes)
  )
}

/**
 * Base64 or base64url → bytes, in pieces: padding, blanks, line breaks and foreign characters are passed over, a last
 * incomplete byte is dropped.
 */
export class Base64Reader {
  private bits = 0
  private count = 0

  push(text: Uint8Array): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.ceil((text.length * 3) / 4) + 1)
    let size = 0
    for (let at = 0; at < text.length; at += 1) {
      if (this.count === 0) {
        // Four letters at once as long as they are letters: nearly always, and several times as fast.
        for (; at + 4 <= text.length; at += 4) {
          const one = valueAt(text, at)
          const two = valueAt(text, at + 1)
          const three = valueAt(text, at + 2)
          const four = valueAt(text, at + 3)
          if ((one | two | three | four) >= FOREIGN) break
          bytes[size] = (one << 2) | (two >> 4)
          bytes[size + 1] = ((two & 15) << 4) | (three >> 2)
          bytes[size + 2] = ((three & 3) << 6) | four
          size += 3
        }
        if (at === text.length) break
      }
      const value = valueAt(text, at)
      if (value === FOREIGN) continue
      if (value === PADDING) {
        this.count = 0
        continue
      }
      this.bits = ((this.bits << 6) | value) & 0xfff
      this.count += 6
      if (this.count < 8) continue
      this.count -= 8
      bytes[size] = (this.bits >> this.count) & 0xff
      size += 1
    }
    return bytes.subarray(0, size)
  }
}

/** One whole value; see `Base64Reader`. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  return new Base64Reader().push(new TextEncoder().encode(text))
}

/** Without NUL and lone surrogates, at most so many characters; never cut through one. */
export function fitText(text: string, maxLength: number): string {
  const cut = text.length > maxLength && isHighSurrogate(text.charCodeAt(maxLength - 1)) ? maxLength - 1 : maxLength
  // Cut first: a stranger's megabytes are not walked for the sake of a subject.
  return text.slice(0, cut).replaceAll('\0', '').toWellFormed()
}

const FOREIGN = 64
const PADDING = 65
const alphabet = base64Alphabet()

function valueAt(text: Uint8Array, at: number): number {
  return alphabet[text[at] ?? 0] ?? FOREIGN
}

function base64Alphabet(): Uint8Array {
  const codes = new Uint8Array(256).fill(FOREIGN)
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  for (let at = 0; at < letters.length; at += 1) codes[letters.charCodeAt(at)] = at
  for (const letter of '+-') codes[letter.charCodeAt(0)] = 62
  for (const letter of '/_') codes[letter.charCodeAt(0)] = 63
  codes['='.charCodeAt(0)] = PADDING
  return codes
}

function charsetLabel(charset: string | null): string {
  const label = (charset ?? '').trim().toLowerCase().slice(0, 64)
  return charsetAliases.get(label) ?? label
}

function tryDecode(bytes: Uint8Array, label: string, mode: 'strict' | 'lenient'): string | null {
  try {
    return new TextDecoder(label, { fatal: mode === 'strict', ignoreBOM: false }).decode(bytes)
  } catch {
    return null
  }
}

function isSevenBit(bytes: Uint8Array): boolean {
  return bytes.every((it) => it < 0x80)
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff
}
