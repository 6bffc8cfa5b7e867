// What a person wrote and what was given up (its rows: mail/send/outbox.sql.ts), told beside their lists.

import { type SQL, sql } from 'drizzle-orm'

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
