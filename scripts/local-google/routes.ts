// The table of the local Google's paths: Google's real ones, all under one origin (DESIGN section 7).
import { answerAuthorize } from './authorize-door.ts'
import { answerBatch } from './batch.ts'
import { answerGmail, type GmailDeps } from './gmail.ts'
import { apiError, html, type Reply, type Request } from './http.ts'
import { refusalPage } from './pages.ts'
import { answerCerts, answerDiscovery, answerRevoke, answerToken, answerUserinfo, type TokenDeps } from './token.ts'

export interface RouteDeps extends TokenDeps, GmailDeps {
  /** How a part of a batch is answered: as a request from outside. */
  answerPart(part: Request): Promise<Reply>
}

const table: Readonly<Record<string, (deps: RouteDeps, request: Request) => Reply | Promise<Reply>>> = {
  'GET /o/oauth2/v2/auth': answerAuthorize,
  'POST /o/oauth2/v2/auth': answerAuthorize,
  'POST /token': answerToken,
  'POST /revoke': answerRevoke,
  'GET /oauth2/v3/certs': answerCerts,
  'GET /.well-known/openid-configuration': answerDiscovery,
  'GET /v1/userinfo': answerUserinfo,
  'POST /v1/userinfo': answerUserinfo,
  'POST /batch/gmail/v1': (deps, request) => answerBatch(request, (part) => answerBatchPart(deps, part)),
}

export async function answerRequest(deps: RouteDeps, request: Request): Promise<Reply> {
  const { pathname } = request.url
  const name = `${request.method} ${pathname}`
  const route = Object.hasOwn(table, name) ? table[name] : undefined
  if (route !== undefined) return route(deps, request)
  if (isGmail(pathname)) return answerGmail(deps, request)
  if (Object.keys(table).some((it) => it.endsWith(` ${pathname}`))) {
    return apiError(405, 'httpMethodNotAllowed', 'Method Not Allowed')
  }
  if (pathname === '/') return html(404, refusalPage({ error: 'not_found', description: 'Begin in the app instead.' }))
  return apiError(404, 'notFound', 'Not Found')
}

function isGmail(pathname: string): boolean {
  return pathname.startsWith('/gmail/v1/') || pathname.startsWith('/upload/gmail/v1/')
}

/** Only Gmail's own calls may stand in a batch. */
function answerBatchPart(deps: RouteDeps, part: Request): Promise<Reply> {
  if (!isGmail(part.url.pathname)) return Promise.resolve(apiError(404, 'notFound', 'Not Found'))
  return deps.answerPart(part)
}
