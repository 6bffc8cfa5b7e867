// The only door a live token leaves by. A token that is fresh enough costs one trip; a stale one is refreshed by whoever
// gets the lease, and everybody else waits for that one's answer.

import { uuidV7 } from '../crypto/random.ts'
import { recordAudit } from '../db/audit.sql.ts'
import type { AuditEvent, RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import { AppError } from '../errors.ts'
import { lookLiveToken, type VendRow, vendToken } from './access-token.sql.ts'
import { type RefreshDeps, refreshLeased, storeDeath } from './refresh.ts'
import { leaseSeconds, type RefreshVerdict } from './refresh-policy.ts'
import { missingScopes, splitScopes } from './scopes.ts'
import { openToken } from './vault.ts'

/** What is guaranteed where nothing is asked, and the most that may be asked, in seconds. */
export const defaultMinTtlSeconds = 60
export const maxMinTtlSeconds = 1_800

const nowhere: RequestOrigin = { ipAddress: null, userAgent: null }
const longestWaitMs = 12_000
const firstPollMs = 150
/** As providers are given (providers/bounded-request): a lease is taken only where a whole call fits into the wait. */
const providerTimeoutMs = 10_000

export interface TokenRequest {
  readonly accountId: string
  readonly forUserId: string | null
  /** All of these must have been granted. */
  readonly scopes: readonly string[]
  readonly minTtlSeconds: number
}

export interface HandedOutToken {
  readonly accessToken: string
  readonly expiresAt: Date
  readonly scopes: readonly string[]
  readonly missingScopes: readonly string[]
  /** Of the stored token: what `refusedVersion` means to `liveAccessToken`. */
  readonly version: number
}

/** Who is told in the audit trail; null for our own work, which is recorded where it was asked for. */
type Trail = RequestOrigin | null

/**
 * A valid token, refreshed first if it must be. Throws 401; 403 `forbidden` (a person, or a key without `tokens:vend`),
 * `insufficient_scope`; 404; 409 `needs_reauthorization`; 503 `provider_unavailable`, `sealed_token_unreadable`,
 * `misconfigured`.
 */
export async function vendAccessToken(
  deps: RefreshDeps,
  claim: CallerClaim,
  request: TokenRequest,
  origin: RequestOrigin,
): Promise<HandedOutToken> {
  const look = (lease: LeaseRequest) =>
    deps.db.first(vendToken, { ...callerParams(claim), ...origin, ...request, ...lease })
  return obtain(deps, look, { scopes: request.scopes, refusedVersion: null }, origin)
}

/**
 * A valid token for our own work on a mailbox, for at least another minute. After a 401 of the provider,
 * `refusedVersion` names the token that was refused: another is fetched, or 503 says when to ask again. Throws as
 * `vendAccessToken`, but 401 and 403 `forbidden`.
 */
export function liveAccessToken(
  deps: RefreshDeps,
  want: { accountId: string; scopes: readonly string[]; refusedVersion: number | null },
): Promise<HandedOutToken> {
  const request = { ...want, minTtlSeconds: defaultMinTtlSeconds }
  return obtain(deps, (lease) => deps.db.first(lookLiveToken, { ...request, ...lease }), want, null)
}

/**
 * The provider refused a token it had given just before: the grant is dead, whatever its token endpoint says. The owner
 * is told once, by the same write as after a refused refresh. False where it was not ended: another is at the grant just
 * now, or the token endpoint is not asked for a while.
 */
export async function giveUpRefusedGrant(
  deps: RefreshDeps,
  which: { accountId: string; refusedVersion: number },
): Promise<boolean> {
  const leaseId = uuidV7(deps.clock())
  const request = { ...which, scopes: [], minTtlSeconds: defaultMinTtlSeconds, leaseId, mayLease: true }
  const row = await deps.db.first(lookLiveToken, request)
  if (row?.verdict === 'needs_reauthorization') return true
  return row?.verdict === 'leased' && (await storeDeath(deps, row, leaseId, 'access_token_refused'))
}

/** What the caller needs of a token. */
interface Need {
  readonly scopes: readonly string[]
  /** The provider does not take this one any more, however long it has left. */
  readonly refusedVersion: number | null
}

interface LeaseRequest {
  readonly leaseId: string
  readonly mayLease: boolean
}

async function obtain(
  deps: RefreshDeps,
  look: (lease: LeaseRequest) => Promise<VendRow | null>,
  need: Need,
  trail: Trail,
): Promise<HandedOutToken> {
  // Before the trip that leases and records: without keys nothing is handed out, and nothing may say it was.
  void deps.keyRing
  const startedAt = deps.clock().getTime()
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.6, 2_000)) {
    const leaseId = uuidV7(deps.clock())
    const elapsedMs = deps.clock().getTime() - startedAt
    const row = await look({ leaseId, mayLease: elapsedMs <= longestWaitMs - providerTimeoutMs })
    if (row === null) throw new AppError('unauthorized')
    if (row.verdict === 'fresh') return openAndHandOut(deps, row, trail)
    if (row.verdict === 'leased') {
      const token = await refreshNow(deps, row, leaseId, need, trail)
      if (token !== null) return token
      // Overtaken: what this row said is as old as the call. Look again; there is no time left to lease once more.
      continue
    }
    if (row.verdict !== 'busy') throw refusal(row, deps.clock())
    // Somebody else's refresh is under way: look again, a little later each time.
    if (elapsedMs + pollMs > longestWaitMs) return handOutWhatLives(deps, row, need, trail)
    await new Promise((resolve) => setTimeout(resolve, pollMs * (0.75 + deps.chance() / 2)))
  }
}

/** Whoever holds the lease has not come back: a token that still lives is handed out, however short. */
async function handOutWhatLives(deps: RefreshDeps, row: VendRow, need: Need, trail: Trail): Promise<HandedOutToken> {
  if (row.version === need.refusedVersion || row.expiresAt === null || row.expiresAt <= deps.clock())
    throw new AppError('provider_unavailable', { retryAfterSeconds: 5 })
  const event = { api_key_id: row.apiKeyId, refreshed: false }
  if (trail !== null)
    await recordAudit(deps.db, trail, [
      { action: 'token.handed_out', actorUserId: null, subjectId: row.accountId, outcome: 'success', event },
    ])
  return openAndHandOut(deps, row, trail)
}

/** Null where the answer was discarded because another changed the row: look again. */
async function refreshNow(
  deps: RefreshDeps,
  row: VendRow,
  leaseId: string,
  need: Need,
  trail: Trail,
): Promise<HandedOutToken | null> {
  let isLive = false
  const [outcome] = await refreshLeased(
    deps,
    [row],
    { id: leaseId, until: new Date(deps.clock().getTime() + leaseSeconds * 1_000) },
    {
      origin: trail ?? nowhere,
      eventsFor: (verdict) => {
        // Now, not when the call began: it may have taken as long as the old token had left.
        isLive = row.version !== need.refusedVersion && row.expiresAt !== null && row.expiresAt > deps.clock()
        return trail === null ? [] : describeEnding(row, verdict, need.scopes, isLive ? 'live' : 'expired')
      },
    },
  )
  if (outcome === undefined || !outcome.isStored) return null
  const { verdict } = outcome
  switch (verdict.kind) {
    case 'refreshed': {
      const scopes = grantedBy(row, verdict.grant)
      // The answer may tell that the user withdrew a permission meanwhile.
      if (!covers(scopes, need.scopes)) throw new AppError('insufficient_scope')
      return token(deps, row.provider, verdict.grant.accessToken, verdict.grant.expiresAt, scopes, row.version + 1)
    }
    case 'dead':
      throw new AppError('needs_reauthorization')
    case 'unreadable':
      await recordUnreadable(deps, row, trail)
      throw new AppError('sealed_token_unreadable')
    case 'retry':
    case 'misconfigured':
    case 'handed_back': {
      if (isLive) return openAndHandOut(deps, row, trail)
      const waitSeconds = Math.ceil((verdict.dueAt.getTime() - deps.clock().getTime()) / 1_000)
      throw new AppError('provider_unavailable', { retryAfterSeconds: Math.max(1, waitSeconds) })
    }
  }
}

/** The audit row that commits with the answer: what the caller is about to get. An unreadable seal has a row of its own. */
function describeEnding(
  row: VendRow,
  verdict: RefreshVerdict,
  wanted: readonly string[],
  oldToken: 'live' | 'expired',
): AuditEvent[] {
  const base = { actorUserId: null, subjectId: row.accountId }
  const handedOut = (refreshed: boolean): AuditEvent => ({
    ...base,
    action: 'token.handed_out',
    outcome: 'success',
    event: { api_key_id: row.apiKeyId, refreshed },
  })
  const refused = (reason: string): AuditEvent => ({
    ...base,
    action: 'token.refused',
    outcome: 'refused',
    event: { api_key_id: row.apiKeyId, reason },
  })
  switch (verdict.kind) {
    case 'refreshed':
      return [covers(grantedBy(row, verdict.grant), wanted) ? handedOut(true) : refused('insufficient_scope')]
    case 'dead':
      return [refused('needs_reauthorization')]
    case 'unreadable':
      return []
    case 'retry':
    case 'misconfigured':
    case 'handed_back':
      return oldToken === 'live' ? [handedOut(false)] : []
  }
}

function grantedBy(row: VendRow, grant: { readonly scopes: readonly string[] | null }): readonly string[] {
  return grant.scopes ?? splitScopes(row.grantedScopes)
}

function covers(granted: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((scope) => granted.includes(scope))
}

async function openAndHandOut(deps: RefreshDeps, row: VendRow, trail: Trail): Promise<HandedOutToken> {
  if (row.accessToken === null || row.expiresAt === null) throw new AppError('needs_reauthorization')
  const opened = await openToken(deps.keyRing, row.accessToken, 'access_token_txt', row)
  if (!opened.ok) {
    deps.log.error('alarm_sealed_token_unreadable', { subject_id: row.accountId, code: opened.reason })
    await recordUnreadable(deps, row, trail)
    throw new AppError('sealed_token_unreadable')
  }
  return token(deps, row.provider, opened.plaintext, row.expiresAt, splitScopes(row.grantedScopes), row.version)
}

function token(
  deps: RefreshDeps,
  providerCode: string,
  accessToken: string,
  expiresAt: Date,
  scopes: readonly string[],
  version: number,
): HandedOutToken {
  return { accessToken, expiresAt, scopes, missingScopes: missingScopes(deps.providers, providerCode, scopes), version }
}

function recordUnreadable(deps: RefreshDeps, row: VendRow, trail: Trail): Promise<void> {
  return recordAudit(deps.db, trail ?? nowhere, [
    { action: 'token.unreadable', actorUserId: null, subjectId: row.accountId, outcome: 'failure' },
  ])
}

function refusal(row: VendRow, now: Date): AppError {
  switch (row.verdict) {
    case 'not_a_key':
    case 'not_permitted':
      return new AppError('forbidden')
    case 'needs_reauthorization':
      return new AppError('needs_reauthorization')
    case 'insufficient_scope':
      return new AppError('insufficient_scope')
    case 'held': {
      const waitMs = row.retryAt === null ? 0 : row.retryAt.getTime() - now.getTime()
      return new AppError('provider_unavailable', { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) })
    }
    default:
      return new AppError('not_found')
  }
}
