// The OpenAPI 3.1 document of everything that was declared, from the schemas that validate. It knows no resource and no
// request.

import * as z from 'zod'
import { type ErrorCode, refusals } from '../errors.ts'
import type { AnyContract, Audience, Resource } from './declare.ts'

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

const problemContent = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }

/** Every code of the closed table, for readers: Markdown. */
function errorTable(): string {
  const rows = Object.entries(refusals).map(([code, { status, title }]) => `| \`${code}\` | ${status} | ${title} |`)
  return ['| code | status | meaning |', '|---|---|---|', ...rows].join('\n')
}

const introduction = `Sign-in, a token vault and mail for products built around e-mail.

JSON in snake_case, ids are UUIDs, times ISO 8601 in UTC. Lists answer \`{ items, next_cursor }\` and take \`limit\` and
\`cursor\`. Every answer carries \`X-Request-Id\`. What stands under \`/api/v1/auth\`, \`/api/v1/oauth\` and
\`/api/v1/emails\` is served without the prefix \`/api/v1\` too.

# Errors

Errors are RFC 9457 problem documents. Decide by \`code\`; 429 and 503 carry \`Retry-After\`.

${errorTable()}`

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
      description: introduction,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: info.serverUrl }],
    paths,
    components: {
      schemas: { Problem: schemaOf(problemSchema, 'output') },
      responses: {
        Problem: {
          description: 'Any other refusal: `rate_limited`, `unavailable`, `misconfigured`, `internal`',
          content: problemContent,
        },
      },
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
  const { params, body, describedHeaders } = contract
  const query = contract.query ?? contract.describedQuery
  const errors = new Set<ErrorCode>(contract.errors ?? [])
  if (contract.audience !== 'anyone') errors.add('unauthorized')
  if (params !== undefined || contract.query !== undefined || body !== undefined) errors.add('invalid_input')
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
      content: problemContent,
    }
  }
  return {
    operationId: contract.operationId,
    summary: contract.summary,
    ...(contract.description === undefined ? {} : { description: contract.description }),
    tags: [contract.tag],
    ...(params === undefined && query === undefined && describedHeaders === undefined
      ? {}
      : {
          parameters: [
            ...parameters(params, 'path'),
            ...parameters(query, 'query'),
            ...parameters(describedHeaders, 'header'),
          ],
        }),
    ...(body === undefined && contract.describedBody === undefined
      ? {}
      : { requestBody: { required: contract.bodyPresence !== 'may be absent', content: bodyContent(contract) } }),
    responses: { ...answers, default: { $ref: '#/components/responses/Problem' } },
    security: securityOf(contract.audience),
  }
}

function bodyContent({ body, formBody, describedBody }: AnyContract): Json {
  return {
    ...(body === undefined ? {} : { 'application/json': { schema: schemaOf(body, 'input') } }),
    ...(formBody === undefined ? {} : { 'application/x-www-form-urlencoded': { schema: schemaOf(formBody, 'input') } }),
    ...Object.fromEntries(Object.entries(describedBody ?? {}).map(([type, schema]) => [type, { schema }])),
  }
}

function parameters(schema: z.ZodObject | undefined, place: 'path' | 'query' | 'header'): Json[] {
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
