// Which page stands where, and the two rules all of them share: refusals are pages, and forms come from our own origin.

import { Hono } from 'hono'
import type { AppEnv } from '../context.ts'
import { sameOriginForms } from '../middleware/same-origin-forms.ts'
import { homePage } from './home-page.tsx'
import { changeKeys, keysPage } from './keys-page.tsx'
import { disconnectPage, mailboxPage } from './mailbox-page.tsx'
import { changeMailbox, mailboxesPage } from './mailboxes-page.tsx'
import { revokeKeyPage } from './revoke-key-page.tsx'
import { signInPage } from './sign-in-page.tsx'
import { signOut, signOutPage } from './sign-out-page.tsx'

/** A pattern with `/*` holds for the path before it, too. */
const pagePaths = ['/', '/sign-in', '/sign-out', '/mailboxes/*', '/admin/*'] as const

export function pages(): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  for (const path of pagePaths) {
    app.use(path, async (c, next) => {
      c.set('wantsPage', true)
      await next()
    })
    app.use(path, sameOriginForms())
  }
  app.get('/', homePage)
  app.get('/sign-in', signInPage)
  app.get('/sign-out', signOutPage)
  app.post('/sign-out', signOut)
  app.get('/mailboxes', mailboxesPage)
  app.post('/mailboxes', changeMailbox)
  app.get('/mailboxes/:id', mailboxPage)
  app.get('/mailboxes/:id/disconnect', disconnectPage)
  app.get('/admin/keys', keysPage)
  app.post('/admin/keys', changeKeys)
  app.get('/admin/keys/:id/revoke', revokeKeyPage)
  return app
}
