// One call of Gmail's API as its methods see it, and how they refuse: parameters are read here, strictly.
import * as z from 'zod'
import { apiError, type Reply, type Request } from '../http.ts'
import type { World } from '../world.ts'
import type { Mailbox, Message } from './store.ts'

export interface Call {
  readonly mailbox: Mailbox
  readonly world: World
  readonly request: Request
  /** What stands in the path's places, in order. */
  readonly params: readonly string[]
  /** The mailbox of a local person, or null: mail to anybody else leaves for nowhere. */
  mailboxOf(email: string): Mailbox | null
}

/** Ends a call with this answer. */
export class Refused extends Error {
  readonly reply: Reply
  constructor(status: number, reason: string, message: string) {
    super(message)
    this.reply = apiError(status, reason, message)
  }
}

export function invalid(message: string): Refused {
  return new Refused(400, 'invalidArgument', message)
}

export function notFound(): Refused {
  return new Refused(404, 'notFound', 'Requested entity was not found.')
}

/** `maxResults`: 1 and up, never more than 500. */
export function readMaxResults(query: URLSearchParams): number {
  const text = query.get('maxResults') ?? '100'
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) throw invalid('Invalid maxResults')
  return Math.min(Number(text), 500)
}

export function readFlag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name) ?? 'false'
  if (text !== 'true' && text !== 'false') throw invalid(`Invalid value at '${name}'`)
  return text === 'true'
}

/** The body as this schema, or 400. */
export function readBody<T>(request: Request, schema: z.ZodType<T>): T {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw invalid('The body must be application/json.')
  }
  let value: unknown
  try {
    value = request.body.length === 0 ? {} : JSON.parse(request.body.toString('utf8'))
  } catch {
    throw invalid('Invalid JSON payload received.')
  }
  const outcome = schema.safeParse(value)
  if (!outcome.success) throw invalid(`Invalid JSON payload received. ${z.prettifyError(outcome.error)}`)
  return outcome.data
}

/** The message or thread id of the path: malformed is 400, unknown is the caller's affair. */
export function readId(call: Call): string {
  const [id = ''] = call.params
  if (!/^[0-9a-f]{1,16}$/.test(id)) throw invalid('Invalid id value')
  return id
}

export function readMessage(call: Call): Message {
  const message = call.mailbox.messages.get(readId(call))
  if (message === undefined) throw notFound()
  return message
}

const pageToken = z.strictObject({ of: z.string(), after: z.string() })

/** An opaque place in one list: `of` binds it to the question, as Gmail's tokens are. */
export function writePageToken(of: string, after: string): string {
  return Buffer.from(JSON.stringify({ of, after })).toString('base64url')
}

/** What stood in `after`, or null without a token. */
export function readPageToken(query: URLSearchParams, of: string): string | null {
  const text = query.get('pageToken')
  if (text === null || text === '') return null
  try {
    const token = pageToken.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')))
    if (token.of === of) return token.after
  } catch {
    // Answered below.
  }
  throw invalid('Invalid pageToken')
}
