// Runs once before all tests (plain Node): one PostgreSQL, one migrated template database that each world clones,
// and the assets. What was started is stopped and dropped at the end; the embedded server also
// ends when the test run is killed.
import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import type { TestProject } from 'vitest/node'
import { buildAssets } from '../../scripts/assets.ts'
import { migrate } from '../../scripts/migrate.ts'
import { startPostgres } from '../../scripts/postgres.ts'
import { closeTestWorlds } from './test-world.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A database on the test server that may create others. */
    adminDatabaseUrl: string
    /** The migrated database to clone. */
    templateDatabase: string
  }
}

/** Vitest's global set-up: answers the tear-down. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  await buildAssets()
  const given = process.env.DATABASE_URL
  const server = given ? undefined : await startPostgres({ ephemeral: true, statementStatistics: true })
  const adminUrl = given ?? server?.url('postgres') ?? ''
  const template = `gatepost_test_${randomBytes(4).toString('hex')}`
  const admin = postgres(adminUrl, { max: 1, onnotice: () => {} })
  const templateUrl = new URL(adminUrl)
  templateUrl.pathname = `/${template}`
  const tearDown = async (): Promise<void> => {
    await closeTestWorlds()
    if (server) {
      await admin.end({ timeout: 1 })
      await server.stop()
      return
    }
    const left = await admin`select datname from pg_database where starts_with(datname, ${template})`
    for (const { datname } of left) await admin`drop database if exists ${admin(datname)} with (force)`
    await admin.end({ timeout: 1 })
  }
  try {
    await admin`create database ${admin(template)}`
    await migrate(templateUrl.href)
  } catch (error) {
    await tearDown()
    throw error
  }
  project.provide('adminDatabaseUrl', adminUrl)
  project.provide('templateDatabase', template)
  return tearDown
}
