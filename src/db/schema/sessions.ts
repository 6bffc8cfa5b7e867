// Sessions, their refresh tokens, and service keys. Secrets stand here as SHA-256 hashes only.

import { sql } from 'drizzle-orm'
import { check, index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { createdAndModified, utc, uuidV7 } from './columns.ts'
import { users } from './users.ts'

export const sessions = pgTable(
  'sessions',
  {
    sessionId: uuid('session_id').primaryKey().default(uuidV7),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.userId, { onDelete: 'cascade' }),
    /** Set for cookie sessions of our own pages, null for token sessions. */
    secretHash: text('secret_hash_txt'),
    credentialVersion: integer('credential_version_nbr').notNull(),
    /** The last proof of presence; step-up renews it. */
    authenticatedAt: utc('authenticated_at_utc').notNull(),
    lastSeenAt: utc('last_seen_at_utc').notNull(),
    revokedAt: utc('revoked_at_utc'),
    userAgent: text('user_agent_txt'),
    ipAddress: text('ip_address_txt'),
    ...createdAndModified,
  },
  (t) => [index('sessions_user_ix').on(t.userId), index('sessions_last_seen_ix').on(t.lastSeenAt)],
)

export const refreshTokens = pgTable(
  'refresh_tokens',
  {
    tokenHash: text('token_hash_txt').primaryKey(),
    sessionId: uuid('session_id')
      .notNull()
      .references(() => sessions.sessionId, { onDelete: 'cascade' }),
    expiresAt: utc('expires_at_utc').notNull(),
    usedAt: utc('used_at_utc'),
    /** How often it was shown; the first time is the rotation, later ones are a retry or a theft. */
    shownCount: integer('shown_cnt').notNull().default(0),
    revokedAt: utc('revoked_at_utc'),
    ...createdAndModified,
  },
  (t) => [index('refresh_tokens_session_ix').on(t.sessionId), index('refresh_tokens_expires_ix').on(t.expiresAt)],
)

export const apiKeys = pgTable(
  'api_keys',
  {
    apiKeyId: uuid('api_key_id').primaryKey().default(uuidV7),
    name: text('name_txt').notNull(),
    keyHash: text('key_hash_txt').notNull().unique(),
    /** The first characters, so that a person recognises the key in a list. */
    keyHint: text('key_hint_txt').notNull(),
    permissions: text('permissions_txt').array().notNull(),
    /** Null: for every user. */
    userId: uuid('user_id').references(() => users.userId, { onDelete: 'cascade' }),
    /** Null: every mailbox of its user or users. */
    mailAccountIds: uuid('mail_account_ids').array(),
    status: text('status_cd').notNull().default('active'),
    expiresAt: utc('expires_at_utc'),
    lastUsedAt: utc('last_used_at_utc'),
    revokedAt: utc('revoked_at_utc'),
    createdByUserId: uuid('created_by_user_id'),
    ...createdAndModified,
  },
  (t) => [check('api_keys_status_ck', sql`${t.status} IN ('active', 'revoked')`)],
)
