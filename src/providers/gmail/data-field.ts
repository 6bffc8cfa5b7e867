// Finds the text of `"data"` in a JSON object as its bytes arrive, and decodes its base64 without ever holding it whole.
// It knows just enough JSON for that: strings, escapes and depth.

import { Base64Reader } from './text.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const WANTED_KEY = 'data'
const MAX_KEY_LENGTH = 64

/** Where the reader stands: `between` values, in a string, behind its backslash, or in `\uXXXX`. */
type Place = 'between' | 'string' | 'escape' | 'unicode'

export class DataFieldReader {
  /** True once the whole object was read. */
  isComplete = false
  /** True once the end of the wanted text was read. */
  hasData = false
  private readonly base64 = new Base64Reader()
  private place: Place = 'between'
  private depth = 0
  /** The last string read at the object's own level, which a colon makes a key. */
  private key = ''
  private isValueOfKey = false
  private isWanted = false
  private unicode = ''

  /** The decoded bytes that this chunk gave; empty for most of what is no data. */
  push(chunk: Uint8Array): Uint8Array<ArrayBuffer> {
    const encoded = new Uint8Array(chunk.length)
    let size = 0
    for (let at = 0; at < chunk.length; ) {
      if (this.isWanted && this.place === 'string') {
        // The bulk of it: up to where the text ends or an escape begins, nothing needs a look.
        const run = chunk.subarray(at, plainEnd(chunk, at))
        encoded.set(run, size)
        size += run.length
        at += run.length
        if (at === chunk.length) break
      }
      const code = chunk[at] ?? 0
      const letter = this.place === 'between' ? this.readStructure(code) : this.readString(code)
      at += 1
      if (letter === null) continue
      encoded[size] = letter
      size += 1
    }
    return this.base64.push(encoded.subarray(0, size))
  }

  private readStructure(code: number): null {
    if (code === QUOTE) {
      this.place = 'string'
      this.isWanted = this.depth === 1 && this.isValueOfKey && this.key === WANTED_KEY && !this.hasData
      if (!this.isValueOfKey) this.key = ''
    } else if (code === COLON) {
      if (this.depth === 1) this.isValueOfKey = true
    } else if (code === 0x7b || code === 0x5b) {
      this.depth += 1
      if (this.depth === 1) this.isValueOfKey = false
    } else if (code === 0x7d || code === 0x5d) {
      this.depth -= 1
      if (this.depth === 0) this.isComplete = true
    } else if (code === 0x2c && this.depth === 1) {
      this.isValueOfKey = false
      this.key = ''
    }
    return null
  }

  /** @returns the letter of the wanted text that this byte completes */
  private readString(code: number): number | null {
    if (this.place === 'escape') {
      this.place = code === 0x75 ? 'unicode' : 'string'
      this.unicode = ''
      // Of the short escapes only `\/` is base64; the others are blanks and quotes, passed over by the decoder.
      return this.place === 'string' ? this.take(code === 0x2f ? code : 0x20) : null
    }
    if (this.place === 'unicode') {
      this.unicode += String.fromCharCode(code)
      if (this.unicode.length < 4) return null
      this.place = 'string'
      const letter = Number.parseInt(this.unicode, 16)
      return this.take(letter < 0x80 ? letter : 0x20)
    }
    if (code === BACKSLASH) {
      this.place = 'escape'
      return null
    }
    if (code !== QUOTE) return this.take(code)
    this.place = 'between'
    if (this.isWanted) this.hasData = true
    this.isWanted = false
    return null
  }

  private take(letter: number): number | null {
    if (this.isWanted) return letter
    if (this.depth === 1 && !this.isValueOfKey && this.key.length < MAX_KEY_LENGTH)
      this.key += String.fromCharCode(letter)
    return null
  }
}

function plainEnd(chunk: Uint8Array, from: number): number {
  const quote = chunk.indexOf(QUOTE, from)
  const end = quote < 0 ? chunk.length : quote
  const backslash = chunk.subarray(from, end).indexOf(BACKSLASH)
  return backslash < 0 ? end : from + backslash
}
