// The statement that claims mailboxes due for a sync.

import { sql } from 'drizzle-orm'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'

/**
 * Claims what is due until `until`; of two runs at once each mailbox goes to exactly one. Mailboxes that nobody may be
 * asked for just now are put off by an hour, disconnected ones for good: connecting makes them due.
 * `isBackground` false: only walks that somebody asked for.
 */
export const claimDueMailboxes = statement<
  { until: Date; limit: number; isBackground: boolean; scope: string },
  { readonly id: string; readonly isClaimed: boolean }
>(
  'sync-claim',
  sql`WITH due AS MATERIALIZED (
    SELECT a.ctid AS place FROM user_mail_accounts a
    WHERE a.sync_due_at_utc <= now()
      AND (${param('isBackground', 'boolean')} OR EXISTS (
        SELECT FROM mail_syncs s WHERE s.user_mail_account_id = a.user_mail_account_id AND s.walk_state_cd IN ('queued', 'running')
      ))
    ORDER BY a.sync_due_at_utc LIMIT ${param('limit', 'int')}
    FOR UPDATE OF a SKIP LOCKED
  )
  UPDATE user_mail_accounts a SET sync_due_at_utc = CASE
      WHEN NOT a.is_active_flg THEN NULL
      WHEN judged.may_sync THEN ${param('until', 'timestamptz')}
      ELSE now() + interval '1 hour'
    END
  FROM (
    SELECT o.ctid AS place, o.is_active_flg AND o.status_cd IN ('active', 'degraded') AND coalesce(u.is_active_flg, false)
        AND ${param('scope', 'text')} = ANY(string_to_array(o.granted_scopes_txt, ' ')) AS may_sync
    FROM user_mail_accounts o LEFT JOIN users u ON u.user_id = o.user_id
    -- By place: one plan, whatever the planner believes is due.
    WHERE o.ctid = ANY(ARRAY(SELECT place FROM due))
  ) judged
  WHERE a.ctid = judged.place AND (a.sync_due_at_utc <= now()) IS TRUE
  RETURNING a.user_mail_account_id AS "id", judged.may_sync AS "isClaimed"`,
)
