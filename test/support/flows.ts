// Flows one step at a time, for tests that stop in the middle, come back with the wrong thing, or come twice.
import { createScheduledController } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import worker from '../../src/index.ts'
import { type CallOptions, type Cookies, call, count, deliver, google, json, type WorkerEnv, workerEnv } from './app.ts'
import { query } from './database.ts'

const kv = env as unknown as { OAUTH_STATE: KVNamespace; CACHE: KVNamespace }

/** SHA-256 as base64url: what is stored of a secret, and an S256 challenge. */
export async function hashOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
  return btoa(String.fromCharCode(...digest))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

export interface Begun {
  /** At the provider. */
  readonly url: URL
  readonly state: string
}

/** GET /auth/google/start, as a front end. */
export async function begin(query: Record<string, string> = {}, options: CallOptions = {}): Promise<Begun> {
  const answer = await json<{ url: string; state: string }>(
    call(`/auth/google/start?${new URLSearchParams(query)}`, options),
  )
  return { url: new URL(answer.url), state: answer.state }
}

/** GET /auth/google/login, as a browser; the jar takes the flow cookie. */
export async function beginBrowser(
  cookies: Cookies,
  query: Record<string, string> = {},
  options: { env?: WorkerEnv; headers?: Record<string, string> } = {},
): Promise<Begun> {
  const { headers = { 'Sec-Fetch-Site': 'same-origin' }, ...rest } = options
  const answer = await call(`/auth/google/login?${new URLSearchParams(query)}`, { cookies, headers, ...rest })
  if (answer.status !== 302) throw new Error(`login answered ${answer.status}: ${await answer.text()}`)
  const url = new URL(answer.headers.get('Location') ?? '')
  return { url, state: url.searchParams.get('state') ?? '' }
}

type Person = { email: string } | { sub: string }

/** The person says yes (to everything, unless told); the callback's address. */
export function consent(begun: { url: URL }, person: Person, grant: 'all' | 'none-optional' | string[] = 'all') {
  return google.redirect({ url: begun.url, grant, ...person })
}

/** As `consent`, with the consent screen shown, so that a refresh token comes whatever was granted before. */
export function consentAnew(begun: { url: URL }, person: Person): Promise<URL> {
  const url = new URL(begun.url)
  url.searchParams.set('prompt', 'consent')
  return google.redirect({ url, grant: 'all', ...person })
}

/** The callback as any browser would call it. */
export function comeBack(callback: URL, options: CallOptions = {}): Promise<Response> {
  return call(`${callback.pathname}${callback.search}`, options)
}

/** `302 account_exists`, `302 state`, `302 /mailboxes`, `302 google`, `400 flow_unknown`: an answer in one word. */
export async function outcome(answer: Response | Promise<Response>): Promise<string> {
  const response = await answer
  const text = await response.text()
  if (response.status !== 302) {
    const code = /"code":"([a-z_]+)"/.exec(text)?.[1]
    return code === undefined ? String(response.status) : `${response.status} ${code}`
  }
  const location = new URL(response.headers.get('Location') ?? '', 'http://localhost:8787')
  const error = location.searchParams.get('error')
  if (error !== null) return `302 ${error}`
  if (location.origin === 'http://localhost:8787') return `302 ${location.pathname}`
  return location.pathname.startsWith('/o/oauth2/') ? '302 google' : '302 state'
}

/** The hand-off code of a callback's answer. */
export function handOffOf(response: Response): string {
  const code = new URL(response.headers.get('Location') ?? '').searchParams.get('state')
  if (code === null) throw new Error(`no hand-off code in ${response.headers.get('Location')}`)
  return code
}

/** From callback to hand-off code. */
export async function handOff(callback: URL): Promise<string> {
  const response = await comeBack(callback)
  if (response.status !== 302) throw new Error(`the callback answered ${response.status}: ${await response.text()}`)
  return handOffOf(response)
}

export function redeem(code: string, options: CallOptions & { verifier?: string } = {}): Promise<Response> {
  const { verifier, ...rest } = options
  return call('/auth/token', {
    ...rest,
    json: { state: code, ...(verifier === undefined ? {} : { code_verifier: verifier }) },
  })
}

const flowKey = async (state: string): Promise<string> => `flow:${await hashOf(state)}`

/** The record of a flow in KV, as the Worker wrote it. */
export async function flowRecord(state: string): Promise<Record<string, unknown> | null> {
  const text = await kv.OAUTH_STATE.get(await flowKey(state))
  return text === null ? null : (JSON.parse(text) as Record<string, unknown>)
}

export async function changeFlowRecord(state: string, change: Record<string, unknown>): Promise<void> {
  await kv.OAUTH_STATE.put(await flowKey(state), JSON.stringify({ ...(await flowRecord(state)), ...change }))
}

/** The Worker's cache of the provider's signing keys. */
export const keyCache = {
  async clear(): Promise<void> {
    for (const { name } of (await kv.CACHE.list()).keys) await kv.CACHE.delete(name)
  },
  async entries(): Promise<{ name: string; record: { fetched_at: number; keys: Record<string, unknown>[] } }[]> {
    const { keys } = await kv.CACHE.list()
    return Promise.all(keys.map(async ({ name }) => ({ name, record: JSON.parse((await kv.CACHE.get(name)) ?? '{}') })))
  },
  put: (name: string, record: object): Promise<void> => kv.CACHE.put(name, JSON.stringify(record)),
}

export interface Rows {
  users: number
  identities: number
  sessions: number
  mailboxes: number
  tokens: number
  codes: number
}

export const noRows: Rows = { users: 0, identities: 0, sessions: 0, mailboxes: 0, tokens: 0, codes: 0 }

/** What exists; `codes` without the claims of flows. */
export async function rows(): Promise<Rows> {
  return {
    users: await count('users'),
    identities: await count('user_identities'),
    sessions: await count('sessions'),
    mailboxes: await count('user_mail_accounts'),
    tokens: await count('oauth_tokens'),
    codes: await count('one_time_codes', `purpose_cd <> 'flow'`),
  }
}

/** A person whose address our own letter proved, with no way to sign in by a provider. */
export async function provenUser(email: string, change: { role?: 'user' | 'admin' } = {}): Promise<string> {
  const [row] = await query<{ user_id: string }>(
    `INSERT INTO users (email_address_txt, email_verified_at_utc, email_proof_cd, role_cd) VALUES ($1, now(), 'letter', $2) RETURNING user_id`,
    [email, change.role ?? 'user'],
  )
  if (row === undefined) throw new Error('no row')
  return row.user_id
}

export async function disable(userId: string): Promise<void> {
  await query(
    'UPDATE users SET is_active_flg = false, credential_version_nbr = credential_version_nbr + 1 WHERE user_id = $1',
    [userId],
  )
}

/** Whether the cookie's session lives, by a door that takes it: `login` of a connecting flow goes on to the provider. */
export async function cookieLives(cookies: Cookies): Promise<boolean> {
  const answer = await call('/auth/google/login?purpose=connect&scopes=mail', {
    cookies: new Map(cookies),
    headers: { 'Sec-Fetch-Site': 'same-origin' },
  })
  return (await outcome(answer)) === '302 google'
}

/** One cron tick whose messages are delivered at once, by hand; what was sent, as it was sent. */
export async function tick(): Promise<unknown[]> {
  const sent: unknown[] = []
  const recorder = {
    sendBatch: async (messages: { body: unknown }[]) => void sent.push(...messages.map(({ body }) => body)),
  }
  const recording = workerEnv({ DELIVER_QUEUE: recorder, REFRESH_QUEUE: recorder })
  await worker.scheduled(createScheduledController({ scheduledTime: new Date(), cron: '* * * * *' }), recording)
  if (sent.length > 0) await deliver('gatepost-deliver', sent)
  return sent
}

/** Waits until some statement is kept waiting by this test's own open transaction. */
export async function untilSomebodyWaits(): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    const [row] = await query<{ n: number }>(
      'SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))',
    )
    if ((row?.n ?? 0) > 0) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('nobody came to wait')
}
