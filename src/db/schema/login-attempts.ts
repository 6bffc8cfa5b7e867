// Failed tries that lock: a row for each identifier tried (keyed hash, known or not), each account, each session that
// asked for a step-up; and windowed counters of letters and wrong codes. All are charged before the work they guard.

import { sql } from 'drizzle-orm'
import { check, index, integer, pgTable, text, unique, uuid } from 'drizzle-orm/pg-core'
import { createdAndModified, utc, uuidV7 } from './columns.ts'
import { sessions } from './sessions.ts'
import { users } from './users.ts'

export const loginAttempts = pgTable(
  'login_attempts',
  {
    loginAttemptId: uuid('login_attempt_id').primaryKey().default(uuidV7),
    /** HMAC of an address or user name as it was normalised; says nothing of whether anybody has it. */
    identifierHash: text('identifier_hash_txt').unique(),
    /** The account's own count, over all its identifiers. */
    userId: uuid('user_id')
      .unique()
      .references(() => users.userId, { onDelete: 'cascade' }),
    /** The count of step-ups: strangers at the sign-in door cannot reach it. */
    sessionId: uuid('session_id')
      .unique()
      .references(() => sessions.sessionId, { onDelete: 'cascade' }),
    /** Tries charged since the last success, those in flight among them. */
    failedCount: integer('failed_cnt').notNull().default(0),
    lockedUntil: utc('locked_until_utc'),
    ...createdAndModified,
  },
  (t) => [
    index('login_attempts_modified_ix').on(t.modifiedAt),
    check('login_attempts_subject_ck', sql`num_nonnulls(${t.identifierHash}, ${t.userId}, ${t.sessionId}) = 1`),
  ],
)

export const counters = pgTable(
  'counters',
  {
    counterId: uuid('counter_id').primaryKey().default(uuidV7),
    kind: text('kind_cd').notNull(),
    /** HMAC of what is counted: an address or an account. */
    subjectHash: text('subject_hash_txt').notNull(),
    windowStartedAt: utc('window_started_at_utc').notNull().defaultNow(),
    usedCount: integer('used_cnt').notNull().default(0),
    ...createdAndModified,
  },
  (t) => [unique('counters_subject_uq').on(t.kind, t.subjectHash), index('counters_window_ix').on(t.windowStartedAt)],
)
