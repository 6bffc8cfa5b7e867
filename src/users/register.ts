// Registering: what waits until its letter and its password confirm it. A registration owns nothing and blocks nobody;
// known and unknown addresses do the same work and get the same answer. It must not know what the letters say.

import * as z from 'zod'
import { admitEmail } from '../auth/admit-email.ts'
import { admitPassword, type PasswordPolicyDeps } from '../auth/password-policy.ts'
import { emailHash } from '../auth/subject-hash.ts'
import { hashPassword } from '../crypto/password.ts'
import { uuidV7 } from '../crypto/random.ts'
import { type KeyRing, seal } from '../crypto/seal.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { AppError } from '../errors.ts'
import type { EraseAvatarMessage, LetterMessage } from '../messages.ts'
import { type AvatarDeps, discardPicture, newAvatarId, storePicture } from './avatar.ts'
import { admitFullName, admitUsername } from './names.ts'
import { admitPicture } from './pictures/picture.ts'
import { writeRegistration } from './register.sql.ts'

export interface RegisterDeps extends AvatarDeps, PasswordPolicyDeps {
  readonly clock: () => Date
  readonly keyRing: KeyRing
  readonly subjectKey: CryptoKey
}

export interface Registration {
  readonly email: string
  readonly password: string
  readonly username: string | null
  readonly fullName: string | null
  /** The file as it was sent. */
  readonly picture: Uint8Array | null
}

/** What a waiting registration keeps, sealed under its row; the hash is a PHC string. */
export const registrationPayload = z.strictObject({
  email: z.string(),
  passwordHash: z.string(),
  username: z.string().nullable(),
  fullName: z.string().nullable(),
})

export type RegistrationPayload = z.infer<typeof registrationPayload>

/** The place of the payload; there is no user yet. */
export const registrationPlace = (codeId: string) =>
  ({ column: 'one_time_codes.payload_sealed_txt', rowId: codeId, userId: null }) as const

/**
 * Lets a registration wait for its letter, or writes to who has the address already; `email` is its stored form. An
 * address that used up its letters changes nothing, and is answered the same, with a message, too. Throws 409 `username_taken`, whatever the
 * address; 422 `invalid_input`, `password_too_common`, `picture_refused`; 413.
 */
export async function register(
  deps: RegisterDeps,
  input: Registration,
  origin: RequestOrigin,
): Promise<{ email: string; messages: (LetterMessage | EraseAvatarMessage)[] }> {
  const email = admitEmail(input.email, 'email')
  const username = input.username === null ? null : admitUsername(input.username)
  const fullName = input.fullName === null ? null : admitFullName(input.fullName)
  await admitPassword(deps, input.password, { path: 'password', email, username })
  const picture = input.picture === null ? null : admitPicture(input.picture)

  const codeId = uuidV7(deps.clock())
  const passwordHash = hashPassword(input.password)
  const kept: RegistrationPayload = { email, passwordHash, username, fullName }
  const payload = await seal(deps.keyRing, JSON.stringify(kept), registrationPlace(codeId))
  const subjectHash = await emailHash(deps.subjectKey, email)
  const avatarId = picture === null ? null : newAvatarId()
  if (picture !== null && avatarId !== null) await storePicture(deps.avatars, avatarId, picture)
  const letterId = uuidV7(deps.clock())
  const row = await writeOrDiscard(deps, avatarId, () =>
    deps.db.first(writeRegistration, {
      codeId,
      letterId,
      email,
      subjectHash,
      username,
      avatarId,
      payload,
      ...origin,
    }),
  )
  if (row === null) throw new Error('registering answers one row')
  // The picture's erasure stands as a row; cron finds it.
  if (row.isNameTaken) throw new AppError('username_taken')
  // Though no letter may stand behind it: who asks does not learn it from the work done.
  const messages: (LetterMessage | EraseAvatarMessage)[] = [{ kind: 'letter', letter_id: letterId }]
  if (row.erasureId !== null) messages.push({ kind: 'erase_avatar', erasure_id: row.erasureId })
  return { email, messages }
}

/** A picture whose row was refused must not stay; one whose row may have been written after all must. */
async function writeOrDiscard<T>(deps: RegisterDeps, avatarId: string | null, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (thrown) {
    if (avatarId !== null && !(thrown instanceof AppError && thrown.code === 'unavailable'))
      await discardPicture(deps, avatarId)
    throw thrown
  }
}
