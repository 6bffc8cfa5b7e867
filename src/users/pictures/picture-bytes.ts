// Reading and joining bytes, for the parsers of pictures. Reads outside give -1, which no valid field is, so that a
// truncated file ends in a refusal and never in an exception.

export interface CleanPicture {
  readonly bytes: Uint8Array
  readonly width: number
  readonly height: number
}

/** Big-endian 16 bits at `offset`, or -1. */
export function uint16(bytes: Uint8Array, offset: number): number {
  const [a, b] = [bytes[offset], bytes[offset + 1]]
  return a === undefined || b === undefined ? -1 : a * 0x100 + b
}

/** Big-endian 32 bits at `offset`, or -1. */
export function uint32(bytes: Uint8Array, offset: number): number {
  const [high, low] = [uint16(bytes, offset), uint16(bytes, offset + 2)]
  return high < 0 || low < 0 ? -1 : high * 0x10000 + low
}

/** Little-endian 24 bits at `offset`, or -1. */
export function uint24Little(bytes: Uint8Array, offset: number): number {
  const [a, b, c] = [bytes[offset], bytes[offset + 1], bytes[offset + 2]]
  return a === undefined || b === undefined || c === undefined ? -1 : a + b * 0x100 + c * 0x10000
}

/** Little-endian 32 bits at `offset`, or -1. */
export function uint32Little(bytes: Uint8Array, offset: number): number {
  const [low, high] = [uint24Little(bytes, offset), bytes[offset + 3]]
  return low < 0 || high === undefined ? -1 : low + high * 0x1000000
}

/** Four bytes as Latin letters; shorter at the end. */
export function fourLetters(bytes: Uint8Array, offset: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + 4))
}

export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}
