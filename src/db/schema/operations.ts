// What operating the service leaves behind: the audit trail, letters to be sent, and messages nobody could process.

import { sql } from 'drizzle-orm'
import { check, index, integer, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { createdAndModified, createdAt, utc, uuidV7 } from './columns.ts'

export const auditLogs = pgTable(
  'audit_logs',
  {
    auditLogId: uuid('audit_log_id').primaryKey().default(uuidV7),
    action: text('action_cd').notNull(),
    // No foreign keys: deleting a person keeps the trail.
    actorUserId: uuid('actor_user_id'),
    subjectId: text('subject_id_txt'),
    outcome: text('outcome_cd').notNull(),
    ipAddress: text('ip_address_txt'),
    userAgent: text('user_agent_txt'),
    event: jsonb('event_json').notNull().default({}),
    ...createdAt,
  },
  (t) => [
    index('audit_logs_created_ix').on(t.createdAt),
    index('audit_logs_actor_ix').on(t.actorUserId, t.createdAt),
    // What purge has still to blank: it leaves the index as it is blanked.
    index('audit_logs_origin_ix').on(t.createdAt).where(sql`${t.ipAddress} IS NOT NULL OR ${t.userAgent} IS NOT NULL`),
    check('audit_logs_outcome_ck', sql`${t.outcome} IN ('success', 'refused', 'failure')`),
  ],
)

export const letters = pgTable(
  'letters',
  {
    letterId: uuid('letter_id').primaryKey().default(uuidV7),
    kind: text('kind_cd').notNull(),
    recipient: text('recipient_txt').notNull(),
    /** The code or link it carries, derived again from this id whenever it is sent. */
    oneTimeCodeId: uuid('one_time_code_id'),
    /** One letter a cause, whatever runs twice. */
    cause: text('cause_txt').notNull().unique(),
    /** `void`: written for the sake of sameness, or too old to be of use; it is never sent. */
    status: text('status_cd').notNull().default('due'),
    attemptCount: integer('attempt_cnt').notNull().default(0),
    dueAt: utc('due_at_utc').notNull().defaultNow(),
    sentAt: utc('sent_at_utc'),
    lastErrorCode: text('last_error_cd'),
    ...createdAndModified,
  },
  (t) => [
    check('letters_status_ck', sql`${t.status} IN ('due', 'sent', 'void', 'failed')`),
    index('letters_due_ix').on(t.dueAt).where(sql`${t.status} = 'due'`),
    index('letters_failed_ix').on(t.letterId).where(sql`${t.status} = 'failed'`),
    index('letters_created_ix').on(t.createdAt),
  ],
)

export const deadLetters = pgTable(
  'dead_letters',
  {
    deadLetterId: uuid('dead_letter_id').primaryKey().default(uuidV7),
    messageId: text('message_id_txt').notNull().unique(),
    queue: text('queue_txt').notNull(),
    body: jsonb('body_json').notNull(),
    status: text('status_cd').notNull().default('open'),
    ...createdAndModified,
  },
  (t) => [check('dead_letters_status_ck', sql`${t.status} IN ('open', 'resolved')`)],
)
