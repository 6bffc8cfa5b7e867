// users.messages.send, as JSON and as an upload: what Gmail refuses, what it changes in a message, where the copies go.
import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import { json, type Reply, type Request } from '../http.ts'
import { now } from '../world.ts'
import { type Address, readAddresses } from './addresses.ts'
import { type Call, invalid, notFound, Refused, readBody } from './call.ts'
import { type Field, fieldOf, readFields, splitRaw } from './mime.ts'
import { addMessage, type Mailbox } from './store.ts'
import { threadFor } from './threading.ts'
import { readRelated } from './upload.ts'

/** Gmail's documented maximum of an upload. */
const MAX_RAW_BYTES = 36_700_160

const resource = z.object({ raw: z.string().optional(), threadId: z.string().optional() })

export function sendMessage(call: Call): Reply {
  const { raw, threadId } = readBody(call.request, resource)
  if (!raw) throw invalid("'raw' RFC822 payload message string or uploading message via /upload/* URL required")
  if (!/^[\w-]*={0,2}$/.test(raw)) throw invalid("Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed")
  return send(call, Buffer.from(raw, 'base64url'), threadId)
}

/** `uploadType=media` is the message alone, `multipart` a JSON part before it. */
export function sendUpload(call: Call): Reply {
  const { request } = call
  const kind = request.url.searchParams.get('uploadType')
  if (kind === 'media') {
    checkMediaType(request.headers['content-type'] ?? '')
    return send(call, request.body, undefined)
  }
  if (kind !== 'multipart') throw invalid('Invalid or missing uploadType')
  const parts = readRelated(request)
  if (parts === null) throw invalid('Missing or malformed multipart/related body')
  checkMediaType(parts.mediaType)
  const headers = { 'content-type': 'application/json' }
  const inner: Request = { ...request, headers, body: parts.metadata }
  return send(call, parts.media, readBody(inner, resource).threadId)
}

function checkMediaType(type: string): void {
  if (/^message\/(rfc822|\*)\s*(;|$)/i.test(type)) return
  throw invalid(`Media type '${type}' is not supported. Valid media types: [message/*]`)
}

function send(call: Call, raw: Buffer, threadId: string | undefined): Reply {
  if (raw.length > MAX_RAW_BYTES) throw new Refused(413, 'uploadTooLarge', 'Request Entity Too Large')
  if (threadId !== undefined) checkThread(call.mailbox, threadId)
  const { head, body } = splitRaw(raw)
  const recipients = recipientsOf(readFields(head))
  const edited = editHead(call, head)
  const atMs = now(call.world)
  const toSelf = recipients.some((it) => call.mailboxOf(it) === call.mailbox)
  const sent = addMessage(call.mailbox, {
    threadId: threadFor(call.mailbox, readFields(edited), threadId ?? null) ?? undefined,
    labelIds: toSelf ? ['UNREAD', 'SENT', 'INBOX'] : ['SENT'],
    internalDate: atMs,
    head: edited,
    body,
  })
  for (const recipient of recipients) deliver(call, recipient, edited, body, atMs)
  return json(200, { id: sent.id, threadId: sent.threadId, labelIds: [...sent.labelIds] })
}

function checkThread(mailbox: Mailbox, threadId: string): void {
  if (!/^[0-9a-f]{1,16}$/.test(threadId)) throw invalid('Invalid thread_id value')
  if (!mailbox.threads.has(threadId)) throw notFound()
}

/** Everybody in To, Cc and Bcc, once. */
function recipientsOf(fields: readonly Field[]): string[] {
  const all: Address[] = []
  for (const name of ['To', 'Cc', 'Bcc']) {
    for (const field of fields.filter((it) => it.name.toLowerCase() === name.toLowerCase())) {
      const addresses = readAddresses(field.value)
      if (addresses === null) throw invalid(`Invalid ${name} header`)
      all.push(...addresses)
    }
  }
  if (all.length === 0) throw invalid('Recipient address required')
  return [...new Set(all.map(({ address }) => address.toLowerCase()))]
}

/** A local person's copy: no Bcc, and how it came. */
function deliver(call: Call, recipient: string, head: Buffer, body: Buffer, atMs: number): void {
  const mailbox = call.mailboxOf(recipient)
  if (mailbox === null || mailbox === call.mailbox) return
  const trace = `Delivered-To: ${recipient}\r\nReturn-Path: <${call.mailbox.email}>\r\n`
  const copy = Buffer.concat([Buffer.from(trace), joinLines(headLines(head).filter((line) => nameOf(line) !== 'bcc'))])
  const threadId = threadFor(mailbox, readFields(copy), null) ?? undefined
  addMessage(mailbox, { threadId, labelIds: ['UNREAD', 'INBOX'], internalDate: atMs, head: copy, body })
}

/** What Gmail sees to: the sender is the account, there is a date and a Message-ID. */
function editHead(call: Call, head: Buffer): Buffer {
  const fields = readFields(head)
  const lines = headLines(head)
  const from = readAddresses(fieldOf(fields, 'from') ?? '')?.[0]
  const { email } = call.mailbox
  if (from?.address.toLowerCase() !== email.toLowerCase()) {
    const own = from === undefined || from.name === '' ? email : `${quoted(from.name)} <${email}>`
    replaceLine(lines, 'from', `From: ${own}`)
  }
  if (fieldOf(fields, 'date') === null) {
    lines.push(`Date: ${new Date(now(call.world)).toUTCString().replace('GMT', '+0000')}`)
  }
  const messageId = fieldOf(fields, 'message-id')
  const fresh = `<CA${randomBytes(36).toString('base64url')}@mail.gmail.com>`
  if (messageId === null) lines.push(`Message-ID: ${fresh}`)
  else if (call.world.settings.messageIdOnSend === 'replaced') {
    replaceLine(lines, 'message-id', `Message-ID: ${fresh}`)
    lines.push(`X-Google-Original-Message-ID: ${messageId}`)
  }
  return joinLines(lines)
}

function quoted(name: string): string {
  return /^[\w\s!#$%&'*+/=?^`{|}~-]*$/.test(name) ? name : `"${name.replace(/["\\]/g, '\\$&')}"`
}

/** The fields as they stand, folds and all, one character a byte. */
function headLines(head: Buffer): string[] {
  const lines = head.toString('latin1').split(/\r?\n(?![ \t])/)
  return lines.filter((line) => line !== '')
}

function nameOf(line: string): string {
  return line
    .slice(0, Math.max(0, line.indexOf(':')))
    .trim()
    .toLowerCase()
}

function replaceLine(lines: string[], name: string, line: string): void {
  const at = lines.findIndex((it) => nameOf(it) === name)
  lines.splice(at < 0 ? 0 : at, at < 0 ? 0 : 1, line)
}

function joinLines(lines: readonly string[]): Buffer {
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
