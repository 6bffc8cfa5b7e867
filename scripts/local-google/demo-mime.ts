// Turns the demo's threads into messages of real MIME, so that parsing, attachments and foreign charsets are met
// in development too. Pure.
import { splitRaw } from './mail/mime.ts'
import { addMessage, type Mailbox } from './mail/store.ts'

export interface DemoMessage {
  readonly from: string
  readonly to: string
  readonly cc?: string
  readonly hoursAgo: number
  readonly text: string
  readonly html?: string
  readonly attachment?: { readonly name: string; readonly type: string; readonly content: string }
  readonly unread?: boolean
  readonly starred?: boolean
}

export interface DemoThread {
  readonly id: string
  readonly subject: string
  /** Only ISO-2022-JP is spelled out; everything else that is not ASCII goes as UTF-8. */
  readonly charsetOfSubject?: 'iso-2022-jp'
  readonly labels?: readonly string[]
  readonly draft?: boolean
  readonly messages: readonly DemoMessage[]
}

/** 京都からのご挨拶, as ISO-2022-JP: Node can read that charset but not write it. */
const japaneseSubject = 'GyRCNX5FVCQrJGkkTiQ0MCc7IhsoQg=='

/** Puts the threads in; what the mailbox's own person sent is SENT. */
export function seedThreads(mailbox: Mailbox, threads: readonly DemoThread[], now: Date): void {
  for (const thread of threads) {
    let threadId: string | undefined
    for (const [index, message] of thread.messages.entries()) {
      const date = new Date(now.getTime() - message.hoursAgo * 3_600_000)
      const references = thread.messages.slice(0, index).map((_, earlier) => messageId(thread.id, earlier))
      const subject = index === 0 ? thread.subject : `Re: ${thread.subject}`
      const raw = Buffer.from(mime(thread, message, { subject, date, references, index }))
      const labelIds = labelsOf(mailbox.email, thread, message)
      const input = { threadId, labelIds, internalDate: date.getTime(), ...splitRaw(raw) }
      threadId = addMessage(mailbox, input, 'quiet').threadId
    }
  }
}

function messageId(thread: string, index: number): string {
  return `<${thread}.${index + 1}@mail.demo.example>`
}

function labelsOf(email: string, thread: DemoThread, message: DemoMessage): string[] {
  const own = [...(thread.labels ?? [])]
  if (thread.draft === true) return [...own, 'DRAFT']
  if (message.from.includes(email)) return [...own, 'SENT']
  if (!own.includes('SPAM')) own.push('INBOX')
  if (message.unread === true) own.push('UNREAD')
  if (message.starred === true) own.push('STARRED')
  return own
}

function mime(
  thread: DemoThread,
  message: DemoMessage,
  envelope: { subject: string; date: Date; references: readonly string[]; index: number },
): string {
  const head = [
    `From: ${header(message.from)}`,
    `To: ${header(message.to)}`,
    ...(message.cc === undefined ? [] : [`Cc: ${header(message.cc)}`]),
    `Subject: ${thread.charsetOfSubject ? `=?ISO-2022-JP?B?${japaneseSubject}?=` : header(envelope.subject)}`,
    `Date: ${envelope.date.toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: ${messageId(thread.id, envelope.index)}`,
    ...(envelope.references.length === 0
      ? []
      : [`In-Reply-To: ${envelope.references.at(-1)}`, `References: ${envelope.references.join(' ')}`]),
    'MIME-Version: 1.0',
  ]
  const text = part('text/plain; charset=utf-8', message.text)
  const body =
    message.html === undefined ? text : multipart('alternative', [text, part('text/html; charset=utf-8', message.html)])
  const { attachment } = message
  const whole =
    attachment === undefined
      ? body
      : multipart('mixed', [
          body,
          part(
            attachment.type,
            attachment.content,
            `Content-Disposition: attachment; filename="${attachment.name}"\r\n`,
          ),
        ])
  return `${head.join('\r\n')}\r\n${whole}`
}

/** RFC 2047, for a text or for the name before an address. */
function header(value: string): string {
  const isPlain = (text: string): boolean => !/[^\x20-\x7e]/.test(text)
  if (isPlain(value)) return value
  const [, name = value, address = ''] = /^(.*?)( <[^<>]+>)$/.exec(value) ?? []
  return `=?UTF-8?B?${Buffer.from(name).toString('base64')}?=${address}`
}

function part(type: string, content: string, more = ''): string {
  const lines = Buffer.from(content).toString('base64').replace(/.{76}/g, '$&\r\n')
  return `Content-Type: ${type}\r\n${more}Content-Transfer-Encoding: base64\r\n\r\n${lines}\r\n`
}

function multipart(kind: 'alternative' | 'mixed', parts: readonly string[]): string {
  const boundary = `demo-${kind}`
  const inner = parts.map((it) => `--${boundary}\r\n${it}`).join('')
  return `Content-Type: multipart/${kind}; boundary="${boundary}"\r\n\r\n${inner}--${boundary}--\r\n`
}
