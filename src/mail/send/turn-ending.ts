// What a turn of mail on its way may come to: the rows' next states, said once. Pure.

import type { SentMessage } from '../../providers/mail.ts'
import type { ClaimedSend, SendEnding } from './deliver.sql.ts'
import { waitSeconds } from './policy.ts'

export type Ending = Omit<SendEnding, 'outboxId' | 'leaseId' | 'ipAddress' | 'userAgent'>

/** Of a quota, our own count of it or the provider's. */
const quotaCode = 'quota_exceeded'
/** Longest that what a quota holds back is kept by the queue. */
const longestQueueSeconds = 120
/** Until then, its writer may still look at its page. */
const freshSeconds = 60
/** Something of ours failed, before anybody was asked. */
const faultCode = 'unavailable'
/** The queue's own retry, 30 seconds after what was thrown, finds it due. */
const soonSeconds = 20

interface Jitter {
  /** 0 to 1. */
  readonly chance: () => number
}

export function unchanged(claimed: ClaimedSend): Omit<Ending, 'error' | 'delaySeconds'> {
  const { status, attempt } = claimed
  return { status, attempt, providerMessageId: null, threadId: null, holdsMailbox: false }
}

/** For certain nothing was sent in this turn: it does not count. */
export function notNow(
  deps: Jitter,
  claimed: ClaimedSend,
  why: { readonly code: string; readonly retryAfterSeconds?: number | null; readonly isLimit?: boolean },
): Ending {
  const delaySeconds = waitSeconds(claimed.waitedSeconds, why.retryAfterSeconds ?? null, deps.chance())
  const ending = { ...unchanged(claimed), error: why.code, delaySeconds }
  if (claimed.status !== 'sending') return ending
  return { ...ending, status: 'queued', attempt: claimed.attempt - 1, holdsMailbox: why.isLimit ?? false }
}

/** Our own quota holds it back. That count is exact: no longer than it says. */
export function heldBack(deps: Jitter, claimed: ClaimedSend, delaySeconds: number): Ending {
  return { ...notNow(deps, claimed, { code: quotaCode }), delaySeconds }
}

/** One of many of its mailbox, or old: nobody waits for it in front of a page any more. */
export function isBacklog(claimed: ClaimedSend): boolean {
  return claimed.lastError === quotaCode || claimed.waitedSeconds > freshSeconds
}

/**
 * Seconds after which the queue brings it again, or null where it is left to cron: what a quota has held back before is
 * one of many, and all of them at once would be held back again.
 */
export function queueDelay(claimed: ClaimedSend, { error, delaySeconds }: Ending): number | null {
  const isFirst = error === quotaCode && claimed.lastError !== quotaCode
  return isFirst && delaySeconds <= longestQueueSeconds ? delaySeconds + 1 : null
}

/** Something of ours failed: once more by the queue's own retry; a second time in a row is left to cron. */
export function putBack(deps: Jitter, claimed: ClaimedSend): Ending {
  const ending = notNow(deps, claimed, { code: faultCode })
  return claimed.lastError === faultCode ? ending : { ...ending, delaySeconds: soonSeconds }
}

export function sent(claimed: ClaimedSend, message: SentMessage): Ending {
  const found = { providerMessageId: message.id, threadId: message.threadId }
  return { ...unchanged(claimed), ...found, status: 'sent', error: null, delaySeconds: 0 }
}

/** What may have been sent, and could not be looked up, is never said to have failed for another reason. */
export function failed(claimed: ClaimedSend, code: string): Ending {
  const error = claimed.status === 'unconfirmed' ? 'unconfirmed' : code
  return { ...unchanged(claimed), status: 'failed', error, delaySeconds: 0 }
}
