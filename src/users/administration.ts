// Users as administrators handle them, and as people handle themselves where the contract says so. Deleting is in
// removal.ts.

import { emailHash, usernameHash } from '../auth/subject-hash.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import { type Db, isConflict, type Statement, sqlState } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { listUserRows, readUserRow, type User } from './administration.sql.ts'
import { type ChangeParams, changeUserRow, unlockUserRow } from './change-user.sql.ts'
import { type NameChange, nameParams } from './name-change.ts'

export type { User } from './administration.sql.ts'

export interface UserSearch {
  /** Part of an address, user name or full name, in any case; null for everybody. */
  readonly text: string | null
  readonly role: 'user' | 'admin' | null
  readonly isActive: boolean | null
}

/** Users, newest first. Throws 401, 403. */
export async function listUsers(
  db: Db,
  claim: CallerClaim,
  search: UserSearch,
  page: { before: string | null; limit: number },
): Promise<User[]> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const { text, role, isActive } = search
  const pattern = text === null ? null : `%${text.toLowerCase().replaceAll(/[\\%_]/g, '\\$&')}%`
  const rows = await db.all(listUserRows, { ...callerParams(claim), pattern, role, isActive, ...page })
  if (rows[0] === undefined) throw new AppError('unauthorized')
  if (!rows[0].isAdmin) throw new AppError('forbidden')
  return rows.filter((row): row is typeof row & User => row.id !== null)
}

/** One user: oneself, or anyone as an administrator. Throws 401, 403 for another without the role, 404. */
export async function readUser(db: Db, claim: CallerClaim, userId: string): Promise<User> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const row = await db.first(readUserRow, { ...callerParams(claim), targetId: userId })
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

type ParamsOf<S> = S extends Statement<infer P, infer _> ? P : never
type RowOf<S> = S extends Statement<infer _, infer R> ? R : never

/** Runs again where somebody else wrote at the same moment, three times at most. */
const tries = 3

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
  const row = await changed(deps.db, { ...callerParams(claim), ...origin, ...params })
  if (row === null) throw new AppError('unauthorized')
  if (!row.isAllowed) throw new AppError('forbidden')
  if (row.verdict === null) throw new AppError('not_found')
  if (row.verdict !== 'changed') throw new AppError(row.verdict)
  if (row.id === null) throw new AppError('conflict')
  return row
}

async function changed(db: Db, params: ParamsOf<typeof changeUserRow>): Promise<RowOf<typeof changeUserRow> | null> {
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    try {
      return await db.first(changeUserRow, params)
    } catch (thrown) {
      // The one thing that can be doubled here is the user name.
      if (sqlState(thrown) === '23505') throw new AppError('username_taken')
      if (!isConflict(thrown)) throw thrown
    }
  }
  throw new AppError('conflict')
}

/** Lifts the locks of a user, as an administrator. Throws 401, 403, 404. */
export async function unlockUser(
  deps: { db: Db; subjectKey: CryptoKey },
  claim: CallerClaim,
  userId: string,
  origin: RequestOrigin,
): Promise<User> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const found = await deps.db.first(readUserRow, { ...callerParams(claim), targetId: userId })
  if (found === null) throw new AppError('unauthorized')
  const user = found.id === null ? null : found
  const row = await deps.db.first(unlockUserRow, {
    ...callerParams(claim),
    ...origin,
    targetId: userId,
    emailHash: user?.emailVerified === true ? await emailHash(deps.subjectKey, user.email) : null,
    usernameHash: user?.username == null ? null : await usernameHash(deps.subjectKey, user.username),
  })
  if (row === null) throw new AppError('unauthorized')
  // A plain user learns nothing of whether there is such a user, and the refusal is on record.
  if (!row.isAllowed) throw new AppError('forbidden')
  if (user === null || row.userId === null) throw new AppError('not_found')
  return { ...user, lockedUntil: null }
}
