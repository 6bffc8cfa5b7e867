// Statements of looking at users. Role is checked on what they return: a list's row of nulls is empty. A refusal leaves
// its audit row.

import { type SQL, sql } from 'drizzle-orm'
import { type Me, meColumns } from '../auth/sessions.sql.ts'
import { auditRefusedVerb, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, isAdmin, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'

/** A user as administrators see one. */
export interface User extends Me {
  readonly isActive: boolean
  /** Until when password sign-in is closed for the account; null where it is open. */
  readonly lockedUntil: Date | null
}

/** `User`, of the row of `users` that the statement calls `alias`. */
export function userColumns(alias: string): SQL {
  const u = sql.raw(alias)
  return sql`${meColumns(alias)}, ${u}.is_active_flg AS "isActive",
    (SELECT l.locked_until_utc FROM login_attempts l WHERE l.user_id = ${u}.user_id AND l.locked_until_utc > now()) AS "lockedUntil"`
}

export interface UserFilter {
  /** A pattern of LIKE, its wildcards escaped, in lower case; null for everybody. */
  readonly pattern: string | null
  readonly role: 'user' | 'admin' | null
  readonly isActive: boolean | null
}

type Found<T> = T | { readonly id: null }

/** Newest first. Addresses and user names are stored in lower case. */
export const listUserRows = statement<
  CallerParams & OriginParams & UserFilter & { before: string | null; limit: number },
  { readonly isAdmin: boolean } & Found<User>
>(
  'user-list',
  sql`WITH ${callerCtes},
  refused AS (${auditRefusedVerb('user.list')})
  SELECT ${isAdmin} AS "isAdmin", ${userColumns('u')}
  FROM caller
  LEFT JOIN LATERAL (
    SELECT * FROM users
    WHERE ${isAdmin} AND user_id < coalesce(${param('before', 'uuid')}, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
      AND (${param('role', 'text')} IS NULL OR role_cd = ${param('role', 'text')})
      AND (${param('isActive', 'boolean')} IS NULL OR is_active_flg = ${param('isActive', 'boolean')})
      AND (${param('pattern', 'text')} IS NULL OR email_address_txt LIKE ${param('pattern', 'text')}
        OR username_txt LIKE ${param('pattern', 'text')} OR lower(full_name_txt) LIKE ${param('pattern', 'text')})
    ORDER BY user_id DESC LIMIT ${param('limit', 'int')}
  ) u ON true
  ORDER BY u.user_id DESC`,
)

const isSelf = sql`coalesce(caller.user_id = ${param('targetId', 'uuid')} AND caller.api_key_id IS NULL, false)`

/** One user: anyone for an administrator, oneself for everybody. `isAllowed` does not tell whether there is such a user. */
export const readUserRow = statement<
  CallerParams & OriginParams & { targetId: string },
  { readonly isAllowed: boolean } & Found<User>
>(
  'user-read',
  sql`WITH ${callerCtes},
  refused AS (${auditRefusedVerb('user.read', sql`NOT ${isAdmin} AND NOT ${isSelf}`)})
  SELECT ${isAdmin} OR ${isSelf} AS "isAllowed", ${userColumns('u')}
  FROM caller LEFT JOIN users u ON u.user_id = ${param('targetId', 'uuid')} AND (${isAdmin} OR ${isSelf})`,
)

/** Whom an administrator is about to unlock: nobody's own business. */
export const readUserToUnlock = statement<
  CallerParams & OriginParams & { targetId: string },
  { readonly isAllowed: boolean } & Found<User>
>(
  'user-unlock-read',
  sql`WITH ${callerCtes},
  refused AS (${auditRefusedVerb('user.unlock')})
  SELECT ${isAdmin} AS "isAllowed", ${userColumns('u')}
  FROM caller LEFT JOIN users u ON u.user_id = ${param('targetId', 'uuid')} AND ${isAdmin}`,
)
