// Signing in by e-mail address or user name and password (DESIGN 6.6, 6.7): charge and look, one argon2 computation on
// every branch, then the session or the refusal. Two trips either way. It must not know HTTP, nor who shows the answer.

import { normalizeEmail } from '../crypto/encoding.ts'
import { hashPassword, isCurrent, verifyPassword } from '../crypto/password.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type Db, isConflict } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { CookieClaim } from './claims.ts'
import { type NewSessionParams, replaces } from './new-session.sql.ts'
import { admitShownPassword } from './password-policy.ts'
import {
  beginPasswordSession,
  type ChargeRow,
  type CheckedPerson,
  chargeSignIn,
  lookAgain,
  recordRefusedSignIn,
} from './sign-in.sql.ts'
import { emailHash, usernameHash } from './subject-hash.ts'

export interface SignInDeps {
  readonly db: Db
  readonly subjectKey: CryptoKey
  readonly lockout: { readonly threshold: number; readonly minutes: number }
  readonly adminEmails: readonly string[]
}

/** As it was typed. A user name with an @ is an address: no user name has one. */
export type Credentials =
  | { readonly email: string; readonly password: string }
  | { readonly username: string; readonly password: string }

interface Identifier {
  readonly identifierHash: string
  readonly email: string | null
  readonly username: string | null
}

/** An address has 254 characters at most; what is much longer is nobody's name, and no work is done for it. */
const identifierCharacters = 320

/**
 * Begins the session. Throws 401 `invalid_credentials`, the same for a wrong password, an unknown, unconfirmed or
 * disabled user, one without a password and a locked account; 429 `account_locked` with the seconds to the lock's end
 * for a locked identifier, known or not; 422 for what cannot be a name or password.
 */
export async function signIn(
  deps: SignInDeps,
  shown: Credentials,
  begins: { readonly session: NewSessionParams; readonly ended: CookieClaim | null },
  origin: RequestOrigin,
): Promise<{ userId: string }> {
  admitShownPassword(shown.password, 'password')
  const identifier = await identify(deps.subjectKey, shown)
  const charge = await chargeTry(deps, identifier, origin)
  if (!charge.isAdmitted) throw new AppError('account_locked', { retryAfterSeconds: charge.retryAfterSeconds })
  const mayCompare = charge.isAccountAdmitted && charge.isActive
  if (verifyPassword(mayCompare ? charge.passwordHash : null, shown.password)) {
    const begun = await begin(deps, shown.password, checkedOf(charge), { ...begins, identifier, origin })
    if (begun) return begun
  }
  await deps.db.all(recordRefusedSignIn, {
    identifierHash: identifier.identifierHash,
    userId: charge.userId,
    reason: reasonOf(charge),
    locksIdentifier: charge.locksIdentifier,
    locksAccount: charge.locksAccount,
    ...origin,
  })
  throw new AppError('invalid_credentials')
}

async function identify(key: CryptoKey, shown: Credentials): Promise<Identifier> {
  const path = 'email' in shown ? 'email' : 'username'
  const typed = 'email' in shown ? shown.email : shown.username
  if (typed.length > identifierCharacters || typed.includes('\0') || !typed.isWellFormed())
    throw new AppError('invalid_input', { errors: [{ path, message: 'can be nobody’s name' }] })
  if (path === 'email' || typed.includes('@'))
    return { identifierHash: await emailHash(key, typed), email: normalizeEmail(typed), username: null }
  return { identifierHash: await usernameHash(key, typed), email: null, username: typed.toLowerCase() }
}

async function chargeTry(deps: SignInDeps, identifier: Identifier, origin: RequestOrigin): Promise<ChargeRow> {
  const { threshold: lockThreshold, minutes: lockMinutes } = deps.lockout
  for (let attempt = 1; ; attempt += 1) {
    try {
      const row = await deps.db.first(chargeSignIn, { ...identifier, lockThreshold, lockMinutes, ...origin })
      if (row === null) throw new Error('a charge answers one row')
      return row
    } catch (thrown) {
      // The user was deleted between look and charge: nothing of the statement stands.
      if (!isConflict(thrown) || attempt === 3) throw thrown
    }
  }
}

function checkedOf({ userId, passwordHash, credentialVersion }: ChargeRow): CheckedPerson {
  if (userId === null || passwordHash === null || credentialVersion === null)
    throw new Error('a right password is somebody’s')
  return { userId, passwordHash, credentialVersion }
}

/**
 * Null where the person is no longer as checked. A hash that another sign-in has just renewed is compared anew: the
 * same password for the same credentials, so no further try.
 */
async function begin(
  deps: SignInDeps,
  password: string,
  person: CheckedPerson,
  wanted: {
    readonly session: NewSessionParams
    readonly ended: CookieClaim | null
    readonly identifier: Identifier
    readonly origin: RequestOrigin
  },
): Promise<{ userId: string } | null> {
  let checked = person
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    try {
      const begun = await deps.db.first(beginPasswordSession, {
        ...checked,
        ...wanted.session,
        ...wanted.origin,
        identifierHash: wanted.identifier.identifierHash,
        newPasswordHash: isCurrent(checked.passwordHash) ? null : hashPassword(password),
        adminEmails: deps.adminEmails,
        ...replaces(wanted.ended),
      })
      if (begun !== null) return begun
    } catch (thrown) {
      if (!isConflict(thrown)) throw thrown
    }
    const now = await deps.db.first(lookAgain, { userId: person.userId })
    if (now === null || now.credentialVersion !== person.credentialVersion) return null
    if (now.passwordHash !== checked.passwordHash && !verifyPassword(now.passwordHash, password)) return null
    checked = now
  }
  return null
}

/** For the trail only; whoever asked is told one and the same. */
function reasonOf(charge: ChargeRow): string {
  if (charge.userId === null) return 'unknown'
  if (!charge.isActive) return 'disabled'
  if (!charge.isAccountAdmitted) return 'account_locked'
  return charge.passwordHash === null ? 'no_password' : 'wrong_password'
}
