// What an admin may know of the database: health in detail, figures, and which statements cost how much. Texts of
// statements leave this file masked only (SECURITY AP-14).

import type { KeyRing } from '../crypto/seal.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import { type Db, sqlState } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { admitted } from './admin-gate.sql.ts'
import {
  countMigrations,
  type DatabaseDetail,
  type DatabaseStatistics,
  readDatabaseDetail,
  readDatabaseStatistics,
} from './database-facts.sql.ts'
import { expectedMigrations } from './expected-migrations.ts'
import { countSealingKeys, type SealingKeyUse } from './health.ts'
import { maskStatement } from './mask-statement.ts'
import {
  type Capabilities,
  type ResetPart,
  type RunningStatement,
  readResetCapabilities,
  readRunning,
  readStatements,
  readTableUse,
  resetStatistics,
  type StatementOrder,
  type StatementUse,
  type TableUse,
  type UnusedIndex,
} from './query-statistics.sql.ts'

export interface DetailedHealth extends DatabaseDetail {
  /** Null where the migrator's table cannot be read. */
  readonly migrations: { readonly applied: number; readonly pending: number } | null
  readonly sealingKeys: readonly SealingKeyUse[]
}

/** Throws 401, 403, 503. */
export async function describeDatabase(
  deps: { db: Db; keyRingOrNull: KeyRing | null },
  claim: CallerClaim,
  origin: RequestOrigin,
): Promise<DetailedHealth> {
  const { detail } = admitted(await deps.db.first(readDatabaseDetail, { ...callerParams(claim), ...origin }))
  const found = present(detail)
  const [counted, sealingKeys] = await Promise.all([
    found.isMigrationTableReadable ? deps.db.first(countMigrations, {}) : null,
    countSealingKeys(deps.db, deps.keyRingOrNull),
  ])
  const migrations =
    counted === null ? null : { applied: counted.applied, pending: Math.max(0, expectedMigrations - counted.applied) }
  return { ...found, migrations, sealingKeys }
}

/** Throws 401, 403, 503. */
export async function readStatistics(db: Db, claim: CallerClaim, origin: RequestOrigin): Promise<DatabaseStatistics> {
  const row = admitted(await db.first(readDatabaseStatistics, { ...callerParams(claim), ...origin }))
  return present(row.statistics)
}

/** Where statements come from; `catalog`: pg_stat_statements is not there, or not for this role. */
export type StatementSource = 'pg_stat_statements' | 'catalog'

export interface TopStatements {
  readonly source: StatementSource
  readonly statements: readonly StatementUse[]
  readonly tables: readonly TableUse[]
  readonly unusedIndexes: readonly UnusedIndex[]
}

/** What costs most; without the extension the tables' and indexes' own figures say where to look. Throws 401, 403, 503. */
export async function topStatements(
  db: Db,
  claim: CallerClaim,
  wanted: { order: StatementOrder; limit: number },
  origin: RequestOrigin,
): Promise<TopStatements> {
  const row = admitted(await db.first(readTableUse, { ...callerParams(claim), ...origin }))
  const statements = await usedStatements(db, row.capabilities, { ...wanted, minMs: 0 })
  return { ...statements, tables: present(row.tables), unusedIndexes: present(row.unusedIndexes) }
}

export interface SlowStatements {
  readonly source: StatementSource
  readonly statements: readonly StatementUse[]
  readonly running: readonly RunningStatement[]
}

/** Slow on average (with the extension), and slow just now. Throws 401, 403, 503. */
export async function slowStatements(
  db: Db,
  claim: CallerClaim,
  wanted: { minMs: number; limit: number },
  origin: RequestOrigin,
): Promise<SlowStatements> {
  const row = admitted(await db.first(readRunning, { ...callerParams(claim), ...origin, ...wanted }))
  const statements = await usedStatements(db, row.capabilities, { ...wanted, order: 'mean_time' })
  return { ...statements, running: present(row.running).map(masked) }
}

async function usedStatements(
  db: Db,
  { statementsSchema }: Capabilities,
  { order, ...wanted }: { order: StatementOrder; minMs: number; limit: number },
): Promise<{ source: StatementSource; statements: StatementUse[] }> {
  if (statementsSchema === null) return { source: 'catalog', statements: [] }
  try {
    const rows = await db.all(readStatements(statementsSchema, order), wanted)
    return { source: 'pg_stat_statements', statements: rows.map(masked) }
  } catch (thrown) {
    if (!isMissing(thrown)) throw thrown
    return { source: 'catalog', statements: [] }
  }
}

// Not preloaded after all, dropped or taken away since it was looked for.
function isMissing(thrown: unknown): boolean {
  return ['55000', '42P01', '3F000', '42501', '42883'].includes(sqlState(thrown) ?? '')
}

function masked<S extends { readonly text: string }>(found: S): S {
  return { ...found, text: maskStatement(found.text) }
}

/** What was reset, and what this role may not reset or does not have. Throws 401, 403, 503. */
export async function resetDatabaseStatistics(
  db: Db,
  claim: CallerClaim,
  origin: RequestOrigin,
): Promise<{ readonly reset: readonly ResetPart[]; readonly left: readonly ResetPart[] }> {
  const params = { ...callerParams(claim), ...origin }
  const { capabilities } = admitted(await db.first(readResetCapabilities, params))
  const schema = capabilities.statementsSchema
  const left: ResetPart[] = []
  const possible: ResetPart[] = []
  ;(schema !== null && capabilities.mayResetStatements ? possible : left).push('pg_stat_statements')
  ;(capabilities.mayResetCatalog ? possible : left).push('catalog')
  if (possible.length > 0) admitted(await db.first(resetStatistics(schema, possible), params))
  return { reset: possible, left }
}

/** An admin's row always has what only an admin may see. */
function present<T>(found: T | null): T {
  if (found === null) throw new AppError('internal')
  return found
}
