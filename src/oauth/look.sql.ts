// The look before the write: whose identity it is, who has the address verified, and the mailbox it would go to.

import { type SQL, sql } from 'drizzle-orm'
import { isPresent } from '../auth/presence.sql.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'

export interface LookParams extends CallerParams {
  readonly provider: string
  readonly subject: string
  readonly email: string | null
  /** Connecting flows: whose mailbox is looked for. Null: of whoever the identity or the address belongs to. */
  readonly ownerUserId: string | null
}

export interface LookRow {
  readonly callerUserId: string | null
  readonly callerSessionId: string | null
  readonly isPresent: boolean
  readonly identityUserId: string | null
  readonly identityIsActive: boolean
  readonly identityCredentialVersion: number | null
  readonly addressUserId: string | null
  readonly addressIsActive: boolean
  readonly addressCredentialVersion: number | null
  /** The row's own version (`xmin`): a link holds it unchanged. */
  readonly addressRowVersion: string | null
  readonly addressHasIdentity: boolean
  /** The mailbox with this subject of the user it would go to. */
  readonly accountId: string | null
  readonly accountStatus: 'active' | 'degraded' | 'needs_reauthorization' | 'disconnected' | null
  readonly accountHasRefreshToken: boolean
  readonly accountClientId: string | null
  readonly accountVersion: number | null
  /** A revocation of this subject waits or is under way: what is stored now may die of it. */
  readonly hasErasure: boolean
}

export const lookColumns: SQL = sql`
  identity.user_id AS "identityUserId", coalesce(identity.is_active_flg, false) AS "identityIsActive", identity.credential_version_nbr AS "identityCredentialVersion",
  address.user_id AS "addressUserId", coalesce(address.is_active_flg, false) AS "addressIsActive", address.credential_version_nbr AS "addressCredentialVersion",
  address.row_version AS "addressRowVersion", coalesce(address.has_identity, false) AS "addressHasIdentity",
  a.user_mail_account_id AS "accountId", a.status_cd AS "accountStatus", t.refresh_token_txt IS NOT NULL AS "accountHasRefreshToken",
  t.client_id_txt AS "accountClientId", t.version_nbr AS "accountVersion", erasure.has_one AS "hasErasure"`

/** Whose identity it is, who has the address verified, and the mailbox of `candidate` (a SQL expression; null: of whom the identity or the address belongs to). */
export function lookJoins(of: { provider: SQL; subject: SQL; email: SQL; candidate: SQL }): SQL {
  return sql`
  LEFT JOIN LATERAL (
    SELECT u.user_id, u.is_active_flg, u.credential_version_nbr
    FROM user_identities i JOIN users u ON u.user_id = i.user_id
    WHERE i.provider_cd = ${of.provider} AND i.provider_subject_txt = ${of.subject}
  ) identity ON true
  LEFT JOIN LATERAL (
    SELECT u.user_id, u.is_active_flg, u.credential_version_nbr, u.xmin::text AS row_version,
      EXISTS (SELECT FROM user_identities i WHERE i.user_id = u.user_id AND i.provider_cd = ${of.provider}) AS has_identity
    FROM users u WHERE u.email_address_txt = ${of.email} AND u.email_verified_at_utc IS NOT NULL
  ) address ON true
  LEFT JOIN user_mail_accounts a ON a.user_id = coalesce(${of.candidate}, identity.user_id, address.user_id)
    AND a.provider_cd = ${of.provider} AND a.provider_subject_txt = ${of.subject}
  LEFT JOIN oauth_tokens t ON t.user_mail_account_id = a.user_mail_account_id
  CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM erasures e WHERE e.kind_cd = 'grant' AND e.provider_cd = ${of.provider} AND e.provider_subject_txt = ${of.subject}) AS has_one
  ) erasure`
}

export const lookBeforeWrite = statement<LookParams, LookRow>(
  'oauth-look',
  sql`WITH ${callerCtes}
  SELECT caller.user_id AS "callerUserId", caller.session_id AS "callerSessionId",
    ${isPresent('caller')} AS "isPresent", ${lookColumns}
  FROM (SELECT 1) one
  LEFT JOIN caller ON caller.api_key_id IS NULL
  ${lookJoins({
    provider: param('provider', 'text'),
    subject: param('subject', 'text'),
    email: param('email', 'text'),
    candidate: param('ownerUserId', 'uuid'),
  })}`,
)
