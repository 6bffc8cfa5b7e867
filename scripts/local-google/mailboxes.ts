// All mailboxes of the local Google, by address. One is made at its first use and costs nothing before; it must not know
// our tokens, scopes or faults: who asks is already proven.
import { createMailbox, type Mailbox } from './mail/store.ts'

export interface Mailboxes {
  of(email: string): Mailbox
  /** Only where it is there already. */
  known(email: string): Mailbox | null
  /** Forgets all: they start again as they began. */
  clear(): void
}

/** @param fill puts in what a mailbox begins with */
export function createMailboxes(fill: (mailbox: Mailbox) => void): Mailboxes {
  const byEmail = new Map<string, Mailbox>()
  return {
    of(email) {
      const key = email.toLowerCase()
      const found = byEmail.get(key)
      if (found !== undefined) return found
      const mailbox = createMailbox(email)
      byEmail.set(key, mailbox)
      fill(mailbox)
      return mailbox
    },
    known: (email) => byEmail.get(email.toLowerCase()) ?? null,
    clear() {
      byEmail.clear()
    },
  }
}
