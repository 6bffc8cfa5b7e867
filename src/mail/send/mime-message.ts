// A message as it goes to the provider: the frame, text and HTML by worker-mailer, header values and attachments by us,
// since that package writes names and file names as they come (docs/decisions/0033). Its connection is not used.

import { Email } from 'worker-mailer'
import { encodedWords, isPlainHeaderText } from '../../crypto/encoded-words.ts'
import { utf8 } from '../../crypto/encoding.ts'
import { type Mailbox, mailboxesHeader, mailboxHeader } from './addresses.ts'
import type { Attachment } from './request.ts'

export interface OutgoingMessage {
  /** With its angle brackets. */
  readonly messageId: string
  readonly from: Mailbox
  readonly to: readonly Mailbox[]
  readonly cc: readonly Mailbox[]
  /** The provider's API takes recipients from the headers, and leaves this one out of what they get. */
  readonly bcc: readonly Mailbox[]
  readonly subject: string
  readonly text: string
  readonly html: string | null
  readonly attachments: readonly Attachment[]
  /** Both of the message it answers. */
  readonly inReplyTo: string | null
  readonly references: readonly string[]
}

/** Characters of a line, its end not counted (RFC 5322 §2.1.1). */
const lineCharacters = 76

/** The whole message, CRLF line ends, ASCII. Everything in it was checked before. */
export function composeMime(message: OutgoingMessage, now: Date): string {
  const lists = { To: message.to, Cc: message.cc, Bcc: message.bcc }
  const email = new Email({
    from: message.from.address,
    // Read by its type only: the headers below are what is written.
    to: [],
    subject: '',
    // Without text it writes no text part at all.
    text: lines(message.text) || '\r\n',
    ...(message.html === null ? {} : { html: lines(message.html) }),
    headers: {
      Date: now.toUTCString().replace('GMT', '+0000'),
      'Message-ID': message.messageId,
      From: mailboxHeader(message.from),
      Subject: subjectHeader(message.subject),
      ...Object.fromEntries(
        Object.entries(lists).flatMap(([name, list]) => (list.length === 0 ? [] : [[name, mailboxesHeader(list)]])),
      ),
      ...(message.inReplyTo === null ? {} : { 'In-Reply-To': message.inReplyTo }),
      ...(message.references.length === 0 ? {} : { References: message.references.join('\r\n ') }),
    },
  })
  const mime = withoutDots(email.getEmailData())
  // Nobody named there: the package writes the header all the same, empty.
  const head = message.to.length === 0 ? mime.replace('\r\nTo: \r\n', '\r\n') : mime
  return withAttachments(head, message.attachments)
}

/** Line ends as mail has them; a lone CR or LF is one, too. */
function lines(text: string): string {
  return text.replaceAll(/\r\n|\r|\n/g, '\r\n')
}

/** The package writes for SMTP: dots doubled at the beginning of lines, and a closing line with its dot. */
function withoutDots(data: string): string {
  return data.replace(/\r\n\.\r\n$/, '').replaceAll('\r\n..', '\r\n.')
}

/** Before the closing boundary of the outermost part, which the package leaves open to them. */
function withAttachments(mime: string, attachments: readonly Attachment[]): string {
  const boundary = /^Content-Type: multipart\/mixed; boundary="([^"]+)"/m.exec(mime)?.[1]
  const end = mime.lastIndexOf(`--${boundary}--`)
  if (boundary === undefined || end < 0) throw new Error('the message has no outermost part')
  const parts = attachments.map((it) => `--${boundary}\r\n${attachmentPart(it)}\r\n`)
  return `${mime.slice(0, end)}${parts.join('')}--${boundary}--\r\n`
}

function attachmentPart({ filename, contentType, contentBase64 }: Attachment): string {
  const body = contentBase64.replaceAll(/.{76}(?=.)/g, '$&\r\n')
  return [
    `Content-Type: ${contentType}`,
    `Content-Disposition: attachment;\r\n ${filenameParameter(filename)}`,
    'Content-Transfer-Encoding: base64',
    '',
    body,
  ].join('\r\n')
}

/** RFC 2183; beyond ASCII, and where it is long, as RFC 2231 has it: UTF-8, percent-encoded, in numbered pieces. */
function filenameParameter(filename: string): string {
  if (isPlainHeaderText(filename) && filename.length <= 60) return `filename="${filename.replaceAll(/["\\]/g, '\\$&')}"`
  const octets = [...utf8(filename)].map((octet) => {
    const character = String.fromCharCode(octet)
    return /[A-Za-z0-9._-]/.test(character) ? character : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`
  })
  const pieces: string[] = ["UTF-8''"]
  for (const octet of octets) {
    const last = pieces.at(-1) ?? ''
    if (last.length + octet.length > 56) pieces.push(octet)
    else pieces[pieces.length - 1] = last + octet
  }
  return pieces.map((piece, at) => `filename*${at}*=${piece}`).join(';\r\n ')
}

/** ASCII is folded at its blanks where that leaves it as it is; all else is encoded. */
function subjectHeader(subject: string): string {
  const isFoldable = isPlainHeaderText(subject) && !/ {2}|^ | $/.test(subject)
  const words = isFoldable ? subject.split(' ') : []
  if (!isFoldable || words.some((word) => word.length > lineCharacters - 10)) return encodedWords(subject)
  const folded: string[] = []
  let line = 'Subject:'.length
  for (const word of words) {
    const isNext = folded.length > 0 && line + 1 + word.length > lineCharacters
    folded.push(`${folded.length === 0 ? '' : isNext ? '\r\n ' : ' '}${word}`)
    line = (isNext ? 0 : line) + 1 + word.length
  }
  return folded.join('')
}
