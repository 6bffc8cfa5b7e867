// A verified answer of the provider on its way to being kept, handed over or revoked: who, what was granted, and the
// tokens. Lives in memory, or sealed while it waits for its session.

import * as z from 'zod'
import { formatSealedAs, type KeyRing, open, seal } from '../crypto/seal.ts'
import { refusedGrantSealedAs, waitingGrantSealedAs } from '../mail-accounts/vault.ts'
import type { Grant, Profile, Provider } from '../providers/provider.ts'

const received = z.object({
  provider: z.enum(['google', 'github']),
  clientId: z.string(),
  subject: z.string(),
  email: z.string().nullable(),
  emailProof: z.enum(['google', 'trusted']).nullable(),
  fullName: z.string().nullable(),
  scopes: z.array(z.string()),
  accessToken: z.string(),
  expiresAt: z.number(),
  refreshToken: z.string().nullable(),
  refreshTokenExpiresAt: z.number().nullable(),
  wants: z.enum(['identity', 'mail']),
  expectedSubject: z.string().nullable(),
})

export type ReceivedGrant = z.infer<typeof received>

export function receive(
  provider: Provider,
  flow: { scopes: 'identity' | 'mail'; expected: { subject: string } | null },
  grant: Grant,
  profile: Profile,
): ReceivedGrant {
  return {
    provider: provider.code,
    clientId: provider.clientId,
    subject: profile.subject,
    email: profile.email,
    emailProof: profile.emailProof,
    fullName: profile.fullName,
    // No `scope` in the answer means: as asked (RFC 6749 §5.1).
    scopes: [...(grant.scopes ?? (flow.scopes === 'mail' ? provider.mailScopes : []))].sort(),
    accessToken: grant.accessToken,
    expiresAt: grant.expiresAt.getTime(),
    refreshToken: grant.refreshToken,
    refreshTokenExpiresAt: grant.refreshTokenExpiresAt?.getTime() ?? null,
    wants: flow.scopes,
    expectedSubject: flow.expected?.subject ?? null,
  }
}

/** Whether it opens a mailbox: only then is it kept as one, or revoked when it is not kept. */
export function opensMail(provider: Provider, grant: ReceivedGrant): boolean {
  return grant.scopes.some((scope) => provider.mailScopes.includes(scope))
}

/** The token that revokes the grant, sealed for `erasures`. */
export async function sealForRevocation(
  ring: KeyRing,
  grant: ReceivedGrant,
  rowId: string,
): Promise<{ sealed: string; sealedAs: string }> {
  const as = refusedGrantSealedAs(grant.refreshToken === null ? 'access_token' : 'refresh_token', rowId)
  return { sealed: await seal(ring, grant.refreshToken ?? grant.accessToken, as), sealedAs: formatSealedAs(as) }
}

export function sealWaiting(
  ring: KeyRing,
  grant: ReceivedGrant,
  oneTimeCodeId: string,
  userId: string,
): Promise<string> {
  return seal(ring, JSON.stringify(grant), waitingGrantSealedAs(oneTimeCodeId, userId))
}

/** Null where the seal does not open. */
export async function openWaiting(
  ring: KeyRing,
  envelope: string,
  oneTimeCodeId: string,
  userId: string,
): Promise<ReceivedGrant | null> {
  const opened = await open(ring, envelope, waitingGrantSealedAs(oneTimeCodeId, userId))
  if (!opened.ok) return null
  const parsed = received.safeParse(JSON.parse(opened.plaintext))
  return parsed.success ? parsed.data : null
}
