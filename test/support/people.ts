// People with a password, as rows: for tests that begin where registration has ended.

import { hashPassword } from '../../src/crypto/password.ts'
import { uuidV7 } from '../../src/crypto/random.ts'
import { query } from './database.ts'

export const goodPassword = 'correct horse battery staple'

export interface PasswordUser {
  userId: string
  email: string
  username: string | null
  password: string
}

/** A user whose address a letter has proven, with a password (`null`: none). Nobody is signed in yet. */
export async function newPasswordUser(options: {
  email: string
  username?: string
  password?: string
  fullName?: string
  role?: 'user' | 'admin'
  /** Stored instead of the hash of `password`. */
  phc?: string | null
}): Promise<PasswordUser> {
  const { email, username = null, password = goodPassword, fullName = null, role = 'user' } = options
  const userId = uuidV7(new Date())
  await query(
    `INSERT INTO users (user_id, email_address_txt, email_verified_at_utc, email_proof_cd, username_txt, full_name_txt, role_cd, password_hash_txt)
     VALUES ($1, $2, now(), 'letter', $3, $4, $5, $6)`,
    [userId, email, username, fullName, role, options.phc === undefined ? hashPassword(password) : options.phc],
  )
  return { userId, email, username, password }
}
