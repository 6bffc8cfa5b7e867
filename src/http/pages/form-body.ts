// The fields of a page's form. It reads one media type, 64 KB at most, and judges no field: verbs and schemas do.

import { AppError } from '../../errors.ts'
import type { AppContext } from '../context.ts'
import { pictureOf, readMultipart } from '../uploads.ts'
import { readBytes } from '../validate.ts'

const formLimitBytes = 64 * 1_024

/** Throws 415, 413, 400. Fields nobody asks for are left alone; of a doubled one the first counts. */
export async function readForm(c: AppContext): Promise<URLSearchParams> {
  const mediaType = c.req.header('Content-Type')?.split(';')[0]?.trim().toLowerCase()
  if (mediaType !== 'application/x-www-form-urlencoded') throw new AppError('unsupported_media_type')
  const bytes = await readBytes(c.req.raw, formLimitBytes)
  const form = new URLSearchParams(new TextDecoder().decode(bytes))
  // No field of ours has a NUL, and PostgreSQL takes none.
  for (const [name, value] of form) if (`${name}${value}`.includes('\0')) throw new AppError('malformed_request')
  return form
}

/** The form that carries a picture, in its field `avatar`; one left empty has no bytes. Throws 400, 413, 422. */
export async function readPictureForm(c: AppContext): Promise<{ action: string | null; picture: Uint8Array }> {
  const form = await readMultipart(c)
  const action = form.get('action')
  return { action: typeof action === 'string' ? action : null, picture: (await pictureOf(form)) ?? new Uint8Array() }
}
