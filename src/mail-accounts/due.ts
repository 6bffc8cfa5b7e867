// What is due: claimed in PostgreSQL, carried by the queue, refreshed here. Nothing is remembered between runs; what a
// queue loses is due again five minutes later.

import { uuidV7 } from '../crypto/random.ts'
import type { Db } from '../db/client.ts'
import type { RefreshMessage } from '../messages.ts'
import { claimDueTokens, findStaleSeals, leaseClaimedTokens, storeReseals } from './refresh.sql.ts'
import { type RefreshDeps, type RefreshOutcome, refreshLeased } from './refresh.ts'
import { leaseSeconds } from './refresh-policy.ts'
import { openToken, sealTokens } from './vault.ts'

const claimSeconds = 5 * 60
const claimLimit = 10_000
const idsPerMessage = 100

/**
 * Claims what is due for five minutes, 10,000 at most. `isMore` where the limit was reached: claim again.
 * Of two runs at once each row goes to exactly one.
 */
export async function claimDue(deps: {
  db: Db
  clock: () => Date
}): Promise<{ messages: RefreshMessage[]; isMore: boolean }> {
  // Whole milliseconds: the driver gives no finer ones back, and the fence compares for equality.
  const until = new Date(deps.clock().getTime() + claimSeconds * 1_000)
  const rows = await deps.db.all(claimDueTokens, { until, limit: claimLimit })
  const messages: RefreshMessage[] = []
  for (let start = 0; start < rows.length; start += idsPerMessage) {
    messages.push({
      kind: 'refresh',
      ids: rows.slice(start, start + idsPerMessage).map((row) => row.id),
      claimed_until: until.toISOString(),
    })
  }
  return { messages, isMore: rows.length >= claimLimit }
}

/**
 * Refreshes one message's tokens. A doubled or late message leases nothing and asks nobody. Throws 503 `misconfigured`
 * where the sealing keys are broken, before anything is leased.
 */
export async function refreshClaimed(deps: RefreshDeps, message: RefreshMessage): Promise<RefreshOutcome[]> {
  void deps.keyRing
  const lease = { id: uuidV7(deps.clock()), until: new Date(deps.clock().getTime() + leaseSeconds * 1_000) }
  const tokens = await deps.db.all(leaseClaimedTokens, {
    ids: message.ids,
    claimedUntil: new Date(message.claimed_until),
    leaseId: lease.id,
  })
  return tokens.length === 0 ? [] : refreshLeased(deps, tokens, lease)
}

const resealLimit = 200

interface ResealedRow {
  readonly token_id: string
  readonly was_access_token: string | null
  readonly was_refresh_token: string | null
  readonly access_token: string | null
  readonly refresh_token: string | null
}

/** Seals a batch of rows under other keys again under the first, so that those keys can be retired. Returns how many. */
export async function resealStale(deps: Pick<RefreshDeps, 'db' | 'keyRing' | 'log'>): Promise<number> {
  const [, ...older] = deps.keyRing
  if (older.length === 0) return 0
  const stale = await deps.db.all(findStaleSeals, { olderKeyIds: older.map((key) => key.id), limit: resealLimit })
  const rows: ResealedRow[] = []
  for (const row of stale) {
    const access =
      row.accessToken === null ? null : await openToken(deps.keyRing, row.accessToken, 'access_token_txt', row)
    const refresh =
      row.refreshToken === null ? null : await openToken(deps.keyRing, row.refreshToken, 'refresh_token_txt', row)
    if (access === null || !access.ok || (refresh !== null && !refresh.ok)) {
      deps.log.error('alarm_sealed_token_unreadable', { subject_id: row.accountId })
      continue
    }
    const sealed = await sealTokens(deps.keyRing, row, {
      accessToken: access.plaintext,
      refreshToken: refresh?.plaintext ?? null,
    })
    rows.push({
      token_id: row.tokenId,
      was_access_token: row.accessToken,
      was_refresh_token: row.refreshToken,
      access_token: sealed.accessToken,
      refresh_token: sealed.refreshToken,
    })
  }
  if (rows.length === 0) return 0
  return (await deps.db.all(storeReseals, { rows: JSON.stringify(rows) })).length
}
