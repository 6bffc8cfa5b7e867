// What pages tell of mail on its way out beside its row (mail/send/outbox.sql.ts): when it is tried next, whether its
// conversation is here, and what of a person's own was not sent.

import { type SQL, sql } from 'drizzle-orm'
import { callerCtes, param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'
import { inReach, isShown, ownerCte, type ReachParams, type ReachRow, reachColumns } from '../../db/reach.ts'

export interface OutgoingOutlook {
  /** 0 where it is due, or has ended. */
  readonly dueInSeconds: number
  /** Something of the conversation that it stands in is synced, and may be shown. */
  readonly hasConversation: boolean
}

const longestSeconds = 86_400

export const readOutgoingOutlook = statement<
  ReachParams & { outboxId: string },
  ReachRow & ((OutgoingOutlook & { readonly id: string }) | { readonly id: null })
>(
  'outgoing-outlook',
  sql`WITH ${callerCtes}, ${ownerCte('emails:read')}
  SELECT ${reachColumns('emails:read')}, o.outbox_id AS "id",
    CASE WHEN o.status_cd IN ('sent', 'failed') THEN 0
      ELSE ceil(least(greatest(extract(epoch FROM o.due_at_utc - now()), 0), ${sql.raw(String(longestSeconds))})) END::int AS "dueInSeconds",
    EXISTS (
      SELECT FROM emails e JOIN user_mail_accounts a ON a.user_mail_account_id = e.user_mail_account_id
      WHERE e.user_mail_account_id = o.user_mail_account_id AND e.provider_thread_id_txt = o.provider_thread_id_txt
        AND a.user_id = owner.user_id AND ${inReach} AND ${isShown}
    ) AS "hasConversation"
  FROM caller
  LEFT JOIN owner ON true
  LEFT JOIN (outbox o JOIN user_mail_accounts a ON a.user_mail_account_id = o.user_mail_account_id)
    ON o.outbox_id = ${param('outboxId', 'uuid')} AND o.user_id = owner.user_id AND ${inReach}`,
)

export interface UnsentRow {
  /** A hundred at most. */
  readonly count: number
  /** The newest of them; times as text. */
  readonly newest: readonly { readonly id: string; readonly writtenAt: string }[]
}

/** As long as it is kept to be written anew. */
const unsentDays = 7
const unsentMost = 100
const unsentShown = 3

/** `unsent`, beside `owner`: of the last week what the person wrote, no key for them, and what was given up. One row. */
export const unsentCte: SQL = sql`
  unsent AS MATERIALIZED (
    SELECT jsonb_build_object('count', count(*), 'newest', coalesce(
      jsonb_agg(jsonb_build_object('id', o.outbox_id, 'writtenAt', o.created_at_utc) ORDER BY o.place)
        FILTER (WHERE o.place <= ${sql.raw(String(unsentShown))}), '[]')) AS told
    FROM (
      SELECT o.outbox_id, o.created_at_utc, row_number() OVER (ORDER BY o.created_at_utc DESC, o.outbox_id DESC) AS place
      FROM owner JOIN outbox o ON o.user_id = owner.user_id
      WHERE o.status_cd = 'failed' AND o.api_key_id IS NULL
        AND o.created_at_utc > now() - interval '${sql.raw(String(unsentDays))} days'
      ORDER BY place LIMIT ${sql.raw(String(unsentMost))}
    ) o
  )`
