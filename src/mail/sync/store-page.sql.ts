// One page of a mailbox in one statement: messages, attachments, deletions, labels, what was skipped, the cursor, the
// walk's progress, the lease and the quota for what comes next. Stored whole, or, where the lease is gone, not at all.

import { type SQL, sql } from 'drizzle-orm'
import { param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'
import {
  countProjectUnits,
  type GivenBack,
  grantOf,
  minuteOf,
  slotsAfter,
  type UnitParams,
  windowAfter,
} from '../quota.sql.ts'
import { isSkipDue, leaseInterval } from './lease.sql.ts'
import { walkDueSeconds } from './policy.ts'

/** JSON texts are arrays or objects made by store-page.ts. */
export interface StoreParams extends UnitParams {
  readonly accountId: string
  readonly leaseId: string
  readonly messages: string
  readonly parts: string
  readonly deletedIds: readonly string[]
  readonly labelChanges: string
  /** Label id → what it is found by; others by their id. */
  readonly labelFacets: string
  readonly skips: string
  /** Messages that need no other look: stored, or gone. */
  readonly settledIds: readonly string[]
  readonly metIds: readonly string[]
  /** Of the walk this page belongs to; null where it belongs to none. */
  readonly markId: string | null
  readonly cursor: string | null
  /** Columns of `mail_syncs`. */
  readonly patch: string
  /** Columns of the walk; they count while `patchedWalkId` and `patchedWanted` are still those of the row. */
  readonly walkPatch: string
  readonly patchedWalkId: string | null
  readonly patchedWanted: number | null
  readonly isSynced: boolean
  /** Seconds until the next background sync; null as it was. */
  readonly dueSeconds: number | null
  readonly releases: boolean
  /** Lets go of the lease where somebody on demand waits for it. */
  readonly yields: boolean
  /** Reserved and not spent; below nothing: spent beyond that. Given back with the lease, or where it is asked for. */
  readonly unitsHeld: number
  readonly givesBack: boolean
  /** Milliseconds since these were reserved. */
  readonly unitsAge: number
}

export interface StoredRow {
  readonly isConnected: boolean
  readonly isHeld: boolean
  readonly isReleased: boolean
  readonly isWalkOpen: boolean
  /** Some message was not answered for, and is asked for again. Told with the release of the lease. */
  readonly isOwing: boolean
  /** Of the walk, as it stands now. */
  readonly wanted: number | null
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly units: number
  readonly waitSeconds: number
}

const columns = [
  'provider_thread_id_txt',
  'message_id_txt',
  'in_reply_to_txt',
  'references_txt',
  'subject_txt',
  'from_json',
  'to_json',
  'cc_json',
  'bcc_json',
  'reply_to_json',
  'snippet_txt',
  'sent_at_utc',
  'size_bytes_nbr',
  'label_ids_txt',
  'is_unread_flg',
  'has_attachments_flg',
  'text_txt',
  'html_txt',
  'search_tsv',
  'head_txt',
]
const ofRow = (alias: string): SQL => sql.raw(columns.map((column) => `${alias}.${column}`).join(', '))
const assignments = sql.raw(columns.map((column) => `${column} = EXCLUDED.${column}`).join(', '))

/** What a set of labels is found by. */
const facetsOf = (labels: SQL): SQL => sql`ARRAY(
      SELECT DISTINCT f FROM unnest(${labels}) AS l
      CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(${param('labelFacets', 'jsonb')} -> l, jsonb_build_array(':l:' || l))) AS f)`

/** Columns a patch may name; what it does not name stays. */
const patched = [
  'failure_cnt',
  'last_error_cd',
  'interval_seconds_nbr',
  'labels_read_at_utc',
  'walk_kind_cd',
  'walk_state_cd',
  'walk_id',
  'walk_cursor_txt',
  'walk_page_token_txt',
  'walk_phase_cd',
  'walk_since_utc',
  'wanted_cnt',
  'counted_cnt',
  'total_cnt',
  'walk_started_at_utc',
  'walk_finished_at_utc',
  'relist_cnt',
  'relisted_at_utc',
  'wait_until_utc',
]
const patchedColumns = sql.raw(patched.join(', '))
const isOpen = (row: string): SQL => sql`${sql.raw(row)}.walk_state_cd IN ('queued', 'running')`
const backOf = (row: string): GivenBack => ({
  units: sql.raw(`${row}.units_back`),
  age: sql`(${param('unitsAge', 'int')} / 1000.0::float8)`,
})

/** The walk that the patch was made for: somebody may have asked for another meanwhile. */
const isPatchedWalk = sql`(s.walk_id, s.wanted_cnt) IS NOT DISTINCT FROM (${param('patchedWalkId', 'uuid')}, ${param('patchedWanted', 'int')})`
/** A message that is not answered for is given up after so long, where it was asked for so often: nobody may have asked. */
const owedFor = sql`interval '7 days'`
const owedTries = sql`12`
/** Who yields goes on after so long. */
const yieldInterval = sql`interval '10 seconds'`

export const storePageRow = statement<StoreParams, StoredRow>(
  'sync-store-page',
  sql`WITH mailbox AS MATERIALIZED (
    SELECT a.user_mail_account_id, a.provider_cd, a.mail_since_utc
    FROM user_mail_accounts a JOIN users u ON u.user_id = a.user_id AND u.is_active_flg
    WHERE a.user_mail_account_id = ${param('accountId', 'uuid')} AND a.is_active_flg
    -- A disconnect waits for this page, or this page for the disconnect and then stores nothing.
    FOR NO KEY UPDATE OF a
  ),
  held AS MATERIALIZED (
    SELECT s.*, mailbox.provider_cd, mailbox.mail_since_utc, n.lets_go, CASE WHEN n.lets_go OR ${param('givesBack', 'boolean')} THEN ${param('unitsHeld', 'int')} ELSE 0 END AS units_back
    FROM mailbox JOIN mail_syncs s ON s.user_mail_account_id = mailbox.user_mail_account_id
    CROSS JOIN LATERAL (SELECT ${param('releases', 'boolean')} OR (${param('yields', 'boolean')} AND s.is_awaited_flg) AS lets_go) n
    WHERE s.user_mail_account_id = ${param('accountId', 'uuid')} AND s.lease_id = ${param('leaseId', 'uuid')}
    FOR UPDATE OF s
  ),
  budget AS MATERIALIZED (
    SELECT held.provider_cd, held.units_back, box.slots, CASE WHEN held.lets_go THEN 0 ELSE quota.granted END AS granted, quota.wait
    FROM held
    LEFT JOIN provider_states p ON p.provider_cd = held.provider_cd
    CROSS JOIN ${minuteOf('held', backOf('held'))} box
    CROSS JOIN ${minuteOf('p', backOf('held'))} project
    CROSS JOIN ${grantOf} quota
  ),
  -- First of those that nobody reads, which PostgreSQL runs from the last to the first: the row of all mailboxes is locked last.
  counted AS (${countProjectUnits(sql`budget`, sql`budget.granted`, { ...backOf('budget'), units: sql`(SELECT budget.units_back FROM budget)` })}),
  stored AS (
    INSERT INTO emails AS e (user_mail_account_id, provider_message_id_txt, walk_id, ${sql.raw(columns.join(', '))})
    SELECT held.user_mail_account_id, r.id, ${param('markId', 'uuid')},
      r.thread_id, r.message_id, r.in_reply_to, r.refs, r.subject, r.sender, r.recipients, r.cc, r.bcc, r.reply_to, r.snippet, r.sent_at, r.size_bytes,
      r.label_ids, 'UNREAD' = ANY(r.label_ids), r.has_attachments, r.plain, r.html, r.search::tsvector, r.head
    FROM held CROSS JOIN jsonb_to_recordset(${param('messages', 'jsonb')}) AS r(
      id text, thread_id text, message_id text, in_reply_to text, refs text, subject text, sender jsonb, recipients jsonb, cc jsonb, bcc jsonb, reply_to jsonb,
      snippet text, sent_at timestamptz, size_bytes bigint, label_ids text[], has_attachments boolean, plain text, html text, search text, head text)
    ON CONFLICT (user_mail_account_id, provider_message_id_txt) DO UPDATE SET ${assignments},
      walk_id = coalesce(EXCLUDED.walk_id, e.walk_id), modified_at_utc = now(),
      -- Fetched again after its mailbox came back: it shows again.
      created_at_utc = CASE WHEN e.created_at_utc < (SELECT mail_since_utc FROM held) THEN now() ELSE e.created_at_utc END
    WHERE (${ofRow('e')}) IS DISTINCT FROM (${ofRow('EXCLUDED')})
      OR coalesce(EXCLUDED.walk_id, e.walk_id) IS DISTINCT FROM e.walk_id
      OR e.created_at_utc < (SELECT mail_since_utc FROM held)
    RETURNING e.email_id, e.provider_message_id_txt, e.xmax = 0 AS is_new
  ),
  parts AS MATERIALIZED (
    SELECT stored.email_id, p.* FROM stored
    JOIN jsonb_to_recordset(${param('parts', 'jsonb')}) AS p(message text, part text, place int, filename text, content_type text, size_bytes bigint, content_id text)
      ON p.message = stored.provider_message_id_txt
  ),
  parts_stored AS (
    INSERT INTO email_attachments (email_id, part_id_txt, position_nbr, filename_txt, content_type_txt, size_bytes_nbr, content_id_txt)
    SELECT email_id, part, place, filename, content_type, size_bytes, content_id FROM parts
    ON CONFLICT (email_id, part_id_txt) DO UPDATE SET position_nbr = EXCLUDED.position_nbr, filename_txt = EXCLUDED.filename_txt,
      content_type_txt = EXCLUDED.content_type_txt, size_bytes_nbr = EXCLUDED.size_bytes_nbr, content_id_txt = EXCLUDED.content_id_txt,
      modified_at_utc = now()
  ),
  parts_gone AS (
    DELETE FROM email_attachments x USING stored
    WHERE NOT stored.is_new AND x.email_id = stored.email_id
      AND NOT EXISTS (SELECT FROM parts WHERE parts.email_id = x.email_id AND parts.part = x.part_id_txt)
  ),
  gone AS (
    DELETE FROM emails e USING held
    WHERE e.user_mail_account_id = held.user_mail_account_id AND e.provider_message_id_txt = ANY(${param('deletedIds', 'text[]')})
    RETURNING e.email_id
  ),
  relabelled AS (
    UPDATE emails e SET label_ids_txt = c.labels, is_unread_flg = 'UNREAD' = ANY(c.labels), walk_id = coalesce(${param('markId', 'uuid')}, e.walk_id),
      search_tsv = CASE WHEN c.is_other THEN ts_delete(e.search_tsv, ${facetsOf(sql`c.before`)}) || array_to_tsvector(${facetsOf(sql`c.labels`)}) ELSE e.search_tsv END,
      modified_at_utc = CASE WHEN c.is_other THEN now() ELSE e.modified_at_utc END
    FROM (
      SELECT o.email_id, o.label_ids_txt AS before, n.labels, n.labels IS DISTINCT FROM o.label_ids_txt AS is_other
      FROM held CROSS JOIN jsonb_to_recordset(${param('labelChanges', 'jsonb')}) AS op(id text, labels text[], added text[], removed text[])
      JOIN emails o ON o.user_mail_account_id = held.user_mail_account_id AND o.provider_message_id_txt = op.id
      CROSS JOIN LATERAL (
        SELECT ARRAY(
          SELECT DISTINCT l COLLATE "C" FROM unnest(coalesce(op.labels, o.label_ids_txt || op.added)) AS l
          WHERE op.labels IS NOT NULL OR l <> ALL (op.removed) ORDER BY 1
        ) AS labels
      ) n
    ) c
    WHERE e.email_id = c.email_id AND (c.is_other OR e.walk_id IS DISTINCT FROM coalesce(${param('markId', 'uuid')}, e.walk_id))
    RETURNING c.is_other
  ),
  met AS (
    UPDATE emails e SET walk_id = ${param('markId', 'uuid')} FROM held
    WHERE e.user_mail_account_id = held.user_mail_account_id AND e.provider_message_id_txt = ANY(${param('metIds', 'text[]')})
      AND e.walk_id IS DISTINCT FROM ${param('markId', 'uuid')}
  ),
  skipped AS (
    INSERT INTO mail_skips AS k (user_mail_account_id, provider_message_id_txt, error_cd)
    SELECT held.user_mail_account_id, n.id, n.code FROM held CROSS JOIN jsonb_to_recordset(${param('skips', 'jsonb')}) AS n(id text, code text)
    ON CONFLICT (user_mail_account_id, provider_message_id_txt) DO UPDATE SET
      -- Not answered for in a week, asked so often: no longer asked for by itself, but by whatever lists it.
      error_cd = CASE WHEN EXCLUDED.error_cd = 'later' AND k.created_at_utc < now() - ${owedFor} AND k.attempt_cnt >= ${owedTries} AND ${isSkipDue} THEN 'unanswered' ELSE EXCLUDED.error_cd END,
      attempt_cnt = k.attempt_cnt + CASE WHEN ${isSkipDue} THEN 1 ELSE 0 END,
      modified_at_utc = CASE WHEN ${isSkipDue} OR k.error_cd <> EXCLUDED.error_cd THEN now() ELSE k.modified_at_utc END
    RETURNING k.provider_message_id_txt, k.error_cd
  ),
  settled AS (
    DELETE FROM mail_skips k USING held
    WHERE k.user_mail_account_id = held.user_mail_account_id AND k.provider_message_id_txt = ANY(${param('settledIds', 'text[]')})
  ),
  told AS MATERIALIZED (
    SELECT (SELECT count(*)::int FROM stored WHERE is_new) AS inserted,
      (SELECT count(*)::int FROM stored WHERE NOT is_new) + (SELECT count(*)::int FROM relabelled WHERE is_other) AS updated,
      (SELECT count(*)::int FROM gone) AS deleted
  ),
  kept AS (
    UPDATE mail_syncs s SET
      (${patchedColumns}) = (
        SELECT ${patchedColumns} FROM jsonb_populate_record(s, ${param('patch', 'jsonb')}
          || CASE WHEN ${isPatchedWalk} THEN ${param('walkPatch', 'jsonb')} ELSE '{}' END)
      ),
      (relist_added_cnt, relist_deleted_cnt) = (
        SELECT n.added, n.deleted FROM told CROSS JOIN LATERAL (
          -- A re-list that begins counts from nothing.
          SELECT CASE WHEN r.begins THEN 0 ELSE s.relist_added_cnt + CASE WHEN r.goes_on THEN told.inserted ELSE 0 END END AS added,
            CASE WHEN r.begins THEN 0 ELSE s.relist_deleted_cnt + CASE WHEN r.goes_on THEN told.deleted ELSE 0 END END AS deleted
          FROM (
            SELECT coalesce(${isPatchedWalk} AND ${param('walkPatch', 'jsonb')} ->> 'walk_kind_cd' = 'relist', false) AS begins,
              coalesce(s.walk_kind_cd = 'relist' AND s.walk_id = ${param('markId', 'uuid')}, false) AS goes_on
          ) r
        ) n
      ),
      lease_id = CASE WHEN held.lets_go THEN NULL ELSE s.lease_id END,
      lease_until_utc = CASE WHEN held.lets_go THEN NULL ELSE now() + ${leaseInterval} END,
      lease_kind_cd = CASE WHEN held.lets_go THEN NULL ELSE s.lease_kind_cd END,
      is_awaited_flg = s.is_awaited_flg AND NOT held.lets_go,
      units_window_at_utc = ${windowAfter('s')}, units_used_cnt = ${slotsAfter(sql`budget.slots`, sql`budget.granted`)}, modified_at_utc = now()
    FROM held, budget WHERE s.user_mail_account_id = held.user_mail_account_id
    RETURNING s.walk_state_cd, s.wanted_cnt, held.lets_go
  ),
  advanced AS (
    UPDATE user_mail_accounts a SET sync_cursor_txt = coalesce(${param('cursor', 'text')}, a.sync_cursor_txt),
      last_synced_at_utc = CASE WHEN ${param('isSynced', 'boolean')} THEN now() ELSE a.last_synced_at_utc END,
      sync_due_at_utc = CASE
        -- Who yields goes on soon, whatever becomes of the one who waited.
        WHEN ${param('dueSeconds', 'int')} IS NULL THEN CASE WHEN kept.lets_go THEN now() + ${yieldInterval} ELSE a.sync_due_at_utc END
        -- Never before the provider wants to be asked again.
        ELSE greatest((${param('patch', 'jsonb')} ->> 'wait_until_utc')::timestamptz, now() + make_interval(secs => CASE WHEN ${param('isSynced', 'boolean')} AND ${isOpen('kept')} THEN least(${sql.raw(String(walkDueSeconds))}, ${param('dueSeconds', 'int')}) ELSE ${param('dueSeconds', 'int')} END))
      END
    FROM kept WHERE a.user_mail_account_id = ${param('accountId', 'uuid')}
      AND (kept.lets_go OR ${param('isSynced', 'boolean')} OR coalesce(${param('cursor', 'text')}, ${param('dueSeconds', 'int')}::text) IS NOT NULL)
  )
  SELECT EXISTS (SELECT FROM mailbox) AS "isConnected", EXISTS (SELECT FROM held) AS "isHeld", coalesce((SELECT lets_go FROM held), true) AS "isReleased",
    coalesce((SELECT ${isOpen('kept')} FROM kept), false) AS "isWalkOpen",
    ${param('releases', 'boolean')} AND (EXISTS (SELECT FROM skipped WHERE error_cd = 'later') OR EXISTS (
      SELECT FROM mail_skips k WHERE k.user_mail_account_id = ${param('accountId', 'uuid')} AND k.error_cd = 'later'
        AND k.provider_message_id_txt <> ALL (${param('settledIds', 'text[]')}) AND NOT EXISTS (SELECT FROM skipped n WHERE n.provider_message_id_txt = k.provider_message_id_txt)
    )) AS "isOwing",
    (SELECT wanted_cnt FROM kept) AS "wanted", told.inserted AS "inserted", told.updated AS "updated", told.deleted AS "deleted",
    coalesce(budget.granted, 0) AS "units", coalesce(budget.wait, 0) AS "waitSeconds"
  FROM told LEFT JOIN budget ON true`,
)
