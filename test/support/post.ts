// Letters on their way out, for tests inside workerd: rows written by SQL, messages delivered by hand, and Resend faked at
// the HTTP edge, where it counts what it is sent and keeps to its Idempotency-Key.
import { createExecutionContext, createMessageBatch, getQueueResult } from 'cloudflare:test'
import { vi } from 'vitest'
import * as z from 'zod'
import worker from '../../src/index.ts'
import type { LetterKind } from '../../src/letters/outgoing.sql.ts'
import { workerEnv } from './app.ts'
import { query } from './database.ts'

export const resendUrl = 'http://localhost:9399'

/** Settings under which letters leave by (a fake) Resend. */
export const byResend = {
  MAIL_TRANSPORT: 'resend',
  RESEND_API_KEY: 're_marked_api_key_0123456789',
  MAIL_FROM: 'no-reply@gatepost.test',
  RESEND_EMULATOR_URL: resendUrl,
}

const sentMail = z.strictObject({
  from: z.string(),
  to: z.tuple([z.string()]),
  subject: z.string(),
  text: z.string(),
  html: z.string(),
  headers: z.record(z.string(), z.string()),
})

export interface SentToResend {
  readonly key: string
  readonly authorization: string
  readonly mail: z.infer<typeof sentMail>
}

export class FakeResend {
  readonly requests: SentToResend[] = []
  /** Mails that left: one a key, as Resend does it. */
  readonly sent = new Map<string, SentToResend>()
  /** What happens to the next requests, in this order; null or nothing left: it takes the mail. */
  readonly answers: ((() => Response | Promise<Response>) | null)[] = []

  constructor() {
    const real = globalThis.fetch.bind(globalThis)
    vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
      const request = new Request(input, init)
      if (!request.url.startsWith(resendUrl)) return real(input, init)
      return this.answer(request)
    })
  }

  private async answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (request.method !== 'POST' || pathname !== '/emails') return new Response(null, { status: 405 })
    const seen: SentToResend = {
      key: request.headers.get('Idempotency-Key') ?? '',
      authorization: request.headers.get('Authorization') ?? '',
      mail: sentMail.parse(await request.json()),
    }
    this.requests.push(seen)
    const answer = this.answers.shift() ?? null
    if (answer !== null) return answer()
    const before = this.sent.get(seen.key)
    if (before !== undefined && JSON.stringify(before.mail) !== JSON.stringify(seen.mail))
      return Response.json({ name: 'invalid_idempotent_request', message: 'other body' }, { status: 409 })
    this.sent.set(seen.key, before ?? seen)
    return Response.json({ id: crypto.randomUUID() })
  }
}

export interface SeedLetter {
  kind?: LetterKind
  recipient?: string
  codeId?: string | null
  cause?: string
  status?: string
  /** Seconds that it has been due. */
  dueFor?: number
  attempts?: number
}

/** Writes a letter's row; its id. */
export async function seedLetter(seed: SeedLetter = {}): Promise<string> {
  const id = crypto.randomUUID()
  const kind = seed.kind ?? 'password_changed'
  await query(
    `INSERT INTO letters (letter_id, kind_cd, recipient_txt, one_time_code_id, cause_txt, status_cd, due_at_utc, attempt_cnt)
     VALUES ($1, $2, $3, $4, $5, $6, now() - make_interval(secs => $7), $8)`,
    [
      id,
      kind,
      seed.recipient ?? 'ada@example.com',
      seed.codeId ?? null,
      seed.cause ?? `${kind}:${id}`,
      seed.status ?? 'due',
      seed.dueFor ?? 1,
      seed.attempts ?? 0,
    ],
  )
  return id
}

/** Writes a code that is still of use, unless told otherwise; its id. */
export async function seedCode(
  purpose: string,
  options: { userId?: string; minutes?: number; isConsumed?: boolean } = {},
): Promise<string> {
  const id = crypto.randomUUID()
  await query(
    `INSERT INTO one_time_codes (one_time_code_id, purpose_cd, user_id, expires_at_utc, consumed_at_utc)
     VALUES ($1, $2, $3, now() + make_interval(mins => $4), CASE WHEN $5 THEN now() END)`,
    [id, purpose, options.userId ?? null, options.minutes ?? 60, options.isConsumed === true],
  )
  return id
}

export interface LetterState {
  status: string
  attempts: number
  error: string | null
  /** Seconds until it is due (negative: since). */
  wait: number
  isSent: boolean
}

export async function letterState(id: string): Promise<LetterState> {
  const [row] = await query<{ status: string; attempts: number; error: string | null; wait: number; sent: boolean }>(
    `SELECT status_cd AS status, attempt_cnt AS attempts, last_error_cd AS error,
       extract(epoch FROM due_at_utc - now())::float8 AS wait, sent_at_utc IS NOT NULL AS sent FROM letters WHERE letter_id = $1`,
    [id],
  )
  if (row === undefined) throw new Error(`no letter ${id}`)
  return { status: row.status, attempts: row.attempts, error: row.error, wait: row.wait, isSent: row.sent }
}

/** Time passes until the letter is due again. */
export async function makeLetterDue(id: string): Promise<void> {
  await query(`UPDATE letters SET due_at_utc = now() - interval '1 second' WHERE letter_id = $1`, [id])
}

/** Delivers the message of each letter in a batch of its own; true where it was acked. */
export async function post(id: string, overrides: Record<string, unknown> = {}): Promise<boolean> {
  const body = { kind: 'letter', letter_id: id }
  const batch = createMessageBatch('gatepost-deliver', [
    { id: crypto.randomUUID(), timestamp: new Date(), attempts: 1, body },
  ])
  const context = createExecutionContext()
  await worker.queue(batch, workerEnv(overrides))
  return (await getQueueResult(batch, context)).explicitAcks.length === 1
}
