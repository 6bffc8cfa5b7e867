// `/sign-out`: a page with the button, and the form behind every such button. Leaving twice is leaving once.

import { logOut } from '../../auth/sessions.ts'
import { type AppContext, originOf } from '../context.ts'
import { clearSessionCookie, sessionCookieClaim } from '../cookies.ts'
import { showPage } from './layout.tsx'
import { personOrNobody } from './signed-in.ts'

export async function signOutPage(c: AppContext): Promise<Response> {
  const me = await personOrNobody(c)
  return showPage(
    c,
    { title: 'Sign out', visitor: me, width: 'narrow' },
    <div class="card gate">
      {me === null ? (
        <>
          <h1>You are signed out</h1>
          <p>
            <a class="button primary" href="/sign-in">
              Sign in
            </a>
          </p>
        </>
      ) : (
        <>
          <h1>Sign out?</h1>
          <p class="soft">
            You are signed in as <strong>{me.email}</strong>. Connected mailboxes stay connected.
          </p>
          <form method="post" action="/sign-out" class="actions">
            <button class="button primary" type="submit">
              Sign out
            </button>
            <a class="button" href="/mailboxes">
              Stay signed in
            </a>
          </form>
        </>
      )}
    </div>,
  )
}

export async function signOut(c: AppContext): Promise<Response> {
  const claim = await sessionCookieClaim(c)
  if (claim !== null) await logOut(c.env.deps.db, { claim }, originOf(c))
  clearSessionCookie(c)
  return c.redirect('/', 303)
}
