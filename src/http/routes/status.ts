// /status: one overview for admins. /metrics: the same figures for Prometheus, for a service key with `metrics:read`.

import * as z from 'zod'
import { expositionType } from '../../ops/exposition.ts'
import type { Gauges } from '../../ops/gauges.sql.ts'
import { readMetrics } from '../../ops/metrics.ts'
import { readStatus } from '../../ops/status.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { contractVersion } from './documents.ts'
import { iso, time } from './shapes.ts'

const count = z.number().describe('An estimate where `samples` says less than 100 of its table')

const statusSchema = z.object({
  name: z.string(),
  version: z.string().describe('Of the contract'),
  as_of: time,
  database: z.object({ status: z.literal('up'), size_bytes: z.number() }),
  circuits: z.array(z.object({ provider: z.string(), open: z.boolean() })),
  mailboxes: z.array(z.object({ provider: z.string(), status: z.string(), count })),
  refreshes: z.object({
    due: z.number(),
    overdue: z.number().describe('Due for more than 5 minutes'),
    oldest_due_seconds: z.number(),
    failing: count,
    last_hour: z.array(z.object({ outcome: z.string(), count })),
  }),
  dead_letters_open: z.number(),
  letters: z.object({ due: z.number(), failed: z.number(), sent: count, void: count, oldest_due_seconds: z.number() }),
  lockouts: z.array(z.object({ subject: z.enum(['identifier', 'account', 'session']), count: z.number() })),
  sessions: z.object({ live: count, seen_last_day: count }),
  users: z.array(z.object({ role: z.string(), active: z.boolean(), count })),
  registrations_waiting: z.number(),
  erasures: z.array(z.object({ kind: z.string(), count: z.number(), oldest_seconds: z.number() })),
  sealing_keys: z.array(z.object({ id: z.string(), rows: z.number().describe('Counting ends at 10,000') })),
  samples: z.array(z.object({ table: z.string(), percent: z.number() })),
})

function presentStatus(found: Gauges, about: { name: string; asOf: Date }): z.output<typeof statusSchema> {
  const { tokens, letters, sessions } = found
  return {
    name: about.name,
    version: contractVersion,
    as_of: iso(about.asOf),
    database: { status: 'up', size_bytes: found.databaseBytes },
    circuits: found.circuits.map(({ provider, isOpen }) => ({ provider, open: isOpen })),
    mailboxes: found.mailboxes.map(({ provider, status, count }) => ({ provider, status, count })),
    refreshes: {
      due: tokens.due,
      overdue: tokens.overdue,
      oldest_due_seconds: tokens.oldestDueSeconds,
      failing: tokens.failing,
      last_hour: found.refreshes.map(({ outcome, count }) => ({ outcome, count })),
    },
    dead_letters_open: found.deadLettersOpen,
    letters: {
      due: letters.due,
      failed: letters.failed,
      sent: letters.sent,
      void: letters.void,
      oldest_due_seconds: letters.oldestDueSeconds,
    },
    lockouts: found.lockouts.map(({ subject, count }) => ({ subject, count })),
    sessions: { live: sessions.live, seen_last_day: sessions.seenLastDay },
    users: found.users.map(({ role, isActive, count }) => ({ role, active: isActive, count })),
    registrations_waiting: found.registrationsWaiting,
    erasures: found.erasures.map(({ kind, count, oldestSeconds }) => ({ kind, count, oldest_seconds: oldestSeconds })),
    sealing_keys: found.sealingKeys.map(({ keyId, rows }) => ({ id: keyId, rows })),
    samples: found.samples.map(({ table, percent }) => ({ table, percent })),
  }
}

export function declareStatus(root: Resource): void {
  declare(
    root,
    {
      method: 'get',
      path: '/status',
      operationId: 'status',
      summary: 'One overview of how the service does',
      description:
        'For admins. Figures of large tables are estimates from a random sample of their pages; `samples` says of which.',
      tag: 'Administration',
      audience: 'person_or_key',
      answers: { 200: { description: 'The overview', schema: statusSchema } },
      errors: ['forbidden'],
    },
    async (c, input) => {
      const { deps } = c.env
      const found = await readStatus(deps, claimed(input), originOf(c))
      return c.json(presentStatus(found, { name: deps.settings.appName, asOf: deps.clock() }))
    },
  )

  declare(
    root,
    {
      method: 'get',
      path: '/metrics',
      operationId: 'prometheusMetrics',
      summary: 'Gauges for Prometheus',
      description:
        'For a service key with `metrics:read`, whatever user or mailboxes it is narrowed to: figures of the whole service, which name nobody. Computed from tables: requests by route are in the platform’s logs.',
      tag: 'Administration',
      audience: 'key',
      answers: { 200: { description: 'Text exposition 0.0.4', schema: z.string(), mediaType: 'text/plain' } },
      errors: ['forbidden'],
    },
    async (c, input) => c.body(await readMetrics(c.env.deps, claimed(input)), 200, { 'Content-Type': expositionType }),
  )
}
