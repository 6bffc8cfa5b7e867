// When a mailbox is synced next, and what a failure means: pure rules; clock and chance are arguments.

import type { ErrorCode } from '../../errors.ts'
import type { ProviderFailure } from '../../providers/failure.ts'

/** What reading a mailbox takes. */
export const readScope = 'https://www.googleapis.com/auth/gmail.readonly'

/** One request of the provider brings so many messages at most (Gmail's batch guide: more than 50 is not recommended). */
export const batchSize = 50
/** So many of them that are not answered for are asked for once more at once, also where the batch was a full one. */
export const spareMessages = 5
/** A slow provider is asked for fewer and fewer, in the end one by one: one message may be why it fails. */
export const smallestBatch = 1
/** More text than this is not held, nor sent in one statement. */
export const pageBytes = 4 * 1_024 * 1_024
/** A request that asks for more than this goes through the queue. */
export const onDemandMost = 50
/** What a mailbox that was never synced gets by itself. */
export const firstCount = 50
/** One message of the queue works so long at a walk, then makes room. */
export const sliceMs = 22_000
export const slicePages = 20
/** Somebody waits: after so long nothing more is asked for. The call under way may take its own time. */
export const onDemandMs = 10_000
/** A provider that asks for a longer wait is asked again after this. */
export const longestWaitSeconds = 3_600
/** A mailbox that only its owner can open again is looked at so often. */
export const closedSeconds = 86_400
/** A lost message of an open walk is made up for after so long. */
export const walkDueSeconds = 60

const idleFactor = 1.5
const longestIdleFactor = 12

/** Seconds until the next background sync: the base while things happen, half as much again each idle time, up to twelve times the base. */
export function nextInterval(baseSeconds: number, lastSeconds: number, isBusy: boolean): number {
  if (baseSeconds === 0) return 0
  if (isBusy || lastSeconds === 0) return baseSeconds
  return Math.min(Math.max(lastSeconds, baseSeconds) * idleFactor, baseSeconds * longestIdleFactor)
}

/** The interval, ten per cent up or down; an hour where there is no background sync. */
export function dueSeconds(intervalSeconds: number, chance: number): number {
  return intervalSeconds === 0 ? 3_600 : Math.max(1, Math.round(intervalSeconds * (0.9 + chance / 5)))
}

/**
 * Whether an expired cursor is reason enough to list a mailbox again. Where history is never remembered it would be at each
 * sync: then it is listed again once an interval.
 */
export function isRelistDue(baseSeconds: number, relistedAt: Date | null, now: Date): boolean {
  // The shortest time until the next background sync: that one may.
  const restMs = dueSeconds(baseSeconds, 0) * 1_000
  return relistedAt === null || now.getTime() - relistedAt.getTime() >= restMs
}

/** Seconds to wait after `failureCount` failures in a row: 30 doubling to an hour, 50 to 100 % of it, never less than asked for. */
export function backoffSeconds(failureCount: number, retryAfterSeconds: number | null, chance: number): number {
  const backoff = Math.min(30 * 2 ** Math.min(failureCount, 10), 3_600) * (0.5 + chance / 2)
  return Math.ceil(retryAfterSeconds === null ? backoff : Math.max(backoff, retryAfterSeconds * (1 + chance / 10)))
}

/**
 * What a failure means to the mailbox.
 * - `later`  try again after a while
 * - `closed` nothing is tried for a day, unless its owner connects it again
 */
export function judgeSyncFailure(failure: ProviderFailure): { kind: 'later' | 'closed'; code: ErrorCode } {
  switch (failure.kind) {
    case 'forbidden':
      return { kind: 'closed', code: 'insufficient_scope' }
    case 'unauthorized':
    case 'grant_dead':
      return { kind: 'closed', code: 'needs_reauthorization' }
    case 'rate_limited':
      return { kind: 'later', code: 'rate_limited' }
    case 'unavailable':
    case 'misconfigured':
    case 'history_expired':
    case 'refused':
    case 'invalid_proof':
      return { kind: 'later', code: 'provider_unavailable' }
  }
}

/** Messages at once after so many failures in a row: half as many after each. */
export function firstBatchSize(failureCount: number): number {
  return Math.max(smallestBatch, batchSize >> Math.min(failureCount, 10))
}

/** Units to begin with, as Gmail counts them: a little for lists and history, and what so many messages cost. */
export function startUnits(messages: number): number {
  return 15 + 20 * messages
}
