// Disconnecting a mailbox: secrets gone at once here, the grant revoked at the provider by the queue, when it was the last.

import { type KeyRing, open, parseSealedAs } from '../crypto/seal.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import { againOnConflict, type Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { EraseMessage } from '../messages.ts'
import type { ProviderResult } from '../providers/failure.ts'
import type { Provider, ProviderCode } from '../providers/provider.ts'
import {
  type ClaimedErasure,
  claimErasure,
  disconnectAccount,
  findDueErasures,
  finishErasure,
} from './disconnect.sql.ts'
import { tokenToRevoke } from './vault.ts'

/** Disconnects one of the caller's mailboxes; done already is done. Resolves with what the queue should revoke. Throws 401, 403 (a key), 404. */
export async function disconnectMailAccount(
  db: Db,
  claim: CallerClaim,
  which: { accountId: string; keepsMail: boolean },
  origin: RequestOrigin,
): Promise<EraseMessage[]> {
  const params = { ...callerParams(claim), ...origin, ...which }
  const row = await againOnConflict(() => db.first(disconnectAccount, params))
  if (row === null) throw new AppError('unauthorized')
  if (row.isKey) throw new AppError('forbidden')
  if (row.accountId === null) throw new AppError('not_found')
  return row.erasureId === null ? [] : [{ kind: 'erase', erasure_id: row.erasureId }]
}

export interface RevokeDeps {
  readonly db: Db
  readonly log: Log
  readonly keyRing: KeyRing
  readonly providers: ReadonlyMap<ProviderCode, Provider>
}

/** Revokes one grant, if it is still the subject's last. Safe to repeat; retries are scheduled by the row, not the queue. */
export async function revokeGrant(
  deps: RevokeDeps,
  message: EraseMessage,
): Promise<'done' | 'dropped' | 'retry' | 'nothing'> {
  // Before the claim: without keys nothing can be revoked, and no attempt is charged.
  void deps.keyRing
  const erasureId = message.erasure_id
  const claimed = await deps.db.first(claimErasure, { erasureId })
  if (claimed === null) return 'nothing'
  if (claimed.verdict === 'dropped') return 'dropped'
  const answer = await callProvider(deps, claimed)
  await deps.db.all(finishErasure, {
    erasureId,
    version: claimed.version,
    isDone: answer.ok,
    error: answer.ok ? null : answer.code,
    provider: claimed.provider,
    providerSubject: claimed.providerSubject,
    delaySeconds: answer.ok ? 0 : (answer.retryAfterSeconds ?? 0),
  })
  return answer.ok ? 'done' : 'retry'
}

async function callProvider(deps: RevokeDeps, claimed: ClaimedErasure): Promise<ProviderResult<null>> {
  const provider = deps.providers.get(claimed.provider as ProviderCode)
  if (provider === undefined)
    return { ok: false, kind: 'misconfigured', code: 'provider_not_offered', retryAfterSeconds: null }
  const place = parseSealedAs(claimed.sealedAs)
  const opened = place === null ? null : await open(deps.keyRing, claimed.sealed, place)
  const token = place !== null && opened?.ok === true ? tokenToRevoke(place, opened.plaintext) : null
  if (token === null) {
    deps.log.error('alarm_sealed_token_unreadable', { code: opened?.ok === false ? opened.reason : 'malformed' })
    return { ok: false, kind: 'misconfigured', code: 'seal_unreadable', retryAfterSeconds: null }
  }
  return provider.revoke({ token })
}

/** Revocations that are due: what a queue lost is found again here. */
export async function dueErasures(db: Db, limit: number): Promise<EraseMessage[]> {
  const rows = await db.all(findDueErasures, { limit })
  return rows.map((row) => ({ kind: 'erase', erasure_id: row.id }))
}
