// Sends one letter: claim its row, compose it, hand it to the transport, write what came of it. Repeats are scheduled by
// the row, not the queue. It must not know how a transport works, and nothing that a letter says leaves by the log.

import type { Db } from '../db/client.ts'
import type { Log } from '../log.ts'
import type { LetterMessage } from '../messages.ts'
import { type ComposeDeps, composeLetter } from './compose.ts'
import { type ClaimedLetter, claimLetter, findDueLetters, finishLetter } from './deliver.sql.ts'
import { type LetterPost, type SendResult, sendFailure } from './transport.ts'

export interface DeliverDeps extends ComposeDeps {
  readonly db: Db
  readonly log: Log
  /** 0 to 1, for jitter. */
  readonly chance: () => number
  /** Null where no transport is set: letters wait, untouched. */
  readonly post: LetterPost | null
}

/** `nothing`: not due, not there, or in somebody else's hands. */
export type DeliveryOutcome = 'sent' | 'void' | 'retry' | 'failed' | 'nothing'

/** Seconds after the first try, the second, and so on: about ten hours in all, so that a provider's bad day loses nothing. */
const delaysSeconds = [30, 120, 300, 900, 3_600, 10_800, 21_600] as const
const jitterShare = 0.2
const nobody = { ipAddress: null, userAgent: null } as const

/**
 * Sends the letter of this message, if it is due. May run any number of times, at once or late: one claim wins, and a
 * claim that never ended is repeated with the same letter id, by which the provider tells it.
 */
export async function deliverLetter(deps: DeliverDeps, message: LetterMessage): Promise<DeliveryOutcome> {
  // Before the claim: no try is charged for a transport that is not there.
  if (deps.post === null) return 'nothing'
  const claimed = await deps.db.first(claimLetter, { letterId: message.letter_id, ...nobody })
  if (claimed === null) return 'nothing'
  if (claimed.status !== 'due') return claimed.status
  const result = await send(deps, deps.post, claimed)
  if (!result.ok && result.kind === 'misconfigured')
    deps.log.error('alarm_letters_misconfigured', { code: result.code })
  const finished = await deps.db.first(finishLetter, {
    letterId: claimed.letterId,
    attempt: claimed.attempt,
    isSent: result.ok,
    isFinal: !result.ok && result.kind === 'refused',
    error: result.ok ? null : result.code,
    delaySeconds: result.ok ? 0 : delayAfter(claimed.attempt, result.retryAfterSeconds, deps.chance()),
    ...nobody,
  })
  if (finished === null) return 'nothing'
  return finished.status === 'due' ? 'retry' : finished.status
}

async function send(deps: DeliverDeps, post: LetterPost, claimed: ClaimedLetter): Promise<SendResult> {
  const composed = await composeLetter(deps, claimed)
  if (composed === null) return sendFailure('refused', 'nothing_to_say')
  const { subject, text, html } = composed
  return post.transport.send({ id: claimed.letterId, from: post.from, to: claimed.recipient, subject, text, html })
}

/** Never earlier than we were asked to come back; spread, so that letters that failed together do not return together. */
function delayAfter(attempt: number, retryAfterSeconds: number | null, chance: number): number {
  const base = delaysSeconds[attempt - 1] ?? delaysSeconds[delaysSeconds.length - 1] ?? 0
  return Math.ceil(Math.max(base, retryAfterSeconds ?? 0) * (1 + jitterShare * chance))
}

/** Letters that are due and that no queue message seems to carry: new ones of the refresh job, repeats, what a queue lost. */
export async function dueLetters(db: Db, limit: number): Promise<LetterMessage[]> {
  const rows = await db.all(findDueLetters, { limit })
  return rows.map((row) => ({ kind: 'letter', letter_id: row.id }))
}
