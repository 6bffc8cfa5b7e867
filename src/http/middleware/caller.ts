// What `Authorization` shows, as a claim whose form holds. The session cookie is not looked at here: the API does not take it.

import type { MiddlewareHandler } from 'hono'
import { claimFromBearer } from '../../auth/claims.ts'
import type { AppEnv } from '../context.ts'

export function caller(): MiddlewareHandler<AppEnv> {
  return async function caller(c, next) {
    const shown = c.req.header('Authorization')
    c.set('bearer', shown === undefined ? null : await claimFromBearer(c.env.deps, shown))
    await next()
  }
}
