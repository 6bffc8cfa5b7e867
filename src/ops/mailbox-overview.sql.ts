// Everybody's mailboxes as admins see them: address, owner, state, times. No scope, no history, never an envelope.

import { type SQL, sql } from 'drizzle-orm'
import { isAdmin, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { type AdminParams, type AdminRow, adminCtes } from './admin-gate.sql.ts'

export type MailboxStatus = 'active' | 'degraded' | 'needs_reauthorization' | 'disconnected'

export interface OverviewMailbox {
  readonly id: string
  readonly email: string
  readonly provider: string
  readonly status: MailboxStatus
  readonly statusSince: Date
  readonly ownerId: string
  readonly ownerEmail: string
  readonly isOwnerActive: boolean
  readonly createdAt: Date
  readonly lastRefreshedAt: Date | null
  readonly dueAt: Date | null
  readonly failureCount: number
  readonly lastError: string | null
}

type OverviewRow = AdminRow & (OverviewMailbox | { readonly id: null })

interface OverviewParams extends AdminParams {
  readonly before: string | null
  readonly limit: number
}

// One statement a filter: with an optional one, a plan made once could not use the index that fits.
const overview = (condition: SQL): SQL => sql`WITH ${adminCtes('mailbox.list')}
  SELECT ${isAdmin} AS "isAdmin",
    a.user_mail_account_id AS "id", a.email_address_txt AS "email", a.provider_cd AS "provider", a.status_cd AS "status",
    a.status_changed_at_utc AS "statusSince", a.user_id AS "ownerId", u.email_address_txt AS "ownerEmail",
    u.is_active_flg AS "isOwnerActive", a.created_at_utc AS "createdAt", t.last_refreshed_at_utc AS "lastRefreshedAt",
    t.refresh_due_at_utc AS "dueAt", coalesce(t.failure_cnt, 0) AS "failureCount", t.last_error_cd AS "lastError"
  FROM caller
  LEFT JOIN LATERAL (
    SELECT a.* FROM user_mail_accounts a
    WHERE ${isAdmin} AND a.user_id IS NOT NULL AND ${condition}
      AND a.user_mail_account_id < coalesce(${param('before', 'uuid')}, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY a.user_mail_account_id DESC LIMIT ${param('limit', 'int')}
  ) a ON true
  LEFT JOIN users u ON u.user_id = a.user_id
  LEFT JOIN oauth_tokens t ON t.user_mail_account_id = a.user_mail_account_id
  ORDER BY a.user_mail_account_id DESC`

export const listAllMailboxes = statement<OverviewParams, OverviewRow>('mailbox-overview', overview(sql`true`))

export const listMailboxesByStatus = statement<OverviewParams & { status: MailboxStatus }, OverviewRow>(
  'mailbox-overview-status',
  overview(sql`a.status_cd = ${param('status', 'text')}`),
)

export const listMailboxesOfUser = statement<OverviewParams & { ownerId: string }, OverviewRow>(
  'mailbox-overview-user',
  overview(sql`a.user_id = ${param('ownerId', 'uuid')}`),
)
