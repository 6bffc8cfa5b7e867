// Pieces of the statements that read much in one trip: rows as JSON, and figures of ours in SQL.

import { type SQL, sql } from 'drizzle-orm'

/** A JSON array of what `rows` yields, empty where that is nothing. */
export const listed = (rows: SQL): SQL =>
  sql`(SELECT coalesce(jsonb_agg(to_jsonb(listed)), '[]') FROM (${rows}) AS listed)`

/** A number of ours, written into the statement, so that its plan knows it. */
export const figure = (value: number): SQL => sql.raw(String(value))
