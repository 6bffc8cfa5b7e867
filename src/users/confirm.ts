// Confirming a registration: whoever holds the letter proves to be the one who chose the password, or chooses a new one,
// and is signed in. It must not know how a letter reaches anybody, nor what the door does with the session.

import { admitEmail } from '../auth/admit-email.ts'
import type { CookieClaim } from '../auth/claims.ts'
import { type NewSessionParams, replaces } from '../auth/new-session.sql.ts'
import { admitPassword, admitShownPassword, type PasswordPolicyDeps } from '../auth/password-policy.ts'
import { emailHash } from '../auth/subject-hash.ts'
import { readLinkToken } from '../crypto/one-time-code.ts'
import { hashPassword, verifyPassword } from '../crypto/password.ts'
import { uuidV7 } from '../crypto/random.ts'
import { type KeyRing, open } from '../crypto/seal.ts'
import { recordAudit } from '../db/audit.sql.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { againOnConflict, type Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { LetterMessage } from '../messages.ts'
import { type ConfirmParams, chargeRegistration, confirmWrite, writeVerificationAgain } from './confirm.sql.ts'
import { type RegistrationPayload, registrationPayload, registrationPlace } from './register.ts'

export interface ConfirmDeps extends PasswordPolicyDeps {
  readonly db: Db
  readonly clock: () => Date
  readonly keyRing: KeyRing
  readonly codeKey: CryptoKey
  readonly subjectKey: CryptoKey
  readonly adminEmails: readonly string[]
  readonly log: Log
}

/** What was shown: the letter's token, and the registration's password or a new one. */
export type Confirmation =
  | { readonly token: string; readonly password: string }
  | { readonly token: string; readonly newPassword: string }

/** What a verification link is about; null for one that is none of ours. Whether it still opens anything is the verbs' matter. */
export async function purposeOfLink(
  codeKey: CryptoKey,
  token: string,
): Promise<'registration' | 'email_change' | null> {
  for (const purpose of ['registration', 'email_change'] as const) {
    if ((await readLinkToken(codeKey, purpose, token)) !== null) return purpose
  }
  return null
}

/**
 * Makes the user and the session. Throws 400 `invalid_code` (unknown, spent, expired, or the address proven meanwhile),
 * 400 `wrong_password` (at the sixth try whatever it is: then only a new password is taken), and for a new password 422.
 */
export async function confirmRegistration(
  deps: ConfirmDeps,
  shown: Confirmation,
  begins: { readonly session: NewSessionParams; readonly ended: CookieClaim | null },
  origin: RequestOrigin,
): Promise<{ userId: string }> {
  const isTry = 'password' in shown
  if (isTry) admitShownPassword(shown.password, 'password')
  const codeId = await readLinkToken(deps.codeKey, 'registration', shown.token)
  if (codeId === null) throw new AppError('invalid_code')
  const charged = await deps.db.first(chargeRegistration, { codeId, isTry })
  if (charged === null) throw await refuse(deps, codeId, 'invalid_code', origin)
  if (!charged.isAdmitted) throw await refuse(deps, codeId, 'wrong_password', origin)
  const said = await openPayload(deps, codeId, charged.payload)
  const kept = isTry ? said : { ...said, username: null, fullName: null }
  if (isTry) {
    if (!verifyPassword(said.passwordHash, shown.password)) throw await refuse(deps, codeId, 'wrong_password', origin)
  } else {
    await admitPassword(deps, shown.newPassword, { path: 'new_password', email: said.email, username: null })
  }
  const params: ConfirmParams = {
    ...begins.session,
    ...origin,
    codeId,
    userId: uuidV7(deps.clock()),
    email: said.email,
    subjectHash: await emailHash(deps.subjectKey, said.email),
    passwordHash: isTry ? said.passwordHash : hashPassword(shown.newPassword),
    username: kept.username,
    fullName: kept.fullName,
    keepsProfile: isTry,
    adminEmails: deps.adminEmails,
    ...replaces(begins.ended),
  }
  // Whoever proves the address or takes the user name at this very moment is seen by the next try.
  const created = await againOnConflict(() => deps.db.first(confirmWrite, params))
  if (created === null) throw await refuse(deps, codeId, 'invalid_code', origin)
  return created
}

async function openPayload(deps: ConfirmDeps, codeId: string, payload: string): Promise<RegistrationPayload> {
  const opened = await open(deps.keyRing, payload, registrationPlace(codeId))
  if (!opened.ok) {
    deps.log.error('alarm_sealed_token_unreadable', { subject_id: codeId, code: opened.reason })
    throw new AppError('sealed_token_unreadable')
  }
  return registrationPayload.parse(JSON.parse(opened.plaintext))
}

async function refuse(
  deps: ConfirmDeps,
  codeId: string,
  code: 'invalid_code' | 'wrong_password',
  origin: RequestOrigin,
): Promise<AppError> {
  await recordAudit(deps.db, origin, [
    {
      action: 'code.refused',
      actorUserId: null,
      subjectId: codeId,
      outcome: 'refused',
      event: { purpose: 'registration', code },
    },
  ])
  return new AppError(code)
}

/**
 * Sends the newest waiting registration's letter again, within the address's allowance; a message whether or not there
 * is a letter. Throws 422.
 */
export async function resendVerification(
  deps: Pick<ConfirmDeps, 'db' | 'clock' | 'subjectKey'>,
  input: { readonly email: string },
  origin: RequestOrigin,
): Promise<{ messages: LetterMessage[] }> {
  const email = admitEmail(input.email, 'email')
  const letterId = uuidV7(deps.clock())
  await deps.db.all(writeVerificationAgain, {
    letterId,
    email,
    subjectHash: await emailHash(deps.subjectKey, email),
    ...origin,
  })
  return { messages: [{ kind: 'letter', letter_id: letterId }] }
}
