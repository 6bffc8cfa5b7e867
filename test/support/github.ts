// Steers the local GitHub of scripts/local-github from a test, and dances with it: a person, what they press, and where
// the browser goes. Only `fetch` and the Worker's doors.
import { type CallOptions, type Cookies, call, json, land, type TokenPair } from './app.ts'
import { testAddresses } from './database.ts'
import type { GoogleCalls, GoogleFault } from './google.ts'

export interface GithubEmail {
  email: unknown
  primary: unknown
  verified: unknown
}

export interface GithubPerson {
  id: number
  login: string
  name: string | null
  email: string | null
  emails: GithubEmail[]
}

// Kept before any test spies on it.
const realFetch = globalThis.fetch.bind(globalThis)

async function send<T>(method: string, name: string, body?: unknown): Promise<T> {
  const answer = await realFetch(new URL(`/__control/${name}`, testAddresses.GITHUB_EMULATOR_URL), {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`local GitHub, ${method} ${name}: ${answer.status} ${text}`)
  return JSON.parse(text) as T
}

/** An address that is primary and verified. */
export function primary(email: string): GithubEmail {
  return { email, primary: true, verified: true }
}

export const github = {
  /** Somebody; with `emails`, exactly these. */
  addPerson: (person: Partial<GithubPerson>): Promise<GithubPerson> => send('PUT', 'people', person),
  /** The person says yes (or cancels); the callback's address. */
  async redirect(url: string | URL, person: { id: number }, answer: 'yes' | 'cancel' = 'yes'): Promise<URL> {
    const body = { url: String(url), id: person.id, cancel: answer === 'cancel' }
    return new URL((await send<{ location: string }>('POST', 'authorize', body)).location)
  },
  fault: (fault: GoogleFault): Promise<{ id: string }> => send('POST', 'faults', fault),
  /** `issuerInCallback` true: the truth; false: none; else that lie. */
  settings: (settings: { issuerInCallback: boolean | string }): Promise<object> => send('POST', 'settings', settings),
  calls: (): Promise<GoogleCalls> => send('GET', 'calls'),
  async count(name: string): Promise<number> {
    return (await send<GoogleCalls>('GET', 'calls')).counts[name] ?? 0
  },
  grants: (): Promise<{ grants: number; tokens: number }> => send('GET', 'grants'),
  reset: (): Promise<object> => send('POST', 'reset'),
}

export const exchangeCall = 'POST /login/oauth/access_token'

/** GET /auth/github/start; the provider's address. */
export async function beginGithub(query: Record<string, string> = {}, options: CallOptions = {}): Promise<URL> {
  const { url } = await json<{ url: string }>(call(`/auth/github/start?${new URLSearchParams(query)}`, options))
  return new URL(url)
}

/** From nothing to the callback's address, as a front end. */
export async function danceGithub(
  person: { id: number },
  options: CallOptions & { query?: Record<string, string> } = {},
): Promise<URL> {
  const { query, ...rest } = options
  return github.redirect(await beginGithub(query, rest), person)
}

/** From nothing to a token pair, as a front end. */
export async function signInGithub(person: { id: number }, options: CallOptions = {}): Promise<TokenPair> {
  const callback = await danceGithub(person, options)
  const response = await call(`${callback.pathname}${callback.search}`, options)
  await response.body?.cancel()
  const location = new URL(response.headers.get('Location') ?? 'http://nowhere.test')
  const state = location.searchParams.get('state')
  if (state === null) throw new Error(`landed on ${location.href} (${response.status})`)
  return json<TokenPair>(call('/auth/token', { ...options, json: { state } }))
}

/** Signs in, or connects, as a browser at our own pages; where it lands. */
export async function browseGithub(
  cookies: Cookies,
  person: { id: number },
  query: Record<string, string> = {},
  answer: 'yes' | 'cancel' = 'yes',
): Promise<URL> {
  const asked = new URLSearchParams({ return_to: '/mailboxes', ...query })
  const login = await call(`/auth/github/login?${asked}`, { cookies, headers: { 'Sec-Fetch-Site': 'same-origin' } })
  const url = login.headers.get('Location')
  if (url === null) throw new Error(`login answered ${login.status}: ${await login.text()}`)
  await login.body?.cancel()
  return land(await github.redirect(url, person, answer), cookies)
}
