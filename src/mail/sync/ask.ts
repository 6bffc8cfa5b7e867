// A sync's calls of the provider: paid for before they are made, with a token that is live, renewed once where it is refused.

import { AppError } from '../../errors.ts'
import { giveUpRefusedGrant, type HandedOutToken, liveAccessToken } from '../../mail-accounts/access-token.ts'
import { type ProviderFailure, type ProviderResult, providerFailure } from '../../providers/failure.ts'
import { readScope } from './policy.ts'
import { ensureUnits, type SyncRun, SyncStop } from './run.ts'

/**
 * Asks the provider once, after `units` were made sure of. A 401 renews the token and asks again. Failures that end a
 * sync are thrown; `refused` and `history_expired` are for the caller to judge.
 */
export async function ask<T>(
  run: SyncRun,
  units: number,
  call: (token: { accessToken: string }) => Promise<ProviderResult<T>>,
): Promise<ProviderResult<T>> {
  await ensureUnits(run, units, units)
  for (;;) {
    const { accessToken, version } = await tokenOf(run)
    run.units -= units
    const result = await call({ accessToken })
    if (result.ok) run.acceptedVersion = version
    if (result.ok || result.kind === 'refused' || result.kind === 'history_expired') return result
    await overcome(run, result)
  }
}

/** As `ask`, where no failure is expected. */
export async function askPlainly<T>(
  run: SyncRun,
  units: number,
  call: (token: { accessToken: string }) => Promise<ProviderResult<T>>,
): Promise<T> {
  const result = await ask(run, units, call)
  if (!result.ok) throw new SyncStop({ kind: 'failure', failure: result })
  return result.value
}

/** Returns where the call may be made again: the token was refused, and another was fetched. Throws all other failures. */
export async function overcome(run: SyncRun, failure: ProviderFailure): Promise<void> {
  if (failure.kind !== 'unauthorized') throw new SyncStop({ kind: 'failure', failure })
  const { accountId } = run.lease
  const refusedVersion = (await tokenOf(run)).version
  if (run.hasRenewed) {
    if (await giveUpRefusedGrant(run.deps, { accountId, refusedVersion }))
      throw new SyncStop({ kind: 'failure', failure })
    // It lives on as far as we know: only its own end may close the mailbox.
    throw new SyncStop({
      kind: 'failure',
      failure: providerFailure('unavailable', failure.code, failure.retryAfterSeconds),
    })
  }
  run.hasRenewed = true
  run.token = await obtainToken(run, refusedVersion)
}

/** A live token; asked for once. Throws `SyncStop` where there is none. */
export async function tokenOf(run: SyncRun): Promise<HandedOutToken> {
  run.token ??= await obtainToken(run, null)
  return run.token
}

async function obtainToken(run: SyncRun, refusedVersion: number | null): Promise<HandedOutToken> {
  const { accountId } = run.lease
  try {
    return await liveAccessToken(run.deps, { accountId, scopes: [readScope], refusedVersion })
  } catch (thrown) {
    if (thrown instanceof AppError) throw new SyncStop({ kind: 'refused', error: thrown })
    throw thrown
  }
}
