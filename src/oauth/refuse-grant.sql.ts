// The statement of a refusal: the grant that was just made goes to be revoked, and the trail is kept.

import { type SQL, sql } from 'drizzle-orm'
import { type AuditParams, auditRows } from '../db/audit.ts'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'
import { eraseGrants } from '../db/erasure.ts'

export interface RefusedGrantParams {
  /** Sealed under `refusedAs`; null: nothing to revoke. */
  readonly refusedGrant: string | null
  readonly refusedAs: string | null
  readonly refusedDueAt: Date | null
}

/** The erasure of a grant that is not kept, as a CTE's body; needs `provider` and `subject` beside its own parameters. */
export const eraseRefused = (condition: SQL): SQL =>
  eraseGrants(sql`
    SELECT ${param('provider', 'text')}, ${param('subject', 'text')}, ${param('refusedGrant', 'text')}, ${param('refusedAs', 'text')},
           ${param('refusedDueAt', 'timestamptz')}
    WHERE ${condition}`)

/** A refusal after the exchange: the grant that was just made goes to be revoked, and the trail is kept. */
export const writeRefusal = statement<
  RefusedGrantParams & AuditParams & { provider: string; subject: string; waitingId: string | null },
  { readonly erasureId: string | null }
>(
  'oauth-refuse',
  sql`WITH waiting_held AS MATERIALIZED (
    SELECT c.one_time_code_id FROM one_time_codes c
    WHERE c.one_time_code_id = ${param('waitingId', 'uuid')} AND c.payload_sealed_txt IS NOT NULL
    FOR UPDATE OF c
  ),
  waiting_emptied AS (
    UPDATE one_time_codes c SET payload_sealed_txt = NULL, modified_at_utc = now()
    FROM waiting_held WHERE c.one_time_code_id = waiting_held.one_time_code_id
  ),
  refused AS (${eraseRefused(sql`${param('waitingId', 'uuid')} IS NULL OR EXISTS (SELECT FROM waiting_held)`)}),
  audited AS (${auditRows(sql`true`)})
  SELECT (SELECT erasure_id FROM refused) AS "erasureId"`,
)
