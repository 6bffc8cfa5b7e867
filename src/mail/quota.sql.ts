// The provider's quota, counted in PostgreSQL: units of a mailbox and of the whole project in a sliding minute (this
// minute's, and of the one before as much as still lies within sixty seconds). Reserved before they are spent, in the
// statement that takes a lease or stores a page; what was not spent is given back by the next one.

import { type SQL, sql } from 'drizzle-orm'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'

export interface UnitParams {
  readonly unitsWanted: number
  /** With fewer than these nothing is granted. */
  readonly unitsLeast: number
  /** Units a minute, as far as this kind of work may go. */
  readonly mailboxLimit: number
  readonly projectLimit: number
}

/**
 * Beside a row of `mail_syncs` or `provider_states` called `row`, or a row of nulls: a LATERAL of `window_at`, `used`,
 * `before` as of now, `age` in seconds, and `spent`, what counts of the last sixty seconds.
 */
export function quotaOf(row: string): SQL {
  const r = sql.raw(row)
  const at = sql`${r}.units_window_at_utc`
  return sql`LATERAL (
    SELECT w.*, (w.used + ceil(w.before * (1 - w.age / 60)))::int AS spent
    FROM (
      SELECT n.*, least(60, greatest(0, extract(epoch FROM now() - n.window_at)::float)) AS age
      FROM (
        SELECT CASE WHEN ${at} > now() - interval '1 minute' THEN ${at} WHEN ${at} > now() - interval '2 minutes' THEN ${at} + interval '1 minute' ELSE now() END AS window_at,
          CASE WHEN ${at} > now() - interval '1 minute' THEN ${r}.units_used_cnt ELSE 0 END AS used,
          CASE WHEN ${at} > now() - interval '1 minute' THEN ${r}.units_before_cnt WHEN ${at} > now() - interval '2 minutes' THEN ${r}.units_used_cnt ELSE 0 END AS before
      ) n
    ) w
  )`
}

/** Seconds until `least` units are free again in the quota called `q`. */
const waitOf = (q: SQL, limit: SQL): SQL => sql`(
  SELECT CASE
    WHEN ${q}.used <= room.units THEN greatest(0, 60 * (1 - (room.units - ${q}.used) / nullif(${q}.before, 0)::float) - ${q}.age)
    ELSE 60 - ${q}.age + 60 * (1 - room.units / ${q}.used::float) END
  FROM (SELECT greatest(0, ${limit} - ${param('unitsLeast', 'int')}) AS units) room)`

const limits = { mailbox: param('mailboxLimit', 'int'), project: param('projectLimit', 'int') }

/** Beside `box` and `project` (`quotaOf`): a LATERAL of `granted` units, and of `wait` seconds where there are none. `back`: what returns first. */
export const grantOf = (back: SQL): SQL => sql`LATERAL (
    SELECT CASE WHEN free.units >= ${param('unitsLeast', 'int')} THEN greatest(0, least(${param('unitsWanted', 'int')}, free.units)) ELSE 0 END AS granted,
      CASE WHEN free.units >= ${param('unitsLeast', 'int')} THEN 0
        ELSE least(120, greatest(1, ceil(greatest(coalesce(${waitOf(sql`box`, limits.mailbox)}, 1), coalesce(${waitOf(sql`project`, limits.project)}, 1)))))::int END AS wait
    FROM (SELECT least(${limits.mailbox} - box.spent, ${limits.project} - project.spent) + ${back} AS units) free
  )`

/**
 * `INSERT` that counts `net` units on the project's row, from a CTE `source` with `provider_cd`. Many mailboxes share that
 * row, so it is locked last, and only until the statement ends.
 */
export const countProjectUnits = (source: SQL, net: SQL): SQL => sql`
    INSERT INTO provider_states (provider_cd, units_window_at_utc, units_used_cnt)
    SELECT ${source}.provider_cd, now(), greatest(0, ${net}) FROM ${source} WHERE ${net} <> 0
    ON CONFLICT (provider_cd) DO UPDATE SET (units_window_at_utc, units_used_cnt, units_before_cnt) = (
      SELECT q.window_at, greatest(0, q.used + (SELECT ${net} FROM ${source})), q.before FROM (SELECT) AS one CROSS JOIN ${quotaOf('provider_states')} q
    ), modified_at_utc = now()`

export type ReserveParams = UnitParams & { readonly accountId: string; readonly provider: string }

/** For single calls that hold no lease (an attachment, a message to send): all of `unitsWanted` or none. */
export const reserveUnitsRow = statement<ReserveParams, { readonly granted: number; readonly wait: number }>(
  'quota-reserve',
  sql`WITH looked AS MATERIALIZED (
    SELECT s.* FROM mail_syncs s WHERE s.user_mail_account_id = ${param('accountId', 'uuid')} FOR UPDATE
  ),
  judged AS MATERIALIZED (
    SELECT ${param('provider', 'text')} AS provider_cd, box.window_at, box.used, box.before, quota.granted, quota.wait
    FROM (SELECT) AS one
    LEFT JOIN looked ON true
    LEFT JOIN provider_states p ON p.provider_cd = ${param('provider', 'text')}
    CROSS JOIN ${quotaOf('looked')} box
    CROSS JOIN ${quotaOf('p')} project
    CROSS JOIN ${grantOf(sql`0`)} quota
  ),
  reserved AS (
    INSERT INTO mail_syncs AS s (user_mail_account_id, units_window_at_utc, units_used_cnt, units_before_cnt)
    SELECT a.user_mail_account_id, judged.window_at, judged.used + judged.granted, judged.before
    FROM judged JOIN user_mail_accounts a ON a.user_mail_account_id = ${param('accountId', 'uuid')} WHERE judged.granted > 0
    ON CONFLICT (user_mail_account_id) DO UPDATE SET units_window_at_utc = EXCLUDED.units_window_at_utc,
      units_used_cnt = EXCLUDED.units_used_cnt, units_before_cnt = EXCLUDED.units_before_cnt
    RETURNING s.user_mail_account_id
  ),
  counted AS (${countProjectUnits(sql`judged`, sql`(judged.granted * (SELECT count(*)::int FROM reserved))`)})
  SELECT granted AS "granted", wait AS "wait" FROM judged`,
)
