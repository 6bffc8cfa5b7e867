// Mailboxes as their owner, or a key on the owner's behalf, may see them: never a token, sealed or not.

import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { assertReach, type ReachRow } from '../db/reach.ts'
import { AppError } from '../errors.ts'
import type { Provider, ProviderCode } from '../providers/provider.ts'
import { listMailAccountRows, type MailAccountRow, type RefreshAttempt, readMailAccountRow } from './list.sql.ts'
import { missingScopes, splitScopes } from './scopes.ts'

export interface MailAccount extends Omit<MailAccountRow, 'grantedScopes'> {
  readonly grantedScopes: readonly string[]
  readonly missingScopes: readonly string[]
}

interface ListDeps {
  readonly db: Db
  readonly providers: ReadonlyMap<ProviderCode, Provider>
}

/** Newest first. Throws 401; 403 (a key without `mail_accounts:read`); 404 (a person out of reach); 422 (a key that names nobody, asked for nobody). */
export async function listMailAccounts(
  deps: ListDeps,
  claim: CallerClaim,
  page: { forUserId: string | null; before: string | null; limit: number },
): Promise<MailAccount[]> {
  const rows = await deps.db.all(listMailAccountRows, { ...callerParams(claim), ...page })
  assertReach(rows[0] ?? null, page.forUserId)
  return rows.filter((row): row is ReachRow & MailAccountRow => row.id !== null).map((row) => present(deps, row))
}

/** One mailbox with its recent refreshes, newest first. Throws as `listMailAccounts`, and 404. */
export async function readMailAccount(
  deps: ListDeps,
  claim: CallerClaim,
  which: { accountId: string; forUserId: string | null },
): Promise<MailAccount & { readonly history: readonly RefreshAttempt[] }> {
  const row = await deps.db.first(readMailAccountRow, { ...callerParams(claim), ...which })
  assertReach(row, which.forUserId)
  if (row.id === null) throw new AppError('not_found')
  return { ...present(deps, row), history: row.history ?? [] }
}

function present(deps: ListDeps, row: MailAccountRow): MailAccount {
  const grantedScopes = splitScopes(row.grantedScopes)
  return {
    id: row.id,
    email: row.email,
    provider: row.provider,
    status: row.status,
    grantedScopes,
    missingScopes: missingScopes(deps.providers, row.provider, grantedScopes),
    expiresAt: row.expiresAt,
    lastRefreshedAt: row.lastRefreshedAt,
    lastSyncedAt: row.lastSyncedAt,
    createdAt: row.createdAt,
    refreshTokenExpiresAt: row.refreshTokenExpiresAt,
    lastError: row.lastError,
  }
}
