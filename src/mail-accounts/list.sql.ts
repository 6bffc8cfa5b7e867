// Statements that read mailboxes, for their owner or for a service key on behalf of one.

import { type SQL, sql } from 'drizzle-orm'
import { callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { inReach, ownerCte, type ReachParams, type ReachRow, reachColumns } from '../db/reach.ts'

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

const accountColumns: SQL = sql`
  a.user_mail_account_id AS "id", a.email_address_txt AS "email", a.provider_cd AS "provider", a.status_cd AS "status",
  a.granted_scopes_txt AS "grantedScopes", t.expires_at_utc AS "expiresAt", t.last_refreshed_at_utc AS "lastRefreshedAt",
  a.last_synced_at_utc AS "lastSyncedAt", a.created_at_utc AS "createdAt",
  t.refresh_token_expires_at_utc AS "refreshTokenExpiresAt", t.last_error_cd AS "lastError"`

export const listMailAccountRows = statement<
  ReachParams & { before: string | null; limit: number },
  ReachRow & (MailAccountRow | { readonly id: null })
>(
  'mail-account-list',
  sql`WITH ${callerCtes}, ${ownerCte('mail_accounts:read')}
  SELECT ${reachColumns('mail_accounts:read')}, ${accountColumns}
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
  ReachParams & { accountId: string },
  ReachRow & ((MailAccountRow & { readonly history: readonly RefreshAttempt[] }) | { readonly id: null })
>(
  'mail-account-read',
  sql`WITH ${callerCtes}, ${ownerCte('mail_accounts:read')}
  SELECT ${reachColumns('mail_accounts:read')}, ${accountColumns}, t.refresh_history_json AS "history"
  FROM caller
  LEFT JOIN owner ON true
  LEFT JOIN user_mail_accounts a ON a.user_id = owner.user_id AND a.user_mail_account_id = ${param('accountId', 'uuid')} AND ${inReach}
  LEFT JOIN oauth_tokens t ON t.user_mail_account_id = a.user_mail_account_id`,
)
