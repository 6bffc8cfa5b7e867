// Messages that were given up, as the inbox tells of them.

import type { UnsentRow } from './unsent.sql.ts'

/** Messages that were given up, the newest by name. */
export interface Unsent {
  /** A hundred at most. */
  readonly count: number
  readonly newest: readonly { readonly id: string; readonly writtenAt: Date }[]
}

export function unsentOf(row: UnsentRow | undefined): Unsent {
  const newest = (row?.newest ?? []).map(({ id, writtenAt }) => ({ id, writtenAt: new Date(writtenAt) }))
  return { count: row?.count ?? 0, newest }
}
