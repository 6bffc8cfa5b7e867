// `/settings`: who somebody is here: picture, names, address. Each form is one verb of the API.

import type { Me } from '../../auth/sessions.sql.ts'
import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { putAvatar, removeAvatar } from '../../users/avatar.ts'
import { requestEmailChange } from '../../users/change-email.ts'
import { updateProfile } from '../../users/profile.ts'
import { type AppContext, originOf } from '../context.ts'
import { sendMessages } from '../send-messages.ts'
import { readForm, readPictureForm } from './form-body.ts'
import { Field, fieldSentences, PageForm, type Refused, RefusedNotice, Submit, shownRefusal } from './form-fields.tsx'
import { showPage } from './layout.tsx'
import { Badge } from './parts.tsx'
import { DoneNotice, SettingsHead } from './settings-frame.tsx'
import { requireClaim } from './signed-in.ts'

type FormName = 'profile' | 'picture' | 'email'

/** What was refused, of which form, and what had been typed there. */
interface Attempt {
  readonly form: FormName
  readonly refused: Refused
  readonly typed: Readonly<Record<string, string>>
}

const sentences = {
  ...fieldSentences,
  new_email: fieldSentences.email,
  avatar: 'A picture is a PNG, JPEG or WebP file.',
  body_too_large: 'A picture has at most 2 MB.',
}
const titles = {
  profile: 'Your profile was not saved',
  picture: 'Your picture was not changed',
  email: 'Your address was not changed',
} as const

const fieldsOfCodes = {
  profile: { username_taken: 'username' },
  picture: { picture_refused: 'avatar', body_too_large: 'avatar' },
  email: {},
} as const

/** GET /settings */
export async function profilePage(c: AppContext): Promise<Response> {
  return showProfile(c, null)
}

async function showProfile(c: AppContext, attempt: Attempt | null): Promise<Response> {
  const me = await whoAmI(c.env.deps.db, await requireClaim(c))
  const problemsOf = (form: FormName) => (attempt?.form === form ? attempt.refused.problems : {})
  const typed = (form: FormName, name: string, stored: string) =>
    attempt?.form === form ? (attempt.typed[name] ?? '') : stored
  return showPage(
    c,
    { title: 'Profile', visitor: me, section: 'settings', refused: attempt?.refused ?? null },
    <>
      <DoneNotice done={c.req.query('done')} />
      {attempt === null ? null : <RefusedNotice refused={attempt.refused} title={titles[attempt.form]} />}
      <SettingsHead path="/settings" title="Settings">
        <p class="soft">Signed in as {me.email}</p>
      </SettingsHead>
      <div class="settings">
        <PictureCard me={me} problems={problemsOf('picture')} />
        <section class="card" aria-labelledby="profile-title">
          <h2 id="profile-title">Profile</h2>
          <PageForm path="/settings" action="profile">
            <Field
              name="full_name"
              label="Your name"
              value={typed('profile', 'full_name', me.fullName ?? '')}
              presence="optional"
              autocomplete="name"
              maxlength={200}
              problems={problemsOf('profile')}
            />
            <Field
              name="username"
              label="User name"
              value={typed('profile', 'username', me.username ?? '')}
              hint="Others may see it, and you can sign in with it."
              presence="optional"
              autocomplete="username"
              maxlength={32}
              problems={problemsOf('profile')}
            />
            <div class="actions">
              <Submit>Save</Submit>
            </div>
          </PageForm>
        </section>
        <section class="card" aria-labelledby="email-title">
          <div class="card-head">
            <h2 id="email-title">E-mail address</h2>
            {me.emailVerified ? <Badge tone="good">Confirmed</Badge> : <Badge tone="warn">Not confirmed</Badge>}
          </div>
          <p>
            <strong class="address">{me.email}</strong>
          </p>
          <PageForm path="/settings" action="email">
            <Field
              name="new_email"
              label={me.emailVerified ? 'New address' : 'Address to confirm'}
              type="email"
              value={typed('email', 'new_email', me.emailVerified ? '' : me.email)}
              hint="We write to it; it takes effect once you open the link in that letter. The old address is told."
              autocomplete="email"
              maxlength={254}
              problems={problemsOf('email')}
            />
            <div class="actions">
              <Submit tone="plain">{me.emailVerified ? 'Change address' : 'Confirm address'}</Submit>
            </div>
          </PageForm>
        </section>
      </div>
    </>,
  )
}

const PictureCard = ({ me, problems }: { me: Me; problems: Readonly<Record<string, string>> }) => (
  <section class="card" aria-labelledby="picture-title">
    <h2 id="picture-title">Picture</h2>
    <div class="picture-row">
      <Portrait me={me} />
      <PageForm path="/settings" action="picture" encoding="multipart/form-data" label="Change the picture">
        <Field
          name="avatar"
          label="A new picture"
          type="file"
          hint="PNG, JPEG or WebP, at most 2 MB. Place and camera notes in it are removed."
          accept="image/png,image/jpeg,image/webp"
          problems={problems}
        />
        <div class="actions">
          <Submit tone="plain">Use this picture</Submit>
        </div>
      </PageForm>
    </div>
    {me.avatarId === null ? null : (
      <PageForm path="/settings" action="remove_picture" label="Remove the picture">
        <div class="actions">
          <button class="button danger" type="submit">
            Remove picture
          </button>
        </div>
      </PageForm>
    )}
  </section>
)

/** The picture, or the first letter of who it is. */
export const Portrait = ({ me }: { me: Pick<Me, 'avatarId' | 'fullName' | 'email'> }) =>
  me.avatarId === null ? (
    <span class="portrait" aria-hidden="true">
      {[...(me.fullName ?? me.email)][0]?.toUpperCase()}
    </span>
  ) : (
    <img class="portrait" src={`/avatars/${me.avatarId}`} alt="Yours, as others see it" width={96} height={96} />
  )

/** POST /settings, `action=profile`, `email`, `picture` or `remove_picture`. */
export async function changeProfile(c: AppContext): Promise<Response> {
  const claim = await requireClaim(c)
  const { deps } = c.env
  const mediaType = c.req.header('Content-Type')?.split(';')[0]?.trim().toLowerCase()
  if (mediaType === 'multipart/form-data') {
    return attempt(c, 'picture', {}, '/settings?done=picture', async () => {
      const { action, picture } = await readPictureForm(c)
      if (action !== 'picture') throw new AppError('invalid_input')
      const { messages } = await putAvatar(deps, claim, picture, originOf(c))
      await sendMessages(c, messages)
    })
  }
  const form = await readForm(c)
  const text = (name: string): string => (form.get(name) ?? '').trim()
  switch (form.get('action')) {
    case 'profile': {
      const typed = { full_name: text('full_name'), username: text('username') }
      const change = { fullName: typed.full_name || null, username: typed.username || null }
      return attempt(c, 'profile', typed, '/settings?done=profile', async () => {
        await updateProfile(deps.db, claim, change, originOf(c))
      })
    }
    case 'email': {
      const typed = { new_email: text('new_email') }
      return attempt(c, 'email', typed, '/settings?done=email_asked', async () => {
        const { messages } = await requestEmailChange(deps, claim, { newEmail: typed.new_email }, originOf(c))
        await sendMessages(c, messages)
      })
    }
    case 'remove_picture':
      return attempt(c, 'picture', {}, '/settings?done=picture_removed', async () => {
        const { messages } = await removeAvatar(deps, claim, originOf(c))
        await sendMessages(c, messages)
      })
    default:
      throw new AppError('invalid_input')
  }
}

async function attempt(
  c: AppContext,
  form: FormName,
  typed: Readonly<Record<string, string>>,
  next: string,
  verb: () => Promise<void>,
): Promise<Response> {
  try {
    await verb()
  } catch (thrown) {
    const refused = shownRefusal(thrown, sentences, fieldsOfCodes[form])
    return showProfile(c, { form, typed, refused })
  }
  return c.redirect(next, 303)
}
