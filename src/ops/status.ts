// One overview for the admin: what Prometheus would be told, in one answer. An isolate knows neither its own uptime nor
// what others do, so what is here comes from PostgreSQL; that it came at all says that the database is reachable.

import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { admitted } from './admin-gate.sql.ts'
import { type Gauges, readOverviewRow } from './gauges.sql.ts'

/** Throws 401, 403, and 503 where the database does not answer. */
export async function readStatus(
  deps: { db: Db; lockout: { readonly minutes: number } },
  claim: CallerClaim,
  origin: RequestOrigin,
): Promise<Gauges> {
  const params = { ...callerParams(claim), ...origin, lockMinutes: deps.lockout.minutes }
  const { gauges } = admitted(await deps.db.first(readOverviewRow, params))
  // An admin's row always has them.
  if (gauges === null) throw new AppError('internal')
  return gauges
}
