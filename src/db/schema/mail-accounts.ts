// Connected mailboxes and their sealed tokens, what must still be erased at the provider, and provider-wide state.

import { sql } from 'drizzle-orm'
import { boolean, check, index, integer, jsonb, pgTable, text, unique, uuid } from 'drizzle-orm/pg-core'
import { createdAndModified, utc, uuidV7 } from './columns.ts'
import { users } from './users.ts'

export const userMailAccounts = pgTable(
  'user_mail_accounts',
  {
    userMailAccountId: uuid('user_mail_account_id').primaryKey().default(uuidV7),
    /**
     * Null once its user was deleted: hidden, and purged. Its envelopes are bound to the user's id, so they move to
     * `erasures` first: by the statement that deletes the user, else by a trigger (migration 0006).
     */
    userId: uuid('user_id').references(() => users.userId, { onDelete: 'set null' }),
    emailAddress: text('email_address_txt').notNull(),
    provider: text('provider_cd').notNull(),
    providerSubject: text('provider_subject_txt').notNull(),
    /** False once disconnected. */
    isActive: boolean('is_active_flg').notNull().default(true),
    status: text('status_cd').notNull().default('active'),
    statusChangedAt: utc('status_changed_at_utc').notNull().defaultNow(),
    /** As the provider granted them, separated by spaces. */
    grantedScopes: text('granted_scopes_txt').notNull().default(''),
    /** Chosen at disconnect: the synced mail stays readable. */
    keepsMail: boolean('keep_mail_flg').notNull().default(false),
    syncCursor: text('sync_cursor_txt'),
    lastSyncedAt: utc('last_synced_at_utc'),
    /** The clock of background sync; null where nothing is to be done until the mailbox is connected again. */
    syncDueAt: utc('sync_due_at_utc').default(sql`now()`),
    /** Mail stored before this is hidden: `infinity` once disconnected without keeping it, the moment of reconnecting after that. */
    mailSince: utc('mail_since_utc').notNull().default(sql`'-infinity'`),
    /** Hidden mail is still to be deleted. */
    purgesMail: boolean('purge_mail_flg').notNull().default(false),
    ...createdAndModified,
  },
  (t) => [
    unique('user_mail_accounts_subject_uq').on(t.userId, t.provider, t.providerSubject),
    index('user_mail_accounts_subject_ix').on(t.provider, t.providerSubject),
    // The few that are not well, for whoever watches them.
    index('user_mail_accounts_unwell_ix')
      .on(t.status, t.userMailAccountId, t.provider)
      .where(sql`${t.status} <> 'active' AND ${t.userId} IS NOT NULL`),
    index('user_mail_accounts_sync_due_ix').on(t.syncDueAt).where(sql`${t.syncDueAt} IS NOT NULL`),
    index('user_mail_accounts_purge_mail_ix')
      .on(t.userMailAccountId)
      .where(sql`${t.purgesMail} OR ${t.userId} IS NULL`),
    check(
      'user_mail_accounts_status_ck',
      sql`${t.status} IN ('active', 'degraded', 'needs_reauthorization', 'disconnected')`,
    ),
    check('user_mail_accounts_active_ck', sql`${t.isActive} = (${t.status} <> 'disconnected')`),
  ],
)

export const oauthTokens = pgTable(
  'oauth_tokens',
  {
    oauthTokenId: uuid('oauth_token_id').primaryKey().default(uuidV7),
    userMailAccountId: uuid('user_mail_account_id')
      .notNull()
      .unique()
      .references(() => userMailAccounts.userMailAccountId, { onDelete: 'cascade' }),
    /** Sealed envelopes, never a token; null once erased. */
    accessToken: text('access_token_txt'),
    refreshToken: text('refresh_token_txt'),
    expiresAt: utc('expires_at_utc'),
    refreshTokenExpiresAt: utc('refresh_token_expires_at_utc'),
    clientId: text('client_id_txt').notNull(),
    /** Raised by every write of the tokens: the fence of late answers. */
    version: integer('version_nbr').notNull().default(1),
    /** The row's only clock: ahead of expiry while healthy, the next attempt while failing, null where nothing is to be done. */
    refreshDueAt: utc('refresh_due_at_utc'),
    leaseId: uuid('lease_id'),
    leaseUntil: utc('lease_until_utc'),
    failureCount: integer('failure_cnt').notNull().default(0),
    lastErrorCode: text('last_error_cd'),
    lastRefreshedAt: utc('last_refreshed_at_utc'),
    /** The newest ten attempts, newest first: `[{ at, outcome, error }]`. */
    refreshHistory: jsonb('refresh_history_json').notNull().default([]),
    ...createdAndModified,
  },
  (t) => [
    index('oauth_tokens_due_ix').on(t.refreshDueAt).where(sql`${t.refreshDueAt} IS NOT NULL`),
    // Which sealing key a row needs: the second part of the envelope `gp1.<key id>.<body>`.
    index('oauth_tokens_sealing_key_ix').on(sql`(split_part(coalesce(${t.refreshToken}, ${t.accessToken}), '.', 2))`),
  ],
)

export const erasures = pgTable(
  'erasures',
  {
    erasureId: uuid('erasure_id').primaryKey().default(uuidV7),
    kind: text('kind_cd').notNull(),
    provider: text('provider_cd').notNull(),
    providerSubject: text('provider_subject_txt').notNull(),
    sealed: text('sealed_txt'),
    /** The coordinates the envelope was sealed under: column, row, user. */
    sealedAs: text('sealed_as_txt'),
    /** Raised whenever a further disconnect joins the row. */
    version: integer('version_nbr').notNull().default(1),
    dueAt: utc('due_at_utc').notNull(),
    attemptCount: integer('attempt_cnt').notNull().default(0),
    lastErrorCode: text('last_error_cd'),
    ...createdAndModified,
  },
  (t) => [
    unique('erasures_subject_uq').on(t.kind, t.provider, t.providerSubject),
    index('erasures_due_ix').on(t.dueAt),
    check('erasures_kind_ck', sql`${t.kind} IN ('grant', 'avatar')`),
  ],
)

export const providerStates = pgTable('provider_states', {
  provider: text('provider_cd').primaryKey(),
  /** Set while the circuit is open; once it has passed, one probe goes first. Null: closed. */
  openUntil: utc('open_until_utc'),
  configurationErrorCount: integer('configuration_error_cnt').notNull().default(0),
  windowStartedAt: utc('window_started_at_utc').notNull().defaultNow(),
  /** The project's mail quota: units reserved in each five seconds up to that moment, the newest first. */
  unitsWindowAt: utc('units_window_at_utc').notNull().defaultNow(),
  unitsUsed: integer('units_used_cnt').array().notNull().default(sql`'{}'`),
  ...createdAndModified,
})
