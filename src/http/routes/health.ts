// /health: alive, ready, and what of the database. For anyone; no host, no version, no secret.

import * as z from 'zod'
import { checkDatabase, checkReadiness } from '../../ops/health.ts'
import { declare, type Resource } from '../openapi.ts'

const databaseSchema = z.object({ status: z.enum(['up', 'down']), migrated: z.boolean(), latency_ms: z.number() })

const presentDatabase = (health: {
  isUp: boolean
  isMigrated: boolean
  latencyMs: number
}): z.output<typeof databaseSchema> => ({
  status: health.isUp ? 'up' : 'down',
  migrated: health.isMigrated,
  latency_ms: health.latencyMs,
})

const readinessSchema = z.object({
  status: z.enum(['ready', 'not_ready']),
  database: databaseSchema,
  sealing_keys: z.array(z.object({ id: z.string(), rows: z.int(), first: z.boolean(), known: z.boolean() })),
})

export function declareHealth(root: Resource): void {
  declare(
    root,
    {
      method: 'get',
      path: '/health/liveness',
      operationId: 'liveness',
      summary: 'The Worker runs',
      tag: 'Health',
      audience: 'anyone',
      answers: { 200: { description: 'Alive', schema: z.object({ status: z.literal('alive') }) } },
    },
    async (c) => c.json({ status: 'alive' }),
  )

  for (const path of ['/health', '/health/readiness'] as const) {
    declare(
      root,
      {
        method: 'get',
        path,
        operationId: path === '/health' ? 'health' : 'readiness',
        summary: 'The Worker can do its work',
        description: 'Names each sealing key with the rows that still need it: a key with none may be retired.',
        tag: 'Health',
        audience: 'anyone',
        answers: {
          200: { description: 'Ready', schema: readinessSchema },
          503: { description: 'Not ready: the database, its migrations or a setting', schema: readinessSchema },
        },
      },
      async (c) => {
        const { deps } = c.env
        const readiness = await checkReadiness({ db: deps.probeDb, clock: deps.clock, keyRing: deps.keyRingOrNull })
        const body: z.output<typeof readinessSchema> = {
          status: readiness.isReady ? 'ready' : 'not_ready',
          database: presentDatabase(readiness.database),
          sealing_keys: readiness.sealingKeys.map((key) => ({
            id: key.keyId,
            rows: key.rows,
            first: key.isFirst,
            known: key.isKnown,
          })),
        }
        return c.json(body, readiness.isReady ? 200 : 503)
      },
    )
  }

  declare(
    root,
    {
      method: 'get',
      path: '/health/database',
      operationId: 'databaseHealth',
      summary: 'The database answers',
      tag: 'Health',
      audience: 'anyone',
      answers: {
        200: { description: 'Up', schema: databaseSchema },
        503: { description: 'Down', schema: databaseSchema },
      },
    },
    async (c) => {
      const health = await checkDatabase(c.env.deps.probeDb, c.env.deps.clock)
      return c.json(presentDatabase(health), health.isUp ? 200 : 503)
    },
  )
}
