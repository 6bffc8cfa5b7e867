// Raw mail to a tree of parts, forgiving as a mail store must be: no message is refused, whatever stands in it. Header
// values stay binary strings (see charset.ts). Pure.
import { readableHeader, readParameters } from './charset.ts'

/** Deeper than this nobody nests on purpose; what is below is left out. */
const MAX_DEPTH = 60

export interface Field {
  readonly name: string
  /** Unfolded, one character a byte. */
  readonly value: string
}

export interface Entity {
  readonly fields: readonly Field[]
  /** Lower case. */
  readonly mimeType: string
  readonly charset: string | null
  /** Empty where the part has none. */
  readonly filename: string
  /** The transfer encoding undone; empty for a multipart. */
  readonly content: Buffer
  readonly parts: readonly Entity[]
}

/** Head (with the empty line that ends it) and body. */
export function splitRaw(raw: Buffer): { head: Buffer; body: Buffer } {
  if (raw[0] === 10) return { head: raw.subarray(0, 1), body: raw.subarray(1) }
  if (raw[0] === 13 && raw[1] === 10) return { head: raw.subarray(0, 2), body: raw.subarray(2) }
  for (let at = raw.indexOf(10); at >= 0; at = raw.indexOf(10, at + 1)) {
    const next = raw[at + 1] === 13 ? at + 2 : at + 1
    if (raw[next] === 10) return { head: raw.subarray(0, next + 1), body: raw.subarray(next + 1) }
  }
  return { head: raw, body: Buffer.alloc(0) }
}

/** The header fields, in order. Lines that are none are left out. */
export function readFields(head: Buffer): Field[] {
  const unfolded = head.toString('latin1').replace(/\r?\n(?=[ \t])/g, '')
  const fields: Field[] = []
  for (const line of unfolded.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const name = line.slice(0, colon).trimEnd()
    if (/^[\x21-\x7e]+$/.test(name)) fields.push({ name, value: line.slice(colon + 1).trim() })
  }
  return fields
}

/** The first field of this name as it stands, or null. */
export function fieldOf(fields: readonly Field[], name: string): string | null {
  const wanted = name.toLowerCase()
  return fields.find((field) => field.name.toLowerCase() === wanted)?.value ?? null
}

/** The tree of a message or of a part. */
export function parseEntity(fields: readonly Field[], body: Buffer, depth = 0): Entity {
  const typeText = fieldOf(fields, 'content-type') ?? 'text/plain'
  const [, mimeType = 'text/plain'] = /^\s*([^\s;/]+\/[^\s;]+)/.exec(typeText.toLowerCase()) ?? []
  const parameters = readParameters(typeText)
  const disposition = readParameters(fieldOf(fields, 'content-disposition') ?? '')
  const filename = (disposition.get('filename') ?? parameters.get('name') ?? '').trim()
  const leaf = { fields, mimeType, charset: parameters.get('charset') ?? null, filename, parts: [] }
  if (mimeType.startsWith('multipart/')) {
    const sections = depth < MAX_DEPTH ? splitSections(body, parameters.get('boundary') ?? '') : []
    if (sections.length === 0) return { ...leaf, mimeType: 'text/plain', content: body }
    const parts = sections.map((section) => parseRaw(section, depth + 1))
    return { ...leaf, content: Buffer.alloc(0), parts }
  }
  const content = undoTransfer(body, readableHeader(fieldOf(fields, 'content-transfer-encoding') ?? ''))
  const isMessage = mimeType === 'message/rfc822' && depth < MAX_DEPTH
  return isMessage ? { ...leaf, content, parts: [parseRaw(content, depth + 1)] } : { ...leaf, content }
}

function parseRaw(raw: Buffer, depth: number): Entity {
  const { head, body } = splitRaw(raw)
  return parseEntity(readFields(head), body, depth)
}

/** What stands between the boundaries; the last may lack its end. */
function splitSections(body: Buffer, boundary: string): Buffer[] {
  if (boundary === '') return []
  const mark = Buffer.from(`--${boundary}`, 'latin1')
  const sections: Buffer[] = []
  let start = -1
  for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + mark.length)) {
    if (at > 0 && body[at - 1] !== 10) continue
    const lineEnd = body.indexOf(10, at)
    const rest = body.subarray(at + mark.length, lineEnd < 0 ? body.length : lineEnd).toString('latin1')
    if (!/^(--)?[ \t\r]*$/.test(rest)) continue
    if (start >= 0) sections.push(body.subarray(start, Math.max(start, at - (body[at - 2] === 13 ? 2 : 1))))
    start = rest.startsWith('--') || lineEnd < 0 ? -1 : lineEnd + 1
    if (rest.startsWith('--')) return sections
  }
  if (start >= 0) sections.push(body.subarray(start))
  return sections
}

function undoTransfer(body: Buffer, encoding: string): Buffer {
  const name = encoding.trim().toLowerCase()
  if (name === 'base64') return Buffer.from(body.toString('latin1'), 'base64')
  return name === 'quoted-printable' ? undoQuotedPrintable(body) : body
}

function undoQuotedPrintable(body: Buffer): Buffer {
  const text = body.toString('latin1').replace(/[ \t]+(?=\r?\n|$)/g, '')
  const joined = text.replace(/=\r?\n/g, '')
  return Buffer.from(
    joined.replace(/=([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
}
