// A call of the provider for mail that is on its way: with a live token, and said in the words of sending: done, refused,
// later, or unclear.

import { AppError } from '../../errors.ts'
import { giveUpRefusedGrant, type HandedOutToken, liveAccessToken } from '../../mail-accounts/access-token.ts'
import type { ProviderFailure, ProviderResult } from '../../providers/failure.ts'

export type TokenDeps = Parameters<typeof liveAccessToken>[0]

/** What became of a call that needs a token. */
export type Called<T> =
  | { readonly kind: 'done'; readonly value: T }
  /** It did not happen, and never will. */
  | { readonly kind: 'refused'; readonly code: string }
  /** It did not happen, for now; `isLimit`: since the mailbox has asked for too much. */
  | {
      readonly kind: 'later'
      readonly code: string
      readonly retryAfterSeconds: number | null
      readonly isLimit: boolean
    }
  /** It may have happened. */
  | { readonly kind: 'unclear'; readonly code: string }

/** A call with a live token, once more with another one where the first is refused; a second refusal ends the grant. */
export async function withToken<T>(
  deps: TokenDeps,
  accountId: string,
  scopes: readonly string[],
  call: (token: HandedOutToken) => Promise<ProviderResult<T>>,
): Promise<Called<T>> {
  let refusedVersion: number | null = null
  for (;;) {
    const got = await tokenFor(deps, { accountId, scopes, refusedVersion })
    if (got.kind !== 'done') return got
    const result = await call(got.value)
    if (result.ok) return { kind: 'done', value: result.value }
    if (result.kind !== 'unauthorized') return describeFailure(result)
    if (refusedVersion !== null) {
      const isDead = await giveUpRefusedGrant(deps, { accountId, refusedVersion: got.value.version })
      if (!isDead) return later(result, false)
      return { kind: 'refused', code: 'needs_reauthorization' }
    }
    refusedVersion = got.value.version
  }
}

async function tokenFor(
  deps: TokenDeps,
  want: { accountId: string; scopes: readonly string[]; refusedVersion: number | null },
): Promise<Called<HandedOutToken>> {
  try {
    return { kind: 'done', value: await liveAccessToken(deps, want) }
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown
    const { code, retryAfterSeconds } = thrown
    switch (code) {
      case 'needs_reauthorization':
      case 'insufficient_scope':
        return { kind: 'refused', code }
      case 'not_found':
        return { kind: 'refused', code: 'disconnected' }
      case 'provider_unavailable':
      case 'sealed_token_unreadable':
      case 'misconfigured':
        return later({ code, retryAfterSeconds }, false)
      default:
        throw thrown
    }
  }
}

function later(
  why: Pick<ProviderFailure, 'code' | 'retryAfterSeconds'>,
  isLimit: boolean,
): Called<never> & { kind: 'later' } {
  return { kind: 'later', code: why.code, retryAfterSeconds: why.retryAfterSeconds, isLimit }
}

function describeFailure(failure: ProviderFailure): Exclude<Called<never>, { kind: 'done' }> {
  switch (failure.kind) {
    case 'rate_limited':
    case 'misconfigured':
      return later(failure, failure.kind === 'rate_limited')
    case 'unavailable':
      return { kind: 'unclear', code: failure.code }
    case 'forbidden':
      return { kind: 'refused', code: 'insufficient_scope' }
    default:
      return { kind: 'refused', code: failure.code }
  }
}
