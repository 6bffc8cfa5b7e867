// The hot statements as PostgreSQL runs them once they are prepared: the generic plan's time, and whether any of it
// walks a whole table. The texts are the Worker's own. Everything is rolled back.
import { fillPlaceholders } from 'drizzle-orm'
import type postgres from 'postgres'
import * as z from 'zod'
import { readMe } from '../src/auth/sessions.sql.ts'
import { beginPasswordSession, chargeSignIn } from '../src/auth/sign-in.sql.ts'
import { sha256 } from '../src/crypto/hash.ts'
import { uuidV7 } from '../src/crypto/random.ts'
import { callerParams } from '../src/db/caller.ts'
import type { Statement } from '../src/db/client.ts'
import { vendToken } from '../src/mail-accounts/access-token.sql.ts'
import { listMailAccountRows } from '../src/mail-accounts/list.sql.ts'
import { claimDueTokens, leaseClaimedTokens, storeAnswers } from '../src/mail-accounts/refresh.sql.ts'
import { writeRegistration } from '../src/users/register.sql.ts'
import { median } from './measure.ts'
import { benchPasswordHash } from './password.ts'
import type { Callers } from './paths.ts'
import { makeDue, type Person } from './seed.ts'
import type { World } from './world.ts'

export interface Plan {
  readonly name: string
  /** Milliseconds, median of some runs. */
  readonly executionMs: number
  readonly planningMs: number
  /** Tables that are read from end to end, with the rows found there. */
  readonly wholeTables: readonly string[]
  /** Indexes it goes by. */
  readonly indexes: readonly string[]
  /** The plan as JSON, for who wants to look. */
  readonly tree: unknown
}

const planSchema = z.array(z.object({ Plan: z.unknown(), 'Planning Time': z.number(), 'Execution Time': z.number() }))
const nodeSchema = z.object({
  'Node Type': z.string(),
  'Relation Name': z.string().optional(),
  'Index Name': z.string().optional(),
  'Actual Rows': z.number().optional(),
  'Actual Loops': z.number().optional(),
  Plans: z.array(z.unknown()).optional(),
})

/** Milliseconds of one claim with this many due at once. */
export async function timeClaim(world: World, due: number): Promise<number> {
  await makeDue(world.sql, due)
  const until = new Date(Date.now() + 300_000)
  const plan = await explain(world.sql, claimDueTokens, { until, limit: 10_000 }, { runs: 2 })
  await world.sql`UPDATE oauth_tokens SET refresh_due_at_utc = now() + interval '40 minutes' WHERE refresh_due_at_utc <= now()`
  return plan.executionMs
}

/** `due` tokens are made due for the claim. */
export async function explainHot(world: World, callers: Callers, due: number): Promise<Plan[]> {
  const [person] = callers.signedIn
  const [owner] = callers.people
  if (person === undefined || owner === undefined) throw new Error('nobody is signed in')
  const [session] = await world.sql`SELECT session_id FROM sessions WHERE user_id = ${person.userId} LIMIT 1`
  const claim = callerParams({ kind: 'session', userId: person.userId, sessionId: String(session?.session_id) })
  const key = callerParams({ kind: 'key', keyHash: await sha256(callers.serviceKey) })
  const origin = { ipAddress: '203.0.113.7', userAgent: 'gatepost-bench/1' }
  const leaseId = uuidV7(new Date())
  const vend = { accountId: owner.accountId, forUserId: null, scopes: [], minTtlSeconds: 60, leaseId, mayLease: true }
  await makeDue(world.sql, due)
  const until = new Date(Date.now() + 300_000)
  const ids = (
    await world.sql`SELECT oauth_token_id AS id FROM oauth_tokens WHERE refresh_due_at_utc <= now() LIMIT 100`
  ).map((row) => String(row.id))
  const claimed = async (sql: postgres.ReservedSql): Promise<void> =>
    void (await sql`UPDATE oauth_tokens SET refresh_due_at_utc = ${until} WHERE oauth_token_id = ANY(${ids}::uuid[])`)
  const leased = async (sql: postgres.ReservedSql): Promise<void> =>
    void (await sql`UPDATE oauth_tokens SET lease_id = ${leaseId}, version_nbr = 1 WHERE oauth_token_id = ANY(${ids}::uuid[])`)
  const answers = ids.slice(0, 25).map((token_id) => ({
    ...{ token_id, lease_id: leaseId, version: 1, result: 'refreshed', access_token: 'gp1.k.a', refresh_token: null },
    ...{ expires_at: until, refresh_token_expires_at: null, scopes: null, due_at: until, error: null },
  }))
  const plans = [
    await explain(world.sql, readMe, claim),
    await explain(world.sql, listMailAccountRows, { ...claim, forUserId: null, before: null, limit: 51 }),
    await explain(world.sql, vendToken, { ...key, ...origin, ...vend }),
    ...(await explainPasswords(world.sql, owner, origin)),
    await explain(world.sql, claimDueTokens, { until, limit: 10_000 }),
    await explain(world.sql, leaseClaimedTokens, { ids, claimedUntil: until, leaseId }, { before: claimed }),
    await explain(
      world.sql,
      storeAnswers,
      { answers: JSON.stringify(answers), audit: '[]', ...origin },
      { before: leased },
    ),
  ]
  await world.sql`UPDATE oauth_tokens SET refresh_due_at_utc = now() + interval '40 minutes' WHERE refresh_due_at_utc <= now()`
  return plans
}

type Origin = { readonly ipAddress: string; readonly userAgent: string }

/** Charge and look, the session, and a registration by somebody nobody knows. */
async function explainPasswords(sql: postgres.Sql, owner: Person, origin: Origin): Promise<Plan[]> {
  const now = new Date()
  const [name, stranger] = [await sha256(owner.email), await sha256('stranger@example.com')]
  const typed = { identifierHash: name, email: owner.email, username: null }
  const session = { newSessionId: uuidV7(now), newSecretHash: null, newRefreshHash: stranger }
  const checked = { userId: owner.userId, passwordHash: benchPasswordHash, credentialVersion: 1 }
  const nothingElse = { newPasswordHash: null, endedSessionId: null, endedSecretHash: null, adminEmails: [] }
  const registration = { codeId: uuidV7(now), letterId: uuidV7(now), email: 'stranger@example.com', payload: 'gp1.k.a' }
  return [
    await explain(sql, chargeSignIn, { ...typed, lockThreshold: 5, lockMinutes: 30, ...origin }),
    await explain(sql, beginPasswordSession, {
      ...{ ...checked, ...session, ...nothingElse, ...origin },
      identifierHash: name,
    }),
    await explain(sql, writeRegistration, {
      ...{ ...registration, ...origin },
      ...{ subjectHash: stranger, username: 'stranger', avatarId: null },
    }),
  ]
}

/** @param options `before` runs in the same transaction, outside the measurement */
export async function explain<P extends object, R extends object>(
  sql: postgres.Sql,
  statement: Statement<P, R>,
  params: P,
  options: { readonly before?: (sql: postgres.ReservedSql) => Promise<void>; readonly runs?: number } = {},
): Promise<Plan> {
  const reserved = await sql.reserve()
  const values = fillPlaceholders([...statement.params], params as Record<string, unknown>).map(literal)
  const explained: z.infer<typeof planSchema> = []
  try {
    await reserved.unsafe('SET plan_cache_mode = force_generic_plan')
    await reserved.unsafe(`PREPARE explained AS ${statement.text}`)
    for (let run = 0; run <= (options.runs ?? 5); run += 1) {
      await reserved.unsafe('BEGIN')
      await options.before?.(reserved)
      const [row] = await reserved.unsafe(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE explained(${values.join(', ')})`,
      )
      await reserved.unsafe('ROLLBACK')
      explained.push(...planSchema.parse(row?.['QUERY PLAN']))
    }
    await reserved.unsafe('DEALLOCATE explained')
    await reserved.unsafe('RESET plan_cache_mode')
  } finally {
    reserved.release()
  }
  // The first run plans, and finds cold pages.
  const warm = explained.slice(1)
  const tree = warm.at(-1)?.Plan
  return {
    name: statement.name,
    executionMs: median(warm.map((one) => one['Execution Time'])),
    planningMs: explained[0]?.['Planning Time'] ?? 0,
    wholeTables: wholeTablesOf(tree),
    indexes: [...new Set(indexesOf(tree))],
    tree,
  }
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  if (Array.isArray(value)) return `'{${value.map((one) => JSON.stringify(String(one))).join(',')}}'`
  const text = value instanceof Date ? value.toISOString() : String(value)
  return `'${text.replaceAll("'", "''")}'`
}

function wholeTablesOf(tree: unknown): string[] {
  const node = nodeSchema.safeParse(tree)
  if (!node.success) return []
  const { 'Node Type': type, 'Relation Name': table, 'Actual Rows': rows, Plans: plans } = node.data
  const own = type === 'Seq Scan' && table !== undefined ? [`${table} (${rows ?? 0} rows)`] : []
  return [...new Set([...own, ...(plans ?? []).flatMap(wholeTablesOf)])]
}

function indexesOf(tree: unknown): string[] {
  const node = nodeSchema.safeParse(tree)
  if (!node.success) return []
  const { 'Index Name': index, 'Actual Loops': loops, Plans: plans } = node.data
  if (loops === 0) return []
  return [...(index === undefined ? [] : [index]), ...(plans ?? []).flatMap(indexesOf)]
}
