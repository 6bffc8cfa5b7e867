// Typed addresses at the verbs' door: the one stored form, or 422. It must not know what the address is wanted for.

import { normalizeEmail } from '../crypto/encoding.ts'
import { AppError } from '../errors.ts'

/** The address in the form in which it is stored and looked up. Throws 422, naming `path`, for what is none. */
export function admitEmail(text: string, path: string): string {
  const email = normalizeEmail(text)
  if (email === null) throw new AppError('invalid_input', { errors: [{ path, message: 'must be an e-mail address' }] })
  return email
}
