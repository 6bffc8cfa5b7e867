// Whether a caller lives, asked before a large body is read. Every verb asks it again in its own statement.

import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { lookForCaller } from './live-caller.sql.ts'

/** One trip. Throws 401 where the session or key has ended, or never was. */
export async function assertLiveCaller(db: Db, claim: CallerClaim): Promise<void> {
  if ((await db.first(lookForCaller, callerParams(claim))) === null) throw new AppError('unauthorized')
}
