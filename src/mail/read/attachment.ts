// One attachment, opened at its provider and passed on as it arrives: never stored, never whole in memory.

import { type CallerClaim, callerParams } from '../../db/caller.ts'
import { assertReach } from '../../db/reach.ts'
import { AppError } from '../../errors.ts'
import { giveUpRefusedGrant, liveAccessToken } from '../../mail-accounts/access-token.ts'
import type { ProviderFailure } from '../../providers/failure.ts'
import type { AttachmentStream, MailAdapter } from '../../providers/mail.ts'
import { type QuotaSettings, takeUnits } from '../quota.ts'
import { readScope } from '../send/scopes.ts'
import { type FoundAttachment, findAttachment } from './attachment.sql.ts'

type AttachmentDeps = Parameters<typeof liveAccessToken>[0] & { readonly sync: QuotaSettings }

/** As their sender named them: what is fit to be shown is the answer's matter (attachment-name.ts). */
export interface NamedAttachment {
  readonly filename: string
  readonly contentType: string
}

export interface OpenAttachment extends NamedAttachment {
  readonly body: ReadableStream<Uint8Array>
}

type Which = { emailId: string; partId: string; forUserId: string | null }

/** What it is called, without asking its provider. Throws 401; 403 `forbidden`; 404; 422. */
export async function nameAttachment(
  deps: Pick<AttachmentDeps, 'db'>,
  claim: CallerClaim,
  which: Which,
): Promise<NamedAttachment> {
  const { filename, contentType } = await find(deps, claim, which)
  return { filename, contentType }
}

async function find(deps: Pick<AttachmentDeps, 'db'>, claim: CallerClaim, which: Which): Promise<FoundAttachment> {
  const row = await deps.db.first(findAttachment, { ...callerParams(claim), ...which })
  assertReach(row, which.forUserId)
  if (row.accountId === null) throw new AppError('not_found')
  return row
}

/**
 * Opens it by message and part. Throws 401; 403 `forbidden`, `insufficient_scope`; 404 (unknown, another's, hidden, of a
 * disconnected mailbox, gone at the provider); 409 `needs_reauthorization`; 422; 429 where the mailbox's quota is spent, by
 * our count or the provider's; 503 `provider_unavailable`. Both with the wait, the provider's own where it named one.
 */
export async function openAttachment(deps: AttachmentDeps, claim: CallerClaim, which: Which): Promise<OpenAttachment> {
  const row = await find(deps, claim, which)
  const adapter = [...deps.providers.values()].find(({ code }) => code === row.provider)?.mail ?? null
  if (adapter === null) throw new AppError('not_found')
  const { body } = await openAtProvider(deps, adapter, row, which.partId)
  return { filename: row.filename, contentType: row.contentType, body }
}

async function openAtProvider(
  deps: AttachmentDeps,
  adapter: MailAdapter,
  found: FoundAttachment,
  partId: string,
): Promise<AttachmentStream> {
  const { accountId, providerMessageId: messageId } = found
  let refusedVersion: number | null = null
  for (;;) {
    const { accessToken, version } = await liveAccessToken(deps, { accountId, scopes: [readScope], refusedVersion })
    await takeUnits(deps, { accountId, provider: found.provider, units: adapter.costs.attachment, work: 'interactive' })
    const result = await adapter.attachment({ accessToken, messageId, partId })
    if (result.ok) {
      if (result.value === null) throw new AppError('not_found')
      return result.value
    }
    if (result.kind !== 'unauthorized') throw refusalOf(result)
    if (refusedVersion !== null) {
      const isDead = await giveUpRefusedGrant(deps, { accountId, refusedVersion: version })
      throw isDead
        ? new AppError('needs_reauthorization')
        : new AppError('provider_unavailable', { retryAfterSeconds: 30 })
    }
    // A token may be refused before its time: another is fetched, once.
    refusedVersion = version
  }
}

function refusalOf(failure: ProviderFailure): AppError {
  switch (failure.kind) {
    case 'forbidden':
      return new AppError('insufficient_scope')
    case 'refused':
      return new AppError('not_found')
    default: {
      const code = failure.kind === 'rate_limited' ? 'rate_limited' : 'provider_unavailable'
      return new AppError(code, { retryAfterSeconds: Math.max(1, failure.retryAfterSeconds ?? 5) })
    }
  }
}
