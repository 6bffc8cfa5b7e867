// The request id, and one log line a request: route pattern, never the path (paths carry ids and codes).

import type { MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { AppContext, AppEnv } from '../context.ts'

export function requestLog(): MiddlewareHandler<AppEnv> {
  return async function requestLog(c, next) {
    const requestId = crypto.randomUUID()
    c.set('requestId', requestId)
    const { deps } = c.env
    const startedAt = deps.clock().getTime()
    await next()
    c.res.headers.set('X-Request-Id', requestId)
    deps.log.info('request', {
      request_id: requestId,
      method: c.req.method,
      route: routeOf(c),
      status: c.res.status,
      duration_ms: deps.clock().getTime() - startedAt,
      db_trips: deps.db.trips + deps.probeDb.trips,
      provider_calls: deps.providerCalls(),
    })
  }
}

/** The pattern of the route itself; middleware stands under ALL. */
function routeOf(c: AppContext): string {
  return matchedRoutes(c).findLast(({ method }) => method !== 'ALL')?.path ?? 'none'
}
