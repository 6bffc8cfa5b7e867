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

// No body of ours nests as deep; what walks a body must not be walked to death.
const deepest = 16

/**
 * Before a JSON validator: the body must say it is JSON, have at most 64 KB whatever Content-Length says, and be UTF-8
 * and JSON of sane depth and text. Throws 415, 413, 400. The validator then reads what was read here.
 */
export async function admitJsonBody(c: AppContext, next: () => Promise<void>): Promise<void> {
  assertSaysJson(c)
  admit(c, await readBytes(c.req.raw, bodyLimitBytes))
  await next()
}

/** The same where the body may be left out: the validator then reads `{}`. */
export async function admitJsonBodyIfAny(c: AppContext, next: () => Promise<void>): Promise<void> {
  const bytes = await readBytes(c.req.raw, bodyLimitBytes)
  if (bytes.length > 0) assertSaysJson(c)
  admit(c, bytes.length > 0 ? bytes : new TextEncoder().encode('{}'))
  await next()
}

function assertSaysJson(c: AppContext): void {
  const mediaType = c.req.header('Content-Type')?.split(';')[0]?.trim().toLowerCase()
  if (mediaType !== 'application/json') throw new AppError('unsupported_media_type')
}

function admit(c: AppContext, bytes: Uint8Array): void {
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes)
    value = JSON.parse(text)
  } catch (thrown) {
    throw new AppError('malformed_request', { cause: thrown })
  }
  if (!isSane(value, deepest)) throw new AppError('malformed_request')
  // Hono keeps promises here, whatever its type says.
  c.req.bodyCache.text = Promise.resolve(text) as unknown as string
}

/** At most `levels` deep, and all text such that it can be stored. */
function isSane(value: unknown, levels: number): boolean {
  if (typeof value === 'string') return isStorable(value)
  if (typeof value !== 'object' || value === null) return true
  return levels > 0 && Object.entries(value).every(([key, member]) => isStorable(key) && isSane(member, levels - 1))
}

/** PostgreSQL's text has no NUL, and UTF-8 no lone surrogate. */
function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}

/** The body up to `limit` bytes; throws 413 as soon as there is more, without reading it. */
export async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  if (Number(request.headers.get('Content-Length') ?? 0) > limit) throw new AppError('body_too_large')
  const reader = request.body?.getReader()
  if (reader === undefined) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read().catch((thrown: unknown) => {
      // The client left, or broke its own framing.
      throw new AppError('malformed_request', { cause: thrown })
    })
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
