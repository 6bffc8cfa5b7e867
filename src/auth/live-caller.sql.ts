// The statement that asks whether a caller lives, and nothing else.

import { sql } from 'drizzle-orm'
import { type CallerParams, callerCtes } from '../db/caller.ts'
import { statement } from '../db/client.ts'

/** One row, or none. */
export const lookForCaller = statement<CallerParams, { readonly isKey: boolean }>(
  'caller-look',
  sql`WITH ${callerCtes} SELECT caller.api_key_id IS NOT NULL AS "isKey" FROM caller`,
)
