// What belongs to one person, for admins: ways to sign in, mailboxes by state, live sessions. Counts and addresses, never a
// secret or what a session was used for.

import { sql } from 'drizzle-orm'
import { isAdmin, liveSession, param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { type AdminParams, type AdminRow, adminCtes } from './admin-gate.sql.ts'

const identitiesShown = 20

export interface UserFootprint {
  readonly identities: readonly { readonly provider: string; readonly email: string | null }[]
  readonly mailboxes: readonly { readonly status: string; readonly count: number }[]
  readonly sessions: number
  readonly lastSeenAt: Date | null
}

export const readUserFootprintRow = statement<
  AdminParams & { userId: string },
  AdminRow & (({ readonly id: string } & UserFootprint) | { readonly id: null })
>(
  'user-footprint',
  sql`WITH ${adminCtes('user.read')}
  SELECT ${isAdmin} AS "isAdmin", u.user_id AS "id",
    (SELECT coalesce(jsonb_agg(to_jsonb(i)), '[]') FROM (
      SELECT provider_cd AS provider, email_address_txt AS email FROM user_identities
      WHERE user_id = u.user_id ORDER BY user_identity_id LIMIT ${sql.raw(String(identitiesShown))}) i) AS "identities",
    (SELECT coalesce(jsonb_agg(to_jsonb(a)), '[]') FROM (
      SELECT status_cd AS status, count(*)::int AS count FROM user_mail_accounts WHERE user_id = u.user_id GROUP BY 1 ORDER BY 1) a) AS "mailboxes",
    (SELECT count(*)::int FROM sessions s WHERE s.user_id = u.user_id AND ${liveSession}) AS "sessions",
    (SELECT max(s.last_seen_at_utc) FROM sessions s WHERE s.user_id = u.user_id) AS "lastSeenAt"
  FROM caller LEFT JOIN users u ON ${isAdmin} AND u.user_id = ${param('userId', 'uuid')}`,
)
