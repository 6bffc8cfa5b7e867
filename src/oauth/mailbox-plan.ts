// What is written of a mailbox when its grant is kept: sealed tokens, status, and when they are refreshed first.

import { uuidV7 } from '../crypto/random.ts'
import type { KeyRing } from '../crypto/seal.ts'
import type { MailAccount } from '../mail-accounts/list.ts'
import { nextRefreshAt } from '../mail-accounts/refresh-policy.ts'
import { missingScopes } from '../mail-accounts/scopes.ts'
import { sealTokens } from '../mail-accounts/vault.ts'
import type { Provider } from '../providers/provider.ts'
import type { MailboxParams, WrittenRow } from './complete.sql.ts'
import { opensMail, type ReceivedGrant } from './grant.ts'
import type { LookRow } from './look.sql.ts'

interface PlanDeps {
  readonly clock: () => Date
  readonly chance: () => number
  readonly keyRing: KeyRing
}

/** Mail was granted, no refresh token came, and none that could serve is stored: the consent screen gives one. */
export function needsConsent(provider: Provider, grant: ReceivedGrant, look: LookRow): boolean {
  return opensMail(provider, grant) && grant.refreshToken === null && !hasUsableToken(look, grant)
}

function hasUsableToken(look: LookRow, grant: ReceivedGrant): boolean {
  return (
    look.accountHasRefreshToken &&
    look.accountClientId === grant.clientId &&
    look.accountStatus !== 'needs_reauthorization' &&
    look.accountStatus !== 'disconnected'
  )
}

export const noMailbox: MailboxParams = {
  accountId: null,
  isNewAccount: false,
  seenVersion: null,
  keepsRefreshToken: false,
  accountEmail: null,
  accountStatus: null,
  scopes: null,
  accessToken: null,
  refreshToken: null,
  tokenExpiresAt: null,
  refreshTokenExpiresAt: null,
  refreshDueAt: null,
  clientId: null,
}

/** A missing refresh token keeps the stored one, where that can serve. */
export async function planMailbox(
  deps: PlanDeps,
  provider: Provider,
  grant: ReceivedGrant,
  look: LookRow,
  owner: { readonly userId: string; readonly hasWaited: boolean },
): Promise<MailboxParams & { accountId: string }> {
  const { userId } = owner
  const now = deps.clock()
  const accountId = look.accountId ?? uuidV7(now)
  const sealed = await sealTokens(deps.keyRing, { accountId, userId }, grant)
  const expiresAt = new Date(grant.expiresAt)
  const refreshTokenExpiresAt = grant.refreshTokenExpiresAt === null ? null : new Date(grant.refreshTokenExpiresAt)
  const canRefresh = grant.refreshToken !== null || hasUsableToken(look, grant)
  const isMailOpen = opensMail(provider, grant)
  // A revocation may have ended this grant since it was made: look at once, so that a death is noticed.
  const isDoubtful = owner.hasWaited || look.hasErasure
  return {
    accountId,
    isNewAccount: look.accountId === null,
    seenVersion: look.accountVersion,
    keepsRefreshToken: grant.refreshToken === null && hasUsableToken(look, grant),
    accountEmail: grant.email ?? '',
    // Nothing will follow the access token: it serves while it lives, and its end is noticed at its expiry.
    accountStatus: canRefresh || !isMailOpen ? 'active' : 'degraded',
    scopes: grant.scopes.join(' '),
    accessToken: sealed.accessToken,
    refreshToken: sealed.refreshToken,
    tokenExpiresAt: expiresAt,
    refreshTokenExpiresAt,
    refreshDueAt: canRefresh
      ? isDoubtful
        ? now
        : nextRefreshAt(now, expiresAt, refreshTokenExpiresAt, deps.chance())
      : isMailOpen
        ? expiresAt
        : null,
    clientId: grant.clientId,
  }
}

/** The mailbox as it now stands, from what was written: no trip to read it back. */
export function describeMailbox(
  provider: Provider,
  grant: ReceivedGrant,
  mailbox: MailboxParams,
  row: WrittenRow,
  now: Date,
): MailAccount | null {
  if (mailbox.accountId === null || mailbox.accountStatus === null) return null
  return {
    id: mailbox.accountId,
    email: row.keptEmail ?? mailbox.accountEmail ?? '',
    provider: provider.code,
    status: mailbox.accountStatus,
    grantedScopes: grant.scopes,
    missingScopes: missingScopes(new Map([[provider.code, provider]]), provider.code, grant.scopes),
    expiresAt: mailbox.tokenExpiresAt,
    lastRefreshedAt: row.lastRefreshedAt,
    lastSyncedAt: row.lastSyncedAt,
    createdAt: row.accountCreatedAt ?? now,
    refreshTokenExpiresAt: mailbox.refreshTokenExpiresAt,
    lastError: null,
  }
}
