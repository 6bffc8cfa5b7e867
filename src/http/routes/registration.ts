// /auth: registering, confirming by letter, and a change of address.

import * as z from 'zod'
import { issueTokenPair, newTokenSession } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { confirmEmailChange, requestEmailChange } from '../../users/change-email.ts'
import { confirmRegistration, resendVerification } from '../../users/confirm.ts'
import { type Registration, register } from '../../users/register.ts'
import { type AppContext, originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { sendMessages } from '../send-messages.ts'
import { isMultipart, pictureOf, readMultipart } from '../uploads.ts'
import { admitJsonBody, refuseInput } from '../validate.ts'
import { presentPair, tokenPairSchema } from './sessions.ts'

export const address = z.string().min(1).max(254)
/** One to be set, or the one a registration was made with; its characters are the policy's matter. */
export const password = z.string().min(1).max(1_024).describe('8 to 128 characters, none of the common ones')
export const linkToken = z.string().min(1).max(200).describe('From the link of a letter')

const registerBody = z.strictObject({
  email: address,
  password,
  username: z.string().max(100).nullish().describe('[a-z0-9][a-z0-9._-]{2,31}, in whatever case'),
  full_name: z.string().max(1_000).nullish().describe('1 to 200 characters'),
})

const acceptedSchema = z.object({ status: z.literal('accepted') })
const accepted = { status: 'accepted' } as const

/** Made when the document is asked for: no request needs it. */
function describedForms() {
  const { $schema: _, ...json } = z.toJSONSchema(registerBody, { io: 'input' })
  const avatar = { type: 'string', format: 'binary' }
  return {
    'application/json': json,
    'multipart/form-data': { ...json, properties: { ...json.properties, avatar } },
  }
}

const verifyBody = z
  .strictObject({ token: linkToken, password: password.optional(), new_password: password.optional() })
  .refine((body) => body.password === undefined || body.new_password === undefined, {
    path: ['new_password'],
    message: 'is not taken together with password',
  })

/** JSON, or a form with a picture; unknown and doubled fields are refused in both. */
async function readRegistration(c: AppContext): Promise<Registration> {
  let raw: unknown
  let picture: Uint8Array | null = null
  if (isMultipart(c)) {
    const form = await readMultipart(c)
    picture = await pictureOf(form)
    // A file input left empty comes as a file of no bytes.
    if (picture?.length === 0) picture = null
    raw = fieldsOf(form)
  } else {
    await admitJsonBody(c, async () => {})
    raw = await c.req.json()
  }
  const parsed = registerBody.safeParse(raw)
  refuseInput(parsed)
  if (!parsed.success) throw new AppError('invalid_input')
  const { email, password, username, full_name } = parsed.data
  return { email, password, username: username ?? null, fullName: full_name ?? null, picture }
}

/** The form's text fields; the schema judges them. */
function fieldsOf(form: FormData): Record<string, File | string> {
  const fields = new Map<string, File | string>()
  const seen = new Set<string>()
  for (const [name, value] of form) {
    if (seen.has(name))
      throw new AppError('invalid_input', { errors: [{ path: name.slice(0, 100), message: 'is given twice' }] })
    seen.add(name)
    // As for JSON: PostgreSQL takes no NUL (a password's own rule judges it), and what was no UTF-8 is refused (the
    // platform's reader has put U+FFFD in its place: two passwords would be one).
    if (typeof value === 'string' && (value.includes('\ufffd') || (name !== 'password' && value.includes('\0'))))
      throw new AppError('malformed_request')
    // An optional text input left empty is sent as such.
    const isLeftEmpty = value === '' && (name === 'username' || name === 'full_name')
    if (name !== 'avatar' && !isLeftEmpty) fields.set(name, value)
  }
  return Object.fromEntries(fields)
}

export function declareRegistration(auth: Resource): void {
  declare(
    auth,
    {
      method: 'post',
      path: '/register',
      operationId: 'register',
      summary: 'Register with an address and a password',
      description:
        'Waits 24 hours for its letter. The answer is the same whether or not the address is known; to one that is, a letter says so. As multipart/form-data with an optional picture `avatar` (PNG, JPEG or WebP, 2 MB).',
      tag: 'Registration',
      audience: 'anyone',
      get describedBody() {
        return describedForms()
      },
      answers: {
        201: {
          description: 'A letter is on its way',
          schema: z.object({ status: z.literal('verification_pending'), email: z.string() }),
        },
      },
      errors: [
        'username_taken',
        'password_too_common',
        'picture_refused',
        'invalid_input',
        'malformed_request',
        'body_too_large',
        'unsupported_media_type',
      ],
    },
    async (c) => {
      const { email, messages } = await register(c.env.deps, await readRegistration(c), originOf(c))
      await sendMessages(c, messages)
      return c.json({ status: 'verification_pending', email }, 201)
    },
  )

  declare(
    auth,
    {
      method: 'post',
      path: '/verify-email',
      operationId: 'verifyEmail',
      summary: 'Confirm a registration or a change of address',
      description:
        'A registration with `password`, the one it was made with (5 tries), or with `new_password`: then only the address is kept of what it said. A change of address with `token` alone and the session of the user who asked.',
      tag: 'Registration',
      audience: 'anyone',
      body: verifyBody,
      answers: {
        200: {
          description: 'Signed in; or, for a change of address, the new address',
          schema: z.union([tokenPairSchema, z.object({ email: z.string() })]),
        },
      },
      errors: ['invalid_code', 'wrong_password', 'password_too_common', 'unauthorized', 'forbidden', 'email_taken'],
    },
    async (c, { body, claim }) => {
      const { deps } = c.env
      const { token, password, new_password: newPassword } = body
      if (password === undefined && newPassword === undefined) {
        if (claim === null) throw new AppError('unauthorized')
        const { email, messages } = await confirmEmailChange(deps, claim, { token }, originOf(c))
        await sendMessages(c, messages)
        return c.json({ email })
      }
      const { params, refreshToken } = await newTokenSession(deps.clock)
      const shown = password !== undefined ? { token, password } : { token, newPassword: newPassword ?? '' }
      const { userId } = await confirmRegistration(deps, shown, { session: params, ended: null }, originOf(c))
      const session = { userId, sessionId: params.newSessionId, refreshToken }
      return c.json(presentPair(await issueTokenPair(deps, session)))
    },
  )

  declare(
    auth,
    {
      method: 'post',
      path: '/resend-verification',
      operationId: 'resendVerification',
      summary: 'Send the letter of the newest waiting registration again',
      tag: 'Registration',
      audience: 'anyone',
      body: z.strictObject({ email: address }),
      answers: { 202: { description: 'Whether or not anything waits', schema: acceptedSchema } },
    },
    async (c, { body }) => {
      const { messages } = await resendVerification(c.env.deps, body, originOf(c))
      await sendMessages(c, messages)
      return c.json(accepted, 202)
    },
  )

  declare(
    auth,
    {
      method: 'post',
      path: '/me/email',
      operationId: 'requestEmailChange',
      summary: 'Ask for a change of address',
      description:
        'A letter goes to the new address and a notice to the old one, which stays until the new one is confirmed. Needs a proof of presence of at most 15 minutes.',
      tag: 'Registration',
      audience: 'person',
      body: z.strictObject({ new_email: address }),
      answers: { 202: { description: 'Whether or not the address is somebody’s', schema: acceptedSchema } },
      errors: ['step_up_required'],
    },
    async (c, input) => {
      const asked = { newEmail: input.body.new_email }
      const { messages } = await requestEmailChange(c.env.deps, claimed(input), asked, originOf(c))
      await sendMessages(c, messages)
      return c.json(accepted, 202)
    },
  )
}
