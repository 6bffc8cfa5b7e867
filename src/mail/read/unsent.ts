// What the pages of outgoing mail ask beside its row: cheaply, for they come again by themselves.

import { type CallerClaim, callerParams } from '../../db/caller.ts'
import type { Db } from '../../db/client.ts'
import { assertReach } from '../../db/reach.ts'
import { AppError } from '../../errors.ts'
import { type OutgoingOutlook, readOutgoingOutlook, type UnsentRow } from './outgoing.sql.ts'

/** Messages that were given up, the newest by name. */
export interface Unsent {
  /** A hundred at most. */
  readonly count: number
  readonly newest: readonly { readonly id: string; readonly writtenAt: Date }[]
}

export function unsentOf(row: UnsentRow | undefined): Unsent {
  const newest = (row?.newest ?? []).map(({ id, writtenAt }) => ({ id, writtenAt: new Date(writtenAt) }))
  return { count: row?.count ?? 0, newest }
}

/** When a message on its way is tried next, and whether its conversation can be opened. Throws 401, 403, 404. */
export async function outgoingOutlook(
  deps: { readonly db: Db },
  claim: CallerClaim,
  which: { readonly outboxId: string; readonly forUserId: string | null },
): Promise<OutgoingOutlook> {
  const row = await deps.db.first(readOutgoingOutlook, { ...callerParams(claim), ...which })
  assertReach(row, which.forUserId)
  if (row.id === null) throw new AppError('not_found')
  return { dueInSeconds: row.dueInSeconds, hasConversation: row.hasConversation }
}
