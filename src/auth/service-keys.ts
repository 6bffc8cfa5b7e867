// Service keys: made by an admin, shown once, hashed at rest (128 bits and more need no slow hash), revoked at once.

import { sha256 } from '../crypto/hash.ts'
import { randomToken, uuidV7 } from '../crypto/random.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams, type Permission } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import {
  type AdminRow,
  insertServiceKey,
  listServiceKeys,
  revokeServiceKeyRow,
  type ServiceKey,
} from './service-keys.sql.ts'

export const permissions = [
  'tokens:vend',
  'mail_accounts:read',
  'emails:read',
  'emails:sync',
  'emails:send',
  'metrics:read',
] as const satisfies readonly Permission[]

/** `gp_` and 43 characters of base64url: the only form a key has. */
export const keyPattern = /^gp_[A-Za-z0-9_-]{43}$/

export interface NewServiceKey {
  readonly name: string
  readonly permissions: readonly Permission[]
  readonly userId: string | null
  readonly mailAccountIds: readonly string[] | null
  readonly expiresAt: Date | null
}

/** Throws 401, 403 for who is no admin, 422 where the user is unknown, a mailbox is not that user's, or the end lies in the past. The key is in the answer and nowhere else. */
export async function createServiceKey(
  deps: { db: Db; clock: () => Date },
  claim: CallerClaim,
  wanted: NewServiceKey,
  origin: RequestOrigin,
): Promise<ServiceKey & { key: string }> {
  if (wanted.expiresAt !== null && wanted.expiresAt <= deps.clock()) {
    throw new AppError('invalid_input', { errors: [{ path: 'expires_at', message: 'must be in the future' }] })
  }
  const key = `gp_${randomToken()}`
  const { userId, ...rest } = wanted
  const row = admitted(
    await deps.db.first(insertServiceKey, {
      ...callerParams(claim),
      ...origin,
      ...rest,
      keyUserId: userId,
      keyId: uuidV7(deps.clock()),
      keyHash: await sha256(key),
      hint: key.slice(0, 7),
    }),
  )
  if (row.id === null) {
    throw new AppError('invalid_input', {
      errors: [
        wanted.mailAccountIds === null
          ? { path: 'user_id', message: 'is no user here' }
          : { path: 'mail_account_ids', message: 'must all be mailboxes of user_id' },
      ],
    })
  }
  return { ...row, key }
}

/** All keys, newest first. Throws 401, 403. */
export async function listKeys(
  db: Db,
  claim: CallerClaim,
  page: { before: string | null; limit: number },
  origin: RequestOrigin,
): Promise<ServiceKey[]> {
  const rows = await db.all(listServiceKeys, { ...callerParams(claim), ...page, ...origin })
  admitted(rows[0] ?? null)
  return rows.filter((row): row is AdminRow & ServiceKey => row.id !== null)
}

/** Throws 401, 403, 404 (unknown, or revoked already). */
export async function revokeServiceKey(
  db: Db,
  claim: CallerClaim,
  keyId: string,
  origin: RequestOrigin,
): Promise<void> {
  const row = admitted(await db.first(revokeServiceKeyRow, { ...callerParams(claim), keyId, ...origin }))
  if (row.id === null) throw new AppError('not_found')
}

function admitted<R extends AdminRow>(row: R | null): R {
  if (row === null) throw new AppError('unauthorized')
  if (!row.isAdmin) throw new AppError('forbidden')
  return row
}
