// People and the ways they prove who they are. Only people who proved something have a row here.

import { sql } from 'drizzle-orm'
import { boolean, check, index, integer, pgTable, text, unique, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { createdAndModified, utc, uuidV7 } from './columns.ts'

export const users = pgTable(
  'users',
  {
    userId: uuid('user_id').primaryKey().default(uuidV7),
    /** Unique among verified ones only; every look-up by address sees only those. */
    emailAddress: text('email_address_txt').notNull(),
    username: text('username_txt').unique(),
    fullName: text('full_name_txt'),
    passwordHash: text('password_hash_txt'),
    /** A session lives only while its copy equals this one. */
    credentialVersion: integer('credential_version_nbr').notNull().default(1),
    emailVerifiedAt: utc('email_verified_at_utc'),
    emailProof: text('email_proof_cd'),
    role: text('role_cd').notNull().default('user'),
    isActive: boolean('is_active_flg').notNull().default(true),
    /** Of the picture in R2, and its unguessable public name. */
    avatarId: uuid('avatar_id'),
    ...createdAndModified,
  },
  (t) => [
    uniqueIndex('users_verified_email_uq').on(t.emailAddress).where(sql`${t.emailVerifiedAt} IS NOT NULL`),
    // The few that are administrators or disabled: who must stay, and what is counted.
    index('users_exceptional_ix').on(t.role, t.isActive).where(sql`${t.role} <> 'user' OR NOT ${t.isActive}`),
    check('users_role_ck', sql`${t.role} IN ('user', 'admin')`),
    check('users_email_proof_ck', sql`${t.emailProof} IN ('letter', 'google', 'trusted')`),
    check('users_email_proven_ck', sql`(${t.emailProof} IS NULL) = (${t.emailVerifiedAt} IS NULL)`),
  ],
)

export const userIdentities = pgTable(
  'user_identities',
  {
    userIdentityId: uuid('user_identity_id').primaryKey().default(uuidV7),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.userId, { onDelete: 'cascade' }),
    provider: text('provider_cd').notNull(),
    providerSubject: text('provider_subject_txt').notNull(),
    /** The address at the provider; it changes here, never on the user. */
    emailAddress: text('email_address_txt'),
    ...createdAndModified,
  },
  (t) => [
    unique('user_identities_subject_uq').on(t.provider, t.providerSubject),
    index('user_identities_user_ix').on(t.userId),
  ],
)
