// Letters for the development viewer: rows composed again as they were sent. The door opens it only where the console
// transport is set, which works on a loopback host alone.

import type { Db } from '../db/client.ts'
import { type ComposeDeps, type ComposedLetter, composeLetter } from './compose.ts'
import { findLetter, findLetters, type LetterRow } from './viewer.sql.ts'

export type { LetterRow }

export interface ViewedLetter extends LetterRow {
  /** Null where there is nothing to say, as in most letters that were void from the start. */
  readonly composed: ComposedLetter | null
}

type ViewerDeps = ComposeDeps & { readonly db: Db }

const listed = 100

/** The newest letters, newest first. */
export async function listLetters(deps: ViewerDeps): Promise<ViewedLetter[]> {
  const rows = await deps.db.all(findLetters, { limit: listed })
  return Promise.all(rows.map(async (row) => ({ ...row, composed: await composeLetter(deps, row) })))
}

/** One letter, or null. */
export async function readLetter(deps: ViewerDeps, letterId: string): Promise<ViewedLetter | null> {
  const row = await deps.db.first(findLetter, { letterId })
  return row === null ? null : { ...row, composed: await composeLetter(deps, row) }
}
