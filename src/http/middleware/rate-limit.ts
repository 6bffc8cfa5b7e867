// The coarse outer fence of /auth, /oauth and the forms of our pages that call the same verbs, one bucket over all mounts.
// Permissive by nature (one a location, eventually consistent); what must be exact is counted in PostgreSQL. Where it
// fails, signing in is closed and reading stays open.

import type { MiddlewareHandler } from 'hono'
import { AppError } from '../../errors.ts'
import type { AppContext, AppEnv } from '../context.ts'

/** Seconds of the binding's window, for Retry-After. */
const windowSeconds = 60

// Signed in already, and asking about that only: by session where the JWT's signature held. Everything else, above all
// signing in, codes and letters to whatever address, goes by address (a key or cookie proves nothing before its trip).
const bySession = /^(\/api\/v1)?\/auth\/(me(?!\/email)|sessions|logout|logout-everywhere|identities|step-up)(\/|$)/

export function authRateLimit(): MiddlewareHandler<AppEnv> {
  return async function authRateLimit(c, next) {
    const { deps } = c.env
    const isRead = bySession.test(c.req.path) && (c.req.method === 'GET' || c.req.method === 'HEAD')
    let isWithin: boolean
    try {
      isWithin = (await deps.authRateLimit.limit({ key: bucketOf(c) })).success
    } catch (thrown) {
      if (!isRead) throw new AppError('unavailable', { cause: thrown })
      isWithin = true
    }
    if (!isWithin) throw new AppError('rate_limited', { retryAfterSeconds: windowSeconds })
    await next()
  }
}

function bucketOf(c: AppContext): string {
  const claim = c.var.bearer
  if (claim?.kind === 'session' && bySession.test(c.req.path)) return `session:${claim.sessionId}`
  return `address:${networkOf(c.req.header('CF-Connecting-IP') ?? '')}`
}

/** An IPv4 address whole, an IPv6 one by its /64 (one subscriber has at least that); without an address all share one. */
export function networkOf(address: string): string {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) return address
  // The platform's own parser expands `::` and lower-cases; mapped IPv4 addresses keep their own bucket.
  if (!/^[0-9a-f:.]+$/i.test(address) || !URL.canParse(`http://[${address}]/`)) return 'unknown'
  const compact = new URL(`http://[${address}]/`).hostname.slice(1, -1)
  const [head = '', tail] = compact.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups =
    tail === undefined ? before : [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after]
  const isMapped = groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff'
  return isMapped ? groups.join(':') : `${groups.slice(0, 4).join(':')}::/64`
}
