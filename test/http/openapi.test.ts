// The document tells the truth: every route of the app is in it, every code of the table, and real answers are what it
// says they are. (That it is OpenAPI 3.1 is tried in test/node/openapi.test.ts: the validator needs `eval`.)
import { beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { refusals } from '../../src/errors.ts'
import { createApp } from '../../src/http/app.ts'
import {
  call,
  dance,
  expireToken,
  google,
  json,
  land,
  newKey,
  newPerson,
  onlyMailbox,
  signIn,
  type TokenPair,
  vend,
} from '../support/app.ts'
import { letterFor } from '../support/letters.ts'
import { callWith, type Operation, otherMount, readOperations, someId } from '../support/operations.ts'
import { png } from '../support/pictures.ts'
import { storeMails } from '../support/stored-mail.ts'

const contentSchema = z.record(z.string(), z.object({ schema: z.record(z.string(), z.unknown()) }))
const responseSchema = z.object({
  description: z.string().optional(),
  $ref: z.string().optional(),
  content: contentSchema.optional(),
})

interface Document {
  openapi: string
  info: { title: string; version: string; description: string }
  servers: { url: string }[]
  components: { schemas: { Problem: Record<string, unknown> }; responses: Record<string, unknown> }
}

let document: Document
let operations: Operation[] = []

beforeAll(async () => {
  document = await json<Document & Record<string, unknown>>(call('/openapi.json'))
  operations = await readOperations()
})

// What programs call; the rest is for browsers: pages, viewers and files.
const api = /^\/(api|auth|oauth|emails|avatars|health|status|metrics|\.well-known|openapi\.json)(\/|$)/

describe('the document', () => {
  it('describes every route of the app, and no other', () => {
    const described = operations.flatMap(({ method, template }) => {
      const other = otherMount(template)
      return [`${method} ${template}`, ...(other === null ? [] : [`${method} ${other}`])]
    })
    const routed = createApp()
      .routes.filter(({ method, path }) => method !== 'ALL' && api.test(path))
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}').replace(/(?<=.)\/$/, '')}`)
    expect([...new Set(described)].sort()).toEqual([...new Set(routed)].sort())
  })

  it('names each operation once, in camelCase, with a summary and a tag', () => {
    const ids = operations.map(({ operationId }) => operationId)
    expect([...new Set(ids)]).toEqual(ids)
    for (const operation of operations) {
      expect(operation.operationId).toMatch(/^[a-z][A-Za-z]+$/)
      expect(operation.summary.length).toBeGreaterThan(5)
      expect(operation.tags).toHaveLength(1)
    }
  })

  it('declares the parameters of its paths, all required, and those of the callback', () => {
    for (const { template, parameters } of operations) {
      const inPath = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).toEqual(inPath)
      expect(parameters.every((one) => one.in !== 'path' || one.required)).toBe(true)
    }
    for (const id of ['completeFlow', 'completeFlowRest']) {
      const callback = operations.find(({ operationId }) => operationId === id)
      expect(
        callback?.parameters.filter((one) => one.in === 'query').map(({ name, required }) => [name, required]),
      ).toEqual([
        ['code', false],
        ['state', true],
        ['error', false],
        ['iss', false],
      ])
    }
  })

  it('declares the header that makes a sending repeatable', () => {
    const send = operations.find(({ operationId }) => operationId === 'sendEmail')
    expect(send?.parameters.filter((one) => one.in === 'header')).toMatchObject([
      { name: 'Idempotency-Key', required: false },
    ])
  })

  it('documents every code of the table, its status beside it', () => {
    const code = z.object({ properties: z.object({ code: z.object({ enum: z.array(z.string()) }) }) })
    expect(code.parse(document.components.schemas.Problem).properties.code.enum).toEqual(Object.keys(refusals))
    for (const [name, { status, title }] of Object.entries(refusals))
      expect(document.info.description).toContain(`| \`${name}\` | ${status} | ${title} |`)
  })

  it('tells of guarded routes that they are, and of each that anything may be refused', () => {
    for (const { responses, security, template } of operations) {
      expect(responses.default, template).toEqual({ $ref: '#/components/responses/Problem' })
      if (security.length > 0) expect(responses['401'], template).toBeDefined()
      expect(Object.keys(responses).some((status) => /^[23]/.test(status))).toBe(true)
    }
    const logOut = operations.find(({ operationId }) => operationId === 'logOut')
    expect(logOut?.requestBody?.required).toBe(false)
  })

  it('is about this deployment', () => {
    expect(document).toMatchObject({
      openapi: '3.1.0',
      info: { title: 'Gatepost', version: '1.0.0' },
      servers: [{ url: 'http://localhost:8787' }],
    })
  })
})

/** Holds an answer to the schema that the document gives for its status. */
async function holdToDocument(operationId: string, answer: Promise<Response>): Promise<number> {
  const operation = operations.find((one) => one.operationId === operationId)
  const response = await answer
  const declared = operation?.responses[String(response.status)]
  if (declared === undefined) throw new Error(`${operationId} answered ${response.status}: ${await response.text()}`)
  const content = responseSchema.parse(declared).content ?? {}
  const text = await response.text()
  const mediaType = response.headers.get('Content-Type')?.split(';')[0] ?? ''
  if (Object.keys(content).length === 0) expect(text, operationId).toBe('')
  else {
    const described = content[mediaType]?.schema
    if (described === undefined) throw new Error(`${operationId} answered ${mediaType}`)
    const { $ref } = described
    const schema = $ref === '#/components/schemas/Problem' ? document.components.schemas.Problem : described
    const result = z.fromJSONSchema(schema).safeParse(mediaType.endsWith('json') ? JSON.parse(text) : text)
    expect(result.error?.issues ?? [], operationId).toEqual([])
  }
  return response.status
}

describe('real answers', () => {
  it('are what the document says, for every operation that answers with JSON', async () => {
    const admin: TokenPair & { userId: string } = await newPerson('admin@gmail.com')
    const bearer = admin.access_token
    const account = await onlyMailbox(bearer)
    const { id: keyId, key } = await newKey(bearer, { expires_at: '2099-01-01T00:00:00Z' })
    await expireToken(account.id)
    await json(vend(key, account.id))
    await google.addUser({ email: 'ada.work@gmail.com' })
    const state = async (query: Record<string, string>, email: string): Promise<string> => {
      const callback = await dance(email, { query, ...(query.purpose === 'connect' ? { bearer } : {}) })
      return (await land(callback)).searchParams.get('state') ?? ''
    }
    const signInState = await state({ scopes: 'identity' }, 'admin@gmail.com')
    const connectState = await state({ purpose: 'connect', scopes: 'mail' }, 'ada.work@gmail.com')
    const other = await signIn('admin@gmail.com')
    const sessions = await json<{ items: { id: string; is_current: boolean }[] }>(call('/auth/sessions', { bearer }))
    const stale = sessions.items.find((session) => !session.is_current)?.id ?? someId
    const at = `/api/v1/mail-accounts/${account.id}`
    const letter = { from: account.email, to: ['you@x.io'], subject: 'Hello', text: 'Hi' }
    const mailId = crypto.randomUUID()
    const file = { partId: '1', filename: 'a.pdf' }
    const asked: [string, () => Promise<Response>, number][] = [
      ['liveness', () => call('/health/liveness'), 200],
      ['health', () => call('/health'), 200],
      ['readiness', () => call('/health/readiness'), 200],
      ['databaseHealth', () => call('/health/database'), 200],
      ['databaseHealthDetailed', () => call('/health/database/detailed', { bearer }), 200],
      ['status', () => call('/status', { bearer }), 200],
      ['status', () => call('/status', { bearer: key }), 403],
      [
        'prometheusMetrics',
        async () => call('/metrics', { bearer: (await newKey(bearer, { permissions: ['metrics:read'] })).key }),
        200,
      ],
      ['databaseStatistics', () => call('/metrics/database', { bearer }), 200],
      ['databaseQueries', () => call('/metrics/database/queries', { bearer }), 200],
      ['databaseSlowQueries', () => call('/metrics/database/slow-queries?min_ms=x', { bearer }), 422],
      ['databaseSlowQueries', () => call('/metrics/database/slow-queries', { bearer }), 200],
      ['resetDatabaseStatistics', () => call('/metrics/database/reset', { method: 'POST', bearer }), 200],
      ['cacheStatus', () => call('/api/v1/cache/status', { bearer }), 200],
      ['clearCache', () => call('/api/v1/cache/clear', { method: 'POST', bearer }), 200],
      ['forgetCached', () => call('/api/v1/cache/nothing', { method: 'DELETE', bearer }), 404],
      ['openApiDocument', () => call('/openapi.json'), 200],
      ['publicKeys', () => call('/.well-known/jwks.json'), 200],
      ['listProviders', () => call('/oauth/providers'), 200],
      ['startFlow', () => call('/auth/google/start'), 200],
      ['startFlow', () => call('/auth/nobody/start'), 404],
      ['startFlow', () => call('/auth/google/start?return_to=https://evil.test'), 400],
      ['initiateFlow', () => call('/oauth/google/initiate'), 200],
      ['login', () => call('/auth/google/login'), 302],
      ['redeemHandOff', () => call('/auth/token', { json: { state: signInState } }), 200],
      ['redeemHandOff', () => call('/auth/token', { bearer, json: { state: connectState } }), 200],
      ['redeemHandOff', () => call('/auth/token', { json: { state: signInState } }), 400],
      ['refreshSession', () => call('/auth/refresh', { json: { refresh_token: other.refresh_token } }), 200],
      ['refreshSession', () => call('/auth/refresh', { json: { refresh_token: 'x' } }), 401],
      ['refreshSession', () => call('/auth/refresh', { json: { refresh_token: '' } }), 422],
      ['readMe', () => call('/auth/me', { bearer }), 200],
      ['readMe', () => call('/auth/me'), 401],
      ['listSessions', () => call('/auth/sessions?limit=1', { bearer }), 200],
      ['revokeSession', () => call(`/auth/sessions/${someId}`, { method: 'DELETE', bearer }), 404],
      ['listIdentities', () => call('/auth/identities', { bearer }), 200],
      ['unlinkIdentity', () => call(`/auth/identities/${someId}`, { method: 'DELETE', bearer }), 404],
      ['startFlow', () => call('/auth/github/start?scopes=mail'), 422],
      ['revokeSession', () => call(`/auth/sessions/${stale}`, { method: 'DELETE', bearer }), 204],
      ['updateMe', () => call('/auth/me', { method: 'PATCH', bearer, json: { username: 'admin' } }), 200],
      ['updateMe', () => call('/auth/me', { method: 'PATCH', bearer, json: { username: '' } }), 422],
      ['deleteMe', () => call('/auth/me', { method: 'DELETE', bearer }), 409],
      [
        'changePassword',
        () => call('/auth/me/password', { bearer, json: { new_password: 'correct horse battery' } }),
        204,
      ],
      ['changePassword', () => call('/auth/me/password', { bearer, json: { new_password: 'short' } }), 422],
      ['stepUp', () => call('/auth/step-up', { bearer, json: { password: 'wrong' } }), 401],
      ['stepUp', () => call('/auth/step-up', { bearer, json: { password: 'correct horse battery' } }), 204],
      [
        'logIn',
        () => call('/auth/login', { json: { email: 'admin@gmail.com', password: 'correct horse battery' } }),
        200,
      ],
      ['logIn', () => call('/auth/login', { json: { username: 'nobody', password: 'wrong' } }), 401],
      [
        'register',
        () => call('/auth/register', { json: { email: 'new@example.com', password: 'correct horse battery' } }),
        201,
      ],
      ['register', () => call('/auth/register', { json: { email: 'x', password: 'correct horse battery' } }), 422],
      ['resendVerification', () => call('/auth/resend-verification', { json: { email: 'new@example.com' } }), 202],
      [
        'verifyEmail',
        async () => {
          const { linkToken } = await letterFor('new@example.com', 'registration')
          return call('/auth/verify-email', { json: { token: linkToken, password: 'correct horse battery' } })
        },
        200,
      ],
      ['verifyEmail', () => call('/auth/verify-email', { json: { token: 'x', password: 'correct horse' } }), 400],
      ['requestEmailChange', () => call('/auth/me/email', { bearer, json: { new_email: 'other@example.com' } }), 202],
      ['forgotPassword', () => call('/auth/forgot-password', { json: { email: 'new@example.com' } }), 202],
      [
        'resetPassword',
        async () => {
          const { digits } = await letterFor('new@example.com', 'password_reset')
          const body = { email: 'new@example.com', otp: digits, new_password: 'another good one' }
          return call('/auth/reset-password', { json: body })
        },
        200,
      ],
      [
        'resetPassword',
        () => call('/auth/reset-password', { json: { token: 'x', new_password: 'one more good' } }),
        400,
      ],
      ['putAvatar', () => call('/auth/me/avatar', { method: 'PUT', bearer, body: png() }), 200],
      ['putAvatar', () => call('/auth/me/avatar', { method: 'PUT', bearer, body: 'x' }), 422],
      ['readAvatar', () => call(`/avatars/${someId}`), 404],
      ['listUsers', () => call('/api/v1/users?q=a', { bearer }), 200],
      ['readUser', () => call(`/api/v1/users/${admin.userId}`, { bearer }), 200],
      ['updateUser', () => call(`/api/v1/users/${admin.userId}`, { method: 'PUT', bearer, json: {} }), 200],
      ['unlockUser', () => call(`/api/v1/users/${admin.userId}/unlock`, { method: 'POST', bearer }), 200],
      ['deleteUser', () => call(`/api/v1/users/${someId}`, { method: 'DELETE', bearer }), 404],
      ['deleteAvatar', () => call('/auth/me/avatar', { method: 'DELETE', bearer }), 204],
      ['listAuditLogs', () => call('/api/v1/audit-logs', { bearer }), 200],
      ['listAddresses', () => call('/emails/addresses', { bearer }), 200],
      ['listMailAccounts', () => call('/api/v1/mail-accounts', { bearer }), 200],
      ['listMailAccounts', () => call(`/api/v1/mail-accounts?user_id=${admin.userId}`, { bearer: key }), 200],
      ['readMailAccount', () => call(at, { bearer }), 200],
      ['readMailAccount', () => call(`/api/v1/mail-accounts/${someId}`, { bearer }), 404],
      [
        'listEmails',
        async () => {
          await storeMails(account.id, [{ id: mailId, thread: 'x', html: '<p>Hello</p>', attachments: [file] }])
          return call('/emails?q=hello', { bearer })
        },
        200,
      ],
      ['syncEmails', () => call('/emails/sync', { bearer, json: { email: account.email } }), 200],
      ['syncMailAccount', () => call(`${at}/sync`, { bearer, json: { full: true } }), 202],
      ['readMailAccountSync', () => call(`${at}/sync`, { bearer }), 200],
      ['sendEmail', () => call('/emails/send', { bearer, json: { ...letter, to: ['nobody'] } }), 422],
      ['sendEmail', () => call('/emails/send', { bearer, json: letter, headers: { 'Idempotency-Key': 'k' } }), 202],
      [
        'readOutgoingEmail',
        async () => {
          const again = call('/emails/send', { bearer, json: letter, headers: { 'Idempotency-Key': 'k' } })
          return call(`/emails/outbox/${(await json<{ id: string }>(again, 202)).id}`, { bearer })
        },
        200,
      ],
      ['listEmails', () => call('/emails?sort=size', { bearer }), 422],
      ['listThreads', () => call('/emails/threads', { bearer }), 200],
      ['readThread', () => call(`/emails/threads/${account.id.replaceAll('-', '')}.x`, { bearer }), 200],
      ['readEmail', () => call(`/emails/${mailId}`, { bearer }), 200],
      ['readAttachment', () => call(`/emails/${mailId}/attachments/9`, { bearer }), 404],
      ['reconnectMailAccount', () => call(`${at}/reconnect`, { bearer, json: {} }), 200],
      ['vendAccessToken', () => vend(key, account.id), 200],
      ['vendAccessToken', () => vend(bearer, account.id), 403],
      ['vendAccessToken', () => vend(key, someId), 404],
      [
        'createApiKey',
        () => call('/api/v1/api-keys', { bearer, json: { name: 'x', permissions: ['emails:read'] } }),
        201,
      ],
      ['createApiKey', () => call('/api/v1/api-keys', { bearer, headers: { 'Content-Type': 'x/y' }, body: '' }), 415],
      ['listApiKeys', () => call('/api/v1/api-keys', { bearer }), 200],
      ['revokeApiKey', () => call(`/api/v1/api-keys/${keyId}`, { method: 'DELETE', bearer }), 204],
      ['vendAccessToken', () => vend(key, account.id), 401],
      ['disconnectMailAccount', () => call(at, { method: 'DELETE', bearer }), 204],
      ['logOutEverywhere', () => call('/auth/logout-everywhere', { method: 'POST', bearer }), 204],
      ['logOut', () => call('/auth/logout', { method: 'POST', bearer }), 204],
    ]
    for (const [operationId, ask, status] of asked)
      expect(`${operationId} ${await holdToDocument(operationId, ask())}`).toBe(`${operationId} ${status}`)
    for (const [operationId, path] of [
      ['health', '/health'],
      ['readiness', '/health/readiness'],
      ['databaseHealth', '/health/database'],
    ] as const)
      expect(await holdToDocument(operationId, callWith({ APP_URL: 'broken' }, path))).toBe(503)
    expect(await holdToDocument('readiness', callWith({ TOKEN_ENCRYPTION_KEYS: '' }, '/health/readiness'))).toBe(503)
    // The callback is for browsers: test/flows has it.
    const held = new Set([...asked.map(([operationId]) => operationId), 'completeFlow', 'completeFlowRest'])
    expect(operations.map(({ operationId }) => operationId).filter((operationId) => !held.has(operationId))).toEqual([])
  })
})
