// What the tables say of how the service does, in one trip: for Prometheus (a service key) and for the admin's overview.
// No part grows with the tables without bound: what is rare is counted by a partial index, what may be many up to a cap,
// and what is as many as there are users is counted in a random sample of pages (all of them, and so exact, in tables of
// up to 8 MB) and multiplied.

import { type SQL, sql } from 'drizzle-orm'
import { type CallerParams, callerCtes, isAdmin, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { type AdminParams, type AdminRow, adminCtes } from './admin-gate.sql.ts'
import { figure, listed } from './json-rows.sql.ts'

/** Of 8 KB each. */
const sampledPages = 1_000
/** Counting due work, open dead letters and waiting registrations ends here. */
export const countCap = 100_000
/** Counting the rows under one sealing key ends here: what matters is whether there are any left. */
export const sealingKeyCap = 10_000
/** A claim moves a token's clock by 5 minutes: what is later than that was not even claimed. */
export const overdueMinutes = 5
export const outcomeMinutes = 60
/** A claim moves a mailbox's sync by 5 minutes, and a tick may be late. */
export const syncOverdueMinutes = 15

export interface Gauges {
  readonly mailboxes: readonly { readonly provider: string; readonly status: string; readonly count: number }[]
  /** Attempts of the last hour. */
  readonly refreshes: readonly { readonly outcome: string; readonly count: number }[]
  readonly tokens: {
    readonly due: number
    readonly overdue: number
    readonly oldestDueSeconds: number
    readonly failing: number
  }
  readonly deadLettersOpen: number
  readonly lockouts: readonly { readonly subject: 'identifier' | 'account' | 'session'; readonly count: number }[]
  readonly letters: {
    readonly due: number
    readonly failed: number
    readonly sent: number
    readonly void: number
    readonly oldestDueSeconds: number
  }
  readonly mail: {
    readonly syncsOverdue: number
    readonly outboxWaiting: number
    readonly outboxUnconfirmed: number
    readonly outboxFailedLastDay: number
    readonly oldestDueSendSeconds: number
  }
  readonly circuits: readonly { readonly provider: string; readonly isOpen: boolean }[]
  readonly sealingKeys: readonly { readonly keyId: string; readonly rows: number }[]
  readonly sessions: { readonly live: number; readonly seenLastDay: number }
  readonly users: readonly { readonly role: string; readonly isActive: boolean; readonly count: number }[]
  readonly erasures: readonly { readonly kind: string; readonly count: number; readonly oldestSeconds: number }[]
  readonly registrationsWaiting: number
  readonly databaseBytes: number
  /** Below 100, a table's figures are estimates from that share of its pages. */
  readonly samples: readonly { readonly table: string; readonly percent: number }[]
}

const capped = (rows: SQL, cap: number = countCap): SQL =>
  sql`(SELECT count(*) FROM (${rows} LIMIT ${figure(cap)}) AS capped)`
const ageSeconds = (moment: SQL): SQL => sql`greatest(0, coalesce(extract(epoch FROM now() - ${moment}), 0))`

type SampledTable = 'users' | 'user_mail_accounts' | 'oauth_tokens' | 'sessions' | 'letters'
const sampledTables: readonly SampledTable[] = ['users', 'user_mail_accounts', 'oauth_tokens', 'sessions', 'letters']

/** The share of a table's pages that are read. Its size is known exactly and at once; PostgreSQL's estimate of rows is not. */
const percent = (table: SampledTable): SQL =>
  sql`least(100, 100.0 * ${figure(sampledPages)} * current_setting('block_size')::int / greatest(pg_relation_size('${sql.raw(table)}'), 1))`
const sample = (table: SampledTable): SQL => sql`${sql.raw(table)} TABLESAMPLE SYSTEM (${percent(table)})`
const scaled = (table: SampledTable, condition: SQL = sql`true`): SQL =>
  sql`round(count(*) FILTER (WHERE ${condition}) * 100 / ${percent(table)})`

const due = (since: SQL): SQL => capped(sql`SELECT FROM oauth_tokens WHERE refresh_due_at_utc <= ${since}`)

// A lock is set by a try, which stamps its row: the index on that stamp finds all that can still hold.
const locked = sql`
  SELECT CASE WHEN user_id IS NOT NULL THEN 'account' WHEN session_id IS NOT NULL THEN 'session' ELSE 'identifier' END AS "subject", count(*) AS "count"
  FROM login_attempts
  WHERE modified_at_utc > now() - make_interval(mins => ${param('lockMinutes', 'int')} + 1) AND locked_until_utc > now() GROUP BY 1`

const keyOf = (alias: string): SQL =>
  sql.raw(`split_part(coalesce(${alias}.refresh_token_txt, ${alias}.access_token_txt), '.', 2)`)

/**
 * From key to key by the index, as health does, but never through all rows of one. An order that only the index has keeps
 * the planner from reading the whole table for a key with few rows, which it takes for half of them where there are two.
 */
const sealed = sql`
  WITH RECURSIVE key_ids AS (
    (SELECT ${keyOf('t')} AS id FROM oauth_tokens t WHERE ${keyOf('t')} > '' ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT ${keyOf('t')} FROM oauth_tokens t WHERE ${keyOf('t')} > key_ids.id ORDER BY 1 LIMIT 1) FROM key_ids WHERE key_ids.id IS NOT NULL
  ),
  counted AS (
    SELECT key_ids.id, ${capped(sql`SELECT FROM oauth_tokens t WHERE ${keyOf('t')} BETWEEN key_ids.id AND key_ids.id ORDER BY ${keyOf('t')}`, sealingKeyCap)} AS rows
    FROM key_ids WHERE key_ids.id IS NOT NULL
    UNION ALL
    SELECT split_part(waiting.sealed, '.', 2), count(*) FROM (
      (SELECT payload_sealed_txt AS sealed FROM one_time_codes WHERE payload_sealed_txt IS NOT NULL LIMIT ${figure(sealingKeyCap)})
      UNION ALL (SELECT sealed_txt FROM erasures WHERE sealed_txt IS NOT NULL LIMIT ${figure(sealingKeyCap)})
    ) AS waiting GROUP BY 1
  )
  SELECT id AS "keyId", least(sum(rows), ${figure(sealingKeyCap)}) AS "rows" FROM counted GROUP BY 1 ORDER BY 1`

const gauges = sql`jsonb_build_object(
  'mailboxes', ${listed(sql`
    SELECT provider_cd AS "provider", status_cd AS "status", count(*) AS "count" FROM user_mail_accounts
    WHERE status_cd <> 'active' AND user_id IS NOT NULL GROUP BY 1, 2
    UNION ALL
    SELECT provider_cd, 'active', ${scaled('user_mail_accounts')} FROM ${sample('user_mail_accounts')}
    WHERE status_cd = 'active' AND user_id IS NOT NULL GROUP BY 1`)},
  'refreshes', ${listed(sql`
    SELECT attempt.outcome AS "outcome", ${scaled('oauth_tokens')} AS "count" FROM ${sample('oauth_tokens')},
      jsonb_to_recordset(refresh_history_json) AS attempt(at timestamptz, outcome text)
    WHERE attempt.at > now() - interval '${figure(outcomeMinutes)} minutes' GROUP BY 1`)},
  'tokens', jsonb_build_object(
    'due', ${due(sql`now()`)},
    'overdue', ${due(sql`now() - interval '${figure(overdueMinutes)} minutes'`)},
    'oldestDueSeconds', (SELECT ${ageSeconds(sql`min(refresh_due_at_utc)`)} FROM oauth_tokens),
    'failing', (SELECT ${scaled('oauth_tokens', sql`failure_cnt > 0 AND refresh_due_at_utc IS NOT NULL`)} FROM ${sample('oauth_tokens')})),
  'deadLettersOpen', ${capped(sql`SELECT FROM dead_letters WHERE status_cd = 'open'`)},
  'lockouts', ${listed(locked)},
  'letters', (SELECT jsonb_build_object(
      'due', ${capped(sql`SELECT FROM letters d WHERE d.status_cd = 'due'`)},
      'failed', (SELECT count(*) FROM letters f WHERE f.status_cd = 'failed'),
      'sent', ${scaled('letters', sql`status_cd = 'sent'`)}, 'void', ${scaled('letters', sql`status_cd = 'void'`)},
      'oldestDueSeconds', (SELECT ${ageSeconds(sql`min(o.due_at_utc)`)} FROM letters o WHERE o.status_cd = 'due'))
    FROM ${sample('letters')}),
  'mail', jsonb_build_object(
    'syncsOverdue', ${capped(sql`SELECT FROM user_mail_accounts WHERE sync_due_at_utc < now() - interval '${figure(syncOverdueMinutes)} minutes'`)},
    'outboxWaiting', ${capped(sql`SELECT FROM outbox o WHERE o.status_cd IN ('queued', 'sending')`)},
    'outboxUnconfirmed', ${capped(sql`SELECT FROM outbox o WHERE o.status_cd = 'unconfirmed'`)},
    'outboxFailedLastDay', ${capped(sql`SELECT FROM outbox o WHERE o.status_cd = 'failed' AND o.created_at_utc > now() - interval '24 hours'`)},
    'oldestDueSendSeconds', (SELECT ${ageSeconds(sql`min(o.due_at_utc)`)} FROM outbox o WHERE o.status_cd IN ('queued', 'sending', 'unconfirmed'))),
  'circuits', ${listed(sql`SELECT provider_cd AS "provider", coalesce(open_until_utc > now(), false) AS "isOpen" FROM provider_states ORDER BY 1`)},
  'sealingKeys', ${listed(sealed)},
  'sessions', (SELECT jsonb_build_object(
      'live', ${scaled('sessions')}, 'seenLastDay', ${scaled('sessions', sql`last_seen_at_utc > now() - interval '24 hours'`)})
    FROM ${sample('sessions')}
    WHERE revoked_at_utc IS NULL AND created_at_utc > now() - interval '30 days' AND last_seen_at_utc > now() - interval '7 days'),
  'users', ${listed(sql`
    SELECT role_cd AS "role", is_active_flg AS "isActive", count(*) AS "count" FROM users WHERE role_cd <> 'user' OR NOT is_active_flg GROUP BY 1, 2
    UNION ALL
    SELECT 'user', true, ${scaled('users')} FROM ${sample('users')} WHERE role_cd = 'user' AND is_active_flg`)},
  'erasures', ${listed(sql`
    SELECT kind_cd AS "kind", count(*) AS "count", ${ageSeconds(sql`min(created_at_utc)`)} AS "oldestSeconds" FROM erasures GROUP BY 1`)},
  'registrationsWaiting', ${capped(sql`
    SELECT FROM one_time_codes WHERE purpose_cd = 'registration' AND subject_hash_txt IS NOT NULL AND consumed_at_utc IS NULL AND expires_at_utc > now()`)},
  'databaseBytes', pg_database_size(current_database()),
  'samples', jsonb_build_array(${sql.join(
    sampledTables.map(
      (table) => sql`jsonb_build_object('table', '${sql.raw(table)}', 'percent', round(${percent(table)}, 3))`,
    ),
    sql`, `,
  )}))`

interface GaugeParams {
  readonly lockMinutes: number
}

/** For a service key with `metrics:read`, whatever else it is narrowed to: the figures tell of nobody. */
export const readMetricsRow = statement<
  CallerParams & GaugeParams,
  { readonly isPermitted: boolean; readonly gauges: Gauges | null }
>(
  'metrics',
  sql`WITH ${callerCtes},
  permitted AS (SELECT coalesce('metrics:read' = ANY(caller.permissions), false) AS is_permitted FROM caller)
  -- Inside CASE nothing is counted for anybody else.
  SELECT is_permitted AS "isPermitted", CASE WHEN is_permitted THEN ${gauges} END AS "gauges" FROM permitted`,
)

export const readOverviewRow = statement<AdminParams & GaugeParams, AdminRow & { readonly gauges: Gauges | null }>(
  'status-overview',
  sql`WITH ${adminCtes('status.read')}
  SELECT ${isAdmin} AS "isAdmin", CASE WHEN ${isAdmin} THEN ${gauges} END AS "gauges" FROM caller`,
)
