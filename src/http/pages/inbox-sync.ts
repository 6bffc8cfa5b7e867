// Syncing from a page: one mailbox while its owner waits, several behind the page. Goes through the verbs of the JSON
// routes.

import type { CookieClaim } from '../../auth/claims.ts'
import { AppError } from '../../errors.ts'
import { syncNow } from '../../mail/sync/on-demand.ts'
import { readSync, type SyncRecord } from '../../mail/sync/record.ts'
import { listMailAccounts, type MailAccount } from '../../mail-accounts/list.ts'
import { type AppContext, originOf } from '../context.ts'
import { isSyncable } from './inbox-notices.tsx'
import { mailboxesShown } from './inbox-parts.tsx'

/** As many as a person waits for, and the verb takes at once. */
const waitedForCount = 50
const mostAtOnce = 5

/** What the page's address says afterwards: how many messages came, or that they are being fetched. */
export interface Synced {
  readonly synced: string
}

/** Refusals that the page puts into words; everything else is thrown on. */
const shown: readonly string[] = [
  'sync_running',
  'rate_limited',
  'needs_reauthorization',
  'insufficient_scope',
  'provider_unavailable',
  'not_found',
]

/** Syncs one mailbox now. Gives what the page should say; throws 401 and what no page can put into words. */
export async function syncOne(c: AppContext, claim: CookieClaim, accountId: string): Promise<Synced | AppError> {
  const request = { accountId, email: null, count: waitedForCount, forUserId: null }
  return orRefusal(async () => {
    const outcome = await syncNow(c.env.deps, claim, request, originOf(c))
    return { synced: outcome.kind === 'queued' ? 'queued' : String(outcome.inserted) }
  })
}

/** The same for what a list shows: the mailbox with this address, or all of them, through the queue where they are several. */
export async function syncInView(
  c: AppContext,
  claim: CookieClaim,
  userEmail: string | null,
): Promise<Synced | AppError> {
  const accounts = await listMailAccounts(c.env.deps, claim, { forUserId: null, before: null, limit: mailboxesShown })
  const wanted = accounts.filter((it) => isSyncable(it) && (userEmail === null || it.email === userEmail))
  const [only, ...others] = wanted
  if (only === undefined) return new AppError('needs_reauthorization')
  if (others.length === 0) return syncOne(c, claim, only.id)
  return orRefusal(async () => {
    for (const { id: accountId } of wanted.slice(0, mostAtOnce)) {
      const request = { accountId, email: null, count: waitedForCount + 1, forUserId: null }
      await syncNow(c.env.deps, claim, request, originOf(c))
    }
    return { synced: 'queued' }
  })
}

export async function orRefusal<T>(work: () => Promise<T>): Promise<T | AppError> {
  try {
    return await work()
  } catch (thrown) {
    if (thrown instanceof AppError && shown.includes(thrown.code)) return thrown
    throw thrown
  }
}

const mostRecords = 3

/** Where the sync of a few mailboxes stands. */
export async function syncRecordsOf(
  c: AppContext,
  claim: CookieClaim,
  accounts: readonly MailAccount[],
): Promise<{ email: string; sync: SyncRecord }[]> {
  return Promise.all(
    accounts
      .filter(isSyncable)
      .slice(0, mostRecords)
      .map(async ({ id: accountId, email }) => ({
        email,
        sync: await readSync(c.env.deps, claim, { accountId, forUserId: null }),
      })),
  )
}
