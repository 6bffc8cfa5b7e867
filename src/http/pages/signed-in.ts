// Who is looking at a page: the session cookie and the person behind it. Where nobody is, the refusal becomes a way to
// the sign-in page (refusal-page.tsx). Decides nothing about roles: the verbs do.

import type { CookieClaim } from '../../auth/claims.ts'
import type { Me } from '../../auth/sessions.sql.ts'
import { whoMightBe } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { isOwnPage } from '../../oauth/return-to.ts'
import type { AppContext } from '../context.ts'
import { sessionCookieClaim } from '../cookies.ts'

/** The cookie's claim, its form checked; whether it lives is for the verb to say. Throws 401 without one. */
export async function requireClaim(c: AppContext): Promise<CookieClaim> {
  const claim = await sessionCookieClaim(c)
  if (claim === null) throw new AppError('unauthorized')
  return claim
}

/** The person of a live session cookie, or null; asks the database only where a cookie was shown. */
export async function personOrNobody(c: AppContext): Promise<Me | null> {
  return whoMightBe(c.env.deps.db, await sessionCookieClaim(c))
}

/** A `return_to` where it is a page of ours, undefined where it is anything else. */
export function ownPage(c: AppContext, wanted: string | undefined): string | undefined {
  const isOurs = wanted !== undefined && wanted.length <= 2_000 && isOwnPage(c.env.deps.appUrl, wanted)
  return isOurs ? wanted : undefined
}
