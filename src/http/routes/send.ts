// /emails/send and /emails/outbox: mail taken in to be sent, and what became of it.

import * as z from 'zod'
import { AppError } from '../../errors.ts'
import { acceptEmail, readOutgoing } from '../../mail/send/outbox.ts'
import {
  filenameCharacters,
  htmlCharacters,
  mostAttachments,
  mostRecipients,
  subjectCharacters,
  textCharacters,
} from '../../mail/send/request.ts'
import { type AppContext, originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { sendMessages } from '../send-messages.ts'
import { iso, time, uuid } from './shapes.ts'

/** Attachments are base64 in here: about 7.5 MB of files. */
const bodyLimitBytes = 10 * 1_024 * 1_024

const forUser = z.strictObject({ user_id: uuid.optional().describe('For service keys: on whose behalf') })
const status = z.enum(['queued', 'sending', 'unconfirmed', 'sent', 'failed'])
// Generous: what is an address, and what a name may hold, is the verb's matter.
const recipient = z.union([
  z.string().min(1).max(1_000),
  z.strictObject({ name: z.string().max(1_000).default(''), address: z.string().min(1).max(1_000) }),
])
/** Cut before its items are looked at: a body of ten megabytes has room for millions. */
function few<T extends z.ZodType>(item: T, most: number) {
  const cut = (given: unknown): unknown => (Array.isArray(given) ? given.slice(0, most + 1) : given)
  return z.preprocess(cut, z.array(item).max(most).default([]))
}
const recipients = few(recipient, mostRecipients)

const sendBody = z.strictObject({
  from: recipient.describe('The address of one of your mailboxes'),
  to: recipients.describe(
    '`a@b.example`, `Name <a@b.example>` or `{ name, address }` as messages give it, one address each; 100 with cc and bcc',
  ),
  cc: recipients,
  bcc: recipients,
  subject: z.string().max(subjectCharacters).optional().describe('In a reply: `Re: …` of the original where absent'),
  // Said here, and refused with all else that is wrong.
  text: z.string().optional().meta({ description: 'Made from `html` where absent', maxLength: textCharacters }),
  html: z.string().optional().meta({ maxLength: htmlCharacters }),
  attachments: few(
    z.strictObject({
      filename: z.string().min(1).max(filenameCharacters),
      content_type: z.string().min(1).max(300),
      content_base64: z.string(),
    }),
    mostAttachments,
  ),
  reply_to_email_id: uuid
    .optional()
    .describe('The message this answers; without recipients it goes to its Reply-To, or its sender'),
})

const idempotencyKey = z
  .string()
  .regex(/^[\x20-\x7e]{1,255}$/)
  .describe('A repeat of the same request within 24 hours gives the same answer, and one message is sent')

export function declareSend(emails: Resource): void {
  declare(
    emails,
    {
      method: 'post',
      path: '/send',
      operationId: 'sendEmail',
      summary: 'Send a message or an answer',
      description:
        'Taken in, and sent within moments; `GET /emails/outbox/{id}` tells what became of it. The whole body may have 10 MB: about 7.5 MB of files. A mailbox with 2,000 messages or 1 GB on their way takes no more (429).',
      tag: 'Mail',
      audience: 'person_or_key',
      query: forUser,
      describedHeaders: z.object({ 'Idempotency-Key': idempotencyKey.optional() }),
      body: sendBody,
      bodyLimitBytes,
      // As a line break there: each value that cannot stand in a header is named.
      unfitText: 'invalid_input',
      answers: { 202: { description: 'Taken in', schema: z.object({ id: uuid, status: z.literal('queued') }) } },
      errors: [
        'forbidden',
        'insufficient_scope',
        'not_found',
        'needs_reauthorization',
        'idempotency_key_reused',
        'conflict',
        'rate_limited',
      ],
    },
    async (c, input) => {
      const { body } = input
      const request = {
        from: body.from,
        to: body.to,
        cc: body.cc,
        bcc: body.bcc,
        subject: body.subject ?? null,
        text: body.text ?? null,
        html: body.html ?? null,
        attachments: body.attachments.map(({ filename, content_type, content_base64 }) => ({
          filename,
          contentType: content_type,
          contentBase64: content_base64,
        })),
        replyToEmailId: body.reply_to_email_id ?? null,
      }
      const options = { forUserId: input.query.user_id ?? null, idempotencyKey: idempotencyKeyOf(c) }
      const accepted = await acceptEmail(c.env.deps, claimed(input), request, options, originOf(c))
      await sendMessages(c, accepted.messages)
      return c.json({ id: accepted.id, status: accepted.status }, 202)
    },
  )

  declare(
    emails,
    {
      method: 'get',
      path: '/outbox/{id}',
      operationId: 'readOutgoingEmail',
      summary: 'What became of a message',
      description:
        '`unconfirmed`: the provider may have sent it; it is looked for, and never sent again before that. `failed` ' +
        'with `error` `unconfirmed`: that could not be found out.',
      tag: 'Mail',
      audience: 'person_or_key',
      params: z.object({ id: uuid }),
      query: forUser,
      answers: {
        200: {
          description: 'The message',
          schema: z.object({
            id: uuid,
            status,
            mail_account_id: uuid,
            provider_message_id: z.string().nullable(),
            thread_id: z.string().nullable(),
            error: z.string().nullable(),
            created_at: time,
            sent_at: time.nullable(),
          }),
        },
      },
      errors: ['forbidden', 'not_found'],
    },
    async (c, input) => {
      const which = { outboxId: input.params.id, forUserId: input.query.user_id ?? null }
      const row = await readOutgoing(c.env.deps, claimed(input), which)
      return c.json({
        id: row.id,
        status: row.status,
        mail_account_id: row.accountId,
        provider_message_id: row.providerMessageId,
        thread_id: row.threadId,
        error: row.error,
        created_at: iso(row.createdAt),
        sent_at: iso(row.sentAt),
      })
    },
  )
}

/** Null where none was sent. Throws 422. */
function idempotencyKeyOf(c: AppContext): string | null {
  const key = c.req.header('Idempotency-Key')
  if (key === undefined) return null
  if (idempotencyKey.safeParse(key).success) return key
  throw new AppError('invalid_input', {
    errors: [{ path: 'Idempotency-Key', message: 'must be 1 to 255 printable ASCII characters' }],
  })
}
