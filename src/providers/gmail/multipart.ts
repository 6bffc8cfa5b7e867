// Takes a multipart body (RFC 2046 §5.1) apart as its bytes arrive, one part at a time. It knows no HTTP and no mail.

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const HYPHEN = 0x2d
/** Of an overlong part this much is kept: its headers say which one it was. */
const MAX_HEAD_BYTES = 16_384
/** A boundary's line is its boundary and blanks; a longer line is none. */
const MAX_PADDING_BYTES = 256

export interface MultipartPart {
  /** The part, its headers and all; of an overlong one its beginning. */
  readonly bytes: Uint8Array
  readonly isOverlong: boolean
}

/** The boundary of a `Content-Type`; null where it names none. */
export function boundaryOf(contentType: string | null): string | null {
  const match = /^multipart\/[^;]+;(?:.*;)?\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType ?? '')
  return match?.[1] ?? match?.[2] ?? null
}

export class MultipartSplitter {
  /** True once the closing boundary was read: nothing is missing. */
  isComplete = false
  private readonly delimiter: Uint8Array
  private readonly maxPartBytes: number
  /** Not yet told apart. It begins with the line feed that every boundary follows. */
  private rest: Uint8Array = new Uint8Array([LINE_FEED])
  private isInPart = false
  private pieces: Uint8Array[] = []
  private size = 0

  constructor(boundary: string, maxPartBytes: number) {
    this.delimiter = new TextEncoder().encode(`\n--${boundary}`)
    this.maxPartBytes = maxPartBytes
  }

  /** Yields the parts that end in this chunk. To be exhausted before the next call. */
  *push(chunk: Uint8Array): Generator<MultipartPart, void, undefined> {
    if (this.isComplete) return
    let data = join(this.rest, chunk)
    for (let at = data.indexOf(LINE_FEED); at >= 0; ) {
      const found = this.boundaryAt(data, at)
      if (found === 'unknown') {
        this.keep(data.subarray(0, at))
        // A copy: what is left over must not hold the whole chunk.
        this.rest = data.slice(at)
        return
      }
      if (found === null) {
        at = data.indexOf(LINE_FEED, at + 1)
        continue
      }
      this.keep(data.subarray(0, at))
      const part = this.takePart()
      this.isInPart = true
      this.isComplete = found.isLast
      if (this.isComplete) this.rest = new Uint8Array()
      if (part !== null) yield part
      if (this.isComplete) return
      // The line feed at the end of this line may be the one that the next boundary follows.
      data = data.subarray(found.end)
      at = 0
    }
    this.keep(data)
    this.rest = new Uint8Array()
  }

  /** @returns where the boundary's line ends (its line feed); null for none, `unknown` where more bytes must tell */
  private boundaryAt(data: Uint8Array, at: number): { end: number; isLast: boolean } | 'unknown' | null {
    const { delimiter } = this
    const length = Math.min(delimiter.length, data.length - at)
    for (let i = 1; i < length; i += 1) if (data[at + i] !== delimiter[i]) return null
    const after = at + delimiter.length
    if (data.length < after + 1) return 'unknown'
    if (data[after] === HYPHEN) {
      if (data.length < after + 2) return 'unknown'
      return data[after + 1] === HYPHEN ? { end: data.length, isLast: true } : null
    }
    for (let i = after; i < data.length; i += 1) {
      if (data[i] === LINE_FEED) return { end: i, isLast: false }
      if (!isBlank(data[i]) || i - after > MAX_PADDING_BYTES) return null
    }
    return 'unknown'
  }

  private keep(bytes: Uint8Array): void {
    if (!this.isInPart || bytes.length === 0) return
    const limit = this.size > this.maxPartBytes ? 0 : bytes.length
    this.size += bytes.length
    if (limit > 0) this.pieces.push(bytes.slice())
    if (this.size > this.maxPartBytes && limit > 0) this.pieces = [joinAll(this.pieces).slice(0, MAX_HEAD_BYTES)]
  }

  private takePart(): MultipartPart | null {
    if (!this.isInPart) return null
    const whole = joinAll(this.pieces)
    const isOverlong = this.size > this.maxPartBytes
    this.pieces = []
    this.size = 0
    // The line break before a boundary belongs to the boundary, the one after the last boundary to that.
    const from = whole[0] === LINE_FEED ? 1 : 0
    const to = whole.at(-1) === CARRIAGE_RETURN ? whole.length - 1 : whole.length
    return { bytes: whole.subarray(from, Math.max(from, to)), isOverlong }
  }
}

function isBlank(code: number | undefined): boolean {
  return code === 0x20 || code === 0x09 || code === CARRIAGE_RETURN
}

function join(one: Uint8Array, other: Uint8Array): Uint8Array {
  return one.length === 0 ? other : joinAll([one, other])
}

function joinAll(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1 && pieces[0] !== undefined) return pieces[0]
  const whole = new Uint8Array(pieces.reduce((sum, it) => sum + it.length, 0))
  let at = 0
  for (const it of pieces) {
    whole.set(it, at)
    at += it.length
  }
  return whole
}
