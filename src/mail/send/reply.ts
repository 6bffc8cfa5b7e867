// What an answer takes from the message it answers: recipients, subject, and what keeps it in its conversation. Pure.

import { type Mailbox, recipientOf } from './addresses.ts'
import { subjectCharacters } from './request.ts'

/** The stored message, as its sender wrote it. */
export interface Original {
  readonly messageId: string | null
  /** Message ids, separated by blanks. */
  readonly references: string
  readonly subject: string
  readonly from: StoredAddress | null
  readonly to: readonly StoredAddress[]
  readonly replyTo: readonly StoredAddress[]
  readonly threadId: string
}

export interface StoredAddress {
  readonly name: string
  readonly address: string
}

/** RFC 5322 §3.6.4 asks for all of them; no reader needs more, and a header has its limits. */
const mostReferences = 20

/** Whom an answer goes to where nobody was named: Reply-To, else the sender; of one's own message its recipients. */
export function replyRecipients(original: Original, ownAddress: string): Mailbox[] {
  const isOwn = original.from?.address.toLowerCase() === ownAddress.toLowerCase()
  const named = original.replyTo.length > 0 ? original.replyTo : original.from === null ? [] : [original.from]
  return (isOwn ? original.to : named).flatMap(({ name, address }) => recipientOf(name, address) ?? []).slice(0, 50)
}

/** `Re: ` before what does not begin so already; one line. */
export function replySubject(original: string): string {
  const subject = original.replaceAll(/[\p{Cc}\u2028\u2029\s]+/gu, ' ').trim()
  const answered = /^re\s*:/i.test(subject) ? subject : `Re: ${subject}`
  // Cut, never through a character: an original may be as long as it likes.
  return answered
    .slice(0, subjectCharacters)
    .toWellFormed()
    .replace(/\uFFFD$/, '')
    .trim()
}

/** `In-Reply-To` and `References`: the original's own ids, its first and its newest where there are many. */
export function replyReferences(original: Original): { inReplyTo: string | null; references: string[] } {
  const inReplyTo = isMessageId(original.messageId) ? original.messageId : null
  const earlier = original.references.split(/\s+/).filter(isMessageId)
  const all = [...new Set(inReplyTo === null ? earlier : [...earlier.filter((id) => id !== inReplyTo), inReplyTo])]
  const references = all.length > mostReferences ? [...all.slice(0, 1), ...all.slice(1 - mostReferences)] : all
  return { inReplyTo, references }
}

function isMessageId(text: string | null): text is string {
  return text !== null && /^<[\x21-\x3b\x3d\x3f-\x7e]{1,250}>$/.test(text)
}

/** Whether an answer stays in its conversation: the provider asks for one subject, but for what answering puts before it. */
export function isSameSubject(one: string, other: string): boolean {
  return baseSubject(one) === baseSubject(other)
}

function baseSubject(subject: string): string {
  return subject
    .replaceAll(/\s+/g, ' ')
    .replace(/^(?: ?(?:re|fwd?|aw|wg|sv|antw) ?(?:\[\d+\])?:)+/i, '')
    .trim()
    .toLowerCase()
}
