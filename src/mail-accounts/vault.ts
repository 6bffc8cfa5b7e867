// The only place where a mailbox's tokens are sealed and opened. Knows envelopes and their coordinates, nothing of rows.

import * as z from 'zod'
import { type KeyRing, type Opened, open, type SealedAs, seal } from '../crypto/seal.ts'

/** Whose tokens: the owning row and its user, both bound into the envelope. */
export interface TokenOwner {
  readonly accountId: string
  readonly userId: string
}

export type TokenColumn = 'access_token_txt' | 'refresh_token_txt'

export function tokenSealedAs(column: TokenColumn, owner: TokenOwner): SealedAs {
  return { column: `oauth_tokens.${column}`, rowId: owner.accountId, userId: owner.userId }
}

export interface SealedTokens {
  readonly accessToken: string
  /** Null where there is none to store. */
  readonly refreshToken: string | null
}

/** Seals under the first key of the ring. */
export async function sealTokens(
  ring: KeyRing,
  owner: TokenOwner,
  tokens: { accessToken: string; refreshToken: string | null },
): Promise<SealedTokens> {
  const [accessToken, refreshToken] = await Promise.all([
    seal(ring, tokens.accessToken, tokenSealedAs('access_token_txt', owner)),
    tokens.refreshToken === null ? null : seal(ring, tokens.refreshToken, tokenSealedAs('refresh_token_txt', owner)),
  ])
  return { accessToken, refreshToken }
}

export function openToken(ring: KeyRing, envelope: string, column: TokenColumn, owner: TokenOwner): Promise<Opened> {
  return open(ring, envelope, tokenSealedAs(column, owner))
}

/** A grant that waits for its session under a one-time code (purpose `connect_hand_off`). */
export function waitingGrantSealedAs(oneTimeCodeId: string, userId: string | null): SealedAs {
  return { column: 'one_time_codes.payload_sealed_txt', rowId: oneTimeCodeId, userId }
}

/** One token on its way to revocation that no row of ours ever held. */
export function refusedGrantSealedAs(kind: 'access_token' | 'refresh_token', rowId: string): SealedAs {
  return { column: `erasures.${kind}`, rowId, userId: null }
}

/** The token inside an envelope that is to be revoked: a waiting grant's payload holds it as JSON, the others are it. */
export function tokenToRevoke(place: SealedAs, plaintext: string): string | null {
  if (place.column !== 'one_time_codes.payload_sealed_txt') return plaintext
  const parsed = z
    .object({ accessToken: z.string(), refreshToken: z.string().nullable() })
    .safeParse(JSON.parse(plaintext))
  return parsed.success ? (parsed.data.refreshToken ?? parsed.data.accessToken) : null
}
