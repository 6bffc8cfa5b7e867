// The one place where a connection to PostgreSQL is made: one client an invocation, never in module scope, never ended
// by us (the runtime closes its socket). Statements are compiled once, named, and run as prepared ones.

import { fillPlaceholders, type SQL } from 'drizzle-orm'
import { CasingCache } from 'drizzle-orm/casing'
import Client from 'pg/lib/client'
import { AppError } from '../errors.ts'

/** How PostgreSQL writes names and parameters: what Drizzle's PgDialect says, without its query builder and migrator. */
const dialect = {
  casing: new CasingCache(),
  escapeName: (name: string) => `"${name.replaceAll('"', '""')}"`,
  escapeParam: (index: number) => `$${index + 1}`,
  escapeString: (text: string) => `'${text.replaceAll("'", "''")}'`,
}

/**
 * A statement with a name, `P` in and rows of `R` out. `P`'s members are the names of its placeholders.
 * The name makes it a prepared statement: planning is two thirds of a wide statement's time.
 */
export interface Statement<P, R> {
  readonly name: string
  readonly text: string
  readonly params: readonly unknown[]
  /** Types only; never set. */
  readonly shape?: (params: P) => R
}

/**
 * Compiles `query` once, when it is first sent: at module load all of them would lengthen every cold start.
 * Placeholders are `sql.placeholder('name')`, or those of db/caller's `param`.
 */
export function statement<P extends object, R extends object>(name: string, query: SQL): Statement<P, R> {
  let compiled: { sql: string; params: unknown[] } | null = null
  const compile = () => {
    if (compiled === null) {
      const { sql: text, params } = query.toQuery(dialect)
      compiled = { sql: withoutLayout(text), params }
    }
    return compiled
  }
  return {
    name,
    get text() {
      return compile().sql
    },
    get params() {
      return compile().params
    },
  }
}

/**
 * Our line breaks, indentation and whole-line comments are for readers: every fresh connection is sent the statement's
 * text again. No text literal of ours has a line break, so none is touched.
 */
export function withoutLayout(text: string): string {
  return text.replaceAll(/\s*\n(?:\s*--[^\n]*\n)*\s*/g, ' ').trim()
}

export interface Db {
  /**
   * All rows; a statement that was rolled back for another's sake is sent again, three times in all.
   * Throws `AppError('unavailable')` where PostgreSQL cannot be reached, the driver's error otherwise.
   */
  all<P extends object, R extends object>(query: Statement<P, R>, params: P): Promise<R[]>
  /** The first row, or null. */
  first<P extends object, R extends object>(query: Statement<P, R>, params: P): Promise<R | null>
  /** Statements sent so far by this invocation. */
  readonly trips: number
}

export interface DbOptions {
  readonly connectionString: string
  /** Longest wait for a connection. */
  readonly connectTimeoutMs?: number
  /** Longest wait for one statement; Hyperdrive ends them at 60 s. */
  readonly statementTimeoutMs?: number
}

/** SQLSTATE of a driver's error, or null. */
export function sqlState(thrown: unknown): string | null {
  if (!(thrown instanceof Error) || !('code' in thrown) || typeof thrown.code !== 'string') return null
  return /^[0-9A-Z]{5}$/.test(thrown.code) ? thrown.code : null
}

/** Two writers met: unique violation, vanished parent, and what `isRolledBack` says. Look and decide again. */
export function isConflict(thrown: unknown): boolean {
  return ['23505', '23503'].includes(sqlState(thrown) ?? '') || isRolledBack(thrown)
}

/** Deadlock or serialization failure: PostgreSQL undid all of it so that another could go on. The same again may pass. */
function isRolledBack(thrown: unknown): boolean {
  return ['40P01', '40001'].includes(sqlState(thrown) ?? '')
}

/** Runs a write again where another writer was in its way; three times at most, then 409 `conflict`. */
export async function againOnConflict<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    try {
      return await write()
    } catch (thrown) {
      if (!isConflict(thrown)) throw thrown
    }
  }
  throw new AppError('conflict')
}

// Class 08 connection, 53 resources, 57 shutdown and cancelled; anything without a SQLSTATE is the socket.
function isOutage(thrown: unknown): boolean {
  const state = sqlState(thrown)
  return state === null || /^(08|53|57)/.test(state)
}

/** Connects at the first statement. Safe for several statements at once: they queue on the one connection. */
export function createDb(options: DbOptions): Db {
  let connection: Promise<Client> | null = null
  let trips = 0

  async function connect(): Promise<Client> {
    const client = new Client({
      connectionString: options.connectionString,
      connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
      query_timeout: options.statementTimeoutMs ?? 15_000,
    })
    // A socket that dies between statements is reported by the next statement; without a listener it would end the isolate.
    client.on('error', () => {
      connection = null
    })
    await client.connect()
    return client
  }

  async function all<P extends object, R extends object>(query: Statement<P, R>, params: P, tries = 3): Promise<R[]> {
    const values = fillPlaceholders([...query.params], params as Record<string, unknown>)
    try {
      connection ??= connect()
      const client = await connection
      trips += 1
      const result = await client.query<R>({ name: query.name, text: query.text, values })
      return result.rows
    } catch (thrown) {
      // Each statement is a transaction of its own: nothing of it was done.
      if (isRolledBack(thrown) && tries > 1) return all(query, params, tries - 1)
      if (!isOutage(thrown)) throw thrown
      connection = null
      throw new AppError('unavailable', { cause: thrown })
    }
  }

  return {
    all: (query, params) => all(query, params),
    first: async (query, params) => (await all(query, params))[0] ?? null,
    get trips() {
      return trips
    },
  }
}
