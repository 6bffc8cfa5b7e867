// The statements that take a mailbox's sync lease: check, state, quota and lease in one trip. One sync of a mailbox at a
// time; everything stored later is fenced by the lease's id.

import { type SQL, sql } from 'drizzle-orm'
import { callerCtes, param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'
import { inReach, ownerCte, type ReachParams, type ReachRow, reachColumns } from '../../db/reach.ts'
import {
  countProjectUnits,
  grantOf,
  minuteOf,
  providerWait,
  slotsAfter,
  type UnitParams,
  windowAfter,
} from '../quota.sql.ts'
import { walkDueSeconds } from './policy.ts'

export type LeaseKind = 'on_demand' | 'background' | 'back_fill'
export type WalkKind = 'newest' | 'full' | 'relist'
export type WalkState = 'none' | 'queued' | 'running' | 'done' | 'failed'

/**
 * - `leased`  the caller holds the lease now
 * - `awaited` a back-fill has it, and lets go after its page: ask again
 * - `running` another sync has it
 * - `not_offered` its provider is not offered any more
 * - `limited` too few quota units are left, or the provider asked to be left alone: not before `waitSeconds`
 */
export type LeaseVerdict =
  | 'leased'
  | 'awaited'
  | 'running'
  | 'limited'
  | 'not_offered'
  | 'not_found'
  | 'needs_reauthorization'
  | 'insufficient_scope'

export interface LeaseRow {
  readonly verdict: LeaseVerdict
  readonly accountId: string
  readonly provider: string
  readonly kind: LeaseKind
  readonly cursor: string | null
  readonly units: number
  readonly waitSeconds: number
  readonly failureCount: number
  readonly intervalSeconds: number
  readonly labelsReadAt: Date | null
  readonly walkKind: WalkKind | null
  readonly walkState: WalkState
  readonly walkId: string | null
  readonly walkCursor: string | null
  readonly walkPageToken: string | null
  readonly walkPhase: 'list' | 'sweep' | null
  readonly walkSince: Date | null
  readonly wantedCount: number | null
  readonly countedCount: number
  readonly totalCount: number | null
  readonly relistCount: number
  readonly relistedAt: Date | null
  /** The mailbox's labels as they were read last. */
  readonly labels: readonly { readonly id: string; readonly name: string; readonly isSystem: boolean }[]
  /** Messages that were not answered for, and may be asked for again. */
  readonly laterIds: readonly string[]
}

interface LeaseParams extends UnitParams {
  readonly leaseId: string
  /** What reading this mailbox takes. */
  readonly scope: string
  /** Providers that can be asked. */
  readonly offered: readonly string[]
}

/** So many messages that were not answered for are asked for again at once. */
export const laterMost = 50
export const leaseInterval: SQL = sql`interval '90 seconds'`
/** A row `k` of `mail_skips` that may be asked for again: after ten seconds, twice as long each time, six hours at most. */
export const isSkipDue: SQL = sql`k.modified_at_utc < now() - interval '1 second' * least(21600, 5 * power(2, least(k.attempt_cnt, 12)))`

const foundColumns: SQL = sql`
    a.user_mail_account_id, a.provider_cd, a.sync_cursor_txt,
      CASE
        WHEN a.status_cd = 'needs_reauthorization' THEN 'needs_reauthorization'
        WHEN NOT ${param('scope', 'text')} = ANY(string_to_array(a.granted_scopes_txt, ' ')) THEN 'insufficient_scope'
      END AS objection`

/** `kind` over a row of `looked`, which is one of nulls where the mailbox was never synced. */
const leaseCtes = (kind: SQL): SQL => sql`
  looked AS MATERIALIZED (
    SELECT s.* FROM mail_syncs s JOIN found ON found.user_mail_account_id = s.user_mail_account_id FOR UPDATE OF s
  ),
  judged AS MATERIALIZED (
    SELECT found.*, ${kind} AS kind, box.slots, quota.granted,
      greatest(quota.wait, ${providerWait('looked')}) AS wait,
      coalesce(found.objection, CASE
        WHEN NOT found.provider_cd = ANY(${param('offered', 'text[]')}) THEN 'not_offered'
        WHEN looked.lease_until_utc > now() THEN CASE looked.lease_kind_cd WHEN 'back_fill' THEN 'awaited' ELSE 'running' END
        WHEN quota.granted = 0 OR ${providerWait('looked')} > 0 THEN 'limited'
        ELSE 'leased'
      END) AS verdict
    FROM found
    LEFT JOIN looked ON true
    LEFT JOIN provider_states p ON p.provider_cd = found.provider_cd
    CROSS JOIN ${minuteOf('looked')} box
    CROSS JOIN ${minuteOf('p')} project
    CROSS JOIN ${grantOf} quota
  ),
  leased AS (
    INSERT INTO mail_syncs AS s (user_mail_account_id, lease_id, lease_until_utc, lease_kind_cd, units_window_at_utc, units_used_cnt)
    SELECT j.user_mail_account_id, ${param('leaseId', 'uuid')}, now() + ${leaseInterval}, j.kind, now(), ${slotsAfter(sql`j.slots`, sql`j.granted`)}
    FROM judged j WHERE j.verdict = 'leased'
    ON CONFLICT (user_mail_account_id) DO UPDATE SET lease_id = EXCLUDED.lease_id, lease_until_utc = EXCLUDED.lease_until_utc,
      lease_kind_cd = EXCLUDED.lease_kind_cd, is_awaited_flg = false, units_window_at_utc = ${windowAfter('s')},
      units_used_cnt = EXCLUDED.units_used_cnt, modified_at_utc = now(),
      walk_state_cd = CASE WHEN EXCLUDED.lease_kind_cd = 'back_fill' AND s.walk_state_cd = 'queued' THEN 'running' ELSE s.walk_state_cd END,
      walk_started_at_utc = CASE WHEN EXCLUDED.lease_kind_cd = 'back_fill' AND s.walk_state_cd = 'queued' THEN coalesce(s.walk_started_at_utc, now()) ELSE s.walk_started_at_utc END
    -- Two first syncs at once: the row of the other is not among those looked at.
    WHERE s.lease_until_utc IS NULL OR s.lease_until_utc <= now()
    RETURNING s.*
  ),
  counted AS (${countProjectUnits(sql`judged`, sql`(judged.granted * (SELECT count(*)::int FROM leased))`)})`

const leaseColumns: SQL = sql`
    CASE WHEN judged.verdict = 'leased' AND leased.lease_id IS NULL THEN 'running' ELSE coalesce(judged.verdict, 'not_found') END AS "verdict",
    judged.user_mail_account_id AS "accountId", judged.provider_cd AS "provider", judged.kind AS "kind", judged.sync_cursor_txt AS "cursor",
    judged.granted AS "units", judged.wait AS "waitSeconds", leased.failure_cnt AS "failureCount", leased.interval_seconds_nbr AS "intervalSeconds",
    leased.labels_read_at_utc AS "labelsReadAt", leased.walk_kind_cd AS "walkKind", leased.walk_state_cd AS "walkState", leased.walk_id AS "walkId",
    leased.walk_cursor_txt AS "walkCursor", leased.walk_page_token_txt AS "walkPageToken", leased.walk_phase_cd AS "walkPhase",
    leased.walk_since_utc AS "walkSince", leased.wanted_cnt AS "wantedCount", leased.counted_cnt AS "countedCount", leased.total_cnt AS "totalCount", leased.relist_cnt AS "relistCount", leased.relisted_at_utc AS "relistedAt",
    (SELECT coalesce(jsonb_agg(jsonb_build_object('id', l.provider_label_id_txt, 'name', l.name_txt, 'isSystem', l.is_system_flg)), '[]')
      FROM mail_labels l WHERE l.user_mail_account_id = leased.user_mail_account_id) AS "labels",
    ARRAY(SELECT k.provider_message_id_txt FROM mail_skips k
      WHERE k.user_mail_account_id = leased.user_mail_account_id AND k.error_cd = 'later'
        AND ${isSkipDue}
      LIMIT ${sql.raw(String(laterMost))}) AS "laterIds"`

/** One of the two is given. */
export interface WhichMailbox {
  /** Normalised. */
  readonly email: string | null
  readonly accountId: string | null
}

/** `found`, beside `owner`: a connected mailbox in the caller's reach, by address or id. */
export const foundInReach: SQL = sql`
  found AS (
    SELECT ${foundColumns}
    FROM caller JOIN owner ON true JOIN user_mail_accounts a ON a.user_id = owner.user_id AND ${inReach}
    WHERE a.is_active_flg
      AND a.user_mail_account_id = coalesce(${param('accountId', 'uuid')}, a.user_mail_account_id)
      AND a.email_address_txt = coalesce(${param('email', 'text')}, a.email_address_txt)
    ORDER BY a.user_mail_account_id DESC LIMIT 1
    -- Before the sync record, as everywhere, and with the cursor as it is once the lease is free.
    FOR NO KEY UPDATE OF a
  )`

/** For somebody who waits for the answer. A back-fill that has the lease is told so. */
export const leaseOnDemand = statement<ReachParams & LeaseParams & WhichMailbox, ReachRow & LeaseRow>(
  'sync-lease-on-demand',
  sql`WITH ${callerCtes}, ${ownerCte('emails:sync')}, ${foundInReach},
  ${leaseCtes(sql`'on_demand'`)},
  awaited AS (
    UPDATE mail_syncs s SET is_awaited_flg = true FROM judged
    WHERE judged.verdict = 'awaited' AND s.user_mail_account_id = judged.user_mail_account_id AND NOT s.is_awaited_flg
  )
  SELECT ${reachColumns('emails:sync')}, ${leaseColumns}
  FROM caller LEFT JOIN owner ON true LEFT JOIN judged ON true LEFT JOIN leased ON true`,
)

/** For our own work, while the mailbox is connected and well and its user active. Without quota it is due again when there is some; a walk is sent on by a message, and its clock makes up for that. */
export const leaseForWork = statement<
  LeaseParams & {
    readonly accountId: string
    /** The claim that the work was sent with; null where it was sent without one. */
    readonly claimedUntil: Date | null
  },
  LeaseRow
>(
  'sync-lease-work',
  sql`WITH found AS (
    SELECT ${foundColumns}
    FROM user_mail_accounts a JOIN users u ON u.user_id = a.user_id AND u.is_active_flg
    WHERE a.user_mail_account_id = ${param('accountId', 'uuid')} AND a.is_active_flg
      -- Another's clock: this work was done, or has been sent again.
      AND (${param('claimedUntil', 'timestamptz')} IS NULL OR a.sync_due_at_utc = ${param('claimedUntil', 'timestamptz')})
    -- Before the sync record, as everywhere: it may be put off below.
    FOR NO KEY UPDATE OF a
  ),
  ${leaseCtes(sql`CASE WHEN looked.walk_state_cd IN ('queued', 'running') THEN 'back_fill' ELSE 'background' END`)},
  postponed AS (
    UPDATE user_mail_accounts a SET sync_due_at_utc = now() + make_interval(secs => judged.wait + CASE judged.kind WHEN 'back_fill' THEN ${sql.raw(String(walkDueSeconds))} ELSE 0 END) FROM judged
    WHERE judged.verdict = 'limited' AND a.user_mail_account_id = judged.user_mail_account_id AND a.sync_due_at_utc IS NOT NULL
  )
  SELECT ${leaseColumns}
  FROM (SELECT) AS one LEFT JOIN judged ON true LEFT JOIN leased ON true`,
)
