// People who register by address and password, as far as the test needs them: the request, the letter, the confirmation;
// and doors whose letters stay in the test's hand.

import { vi } from 'vitest'
import { verifyPassword } from '../../src/crypto/password.ts'
import { type CallOptions, call, json, type TokenPair, type WorkerEnv, workerEnv } from './app.ts'
import { query } from './database.ts'
import { letterFor } from './letters.ts'
import { goodPassword } from './people.ts'

export interface RegisterBody {
  email: string
  password?: string
  username?: string
  full_name?: string
}

/** POST /auth/register, with a good password unless told. */
export function register(body: RegisterBody, options: CallOptions = {}): Promise<Response> {
  return call('/auth/register', { ...options, json: { password: goodPassword, ...body } })
}

/** POST /auth/verify-email */
export function verify(body: Record<string, unknown>, options: CallOptions = {}): Promise<Response> {
  return call('/auth/verify-email', { ...options, json: body })
}

export interface RegisteredPerson extends TokenPair {
  userId: string
  email: string
  password: string
}

/** Registers and confirms; signed in. */
export async function newRegistered(body: RegisterBody, options: CallOptions = {}): Promise<RegisteredPerson> {
  const { email, password = goodPassword } = body
  await json(register(body, options), 201)
  const { linkToken } = await letterFor(email, 'registration')
  const pair = await json<TokenPair>(verify({ token: linkToken, password }, options))
  const me = await json<{ id: string }>(call('/auth/me', { bearer: pair.access_token }))
  return { ...pair, userId: me.id, email, password }
}

/** Whether this is the user's password, whatever door asks for it. */
export async function passwordIs(userId: string, password: string): Promise<boolean> {
  const [row] = await query<{ phc: string | null }>('SELECT password_hash_txt AS phc FROM users WHERE user_id = $1', [
    userId,
  ])
  return verifyPassword(row?.phc ?? null, password)
}

/** Bindings whose deliveries stay here: nothing runs beside the request, so what it does can be counted. */
export function heldQueue(): { env: WorkerEnv; sent: unknown[] } {
  const sent: unknown[] = []
  const recorder = {
    sendBatch: async (messages: { body: unknown }[]) => void sent.push(...messages.map(({ body }) => body)),
  }
  return { env: workerEnv({ DELIVER_QUEUE: recorder }), sent }
}

/** What a stranger sees of an answer, but for its request id and the address in it. */
export async function visible(answer: Response, email: string): Promise<unknown> {
  const headers = [...answer.headers].filter(([name]) => !['x-request-id', 'date'].includes(name.toLowerCase()))
  return { status: answer.status, headers, body: (await answer.text()).replaceAll(email, 'ADDRESS') }
}

/** A request, and how many statements it sent: by its own line in the log, whatever runs beside it. */
export async function counted(path: string, options: CallOptions): Promise<{ answer: Response; trips: number }> {
  const lines: string[] = []
  const spy = vi.spyOn(console, 'log').mockImplementation((line: unknown) => void lines.push(String(line)))
  const answer = await call(path, options)
  spy.mockRestore()
  const id = answer.headers.get('X-Request-Id') ?? 'none'
  const line = lines.find((text) => text.includes(id) && text.includes('db_trips'))
  if (line === undefined) throw new Error(`no line of request ${id}`)
  return { answer, trips: (JSON.parse(line) as { db_trips: number }).db_trips }
}

/** As time would: every moment of the rows goes back by so many seconds. */
export async function age(
  table: 'one_time_codes' | 'counters' | 'sessions',
  seconds: number,
  where = 'true',
): Promise<void> {
  const moments = {
    one_time_codes: ['created_at_utc', 'expires_at_utc', 'code_expires_at_utc'],
    counters: ['created_at_utc', 'window_started_at_utc'],
    sessions: ['authenticated_at_utc'],
  }[table]
  const set = moments.map((name) => `${name} = ${name} - make_interval(secs => $1)`).join(', ')
  await query(`UPDATE ${table} SET ${set} WHERE ${where}`, [seconds])
}
