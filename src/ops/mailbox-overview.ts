// Everybody's mailboxes, for admins: who has which, in what state, and since when.

import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { admitted } from './admin-gate.sql.ts'
import {
  listAllMailboxes,
  listMailboxesByStatus,
  listMailboxesOfUser,
  type MailboxStatus,
  type OverviewMailbox,
} from './mailbox-overview.sql.ts'

export const mailboxStatuses = [
  'active',
  'degraded',
  'needs_reauthorization',
  'disconnected',
] as const satisfies readonly MailboxStatus[]

export type MailboxFilter =
  | { readonly by: 'nothing' }
  | { readonly by: 'status'; readonly status: MailboxStatus }
  | { readonly by: 'owner'; readonly ownerId: string }

/** Newest first. Throws 401, 403 (audited). */
export async function listMailboxOverview(
  db: Db,
  claim: CallerClaim,
  filter: MailboxFilter,
  page: { before: string | null; limit: number },
  origin: RequestOrigin,
): Promise<OverviewMailbox[]> {
  const params = { ...callerParams(claim), ...page, ...origin }
  const rows = await (() => {
    switch (filter.by) {
      case 'nothing':
        return db.all(listAllMailboxes, params)
      case 'status':
        return db.all(listMailboxesByStatus, { ...params, status: filter.status })
      case 'owner':
        return db.all(listMailboxesOfUser, { ...params, ownerId: filter.ownerId })
    }
  })()
  admitted(rows[0] ?? null)
  return rows.filter((row): row is typeof row & OverviewMailbox => row.id !== null)
}
