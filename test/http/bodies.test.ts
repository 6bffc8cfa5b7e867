// Request bodies of every route that takes one: type, size, form, depth, unknown and poisonous keys (SECURITY AP-06), and
// the optional bodies of logging out, vending and reconnecting.
import { beforeAll, describe, expect, it } from 'vitest'
import {
  call,
  json,
  newKey,
  newPerson,
  onlyMailbox,
  refusal,
  signIn,
  type TokenPair,
  workerEnv,
} from '../support/app.ts'
import { query } from '../support/database.ts'
import { noLimit, type Operation, type Problem, problemOf, readOperations } from '../support/operations.ts'

let operations: Operation[] = []
let person: TokenPair & { userId: string }

beforeAll(async () => {
  // A picture is no JSON: test/flows/avatars has its cases.
  operations = (await readOperations()).filter(
    ({ requestBody }) => requestBody?.content['application/json'] !== undefined,
  )
  person = await newPerson('admin@gmail.com')
})

type Options = { body?: BodyInit; json?: unknown; contentType?: string; headers?: Record<string, string> }

/** More routes a minute than the outer fence lets one session ask. */
const unlimited = () => workerEnv({ AUTH_RATE_LIMIT: noLimit })

/** Sends one body to every route that takes one; logging out shows nobody's Bearer, so that its body counts. */
async function sendToAll(options: Options): Promise<Record<string, Problem>> {
  const found: Record<string, Problem> = {}
  for (const operation of operations) {
    const { contentType, headers, ...rest } = options
    const response = await call(operation.path, {
      method: operation.method,
      ...(operation.operationId === 'logOut' ? {} : { bearer: person.access_token }),
      env: unlimited(),
      headers: { ...(contentType === undefined ? {} : { 'Content-Type': contentType }), ...headers },
      ...rest,
    })
    found[operation.operationId] = await problemOf(response)
  }
  return found
}

function everywhere(code: string): Record<string, string> {
  return Object.fromEntries(operations.map(({ operationId }) => [operationId, code]))
}

const codes = (found: Record<string, Problem>): Record<string, string> =>
  Object.fromEntries(Object.entries(found).map(([operationId, { code }]) => [operationId, code]))

const asJson = 'application/json'

/** A body without Content-Length. */
function chunked(text: string, pieces = 8): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text)
  const size = Math.ceil(bytes.length / pieces)
  let at = 0
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) controller.close()
      else controller.enqueue(bytes.slice(at, at + size))
      at += size
    },
  })
}

describe('AP-06 bodies', () => {
  it('AP-06 finds the routes that take one', () => {
    // Others are found as they are declared; none of these may be missing.
    expect(operations.map(({ operationId }) => operationId)).toEqual(
      expect.arrayContaining([
        'createApiKey',
        'logOut',
        'reconnectMailAccount',
        'redeemHandOff',
        'refreshSession',
        'vendAccessToken',
        'logIn',
        'stepUp',
        'changePassword',
        'register',
        'resetPassword',
      ]),
    )
  })

  it.each([
    ['text/plain', '{"refresh_token":"x"}'],
    ['application/x-www-form-urlencoded', '{"refresh_token":"x"}'],
    ['multipart/form-data; boundary=x', '--x\r\n\r\n--x--'],
    ['application/jsonx', '{}'],
    ['text/json', '{}'],
    ['application/xml', '<a/>'],
    ['application/merge-patch+json', '{}'],
  ])('PW-18 refuses %s with 415, and sets no cookie', async (contentType, body) => {
    // Signing in takes a form, too, and registering a multipart one: what those refuse is in their own tests.
    const [mediaType = ''] = contentType.split(';')
    const taking = operations.filter(({ requestBody }) => requestBody?.content[mediaType] !== undefined)
    const expected = everywhere('unsupported_media_type')
    const found = codes(await sendToAll({ contentType, body }))
    for (const { operationId } of taking) {
      expect([operationId, found[operationId]]).not.toEqual([operationId, 'internal'])
      delete expected[operationId]
      delete found[operationId]
    }
    expect(taking.length).toBeLessThanOrEqual(1)
    expect(found).toEqual(expected)
  })

  it('AP-06 takes the media type in any case and with parameters', async () => {
    for (const contentType of ['Application/JSON', 'application/json; charset=utf-8', 'application/json;'])
      expect(codes(await sendToAll({ contentType, body: '{"surprise":1}' }))).toEqual(everywhere('invalid_input'))
  })

  it('AP-06 refuses more than 64 KB with 413, by Content-Length and without one', async () => {
    const big = JSON.stringify({ refresh_token: 'x'.repeat(64 * 1_024) })
    // Mail has attachments: its own limit is in test/flows/mail-send.
    const expected = { ...everywhere('body_too_large'), sendEmail: 'invalid_input' }
    expect(codes(await sendToAll({ contentType: asJson, body: big }))).toEqual(expected)
    for (const operation of operations.filter(({ operationId }) => operationId !== 'sendEmail')) {
      const response = await call(operation.path, {
        method: operation.method,
        ...(operation.operationId === 'logOut' ? {} : { bearer: person.access_token }),
        headers: { 'Content-Type': asJson },
        body: chunked(big),
      })
      expect((await problemOf(response)).code).toBe('body_too_large')
    }
    const huge = `{"a":"${'x'.repeat(11_000_000)}"}`
    expect(
      await refusal(call('/auth/refresh', { headers: { 'Content-Type': asJson }, body: chunked(huge, 200) })),
    ).toEqual([413, 'body_too_large'])
  })

  it('AP-06 reads a body of just 64 KB', async () => {
    const body = JSON.stringify({ refresh_token: '' }).length
    const exact = JSON.stringify({ refresh_token: 'x'.repeat(64 * 1_024 - body) })
    expect(exact.length).toBe(64 * 1_024)
    expect(await refusal(call('/auth/refresh', { headers: { 'Content-Type': asJson }, body: exact }))).toEqual([
      422,
      'invalid_input',
    ])
  })

  it.each([
    ['nothing', ' '],
    ['cut off', '{"refresh_token":"x"'],
    ['two values', '{}{}'],
    ['a trailing comma', '{"a":1,}'],
    ['single quotes', "{'a':1}"],
    ['NaN', '{"a":NaN}'],
    ['a raw control character', '{"a":"\u0001"}'],
    ['a lone bracket, many times', '['.repeat(60_000)],
    ['nested arrays', `${'['.repeat(30_000)}${']'.repeat(30_000)}`],
    ['nested objects', `${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}`],
    ['nesting inside a field', `{"refresh_token":${'['.repeat(20)}${']'.repeat(20)}}`],
  ])('AP-06 refuses %s with 400', async (_, body) => {
    expect(codes(await sendToAll({ contentType: asJson, body }))).toEqual(everywhere('malformed_request'))
  })

  it('AP-06 refuses bytes that are no UTF-8 with 400', async () => {
    const around = (...bytes: number[]): Uint8Array<ArrayBuffer> =>
      new Uint8Array([...new TextEncoder().encode('{"a":"'), ...bytes, ...new TextEncoder().encode('"}')])
    for (const body of [around(0xff), around(0xc3), around(0xed, 0xa0, 0x80), around(0xc0, 0xaf)])
      expect(codes(await sendToAll({ contentType: asJson, body }))).toEqual(everywhere('malformed_request'))
    const utf16 = new Uint8Array([0xff, 0xfe, 0x7b, 0, 0x7d, 0])
    expect(codes(await sendToAll({ contentType: asJson, body: utf16 }))).toEqual(everywhere('malformed_request'))
  })

  it.each(['[]', '"x"', 'null', '1', 'true', '[{"refresh_token":"x"}]'])(
    'AP-06 refuses %s, which is no object',
    async (body) => {
      const found = await sendToAll({ contentType: asJson, body })
      expect(codes(found)).toEqual(everywhere('invalid_input'))
    },
  )

  it('AP-06 names unknown keys, cut short, and never what stood under them', async () => {
    const found = await sendToAll({ json: { surprise: 'MARKED', ['k'.repeat(5_000)]: 1 } })
    for (const [operationId, problem] of Object.entries(found)) {
      expect(problem.code, operationId).toBe('invalid_input')
      const unknown = problem.errors?.find(({ message }) => message === 'is not known here')
      expect(unknown?.path, operationId).toMatch(/^surprise, k{1,100}$/)
      expect(JSON.stringify(problem)).not.toContain('MARKED')
      expect(JSON.stringify(problem).length).toBeLessThan(2_000)
    }
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, 1]))
    expect(codes(await sendToAll({ json: many }))).toEqual(everywhere('invalid_input'))
  })

  it.each([
    '{"__proto__":{"isAdmin":true}}',
    '{"constructor":{"prototype":{"isAdmin":true}}}',
    '{"prototype":{}}',
    '{"toString":1}',
    '{"hasOwnProperty":1}',
    '{"\\u005f_proto__":{"refresh_token":"x"}}',
  ])('AP-06 refuses %s and pollutes nothing', async (body) => {
    expect(codes(await sendToAll({ contentType: asJson, body }))).toEqual(everywhere('invalid_input'))
    expect(Reflect.get({}, 'isAdmin')).toBeUndefined()
    expect(Reflect.get({}, 'refresh_token')).toBeUndefined()
  })

  it('AP-06 takes the last of duplicate keys, as JSON.parse does, and judges that one', async () => {
    const body = '{"refresh_token":"x","refresh_token":["y"]}'
    expect(await refusal(call('/auth/refresh', { headers: { 'Content-Type': asJson }, body }))).toEqual([
      422,
      'invalid_input',
    ])
  })

  it.each(['\\u0000', 'a\\u0000b', '\\ud800', '\\udc00\\ud800'])(
    'AP-06 refuses %s in a string with 400: PostgreSQL holds no such text. Mail to send names its field',
    async (text) => {
      const expected = { ...everywhere('malformed_request'), sendEmail: 'invalid_input' }
      const bodies = {
        createApiKey: `{"name":"${text}","permissions":["emails:read"]}`,
        vendAccessToken: `{"scopes":["${text}"]}`,
        reconnectMailAccount: `{"return_to":"${text}"}`,
        refreshSession: `{"refresh_token":"${text}"}`,
        logOut: `{"refresh_token":"${text}"}`,
        redeemHandOff: `{"state":"${text}"}`,
      }
      for (const body of [...Object.values(bodies), `{"${text}":1}`, `{"a":[{"b":["${text}"]}]}`])
        expect(codes(await sendToAll({ contentType: asJson, body }))).toEqual(expected)
    },
  )

  it.each([
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+23:59',
    '9999-12-31T23:59:59.999999999-23:59',
    '1969-12-31T23:59:59Z',
    '2026-02-30T00:00:00Z',
    '+275760-09-13T00:00:00.001Z',
    'now',
    'infinity',
  ])('AP-06 takes or refuses the date %s, and never breaks on it', async (expires_at) => {
    const body = { name: 'x', permissions: ['emails:read'], expires_at }
    const response = await call('/api/v1/api-keys', { bearer: person.access_token, json: body })
    expect([201, 422]).toContain(response.status)
    await response.body?.cancel()
  })

  it('AP-06 keeps every refused value out of the answer', async () => {
    const response = await call('/api/v1/api-keys', {
      bearer: person.access_token,
      json: { name: 'MARKED'.repeat(50), permissions: ['MARKED'], user_id: 'MARKED', expires_at: 'MARKED' },
    })
    const problem = await problemOf(response)
    expect(problem.errors?.map(({ path }) => path).sort()).toEqual(['expires_at', 'name', 'permissions.0', 'user_id'])
    expect(JSON.stringify(problem)).not.toContain('MARKED')
  })
})

describe('vending and reconnecting, whose body is optional', () => {
  const withoutFields: [string, Parameters<typeof call>[1]][] = [
    ['no body', {}],
    ['an empty body', { headers: { 'Content-Type': asJson }, body: '' }],
    ['{}', { json: {} }],
  ]

  it.each(withoutFields)('AP-06 take %s for {}', async (_, options) => {
    const { id } = await onlyMailbox(person.access_token)
    const { key } = await newKey(person.access_token)
    const path = `/api/v1/mail-accounts/${id}`
    const token = await json(call(`${path}/access-token`, { method: 'POST', bearer: key, ...options }))
    expect(token).toMatchObject({ token_type: 'Bearer' })
    const started = call(`${path}/reconnect`, { method: 'POST', bearer: person.access_token, ...options })
    expect(JSON.stringify(await json(started))).toContain('http')
  })
})

describe('logging out, whose body is optional', () => {
  const logOut = (options: Parameters<typeof call>[1] = {}) => call('/auth/logout', { method: 'POST', ...options })

  it('needs a proof: nothing, {} and an empty JSON body are 401, a strange body is refused as anywhere', async () => {
    expect(await refusal(logOut())).toEqual([401, 'unauthorized'])
    expect(await refusal(logOut({ json: {} }))).toEqual([401, 'unauthorized'])
    expect(await refusal(logOut({ headers: { 'Content-Type': asJson }, body: '' }))).toEqual([401, 'unauthorized'])
    expect(await refusal(logOut({ json: { refresh_token: 1 } }))).toEqual([422, 'invalid_input'])
    expect(await refusal(logOut({ json: { refresh_token: 'x'.repeat(4_097) } }))).toEqual([422, 'invalid_input'])
    expect(await refusal(logOut({ bearer: person.access_token, json: { token: 'x' } }))).toEqual([422, 'invalid_input'])
  })

  it('ends the session of the Bearer, with or without an empty body', async () => {
    for (const options of [{}, { json: {} }, { headers: { 'Content-Type': asJson }, body: '' }]) {
      const pair = await signIn('admin@gmail.com')
      expect((await logOut({ bearer: pair.access_token, ...options })).status).toBe(204)
      expect((await call('/auth/me', { bearer: pair.access_token })).status).toBe(401)
    }
  })

  it('ends the session of a refresh token, also beside an expired or broken Bearer', async () => {
    const pair = await signIn('admin@gmail.com')
    const json = { refresh_token: pair.refresh_token }
    expect((await logOut({ json, bearer: 'expired' })).status).toBe(204)
    expect((await call('/auth/me', { bearer: pair.access_token })).status).toBe(401)
    expect((await logOut({ json })).status).toBe(204)
    const [row] = await query<{ n: number }>('SELECT count(*)::int AS n FROM sessions WHERE revoked_at_utc IS NULL')
    expect(row?.n).toBe(1)
  })
})
