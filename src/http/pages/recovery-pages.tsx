// `/forgot-password` and `/reset-password`: the way back in, by the code or the link of a letter. Whether an address is
// known is never told; opening a letter's link changes nothing, the form's button does.

import { requestReset, resetPassword } from '../../auth/reset-password.ts'
import { type AppContext, originOf } from '../context.ts'
import { sendMessages } from '../send-messages.ts'
import { readForm } from './form-body.ts'
import { Field, fieldSentences, PageForm, type Refused, RefusedNotice, Submit, shownRefusal } from './form-fields.tsx'
import { showPage } from './layout.tsx'
import { personOrNobody } from './signed-in.ts'

const sentences = { ...fieldSentences, otp: 'The code is the number of six digits in the letter.' }

/** GET /forgot-password */
export async function forgotPasswordPage(c: AppContext): Promise<Response> {
  return showForgot(c, '', null)
}

async function showForgot(c: AppContext, email: string, refused: Refused | null): Promise<Response> {
  const visitor = await personOrNobody(c)
  return showPage(
    c,
    { title: 'Forgot your password?', visitor, width: 'narrow', refused },
    <>
      <RefusedNotice refused={refused} title="No letter was sent" />
      <div class="card gate">
        <h1>Forgot your password?</h1>
        <p class="soft">
          Give the address of your account. If it is one, a letter with a code and a link is on its way at once.
        </p>
        <PageForm path="/forgot-password" action="request">
          <Field
            name="email"
            label="E-mail address"
            type="email"
            value={email}
            autocomplete="email"
            maxlength={254}
            problems={refused?.problems ?? {}}
          />
          <div class="actions spread">
            <Submit>Send the letter</Submit>
            <a href="/sign-in">Back to sign-in</a>
          </div>
        </PageForm>
      </div>
    </>,
  )
}

/** POST /forgot-password: 303 to where the code is entered. */
export async function forgotPasswordByForm(c: AppContext): Promise<Response> {
  const form = await readForm(c)
  const email = (form.get('email') ?? '').trim()
  try {
    const { messages } = await requestReset(c.env.deps, { email }, originOf(c))
    await sendMessages(c, messages)
  } catch (thrown) {
    return showForgot(c, email, shownRefusal(thrown, sentences))
  }
  return c.redirect('/reset-password', 303)
}

interface Typed {
  readonly email: string
  readonly token: string | undefined
  readonly refused: Refused | null
}

/** GET /reset-password: with the letter's token a new password is all it asks for. */
export async function resetPasswordPage(c: AppContext): Promise<Response> {
  return showReset(c, { email: '', token: c.req.query('token'), refused: null })
}

async function showReset(c: AppContext, { email, token, refused }: Typed): Promise<Response> {
  const problems = refused?.problems ?? {}
  const newPassword = (
    <Field
      name="new_password"
      label="New password"
      type="password"
      hint="At least 8 characters. A few words you can remember are better than one with tricks."
      autocomplete="new-password"
      problems={problems}
    />
  )
  const visitor = await personOrNobody(c)
  return showPage(
    c,
    { title: 'Choose a new password', visitor, width: 'narrow', refused },
    <>
      <RefusedNotice refused={refused} title="Your password was not changed" />
      <div class="card gate">
        <h1>Choose a new password</h1>
        {token === undefined ? (
          <>
            <p class="soft">
              If there is an account with the address you gave, we have written to it. Enter the code of that letter
              within 10 minutes, or open its link within an hour.
            </p>
            <PageForm path="/reset-password" action="code">
              <Field
                name="email"
                label="E-mail address"
                type="email"
                value={email}
                autocomplete="username"
                maxlength={254}
                problems={problems}
              />
              <Field
                name="otp"
                label="Code"
                hint="Six digits, from the newest letter."
                autocomplete="one-time-code"
                inputmode="numeric"
                maxlength={12}
                problems={problems}
              />
              {newPassword}
              <div class="actions spread">
                <Submit>Change password</Submit>
                <a href="/forgot-password">Send another letter</a>
              </div>
            </PageForm>
          </>
        ) : (
          <>
            <p class="soft">It replaces the old one at once. Every session of your account ends.</p>
            <PageForm path="/reset-password" action="link">
              <input type="hidden" name="token" value={token} />
              {newPassword}
              <div class="actions spread">
                <Submit>Change password</Submit>
                <a href="/forgot-password">Send another letter</a>
              </div>
            </PageForm>
          </>
        )}
      </div>
    </>,
  )
}

/** POST /reset-password, `action=code` or `link`: 303 to the sign-in page. */
export async function resetPasswordByForm(c: AppContext): Promise<Response> {
  const form = await readForm(c)
  const isByLink = form.get('action') === 'link'
  const email = (form.get('email') ?? '').trim()
  const token = form.get('token') ?? ''
  const newPassword = form.get('new_password') ?? ''
  const otp = (form.get('otp') ?? '').replaceAll(/\s/g, '')
  try {
    const proof = isByLink ? { token } : { email, otp }
    const { messages } = await resetPassword(c.env.deps, { ...proof, newPassword }, originOf(c))
    await sendMessages(c, messages)
  } catch (thrown) {
    const refused = shownRefusal(thrown, sentences, { password_too_common: 'new_password' })
    return showReset(c, { email, token: isByLink ? token : undefined, refused })
  }
  return c.redirect('/sign-in?done=password_reset', 303)
}
