// Applies `migrations/` to a database. Safe to run twice and by several processes at once: a table lock, held by one
// transaction around the migrator, lets one in at a time (no advisory lock: those do not survive a pooler).
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'
import { projectRoot, Refusal } from './postgres.ts'

// Two sessions that run CREATE … IF NOT EXISTS at once may still collide: on the catalogue's unique indexes (23505), or on
// the schema (42P06), the table (42P07) or its row type (42710) that the other has made since the first look.
const CREATED_MEANWHILE = new Set(['23505', '42P06', '42P07', '42710'])

/**
 * Brings the database up to the newest migration.
 * @param url connection string of the database itself (not of a pooler in transaction mode)
 * @param folder the generated migrations
 * @throws Refusal when there are none
 */
export async function migrate(url: string, folder = join(projectRoot, 'migrations')): Promise<void> {
  if (!existsSync(join(folder, 'meta', '_journal.json'))) {
    throw new Refusal(`There are no migrations in ${folder}: run \`npm run db:generate\`.`)
  }
  const guard = postgres(url, { max: 1, onnotice: () => {} })
  const worker = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await createLockTable(guard)
    await guard.begin(async (transaction) => {
      await transaction`lock table drizzle.gatepost_migration_lock in exclusive mode`
      await applyMigrations(drizzle(worker), { migrationsFolder: folder })
    })
  } finally {
    await Promise.all([worker.end({ timeout: 5 }), guard.end({ timeout: 5 })])
  }
}

/** Makes the table that lets one migrator in at a time, where it is not there. Any number of sessions may do so at once. */
export async function createLockTable(sql: postgres.Sql): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      // Asked first: a role that may migrate but not create schemas can still run when all is there.
      const [row] = await sql`select to_regclass('drizzle.gatepost_migration_lock') is not null as found`
      if (row?.found) return
      await sql`create schema if not exists drizzle`
      await sql`create table if not exists drizzle.gatepost_migration_lock (locked_flg boolean)`
      return
    } catch (error) {
      const code = error instanceof postgres.PostgresError ? error.code : ''
      if (!CREATED_MEANWHILE.has(code) || attempt === 5) throw error
    }
  }
}
