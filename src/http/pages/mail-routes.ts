// The pages of mail, below `/inbox`: fixed names before ids, since `/inbox/{id}` takes what is left.

import type { Hono } from 'hono'
import type { AppEnv } from '../context.ts'
import { composePage, sendByForm } from './compose-page.tsx'
import { changeInbox, inboxPage } from './inbox-page.tsx'
import { downloadAttachment, messageFrame } from './message-frame.ts'
import { outboxPage } from './outbox-page.tsx'
import { messagePage, threadPage } from './thread-page.tsx'

export function mountMailPages(app: Hono<AppEnv>): void {
  app.get('/inbox', inboxPage)
  app.post('/inbox', changeInbox)
  app.get('/inbox/compose', composePage)
  app.post('/inbox/compose', sendByForm)
  app.get('/inbox/outbox/:id', outboxPage)
  app.get('/inbox/threads/:id', threadPage)
  app.get('/inbox/:id', messagePage)
  app.get('/inbox/:id/frame', messageFrame)
  app.get('/inbox/:id/attachments/:part_id', downloadAttachment)
}
