// Sends what was taken in: claim the row, send or look, write what came of it. Repeats are scheduled by the row, not the
// queue; nothing is sent again before it was looked for. It must not know who asked, and no content leaves by the log.

import { utf8 } from '../../crypto/encoding.ts'
import { uuidV7 } from '../../crypto/random.ts'
import { againOnConflict, type Db } from '../../db/client.ts'
import { AppError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { giveUpRefusedGrant, type HandedOutToken, liveAccessToken } from '../../mail-accounts/access-token.ts'
import type { SendMessage } from '../../messages.ts'
import type { ProviderFailure, ProviderResult } from '../../providers/failure.ts'
import type { MailAdapter, SentMessage } from '../../providers/mail.ts'
import { type QuotaSettings, reserveUnits } from '../quota.ts'
import { type ClaimedSend, claimSend, finishSend, type SendEnding, takeDueSends } from './deliver.sql.ts'
import type { SendStatus } from './outbox.sql.ts'
import { afterLook, firstLookSeconds, waitSeconds } from './policy.ts'
import { readScope, sendScope } from './scopes.ts'

type TokenDeps = Parameters<typeof liveAccessToken>[0]

export interface SendDeps extends TokenDeps {
  readonly db: Db
  readonly log: Log
  readonly sync: QuotaSettings
}

/** Messages a look reads at most (providers/gmail `findSent`). */
const messagesOfLook = 30
/** Longest that something is looked for which cannot be looked up. */
const longestLookSeconds = 48 * 3_600
/** A little before the first sending: clocks differ. */
const lookBackMs = 10 * 60_000
const nobody = { ipAddress: null, userAgent: null } as const

/** What became of a call that needs a token. */
type Called<T> =
  | { readonly kind: 'done'; readonly value: T }
  /** It did not happen, and never will. */
  | { readonly kind: 'refused'; readonly code: string }
  /** It did not happen, for now. */
  | { readonly kind: 'later'; readonly code: string; readonly retryAfterSeconds: number | null }
  /** It may have happened. */
  | { readonly kind: 'unclear'; readonly code: string }

/** What may be meant by the conversation, not by the message. */
const threadRefusals: ReadonlySet<string> = new Set(['http_400', 'http_404', 'invalid_argument'])

type Ending = Omit<SendEnding, 'outboxId' | 'leaseId' | 'ipAddress' | 'userAgent'>

/** Counts for the job's line: `count` sent now, `failed` given up now. */
export async function sendOutgoing(deps: SendDeps, message: SendMessage): Promise<{ count: number; failed: number }> {
  // Before the claim: without keys nothing can be sent, and no try is charged.
  void deps.keyRing
  let status = await takeTurn(deps, message.outbox_id)
  // The last look was sure that nothing was sent: it is sent again at once.
  if (status === 'again') status = await takeTurn(deps, message.outbox_id)
  return { count: status === 'sent' ? 1 : 0, failed: status === 'failed' ? 1 : 0 }
}

/** One claim, one sending or one look. May run any number of times, at once or late: one claim wins. */
async function takeTurn(deps: SendDeps, outboxId: string): Promise<'sent' | 'failed' | 'later' | 'again' | 'nothing'> {
  const leaseId = uuidV7(deps.clock())
  const claimed = await deps.db.first(claimSend, { outboxId, leaseId })
  if (claimed === null) return 'nothing'
  const ending = await endingOf(deps, claimed)
  const row = await finish(deps.db, { outboxId, leaseId, ...ending, ...nobody })
  if (row === null) return 'nothing'
  if (row.status === 'queued' && ending.delaySeconds === 0) return 'again'
  return row.status === 'sent' || row.status === 'failed' ? row.status : 'later'
}

/** Once more where PostgreSQL was away: after a sending, nobody else knows of it. */
async function finish(db: Db, ending: SendEnding): Promise<{ readonly status: SendStatus } | null> {
  const write = () => againOnConflict(() => db.first(finishSend, ending))
  try {
    return await write()
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code !== 'unavailable') throw thrown
    return write()
  }
}

async function endingOf(deps: SendDeps, claimed: ClaimedSend): Promise<Ending> {
  const mail = [...deps.providers.values()].find(({ code }) => code === claimed.provider)?.mail ?? null
  const hindrance = hindranceOf(claimed)
  if (hindrance !== null) return failed(claimed, hindrance)
  const isSending = claimed.status === 'sending'
  if (isSending && claimed.mime === null) return failed(claimed, 'message_missing')
  // A setting that is gone may come back.
  if (mail === null) return notNow(deps, claimed, { code: 'misconfigured' })
  const { costs } = mail
  // A look may cost more than a small budget ever holds: then all that it holds is enough.
  const units = isSending ? costs.send : 2 * costs.list + messagesOfLook * costs.message
  const retryAfterSeconds = await reserveUnits(deps, {
    accountId: claimed.accountId,
    provider: claimed.provider,
    units,
  })
  if (retryAfterSeconds !== null) return notNow(deps, claimed, { code: 'quota_exceeded', retryAfterSeconds })
  return isSending ? send(deps, mail, claimed, claimed.mime ?? '') : look(deps, mail, claimed)
}

/** Why nothing is sent for this mailbox any more, and the provider is not even asked; or null. */
function hindranceOf(claimed: ClaimedSend): string | null {
  if (!claimed.isUserActive) return 'account_disabled'
  if (claimed.mailboxStatus === 'disconnected') return 'disconnected'
  if (claimed.mailboxStatus === 'needs_reauthorization') return 'needs_reauthorization'
  // What may have been sent is looked for all the same: whether it was is worth more than an ending in time.
  if (claimed.status === 'unconfirmed') return claimed.waitedSeconds > longestLookSeconds ? 'expired' : null
  return claimed.isExpired ? expiryOf(claimed) : null
}

/** Its time is over: because the provider was away, or asked to wait. */
function expiryOf({ lastError }: ClaimedSend): string {
  return lastError === 'provider_unavailable' ? lastError : 'expired'
}

async function send(deps: SendDeps, mail: MailAdapter, claimed: ClaimedSend, mime: string): Promise<Ending> {
  const { accountId, threadId } = claimed
  const bytes = utf8(mime)
  const called = await withToken(deps, accountId, [sendScope], async ({ accessToken }) => {
    const result = await mail.send({ accessToken, mime: bytes, threadId })
    // Nothing was sent. Where the conversation is what it is refused for (gone, or not acceptable), it begins another.
    const isRefused = threadId !== null && !result.ok && result.kind === 'refused' && threadRefusals.has(result.code)
    return isRefused ? mail.send({ accessToken, mime: bytes, threadId: null }) : result
  })
  switch (called.kind) {
    case 'done':
      return sent(claimed, called.value)
    case 'refused':
      return failed(claimed, called.code)
    case 'later':
      return notNow(deps, claimed, called)
    case 'unclear':
      return { ...unchanged(claimed), status: 'unconfirmed', error: called.code, delaySeconds: firstLookSeconds }
  }
}

async function look(deps: SendDeps, mail: MailAdapter, claimed: ClaimedSend): Promise<Ending> {
  const since = new Date(claimed.firstAttemptAt.getTime() - lookBackMs)
  let isSeen = false
  const called = await withToken(deps, claimed.accountId, [], async ({ accessToken, scopes }) => {
    // Whoever may not read cannot look: it stays unclear, and nothing is sent twice.
    isSeen = scopes.includes(readScope)
    return isSeen
      ? mail.findSent({ accessToken, messageId: claimed.messageId, since })
      : { ok: true as const, value: null }
  })
  if (called.kind === 'refused') return failed(claimed, called.code)
  if (called.kind !== 'done') return notNow(deps, claimed, called)
  if (called.value !== null) return sent(claimed, called.value)
  const next = afterLook(claimed.attempt, isSeen)
  if (next.kind === 'give up') return failed(claimed, 'unconfirmed')
  const attempt = claimed.attempt + 1
  if (next.kind === 'look')
    return { ...unchanged(claimed), attempt, error: 'unconfirmed', delaySeconds: next.delaySeconds }
  // Proved: nothing was sent. It goes on as long as it would have waited for a provider that said so.
  const code = 'provider_unavailable'
  if (claimed.isExpired) return { ...unchanged(claimed), status: 'failed', error: code, delaySeconds: 0 }
  const delaySeconds = next.isAtOnce ? 0 : waitSeconds(claimed.waitedSeconds, null, deps.chance())
  return { ...unchanged(claimed), status: 'queued', attempt, error: code, delaySeconds }
}

/** A call with a live token, once more with another one where the first is refused; a second refusal ends the grant. */
async function withToken<T>(
  deps: SendDeps,
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
      if (!isDead) return { kind: 'later', code: result.code, retryAfterSeconds: result.retryAfterSeconds }
      return { kind: 'refused', code: 'needs_reauthorization' }
    }
    refusedVersion = got.value.version
  }
}

async function tokenFor(
  deps: SendDeps,
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
        return { kind: 'later', code, retryAfterSeconds }
      default:
        throw thrown
    }
  }
}

function describeFailure(failure: ProviderFailure): Exclude<Called<never>, { kind: 'done' }> {
  switch (failure.kind) {
    case 'rate_limited':
    case 'misconfigured':
      return { kind: 'later', code: failure.code, retryAfterSeconds: failure.retryAfterSeconds }
    case 'unavailable':
      return { kind: 'unclear', code: failure.code }
    case 'forbidden':
      return { kind: 'refused', code: 'insufficient_scope' }
    default:
      return { kind: 'refused', code: failure.code }
  }
}

function unchanged(claimed: ClaimedSend): Omit<Ending, 'error' | 'delaySeconds'> {
  return { status: claimed.status, attempt: claimed.attempt, providerMessageId: null, threadId: null }
}

/** For certain nothing was sent in this turn: it does not count. */
function notNow(
  deps: SendDeps,
  claimed: ClaimedSend,
  why: { readonly code: string; readonly retryAfterSeconds?: number | null },
): Ending {
  const delaySeconds = waitSeconds(claimed.waitedSeconds, why.retryAfterSeconds ?? null, deps.chance())
  const ending = { ...unchanged(claimed), error: why.code, delaySeconds }
  return claimed.status === 'sending' ? { ...ending, status: 'queued', attempt: claimed.attempt - 1 } : ending
}

function sent(claimed: ClaimedSend, message: SentMessage): Ending {
  const found = { providerMessageId: message.id, threadId: message.threadId }
  return { ...unchanged(claimed), ...found, status: 'sent', error: null, delaySeconds: 0 }
}

/** What may have been sent, and could not be looked up, is never said to have failed for another reason. */
function failed(claimed: ClaimedSend, code: string): Ending {
  const error = claimed.status === 'unconfirmed' ? 'unconfirmed' : code
  return { ...unchanged(claimed), status: 'failed', error, delaySeconds: 0 }
}

/** What is due and no message says so: lost by the queue, or its next turn has come. Each call gives others. */
export async function dueSends(db: Db, limit: number): Promise<SendMessage[]> {
  const rows = await db.all(takeDueSends, { limit })
  return rows.map((row) => ({ kind: 'send', outbox_id: row.id }))
}
