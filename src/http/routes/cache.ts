// /cache: what KV remembers and may forget at any time, for admins. It hands on `deps.cache` only: OAuth flows live in
// another namespace.

import * as z from 'zod'
import { clearCache, forgetCached, listCache } from '../../ops/cache.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { iso, time } from './shapes.ts'

const forAdmins = { tag: 'Administration', audience: 'person_or_key' } as const

// KV's own limits of a name.
const longestKeyBytes = 512
const cacheKey = z
  .string()
  .min(1)
  .refine((key) => new TextEncoder().encode(key).length <= longestKeyBytes && key !== '.' && key !== '..', {
    error: 'is no key of a cache',
  })

const pageSchema = z.object({
  count: z.int().nullable().describe('Of all keys, on the first page'),
  count_is_complete: z.boolean().nullable().describe('False: there are more, counting ends at 10,000'),
  items: z.array(z.object({ key: z.string(), expires_at: time.nullable() })),
  next_cursor: z.string().nullable(),
})

export function declareCache(cache: Resource): void {
  declare(
    cache,
    {
      method: 'get',
      path: '/status',
      operationId: 'cacheStatus',
      summary: 'What is in the cache',
      ...forAdmins,
      query: z.strictObject({
        limit: z.coerce.number().int().min(1).max(100).default(50),
        cursor: z.string().min(1).max(2_000).optional(),
      }),
      answers: { 200: { description: 'Keys in order of their names', schema: pageSchema } },
      errors: ['forbidden'],
    },
    async (c, input) => {
      const { limit, cursor } = input.query
      const found = await listCache(c.env.deps, claimed(input), { limit, cursor: cursor ?? null }, originOf(c))
      return c.json({
        count: found.count?.keys ?? null,
        count_is_complete: found.count?.isComplete ?? null,
        items: found.keys.map(({ name, expiresAt }) => ({ key: name, expires_at: iso(expiresAt) })),
        next_cursor: found.cursor,
      })
    },
  )

  declare(
    cache,
    {
      method: 'post',
      path: '/clear',
      operationId: 'clearCache',
      summary: 'Empty the cache',
      description: 'At most 500 keys a call; `has_more` says that there is more to do.',
      ...forAdmins,
      answers: {
        200: { description: 'Emptied', schema: z.object({ deleted: z.int(), has_more: z.boolean() }) },
      },
      errors: ['forbidden'],
    },
    async (c, input) => {
      const { deleted, hasMore } = await clearCache(c.env.deps, claimed(input), originOf(c))
      return c.json({ deleted, has_more: hasMore })
    },
  )

  declare(
    cache,
    {
      method: 'delete',
      path: '/{key}',
      operationId: 'forgetCached',
      summary: 'Delete one key',
      description: 'The key is URL-encoded, its slashes too.',
      ...forAdmins,
      params: z.object({ key: cacheKey }),
      answers: { 204: { description: 'Deleted' } },
      errors: ['forbidden', 'not_found'],
    },
    async (c, input) => {
      await forgetCached(c.env.deps, claimed(input), input.params.key, originOf(c))
      return c.body(null, 204)
    },
  )
}
