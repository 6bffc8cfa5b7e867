// Statements that read mailboxes, for their owner or for a service key on behalf of one.

import { type SQL, sql } from 'drizzle-orm'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'

export interface MailAccountRow {
  readonly id: string
  readonly email: string
  readonly provider: string
  readonly status: 'active' | 'degraded' | 'needs_reauthorization' | 'disconnected'
  /** Separated by spaces. */
  readonly grantedScopes: string
  readonly expiresAt: Date | null
  readonly lastRefreshedAt: Date | null
  readonly lastSyncedAt: Date | null
  readonly createdAt: Date
  readonly refreshTokenExpiresAt: Date | null
  readonly lastError: string | null
}

export interface RefreshAttempt {
  readonly at: string
  readonly outcome: 'refreshed' | 'dead' | 'retry' | 'misconfigured'
  readonly error: string | null
}

/** Who asked, beside what was found. */
export interface ReaderRow {
  readonly isKey: boolean
  readonly isPermitted: boolean
  readonly keyUserId: string | null
  /** Whose mailboxes these are; null where that person is unknown, disabled, or out of the key's reach. */
  readonly ownerId: string | null
}

export interface ReaderParams extends CallerParams {
  readonly forUserId: string | null
}

/**
 * `owner`: the person whose mailboxes may be read: the caller, or for a key with the permission the one it names or was
 * asked for. Somebody disabled, deleted or out of reach is no row.
 */
const ownerCte: SQL = sql`
  owner AS (
    SELECT u.user_id FROM caller
    JOIN users u ON u.user_id = coalesce(${param('forUserId', 'uuid')}, caller.user_id)
    WHERE u.is_active_flg
      AND (caller.user_id IS NULL OR caller.user_id = u.user_id)
      AND (caller.api_key_id IS NULL OR 'mail_accounts:read' = ANY(caller.permissions))
  )`

const readerColumns: SQL = sql`
  caller.api_key_id IS NOT NULL AS "isKey",
  (caller.api_key_id IS NULL OR 'mail_accounts:read' = ANY(caller.permissions)) AS "isPermitted",
  caller.user_id AS "keyUserId", owner.user_id AS "ownerId"`

const accountColumns: SQL = sql`
  a.user_mail_account_id AS "id", a.email_address_txt AS "email", a.provider_cd AS "provider", a.status_cd AS "status",
  a.granted_scopes_txt AS "grantedScopes", t.expires_at_utc AS "expiresAt", t.last_refreshed_at_utc AS "lastRefreshedAt",
  a.last_synced_at_utc AS "lastSyncedAt", a.created_at_utc AS "createdAt",
  t.refresh_token_expires_at_utc AS "refreshTokenExpiresAt", t.last_error_cd AS "lastError"`

const inReach: SQL = sql`(caller.mail_account_ids IS NULL OR a.user_mail_account_id = ANY(caller.mail_account_ids))`

export const listMailAccountRows = statement<
  ReaderParams & { before: string | null; limit: number },
  ReaderRow & (MailAccountRow | { readonly id: null })
>(
  'mail-account-list',
  sql`WITH ${callerCtes}, ${ownerCte}
  SELECT ${readerColumns}, ${accountColumns}
  FROM caller
  LEFT JOIN owner ON true
  LEFT JOIN LATERAL (
    SELECT a.* FROM user_mail_accounts a
    WHERE a.user_id = owner.user_id AND ${inReach}
      AND a.user_mail_account_id < coalesce(${param('before', 'uuid')}, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY a.user_mail_account_id DESC LIMIT ${param('limit', 'int')}
  ) a ON true
  LEFT JOIN oauth_tokens t ON t.user_mail_account_id = a.user_mail_account_id
  ORDER BY a.user_mail_account_id DESC`,
)

export const readMailAccountRow = statement<
  ReaderParams & { accountId: string },
  ReaderRow & ((MailAccountRow & { readonly history: readonly RefreshAttempt[] }) | { readonly id: null })
>(
  'mail-account-read',
  sql`WITH ${callerCtes}, ${ownerCte}
  SELECT ${readerColumns}, ${accountColumns}, t.refresh_history_json AS "history"
  FROM caller
  LEFT JOIN owner ON true
  LEFT JOIN user_mail_accounts a ON a.user_id = owner.user_id AND a.user_mail_account_id = ${param('accountId', 'uuid')} AND ${inReach}
  LEFT JOIN oauth_tokens t ON t.user_mail_account_id = a.user_mail_account_id`,
)
