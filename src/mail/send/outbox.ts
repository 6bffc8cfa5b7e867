// Taking mail in to be sent: checked, written as a whole message, stored with its own Message-ID and told by id. Sending
// is deliver.ts; it must not happen here, so that nobody waits for a provider.

import { sha256 } from '../../crypto/hash.ts'
import { randomToken } from '../../crypto/random.ts'
import type { RequestOrigin } from '../../db/audit.ts'
import { type CallerClaim, callerParams } from '../../db/caller.ts'
import type { Db } from '../../db/client.ts'
import { assertReach } from '../../db/reach.ts'
import { AppError, type ErrorCode } from '../../errors.ts'
import type { SendMessage } from '../../messages.ts'
import { htmlToText } from '../html/safe-html-text.ts'
import { printThreadId } from '../read/thread-id.ts'
import { type Mailbox, recipientOf } from './addresses.ts'
import {
  acceptOutgoing,
  type LookRow,
  lookToSend,
  type OutgoingRow,
  readOutgoingRow,
  readUnsentRow,
  type StoredDraft,
} from './outbox.sql.ts'
import { isSameSubject, replyRecipients, replyReferences, replySubject } from './reply.ts'
import { admitRequest, type Draft, type EmailRequest } from './request.ts'
import { sendScope } from './scopes.ts'

export interface OutboxDeps {
  readonly db: Db
  readonly clock: () => Date
}

/** What the caller is told, and what the queue carries: nothing where the row was there already. */
export interface Accepted {
  readonly id: string
  /** As it was taken in, in a repeat too: what became of it since, `readOutgoing` tells. */
  readonly status: 'queued'
  readonly messages: SendMessage[]
}

/** More of one mailbox's than Gmail sends in a day (support.google.com/a/answer/166852) would only wait until it expires. */
const mostWaiting = 2_000
const mostWaitingBytes = 1_024 ** 3
const fullRetrySeconds = 600

/** How often another writer may be in the way. */
const mostLooks = 3

/**
 * Takes one message in. With an `idempotencyKey` a repeat of the same request gives the same answer for 24 hours. Throws
 * 422 (every problem by its field); 401; 403 `forbidden` (a key without `emails:send`), `insufficient_scope`; 404 (a
 * person, a key's mailbox or the answered message out of reach); 409 `needs_reauthorization`, `idempotency_key_reused`;
 * 429 where its mailbox has too much on its way.
 */
export async function acceptEmail(
  deps: OutboxDeps,
  claim: CallerClaim,
  request: EmailRequest,
  options: { readonly forUserId: string | null; readonly idempotencyKey: string | null },
  origin: RequestOrigin,
): Promise<Accepted> {
  const draft = admitRequest(request)
  const bodyHash = await hashOf(request, draft)
  const sought = { ...callerParams(claim), ...options, replyToId: request.replyToEmailId }
  for (let look = 1; look <= mostLooks; look += 1) {
    const found = await deps.db.first(lookToSend, { ...sought, from: draft.from.address.toLowerCase() })
    assertReach(found, options.forUserId)
    if (found.earlierId !== null) {
      if (found.earlierHash !== bodyHash) throw new AppError('idempotency_key_reused')
      return { id: found.earlierId, status: 'queued', messages: [] }
    }
    const accountId = mailboxThatMaySend(found, found.isKey, request.replyToEmailId)
    const messageId = newMessageId(found.address)
    const written = { accountId, sendScope, bodyHash, messageId, ...(await write(deps, draft, found, messageId)) }
    const row = await deps.db.first(acceptOutgoing, { ...sought, ...written, ...origin })
    if (row !== null) return { id: row.id, status: 'queued', messages: [{ kind: 'send', outbox_id: row.id }] }
  }
  throw new AppError('conflict')
}

/** The mailbox's id. Refuses what nobody should wait to be told. */
function mailboxThatMaySend(found: LookRow, isKey: boolean, replyToId: string | null): string {
  if (found.accountId === null) {
    if (isKey) throw new AppError('not_found')
    throw invalid('from', 'must be the address of one of your connected mailboxes')
  }
  if (replyToId !== null && found.originalId === null) throw new AppError('not_found')
  const problem: ErrorCode | null =
    found.status === 'needs_reauthorization'
      ? 'needs_reauthorization'
      : found.grantedScopes.split(' ').includes(sendScope)
        ? null
        : 'insufficient_scope'
  if (problem !== null) throw new AppError(problem)
  if (found.waitingCount >= mostWaiting || found.waitingBytes >= mostWaitingBytes)
    throw new AppError('rate_limited', { retryAfterSeconds: fullRetrySeconds })
  return found.accountId
}

/** The whole message. Its sender is the mailbox, whatever was asked for under that address. */
async function write(
  deps: OutboxDeps,
  draft: Draft,
  found: LookRow,
  messageId: string,
): Promise<{ mime: string; draft: string; threadId: string | null; recipientCount: number }> {
  const original =
    found.originalId === null ? null : { ...found, from: found.sender, to: found.recipients, replyTo: found.replyTo }
  const isNobodyNamed = draft.to.length + draft.cc.length + draft.bcc.length === 0
  const to = original !== null && isNobodyNamed ? replyRecipients(original, found.address) : draft.to
  if (original !== null && isNobodyNamed && to.length === 0)
    throw invalid('to', 'must be given: the message it answers names nobody to answer')
  const subject = draft.subject ?? (original === null ? '' : replySubject(original.subject))
  const isInThread = original !== null && found.isSameMailbox && isSameSubject(subject, original.subject)
  const text = draft.text ?? htmlToText(draft.html ?? '')
  // Loaded when it is used: its package needs a module of the runtime, and the document is read in Node, too.
  const { composeMime } = await import('./mime-message.ts')
  const mime = composeMime(
    {
      ...draft,
      messageId,
      from: senderOf(found),
      to,
      subject,
      text,
      ...(original === null ? { inReplyTo: null, references: [] } : replyReferences(original)),
    },
    deps.clock(),
  )
  const stored: StoredDraft = {
    to,
    cc: draft.cc,
    bcc: draft.bcc,
    subject,
    text,
    hasFiles: draft.attachments.length > 0,
  }
  return {
    mime,
    draft: JSON.stringify(stored),
    threadId: isInThread ? original.threadId : null,
    recipientCount: to.length + draft.cc.length + draft.bcc.length,
  }
}

function senderOf(found: LookRow): Mailbox {
  return recipientOf(found.fullName ?? '', found.address) ?? { name: '', address: found.address }
}

function newMessageId(address: string): string {
  return `<${randomToken(16)}.${randomToken(16)}@${address.slice(address.lastIndexOf('@') + 1)}>`
}

/**
 * Of all that was asked for: people as they were understood, whichever way they were written; attachments by a digest
 * each, so that no second copy of them all is held.
 */
async function hashOf(request: EmailRequest, { from, to, cc, bcc }: Draft): Promise<string> {
  const attachments: unknown[] = []
  for (const { contentBase64, ...rest } of request.attachments)
    attachments.push({ ...rest, content: await sha256(contentBase64) })
  const { subject, text, html, replyToEmailId } = request
  return sha256(JSON.stringify([from, to, cc, bcc, subject, text, html, replyToEmailId, attachments]))
}

function invalid(path: string, message: string): AppError {
  return new AppError('invalid_input', { errors: [{ path, message }] })
}

/** What became of one message, its thread by the id that callers know. Throws 401, 403, 404. */
export async function readOutgoing(
  deps: Pick<OutboxDeps, 'db'>,
  claim: CallerClaim,
  which: { readonly outboxId: string; readonly forUserId: string | null },
): Promise<OutgoingRow> {
  const row = await deps.db.first(readOutgoingRow, { ...callerParams(claim), ...which })
  assertReach(row, which.forUserId)
  if (row.id === null) throw new AppError('not_found')
  const { accountId, threadId } = row
  return { ...row, threadId: threadId === null ? null : printThreadId({ accountId, providerThreadId: threadId }) }
}

export interface UnsentEmail extends StoredDraft {
  /** Address of the mailbox it was to leave from. */
  readonly from: string
  /** Null where it answered none, or that one is gone. */
  readonly replyToEmailId: string | null
}

/**
 * A message that was given up, as it was written, for a week. Throws 401, and 404 where there is none of the caller's, or no
 * more.
 */
export async function readUnsent(
  deps: Pick<OutboxDeps, 'db'>,
  claim: CallerClaim,
  outboxId: string,
): Promise<UnsentEmail> {
  const row = await deps.db.first(readUnsentRow, { ...callerParams(claim), outboxId, forUserId: null })
  assertReach(row, null)
  if (row.draft === null) throw new AppError('not_found')
  return { ...row.draft, from: row.from, replyToEmailId: row.replyToEmailId }
}
