// Statements of taking mail in to be sent, and of telling what became of it.

import { type SQL, sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../../db/audit.ts'
import { callerCtes, param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'
import { inReach, isShown, ownerCte, type ReachParams, type ReachRow, reachColumns } from '../../db/reach.ts'
import type { Mailbox } from './addresses.ts'
import type { StoredAddress } from './reply.ts'

export type SendStatus = 'queued' | 'sending' | 'unconfirmed' | 'sent' | 'failed'

/** Of `outbox o`: neither sent nor given up. Written as the partial indexes are. */
export const isUnderWay: SQL = sql`o.status_cd IN ('queued', 'sending', 'unconfirmed')`

/** How long a key of a caller's own names one request. */
const idempotencyHours = 24
const isKept = sql`o.created_at_utc > now() - interval '${sql.raw(String(idempotencyHours))} hours'`

/** The row that came under this key before: of this user, and of this holder (a key, or the person). */
const ofThisKey: SQL = sql`o.user_id = owner.user_id AND coalesce(o.api_key_id, o.user_id) = coalesce(caller.api_key_id, owner.user_id)
  AND o.idempotency_key_txt = ${param('idempotencyKey', 'text')}`

export interface LookParams extends ReachParams {
  /** Normalised. */
  readonly from: string
  readonly replyToId: string | null
  readonly idempotencyKey: string | null
}

export interface LookRow {
  readonly earlierId: string | null
  readonly earlierHash: string
  readonly fullName: string | null
  readonly accountId: string | null
  readonly address: string
  readonly status: 'active' | 'degraded' | 'needs_reauthorization'
  readonly grantedScopes: string
  readonly originalId: string | null
  readonly messageId: string | null
  readonly references: string
  readonly subject: string
  readonly sender: StoredAddress | null
  readonly recipients: readonly StoredAddress[]
  readonly replyTo: readonly StoredAddress[]
  readonly threadId: string
  readonly isSameMailbox: boolean
  /** What the mailbox has on its way. */
  readonly waitingCount: number
  readonly waitingBytes: number
}

/**
 * All that is needed to write the message, in one trip. A disconnected mailbox is none. Of two with one address (two
 * accounts of a provider may have it) the newest.
 */
export const lookToSend = statement<LookParams, ReachRow & LookRow>(
  'send-look',
  sql`WITH ${callerCtes}, ${ownerCte('emails:send')}
  SELECT ${reachColumns('emails:send')}, u.full_name_txt AS "fullName",
    earlier.outbox_id AS "earlierId", earlier.body_hash_txt AS "earlierHash",
    box.user_mail_account_id AS "accountId", box.email_address_txt AS "address", box.status_cd AS "status",
    box.granted_scopes_txt AS "grantedScopes",
    original.email_id AS "originalId", original.message_id_txt AS "messageId", original.references_txt AS "references",
    original.subject_txt AS "subject", original.from_json AS "sender", original.to_json AS "recipients",
    original.reply_to_json AS "replyTo", original.provider_thread_id_txt AS "threadId",
    coalesce(original.user_mail_account_id = box.user_mail_account_id, false) AS "isSameMailbox",
    waiting.count AS "waitingCount", waiting.bytes AS "waitingBytes"
  FROM caller
  LEFT JOIN owner ON true
  LEFT JOIN users u ON u.user_id = owner.user_id
  LEFT JOIN LATERAL (SELECT o.* FROM outbox o WHERE ${ofThisKey} AND ${isKept}) earlier ON true
  LEFT JOIN LATERAL (
    SELECT a.* FROM user_mail_accounts a
    WHERE a.user_id = owner.user_id AND a.email_address_txt = ${param('from', 'text')} AND a.is_active_flg AND ${inReach}
    ORDER BY a.user_mail_account_id DESC LIMIT 1
  ) box ON true
  CROSS JOIN LATERAL (
    -- The length of a stored text is known without reading it.
    SELECT count(*)::int AS count, coalesce(sum(octet_length(o.mime_txt)), 0)::float AS bytes
    FROM outbox o WHERE o.user_mail_account_id = box.user_mail_account_id AND ${isUnderWay}
  ) waiting
  LEFT JOIN LATERAL (
    SELECT e.* FROM emails e JOIN user_mail_accounts a ON a.user_mail_account_id = e.user_mail_account_id
    WHERE e.email_id = ${param('replyToId', 'uuid')} AND a.user_id = owner.user_id AND ${inReach} AND ${isShown}
  ) original ON true`,
)

/** What was typed, without its files: those no form can be filled with. */
export interface StoredDraft {
  readonly to: readonly Mailbox[]
  readonly cc: readonly Mailbox[]
  readonly bcc: readonly Mailbox[]
  readonly subject: string
  readonly text: string
  readonly hasFiles: boolean
}

export interface AcceptParams extends ReachParams, OriginParams {
  readonly accountId: string
  readonly sendScope: string
  readonly replyToId: string | null
  readonly idempotencyKey: string | null
  readonly bodyHash: string
  readonly messageId: string
  readonly threadId: string | null
  /** JSON of a `StoredDraft`. */
  readonly draft: string
  readonly mime: string
  readonly recipientCount: number
}

/**
 * Takes the message in, under everything the look found: a live caller, a mailbox in reach that may send, the message it
 * answers still there, the key free. No row: something of it is no longer so, or the same key came at once; look again.
 */
export const acceptOutgoing = statement<AcceptParams, { readonly id: string }>(
  'send-accept',
  sql`WITH ${callerCtes}, ${ownerCte('emails:send')},
  freed AS (
    -- A key names one request for a day; after it, another.
    UPDATE outbox o SET idempotency_key_txt = NULL, modified_at_utc = now()
    FROM caller, owner WHERE ${ofThisKey} AND NOT ${isKept}
    RETURNING o.outbox_id
  ),
  mailbox AS (
    SELECT a.user_mail_account_id, a.user_id, caller.api_key_id, caller.user_id AS caller_user_id
    FROM caller JOIN owner ON true
    -- Counted, so that the old key is free before the new one is written.
    CROSS JOIN (SELECT count(*) FROM freed) f
    JOIN user_mail_accounts a ON a.user_id = owner.user_id AND a.user_mail_account_id = ${param('accountId', 'uuid')}
    WHERE a.status_cd IN ('active', 'degraded') AND ${inReach}
      AND ${param('sendScope', 'text')} = ANY(string_to_array(a.granted_scopes_txt, ' '))
      AND (${param('replyToId', 'uuid')} IS NULL OR EXISTS (
        SELECT FROM emails e JOIN user_mail_accounts a ON a.user_mail_account_id = e.user_mail_account_id
        WHERE e.email_id = ${param('replyToId', 'uuid')} AND a.user_id = owner.user_id AND ${inReach} AND ${isShown}
      ))
  ),
  accepted AS (
    INSERT INTO outbox (user_mail_account_id, user_id, api_key_id, idempotency_key_txt, body_hash_txt, message_id_txt, provider_thread_id_txt, reply_to_email_id, draft_json, mime_txt)
    SELECT user_mail_account_id, user_id, api_key_id, ${param('idempotencyKey', 'text')}, ${param('bodyHash', 'text')}, ${param('messageId', 'text')},
      ${param('threadId', 'text')}, ${param('replyToId', 'uuid')}, ${param('draft', 'jsonb')}, ${param('mime', 'text')}
    FROM mailbox
    ON CONFLICT DO NOTHING
    RETURNING outbox_id, user_mail_account_id, api_key_id
  ),
  audited AS (${auditRow(
    'email.queued',
    'success',
    sql`SELECT CASE WHEN mailbox.api_key_id IS NULL THEN mailbox.caller_user_id END, accepted.outbox_id::text,
      jsonb_strip_nulls(jsonb_build_object('mail_account_id', accepted.user_mail_account_id, 'api_key_id', accepted.api_key_id,
        'recipients', ${param('recipientCount', 'int')}))
      FROM accepted JOIN mailbox ON true`,
  )})
  SELECT outbox_id AS "id" FROM accepted`,
)

export interface OutgoingRow {
  readonly id: string
  readonly status: SendStatus
  readonly accountId: string
  readonly providerMessageId: string | null
  readonly threadId: string | null
  readonly error: string | null
  readonly createdAt: Date
  readonly sentAt: Date | null
  /** Until it is tried next, a day at most; 0 where it is due, or has ended. */
  readonly dueInSeconds: number
  /** Something of the conversation that it stands in is synced, and may be shown. */
  readonly hasConversation: boolean
}

const longestDueSeconds = 86_400

export const readOutgoingRow = statement<
  ReachParams & { outboxId: string },
  ReachRow & (OutgoingRow | { readonly id: null })
>(
  'send-read',
  sql`WITH ${callerCtes}, ${ownerCte('emails:send')}
  SELECT ${reachColumns('emails:send')}, o.outbox_id AS "id", o.status_cd AS "status", o.user_mail_account_id AS "accountId",
    o.provider_message_id_txt AS "providerMessageId", o.provider_thread_id_txt AS "threadId", o.last_error_cd AS "error",
    o.created_at_utc AS "createdAt", o.sent_at_utc AS "sentAt",
    CASE WHEN ${isUnderWay}
      THEN ceil(least(greatest(extract(epoch FROM o.due_at_utc - now()), 0), ${sql.raw(String(longestDueSeconds))})) ELSE 0 END::int AS "dueInSeconds",
    EXISTS (
      SELECT FROM emails e JOIN user_mail_accounts a ON a.user_mail_account_id = e.user_mail_account_id
      WHERE e.user_mail_account_id = o.user_mail_account_id AND e.provider_thread_id_txt = o.provider_thread_id_txt
        AND a.user_id = owner.user_id AND ${inReach} AND ${isShown}
    ) AS "hasConversation"
  FROM caller
  LEFT JOIN owner ON true
  LEFT JOIN (outbox o JOIN user_mail_accounts a ON a.user_mail_account_id = o.user_mail_account_id)
    ON o.outbox_id = ${param('outboxId', 'uuid')} AND o.user_id = owner.user_id AND ${inReach}`,
)

/** Of a message that was given up, what was typed; null where that is not known any more, or was sent after all. */
export const readUnsentRow = statement<
  ReachParams & { outboxId: string },
  ReachRow & { readonly from: string; readonly draft: StoredDraft | null; readonly replyToEmailId: string | null }
>(
  'send-read-unsent',
  sql`WITH ${callerCtes}, ${ownerCte('emails:send')}
  SELECT ${reachColumns('emails:send')}, unsent.email_address_txt AS "from", unsent.draft_json AS "draft", original.email_id AS "replyToEmailId"
  FROM caller
  LEFT JOIN owner ON true
  LEFT JOIN LATERAL (
    SELECT o.draft_json, o.reply_to_email_id, a.email_address_txt
    FROM outbox o JOIN user_mail_accounts a ON a.user_mail_account_id = o.user_mail_account_id
    WHERE o.outbox_id = ${param('outboxId', 'uuid')} AND o.user_id = owner.user_id AND o.status_cd = 'failed' AND ${inReach}
  ) unsent ON true
  LEFT JOIN LATERAL (
    SELECT e.email_id FROM emails e JOIN user_mail_accounts a ON a.user_mail_account_id = e.user_mail_account_id
    WHERE e.email_id = unsent.reply_to_email_id AND a.user_id = owner.user_id AND ${inReach} AND ${isShown}
  ) original ON true`,
)
