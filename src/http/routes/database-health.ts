// /health/database/detailed: the database in detail, for admins. What anyone may know of it is in health.ts.

import * as z from 'zod'
import { type DetailedHealth, describeDatabase } from '../../ops/database-statistics.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { time } from './shapes.ts'

const nullable = z.number().nullable()

const detailSchema = z.object({
  status: z.literal('up'),
  version: z.string(),
  started_at: time,
  uptime_seconds: z.number(),
  size_bytes: z.number(),
  read_only: z.boolean(),
  replica: z.boolean(),
  replay_lag_seconds: nullable,
  connected_replicas: z.number(),
  connections: z.object({ max: z.number(), by_state: z.array(z.object({ state: z.string(), count: z.number() })) }),
  longest_transaction_seconds: nullable,
  cache_hit_ratio: nullable,
  migrations: z
    .object({ applied: z.int(), pending: z.int() })
    .nullable()
    .describe('Null where the role may not read the migrator’s table'),
  sealing_keys: z.array(z.object({ id: z.string(), rows: z.int().nullable(), first: z.boolean(), known: z.boolean() })),
  tables: z.array(
    z.object({
      table: z.string(),
      live_rows: z.number().describe('PostgreSQL’s estimate'),
      dead_rows: z.number(),
      table_bytes: z.number(),
      index_bytes: z.number(),
      last_vacuum_at: time.nullable(),
      last_analyze_at: time.nullable(),
    }),
  ),
})

function presentDetail(found: DetailedHealth): z.output<typeof detailSchema> {
  return {
    status: 'up',
    version: found.version,
    started_at: found.startedAt,
    uptime_seconds: found.uptimeSeconds,
    size_bytes: found.sizeBytes,
    read_only: found.isReadOnly,
    replica: found.isReplica,
    replay_lag_seconds: found.replayLagSeconds,
    connected_replicas: found.connectedReplicas,
    connections: {
      max: found.maxConnections,
      by_state: found.connections.map(({ state, count }) => ({ state, count })),
    },
    longest_transaction_seconds: found.longestTransactionSeconds,
    cache_hit_ratio: found.cacheHitRatio,
    migrations: found.migrations,
    sealing_keys: found.sealingKeys.map((key) => ({
      id: key.keyId,
      rows: key.rows,
      first: key.isFirst,
      known: key.isKnown,
    })),
    tables: found.tables.map((row) => ({
      table: row.table,
      live_rows: row.liveRows,
      dead_rows: row.deadRows,
      table_bytes: row.tableBytes,
      index_bytes: row.indexBytes,
      last_vacuum_at: row.lastVacuumAt,
      last_analyze_at: row.lastAnalyzeAt,
    })),
  }
}

export function declareDatabaseHealth(root: Resource): void {
  declare(
    root,
    {
      method: 'get',
      path: '/health/database/detailed',
      operationId: 'databaseHealthDetailed',
      summary: 'The database in detail',
      tag: 'Administration',
      audience: 'person_or_key',
      errors: ['forbidden'],
      answers: { 200: { description: 'Up', schema: detailSchema } },
    },
    async (c, input) => c.json(presentDetail(await describeDatabase(c.env.deps, claimed(input), originOf(c)))),
  )
}
