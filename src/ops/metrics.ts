// Gauges for Prometheus, computed from tables: isolates share no memory, so there are no counters of requests here (those
// are in the platform's logs). What the tables can have is listed with 0, so that an alarm does not wait for a first row.

import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { type Family, formatExposition, type Sample } from './exposition.ts'
import {
  countCap,
  type Gauges,
  outcomeMinutes,
  overdueMinutes,
  readMetricsRow,
  sealingKeyCap,
  syncOverdueMinutes,
} from './gauges.sql.ts'

const statuses = ['active', 'degraded', 'needs_reauthorization', 'disconnected'] as const
const outcomes = ['refreshed', 'retry', 'dead', 'misconfigured'] as const
const lockSubjects = ['identifier', 'account', 'session'] as const
const erasureKinds = ['grant', 'avatar'] as const

/**
 * The exposition, as text. For a service key with `metrics:read` only: throws 401 for a key that does not live, 403
 * without the permission. `lockout.minutes` bounds what is looked through for locks in force.
 */
export async function readMetrics(
  deps: { db: Db; lockout: { readonly minutes: number } },
  claim: CallerClaim,
): Promise<string> {
  const row = await deps.db.first(readMetricsRow, { ...callerParams(claim), lockMinutes: deps.lockout.minutes })
  if (row === null) throw new AppError('unauthorized')
  if (!row.isPermitted || row.gauges === null) throw new AppError('forbidden')
  return formatExposition(familiesOf(row.gauges))
}

function familiesOf(found: Gauges): Family[] {
  return [...vaultFamilies(found), ...mailFamilies(found), ...identityFamilies(found), ...storageFamilies(found)]
}

const only = (value: number): Sample[] => [{ value }]

/** A sample for each of `names`, 0 where nothing was found. */
function each<N extends string>(label: string, names: readonly N[], count: (name: N) => number | undefined): Sample[] {
  return names.map((name) => ({ labels: { [label]: name }, value: count(name) ?? 0 }))
}

const upTo = `Counting ends at ${countCap}.`

function vaultFamilies({ mailboxes, refreshes, tokens, circuits, sealingKeys, erasures }: Gauges): Family[] {
  const providers = [...new Set([...mailboxes.map(({ provider }) => provider), ...circuits.map((c) => c.provider)])]
  return [
    {
      name: 'gatepost_mailboxes',
      help: 'Connected mailboxes, and those that were disconnected and may come back.',
      samples: providers.sort().flatMap((provider) =>
        statuses.map((status) => ({
          labels: { provider, status },
          value: mailboxes.find((row) => row.provider === provider && row.status === status)?.count ?? 0,
        })),
      ),
    },
    {
      name: 'gatepost_refresh_attempts_last_hour',
      help: `Attempts to refresh a token in the last ${outcomeMinutes} minutes, as far as the tokens' own histories reach back.`,
      samples: each('outcome', outcomes, (name) => refreshes.find(({ outcome }) => outcome === name)?.count),
    },
    { name: 'gatepost_tokens_due', help: `Tokens whose refresh is due. ${upTo}`, samples: only(tokens.due) },
    {
      name: 'gatepost_tokens_overdue',
      help: `Tokens due for more than ${overdueMinutes} minutes: nobody claimed them. ${upTo}`,
      samples: only(tokens.overdue),
    },
    {
      name: 'gatepost_oldest_due_refresh_age_seconds',
      help: 'How long the earliest due refresh has been waiting; 0 where none is due.',
      samples: only(tokens.oldestDueSeconds),
    },
    {
      name: 'gatepost_tokens_failing',
      help: 'Tokens whose last refresh failed and will be tried again.',
      samples: only(tokens.failing),
    },
    {
      name: 'gatepost_circuit_open',
      help: '1 while no refresh is sent to this provider, because it refuses our own client.',
      samples: circuits.map(({ provider, isOpen }) => ({ labels: { provider }, value: isOpen ? 1 : 0 })),
    },
    {
      name: 'gatepost_sealed_rows',
      help: `Rows sealed under this key; a key at 0, or no longer listed, may be retired. Counting ends at ${sealingKeyCap}.`,
      samples: sealingKeys.map(({ keyId, rows }) => ({ labels: { key_id: keyId }, value: rows })),
    },
    {
      name: 'gatepost_erasures_waiting',
      help: 'Grants and pictures that must still be erased outside PostgreSQL.',
      samples: each('kind', erasureKinds, (name) => erasures.find(({ kind }) => kind === name)?.count),
    },
    {
      name: 'gatepost_oldest_erasure_age_seconds',
      help: 'How long the oldest of them has been waiting; a grant is given up after 24 hours.',
      samples: each('kind', erasureKinds, (name) => erasures.find(({ kind }) => kind === name)?.oldestSeconds),
    },
  ]
}

function mailFamilies({ mail }: Gauges): Family[] {
  const outbox = { waiting: mail.outboxWaiting, unconfirmed: mail.outboxUnconfirmed }
  return [
    {
      name: 'gatepost_mail_syncs_overdue',
      help: `Mailboxes whose background sync has been due for more than ${syncOverdueMinutes} minutes. ${upTo}`,
      samples: only(mail.syncsOverdue),
    },
    {
      name: 'gatepost_outbox',
      help: `Mail on its way out; unconfirmed: the provider may have sent it, it is being looked up. ${upTo}`,
      samples: each('status', ['waiting', 'unconfirmed'] as const, (status) => outbox[status]),
    },
    {
      name: 'gatepost_outbox_failed_last_day',
      help: `Mail of the last 24 hours that was given up. ${upTo}`,
      samples: only(mail.outboxFailedLastDay),
    },
    {
      name: 'gatepost_oldest_due_send_age_seconds',
      help: 'How long the oldest mail has been due to be sent; 0 where none is.',
      samples: only(mail.oldestDueSendSeconds),
    },
  ]
}

function identityFamilies({ users, sessions, lockouts, letters, registrationsWaiting }: Gauges): Family[] {
  return [
    {
      name: 'gatepost_users',
      help: 'People who proved something.',
      samples: ['user', 'admin'].flatMap((role) =>
        [true, false].map((isActive) => ({
          labels: { role, active: String(isActive) },
          value: users.find((row) => row.role === role && row.isActive === isActive)?.count ?? 0,
        })),
      ),
    },
    { name: 'gatepost_sessions_live', help: 'Sessions that have not ended.', samples: only(sessions.live) },
    {
      name: 'gatepost_sessions_seen_last_day',
      help: 'Those of them that were used in the last 24 hours.',
      samples: only(sessions.seenLastDay),
    },
    {
      name: 'gatepost_lockouts',
      help: 'Locks in force after failed tries: by what was typed, by account, by session (step-up).',
      samples: each('subject', lockSubjects, (name) => lockouts.find(({ subject }) => subject === name)?.count),
    },
    {
      name: 'gatepost_registrations_waiting',
      help: `Registrations that wait for their letter to be answered. ${upTo}`,
      samples: only(registrationsWaiting),
    },
    {
      name: 'gatepost_letters',
      help: `Letters to our own users. ${upTo.replace('.', ' for due ones.')}`,
      samples: each('status', ['due', 'sent', 'failed', 'void'] as const, (status) => letters[status]),
    },
    {
      name: 'gatepost_oldest_due_letter_age_seconds',
      help: 'How long the oldest letter has been due; 0 where none is.',
      samples: only(letters.oldestDueSeconds),
    },
  ]
}

function storageFamilies({ deadLettersOpen, databaseBytes, samples }: Gauges): Family[] {
  return [
    {
      name: 'gatepost_dead_letters_open',
      help: `Queue messages that were given up. ${upTo}`,
      samples: only(deadLettersOpen),
    },
    { name: 'gatepost_database_size_bytes', help: 'The database on disk.', samples: only(databaseBytes) },
    {
      name: 'gatepost_metrics_sample_ratio',
      help: 'Share of a table that was read for its figures; below 1 they are estimates.',
      samples: samples.map(({ table, percent }) => ({ labels: { table }, value: percent / 100 })),
    },
  ]
}
