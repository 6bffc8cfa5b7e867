// Text in a mail header: as it is, or as the encoded words of RFC 2047. Pure; it must not know whose mail it is.

import { toBase64, utf8 } from './encoding.ts'

/** Bytes of UTF-8 in one encoded word: with its frame it stays under the 75 characters of RFC 2047 §2. */
const encodedWordBytes = 39

/** Text of a header as it is, or as encoded words (RFC 2047), folded; no character is cut in two. */
export function headerText(text: string): string {
  return isPlainHeaderText(text) ? text : encodedWords(text)
}

/** Text as encoded words, one a line. */
export function encodedWords(text: string): string {
  const chunks: string[] = []
  let [chunk, size] = ['', 0]
  for (const character of text) {
    const bytes = utf8(character).length
    if (size + bytes > encodedWordBytes) {
      chunks.push(chunk)
      ;[chunk, size] = ['', 0]
    }
    chunk += character
    size += bytes
  }
  return [...chunks, chunk].map((it) => `=?UTF-8?B?${toBase64(utf8(it))}?=`).join('\r\n ')
}

/** Printable ASCII that nobody takes for an encoded word. */
export function isPlainHeaderText(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text) && !text.includes('=?')
}
