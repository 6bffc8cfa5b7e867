// What holds for every route, taken from the document the Worker serves: who is let in, which words refuse, and that no
// trick with verb, path, parameter or body gets past (SECURITY AP-05 to AP-07, AP-15, SE-26).
import { beforeAll, describe, expect, it } from 'vitest'
import { call, json, newKey, newPerson, signInBrowser } from '../support/app.ts'
import { expectGuarded, fill, type Operation, otherMount, problemOf, readOperations } from '../support/operations.ts'

let operations: Operation[] = []
let admin = ''
let key = ''

beforeAll(async () => {
  operations = await readOperations()
  admin = (await newPerson('admin@gmail.com')).access_token
  key = (await newKey(admin)).key
})

const guarded = (): Operation[] => operations.filter(({ security }) => security.length > 0)
const named = (operation: Operation): string => `${operation.method} ${operation.template}`

/** What refuses, as `method path → status code`; for comparing whole lists at once. */
async function outcome(
  operation: Operation,
  options: Parameters<typeof call>[1] = {},
  path = operation.path,
): Promise<string> {
  const response = await call(path, { method: operation.method, ...options })
  expectGuarded(response)
  if (response.status < 400) {
    await response.body?.cancel()
    return `${named(operation)} ${response.status}`
  }
  if (response.headers.get('Content-Type')?.startsWith('text/html') === true)
    return `${named(operation)} ${response.status} page`
  return `${named(operation)} ${(await problemOf(response)).status}`
}

const all = (of: Operation[], status: number): string[] => of.map((operation) => `${named(operation)} ${status}`)

async function outcomes(of: Operation[], options: (operation: Operation) => Parameters<typeof call>[1]) {
  const found: string[] = []
  for (const operation of of) found.push(await outcome(operation, options(operation)))
  return found
}

describe('who is let in', () => {
  it('AP-05 finds routes of both kinds in the document', () => {
    expect(guarded().length).toBeGreaterThanOrEqual(12)
    expect(operations.length).toBeGreaterThan(guarded().length)
  })

  it('AP-05 answers 401 to each guarded route without credentials, before it looks at what was sent', async () => {
    expect(await outcomes(guarded(), () => ({}))).toEqual(all(guarded(), 401))
    expect(await outcomes(guarded(), () => ({ headers: { 'X-Forwarded-For': '127.0.0.1' } }))).toEqual(
      all(guarded(), 401),
    )
    const withBody = guarded().filter(({ requestBody }) => requestBody !== undefined)
    expect(await outcomes(withBody, () => ({ body: '{' }))).toEqual(all(withBody, 401))
  })

  it('SE-26 takes no session cookie, alone or with a broken bearer', async () => {
    const cookies = await signInBrowser('admin@gmail.com')
    expect(cookies.size).toBe(1)
    const jar = () => new Map(cookies)
    expect(await outcomes(guarded(), () => ({ cookies: jar() }))).toEqual(all(guarded(), 401))
    expect(await outcomes(guarded(), () => ({ cookies: jar(), bearer: 'x' }))).toEqual(all(guarded(), 401))
    const secret = [...cookies.values()][0] ?? ''
    expect(await outcomes(guarded(), () => ({ bearer: secret }))).toEqual(all(guarded(), 401))
  })

  it('AP-05 takes no broken, foreign, oversized or otherwise shown credential', async () => {
    const [header = '', payload = '', signature = ''] = admin.split('.')
    const none = btoa('{"alg":"none","typ":"at+jwt"}').replaceAll('=', '')
    const shown = [
      '',
      'Bearer',
      'Bearer ',
      'Bearer x',
      'Bearer a.b.c',
      `Bearer ${none}.${payload}.`,
      `Bearer ${header}.${payload}.`,
      `Bearer ${header}.${payload}.${signature.split('').reverse().join('')}`,
      `Bearer ${admin} ${admin}`,
      `Bearer ${admin},${admin}`,
      `Bearer ${'x'.repeat(10_000)}`,
      `Basic ${btoa(`admin:${admin}`)}`,
      `Token ${admin}`,
      admin,
      'Bearer gp_',
      `Bearer gp_${'x'.repeat(42)}`,
      `Bearer ${key}x`,
    ]
    const routes = guarded()
    for (const [index, Authorization] of shown.entries()) {
      // Each on three routes, in turn over all of them.
      const some = [0, 1, 2].map((step) => routes[(index * 3 + step) % routes.length]).filter((r) => r !== undefined)
      expect(await outcomes(some, () => ({ headers: { Authorization } })), Authorization.slice(0, 60)).toEqual(
        all(some, 401),
      )
    }
    for (const query of [`?access_token=${admin}`, `?token=${key}`, `?api_key=${key}`]) {
      const found: string[] = []
      for (const operation of routes) found.push(await outcome(operation, {}, operation.path + query))
      expect(found).toEqual(all(routes, 401))
    }
  })

  it('AP-05 lets a service key reach nothing that is for persons', async () => {
    const persons = guarded().filter(({ security }) => security.every((scheme) => !('service_key' in scheme)))
    expect(persons.length).toBeGreaterThan(4)
    expect(await outcomes(persons, () => ({ bearer: key }))).toEqual(all(persons, 403))
    const keyRoutes = operations.filter(({ template }) => template.startsWith('/api/v1/api-keys'))
    for (const operation of keyRoutes) {
      const body = { name: 'x', permissions: ['tokens:vend'] }
      const options = operation.method === 'POST' ? { bearer: key, json: body } : { bearer: key }
      expect(await outcome(operation, options)).toBe(`${named(operation)} 403`)
    }
  })
})

/** Whether a path fits a template. */
function isPathOf(template: string, path: string): boolean {
  const parts = template.split('/')
  const shown = path.split('/')
  return parts.length === shown.length && parts.every((part, index) => part.startsWith('{') || part === shown[index])
}

describe('verbs and paths', () => {
  it('AP-05 answers 405 with Allow to each other method, with and without credentials', async () => {
    for (const template of new Set(operations.map((operation) => operation.template))) {
      const path = operations.find((operation) => operation.template === template)?.path ?? ''
      // `/cache/{key}` takes the path `/cache/status`, too; `/emails/{id}` takes ids only.
      const known = operations.filter(
        (operation) =>
          isPathOf(operation.template, path) &&
          (operation.template === template || !operation.template.endsWith('/emails/{id}')),
      )
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((m) =>
        known.every((o) => o.method !== m),
      )) {
        const response = await call(path, { method })
        expect(`${method} ${path} ${response.status}`).toBe(`${method} ${path} 405`)
        const allowed = [...new Set(known.map((o) => o.method))].sort()
        expect(response.headers.get('Allow')?.split(', ').sort()).toEqual(allowed)
        await response.body?.cancel()
      }
    }
    const overridden = { 'X-HTTP-Method-Override': 'GET', 'X-Method-Override': 'GET', 'X-HTTP-Method': 'GET' }
    const response = await call('/auth/me', { method: 'POST', bearer: admin, headers: overridden })
    expect((await problemOf(response)).code).toBe('method_not_allowed')
  })

  it('AP-05 takes no name below /emails for an id', async () => {
    for (const base of ['/emails', '/api/v1/emails'])
      for (const method of ['GET', 'HEAD', 'DELETE', 'PUT', 'PATCH']) {
        for (const name of ['send', 'sync', 'send/']) {
          const response = await call(`${base}/${name}`, { method, bearer: admin })
          expect([method, name, response.status]).toEqual([method, name, 405])
          expect(response.headers.get('Allow')).toBe('POST')
          expectGuarded(response)
        }
        expect([method, (await call(`${base}/outbox`, { method, bearer: admin })).status]).toEqual([method, 404])
      }
    const listed = await call('/emails/threads', { method: 'DELETE', bearer: admin })
    expect([listed.status, listed.headers.get('Allow')]).toEqual([405, 'GET'])
  })

  it('AP-05 answers HEAD as GET, without a body', async () => {
    for (const operation of operations.filter(({ method }) => method === 'GET')) {
      const [get, head] = await Promise.all([call(operation.path), call(operation.path, { method: 'HEAD' })])
      expect(`${operation.path} ${head.status}`).toBe(`${operation.path} ${get.status}`)
      expectGuarded(head)
      expect(await head.text()).toBe('')
      await get.body?.cancel()
    }
  })

  it('AP-05 takes a trailing slash for the same path', async () => {
    for (const operation of operations) {
      const plain = await outcome(operation)
      expect(await outcome(operation, {}, `${operation.path}/`)).toBe(plain)
      if (operation.security.length > 0 && operation.method === 'GET')
        expect(await outcome(operation, { bearer: key }, `${operation.path}/`)).toBe(
          await outcome(operation, { bearer: key }),
        )
    }
  })

  it('AP-05 serves /auth, /oauth and /emails without the prefix by the same handler, and nothing else', async () => {
    for (const operation of operations) {
      const other = otherMount(operation.path)
      if (other !== null) expect(await outcome(operation, {}, other)).toBe(await outcome(operation))
      else if (operation.path.startsWith('/api/v1/'))
        expect(
          (await problemOf(await call(operation.path.slice('/api/v1'.length), { method: operation.method }))).code,
        ).toBe('not_found')
      else expect((await call(`/api/v1${operation.path}`)).status).toBe(404)
    }
    expect(await json(call('/api/v1/auth/me', { bearer: admin }))).toEqual(
      await json(call('/auth/me', { bearer: admin })),
    )
  })

  it.each([
    '//auth/me',
    '/auth//me',
    '/auth/me//',
    '/AUTH/ME',
    '/auth/me;jsessionid=1',
    '/auth/me%2f',
    '/auth%2fme',
    '/auth/%6de',
    '/auth/me%00',
    '/auth/me%20',
    '/auth/me.json',
    '/health/%2e%2e%2fauth/me',
    '/assets/%2e%2e%2f..%2fauth/me',
    '/api/v2/auth/me',
  ])('AP-05 does not take %s for /auth/me', async (path) => {
    expect((await problemOf(await call(path, { bearer: admin, headers: { Accept: '*/*' } }))).code).toBe('not_found')
  })

  it('AP-05 resolves dots as any client does, and asks for credentials there', async () => {
    for (const path of ['/health/../auth/me', '/health/%2e%2e/auth/me', '/auth/google/..%2f../me', '/./auth/me'])
      expect([401, 404]).toContain((await problemOf(await call(path))).status)
  })
})

describe('parameters', () => {
  const garbage = [
    'not-a-uuid',
    '%00',
    '%ff',
    '%',
    '..%2f..%2fetc',
    `';DROP TABLE users;--`,
    '1',
    'null',
    '00000000-0000-0000-0000-00000000000g',
    '%7B%22$ne%22%3Anull%7D',
    'x'.repeat(10_000),
  ]

  it('AP-07 refuses what is no id, in our own words', async () => {
    const withId = operations.filter(({ template }) => template.includes('{id}'))
    expect(withId.length).toBeGreaterThanOrEqual(6)
    for (const operation of withId) {
      const body = operation.requestBody === undefined ? {} : { json: {} }
      for (const id of garbage) {
        const path = fill(operation.template, { id })
        const response = await call(path, { method: operation.method, bearer: admin, ...body })
        const problem = await problemOf(response)
        // A thread's id has a form of its own: what has none names nothing.
        const isThread = operation.template.includes('/threads/')
        expect(isThread ? [404, 422] : [422], path.slice(0, 80)).toContain(problem.status)
        if (!isThread) expect(problem.errors?.map(({ path: where }) => where)).toEqual(['id'])
        expect(JSON.stringify(problem)).not.toContain('DROP')
      }
    }
  })

  it('AP-07 refuses what is no provider', async () => {
    for (const name of ['gitlab', 'nobody', '__proto__', 'constructor', '%00', 'x'.repeat(32), 'x'.repeat(10_000)]) {
      const problem = await problemOf(await call(`/auth/${name}/start`))
      expect([404, 422], name.slice(0, 40)).toContain(problem.status)
    }
  })
})
