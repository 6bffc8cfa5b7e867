// Our pages' forms are believed only where the browser says that a page of ours sent them: `Origin` is exactly our own.
// A sibling subdomain, `null` and an absent header are refused (SECURITY SE-26): the session cookie alone proves nothing.

import type { MiddlewareHandler } from 'hono'
import { AppError } from '../../errors.ts'
import type { AppEnv } from '../context.ts'

/** Throws 403 `origin_refused`. What only reads passes. */
export function sameOriginForms(): MiddlewareHandler<AppEnv> {
  return async function sameOriginForms(c, next) {
    const isRead = c.req.method === 'GET' || c.req.method === 'HEAD'
    if (!isRead && c.req.header('Origin') !== c.env.deps.settings.appUrl) throw new AppError('origin_refused')
    await next()
  }
}
