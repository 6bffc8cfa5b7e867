// Hono's types for this app, once: what a request carries from the door to its handler.

import type { Context } from 'hono'
import type { CallerClaim, RequestOrigin } from '../auth/claims.ts'
import type { Deps } from '../deps.ts'
import { AppError } from '../errors.ts'

export interface AppEnv {
  readonly Bindings: { readonly deps: Deps }
  readonly Variables: {
    requestId: string
    /** What was shown in `Authorization`, its form checked; null without one. */
    bearer: CallerClaim | null
    /** True where a refusal is a page. */
    wantsPage: boolean
  }
}

export type AppContext = Context<AppEnv>

/** Where the request came from, for the audit trail: `CF-Connecting-IP`, nothing else. */
export function originOf(c: AppContext): RequestOrigin {
  return {
    ipAddress: c.req.header('CF-Connecting-IP')?.slice(0, 45) ?? null,
    userAgent: c.req.header('User-Agent')?.slice(0, 300) ?? null,
  }
}

/** Throws 503 `misconfigured` before anybody is sent to a provider whose tokens could then not be sealed. */
export function assertTokensCanBeSealed(c: AppContext): void {
  if (c.env.deps.keyRingOrNull === null) throw new AppError('misconfigured')
}
