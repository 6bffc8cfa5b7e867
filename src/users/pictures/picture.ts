// What a picture must be to be kept: a PNG, JPEG or WebP by its content, of bounded size, rewritten part by part so that
// nothing stays that a browser does not need to draw it (places, names, thumbnails, hidden files). No pixel is decoded:
// a decoder costs memory and has bugs of its own. Pure; it knows nothing of storage or of whose picture it is.

import { AppError } from '../../errors.ts'
import { cleanJpeg } from './jpeg.ts'
import type { CleanPicture } from './picture-bytes.ts'
import { cleanPng } from './png.ts'
import { cleanWebp } from './webp.ts'

/** Of an uploaded picture, and of the bodies that may carry one. */
export const pictureLimitBytes = 2 * 1_024 * 1_024
/** Width and height, each. */
export const longestSidePixels = 4_096

export interface Picture extends CleanPicture {
  readonly contentType: 'image/png' | 'image/jpeg' | 'image/webp'
}

/**
 * The picture as it will be stored, whatever its name or declared type said. Throws 413 `body_too_large` above
 * `pictureLimitBytes`, and 422 `picture_refused` for anything that is not wholly and only such a picture.
 */
export function admitPicture(bytes: Uint8Array): Picture {
  if (bytes.length > pictureLimitBytes) throw new AppError('body_too_large')
  const picture = clean(bytes)
  if (picture === null) throw new AppError('picture_refused')
  const { width, height } = picture
  if (width < 1 || height < 1 || width > longestSidePixels || height > longestSidePixels)
    throw new AppError('picture_refused')
  return picture
}

function clean(bytes: Uint8Array): Picture | null {
  const begins = (...magic: readonly number[]) => magic.every((byte, index) => bytes[index] === byte)
  if (begins(0x89, 0x50, 0x4e, 0x47)) return named('image/png', cleanPng(bytes))
  if (begins(0xff, 0xd8, 0xff)) return named('image/jpeg', cleanJpeg(bytes))
  if (begins(0x52, 0x49, 0x46, 0x46)) return named('image/webp', cleanWebp(bytes))
  return null
}

const named = (contentType: Picture['contentType'], cleaned: CleanPicture | null): Picture | null =>
  cleaned === null ? null : { contentType, ...cleaned }
