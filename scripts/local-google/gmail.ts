// Gmail's door: is the token live, does it carry the scope, is it this mailbox. What passes goes to the mailbox's data;
// the profile and the age limit of history are ours, since the data behind knows neither.
import { liveAccessToken } from './grants.ts'
import { apiError, bearerToken, json, type Reply, type Request } from './http.ts'
import type { Mailboxes } from './mailboxes.ts'
import { GMAIL_COMPOSE, GMAIL_FULL, GMAIL_MODIFY, GMAIL_READONLY, GMAIL_SEND } from './scopes.ts'
import { findUser, type User, type World } from './world.ts'

export interface GmailDeps {
  readonly world: World
  /** null: started without Gmail data, only the profile answers. */
  readonly mailboxes: Mailboxes | null
}

const gmailPath = /^(\/upload)?\/gmail\/v1\/users\/([^/]+)(\/.*)$/

/** Any request under /gmail/v1 (and /upload/gmail/v1). */
export async function answerGmail(deps: GmailDeps, request: Request): Promise<Reply> {
  const token = bearerToken(request)
  const live = token === null ? null : liveAccessToken(deps.world, token)
  const user = live === null ? undefined : deps.world.users.get(live.sub)
  if (live === null || user === undefined) {
    return apiError(401, 'authError', 'Request had invalid authentication credentials.')
  }
  const [, upload = '', owner, rest] = gmailPath.exec(request.url.pathname) ?? []
  if (owner === undefined || rest === undefined) return apiError(404, 'notFound', 'Not Found')
  if (!scopesFor(request.method, rest).some((scope) => live.scopes.includes(scope))) {
    return apiError(403, 'insufficientPermissions', 'Request had insufficient authentication scopes.')
  }
  if (!isOwn(deps.world, owner, user)) return apiError(403, 'forbidden', `Delegation denied for ${user.email}`)
  const own: Request = {
    ...request,
    url: new URL(`${upload}/gmail/v1/users/me${rest}${request.url.search}`, request.url),
  }
  if (rest === '/profile') return request.method === 'GET' ? profile(deps, user) : notAllowed()
  if (rest === '/history') {
    const refused = checkHistoryStart(deps.world, request.url.searchParams.get('startHistoryId'))
    if (refused !== null) return refused
  }
  if (deps.mailboxes === null) return apiError(503, 'backendError', 'This local Google runs without Gmail data.')
  return inGoogleShape(await deps.mailboxes.send(user.email, own))
}

function notAllowed(): Reply {
  return apiError(405, 'httpMethodNotAllowed', 'Method Not Allowed')
}

/** Any one of these is enough (Gmail's reference, per method). */
function scopesFor(method: string, rest: string): readonly string[] {
  if (rest === '/messages/send') return [GMAIL_SEND, GMAIL_COMPOSE, GMAIL_MODIFY, GMAIL_FULL]
  if (rest === '/drafts/send' || (method !== 'GET' && rest.startsWith('/drafts'))) {
    return [GMAIL_COMPOSE, GMAIL_MODIFY, GMAIL_FULL]
  }
  if (method === 'GET' || rest === '/watch' || rest === '/stop') return [GMAIL_READONLY, GMAIL_MODIFY, GMAIL_FULL]
  return method === 'DELETE' && /^\/(messages|threads)\//.test(rest) ? [GMAIL_FULL] : [GMAIL_MODIFY, GMAIL_FULL]
}

function isOwn(world: World, owner: string, user: User): boolean {
  let name = owner
  try {
    name = decodeURIComponent(owner)
  } catch {
    return false
  }
  return name === 'me' || findUser(world, name)?.sub === user.sub
}

/** SECURITY G16: too old is 404, and the client starts over. Compared as numbers: 21 digits pass 2^53. */
function checkHistoryStart(world: World, start: string | null): Reply | null {
  if (start === null || !/^\d{1,30}$/.test(start)) {
    return apiError(400, 'invalidArgument', 'Missing or invalid startHistoryId')
  }
  const { historyFloor } = world.settings
  if (historyFloor === null || BigInt(start) >= BigInt(historyFloor)) return null
  return apiError(404, 'notFound', 'Requested entity was not found.')
}

/** users.getProfile: the counts are the mailbox's own, the history id is text. */
async function profile({ mailboxes }: GmailDeps, user: User): Promise<Reply> {
  const ask = async (pathAndQuery: string): Promise<Record<string, unknown>> => {
    if (mailboxes === null) return {}
    const url = new URL(`http://localhost/gmail/v1/users/me/${pathAndQuery}`)
    const answer = await mailboxes.send(user.email, { method: 'GET', url, headers: {}, body: Buffer.alloc(0) })
    const parsed: unknown = JSON.parse(answer.body.toString())
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {}
  }
  const messages = await ask('messages?maxResults=1&includeSpamTrash=true')
  const threads = await ask('threads?maxResults=1&includeSpamTrash=true')
  const history = await ask('history?startHistoryId=1&maxResults=1')
  return json(200, {
    emailAddress: user.email,
    messagesTotal: Number(messages.resultSizeEstimate ?? 0),
    threadsTotal: Number(threads.resultSizeEstimate ?? 0),
    historyId: String(history.historyId ?? '1'),
  })
}

/** What the data behind says of an unknown path is not in Google's shape. */
function inGoogleShape(reply: Reply): Reply {
  const isError = reply.status >= 400 && !reply.body.toString().startsWith('{"error":{')
  return isError ? apiError(reply.status, 'notFound', 'Not Found') : reply
}
