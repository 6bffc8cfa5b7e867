// A route is declared once: the schemas that validate its input are the ones that describe it. Declaring registers it;
// openapi.ts makes the document from the register. It knows no resource.

import { zValidator } from '@hono/zod-validator'
import type { Hono, MiddlewareHandler } from 'hono'
import type * as z from 'zod'
import type { CallerClaim } from '../auth/claims.ts'
import { assertLiveCaller } from '../auth/live-caller.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import type { AppContext, AppEnv } from './context.ts'
import {
  admitFormBody,
  admitJsonBody,
  admitJsonBodyIfAny,
  admitPath,
  admitQuery,
  refuseInput,
  saysForm,
  type UnfitText,
} from './validate.ts'

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
  /** Described only: the handler reads these itself, since its refusals are not 422. */
  readonly describedQuery?: z.ZodObject
  /** Described only, in the same way: headers of the request. */
  readonly describedHeaders?: z.ZodObject
  readonly body?: B
  /** `may be absent`: the schema then sees `{}`. */
  readonly bodyPresence?: 'required' | 'may be absent'
  /** Largest JSON body; 64 KB where none is named. */
  readonly bodyLimitBytes?: number
  /** What a NUL or a lone surrogate makes of a JSON body; `malformed_request` where nothing is said. */
  readonly unfitText?: UnfitText
  /** The same body as a form (application/x-www-form-urlencoded); its output is one of `body`'s. */
  readonly formBody?: z.ZodType<z.output<B>>
  /** Described only, media type → OpenAPI schema: the handler reads this body itself, since it is no JSON, or not only. */
  readonly describedBody?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
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

export type AnyContract = Contract<z.ZodObject, z.ZodObject, z.ZodType>

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
  if (contract.audience !== 'anyone')
    steps.push(async (c, next) => {
      assertAudience(c, contract.audience)
      await next()
    })
  if (contract.params !== undefined)
    // What passes the schema may still be no text that can be stored.
    steps.push(zValidator('param', contract.params, refuseInput) as MiddlewareHandler, admitPath)
  if (contract.query !== undefined)
    steps.push(admitQuery, zValidator('query', contract.query, refuseInput) as MiddlewareHandler)
  if (contract.body !== undefined) steps.push(...bodySteps(contract.body, contract))
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

function bodySteps<B extends z.ZodType>(
  body: B,
  contract: Pick<Contract<z.ZodObject, z.ZodObject, B>, 'formBody' | 'bodyPresence' | 'bodyLimitBytes' | 'unfitText'>,
): MiddlewareHandler<AppEnv>[] {
  const validateJson = zValidator('json', body, refuseInput) as MiddlewareHandler
  const { formBody, bodyLimitBytes: limitBytes, unfitText } = contract
  if (formBody === undefined)
    return [
      contract.bodyPresence === 'may be absent'
        ? admitJsonBodyIfAny
        : (c, next) => admitJsonBody(c, next, { limitBytes, unfitText, beforeLarge: () => assertLives(c) }),
      validateJson,
    ]
  return [
    (c, next) => (saysForm(c) ? admitFormBody(c, formBody, next) : admitJsonBody(c, next)),
    (c, next) => (saysForm(c) ? next() : validateJson(c, next)),
  ]
}

/** A claim of the right form may be anybody's. Where the caller lives, the verb asks again. Throws 401. */
async function assertLives(c: AppContext): Promise<void> {
  if (c.var.bearer !== null) await assertLiveCaller(c.env.deps.db, c.var.bearer)
}

function assertAudience(c: AppContext, audience: Audience): void {
  const claim = c.var.bearer
  if (claim === null) throw new AppError('unauthorized')
  if (audience === 'person' && claim.kind === 'key') throw new AppError('forbidden')
  if (audience === 'key' && claim.kind !== 'key') throw new AppError('forbidden')
}

/** The claim of a route whose audience is not `anyone`. */
export function claimed(input: { claim: CallerClaim | null }): CallerClaim {
  if (input.claim === null) throw new AppError('unauthorized')
  return input.claim
}
