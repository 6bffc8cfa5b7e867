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

/** What a route says of its own body; all of it may be left out. */
export interface BodyRules {
  /** 64 KB where none is named. */
  readonly limitBytes?: number | undefined
  /** Awaited before more than 64 KB are read. */
  readonly beforeLarge?: () => Promise<void>
  /** What text that cannot be stored makes of a body: `malformed_request`, or `invalid_input` under its field's path. */
  readonly unfitText?: UnfitText | undefined
}

export type UnfitText = 'malformed_request' | 'invalid_input'

/**
 * Before a JSON validator: the body must say it is JSON, be no longer than it may whatever Content-Length says, and be
 * UTF-8 and JSON of sane depth and text. Throws 415, 413, 400, and 422 where the rules say so. The validator then reads
 * what was read here.
 */
export async function admitJsonBody(c: AppContext, next: () => Promise<void>, rules: BodyRules = {}): Promise<void> {
  assertSaysJson(c)
  admit(c, await readBytes(c.req.raw, rules.limitBytes ?? bodyLimitBytes, rules.beforeLarge), rules.unfitText)
  await next()
}

/** The same where the body may be left out: the validator then reads `{}`. */
export async function admitJsonBodyIfAny(c: AppContext, next: () => Promise<void>): Promise<void> {
  const bytes = await readBytes(c.req.raw, bodyLimitBytes)
  if (bytes.length > 0) assertSaysJson(c)
  admit(c, bytes.length > 0 ? bytes : new TextEncoder().encode('{}'))
  await next()
}

/** Before a path's validator: what PostgreSQL cannot take as text names nothing of ours. Throws 404. */
export async function admitPath(c: AppContext, next: () => Promise<void>): Promise<void> {
  if (!Object.values(c.req.param()).every(isStorable)) throw new AppError('not_found')
  await next()
}

/** Before a query's validator: what PostgreSQL cannot take as text is refused, whatever the schema would let pass. Throws 422. */
export async function admitQuery(c: AppContext, next: () => Promise<void>): Promise<void> {
  for (const [name, values] of Object.entries(c.req.queries()))
    if (!values.every(isStorable))
      throw new AppError('invalid_input', { errors: [{ path: isStorable(name) ? name : '', message: 'must be text' }] })
  await next()
}

function mediaTypeOf(c: AppContext): string | undefined {
  return c.req.header('Content-Type')?.split(';')[0]?.trim().toLowerCase()
}

function assertSaysJson(c: AppContext): void {
  if (mediaTypeOf(c) !== 'application/json') throw new AppError('unsupported_media_type')
}

/** Whether the body says it is a form of the kind that OAuth2 clients send. */
export function saysForm(c: AppContext): boolean {
  return mediaTypeOf(c) === 'application/x-www-form-urlencoded'
}

/**
 * Instead of the JSON steps: at most 64 KB, strict UTF-8 behind its escapes, each field once; the schema judges, and the
 * handler finds the outcome where it finds JSON's. Throws 413, 400, 422.
 */
export async function admitFormBody(c: AppContext, schema: z.ZodType, next: () => Promise<void>): Promise<void> {
  const bytes = await readBytes(c.req.raw, bodyLimitBytes)
  const fields = new Map<string, string>()
  for (const pair of decode(bytes).split('&')) {
    if (pair === '') continue
    const [name = '', ...value] = pair.split('=')
    const [key, text] = [unescaped(name), unescaped(value.join('='))]
    if (fields.has(key)) throw new AppError('invalid_input', { errors: [{ path: '', message: 'has a field twice' }] })
    fields.set(key, text)
  }
  const body = Object.fromEntries(fields)
  assertSane(body, 1, 'malformed_request')
  const result = await schema.safeParseAsync(body)
  refuseInput(result)
  // The target under which declare's handler reads a body; the type asks for that of a JSON validator.
  c.req.addValidatedData('json', result.data as object)
  await next()
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes)
  } catch (thrown) {
    throw new AppError('malformed_request', { cause: thrown })
  }
}

/** One name or value of a form. Unlike URLSearchParams it invents no characters for escapes that are no UTF-8. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (thrown) {
    throw new AppError('malformed_request', { cause: thrown })
  }
}

function admit(c: AppContext, bytes: Uint8Array, unfitText: UnfitText = 'malformed_request'): void {
  const text = decode(bytes)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (thrown) {
    throw new AppError('malformed_request', { cause: thrown })
  }
  assertSane(value, deepest, unfitText)
  // Hono keeps promises here, whatever its type says.
  c.req.bodyCache.text = Promise.resolve(text) as unknown as string
}

// Hashed and never stored as text: their own rule judges them, with 422 (auth/password-policy.ts).
const passwordField = /^(?:current_|new_)?password$/

/** At most `levels` deep (else 400), and all text such that it can be stored. */
function assertSane(value: unknown, levels: number, unfitText: UnfitText): void {
  const path = unfitAt(value, levels)
  if (path === null) return
  const errors = unfitText === 'invalid_input' ? [{ path: path.join('.').slice(0, 100), message: 'must be text' }] : []
  throw new AppError(unfitText, { errors })
}

/** Where the first text stands that cannot be stored; null where there is none. Throws 400 for what is too deep. */
function unfitAt(value: unknown, levels: number): string[] | null {
  if (typeof value === 'string') return isStorable(value) ? null : []
  if (typeof value !== 'object' || value === null) return null
  if (levels === 0) throw new AppError('malformed_request')
  // Apart, since an array of millions would have a pair made of each.
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at += 1) {
      const inside = unfitAt(value[at], levels - 1)
      if (inside !== null) return [String(at), ...inside]
    }
    return null
  }
  for (const [key, member] of Object.entries(value)) {
    if (passwordField.test(key) && typeof member === 'string') continue
    // A key that is no text is named by what it stands in.
    if (!isStorable(key)) return []
    const inside = unfitAt(member, levels - 1)
    if (inside !== null) return [key, ...inside]
  }
  return null
}

/** PostgreSQL's text has no NUL, and UTF-8 no lone surrogate. */
function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}

/**
 * The body up to `limit` bytes; throws 413 as soon as there is more, without reading it.
 * @param beforeLarge awaited once, before more than 64 KB are read
 */
export async function readBytes(
  request: Request,
  limit: number,
  beforeLarge: () => Promise<void> = async () => undefined,
): Promise<Uint8Array> {
  const said = Number(request.headers.get('Content-Length') ?? 0)
  if (said > limit) throw new AppError('body_too_large')
  let isLarge = said > bodyLimitBytes
  if (isLarge) await beforeLarge()
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
    if (!isLarge && size > bodyLimitBytes) {
      isLarge = true
      await beforeLarge()
    }
    chunks.push(value)
  }
  return joined(chunks, size)
}

/** The first `most` bytes of the body, the rest left unread. Throws what reading throws. */
export async function readBeginning(
  request: Request,
  most: number,
): Promise<{ readonly bytes: Uint8Array; readonly isWhole: boolean }> {
  const reader = request.body?.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  while (reader !== undefined && size <= most) {
    const { done, value } = await reader.read()
    if (done) return { bytes: joined(chunks, size), isWhole: true }
    chunks.push(value)
    size += value.byteLength
  }
  await reader?.cancel().catch(() => undefined)
  return { bytes: joined(chunks, size).subarray(0, most), isWhole: reader === undefined }
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.byteLength
  }
  return bytes
}
