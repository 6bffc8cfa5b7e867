// Messages read whole: one, or a thread. Stored HTML is hostile; it leaves here sanitised only.

import { type CallerClaim, callerParams } from '../../db/caller.ts'
import type { Db } from '../../db/client.ts'
import { assertReach, type ReachRow } from '../../db/reach.ts'
import { AppError } from '../../errors.ts'
import { safeHtml, showsSomething } from '../html/safe-html.ts'
import { htmlToText } from '../html/safe-html-text.ts'
import { type MessageRow, readMessage, readThreadMessages, type ThreadMessageRow } from './read.sql.ts'
import { parseThreadId, printThreadId } from './thread-id.ts'

export type { Address } from './list-parts.sql.ts'
export type { AttachmentRow as EmailAttachment } from './read.sql.ts'

/** A message as its reader gets it: the stored columns, with what is made of them. */
export interface Email extends Omit<MessageRow, 'providerThreadId' | 'references' | 'text' | 'html'> {
  readonly threadId: string
  readonly references: readonly string[]
  /** The text as sent, or what the HTML says; null where there is neither. */
  readonly text: string | null
  /** Sanitised, and still to be shown in a frame of its own only; null where there is none, or none that shows anything. */
  readonly html: string | null
  /** The HTML shows pictures from elsewhere: left out unless they were asked for. */
  readonly hasRemotePictures: boolean
}

export interface Thread {
  readonly id: string
  readonly accountId: string
  /** Of its oldest message. */
  readonly subject: string
  /** Oldest first; the newest hundred of a longer thread. */
  readonly messages: readonly Email[]
  /** How many of its messages are not among these, since they lie in spam or trash. */
  readonly leftAside: { readonly spam: number; readonly trash: number }
}

/** Whether pictures from elsewhere stay in the HTML: whoever loads them tells their sender that the mail was read. */
export type Pictures = 'none' | 'remote'

interface ReadDeps {
  readonly db: Db
}

/** Throws 401; 403 (a key without `emails:read`); 404 (unknown, another's, hidden); 422 (a key that names nobody, asked for nobody). */
export async function readEmail(
  deps: ReadDeps,
  claim: CallerClaim,
  which: { emailId: string; forUserId: string | null; pictures: Pictures },
): Promise<Email> {
  const { emailId, forUserId } = which
  const row = await deps.db.first(readMessage, { ...callerParams(claim), emailId, forUserId })
  assertReach(row, forUserId)
  if (row.id === null) throw new AppError('not_found')
  return present(row, which.pictures)
}

/**
 * A thread without what lies in spam or trash, unless all of it does. Throws as `readEmail`.
 * @param which.threadId as the lists give it
 * @param which.isAnywhere with what lies in spam and trash, wherever the rest is
 */
export async function readThread(
  deps: ReadDeps,
  claim: CallerClaim,
  which: { threadId: string; forUserId: string | null; pictures: Pictures; isAnywhere: boolean },
): Promise<Thread> {
  const key = parseThreadId(which.threadId)
  if (key === null) throw new AppError('not_found')
  const { forUserId, isAnywhere } = which
  const rows = await deps.db.all(readThreadMessages, { ...callerParams(claim), ...key, forUserId, isAnywhere })
  assertReach(rows[0] ?? null, forUserId)
  const messages = rows.filter((row): row is ReachRow & ThreadMessageRow => row.id !== null)
  const [oldest] = messages
  if (oldest === undefined) throw new AppError('not_found')
  const isNoneLeft = messages.some(({ aside }) => aside !== null)
  return {
    id: printThreadId(oldest),
    accountId: oldest.accountId,
    subject: oldest.subject,
    messages: messages.map((row) => present(row, which.pictures)),
    leftAside: isNoneLeft || isAnywhere ? { spam: 0, trash: 0 } : { spam: oldest.spamCount, trash: oldest.trashCount },
  }
}

function present(row: MessageRow, pictures: Pictures): Email {
  const { providerThreadId: _, references, text, html, ...columns } = row
  const made = html === null ? null : safeHtml(html, { pictures })
  // Some senders give text and an empty HTML beside it: the text is the message.
  const safe = made !== null && showsSomething(made.html) ? made : null
  return {
    ...columns,
    threadId: printThreadId(row),
    references: references.split(' ').filter((reference) => reference !== ''),
    text: text ?? (html === null ? null : htmlToText(html)),
    html: safe?.html ?? null,
    hasRemotePictures: safe?.hasRemotePictures ?? false,
  }
}
