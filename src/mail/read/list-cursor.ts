// Cursors of mail lists: where to go on and nothing else. Who may see what stands in the statement, so a cursor of another
// person's list is worth no more than a guess.

import type { CursorParams, PlacedRow } from './list-parts.sql.ts'

/** By date, or by rank and then date. */
export type ListOrder = 'date' | 'rank'

export const fromTheStart: CursorParams = { cursorRank: null, cursorMicros: null, cursorId: null }

/** `d1` or `r1`, the rank in millionths, microseconds since 1970, the message's id: as short as they get. */
export function printCursor(order: ListOrder, row: PlacedRow): string {
  const rank = order === 'rank' ? `${BigInt(row.sortRank).toString(36)}_` : ''
  return `${order === 'rank' ? 'r1' : 'd1'}_${rank}${BigInt(row.sortMicros).toString(36)}_${row.id.replaceAll('-', '')}`
}

const patterns = {
  date: /^d1_(?<micros>-?[0-9a-z]{1,11})_(?<id>[0-9a-f]{32})$/,
  rank: /^r1_(?<rank>[0-9a-z]{1,10})_(?<micros>-?[0-9a-z]{1,11})_(?<id>[0-9a-f]{32})$/,
}

/** From the year 1 to 2255, well within what PostgreSQL and a double hold. */
const latestMicros = 9_000_000_000_000_000
const earliestMicros = -62_000_000_000_000_000

/** Null where it is none of ours, or of a list in another order. */
export function parseCursor(order: ListOrder, cursor: string | null): CursorParams | null {
  if (cursor === null) return fromTheStart
  const groups = patterns[order].exec(cursor)?.groups
  const { rank, micros, id } = groups ?? {}
  if (micros === undefined || id === undefined) return null
  const at = Number.parseInt(micros, 36)
  if (at > latestMicros || at < earliestMicros) return null
  return {
    cursorRank: rank === undefined ? null : String(Number.parseInt(rank, 36)),
    cursorMicros: String(at),
    cursorId: `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`,
  }
}
