// /users: people, for administrators; one's own entry, for oneself.

import * as z from 'zod'
import { listUsers, readUser, type User, unlockUser, updateUser } from '../../users/administration.ts'
import { deleteUser } from '../../users/removal.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { sendMessages } from '../send-messages.ts'
import { fullNameField, usernameField } from './profile.ts'
import { meSchema, presentMe } from './sessions.ts'
import { iso, listOf, pageQuery, presentList, readCursor, time, uuid } from './shapes.ts'

const userSchema = meSchema.extend({
  is_active: z.boolean(),
  locked_until: time.nullable().describe('Until when password sign-in is closed for the account'),
})

function presentUser(user: User, appUrl: string): z.output<typeof userSchema> {
  return { ...presentMe(user, appUrl), is_active: user.isActive, locked_until: iso(user.lockedUntil) }
}

const one = { params: z.object({ id: uuid }), tag: 'Users', audience: 'person' } as const

export function declareUsers(users: Resource): void {
  declare(
    users,
    {
      method: 'get',
      path: '/',
      operationId: 'listUsers',
      summary: 'All users',
      description: 'For administrators. `q` is part of an address, user name or full name.',
      tag: 'Users',
      audience: 'person_or_key',
      query: z.strictObject({
        q: z.string().trim().max(200).optional(),
        role: z.enum(['user', 'admin']).optional(),
        is_active: z.enum(['true', 'false']).optional(),
        ...pageQuery,
      }),
      answers: { 200: { description: 'Newest first', schema: listOf(userSchema) } },
      errors: ['forbidden'],
    },
    async (c, input) => {
      const { limit, cursor, q, role, is_active: isActive } = input.query
      const { db, appUrl } = c.env.deps
      const search = {
        text: q === undefined || q === '' ? null : q,
        role: role ?? null,
        isActive: isActive === undefined ? null : isActive === 'true',
      }
      const page = { before: readCursor(cursor), limit: limit + 1 }
      const rows = await listUsers(db, claimed(input), search, page, originOf(c))
      return c.json(presentList(rows, limit, (user) => presentUser(user, appUrl)))
    },
  )

  declare(
    users,
    {
      ...one,
      method: 'get',
      path: '/{id}',
      operationId: 'readUser',
      summary: 'One user',
      description: 'Oneself; anyone, for administrators.',
      answers: { 200: { description: 'The user', schema: userSchema } },
      errors: ['forbidden', 'not_found'],
    },
    async (c, input) => {
      const { db, appUrl } = c.env.deps
      return c.json(presentUser(await readUser(db, claimed(input), input.params.id, originOf(c)), appUrl))
    },
  )

  declare(
    users,
    {
      ...one,
      method: 'put',
      path: '/{id}',
      operationId: 'updateUser',
      summary: 'Change a user',
      description:
        'Names, by oneself or an administrator; `role` and `is_active` by an administrator. What is left out stays as it is. Disabling ends all sessions at once.',
      body: z.strictObject({
        full_name: fullNameField,
        username: usernameField,
        role: z.enum(['user', 'admin']).optional(),
        is_active: z.boolean().optional(),
      }),
      answers: { 200: { description: 'The user', schema: userSchema } },
      errors: [
        'forbidden',
        'not_found',
        'username_taken',
        'last_admin',
        'admin_by_setting',
        'last_sign_in_method',
        'conflict',
      ],
    },
    async (c, input) => {
      const { deps } = c.env
      const { full_name: fullName, username, role, is_active: isActive } = input.body
      const change = { fullName, username, role, isActive }
      const user = await updateUser(deps, claimed(input), input.params.id, change, originOf(c))
      return c.json(presentUser(user, deps.appUrl))
    },
  )

  declare(
    users,
    {
      ...one,
      method: 'delete',
      path: '/{id}',
      operationId: 'deleteUser',
      summary: 'Delete a user',
      description:
        'Oneself; anyone, for administrators. Needs a sign-in or step-up of the caller within the last 15 minutes. Secrets are erased at once, grants revoked through the queue.',
      answers: { 204: { description: 'Deleted' } },
      errors: ['forbidden', 'step_up_required', 'not_found', 'last_admin', 'conflict'],
    },
    async (c, input) => {
      const { messages } = await deleteUser(c.env.deps, claimed(input), input.params.id, originOf(c))
      await sendMessages(c, messages)
      return c.body(null, 204)
    },
  )

  declare(
    users,
    {
      ...one,
      audience: 'person_or_key',
      method: 'post',
      path: '/{id}/unlock',
      operationId: 'unlockUser',
      summary: 'Lift a user’s locks',
      description: 'For administrators: after too many failed tries, password sign-in is open again at once.',
      answers: { 200: { description: 'The user', schema: userSchema } },
      errors: ['forbidden', 'not_found'],
    },
    async (c, input) => {
      const { deps } = c.env
      const user = await unlockUser(deps, claimed(input), input.params.id, originOf(c))
      return c.json(presentUser(user, deps.appUrl))
    },
  )
}
