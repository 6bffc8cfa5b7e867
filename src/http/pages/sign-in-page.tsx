// `/sign-in?return_to=&error=&done=`: password or a provider, and why the last attempt failed. A return address that is
// no page of ours is left out, an unknown error says nothing.

import { newCookieSession } from '../../auth/sessions.ts'
import { signIn } from '../../auth/sign-in.ts'
import { homeAfterSignIn } from '../../oauth/return-to.ts'
import { type AppContext, originOf } from '../context.ts'
import { sessionCookieClaim, setSessionCookie } from '../cookies.ts'
import { readForm } from './form-body.ts'
import { Field, PageForm, type Refused, RefusedNotice, Submit, shownRefusal } from './form-fields.tsx'
import { showPage } from './layout.tsx'
import { Notice } from './parts.tsx'
import { linkingPage, offeredProviders, SignInButtons } from './provider-links.tsx'
import { ErrorNotice } from './refusal-words.tsx'
import { ownPage, personOrNobody } from './signed-in.ts'

interface Typed {
  readonly identifier: string
  readonly returnTo: string | undefined
  readonly refused: Refused | null
}

/** GET /sign-in */
export async function signInPage(c: AppContext): Promise<Response> {
  // Whoever must first sign in the old way goes on to where the new way is added.
  const fallback = c.req.query('error') === 'account_exists' ? linkingPage : undefined
  return showSignIn(c, { identifier: '', returnTo: ownPage(c, c.req.query('return_to')) ?? fallback, refused: null })
}

async function showSignIn(c: AppContext, typed: Typed): Promise<Response> {
  const { deps } = c.env
  const me = await personOrNobody(c)
  const providers = offeredProviders(deps)
  const { returnTo, refused } = typed
  return showPage(
    c,
    { title: 'Sign in', visitor: me, width: 'narrow', refused },
    <>
      <SignInErrorNotice code={c.req.query('error')} />
      <DoneNotice done={c.req.query('done')} />
      <RefusedNotice refused={refused} title="You are not signed in" />
      <div class="card gate">
        <h1>Sign in to {deps.settings.appName}</h1>
        {me === null ? null : (
          <p class="soft">
            You are signed in as <strong>{me.email}</strong>. <a href={returnTo ?? homeAfterSignIn}>Go on</a>, or sign
            in as somebody else:
          </p>
        )}
        {providers.length === 0 ? null : (
          <>
            <SignInButtons providers={providers} returnTo={returnTo} />
            <p class="or">
              <span>or with a password</span>
            </p>
          </>
        )}
        <PageForm path="/sign-in" action="sign_in" label="Sign in with a password">
          {returnTo === undefined ? null : <input type="hidden" name="return_to" value={returnTo} />}
          <Field
            name="identifier"
            label="E-mail address or user name"
            value={typed.identifier}
            autocomplete="username"
            inputmode="email"
            maxlength={254}
          />
          <Field name="password" label="Password" type="password" autocomplete="current-password" />
          <div class="actions spread">
            <Submit>Sign in</Submit>
            <a href="/forgot-password">Forgot your password?</a>
          </div>
        </PageForm>
        {deps.settings.mail === null ? null : (
          <p class="gate-foot">
            New here? <a href="/register">Create an account</a>
          </p>
        )}
      </div>
    </>,
  )
}

/** POST /sign-in, `action=sign_in`: 303 to where the person was going, with a session of our pages. */
export async function signInByForm(c: AppContext): Promise<Response> {
  const form = await readForm(c)
  const identifier = (form.get('identifier') ?? '').trim()
  const returnTo = ownPage(c, form.get('return_to') ?? undefined)
  const { deps } = c.env
  const session = await newCookieSession(deps.clock)
  try {
    // A user name with an @ is an address: the verb knows.
    const shown = { username: identifier, password: form.get('password') ?? '' }
    const ended = await sessionCookieClaim(c)
    await signIn(deps, shown, { session: session.params, ended }, originOf(c))
  } catch (thrown) {
    return showSignIn(c, { identifier, returnTo, refused: shownRefusal(thrown, {}) })
  }
  setSessionCookie(c, session.cookie)
  return c.redirect(returnTo ?? homeAfterSignIn, 303)
}

/** `account_exists` has two steps; the others are said as everywhere. */
const SignInErrorNotice = ({ code }: { code: string | undefined }) =>
  code === 'account_exists' ? (
    <Notice tone="warn" title="There is an account with this address">
      <p>So that nobody can take it over through another provider, the new way in is added in two steps:</p>
      <ol>
        <li>Sign in here the way you did before.</li>
        <li>On the page that follows, your security settings, add the new way to sign in.</li>
      </ol>
    </Notice>
  ) : (
    <ErrorNotice code={code} />
  )

const DoneNotice = ({ done }: { done: string | undefined }) => {
  if (done === 'password_reset')
    return (
      <Notice tone="good" title="Your password was changed">
        <p>Every session was ended. Sign in with the new password.</p>
      </Notice>
    )
  if (done === 'account_deleted') return <Notice tone="calm" title="Your account was deleted" />
  return null
}
