// The Worker as its users meet it, for tests inside workerd: calls over HTTP, a browser with cookies, people who sign in
// at the strict local Google, cron and queue by hand. Knows nothing of the Worker's modules.
import { createExecutionContext, createMessageBatch, createScheduledController, getQueueResult } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import worker from '../../src/index.ts'
import { query, testAddresses } from './database.ts'
import { googleControl } from './google.ts'

export const appUrl = 'http://localhost:8787'
export const frontEnd = 'http://localhost:3000/callback'
export const gmail = {
  read: 'https://www.googleapis.com/auth/gmail.readonly',
  send: 'https://www.googleapis.com/auth/gmail.send',
} as const
export const clientId = 'test-google-client'
export const google = googleControl(testAddresses.GOOGLE_EMULATOR_URL)

export interface CallOptions {
  method?: string
  bearer?: string
  json?: unknown
  body?: BodyInit
  headers?: Record<string, string>
  cookies?: Cookies
  /** The client's address; a fresh one each call unless given, so that no test meets another's rate limit. */
  ip?: string
  /** Other settings or bindings (see `workerEnv`): the Worker is then called with these. */
  env?: WorkerEnv
}

export type Cookies = Map<string, string>

let calls = 0

/** One request to the Worker, no redirect followed. Cookies given are sent, and take what the answer sets. */
export async function call(path: string, options: CallOptions = {}): Promise<Response> {
  calls += 1
  const headers = new Headers(options.headers)
  if (!headers.has('CF-Connecting-IP'))
    headers.set('CF-Connecting-IP', options.ip ?? `10.${(calls >> 16) & 255}.${(calls >> 8) & 255}.${calls & 255}`)
  if (options.bearer !== undefined) headers.set('Authorization', `Bearer ${options.bearer}`)
  if (options.json !== undefined) headers.set('Content-Type', 'application/json')
  if (options.cookies !== undefined && options.cookies.size > 0) {
    headers.set('Cookie', [...options.cookies].map(([name, value]) => `${name}=${value}`).join('; '))
  }
  const init: RequestInit = {
    method: options.method ?? (options.json !== undefined || options.body !== undefined ? 'POST' : 'GET'),
    headers,
    redirect: 'manual',
  }
  const body = options.json !== undefined ? JSON.stringify(options.json) : options.body
  if (body !== undefined) init.body = body
  const request = new Request(new URL(path, appUrl), init)
  const response =
    options.env === undefined
      ? await exports.default.fetch(request)
      : await worker.fetch(request as Parameters<typeof worker.fetch>[0], options.env, createExecutionContext())
  for (const line of response.headers.getSetCookie()) {
    const [pair = '', ...attributes] = line.split(';')
    const [name = '', value = ''] = pair.split('=')
    if (attributes.some((attribute) => /max-age=0\b/i.test(attribute))) options.cookies?.delete(name)
    else options.cookies?.set(name, value)
  }
  return response
}

/** The answer's JSON; throws with the whole answer where the status is another. */
export async function json<T = Record<string, unknown>>(
  response: Response | Promise<Response>,
  status = 200,
): Promise<T> {
  const answer = await response
  const text = await answer.text()
  if (answer.status !== status) throw new Error(`expected ${status}, got ${answer.status}: ${text}`)
  return (text === '' ? {} : JSON.parse(text)) as T
}

/** Status and stable code of a refusal. */
export async function refusal(response: Response | Promise<Response>): Promise<[number, string]> {
  const answer = await response
  const body: unknown = await answer.json()
  return [answer.status, (body as { code: string }).code]
}

export interface TokenPair {
  access_token: string
  refresh_token: string
  token_type: string
  expires_in: number
}

export interface MailAccountJson {
  id: string
  email: string
  provider: string
  status: string
  granted_scopes: string[]
  missing_scopes: string[]
  expires_at: string | null
  last_refreshed_at: string | null
}

type Grant = 'all' | 'none-optional' | string[]

/** Begins a flow as a front end does, has the person answer at Google, and gives the callback's address. */
export async function dance(
  email: string,
  options: { query?: Record<string, string>; bearer?: string; grant?: Grant; startPath?: string } = {},
): Promise<URL> {
  const query = new URLSearchParams(options.query)
  const started = await json<{ url: string }>(
    call(
      `${options.startPath ?? '/auth/google/start'}?${query}`,
      options.bearer === undefined ? {} : { bearer: options.bearer },
    ),
  )
  return google.redirect({ url: started.url, email, grant: options.grant ?? 'all' })
}

/** Where the callback sends the browser. */
export async function land(callback: URL, cookies: Cookies = new Map()): Promise<URL> {
  const response = await call(`${callback.pathname}${callback.search}`, { cookies })
  const location = response.headers.get('Location')
  if (response.status !== 302 || location === null)
    throw new Error(`the callback answered ${response.status}: ${await response.text()}`)
  return new URL(location, appUrl)
}

/** From nothing to a token pair, as a front end: start, Google, callback, hand-off. Follows a consent round. */
export async function signIn(
  email: string,
  options: { query?: Record<string, string>; grant?: Grant } = {},
): Promise<TokenPair> {
  let landed = await land(await dance(email, options))
  if (landed.origin === testAddresses.GOOGLE_EMULATOR_URL)
    landed = await land(await google.redirect({ url: landed, email, grant: options.grant ?? 'all' }))
  const state = landed.searchParams.get('state')
  if (state === null) throw new Error(`landed on ${landed.href}`)
  return json<TokenPair>(call('/auth/token', { json: { state } }))
}

/** Signs in as a browser at our own pages; the jar then holds the session cookie. */
export async function signInBrowser(
  email: string,
  cookies: Cookies = new Map(),
  options: { query?: Record<string, string>; grant?: Grant } = {},
): Promise<Cookies> {
  const query = new URLSearchParams({ return_to: '/mailboxes', ...options.query })
  const login = await call(`/auth/google/login?${query}`, { cookies })
  const url = login.headers.get('Location')
  if (url === null) throw new Error(`login answered ${login.status}: ${await login.text()}`)
  await land(await google.redirect({ url, email, grant: options.grant ?? 'all' }), cookies)
  return cookies
}

/** Adds a Google person whose address Google is authoritative for, and signs them in. */
export async function newPerson(
  email: string,
  options: { query?: Record<string, string>; grant?: Grant } = {},
): Promise<TokenPair & { userId: string; sub: string }> {
  const { sub } = await google.addUser({ email, name: email.split('@')[0] ?? email })
  const pair = await signIn(email, options)
  const me = await json<{ id: string }>(call('/auth/me', { bearer: pair.access_token }))
  return { ...pair, userId: me.id, sub }
}

export async function mailboxes(bearer: string): Promise<MailAccountJson[]> {
  return (await json<{ items: MailAccountJson[] }>(call('/api/v1/mail-accounts', { bearer }))).items
}

export async function onlyMailbox(bearer: string): Promise<MailAccountJson> {
  const [first, ...rest] = await mailboxes(bearer)
  if (first === undefined || rest.length > 0)
    throw new Error(`expected one mailbox, found ${rest.length + (first === undefined ? 0 : 1)}`)
  return first
}

/** A service key made by the test's admin. */
export async function newKey(admin: string, body: Record<string, unknown> = {}): Promise<{ id: string; key: string }> {
  return json(
    call('/api/v1/api-keys', {
      bearer: admin,
      json: { name: 'test', permissions: ['tokens:vend', 'mail_accounts:read'], ...body },
    }),
    201,
  )
}

export function vend(key: string, accountId: string, body: Record<string, unknown> = {}): Promise<Response> {
  return call(`/api/v1/mail-accounts/${accountId}/access-token`, { bearer: key, json: body })
}

/** One cron tick, to its end. Messages it sends are delivered by the queue soon after. */
export async function cron(): Promise<void> {
  await worker.scheduled(createScheduledController({ scheduledTime: new Date(), cron: '* * * * *' }), workerEnv())
}

export type WorkerEnv = Parameters<typeof worker.scheduled>[1]

/** The bindings, as the Worker gets them. */
export function workerEnv(overrides: Record<string, unknown> = {}): WorkerEnv {
  return { ...env, ...overrides } as unknown as WorkerEnv
}

/** Delivers messages by hand: doubled, late or malformed as the test needs. Ids of what was acked and retried. */
export async function deliver(
  queueName: string,
  bodies: readonly unknown[],
): Promise<{ acked: string[]; retried: string[] }> {
  const batch = createMessageBatch(
    queueName,
    bodies.map((body, index) => ({ id: `message-${index}`, timestamp: new Date(), attempts: 1, body })),
  )
  const context = createExecutionContext()
  await worker.queue(batch, workerEnv())
  const result = await getQueueResult(batch, context)
  return { acked: result.explicitAcks, retried: result.retryMessages.map(({ msgId }) => msgId) }
}

/** Polls until `check` gives something else than null, 15 s at most. */
export async function eventually<T>(check: () => Promise<T | null>): Promise<T> {
  for (let tries = 0; tries < 150; tries += 1) {
    const found = await check()
    if (found !== null) return found
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('it did not happen within 15 s')
}

export async function count(table: string, where = 'true', params: unknown[] = []): Promise<number> {
  const [row] = await query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table} WHERE ${where}`, params)
  return row?.n ?? -1
}

/** Makes a mailbox's token due now, so that the next cron claims it. */
export async function makeDue(accountId: string): Promise<void> {
  await query(
    `UPDATE oauth_tokens SET refresh_due_at_utc = now() - interval '1 second' WHERE user_mail_account_id = $1`,
    [accountId],
  )
}

/** Ends a mailbox's access token as time would: the stored time moves, and Google's clock with it where `seconds` is given. */
export async function expireToken(accountId: string, secondsAgo = 60): Promise<void> {
  await query(
    `UPDATE oauth_tokens SET expires_at_utc = now() - make_interval(secs => $2), last_refreshed_at_utc = now() - interval '1 hour' WHERE user_mail_account_id = $1`,
    [accountId, secondsAgo],
  )
}
