// A change of address: asked for with a fresh proof of presence, confirmed from the new address in a session of the user
// who asked, told to the old one both times. Until then the old address stays.

import { admitEmail } from '../auth/admit-email.ts'
import { whoAmI } from '../auth/sessions.ts'
import { emailHash } from '../auth/subject-hash.ts'
import { hmac } from '../crypto/hash.ts'
import { readLinkToken } from '../crypto/one-time-code.ts'
import { uuidV7 } from '../crypto/random.ts'
import { type KeyRing, open, seal } from '../crypto/seal.ts'
import { recordAudit } from '../db/audit.sql.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import { againOnConflict, type Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { LetterMessage } from '../messages.ts'
import { type ChangeParams, findChange, writeChange, writeChangeRequest } from './change-email.sql.ts'

export interface ChangeEmailDeps {
  readonly db: Db
  readonly clock: () => Date
  readonly keyRing: KeyRing
  readonly codeKey: CryptoKey
  readonly subjectKey: CryptoKey
  readonly log: Log
}

const changePlace = (codeId: string, userId: string) =>
  ({ column: 'one_time_codes.payload_sealed_txt', rowId: codeId, userId }) as const

/**
 * Writes to the new address, and to the old one that it was asked for. An address that is somebody's already is answered
 * the same, and its letter is void. Throws 401, 403 `step_up_required` or `forbidden` (a key), 422.
 */
export async function requestEmailChange(
  deps: Omit<ChangeEmailDeps, 'codeKey' | 'log'>,
  claim: CallerClaim,
  input: { readonly newEmail: string },
  origin: RequestOrigin,
): Promise<{ messages: LetterMessage[] }> {
  const newEmail = admitEmail(input.newEmail, 'new_email')
  const { id: userId } = await whoAmI(deps.db, claim)
  const now = deps.clock()
  const codeId = uuidV7(now)
  const row = await deps.db.first(writeChangeRequest, {
    ...callerParams(claim),
    userId,
    codeId,
    letterId: uuidV7(now),
    noticeId: uuidV7(now),
    newEmail,
    subjectHash: await emailHash(deps.subjectKey, newEmail),
    accountHash: await hmac(deps.subjectKey, `account:${userId}`),
    payload: await seal(deps.keyRing, newEmail, changePlace(codeId, userId)),
    ...origin,
  })
  if (row === null) throw new AppError('unauthorized')
  if (!row.isPresent) throw new AppError('step_up_required')
  return { messages: letters(row.letterId, row.noticeId) }
}

/**
 * Makes the new address the caller's, proven by our letter. Throws 401 without a session, 400 `invalid_code` where the
 * link is spent, expired or another user's, 409 `email_taken` where somebody else proved the address meanwhile.
 */
export async function confirmEmailChange(
  deps: ChangeEmailDeps,
  claim: CallerClaim,
  shown: { readonly token: string },
  origin: RequestOrigin,
): Promise<{ email: string; messages: LetterMessage[] }> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const codeId = await readLinkToken(deps.codeKey, 'email_change', shown.token)
  // A token that is none of ours finds nothing, but a session that lives no more is told first.
  const look = await deps.db.first(findChange, { ...callerParams(claim), codeId })
  if (look === null || look.userId === null) throw new AppError('unauthorized')
  if (codeId === null || look.payload === null) throw await refuse(deps, look.userId, codeId, origin)
  const opened = await open(deps.keyRing, look.payload, changePlace(codeId, look.userId))
  if (!opened.ok) {
    deps.log.error('alarm_sealed_token_unreadable', { subject_id: codeId, code: opened.reason })
    throw new AppError('sealed_token_unreadable')
  }
  const newEmail = opened.plaintext
  const change: ChangeParams = {
    codeId,
    newEmail,
    subjectHash: await emailHash(deps.subjectKey, newEmail),
    letterId: uuidV7(deps.clock()),
  }
  // Where somebody else proves the address at this moment, the next try finds it taken.
  const row = await againOnConflict(() => deps.db.first(writeChange, { ...callerParams(claim), ...origin, ...change }))
  if (row === null) throw new AppError('unauthorized')
  if (!row.isLive) throw await refuse(deps, look.userId, codeId, origin)
  if (row.isTaken || row.userId === null) throw new AppError('email_taken')
  return { email: newEmail, messages: letters(row.letterId) }
}

async function refuse(
  deps: ChangeEmailDeps,
  userId: string,
  codeId: string | null,
  origin: RequestOrigin,
): Promise<AppError> {
  await recordAudit(deps.db, origin, [
    {
      action: 'code.refused',
      actorUserId: userId,
      subjectId: codeId,
      outcome: 'refused',
      event: { purpose: 'email_change', code: 'invalid_code' },
    },
  ])
  return new AppError('invalid_code')
}

function letters(...ids: readonly (string | null)[]): LetterMessage[] {
  return ids.flatMap((id) => (id === null ? [] : [{ kind: 'letter', letter_id: id }]))
}
