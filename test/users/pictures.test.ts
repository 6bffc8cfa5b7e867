// What a picture must be to be kept, and what is left of it: the parsers of PNG, JPEG and WebP, fed by hand.
import { describe, expect, it } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { admitPicture } from '../../src/users/pictures/picture.ts'
import {
  animation,
  animationFrame,
  exif,
  frame,
  impostors,
  jfif,
  join,
  jpeg,
  jpegEnd,
  jpegSegment,
  jpegStart,
  png,
  pngChunk,
  pngData,
  pngEnd,
  pngHeader,
  pngOf,
  quantization,
  scan,
  textOf,
  webp,
  webpChunk,
  webpHeader,
  webpOf,
  webpPixel,
} from '../support/pictures.ts'

const mark = 'MARKED-SECRET'

function codeOf(bytes: Uint8Array): string {
  try {
    return admitPicture(bytes).contentType
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown.code
    throw thrown
  }
}

describe('pictures that are kept', () => {
  it.each([
    ['image/png', png()],
    ['image/jpeg', jpeg()],
    ['image/webp', webp()],
  ] as const)('%s as it came, where there is nothing to drop', (contentType, bytes) => {
    expect(admitPicture(bytes)).toEqual({ contentType, bytes, width: 1, height: 1 })
  })

  it('PNG: text, time, Exif, profiles, animation and the unknown go; what draws stays', () => {
    const drawing = [pngChunk('gAMA', [0, 0, 0xb1, 0x8f]), pngChunk('sRGB', [0]), pngChunk('tRNS', [0, 0])]
    const hidden = ['tEXt', 'iTXt', 'zTXt', 'eXIf', 'tIME', 'iCCP', 'acTL', 'prIv'].map((type) => pngChunk(type, mark))
    const cleaned = admitPicture(pngOf(pngHeader(1, 1), ...hidden, ...drawing, pngData, ...hidden, pngEnd))
    expect(cleaned.bytes).toEqual(pngOf(pngHeader(1, 1), ...drawing, pngData, pngEnd))
  })

  it('PNG: a palette of up to 256 colours stays', () => {
    const palette = pngChunk('PLTE', Array<number>(768).fill(7))
    expect(admitPicture(png({ extra: [palette] })).bytes).toEqual(png({ extra: [palette] }))
    expect(codeOf(png({ extra: [pngChunk('PLTE', [1, 2])] }))).toBe('picture_refused')
  })

  it('JPEG: Exif, XMP, profiles, comments, thumbnails go, and what is appended behind the end', () => {
    const hidden = [
      jpegSegment(0xe1, exif(1, mark)),
      jpegSegment(0xe1, `http://ns.adobe.com/xap/1.0/\0${mark}`),
      jpegSegment(0xe0, `JFXX\0${mark}`),
      jpegSegment(0xe2, `ICC_PROFILE\0${mark}`),
      jpegSegment(0xed, `Photoshop 3.0\0${mark}`),
      jpegSegment(0xee, `Adobe${mark}`),
      jpegSegment(0xfe, mark),
    ]
    expect(admitPicture(join(jpeg({ extra: hidden }), jpegEnd, mark)).bytes).toEqual(jpeg())
  })

  it('JPEG: the thumbnail of a JFIF header goes, its density stays', () => {
    const withThumbnail = jpegSegment(0xe0, join('JFIF\0', [1, 2, 1, 0, 72, 0, 72, 2, 2], mark))
    const cleaned = admitPicture(join(jpegStart, withThumbnail, jpeg().slice(2 + jfif.length)))
    expect(textOf(cleaned.bytes)).not.toContain(mark)
    expect([...cleaned.bytes.slice(2, 20)]).toEqual([
      ...jpegSegment(0xe0, join('JFIF\0', [1, 2, 1, 0, 72, 0, 72, 0, 0])),
    ])
  })

  it.each([2, 3, 6, 8])('JPEG: of Exif only which way up it is stays (%i)', (orientation) => {
    const { bytes } = admitPicture(jpeg({ extra: [jpegSegment(0xe1, exif(orientation, mark))] }))
    expect(textOf(bytes)).not.toContain(mark)
    expect(bytes.length).toBe(jpeg().length + 36)
    // Read again it says the same, and is not written twice.
    expect(admitPicture(bytes).bytes).toEqual(bytes)
    expect(bytes[2 + jfif.length + 2 + 2 + 6 + 8 + 2 + 8 + 1]).toBe(orientation)
  })

  it.each([
    ['a directory far away', join('Exif\0\0MM\0*', [0xff, 0xff, 0xff, 0xff])],
    ['a directory inside its header', join('Exif\0\0MM\0*', [0, 0, 0, 1])],
    ['65,535 entries', join('Exif\0\0II*\0', [8, 0, 0, 0, 0xff, 0xff], Array<number>(4_000).fill(0))],
    ['an entry cut off', join('Exif\0\0II*\0', [8, 0, 0, 0, 1, 0, 0x12, 1, 3])],
    ['a value nobody knows', exif(9, '')],
  ])('JPEG: Exif with %s is only dropped', (_, payload) => {
    expect(admitPicture(jpeg({ extra: [jpegSegment(0xe1, payload)] })).bytes).toEqual(jpeg())
  })

  it('JPEG: several scans with tables between them, restarts and stuffed bytes stay', () => {
    const data = Uint8Array.of(0x3f, 0xff, 0x00, 0xff, 0xd0, 0x3f)
    const whole = join(jpegStart, quantization, frame(1, 1), scan, data, quantization, scan, jpegEnd)
    expect(admitPicture(whole).bytes).toEqual(whole)
    const fill = join(jpegStart, quantization, [0xff, 0xff], frame(1, 1), scan, jpegEnd)
    expect(admitPicture(fill).bytes).toEqual(join(jpegStart, quantization, frame(1, 1), scan, jpegEnd))
  })

  it('JPEG: Adobe’s twelve bytes stay, since they tell the colours', () => {
    const adobe = jpegSegment(0xee, join('Adobe', [0, 100, 0, 0, 0, 0, 2]))
    expect(admitPicture(jpeg({ extra: [adobe] })).bytes).toEqual(jpeg({ extra: [adobe] }))
  })

  it('WebP: Exif, XMP, profiles and the unknown go, and the flags that announced them', () => {
    const hidden = ['ICCP', 'EXIF', 'XMP ', 'LIST'].map((type) => webpChunk(type, mark))
    expect(admitPicture(webp(hidden)).bytes).toEqual(webpOf(webpHeader(0), webpPixel))
    expect(admitPicture(webpOf(webpPixel, webpChunk('EXIF', mark))).bytes).toEqual(webp())
  })

  it('WebP: transparency and animation stay, without what hides in a frame', () => {
    const dirty = animationFrame(join(webpPixel, webpChunk('XMP ', mark)))
    const cleaned = admitPicture(webpOf(webpHeader(0x3e), webpChunk('ICCP', mark), animation, dirty, dirty))
    const clean = animationFrame(webpPixel)
    expect(cleaned.bytes).toEqual(webpOf(webpHeader(0x12), animation, clean, clean))
    const still = webpOf(webpHeader(0x10), webpChunk('ALPH', [0, 1, 2]), webpPixel)
    expect(admitPicture(still).bytes).toEqual(still)
  })

  it('the longest side is 4,096 pixels', () => {
    expect(admitPicture(png({ width: 4_096, height: 4_096 }))).toMatchObject({ width: 4_096, height: 4_096 })
    expect(codeOf(png({ height: 4_097 }))).toBe('picture_refused')
    expect(admitPicture(jpeg({ width: 4_096 }))).toMatchObject({ width: 4_096 })
  })
})

describe('what is no picture', () => {
  it.each(Object.entries(impostors))('AP-16 refuses %s', (_, bytes) => {
    expect(codeOf(bytes)).toBe('picture_refused')
  })

  it('AP-16 refuses more than 2 MB whatever it is', () => {
    const filler = pngChunk('IDAT', new Uint8Array(2 * 1_024 * 1_024))
    expect(codeOf(pngOf(pngHeader(1, 1), filler, pngEnd))).toBe('body_too_large')
  })

  it('AP-16 cut anywhere it is refused, never a fault', () => {
    const hidden = [jpegSegment(0xe1, exif(6, mark))]
    for (const whole of [png(), jpeg({ extra: hidden }), webp([webpChunk('EXIF', mark)])])
      for (let length = 0; length < whole.length; length += 1)
        expect(codeOf(whole.slice(0, length)), String(length)).toBe('picture_refused')
  })

  it('AP-16 with any one byte changed it is taken or refused, never a fault', () => {
    const hidden = [jpegSegment(0xe1, exif(6, mark))]
    for (const whole of [png(), jpeg({ extra: hidden }), webp([webpChunk('EXIF', mark)])])
      for (let index = 0; index < whole.length; index += 1)
        for (const value of [0, 1, 0x7f, 0x80, 0xff])
          expect(codeOf(whole.map((byte, at) => (at === index ? value : byte)))).toMatch(
            /^(picture_refused|image\/\w+)$/,
          )
  })
})
