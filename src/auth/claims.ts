// From what was shown to a claim: the form only (a JWT's signature and claims, the shape of a key or cookie), without a
// trip. The first statement of the verb decides whether it lives.

import { sha256 } from '../crypto/hash.ts'
import { type SigningKeys, verifyAccessToken } from '../crypto/jwt.ts'
import type { CallerClaim } from '../db/caller.ts'
import { keyPattern } from './service-keys.ts'

export type { RequestOrigin } from '../db/audit.ts'
export type { CallerClaim } from '../db/caller.ts'

export type CookieClaim = CallerClaim & { readonly kind: 'cookie' }

/** The claim of an `Authorization` header: Bearer with one of our JWTs or a service key; null for anything else. */
export async function claimFromBearer(
  deps: { signingKeys: SigningKeys; appUrl: string; clock: () => Date },
  header: string,
): Promise<CallerClaim | null> {
  const token = /^Bearer +([\x21-\x7e]{1,4096})$/i.exec(header)?.[1]
  if (token === undefined) return null
  if (keyPattern.test(token)) return { kind: 'key', keyHash: await sha256(token) }
  const claims = await verifyAccessToken(deps.signingKeys, token, { issuer: deps.appUrl, now: deps.clock() })
  return claims === null ? null : { kind: 'session', userId: claims.userId, sessionId: claims.sessionId }
}

const sessionForm = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.([A-Za-z0-9_-]{43})$/

/** The claim of a session cookie, `session_id.secret`; null for anything else. */
export async function claimFromCookie(value: string): Promise<CookieClaim | null> {
  const [, sessionId, secret] = sessionForm.exec(value) ?? []
  if (sessionId === undefined || secret === undefined) return null
  return { kind: 'cookie', sessionId, secretHash: await sha256(secret) }
}
