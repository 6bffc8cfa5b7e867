// An address that was proven, by whatever way, ends the registrations that wait for it: nobody's letter can then confirm
// a stranger's password, name or picture (DESIGN section 5, Registration). CTEs for every statement that proves one.

import { type SQL, sql } from 'drizzle-orm'
import { eraseAvatars } from '../db/erasure.ts'

/**
 * `ended_registrations` and the erasure of their pictures. `hashes` yields the keyed hashes (`subject_hash_txt`) of the
 * addresses just proven; `except` is the registration that proved it itself, or null.
 */
export function endRegistrationsCtes(hashes: SQL, except: SQL = sql`NULL::uuid`): SQL {
  return sql`
  ended_registrations AS (
    UPDATE one_time_codes c SET consumed_at_utc = now(), payload_sealed_txt = NULL, modified_at_utc = now()
    WHERE c.purpose_cd = 'registration' AND c.consumed_at_utc IS NULL AND c.subject_hash_txt IN (${hashes})
      AND c.one_time_code_id IS DISTINCT FROM ${except}
    RETURNING c.avatar_id
  ),
  ended_pictures AS (${eraseAvatars(sql`SELECT ended_registrations.avatar_id FROM ended_registrations`)})`
}
