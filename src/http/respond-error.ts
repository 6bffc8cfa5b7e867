// Anything thrown → an RFC 9457 problem document, or a page where a person is looking. What is public stands in the
// closed table of errors.ts; everything else goes to the log, and only as class and place.

import { HTTPException } from 'hono/http-exception'
import { AppError, type ErrorCode, refusals } from '../errors.ts'
import { describeThrown } from '../log.ts'
import type { AppContext } from './context.ts'
import { refusalPage } from './pages/refusal-page.tsx'

export async function respondError(thrown: unknown, c: AppContext): Promise<Response> {
  return respondRefusal(c, recordThrown(thrown, c))
}

/** What was thrown as the refusal that it is, in the log where it is a bug or an outage: for whoever answers it with a page of its own. */
export function recordThrown(thrown: unknown, c: AppContext): AppError {
  const error = classify(thrown)
  const { log } = c.env.deps
  if (error.status === 500) log.error('bug', { request_id: c.var.requestId, ...describeThrown(thrown) })
  if (error.code === 'unavailable')
    log.error('unavailable', { request_id: c.var.requestId, ...describeThrown(error.cause) })
  return error
}

function classify(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown
  if (thrown instanceof HTTPException)
    return new AppError(thrown.status === 413 ? 'body_too_large' : 'malformed_request')
  return new AppError('internal')
}

export async function respondRefusal(c: AppContext, error: AppError): Promise<Response> {
  if (error.retryAfterSeconds !== null) c.header('Retry-After', String(error.retryAfterSeconds))
  if (error.status === 401) c.header('WWW-Authenticate', 'Bearer')
  c.header('Cache-Control', 'no-store')
  if (c.var.wantsPage) return refusalPage(c, error)
  return problemDocument(c.var.requestId, error, c.res.headers)
}

/** The document itself; `headers` are kept. */
export function problemDocument(
  requestId: string,
  error: { code: ErrorCode; errors: AppError['errors'] },
  headers = new Headers(),
): Response {
  const { status, title, detail } = refusals[error.code]
  const kept = new Headers(headers)
  kept.set('Content-Type', 'application/problem+json; charset=utf-8')
  const body = {
    type: `/docs#${error.code}`,
    title,
    status,
    detail,
    code: error.code,
    request_id: requestId,
    ...(error.errors.length > 0 ? { errors: error.errors } : {}),
  }
  return new Response(JSON.stringify(body), { status, headers: kept })
}
