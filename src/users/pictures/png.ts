// PNG (W3C PNG, third edition), chunk by chunk: what draws the picture is kept, everything else is left out (text, Exif,
// time, colour profiles, the further frames of an animation). Pure.

import { type CleanPicture, fourLetters, joinBytes, uint32 } from './picture-bytes.ts'

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
const kept = new Set(['IHDR', 'PLTE', 'IDAT', 'IEND', 'tRNS', 'gAMA', 'sRGB'])
/** Colour type → the bit depths it may have. */
const depths: Readonly<Record<number, readonly number[]>> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
}

/**
 * The picture without its metadata, or null where the file is not wholly a PNG: every chunk's length and checksum must
 * hold, and nothing may follow its end (nobody appends to a PNG but who hides another file in it).
 */
export function cleanPng(bytes: Uint8Array): CleanPicture | null {
  if (!signature.every((byte, index) => bytes[index] === byte)) return null
  const parts: Uint8Array[] = [bytes.subarray(0, 8)]
  const seen: string[] = []
  let size: { width: number; height: number } | null = null
  let offset = 8
  while (offset < bytes.length) {
    const length = uint32(bytes, offset)
    const end = offset + 12 + length
    if (length < 0 || end > bytes.length) return null
    const type = fourLetters(bytes, offset + 4)
    if (!/^[A-Za-z]{2}[A-Z][A-Za-z]$/.test(type)) return null
    const checked = bytes.subarray(offset + 4, offset + 8 + length)
    if (crc32(checked) !== uint32(bytes, offset + 8 + length)) return null
    // Capital: without it the picture cannot be drawn. One we do not know is not for us to judge.
    if (/^[A-Z]/.test(type) && !kept.has(type)) return null
    if (kept.has(type)) {
      if (!mayFollow(type, length, seen)) return null
      if (type === 'IHDR') {
        size = readHeader(checked.subarray(4))
        if (size === null) return null
      }
      if (type !== 'IDAT' || seen.at(-1) !== 'IDAT') seen.push(type)
      parts.push(bytes.subarray(offset, end))
    } else if (seen.at(-1) === 'IDAT') {
      seen.push('other')
    }
    offset = end
    if (type === 'IEND') return size !== null && offset === bytes.length ? { bytes: joinBytes(parts), ...size } : null
  }
  return null
}

/** Header first, palette once and before the data, the data in one run, an empty end after it. */
function mayFollow(type: string, length: number, seen: readonly string[]): boolean {
  switch (type) {
    case 'IHDR':
      return seen.length === 0 && length === 13
    case 'IDAT':
      return seen.length > 0 && (!seen.includes('IDAT') || seen.at(-1) === 'IDAT')
    case 'IEND':
      return seen.includes('IDAT') && length === 0
    case 'PLTE':
      return once(type, seen) && length % 3 === 0 && length >= 3 && length <= 768
    case 'tRNS':
      return once(type, seen) && length >= 1 && length <= 256
    case 'gAMA':
      return once(type, seen) && length === 4
    default:
      return once(type, seen) && length === 1
  }
}

const once = (type: string, seen: readonly string[]): boolean =>
  seen.length > 0 && !seen.includes('IDAT') && !seen.includes(type)

function readHeader(header: Uint8Array): { width: number; height: number } | null {
  const [depth = -1, colour = -1, compression, filter, interlace = -1] = header.subarray(8)
  const isKnown = depths[colour]?.includes(depth) === true && compression === 0 && filter === 0
  if (!isKnown || (interlace !== 0 && interlace !== 1)) return null
  return { width: uint32(header, 0), height: uint32(header, 4) }
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1
  return value
})

/** CRC-32 of ISO 3309, as PNG uses it. */
function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff
  for (const byte of bytes) value = (crcTable[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8)
  return (value ^ 0xffffffff) >>> 0
}
