// The cache's part in PostgreSQL: who may change it, and that it was changed.

import { sql } from 'drizzle-orm'
import { auditRow } from '../db/audit.ts'
import { isAdmin, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { type AdminParams, type AdminRow, adminCtes } from './admin-gate.sql.ts'

/** The gate alone: what it guards lies outside PostgreSQL. */
export const admitToCache = statement<AdminParams, AdminRow>(
  'cache-admit',
  sql`WITH ${adminCtes('cache.read')} SELECT ${isAdmin} AS "isAdmin" FROM caller`,
)

/** `scope`: `all`, or `key` for one. What the admin typed as a key's name stays out of the trail. */
export const admitToCacheChange = statement<AdminParams & { readonly scope: 'all' | 'key' }, AdminRow>(
  'cache-admit-change',
  sql`WITH ${adminCtes('cache.clear')},
  audited AS (${auditRow('cache.cleared', 'success', sql`SELECT caller.user_id, NULL, jsonb_build_object('scope', ${param('scope', 'text')}) FROM caller WHERE ${isAdmin}`)})
  SELECT ${isAdmin} AS "isAdmin" FROM caller`,
)
