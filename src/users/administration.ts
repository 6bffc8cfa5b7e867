// Users as administrators handle them, and as people handle themselves where the contract says so. Deleting is in
// removal.ts.

import { emailHash, usernameHash } from '../auth/subject-hash.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import { againOnConflict, type Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { listUserRows, readUserRow, readUserToUnlock, type User } from './administration.sql.ts'
import { type ChangeParams, changeUserRow, unlockUserRow } from './change-user.sql.ts'
import { type NameChange, nameParams } from './name-change.ts'
import { refuseTakenName } from './profile.ts'

export type { User } from './administration.sql.ts'

export interface UserSearch {
  /** Part of an address, user name or full name, in any case; null for everybody. */
  readonly text: string | null
  readonly role: 'user' | 'admin' | null
  readonly isActive: boolean | null
}

/** Users, newest first. Throws 401, 403 (audited). */
export async function listUsers(
  db: Db,
  claim: CallerClaim,
  search: UserSearch,
  page: { before: string | null; limit: number },
  origin: RequestOrigin,
): Promise<User[]> {
  const { text, role, isActive } = search
  const pattern = text === null ? null : `%${text.toLowerCase().replaceAll(/[\\%_]/g, '\\$&')}%`
  const rows = await db.all(listUserRows, { ...callerParams(claim), ...origin, pattern, role, isActive, ...page })
  if (rows[0] === undefined) throw new AppError('unauthorized')
  if (!rows[0].isAdmin) throw new AppError('forbidden')
  return rows.filter((row): row is typeof row & User => row.id !== null)
}

/** One user: oneself, or anyone as an administrator. Throws 401, 403 for another without the role (audited), 404. */
export async function readUser(db: Db, claim: CallerClaim, userId: string, origin: RequestOrigin): Promise<User> {
  return found(await db.first(readUserRow, { ...callerParams(claim), ...origin, targetId: userId }))
}

function found(row: ({ readonly isAllowed: boolean } & (User | { readonly id: null })) | null): User {
  if (row === null) throw new AppError('unauthorized')
  if (!row.isAllowed) throw new AppError('forbidden')
  if (row.id === null) throw new AppError('not_found')
  return row
}

/** What is to change; a member left out stays as it is. Role and activity are for administrators only. */
export interface UserChange extends NameChange {
  readonly role?: 'user' | 'admin' | undefined
  readonly isActive?: boolean | undefined
}

/**
 * Changes a user: all of it or nothing. Throws 401, 403 (another without the role; role or activity without the role),
 * 404, 409 `last_admin`, `admin_by_setting`, `last_sign_in_method`, `username_taken`, 422.
 */
export async function updateUser(
  deps: { db: Db; adminEmails: readonly string[] },
  claim: CallerClaim,
  userId: string,
  change: UserChange,
  origin: RequestOrigin,
): Promise<User> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const params: ChangeParams = {
    ...nameParams(change),
    targetId: userId,
    role: change.role ?? null,
    isActive: change.isActive ?? null,
    adminEmails: deps.adminEmails,
  }
  const row = await againOnConflict(() =>
    deps.db.first(changeUserRow, { ...callerParams(claim), ...origin, ...params }).catch(refuseTakenName),
  )
  if (row === null) throw new AppError('unauthorized')
  if (!row.isAllowed) throw new AppError('forbidden')
  if (row.verdict === null) throw new AppError('not_found')
  if (row.verdict !== 'changed') throw new AppError(row.verdict)
  if (row.id === null) throw new AppError('conflict')
  return row
}

/** Lifts the locks of a user, as an administrator. Throws 401, 403 (audited), 404. */
export async function unlockUser(
  deps: { db: Db; subjectKey: CryptoKey },
  claim: CallerClaim,
  userId: string,
  origin: RequestOrigin,
): Promise<User> {
  const user = found(await deps.db.first(readUserToUnlock, { ...callerParams(claim), ...origin, targetId: userId }))
  const row = await deps.db.first(unlockUserRow, {
    ...callerParams(claim),
    ...origin,
    targetId: userId,
    emailHash: user.emailVerified ? await emailHash(deps.subjectKey, user.email) : null,
    usernameHash: user.username === null ? null : await usernameHash(deps.subjectKey, user.username),
  })
  if (row === null) throw new AppError('unauthorized')
  if (!row.isAllowed) throw new AppError('forbidden')
  if (row.userId === null) throw new AppError('not_found')
  return { ...user, lockedUntil: null }
}
