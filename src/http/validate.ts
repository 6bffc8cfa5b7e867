// One shape for refused input: every schema failure becomes 422 with path and message, never a value.

import type * as z from 'zod'
import { AppError } from '../errors.ts'
import type { AppContext } from './context.ts'

type Result = { readonly success: boolean; readonly error?: z.core.$ZodError }

/** The hook of every `zValidator`: refuses in our words. */
export function refuseInput(result: Result): void {
  if (result.success || result.error === undefined) return
  throw new AppError('invalid_input', {
    errors: result.error.issues.slice(0, 20).map((issue) => ({
      path: issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 5).join(', ').slice(0, 100) : issue.path.join('.'),
      message: words(issue),
    })),
  })
}

/** Zod's own words quote input in places; these never do. */
function words(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'unrecognized_keys':
      return 'is not known here'
    case 'invalid_type':
      return `must be ${issue.expected}`
    case 'too_small':
      return `must be at least ${String(issue.minimum)}${issue.origin === 'string' ? ' characters' : ''}`
    case 'too_big':
      return `must be at most ${String(issue.maximum)}${issue.origin === 'string' ? ' characters' : ''}`
    case 'invalid_format':
      return `must be a valid ${issue.format}`
    case 'custom':
      return issue.message ?? 'is not as it should be'
    default:
      return 'is not one of the allowed values'
  }
}

const bodyLimitBytes = 64 * 1_024

/**
 * Before a JSON validator: the body must say it is JSON, have at most 64 KB whatever Content-Length says, and be UTF-8
 * and JSON. Throws 415, 413, 400. The validator then reads what was read here.
 */
export async function admitJsonBody(c: AppContext, next: () => Promise<void>): Promise<void> {
  const mediaType = c.req.header('Content-Type')?.split(';')[0]?.trim().toLowerCase()
  if (mediaType !== 'application/json') throw new AppError('unsupported_media_type')
  const bytes = await readBytes(c.req.raw, bodyLimitBytes)
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes)
    JSON.parse(text)
    // Hono keeps promises here, whatever its type says.
    c.req.bodyCache.text = Promise.resolve(text) as unknown as string
  } catch (thrown) {
    throw new AppError('malformed_request', { cause: thrown })
  }
  await next()
}

/** The body up to `limit` bytes; throws 413 as soon as there is more, without reading it. */
export async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  if (Number(request.headers.get('Content-Length') ?? 0) > limit) throw new AppError('body_too_large')
  const reader = request.body?.getReader()
  if (reader === undefined) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.byteLength
    if (size > limit) {
      await reader.cancel().catch(() => undefined)
      throw new AppError('body_too_large')
    }
    chunks.push(value)
  }
  const bytes = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.byteLength
  }
  return bytes
}
