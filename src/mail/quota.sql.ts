// The provider's quota, counted in PostgreSQL as a leaky bucket each for a mailbox and for the whole project: units that
// are reserved fill it, time drains it, and nothing is granted that it cannot hold. So no sixty seconds, wherever they
// begin, see more than the limit (quota.ts has the figures). Reserved before they are spent, in the statement that takes a
// lease or stores a page; what was not spent is given back by the next one.

import { type SQL, sql } from 'drizzle-orm'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'

export interface UnitParams {
  readonly unitsWanted: number
  /** With fewer than these nothing is granted; where no bucket is so large, all it holds will do. */
  readonly unitsLeast: number
  /** Units the bucket holds, as far as this kind of work may fill it, and how many thousandths of one drain a second. */
  readonly mailboxRoom: number
  readonly mailboxDrain: number
  readonly projectRoom: number
  readonly projectDrain: number
}

const mailbox = { room: param('mailboxRoom', 'int'), drain: sql`(${param('mailboxDrain', 'int')} / 1000.0::float8)` }
const project = { room: param('projectRoom', 'int'), drain: sql`(${param('projectDrain', 'int')} / 1000.0::float8)` }

/**
 * Beside a row of `mail_syncs` or `provider_states` called `row`, or a row of nulls: a LATERAL of `debt`, what its bucket
 * holds now.
 */
const debtOf = (row: string, drain: SQL): SQL => {
  const r = sql.raw(row)
  return sql`LATERAL (
    SELECT coalesce(greatest(0, ceil(${r}.units_used_cnt - ${drain} * greatest(0, extract(epoch FROM now() - ${r}.units_window_at_utc)::float))), 0)::int AS debt
  )`
}
export const mailboxDebt = (row: string): SQL => debtOf(row, mailbox.drain)
export const projectDebt = (row: string): SQL => debtOf(row, project.drain)

export interface GivenBack {
  /** Reserved and not spent; below nothing: spent beyond what was reserved. */
  readonly units: SQL
  /** Seconds since they were reserved: so long they have drained already. */
  readonly age: SQL
}

const nothingBack: GivenBack = { units: sql`0`, age: sql`0` }
const returned = ({ units, age }: GivenBack, drain: SQL): SQL =>
  sql`CASE WHEN ${units} <= 0 THEN ${units} ELSE greatest(0, floor(${units} - ${drain} * ${age}))::int END`

/** Beside `box` and `project` (`mailboxDebt`, `projectDebt`): a LATERAL of `granted` units, and of `wait` seconds where there are none. */
export const grantOf = (back: GivenBack = nothingBack): SQL => sql`LATERAL (
    SELECT CASE WHEN free.units >= free.least THEN greatest(0, least(${param('unitsWanted', 'int')}, free.units)) ELSE 0 END AS granted,
      CASE WHEN free.units >= free.least THEN 0
        ELSE greatest(1, ceil(greatest((free.least - free.of_box) / ${mailbox.drain}, (free.least - free.of_project) / ${project.drain})))::int END AS wait
    FROM (
      SELECT least(n.of_box, n.of_project) AS units, n.of_box, n.of_project,
        least(${param('unitsLeast', 'int')}, ${mailbox.room}, ${project.room}) AS least
      FROM (
        SELECT ${mailbox.room} - box.debt + ${returned(back, mailbox.drain)} AS of_box, ${project.room} - project.debt + ${returned(back, project.drain)} AS of_project
      ) n
    ) free
  )`

/** The mailbox's debt after `spent` more, and what comes back; beside `box`. */
export const debtAfter = (debt: SQL, spent: SQL, back: GivenBack = nothingBack): SQL =>
  sql`greatest(0, ${debt} + ${spent} - ${returned(back, mailbox.drain)})`

/**
 * `INSERT` that counts `spent` units, and what comes back, on the project's row, from a CTE `source` with `provider_cd`.
 * Many mailboxes share that row, so it is locked last, and only until the statement ends.
 */
export const countProjectUnits = (source: SQL, spent: SQL, back: GivenBack = nothingBack): SQL => {
  const net = sql`(${spent} - ${returned(back, project.drain)})`
  return sql`
    INSERT INTO provider_states (provider_cd, units_window_at_utc, units_used_cnt)
    SELECT ${source}.provider_cd, now(), greatest(0, ${net}) FROM ${source} WHERE ${net} <> 0
    ON CONFLICT (provider_cd) DO UPDATE SET (units_window_at_utc, units_used_cnt) = (
      SELECT greatest(now(), provider_states.units_window_at_utc), greatest(0, q.debt + (SELECT ${net} FROM ${source}))
      FROM (SELECT) AS one CROSS JOIN ${projectDebt('provider_states')} q
    ), modified_at_utc = now()`
}

export type ReserveParams = UnitParams & {
  readonly accountId: string
  readonly provider: string
  /** What is counted where all of it is granted. */
  readonly unitsSpent: number
}

/** For single calls that hold no lease (an attachment, a message to send): all of `unitsWanted` or none. */
export const reserveUnitsRow = statement<ReserveParams, { readonly isGranted: boolean; readonly wait: number }>(
  'quota-reserve',
  sql`WITH looked AS MATERIALIZED (
    SELECT s.* FROM mail_syncs s WHERE s.user_mail_account_id = ${param('accountId', 'uuid')} FOR UPDATE
  ),
  judged AS MATERIALIZED (
    SELECT ${param('provider', 'text')} AS provider_cd, box.debt, CASE WHEN quota.granted > 0 THEN ${param('unitsSpent', 'int')} ELSE 0 END AS spent, quota.wait
    FROM (SELECT) AS one
    LEFT JOIN looked ON true
    LEFT JOIN provider_states p ON p.provider_cd = ${param('provider', 'text')}
    CROSS JOIN ${mailboxDebt('looked')} box
    CROSS JOIN ${projectDebt('p')} project
    CROSS JOIN ${grantOf()} quota
  ),
  reserved AS (
    INSERT INTO mail_syncs AS s (user_mail_account_id, units_window_at_utc, units_used_cnt)
    SELECT a.user_mail_account_id, now(), judged.debt + judged.spent
    FROM judged JOIN user_mail_accounts a ON a.user_mail_account_id = ${param('accountId', 'uuid')} WHERE judged.spent > 0
    ON CONFLICT (user_mail_account_id) DO UPDATE SET units_window_at_utc = greatest(s.units_window_at_utc, EXCLUDED.units_window_at_utc), units_used_cnt = EXCLUDED.units_used_cnt
    RETURNING s.user_mail_account_id
  ),
  counted AS (${countProjectUnits(sql`judged`, sql`(judged.spent * (SELECT count(*)::int FROM reserved))`)})
  SELECT spent > 0 AS "isGranted", wait AS "wait" FROM judged`,
)
