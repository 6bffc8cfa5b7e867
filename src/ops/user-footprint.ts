// What belongs to one person, for an admin who is about to decide something about them.

import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { admitted } from './admin-gate.sql.ts'
import { readUserFootprintRow, type UserFootprint } from './user-footprint.sql.ts'

/** Throws 401, 403 (audited), 404. */
export async function readUserFootprint(
  db: Db,
  claim: CallerClaim,
  userId: string,
  origin: RequestOrigin,
): Promise<UserFootprint> {
  const row = admitted(await db.first(readUserFootprintRow, { ...callerParams(claim), userId, ...origin }))
  if (row.id === null) throw new AppError('not_found')
  return row
}
