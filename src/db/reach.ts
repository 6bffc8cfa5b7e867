// Whose mailboxes and mail a caller may reach: their own, or for a service key those of the person it names or was asked
// for. Common ground of every statement about mailboxes, so that the rule stands once.

import { type SQL, sql } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import { type CallerParams, type Permission, param } from './caller.ts'

/** Who asked, beside what was found. */
export interface ReachRow {
  readonly isKey: boolean
  readonly isPermitted: boolean
  readonly keyUserId: string | null
  /** Whose mailboxes these are; null where that person is unknown, disabled, or out of the key's reach. */
  readonly ownerId: string | null
}

export interface ReachParams extends CallerParams {
  /** The `user_id` of the query; null where none was given. */
  readonly forUserId: string | null
}

const isPermitted = (permission: Permission): SQL =>
  sql`(caller.api_key_id IS NULL OR ${sql.raw(`'${permission}'`)} = ANY(caller.permissions))`

/**
 * `owner`, beside `callerCtes`: the person whose mailboxes may be reached: the caller, or for a key with the permission
 * the one it names or was asked for. Somebody disabled, deleted or out of reach is no row.
 */
export const ownerCte = (permission: Permission): SQL => sql`
  owner AS (
    SELECT u.user_id FROM caller
    JOIN users u ON u.user_id = coalesce(${param('forUserId', 'uuid')}, caller.user_id)
    WHERE u.is_active_flg
      AND (caller.user_id IS NULL OR caller.user_id = u.user_id)
      AND ${isPermitted(permission)}
  )`

/** The columns of `ReachRow`, over `caller LEFT JOIN owner`. */
export const reachColumns = (permission: Permission): SQL => sql`
  caller.api_key_id IS NOT NULL AS "isKey", ${isPermitted(permission)} AS "isPermitted",
  caller.user_id AS "keyUserId", owner.user_id AS "ownerId"`

/** Of `user_mail_accounts a`: within the mailboxes that a key is bound to. */
export const inReach: SQL = sql`(caller.mail_account_ids IS NULL OR a.user_mail_account_id = ANY(caller.mail_account_ids))`

/**
 * Of `emails e` and its mailbox `a`: not hidden. Disconnecting without keeping the mail hides it at once; what comes after
 * reconnecting shows again.
 */
export const isShown: SQL = sql`e.created_at_utc >= a.mail_since_utc`

/**
 * Throws 401 (no row); 403 (a key without the permission); 422 (a key that names nobody, asked for nobody); 404 (a person
 * out of reach).
 */
export function assertReach(row: ReachRow | null, forUserId: string | null): asserts row is ReachRow {
  if (row === null) throw new AppError('unauthorized')
  if (!row.isPermitted) throw new AppError('forbidden')
  if (row.isKey && row.keyUserId === null && forUserId === null) {
    throw new AppError('invalid_input', {
      errors: [{ path: 'user_id', message: 'says for whom: this key names nobody' }],
    })
  }
  if (row.ownerId === null) throw new AppError('not_found')
}
