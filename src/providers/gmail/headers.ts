// Header values of a mail, as a stranger wrote them, read for what they say: encoded words, addresses, message ids,
// parameters (RFC 5322, 2047, 2231). Pure; nothing here throws.

import { addressParser, decodeWords } from 'postal-mime'
import type { MailAddress } from '../mail.ts'
import { decodeText, fitText } from './text.ts'

/** A header longer than this is read to here: the parsers' work stays small whatever is sent. */
const MAX_HEADER_LENGTH = 32_768
const MAX_ADDRESSES = 500
const MAX_NAME_LENGTH = 200
const MAX_ADDRESS_LENGTH = 320
const MAX_REFERENCES = 50
const MAX_FILENAME_LENGTH = 255
const MAX_CONTINUATIONS = 100

/** By lower-case name; a header that appears twice keeps its first value. */
export type Headers = ReadonlyMap<string, string>

/** @param list the provider's `[{ name, value }]`, or anything else in its place */
export function readHeaders(list: unknown): Headers {
  const headers = new Map<string, string>()
  if (!Array.isArray(list)) return headers
  for (const it of list) {
    const { name, value }: { name?: unknown; value?: unknown } = typeof it === 'object' && it !== null ? it : {}
    if (typeof name !== 'string' || typeof value !== 'string' || name.length > 200) continue
    const key = name.toLowerCase()
    if (!headers.has(key)) headers.set(key, value.slice(0, MAX_HEADER_LENGTH))
  }
  return headers
}

/** Unfolded, its encoded words decoded, without control characters. */
export function readText(value: string | undefined, maxLength: number): string {
  if (value === undefined) return ''
  return fitText(withoutControls(decodeWords(unfold(value))), maxLength)
}

/** All mailboxes of an address header, groups flattened, in order. */
export function readAddresses(value: string | undefined): MailAddress[] {
  if (value === undefined) return []
  return addressParser(unfold(value), { flatten: true })
    .slice(0, MAX_ADDRESSES)
    .map(({ name, address }) => ({
      name: fitText(withoutControls(name), MAX_NAME_LENGTH),
      address: fitText(withoutControls(address ?? ''), MAX_ADDRESS_LENGTH),
    }))
    .filter(({ name, address }) => name !== '' || address !== '')
}

/** The first `<…>` of a header; null where there is none that could be a message id. */
export function readMessageId(value: string | undefined): string | null {
  return messageIds(value)[0] ?? null
}

/** Each once, oldest first; of too many the first and the newest, which threads hang on. */
export function readReferences(value: string | undefined): string[] {
  const ids = [...new Set(messageIds(value))]
  return ids.length <= MAX_REFERENCES ? ids : [...ids.slice(0, 1), ...ids.slice(1 - MAX_REFERENCES)]
}

/** A file's name without what could disguise it; a path in it stays, since nothing here opens files. */
export function readFilename(name: string): string {
  const bidi = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
  const whole = withoutControls(decodeWords(name.slice(0, MAX_HEADER_LENGTH))).replace(bidi, '')
  // What says how to open it stands at the end, and is kept.
  const extension = /\.[\p{L}\p{N}]{1,10}$/u.exec(whole)?.[0] ?? ''
  if (whole.length <= MAX_FILENAME_LENGTH) return fitText(whole, MAX_FILENAME_LENGTH)
  return fitText(whole, MAX_FILENAME_LENGTH - extension.length) + extension
}

/** The value before the parameters, lower case: `attachment`, `text/plain`. */
export function readToken(value: string | undefined): string {
  return (value ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

/**
 * A parameter of a header, decoded (RFC 2231: `name*=utf-8''%e2%82%ac`, `name*0=…; name*1=…`); null where missing.
 * @param name lower case
 */
export function readParameter(value: string | undefined, name: string): string | null {
  if (value === undefined) return null
  const parameters = readParameters(unfold(value))
  const extended = parameters.get(`${name}*`)
  if (extended !== undefined) return decodeExtended(extended)
  const plain = parameters.get(name)
  if (plain !== undefined) return plain
  return joinContinuations(parameters, name)
}

function joinContinuations(parameters: ReadonlyMap<string, string>, name: string): string | null {
  let charset = ''
  let encoded = ''
  for (let at = 0; at < MAX_CONTINUATIONS; at += 1) {
    const plain = parameters.get(`${name}*${at}`)
    const piece = parameters.get(`${name}*${at}*`)
    if (plain === undefined && piece === undefined) break
    const parts = at === 0 && piece !== undefined ? /^([^']*)'[^']*'(.*)$/s.exec(piece) : null
    if (parts !== null) charset = parts[1] ?? ''
    // Pieces are joined before they are decoded: a letter may be split between two.
    encoded += piece === undefined ? encodeURIComponent((plain ?? '').toWellFormed()) : (parts?.[2] ?? piece)
  }
  return encoded === '' ? null : decodePercents(encoded, charset)
}

function decodeExtended(value: string): string {
  const parts = /^([^']*)'[^']*'(.*)$/s.exec(value)
  return parts === null ? decodePercents(value, '') : decodePercents(parts[2] ?? '', parts[1] ?? '')
}

function decodePercents(text: string, charset: string): string {
  const source = new TextEncoder().encode(text)
  const bytes = new Uint8Array(source.length)
  let size = 0
  for (let at = 0; at < source.length; at += 1) {
    const pair = source[at] === 0x25 ? String.fromCharCode(...source.subarray(at + 1, at + 3)) : ''
    const isEncoded = /^[0-9a-f]{2}$/i.test(pair)
    bytes[size] = isEncoded ? Number.parseInt(pair, 16) : (source[at] ?? 0)
    size += 1
    if (isEncoded) at += 2
  }
  return decodeText(bytes.subarray(0, size), charset)
}

function readParameters(value: string): Map<string, string> {
  const parameters = new Map<string, string>()
  // Each alternative begins with another character, so nothing is tried twice.
  const pattern = /;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;"]*))/gs
  for (const [, name, quoted, bare] of value.matchAll(pattern)) {
    const key = (name ?? '').toLowerCase()
    const text = quoted === undefined ? (bare ?? '').trim() : quoted.replaceAll(/\\(.)/gs, '$1')
    if (!parameters.has(key)) parameters.set(key, text)
  }
  return parameters
}

function messageIds(value: string | undefined): string[] {
  return unfold(value ?? '').match(/<[^<>\s\p{C}]{1,996}>/gu) ?? []
}

function unfold(value: string): string {
  return value.replaceAll(/[\r\n]+[\t ]*|\t/g, ' ')
}

function withoutControls(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ').trim()
}
