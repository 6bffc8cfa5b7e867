// Which conversation a message belongs to: it must name a message of it and have its subject, as Gmail asks (guide
// "Managing threads").
import { readableHeader } from './charset.ts'
import { type Field, fieldOf, readFields } from './mime.ts'
import type { Mailbox, Message } from './store.ts'

/** The thread in this mailbox, or null: a new one. @param threadId the only one that may be it, where it was named */
export function threadFor(mailbox: Mailbox, fields: readonly Field[], threadId: string | null): string | null {
  const subject = baseSubject(fields)
  const named = `${fieldOf(fields, 'in-reply-to') ?? ''} ${fieldOf(fields, 'references') ?? ''}`.match(/<[^<>\s]+>/g)
  for (const messageId of (named ?? []).reverse()) {
    for (const message of mailbox.byMessageId.get(messageId) ?? []) {
      const isAllowed = threadId === null || message.threadId === threadId
      if (isAllowed && subjectOf(message) === subject) return message.threadId
    }
  }
  return null
}

function subjectOf(message: Message): string {
  return baseSubject(readFields(message.head))
}

/** The subject without what answering and forwarding put before it. */
function baseSubject(fields: readonly Field[]): string {
  const text = readableHeader(fieldOf(fields, 'subject') ?? '').replace(/\s+/g, ' ')
  return text
    .replace(/^(?:\s*(?:re|fwd?|aw|wg|sv|antw)\s*(?:\[\d+\])?:)+/i, '')
    .trim()
    .toLowerCase()
}
