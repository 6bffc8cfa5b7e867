// /auth/identities: the linked ways to sign in. Linking one is a connecting flow with `scopes=identity` (routes/oauth.ts).

import * as z from 'zod'
import { type Identity, listIdentities, unlinkIdentity } from '../../auth/identities.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { iso, listOf, pageQuery, presentList, readCursor, time, uuid } from './shapes.ts'

export const identitySchema = z.object({
  id: uuid,
  provider: z.string(),
  email: z.string().nullable().describe('As the provider last said it'),
  created_at: time,
})

export function presentIdentity(identity: Identity): z.output<typeof identitySchema> {
  return { id: identity.id, provider: identity.provider, email: identity.email, created_at: iso(identity.createdAt) }
}

export function declareIdentities(auth: Resource): void {
  declare(
    auth,
    {
      method: 'get',
      path: '/identities',
      operationId: 'listIdentities',
      summary: 'The current user’s linked ways to sign in',
      tag: 'Sign-in with a provider',
      audience: 'person',
      query: z.strictObject(pageQuery),
      answers: { 200: { description: 'Newest first', schema: listOf(identitySchema) } },
    },
    async (c, input) => {
      const { limit, cursor } = input.query
      const page = { before: readCursor(cursor), limit: limit + 1 }
      const rows = await listIdentities(c.env.deps.db, claimed(input), page)
      return c.json(presentList(rows, limit, presentIdentity))
    },
  )

  declare(
    auth,
    {
      method: 'delete',
      path: '/identities/{id}',
      operationId: 'unlinkIdentity',
      summary: 'Unlink a way to sign in',
      description:
        'Needs a proof of presence of at most 15 minutes. The last way to sign in cannot be unlinked; a connected mailbox is none. All other sessions end.',
      tag: 'Sign-in with a provider',
      audience: 'person',
      params: z.object({ id: uuid }),
      answers: { 204: { description: 'Unlinked' } },
      errors: ['not_found', 'step_up_required', 'last_sign_in_method', 'conflict'],
    },
    async (c, input) => {
      await unlinkIdentity(c.env.deps.db, claimed(input), input.params.id, originOf(c))
      return c.body(null, 204)
    },
  )
}
