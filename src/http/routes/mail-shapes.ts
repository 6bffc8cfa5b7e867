// Shapes of mail that lists, messages and threads share.

import * as z from 'zod'
import type { ListedEmail, ListQuery } from '../../mail/read/list.ts'
import type { Address, Email } from '../../mail/read/read.ts'
import { filterLength, queryLength } from '../../mail/search/query.ts'
import { iso, pageQuery, time, uuid } from './shapes.ts'

export const forUser = { user_id: uuid.optional().describe('For service keys: on whose behalf') }

export const addressSchema = z.object({ name: z.string(), address: z.string() }).describe('As the sender wrote it')

/** A thread's id as lists give it. What it opens stands in the statement. */
export const threadId = z.string().max(200).describe('Opaque; stable while the mailbox is connected')

export const highlightedSnippet = z
  .string()
  .nullable()
  .describe('HTML: escaped, what was found in `<mark>`. Null without `q`')

export const labels = z
  .array(z.string())
  .describe('The user’s own by name, the provider’s by id (`INBOX`, `SENT`, `STARRED`)')

const emailFields = {
  id: uuid,
  mail_account_id: uuid,
  thread_id: threadId,
  provider_message_id: z.string(),
  from: addressSchema.nullable(),
  to: z.array(addressSchema),
  cc: z.array(addressSchema),
  subject: z.string(),
  snippet: z.string(),
  sent_at: time,
  labels,
  is_unread: z.boolean(),
  has_attachments: z.boolean(),
}

export const listedEmailSchema = z.object({ ...emailFields, highlighted_snippet: highlightedSnippet })

export const emailSchema = z.object({
  ...emailFields,
  message_id: z.string().nullable().describe('RFC 5322 Message-ID'),
  in_reply_to: z.string().nullable(),
  references: z.array(z.string()),
  bcc: z.array(addressSchema),
  reply_to: z.array(addressSchema),
  text: z.string().nullable().describe('As it was sent, or what the HTML says'),
  html: z
    .string()
    .nullable()
    .describe('Sanitised: no scripts, forms, frames or style sheets. Still show it in a sandboxed frame'),
  has_remote_pictures: z.boolean().describe('Pictures from elsewhere are left out, unless `pictures=remote`'),
  body_left_out: z
    .boolean()
    .describe('True for older messages of a thread too long for one answer: read them by their id'),
  attachments: z.array(
    z.object({ part_id: z.string(), filename: z.string(), content_type: z.string(), size_bytes: z.int() }),
  ),
})

type EmailFields = z.output<z.ZodObject<typeof emailFields>>

export function presentAddress({ name, address }: Address): z.output<typeof addressSchema> {
  return { name, address }
}

export function presentEmailFields(email: Omit<ListedEmail, 'highlightedSnippet'>): EmailFields {
  return {
    id: email.id,
    mail_account_id: email.accountId,
    thread_id: email.threadId,
    provider_message_id: email.providerMessageId,
    from: email.from === null ? null : presentAddress(email.from),
    to: email.to.map(presentAddress),
    cc: email.cc.map(presentAddress),
    subject: email.subject,
    snippet: email.snippet,
    sent_at: iso(email.sentAt),
    labels: [...email.labels],
    is_unread: email.isUnread,
    has_attachments: email.hasAttachments,
  }
}

export function presentEmail(email: Email): z.output<typeof emailSchema> {
  return {
    ...presentEmailFields(email),
    message_id: email.messageId,
    in_reply_to: email.inReplyTo,
    references: [...email.references],
    bcc: email.bcc.map(presentAddress),
    reply_to: email.replyTo.map(presentAddress),
    text: email.text,
    html: email.html,
    has_remote_pictures: email.hasRemotePictures,
    body_left_out: email.isBodyLeftOut,
    attachments: email.attachments.map((attachment) => ({
      part_id: attachment.partId,
      filename: attachment.filename,
      content_type: attachment.contentType,
      size_bytes: attachment.sizeBytes,
    })),
  }
}

/** One message and one thread are read with these. */
export const readQuery = z.strictObject({
  pictures: z.enum(['none', 'remote']).default('none').describe('`remote`: pictures from elsewhere stay in the HTML'),
  ...forUser,
})

/** What is too long or malformed is refused by the search itself. */
const filter = z.string().optional().meta({ maxLength: filterLength })

/** The filters of lists, all of them together. */
export const mailListQuery = z.strictObject({
  user_email: z.string().max(254).optional().describe('Only this mailbox'),
  q: z.string().optional().meta({
    description: 'Gmail’s search language: `from:amy has:attachment "quarterly report" -draft`',
    maxLength: queryLength,
  }),
  from: filter,
  to: filter,
  subject: filter,
  label: filter.describe('A label by name or id'),
  after: z.string().optional().describe('A date (2026-11-30, then from its beginning, UTC) or time; inclusive'),
  before: z.string().optional().describe('Exclusive'),
  has_attachment: z.stringbool().optional(),
  is_unread: z.stringbool().optional(),
  sort: z
    .enum(['date', 'relevance'])
    .default('date')
    .describe('`relevance`: best first, among the newest 2,000 that match; by date where `q` has no words'),
  ...pageQuery,
  ...forUser,
})

export function listQueryOf(query: z.output<typeof mailListQuery>): ListQuery {
  return {
    forUserId: query.user_id ?? null,
    userEmail: query.user_email ?? null,
    q: query.q ?? null,
    from: query.from ?? null,
    to: query.to ?? null,
    subject: query.subject ?? null,
    label: query.label ?? null,
    after: query.after ?? null,
    before: query.before ?? null,
    hasAttachment: query.has_attachment ?? null,
    isUnread: query.is_unread ?? null,
    sort: query.sort,
    limit: query.limit,
    cursor: query.cursor ?? null,
  }
}
