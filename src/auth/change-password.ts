// Changing one's password, or setting the first one: by the current password, or by a fresh proof of presence where
// there is none yet. Other sessions end, what waits to change the account ends, the owner is told.

import { hashPassword } from '../crypto/password.ts'
import { uuidV7 } from '../crypto/random.ts'
import type { RequestOrigin } from '../db/audit.ts'
import type { CallerClaim } from '../db/caller.ts'
import { AppError } from '../errors.ts'
import type { LetterMessage } from '../messages.ts'
import { writePassword } from './change-password.sql.ts'
import { admitPassword, admitShownPassword, type PasswordPolicyDeps } from './password-policy.ts'
import { forgiveSession } from './step-up.sql.ts'
import { assertPassword, readSessionPerson, type StepUpDeps } from './step-up.ts'

export interface ChangePasswordDeps extends StepUpDeps, PasswordPolicyDeps {
  readonly clock: () => Date
}

/**
 * Sets the password; the session that asks stays. Throws 422 (`invalid_input`, `password_too_common`, or no current
 * password where one is set), 401 `invalid_credentials` for a wrong current one, counted with the session's step-ups
 * (429 `account_locked`), 403 `step_up_required` for a first password without a proof of the last 15 minutes, 401, and
 * 409 where the credentials changed at the same time.
 */
export async function changePassword(
  deps: ChangePasswordDeps,
  claim: CallerClaim,
  input: { readonly currentPassword: string | null; readonly newPassword: string },
  origin: RequestOrigin,
): Promise<{ messages: LetterMessage[] }> {
  const { currentPassword, newPassword } = input
  if (currentPassword !== null) admitShownPassword(currentPassword, 'current_password')
  // Before anything is charged; the person's own name and address once it is known who they are.
  await admitPassword(deps, newPassword, { path: 'new_password', email: null, username: null })
  const person = await readSessionPerson(deps, claim, currentPassword === null ? 'look' : 'try', origin)
  if (currentPassword !== null) await assertPassword(deps, person, currentPassword, origin)
  else if (person.passwordHash !== null)
    throw new AppError('invalid_input', {
      errors: [{ path: 'current_password', message: 'must be given where a password is set' }],
    })
  else if (!person.isPresent) throw new AppError('step_up_required')
  const { userId, sessionId, credentialVersion, email, username } = person
  try {
    await admitPassword(deps, newPassword, { path: 'new_password', email, username })
  } catch (thrown) {
    await deps.db.all(forgiveSession, { sessionId })
    throw thrown
  }
  const letterId = uuidV7(deps.clock())
  const passwordHash = hashPassword(newPassword)
  const row = await deps.db.first(writePassword, {
    userId,
    sessionId,
    credentialVersion,
    passwordHash,
    letterId,
    ...origin,
  })
  if (row === null) throw new AppError('conflict')
  return { messages: row.letterId === null ? [] : [{ kind: 'letter', letter_id: row.letterId }] }
}
