// What is asked to be sent, checked whole before anything is looked up: every problem is named by its field. Pure.

import { fromBase64 } from '../../crypto/encoding.ts'
import { AppError, type InputProblem } from '../../errors.ts'
import { endsHeader, type Mailbox, readRecipient } from './addresses.ts'

/** As it was typed; people in parts, too. */
export interface EmailRequest {
  readonly from: string | Mailbox
  readonly to: readonly (string | Mailbox)[]
  readonly cc: readonly (string | Mailbox)[]
  readonly bcc: readonly (string | Mailbox)[]
  /** Null in a reply: the original's, answered. */
  readonly subject: string | null
  /** Null where there is HTML: its text then. */
  readonly text: string | null
  readonly html: string | null
  readonly attachments: readonly {
    readonly filename: string
    readonly contentType: string
    readonly contentBase64: string
  }[]
  /** The stored message it answers. */
  readonly replyToEmailId: string | null
}

/** As it may go out, but for what a reply takes from its original. */
export interface Draft {
  readonly from: Mailbox
  readonly to: readonly Mailbox[]
  readonly cc: readonly Mailbox[]
  readonly bcc: readonly Mailbox[]
  readonly subject: string | null
  readonly text: string | null
  readonly html: string | null
  readonly attachments: readonly Attachment[]
}

export interface Attachment {
  /** Without a path. */
  readonly filename: string
  readonly contentType: string
  /** Standard base64, unbroken. */
  readonly contentBase64: string
}

export const mostRecipients = 100
export const subjectCharacters = 998
export const textCharacters = 1_000_000
export const htmlCharacters = 2_000_000
export const mostAttachments = 100
export const filenameCharacters = 255

/** Throws 422 with every problem, each under its field's path (`to.0`, `attachments.2.filename`). */
export function admitRequest(request: EmailRequest): Draft {
  const count = request.to.length + request.cc.length + request.bcc.length
  assertAtMost(count, mostRecipients, 'to', ' recipients, cc and bcc included')
  assertAtMost(request.attachments.length, mostAttachments, 'attachments', '')
  const problems: InputProblem[] = []
  const refuse = (path: string, message: string): null => {
    problems.push({ path, message })
    return null
  }
  const recipients = (field: 'to' | 'cc' | 'bcc'): Mailbox[] =>
    request[field].flatMap((given, at) => {
      const mailbox = readRecipient(given)
      if (mailbox === null) refuse(`${field}.${at}`, 'must be one address, alone or as "Name <address>"')
      return mailbox ?? []
    })
  const from = readRecipient(request.from) ?? refuse('from', 'must be the address of one of your mailboxes')
  const [to, cc, bcc] = [recipients('to'), recipients('cc'), recipients('bcc')]
  const isReply = request.replyToEmailId !== null
  if (count === 0 && !isReply) refuse('to', 'must be at least one recipient')
  if (request.subject === null && !isReply) refuse('subject', 'must be given, but in a reply')
  if (request.subject !== null && endsHeader(request.subject)) refuse('subject', 'must be one line')
  if (request.subject !== null && request.subject.length > subjectCharacters)
    refuse('subject', `must be at most ${subjectCharacters} characters`)
  if (request.text === null && request.html === null) refuse('text', 'must be given where there is no html')
  if ((request.text ?? '').length > textCharacters) refuse('text', `must be at most ${textCharacters} characters`)
  if ((request.html ?? '').length > htmlCharacters) refuse('html', `must be at most ${htmlCharacters} characters`)
  const attachments = request.attachments.map((it, at) => admitAttachment(it, `attachments.${at}`, refuse))
  if (from === null || problems.length > 0) throw new AppError('invalid_input', { errors: problems.slice(0, 20) })
  const { text, html } = request
  return { from, to, cc, bcc, subject: request.subject?.trim() ?? null, text, html, attachments }
}

/** Too many are refused before each of them is looked at. */
function assertAtMost(count: number, most: number, path: string, what: string): void {
  if (count > most)
    throw new AppError('invalid_input', { errors: [{ path, message: `must be at most ${most}${what}` }] })
}

function admitAttachment(
  given: EmailRequest['attachments'][number],
  path: string,
  refuse: (path: string, message: string) => null,
): Attachment {
  // What a path of the sender's machine says is nobody's business; what it points at is nobody's file.
  const filename = given.filename.split(/[/\\]/).at(-1)?.trim() ?? ''
  if (endsHeader(given.filename) || given.filename.length > filenameCharacters || /^\.{0,2}$/.test(filename))
    refuse(`${path}.filename`, `must be a file name of at most ${filenameCharacters} characters`)
  const token = "[\\w!#$%&'*+.^`|~-]{1,100}"
  const type = new RegExp(`^${token}/${token}(?:; ?charset="?[\\w-]{1,40}"?)?$`, 'i').test(given.contentType)
  if (!type) refuse(`${path}.content_type`, 'must be a media type')
  if (!isBase64(given.contentBase64)) refuse(`${path}.content_base64`, 'must be base64, padded and unbroken')
  // Composite types may not be base64 (RFC 2046 §5.1, §5.2.1): such a file travels as the bytes it is.
  const isComposite = /^(?:multipart|message)\//i.test(given.contentType)
  const contentType = isComposite ? 'application/octet-stream' : given.contentType.toLowerCase()
  return { filename, contentType, contentBase64: given.contentBase64 }
}

/** As strict as `fromBase64`, without the bytes: only the last four characters can be padded or have stray bits. */
function isBase64(text: string): boolean {
  const tail = text.slice(-4)
  return text.length % 4 === 0 && !/[^A-Za-z0-9+/]/.test(text.slice(0, -4)) && fromBase64(tail) !== null
}
