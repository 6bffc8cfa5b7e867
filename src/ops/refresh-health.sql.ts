// How refreshing goes, in one statement and for admins only. Every part of it is bounded, however many mailboxes there
// are: counts end at a cap, histories are read from a random sample. It sees ids, states and times, never an envelope.

import { sql } from 'drizzle-orm'
import { isAdmin } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { type AdminParams, type AdminRow, adminCtes } from './admin-gate.sql.ts'
import { figure, listed } from './json-rows.sql.ts'

/** Mailboxes that are counted by state at most. */
export const countedMailboxes = 1_000_000
/** The earliest due tokens that are counted at most. */
export const countedDue = 100_000
/** About as many tokens' histories are read; all of them where there are fewer. */
export const sampledTokens = 10_000
/** Attempts that a token's history keeps (mail-accounts/refresh.sql.ts). */
const keptAttempts = 10

export const outcomeHours = 24
export const dueSteps = 12
export const dueStepMinutes = 10
export const errorsShown = 20

export interface RefreshHealthRow extends AdminRow {
  /** By the database's clock, as everything here. */
  readonly asOf: Date
  /** The beginning of the first of `outcomeHours` whole hours (UTC), the last of which is the present one. */
  readonly hoursBeginAt: Date
  readonly states: readonly { readonly provider: string; readonly status: string; readonly count: number }[]
  /** Step -1 is overdue, 0 begins now. */
  readonly due: readonly { readonly step: number; readonly count: number }[]
  readonly oldestDueAt: Date | null
  readonly lastCountedDueAt: Date | null
  readonly outcomes: readonly { readonly hour: number; readonly outcome: string; readonly count: number }[]
  /** How many histories reach back to the beginning of this hour and no further. */
  readonly reaches: readonly { readonly hour: number; readonly tokens: number }[]
  readonly errors: readonly { readonly error: string; readonly attempts: number; readonly mailboxes: number }[]
  readonly circuits: readonly {
    readonly provider: string
    readonly openUntil: string | null
    readonly configurationErrors: number
  }[]
  readonly sampled: number
  /** Counted up to the cap, beyond it as PostgreSQL last estimated it. */
  readonly tokensAbout: number
}

/** A mailbox has one token row. Beyond what is counted, PostgreSQL's own estimate says more. */
const tokensAbout = sql`(
  SELECT CASE WHEN total < ${figure(countedMailboxes)} THEN total ELSE greatest(total, reltuples) END::float8
  FROM pg_class, (SELECT coalesce(sum(count), 0) AS total FROM state) counted WHERE oid = 'oauth_tokens'::regclass)`

export const readRefreshHealthRow = statement<AdminParams, RefreshHealthRow>(
  'refresh-health',
  sql`WITH ${adminCtes('refresh_health')},
  -- Asked first by every part: nothing is read for anybody else.
  admin AS MATERIALIZED (SELECT user_id FROM caller WHERE ${isAdmin}),
  span AS MATERIALIZED (
    SELECT now() AS as_of,
           date_trunc('hour', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '${figure(outcomeHours - 1)} hours' AS hours_begin
  ),
  state AS MATERIALIZED (
    SELECT provider_cd AS provider, status_cd AS status, count(*)::int AS count FROM (
      -- Those of deleted users are hidden, and purged.
      SELECT provider_cd, status_cd FROM user_mail_accounts
      WHERE EXISTS (SELECT FROM admin) AND user_id IS NOT NULL LIMIT ${figure(countedMailboxes)}
    ) mailbox GROUP BY 1, 2
  ),
  due AS MATERIALIZED (
    SELECT refresh_due_at_utc AS due_at FROM oauth_tokens
    WHERE EXISTS (SELECT FROM admin) AND refresh_due_at_utc < now() + interval '${figure(dueSteps * dueStepMinutes)} minutes'
    ORDER BY refresh_due_at_utc LIMIT ${figure(countedDue)}
  ),
  sampled AS MATERIALIZED (
    -- Whole pages by chance: as many as hold about that many rows. The limit is for pages fuller than others.
    SELECT oauth_token_id, refresh_history_json AS history
    FROM oauth_tokens TABLESAMPLE SYSTEM (least(100, 100.0 * ${figure(sampledTokens)} / greatest(${tokensAbout}, 1)))
    WHERE EXISTS (SELECT FROM admin) LIMIT ${figure(2 * sampledTokens)}
  ),
  attempt AS MATERIALIZED (
    SELECT sampled.oauth_token_id, entry.outcome, entry.error,
           floor(extract(epoch FROM entry.at - span.hours_begin) / 3600)::int AS hour
    FROM span, sampled, jsonb_to_recordset(sampled.history) AS entry(at timestamptz, outcome text, error text)
    WHERE entry.at >= span.hours_begin
  ),
  reach AS (
    SELECT CASE WHEN jsonb_array_length(history) < ${figure(keptAttempts)} THEN 0
             ELSE greatest(0, ceil(extract(epoch FROM (history -> -1 ->> 'at')::timestamptz - span.hours_begin) / 3600))::int
           END AS hour
    FROM span, sampled
  )
  SELECT ${isAdmin} AS "isAdmin", span.as_of AS "asOf", span.hours_begin AS "hoursBeginAt",
    ${listed(sql`SELECT * FROM state ORDER BY provider, status`)} AS "states",
    ${listed(sql`
      SELECT CASE WHEN due_at <= now() THEN -1 ELSE floor(extract(epoch FROM due_at - now()) / ${figure(dueStepMinutes * 60)})::int END AS step,
             count(*)::int AS count
      FROM due GROUP BY 1 ORDER BY 1`)} AS "due",
    (SELECT min(due_at) FROM due) AS "oldestDueAt",
    (SELECT max(due_at) FROM due HAVING count(*) >= ${figure(countedDue)}) AS "lastCountedDueAt",
    ${listed(sql`SELECT hour, outcome, count(*)::int AS count FROM attempt GROUP BY 1, 2 ORDER BY 1, 2`)} AS "outcomes",
    ${listed(sql`SELECT hour, count(*)::int AS tokens FROM reach GROUP BY 1 ORDER BY 1`)} AS "reaches",
    ${listed(sql`
      SELECT error, count(*)::int AS attempts, count(DISTINCT oauth_token_id)::int AS mailboxes
      FROM attempt WHERE error IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${figure(errorsShown)}`)} AS "errors",
    ${listed(sql`
      SELECT provider_cd AS provider, open_until_utc AS "openUntil", configuration_error_cnt AS "configurationErrors"
      FROM provider_states WHERE open_until_utc IS NOT NULL AND EXISTS (SELECT FROM admin) ORDER BY 1`)} AS "circuits",
    (SELECT count(*)::int FROM sampled) AS "sampled",
    ${tokensAbout} AS "tokensAbout"
  FROM caller, span`,
)
