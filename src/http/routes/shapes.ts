// Shapes that several resources share: lists, times, ids. Output schemas document; they are what the presenters below give.

import * as z from 'zod'
import { AppError } from '../../errors.ts'

export const uuid = z.uuid()
export const time = z.iso.datetime().describe('ISO 8601, UTC')
export const nothing = { description: 'Done, or done already' }

/** `limit` and an opaque `cursor`: it says only where to go on; who may see what stands in the statement. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z.string().max(200).optional(),
}

export const listOf = (items: z.ZodType) => z.object({ items: z.array(items), next_cursor: z.string().nullable() })

/** Lists run from newest to oldest by time-ordered ids; a cursor is the last id seen, wrapped. Throws 422. */
export function readCursor(cursor: string | undefined): string | null {
  if (cursor === undefined) return null
  const id = /^c1([0-9a-f]{32})$/.exec(cursor)?.[1]
  if (id === undefined)
    throw new AppError('invalid_input', { errors: [{ path: 'cursor', message: 'is none of ours' }] })
  return `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`
}

/** One row more than asked for was read: it tells that there is a next page. */
export function presentList<T extends { readonly id: string }, S>(
  rows: readonly T[],
  limit: number,
  present: (row: T) => S,
): { items: S[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    items: shown.map(present),
    next_cursor: rows.length > limit && last !== undefined ? `c1${last.id.replaceAll('-', '')}` : null,
  }
}

export function iso(date: Date): string
export function iso(date: Date | null): string | null
export function iso(date: Date | null): string | null {
  return date?.toISOString() ?? null
}
