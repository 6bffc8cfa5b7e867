// GitHub as a provider: its addresses, and who its API says somebody is. Sign-in only: no mail, no ID token, no refresh.
// No memory, no database, no decision about users: answers are values.

import * as z from 'zod'
import { normalizeEmail, toBase64, utf8 } from '../crypto/encoding.ts'
import { type HttpAnswer, type HttpResponse, readJson, retryAfterSeconds, sendBounded } from './bounded-request.ts'
import { type ProviderFailure, type ProviderResult, providerFailure } from './failure.ts'
import { authorizationUrl } from './oauth2.ts'
import { readName } from './person-name.ts'
import type { Profile, Provider, ProviderClient, ProviderDeps } from './provider.ts'
import { readTokenAnswer, readUnavailable, sendTokenRequest } from './token-request.ts'

// `/user/emails` needs the second; the first reads the person's name and nothing of their repositories.
const SCOPES: readonly string[] = ['read:user', 'user:email']
// A request without one is refused (GitHub's REST documentation), and workerd sends none by itself.
const USER_AGENT = 'gatepost'

interface Endpoints {
  readonly authorize: string
  readonly token: string
  readonly api: string
  /** In the callback since April 2026 (RFC 9207). */
  readonly issuer: string
}

const githubEndpoints: Endpoints = {
  authorize: 'https://github.com/login/oauth/authorize',
  token: 'https://github.com/login/oauth/access_token',
  api: 'https://api.github.com',
  issuer: 'https://github.com/login/oauth',
}

/** The same paths under one origin (DESIGN section 7). */
function localEndpoints(emulatorUrl: string): Endpoints {
  const { origin } = new URL(emulatorUrl)
  return {
    authorize: `${origin}/login/oauth/authorize`,
    token: `${origin}/login/oauth/access_token`,
    api: origin,
    issuer: `${origin}/login/oauth`,
  }
}

export interface GithubSettings {
  readonly client: ProviderClient
  /** Where a local GitHub stands in for the real hosts; null in production. */
  readonly emulatorUrl: string | null
  /** Whether the operator takes GitHub's word for an address (`TRUSTED_EMAIL_PROVIDERS`). */
  readonly emailTrust: 'trusted' | 'untrusted'
}

export function createGithub(deps: ProviderDeps, settings: GithubSettings): Provider {
  const { client } = settings
  const endpoints = settings.emulatorUrl === null ? githubEndpoints : localEndpoints(settings.emulatorUrl)
  const credentials = { url: endpoints.token, clientId: client.clientId, clientSecret: client.clientSecret }
  return {
    code: 'github',
    displayName: 'GitHub',
    clientId: client.clientId,
    supportsMail: false,
    mailScopes: [],
    issuer: endpoints.issuer,

    // No nonce (there is no ID token), no consent screen to force, no hint: it takes a user name, and we have an address.
    authorizationUrl: ({ state, codeVerifier }) =>
      authorizationUrl({
        endpoint: endpoints.authorize,
        clientId: client.clientId,
        redirectUri: client.redirectUri,
        state,
        codeVerifier,
        scopes: SCOPES,
      }),

    async exchange({ code, codeVerifier }) {
      const form = {
        grant_type: 'authorization_code',
        code,
        code_verifier: codeVerifier,
        redirect_uri: client.redirectUri,
      }
      return readTokenAnswer(await sendTokenRequest(deps, { ...credentials, form }), deps.clock())
    },

    async profile({ grant }) {
      const ask = (path: string): Promise<HttpAnswer> => askApi(deps, `${endpoints.api}${path}`, grant.accessToken)
      const [user, emails] = await Promise.all([ask('/user'), ask('/user/emails?per_page=100')])
      return readProfile(user, emails, { emailTrust: settings.emailTrust, now: deps.clock() })
    },

    // An OAuth app's tokens have no end and no successor; none is ever kept, so that nobody asks for one.
    refresh: async () => providerFailure('grant_dead', 'no_refresh'),

    revoke: ({ token }) => revokeGrant(deps, endpoints.api, client, token),

    mail: null,
  }
}

function askApi({ fetch: send }: ProviderDeps, url: string, accessToken: string): Promise<HttpAnswer> {
  return sendBounded(send, url, {
    method: 'GET',
    headers: {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${accessToken}`,
      'user-agent': USER_AGENT,
      'x-github-api-version': '2022-11-28',
    },
  })
}

/** Ends the person's whole authorization of our app, as Google's revocation does. Unknown there means ended already. */
async function revokeGrant(
  deps: ProviderDeps,
  api: string,
  client: ProviderClient,
  token: string,
): Promise<ProviderResult<null>> {
  const { fetch: send } = deps
  const answer = await sendBounded(send, `${api}/applications/${encodeURIComponent(client.clientId)}/grant`, {
    method: 'DELETE',
    headers: {
      accept: 'application/vnd.github+json',
      authorization: `Basic ${toBase64(utf8(`${client.clientId}:${client.clientSecret}`))}`,
      'content-type': 'application/json',
      'user-agent': USER_AGENT,
    },
    body: JSON.stringify({ access_token: token }),
  })
  if ('failure' in answer) return providerFailure('unavailable', answer.failure)
  if ([204, 404, 422].includes(answer.status)) return { ok: true, value: null }
  const now = deps.clock()
  return readUnavailable(answer, now) ?? readApiFailure(answer, now) ?? providerFailure('unavailable', 'http_200')
}

// Both say so with a status of their own as well, but a limit may come as 403 with either of these headers alone.
function isRateLimit({ headers }: HttpResponse): boolean {
  return headers.get('x-ratelimit-remaining')?.trim() === '0' || headers.has('retry-after')
}

/** Seconds until the limit is lifted: `Retry-After`, else `x-ratelimit-reset` (a UTC epoch second); null unsaid. */
function rateLimitSeconds({ headers }: HttpResponse, now: Date): number | null {
  const said = retryAfterSeconds(headers, now)
  const reset = headers.get('x-ratelimit-reset')?.trim() ?? ''
  if (said !== null || !/^\d{1,12}$/.test(reset)) return said
  return Math.min(Math.max(Math.ceil(Number(reset) - now.getTime() / 1000), 0), 86_400)
}

/**
 * What went wrong in an answer of the API, or null for a 200: 401 `unauthorized`; 429, and a 403 that names a limit,
 * `rate_limited`; any other 403 and 404 (a permission is missing: GitHub does not say what it hides) `forbidden`;
 * everything else `unavailable`. By status and headers, never by text.
 */
export function readApiFailure(answer: HttpResponse, now: Date): ProviderFailure | null {
  if (answer.status === 200) return null
  if (answer.status === 401) return providerFailure('unauthorized', 'http_401')
  if (answer.status === 429 || (answer.status === 403 && isRateLimit(answer)))
    return providerFailure('rate_limited', `http_${answer.status}`, rateLimitSeconds(answer, now))
  if (answer.status === 403 || answer.status === 404) return providerFailure('forbidden', `http_${answer.status}`)
  return providerFailure('unavailable', `http_${answer.status}`, retryAfterSeconds(answer.headers, now))
}

const userSchema = z.object({
  id: z.int().positive(),
  name: z.string().nullish().catch(null),
})
const emailsSchema = z.array(z.unknown())
const emailSchema = z.object({ email: z.string(), primary: z.literal(true), verified: z.literal(true) })

/**
 * The profile from the answers of `/user` and `/user/emails`; pure. The subject is the numeric id, since a login can be
 * renamed and then taken by somebody else. The address is the one that is primary *and* verified: not the first of the
 * list, and not the public one of `/user`, which says nothing of either. Without such a one it is null.
 */
export function readProfile(
  user: HttpAnswer,
  emails: HttpAnswer,
  { emailTrust, now }: { emailTrust: 'trusted' | 'untrusted'; now: Date },
): ProviderResult<Profile> {
  for (const answer of [user, emails]) {
    if ('failure' in answer) return providerFailure('unavailable', answer.failure)
    const failure = readApiFailure(answer, now)
    if (failure !== null) return failure
  }
  const who = userSchema.safeParse('body' in user ? readJson(user.body) : null)
  const list = emailsSchema.safeParse('body' in emails ? readJson(emails.body) : null)
  if (!who.success || !list.success) return providerFailure('unavailable', 'unreadable_answer')
  const primary = list.data.map((entry) => emailSchema.safeParse(entry)).find((entry) => entry.success)
  const email = primary === undefined ? null : normalizeEmail(primary.data.email)
  return {
    ok: true,
    value: {
      provider: 'github',
      subject: String(who.data.id),
      email,
      emailProof: email !== null && emailTrust === 'trusted' ? 'trusted' : null,
      fullName: readName(who.data.name ?? null),
    },
  }
}
