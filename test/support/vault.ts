// For tests of the vault and of refresh: mailboxes by the hundred without a dance each, cron ticks whose messages the test
// holds in its hand, and a dump of all that is stored. The tokens are live ones of the local Google, sealed as the Worker does.
import { createExecutionContext, createMessageBatch, createScheduledController, getQueueResult } from 'cloudflare:test'
import * as z from 'zod'
import { parseKeyRing } from '../../src/crypto/seal.ts'
import worker from '../../src/index.ts'
import { sealTokens } from '../../src/mail-accounts/vault.ts'
import { clientId, gmail, google, newKey, newPerson, workerEnv } from './app.ts'
import { query } from './database.ts'
import { testKeys } from './keys.ts'

export interface SeededMailbox {
  accountId: string
  tokenId: string
  userId: string
  email: string
  sub: string
  accessToken: string
  refreshToken: string
}

let seeds = 0

/** Connected mailboxes of one new user, healthy for an hour. Their people are strangers to every earlier call's. */
export async function seedMailboxes(
  count: number,
  options: { keys?: string; underClient?: string } = {},
): Promise<SeededMailbox[]> {
  seeds += 1
  const ring = await parseKeyRing(options.keys ?? testKeys.TOKEN_ENCRYPTION_KEYS)
  const minted = await google.mint({
    email: `box${seeds}-{n}@gmail.com`,
    client_id: clientId,
    scopes: [gmail.read, gmail.send],
    count,
  })
  const userId = crypto.randomUUID()
  await query(
    `INSERT INTO users (user_id, email_address_txt, email_verified_at_utc, email_proof_cd) VALUES ($1, $2, now(), 'google')`,
    [userId, `owner${seeds}@gmail.com`],
  )
  const boxes = await Promise.all(
    minted.map(async ({ access_token, refresh_token, email, sub }) => {
      const accountId = crypto.randomUUID()
      const sealed = await sealTokens(
        ring,
        { accountId, userId },
        { accessToken: access_token, refreshToken: refresh_token },
      )
      const box = { accountId, tokenId: crypto.randomUUID(), userId, email, sub }
      return { ...box, accessToken: access_token, refreshToken: refresh_token, sealed }
    }),
  )
  await query(
    `WITH box AS (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS b("accountId" uuid, "tokenId" uuid, email text, sub text, sealed jsonb)
    ), accounts AS (
      INSERT INTO user_mail_accounts (user_mail_account_id, user_id, email_address_txt, provider_cd, provider_subject_txt, granted_scopes_txt)
      SELECT "accountId", $2, email, 'google', sub, $3 FROM box
    )
    INSERT INTO oauth_tokens (oauth_token_id, user_mail_account_id, access_token_txt, refresh_token_txt, expires_at_utc, refresh_due_at_utc, client_id_txt, last_refreshed_at_utc)
    SELECT "tokenId", "accountId", sealed->>'accessToken', sealed->>'refreshToken', now() + interval '1 hour', now() + interval '45 minutes', $4, now() - interval '10 minutes' FROM box`,
    [JSON.stringify(boxes), userId, [gmail.read, gmail.send].join(' '), options.underClient ?? clientId],
  )
  return boxes.map(({ sealed: _, ...box }) => box)
}

/** One connected mailbox. */
export async function seedMailbox(options: Parameters<typeof seedMailboxes>[1] = {}): Promise<SeededMailbox> {
  const [box] = await seedMailboxes(1, options)
  if (box === undefined) throw new Error('no mailbox was seeded')
  return box
}

/** Makes every token that has a clock due. */
export async function makeAllDue(): Promise<void> {
  await query(
    `UPDATE oauth_tokens SET refresh_due_at_utc = now() - interval '1 second' WHERE refresh_due_at_utc IS NOT NULL`,
  )
}

export const refreshMessage: z.ZodType<{ kind: 'refresh'; ids: string[]; claimed_until: string }> = z.object({
  kind: z.literal('refresh'),
  ids: z.array(z.string()),
  claimed_until: z.string(),
})
export type RefreshMessage = z.output<typeof refreshMessage>
const eraseMessage = z.object({ kind: z.literal('erase'), erasure_id: z.string() })

/** A queue that keeps what it is sent. */
export function heldQueue(): { bodies: unknown[]; sendBatch(batch: Iterable<{ body: unknown }>): Promise<void> } {
  const bodies: unknown[] = []
  return {
    bodies,
    async sendBatch(batch) {
      for (const { body } of batch) bodies.push(structuredClone(body))
    },
  }
}

export interface Tick {
  refresh: RefreshMessage[]
  erase: z.output<typeof eraseMessage>[]
}

function kindOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'kind' in body ? body.kind : null
}

/** One cron tick; its messages are the answer instead of travelling. */
export async function tick(overrides: Record<string, unknown> = {}): Promise<Tick> {
  const [refreshQueue, deliverQueue] = [heldQueue(), heldQueue()]
  await worker.scheduled(
    createScheduledController({ scheduledTime: new Date(), cron: '* * * * *' }),
    workerEnv({ REFRESH_QUEUE: refreshQueue, DELIVER_QUEUE: deliverQueue, ...overrides }),
  )
  return {
    refresh: z.array(refreshMessage).parse(refreshQueue.bodies),
    // Letters travel by the same queue; their tests hold one of their own.
    erase: z.array(eraseMessage).parse(deliverQueue.bodies.filter((body) => kindOf(body) === 'erase')),
  }
}

/** Delivers one message; true where it was acked, false where it is to be retried. */
export async function consume(body: unknown, overrides: Record<string, unknown> = {}): Promise<boolean> {
  const queueName =
    typeof body === 'object' && body !== null && 'erasure_id' in body ? 'gatepost-deliver' : 'gatepost-refresh'
  const batch = createMessageBatch(queueName, [{ id: crypto.randomUUID(), timestamp: new Date(), attempts: 1, body }])
  const context = createExecutionContext()
  await worker.queue(batch, workerEnv(overrides))
  const { explicitAcks, retryMessages } = await getQueueResult(batch, context)
  if (explicitAcks.length + retryMessages.length !== 1) throw new Error('a message is acked or retried, one of them')
  return explicitAcks.length === 1
}

/** A tick and everything it sent, delivered once, one after another. */
export async function runTick(overrides: Record<string, unknown> = {}): Promise<Tick> {
  const sent = await tick(overrides)
  for (const message of [...sent.refresh, ...sent.erase]) await consume(message, overrides)
  return sent
}

export interface TokenRow {
  accessToken: string | null
  refreshToken: string | null
  expiresAt: Date | null
  dueAt: Date | null
  version: number
  leaseId: string | null
  leaseUntil: Date | null
  failures: number
  lastError: string | null
  history: { at: string; outcome: string; error: string | null }[]
  status: string
  scopes: string
  /** Seconds from now, by the database's clock. */
  dueIn: number | null
  expiresIn: number | null
}

/** A mailbox's row and its token's, as they stand. */
export async function tokenRow(accountId: string): Promise<TokenRow> {
  const [row] = await query<TokenRow>(
    `SELECT t.access_token_txt AS "accessToken", t.refresh_token_txt AS "refreshToken", t.expires_at_utc AS "expiresAt",
      t.refresh_due_at_utc AS "dueAt", t.version_nbr AS version, t.lease_id AS "leaseId", t.lease_until_utc AS "leaseUntil",
      t.failure_cnt AS failures, t.last_error_cd AS "lastError", t.refresh_history_json AS history, a.status_cd AS status,
      a.granted_scopes_txt AS scopes, extract(epoch FROM t.refresh_due_at_utc - now())::float AS "dueIn",
      extract(epoch FROM t.expires_at_utc - now())::float AS "expiresIn"
    FROM oauth_tokens t JOIN user_mail_accounts a USING (user_mail_account_id) WHERE a.user_mail_account_id = $1`,
    [accountId],
  )
  if (row === undefined) throw new Error('there is no such mailbox')
  return row
}

/** All that is stored, as text, table by table. */
export async function dumpTables(): Promise<Map<string, string>> {
  const tables = await query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
  )
  const dump = new Map<string, string>()
  for (const { name } of tables) {
    const rows = await query<{ row: string }>(`SELECT to_jsonb(t)::text AS row FROM "${name}" t`)
    dump.set(name, rows.map(({ row }) => row).join('\n'))
  }
  return dump
}

/** The newest audit rows about a subject, oldest first: action, outcome and event. */
export function auditOf(
  subjectId: string,
): Promise<{ action: string; outcome: string; actor: string | null; event: Record<string, unknown> }[]> {
  return query(
    `SELECT action_cd AS action, outcome_cd AS outcome, actor_user_id AS actor, event_json AS event FROM audit_logs
     WHERE subject_id_txt = $1 ORDER BY created_at_utc, audit_log_id`,
    [subjectId],
  )
}

export const refreshCalls = (): Promise<number> => google.count('POST /token refresh_token')
export const revokeCalls = (): Promise<number> => google.count('POST /revoke')

/** A service key, and the admin who made it. */
export async function adminKey(
  body: Record<string, unknown> = {},
): Promise<{ key: string; id: string; admin: string }> {
  const { access_token } = await newPerson('admin@gmail.com', { query: { scopes: 'identity' } })
  return { ...(await newKey(access_token, body)), admin: access_token }
}

/** What a vend answers. */
export interface Vended {
  access_token: string
  expires_in: number
  expires_at: string
  scopes: string[]
  missing_scopes: string[]
}
