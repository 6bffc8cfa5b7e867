// Letters as rows: the CTEs that write one in the statement of its cause, and the hourly allowance of an address. The
// queue carries a row's id; deliver.ts sends it, and cron finds what was lost. It must not know what a letter says.

import { type SQL, sql } from 'drizzle-orm'
import { param } from '../db/caller.ts'

export type LetterKind =
  /** To an address somebody registered: holds nothing that a stranger typed but that address. */
  | 'registration'
  /** To an address that is somebody's already, where somebody registered it. */
  | 'account_exists'
  | 'password_reset'
  | 'password_changed'
  /** To the new address, with the link that confirms it. */
  | 'email_change'
  /** To the old address, when the change is asked for. */
  | 'email_change_requested'
  /** To the old address, once the change is done. */
  | 'email_changed'
  | 'mailbox_needs_reauthorization'
  | 'mailbox_access_ends'
  | 'account_deleted'

/** Letters an hour for one address and kind; what is more is left out silently. */
export const lettersAnHour = 5

/**
 * What is charged for a letter. Void letters have allowances of their own: what a stranger asked for while an address was
 * nobody's must not be missing once it is somebody's.
 */
export type LetterAllowance = LetterKind | `void_${LetterKind}`

/** `counters.kind_cd` of an allowance. */
export const allowanceKind = (allowance: LetterAllowance): string => `letter:${allowance}`

/**
 * `INSERT` that charges the allowance of `subjectHash` (HMAC of the address, a parameter's name): one row while letters
 * are left this hour, none once they are used up. Everything a request for a letter changes takes its rows from it, so
 * that a capped request changes nothing. Where `condition` does not hold, nothing is charged and there is no row.
 */
export function chargeLetter(allowance: LetterAllowance, subjectHash: string, condition: SQL = sql`true`): SQL {
  const isNewWindow = sql`counters.window_started_at_utc < now() - interval '1 hour'`
  return sql`
    INSERT INTO counters (kind_cd, subject_hash_txt, used_cnt)
    SELECT ${sql.raw(`'${allowanceKind(allowance)}'`)}, ${param(subjectHash, 'text')}, 1 WHERE ${condition}
    ON CONFLICT (kind_cd, subject_hash_txt) DO UPDATE SET
      used_cnt = CASE WHEN ${isNewWindow} THEN 1 ELSE counters.used_cnt + 1 END,
      window_started_at_utc = CASE WHEN ${isNewWindow} THEN now() ELSE counters.window_started_at_utc END,
      modified_at_utc = now()
    WHERE ${isNewWindow} OR counters.used_cnt < ${sql.raw(String(lettersAnHour))}
    RETURNING counter_id`
}

/**
 * `INSERT` of letters. `source` yields (letter_id, kind_cd, recipient_txt, one_time_code_id, cause_txt, status_cd); the
 * status is `due`, or `void` for a letter that is written for the sake of sameness only. One letter a cause, whatever
 * runs twice.
 */
export function writeLetters(source: SQL): SQL {
  return sql`
    INSERT INTO letters (letter_id, kind_cd, recipient_txt, one_time_code_id, cause_txt, status_cd)
    SELECT l.letter_id, l.kind_cd, l.recipient_txt, l.one_time_code_id, l.cause_txt, l.status_cd
    FROM (${source}) AS l(letter_id, kind_cd, recipient_txt, one_time_code_id, cause_txt, status_cd)
    ON CONFLICT (cause_txt) DO NOTHING
    RETURNING letter_id`
}
