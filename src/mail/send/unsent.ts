// A message that was given up, as it was written, so that it can be written anew. Its files stay behind: no form can be
// filled with them.

import PostalMime, { type Address } from 'postal-mime'
import { type CallerClaim, callerParams } from '../../db/caller.ts'
import type { Db } from '../../db/client.ts'
import { assertReach } from '../../db/reach.ts'
import { AppError } from '../../errors.ts'
import type { Mailbox } from './addresses.ts'
import { readUnsentRow } from './outbox.sql.ts'

export interface UnsentEmail {
  /** Address of the mailbox it was to leave from. */
  readonly from: string
  readonly to: readonly Mailbox[]
  readonly cc: readonly Mailbox[]
  readonly bcc: readonly Mailbox[]
  readonly subject: string
  readonly text: string
  /** Null where it answered none, or that one is gone. */
  readonly replyToEmailId: string | null
  readonly hasFiles: boolean
}

/** For a week after it was given up. Throws 401, and 404 where there is none of the caller's, or no more. */
export async function readUnsent(
  deps: { readonly db: Db },
  claim: CallerClaim,
  outboxId: string,
): Promise<UnsentEmail> {
  const row = await deps.db.first(readUnsentRow, { ...callerParams(claim), outboxId, forUserId: null })
  assertReach(row, null)
  if (row.mime === null) throw new AppError('not_found')
  const mail = await PostalMime.parse(row.mime)
  return {
    from: row.from,
    to: mailboxesOf(mail.to),
    cc: mailboxesOf(mail.cc),
    bcc: mailboxesOf(mail.bcc),
    subject: mail.subject ?? '',
    // Parts end with line ends of their own.
    text: (mail.text ?? '').trimEnd(),
    replyToEmailId: row.replyToEmailId,
    hasFiles: mail.attachments.length > 0,
  }
}

function mailboxesOf(people: readonly Address[] | undefined): Mailbox[] {
  return (people ?? []).flatMap(({ name, address }) => (address === undefined ? [] : { name, address }))
}
