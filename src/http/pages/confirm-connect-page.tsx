// What `login` shows where another site may have sent the browser: nothing is connected to an account without a click on
// a page of ours. The link repeats the very request; coming from here, it goes through.

import { whoAmI } from '../../auth/sessions.ts'
import type { AppContext } from '../context.ts'
import { showPage } from './layout.tsx'
import { requireClaim } from './signed-in.ts'

/** Throws 401 where the session has ended, before anybody is asked. */
export async function confirmConnectPage(c: AppContext): Promise<Response> {
  const me = await whoAmI(c.env.deps.db, await requireClaim(c))
  const { pathname, search } = new URL(c.req.url)
  const question = questionOf(c)
  return showPage(
    c,
    { title: question.title, visitor: me, width: 'narrow' },
    <div class="card gate">
      <h1>{question.title}</h1>
      <p>
        You are signed in as <strong>{me.email}</strong>.
      </p>
      <p class="soft">{question.text} If you did not ask for this, cancel: nothing happens then.</p>
      <div class="actions">
        <a class="button primary" href={`${pathname}${search}`}>
          {question.yes}
        </a>
        <a class="button" href="/mailboxes">
          Cancel
        </a>
      </div>
    </div>,
  )
}

function questionOf(c: AppContext): { title: string; text: string; yes: string } {
  if (c.req.query('mail_account_id') !== undefined) {
    return {
      title: 'Reconnect your mailbox?',
      text: 'You go to the provider, which asks once more what may be read or sent.',
      yes: 'Reconnect',
    }
  }
  if (c.req.query('scopes') === 'identity') {
    return {
      title: 'Add a way to sign in?',
      text: 'Whoever can sign in at the provider can then sign in to this account.',
      yes: 'Add it',
    }
  }
  return {
    title: 'Connect a mailbox to your account?',
    text: 'You go to the provider and choose a mailbox there. It is then kept connected to this account.',
    yes: 'Connect a mailbox',
  }
}
