// Recovery: a letter with six digits and a link, and what either of them does. Nothing here tells whether an address is
// known, and no stranger's requests or guesses keep the owner from the link. It must not know how a letter travels.

import { equalText } from '../crypto/hash.ts'
import { deriveDigits, readLinkToken } from '../crypto/one-time-code.ts'
import { hashPassword } from '../crypto/password.ts'
import { uuidV7 } from '../crypto/random.ts'
import { recordAudit } from '../db/audit.sql.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { againOnConflict, type Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { LetterMessage } from '../messages.ts'
import { admitEmail } from './admit-email.ts'
import { admitPassword, type PasswordPolicyDeps } from './password-policy.ts'
import {
  chargeDigits,
  findResetByLink,
  type ResetCandidate,
  type ResetParams,
  resetWrite,
  writeResetRequest,
} from './reset-password.sql.ts'
import { emailHash, usernameHash } from './subject-hash.ts'

export interface ResetDeps extends PasswordPolicyDeps {
  readonly db: Db
  readonly clock: () => Date
  readonly codeKey: CryptoKey
  readonly subjectKey: CryptoKey
}

/**
 * Writes the letter: digits and link for an active account with this proven address, the waiting registration's own
 * letter where one waits, a void one otherwise, none once the allowance is used up. There is always a message, though
 * no letter may stand behind it: who asks does not learn it from the work done. Throws 422 for what is no address.
 */
export async function requestReset(
  deps: Omit<ResetDeps, 'codeKey'>,
  input: { readonly email: string },
  origin: RequestOrigin,
): Promise<{ messages: LetterMessage[] }> {
  const email = admitEmail(input.email, 'email')
  const now = deps.clock()
  const letterId = uuidV7(now)
  await deps.db.all(writeResetRequest, {
    codeId: uuidV7(now),
    letterId,
    email,
    subjectHash: await emailHash(deps.subjectKey, email),
    ...origin,
  })
  return { messages: [{ kind: 'letter', letter_id: letterId }] }
}

/** What was shown: the letter's link, or the address and the six digits. */
export type ResetProof = { readonly token: string } | { readonly email: string; readonly otp: string }

/**
 * Sets the password, ends every session and tells the owner. Throws 422 before anything is charged or spent, and 400
 * `invalid_code` for wrong, spent, expired and unknown alike; wrong digits are counted (5 a letter, 15 an account in 24
 * hours), a link is not.
 */
export async function resetPassword(
  deps: ResetDeps,
  input: ResetProof & { readonly newPassword: string },
  origin: RequestOrigin,
): Promise<{ messages: LetterMessage[] }> {
  const isByLink = 'token' in input
  const email = isByLink ? null : admitEmail(input.email, 'email')
  await admitPassword(deps, input.newPassword, { path: 'new_password', email, username: null })
  const found = isByLink ? await findByLink(deps, input.token) : await judgeDigits(deps, email ?? '', input.otp)
  if (found === null) throw await refuse(deps, isByLink, origin)
  // Whose password it will be is known only now; the code is not spent yet.
  await admitPassword(deps, input.newPassword, { path: 'new_password', email: found.email, username: found.username })
  const letterId = uuidV7(deps.clock())
  const reset: ResetParams = {
    codeId: found.codeId,
    isByLink,
    email: found.email,
    subjectHash: await emailHash(deps.subjectKey, found.email),
    passwordHash: hashPassword(input.newPassword),
    usernameHash: found.username === null ? null : await usernameHash(deps.subjectKey, found.username),
    letterId,
    ...origin,
  }
  const row = await againOnConflict(() => deps.db.first(resetWrite, reset))
  if (row === null) throw await refuse(deps, isByLink, origin)
  return { messages: [{ kind: 'letter', letter_id: letterId }] }
}

interface Found extends ResetCandidate {
  readonly codeId: string
  readonly email: string
}

/** Null where nothing may be compared, or nobody is left whose letter it was. */
function foundOf(row: ResetCandidate | null): Found | null {
  if (row === null || row.codeId === null || row.email === null) return null
  return { codeId: row.codeId, email: row.email, username: row.username }
}

async function findByLink(deps: ResetDeps, token: string): Promise<Found | null> {
  const codeId = await readLinkToken(deps.codeKey, 'password_reset', token)
  if (codeId === null) return null
  return foundOf(await deps.db.first(findResetByLink, { codeId }))
}

/** Nobody's row: what digits for an unknown address are compared with, so that the work is the same. */
const nobody = '00000000-0000-7000-8000-000000000000'

async function judgeDigits(deps: ResetDeps, email: string, otp: string): Promise<Found | null> {
  const found = foundOf(await deps.db.first(chargeDigits, { subjectHash: await emailHash(deps.subjectKey, email) }))
  const isRight = await equalText(otp, await deriveDigits(deps.codeKey, 'password_reset', found?.codeId ?? nobody))
  return isRight ? found : null
}

async function refuse(deps: ResetDeps, isByLink: boolean, origin: RequestOrigin): Promise<AppError> {
  await recordAudit(deps.db, origin, [
    {
      action: 'code.refused',
      actorUserId: null,
      subjectId: null,
      outcome: 'refused',
      event: { purpose: 'password_reset', by: isByLink ? 'link' : 'digits' },
    },
  ])
  return new AppError('invalid_code')
}
