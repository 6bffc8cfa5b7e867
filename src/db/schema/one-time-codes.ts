// Everything that may be used once: claimed OAuth flows, hand-off codes, waiting grants, waiting registrations, changes
// of address, resets.

import { sql } from 'drizzle-orm'
import { index, integer, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { createdAndModified, utc, uuidV7 } from './columns.ts'

export const oneTimeCodes = pgTable(
  'one_time_codes',
  {
    oneTimeCodeId: uuid('one_time_code_id').primaryKey().default(uuidV7),
    purpose: text('purpose_cd').notNull(),
    // No foreign keys: a waiting grant must outlive its user until purge has made an erasure of it.
    userId: uuid('user_id'),
    sessionId: uuid('session_id'),
    /** HMAC of the address a registration, change or reset is about. */
    subjectHash: text('subject_hash_txt'),
    provider: text('provider_cd'),
    providerSubject: text('provider_subject_txt'),
    avatarId: uuid('avatar_id'),
    /** Our own PKCE (S256) of a hand-off. */
    challenge: text('challenge_txt'),
    /** Null where the code is derived. */
    codeHash: text('code_hash_txt'),
    credentialVersion: integer('credential_version_nbr'),
    payloadSealed: text('payload_sealed_txt'),
    attemptCount: integer('attempt_cnt').notNull().default(0),
    consumedAt: utc('consumed_at_utc'),
    expiresAt: utc('expires_at_utc').notNull(),
    codeExpiresAt: utc('code_expires_at_utc'),
    ...createdAndModified,
  },
  (t) => [
    uniqueIndex('one_time_codes_code_uq').on(t.purpose, t.codeHash).where(sql`${t.codeHash} IS NOT NULL`),
    index('one_time_codes_expires_ix').on(t.expiresAt),
    // What waits for an address, newest first by its time-ordered id.
    index('one_time_codes_subject_ix')
      .on(t.purpose, t.subjectHash, t.oneTimeCodeId)
      .where(sql`${t.subjectHash} IS NOT NULL AND ${t.consumedAt} IS NULL`),
    index('one_time_codes_user_ix').on(t.userId, t.purpose).where(sql`${t.userId} IS NOT NULL`),
    index('one_time_codes_waiting_grant_ix')
      .on(t.provider, t.providerSubject)
      .where(sql`${t.payloadSealed} IS NOT NULL`),
  ],
)
