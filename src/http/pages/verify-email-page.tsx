// `/verify-email?token=`: what the links of two letters open: a waiting registration, and a change of address. Opening it
// changes nothing, so a mail scanner that follows links spends none (SECURITY OT-13); the form's button does.

import { newCookieSession, whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { homeAfterSignIn } from '../../oauth/return-to.ts'
import { confirmEmailChange } from '../../users/change-email.ts'
import { confirmRegistration, purposeOfLink, resendVerification } from '../../users/confirm.ts'
import { type AppContext, originOf } from '../context.ts'
import { sessionCookieClaim, setSessionCookie } from '../cookies.ts'
import { sendMessages } from '../send-messages.ts'
import { readForm } from './form-body.ts'
import { Field, fieldSentences, PageForm, type Refused, RefusedNotice, Submit, shownRefusal } from './form-fields.tsx'
import { showPage } from './layout.tsx'
import { Notice } from './parts.tsx'
import { personOrNobody, requireClaim } from './signed-in.ts'

/** GET /verify-email */
export async function verifyEmailPage(c: AppContext): Promise<Response> {
  const token = c.req.query('token')
  if (token === undefined) return showSent(c)
  return showLink(c, token, null)
}

/** What a link opens, by the letter it came from; one that is none of ours is told from a spent one only by the verb. */
async function showLink(c: AppContext, token: string, refused: Refused | null): Promise<Response> {
  const purpose = await purposeOfLink(c.env.deps.codeKey, token)
  if (purpose === null || refused?.code === 'invalid_code') return showDeadLink(c, purpose, refused)
  return purpose === 'email_change' ? showChange(c, token, refused) : showConfirm(c, token, refused)
}

async function showDeadLink(
  c: AppContext,
  purpose: 'registration' | 'email_change' | null,
  refused: Refused | null,
): Promise<Response> {
  const isChange = purpose === 'email_change'
  return showPage(
    c,
    { title: 'This link does not work', visitor: await personOrNobody(c), width: 'narrow', status: 400 },
    <>
      <RefusedNotice refused={refused} title="Nothing was changed" />
      <div class="card gate">
        <h1>This link does not work</h1>
        <p>It was used already, is more than a day old, or was cut by a mail program: copy it whole from the letter.</p>
        <p class="actions">
          <a class="button primary" href={isChange ? '/settings' : '/verify-email'}>
            {isChange ? 'Go to your settings' : 'Send another letter'}
          </a>
          {isChange ? null : (
            <a class="button" href="/sign-in">
              Sign in
            </a>
          )}
        </p>
      </div>
    </>,
  )
}

async function showConfirm(c: AppContext, token: string, refused: Refused | null): Promise<Response> {
  const { appName } = c.env.deps.settings
  return showPage(
    c,
    { title: 'Confirm your address', visitor: null, width: 'narrow', refused },
    <>
      <RefusedNotice refused={refused} title="Your account was not opened" />
      <div class="card gate">
        <h1>Confirm your address</h1>
        <p class="soft">
          Enter the password you chose when you asked for the account at {appName}. That way nobody else’s password can
          be confirmed with your letter.
        </p>
        <PageForm path="/verify-email" action="confirm" label="Confirm with the password you chose">
          <input type="hidden" name="token" value={token} />
          <Field name="password" label="The password you chose" type="password" autocomplete="current-password" />
          <div class="actions">
            <Submit>Open my account</Submit>
          </div>
        </PageForm>
        <details open={refused !== null}>
          <summary>I did not choose that password, or forgot it</summary>
          <PageForm path="/verify-email" action="choose" label="Choose a new password">
            <input type="hidden" name="token" value={token} />
            <Field
              name="new_password"
              label="A new password"
              type="password"
              hint="At least 8 characters. Name and picture given with the registration are then left out."
              autocomplete="new-password"
              problems={refused?.problems ?? {}}
            />
            <div class="actions">
              <Submit tone="plain">Open my account with this one</Submit>
            </div>
          </PageForm>
        </details>
      </div>
    </>,
  )
}

async function showChange(c: AppContext, token: string, refused: Refused | null): Promise<Response> {
  // Only the session of who asked may confirm: without one, the way to sign in.
  const me = await whoAmI(c.env.deps.db, await requireClaim(c))
  return showPage(
    c,
    { title: 'Confirm your new address', visitor: me, width: 'narrow', refused },
    <>
      <RefusedNotice refused={refused} title="Your address was not changed" />
      <div class="card gate">
        <h1>Confirm your new address</h1>
        <p>
          This account’s address is <strong>{me.email}</strong> until you confirm the new one.
        </p>
        <PageForm path="/verify-email" action="change" label="Confirm the new address">
          <input type="hidden" name="token" value={token} />
          <div class="actions">
            <Submit>Use the new address</Submit>
            <a class="button" href="/settings">
              Keep the old one
            </a>
          </div>
        </PageForm>
      </div>
    </>,
  )
}

async function showSent(c: AppContext, refused: Refused | null = null): Promise<Response> {
  const isAgain = c.req.query('sent') === 'again'
  return showPage(
    c,
    { title: 'Look into your mail', visitor: await personOrNobody(c), width: 'narrow', refused },
    <>
      <RefusedNotice refused={refused} title="No letter was sent" />
      {isAgain ? (
        <Notice tone="good" title="If something waits for that address, its letter is on the way again." />
      ) : null}
      <div class="card gate">
        <h1>Look into your mail</h1>
        <p>
          We wrote to the address you gave. Open the link in that letter within 24 hours to finish. If nothing comes in
          a few minutes, look among the spam, then ask again.
        </p>
        <PageForm path="/verify-email" action="resend" label="Send the letter again">
          <Field
            name="email"
            label="E-mail address"
            type="email"
            autocomplete="email"
            maxlength={254}
            problems={refused?.problems ?? {}}
          />
          <div class="actions">
            <Submit tone="plain">Send the letter again</Submit>
          </div>
        </PageForm>
      </div>
    </>,
  )
}

/** POST /verify-email, `action=confirm`, `choose`, `change` or `resend`. */
export async function verifyEmailByForm(c: AppContext): Promise<Response> {
  const form = await readForm(c)
  const token = form.get('token') ?? ''
  switch (form.get('action')) {
    case 'confirm':
      return confirm(c, token, { password: form.get('password') ?? '' })
    case 'choose':
      return confirm(c, token, { newPassword: form.get('new_password') ?? '' })
    case 'change':
      return change(c, token)
    case 'resend':
      return resend(c, (form.get('email') ?? '').trim())
    default:
      throw new AppError('invalid_input')
  }
}

async function confirm(
  c: AppContext,
  token: string,
  proof: { password: string } | { newPassword: string },
): Promise<Response> {
  const { deps } = c.env
  const session = await newCookieSession(deps.clock)
  try {
    const ended = await sessionCookieClaim(c)
    await confirmRegistration(deps, { token, ...proof }, { session: session.params, ended }, originOf(c))
  } catch (thrown) {
    return showLink(c, token, shownRefusal(thrown, fieldSentences, { password_too_common: 'new_password' }))
  }
  setSessionCookie(c, session.cookie)
  return c.redirect(homeAfterSignIn, 303)
}

async function change(c: AppContext, token: string): Promise<Response> {
  const claim = await requireClaim(c)
  try {
    const { messages } = await confirmEmailChange(c.env.deps, claim, { token }, originOf(c))
    await sendMessages(c, messages)
  } catch (thrown) {
    return showLink(c, token, shownRefusal(thrown, fieldSentences))
  }
  return c.redirect('/settings?done=email_changed', 303)
}

async function resend(c: AppContext, email: string): Promise<Response> {
  try {
    const { messages } = await resendVerification(c.env.deps, { email }, originOf(c))
    await sendMessages(c, messages)
  } catch (thrown) {
    return showSent(c, shownRefusal(thrown, fieldSentences))
  }
  return c.redirect('/verify-email?sent=again', 303)
}
