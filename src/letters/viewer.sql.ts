// Letters as the development viewer reads them. Where letters really leave, nobody reads them here.

import { sql } from 'drizzle-orm'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'

export interface LetterRow {
  readonly letterId: string
  readonly kind: string
  readonly recipient: string
  readonly oneTimeCodeId: string | null
  readonly accountId: string | null
  readonly mailbox: string | null
  readonly provider: string | null
  readonly status: 'due' | 'sent' | 'void' | 'failed'
  readonly lastErrorCode: string | null
  readonly createdAt: Date
  readonly sentAt: Date | null
}

const columns = sql`l.letter_id AS "letterId", l.kind_cd AS "kind", l.recipient_txt AS "recipient",
  l.one_time_code_id AS "oneTimeCodeId", a.user_mail_account_id AS "accountId", a.email_address_txt AS "mailbox",
  a.provider_cd AS "provider", l.status_cd AS "status", l.last_error_cd AS "lastErrorCode", l.created_at_utc AS "createdAt", l.sent_at_utc AS "sentAt"`

// The cause of a letter about a mailbox names it in its second part (mail-accounts/refresh.sql.ts).
const mailbox = sql`LEFT JOIN user_mail_accounts a
  ON l.kind_cd LIKE 'mailbox%' AND a.user_mail_account_id::text = split_part(l.cause_txt, ':', 2)`

/** Newest first, by the time-ordered id. */
export const findLetters = statement<{ limit: number }, LetterRow>(
  'letters-list',
  sql`SELECT ${columns} FROM letters l ${mailbox} ORDER BY l.created_at_utc DESC, l.letter_id DESC LIMIT ${param('limit', 'int')}`,
)

export const findLetter = statement<{ letterId: string }, LetterRow>(
  'letter-read',
  sql`SELECT ${columns} FROM letters l ${mailbox} WHERE l.letter_id = ${param('letterId', 'uuid')}`,
)
