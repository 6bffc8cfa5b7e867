// `/admin/users/{id}`: one user and what an administrator may do about them; and the page that asks before deleting. What
// is allowed is decided by the verbs, in their statements; a refusal is said here in words.

import type { Me } from '../../auth/sessions.sql.ts'
import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import type { UserFootprint } from '../../ops/user-footprint.sql.ts'
import { readUserFootprint } from '../../ops/user-footprint.ts'
import { readUser, type User, unlockUser, updateUser } from '../../users/administration.ts'
import { deleteUser } from '../../users/removal.ts'
import { type AppContext, originOf } from '../context.ts'
import { clearSessionCookie } from '../cookies.ts'
import { uuid } from '../routes/shapes.ts'
import { sendMessages } from '../send-messages.ts'
import { showAdminPage } from './admin-frame.tsx'
import { DeleteQuestion, UserActions, UserFacts } from './admin-user-parts.tsx'
import { readForm } from './form-body.ts'
import { type Refused, RefusedNotice, shownRefusal } from './form-fields.tsx'
import { Notice } from './parts.tsx'
import { offeredProviders } from './provider-links.tsx'
import { requireClaim } from './signed-in.ts'
import { RoleBadge, StateBadge, userTitle } from './user-badges.tsx'

const list = '/admin/users'

const doneWords: Readonly<Record<string, string>> = {
  make_admin: 'This user is an administrator now.',
  make_user: 'This user is no longer an administrator.',
  disable: 'This user is disabled. All sessions were ended.',
  enable: 'This user may sign in again.',
  unlock: 'Password sign-in is open again.',
}

interface Shown {
  readonly me: Me
  readonly user: User
  readonly footprint: UserFootprint
}

/** The footprint goes first: it is for administrators alone, where people may read their own entry of users. */
async function readShown(c: AppContext, id: string): Promise<Shown> {
  const { db } = c.env.deps
  const claim = await requireClaim(c)
  const footprint = await readUserFootprint(db, claim, id, originOf(c))
  const [me, user] = await Promise.all([whoAmI(db, claim), readUser(db, claim, id, originOf(c))])
  return { me, user, footprint }
}

/** Throws 401 before it looks at the id, 404 for what is none. */
async function askedUserId(c: AppContext): Promise<string> {
  await requireClaim(c)
  const id = uuid.safeParse(c.req.param('id'))
  if (!id.success) throw new AppError('not_found')
  return id.data.toLowerCase()
}

/** GET /admin/users/{id} `?done=` */
export async function adminUserPage(c: AppContext): Promise<Response> {
  return showUser(c, await askedUserId(c), null)
}

async function showUser(c: AppContext, id: string, refused: Refused | null): Promise<Response> {
  const { deps } = c.env
  const { me, user, footprint } = await readShown(c, id)
  const done = c.req.query('done') ?? ''
  const title = userTitle(user)
  return showAdminPage(
    c,
    { title, me, path: list, refused },
    <>
      <RefusedNotice refused={refused} title="Nothing was changed" />
      {refused === null && Object.hasOwn(doneWords, done) ? <Notice tone="good" title={doneWords[done] ?? ''} /> : null}
      <p class="back">
        <a href={list}>Users</a>
      </p>
      <div class="page-head">
        <div>
          <h1>{title}</h1>
          {user.fullName === null ? null : <p class="soft address">{user.email}</p>}
          {user.id === me.id ? <p class="soft">This is you.</p> : null}
        </div>
        <p class="badges">
          <RoleBadge user={user} />
          <StateBadge user={user} />
        </p>
      </div>
      <section class="card" aria-labelledby="facts-title">
        <h2 id="facts-title">Account</h2>
        <UserFacts user={user} footprint={footprint} providers={offeredProviders(deps)} now={deps.clock()} />
      </section>
      <UserActions user={user} now={deps.clock()} />
    </>,
  )
}

/** POST /admin/users/{id}, `action` one of the verbs below: 303 to the user again. */
export async function changeUser(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const id = await askedUserId(c)
  const claim = await requireClaim(c)
  const form = await readForm(c)
  const action = form.get('action') ?? ''
  const me = await whoAmI(deps.db, claim)
  try {
    switch (action) {
      case 'make_admin':
        await updateUser(deps, claim, id, { role: 'admin' }, originOf(c))
        break
      case 'make_user':
        await updateUser(deps, claim, id, { role: 'user' }, originOf(c))
        break
      case 'disable':
        await updateUser(deps, claim, id, { isActive: false }, originOf(c))
        break
      case 'enable':
        await updateUser(deps, claim, id, { isActive: true }, originOf(c))
        break
      case 'unlock':
        await unlockUser(deps, claim, id, originOf(c))
        break
      default:
        throw new AppError('invalid_input', { errors: [{ path: 'action', message: 'is none of this page' }] })
    }
  } catch (thrown) {
    return showUser(c, id, shownRefusal(thrown, {}))
  }
  // Whoever gives up their own role may not see this page any more.
  return c.redirect(me.id === id && action === 'make_user' ? '/mailboxes' : `${list}/${id}?done=${action}`, 303)
}

/** GET /admin/users/{id}/delete */
export async function deleteUserPage(c: AppContext): Promise<Response> {
  return showDelete(c, await askedUserId(c), null)
}

async function showDelete(c: AppContext, id: string, refused: Refused | null): Promise<Response> {
  const { me, user, footprint } = await readShown(c, id)
  const isSelf = me.id === user.id
  return showAdminPage(
    c,
    { title: `Delete ${userTitle(user)}`, me, path: list, width: 'narrow', refused },
    <>
      <RefusedNotice refused={refused} title="The user was not deleted" />
      <DeleteQuestion user={user} footprint={footprint} whose={isSelf ? 'own' : 'other'} />
    </>,
  )
}

/** POST /admin/users/{id}/delete: 303 to the list; without a proof of presence by way of `/step-up` and back. */
export async function deleteUserByForm(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const id = await askedUserId(c)
  const form = await readForm(c)
  if (form.get('action') !== 'delete') throw new AppError('invalid_input')
  // Before the verb, which lets people delete themselves: this door is for administrators.
  const { me } = await readShown(c, id)
  try {
    const { messages } = await deleteUser(deps, await requireClaim(c), id, originOf(c))
    await sendMessages(c, messages)
  } catch (thrown) {
    return showDelete(c, id, shownRefusal(thrown, {}))
  }
  if (me.id !== id) return c.redirect(`${list}?done=deleted`, 303)
  clearSessionCookie(c)
  return c.redirect('/sign-in?done=account_deleted', 303)
}
