// Work on mailboxes: where each one's sync stands, which messages could not be read, and mail on its way out.

import { sql } from 'drizzle-orm'
import {
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { createdAndModified, utc, uuidV7 } from './columns.ts'
import { userMailAccounts } from './mail-accounts.ts'
import { users } from './users.ts'

const mailboxId = () =>
  uuid('user_mail_account_id').references(() => userMailAccounts.userMailAccountId, { onDelete: 'cascade' })

/** A mailbox's sync record: made by its first sync. The cursor itself stands in `user_mail_accounts`. */
export const mailSyncs = pgTable(
  'mail_syncs',
  {
    userMailAccountId: mailboxId().primaryKey(),
    /** One sync of a mailbox at a time: whose, until when, and for what. */
    leaseId: uuid('lease_id'),
    leaseUntil: utc('lease_until_utc'),
    leaseKind: text('lease_kind_cd'),
    /** Somebody on demand waits for the lease: a back-fill lets go of it after its page. */
    isAwaited: boolean('is_awaited_flg').notNull().default(false),
    failureCount: integer('failure_cnt').notNull().default(0),
    lastErrorCode: text('last_error_cd'),
    /** Seconds between background syncs, growing while nothing happens. */
    intervalSeconds: integer('interval_seconds_nbr').notNull().default(0),
    labelsReadAt: utc('labels_read_at_utc'),
    /** A walk through the mailbox's list: the newest so many, all of it, or what an expired cursor makes necessary. */
    walkKind: text('walk_kind_cd'),
    walkState: text('walk_state_cd').notNull().default('none'),
    walkId: uuid('walk_id'),
    /** History id taken before the listing began; becomes the cursor at its end where there is no better one. */
    walkCursor: text('walk_cursor_txt'),
    walkPageToken: text('walk_page_token_txt'),
    /** `list`, then `sweep`: what the list did not show is looked up one by one. */
    walkPhase: text('walk_phase_cd'),
    /** Only what arrived since then; null: all. */
    walkSince: utc('walk_since_utc'),
    /** How many of the newest are wanted; null: no end but the list's. */
    wantedCount: integer('wanted_cnt'),
    countedCount: integer('counted_cnt').notNull().default(0),
    totalCount: integer('total_cnt'),
    walkStartedAt: utc('walk_started_at_utc'),
    walkFinishedAt: utc('walk_finished_at_utc'),
    /** What re-lists after an expired history id repaired: how often, when last, and how much then. */
    relistCount: integer('relist_cnt').notNull().default(0),
    relistedAt: utc('relisted_at_utc'),
    relistAddedCount: integer('relist_added_cnt').notNull().default(0),
    relistDeletedCount: integer('relist_deleted_cnt').notNull().default(0),
    /** The provider asked not to be called before. */
    waitUntil: utc('wait_until_utc'),
    /** The mailbox's quota: units reserved in each five seconds up to that moment, the newest first. */
    unitsWindowAt: utc('units_window_at_utc').notNull().defaultNow(),
    unitsUsed: integer('units_used_cnt').array().notNull().default(sql`'{}'`),
    ...createdAndModified,
  },
  (t) => [
    check('mail_syncs_walk_kind_ck', sql`${t.walkKind} IN ('newest', 'full', 'relist')`),
    check('mail_syncs_walk_state_ck', sql`${t.walkState} IN ('none', 'queued', 'running', 'done', 'failed')`),
    check('mail_syncs_walk_phase_ck', sql`${t.walkPhase} IN ('list', 'sweep')`),
    check('mail_syncs_lease_kind_ck', sql`${t.leaseKind} IN ('on_demand', 'background', 'back_fill')`),
  ],
)

/** Messages that cannot be read or stored: recorded, skipped, and tried again by the next full walk. */
export const mailSkips = pgTable(
  'mail_skips',
  {
    userMailAccountId: mailboxId().notNull(),
    providerMessageId: text('provider_message_id_txt').notNull(),
    errorCode: text('error_cd').notNull(),
    attemptCount: integer('attempt_cnt').notNull().default(1),
    ...createdAndModified,
  },
  (t) => [primaryKey({ name: 'mail_skips_pk', columns: [t.userMailAccountId, t.providerMessageId] })],
)

export const outbox = pgTable(
  'outbox',
  {
    outboxId: uuid('outbox_id').primaryKey().default(uuidV7),
    userMailAccountId: mailboxId().notNull(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.userId, { onDelete: 'cascade' }),
    /** The key that asked; null where the person did. No foreign key: a revoked key's mail stays told. */
    apiKeyId: uuid('api_key_id'),
    idempotencyKey: text('idempotency_key_txt'),
    /** SHA-256 of the request, for a key that comes again. */
    bodyHash: text('body_hash_txt').notNull(),
    /** Our own Message-ID, angle brackets included: what an ambiguous answer is looked up by. */
    messageId: text('message_id_txt').notNull(),
    providerThreadId: text('provider_thread_id_txt'),
    /** The stored message it answers; it may be gone by now. */
    replyToEmailId: uuid('reply_to_email_id'),
    /** What was typed, without files, to be written anew: null once it was sent, or a week after it was given up. */
    draft: jsonb('draft_json'),
    /** The whole message; null once it was sent or given up. */
    mime: text('mime_txt'),
    status: text('status_cd').notNull().default('queued'),
    attemptCount: integer('attempt_cnt').notNull().default(0),
    dueAt: utc('due_at_utc').notNull().defaultNow(),
    leaseId: uuid('lease_id'),
    leaseUntil: utc('lease_until_utc'),
    firstAttemptAt: utc('first_attempt_at_utc'),
    providerMessageId: text('provider_message_id_txt'),
    sentAt: utc('sent_at_utc'),
    lastErrorCode: text('last_error_cd'),
    ...createdAndModified,
  },
  (t) => [
    // `unconfirmed`: the provider may have sent it; it is looked up before anything else.
    check('outbox_status_ck', sql`${t.status} IN ('queued', 'sending', 'unconfirmed', 'sent', 'failed')`),
    index('outbox_due_ix').on(t.dueAt).where(sql`${t.status} IN ('queued', 'sending', 'unconfirmed')`),
    index('outbox_created_ix').on(t.createdAt),
    index('outbox_mailbox_ix').on(t.userMailAccountId),
    index('outbox_waiting_ix').on(t.userMailAccountId).where(sql`${t.status} IN ('queued', 'sending', 'unconfirmed')`),
    index('outbox_user_ix').on(t.userId),
    index('outbox_failed_ix').on(t.userId, t.createdAt).where(sql`${t.status} = 'failed' AND ${t.apiKeyId} IS NULL`),
    index('outbox_unsent_ix').on(t.modifiedAt).where(sql`${t.status} = 'failed' AND ${t.draft} IS NOT NULL`),
    uniqueIndex('outbox_idempotency_uq')
      .on(t.userId, sql`coalesce(${t.apiKeyId}, ${t.userId})`, t.idempotencyKey)
      .where(sql`${t.idempotencyKey} IS NOT NULL`),
  ],
)
