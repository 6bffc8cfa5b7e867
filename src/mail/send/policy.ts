// When mail that is on its way is sent, looked up, sent again or given up. Pure.
//
// A try is one sending and, where its ending is unclear, up to three looks for the message by its Message-ID; the row
// counts both (`attempt_cnt`): 0 send, 1 to 3 look, 4 send again, and so on until its time is over. The provider's search
// lags behind what it has taken, so only the last look may say that nothing was sent.

/** One sending and its looks. */
const turnsOfTry = 4

/** Seconds until the first look, and from each look to the next: about 30 s, 2 and 5 minutes after the sending. */
const lookDelaysSeconds = [30, 90, 180] as const

const shortestWaitSeconds = 30
const longestWaitSeconds = 900
const jitterShare = 0.2

export type NextTurn =
  | { readonly kind: 'look'; readonly delaySeconds: number }
  /** Nothing was sent for certain. At once after the first try, after a wait from then on. */
  | { readonly kind: 'send'; readonly isAtOnce: boolean }
  | { readonly kind: 'give up' }

/** Whether a turn belongs to the first sending, the only one whose time the row knows. */
export function isFirstTry(attempt: number): boolean {
  return attempt < turnsOfTry
}

/** After an unclear sending (`attempt` 1, 5, 9): when to look. */
export const firstLookSeconds: number = lookDelaysSeconds[0]

/**
 * After a look that found nothing.
 * @param attempt as the row counts, that look's own number
 * @param isSeen whether the look has seen all there was; a blind one never leads to another sending
 */
export function afterLook(attempt: number, isSeen: boolean): NextTurn {
  const delaySeconds = lookDelaysSeconds[attempt % turnsOfTry]
  if (delaySeconds !== undefined) return { kind: 'look', delaySeconds }
  return isSeen ? { kind: 'send', isAtOnce: isFirstTry(attempt) } : { kind: 'give up' }
}

/**
 * Until the next try of what was not sent for certain: as asked, else as long again as it has waited, with jitter.
 * @param chance 0 to 1
 */
export function waitSeconds(waitedSeconds: number, retryAfterSeconds: number | null, chance: number): number {
  const ownSeconds = Math.min(Math.max(waitedSeconds, shortestWaitSeconds), longestWaitSeconds)
  return Math.ceil(Math.max(retryAfterSeconds ?? 0, ownSeconds) * (1 + jitterShare * chance))
}
