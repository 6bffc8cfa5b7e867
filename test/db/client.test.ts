// What the one connection makes of an answer of PostgreSQL: two statements that lock each other's rows.
import { sql } from 'drizzle-orm'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { createDb, type Db, type Statement, statement } from '../../src/db/client.ts'
import { query, testAddresses } from '../support/database.ts'
import { untilSomebodyWaits } from '../support/flows.ts'

const connect = (): Db => createDb({ connectionString: testAddresses.TEST_DATABASE_URL })

beforeEach(async () => {
  await query(`DROP TABLE IF EXISTS test_pair`)
  await query(`CREATE TABLE test_pair (name text PRIMARY KEY, n int NOT NULL DEFAULT 0)`)
  await query(`INSERT INTO test_pair (name) VALUES ('first'), ('second')`)
})

afterAll(() => query('DROP TABLE test_pair'))

/** Lets the statement and a transaction lock each other's rows. False where the transaction was the victim. */
async function meet(db: Db, both: Statement<object, { n: number }>): Promise<boolean> {
  await query('UPDATE test_pair SET n = 0')
  await query('BEGIN')
  await query(`UPDATE test_pair SET n = n + 10 WHERE name = 'second'`)
  // It holds the first row and waits for ours.
  const waiting = db.first(both, {})
  await untilSomebodyWaits()
  try {
    await query(`UPDATE test_pair SET n = n + 10 WHERE name = 'first'`)
  } catch (thrown) {
    await query('ROLLBACK')
    expect(thrown).toMatchObject({ code: '40P01' })
    expect(await waiting).toEqual({ n: 1 })
    return false
  }
  await query('COMMIT')
  expect(await waiting).toEqual({ n: 11 })
  return true
}

describe('a deadlock', () => {
  it('is answered by sending the statement again: it was undone whole, and then done once', async () => {
    const both = statement<object, { n: number }>(
      'test-both',
      sql`WITH one AS (UPDATE test_pair SET n = n + 1 WHERE name = 'first' RETURNING n)
        UPDATE test_pair SET n = test_pair.n + 1 FROM one WHERE name = 'second' RETURNING test_pair.n AS "n"`,
    )
    // PostgreSQL chooses the victim: who has waited for a second when the circle closes, or after. Where the machine was
    // slow it is the test's own transaction, and they meet once more.
    let db = connect()
    while (!(await meet(db, both))) db = connect()
    expect(await query(`SELECT name, n FROM test_pair ORDER BY name`)).toEqual([
      { name: 'first', n: 11 },
      { name: 'second', n: 11 },
    ])
    expect(db.trips).toBe(2)
  })

  it('that comes back each time is told after three tries', async () => {
    const victim = statement<object, object>(
      'test-victim',
      sql`DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$`,
    )
    const db = connect()
    await expect(db.all(victim, {})).rejects.toMatchObject({ code: '40P01' })
    expect(db.trips).toBe(3)
  })
})
