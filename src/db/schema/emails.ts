// Synced mail: messages, their attachments' metadata, labels by name. All of it goes with its mailbox.

import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
  uuid,
} from 'drizzle-orm/pg-core'
import { createdAndModified, utc, uuidV7 } from './columns.ts'
import { userMailAccounts } from './mail-accounts.ts'

const tsvector = customType<{ data: string }>({ dataType: () => 'tsvector' })

const mailbox = () =>
  uuid('user_mail_account_id')
    .notNull()
    .references(() => userMailAccounts.userMailAccountId, { onDelete: 'cascade' })

export const emails = pgTable(
  'emails',
  {
    emailId: uuid('email_id').primaryKey().default(uuidV7),
    userMailAccountId: mailbox(),
    providerMessageId: text('provider_message_id_txt').notNull(),
    providerThreadId: text('provider_thread_id_txt').notNull(),
    /** RFC 5322 Message-ID, In-Reply-To and References, with their angle brackets. */
    messageId: text('message_id_txt'),
    inReplyTo: text('in_reply_to_txt'),
    references: text('references_txt').notNull().default(''),
    subject: text('subject_txt').notNull(),
    /** `{ name, address }`, or null; the others arrays of it. */
    from: jsonb('from_json'),
    to: jsonb('to_json').notNull().default([]),
    cc: jsonb('cc_json').notNull().default([]),
    bcc: jsonb('bcc_json').notNull().default([]),
    replyTo: jsonb('reply_to_json').notNull().default([]),
    snippet: text('snippet_txt').notNull().default(''),
    /** The provider's own time of arrival: what lists go by. */
    sentAt: utc('sent_at_utc').notNull(),
    sizeBytes: bigint('size_bytes_nbr', { mode: 'number' }).notNull().default(0),
    /** Ids as the provider has them (`INBOX`, `UNREAD`, `Label_7`). */
    labelIds: text('label_ids_txt').array().notNull().default(sql`'{}'`),
    isUnread: boolean('is_unread_flg').notNull().default(false),
    hasAttachments: boolean('has_attachments_flg').notNull().default(false),
    text: text('text_txt'),
    /** As it was sent: hostile until sanitised, which every reader does. */
    html: text('html_txt'),
    /** Words by place and facets (mail/search/terms): made by the Worker, never by a text search configuration. */
    search: tsvector('search_tsv').notNull(),
    /** Subject, sender and recipients, folded and in lower case: what a substring is looked for in. */
    head: text('head_txt').notNull().default(''),
    /** The walk that last met this message; what a finished walk did not meet is looked up again, and deleted if gone. */
    walkId: uuid('walk_id'),
    ...createdAndModified,
  },
  (t) => [
    unique('emails_message_uq').on(t.userMailAccountId, t.providerMessageId),
    index('emails_sent_ix').on(t.userMailAccountId, t.sentAt.desc().nullsFirst(), t.emailId.desc().nullsFirst()),
    index('emails_thread_ix').on(
      t.userMailAccountId,
      t.providerThreadId,
      t.sentAt.desc().nullsFirst(),
      t.emailId.desc().nullsFirst(),
    ),
    index('emails_search_ix').using('gin', t.search),
  ],
)

export const emailAttachments = pgTable(
  'email_attachments',
  {
    emailId: uuid('email_id')
      .notNull()
      .references(() => emails.emailId, { onDelete: 'cascade' }),
    /** The provider's place of the part in its message; its attachment ids change between reads. */
    partId: text('part_id_txt').notNull(),
    position: integer('position_nbr').notNull(),
    filename: text('filename_txt').notNull(),
    contentType: text('content_type_txt').notNull(),
    sizeBytes: bigint('size_bytes_nbr', { mode: 'number' }).notNull(),
    contentId: text('content_id_txt'),
    ...createdAndModified,
  },
  (t) => [primaryKey({ name: 'email_attachments_pk', columns: [t.emailId, t.partId] })],
)

export const mailLabels = pgTable(
  'mail_labels',
  {
    userMailAccountId: mailbox(),
    providerLabelId: text('provider_label_id_txt').notNull(),
    name: text('name_txt').notNull(),
    isSystem: boolean('is_system_flg').notNull().default(false),
    ...createdAndModified,
  },
  (t) => [primaryKey({ name: 'mail_labels_pk', columns: [t.userMailAccountId, t.providerLabelId] })],
)
