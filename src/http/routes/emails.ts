// GET /emails and /emails/{id}: mail listed, searched and read.

import * as z from 'zod'
import { AppError } from '../../errors.ts'
import { listEmails } from '../../mail/read/list.ts'
import { readEmail } from '../../mail/read/read.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import {
  emailSchema,
  listedEmailSchema,
  listQueryOf,
  mailListQuery,
  presentEmail,
  presentEmailFields,
  readQuery,
} from './mail-shapes.ts'
import { listOf, uuid } from './shapes.ts'

/** After everything else below `/emails`: `/emails/{id}` would take it for an id. */
export function declareEmails(emails: Resource): void {
  keepFromIds(emails)
  declare(
    emails,
    {
      method: 'get',
      path: '/',
      operationId: 'listEmails',
      summary: 'Mail listed and searched',
      description:
        'Of all mailboxes of the caller, newest first. Filters and `q` hold together. Spam and trash are left out unless asked for (`label=SPAM`, `in:trash`, `in:anywhere`).',
      tag: 'Mail',
      audience: 'person_or_key',
      query: mailListQuery,
      answers: { 200: { description: 'Messages without their text', schema: listOf(listedEmailSchema) } },
      errors: ['forbidden', 'not_found'],
    },
    async (c, input) => {
      const page = await listEmails(c.env.deps, claimed(input), listQueryOf(input.query))
      const items = page.items.map((email) => ({
        ...presentEmailFields(email),
        highlighted_snippet: email.highlightedSnippet,
      }))
      return c.json({ items, next_cursor: page.nextCursor })
    },
  )

  declare(
    emails,
    {
      method: 'get',
      path: '/{id}',
      operationId: 'readEmail',
      summary: 'One message',
      tag: 'Mail',
      audience: 'person_or_key',
      params: z.object({ id: uuid }),
      query: readQuery,
      answers: { 200: { description: 'The message', schema: emailSchema } },
      errors: ['forbidden', 'not_found'],
    },
    async (c, input) => {
      const { pictures, user_id } = input.query
      const which = { emailId: input.params.id, forUserId: user_id ?? null, pictures }
      return c.json(presentEmail(await readEmail(c.env.deps, claimed(input), which)))
    },
  )
}

/** `send` and its like are no ids, under any method: 405 with those they take, and 404 where only paths below them stand. */
function keepFromIds({ router, contracts }: Resource): void {
  const names = new Set(contracts.flatMap(({ path }) => /^\/[a-z-]+/.exec(path)?.[0] ?? []))
  for (const name of names) {
    const methods = contracts.filter(({ path }) => path === name).map(({ method }) => method.toUpperCase())
    router.all(name, (c) => {
      if (methods.length === 0) throw new AppError('not_found')
      c.header('Allow', methods.join(', '))
      throw new AppError('method_not_allowed')
    })
  }
}
