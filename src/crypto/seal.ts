// Sealing of secrets at rest: AES-256-GCM under a key derived for the owning row, in an envelope that names its master
// key, so rotation is a question the row can answer (DESIGN 6.5). It must not know tables, tokens or where keys live.

import * as z from 'zod'
import { fromBase64, fromBase64Url, fromUtf8, toBase64Url, utf8 } from './encoding.ts'

const VERSION = 'gp1'
const IV_BYTES = 12
const TAG_BITS = 128
const SALT = utf8(`gatepost/seal/${VERSION}`)
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/

export interface SealingKey {
  /** `[A-Za-z0-9_-]{1,32}`; stands in every envelope sealed under it. */
  readonly id: string
  /** HKDF base key of 32 bytes; seals nothing itself. */
  readonly master: CryptoKey
}

/** The first key seals; every key opens. */
export type KeyRing = readonly [SealingKey, ...SealingKey[]]

/** The place a secret belongs to. An envelope opens only in the place it was sealed for. */
export interface SealedAs {
  readonly column: string
  /** The owning row: a mail account or a one-time code. */
  readonly rowId: string
  /** Null where there is no user yet. */
  readonly userId: string | null
}

/**
 * - `malformed`    not an envelope of ours: wrong version, shape, alphabet, or shorter than IV and tag
 * - `unknown_key`  sealed under a key that is not in the ring
 * - `refused`      the tag does not hold: altered, cut, or sealed for another place
 */
export type Opened =
  | { readonly ok: true; readonly plaintext: string }
  | { readonly ok: false; readonly reason: 'malformed' | 'unknown_key' | 'refused' }

/** A key ring that cannot be used. The message names the entry by its position, never by its content. */
export class KeyRingError extends Error {
  override readonly name = 'KeyRingError'
}

/**
 * Reads `kid:base64,kid:base64` (32 bytes each, standard base64; blanks around an entry do not matter).
 * @throws KeyRingError where anything is missing, malformed, short, long or named twice
 */
export async function parseKeyRing(text: string): Promise<KeyRing> {
  const seen = new Set<string>()
  const keys: SealingKey[] = []
  for (const [index, entry] of text.split(',').entries()) {
    const key = await parseSealingKey(entry.trim(), `key ${index + 1} of the ring`)
    if (seen.has(key.id)) throw new KeyRingError(`key ${index + 1} of the ring has the name of an earlier one`)
    seen.add(key.id)
    keys.push(key)
  }
  const [first, ...older] = keys
  if (first === undefined) throw new KeyRingError('the ring has no key')
  return [first, ...older]
}

async function parseSealingKey(entry: string, which: string): Promise<SealingKey> {
  if (entry === '') throw new KeyRingError(`${which} is empty`)
  const colon = entry.indexOf(':')
  if (colon === -1) throw new KeyRingError(`${which} has no colon between its name and its base64`)
  const id = entry.slice(0, colon)
  if (!KEY_ID.test(id)) throw new KeyRingError(`${which} has a name that is not 1 to 32 of A-Z, a-z, 0-9, _ and -`)
  const bytes = fromBase64(entry.slice(colon + 1))
  if (bytes === null) throw new KeyRingError(`${which} is not base64`)
  if (bytes.length !== 32) throw new KeyRingError(`${which} does not have exactly 32 bytes`)
  return { id, master: await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveKey']) }
}

/**
 * Seals under the ring's first key: `gp1.<kid>.<base64url(iv ‖ ciphertext ‖ tag)>`, with a fresh 96-bit IV and a
 * 128-bit tag each time. Version, key, column, row and user are bound to it as additional data.
 */
export async function seal(ring: KeyRing, plaintext: string, as: SealedAs): Promise<string> {
  const [key] = ring
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
  const rowKey = await deriveRowKey(key, as.rowId, 'encrypt')
  const sealed = await crypto.subtle.encrypt(gcm(iv, key.id, as), rowKey, utf8(plaintext))
  const body = new Uint8Array(IV_BYTES + sealed.byteLength)
  body.set(iv)
  body.set(new Uint8Array(sealed), IV_BYTES)
  return `${VERSION}.${key.id}.${toBase64Url(body)}`
}

/** Opens an envelope in the place it was sealed for. Never throws for what the envelope holds. */
export async function open(ring: KeyRing, envelope: string, as: SealedAs): Promise<Opened> {
  const parts = readEnvelope(envelope)
  if (parts === null) return { ok: false, reason: 'malformed' }
  const key = ring.find(({ id }) => id === parts.keyId)
  if (key === undefined) return { ok: false, reason: 'unknown_key' }
  const rowKey = await deriveRowKey(key, as.rowId, 'decrypt')
  try {
    const bytes = await crypto.subtle.decrypt(gcm(parts.iv, key.id, as), rowKey, parts.sealed)
    const plaintext = fromUtf8(new Uint8Array(bytes))
    return plaintext === null ? { ok: false, reason: 'refused' } : { ok: true, plaintext }
  } catch {
    return { ok: false, reason: 'refused' }
  }
}

/** The place as text, for an envelope that is moved away from its row (`erasures.sealed_as_txt`). No secret. */
export function formatSealedAs(as: SealedAs): string {
  return JSON.stringify([as.column, as.rowId, as.userId])
}

const placeSchema = z.tuple([z.string().min(1), z.string().min(1), z.string().min(1).nullable()])

/** What `formatSealedAs` wrote; null for anything else. */
export function parseSealedAs(text: string): SealedAs | null {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    return null
  }
  const place = placeSchema.safeParse(raw)
  if (!place.success) return null
  const [column, rowId, userId] = place.data
  return { column, rowId, userId }
}

function readEnvelope(
  envelope: string,
): { keyId: string; iv: Uint8Array<ArrayBuffer>; sealed: Uint8Array<ArrayBuffer> } | null {
  const [version, keyId, text, ...rest] = envelope.split('.')
  if (version !== VERSION || keyId === undefined || text === undefined || rest.length > 0 || !KEY_ID.test(keyId))
    return null
  const body = fromBase64Url(text)
  // A cut envelope must not reach AES-GCM: workerd takes shorter tags and IVs when asked (SECURITY TV-13).
  if (body === null || body.length < IV_BYTES + TAG_BITS / 8) return null
  return { keyId, iv: body.slice(0, IV_BYTES), sealed: body.slice(IV_BYTES) }
}

async function deriveRowKey(key: SealingKey, rowId: string, usage: 'encrypt' | 'decrypt'): Promise<CryptoKey> {
  return await crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: SALT, info: utf8(rowId) },
    key.master,
    { name: 'AES-GCM', length: 256 },
    false,
    [usage],
  )
}

interface GcmParameters {
  readonly name: 'AES-GCM'
  readonly iv: Uint8Array<ArrayBuffer>
  readonly additionalData: Uint8Array<ArrayBuffer>
  readonly tagLength: number
}

function gcm(iv: Uint8Array<ArrayBuffer>, keyId: string, as: SealedAs): GcmParameters {
  // A JSON array is unambiguous: no text in one place can pass for another place, and null is no text.
  const additionalData = utf8(JSON.stringify([VERSION, keyId, as.column, as.rowId, as.userId]))
  return { name: 'AES-GCM', iv, additionalData, tagLength: TAG_BITS }
}
