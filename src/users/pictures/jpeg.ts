// JPEG (ITU T.81), segment by segment: tables, frame and scans are kept, after a look at their form, so that none can
// carry something else; Exif, XMP, profiles, thumbnails and comments are left out. Of Exif one number comes back: which
// way up the picture is, or every second photograph of a telephone would lie on its side. Pure.

import { type CleanPicture, joinBytes, uint16, uint32, uint32Little } from './picture-bytes.ts'

interface Segment {
  /** What follows the length. */
  readonly payload: Uint8Array
  readonly whole: Uint8Array
}

/**
 * The picture without its metadata, or null where its segments do not hold. What follows the end is left out and not
 * refused: telephones append films and brightness maps there.
 */
export function cleanJpeg(bytes: Uint8Array): CleanPicture | null {
  const parts: Uint8Array[] = []
  let size: { width: number; height: number } | null = null
  let orientation: number | null = null
  let scans = 0
  let offset = 2
  while (offset < bytes.length) {
    if (bytes[offset] !== 0xff) return null
    while (bytes[offset + 1] === 0xff) offset += 1
    const marker = bytes[offset + 1] ?? 0
    if (marker === 0xd9) return size === null || scans === 0 ? null : { bytes: assemble(parts, orientation), ...size }
    const segment = readSegment(bytes, offset)
    if (segment === null || segment.whole.length > bytes.length - offset) return null
    const { payload, whole } = segment
    offset += whole.length
    if (marker === 0xc0 || marker === 0xc1 || marker === 0xc2) {
      if (size !== null) return null
      size = readFrame(payload)
      if (size === null) return null
      parts.push(whole)
    } else if (marker === 0xda) {
      if (size === null || !isScanHeader(payload)) return null
      const end = endOfScan(bytes, offset)
      parts.push(whole, bytes.subarray(offset, end))
      offset = end
      scans += 1
    } else if (isTable(marker)) {
      if (!isTableWell(marker, payload)) return null
      parts.push(whole)
    } else if (marker === 0xe0) {
      if (parts.length === 0) parts.push(...jfifOf(payload))
    } else if (marker === 0xee) {
      // Adobe's twelve bytes tell whether the colours are RGB or CMYK.
      if (payload.length === 12 && startsWith(payload, 'Adobe')) parts.push(whole)
    } else if (marker === 0xe1) {
      orientation ??= readOrientation(payload)
    } else if (!isDropped(marker)) return null
  }
  return null
}

/** Other APPn, and comments. */
const isDropped = (marker: number): boolean => (marker >= 0xe2 && marker <= 0xef) || marker === 0xfe
const isTable = (marker: number): boolean => marker === 0xdb || marker === 0xc4 || marker === 0xdd

function readSegment(bytes: Uint8Array, offset: number): Segment | null {
  const length = uint16(bytes, offset + 2)
  if (length < 2) return null
  const whole = bytes.subarray(offset, offset + 2 + length)
  return whole.length === 2 + length ? { whole, payload: whole.subarray(4) } : null
}

/** Eight bits a sample, one (grey), three or four components. */
function readFrame(frame: Uint8Array): { width: number; height: number } | null {
  const [precision, components = 0] = [frame[0], frame[5]]
  if (precision !== 8 || ![1, 3, 4].includes(components) || frame.length !== 6 + 3 * components) return null
  return { height: uint16(frame, 1), width: uint16(frame, 3) }
}

function isScanHeader(header: Uint8Array): boolean {
  const components = header[0] ?? 0
  return components >= 1 && components <= 4 && header.length === 4 + 2 * components
}

/** The coded data runs to the next marker that is neither stuffing (FF 00) nor a restart. */
function endOfScan(bytes: Uint8Array, start: number): number {
  let offset = start
  for (;;) {
    offset = bytes.indexOf(0xff, offset)
    if (offset < 0) return bytes.length
    const next = bytes[offset + 1] ?? 0
    if (next !== 0 && (next < 0xd0 || next > 0xd7)) return offset
    offset += 2
  }
}

/** Tables fill their segment exactly: nothing else fits in. */
function isTableWell(marker: number, payload: Uint8Array): boolean {
  if (marker === 0xdd) return payload.length === 2
  let offset = 0
  while (offset < payload.length) {
    const kind = payload[offset] ?? 0
    if (marker === 0xdb) {
      if (kind >> 4 > 1 || (kind & 15) > 3) return false
      offset += 1 + 64 * ((kind >> 4) + 1)
    } else {
      if (kind >> 4 > 1 || (kind & 15) > 3) return false
      const codes = payload.subarray(offset + 1, offset + 17).reduce((sum, count) => sum + count, 0)
      if (codes > 256) return false
      offset += 17 + codes
    }
  }
  return payload.length > 0 && offset === payload.length
}

/** JFIF's own header with its density, without the thumbnail; nothing for what is not JFIF. */
function jfifOf(payload: Uint8Array): Uint8Array[] {
  if (payload.length < 14 || !startsWith(payload, 'JFIF\0')) return []
  return [Uint8Array.of(0xff, 0xe0, 0, 16, ...payload.subarray(0, 12), 0, 0)]
}

/** 2 to 8 (Exif 2.3, tag 0x0112), or null: upright, or not told. */
function readOrientation(payload: Uint8Array): number | null {
  if (!startsWith(payload, 'Exif\0\0')) return null
  const tiff = payload.subarray(6)
  const isLittle = startsWith(tiff, 'II*\0')
  if (!isLittle && !startsWith(tiff, 'MM\0*')) return null
  const short = (at: number): number => (isLittle ? uint32Little(tiff, at) & 0xffff : uint16(tiff, at))
  const directory = isLittle ? uint32Little(tiff, 4) : uint32(tiff, 4)
  if (directory < 8 || directory + 2 > tiff.length) return null
  const entries = Math.min(short(directory), 200)
  for (let index = 0; index < entries; index += 1) {
    const entry = directory + 2 + 12 * index
    if (entry + 12 > tiff.length) return null
    if (short(entry) !== 0x0112 || short(entry + 2) !== 3) continue
    const value = short(entry + 8)
    return value >= 2 && value <= 8 ? value : null
  }
  return null
}

/** An Exif segment of ours that says one thing. */
const orientationSegment = (value: number): Uint8Array =>
  // APP1, 34 bytes; "Exif"; big-endian TIFF, directory at 8; one entry: 0x0112, SHORT, once, the value; no next one.
  Uint8Array.of(
    ...[0xff, 0xe1, 0, 34, 0x45, 0x78, 0x69, 0x66, 0, 0],
    ...[0x4d, 0x4d, 0, 0x2a, 0, 0, 0, 8],
    ...[0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, value, 0, 0],
    ...[0, 0, 0, 0],
  )

function assemble(parts: readonly Uint8Array[], orientation: number | null): Uint8Array {
  const [first, ...rest] = parts
  // JFIF wants to stand first.
  const isJfif = first !== undefined && first[1] === 0xe0
  const told = orientation === null ? [] : [orientationSegment(orientation)]
  return joinBytes([
    Uint8Array.of(0xff, 0xd8),
    ...(isJfif ? [first, ...told, ...rest] : [...told, ...parts]),
    Uint8Array.of(0xff, 0xd9),
  ])
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return bytes.length >= text.length && [...text].every((letter, index) => bytes[index] === letter.charCodeAt(0))
}
