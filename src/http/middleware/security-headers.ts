// Headers of every answer. Pages may show our own styles and pictures and post to ourselves; JSON may do nothing; the
// documents' viewers get what their libraries need, from our own origin. No script runs on a page of ours.

import type { Env, MiddlewareHandler } from 'hono'

const pagePolicy =
  "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
/** Of a page that shows a document of ours in a frame: such a page sets it itself. */
export const pagePolicyWithFrames = `${pagePolicy}; frame-src 'self'`
const dataPolicy = "default-src 'none'; frame-ancestors 'none'"
const viewerPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const viewers = new Set(['/docs', '/redoc'])

export function securityHeaders<E extends Env>(): MiddlewareHandler<E> {
  return async function securityHeaders(c, next) {
    await next()
    // What came from elsewhere (static assets) has headers that cannot be changed; our own answers need no copy.
    if (!isMutable(c.res.headers)) c.res = new Response(c.res.body, c.res)
    const { headers } = c.res
    const type = headers.get('Content-Type')
    // Hono's JSON says no charset; what is in it was typed by strangers, and is read as nothing else (ASVS 4.1.1).
    if (type === 'application/json') headers.set('Content-Type', `${type}; charset=utf-8`)
    const isPage = type?.startsWith('text/html') === true
    const set = (name: string, value: string) => {
      if (!headers.has(name)) headers.set(name, value)
    }
    set('Content-Security-Policy', viewers.has(c.req.path) ? viewerPolicy : isPage ? pagePolicy : dataPolicy)
    set('Strict-Transport-Security', 'max-age=63072000; includeSubDomains')
    set('X-Content-Type-Options', 'nosniff')
    set('X-Frame-Options', 'DENY')
    // Under no-referrer browsers post `Origin: null`, and our forms ask for an Origin that is ours.
    set('Referrer-Policy', 'same-origin')
    set('Cross-Origin-Opener-Policy', 'same-origin')
    set('Permissions-Policy', 'camera=(), geolocation=(), microphone=()')
    set('Cache-Control', 'no-store')
  }
}

function isMutable(headers: Headers): boolean {
  try {
    headers.delete('X-Powered-By')
    return true
  } catch {
    return false
  }
}
