// Who and what exists in the local GitHub: people, OAuth apps, codes and tokens, in memory. No rules.

export interface Email {
  readonly email: unknown
  readonly primary: unknown
  readonly verified: unknown
  readonly visibility?: string | null
}

export interface Person {
  readonly id: number
  readonly login: string
  readonly name: string | null
  /** The public address of `/user`; it says nothing of who may read that mailbox. */
  readonly email: string | null
  readonly emails: readonly Email[]
}

export interface App {
  readonly clientId: string
  readonly clientSecret: string
  readonly redirectUris: readonly string[] | 'any-loopback'
}

export interface Code {
  readonly clientId: string
  readonly redirectUri: string
  readonly challenge: string
  readonly personId: number
  readonly scopes: readonly string[]
  readonly expiresAt: number
}

export interface Token {
  readonly clientId: string
  readonly personId: number
  readonly scopes: readonly string[]
}

export interface World {
  readonly people: Map<number, Person>
  readonly apps: Map<string, App>
  readonly codes: Map<string, Code>
  readonly tokens: Map<string, Token>
  /** Who has authorized which app: `clientId personId`, with the scopes. */
  readonly grants: Map<string, readonly string[]>
  /** `iss` of the callback: the truth, none, or a lie that a test wants. */
  issuerInCallback: boolean | string
}

export function createWorld(): World {
  return {
    people: new Map(),
    apps: new Map(),
    codes: new Map(),
    tokens: new Map(),
    grants: new Map(),
    issuerInCallback: true,
  }
}

export function clearWorld(world: World): void {
  for (const map of [world.people, world.apps, world.codes, world.tokens, world.grants]) map.clear()
  world.issuerInCallback = true
}

/** The demo people: one with a verified primary address that is not the first, one without a verified one. */
export const demoPeople: readonly Person[] = [
  {
    id: 4_310_001,
    login: 'demo-gatepost',
    name: 'Demo Person',
    email: null,
    emails: [
      { email: '4310001+demo-gatepost@users.noreply.github.com', primary: false, verified: true, visibility: null },
      { email: 'demo.hub@example.com', primary: true, verified: true, visibility: 'private' },
    ],
  },
  {
    id: 4_310_002,
    login: 'unverified-uma',
    name: 'Uma Unverified',
    email: 'uma@example.com',
    emails: [{ email: 'uma@example.com', primary: true, verified: false, visibility: 'public' }],
  },
]
