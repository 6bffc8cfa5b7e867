// The whole API on one screen: middleware order, and which resource stands where. Routers of /auth, /oauth, /emails and
// /avatars stand twice, with and without the prefix: one handler, one bucket.

import { Hono, type MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import { AppError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { AppEnv } from './context.ts'
import type { Resource } from './declare.ts'
import { caller } from './middleware/caller.ts'
import { authRateLimit } from './middleware/rate-limit.ts'
import { requestLog } from './middleware/request-log.ts'
import { securityHeaders } from './middleware/security-headers.ts'
import { pages } from './pages/routes.tsx'
import { problemDocument, respondError, respondRefusal } from './respond-error.ts'
import { declareApiKeys } from './routes/api-keys.ts'
import { declareAttachments } from './routes/attachments.ts'
import { declareAuditLogs } from './routes/audit-logs.ts'
import { declareAvatars, declareOwnAvatar } from './routes/avatars.ts'
import { declareCache } from './routes/cache.ts'
import { declareDatabase } from './routes/database.ts'
import { declareDatabaseHealth } from './routes/database-health.ts'
import { declareDocuments, mountViewers } from './routes/documents.ts'
import { declareEmails } from './routes/emails.ts'
import { alive, declareHealth, notReady } from './routes/health.ts'
import { declareIdentities } from './routes/identities.ts'
import { declareAddresses, declareMailAccounts } from './routes/mail-accounts.ts'
import { declareOauth } from './routes/oauth.ts'
import { declarePasswords } from './routes/passwords.ts'
import { declareProfile } from './routes/profile.ts'
import { declareRecovery } from './routes/recovery.ts'
import { declareRegistration } from './routes/registration.ts'
import { declareSend } from './routes/send.ts'
import { declareSessions } from './routes/sessions.ts'
import { declareStatus } from './routes/status.ts'
import { declareMailboxSync, declareSync } from './routes/sync.ts'
import { declareThreads } from './routes/threads.ts'
import { declareUsers } from './routes/users.ts'

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
  const users = resource('/api/v1/users')
  const trail = resource('/api/v1/audit-logs')
  const avatars = resource('/api/v1/avatars')
  const cache = resource('/api/v1/cache')
  const root = resource('')

  declareSessions(auth)
  declarePasswords(auth)
  declareRegistration(auth)
  declareRecovery(auth)
  declareOauth(auth, oauth)
  declareIdentities(auth)
  declareAddresses(emails)
  declareSync(emails)
  declareSend(emails)
  declareThreads(emails)
  declareAttachments(emails)
  // Last: it takes whatever stands in its place for an id.
  declareEmails(emails)
  declareMailAccounts(accounts)
  declareMailboxSync(accounts)
  declareProfile(auth)
  declareOwnAvatar(auth)
  declareUsers(users)
  declareAuditLogs(trail)
  declareApiKeys(keys)
  declareAvatars(avatars)
  declareCache(cache)
  declareHealth(root)
  declareDatabaseHealth(root)
  declareStatus(root)
  declareDatabase(root)
  declareDocuments(root, [auth, oauth, accounts, emails, keys, users, avatars, trail, cache, root])

  const app = router()
  app.use(requestLog(), securityHeaders(), crossOrigin(), caller())
  for (const base of ['/auth', '/oauth', '/api/v1/auth', '/api/v1/oauth']) {
    // Before the limit: its refusal, too, is a page there.
    for (const visited of ['login', 'callback']) app.use(`${base}/:provider/${visited}`, answerWithPages)
    app.use(`${base}/*`, authRateLimit())
  }
  app.route('/api/v1/auth', auth.router)
  app.route('/auth', auth.router)
  app.route('/api/v1/oauth', oauth.router)
  app.route('/oauth', oauth.router)
  app.route('/api/v1/emails', emails.router)
  app.route('/emails', emails.router)
  app.route('/api/v1/mail-accounts', accounts.router)
  app.route('/api/v1/api-keys', keys.router)
  app.route('/api/v1/users', users.router)
  app.route('/api/v1/avatars', avatars.router)
  // Where `avatar_url` points: short, since it stands in other people's pages.
  app.route('/avatars', avatars.router)
  app.route('/api/v1/audit-logs', trail.router)
  app.route('/api/v1/cache', cache.router)
  app.route('/', root.router)
  mountViewers(app)
  app.route('/', pages())

  app.onError(respondError)
  app.notFound((c) => {
    if (/^\/(api|auth|oauth|emails|avatars|health|status|metrics|\.well-known)(\/|$)/.test(c.req.path))
      c.set('wantsPage', false)
    else c.set('wantsPage', c.req.header('Accept')?.includes('text/html') === true)
    const allowed = methodsOf(app, c.req.path)
    // A handler that found nothing comes here too.
    if (allowed.length === 0 || allowed.includes(c.req.method === 'HEAD' ? 'GET' : c.req.method))
      return respondRefusal(c, new AppError('not_found'))
    c.header('Allow', allowed.join(', '))
    return respondRefusal(c, new AppError('method_not_allowed'))
  })
  return app
}

/** `login` and `callback` are visited by people: their refusals are pages. */
const answerWithPages: MiddlewareHandler<AppEnv> = async (c, next) => {
  c.set('wantsPage', true)
  await next()
}

/** The methods that some route takes at this path; middleware stands under ALL. */
function methodsOf(app: Hono<AppEnv>, path: string): string[] {
  return ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method === method),
  )
}

/** Calls from the configured front ends, with Bearer; never with credentials, so that no cookie rides along. */
function crossOrigin() {
  return cors({
    origin: (origin, c) => (c.env.deps.settings.corsOrigins.includes(origin) ? origin : null),
    allowMethods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key'],
    exposeHeaders: ['X-Request-Id', 'Retry-After', 'Content-Disposition'],
    maxAge: 600,
  })
}

const later = { 'Retry-After': '60' }

interface BrokenEnv {
  readonly Bindings: { readonly log: Log }
  readonly Variables: { requestId: string }
}

/** What answers while a core setting is broken: alive, not ready, and 503 for all else. Which one it is stands in the log. */
export function createBrokenApp(): Hono<BrokenEnv> {
  const app = new Hono<BrokenEnv>({ getPath })
  app.use(securityHeaders())
  app.use(async (c, next) => {
    c.set('requestId', crypto.randomUUID())
    await next()
    c.header('X-Request-Id', c.var.requestId)
    const line = { request_id: c.var.requestId, method: c.req.method, status: c.res.status, code: 'misconfigured' }
    c.env.log.error('request', line)
  })
  app.get('/health/liveness', (c) => c.json(alive))
  app.get('/health', (c) => c.json(notReady, 503, later))
  app.get('/health/readiness', (c) => c.json(notReady, 503, later))
  app.get('/health/database', (c) => c.json(notReady.database, 503, later))
  app.notFound((c) => {
    const headers = new Headers(later)
    return problemDocument(c.var.requestId, new AppError('misconfigured'), headers)
  })
  return app
}
