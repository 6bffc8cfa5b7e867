// Sends what was taken in: claim the row, send or look, write what came of it. Repeats are scheduled by the row, not the
// queue; nothing is sent again before it was looked for. It must not know who asked, and no content leaves by the log.

import { utf8 } from '../../crypto/encoding.ts'
import { uuidV7 } from '../../crypto/random.ts'
import { againOnConflict, type Db } from '../../db/client.ts'
import { AppError } from '../../errors.ts'
import { describeThrown } from '../../log.ts'
import type { SendMessage } from '../../messages.ts'
import type { MailAdapter } from '../../providers/mail.ts'
import { reserveUnits } from '../quota.ts'
import { type ClaimedSend, claimSend, finishSend, type SendEnding, takeDueSends, unclaimSend } from './deliver.sql.ts'
import { type LookDeps, look } from './look.ts'
import type { SendStatus } from './outbox.sql.ts'
import { firstLookSeconds } from './policy.ts'
import { withToken } from './provider-call.ts'
import { sendScope } from './scopes.ts'
import {
  type Ending,
  failed,
  heldBack,
  isBacklog,
  notNow,
  putBack,
  queueDelay,
  sent,
  unchanged,
} from './turn-ending.ts'

export interface SendDeps extends LookDeps {
  readonly deliverQueue: {
    send(messages: readonly SendMessage[], options?: { readonly delaySeconds: number }): Promise<void>
  }
}

/** Longest that something is looked for which cannot be looked up. */
const longestLookSeconds = 48 * 3_600
const nobody = { ipAddress: null, userAgent: null } as const

/** What may be meant by the conversation, not by the message. */
const threadRefusals: ReadonlySet<string> = new Set(['http_400', 'http_404', 'invalid_argument'])

/** One sending, as far as it has come. */
interface Sending {
  /** From the provider's being asked on, until it says no. */
  mayBeSent: boolean
}

/** Counts for the job's line: `count` sent now, `failed` given up now. */
export async function sendOutgoing(deps: SendDeps, message: SendMessage): Promise<{ count: number; failed: number }> {
  // Before the claim: without keys nothing can be sent, and no try is charged.
  void deps.keyRing
  let status = await takeTurn(deps, message.outbox_id)
  // The last look was sure that nothing was sent: it is sent again at once.
  if (status === 'again') status = await takeTurn(deps, message.outbox_id)
  return { count: status === 'sent' ? 1 : 0, failed: status === 'failed' ? 1 : 0 }
}

/** One claim, one sending or one look. May run any number of times, at once or late: one claim wins. */
async function takeTurn(deps: SendDeps, outboxId: string): Promise<'sent' | 'failed' | 'later' | 'again' | 'nothing'> {
  const leaseId = uuidV7(deps.clock())
  const claimed = await claim(deps.db, { outboxId, leaseId })
  if (claimed === null) return 'nothing'
  const write = (ending: Ending) => finish(deps.db, { outboxId, leaseId, ...ending, ...nobody })
  const ending = await endingOf(deps, claimed, write)
  const row = await write(ending)
  if (row === null) return 'nothing'
  const delaySeconds = queueDelay(claimed, ending)
  if (delaySeconds !== null) await sendLater(deps, outboxId, delaySeconds)
  if (row.status === 'queued' && ending.delaySeconds === 0) return 'again'
  return row.status === 'sent' || row.status === 'failed' ? row.status : 'later'
}

/** A claim whose answer is lost must not pass for a sending that may have happened. */
async function claim(db: Db, row: { outboxId: string; leaseId: string }): Promise<ClaimedSend | null> {
  try {
    return await db.first(claimSend, row)
  } catch (thrown) {
    // Where this fails, too, it is looked for before it is sent again.
    await db.first(unclaimSend, row).catch(() => undefined)
    throw thrown
  }
}

/** Once more where PostgreSQL was away: after a sending, nobody else knows of it. */
async function finish(db: Db, ending: SendEnding): Promise<{ readonly status: SendStatus } | null> {
  const write = () => againOnConflict(() => db.first(finishSend, ending))
  try {
    return await write()
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code !== 'unavailable') throw thrown
    return write()
  }
}

/** The queue brings it again. One that refuses loses nothing: cron finds the row. */
async function sendLater(deps: SendDeps, outboxId: string, delaySeconds: number): Promise<void> {
  try {
    await deps.deliverQueue.send([{ kind: 'send', outbox_id: outboxId }], { delaySeconds })
  } catch (thrown) {
    deps.log.error('queue_send_failed', { subject_id: outboxId, ...describeThrown(thrown) })
  }
}

/**
 * What came of the turn. Where something of ours fails before anybody was asked to send, the row is put back as it was:
 * left `sending`, it would pass for one that may have been sent.
 */
async function endingOf(
  deps: SendDeps,
  claimed: ClaimedSend,
  write: (ending: Ending) => Promise<unknown>,
): Promise<Ending> {
  const sending: Sending = { mayBeSent: false }
  try {
    return await doTurn(deps, claimed, sending)
  } catch (thrown) {
    // Where this fails, too, it is found when its lease is over.
    if (!sending.mayBeSent) await write(putBack(deps, claimed)).catch(() => undefined)
    throw thrown
  }
}

async function doTurn(deps: SendDeps, claimed: ClaimedSend, sending: Sending): Promise<Ending> {
  const mail = [...deps.providers.values()].find(({ code }) => code === claimed.provider)?.mail ?? null
  const hindrance = hindranceOf(claimed)
  if (hindrance !== null) return failed(claimed, hindrance)
  const isSending = claimed.status === 'sending'
  if (isSending && claimed.mime === null) return failed(claimed, 'message_missing')
  // A setting that is gone may come back.
  if (mail === null) return notNow(deps, claimed, { code: 'misconfigured' })
  if (!isSending) return look(deps, mail, claimed)
  const { accountId, provider } = claimed
  const work = isBacklog(claimed) ? 'background' : 'sending'
  const shortSeconds = await reserveUnits(deps, { accountId, provider, units: mail.costs.send, work })
  if (shortSeconds !== null) return heldBack(deps, claimed, shortSeconds)
  return send(deps, mail, claimed, sending)
}

/** Why nothing is sent for this mailbox any more, and the provider is not even asked; or null. */
function hindranceOf(claimed: ClaimedSend): string | null {
  if (!claimed.isUserActive) return 'account_disabled'
  if (claimed.mailboxStatus === 'disconnected') return 'disconnected'
  if (claimed.mailboxStatus === 'needs_reauthorization') return 'needs_reauthorization'
  // What may have been sent is looked for all the same: whether it was is worth more than an ending in time.
  if (claimed.status === 'unconfirmed') return claimed.waitedSeconds > longestLookSeconds ? 'expired' : null
  return claimed.isExpired ? expiryOf(claimed) : null
}

/** Its time is over: because the provider was away, or asked to wait. */
function expiryOf({ lastError }: ClaimedSend): string {
  return lastError === 'provider_unavailable' ? lastError : 'expired'
}

async function send(deps: SendDeps, mail: MailAdapter, claimed: ClaimedSend, sending: Sending): Promise<Ending> {
  const { accountId, threadId } = claimed
  const mime = utf8(claimed.mime ?? '')
  const called = await withToken(deps, accountId, [sendScope], async ({ accessToken }) => {
    sending.mayBeSent = true
    const first = await mail.send({ accessToken, mime, threadId })
    // Nothing was sent. Where the conversation is what it is refused for (gone, or not acceptable), it begins another.
    const isRefused = threadId !== null && !first.ok && first.kind === 'refused' && threadRefusals.has(first.code)
    const result = isRefused ? await mail.send({ accessToken, mime, threadId: null }) : first
    sending.mayBeSent = result.ok || result.kind === 'unavailable'
    return result
  })
  switch (called.kind) {
    case 'done':
      return sent(claimed, called.value)
    case 'refused':
      return failed(claimed, called.code)
    case 'later':
      return notNow(deps, claimed, called)
    case 'unclear':
      return { ...unchanged(claimed), status: 'unconfirmed', error: called.code, delaySeconds: firstLookSeconds }
  }
}

/** What is due and no message says so: lost by the queue, or its next turn has come. Each call gives others. */
export async function dueSends(db: Db, limit: number): Promise<SendMessage[]> {
  const rows = await db.all(takeDueSends, { limit })
  return rows.map((row) => ({ kind: 'send', outbox_id: row.id }))
}
