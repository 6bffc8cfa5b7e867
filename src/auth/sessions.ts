// Sessions: begin, rotate, list, end. Knows nothing of HTTP or of how somebody proved who they are.

import { hmac, sha256 } from '../crypto/hash.ts'
import { type SigningKeys, signAccessToken } from '../crypto/jwt.ts'
import { randomToken, uuidV7 } from '../crypto/random.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { NewSessionParams } from './new-session.sql.ts'
import { accessTokenSeconds } from './session-figures.ts'
import {
  endAllSessions,
  endOneSession,
  endThisSession,
  listLiveSessions,
  type Me,
  readMe,
  rotateRefreshToken,
  type SessionRow,
  type SignedIn,
} from './sessions.sql.ts'

export interface TokenIssuer {
  readonly clock: () => Date
  readonly signingKeys: SigningKeys
  /** `iss` and `aud` of our JWTs. */
  readonly appUrl: string
}

export interface TokenPair {
  readonly accessToken: string
  readonly refreshToken: string
  /** Seconds. */
  readonly expiresIn: number
}

/** A session about to be stored: its rows as parameters, its secrets for the one who gets them. */
export interface TokenSession {
  readonly params: NewSessionParams & { readonly newSessionId: string }
  readonly refreshToken: string
}

export async function newTokenSession(clock: () => Date): Promise<TokenSession> {
  const refreshToken = `gpr_${randomToken()}`
  return {
    params: { newSessionId: uuidV7(clock()), newSecretHash: null, newRefreshHash: await sha256(refreshToken) },
    refreshToken,
  }
}

/** A session of our own pages; `cookie` is `session_id.secret`, of which only the secret's hash is stored. */
export async function newCookieSession(
  clock: () => Date,
): Promise<{ params: NewSessionParams & { newSessionId: string }; cookie: string }> {
  const newSessionId = uuidV7(clock())
  const secret = randomToken()
  return {
    params: { newSessionId, newSecretHash: await sha256(secret), newRefreshHash: null },
    cookie: `${newSessionId}.${secret}`,
  }
}

export async function issueTokenPair(
  issuer: TokenIssuer,
  session: { userId: string; sessionId: string; refreshToken: string },
): Promise<TokenPair> {
  const accessToken = await signAccessToken(issuer.signingKeys, session, {
    issuer: issuer.appUrl,
    now: issuer.clock(),
    ttlSeconds: accessTokenSeconds,
  })
  return { accessToken, refreshToken: session.refreshToken, expiresIn: accessTokenSeconds }
}

/**
 * Rotates a refresh token (RFC 9700 §4.14). The successor is derived from the shown one, so a lost answer can be asked
 * for again and is the same, though only hashes are stored. Throws 401 `invalid_refresh_token` or `session_expired`.
 */
export async function refreshSession(
  deps: TokenIssuer & { db: Db; refreshTokenKey: CryptoKey },
  shown: string,
  origin: RequestOrigin,
): Promise<TokenPair> {
  if (!/^gpr_[A-Za-z0-9_-]{43}$/.test(shown)) throw new AppError('invalid_refresh_token')
  const refreshToken = `gpr_${await hmac(deps.refreshTokenKey, shown)}`
  const row = await deps.db.first(rotateRefreshToken, {
    shownHash: await sha256(shown),
    successorHash: await sha256(refreshToken),
    ...origin,
  })
  if (row === null || row.verdict === 'reused') throw new AppError('invalid_refresh_token')
  if (row.verdict === 'ended' || row.verdict === 'expired' || row.userId === null) throw new AppError('session_expired')
  return issueTokenPair(deps, { userId: row.userId, sessionId: row.sessionId, refreshToken })
}

/** The signed-in person. Throws 401, and 403 for a service key. */
export async function whoAmI(db: Db, claim: CallerClaim): Promise<SignedIn> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const me = await db.first(readMe, callerParams(claim))
  if (me === null) throw new AppError('unauthorized')
  return me
}

/** The person behind a cookie that may be absent, stale or foreign: null for each of these. */
export async function whoMightBe(db: Db, claim: CallerClaim | null): Promise<Me | null> {
  return claim === null || claim.kind === 'key' ? null : db.first(readMe, callerParams(claim))
}

export type LiveSession = SessionRow & { readonly id: string }

/** The caller's live sessions, newest first. */
export async function listSessions(
  db: Db,
  claim: CallerClaim,
  page: { before: string | null; limit: number },
): Promise<LiveSession[]> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const rows = await db.all(listLiveSessions, { ...callerParams(claim), ...page })
  if (rows.length === 0) throw new AppError('unauthorized')
  return rows.filter((row): row is LiveSession => row.id !== null)
}

/** Ends one of the caller's sessions; another's or none is 404. */
export async function revokeSession(
  db: Db,
  claim: CallerClaim,
  sessionId: string,
  origin: RequestOrigin,
): Promise<void> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const row = await db.first(endOneSession, { ...callerParams(claim), sessionId, ...origin })
  if (row === null) throw new AppError('unauthorized')
  if (row.ended === null) throw new AppError('not_found')
}

/** Ends the session of the claim or of the refresh token. Done already is done. */
export async function logOut(
  db: Db,
  shown: { claim: CallerClaim } | { refreshToken: string },
  origin: RequestOrigin,
): Promise<void> {
  const claim = 'claim' in shown ? shown.claim : null
  if (claim?.kind === 'key') throw new AppError('forbidden')
  const refreshHash = 'refreshToken' in shown ? await sha256(shown.refreshToken) : null
  await db.all(endThisSession, { ...callerParams(claim), refreshHash, ...origin })
}

/** Ends every session of the caller, also one that is just being begun. */
export async function logOutEverywhere(db: Db, claim: CallerClaim, origin: RequestOrigin): Promise<void> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const row = await db.first(endAllSessions, { ...callerParams(claim), ...origin })
  if (row === null) throw new AppError('unauthorized')
}
