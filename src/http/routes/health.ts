// /health: alive, ready, and what of the database. For anyone; no host, no version, no secret.

import * as z from 'zod'
import { checkDatabase, checkReadiness, uncountedKeys } from '../../ops/health.ts'
import { declare, type Resource } from '../declare.ts'

const databaseSchema = z.object({
  status: z.enum(['up', 'down', 'unknown']).describe('`unknown`: not asked, since a core setting is broken'),
  migrated: z.boolean(),
  latency_ms: z.number(),
})

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
  settings: z.enum(['well', 'broken']).describe('Which one is broken stands in the log'),
  database: databaseSchema,
  sealing_keys: z.array(
    z.object({
      id: z.string(),
      rows: z
        .int()
        .nullable()
        .describe('Null: not counted just now; only a counted 0 means that nothing needs the key'),
      first: z.boolean(),
      known: z.boolean(),
    }),
  ),
})

export const alive = { status: 'alive' } as const

/** While a core setting is broken: nothing is asked. */
export const notReady: z.output<typeof readinessSchema> = {
  status: 'not_ready',
  settings: 'broken',
  database: { status: 'unknown', migrated: false, latency_ms: 0 },
  sealing_keys: [],
}

// Whoever asks waits two seconds; several slow steps, each within its own limit, may take longer together.
const answerWithinMs = 1_800

/** What was found in time; `late` otherwise. */
async function inTime<T>(finding: Promise<T>, late: T): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const deadline = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(late), answerWithinMs)
  })
  return Promise.race([finding, deadline]).finally(() => clearTimeout(timer))
}

/** As every other 503 of a database that is away. */
const retryAfterSeconds = '5'

const lateDatabase = { isUp: false, isMigrated: false, latencyMs: answerWithinMs }

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
    async (c) => c.json(alive),
  )

  for (const path of ['/health', '/health/readiness'] as const) {
    declare(
      root,
      {
        method: 'get',
        path,
        operationId: path === '/health' ? 'health' : 'readiness',
        summary: 'The Worker can do its work',
        description: 'Names each sealing key with the rows that still need it: a key with a counted 0 may be retired.',
        tag: 'Health',
        audience: 'anyone',
        answers: {
          200: { description: 'Ready', schema: readinessSchema },
          503: { description: 'Not ready: the database, its migrations or a setting', schema: readinessSchema },
        },
      },
      async (c) => {
        const { deps } = c.env
        const readiness = await inTime(
          checkReadiness({ db: deps.probeDb, clock: deps.clock, keyRing: deps.keyRingOrNull }),
          { isReady: false, database: lateDatabase, sealingKeys: uncountedKeys(deps.keyRingOrNull) },
        )
        const body: z.output<typeof readinessSchema> = {
          status: readiness.isReady ? 'ready' : 'not_ready',
          settings: deps.keyRingOrNull === null ? 'broken' : 'well',
          database: presentDatabase(readiness.database),
          sealing_keys: readiness.sealingKeys.map((key) => ({
            id: key.keyId,
            rows: key.rows,
            first: key.isFirst,
            known: key.isKnown,
          })),
        }
        if (!readiness.isReady) c.header('Retry-After', retryAfterSeconds)
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
      const health = await inTime(checkDatabase(c.env.deps.probeDb, c.env.deps.clock), lateDatabase)
      if (!health.isUp) c.header('Retry-After', retryAfterSeconds)
      return c.json(presentDatabase(health), health.isUp ? 200 : 503)
    },
  )
}
