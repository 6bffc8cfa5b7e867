// What a password may be: 8 to 128 characters as they were typed, none that attackers try first, none that is the
// person's own name here. Nothing is trimmed, cut or normalised. It must not know how a password is hashed.

import { normalizeEmail } from '../crypto/encoding.ts'
import { AppError } from '../errors.ts'
import { type AssetDeps, isCommonPassword } from './common-passwords.ts'

export type PasswordPolicyDeps = AssetDeps

/** Unicode code points (ASVS 6.2.1, 6.2.9). */
export const passwordLength = { least: 8, most: 128 } as const

export interface PasswordOwner {
  /** The field that refusals name. */
  readonly path: string
  /** Of the person whose password it is to be, where known. */
  readonly email: string | null
  readonly username: string | null
}

/**
 * Lets a new password pass, before anything is hashed. Throws 422 `invalid_input` for its form, 422
 * `password_too_common` for the list and for the address or user name itself, 503 where the list cannot be read.
 */
export async function admitPassword(deps: PasswordPolicyDeps, password: string, owner: PasswordOwner): Promise<void> {
  const length = codePoints(password)
  if (length < passwordLength.least)
    throw refusedForm(owner.path, `must be at least ${passwordLength.least} characters`)
  admitShownPassword(password, owner.path)
  if (isOwnName(password, owner) || (await isCommonPassword(deps, password))) throw new AppError('password_too_common')
}

/**
 * Lets a password pass that is shown to be compared: whatever could have been set, and shorter ones, which are only
 * wrong. Throws 422 before anything is hashed.
 */
export function admitShownPassword(password: string, path: string): void {
  if (codePoints(password) > passwordLength.most)
    throw refusedForm(path, `must be at most ${passwordLength.most} characters`)
  // A lone surrogate has no UTF-8 of its own: it would be the same password as another one.
  if (password.includes('\0') || !password.isWellFormed()) throw refusedForm(path, 'has a character that is none')
}

function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count += 1
  return count
}

function isOwnName(password: string, { email, username }: PasswordOwner): boolean {
  const typed = password.toLowerCase()
  if (username !== null && typed === username.toLowerCase()) return true
  return email !== null && (typed === email.toLowerCase() || normalizeEmail(password) === email)
}

function refusedForm(path: string, message: string): AppError {
  return new AppError('invalid_input', { errors: [{ path, message }] })
}
