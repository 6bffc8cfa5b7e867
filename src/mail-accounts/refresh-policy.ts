// What a provider's answer to a refresh means, as a pure function: no I/O; clock and chance are arguments.
// Decided by failure kind only (RFC 6749 §5.2 `error`, HTTP status), never by a description's text.

import type { ProviderFailure, ProviderResult } from '../providers/failure.ts'
import type { Grant } from '../providers/provider.ts'

export const leaseSeconds = 60
/** No call to the provider begins with less of its lease left. */
export const leaseReserveSeconds = 15
/** One consumer's calls to the provider at once; the database's socket is the sixth connection of an invocation. */
export const lanes = 5
/** How many answers are written in one statement. */
export const answersPerWrite = 25
/** Configuration errors of one provider in a minute that open its circuit, and for how long. */
export const circuitThreshold = 5
export const circuitOpenSeconds = 5 * 60
/** The owner is warned this long before Google's time-based access ends. */
export const expiryWarningDays = 3

const seconds = (date: Date, count: number): Date => new Date(date.getTime() + Math.round(count * 1_000))

/**
 * When to refresh next: 10 to 15 minutes ahead of expiry, spread by `chance` (0 to 1); for short-lived tokens at three
 * quarters of their life, and never within the next minute, whatever the provider says. A grant that ends by itself is
 * looked at when it ends, so that its state flips then.
 */
export function nextRefreshAt(now: Date, expiresAt: Date, refreshTokenExpiresAt: Date | null, chance: number): Date {
  const life = (expiresAt.getTime() - now.getTime()) / 1_000
  const ahead = Math.min(600 + 300 * chance, life / 4)
  const due = Math.max(seconds(expiresAt, -ahead).getTime(), seconds(now, 60).getTime())
  return new Date(
    refreshTokenExpiresAt === null ? due : Math.min(due, Math.max(refreshTokenExpiresAt.getTime(), now.getTime())),
  )
}

/** When to try again after `failureCount` failures in a row: 30 s doubling to an hour, 50 to 100 % of it by `chance`, never before what the provider asked for. */
export function nextAttemptAt(now: Date, failureCount: number, retryAfterSeconds: number | null, chance: number): Date {
  const backoff = Math.min(30 * 2 ** Math.min(failureCount, 10), 3_600) * (0.5 + chance / 2)
  return seconds(now, retryAfterSeconds === null ? backoff : Math.max(backoff, retryAfterSeconds * (1 + chance / 10)))
}

/**
 * - `refreshed`     store it
 * - `dead`          this grant ended: its owner must reconnect
 * - `retry`         a blip: try again at `dueAt`, serve the live token meanwhile
 * - `misconfigured` our fault: nobody is marked, the circuit counts
 * - `handed_back`   not asked (lease too short, circuit open, user disabled): due again at `dueAt`
 * - `unreadable`    the seal does not open: the row stays as it is
 */
export type RefreshVerdict =
  | { readonly kind: 'refreshed'; readonly grant: Grant; readonly dueAt: Date }
  | { readonly kind: 'dead'; readonly error: string }
  | { readonly kind: 'retry'; readonly error: string; readonly dueAt: Date }
  | { readonly kind: 'misconfigured'; readonly error: string; readonly dueAt: Date }
  | { readonly kind: 'handed_back'; readonly dueAt: Date }
  | { readonly kind: 'unreadable'; readonly error: string }

export function judgeAnswer(
  answer: ProviderResult<Grant>,
  row: { readonly failureCount: number; readonly refreshTokenExpiresAt: Date | null },
  now: Date,
  chance: number,
): RefreshVerdict {
  if (!answer.ok) return judgeFailure(answer, row.failureCount, now, chance)
  const grant = answer.value
  const endsAt = grant.refreshTokenExpiresAt ?? row.refreshTokenExpiresAt
  return { kind: 'refreshed', grant, dueAt: nextRefreshAt(now, grant.expiresAt, endsAt, chance) }
}

function judgeFailure(failure: ProviderFailure, failureCount: number, now: Date, chance: number): RefreshVerdict {
  switch (failure.kind) {
    case 'grant_dead':
      return { kind: 'dead', error: failure.code }
    case 'misconfigured':
      return { kind: 'misconfigured', error: failure.code, dueAt: seconds(now, circuitOpenSeconds * (1 + chance / 5)) }
    case 'rate_limited':
    case 'unavailable':
    case 'unauthorized':
    case 'forbidden':
    case 'history_expired':
    case 'refused':
    case 'invalid_proof':
      return {
        kind: 'retry',
        error: failure.code,
        dueAt: nextAttemptAt(now, failureCount, failure.retryAfterSeconds, chance),
      }
  }
}

export interface LeasedState {
  readonly clientId: string
  readonly hasRefreshToken: boolean
  readonly refreshTokenExpiresAt: Date | null
  readonly isUserActive: boolean
  /** Set while the provider's circuit is open. */
  readonly heldUntil: Date | null
}

/** What can be said before anybody is asked; null: ask. `clientId` null: the provider is not offered any more. */
export function judgeUnasked(
  row: LeasedState,
  clientId: string | null,
  now: Date,
  chance: number,
): RefreshVerdict | null {
  if (!row.isUserActive) return { kind: 'handed_back', dueAt: seconds(now, 3_600) }
  if (clientId === null) return { kind: 'handed_back', dueAt: seconds(now, circuitOpenSeconds) }
  // Made under another client: no refresh can succeed, and asking would count against our own circuit.
  if (row.clientId !== clientId) return { kind: 'dead', error: 'client_changed' }
  if (!row.hasRefreshToken) return { kind: 'dead', error: 'no_refresh_token' }
  if (row.refreshTokenExpiresAt !== null && row.refreshTokenExpiresAt <= now)
    return { kind: 'dead', error: 'refresh_token_expired' }
  if (row.heldUntil !== null && row.heldUntil > now)
    return { kind: 'handed_back', dueAt: seconds(row.heldUntil, 30 * chance) }
  return null
}
