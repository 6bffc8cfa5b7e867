// A route is declared once: the schemas that validate its input are the ones that describe it. Declaring registers it;
// the document is made from the register when somebody asks for it.

import { zValidator } from '@hono/zod-validator'
import type { Hono, MiddlewareHandler } from 'hono'
import * as z from 'zod'
import type { CallerClaim } from '../auth/claims.ts'
import { AppError, type ErrorCode, refusals } from '../errors.ts'
import type { AppContext, AppEnv } from './context.ts'
import { admitJsonBody, refuseInput } from './validate.ts'

/** Who may show what: nobody needs to, a person (JWT), a service key, or either. Roles and permissions are the verbs' matter. */
export type Audience = 'anyone' | 'person' | 'key' | 'person_or_key'

export interface Contract<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** Below the router's own path, OpenAPI's way: `/mail-accounts/{id}`. */
  readonly path: string
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly tag: string
  readonly audience: Audience
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  /** Successful answers; a schema describes JSON, none means no body or the media type given. */
  readonly answers: Readonly<
    Record<number, { readonly description: string; readonly schema?: z.ZodType; readonly mediaType?: string }>
  >
  /** Refusals of its own, beside those its audience and input bring. */
  readonly errors?: readonly ErrorCode[]
}

export interface Input<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> {
  readonly params: z.output<P>
  readonly query: z.output<Q>
  readonly body: z.output<B>
  /** The caller's claim; for `anyone` the one that happened to be shown, or null. */
  readonly claim: CallerClaim | null
}

type AnyContract = Contract<z.ZodObject, z.ZodObject, z.ZodType>

/** A router with a path of its own, and the contracts declared on it. */
export interface Resource {
  readonly router: Hono<AppEnv>
  /** Where its routes stand in the document, `/api/v1/auth`. */
  readonly basePath: string
  readonly contracts: AnyContract[]
}

/** Registers a route: validates input, asks for the audience, calls `handler` with what passed. */
export function declare<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType>(
  resource: Resource,
  contract: Contract<P, Q, B>,
  handler: (c: AppContext, input: Input<P, Q, B>) => Promise<Response>,
): void {
  resource.contracts.push(contract as unknown as AnyContract)
  const steps: MiddlewareHandler<AppEnv>[] = []
  // The caller first: what an unknown one sent is not looked at.
  if (contract.audience !== 'anyone') steps.push((c, next) => (assertAudience(c, contract.audience), next()))
  if (contract.params !== undefined) steps.push(zValidator('param', contract.params, refuseInput) as MiddlewareHandler)
  if (contract.query !== undefined) steps.push(zValidator('query', contract.query, refuseInput) as MiddlewareHandler)
  if (contract.body !== undefined)
    steps.push(admitJsonBody, zValidator('json', contract.body, refuseInput) as MiddlewareHandler)
  const path = contract.path.replaceAll(/\{(\w+)\}/g, ':$1')
  resource.router.on(contract.method.toUpperCase(), [path], ...steps, (c: AppContext) => {
    const valid = (target: string): unknown => c.req.valid(target as never)
    // The validators above have parsed exactly these schemas.
    const input = { params: valid('param'), query: valid('query'), body: valid('json'), claim: c.var.bearer } as Input<
      P,
      Q,
      B
    >
    return handler(c, input)
  })
}

function assertAudience(c: AppContext, audience: Audience): void {
  const claim = c.var.bearer
  if (claim === null) throw new AppError('unauthorized')
  if (audience === 'person' && claim.kind === 'key') throw new AppError('forbidden')
}

/** The claim of a route whose audience is not `anyone`. */
export function claimed(input: { claim: CallerClaim | null }): CallerClaim {
  if (input.claim === null) throw new AppError('unauthorized')
  return input.claim
}

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(refusals) as [ErrorCode, ...ErrorCode[]]).describe('Stable; decide by this.'),
    request_id: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .describe('RFC 9457 problem document')

type Json = Record<string, unknown>

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    target: 'draft-2020-12',
    unrepresentable: 'any',
  }) as Json
  return rest
}

/** The OpenAPI 3.1 document of everything declared. */
export function buildDocument(
  resources: readonly Resource[],
  info: { title: string; version: string; serverUrl: string },
): Json {
  const paths: Record<string, Json> = {}
  for (const resource of resources) {
    for (const contract of resource.contracts) {
      const path = `${resource.basePath}${contract.path}`.replace(/\/$/, '') || '/'
      paths[path] = { ...paths[path], [contract.method]: describeOperation(contract) }
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: info.title,
      version: info.version,
      description:
        'Sign-in, a token vault and mail for products built around e-mail. Errors are RFC 9457 problem documents with a stable `code`.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: info.serverUrl }],
    paths,
    components: {
      schemas: { Problem: schemaOf(problemSchema, 'output') },
      securitySchemes: {
        person: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'A signed-in person: the access token of a token pair.',
        },
        service_key: { type: 'http', scheme: 'bearer', description: 'A backend: a service key `gp_…`.' },
      },
    },
  }
}

function describeOperation(contract: AnyContract): Json {
  const { params, query, body } = contract
  const errors = new Set<ErrorCode>(contract.errors ?? [])
  if (contract.audience !== 'anyone') errors.add('unauthorized')
  if (params !== undefined || query !== undefined || body !== undefined) errors.add('invalid_input')
  if (body !== undefined)
    for (const code of ['malformed_request', 'body_too_large', 'unsupported_media_type'] as const) errors.add(code)
  const answers: Record<string, Json> = {}
  for (const [status, answer] of Object.entries(contract.answers)) {
    answers[status] = {
      description: answer.description,
      ...(answer.schema === undefined
        ? {}
        : { content: { [answer.mediaType ?? 'application/json']: { schema: schemaOf(answer.schema, 'output') } } }),
    }
  }
  for (const code of [...errors].sort()) {
    const status = String(refusals[code].status)
    const known = answers[status]?.description
    answers[status] = {
      description: known === undefined ? `\`${code}\`` : `${String(known)}, \`${code}\``,
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    }
  }
  return {
    operationId: contract.operationId,
    summary: contract.summary,
    ...(contract.description === undefined ? {} : { description: contract.description }),
    tags: [contract.tag],
    ...(params === undefined && query === undefined
      ? {}
      : { parameters: [...parameters(params, 'path'), ...parameters(query, 'query')] }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body, 'input') } } } }),
    responses: answers,
    security: securityOf(contract.audience),
  }
}

function parameters(schema: z.ZodObject | undefined, place: 'path' | 'query'): Json[] {
  if (schema === undefined) return []
  return Object.entries(schema.shape).map(([name, field]) => ({
    name,
    in: place,
    required: place === 'path' || !(field as z.ZodType).safeParse(undefined).success,
    schema: schemaOf(field as z.ZodType, 'input'),
  }))
}

function securityOf(audience: Audience): Json[] {
  switch (audience) {
    case 'anyone':
      return []
    case 'person':
      return [{ person: [] }]
    case 'key':
      return [{ service_key: [] }]
    case 'person_or_key':
      return [{ person: [] }, { service_key: [] }]
  }
}
