// Tokens and what ends them: issue, the limit of 100, revocation. It knows no request and no answer.
import { randomBytes } from 'node:crypto'
import { type Grant, now, pairKey, type World } from './world.ts'

/** SECURITY G1. */
const MAX_LIVE_REFRESH_TOKENS = 100
/** Characters; the maxima are Google's documented ones (SECURITY G4). */
const lengths = {
  code: { normal: 76, maximum: 256 },
  access: { normal: 220, maximum: 2048 },
  refresh: { normal: 104, maximum: 512 },
} as const
const prefixes = { code: '4/0A', access: 'ya29.', refresh: '1//0' } as const

/** A fresh secret in the look of Google's. */
export function newSecret(world: World, kind: keyof typeof lengths): string {
  const length = lengths[kind][world.settings.tokenLength] - prefixes[kind].length
  return prefixes[kind] + randomBytes(length).toString('base64url').slice(0, length)
}

export function openGrant(world: World, input: { sub: string; clientId: string; scopes: readonly string[] }): Grant {
  const grant: Grant = { ...input, accessTokens: new Set(), refreshTokens: new Set() }
  const ofUser = world.grants.get(input.sub) ?? new Set()
  world.grants.set(input.sub, ofUser.add(grant))
  return grant
}

export function issueAccessToken(world: World, grant: Grant, lifetimeSeconds: number): string {
  const token = newSecret(world, 'access')
  world.accessTokens.set(token, { grant, scopes: grant.scopes, expiresAt: now(world) + lifetimeSeconds * 1000 })
  grant.accessTokens.add(token)
  return token
}

/** A refresh token outside the limit: seeding may make as many as it likes. */
export function mintRefreshToken(world: World, grant: Grant): string {
  const token = newSecret(world, 'refresh')
  const { refreshTokenExpiresIn: seconds } = world.settings
  world.refreshTokens.set(token, { grant, expiresAt: seconds === null ? null : now(world) + seconds * 1000 })
  grant.refreshTokens.add(token)
  const key = pairKey(grant.sub, grant.clientId)
  const live = world.liveRefreshTokens.get(key) ?? new Set()
  world.liveRefreshTokens.set(key, live.add(token))
  return token
}

/** A refresh token as Google gives it: one over the limit silently ends the oldest of this person and client. */
export function issueRefreshToken(world: World, grant: Grant): string {
  const token = mintRefreshToken(world, grant)
  const live = world.liveRefreshTokens.get(pairKey(grant.sub, grant.clientId)) ?? new Set()
  const [oldest] = live
  if (live.size > MAX_LIVE_REFRESH_TOKENS && oldest !== undefined) dropRefreshToken(world, oldest)
  return token
}

export function dropRefreshToken(world: World, token: string): void {
  const grant = world.refreshTokens.get(token)?.grant
  world.refreshTokens.delete(token)
  if (grant === undefined) return
  grant.refreshTokens.delete(token)
  world.liveRefreshTokens.get(pairKey(grant.sub, grant.clientId))?.delete(token)
}

/** The successor of a rotated token. The old one is remembered: shown again, it ends the grant. */
export function rotateRefreshToken(world: World, grant: Grant, spent: string): string {
  dropRefreshToken(world, spent)
  world.spentRefreshTokens.set(spent, grant)
  return issueRefreshToken(world, grant)
}

export function endGrant(world: World, grant: Grant): void {
  for (const token of grant.accessTokens) world.accessTokens.delete(token)
  for (const token of [...grant.refreshTokens]) dropRefreshToken(world, token)
  grant.accessTokens.clear()
  world.grants.get(grant.sub)?.delete(grant)
}

/** Ends all tokens, open codes and consents of a person, for one client or for the whole project (SECURITY G5). */
export function revokeUser(world: World, sub: string, clientId?: string): void {
  const isMeant = (owner: { sub: string; clientId: string }): boolean =>
    owner.sub === sub && (clientId === undefined || owner.clientId === clientId)
  for (const grant of [...(world.grants.get(sub) ?? [])]) if (isMeant(grant)) endGrant(world, grant)
  for (const code of world.codes.values()) if (isMeant(code)) code.state = 'burned'
  for (const client of clientId === undefined ? world.clients.keys() : [clientId]) {
    world.consents.delete(pairKey(sub, client))
  }
}

/** The scopes of a person's grants shrink; access tokens already out keep what they had. */
export function withdrawScope(world: World, sub: string, scope: string): void {
  for (const grant of world.grants.get(sub) ?? []) grant.scopes = grant.scopes.filter((it) => it !== scope)
  for (const client of world.clients.keys()) world.consents.get(pairKey(sub, client))?.delete(scope)
}

/** The live access token, or null: unknown, revoked and expired are the same to a caller. */
export function liveAccessToken(world: World, token: string): { sub: string; scopes: readonly string[] } | null {
  const found = world.accessTokens.get(token)
  if (found === undefined || found.expiresAt <= now(world)) return null
  return { sub: found.grant.sub, scopes: found.scopes }
}
