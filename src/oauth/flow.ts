// One OAuth flow as it waits in KV between `start` and `callback`: ten minutes, under the hash of its state. KV only
// remembers; whether a flow may still be completed is decided by one insert in PostgreSQL (complete.sql.ts).

import * as z from 'zod'
import { sha256 } from '../crypto/hash.ts'
import { AppError } from '../errors.ts'

export const flowSeconds = 600

export type Purpose = 'sign_in' | 'connect'

const flowRecord = z.object({
  version: z.literal(1),
  provider: z.enum(['google', 'github']),
  purpose: z.enum(['sign_in', 'connect']),
  scopes: z.enum(['identity', 'mail']),
  codeVerifier: z.string().min(43).max(128),
  nonce: z.string().min(20),
  /** `login`: bound to a browser by a cookie. `start`: ends at a hand-off. */
  entry: z.enum(['login', 'start']),
  cookieHash: z.string().nullable(),
  /** Where it ends: a path on our own origin, or an exact configured address that gets a hand-off code. */
  destination: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('own'), path: z.string() }),
    z.object({ kind: z.literal('hand_off'), url: z.string() }),
  ]),
  codeChallenge: z.string().nullable(),
  /** Connecting flows: the one session that may complete it. */
  session: z.object({ sessionId: z.string(), userId: z.string() }).nullable(),
  /** Reconnecting flows: the mailbox it must end with. */
  expected: z.object({ accountId: z.string(), subject: z.string() }).nullable(),
  loginHint: z.string().nullable(),
  /** 2 where the consent screen was asked for because no refresh token had come. */
  round: z.union([z.literal(1), z.literal(2)]),
  expiresAt: z.number().int(),
})

export type Flow = z.infer<typeof flowRecord>

export interface FlowStore {
  get(key: string): Promise<string | null>
  put(key: string, value: string, options: { expirationTtl: number }): Promise<void>
  delete(key: string): Promise<void>
}

/** Names a flow without revealing its state: key in KV, claim in PostgreSQL, and (its beginning) the cookie's name. */
export function flowIdOf(state: string): Promise<string> {
  return sha256(state)
}

/** The flow cookie's name ends with this; one a flow, so that tabs do not collide. */
export function flowCookieSuffix(flowId: string): string {
  return flowId.slice(0, 16)
}

/** Throws 503 `unavailable` where KV does not take it: a flow that cannot be completed is not begun. */
export async function saveFlow(store: FlowStore, flowId: string, flow: Flow): Promise<void> {
  try {
    await store.put(`flow:${flowId}`, JSON.stringify(flow), { expirationTtl: flowSeconds })
  } catch (thrown) {
    throw new AppError('unavailable', { cause: thrown })
  }
}

/** Null where there is none, where it has expired by its own clock, or where KV cannot say or says nonsense: begin again. */
export async function readFlow(store: FlowStore, flowId: string, now: Date): Promise<Flow | null> {
  let record: unknown
  try {
    record = JSON.parse((await store.get(`flow:${flowId}`)) ?? 'null')
  } catch {
    return null
  }
  const parsed = flowRecord.safeParse(record)
  return parsed.success && parsed.data.expiresAt > now.getTime() ? parsed.data : null
}

/** Best effort: the record ends by itself, and its claim stands anyway. */
export async function forgetFlow(store: FlowStore, flowId: string): Promise<void> {
  await store.delete(`flow:${flowId}`).catch(() => undefined)
}
