// The three trips of a callback: claim the flow, look, write. The write does everything or nothing: each CTE takes its
// rows from `person`, which is empty where a precondition of the decision no longer holds.

import { sql } from 'drizzle-orm'
import { isAdminByAddress } from '../auth/admin-emails.sql.ts'
import { endReplaced, type NewSessionParams, type ReplacedSessionParams, sessionCtes } from '../auth/new-session.sql.ts'
import { isPresent } from '../auth/presence.sql.ts'
import { endRegistrationsCtes } from '../auth/waiting-registrations.sql.ts'
import { type AuditParams, auditRow, auditRows } from '../db/audit.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { eraseRefused, type RefusedGrantParams } from './refuse-grant.sql.ts'

/** Of any number of replays exactly one gets a row. Kept an hour longer than the flow can live. */
export const claimFlow = statement<{ claimId: string; flowId: string; provider: string }, { readonly id: string }>(
  'oauth-claim',
  sql`INSERT INTO one_time_codes (one_time_code_id, purpose_cd, code_hash_txt, provider_cd, consumed_at_utc, expires_at_utc)
  VALUES (${param('claimId', 'uuid')}, 'flow', ${param('flowId', 'text')}, ${param('provider', 'text')}, now(), now() + interval '70 minutes')
  ON CONFLICT (purpose_cd, code_hash_txt) WHERE code_hash_txt IS NOT NULL DO NOTHING
  RETURNING one_time_code_id AS "id"`,
)

/** How the person of the write is found: made, linked under the look's row version, taken as is, or the caller. */
export type PersonMode = 'new_user' | 'link' | 'existing' | 'caller'

export interface PersonParams {
  readonly mode: PersonMode
  readonly userId: string
  readonly rowVersion: string | null
  /** The version that was checked; the session lives only while it stands. */
  readonly credentialVersion: number
  readonly email: string
  readonly emailProof: 'google' | 'trusted' | null
  readonly fullName: string | null
  readonly adminEmails: readonly string[]
  readonly provider: string
  readonly subject: string
  readonly identityEmail: string | null
  readonly addsIdentity: boolean
}

export interface MailboxParams {
  /** Null: no mailbox is stored. */
  readonly accountId: string | null
  readonly isNewAccount: boolean
  /** The token row's version at the look; null where there is none. */
  readonly seenVersion: number | null
  /** True where the stored refresh token goes on: a refresh under way may still bring its only successor. */
  readonly keepsRefreshToken: boolean
  readonly accountEmail: string | null
  readonly accountStatus: 'active' | 'degraded' | null
  readonly scopes: string | null
  /** Sealed. */
  readonly accessToken: string | null
  /** Sealed; null keeps the stored one, or leaves none (`keepsRefreshToken`). */
  readonly refreshToken: string | null
  readonly tokenExpiresAt: Date | null
  readonly refreshTokenExpiresAt: Date | null
  readonly refreshDueAt: Date | null
  readonly clientId: string | null
}

export interface HandOffParams {
  readonly handOffId: string | null
  readonly handOffHash: string | null
  readonly handOffChallenge: string | null
}

export interface EndingParams extends ReplacedSessionParams {
  /** The waiting grant that this write stores. */
  readonly waitingId: string | null
}

export interface ProofParams {
  /** Keyed hash of the address, where this write proves it for its user: registrations that wait for it end. */
  readonly provenHash: string | null
}

export type WriteParams = CallerParams &
  PersonParams &
  ProofParams &
  MailboxParams &
  NewSessionParams &
  HandOffParams &
  EndingParams &
  RefusedGrantParams &
  AuditParams

const isAdmin = isAdminByAddress('u')

export interface WrittenRow {
  readonly userId: string
  /** Of a mailbox that was there before. */
  readonly accountCreatedAt: Date | null
  readonly lastSyncedAt: Date | null
  readonly lastRefreshedAt: Date | null
  readonly keptEmail: string | null
  /** The person's identity with this subject, new or known; null where a mailbox is no way to sign in. */
  readonly identityId: string | null
  readonly identityCreatedAt: Date | null
}

/** One row, or none where a precondition no longer holds; 23505, 23503 and 40P01 mean the same: look and decide again. */
export const writeCompletion = statement<WriteParams, WrittenRow>(
  'oauth-write',
  sql`WITH ${callerCtes},
  tokens_held AS MATERIALIZED (
    -- Locked before anything is written: a refresh or disconnect under way ends first, and moves the version.
    SELECT t.version_nbr FROM oauth_tokens t
    WHERE t.user_mail_account_id = ${param('accountId', 'uuid')} AND NOT ${param('isNewAccount', 'boolean')}
    FOR UPDATE OF t
  ),
  waiting_held AS MATERIALIZED (
    SELECT c.one_time_code_id FROM one_time_codes c
    WHERE c.one_time_code_id = ${param('waitingId', 'uuid')} AND c.payload_sealed_txt IS NOT NULL
    FOR UPDATE OF c
  ),
  ready AS MATERIALIZED (
    SELECT 1 WHERE (${param('seenVersion', 'int')} IS NULL OR EXISTS (SELECT FROM tokens_held WHERE version_nbr = ${param('seenVersion', 'int')}))
      AND (${param('waitingId', 'uuid')} IS NULL OR EXISTS (SELECT FROM waiting_held))
  ),
  created AS (
    INSERT INTO users (user_id, email_address_txt, full_name_txt, email_verified_at_utc, email_proof_cd, role_cd)
    SELECT ${param('userId', 'uuid')}, ${param('email', 'text')}, ${param('fullName', 'text')},
      CASE WHEN ${param('emailProof', 'text')} IS NOT NULL THEN now() END, ${param('emailProof', 'text')},
      CASE WHEN ${param('emailProof', 'text')} = 'google' AND ${param('email', 'text')} = ANY(${param('adminEmails', 'text[]')}) THEN 'admin' ELSE 'user' END
    FROM ready WHERE ${param('mode', 'text')} = 'new_user'
    RETURNING user_id, role_cd
  ),
  held AS (
    UPDATE users u SET modified_at_utc = now(), role_cd = CASE WHEN ${isAdmin} THEN 'admin' ELSE u.role_cd END
    FROM ready
    WHERE u.user_id = ${param('userId', 'uuid')} AND u.is_active_flg AND (
      -- Whoever linked to this row since the look has changed it: then this link does not happen (write skew).
      (${param('mode', 'text')} = 'link' AND u.xmin::text = ${param('rowVersion', 'text')})
      OR (${param('mode', 'text')} = 'existing' AND u.role_cd <> 'admin' AND ${isAdmin})
    )
    RETURNING u.user_id, u.role_cd
  ),
  promoted AS (
    -- The statement's own snapshot still shows the role from before.
    SELECT created.user_id FROM created WHERE created.role_cd = 'admin'
    UNION ALL SELECT held.user_id FROM held JOIN users u ON u.user_id = held.user_id WHERE held.role_cd = 'admin' AND u.role_cd <> 'admin'
  ),
  person AS MATERIALIZED (
    SELECT user_id FROM created
    UNION SELECT user_id FROM held
    UNION SELECT u.user_id FROM users u, ready
      WHERE ${param('mode', 'text')} = 'existing' AND u.user_id = ${param('userId', 'uuid')} AND u.is_active_flg
    UNION SELECT caller.user_id FROM caller, ready
      WHERE ${param('mode', 'text')} = 'caller' AND caller.user_id = ${param('userId', 'uuid')} AND caller.api_key_id IS NULL
        AND (NOT ${param('addsIdentity', 'boolean')} OR ${isPresent('caller')})
  ),
  identity_added AS (
    INSERT INTO user_identities (user_id, provider_cd, provider_subject_txt, email_address_txt, user_identity_id)
    SELECT person.user_id, ${param('provider', 'text')}, ${param('subject', 'text')}, ${param('identityEmail', 'text')}, gatepost_uuid_v7()
    FROM person WHERE ${param('addsIdentity', 'boolean')}
    RETURNING user_identity_id, created_at_utc
  ),
  identity_moved AS (
    -- An address that changes at the provider changes on the identity, not on the user.
    UPDATE user_identities i SET email_address_txt = ${param('identityEmail', 'text')}, modified_at_utc = now()
    FROM person
    WHERE NOT ${param('addsIdentity', 'boolean')} AND i.user_id = person.user_id AND i.provider_cd = ${param('provider', 'text')}
      AND i.provider_subject_txt = ${param('subject', 'text')} AND i.email_address_txt IS DISTINCT FROM ${param('identityEmail', 'text')}
  ),
  account_added AS (
    INSERT INTO user_mail_accounts (user_mail_account_id, user_id, email_address_txt, provider_cd, provider_subject_txt, status_cd, granted_scopes_txt)
    SELECT ${param('accountId', 'uuid')}, person.user_id, ${param('accountEmail', 'text')}, ${param('provider', 'text')}, ${param('subject', 'text')},
           ${param('accountStatus', 'text')}, ${param('scopes', 'text')}
    FROM person WHERE ${param('accountId', 'uuid')} IS NOT NULL AND ${param('isNewAccount', 'boolean')}
  ),
  tokens_added AS (
    INSERT INTO oauth_tokens (user_mail_account_id, access_token_txt, refresh_token_txt, expires_at_utc, refresh_token_expires_at_utc, refresh_due_at_utc, client_id_txt)
    SELECT ${param('accountId', 'uuid')}, ${param('accessToken', 'text')}, ${param('refreshToken', 'text')}, ${param('tokenExpiresAt', 'timestamptz')},
           ${param('refreshTokenExpiresAt', 'timestamptz')}, ${param('refreshDueAt', 'timestamptz')}, ${param('clientId', 'text')}
    FROM person WHERE ${param('accountId', 'uuid')} IS NOT NULL AND ${param('seenVersion', 'int')} IS NULL
  ),
  tokens_replaced AS (
    UPDATE oauth_tokens t SET access_token_txt = ${param('accessToken', 'text')},
      refresh_token_txt = CASE WHEN kept.is_kept THEN t.refresh_token_txt ELSE ${param('refreshToken', 'text')} END,
      expires_at_utc = ${param('tokenExpiresAt', 'timestamptz')},
      refresh_token_expires_at_utc = CASE WHEN kept.is_kept THEN t.refresh_token_expires_at_utc ELSE ${param('refreshTokenExpiresAt', 'timestamptz')} END,
      refresh_due_at_utc = ${param('refreshDueAt', 'timestamptz')}, client_id_txt = ${param('clientId', 'text')},
      -- Where the stored refresh token goes on, a refresh under way does too: its answer may hold the only successor.
      lease_id = CASE WHEN kept.is_kept THEN t.lease_id END, lease_until_utc = CASE WHEN kept.is_kept THEN t.lease_until_utc END,
      version_nbr = t.version_nbr + CASE WHEN kept.is_kept THEN 0 ELSE 1 END,
      failure_cnt = 0, last_error_cd = NULL, modified_at_utc = now()
    FROM person, (SELECT ${param('keepsRefreshToken', 'boolean')} AS is_kept) kept
    WHERE t.user_mail_account_id = ${param('accountId', 'uuid')} AND ${param('seenVersion', 'int')} IS NOT NULL
    RETURNING t.last_refreshed_at_utc
  ),
  account_replaced AS (
    UPDATE user_mail_accounts a SET email_address_txt = coalesce(nullif(${param('accountEmail', 'text')}, ''), a.email_address_txt),
      is_active_flg = true, status_cd = ${param('accountStatus', 'text')},
      status_changed_at_utc = CASE WHEN a.status_cd = ${param('accountStatus', 'text')} THEN a.status_changed_at_utc ELSE now() END,
      granted_scopes_txt = ${param('scopes', 'text')}, keep_mail_flg = false, sync_due_at_utc = now(),
      -- Mail that was let go of stays hidden, however soon its mailbox comes back.
      mail_since_utc = CASE WHEN a.mail_since_utc = 'infinity' THEN now() ELSE a.mail_since_utc END, modified_at_utc = now()
    FROM person WHERE a.user_mail_account_id = ${param('accountId', 'uuid')} AND NOT ${param('isNewAccount', 'boolean')} AND a.user_id = person.user_id
    RETURNING a.created_at_utc, a.last_synced_at_utc, a.email_address_txt
  ),
  circuit_closed AS (
    -- The provider took our client's word for this code: any success resets the count.
    UPDATE provider_states p SET open_until_utc = NULL, configuration_error_cnt = 0, modified_at_utc = now()
    FROM person
    WHERE p.provider_cd = ${param('provider', 'text')} AND (p.open_until_utc IS NOT NULL OR p.configuration_error_cnt > 0)
  ),
  revocation_cancelled AS (
    -- The person's grant lives again: revoking the old one would end this one too.
    DELETE FROM erasures e USING person
    WHERE ${param('accountId', 'uuid')} IS NOT NULL AND e.kind_cd = 'grant' AND e.provider_cd = ${param('provider', 'text')} AND e.provider_subject_txt = ${param('subject', 'text')}
  ),
  refused AS (${eraseRefused(sql`${param('accountId', 'uuid')} IS NULL AND EXISTS (SELECT FROM person)`)}),
  ${endRegistrationsCtes(sql`SELECT ${param('provenHash', 'text')} FROM person`)},
  ${sessionCtes(sql`SELECT person.user_id, ${param('credentialVersion', 'int')} FROM person`)},
  handed_off AS (
    INSERT INTO one_time_codes (one_time_code_id, purpose_cd, user_id, provider_cd, provider_subject_txt, challenge_txt, code_hash_txt, credential_version_nbr, expires_at_utc)
    SELECT ${param('handOffId', 'uuid')}, 'hand_off', person.user_id, ${param('provider', 'text')}, ${param('subject', 'text')}, ${param('handOffChallenge', 'text')},
           ${param('handOffHash', 'text')}, ${param('credentialVersion', 'int')}, now() + interval '60 seconds'
    FROM person WHERE ${param('handOffId', 'uuid')} IS NOT NULL
  ),
  replaced AS (${endReplaced('person')}),
  waiting_stored AS (
    UPDATE one_time_codes c SET payload_sealed_txt = NULL, modified_at_utc = now()
    FROM person WHERE c.one_time_code_id = ${param('waitingId', 'uuid')}
  ),
  audited AS (${auditRows(sql`EXISTS (SELECT FROM person)`)}),
  promotion_audited AS (${auditRow('user.promoted', 'success', sql`SELECT promoted.user_id, promoted.user_id::text, '{"by": "setting"}'::jsonb FROM promoted`)})
  SELECT person.user_id AS "userId", account_replaced.created_at_utc AS "accountCreatedAt", account_replaced.last_synced_at_utc AS "lastSyncedAt",
    account_replaced.email_address_txt AS "keptEmail", tokens_replaced.last_refreshed_at_utc AS "lastRefreshedAt",
    coalesce(identity_added.user_identity_id, i.user_identity_id) AS "identityId", coalesce(identity_added.created_at_utc, i.created_at_utc) AS "identityCreatedAt"
  FROM person LEFT JOIN account_replaced ON true LEFT JOIN tokens_replaced ON true LEFT JOIN identity_added ON true
  LEFT JOIN user_identities i ON i.provider_cd = ${param('provider', 'text')} AND i.provider_subject_txt = ${param('subject', 'text')} AND i.user_id = person.user_id`,
)

/** A grant begun with Bearer waits, sealed, until its session shows the hand-off code. */
export const writeWaitingGrant = statement<
  HandOffParams & { userId: string; sessionId: string; provider: string; subject: string; payload: string },
  { readonly id: string }
>(
  'oauth-wait',
  sql`INSERT INTO one_time_codes (one_time_code_id, purpose_cd, user_id, session_id, provider_cd, provider_subject_txt, challenge_txt, code_hash_txt, payload_sealed_txt, expires_at_utc)
  VALUES (${param('handOffId', 'uuid')}, 'connect_hand_off', ${param('userId', 'uuid')}, ${param('sessionId', 'uuid')}, ${param('provider', 'text')}, ${param('subject', 'text')},
          ${param('handOffChallenge', 'text')}, ${param('handOffHash', 'text')}, ${param('payload', 'text')}, now() + interval '60 seconds')
  RETURNING one_time_code_id AS "id"`,
)
