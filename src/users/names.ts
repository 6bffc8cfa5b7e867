// What a person may be called: the user name, unique and signed in with, and the full name, shown as it was typed. Pure.

import { AppError } from '../errors.ts'

/** ASCII first, then lower case: other letters that lower-case into ASCII (the Kelvin sign) are no user name. */
const usernameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{2,31}$/
const fullNameCharacters = 200

/** The user name as it is stored and looked up, in lower case. Throws 422. */
export function admitUsername(text: string): string {
  if (!usernameForm.test(text))
    throw new AppError('invalid_input', {
      errors: [
        {
          path: 'username',
          message: 'must be 3 to 32 letters, digits, dots, hyphens or underscores, a letter or digit first',
        },
      ],
    })
  return text.toLowerCase()
}

/** The name, trimmed: 1 to 200 characters, none of them a control character. Throws 422. */
export function admitFullName(text: string): string {
  const name = text.trim()
  const length = [...name].length
  if (length < 1 || length > fullNameCharacters || /\p{Cc}/u.test(name))
    throw new AppError('invalid_input', {
      errors: [{ path: 'full_name', message: `must be 1 to ${fullNameCharacters} characters` }],
    })
  return name
}
