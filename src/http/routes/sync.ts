// Sync of a mailbox: now for its newest messages, by the queue for all of them, and where that stands.

import * as z from 'zod'
import { syncNow } from '../../mail/sync/on-demand.ts'
import { readSync, requestBackFill, type SyncRecord } from '../../mail/sync/record.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { iso, time, uuid } from './shapes.ts'

export const syncRecordSchema = z.object({
  state: z.enum(['none', 'queued', 'running', 'done', 'failed']),
  kind: z.enum(['newest', 'full', 'relist']).nullable(),
  counted: z.int().describe('Messages gone through so far'),
  total: z.int().nullable().describe('How many there are, as the provider estimates'),
  eta_seconds: z.int().nullable(),
  last_error: z.string().nullable(),
  last_synced_at: time.nullable(),
  started_at: time.nullable(),
  finished_at: time.nullable(),
  skipped: z.int().describe('Messages that cannot be read or stored'),
  relisted: z
    .object({ count: z.int(), at: time, added: z.int(), deleted: z.int() })
    .nullable()
    .describe('What was repaired after the provider had forgotten where we were'),
})

export function presentSyncRecord(record: SyncRecord): z.output<typeof syncRecordSchema> {
  const { relisted } = record
  return {
    state: record.state,
    kind: record.kind,
    counted: record.counted,
    total: record.total,
    eta_seconds: record.etaSeconds,
    last_error: record.lastError,
    last_synced_at: iso(record.lastSyncedAt),
    started_at: iso(record.startedAt),
    finished_at: iso(record.finishedAt),
    skipped: record.skipped,
    relisted:
      relisted === null
        ? null
        : { count: relisted.count, at: iso(relisted.at), added: relisted.added, deleted: relisted.deleted },
  }
}

const syncedSchema = z.object({
  fetched: z.int(),
  inserted: z.int(),
  updated: z.int(),
  deleted: z.int(),
  has_more: z.boolean().describe('There is mail that is not here yet'),
})
const forUser = z.strictObject({ user_id: uuid.optional().describe('For service keys: on whose behalf') })
const idParam = z.object({ id: uuid })
const record = (description: string) => ({ description, schema: syncRecordSchema })

/** POST /emails/sync. */
export function declareSync(emails: Resource): void {
  declare(
    emails,
    {
      method: 'post',
      path: '/sync',
      operationId: 'syncEmails',
      summary: 'Bring the newest messages of a mailbox, and everything that happened since the last time',
      description:
        'For its owner, or for a service key with `emails:sync`. More than 50 are brought by the queue: 202, and where that stands.',
      tag: 'Emails',
      audience: 'person_or_key',
      query: forUser,
      body: z.strictObject({
        email: z.string().min(1).max(320).describe('The address of the mailbox'),
        count: z.int().min(1).max(500).default(10).describe('How many of the newest'),
      }),
      answers: {
        200: { description: 'What was brought', schema: syncedSchema },
        202: record('The queue brings them'),
      },
      errors: [
        'forbidden',
        'insufficient_scope',
        'not_found',
        'needs_reauthorization',
        'sync_running',
        'rate_limited',
        'provider_unavailable',
        'sealed_token_unreadable',
      ],
    },
    async (c, input) => {
      const { email, count } = input.body
      const request = { email, accountId: null, count, forUserId: input.query.user_id ?? null }
      const outcome = await syncNow(c.env.deps, claimed(input), request, originOf(c))
      if (outcome.kind === 'queued') return c.json(presentSyncRecord(outcome.record), 202)
      const { fetched, inserted, updated, deleted, hasMore } = outcome
      return c.json({ fetched, inserted, updated, deleted, has_more: hasMore })
    },
  )
}

/** POST and GET /mail-accounts/{id}/sync. */
export function declareMailboxSync(accounts: Resource): void {
  declare(
    accounts,
    {
      method: 'post',
      path: '/{id}/sync',
      operationId: 'syncMailAccount',
      summary: 'Bring all of a mailbox',
      description: 'For its owner, or for a service key with `emails:sync`. While one runs, another joins it.',
      tag: 'Mail accounts',
      audience: 'person_or_key',
      params: idParam,
      query: forUser,
      body: z.strictObject({ full: z.literal(true) }),
      answers: { 202: record('The queue brings it') },
      errors: ['forbidden', 'insufficient_scope', 'not_found', 'needs_reauthorization'],
    },
    async (c, input) => {
      const which = { accountId: input.params.id, forUserId: input.query.user_id ?? null }
      const asked = await requestBackFill(c.env.deps, claimed(input), which, originOf(c))
      return c.json(presentSyncRecord(asked), 202)
    },
  )

  declare(
    accounts,
    {
      method: 'get',
      path: '/{id}/sync',
      operationId: 'readMailAccountSync',
      summary: 'Where the sync of a mailbox stands',
      tag: 'Mail accounts',
      audience: 'person_or_key',
      params: idParam,
      query: forUser,
      answers: { 200: record('Its sync record') },
      errors: ['forbidden', 'not_found'],
    },
    async (c, input) => {
      const which = { accountId: input.params.id, forUserId: input.query.user_id ?? null }
      return c.json(presentSyncRecord(await readSync(c.env.deps, claimed(input), which)))
    },
  )
}
