// Refreshing tokens somebody holds the lease of. One function for the cron's batches and for a single token on demand:
// provider calls outside any transaction, five at a time, answers written 25 at a time behind lease and version.

import type { KeyRing } from '../crypto/seal.ts'
import { type AuditEvent, auditParams, type RequestOrigin } from '../db/audit.ts'
import { type Db, isConflict } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Provider, ProviderCode } from '../providers/provider.ts'
import { type AnswerRow, type LeasedToken, storeAnswers } from './refresh.sql.ts'
import {
  answersPerWrite,
  circuitThreshold,
  judgeAnswer,
  judgeUnasked,
  lanes,
  leaseReserveSeconds,
  type RefreshVerdict,
} from './refresh-policy.ts'
import { openToken, sealTokens } from './vault.ts'

export interface RefreshDeps {
  readonly db: Db
  readonly clock: () => Date
  /** 0 to 1, for jitter. */
  readonly chance: () => number
  readonly log: Log
  readonly keyRing: KeyRing
  readonly providers: ReadonlyMap<ProviderCode, Provider>
}

export interface RefreshOutcome {
  readonly token: LeasedToken
  readonly verdict: RefreshVerdict
  /** False where another has leased or changed the row meanwhile: this answer was discarded. */
  readonly isStored: boolean
}

export interface Lease {
  readonly id: string
  readonly until: Date
}

const noOrigin: RequestOrigin = { ipAddress: null, userAgent: null }

/**
 * Asks the provider for each token and stores what it answers. Resolves with one outcome a token; throws only where
 * the database does. `auditFor` adds rows that commit with the answer (vending).
 */
export async function refreshLeased(
  deps: RefreshDeps,
  tokens: readonly LeasedToken[],
  lease: Lease,
  audit: { origin: RequestOrigin; eventsFor: (verdict: RefreshVerdict) => AuditEvent[] } = {
    origin: noOrigin,
    eventsFor: () => [],
  },
): Promise<RefreshOutcome[]> {
  const outcomes: RefreshOutcome[] = []
  // Those that worked last come first: refusals of some for themselves do not end the batch before the others had their turn.
  const waiting = tokens.toSorted((a, b) => Number(a.lastError !== null) - Number(b.lastError !== null))
  let answered: Answered[] = []
  let writing: Promise<void> = Promise.resolve()
  // Before the database knows of it: a batch that meets nothing but refusals of our client stops asking.
  const run = { refusals: 0, successes: 0 }

  async function lane(): Promise<void> {
    // Where writing has failed for good, nothing more is asked for: it could not be kept.
    for (let token = waiting.shift(); token !== undefined && failure === null; token = waiting.shift()) {
      try {
        const isHopeless = run.refusals >= circuitThreshold && run.successes === 0
        const verdict = isHopeless ? handBack(deps) : await ask(deps, token, lease)
        if (verdict.kind === 'misconfigured') run.refusals += 1
        if (verdict.kind === 'refreshed') run.successes += 1
        answered.push({ token, verdict, row: await answerRow(deps, token, verdict, lease.id) })
      } catch (thrown) {
        // What other lanes were given must still be written: it may be the only copy.
        keepFirst(thrown)
      }
      if (answered.length >= answersPerWrite) flush()
    }
  }

  function flush(): void {
    const batch = answered
    answered = []
    if (batch.length > 0) writing = writing.then(() => write(batch)).catch(keepFirst)
  }

  // Reported at the end, when every lane has stopped: until then it would count as unhandled.
  let failure: unknown = null
  function keepFirst(thrown: unknown): void {
    failure ??= thrown
  }

  async function write(batch: readonly Answered[]): Promise<void> {
    const params = {
      answers: JSON.stringify(batch.map(({ row }) => row)),
      ...auditParams(
        audit.origin,
        batch.flatMap(({ verdict }) => audit.eventsFor(verdict)),
      ),
    }
    const stored = await persist(() => deps.db.all(storeAnswers, params))
    if (stored.some((row) => row.circuitOpened)) deps.log.error('alarm_circuit_open')
    const storedIds = new Set(stored.map((row) => row.tokenId))
    for (const { token, verdict } of batch) outcomes.push({ token, verdict, isStored: storedIds.has(token.tokenId) })
  }

  await Promise.all(Array.from({ length: Math.min(lanes, tokens.length) }, lane))
  flush()
  await writing
  if (failure !== null) throw failure
  return outcomes
}

/** Stores that a leased token's grant has ended, without asking its provider once more. */
export async function storeDeath(
  deps: Pick<RefreshDeps, 'db' | 'clock' | 'keyRing'>,
  token: LeasedToken,
  leaseId: string,
  error: string,
): Promise<boolean> {
  const row = await answerRow(deps, token, { kind: 'dead', error }, leaseId)
  const params = { answers: JSON.stringify([row]), ...auditParams(noOrigin, []) }
  const stored = await persist(() => deps.db.all(storeAnswers, params))
  return stored.some(({ tokenId }) => tokenId === token.tokenId)
}

interface Answered {
  readonly token: LeasedToken
  readonly verdict: RefreshVerdict
  readonly row: AnswerRow
}

async function ask(deps: RefreshDeps, token: LeasedToken, lease: Lease): Promise<RefreshVerdict> {
  const provider = deps.providers.get(token.provider as ProviderCode)
  const now = deps.clock()
  const unasked = judgeUnasked(
    { ...token, hasRefreshToken: token.refreshToken !== null },
    provider?.clientId ?? null,
    now,
    deps.chance(),
  )
  if (unasked !== null) return unasked
  if (provider === undefined || token.refreshToken === null) return { kind: 'handed_back', dueAt: now }
  if (lease.until.getTime() - now.getTime() < leaseReserveSeconds * 1_000) return handBack(deps)
  const opened = await openToken(deps.keyRing, token.refreshToken, 'refresh_token_txt', token)
  if (!opened.ok) {
    deps.log.error('alarm_sealed_token_unreadable', { subject_id: token.accountId, code: opened.reason })
    return { kind: 'unreadable', error: `seal_${opened.reason}` }
  }
  const answer = await provider.refresh({ refreshToken: opened.plaintext })
  const verdict = judgeAnswer(answer, token, deps.clock(), deps.chance())
  if (verdict.kind !== 'refreshed' || verdict.grant.refreshToken !== null) return verdict
  // No new refresh token came: the stored one goes on, sealed again under the first key with the rest.
  return { ...verdict, grant: { ...verdict.grant, refreshToken: opened.plaintext } }
}

function handBack(deps: RefreshDeps): RefreshVerdict {
  return { kind: 'handed_back', dueAt: deps.clock() }
}

async function answerRow(
  deps: Pick<RefreshDeps, 'keyRing'>,
  token: LeasedToken,
  verdict: RefreshVerdict,
  leaseId: string,
): Promise<AnswerRow> {
  const row = {
    token_id: token.tokenId,
    lease_id: leaseId,
    version: token.version,
    result: verdict.kind,
    access_token: null,
    refresh_token: null,
    expires_at: null,
    refresh_token_expires_at: null,
    scopes: null,
    due_at: 'dueAt' in verdict ? verdict.dueAt.toISOString() : null,
    error: 'error' in verdict ? verdict.error : null,
  }
  if (verdict.kind !== 'refreshed') return row
  const { grant } = verdict
  const sealed = await sealTokens(deps.keyRing, token, grant)
  return {
    ...row,
    access_token: sealed.accessToken,
    refresh_token: sealed.refreshToken,
    expires_at: grant.expiresAt.toISOString(),
    refresh_token_expires_at: grant.refreshTokenExpiresAt?.toISOString() ?? null,
    scopes: grant.scopes === null ? null : [...grant.scopes].sort().join(' '),
  }
}

/**
 * An answer may hold the only copy of a rotated token, so a passing outage or deadlock is waited out while the lease
 * lasts: three further tries within about 8 s. Safe to repeat: the version moves with the first that lands.
 */
async function persist<T>(write: () => Promise<T>): Promise<T> {
  for (const delayMs of [500, 2_000, 5_000]) {
    try {
      return await write()
    } catch (thrown) {
      if (!isConflict(thrown) && !(thrown instanceof AppError && thrown.code === 'unavailable')) throw thrown
      await new Promise((resolve) => setTimeout(resolve, delayMs))
    }
  }
  return write()
}
