// The provider's quota, counted in PostgreSQL for a mailbox and for the whole project: what was reserved in each five
// seconds of the last seventy, and nothing is granted that would make their sum more than the limit. So no sixty seconds,
// wherever they begin, see more than the limit, and all of it may be had at once. Reserved before it is spent, in the
// statement that takes a lease or stores a page; what was not spent is given back by the next one.

import { type SQL, sql } from 'drizzle-orm'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'

export interface UnitParams {
  readonly unitsWanted: number
  /** With fewer than these nothing is granted; where no minute has so many, all of a minute will do. */
  readonly unitsLeast: number
  /** Units a minute, as far as this kind of work may use them. */
  readonly mailboxRoom: number
  readonly projectRoom: number
}

export interface GivenBack {
  /** Reserved and not spent; below nothing: spent beyond what was reserved. */
  readonly units: SQL
  /** Seconds since they were reserved, at least. */
  readonly age: SQL
}

const mailboxRoom = param('mailboxRoom', 'int')
const projectRoom = param('projectRoom', 'int')

/** A slot is five seconds. Units are spent within five more (`holdSeconds`): any minute lies within fourteen of them. */
const slotLength = 5
const slotsKept = 14
/** What a minute may spend comes back within so long, so that no sixty seconds see more. */
export const minuteSeconds = slotLength * slotsKept

const slotSeconds = sql.raw(String(slotLength))
const slotCount = sql.raw(String(slotsKept))
const slotOf = (instant: SQL): SQL => sql`floor(extract(epoch FROM ${instant}) / ${slotSeconds})::bigint`
/** A clock that was further ahead has counted what nobody can wait for. */
const clockSlack = sql`interval '1 minute'`
const nothingBack: GivenBack = { units: sql`0`, age: sql`0` }

/**
 * Beside a row of `mail_syncs` or `provider_states` called `row`, or a row of nulls: a LATERAL of its `slots` now, the
 * newest first, and of their sum `used`, after `back`. What comes back leaves the oldest slots it may have been counted in.
 */
export const minuteOf = (row: string, back: GivenBack = nothingBack): SQL => {
  const r = sql.raw(row)
  return sql`LATERAL (
    SELECT array_agg(left_over.units ORDER BY left_over.i) AS slots, sum(left_over.units)::int AS used
    FROM (
      SELECT now_at.i, (now_at.units + CASE WHEN now_at.i = 1 THEN greatest(0, -${back.units}) ELSE 0 END
        - least(now_at.open, greatest(0, ${back.units} - (sum(now_at.open) OVER (ORDER BY now_at.i DESC) - now_at.open))))::int AS units
      FROM (
        SELECT i, u.units, CASE WHEN i <= ${slotOf(sql`now()`)} - ${slotOf(sql`now() - make_interval(secs => ${back.age})`)} + 2 THEN u.units ELSE 0 END AS open
        FROM generate_series(1, ${slotCount}) AS i
        CROSS JOIN LATERAL (
          SELECT coalesce(CASE WHEN ${r}.units_window_at_utc <= now() + ${clockSlack}
            THEN ${r}.units_used_cnt[i - greatest(0, ${slotOf(sql`now()`)} - ${slotOf(sql`${r}.units_window_at_utc`)})::int] END, 0) AS units
        ) u
      ) now_at
    ) left_over
  )`
}

/** When the newest slot of the row is, once it is counted: a clock that went back a little does not make the minute longer. */
export const windowAfter = (row: string): SQL => {
  const window = sql`${sql.raw(row)}.units_window_at_utc`
  return sql`CASE WHEN ${window} <= now() + ${clockSlack} THEN greatest(now(), ${window}) ELSE now() END`
}

/** `slots` with `spent` more in the newest. */
export const slotsAfter = (slots: SQL, spent: SQL): SQL => sql`(ARRAY[(${slots})[1] + ${spent}] || (${slots})[2:])`

/** Seconds until enough slots are too old to count for `short` units more, of the window called `window`. */
const secondsUntil = (window: string, short: SQL): SQL => sql`(
  SELECT coalesce(min((${slotOf(sql`now()`)} + 1 - w.i + ${slotCount}) * ${slotSeconds} - extract(epoch FROM now())), 0)
  FROM (
    SELECT s.i, sum(s.units) OVER (ORDER BY s.i DESC) AS freed FROM unnest(${sql.raw(window)}.slots) WITH ORDINALITY AS s(units, i)
  ) w
  WHERE w.freed >= ${short} AND ${short} > 0
)`

/** Beside `box` and `project`, windows of `minuteOf`: a LATERAL of `granted` units, and of `wait` seconds where there are none. */
export const grantOf: SQL = sql`LATERAL (
    SELECT CASE WHEN free.units >= free.least THEN greatest(0, least(${param('unitsWanted', 'int')}, free.units)) ELSE 0 END AS granted,
      CASE WHEN free.units >= free.least THEN 0
        ELSE greatest(1, ceil(greatest(${secondsUntil('box', sql`free.least - free.of_box`)}, ${secondsUntil('project', sql`free.least - free.of_project`)})))::int END AS wait
    FROM (
      SELECT least(n.of_box, n.of_project) AS units, n.of_box, n.of_project, least(${param('unitsLeast', 'int')}, ${mailboxRoom}, ${projectRoom}) AS least
      FROM (SELECT ${mailboxRoom} - box.used AS of_box, ${projectRoom} - project.used AS of_project) n
    ) free
  )`

/**
 * `INSERT` that counts `spent` units, and what comes back, on the project's row, from a CTE `source` with `provider_cd`.
 * Many mailboxes share that row, so it is locked last, and only until the statement ends.
 */
export const countProjectUnits = (source: SQL, spent: SQL, back: GivenBack = nothingBack): SQL => sql`
    INSERT INTO provider_states (provider_cd, units_window_at_utc, units_used_cnt)
    SELECT ${source}.provider_cd, now(), ARRAY[greatest(0, ${spent} - ${back.units})] FROM ${source} WHERE ${spent} <> 0 OR ${back.units} <> 0
    ON CONFLICT (provider_cd) DO UPDATE SET (units_window_at_utc, units_used_cnt) = (
      SELECT ${windowAfter('provider_states')}, ${slotsAfter(sql`minute.slots`, sql`(SELECT ${spent} FROM ${source})`)}
      FROM (SELECT) AS one CROSS JOIN ${minuteOf('provider_states', back)} minute
    ), modified_at_utc = now()`

/** Seconds until the provider wants to be asked again for the mailbox whose `mail_syncs` are called `row`; 0 where it may be. */
export const providerWait = (row: string): SQL =>
  sql`greatest(0, coalesce(ceil(extract(epoch FROM ${sql.raw(row)}.wait_until_utc - now())), 0))::int`

export type ReserveParams = UnitParams & { readonly accountId: string; readonly provider: string }

/**
 * For single calls that hold no lease (an attachment, a message to send): all of `unitsWanted` or none. Neither granted nor
 * to be waited for: ask again.
 */
export const reserveUnitsRow = statement<ReserveParams, { readonly isGranted: boolean; readonly wait: number }>(
  'quota-reserve',
  sql`WITH looked AS MATERIALIZED (
    SELECT s.* FROM mail_syncs s WHERE s.user_mail_account_id = ${param('accountId', 'uuid')} FOR UPDATE
  ),
  judged AS MATERIALIZED (
    SELECT ${param('provider', 'text')} AS provider_cd, box.slots,
      CASE WHEN quota.granted > 0 AND asked.wait = 0 THEN ${param('unitsWanted', 'int')} ELSE 0 END AS spent, greatest(quota.wait, asked.wait) AS wait
    FROM (SELECT) AS one
    LEFT JOIN looked ON true
    CROSS JOIN LATERAL (SELECT ${providerWait('looked')} AS wait) asked
    LEFT JOIN provider_states p ON p.provider_cd = ${param('provider', 'text')}
    CROSS JOIN ${minuteOf('looked')} box
    CROSS JOIN ${minuteOf('p')} project
    CROSS JOIN ${grantOf} quota
  ),
  reserved AS (
    INSERT INTO mail_syncs AS s (user_mail_account_id, units_window_at_utc, units_used_cnt)
    SELECT a.user_mail_account_id, now(), ${slotsAfter(sql`judged.slots`, sql`judged.spent`)}
    FROM judged JOIN user_mail_accounts a ON a.user_mail_account_id = ${param('accountId', 'uuid')} WHERE judged.spent > 0
    ON CONFLICT (user_mail_account_id) DO UPDATE SET units_window_at_utc = ${windowAfter('s')}, units_used_cnt = EXCLUDED.units_used_cnt
    -- Two first calls of a mailbox at once: the row of the other is not the one looked at.
    WHERE EXISTS (SELECT FROM looked)
    RETURNING s.user_mail_account_id
  ),
  counted AS (${countProjectUnits(sql`judged`, sql`(judged.spent * (SELECT count(*)::int FROM reserved))`)})
  SELECT EXISTS (SELECT FROM reserved) AS "isGranted", wait AS "wait" FROM judged`,
)
