// What PostgreSQL says of itself, for admins: health in detail and database-level statistics. From views that every role
// may read; what a role may not see of others comes as null or not at all.

import { sql } from 'drizzle-orm'
import { isAdmin } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { type AdminParams, type AdminRow, adminCtes } from './admin-gate.sql.ts'
import { listed } from './json-rows.sql.ts'

/** Times are ISO 8601, as JSON has them. */
export interface DatabaseDetail {
  readonly version: string
  readonly startedAt: string
  readonly uptimeSeconds: number
  readonly sizeBytes: number
  readonly isReadOnly: boolean
  /** A standby, which takes no writes. */
  readonly isReplica: boolean
  /** Of a standby: since the last transaction it replayed. */
  readonly replayLagSeconds: number | null
  readonly connectedReplicas: number
  /** By state; `unknown` where this role may not see it. */
  readonly connections: readonly { readonly state: string; readonly count: number }[]
  readonly maxConnections: number
  readonly longestTransactionSeconds: number | null
  /** Of blocks asked for since the statistics were reset; null where none were. */
  readonly cacheHitRatio: number | null
  readonly tables: readonly TableDetail[]
  /** Whether the migrator's own table is there and may be read. */
  readonly isMigrationTableReadable: boolean
}

export interface TableDetail {
  readonly table: string
  /** PostgreSQL's estimates. */
  readonly liveRows: number
  readonly deadRows: number
  readonly tableBytes: number
  readonly indexBytes: number
  readonly lastVacuumAt: string | null
  readonly lastAnalyzeAt: string | null
}

export interface DatabaseStatistics {
  readonly resetAt: string | null
  readonly commits: number
  readonly rollbacks: number
  readonly blocksRead: number
  readonly blocksHit: number
  readonly cacheHitRatio: number | null
  readonly rowsReturned: number
  readonly rowsFetched: number
  readonly rowsInserted: number
  readonly rowsUpdated: number
  readonly rowsDeleted: number
  readonly deadlocks: number
  readonly conflicts: number
  readonly tempFiles: number
  readonly tempBytes: number
  readonly connections: number
  readonly maxConnections: number
  readonly isReadOnly: boolean
}

const hitRatio = sql`round(d.blks_hit::numeric / nullif(d.blks_hit + d.blks_read, 0), 4)`
const maxConnections = sql`current_setting('max_connections')::int`
const isReadOnly = sql`current_setting('transaction_read_only') = 'on'`

/** Tables of ours: those of the schema where `users` stands, and never more than these. */
const tablesShown = 200

const detail = sql`(SELECT jsonb_build_object(
  'version', current_setting('server_version'),
  'startedAt', to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
  'uptimeSeconds', floor(extract(epoch FROM now() - pg_postmaster_start_time())),
  'sizeBytes', pg_database_size(current_database()),
  'isReadOnly', ${isReadOnly},
  'isReplica', pg_is_in_recovery(),
  'replayLagSeconds', CASE WHEN pg_is_in_recovery() THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END,
  'connectedReplicas', (SELECT count(*) FROM pg_stat_replication),
  'connections', ${listed(sql`
    SELECT coalesce(state, 'unknown') AS "state", count(*) AS "count" FROM pg_stat_activity
    WHERE datname = current_database() GROUP BY 1 ORDER BY 1`)},
  'maxConnections', ${maxConnections},
  'longestTransactionSeconds', (
    SELECT round(extract(epoch FROM now() - min(xact_start))::numeric, 3) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()),
  'cacheHitRatio', ${hitRatio},
  'tables', ${listed(sql`
    SELECT relname AS "table", n_live_tup AS "liveRows", n_dead_tup AS "deadRows",
      pg_table_size(relid) AS "tableBytes", pg_indexes_size(relid) AS "indexBytes",
      to_char(greatest(last_vacuum, last_autovacuum) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "lastVacuumAt",
      to_char(greatest(last_analyze, last_autoanalyze) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "lastAnalyzeAt"
    FROM pg_stat_user_tables WHERE schemaname = current_schema() ORDER BY pg_total_relation_size(relid) DESC LIMIT ${sql.raw(String(tablesShown))}`)},
  -- Named nowhere in this statement: a table that is missing, or not for this role, would fail it as a whole.
  'isMigrationTableReadable', EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'drizzle' AND c.relname = '__drizzle_migrations'
      AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')))
  FROM pg_stat_database d WHERE d.datname = current_database())`

export const readDatabaseDetail = statement<AdminParams, AdminRow & { readonly detail: DatabaseDetail | null }>(
  'database-detail',
  sql`WITH ${adminCtes('database_health.read')}
  SELECT ${isAdmin} AS "isAdmin", CASE WHEN ${isAdmin} THEN ${detail} END AS "detail" FROM caller`,
)

export const countMigrations = statement<Record<never, never>, { readonly applied: number }>(
  'database-migrations',
  sql`SELECT count(*)::int AS "applied" FROM drizzle.__drizzle_migrations`,
)

const statistics = sql`(SELECT jsonb_build_object(
  'resetAt', to_char(d.stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
  'commits', d.xact_commit, 'rollbacks', d.xact_rollback,
  'blocksRead', d.blks_read, 'blocksHit', d.blks_hit, 'cacheHitRatio', ${hitRatio},
  'rowsReturned', d.tup_returned, 'rowsFetched', d.tup_fetched,
  'rowsInserted', d.tup_inserted, 'rowsUpdated', d.tup_updated, 'rowsDeleted', d.tup_deleted,
  'deadlocks', d.deadlocks, 'conflicts', d.conflicts, 'tempFiles', d.temp_files, 'tempBytes', d.temp_bytes,
  'connections', d.numbackends, 'maxConnections', ${maxConnections}, 'isReadOnly', ${isReadOnly})
  FROM pg_stat_database d WHERE d.datname = current_database())`

export const readDatabaseStatistics = statement<
  AdminParams,
  AdminRow & { readonly statistics: DatabaseStatistics | null }
>(
  'database-statistics',
  sql`WITH ${adminCtes('database_statistics.read')}
  SELECT ${isAdmin} AS "isAdmin", CASE WHEN ${isAdmin} THEN ${statistics} END AS "statistics" FROM caller`,
)
