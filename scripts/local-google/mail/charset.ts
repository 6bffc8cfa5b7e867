// Bytes to text as mail means it: charsets by their labels, RFC 2047 encoded words, RFC 2231 parameters. Text that has
// not been decoded yet travels as "binary" strings, one character a byte. Pure.

const decoders = new Map<string, TextDecoder | null>()
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A decoder for the label, or null where nobody knows it. */
function decoderFor(label: string): TextDecoder | null {
  const name = label.trim().toLowerCase()
  const known = decoders.get(name)
  if (known !== undefined) return known
  let decoder: TextDecoder | null = null
  try {
    decoder = new TextDecoder(name)
  } catch {
    // Unknown label.
  }
  decoders.set(name, decoder)
  return decoder
}

/** Text of bytes whose charset nobody declared, or declared wrongly: UTF-8 where it is that, else one byte a character. */
export function guessText(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return Buffer.from(bytes).toString('latin1')
  }
}

/** Text by the declared charset; null where none is declared or it is unknown. */
export function textIn(bytes: Uint8Array, charset: string | null): string | null {
  const decoder = charset === null || charset === '' ? null : decoderFor(charset)
  return decoder === null ? null : decoder.decode(bytes)
}

/** A header's value as it was sent: UTF-8 or Latin-1, encoded words left alone. */
export function plainHeader(binary: string): string {
  return guessText(Buffer.from(binary, 'latin1'))
}

const encodedWord = /=\?([^?*\s]+)(?:\*[^?\s]*)?\?([bq])\?([^?]*)\?=/gi

/** A header's value with its encoded words read. Neighbours of one charset are joined first: senders cut characters. */
export function readableHeader(binary: string): string {
  let text = ''
  let end = 0
  let open: { charset: string; bytes: Buffer[] } | null = null
  const close = (): void => {
    if (open === null) return
    const bytes = Buffer.concat(open.bytes)
    text += textIn(bytes, open.charset) ?? guessText(bytes)
    open = null
  }
  for (const match of binary.matchAll(encodedWord)) {
    const [whole, charset = '', kind = '', payload = ''] = match
    const between = binary.slice(end, match.index)
    const bytes = kind.toLowerCase() === 'b' ? Buffer.from(payload, 'base64') : readQ(payload)
    const joins: boolean = open !== null && /^\s*$/.test(between)
    if (!joins || open === null) {
      close()
      text += plainHeader(between)
      open = { charset: charset.toLowerCase(), bytes: [bytes] }
    } else if (open.charset === charset.toLowerCase()) {
      open.bytes.push(bytes)
    } else {
      close()
      open = { charset: charset.toLowerCase(), bytes: [bytes] }
    }
    end = match.index + whole.length
  }
  close()
  return text + plainHeader(binary.slice(end))
}

function readQ(text: string): Buffer {
  return Buffer.from(
    text.replaceAll('_', ' ').replace(/=([0-9a-f]{2})/gi, (_, hex) => charOf(hex)),
    'latin1',
  )
}

function charOf(hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16))
}

const parameter = /;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\[\s\S])*)"|([^;]*))/g

/** Parameters of a structured header (`Content-Type: …; charset=x`), names in lower case, RFC 2231 pieces joined. */
export function readParameters(value: string): Map<string, string> {
  const plain = new Map<string, string>()
  const pieces = new Map<string, { at: number; encoded: boolean; value: string }[]>()
  for (const [, rawName = '', quoted, bare = ''] of value.matchAll(parameter)) {
    const text = quoted === undefined ? bare.trim() : quoted.replace(/\\([\s\S])/g, '$1')
    const [, name = '', number, star] = /^([^*]+)(?:\*(\d+))?(\*)?$/.exec(rawName.toLowerCase()) ?? []
    if (name === '') continue
    if (number === undefined && star === undefined) {
      if (!plain.has(name)) plain.set(name, readableHeader(text))
      continue
    }
    const list = pieces.get(name) ?? []
    list.push({ at: Number(number ?? 0), encoded: star !== undefined, value: text })
    pieces.set(name, list)
  }
  for (const [name, list] of pieces) plain.set(name, joinPieces(list))
  return plain
}

function joinPieces(pieces: { at: number; encoded: boolean; value: string }[]): string {
  pieces.sort((a, b) => a.at - b.at)
  let charset: string | null = null
  const bytes = pieces.map(({ at, encoded, value }) => {
    if (!encoded) return Buffer.from(value, 'latin1')
    const [, label, rest] = (at === 0 && /^([^']*)'[^']*'(.*)$/s.exec(value)) || [null, null, value]
    if (label) charset = label
    return Buffer.from(
      (rest ?? '').replace(/%([0-9a-f]{2})/gi, (_, hex) => charOf(hex)),
      'latin1',
    )
  })
  const whole = Buffer.concat(bytes)
  return textIn(whole, charset) ?? guessText(whole)
}
