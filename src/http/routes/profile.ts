// PATCH and DELETE /auth/me: a person's own names, and their leaving.

import * as z from 'zod'
import { updateProfile } from '../../users/profile.ts'
import { deleteOwnAccount } from '../../users/removal.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { sendMessages } from '../send-messages.ts'
import { meSchema, presentMe } from './sessions.ts'

/** Judged by users/names.ts, with the same words for pages. */
export const usernameField = z
  .string()
  .max(100)
  .nullish()
  .describe('`[a-z0-9][a-z0-9._-]{2,31}` in whatever case; null clears')
export const fullNameField = z.string().max(1_000).nullish().describe('1 to 200 characters; null clears')

export function declareProfile(auth: Resource): void {
  declare(
    auth,
    {
      method: 'patch',
      path: '/me',
      operationId: 'updateMe',
      summary: 'Change the current user’s names',
      description: 'What is left out stays as it is; null clears.',
      tag: 'Profile',
      audience: 'person',
      body: z.strictObject({ username: usernameField, full_name: fullNameField }),
      answers: { 200: { description: 'The current user', schema: meSchema } },
      errors: ['username_taken', 'last_sign_in_method'],
    },
    async (c, input) => {
      const { db, appUrl } = c.env.deps
      const { username, full_name: fullName } = input.body
      const me = await updateProfile(db, claimed(input), { username, fullName }, originOf(c))
      return c.json(presentMe(me, appUrl))
    },
  )

  declare(
    auth,
    {
      method: 'delete',
      path: '/me',
      operationId: 'deleteMe',
      summary: 'Delete the current user',
      description:
        'Needs a sign-in or step-up within the last 15 minutes. Mailboxes, secrets and sessions end at once, grants are revoked through the queue.',
      tag: 'Profile',
      audience: 'person',
      answers: { 204: { description: 'Deleted' } },
      errors: ['step_up_required', 'last_admin', 'conflict'],
    },
    async (c, input) => {
      const { messages } = await deleteOwnAccount(c.env.deps, claimed(input), originOf(c))
      await sendMessages(c, messages)
      return c.body(null, 204)
    },
  )
}
