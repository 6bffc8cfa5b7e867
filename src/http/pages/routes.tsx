// Which page stands where, and the two rules all of them share: refusals are pages, and forms come from our own origin.

import { Hono } from 'hono'
import type { AppEnv } from '../context.ts'
import { authRateLimit } from '../middleware/rate-limit.ts'
import { sameOriginForms } from '../middleware/same-origin-forms.ts'
import { mountAdminPages } from './admin-routes.tsx'
import { deleteAccountByForm, deleteAccountPage } from './delete-account-page.tsx'
import { letterPage, lettersPage } from './dev-letters-page.tsx'
import { homePage } from './home-page.tsx'
import { mountMailPages } from './mail-routes.ts'
import { disconnectPage, mailboxPage, syncMailbox } from './mailbox-page.tsx'
import { changeMailbox, mailboxesPage } from './mailboxes-page.tsx'
import { changeProfile, profilePage } from './profile-page.tsx'
import { forgotPasswordByForm, forgotPasswordPage, resetPasswordByForm, resetPasswordPage } from './recovery-pages.tsx'
import { registerByForm, registerPage } from './register-page.tsx'
import { changeSecurity, securityPage } from './security-page.tsx'
import { signInByForm, signInPage } from './sign-in-page.tsx'
import { signOut, signOutPage } from './sign-out-page.tsx'
import { stepUpByForm, stepUpPage } from './step-up-page.tsx'
import { verifyEmailByForm, verifyEmailPage } from './verify-email-page.tsx'

/** A pattern with `/*` holds for the path before it, too. */
const pagePaths = [
  '/',
  '/sign-in',
  '/sign-out',
  '/register',
  '/verify-email',
  '/forgot-password',
  '/reset-password',
  '/step-up',
  '/inbox/*',
  '/mailboxes/*',
  '/settings/*',
  '/admin/*',
  '/dev/*',
] as const

/** Forms that call the verbs of /auth, behind its fence and in its bucket of the address: a cookie proves nothing yet. */
const fencedForms = [
  '/sign-in',
  '/register',
  '/verify-email',
  '/forgot-password',
  '/reset-password',
  '/step-up',
  '/settings/*',
]

export function pages(): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  for (const path of pagePaths) {
    app.use(path, async (c, next) => {
      c.set('wantsPage', true)
      await next()
    })
    app.use(path, sameOriginForms())
  }
  for (const path of fencedForms) app.on('POST', path, authRateLimit())
  app.get('/', homePage)
  app.get('/sign-in', signInPage)
  app.post('/sign-in', signInByForm)
  app.get('/sign-out', signOutPage)
  app.post('/sign-out', signOut)
  app.get('/register', registerPage)
  app.post('/register', registerByForm)
  app.get('/verify-email', verifyEmailPage)
  app.post('/verify-email', verifyEmailByForm)
  app.get('/forgot-password', forgotPasswordPage)
  app.post('/forgot-password', forgotPasswordByForm)
  app.get('/reset-password', resetPasswordPage)
  app.post('/reset-password', resetPasswordByForm)
  app.get('/step-up', stepUpPage)
  app.post('/step-up', stepUpByForm)
  app.get('/settings', profilePage)
  app.post('/settings', changeProfile)
  app.get('/settings/security', securityPage)
  app.post('/settings/security', changeSecurity)
  app.get('/settings/delete', deleteAccountPage)
  app.post('/settings/delete', deleteAccountByForm)
  app.get('/mailboxes', mailboxesPage)
  app.post('/mailboxes', changeMailbox)
  app.get('/mailboxes/:id', mailboxPage)
  app.post('/mailboxes/:id', syncMailbox)
  app.get('/mailboxes/:id/disconnect', disconnectPage)
  app.get('/dev/letters', lettersPage)
  app.get('/dev/letters/:id', letterPage)
  mountMailPages(app)
  mountAdminPages(app)
  return app
}
