// A person's own names. Anyone may see a user name and sign in with their own, so it is unique.

import type { Me } from '../auth/sessions.sql.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import { type Db, sqlState } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { type NameChange, nameParams } from './name-change.ts'
import { updateOwnNames } from './profile.sql.ts'

/** Changes the caller's names. Throws 401, 403 (a key), 409 `username_taken`, `last_sign_in_method`, 422. */
export async function updateProfile(
  db: Db,
  claim: CallerClaim,
  change: NameChange,
  origin: RequestOrigin,
): Promise<Me> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const params = nameParams(change)
  const row = await db.first(updateOwnNames, { ...callerParams(claim), ...origin, ...params }).catch(refuseTakenName)
  if (row === null) throw new AppError('unauthorized')
  if (row.id === null) throw new AppError('last_sign_in_method')
  return row
}

/** The one thing that can be doubled where names are written is the user name. */
export function refuseTakenName(thrown: unknown): never {
  throw sqlState(thrown) === '23505' ? new AppError('username_taken') : thrown
}
