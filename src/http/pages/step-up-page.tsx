// `/step-up?return_to=`: proves once more who is there, before something that cannot be undone. By the password, or by
// signing in anew at a provider, which gives a new session that has the proof.

import { listIdentities } from '../../auth/identities.ts'
import { whoAmI } from '../../auth/sessions.ts'
import { stepUp } from '../../auth/step-up.ts'
import { type AppContext, originOf } from '../context.ts'
import { readForm } from './form-body.ts'
import { Field, PageForm, type Refused, RefusedNotice, Submit, shownRefusal } from './form-fields.tsx'
import { showPage } from './layout.tsx'
import { offeredProviders, proofPath } from './provider-links.tsx'
import { ownPage, requireClaim } from './signed-in.ts'

const home = '/settings/security'
const sentences = { invalid_credentials: 'This is not the password of your account.' }

/** GET /step-up */
export async function stepUpPage(c: AppContext): Promise<Response> {
  return showStepUp(c, ownPage(c, c.req.query('return_to')) ?? home, null)
}

async function showStepUp(c: AppContext, returnTo: string, refused: Refused | null): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const [me, identities] = await Promise.all([
    whoAmI(deps.db, claim),
    listIdentities(deps.db, claim, { before: null, limit: 20 }),
  ])
  // Another account at the provider would be another sign-in here: the addresses say which one to choose.
  const linked = offeredProviders(deps)
    .map(({ code, name }) => ({ code, name, accounts: identities.filter(({ provider }) => provider === code) }))
    .filter(({ accounts }) => accounts.length > 0)
  return showPage(
    c,
    { title: 'Please confirm it is you', visitor: me, width: 'narrow', refused },
    <>
      <RefusedNotice refused={refused} title="That did not work" />
      <div class="card gate">
        <h1>Please confirm it is you</h1>
        <p class="soft">What comes next needs a proof of the last 15 minutes. It is asked for once.</p>
        {me.hasPassword ? (
          <PageForm path="/step-up" action="password">
            <input type="hidden" name="return_to" value={returnTo} />
            <input type="hidden" name="username" value={me.email} autocomplete="username" />
            <Field
              name="password"
              label="Your password"
              type="password"
              autocomplete="current-password"
              problems={refused?.problems ?? {}}
            />
            <div class="actions">
              <Submit>Go on</Submit>
            </div>
          </PageForm>
        ) : null}
        {me.hasPassword && linked.length > 0 ? (
          <p class="or">
            <span>or sign in once more</span>
          </p>
        ) : null}
        {linked.length === 0 ? null : (
          <ul class="providers">
            {linked.map(({ code, name, accounts }) => (
              <li>
                <a class="provider-button" href={proofPath(code, returnTo)}>
                  <span>Confirm with {name}</span>
                </a>
                <p class="soft">As {accounts.map(({ email }) => email ?? 'the account you linked').join(' or ')}</p>
              </li>
            ))}
          </ul>
        )}
        {me.hasPassword || linked.length > 0 ? null : (
          <p>
            No way to sign in of this account is offered here just now.{' '}
            <a href="/forgot-password">Set a password by letter</a>, sign in with it, and try again.
          </p>
        )}
      </div>
    </>,
  )
}

/** POST /step-up: 303 to where the proof was asked for. */
export async function stepUpByForm(c: AppContext): Promise<Response> {
  const form = await readForm(c)
  const returnTo = ownPage(c, form.get('return_to') ?? undefined) ?? home
  const claim = await requireClaim(c)
  try {
    await stepUp(c.env.deps, claim, { password: form.get('password') ?? '' }, originOf(c))
  } catch (thrown) {
    return showStepUp(c, returnTo, shownRefusal(thrown, sentences, { invalid_credentials: 'password' }))
  }
  return c.redirect(returnTo, 303)
}
