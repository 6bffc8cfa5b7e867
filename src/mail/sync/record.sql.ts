// Statements about a mailbox's sync record: read, and a walk through the mailbox asked for.

import { type SQL, sql } from 'drizzle-orm'
import { auditRow, type OriginParams } from '../../db/audit.ts'
import { callerCtes, param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'
import { inReach, ownerCte, type ReachParams, type ReachRow, reachColumns } from '../../db/reach.ts'
import { foundInReach, type WalkKind, type WalkState, type WhichMailbox } from './lease.sql.ts'

export interface SyncRecordRow {
  readonly accountId: string | null
  readonly objection: 'needs_reauthorization' | 'insufficient_scope' | null
  readonly lastSyncedAt: Date | null
  readonly state: WalkState | null
  readonly kind: WalkKind | null
  readonly counted: number | null
  readonly total: number | null
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
  readonly lastError: string | null
  readonly skipped: number
  readonly relistCount: number | null
  readonly relistedAt: Date | null
  readonly relistAdded: number | null
  readonly relistDeleted: number | null
}

const recordColumns = (row: string, account: SQL): SQL => {
  const s = sql.raw(row)
  return sql`
  ${s}.walk_state_cd AS "state", ${s}.walk_kind_cd AS "kind", ${s}.counted_cnt AS "counted", ${s}.total_cnt AS "total", ${s}.walk_started_at_utc AS "startedAt",
  ${s}.walk_finished_at_utc AS "finishedAt", ${s}.last_error_cd AS "lastError", ${s}.relist_cnt AS "relistCount", ${s}.relisted_at_utc AS "relistedAt",
  ${s}.relist_added_cnt AS "relistAdded", ${s}.relist_deleted_cnt AS "relistDeleted",
  (SELECT count(*)::int FROM mail_skips k WHERE k.user_mail_account_id = ${account} AND k.error_cd <> 'later') AS "skipped"`
}

/** Of a disconnected mailbox, too. */
export const readSyncRow = statement<ReachParams & { accountId: string }, ReachRow & SyncRecordRow>(
  'sync-read',
  sql`WITH ${callerCtes}, ${ownerCte('emails:sync')}
  SELECT ${reachColumns('emails:sync')}, a.user_mail_account_id AS "accountId", a.last_synced_at_utc AS "lastSyncedAt", NULL AS "objection",
    ${recordColumns('s', sql`a.user_mail_account_id`)}
  FROM caller
  LEFT JOIN owner ON true
  LEFT JOIN user_mail_accounts a ON a.user_id = owner.user_id AND a.user_mail_account_id = ${param('accountId', 'uuid')} AND ${inReach}
  LEFT JOIN mail_syncs s ON s.user_mail_account_id = a.user_mail_account_id`,
)

export interface WalkParams extends WhichMailbox {
  readonly kind: 'newest' | 'full'
  /** Of the newest; null for all. */
  readonly wanted: number | null
  readonly walkId: string
  /** What reading this mailbox takes. */
  readonly scope: string
}

const isOpen = sql`s.walk_state_cd IN ('queued', 'running')`
const isFull = sql`(EXCLUDED.walk_kind_cd = 'full')`
/** One that does all that was asked for is under way: it is joined. */
const joins = sql`(${isOpen} AND (s.walk_kind_cd = 'full' OR (s.walk_kind_cd = 'relist' AND s.walk_since_utc IS NULL)
      OR (NOT ${isFull} AND coalesce(s.wanted_cnt >= EXCLUDED.wanted_cnt, false))))`
/** The newest are asked for, and all of it is here. */
const isHere = sql`(NOT ${isFull} AND s.walk_state_cd = 'done' AND s.walk_since_utc IS NULL AND s.walk_kind_cd IN ('full', 'relist'))`
/** A re-list of a part goes on, and brings the newest that were asked for afterwards. */
const waits = sql`(${isOpen} AND s.walk_kind_cd = 'relist' AND NOT ${isFull})`
/** A re-list of a part goes on as one of all: its cursor is needed. */
const widens = sql`(${isOpen} AND s.walk_kind_cd = 'relist')`
const begun = (fresh: SQL, kept: SQL): SQL =>
  sql`CASE WHEN ${joins} OR ${isHere} OR ${waits} THEN ${kept} ELSE ${fresh} END`
const nullUnlessKept = [
  'walk_page_token_txt',
  'walk_phase_cd',
  'total_cnt',
  'walk_started_at_utc',
  'walk_finished_at_utc',
]

/** A walk whose message was lost begins after so long. */
const lostAfter = sql`interval '30 seconds'`

/** Asks for a walk, or joins the one under way. It is due at once, should its message be lost. */
export const requestWalkRow = statement<ReachParams & OriginParams & WalkParams, ReachRow & SyncRecordRow>(
  'sync-request-walk',
  sql`WITH ${callerCtes}, ${ownerCte('emails:sync')}, ${foundInReach},
  asked AS (
    INSERT INTO mail_syncs AS s (user_mail_account_id, walk_kind_cd, walk_state_cd, walk_id, wanted_cnt, walk_since_utc)
    SELECT found.user_mail_account_id, ${param('kind', 'text')}, 'queued', ${param('walkId', 'uuid')}, ${param('wanted', 'int')},
      -- Null only where a walk goes through all there is.
      CASE WHEN ${param('kind', 'text')} = 'newest' THEN now() END
    -- Its mailbox is locked already: in the order of all other statements, the mailbox, then its sync record.
    FROM found WHERE found.objection IS NULL
    ON CONFLICT (user_mail_account_id) DO UPDATE SET
      walk_kind_cd = ${begun(sql`CASE WHEN ${widens} THEN 'relist' ELSE EXCLUDED.walk_kind_cd END`, sql`s.walk_kind_cd`)},
      walk_state_cd = ${begun(sql`'queued'`, sql`s.walk_state_cd`)},
      -- Another id: whoever works at the walk just now knows of the old wish only, and can store nothing of it.
      walk_id = ${begun(sql`EXCLUDED.walk_id`, sql`s.walk_id`)},
      walk_since_utc = ${begun(sql`EXCLUDED.walk_since_utc`, sql`s.walk_since_utc`)},
      wanted_cnt = CASE WHEN ${waits} AND NOT ${joins} THEN greatest(s.wanted_cnt, EXCLUDED.wanted_cnt) ELSE ${begun(sql`EXCLUDED.wanted_cnt`, sql`s.wanted_cnt`)} END,
      counted_cnt = ${begun(sql`0`, sql`s.counted_cnt`)},
      walk_cursor_txt = ${begun(sql`CASE WHEN ${widens} THEN s.walk_cursor_txt END`, sql`s.walk_cursor_txt`)},
      ${sql.join(
        nullUnlessKept.map((column) => sql`${sql.raw(column)} = ${begun(sql`NULL`, sql.raw(`s.${column}`))}`),
        sql`, `,
      )},
      modified_at_utc = now()
    RETURNING s.*
  ),
  due AS (
    UPDATE user_mail_accounts a SET sync_due_at_utc = now() + ${lostAfter} FROM asked WHERE a.user_mail_account_id = asked.user_mail_account_id
  ),
  audited AS (${auditRow(
    'mail_sync.requested',
    'success',
    sql`SELECT CASE WHEN caller.api_key_id IS NULL THEN caller.user_id END, asked.user_mail_account_id::text,
      jsonb_strip_nulls(jsonb_build_object('kind', ${param('kind', 'text')}, 'count', ${param('wanted', 'int')}, 'api_key_id', caller.api_key_id)) FROM caller, asked`,
  )})
  SELECT ${reachColumns('emails:sync')}, found.user_mail_account_id AS "accountId", found.objection AS "objection",
    (SELECT a.last_synced_at_utc FROM user_mail_accounts a WHERE a.user_mail_account_id = found.user_mail_account_id) AS "lastSyncedAt",
    ${recordColumns('asked', sql`found.user_mail_account_id`)}
  FROM caller LEFT JOIN owner ON true LEFT JOIN found ON true LEFT JOIN asked ON true`,
)
