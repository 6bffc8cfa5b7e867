// Gmail's door: is the token live, is there such a method, does the token carry its scope, is it this mailbox, is there
// quota left. What passes goes to the method (mail/methods.ts).
import { liveAccessToken } from './grants.ts'
import { apiError, bearerToken, type Reply, type Request } from './http.ts'
import { Refused } from './mail/call.ts'
import { findMethod } from './mail/methods.ts'
import type { Quota } from './mail/quota.ts'
import type { Mailboxes } from './mailboxes.ts'
import { findUser, now, type User, type World } from './world.ts'

export interface GmailDeps {
  readonly world: World
  readonly mailboxes: Mailboxes
  readonly quota: Quota
}

const gmailPath = /^(\/upload)?\/gmail\/v1\/users\/([^/]+)(\/.*)$/

/** Any request under /gmail/v1 (and /upload/gmail/v1). */
export function answerGmail(deps: GmailDeps, request: Request): Reply {
  const { world, mailboxes, quota } = deps
  const token = bearerToken(request)
  const live = token === null ? null : liveAccessToken(world, token)
  const user = live === null ? undefined : world.users.get(live.sub)
  if (live === null || user === undefined) {
    return apiError(401, 'authError', 'Request had invalid authentication credentials.')
  }
  const [, upload = '', owner, rest] = gmailPath.exec(request.url.pathname) ?? []
  if (owner === undefined || rest === undefined) return apiError(404, 'notFound', 'Not Found')
  const found = findMethod(request.method, upload + rest)
  if (found === 'unknown') return apiError(404, 'notFound', 'Not Found')
  if (found === 'wrong-verb') return apiError(405, 'httpMethodNotAllowed', 'Method Not Allowed')
  const { method, params } = found
  if (!method.scopes.some((scope) => live.scopes.includes(scope))) {
    return apiError(403, 'insufficientPermissions', 'Request had insufficient authentication scopes.')
  }
  if (!isOwn(world, owner, user)) return apiError(403, 'forbidden', `Delegation denied for ${user.email}`)
  const { quotaUnitsPerMinutePerUser: limit, quotaStatus } = world.settings
  if (!quota.spend(user.email, method.units, now(world), limit)) {
    return apiError(quotaStatus, 'userRateLimitExceeded', 'User-rate limit exceeded.')
  }
  try {
    const mailboxOf = (email: string): ReturnType<typeof mailboxes.known> =>
      findUser(world, email) === undefined ? mailboxes.known(email) : mailboxes.of(email)
    return method.answer({ mailbox: mailboxes.of(user.email), world, request, params, mailboxOf })
  } catch (error) {
    if (error instanceof Refused) return error.reply
    throw error
  }
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
