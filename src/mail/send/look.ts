// Looks for a message that may have been sent, and says what is next: found, another look, or sent again where all was
// seen and it was not there.

import type { Db } from '../../db/client.ts'
import type { MailAdapter, SentMessage } from '../../providers/mail.ts'
import { type QuotaSettings, reserveUnits } from '../quota.ts'
import { type ClaimedSend, leaseSeconds } from './deliver.sql.ts'
import { afterLook, isFirstTry, waitSeconds } from './policy.ts'
import { type TokenDeps, withToken } from './provider-call.ts'
import { readScope } from './scopes.ts'
import { type Ending, failed, heldBack, notNow, sent, unchanged } from './turn-ending.ts'

export interface LookDeps extends TokenDeps {
  readonly db: Db
  readonly sync: QuotaSettings
}

/** A little before and after: clocks differ. */
const clockSlackMs = 10 * 60_000

export async function look(deps: LookDeps, mail: MailAdapter, claimed: ClaimedSend): Promise<Ending> {
  const { accountId, provider, messageId } = claimed
  const quota: { waitSeconds: number | null } = { waitSeconds: null }
  // Asked for bit by bit: all that a look may need at once, a busy mailbox never has.
  const allow = async (units: number): Promise<boolean> => {
    quota.waitSeconds = await reserveUnits(deps, { accountId, provider, units, work: 'interactive' })
    return quota.waitSeconds === null
  }
  const called = await withToken<SentMessage | 'unseen' | null>(deps, accountId, [], ({ accessToken, scopes }) =>
    // Whoever may not read cannot look: it stays unclear, and nothing is sent twice.
    scopes.includes(readScope)
      ? mail.findSent({ accessToken, messageId, ...periodOf(claimed), allow })
      : Promise.resolve({ ok: true, value: 'unseen' }),
  )
  if (called.kind === 'refused') return failed(claimed, called.code)
  if (called.kind !== 'done') return notNow(deps, claimed, called)
  if (called.value !== null && called.value !== 'unseen') return sent(claimed, called.value)
  if (quota.waitSeconds !== null) return heldBack(deps, claimed, quota.waitSeconds)
  return afterNothing(deps, claimed, called.value === null)
}

/** When it may have been sent: of later tries the row does not say. */
function periodOf({ firstAttemptAt, attempt }: ClaimedSend): { since: Date; until: Date | null } {
  const startedAt = firstAttemptAt.getTime()
  return {
    since: new Date(startedAt - clockSlackMs),
    until: isFirstTry(attempt) ? new Date(startedAt + leaseSeconds * 1_000 + clockSlackMs) : null,
  }
}

function afterNothing(deps: Pick<LookDeps, 'chance'>, claimed: ClaimedSend, isAllSeen: boolean): Ending {
  const next = afterLook(claimed.attempt, isAllSeen)
  if (next.kind === 'give up') return failed(claimed, 'unconfirmed')
  const attempt = claimed.attempt + 1
  if (next.kind === 'look')
    return { ...unchanged(claimed), attempt, error: 'unconfirmed', delaySeconds: next.delaySeconds }
  // Proved: nothing was sent. It goes on as long as it would have waited for a provider that said so.
  const code = 'provider_unavailable'
  if (claimed.isExpired) return { ...unchanged(claimed), status: 'failed', error: code, delaySeconds: 0 }
  const delaySeconds = next.isAtOnce ? 0 : waitSeconds(claimed.waitedSeconds, null, deps.chance())
  return { ...unchanged(claimed), status: 'queued', attempt, error: code, delaySeconds }
}
