// The whole API on one screen: middleware order, and which resource stands where. Routers of /auth, /oauth and /emails
// stand twice, with and without the prefix: one handler, one bucket.

import { Hono } from 'hono'
import { cors } from 'hono/cors'
import type { SettingProblem } from '../env.ts'
import { AppError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { AppEnv } from './context.ts'
import { caller } from './middleware/caller.ts'
import { authRateLimit } from './middleware/rate-limit.ts'
import { requestLog } from './middleware/request-log.ts'
import { securityHeaders } from './middleware/security-headers.ts'
import type { Resource } from './openapi.ts'
import { pages } from './pages/routes.tsx'
import { problemDocument, respondError, respondRefusal } from './respond-error.ts'
import { declareApiKeys } from './routes/api-keys.ts'
import { mountDocuments } from './routes/documents.ts'
import { declareHealth } from './routes/health.ts'
import { declareAddresses, declareMailAccounts } from './routes/mail-accounts.ts'
import { answerWithPages, declareOauth } from './routes/oauth.ts'
import { declareSessions } from './routes/sessions.ts'

/** A trailing slash is the same path. */
const getPath = (request: Request): string => {
  const { pathname } = new URL(request.url)
  return pathname.length > 1 ? pathname.replace(/\/$/, '') : pathname
}

const router = (): Hono<AppEnv> => new Hono<AppEnv>({ getPath })
const resource = (basePath: string): Resource => ({ router: router(), basePath, contracts: [] })

export function createApp(): Hono<AppEnv> {
  const auth = resource('/api/v1/auth')
  const oauth = resource('/api/v1/oauth')
  const emails = resource('/api/v1/emails')
  const accounts = resource('/api/v1/mail-accounts')
  const keys = resource('/api/v1/api-keys')
  const root = resource('')

  answerWithPages(auth.router)
  answerWithPages(oauth.router)
  declareSessions(auth)
  declareOauth(auth, oauth)
  declareAddresses(emails)
  declareMailAccounts(accounts)
  declareApiKeys(keys)
  declareHealth(root)

  const app = router()
  app.use(requestLog(), securityHeaders(), crossOrigin(), caller())
  for (const path of ['/auth/*', '/oauth/*', '/api/v1/auth/*', '/api/v1/oauth/*']) app.use(path, authRateLimit())
  app.route('/api/v1/auth', auth.router)
  app.route('/auth', auth.router)
  app.route('/api/v1/oauth', oauth.router)
  app.route('/oauth', oauth.router)
  app.route('/api/v1/emails', emails.router)
  app.route('/emails', emails.router)
  app.route('/api/v1/mail-accounts', accounts.router)
  app.route('/api/v1/api-keys', keys.router)
  app.route('/', root.router)
  mountDocuments(app, [auth, oauth, accounts, emails, keys, root])
  app.route('/', pages())

  app.onError(respondError)
  app.notFound((c) => {
    if (/^\/(api|auth|oauth|emails|health|\.well-known)(\/|$)/.test(c.req.path)) c.set('wantsPage', false)
    else c.set('wantsPage', c.req.header('Accept')?.includes('text/html') === true)
    return respondRefusal(c, new AppError('not_found'))
  })
  return app
}

/** Calls from the configured front ends, with Bearer; never with credentials, so that no cookie rides along. */
function crossOrigin() {
  return cors({
    origin: (origin, c) => (c.env.deps.settings.corsOrigins.includes(origin) ? origin : null),
    allowMethods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key'],
    exposeHeaders: ['X-Request-Id', 'Retry-After'],
    maxAge: 600,
  })
}

interface BrokenEnv {
  readonly Bindings: { readonly problems: readonly SettingProblem[]; readonly log: Log }
}

/** What answers while a core setting is broken: alive, not ready, and 503 for all else. Names stand in the log only. */
export function createBrokenApp(): Hono<BrokenEnv> {
  const app = new Hono<BrokenEnv>({ getPath })
  app.get('/health/liveness', (c) => c.json({ status: 'alive' }))
  app.all('*', (c) => {
    const requestId = crypto.randomUUID()
    for (const { setting, problem } of c.env.problems)
      c.env.log.error('misconfigured', { request_id: requestId, setting, problem })
    const headers = new Headers({
      'Retry-After': '60',
      'X-Request-Id': requestId,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    })
    return problemDocument(requestId, new AppError('misconfigured'), headers)
  })
  return app
}
