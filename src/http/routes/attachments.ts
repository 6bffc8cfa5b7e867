// /emails/{id}/attachments/{part_id}: a file that a stranger sent, passed on so that a browser can do nothing with it but
// save it.

import * as z from 'zod'
import type { CallerClaim } from '../../auth/claims.ts'
import { nameAttachment, openAttachment } from '../../mail/read/attachment.ts'
import { contentDisposition, safeContentType } from '../../mail/read/attachment-name.ts'
import type { AppContext } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { forUser } from './mail-shapes.ts'
import { uuid } from './shapes.ts'

/** A part's place in its message, as the message names it: `1.2` and, of mail within mail, much longer. */
export const partId = z
  .string()
  .max(400)
  .regex(/^\d+(?:\.\d+)*$/)

/** The download; pages answer with it, too. For a HEAD, whose body nobody would read, the provider is not asked. */
export async function answerAttachment(
  c: AppContext,
  claim: CallerClaim,
  which: Parameters<typeof openAttachment>[2],
): Promise<Response> {
  const { deps } = c.env
  const file =
    c.req.method === 'HEAD'
      ? { ...(await nameAttachment(deps, claim, which)), body: null }
      : await openAttachment(deps, claim, which)
  const headers = new Headers({
    'Content-Type': safeContentType(file.contentType),
    'Content-Disposition': contentDisposition(file.filename),
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
    'Cache-Control': 'private, no-store',
    'Cross-Origin-Resource-Policy': 'same-origin',
  })
  return new Response(file.body, { headers })
}

export function declareAttachments(emails: Resource): void {
  declare(
    emails,
    {
      method: 'get',
      path: '/{id}/attachments/{part_id}',
      operationId: 'readAttachment',
      summary: 'One attachment',
      description:
        'Streamed from the provider, always as a download. What a browser might run (HTML, SVG, XML, scripts) comes as `application/octet-stream`.',
      tag: 'Mail',
      audience: 'person_or_key',
      params: z.object({ id: uuid, part_id: partId }),
      query: z.strictObject(forUser),
      answers: { 200: { description: 'The file', mediaType: '*/*', schema: z.string().meta({ format: 'binary' }) } },
      errors: [
        'forbidden',
        'insufficient_scope',
        'not_found',
        'needs_reauthorization',
        'rate_limited',
        'provider_unavailable',
        'sealed_token_unreadable',
      ],
    },
    (c, input) => {
      const which = { emailId: input.params.id, partId: input.params.part_id, forUserId: input.query.user_id ?? null }
      return answerAttachment(c, claimed(input), which)
    },
  )
}
