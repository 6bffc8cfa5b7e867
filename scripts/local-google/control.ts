// /__control/…: how a test or a script steers the local Google. The only door that may do what Google does not. Bodies
// are parsed here and nowhere else.
import * as z from 'zod'
import { type Decision, type DoorDeps, decide } from './authorize-door.ts'
import type { Calls } from './calls.ts'
import type { Faults } from './faults.ts'
import { issueAccessToken, mintRefreshToken, openGrant, revokeUser, withdrawScope } from './grants.ts'
import { json, type Reply, type Request } from './http.ts'
import { mailHandlers } from './mail/control.ts'
import type { Quota } from './mail/quota.ts'
import type { Mailboxes } from './mailboxes.ts'
import { parseScopes } from './scopes.ts'
import { type Client, findUser, pairKey, putUser, subjectOf, type User, type World } from './world.ts'

export interface ControlDeps extends DoorDeps {
  readonly world: World
  readonly faults: Faults
  readonly calls: Calls
  readonly mailboxes: Mailboxes
  readonly quota: Quota
  reset(): void
  stopAnswering(seconds: number): void
}

const redirectUris = z.union([z.array(z.string()), z.literal('any-loopback')])
const who = { email: z.string().optional(), sub: z.string().optional() }
const schemas = {
  user: z.strictObject({
    sub: z.string().optional(),
    email: z.string().min(1),
    email_verified: z.unknown().optional(),
    hd: z.string().optional(),
    name: z.string().optional(),
    picture: z.string().optional(),
  }),
  client: z.strictObject({
    client_id: z.string().min(1),
    client_secret: z.string().min(1),
    redirect_uris: redirectUris,
  }),
  authorize: z.strictObject({
    url: z.string(),
    ...who,
    grant: z.union([z.enum(['all', 'none-optional']), z.array(z.string())]).default('all'),
    cancel: z.boolean().default(false),
  }),
  fault: z.strictObject({
    method: z.string().optional(),
    path: z.string().min(1),
    grant_type: z.string().optional(),
    token: z.string().optional(),
    times: z.number().int().positive().nullable().optional(),
    delayMs: z.number().nonnegative().optional(),
    status: z.number().int().min(200).max(599).optional(),
    headers: z.record(z.string(), z.string()).optional(),
    body: z.unknown().optional(),
    process: z.boolean().optional(),
    drop: z.enum(['before', 'after']).optional(),
    truncate: z.boolean().optional(),
  }),
  settings: z
    .strictObject({
      rotateRefreshTokens: z.boolean(),
      accessTokenLifetimeSeconds: z.number().int().positive(),
      expiresIn: z.unknown(),
      tokenLength: z.enum(['normal', 'maximum']),
      refreshTokenExpiresIn: z.number().nullable(),
      issuerInCallback: z.union([z.boolean(), z.string()]),
      scopeOverrideOnRefresh: z.string().nullable(),
      idToken: z
        .strictObject({
          claims: z.record(z.string(), z.unknown()).optional(),
          key: z.enum(['own', 'foreign']).optional(),
          omit: z.boolean().optional(),
          alg: z.enum(['RS256', 'none', 'HS256']).optional(),
          kid: z.string().optional(),
        })
        .nullable(),
      omitRefreshToken: z.boolean(),
      omitScope: z.boolean(),
      historyFloor: z.string().regex(/^\d+$/).nullable(),
      textBodies: z.enum(['as-sent', 'utf-8']),
      messageIdOnSend: z.enum(['kept', 'replaced']),
      quotaUnitsPerMinutePerUser: z.number().int().nonnegative().nullable(),
      quotaStatus: z.union([z.literal(403), z.literal(429)]),
      listRepeatsIds: z.boolean(),
    })
    .partial(),
  clock: z.union([z.strictObject({ advanceSeconds: z.number() }), z.strictObject({ offsetSeconds: z.number() })]),
  revoke: z.strictObject({ ...who, client_id: z.string().optional() }),
  withdraw: z.strictObject({ ...who, scope: z.string() }),
  mint: z.strictObject({
    email: z.string().min(1),
    client_id: z.string(),
    scopes: z.union([z.string(), z.array(z.string())]),
    count: z.number().int().min(1).max(200_000).default(1),
    expires_in: z.number().optional(),
  }),
  stop: z.strictObject({ seconds: z.number().nonnegative() }),
}

/** Answers a request under /__control/. What cannot be read is 400 with what is wrong. */
export function answerControl(deps: ControlDeps, request: Request): Reply {
  // Nothing on the web may steer it: browsers name the page that asks, tests and scripts send no Origin.
  if (request.headers.origin !== undefined) return json(403, { error: 'not_for_browsers' })
  const name = `${request.method} ${request.url.pathname.slice('/__control/'.length)}`
  const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined
  if (handler === undefined) return json(404, { error: 'unknown_control', name })
  try {
    const text = request.body.toString('utf8')
    return handler(deps, text === '' ? {} : JSON.parse(text), request.url.searchParams) ?? json(200, {})
  } catch (error) {
    if (error instanceof z.ZodError) return json(400, { error: 'invalid_body', issues: error.issues })
    if (error instanceof SyntaxError) return json(400, { error: 'invalid_json' })
    if (error instanceof UnknownPerson) return json(404, { error: 'unknown_user' })
    throw error
  }
}

class UnknownPerson extends Error {}

type Handler = (deps: ControlDeps, body: unknown, query: URLSearchParams) => Reply | undefined

const handlers: Readonly<Record<string, Handler>> = {
  ...mailHandlers,
  'PUT users': ({ world }, body) => json(200, addUser(world, body)),
  'PUT clients': ({ world }, body) => {
    const { client_id: clientId, client_secret: clientSecret, redirect_uris: uris } = schemas.client.parse(body)
    world.clients.set(clientId, { clientId, clientSecret, redirectUris: uris } satisfies Client)
    return undefined
  },
  'POST authorize': (deps, body) => {
    const { url, email, sub, grant, cancel } = schemas.authorize.parse(body)
    const decision: Decision = { person: sub ?? email ?? '', grant, cancel }
    if (!URL.canParse(url, deps.issuer)) return json(400, { error: 'invalid_url' })
    const outcome = decide(deps, new URL(url, deps.issuer), decision)
    return json('error' in outcome ? 400 : 200, outcome)
  },
  'POST faults': ({ faults }, body) => json(200, { id: faults.add(schemas.fault.parse(body)) }),
  'DELETE faults': ({ faults }) => {
    faults.clear()
    return undefined
  },
  'POST settings': ({ world }, body) => {
    // zod leaves absent names out, so a partial body changes only what it names.
    Object.assign(world.settings, schemas.settings.parse(body))
    return json(200, world.settings)
  },
  'POST clock': ({ world }, body) => {
    const change = schemas.clock.parse(body)
    if ('offsetSeconds' in change) world.clockOffsetMs = change.offsetSeconds * 1000
    else world.clockOffsetMs += change.advanceSeconds * 1000
    return json(200, { offsetSeconds: world.clockOffsetMs / 1000 })
  },
  'POST revoke': ({ world }, body) => {
    const { client_id: clientId, ...rest } = schemas.revoke.parse(body)
    revokeUser(world, person(world, rest).sub, clientId)
    return undefined
  },
  'POST withdraw-scope': ({ world }, body) => {
    const { scope, ...rest } = schemas.withdraw.parse(body)
    const { sub } = person(world, rest)
    for (const name of parseScopes(scope) ?? []) withdrawScope(world, sub, name)
    return undefined
  },
  'GET calls': ({ calls, quota }) => json(200, { ...calls.report(), ...quota.report() }),
  'DELETE calls': ({ calls, quota }) => {
    calls.reset()
    quota.reset()
    return undefined
  },
  'GET grants': ({ world }) =>
    json(
      200,
      [...world.grants.values()].flatMap((grants) => [...grants].map(grantRow)),
    ),
  'POST mint': ({ world }, body) => mint(world, body),
  'POST reset': ({ reset }) => {
    reset()
    return undefined
  },
  'POST stop-answering': ({ stopAnswering }, body) => {
    stopAnswering(schemas.stop.parse(body).seconds)
    return undefined
  },
}

function person(world: World, wanted: { email?: string | undefined; sub?: string | undefined }): User {
  const found = findUser(world, wanted.sub ?? wanted.email ?? '')
  if (found === undefined) throw new UnknownPerson()
  return found
}

function addUser(world: World, body: unknown): User {
  const { sub, email, email_verified: verified, hd, name, picture } = schemas.user.parse(body)
  return putUser(world, {
    sub: sub ?? subjectOf(email),
    email,
    ...(verified === undefined ? {} : { email_verified: verified }),
    ...(hd === undefined ? {} : { hd }),
    ...(name === undefined ? {} : { name }),
    ...(picture === undefined ? {} : { picture }),
  })
}

function grantRow(grant: {
  sub: string
  clientId: string
  scopes: readonly string[]
  refreshTokens: ReadonlySet<string>
  accessTokens: ReadonlySet<string>
}): object {
  return {
    sub: grant.sub,
    client_id: grant.clientId,
    scopes: grant.scopes,
    refresh_tokens: grant.refreshTokens.size,
    access_tokens: grant.accessTokens.size,
  }
}

/** Live tokens without a dance. `{n}` in the address counts from 1: a person for each. Unknown people are added. */
function mint(world: World, body: unknown): Reply {
  const input = schemas.mint.parse(body)
  const scopes = parseScopes(typeof input.scopes === 'string' ? input.scopes : input.scopes.join(' '))
  if (scopes === null) return json(400, { error: 'invalid_scope' })
  if (!world.clients.has(input.client_id)) return json(400, { error: 'invalid_client' })
  const rows = Array.from({ length: input.count }, (_, index) => {
    const email = input.email.replace('{n}', String(index + 1))
    const { sub } = findUser(world, email) ?? putUser(world, { sub: subjectOf(email), email, email_verified: true })
    const grant = openGrant(world, { sub, clientId: input.client_id, scopes })
    const key = pairKey(sub, input.client_id)
    world.consents.set(key, new Set([...(world.consents.get(key) ?? []), ...scopes]))
    const lifetime = input.expires_in ?? world.settings.accessTokenLifetimeSeconds
    const accessToken = issueAccessToken(world, grant, lifetime)
    return { access_token: accessToken, refresh_token: mintRefreshToken(world, grant), email, sub }
  })
  return json(200, rows)
}
