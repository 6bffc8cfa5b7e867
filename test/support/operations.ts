// The routes as the served OpenAPI document declares them, the rules every answer keeps, and the Worker called with
// other settings than the file's. For tests inside workerd.
import { createExecutionContext } from 'cloudflare:test'
import { expect } from 'vitest'
import * as z from 'zod'
import worker from '../../src/index.ts'
import { appUrl, call, json, workerEnv } from './app.ts'

const parameter = z.object({ name: z.string(), in: z.enum(['path', 'query', 'header']), required: z.boolean() })

const operation = z.object({
  operationId: z.string(),
  summary: z.string(),
  tags: z.array(z.string()),
  parameters: z.array(parameter).default([]),
  requestBody: z.object({ required: z.boolean(), content: z.record(z.string(), z.unknown()) }).optional(),
  responses: z.record(z.string(), z.unknown()),
  security: z.array(z.record(z.string(), z.array(z.string()))),
})

const documentSchema = z.object({ paths: z.record(z.string(), z.record(z.string(), operation)) })

export interface Operation extends z.infer<typeof operation> {
  method: string
  /** OpenAPI's way, `/api/v1/mail-accounts/{id}`. */
  template: string
  /** With harmless values in it. */
  path: string
}

export const someId = '0190c3a4-7b1e-7c3d-8e2f-1234567890ab'

/** What stands where a template names it and a test does not: of the right form, naming nothing. */
const wellFormed: Readonly<Record<string, string>> = { provider: 'google', part_id: '1.2' }

/** Everything the document declares. */
export async function readOperations(): Promise<Operation[]> {
  const { paths } = documentSchema.parse(await json(call('/openapi.json')))
  return Object.entries(paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, rest]) => ({
      ...rest,
      method: method.toUpperCase(),
      template,
      path: fill(template, {}),
    })),
  )
}

/** A path of a template; values stand in it as they are, the others are of the right form. */
export function fill(template: string, values: Record<string, string>): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? wellFormed[name] ?? someId)
}

const mounts = /^\/api\/v1(?=\/(auth|oauth|emails|avatars)(\/|$))/

/** The other address of the same route, or null where it has one only. */
export function otherMount(path: string): string | null {
  return mounts.test(path) ? path.replace(mounts, '') : null
}

const problemSchema = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  request_id: z.uuid(),
  errors: z.array(z.strictObject({ path: z.string(), message: z.string() })).optional(),
})

export type Problem = z.infer<typeof problemSchema>

/** What no answer may hold: places in code, SQL and its errors, hosts, keys and tokens. */
export const leaks =
  /\bat \S+ ?\(|\.ts:\d|node_modules|\b(SELECT|INSERT|UPDATE|DELETE) .*\b(FROM|INTO|SET)\b|relation "|column "|invalid input syntax|postgres|127\.0\.0\.1|ECONNREFUSED|gp1\.|gp[r]?_[A-Za-z0-9_-]{43}|"stack"/

/** Holds an answer to what every answer must keep. */
export function expectGuarded(response: Response): void {
  expect(response.headers.get('X-Request-Id')).toMatch(/^[0-9a-f-]{36}$/)
  expect(response.headers.get('Strict-Transport-Security')).toMatch(/^max-age=\d{7,}/)
  expect(response.headers.get('X-Content-Type-Options')).toBe('nosniff')
  expect(response.headers.get('Content-Security-Policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
  expect(response.headers.get('X-Frame-Options')).toBe('DENY')
  expect(response.headers.get('Cache-Control')).not.toBeNull()
  expect(response.headers.get('Referrer-Policy')).toMatch(/^(same-origin|no-referrer)$/)
  expect(response.headers.get('Content-Type')).not.toBe('application/json')
  for (const name of ['Server', 'X-Powered-By', 'Access-Control-Allow-Credentials'])
    expect(response.headers.get(name)).toBeNull()
}

/** The problem document of a refusal, held to its rules. */
export async function problemOf(response: Response): Promise<Problem> {
  expectGuarded(response)
  const text = await response.text()
  expect(response.headers.get('Content-Type')).toBe('application/problem+json; charset=utf-8')
  expect(text).not.toMatch(leaks)
  const problem = problemSchema.parse(JSON.parse(text))
  expect(problem.status).toBe(response.status)
  expect(problem.request_id).toBe(response.headers.get('X-Request-Id'))
  expect(response.headers.get('Cache-Control')).toBe('no-store')
  if ([429, 503].includes(response.status)) expect(Number(response.headers.get('Retry-After'))).toBeGreaterThan(0)
  if (response.status === 401) expect(response.headers.get('WWW-Authenticate')).toBe('Bearer')
  return problem
}

/** One request to a Worker whose bindings differ in `overrides` (undefined takes one away). */
export async function callWith(
  overrides: Record<string, unknown>,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const request = new Request(new URL(path, appUrl), { redirect: 'manual', ...init })
  return worker.fetch(
    request as Parameters<typeof worker.fetch>[0],
    workerEnv(overrides),
    createExecutionContext() as Parameters<typeof worker.fetch>[2],
  )
}

/** In place of the outer fence, where a test asks more than 60 times a minute. */
export const noLimit = { limit: async () => ({ success: true }) }
