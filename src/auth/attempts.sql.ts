// Counting tries before the work they guard (DESIGN 6.7). CTEs only: sign-in charges an identifier and its account,
// step-up its session. A row that is locked takes no charge, so tries during a lock do not extend it.

import { type SQL, sql } from 'drizzle-orm'
import { param } from '../db/caller.ts'

export interface LockoutParams {
  readonly lockThreshold: number
  readonly lockMinutes: number
}

/** After this without a try, a count begins anew. */
export const attemptsForgottenHours = 24

const lockEnd = sql`now() + make_interval(mins => ${param('lockMinutes', 'int')})`

/**
 * `INSERT` that charges one try to each subject `source` yields (one column, of the subject's type): a row
 * (`failed_cnt`, `locked_until_utc`) where the try is admitted, none where its subject is locked. The try that reaches
 * the threshold is admitted and sets the lock; if it succeeds, `forgiveAttempts` lifts it.
 */
export function chargeAttempt(subject: 'identifier_hash_txt' | 'user_id' | 'session_id', source: SQL): SQL {
  const column = sql.raw(subject)
  // A lock that has run out, or a count nobody added to for a day, begins anew.
  const tries = sql`CASE WHEN login_attempts.locked_until_utc IS NOT NULL OR login_attempts.modified_at_utc < now() - interval '${sql.raw(String(attemptsForgottenHours))} hours'
    THEN 1 ELSE login_attempts.failed_cnt + 1 END`
  return sql`
    INSERT INTO login_attempts (${column}, failed_cnt, locked_until_utc)
    SELECT subject.value, 1, CASE WHEN ${param('lockThreshold', 'int')} <= 1 THEN ${lockEnd} END FROM (${source}) AS subject(value)
    ON CONFLICT (${column}) DO UPDATE SET
      failed_cnt = ${tries},
      locked_until_utc = CASE WHEN ${tries} >= ${param('lockThreshold', 'int')} THEN ${lockEnd} END,
      modified_at_utc = now()
    WHERE login_attempts.locked_until_utc IS NULL OR login_attempts.locked_until_utc <= now()
    RETURNING failed_cnt, locked_until_utc`
}

/**
 * `UPDATE` after a right password, a reset or an unlock: the charges of the rows that `condition` picks are undone, and
 * locks with them. Rows are locked in the order in which sign-in charges them, identifiers before accounts, so that the
 * two never wait for each other.
 */
export function forgiveAttempts(condition: SQL): SQL {
  return sql`
    UPDATE login_attempts SET failed_cnt = 0, locked_until_utc = NULL, modified_at_utc = now()
    FROM (
      SELECT login_attempt_id AS forgiven_id FROM login_attempts WHERE ${condition}
      ORDER BY identifier_hash_txt NULLS LAST, user_id NULLS LAST, session_id FOR UPDATE
    ) AS picked
    WHERE login_attempts.login_attempt_id = picked.forgiven_id
      AND (login_attempts.failed_cnt > 0 OR login_attempts.locked_until_utc IS NOT NULL)`
}

/**
 * Whole seconds, one at least, to the end of the lock on the rows of `login_attempts` (`a`) that `subject` names. A lock
 * younger than the statement's snapshot is not seen there: then it has just begun.
 */
export function secondsToUnlock(subject: SQL): SQL {
  return sql`greatest(1, ceil(extract(epoch FROM coalesce(
      (SELECT a.locked_until_utc FROM login_attempts a WHERE ${subject} AND a.locked_until_utc > now()), ${lockEnd}) - now())))::int`
}
