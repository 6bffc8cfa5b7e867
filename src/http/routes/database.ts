// /metrics/database: what PostgreSQL counts, for admins. No text of a statement is shown with a literal in it; the verbs
// see to that.

import * as z from 'zod'
import {
  readStatistics,
  resetDatabaseStatistics,
  slowStatements,
  topStatements,
} from '../../ops/database-statistics.ts'
import type { StatementUse } from '../../ops/query-statistics.sql.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { time } from './shapes.ts'

const nullable = z.number().nullable()

const statisticsSchema = z.object({
  reset_at: time.nullable(),
  transactions: z.object({ committed: z.number(), rolled_back: z.number() }),
  blocks: z.object({ read: z.number(), hit: z.number(), hit_ratio: nullable }),
  rows: z.object({
    returned: z.number(),
    fetched: z.number(),
    inserted: z.number(),
    updated: z.number(),
    deleted: z.number(),
  }),
  deadlocks: z.number(),
  conflicts: z.number(),
  temp: z.object({ files: z.number(), bytes: z.number() }),
  connections: z.object({ open: z.number(), max: z.number() }),
  read_only: z.boolean(),
})

const sourceSchema = z
  .enum(['pg_stat_statements', 'catalog'])
  .describe('`catalog`: the extension is missing, not preloaded, or not for this role; `statements` is empty then')

const statementSchema = z.object({
  id: z.string(),
  statement: z.string().describe('Every literal is `?`'),
  calls: z.number(),
  total_ms: z.number(),
  mean_ms: z.number(),
  max_ms: z.number(),
  rows: z.number(),
  blocks_hit: z.number(),
  blocks_read: z.number(),
})

const tableUseSchema = z.object({
  table: z.string(),
  sequential_scans: z.number(),
  rows_read_sequentially: z.number(),
  index_scans: z.number(),
  live_rows: z.number(),
})

const unusedIndexSchema = z.object({ table: z.string(), index: z.string(), size_bytes: z.number() })

const runningSchema = z.object({
  pid: z.int(),
  running_ms: z.number(),
  waits_for: z.string().nullable(),
  statement: z.string(),
})

const partSchema = z.array(z.enum(['pg_stat_statements', 'catalog']))

const toMicroseconds = (ms: number): number => Math.round(ms * 1_000) / 1_000

function presentStatement(found: StatementUse): z.output<typeof statementSchema> {
  return {
    id: found.id,
    statement: found.text,
    calls: found.calls,
    total_ms: toMicroseconds(found.totalMs),
    mean_ms: toMicroseconds(found.meanMs),
    max_ms: toMicroseconds(found.maxMs),
    rows: found.rows,
    blocks_hit: found.blocksHit,
    blocks_read: found.blocksRead,
  }
}

const limit = z.coerce.number().int().min(1).max(100).default(20)
const forAdmins = { tag: 'Administration', audience: 'person_or_key', errors: ['forbidden'] } as const

export function declareDatabase(root: Resource): void {
  declare(
    root,
    {
      method: 'get',
      path: '/metrics/database',
      operationId: 'databaseStatistics',
      summary: 'Figures of the whole database, since they were last reset',
      ...forAdmins,
      answers: { 200: { description: 'The figures', schema: statisticsSchema } },
    },
    async (c, input) => {
      const found = await readStatistics(c.env.deps.db, claimed(input), originOf(c))
      const body: z.output<typeof statisticsSchema> = {
        reset_at: found.resetAt,
        transactions: { committed: found.commits, rolled_back: found.rollbacks },
        blocks: { read: found.blocksRead, hit: found.blocksHit, hit_ratio: found.cacheHitRatio },
        rows: {
          returned: found.rowsReturned,
          fetched: found.rowsFetched,
          inserted: found.rowsInserted,
          updated: found.rowsUpdated,
          deleted: found.rowsDeleted,
        },
        deadlocks: found.deadlocks,
        conflicts: found.conflicts,
        temp: { files: found.tempFiles, bytes: found.tempBytes },
        connections: { open: found.connections, max: found.maxConnections },
        read_only: found.isReadOnly,
      }
      return c.json(body)
    },
  )

  declareStatements(root)
}

function declareStatements(root: Resource): void {
  declare(
    root,
    {
      method: 'get',
      path: '/metrics/database/queries',
      operationId: 'databaseQueries',
      summary: 'Statements that cost most, and how tables and indexes are used',
      ...forAdmins,
      query: z.strictObject({ limit, by: z.enum(['total_time', 'mean_time', 'calls']).default('total_time') }),
      answers: {
        200: {
          description:
            'Costliest first; tables by rows read sequentially; indexes that were never scanned, unique ones apart',
          schema: z.object({
            source: sourceSchema,
            statements: z.array(statementSchema),
            tables: z.array(tableUseSchema),
            unused_indexes: z.array(unusedIndexSchema),
          }),
        },
      },
    },
    async (c, input) => {
      const wanted = { order: input.query.by, limit: input.query.limit }
      const found = await topStatements(c.env.deps.db, claimed(input), wanted, originOf(c))
      return c.json({
        source: found.source,
        statements: found.statements.map(presentStatement),
        tables: found.tables.map((row) => ({
          table: row.table,
          sequential_scans: row.sequentialScans,
          rows_read_sequentially: row.rowsReadSequentially,
          index_scans: row.indexScans,
          live_rows: row.liveRows,
        })),
        unused_indexes: found.unusedIndexes.map((row) => ({
          table: row.table,
          index: row.index,
          size_bytes: row.sizeBytes,
        })),
      })
    },
  )

  declare(
    root,
    {
      method: 'get',
      path: '/metrics/database/slow-queries',
      operationId: 'databaseSlowQueries',
      summary: 'Statements that are slow on average, and those that run long just now',
      ...forAdmins,
      query: z.strictObject({ limit, min_ms: z.coerce.number().int().min(0).max(86_400_000).default(100) }),
      answers: {
        200: {
          description: 'Slowest first',
          schema: z.object({
            source: sourceSchema,
            statements: z.array(statementSchema),
            running: z.array(runningSchema),
          }),
        },
      },
    },
    async (c, input) => {
      const wanted = { minMs: input.query.min_ms, limit: input.query.limit }
      const found = await slowStatements(c.env.deps.db, claimed(input), wanted, originOf(c))
      return c.json({
        source: found.source,
        statements: found.statements.map(presentStatement),
        running: found.running.map((row) => ({
          pid: row.pid,
          running_ms: row.runningMs,
          waits_for: row.waitsFor,
          statement: row.text,
        })),
      })
    },
  )

  declare(
    root,
    {
      method: 'post',
      path: '/metrics/database/reset',
      operationId: 'resetDatabaseStatistics',
      summary: 'Begin counting anew',
      description:
        'Resets pg_stat_statements and the catalog’s figures of this database, as far as the role may. Autovacuum counts by the latter: run ANALYZE afterwards on a busy database.',
      ...forAdmins,
      answers: {
        200: {
          description: 'What was reset, and what was not',
          schema: z.object({ reset: partSchema, not_reset: partSchema }),
        },
      },
    },
    async (c, input) => {
      const { reset, left } = await resetDatabaseStatistics(c.env.deps.db, claimed(input), originOf(c))
      return c.json({ reset, not_reset: left })
    },
  )
}
