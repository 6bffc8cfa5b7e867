// The statement that finds an attachment: whose it is, and where it lies at the provider.

import { sql } from 'drizzle-orm'
import { callerCtes, param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'
import { inReach, isShown, ownerCte, type ReachParams, type ReachRow, reachColumns } from '../../db/reach.ts'

export interface FoundAttachment {
  readonly accountId: string
  readonly provider: string
  readonly providerMessageId: string
  readonly filename: string
  readonly contentType: string
}

export const findAttachment = statement<
  ReachParams & { emailId: string; partId: string },
  ReachRow & (FoundAttachment | { readonly accountId: null })
>(
  'email-attachment',
  sql`WITH ${callerCtes}, ${ownerCte('emails:read')}
  SELECT ${reachColumns('emails:read')}, found.*
  FROM caller LEFT JOIN owner ON true
  LEFT JOIN LATERAL (
    SELECT a.user_mail_account_id AS "accountId", a.provider_cd AS "provider",
      e.provider_message_id_txt AS "providerMessageId", p.filename_txt AS "filename", p.content_type_txt AS "contentType"
    FROM emails e
    JOIN user_mail_accounts a ON a.user_mail_account_id = e.user_mail_account_id
    JOIN email_attachments p ON p.email_id = e.email_id AND p.part_id_txt = ${param('partId', 'text')}
    -- Of a mailbox let go of the mail may be kept; its provider is asked for nothing more.
    WHERE e.email_id = ${param('emailId', 'uuid')} AND a.user_id = owner.user_id AND a.is_active_flg AND ${inReach} AND ${isShown}
  ) found ON true`,
)
