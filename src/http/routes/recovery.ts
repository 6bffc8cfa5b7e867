// /auth: the way back in for who forgot the password, by the six digits or the link of a letter.

import * as z from 'zod'
import { requestReset, resetPassword } from '../../auth/reset-password.ts'
import { originOf } from '../context.ts'
import { declare, type Resource } from '../declare.ts'
import { sendMessages } from '../send-messages.ts'
import { address, linkToken, password } from './registration.ts'

const resetBody = z
  .strictObject({
    token: linkToken.optional(),
    email: address.optional(),
    otp: z.string().min(1).max(100).optional(),
    new_password: password,
  })
  .refine(({ token, email, otp }) => (token === undefined) === (email !== undefined && otp !== undefined), {
    path: ['token'],
    message: 'is taken alone, or email and otp are',
  })
  .refine(({ token, email, otp }) => token === undefined || (email === undefined && otp === undefined), {
    path: ['token'],
    message: 'is not taken together with email or otp',
  })

export function declareRecovery(auth: Resource): void {
  declare(
    auth,
    {
      method: 'post',
      path: '/forgot-password',
      operationId: 'forgotPassword',
      summary: 'Ask for a reset letter',
      description:
        'Six digits for 10 minutes and a link for 60. Where a registration waits for the address, its own letter goes out again.',
      tag: 'Recovery',
      audience: 'anyone',
      body: z.strictObject({ email: address }),
      answers: {
        202: {
          description: 'Whether or not the address is known',
          schema: z.object({ status: z.literal('accepted') }),
        },
      },
    },
    async (c, { body }) => {
      const { messages } = await requestReset(c.env.deps, body, originOf(c))
      await sendMessages(c, messages)
      return c.json({ status: 'accepted' }, 202)
    },
  )

  declare(
    auth,
    {
      method: 'post',
      path: '/reset-password',
      operationId: 'resetPassword',
      summary: 'Set a new password by letter',
      description:
        'By `email` and the newest letter’s six digits `otp` (5 tries a letter, 15 an account in 24 hours), or by the `token` of its link, which no guess closes. Ends every session.',
      tag: 'Recovery',
      audience: 'anyone',
      body: resetBody,
      answers: {
        200: { description: 'The password is set', schema: z.object({ status: z.literal('password_changed') }) },
      },
      errors: ['invalid_code', 'password_too_common'],
    },
    async (c, { body }) => {
      const { token, email = '', otp = '', new_password: newPassword } = body
      const proof = token === undefined ? { email, otp } : { token }
      const { messages } = await resetPassword(c.env.deps, { ...proof, newPassword }, originOf(c))
      await sendMessages(c, messages)
      return c.json({ status: 'password_changed' })
    },
  )
}
