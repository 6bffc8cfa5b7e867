// For tests that run inside workerd: the file's own database, asked directly (what the Worker did), and the proxy that
// stands between the Worker and it. One connection, which ends with the runner.
import { env } from 'cloudflare:workers'
import pg from 'pg'
import * as z from 'zod'
import type { ProxyMode, WireCounts } from './database-proxy.ts'

/** The addresses that only tests know. */
export const testAddresses = z
  .object({
    TEST_DATABASE_URL: z.string(),
    TEST_PROXY_URL: z.string(),
    GOOGLE_EMULATOR_URL: z.string(),
    GITHUB_EMULATOR_URL: z.string(),
  })
  .parse({ ...env })

// Kept before any test spies on it.
const realFetch = globalThis.fetch.bind(globalThis)

let connecting: Promise<pg.Client> | undefined

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: testAddresses.TEST_DATABASE_URL })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Runs one statement on the file's database, not through the proxy, and answers its rows. */
export async function query<Row extends pg.QueryResultRow>(sql: string, params: unknown[] = []): Promise<Row[]> {
  connecting ??= connect()
  const client = await connecting
  const result = await client.query<Row>(sql, params)
  return result.rows
}

/**
 * Empties every table but `audit_logs`, which refuses: count its rows from a mark. Rows are deleted where there are some,
 * without triggers, where we may: `TRUNCATE` makes each table and index anew and takes ten times as long for a few rows.
 */
export async function emptyTables(): Promise<void> {
  const empty = () =>
    query(`DO $$ DECLARE
      tables text[] := array(SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'audit_logs');
      one text;
      has_rows boolean;
    BEGIN
      IF current_setting('is_superuser') = 'off' THEN
        EXECUTE 'TRUNCATE ' || array_to_string(tables, ', ');
        RETURN;
      END IF;
      SET LOCAL session_replication_role = replica;
      FOREACH one IN ARRAY tables LOOP
        EXECUTE 'SELECT EXISTS (SELECT FROM ' || one || ')' INTO has_rows;
        IF has_rows THEN EXECUTE 'DELETE FROM ' || one; END IF;
      END LOOP;
    END $$`)
  // Consumers left over from the test before may hold a row just now (40P01, deadlock): they end, and then it works.
  for (let tries = 1; ; tries += 1) {
    try {
      await empty()
      return
    } catch (thrown) {
      if (tries === 5) throw thrown
    }
  }
}

/** Empties `audit_logs` as its owner alone can: between files, whose tests count its rows. */
export async function emptyAuditTrail(): Promise<void> {
  await query(`DO $$ BEGIN
    ALTER TABLE audit_logs DISABLE TRIGGER audit_logs_stays;
    TRUNCATE audit_logs;
    ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER audit_logs_stays;
  END $$`)
}

async function control(method: string, path: string, body?: object): Promise<unknown> {
  const response = await realFetch(`${testAddresses.TEST_PROXY_URL}${path}`, {
    method,
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const answer: unknown = await response.json()
  if (!response.ok) throw new Error(`the proxy answered ${response.status}: ${JSON.stringify(answer)}`)
  return answer
}

const countsSchema: z.ZodType<WireCounts> = z.object({
  connections: z.number(),
  roundTrips: z.number(),
  statements: z.number(),
})

/** The proxy between Hyperdrive and PostgreSQL. */
export const proxy = {
  /** What crossed the wire since the last reset. */
  counts: async (): Promise<WireCounts> => countsSchema.parse(await control('GET', '/counts')),
  resetCounts: async (): Promise<void> => void (await control('DELETE', '/counts')),
  /** Puts the database this many milliseconds (one round trip) away. */
  setDelay: async (ms: number): Promise<void> => void (await control('PUT', '/delay', { ms })),
  /** Takes the database down, or brings it back: see `ProxyMode`. */
  setMode: async (mode: ProxyMode): Promise<void> => void (await control('PUT', '/mode', { mode })),
}
