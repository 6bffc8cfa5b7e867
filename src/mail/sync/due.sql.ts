// The statement that claims mailboxes due for a sync.

import { sql } from 'drizzle-orm'
import { param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'
import { isSkipDue } from './lease.sql.ts'

/**
 * Claims what is due until `until`; of two runs at once each mailbox goes to exactly one. Mailboxes that nobody may be
 * asked for just now are put off by an hour, disconnected ones for good: connecting makes them due.
 * `isBackground` false: only walks that somebody asked for, and what they brought but for an answer.
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
      ) OR EXISTS (
        SELECT FROM mail_skips k WHERE k.user_mail_account_id = a.user_mail_account_id AND k.error_cd = 'later' AND ${isSkipDue}
      ))
    ORDER BY a.sync_due_at_utc LIMIT ${param('limit', 'int')}
    FOR UPDATE OF a SKIP LOCKED
  )
  UPDATE user_mail_accounts a SET sync_due_at_utc = CASE
      WHEN NOT a.is_active_flg THEN NULL
      WHEN a.status_cd IN ('active', 'degraded') AND ${param('scope', 'text')} = ANY(string_to_array(a.granted_scopes_txt, ' '))
        AND EXISTS (SELECT FROM users u WHERE u.user_id = a.user_id AND u.is_active_flg) THEN ${param('until', 'timestamptz')}
      ELSE now() + interval '1 hour'
    END
  -- By place: one plan, whatever the planner believes is due.
  WHERE a.ctid = ANY(ARRAY(SELECT place FROM due)) AND (a.sync_due_at_utc <= now()) IS TRUE
  RETURNING a.user_mail_account_id AS "id", coalesce(a.sync_due_at_utc = ${param('until', 'timestamptz')}, false) AS "isClaimed"`,
)
