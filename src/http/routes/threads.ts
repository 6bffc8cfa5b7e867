// /emails/threads: mail by conversation.

import * as z from 'zod'
import { type ListedThread, listThreads } from '../../mail/read/list.ts'
import { readThread } from '../../mail/read/read.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import {
  addressSchema,
  emailSchema,
  labels,
  listedEmailSchema,
  listQueryOf,
  mailListQuery,
  presentAddress,
  presentEmail,
  presentEmailFields,
  readQuery,
  threadId,
} from './mail-shapes.ts'
import { iso, listOf, time, uuid } from './shapes.ts'

const listedThreadSchema = listedEmailSchema.extend({
  id: threadId,
  provider_message_id: z.string().describe('Of its newest message, as are `from`, `to`, `cc` and `sent_at`'),
  subject: z.string().describe('Of its oldest message'),
  snippet: z.string().describe('Of its newest message'),
  labels: labels.describe('Of all its messages'),
  is_unread: z.boolean().describe('Any of it'),
  participants: z.array(addressSchema).describe('Who wrote in it, in order of their first message; 20 at most'),
  message_count: z.int(),
  unread_count: z.int(),
  last_message_at: time.describe('The same as `sent_at`'),
})

function presentThread(thread: ListedThread): z.output<typeof listedThreadSchema> {
  return {
    ...presentEmailFields(thread),
    highlighted_snippet: thread.highlightedSnippet,
    participants: thread.participants.map(presentAddress),
    message_count: thread.messageCount,
    unread_count: thread.unreadCount,
    last_message_at: iso(thread.sentAt),
  }
}

export function declareThreads(emails: Resource): void {
  declare(
    emails,
    {
      method: 'get',
      path: '/threads',
      operationId: 'listThreads',
      summary: 'Mail listed and searched, by conversation',
      description: 'As `GET /emails`; a thread stands where the newest (or best) of its messages that match stands.',
      tag: 'Mail',
      audience: 'person_or_key',
      query: mailListQuery,
      answers: { 200: { description: 'Threads', schema: listOf(listedThreadSchema) } },
      errors: ['forbidden', 'not_found'],
    },
    async (c, input) => {
      const page = await listThreads(c.env.deps, claimed(input), listQueryOf(input.query))
      return c.json({ items: page.items.map(presentThread), next_cursor: page.nextCursor })
    },
  )

  declare(
    emails,
    {
      method: 'get',
      path: '/threads/{id}',
      operationId: 'readThread',
      summary: 'One conversation, oldest message first',
      description:
        'Without messages in spam or trash, unless all of them are there. Of a thread of more than 100 messages the newest.',
      tag: 'Mail',
      audience: 'person_or_key',
      params: z.object({ id: threadId }),
      query: readQuery,
      answers: {
        200: {
          description: 'The thread',
          schema: z.object({
            id: threadId,
            mail_account_id: uuid,
            subject: z.string(),
            messages: z.array(emailSchema),
          }),
        },
      },
      errors: ['forbidden', 'not_found'],
    },
    async (c, input) => {
      const { pictures, user_id } = input.query
      const which = { threadId: input.params.id, forUserId: user_id ?? null, pictures, isAnywhere: false }
      const thread = await readThread(c.env.deps, claimed(input), which)
      return c.json({
        id: thread.id,
        mail_account_id: thread.accountId,
        subject: thread.subject,
        messages: thread.messages.map(presentEmail),
      })
    },
  )
}
