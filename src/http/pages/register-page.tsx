// `/register`: asks for an account. What follows is the same for every address, known or not: a letter.

import { register } from '../../users/register.ts'
import { type AppContext, originOf } from '../context.ts'
import { sendMessages } from '../send-messages.ts'
import { readForm } from './form-body.ts'
import { Field, fieldSentences, PageForm, type Refused, RefusedNotice, Submit, shownRefusal } from './form-fields.tsx'
import { showPage } from './layout.tsx'
import { Notice } from './parts.tsx'
import { offeredProviders, SignInButtons } from './provider-links.tsx'
import { personOrNobody } from './signed-in.ts'

interface Typed {
  readonly email: string
  readonly fullName: string
  readonly username: string
  readonly refused: Refused | null
}

const sentences = { ...fieldSentences, password: fieldSentences.new_password }

/** GET /register */
export async function registerPage(c: AppContext): Promise<Response> {
  return showRegister(c, { email: '', fullName: '', username: '', refused: null })
}

async function showRegister(c: AppContext, typed: Typed): Promise<Response> {
  const { deps } = c.env
  const { refused } = typed
  const problems = refused?.problems ?? {}
  const providers = offeredProviders(deps)
  return showPage(
    c,
    { title: 'Create an account', visitor: await personOrNobody(c), width: 'narrow', refused },
    <>
      <RefusedNotice refused={refused} title="Your account was not created" />
      {deps.settings.mail === null ? (
        <Notice tone="warn" title="No letter can be sent from here yet">
          <p>
            Whoever runs this service has not set up outgoing mail, so an account cannot be confirmed at the moment.
          </p>
        </Notice>
      ) : null}
      <div class="card gate">
        <h1>Create an account</h1>
        {providers.length === 0 ? null : (
          <>
            <SignInButtons providers={providers} />
            <p class="or">
              <span>or with a password</span>
            </p>
          </>
        )}
        <PageForm path="/register" action="register" label="Create an account with a password">
          <Field
            name="email"
            label="E-mail address"
            type="email"
            value={typed.email}
            autocomplete="email"
            maxlength={254}
            problems={problems}
          />
          <Field
            name="password"
            label="Password"
            type="password"
            hint="At least 8 characters. A few words you can remember are better than one with tricks."
            autocomplete="new-password"
            problems={problems}
          />
          <Field
            name="full_name"
            label="Your name"
            value={typed.fullName}
            presence="optional"
            autocomplete="name"
            maxlength={200}
            problems={problems}
          />
          <Field
            name="username"
            label="User name"
            value={typed.username}
            hint="Others may see it, and you can sign in with it."
            presence="optional"
            autocomplete="username"
            maxlength={32}
            problems={problems}
          />
          <div class="actions spread">
            <Submit>Create account</Submit>
            <a href="/sign-in">I have an account</a>
          </div>
        </PageForm>
      </div>
    </>,
  )
}

/** POST /register: 303 to the page that tells of the letter. */
export async function registerByForm(c: AppContext): Promise<Response> {
  const form = await readForm(c)
  const typed = {
    email: (form.get('email') ?? '').trim(),
    fullName: (form.get('full_name') ?? '').trim(),
    username: (form.get('username') ?? '').trim(),
  }
  try {
    const { messages } = await register(
      c.env.deps,
      {
        email: typed.email,
        password: form.get('password') ?? '',
        fullName: typed.fullName === '' ? null : typed.fullName,
        username: typed.username === '' ? null : typed.username,
        picture: null,
      },
      originOf(c),
    )
    await sendMessages(c, messages)
  } catch (thrown) {
    const byField = { username_taken: 'username', password_too_common: 'password' }
    return showRegister(c, { ...typed, refused: shownRefusal(thrown, sentences, byField) })
  }
  return c.redirect('/verify-email', 303)
}
