// Our two cookies: the session of our own pages, and one a flow. `__Host-` wherever the app is https (Chromium refuses
// that prefix on http://localhost). HttpOnly and Lax always, no Domain ever.

import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { type CookieClaim, claimFromCookie } from '../auth/claims.ts'
import { cookieSessionSeconds } from '../auth/session-figures.ts'
import type { FlowCookie } from '../oauth/start.ts'
import type { AppContext } from './context.ts'

const attributes = (c: AppContext) =>
  ({ path: '/', httpOnly: true, secure: c.env.deps.settings.isSecure, sameSite: 'Lax' }) as const

function nameOf(c: AppContext, name: string): string {
  return c.env.deps.settings.isSecure ? `__Host-${name}` : name
}

/** The session cookie as a claim: its form only. Counts for our pages, `login` and the callback of its flows, nowhere else. */
export function sessionCookieClaim(c: AppContext): Promise<CookieClaim | null> {
  return claimFromCookie(getCookie(c, nameOf(c, 'session')) ?? '')
}

export function setSessionCookie(c: AppContext, value: string): void {
  setCookie(c, nameOf(c, 'session'), value, { ...attributes(c), maxAge: cookieSessionSeconds })
}

export function clearSessionCookie(c: AppContext): void {
  deleteCookie(c, nameOf(c, 'session'), attributes(c))
}

export function setFlowCookie(c: AppContext, cookie: FlowCookie): void {
  setCookie(c, nameOf(c, `flow-${cookie.suffix}`), cookie.value, { ...attributes(c), maxAge: cookie.maxAgeSeconds })
}

export function readFlowCookie(c: AppContext, suffix: string): string | null {
  return getCookie(c, nameOf(c, `flow-${suffix}`)) ?? null
}

export function clearFlowCookie(c: AppContext, suffix: string): void {
  deleteCookie(c, nameOf(c, `flow-${suffix}`), attributes(c))
}
