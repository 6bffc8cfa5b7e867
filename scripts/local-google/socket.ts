// Between a socket of `node:http` and the requests and answers of a local provider (http.ts). It knows no provider.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Reply, Request } from './http.ts'

const MAX_BODY_BYTES = 52 * 1024 * 1024

/** The request, whole; null where it is too large or no request to us. */
export async function readRequest(incoming: IncomingMessage, origin: string): Promise<Request | null> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > MAX_BODY_BYTES) return null
    chunks.push(bytes)
  }
  const target = incoming.url ?? '/'
  if (!target.startsWith('/') || !URL.canParse(origin + target)) return null
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return { method: incoming.method ?? 'GET', url: new URL(origin + target), headers, body: Buffer.concat(chunks) }
}

export function write(outgoing: ServerResponse, reply: Reply): void {
  if (outgoing.destroyed) return
  const body = Buffer.from(reply.body)
  const hasBody = reply.status !== 204 && reply.status !== 304
  outgoing.writeHead(reply.status, hasBody ? { ...reply.headers, 'content-length': body.length } : reply.headers)
  outgoing.end(hasBody ? body : undefined)
}

/** Half of the body, then the connection breaks. */
export function writeHalf(outgoing: ServerResponse, reply: Reply): void {
  const body = Buffer.from(reply.body)
  outgoing.writeHead(reply.status, { ...reply.headers, 'content-length': body.length })
  outgoing.write(body.subarray(0, Math.floor(body.length / 2)), () => outgoing.destroy())
}
