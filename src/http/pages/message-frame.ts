// `/inbox/{id}/frame`: one HTML mail as a document of its own, sanitised, under a policy that lets nothing run and nothing
// load: the second fence behind the sanitiser, and the sandbox of the frame that shows it is the third. And the download
// of one attachment.

import { html, raw } from 'hono/html'
import { AppError } from '../../errors.ts'
import { readEmail } from '../../mail/read/read.ts'
import type { AppContext } from '../context.ts'
import { answerAttachment, partId } from '../routes/attachments.ts'
import { uuid } from '../routes/shapes.ts'
import { requireClaim } from './signed-in.ts'

// The mail's own colours are made for paper: it is shown on white in the dark scheme, too.
const frameStyle =
  ':root{color-scheme:light}body{margin:0;padding:14px 16px;background:#fff;color:#1b201d;font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;overflow-wrap:anywhere}img{max-width:100%;height:auto}img:not([src]){color:#565b54;font-size:12px}table{max-width:100%}pre{white-space:pre-wrap}blockquote{margin:0 0 0 8px;padding-left:12px;border-left:3px solid #dcd7ca}'

function framePolicy(pictures: 'none' | 'remote'): string {
  const pictureSources = pictures === 'remote' ? 'data: https:' : 'data:'
  return `default-src 'none'; style-src 'unsafe-inline'; img-src ${pictureSources}; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox`
}

function emailIdOf(c: AppContext): string {
  const emailId = uuid.safeParse(c.req.param('id'))
  if (!emailId.success) throw new AppError('not_found')
  return emailId.data
}

/** `?pictures=remote` lets pictures load from elsewhere, from https only. */
export async function messageFrame(c: AppContext): Promise<Response> {
  const claim = await requireClaim(c)
  const pictures = c.req.query('pictures') === 'remote' ? 'remote' : 'none'
  const email = await readEmail(c.env.deps, claim, { emailId: emailIdOf(c), forUserId: null, pictures })
  c.header('Content-Security-Policy', framePolicy(pictures))
  c.header('X-Frame-Options', 'SAMEORIGIN')
  c.header('Referrer-Policy', 'no-referrer')
  return c.html(
    html`<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${email.subject}</title><style>${raw(frameStyle)}</style></head><body>${raw(email.html ?? '')}</body></html>`,
  )
}

export async function downloadAttachment(c: AppContext): Promise<Response> {
  const claim = await requireClaim(c)
  const part = partId.safeParse(c.req.param('part_id'))
  if (!part.success) throw new AppError('not_found')
  const which = { emailId: emailIdOf(c), partId: part.data, forUserId: null }
  return answerAttachment(c, claim, which)
}
