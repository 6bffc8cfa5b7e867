// Everything the local Google remembers, in memory: people, clients, consents, codes, tokens, settings, the clock.
// It keeps and finds; the rules of OAuth are in authorize.ts and token.ts. All look-ups are by Map: 10,000 accounts are
// ordinary in a test.
import { createHash } from 'node:crypto'

export interface User {
  readonly sub: string
  readonly email: string
  readonly email_verified?: unknown
  readonly hd?: string
  readonly name?: string
  readonly picture?: string
}

export interface Client {
  readonly clientId: string
  readonly clientSecret: string
  readonly redirectUris: readonly string[] | 'any-loopback'
}

export interface IdTokenSettings {
  /** Over the true claims; null removes one. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
  readonly key?: 'own' | 'foreign' | undefined
  readonly omit?: boolean | undefined
  /** `none` and `HS256` (signed with the client's secret) are attacks. */
  readonly alg?: 'RS256' | 'none' | 'HS256' | undefined
  readonly kid?: string | undefined
}

export interface Settings {
  rotateRefreshTokens: boolean
  accessTokenLifetimeSeconds: number
  /** Stands in answers instead of the true `expires_in`; null leaves it out, 'default' is the truth. */
  expiresIn: unknown
  tokenLength: 'normal' | 'maximum'
  refreshTokenExpiresIn: number | null
  issuerInCallback: boolean | string
  scopeOverrideOnRefresh: string | null
  idToken: IdTokenSettings | null
  omitRefreshToken: boolean
  omitScope: boolean
  historyFloor: string | null
  /** Whether text bodies and header values come decoded, which Gmail leaves undocumented. */
  textBodies: 'as-sent' | 'utf-8'
  /** Whether a sent message keeps the Message-ID it brought. */
  messageIdOnSend: 'kept' | 'replaced'
  /** null: no limit. */
  quotaUnitsPerMinutePerUser: number | null
  quotaStatus: 403 | 429
  /** Lists give some ids twice, over the borders of pages too, as Gmail does under load. */
  listRepeatsIds: boolean
}

/** One consent's offspring: what a spent code or a reused rotated token kills together. */
export interface Grant {
  readonly sub: string
  readonly clientId: string
  scopes: readonly string[]
  readonly accessTokens: Set<string>
  readonly refreshTokens: Set<string>
}

export interface AccessToken {
  readonly grant: Grant
  readonly scopes: readonly string[]
  readonly expiresAt: number
}

export interface RefreshToken {
  readonly grant: Grant
  /** Milliseconds; null: no end. */
  readonly expiresAt: number | null
}

export interface Code {
  readonly sub: string
  readonly clientId: string
  readonly redirectUri: string
  readonly challenge: string | null
  readonly scopes: readonly string[]
  readonly nonce: string | null
  readonly givesRefreshToken: boolean
  readonly expiresAt: number
  /** `open` may be redeemed; a grant: what it gave; `burned`: nothing any more. */
  state: 'open' | 'burned' | Grant
}

export interface World {
  readonly users: Map<string, User>
  readonly subsByEmail: Map<string, string>
  readonly clients: Map<string, Client>
  /** By `pairKey`: scopes the person has granted this client. */
  readonly consents: Map<string, Set<string>>
  readonly codes: Map<string, Code>
  readonly accessTokens: Map<string, AccessToken>
  readonly refreshTokens: Map<string, RefreshToken>
  /** Rotated away; shown again, it ends its grant. */
  readonly spentRefreshTokens: Map<string, Grant>
  /** By `pairKey`, oldest first. */
  readonly liveRefreshTokens: Map<string, Set<string>>
  readonly grants: Map<string, Set<Grant>>
  settings: Settings
  clockOffsetMs: number
}

const defaultSettings: Settings = {
  rotateRefreshTokens: false,
  accessTokenLifetimeSeconds: 3600,
  expiresIn: 'default',
  tokenLength: 'normal',
  refreshTokenExpiresIn: null,
  issuerInCallback: false,
  scopeOverrideOnRefresh: null,
  idToken: null,
  omitRefreshToken: false,
  omitScope: false,
  historyFloor: null,
  textBodies: 'utf-8',
  messageIdOnSend: 'kept',
  quotaUnitsPerMinutePerUser: null,
  quotaStatus: 403,
  listRepeatsIds: false,
}

export function createWorld(): World {
  return {
    users: new Map(),
    subsByEmail: new Map(),
    clients: new Map(),
    consents: new Map(),
    codes: new Map(),
    accessTokens: new Map(),
    refreshTokens: new Map(),
    spentRefreshTokens: new Map(),
    liveRefreshTokens: new Map(),
    grants: new Map(),
    settings: { ...defaultSettings },
    clockOffsetMs: 0,
  }
}

/** Forgets everything; who calls it puts the first users and clients back. */
export function clearWorld(world: World): void {
  const maps = [world.users, world.subsByEmail, world.clients, world.consents, world.codes, world.accessTokens]
  for (const map of [...maps, world.refreshTokens, world.spentRefreshTokens, world.liveRefreshTokens, world.grants]) {
    map.clear()
  }
  world.settings = { ...defaultSettings }
  world.clockOffsetMs = 0
}

/** Milliseconds by the movable clock. */
export function now(world: World): number {
  return Date.now() + world.clockOffsetMs
}

export function pairKey(sub: string, clientId: string): string {
  return `${sub}\n${clientId}`
}

/** 21 digits, the same for an address at every start (SECURITY G8: `sub` is the key, so it may not move). */
export function subjectOf(email: string): string {
  const number = BigInt(`0x${createHash('sha256').update(email.toLowerCase()).digest('hex')}`) % 10n ** 20n
  return `1${number.toString().padStart(20, '0')}`
}

/** Adds a person, or replaces the one with this `sub`; a new address of a known `sub` frees the old one. */
export function putUser(world: World, user: User): User {
  const before = world.users.get(user.sub)
  if (before !== undefined && world.subsByEmail.get(before.email.toLowerCase()) === user.sub) {
    world.subsByEmail.delete(before.email.toLowerCase())
  }
  world.users.set(user.sub, user)
  world.subsByEmail.set(user.email.toLowerCase(), user.sub)
  return user
}

/** @param hint an e-mail address or a `sub` */
export function findUser(world: World, hint: string): User | undefined {
  return world.users.get(world.subsByEmail.get(hint.toLowerCase()) ?? hint)
}
