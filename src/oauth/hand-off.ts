// POST /auth/token: the front end's end of a flow. The code is a fresh secret, hashed at rest, 60 seconds, single use;
// knowing the provider's state gains nothing.

import { issueTokenPair, newTokenSession, type TokenIssuer, type TokenPair } from '../auth/sessions.ts'
import { sha256 } from '../crypto/hash.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import { AppError } from '../errors.ts'
import type { MailAccount } from '../mail-accounts/list.ts'
import type { Provider, ProviderCode } from '../providers/provider.ts'
import { endsNothing, nothingMore } from './ending.ts'
import { openWaiting } from './grant.ts'
import { redeemHandOff } from './hand-off.sql.ts'
import { findProvider } from './start.ts'
import { type LinkedIdentity, type StoreDeps, storeGrant } from './store-grant.ts'

export interface HandOffDeps extends StoreDeps, TokenIssuer {
  readonly providers: ReadonlyMap<ProviderCode, Provider>
}

export type Redeemed =
  | { readonly kind: 'session'; readonly pair: TokenPair }
  | { readonly kind: 'mail_account'; readonly account: MailAccount }
  | { readonly kind: 'identity'; readonly identity: LinkedIdentity }

/**
 * Throws 400 `invalid_grant` (unknown, spent, expired, wrong verifier, a verifier for a flow without challenge, or a
 * connecting code without its session); for connecting flows also the link decision's 409 and 403 codes, and 503
 * `sealed_token_unreadable`.
 */
export async function redeemHandOffCode(
  deps: HandOffDeps,
  shown: { code: string; codeVerifier: string | null; claim: CallerClaim | null },
  origin: RequestOrigin,
): Promise<Redeemed> {
  const session = await newTokenSession(deps.clock)
  const row = await deps.db.first(redeemHandOff, {
    ...callerParams(shown.claim),
    ...origin,
    ...session.params,
    codeHash: await sha256(shown.code),
    // S256 (RFC 7636 §4.6): the hash's base64url, which is what `sha256` gives.
    challenge: shown.codeVerifier === null ? null : await sha256(shown.codeVerifier),
  })
  if (row === null || row.verdict === 'refused') throw new AppError('invalid_grant')
  if (row.verdict === 'sign_in') {
    // Disabled, deleted or locked out of all sessions since: no session by any way.
    if (row.begunSessionId === null) throw new AppError('invalid_grant')
    const pair = await issueTokenPair(deps, {
      userId: row.userId,
      sessionId: row.begunSessionId,
      refreshToken: session.refreshToken,
    })
    return { kind: 'session', pair }
  }
  if (row.payload === null || row.codeSessionId === null) throw new AppError('invalid_grant')
  const grant = await openWaiting(deps.keyRing, row.payload, row.codeId, row.userId)
  if (grant === null) throw new AppError('sealed_token_unreadable')
  const stored = await storeGrant(deps, {
    provider: findProvider(deps.providers, grant.provider),
    grant,
    connecting: { claim: shown.claim, sessionId: row.codeSessionId, userId: row.userId },
    mayAskConsent: false,
    ending: { ...nothingMore, ends: { ...endsNothing, waitingId: row.codeId } },
    origin,
    firstLook: row,
  })
  if (stored.kind === 'refused') throw new AppError(stored.code)
  if (stored.kind === 'consent_needed') throw new AppError('provider_refused')
  if (stored.account !== null) return { kind: 'mail_account', account: stored.account }
  if (stored.identity === null) throw new AppError('conflict')
  return { kind: 'identity', identity: stored.identity }
}
