// Bodies that carry a picture: the picture itself, or a form with a field `avatar`. It reads and bounds; what is a
// picture, users/pictures/picture.ts says.

import { AppError } from '../errors.ts'
import { pictureLimitBytes } from '../users/pictures/picture.ts'
import type { AppContext } from './context.ts'
import { readBytes } from './validate.ts'

/** For the fields beside the picture, and the form's own lines. */
const formAllowanceBytes = 64 * 1_024

export const pictureBodies = {
  'image/png': { type: 'string', format: 'binary' },
  'image/jpeg': { type: 'string', format: 'binary' },
  'image/webp': { type: 'string', format: 'binary' },
  'multipart/form-data': {
    type: 'object',
    properties: { avatar: { type: 'string', format: 'binary' } },
    required: ['avatar'],
  },
} as const

export function isMultipart(c: AppContext): boolean {
  return c.req.header('Content-Type')?.split(';')[0]?.trim().toLowerCase() === 'multipart/form-data'
}

/** A multipart form that may hold a picture. Throws 413, and 400 where it cannot be read. */
export async function readMultipart(c: AppContext): Promise<FormData> {
  const bytes = await readBytes(c.req.raw, pictureLimitBytes + formAllowanceBytes)
  const type = c.req.header('Content-Type') ?? ''
  return new Response(bytes, { headers: { 'Content-Type': type } }).formData().catch((thrown: unknown) => {
    throw new AppError('malformed_request', { cause: thrown })
  })
}

/** The bytes of a form's field `avatar`; null where there is none. Throws 422 where it is text. */
export async function pictureOf(form: FormData): Promise<Uint8Array | null> {
  const field = form.get('avatar')
  if (field === null) return null
  if (typeof field === 'string')
    throw new AppError('invalid_input', { errors: [{ path: 'avatar', message: 'must be a file' }] })
  return new Uint8Array(await field.arrayBuffer())
}

/** The picture that a body is, or carries as `avatar` and nothing beside it. Throws 400, 413, 422. */
export async function readPicture(c: AppContext): Promise<Uint8Array> {
  // Whatever type it claims: the content decides.
  if (!isMultipart(c)) return readBytes(c.req.raw, pictureLimitBytes)
  const form = await readMultipart(c)
  const picture = await pictureOf(form)
  const others = [...form.keys()].filter((name) => name !== 'avatar')
  if (picture === null || others.length > 0 || form.getAll('avatar').length > 1)
    throw new AppError('invalid_input', { errors: [{ path: 'avatar', message: 'must be the one field' }] })
  return picture
}
