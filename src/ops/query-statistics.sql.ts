// Statements about statements. `pg_stat_statements` may be in any schema, made by any version, be there without its
// library, or not at all; a statement that names what is missing does not compile. So the first one asks the catalog what
// there is, and the second is chosen by it. Works on PostgreSQL 14 to 18, and without being superuser.

import { type SQL, sql } from 'drizzle-orm'
import { auditRow } from '../db/audit.ts'
import { callerCtes, isAdmin, param } from '../db/caller.ts'
import { type Statement, statement } from '../db/client.ts'
import { type AdminParams, type AdminRow, adminCtes } from './admin-gate.sql.ts'
import { listed } from './json-rows.sql.ts'

export interface TableUse {
  readonly table: string
  readonly sequentialScans: number
  readonly rowsReadSequentially: number
  readonly indexScans: number
  readonly liveRows: number
}

export interface UnusedIndex {
  readonly table: string
  readonly index: string
  readonly sizeBytes: number
}

/** A statement that runs just now; its text as PostgreSQL has it, literals and all: mask it. */
export interface RunningStatement {
  readonly pid: number
  readonly runningMs: number
  readonly waitsFor: string | null
  readonly text: string
}

/** What may be used here. */
export interface Capabilities {
  /** Quoted as SQL needs it; null where pg_stat_statements cannot be read. */
  readonly statementsSchema: string | null
  readonly mayResetStatements: boolean
  readonly mayResetCatalog: boolean
}

// The library announces its settings where it was preloaded; before 1.8 the view had other columns.
const capabilities = sql`
  coalesce((SELECT jsonb_build_object(
      'statementsSchema', CASE WHEN EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max') AND EXISTS (
          SELECT FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'total_exec_time'
          WHERE c.relnamespace = n.oid AND c.relname = 'pg_stat_statements'
            AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
        ) THEN quote_ident(n.nspname) END,
      'mayResetStatements', EXISTS (
        SELECT FROM pg_proc p WHERE p.pronamespace = n.oid AND p.proname = 'pg_stat_statements_reset' AND p.pronargs >= 3
          AND has_function_privilege(p.oid, 'EXECUTE')))
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'
  ), '{"statementsSchema": null, "mayResetStatements": false}')
  || jsonb_build_object('mayResetCatalog', has_function_privilege('pg_catalog.pg_stat_reset()', 'EXECUTE'))`

const tablesShown = 100

export const readTableUse = statement<
  AdminParams,
  AdminRow & {
    readonly capabilities: Capabilities
    readonly tables: readonly TableUse[] | null
    readonly unusedIndexes: readonly UnusedIndex[] | null
  }
>(
  'query-statistics-tables',
  sql`WITH ${adminCtes('database_queries.read')}
  SELECT ${isAdmin} AS "isAdmin", ${capabilities} AS "capabilities",
    CASE WHEN ${isAdmin} THEN ${listed(sql`
      SELECT relname AS "table", seq_scan AS "sequentialScans", seq_tup_read AS "rowsReadSequentially", coalesce(idx_scan, 0) AS "indexScans", n_live_tup AS "liveRows"
      FROM pg_stat_user_tables WHERE schemaname = current_schema() ORDER BY seq_tup_read DESC LIMIT ${sql.raw(String(tablesShown))}`)} END AS "tables",
    -- What keeps rows unique works without ever being scanned.
    CASE WHEN ${isAdmin} THEN ${listed(sql`
      SELECT s.relname AS "table", s.indexrelname AS "index", pg_relation_size(s.indexrelid) AS "sizeBytes"
      FROM pg_stat_user_indexes s JOIN pg_index i ON i.indexrelid = s.indexrelid
      WHERE s.schemaname = current_schema() AND s.idx_scan = 0 AND NOT i.indisunique
      ORDER BY 3 DESC, 2 LIMIT ${sql.raw(String(tablesShown))}`)} END AS "unusedIndexes"
  FROM caller`,
)

export const readRunning = statement<
  AdminParams & { readonly minMs: number; readonly limit: number },
  AdminRow & { readonly capabilities: Capabilities; readonly running: readonly RunningStatement[] | null }
>(
  'query-statistics-running',
  sql`WITH ${adminCtes('database_slow_queries.read')}
  SELECT ${isAdmin} AS "isAdmin", ${capabilities} AS "capabilities",
    CASE WHEN ${isAdmin} THEN ${listed(sql`
      SELECT pid, floor(extract(epoch FROM clock_timestamp() - query_start) * 1000) AS "runningMs", wait_event_type AS "waitsFor", left(query, 10000) AS "text"
      FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state = 'active'
        AND query_start < clock_timestamp() - make_interval(secs => ${param('minMs', 'int')} / 1000.0)
      ORDER BY query_start LIMIT ${param('limit', 'int')}`)} END AS "running"
  FROM caller`,
)

/** Sums over roles; its text as the extension keeps it: mask it. */
export interface StatementUse {
  readonly id: string
  readonly calls: number
  readonly totalMs: number
  readonly meanMs: number
  readonly maxMs: number
  readonly rows: number
  readonly blocksHit: number
  readonly blocksRead: number
  readonly text: string
}

export type StatementOrder = 'total_time' | 'mean_time' | 'calls'

const orders = { total_time: '3', mean_time: '4', calls: '2' } as const

type ReadStatements = Statement<{ readonly minMs: number; readonly limit: number }, StatementUse>

/** The statements of this database. `schema` comes from `Capabilities`, quoted there. The caller was admitted before. */
export function readStatements(schema: string, order: StatementOrder): ReadStatements {
  const by = sql.raw(orders[order])
  return statement(
    `query-statistics-${order}-${schema}`.slice(0, 63),
    sql`SELECT queryid::text AS "id", sum(calls)::float8 AS "calls", sum(total_exec_time) AS "totalMs",
      sum(total_exec_time) / greatest(sum(calls), 1)::float8 AS "meanMs", max(max_exec_time) AS "maxMs",
      sum(rows)::float8 AS "rows", sum(shared_blks_hit)::float8 AS "blocksHit", sum(shared_blks_read)::float8 AS "blocksRead",
      left(min(query), 10000) AS "text"
    FROM ${sql.raw(schema)}.pg_stat_statements
    -- What another role ran has no id for a role that may not see it.
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND queryid IS NOT NULL
    GROUP BY queryid
    HAVING sum(total_exec_time) / greatest(sum(calls), 1)::float8 >= ${param('minMs', 'int')}
    ORDER BY ${by} DESC, 1 LIMIT ${param('limit', 'int')}`,
  )
}

export const readResetCapabilities = statement<AdminParams, AdminRow & { readonly capabilities: Capabilities }>(
  'query-statistics-capabilities',
  sql`WITH ${adminCtes('database_statistics.reset')}
  SELECT ${isAdmin} AS "isAdmin", ${capabilities} AS "capabilities" FROM caller`,
)

export type ResetPart = 'pg_stat_statements' | 'catalog'

/** Resets what is named, for this database, with its audit row. Only what `Capabilities` allows: else it does not run. */
export function resetStatistics(
  schema: string | null,
  parts: readonly ResetPart[],
): Statement<AdminParams, AdminRow & { readonly isReset: boolean }> {
  const calls: SQL[] = []
  if (parts.includes('pg_stat_statements') && schema !== null)
    calls.push(
      sql`${sql.raw(schema)}.pg_stat_statements_reset(0::oid, (SELECT oid FROM pg_database WHERE datname = current_database()), 0::bigint) AS statements`,
    )
  if (parts.includes('catalog')) calls.push(sql`pg_stat_reset() AS catalog`)
  return statement(
    `query-statistics-reset-${parts.join('-')}-${schema ?? ''}`.slice(0, 63),
    sql`WITH ${callerCtes},
    reset AS MATERIALIZED (SELECT caller.user_id, ${sql.join(calls, sql`, `)} FROM caller WHERE ${isAdmin}),
    audited AS (${auditRow('database_statistics.reset', 'success', sql`SELECT reset.user_id, NULL, jsonb_build_object('parts', ${sql.raw(`'${parts.join(', ')}'`)}) FROM reset`)})
    SELECT ${isAdmin} AS "isAdmin", EXISTS (SELECT FROM reset) AS "isReset" FROM caller`,
  )
}
