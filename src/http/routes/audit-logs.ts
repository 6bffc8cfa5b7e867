// /audit-logs: the trail, for administrators.

import * as z from 'zod'
import { type AuditEntry, auditActions, listAuditTrail } from '../../ops/audit-trail.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { iso, listOf, pageQuery, presentList, readCursor, time, uuid } from './shapes.ts'

const entrySchema = z.object({
  id: uuid,
  action: z.enum(auditActions),
  actor_user_id: uuid.nullable().describe('Null where nobody was known, or the service itself acted'),
  subject_id: z.string().nullable().describe('What it was done to: most often an id'),
  outcome: z.enum(['success', 'refused', 'failure']),
  ip_address: z.string().nullable().describe('Blanked after 90 days, as the user agent'),
  user_agent: z.string().nullable(),
  created_at: time,
  event: z.record(z.string(), z.unknown()),
})

function presentEntry(entry: AuditEntry): z.output<typeof entrySchema> {
  return {
    id: entry.id,
    action: entry.action,
    actor_user_id: entry.actorUserId,
    subject_id: entry.subjectId,
    outcome: entry.outcome,
    ip_address: entry.ipAddress,
    user_agent: entry.userAgent,
    created_at: iso(entry.createdAt),
    event: entry.event,
  }
}

export function declareAuditLogs(trail: Resource): void {
  declare(
    trail,
    {
      method: 'get',
      path: '/',
      operationId: 'listAuditLogs',
      summary: 'The audit trail',
      description: 'Who did what to whom. `actor` is a user’s id; `after` leaves out what is not later.',
      tag: 'Audit trail',
      audience: 'person_or_key',
      query: z.strictObject({
        actor: uuid.optional(),
        action: z.enum(auditActions).optional(),
        after: z.iso.datetime({ offset: true }).optional(),
        ...pageQuery,
      }),
      answers: { 200: { description: 'Newest first', schema: listOf(entrySchema) } },
      errors: ['forbidden'],
    },
    async (c, input) => {
      const { limit, cursor, actor, action, after } = input.query
      const filter = {
        actor: actor ?? null,
        action: action ?? null,
        after: after === undefined ? null : new Date(after),
      }
      const page = { before: readCursor(cursor), limit: limit + 1 }
      const rows = await listAuditTrail(c.env.deps.db, claimed(input), filter, page, originOf(c))
      return c.json(presentList(rows, limit, presentEntry))
    },
  )
}
