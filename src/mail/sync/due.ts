// Which mailboxes are due for a sync. What a queue loses is due again five minutes later.

import type { Db } from '../../db/client.ts'
import type { SyncMessage } from '../../messages.ts'
import { claimDueMailboxes } from './due.sql.ts'
import { readScope } from './policy.ts'

const claimSeconds = 5 * 60
/** What is left after these waits a minute. */
const claimLimit = 5_000

/**
 * Claims due mailboxes for five minutes and gives a message for each. Without background sync only open walks go on, and
 * what is owed comes.
 */
export async function claimDueSyncs(deps: {
  readonly db: Db
  readonly clock: () => Date
  readonly sync: { readonly intervalSeconds: number }
}): Promise<SyncMessage[]> {
  // Whole milliseconds, as in refresh: the claim is compared for equality.
  const until = new Date(deps.clock().getTime() + claimSeconds * 1_000)
  const rows = await deps.db.all(claimDueMailboxes, {
    until,
    limit: claimLimit,
    isBackground: deps.sync.intervalSeconds > 0,
    scope: readScope,
  })
  const claimed_until = until.toISOString()
  return rows
    .filter(({ isClaimed }) => isClaimed)
    .map(({ id }) => ({ kind: 'sync', mail_account_id: id, claimed_until }))
}
