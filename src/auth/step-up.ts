// Proving presence anew by password, for the session that asks. Wrong ones are counted by session, so that strangers at
// the sign-in door cannot keep the owner from it. It must not know what the proof is wanted for.

import { verifyPassword } from '../crypto/password.ts'
import { recordAudit } from '../db/audit.sql.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import { againOnConflict, type Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { admitShownPassword } from './password-policy.ts'
import { chargeSession, renewPresence, type SessionPerson } from './step-up.sql.ts'

export interface StepUpDeps {
  readonly db: Db
  readonly lockout: { readonly threshold: number; readonly minutes: number }
}

/**
 * Renews `authenticated_at_utc` of the caller's session. Throws 401 `unauthorized`, 401 `invalid_credentials` for a
 * wrong password and where there is none, 429 `account_locked` after too many, 403 for a service key, 422.
 */
export async function stepUp(
  deps: StepUpDeps,
  claim: CallerClaim,
  shown: { readonly password: string },
  origin: RequestOrigin,
): Promise<void> {
  admitShownPassword(shown.password, 'password')
  const person = await readSessionPerson(deps, claim, 'try', origin)
  await assertPassword(deps, person, shown.password, origin)
  const { userId, sessionId, credentialVersion } = person
  const renewed = await deps.db.first(renewPresence, { userId, sessionId, credentialVersion, ...origin })
  if (renewed === null) throw new AppError('unauthorized')
}

/** The person of the session, one try charged where a password was shown. Throws 401, 403, 429. */
export async function readSessionPerson(
  deps: StepUpDeps,
  claim: CallerClaim,
  purpose: 'try' | 'look',
  origin: RequestOrigin,
): Promise<SessionPerson> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const charge = {
    ...callerParams(claim),
    isTry: purpose === 'try',
    lockThreshold: deps.lockout.threshold,
    lockMinutes: deps.lockout.minutes,
    ...origin,
  }
  // A session that is deleted with its user at this moment is seen as gone by the next try.
  const person = await againOnConflict(() => deps.db.first(chargeSession, charge))
  if (person === null) throw new AppError('unauthorized')
  if (!person.isAdmitted) throw new AppError('account_locked', { retryAfterSeconds: person.retryAfterSeconds })
  return person
}

/** One argon2 computation. Throws 401 `invalid_credentials`, recorded, for a wrong password and where there is none. */
export async function assertPassword(
  deps: StepUpDeps,
  person: SessionPerson,
  password: string,
  origin: RequestOrigin,
): Promise<void> {
  if (verifyPassword(person.passwordHash, password)) return
  const reason = person.passwordHash === null ? 'no_password' : 'wrong_password'
  await recordAudit(deps.db, origin, [
    {
      action: 'step_up.refused',
      outcome: 'refused',
      actorUserId: person.userId,
      subjectId: person.sessionId,
      event: { reason },
    },
  ])
  throw new AppError('invalid_credentials')
}
