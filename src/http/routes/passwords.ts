// /auth: signing in by password, proving presence, changing the password. Registering and recovery have files of their own.

import * as z from 'zod'
import { changePassword } from '../../auth/change-password.ts'
import { issueTokenPair, newTokenSession } from '../../auth/sessions.ts'
import { type Credentials, signIn } from '../../auth/sign-in.ts'
import { stepUp } from '../../auth/step-up.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { sendMessages } from '../send-messages.ts'
import { presentPair, tokenPairSchema } from './sessions.ts'

// How long they may be, in what characters, is the policy's matter (auth/password-policy.ts).
const password = z.string()
const newPassword = z.string().describe('8 to 128 characters, none of the most common passwords')

const credentials = z
  .strictObject({
    email: z.string().optional(),
    username: z.string().optional().describe('Instead of `email`; an address is taken here, too'),
    password,
  })
  .transform(({ email, username, password }, context): Credentials => {
    if (email !== undefined && username === undefined) return { email, password }
    if (username !== undefined && email === undefined) return { username, password }
    context.addIssue({ code: 'custom', path: ['email'], message: 'or username must be given, one of them' })
    return z.NEVER
  })

/** RFC 6749 §4.3.2, as OAuth2 libraries send it; there is one client, so what names it is not read. */
const passwordForm = z
  .strictObject({
    username: z.string().describe('A user name or an e-mail address'),
    password,
    grant_type: z.literal('password').optional(),
    scope: z.string().optional(),
    client_id: z.string().optional(),
    client_secret: z.string().optional(),
  })
  .transform((form): Credentials => ({ username: form.username, password: form.password }))

export function declarePasswords(auth: Resource): void {
  declare(
    auth,
    {
      method: 'post',
      path: '/login',
      operationId: 'logIn',
      summary: 'Sign in by e-mail address or user name and password',
      description:
        'JSON, or the OAuth2 password form. An unknown or unconfirmed name and a wrong password are one and the same refusal. After 5 failed tries a name is locked for 30 minutes, known or not; a password reset opens it.',
      tag: 'Passwords',
      audience: 'anyone',
      body: credentials,
      formBody: passwordForm,
      answers: { 200: { description: 'A token pair', schema: tokenPairSchema } },
      errors: ['invalid_credentials', 'account_locked', 'rate_limited'],
    },
    async (c, { body }) => {
      const { deps } = c.env
      const { params, refreshToken } = await newTokenSession(deps.clock)
      const { userId } = await signIn(deps, body, { session: params, ended: null }, originOf(c))
      return c.json(presentPair(await issueTokenPair(deps, { userId, sessionId: params.newSessionId, refreshToken })))
    },
  )

  declare(
    auth,
    {
      method: 'post',
      path: '/step-up',
      operationId: 'stepUp',
      summary: 'Prove presence anew for this session',
      description: 'Good for 15 minutes. Counted by session: after 5 wrong passwords it is closed for 30 minutes.',
      tag: 'Passwords',
      audience: 'person',
      body: z.strictObject({ password }),
      answers: { 204: { description: 'Renewed' } },
      errors: ['invalid_credentials', 'account_locked'],
    },
    async (c, input) => {
      await stepUp(c.env.deps, claimed(input), input.body, originOf(c))
      return c.body(null, 204)
    },
  )

  declare(
    auth,
    {
      method: 'post',
      path: '/me/password',
      operationId: 'changePassword',
      summary: 'Change the password, or set the first one',
      description:
        'With `current_password` where one is set; without it a sign-in or step-up of at most 15 minutes is needed. Other sessions end, this one stays. Wrong ones count with the session’s step-ups.',
      tag: 'Passwords',
      audience: 'person',
      body: z.strictObject({ current_password: password.optional(), new_password: newPassword }),
      answers: { 204: { description: 'Changed' } },
      errors: ['invalid_credentials', 'account_locked', 'step_up_required', 'password_too_common', 'conflict'],
    },
    async (c, input) => {
      const { current_password: currentPassword = null, new_password: newPassword } = input.body
      const { messages } = await changePassword(
        c.env.deps,
        claimed(input),
        { currentPassword, newPassword },
        originOf(c),
      )
      await sendMessages(c, messages)
      return c.body(null, 204)
    },
  )
}
