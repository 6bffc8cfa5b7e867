// `/settings/delete`: the last question before an account is gone.

import { whoAmI } from '../../auth/sessions.ts'
import { deleteOwnAccount } from '../../users/removal.ts'
import { type AppContext, originOf } from '../context.ts'
import { clearSessionCookie } from '../cookies.ts'
import { sendMessages } from '../send-messages.ts'
import { PageForm, type Refused, RefusedNotice, Submit, shownRefusal } from './form-fields.tsx'
import { showPage } from './layout.tsx'
import { requireClaim } from './signed-in.ts'

/** GET /settings/delete */
export async function deleteAccountPage(c: AppContext): Promise<Response> {
  return showDelete(c, null)
}

async function showDelete(c: AppContext, refused: Refused | null): Promise<Response> {
  const me = await whoAmI(c.env.deps.db, await requireClaim(c))
  return showPage(
    c,
    { title: 'Delete the account', visitor: me, section: 'settings', width: 'narrow', refused },
    <>
      <RefusedNotice refused={refused} title="The account was not deleted" />
      <div class="card gate">
        <h1>Delete this account?</h1>
        <p>
          <strong class="address">{me.email}</strong>
        </p>
        <ul>
          <li>Every session ends, and nobody can sign in to it any more.</li>
          <li>Connected mailboxes are disconnected, and what they allowed is revoked at the provider.</li>
          <li>Synced mail, the picture and the profile are removed. It cannot be undone.</li>
        </ul>
        <PageForm path="/settings/delete" action="delete">
          <div class="actions">
            <Submit tone="danger solid">Delete my account</Submit>
            <a class="button" href="/settings/security">
              Keep it
            </a>
          </div>
        </PageForm>
      </div>
    </>,
  )
}

/** POST /settings/delete: 303 to the sign-in page. */
export async function deleteAccountByForm(c: AppContext): Promise<Response> {
  const claim = await requireClaim(c)
  try {
    const { messages } = await deleteOwnAccount(c.env.deps, claim, originOf(c))
    await sendMessages(c, messages)
  } catch (thrown) {
    return showDelete(c, shownRefusal(thrown, {}))
  }
  clearSessionCookie(c)
  return c.redirect('/sign-in?done=account_deleted', 303)
}
