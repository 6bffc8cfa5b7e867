// `/sign-in?return_to=&error=`: the providers' links, and why the last attempt failed. A return address that is no page
// of ours is left out, an unknown error says nothing.

import { isOwnPage } from '../../oauth/return-to.ts'
import type { AppContext } from '../context.ts'
import { showPage } from './layout.tsx'
import { offeredProviders, SignInButtons } from './provider-links.tsx'
import { ErrorNotice } from './refusal-words.tsx'
import { personOrNobody } from './signed-in.ts'

export async function signInPage(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const wanted = c.req.query('return_to')
  const returnTo = wanted !== undefined && wanted.length <= 2_000 && isOwnPage(deps.appUrl, wanted) ? wanted : undefined
  const me = await personOrNobody(c)
  return showPage(
    c,
    { title: 'Sign in', visitor: me, width: 'narrow' },
    <>
      <ErrorNotice code={c.req.query('error')} />
      <div class="card gate">
        <h1>Sign in to {deps.settings.appName}</h1>
        {me === null ? (
          <p class="soft">
            Your mailbox is connected in the same step. You choose at the provider what may be read or sent.
          </p>
        ) : (
          <p class="soft">
            You are signed in as <strong>{me.email}</strong>. <a href={returnTo ?? '/mailboxes'}>Go on</a>, or sign in
            as somebody else:
          </p>
        )}
        <SignInButtons providers={offeredProviders(deps)} returnTo={returnTo} />
      </div>
    </>,
  )
}
