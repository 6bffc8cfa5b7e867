// The request id, and one log line a request: route pattern, never the path (paths carry ids and codes).

import type { MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import type { AppEnv } from '../context.ts'

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
      route: routePath(c, -1),
      status: c.res.status,
      duration_ms: deps.clock().getTime() - startedAt,
      db_trips: deps.db.trips + deps.probeDb.trips,
      provider_calls: deps.providerCalls(),
    })
  }
}
