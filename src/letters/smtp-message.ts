// A letter as the bytes of a mail message, MIME by worker-mailer. Header values are made here: that package writes
// encoded words inside quotes and longer than RFC 2047 allows, and its connection is not used (docs/decisions/0028).

import { Email } from 'worker-mailer'
import { toBase64 } from '../crypto/encoding.ts'
import { type OutgoingLetter, senderHeader } from './transport.ts'

/** Bytes of UTF-8 in one encoded word: with its frame it stays under the 75 characters of RFC 2047 §2. */
const encodedWordBytes = 39

/**
 * The message as it follows DATA: dots doubled, the closing line with its dot included. Its Message-ID is made from the
 * letter's id, so a letter sent twice is one message to whoever compares them. The headers were checked before.
 */
export function smtpMessage(letter: OutgoingLetter, now: Date): string {
  const domain = letter.from.address.slice(letter.from.address.lastIndexOf('@') + 1)
  const email = new Email({
    from: letter.from.address,
    to: letter.to,
    subject: letter.subject,
    text: letter.text,
    html: letter.html,
    headers: {
      Date: now.toUTCString().replace('GMT', '+0000'),
      'Message-ID': `<${letter.id}@${domain}>`,
      From: fromHeader(letter),
      To: letter.to,
      Subject: headerText(letter.subject),
      // RFC 3834: no out-of-office answers, please.
      'Auto-Submitted': 'auto-generated',
    },
  })
  return email.getEmailData()
}

function fromHeader({ from }: OutgoingLetter): string {
  return isPlain(from.name) ? senderHeader(from) : `${headerText(from.name)}\r\n <${from.address}>`
}

/** Text of a header as it is, or as encoded words (RFC 2047), folded; no character is cut in two. */
export function headerText(text: string): string {
  if (isPlain(text)) return text
  const chunks: string[] = ['']
  for (const character of text) {
    const last = chunks.at(-1) ?? ''
    if (byteLength(last + character) <= encodedWordBytes) chunks[chunks.length - 1] = last + character
    else chunks.push(character)
  }
  return chunks.map((chunk) => `=?UTF-8?B?${toBase64(new TextEncoder().encode(chunk))}?=`).join('\r\n ')
}

/** Printable ASCII that nobody takes for an encoded word. */
function isPlain(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text) && !text.includes('=?')
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length
}
