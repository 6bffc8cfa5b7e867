// /api-keys: service keys, for admins. The key itself is in the answer to its creation and nowhere else.

import * as z from 'zod'
import type { ServiceKey } from '../../auth/service-keys.sql.ts'
import { createServiceKey, listKeys, permissions, revokeServiceKey } from '../../auth/service-keys.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { iso, listOf, pageQuery, presentList, readCursor, time, uuid } from './shapes.ts'

const keySchema = z.object({
  id: uuid,
  name: z.string(),
  hint: z.string().describe('The first characters'),
  permissions: z.array(z.enum(permissions)),
  user_id: uuid.nullable(),
  mail_account_ids: z.array(uuid).nullable(),
  status: z.enum(['active', 'revoked']),
  created_at: time,
  expires_at: time.nullable(),
  last_used_at: time.nullable(),
})

function presentKey(key: ServiceKey): z.output<typeof keySchema> {
  return {
    id: key.id,
    name: key.name,
    hint: key.hint,
    permissions: [...key.permissions],
    user_id: key.userId,
    mail_account_ids: key.mailAccountIds === null ? null : [...key.mailAccountIds],
    status: key.status,
    created_at: iso(key.createdAt),
    expires_at: iso(key.expiresAt),
    last_used_at: iso(key.lastUsedAt),
  }
}

export const newKeyBody = z.strictObject({
  name: z.string().trim().min(1).max(100),
  permissions: z.array(z.enum(permissions)).min(1).max(permissions.length),
  user_id: uuid.nullish(),
  mail_account_ids: z.array(uuid).min(1).max(100).nullish(),
  expires_at: z.iso.datetime({ offset: true }).nullish(),
})

export function declareApiKeys(keys: Resource): void {
  declare(
    keys,
    {
      method: 'post',
      path: '/',
      operationId: 'createApiKey',
      summary: 'Create a service key',
      description: 'Shown once. `user_id` and `mail_account_ids` narrow what it reaches.',
      tag: 'Service keys',
      audience: 'person_or_key',
      body: newKeyBody,
      answers: { 201: { description: 'The key, this once', schema: keySchema.extend({ key: z.string() }) } },
      errors: ['forbidden'],
    },
    async (c, input) => {
      const { body } = input
      const wanted = {
        name: body.name,
        permissions: [...new Set(body.permissions)],
        userId: body.user_id ?? null,
        mailAccountIds: body.mail_account_ids ?? null,
        expiresAt: body.expires_at == null ? null : new Date(body.expires_at),
      }
      const created = await createServiceKey(c.env.deps, claimed(input), wanted, originOf(c))
      return c.json({ ...presentKey(created), key: created.key }, 201)
    },
  )

  declare(
    keys,
    {
      method: 'get',
      path: '/',
      operationId: 'listApiKeys',
      summary: 'All service keys',
      tag: 'Service keys',
      audience: 'person_or_key',
      query: z.strictObject(pageQuery),
      answers: { 200: { description: 'Newest first', schema: listOf(keySchema) } },
      errors: ['forbidden'],
    },
    async (c, input) => {
      const { limit, cursor } = input.query
      const page = { before: readCursor(cursor), limit: limit + 1 }
      const rows = await listKeys(c.env.deps.db, claimed(input), page, originOf(c))
      return c.json(presentList(rows, limit, presentKey))
    },
  )

  declare(
    keys,
    {
      method: 'delete',
      path: '/{id}',
      operationId: 'revokeApiKey',
      summary: 'Revoke a service key',
      tag: 'Service keys',
      audience: 'person_or_key',
      params: z.object({ id: uuid }),
      answers: { 204: { description: 'Revoked' } },
      errors: ['forbidden', 'not_found'],
    },
    async (c, input) => {
      await revokeServiceKey(c.env.deps.db, claimed(input), input.params.id, originOf(c))
      return c.body(null, 204)
    },
  )
}
