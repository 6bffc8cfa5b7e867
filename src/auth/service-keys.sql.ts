// Statements of service keys. The admin's role stands in the writes' own WHERE; a refusal leaves its audit row.

import { type SQL, sql } from 'drizzle-orm'
import { auditRefusedVerb, auditRow, type OriginParams } from '../db/audit.ts'
import { type CallerParams, callerCtes, isAdmin, type Permission, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'

export interface ServiceKey {
  readonly id: string
  readonly name: string
  /** The first characters, for recognition. */
  readonly hint: string
  readonly permissions: readonly Permission[]
  readonly userId: string | null
  readonly mailAccountIds: readonly string[] | null
  readonly status: 'active' | 'revoked'
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly lastUsedAt: Date | null
}

/** A list's or write's row: who asked, and what was found or changed, if anything. */
export interface AdminRow {
  readonly isAdmin: boolean
}

const keyColumns = (alias: SQL): SQL => sql`
  ${alias}.api_key_id AS "id", ${alias}.name_txt AS "name", ${alias}.key_hint_txt AS "hint", ${alias}.permissions_txt AS "permissions",
  ${alias}.user_id AS "userId", ${alias}.mail_account_ids AS "mailAccountIds", ${alias}.status_cd AS "status",
  ${alias}.created_at_utc AS "createdAt", ${alias}.expires_at_utc AS "expiresAt", ${alias}.last_used_at_utc AS "lastUsedAt"`

export interface NewKeyParams {
  readonly keyId: string
  readonly name: string
  readonly keyHash: string
  readonly hint: string
  readonly permissions: readonly Permission[]
  readonly keyUserId: string | null
  readonly mailAccountIds: readonly string[] | null
  readonly expiresAt: Date | null
}

export const insertServiceKey = statement<
  CallerParams & OriginParams & NewKeyParams,
  AdminRow & (ServiceKey | { readonly id: null })
>(
  'service-key-insert',
  sql`WITH ${callerCtes},
  fitting AS (
    SELECT caller.user_id FROM caller
    WHERE ${isAdmin}
      AND (${param('keyUserId', 'uuid')} IS NULL OR EXISTS (SELECT FROM users WHERE user_id = ${param('keyUserId', 'uuid')}))
      AND (${param('mailAccountIds', 'uuid[]')} IS NULL OR NOT EXISTS (
        SELECT unnest(${param('mailAccountIds', 'uuid[]')})
        EXCEPT SELECT user_mail_account_id FROM user_mail_accounts WHERE user_id = ${param('keyUserId', 'uuid')}
      ))
  ),
  created AS (
    INSERT INTO api_keys (api_key_id, name_txt, key_hash_txt, key_hint_txt, permissions_txt, user_id, mail_account_ids, expires_at_utc, created_by_user_id)
    SELECT ${param('keyId', 'uuid')}, ${param('name', 'text')}, ${param('keyHash', 'text')}, ${param('hint', 'text')}, ${param('permissions', 'text[]')},
           ${param('keyUserId', 'uuid')}, ${param('mailAccountIds', 'uuid[]')}, ${param('expiresAt', 'timestamptz')}, fitting.user_id
    FROM fitting
    RETURNING *
  ),
  audited AS (${auditRow('api_key.created', 'success', sql`SELECT created.created_by_user_id, created.api_key_id::text, jsonb_build_object('permissions', created.permissions_txt) FROM created`)}),
  refused AS (${auditRefusedVerb('api_key.create')})
  SELECT ${isAdmin} AS "isAdmin", ${keyColumns(sql`created`)} FROM caller LEFT JOIN created ON true`,
)

export const listServiceKeys = statement<
  CallerParams & OriginParams & { before: string | null; limit: number },
  AdminRow & (ServiceKey | { readonly id: null })
>(
  'service-key-list',
  sql`WITH ${callerCtes},
  refused AS (${auditRefusedVerb('api_key.list')})
  SELECT ${isAdmin} AS "isAdmin", ${keyColumns(sql`k`)}
  FROM caller
  LEFT JOIN LATERAL (
    SELECT * FROM api_keys
    WHERE ${isAdmin} AND api_key_id < coalesce(${param('before', 'uuid')}, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY api_key_id DESC LIMIT ${param('limit', 'int')}
  ) k ON true
  ORDER BY k.api_key_id DESC`,
)

export const revokeServiceKeyRow = statement<
  CallerParams & OriginParams & { keyId: string },
  AdminRow & { readonly id: string | null }
>(
  'service-key-revoke',
  sql`WITH ${callerCtes},
  revoked AS (
    UPDATE api_keys SET status_cd = 'revoked', revoked_at_utc = now(), modified_at_utc = now()
    FROM caller
    WHERE ${isAdmin} AND api_keys.api_key_id = ${param('keyId', 'uuid')} AND api_keys.status_cd = 'active'
    RETURNING api_keys.api_key_id, caller.user_id
  ),
  audited AS (${auditRow('api_key.revoked', 'success', sql`SELECT revoked.user_id, revoked.api_key_id::text, '{}'::jsonb FROM revoked`)}),
  refused AS (${auditRefusedVerb('api_key.revoke')})
  SELECT ${isAdmin} AS "isAdmin", revoked.api_key_id AS "id" FROM caller LEFT JOIN revoked ON true`,
)
