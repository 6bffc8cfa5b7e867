// The body of `uploadType=multipart`: multipart/related, a JSON part, then the media, whose bytes stay as they are.
import type { Request } from '../http.ts'
import { fieldOf, parseEntity } from './mime.ts'

/** Both parts, or null where the body is none. */
export function readRelated(request: Request): { metadata: Buffer; mediaType: string; media: Buffer } | null {
  const type = request.headers['content-type'] ?? ''
  if (!/^multipart\/related\b/i.test(type)) return null
  const { parts } = parseEntity([{ name: 'content-type', value: type }], request.body)
  const [first, second] = parts
  if (first === undefined || second === undefined || parts.length > 2) return null
  if (first.mimeType !== 'application/json') return null
  // The message itself is the content: what parsing made of it does not matter here.
  return { metadata: first.content, mediaType: fieldOf(second.fields, 'content-type') ?? '', media: second.content }
}
