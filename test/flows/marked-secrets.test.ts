// Every secret of a whole life (sign-in, connection, rotation, hand-out, refresh, refusal, disconnect) is caught where it
// passes, and must then be nowhere: no line on the console, no column of any table, no queue message, no answer that is
// not its own. Hashes and sealed envelopes are fine: they are not it.
import { createScheduledController } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import worker from '../../src/index.ts'
import {
  type Cookies,
  call,
  count,
  deliver,
  google,
  json,
  makeDue,
  onlyMailbox,
  refusal,
  type TokenPair,
  workerEnv,
} from '../support/app.ts'
import { emptyTables, query, testAddresses } from '../support/database.ts'
import {
  begin,
  beginBrowser,
  comeBack,
  consent,
  flowRecord,
  handOffOf,
  hashOf,
  outcome,
  provenUser,
} from '../support/flows.ts'
import { testKeys } from '../support/keys.ts'

const secrets = new Map<string, string>()
const sent: unknown[] = []
const lines: string[] = []

const recorder = {
  sendBatch: async (messages: { body: unknown }[]) => void sent.push(...messages.map(({ body }) => body)),
}
const recording = workerEnv({ DELIVER_QUEUE: recorder, REFRESH_QUEUE: recorder })

/** Marks a secret. A shorter one than this would occur by chance. */
function mark(name: string, value: unknown): string {
  if (typeof value !== 'string' || value.length < 16) throw new Error(`${name} is no secret: ${String(value)}`)
  secrets.set(value, name)
  return value
}

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  const real = globalThis.fetch.bind(globalThis)
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const url = String(input instanceof Request ? input.url : input)
    if (!url.startsWith(testAddresses.GOOGLE_EMULATOR_URL) || url.includes('/__control/')) return real(input, init)
    const form = new URLSearchParams(typeof init?.body === 'string' ? init.body : '')
    for (const name of ['code', 'code_verifier', 'client_secret', 'refresh_token', 'token']) {
      const value = form.get(name)
      if (value !== null) mark(`${name} sent`, value)
    }
    const answer = await real(input, init)
    if (new URL(url).pathname === '/token') {
      const body = (await answer.clone().json()) as Record<string, unknown>
      for (const name of ['access_token', 'refresh_token', 'id_token']) {
        if (body[name] !== undefined) mark(`${name} of Google`, body[name])
      }
    }
    return answer
  })
  for (const name of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    vi.spyOn(console, name).mockImplementation((...words: unknown[]) => {
      lines.push(
        words.map((word) => (typeof word === 'string' ? word : (JSON.stringify(word) ?? String(word)))).join(' '),
      )
    })
  }
})

afterEach(() => {
  vi.restoreAllMocks()
})

/** Whatever text every table holds, row by row as JSON: all columns of all types. */
async function everyRow(): Promise<string[]> {
  const tables = await query<{ name: string }>(
    `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
     WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'`,
  )
  expect(tables.length).toBeGreaterThan(8)
  const found: string[] = []
  for (const { name } of tables) {
    const stored = await query<{ text: string }>(`SELECT row_to_json(t)::text AS text FROM ${name} t`)
    found.push(...stored.map(({ text }) => `${name}: ${text}`))
  }
  return found
}

/** Names of secrets that occur in one of the texts, whole or by their first or last 24 characters. */
function leaks(texts: readonly string[]): string[] {
  const all = texts.join('\n')
  // A JWT's first part is the same in every one: its header, no secret.
  const parts = (value: string) =>
    value.startsWith('eyJ') ? [value, value.slice(-24)] : [value, value.slice(0, 24), value.slice(-24)]
  return [...secrets].filter(([value]) => parts(value).some((part) => all.includes(part))).map(([, name]) => name)
}

async function tick(): Promise<void> {
  await worker.scheduled(createScheduledController({ scheduledTime: new Date(), cron: '* * * * *' }), recording)
}

const sentOfKind = (kind: string): unknown[] => sent.filter((body) => (body as { kind: string }).kind === kind)

it('a marked secret is found by this test where it is put', async () => {
  mark('probe', 'probe-probe-probe-probe-probe')
  console.log('here: probe-probe-probe-probe-probe')
  expect(leaks(lines)).toEqual(['probe'])
  await provenUser('probe-probe-probe-probe-probe@x.test')
  expect(leaks(await everyRow())).toEqual(['probe'])
  secrets.clear()
  lines.length = 0
})

it('TV-10 no secret of a whole life is written anywhere', async () => {
  const answers: string[] = []
  const read = async (response: Response): Promise<void> => void answers.push(await response.clone().text())
  for (const user of ['ada', 'two', 'three', 'admin']) await google.addUser({ email: `${user}@gmail.com` })
  mark('CODE_PEPPER', testKeys.CODE_PEPPER)
  mark('sealing key', testKeys.TOKEN_ENCRYPTION_KEYS.split(':')[1])
  mark('signing key', (JSON.parse(testKeys.JWT_SIGNING_KEYS) as { keys: [{ d: string }] }).keys[0].d)

  async function follow(begun: { url: URL; state: string }): Promise<void> {
    const record = await flowRecord(begun.state)
    mark('state', begun.state)
    mark('nonce', record?.nonce)
    mark('verifier', record?.codeVerifier)
  }

  async function signInAs(email: string): Promise<TokenPair> {
    const verifier = mark('hand-off verifier', `${crypto.randomUUID()}-${crypto.randomUUID()}`)
    const begun = await begin({ code_challenge: await hashOf(verifier) }, { env: recording })
    await follow(begun)
    const code = mark('hand-off code', handOffOf(await comeBack(await consent(begun, { email }), { env: recording })))
    const pair = await json<TokenPair>(
      call('/auth/token', { json: { state: code, code_verifier: verifier }, env: recording }),
    )
    mark('JWT', pair.access_token)
    mark('our refresh token', pair.refresh_token)
    return pair
  }

  // A browser, then a front end, then a rotation.
  const cookies: Cookies = new Map()
  const browser = await beginBrowser(cookies, { return_to: '/mailboxes' }, { env: recording })
  await follow(browser)
  mark('flow cookie', [...cookies.values()][0])
  await read(await comeBack(await consent(browser, { email: 'ada@gmail.com' }), { cookies, env: recording }))
  mark('session cookie', cookies.get('session')?.split('.')[1])
  const pair = await signInAs('ada@gmail.com')
  const next = await json<TokenPair>(
    call('/auth/refresh', { json: { refresh_token: pair.refresh_token }, env: recording }),
  )
  mark('rotated refresh token', next.refresh_token)
  mark('second JWT', next.access_token)
  const bearer = next.access_token

  // A connection that waits, one that is refused, one whose exchange fails.
  const waiting = await begin({ purpose: 'connect', scopes: 'mail' }, { bearer, env: recording })
  await follow(waiting)
  const waitingBack = await comeBack(await consent(waiting, { email: 'two@gmail.com' }), { env: recording })
  mark('waiting code', handOffOf(waitingBack))
  await provenUser('taken@corp.test')
  const { sub } = await google.addUser({ email: 'taken@corp.test' })
  const refused = await begin({}, { env: recording })
  await follow(refused)
  expect(await outcome(comeBack(await consent(refused, { sub }), { env: recording }))).toBe('302 account_exists')
  const failing = await begin({}, { env: recording })
  await follow(failing)
  const failingCallback = await consent(failing, { email: 'three@gmail.com' })
  const failingCode = mark('failing code', failingCallback.searchParams.get('code'))
  const words = `bad ${failingCode}`
  await google.fault({ path: '/token', status: 400, body: { error: 'invalid_grant', error_description: words } })
  await read(await comeBack(failingCallback, { env: recording }))
  await read(await comeBack(failingCallback, { env: recording }))

  // A key, a hand-out, a refresh on demand and one by cron, and what goes wrong beside it.
  const admin = await signInAs('admin@gmail.com')
  const newKey = { name: 'k', permissions: ['tokens:vend'] }
  const { key } = await json<{ key: string }>(
    call('/api/v1/api-keys', { bearer: admin.access_token, json: newKey, env: recording }),
    201,
  )
  mark('service key', key)
  const account = await onlyMailbox(bearer)
  const vend = () => call(`/api/v1/mail-accounts/${account.id}/access-token`, { bearer: key, json: {}, env: recording })
  await json(vend())
  await query(`UPDATE oauth_tokens SET expires_at_utc = now(), last_refreshed_at_utc = now() - interval '1 hour'`)
  await json(vend())
  await makeDue(account.id)
  await tick()
  await deliver('gatepost-refresh', sentOfKind('refresh'))
  for (const [path, shown] of [
    ['/auth/me', bearer],
    ['/auth/sessions', bearer],
    ['/api/v1/mail-accounts', bearer],
    [`/api/v1/mail-accounts/${account.id}`, bearer],
    ['/api/v1/api-keys', admin.access_token],
    ['/auth/me', `${bearer}x`],
    ['/auth/me', key],
    [`/auth/google/callback?code=${encodeURIComponent(failingCode)}&state=unknown`, bearer],
  ] as const) {
    await read(await call(path, { bearer: shown, env: recording }))
  }
  // A broken statement: what PostgreSQL says of it must stay inside.
  await query('ALTER TABLE refresh_tokens RENAME TO refresh_tokens_away')
  const broken = await call('/auth/refresh', { json: { refresh_token: next.refresh_token }, env: recording })
  await query('ALTER TABLE refresh_tokens_away RENAME TO refresh_tokens')
  await read(broken)
  expect(broken.status).toBe(500)
  const removed = await call(`/api/v1/mail-accounts/${account.id}`, { method: 'DELETE', bearer, env: recording })
  expect(removed.status).toBe(204)
  await query(`UPDATE one_time_codes SET expires_at_utc = now() - interval '20 seconds' WHERE purpose_cd <> 'flow'`)
  await tick()

  // Grants wait as erasures, codes and tokens stand hashed or sealed: the fullest moment.
  expect(await count('erasures')).toBe(3)
  expect(secrets.size).toBeGreaterThan(40)
  expect(lines.length).toBeGreaterThan(20)
  expect(sent.length).toBeGreaterThan(3)
  expect(leaks(await everyRow())).toEqual([])
  await deliver('gatepost-deliver', sentOfKind('erase'))
  expect(await count('erasures')).toBe(0)
  expect((await refusal(call('/auth/refresh', { json: { refresh_token: `gpr_${'A'.repeat(43)}` } })))[0]).toBe(401)
  expect(leaks(await everyRow())).toEqual([])
  expect(leaks(lines)).toEqual([])
  expect(leaks(sent.map((body) => JSON.stringify(body)))).toEqual([])
  expect(leaks(answers)).toEqual([])
  // KV has forgotten the flows that ended.
  const kv = (env as unknown as { OAUTH_STATE: KVNamespace }).OAUTH_STATE
  const { keys } = await kv.list()
  expect(leaks(keys.map(({ name }) => name))).toEqual([])
  expect(leaks(await Promise.all(keys.map(async ({ name }) => (await kv.get(name)) ?? '')))).toEqual([])
})
