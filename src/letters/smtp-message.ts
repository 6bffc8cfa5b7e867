// A letter as the bytes of a mail message, MIME by worker-mailer. Header values are made here: that package writes
// encoded words inside quotes and longer than RFC 2047 allows, and its connection is not used (docs/decisions/0028).

import { Email } from 'worker-mailer'
import { headerText, isPlainHeaderText } from '../crypto/encoded-words.ts'
import { type OutgoingLetter, senderHeader } from './transport.ts'

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
  return isPlainHeaderText(from.name) ? senderHeader(from) : `${headerText(from.name)}\r\n <${from.address}>`
}
