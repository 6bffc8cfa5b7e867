// WebP (RFC 9649), chunk by chunk: the bitstreams, their transparency and their animation are kept; Exif, XMP, colour
// profiles and chunks nobody knows are left out, and the flags that announced them. Pure.

import { type CleanPicture, fourLetters, joinBytes, uint16, uint24Little, uint32Little } from './picture-bytes.ts'

interface Chunk {
  readonly type: string
  readonly payload: Uint8Array
}

interface Size {
  readonly width: number
  readonly height: number
}

const flags = { alpha: 0x10, animation: 0x02 } as const
const bitstreams = new Set(['VP8 ', 'VP8L'])

/** The picture without its metadata, or null where the file is not wholly a WebP: its length must be what RIFF says. */
export function cleanWebp(bytes: Uint8Array): CleanPicture | null {
  if (fourLetters(bytes, 8) !== 'WEBP' || uint32Little(bytes, 4) !== bytes.length - 8) return null
  const chunks = readChunks(bytes.subarray(12))
  const first = chunks?.[0]
  if (chunks === null || first === undefined) return null
  const cleaned = first.type === 'VP8X' ? cleanExtended(first.payload, chunks.slice(1)) : cleanSimple(first)
  return cleaned === null ? null : { ...cleaned.size, bytes: assemble(cleaned.chunks) }
}

type Cleaned = { readonly size: Size; readonly chunks: readonly Chunk[] } | null

/** One bitstream; what a writer put after it is left out. */
function cleanSimple(chunk: Chunk): Cleaned {
  const size = sizeOf(chunk)
  return size === null ? null : { size, chunks: [chunk] }
}

function cleanExtended(header: Uint8Array, chunks: readonly Chunk[]): Cleaned {
  if (header.length !== 10) return null
  const size = { width: uint24Little(header, 4) + 1, height: uint24Little(header, 7) + 1 }
  const announced = (header[0] ?? 0) & (flags.alpha | flags.animation)
  const kept = announced & flags.animation ? animationOf(chunks, size) : stillOf(chunks, size)
  if (kept === null) return null
  const cleanHeader = Uint8Array.of(announced, 0, 0, 0, ...header.subarray(4))
  return { size, chunks: [{ type: 'VP8X', payload: cleanHeader }, ...kept] }
}

/** One bitstream of the canvas' size, and its transparency before it. */
function stillOf(chunks: readonly Chunk[], canvas: Size): Chunk[] | null {
  const kept = chunks.filter(({ type }) => type === 'ALPH' || bitstreams.has(type))
  const [picture, ...others] = kept.filter(({ type }) => bitstreams.has(type))
  const size = picture === undefined ? null : sizeOf(picture)
  if (size === null || others.length > 0 || kept.length > 2 || kept.at(-1) !== picture) return null
  return size.width === canvas.width && size.height === canvas.height ? kept : null
}

/** `ANIM`, then frames that lie within the canvas. */
function animationOf(chunks: readonly Chunk[], canvas: Size): Chunk[] | null {
  const animation = chunks.find(({ type }) => type === 'ANIM')
  if (animation === undefined || animation.payload.length !== 6) return null
  const kept = [animation]
  for (const { type, payload } of chunks) {
    if (type !== 'ANMF') continue
    const frame = cleanFrame(payload, canvas)
    if (frame === null) return null
    kept.push(frame)
  }
  return kept.length > 1 ? kept : null
}

function cleanFrame(payload: Uint8Array, canvas: Size): Chunk | null {
  const inner = readChunks(payload.subarray(16))
  if (payload.length < 16 || inner === null) return null
  const size = { width: uint24Little(payload, 6) + 1, height: uint24Little(payload, 9) + 1 }
  const isWithin =
    2 * uint24Little(payload, 0) + size.width <= canvas.width &&
    2 * uint24Little(payload, 3) + size.height <= canvas.height
  const kept = stillOf(inner, size)
  if (!isWithin || kept === null) return null
  return { type: 'ANMF', payload: joinBytes([payload.subarray(0, 16), ...kept.map(chunkBytes)]) }
}

/** Of a bitstream, by its own header (RFC 6386 section 9.1; RFC 9649 section 3.4). */
function sizeOf({ type, payload }: Chunk): Size | null {
  if (type === 'VP8 ') {
    const isKeyFrame = payload.length >= 10 && ((payload[0] ?? 1) & 1) === 0 && uint24Little(payload, 3) === 0x2a019d
    if (!isKeyFrame) return null
    return { width: little16(payload, 6) & 0x3fff, height: little16(payload, 8) & 0x3fff }
  }
  if (type !== 'VP8L' || payload.length < 5 || payload[0] !== 0x2f) return null
  const bits = uint32Little(payload, 1)
  if (bits >>> 29 !== 0) return null
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
}

function little16(bytes: Uint8Array, offset: number): number {
  const value = uint16(bytes, offset)
  return ((value & 0xff) << 8) | (value >> 8)
}

/** All chunks, padded to even lengths, to the last byte; null where one reaches beyond. */
function readChunks(bytes: Uint8Array): Chunk[] | null {
  const chunks: Chunk[] = []
  let offset = 0
  while (offset < bytes.length) {
    const length = uint32Little(bytes, offset + 4)
    if (length < 0 || offset + 8 + length > bytes.length) return null
    chunks.push({ type: fourLetters(bytes, offset), payload: bytes.subarray(offset + 8, offset + 8 + length) })
    offset += 8 + length + (length % 2)
  }
  return offset === bytes.length ? chunks : null
}

function chunkBytes({ type, payload }: Chunk): Uint8Array {
  const head = new Uint8Array(8)
  const { length } = payload
  for (let index = 0; index < 4; index += 1) head[index] = type.charCodeAt(index)
  new DataView(head.buffer).setUint32(4, length, true)
  return joinBytes([head, payload, new Uint8Array(length % 2)])
}

function assemble(chunks: readonly Chunk[]): Uint8Array {
  return chunkBytes({
    type: 'RIFF',
    payload: joinBytes([new TextEncoder().encode('WEBP'), ...chunks.map(chunkBytes)]),
  })
}
