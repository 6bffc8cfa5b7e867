// What every provider must do, whichever it is: the suite a new one passes before it is offered. It speaks to the
// provider through its interface and to the world through a harness, never to a provider's own module.
import { describe, expect, it } from 'vitest'
import { toBase64Url, utf8 } from '../../src/crypto/encoding.ts'
import type { ProviderFailureKind, ProviderResult } from '../../src/providers/failure.ts'
import { newCodeVerifier, newState } from '../../src/providers/oauth2.ts'
import type { AuthorizationRequest, Grant, Profile, Provider, ScopeSet } from '../../src/providers/provider.ts'

export interface SentRequest {
  readonly method: string
  readonly url: string
  readonly form: URLSearchParams
  readonly headers: Headers
  readonly redirect: string
}

export type Fault =
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly body: string
      readonly headers?: Record<string, string>
    }
  /** The connection breaks before an answer. */
  | { readonly kind: 'drop' }
  /** Nothing ever comes. */
  | { readonly kind: 'hang' }
  /** Status and the first bytes come, the rest never does. */
  | { readonly kind: 'hang_in_body' }

/** How a provider proves who somebody is, and what it does not have: declared, and held to by tests of its own. */
export interface Traits {
  /** `api`: its API is asked with the access token, at these addresses. */
  readonly proof: 'id_token' | { readonly api: readonly string[] }
  /** `none`: the verb refuses without asking anybody. */
  readonly refresh: 'rotates' | 'none'
  /** `none`: no mail adapter, no mail scopes. */
  readonly mail: 'has' | 'none'
  readonly revocation: {
    readonly method: 'POST' | 'DELETE'
    readonly done: number
    /** There is nothing left to revoke. */
    readonly gone: readonly number[]
  }
}

export interface ProviderHarness {
  readonly provider: Provider
  /** As registered with the provider; `clientSecret` must not show anywhere. */
  readonly client: { readonly clientId: string; readonly clientSecret: string; readonly redirectUri: string }
  /** Exactly what each set asks for, in order; `mail` of a provider that has it. */
  readonly scopes: { readonly identity: readonly string[]; readonly mail?: readonly string[] }
  /** Whom `consent` signs in. */
  readonly person: Profile
  readonly endpoints: { readonly token: string; readonly revoke: string }
  /** A refresh token the provider will take, and one that is dead; of a provider that has them. */
  readonly refreshTokens?: { readonly live: string; readonly dead: string }
  /** Everything sent to one address so far. */
  sentTo(url: string): readonly SentRequest[]
  /** The next request to this address ends so. */
  fault(url: string, fault: Fault): void
  /** The person agrees to everything at this authorization URL; the code that comes back. */
  consent(url: URL): Promise<string>
  /** Runs a call that meets a hanging provider to its end, whatever the clock needs for that. */
  passTimeLimit<T>(call: Promise<T>): Promise<T>
  /** Where the proof is an ID token. Grants that prove nothing, each named: a wrong signature, audience, nonce, … */
  badProofs?(nonce: string): Promise<readonly { readonly name: string; readonly grant: Grant }[]>
}

const html = '<html><body>Bad gateway, marked-token</body></html>'
const answer = (status: number, body: string, headers: Record<string, string> = {}): Fault => ({
  kind: 'answer',
  status,
  body,
  headers,
})

/** RF-03, RF-04 and DESIGN section 5: what an answer of a token endpoint means, for code and refresh token alike. */
const tokenFaults: readonly [string, Fault, ProviderFailureKind, string, (number | null)?][] = [
  [
    'RF-01 invalid_grant',
    answer(400, '{"error":"invalid_grant","error_description":"marked-token"}'),
    'grant_dead',
    'invalid_grant',
  ],
  ['invalid_grant as 401', answer(401, '{"error":"invalid_grant"}'), 'grant_dead', 'invalid_grant'],
  ['invalid_client', answer(401, '{"error":"invalid_client"}'), 'misconfigured', 'invalid_client'],
  ['unauthorized_client', answer(400, '{"error":"unauthorized_client"}'), 'misconfigured', 'unauthorized_client'],
  ['unauthorized_client, 401', answer(401, '{"error":"unauthorized_client"}'), 'misconfigured', 'unauthorized_client'],
  ['redirect_uri_mismatch', answer(400, '{"error":"redirect_uri_mismatch"}'), 'misconfigured', 'redirect_uri_mismatch'],
  ['an error nobody listed', answer(400, '{"error":"marked-token"}'), 'unavailable', 'unlisted_error'],
  ['400 without a readable error', answer(400, html), 'unavailable', 'http_400'],
  [
    '400 with an error that is no text',
    answer(400, '{"error":{"message":"invalid_grant"}}'),
    'unavailable',
    'http_400',
  ],
  ['401 without a body', answer(401, ''), 'unavailable', 'http_401'],
  ['403 in HTML', answer(403, html), 'unavailable', 'http_403'],
  ['404', answer(404, html), 'unavailable', 'http_404'],
  ['RF-03 500', answer(500, ''), 'unavailable', 'http_500'],
  ['RF-03 502 in HTML', answer(502, html), 'unavailable', 'http_502'],
  ['RF-03 500 with invalid_grant', answer(500, '{"error":"invalid_grant"}'), 'unavailable', 'http_500'],
  ['RF-03 200 in HTML', answer(200, html), 'unavailable', 'unreadable_answer'],
  ['RF-03 200 {}', answer(200, '{}'), 'unavailable', 'unreadable_answer'],
  ['RF-03 200 with an error', answer(200, '{"error":"invalid_grant"}'), 'grant_dead', 'invalid_grant'],
  [
    'RF-03 200 with an unlisted error',
    answer(200, '{"error":"marked-token","access_token":"x"}'),
    'unavailable',
    'unlisted_error',
  ],
  ['RF-03 truncated JSON', answer(200, '{"access_token":"marked-token","expi'), 'unavailable', 'unreadable_answer'],
  ['RF-03 204', answer(204, ''), 'unavailable', 'http_204'],
  ['200 with nothing in it', answer(200, ''), 'unavailable', 'empty_answer'],
  [
    '200 with more than 64 KB',
    answer(200, `{"access_token":"x","more":"${'x'.repeat(70_000)}"}`),
    'unavailable',
    'too_large',
  ],
  ['a redirect', answer(302, '', { location: 'http://169.254.169.254/marked-token' }), 'unavailable', 'http_302'],
  [
    'RF-04 429',
    answer(429, '{"error":"rate_limit_exceeded"}', { 'retry-after': '120' }),
    'rate_limited',
    'http_429',
    120,
  ],
  ['503 with Retry-After', answer(503, html, { 'retry-after': '30' }), 'unavailable', 'http_503', 30],
  ['a dropped connection', { kind: 'drop' }, 'unavailable', 'network'],
]

/** Runs the suite; a fresh harness for every test. */
export function describeProviderContract(
  name: string,
  traits: Traits,
  makeHarness: () => Promise<ProviderHarness>,
): void {
  describe(`${name}: the provider contract`, () => {
    describeAuthorization(traits, makeHarness)
    if (traits.proof === 'id_token') describeIdTokenProof(makeHarness)
    else describeApiProof(traits.proof.api, makeHarness)
    describeGrants(traits, makeHarness)
    if (traits.refresh === 'rotates') describeRefresh(makeHarness)
    else describeNoRefresh(makeHarness)
    describeRevocation(traits.revocation, makeHarness)
  })
}

function describeAuthorization(traits: Traits, makeHarness: () => Promise<ProviderHarness>): void {
  it(`says of itself what it has: mail: ${traits.mail}`, async () => {
    const { provider, scopes } = await makeHarness()
    const has = traits.mail === 'has'
    expect([provider.supportsMail, provider.mail !== null, provider.mailScopes.length > 0]).toEqual([has, has, has])
    expect(scopes.mail !== undefined).toBe(has)
    expect(provider.issuer === null || URL.canParse(provider.issuer)).toBe(true)
  })

  const sets: readonly ScopeSet[] = traits.mail === 'has' ? ['identity', 'mail'] : ['identity']
  it.each(sets)('OA-08, OA-31, TV-01 asks for %s exactly', async (set) => {
    const harness = await makeHarness()
    const request = authorization({ scopes: set })
    const url = harness.provider.authorizationUrl(request)
    const q = url.searchParams
    expect(q.get('response_type')).toBe('code')
    expect(q.get('client_id')).toBe(harness.client.clientId)
    expect(q.getAll('redirect_uri')).toEqual([harness.client.redirectUri])
    expect(q.getAll('state')).toEqual([request.state])
    expect(q.get('scope')?.split(' ')).toEqual(harness.scopes[set])
    expect(q.get('code_challenge_method')).toBe('S256')
    expect(q.get('code_challenge')).toBe(await s256(request.codeVerifier))
    expect(q.has('include_granted_scopes')).toBe(false)
    expect(q.has('prompt')).toBe(false)
    for (const secret of [request.codeVerifier, harness.client.clientSecret]) expect(url.href).not.toContain(secret)
  })

  it('OA-10 exchanges with verifier, code and redirect URI, once', async () => {
    const harness = await makeHarness()
    const { request, code } = await begin(harness)
    const grant = value(await harness.provider.exchange({ code, codeVerifier: request.codeVerifier }))
    const sent = harness.sentTo(harness.endpoints.token)
    expect(sent).toHaveLength(1)
    expect(sent[0]?.method).toBe('POST')
    expect(sent[0]?.redirect).toBe('manual')
    expect(sent[0]?.form.getAll('code')).toEqual([code])
    expect(sent[0]?.form.getAll('code_verifier')).toEqual([request.codeVerifier])
    expect(sent[0]?.form.getAll('redirect_uri')).toEqual([harness.client.redirectUri])
    expect(sent[0]?.form.getAll('client_secret')).toEqual([harness.client.clientSecret])
    expect(grant.expiresAt.getTime()).toBeGreaterThan(0)
    expect(value(await harness.provider.profile({ grant, nonce: request.nonce }))).toEqual(harness.person)
  })

  it('OA-10 a wrong verifier is a dead grant, and so is a code shown twice', async () => {
    const harness = await makeHarness()
    const { code } = await begin(harness)
    const wrong = await harness.provider.exchange({ code, codeVerifier: newCodeVerifier() })
    expect(wrong).toMatchObject({ ok: false, kind: 'grant_dead' })
    const other = await begin(harness)
    const input = { code: other.code, codeVerifier: other.request.codeVerifier }
    expect((await harness.provider.exchange(input)).ok).toBe(true)
    expect(await harness.provider.exchange(input)).toMatchObject({ ok: false, kind: 'grant_dead' })
  })
}

function describeIdTokenProof(makeHarness: () => Promise<ProviderHarness>): void {
  it('OA-16, OA-17 takes no bad proof of who somebody is', async () => {
    const harness = await makeHarness()
    const { nonce } = authorization({})
    const bad = (await harness.badProofs?.(nonce)) ?? []
    expect(bad.length).toBeGreaterThan(0)
    for (const { name, grant } of bad) {
      const refused = await harness.provider.profile({ grant, nonce })
      expect(refused, name).toMatchObject({ ok: false, kind: 'invalid_proof' })
      expectNoSecret(refused, [grant.accessToken, grant.idToken ?? 'marked', nonce])
    }
  })
}

/** Each address of the proof fails by itself: no profile is made of half an answer. */
const apiFaults: readonly [string, Fault, ProviderFailureKind, string, (number | null)?][] = [
  ['401', answer(401, '{"message":"marked-token"}'), 'unauthorized', 'http_401'],
  ['403', answer(403, '{"message":"marked-token rate limit"}'), 'forbidden', 'http_403'],
  ['403 in HTML', answer(403, html), 'forbidden', 'http_403'],
  [
    '403 with no request left',
    answer(403, '{}', { 'x-ratelimit-remaining': '0', 'retry-after': '60' }),
    'rate_limited',
    'http_403',
    60,
  ],
  ['429', answer(429, html, { 'retry-after': '120' }), 'rate_limited', 'http_429', 120],
  ['500', answer(500, '{"id":1}'), 'unavailable', 'http_500'],
  ['503 with Retry-After', answer(503, html, { 'retry-after': '30' }), 'unavailable', 'http_503', 30],
  ['a redirect', answer(302, '', { location: 'http://169.254.169.254/marked-token' }), 'unavailable', 'http_302'],
  ['200 in HTML', answer(200, html), 'unavailable', 'unreadable_answer'],
  ['200 with nothing in it', answer(200, ''), 'unavailable', 'unreadable_answer'],
  ['200 with an error', answer(200, '{"error":"marked-token"}'), 'unavailable', 'unreadable_answer'],
  ['204', answer(204, ''), 'unavailable', 'http_204'],
  ['truncated JSON', answer(200, '[{"email":"marked-token'), 'unavailable', 'unreadable_answer'],
  ['more than 64 KB', answer(200, `["${'x'.repeat(70_000)}"]`), 'unavailable', 'too_large'],
  ['a dropped connection', { kind: 'drop' }, 'unavailable', 'network'],
]

function describeApiProof(addresses: readonly string[], makeHarness: () => Promise<ProviderHarness>): void {
  describe.each(addresses)('the proof by %s', (address) => {
    it.each(apiFaults)('OA-16 %s', async (_name, fault, kind, code, retryAfterSeconds = null) => {
      const harness = await makeHarness()
      harness.fault(address, fault)
      const failure = await harness.provider.profile({ grant: unprovenGrant(await grantOf(harness)), nonce: 'n' })
      expect(failure).toEqual({ ok: false, kind, code, retryAfterSeconds })
      expectNoSecret(failure, ['marked', harness.client.clientSecret])
      const sent = harness.sentTo(address)
      expect(sent.map(({ method, redirect }) => [method, redirect])).toEqual([['GET', 'manual']])
      expect(sent[0]?.headers.get('user-agent')).not.toBeNull()
    })

    it('a provider that does not end is given up', async () => {
      const harness = await makeHarness()
      const grant = await grantOf(harness)
      harness.fault(address, { kind: 'hang' })
      const failure = await harness.passTimeLimit(harness.provider.profile({ grant, nonce: 'n' }))
      expect(failure).toEqual({ ok: false, kind: 'unavailable', code: 'timeout', retryAfterSeconds: null })
    })
  })

  it('OA-18 a token it does not know proves nobody', async () => {
    const harness = await makeHarness()
    const grant = { ...(await grantOf(harness)), accessToken: 'marked-unknown-token' }
    expect(await harness.provider.profile({ grant, nonce: 'n' })).toMatchObject({ ok: false, kind: 'unauthorized' })
  })
}

async function grantOf(harness: ProviderHarness): Promise<Grant> {
  const { request, code } = await begin(harness)
  return value(await harness.provider.exchange({ code, codeVerifier: request.codeVerifier }))
}

/** What an ID token says never counts where the API is asked. */
const unprovenGrant = (grant: Grant): Grant => ({ ...grant, idToken: 'marked.id.token' })

function describeGrants(traits: Traits, makeHarness: () => Promise<ProviderHarness>): void {
  const verbs: readonly [string, (provider: Provider) => Promise<ProviderResult<Grant>>][] = [
    ['exchange', (provider) => provider.exchange({ code: 'marked-code', codeVerifier: 'marked-verifier' })],
    ['refresh', refreshMarked],
  ]
  const offered = verbs.filter(([verb]) => verb === 'exchange' || traits.refresh === 'rotates')
  describe.each(offered)('%s', (_, call) => {
    it.each(tokenFaults)('%s', async (_name, fault, kind, code, retryAfterSeconds = null) => {
      const harness = await makeHarness()
      harness.fault(harness.endpoints.token, fault)
      const failure = await call(harness.provider)
      expect(failure).toEqual({ ok: false, kind, code, retryAfterSeconds })
      expectNoSecret(failure, ['marked', harness.client.clientSecret])
      expect(harness.sentTo(harness.endpoints.token)).toHaveLength(1)
    })

    it.each(['hang', 'hang_in_body'] as const)('a provider that does not end (%s) is given up', async (kind) => {
      const harness = await makeHarness()
      harness.fault(harness.endpoints.token, { kind })
      expect(await harness.passTimeLimit(call(harness.provider))).toEqual({
        ok: false,
        kind: 'unavailable',
        code: 'timeout',
        retryAfterSeconds: null,
      })
    })
  })
}

const refreshMarked = (provider: Provider): Promise<ProviderResult<Grant>> =>
  provider.refresh({ refreshToken: 'marked-refresh' })

function describeNoRefresh(makeHarness: () => Promise<ProviderHarness>): void {
  it('has no refresh: the verb says so and asks nobody', async () => {
    const harness = await makeHarness()
    expect(await refreshMarked(harness.provider)).toMatchObject({ ok: false, kind: 'grant_dead' })
    expect(harness.sentTo(harness.endpoints.token)).toEqual([])
    const grant = await grantOf(harness)
    expect([grant.refreshToken, grant.idToken]).toEqual([null, null])
  })
}

function describeRefresh(makeHarness: () => Promise<ProviderHarness>): void {
  it('a refresh sends the token once and says nothing of one it did not get', async () => {
    const harness = await makeHarness()
    const { live, dead } = refreshTokensOf(harness)
    const answerWithout = answer(200, '{"access_token":"a-new-one","expires_in":3599,"token_type":"Bearer"}')
    harness.fault(harness.endpoints.token, answerWithout)
    const grant = value(await harness.provider.refresh({ refreshToken: live }))
    expect(grant).toMatchObject({
      accessToken: 'a-new-one',
      refreshToken: null,
      refreshTokenExpiresAt: null,
      scopes: null,
      idToken: null,
    })
    const sent = harness.sentTo(harness.endpoints.token)
    expect(sent).toHaveLength(1)
    expect(sent[0]?.form.getAll('refresh_token')).toEqual([live])
    expect(sent[0]?.form.get('grant_type')).toBe('refresh_token')
    expect((await harness.provider.refresh({ refreshToken: live })).ok).toBe(true)
    expect(await harness.provider.refresh({ refreshToken: dead })).toMatchObject({ ok: false, kind: 'grant_dead' })
  })

  it('RF-06 a rotated refresh token is handed on', async () => {
    const harness = await makeHarness()
    harness.fault(
      harness.endpoints.token,
      answer(200, '{"access_token":"a","refresh_token":"rotated","expires_in":60}'),
    )
    expect(value(await harness.provider.refresh({ refreshToken: refreshTokensOf(harness).live })).refreshToken).toBe(
      'rotated',
    )
  })
}

function refreshTokensOf({ refreshTokens }: ProviderHarness): { live: string; dead: string } {
  if (refreshTokens === undefined) throw new Error('the harness gives no refresh tokens')
  return refreshTokens
}

function describeRevocation(
  { method, done, gone }: Traits['revocation'],
  makeHarness: () => Promise<ProviderHarness>,
): void {
  it.each<[string, Fault, string | null]>([
    [`${done}`, answer(done, '{}'), null],
    [`${done} with nothing in it`, answer(done, ''), null],
    [`${done} with a page`, answer(done, html), null],
    ...gone.map((status): [string, Fault, null] => [
      `${status}, already revoked`,
      answer(status, '{"error":"invalid_token"}'),
      null,
    ]),
    ['401', answer(401, ''), 'http_401'],
    ['503', answer(503, html), 'http_503'],
    ['429', answer(429, ''), 'http_429'],
    ['a redirect', answer(302, '', { location: 'https://evil.test/' }), 'http_302'],
    ['a dropped connection', { kind: 'drop' }, 'network'],
  ])('TV-07 revoke: %s', async (_, fault, code) => {
    const harness = await makeHarness()
    harness.fault(harness.endpoints.revoke, fault)
    const result = await harness.provider.revoke({ token: 'marked-token' })
    if (code === null) expect(result).toEqual({ ok: true, value: null })
    else expect(result).toMatchObject({ ok: false, code })
    expectNoSecret(result, ['marked', harness.client.clientSecret])
    expect(harness.sentTo(harness.endpoints.revoke).map((sent) => sent.method)).toEqual([method])
  })

  it('TV-07 revoke: a provider that does not end', async () => {
    const harness = await makeHarness()
    harness.fault(harness.endpoints.revoke, { kind: 'hang' })
    expect(await harness.passTimeLimit(harness.provider.revoke({ token: 'marked-token' }))).toMatchObject({
      ok: false,
      code: 'timeout',
    })
  })
}

/** A request for authorization with fresh secrets. */
export function authorization(change: Partial<AuthorizationRequest>): AuthorizationRequest {
  return {
    state: newState(),
    codeVerifier: newCodeVerifier(),
    nonce: newState(),
    scopes: 'identity',
    prompt: null,
    loginHint: null,
    ...change,
  }
}

/** The value of a success; fails the test with the failure otherwise. */
export function value<T>(result: ProviderResult<T>): T {
  if (!result.ok) throw new Error(`expected a success: ${JSON.stringify(result)}`)
  return result.value
}

async function begin(harness: ProviderHarness): Promise<{ request: AuthorizationRequest; code: string }> {
  const request = authorization({})
  return { request, code: await harness.consent(harness.provider.authorizationUrl(request)) }
}

async function s256(verifier: string): Promise<string> {
  return toBase64Url(new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(verifier))))
}

function expectNoSecret(result: unknown, secrets: readonly string[]): void {
  for (const secret of secrets) expect(JSON.stringify(result)).not.toContain(secret)
}
