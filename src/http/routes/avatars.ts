// Pictures: a person puts or removes their own, and anyone who knows a picture's unguessable name sees it. What strangers
// uploaded is served so that a browser can do nothing with it but show it.

import * as z from 'zod'
import { AppError } from '../../errors.ts'
import { openPicture, putAvatar, removeAvatar } from '../../users/avatar.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { sendMessages } from '../send-messages.ts'
import { pictureBodies, readPicture } from '../uploads.ts'
import { meSchema, presentMe } from './sessions.ts'

/** PUT and DELETE /auth/me/avatar. */
export function declareOwnAvatar(auth: Resource): void {
  declare(
    auth,
    {
      method: 'put',
      path: '/me/avatar',
      operationId: 'putAvatar',
      summary: 'Set the current user’s picture',
      description:
        'The picture as the body, or as multipart field `avatar`: PNG, JPEG or WebP by its content, at most 2 MB and 4,096 by 4,096 pixels. Its metadata is dropped.',
      tag: 'Profile',
      audience: 'person',
      describedBody: pictureBodies,
      answers: { 200: { description: 'The current user', schema: meSchema } },
      errors: ['malformed_request', 'body_too_large', 'picture_refused', 'invalid_input'],
    },
    async (c, input) => {
      const { deps } = c.env
      const { me, messages } = await putAvatar(deps, claimed(input), await readPicture(c), originOf(c))
      await sendMessages(c, messages)
      return c.json(presentMe(me, deps.appUrl))
    },
  )

  declare(
    auth,
    {
      method: 'delete',
      path: '/me/avatar',
      operationId: 'deleteAvatar',
      summary: 'Remove the current user’s picture',
      tag: 'Profile',
      audience: 'person',
      answers: { 204: { description: 'Removed, or there was none' } },
    },
    async (c, input) => {
      const { messages } = await removeAvatar(c.env.deps, claimed(input), originOf(c))
      await sendMessages(c, messages)
      return c.body(null, 204)
    },
  )
}

const extensions: Readonly<Record<string, string>> = { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp' }

/** GET /avatars/{avatar_id}. */
export function declareAvatars(avatars: Resource): void {
  declare(
    avatars,
    {
      method: 'get',
      path: '/{avatar_id}',
      operationId: 'readAvatar',
      summary: 'A picture',
      description: 'For anyone who knows its name. A picture never changes: a new one has a new name.',
      tag: 'Profile',
      audience: 'anyone',
      params: z.object({ avatar_id: z.string() }),
      answers: {
        200: { description: 'The picture', mediaType: 'image/*', schema: z.string() },
        304: { description: 'The copy named by `If-None-Match` is the same' },
      },
      errors: ['not_found'],
    },
    async (c, { params }) => {
      const picture = await openPicture(c.env.deps.avatars, params.avatar_id, c.req.header('If-None-Match') ?? null)
      const extension = extensions[picture?.contentType ?? '']
      if (picture === null || extension === undefined) throw new AppError('not_found')
      const headers = {
        ETag: picture.etag,
        'Cache-Control': 'public, max-age=31536000, immutable',
        'Content-Security-Policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
        'X-Content-Type-Options': 'nosniff',
        // Front ends of other origins show it, also those that isolate themselves.
        'Cross-Origin-Resource-Policy': 'cross-origin',
      }
      if (picture.body === null) return new Response(null, { status: 304, headers })
      return new Response(picture.body, {
        headers: {
          ...headers,
          'Content-Type': picture.contentType,
          'Content-Disposition': `inline; filename="avatar.${extension}"`,
        },
      })
    },
  )
}
