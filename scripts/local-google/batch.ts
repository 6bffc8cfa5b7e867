// POST /batch/gmail/v1: a multipart/mixed body whose parts are HTTP requests, each answered on its own. It only takes
// apart and puts together; every part goes the way of a request from outside (SECURITY G15).
import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { apiError, type Reply, type Request } from './http.ts'

const MAX_PARTS = 100

/** @param answerPart answers one part, with the outer Authorization already in place of its own */
export async function answerBatch(request: Request, answerPart: (part: Request) => Promise<Reply>): Promise<Reply> {
  const type = request.headers['content-type'] ?? ''
  const boundary = /^multipart\/mixed\s*;.*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(type)
  const name = boundary?.[1] ?? boundary?.[2]
  if (name === undefined) return apiError(400, 'badRequest', 'A batch must be multipart/mixed with a boundary.')
  const parts = splitParts(request.body.toString('utf8'), name)
  if (parts.length === 0) return apiError(400, 'badRequest', 'The batch is empty.')
  if (parts.length > MAX_PARTS) return apiError(400, 'batchSizeTooLarge', `A batch takes ${MAX_PARTS} calls at most.`)

  const own = `batch_${randomUUID()}`
  const answers = await Promise.all(
    parts.map(async (part) => {
      const inner = readPart(part, request)
      const reply =
        inner === null ? apiError(400, 'badRequest', 'A part could not be read.') : await answerPart(inner.request)
      return `--${own}\r\n${writePart(inner?.contentId ?? null, reply)}\r\n`
    }),
  )
  return {
    status: 200,
    headers: { 'content-type': `multipart/mixed; boundary=${own}`, 'cache-control': 'no-store' },
    body: `${answers.join('')}--${own}--\r\n`,
  }
}

function splitParts(body: string, boundary: string): string[] {
  const sections = `\r\n${body.replace(/\r?\n/g, '\r\n')}`.split(`\r\n--${boundary}`)
  const inner = sections.slice(1).filter((section) => !section.startsWith('--'))
  return inner.map((section) => section.replace(/^[ \t]*\r\n/, ''))
}

function readPart(part: string, outer: Request): { request: Request; contentId: string | null } | null {
  const [partHead, afterHead] = cut(part, '\r\n\r\n')
  const [requestHead, body] = cut(afterHead.replace(/^(\r\n)+/, ''), '\r\n\r\n')
  const [line, headerLines] = cut(requestHead, '\r\n')
  const [, method, target] = /^([A-Z]+) (\S+)(?: HTTP\/1\.\d)?$/.exec(line.trim()) ?? []
  if (method === undefined || target === undefined || !URL.canParse(target, outer.url.href)) return null
  const url = new URL(target, outer.url)
  const headers = {
    ...readHeaders(headerLines),
    ...(outer.headers.authorization === undefined ? {} : { authorization: outer.headers.authorization }),
  }
  return {
    request: { method, url, headers, body: Buffer.from(body, 'utf8') },
    contentId: readHeaders(partHead)['content-id'] ?? null,
  }
}

function cut(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}

function readHeaders(text: string): Record<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':'))
  return Object.fromEntries(
    lines.map((line) => {
      const [name, value] = cut(line, ':')
      return [name.trim().toLowerCase(), value.trim()]
    }),
  )
}

/** Content-ID `<item1>` comes back as `<response-item1>`. */
function writePart(contentId: string | null, reply: Reply): string {
  const head = ['Content-Type: application/http']
  if (contentId !== null) head.push(`Content-ID: <response-${contentId.replace(/^<|>$/g, '')}>`)
  const body = reply.body.toString()
  const answer = [`HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ''}`.trimEnd()]
  for (const [name, value] of Object.entries(reply.headers)) answer.push(`${name}: ${value}`)
  answer.push(`content-length: ${Buffer.byteLength(body)}`)
  return `${head.join('\r\n')}\r\n\r\n${answer.join('\r\n')}\r\n\r\n${body}`
}
