// What a connecting flow must know before it begins: whose session asks, and which mailbox it means.

import { sql } from 'drizzle-orm'
import { isPresent } from '../auth/presence.sql.ts'
import { type CallerParams, callerCtes, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'

export interface ConnectStart {
  readonly userId: string | null
  readonly sessionId: string | null
  readonly isPresent: boolean
  readonly accountProvider: string | null
  readonly accountSubject: string | null
  readonly accountEmail: string | null
}

export const lookBeforeConnect = statement<CallerParams & { accountId: string | null }, ConnectStart>(
  'oauth-start-connect',
  sql`WITH ${callerCtes}
  SELECT caller.user_id AS "userId", caller.session_id AS "sessionId",
    ${isPresent('caller')} AS "isPresent",
    a.provider_cd AS "accountProvider", a.provider_subject_txt AS "accountSubject", a.email_address_txt AS "accountEmail"
  FROM caller
  LEFT JOIN user_mail_accounts a ON a.user_mail_account_id = ${param('accountId', 'uuid')} AND a.user_id = caller.user_id`,
)
