// Pictures made by hand: the smallest valid ones of each kind, with whatever a test hides in them, and files that only
// pretend. Knows nothing of the Worker's modules.

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0))

export function join(...parts: readonly (Uint8Array | readonly number[] | string)[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...(typeof part === 'string' ? ascii(part) : part)]))
}

/** The bytes as Latin letters, for looking for a mark. */
export function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
}

const big32 = (value: number): number[] => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]
const big16 = (value: number): number[] => [value >>> 8, value & 255]
const little32 = (value: number): number[] => big32(value).reverse()
const little24 = (value: number): number[] => little32(value).slice(0, 3)

function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff
  for (const byte of bytes) {
    value ^= byte
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  }
  return (value ^ 0xffffffff) >>> 0
}

export function pngChunk(type: string, data: Uint8Array | readonly number[] | string = []): Uint8Array {
  const named = join(type, data)
  return join(big32(named.length - 4), named, big32(crc32(named)))
}

const pngSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
export const pngHeader = (width: number, height: number): Uint8Array =>
  pngChunk('IHDR', [...big32(width), ...big32(height), 8, 6, 0, 0, 0])
/** One pixel, deflated. */
export const pngData = pngChunk('IDAT', [0x78, 0xda, 0x63, 0x64, 0xf8, 0xcf, 0x50, 0x0f, 0x00, 0x03, 0x86, 0x01, 0x80])
export const pngEnd = pngChunk('IEND')

/** A PNG of one pixel; `size` lies where it is another; `extra` stands between header and data. */
export function png(options: { width?: number; height?: number; extra?: readonly Uint8Array[] } = {}): Uint8Array {
  const { width = 1, height = 1, extra = [] } = options
  return join(pngSignature, pngHeader(width, height), ...extra, pngData, pngEnd)
}

export function pngOf(...chunks: readonly Uint8Array[]): Uint8Array {
  return join(pngSignature, ...chunks)
}

export function jpegSegment(marker: number, payload: Uint8Array | readonly number[] | string): Uint8Array {
  const bytes = join(payload)
  return join([0xff, marker], big16(bytes.length + 2), bytes)
}

export const jpegStart = Uint8Array.of(0xff, 0xd8)
export const jpegEnd = Uint8Array.of(0xff, 0xd9)
export const jfif = jpegSegment(0xe0, join('JFIF\0', [1, 1, 0, 0, 1, 0, 1, 0, 0]))
export const quantization = jpegSegment(0xdb, [0, ...Array<number>(64).fill(1)])
export const frame = (width: number, height: number): Uint8Array =>
  jpegSegment(0xc0, [8, ...big16(height), ...big16(width), 1, 1, 0x11, 0])
/** One code of one bit, for DC and for AC. */
const huffman = [0x00, 0x10].map((kind) => jpegSegment(0xc4, [kind, 1, ...Array<number>(15).fill(0), 0]))
/** One grey block: difference nothing, end of block. */
export const scan = join(jpegSegment(0xda, [1, 1, 0, 0, 63, 0]), [0x3f])

/** A JPEG of one pixel; `extra` stands behind its JFIF header. */
export function jpeg(options: { width?: number; height?: number; extra?: readonly Uint8Array[] } = {}): Uint8Array {
  const { width = 1, height = 1, extra = [] } = options
  return join(jpegStart, jfif, ...extra, quantization, frame(width, height), ...huffman, scan, jpegEnd)
}

/** Exif of a camera: which way up, and a text. */
export function exif(orientation: number, text: string): Uint8Array {
  const data = ascii(`${text}\0`)
  const entry = (tag: number, type: number, count: number, value: readonly number[]) => [
    ...big16(tag),
    ...big16(type),
    ...big32(count),
    ...value,
  ]
  return join(
    'Exif\0\0MM\0*',
    big32(8),
    big16(2),
    entry(0x0112, 3, 1, [...big16(orientation), 0, 0]),
    entry(0x8298, 2, data.length, big32(38)),
    big32(0),
    data,
  )
}

export function webpChunk(type: string, data: Uint8Array | readonly number[] | string): Uint8Array {
  const bytes = join(data)
  return join(type, little32(bytes.length), bytes, bytes.length % 2 === 1 ? [0] : [])
}

export function webpOf(...chunks: readonly Uint8Array[]): Uint8Array {
  const body = join('WEBP', ...chunks)
  return join('RIFF', little32(body.length), body)
}

/** Lossless, one pixel. */
export const webpPixel = webpChunk(
  'VP8L',
  [0x2f, 0, 0, 0, 0, 0x07, 0xd0, 0xff, 0xfe, 0xf7, 0xbf, 0xff, 0x81, 0x88, 0xe8, 0x7f, 0],
)

export const webpHeader = (flags: number, width = 1, height = 1): Uint8Array =>
  webpChunk('VP8X', [flags, 0, 0, 0, ...little24(width - 1), ...little24(height - 1)])

/** A WebP of one pixel; with `extra` the extended kind, which announces everything. */
export function webp(extra?: readonly Uint8Array[]): Uint8Array {
  return extra === undefined ? webpOf(webpPixel) : webpOf(webpHeader(0x2c), webpPixel, ...extra)
}

export const animationFrame = (chunk: Uint8Array, x = 0): Uint8Array =>
  webpChunk('ANMF', join(little24(x), little24(0), little24(0), little24(0), little24(100), [0], chunk))
export const animation = webpChunk('ANIM', [255, 255, 255, 255, 0, 0])

const script = '<script>alert(1)</script>'

/** What must never be taken for a picture (SECURITY AP-16), by what it is. */
export const impostors: Readonly<Record<string, Uint8Array>> = {
  nothing: new Uint8Array(),
  text: ascii('hello'),
  'an SVG with script': ascii(`<svg xmlns="http://www.w3.org/2000/svg">${script}</svg>`),
  'an SVG after a byte order mark': join([0xef, 0xbb, 0xbf], `<?xml version="1.0"?><svg>${script}</svg>`),
  HTML: ascii(`<!doctype html>${script}`),
  'a GIF': join(
    'GIF89a',
    [1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b],
  ),
  'a GIF that is a script': ascii(`GIF89a/*${script}*/=1;`),
  'a BMP': join('BM', Array<number>(60).fill(0)),
  'a PDF': ascii('%PDF-1.7\n%%EOF'),
  'PNG magic and then HTML': join(pngSignature, script),
  'a PNG with HTML behind its end': join(png(), script),
  'a PNG with a ZIP behind its end': join(png(), 'PK\x05\x06', Array<number>(18).fill(0)),
  'HTML with a PNG inside': join('<html>', png()),
  'a PNG without its end': png().slice(0, -12),
  'a PNG with a wrong checksum': png().map((byte, index) => (index === 30 ? byte ^ 1 : byte)),
  'a PNG with a critical chunk nobody knows': png({ extra: [pngChunk('EVIL', script)] }),
  'a PNG with a length beyond its end': pngOf(pngHeader(1, 1), join(big32(0x7fffffff), 'IDAT', [0, 0, 0, 0])),
  'a PNG with two headers': png({ extra: [pngHeader(2, 2)] }),
  'a PNG without data': pngOf(pngHeader(1, 1), pngEnd),
  'a PNG with its data in two places': pngOf(pngHeader(1, 1), pngData, pngChunk('tEXt', 'a\0b'), pngData, pngEnd),
  'a PNG of no width': png({ width: 0 }),
  'a PNG 4,097 pixels wide': png({ width: 4_097 }),
  'a PNG of 2^31 pixels': png({ height: 0x80000000 }),
  'a JPEG that ends after its magic': Uint8Array.of(0xff, 0xd8, 0xff),
  'JPEG magic and then HTML': join([0xff, 0xd8, 0xff, 0xe0], script),
  'a JPEG without a scan': join(jpegStart, jfif, quantization, frame(1, 1), jpegEnd),
  'a JPEG without its end': jpeg().slice(0, -2),
  'a JPEG with two frames': jpeg({ extra: [frame(1, 1)] }),
  'a JPEG with text in a table': jpeg({ extra: [jpegSegment(0xdb, script)] }),
  'a JPEG with a code table of text': jpeg({ extra: [jpegSegment(0xc4, script)] }),
  'a JPEG with arithmetic coding': jpeg({ extra: [jpegSegment(0xcc, [0, 0])] }),
  'a JPEG 5,000 pixels high': jpeg({ height: 5_000 }),
  'a JPEG of no height': jpeg({ height: 0 }),
  'a WebP with HTML behind its end': join(webp(), script),
  'a WebP that says it is longer': join('RIFF', little32(1_000), webp().slice(8)),
  'a WebP of another kind': webp().map((byte, index) => (index === 8 ? 0x41 : byte)),
  'a WAV': join('RIFF', little32(4), 'WAVE'),
  'a WebP without a picture': webpOf(webpHeader(0), webpChunk('EXIF', 'x')),
  'a WebP with a chunk beyond its end': webpOf(join('VP8L', little32(999), [0x2f])),
  'a WebP of two pictures': webpOf(webpHeader(0), webpPixel, webpPixel),
  'a WebP smaller than its canvas': webpOf(webpHeader(0, 100, 100), webpPixel),
  'a WebP with a canvas of 16 million pixels': webpOf(
    webpHeader(2, 16_777_216, 1),
    animation,
    animationFrame(webpPixel),
  ),
  'a WebP with a frame outside its canvas': webpOf(webpHeader(2), animation, animationFrame(webpPixel, 5)),
  'an animated WebP without frames': webpOf(webpHeader(2), animation),
}
