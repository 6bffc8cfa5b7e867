// Statements that a walk through a mailbox's list asks: what is here already, what the list did not show, and how far
// back what is here goes.

import { sql } from 'drizzle-orm'
import { param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'

export interface KnownRow {
  readonly id: string
  readonly isStored: boolean
  /** Met by the walk asked about. */
  readonly isMet: boolean
  /** Not answered for: it is asked for again when its time has come. */
  readonly isOwed: boolean
}

/** Of these messages, those that are stored and shown, owed, or skipped for good. One may be stored and owed. */
export const findKnown = statement<{ accountId: string; ids: readonly string[]; walkId: string | null }, KnownRow>(
  'sync-known',
  sql`SELECT e.provider_message_id_txt AS "id", true AS "isStored", coalesce(e.walk_id = ${param('walkId', 'uuid')}, false) AS "isMet", false AS "isOwed"
  FROM user_mail_accounts a JOIN emails e ON e.user_mail_account_id = a.user_mail_account_id
  WHERE a.user_mail_account_id = ${param('accountId', 'uuid')} AND e.provider_message_id_txt = ANY(${param('ids', 'text[]')})
    AND e.created_at_utc >= a.mail_since_utc
  UNION ALL
  SELECT k.provider_message_id_txt, false, false, k.error_cd = 'later' FROM mail_skips k
  WHERE k.user_mail_account_id = ${param('accountId', 'uuid')} AND k.provider_message_id_txt = ANY(${param('ids', 'text[]')}) AND k.error_cd <> 'unanswered'`,
)

/**
 * Stored messages that the walk has not met, in the order of their ids: among the next `scan` after `after`. One row with
 * no ids where all were met; `upTo` is how far it came, null where nothing follows.
 */
export const findUnmet = statement<
  { accountId: string; walkId: string | null; since: Date | null; after: string; scan: number },
  { readonly ids: readonly string[]; readonly upTo: string | null }
>(
  'sync-unmet',
  sql`WITH scanned AS MATERIALIZED (
    SELECT e.provider_message_id_txt AS id,
      e.created_at_utc >= a.mail_since_utc AND e.walk_id IS DISTINCT FROM ${param('walkId', 'uuid')}
        AND (${param('since', 'timestamptz')} IS NULL OR e.sent_at_utc >= ${param('since', 'timestamptz')}) AS is_unmet
    FROM user_mail_accounts a JOIN emails e ON e.user_mail_account_id = a.user_mail_account_id
    WHERE a.user_mail_account_id = ${param('accountId', 'uuid')} AND e.provider_message_id_txt > ${param('after', 'text')}
    ORDER BY e.provider_message_id_txt LIMIT ${param('scan', 'int')}
  )
  SELECT ARRAY(SELECT id FROM scanned WHERE is_unmet ORDER BY id) AS "ids",
    CASE WHEN (SELECT count(*) FROM scanned) = ${param('scan', 'int')} THEN (SELECT max(id) FROM scanned) END AS "upTo"`,
)

/** How far back a re-list goes: to the oldest message that is here, and at least to the last sync. And how many are here. */
export const findOldest = statement<
  { accountId: string },
  { readonly oldest: Date | null; readonly storedCount: number }
>(
  'sync-oldest',
  sql`SELECT least(min(e.sent_at_utc), a.last_synced_at_utc) AS "oldest", count(e.email_id)::int AS "storedCount"
  FROM user_mail_accounts a
  LEFT JOIN emails e ON e.user_mail_account_id = a.user_mail_account_id AND e.created_at_utc >= a.mail_since_utc
  WHERE a.user_mail_account_id = ${param('accountId', 'uuid')} GROUP BY a.user_mail_account_id`,
)
