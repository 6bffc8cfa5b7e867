// Statements of removing pictures from R2: rows of `erasures` that no person names any more.

import { sql } from 'drizzle-orm'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'

export interface ClaimedPicture {
  readonly avatarId: string
}

/** Claims one that is due; its clock moves on at once, a minute and doubling to about an hour, so that a crash is a retry. */
export const claimAvatarErasure = statement<{ erasureId: string }, ClaimedPicture>(
  'avatar-erasure-claim',
  sql`UPDATE erasures SET due_at_utc = now() + interval '1 minute' * power(2, least(attempt_cnt, 6)), attempt_cnt = attempt_cnt + 1, modified_at_utc = now()
  WHERE erasure_id = ${param('erasureId', 'uuid')} AND kind_cd = 'avatar' AND due_at_utc <= now()
  RETURNING provider_subject_txt AS "avatarId"`,
)

/** The row goes once the picture is gone; otherwise it says why not. */
export const finishAvatarErasure = statement<{ erasureId: string; error: string | null }, object>(
  'avatar-erasure-finish',
  sql`WITH gone AS (
    DELETE FROM erasures WHERE erasure_id = ${param('erasureId', 'uuid')} AND kind_cd = 'avatar' AND ${param('error', 'text')} IS NULL
  )
  UPDATE erasures SET last_error_cd = ${param('error', 'text')}, modified_at_utc = now()
  WHERE erasure_id = ${param('erasureId', 'uuid')} AND kind_cd = 'avatar' AND ${param('error', 'text')} IS NOT NULL`,
)

export const findDueAvatarErasures = statement<{ limit: number }, { readonly id: string }>(
  'avatar-erasure-due',
  sql`SELECT erasure_id AS "id" FROM erasures WHERE due_at_utc <= now() AND kind_cd = 'avatar' ORDER BY due_at_utc LIMIT ${param('limit', 'int')}`,
)
