// `/settings/security`: the password, the ways to sign in, the devices, and the end of the account. Each form is one verb
// of the API; what needs a proof of presence leads over `/step-up`.

import { changePassword } from '../../auth/change-password.ts'
import { deviceName } from '../../auth/devices.ts'
import { type Identity, listIdentities, unlinkIdentity } from '../../auth/identities.ts'
import type { SignedIn } from '../../auth/sessions.sql.ts'
import { type LiveSession, listSessions, logOutEverywhere, revokeSession, whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { type AppContext, originOf } from '../context.ts'
import { clearSessionCookie } from '../cookies.ts'
import { uuid } from '../routes/shapes.ts'
import { sendMessages } from '../send-messages.ts'
import { readForm } from './form-body.ts'
import {
  Field,
  fieldSentences,
  PageForm,
  type Problems,
  type Refused,
  RefusedNotice,
  Submit,
  shownRefusal,
} from './form-fields.tsx'
import { showPage } from './layout.tsx'
import { ProviderMark } from './marks.tsx'
import { Badge, Moment } from './parts.tsx'
import { linkPath, type OfferedProvider, offeredProviders } from './provider-links.tsx'
import { ErrorNotice } from './refusal-words.tsx'
import { DoneNotice, SettingsHead } from './settings-frame.tsx'
import { requireClaim } from './signed-in.ts'

const devicesShown = 50
const path = '/settings/security'
const sentences = {
  ...fieldSentences,
  current_password: 'Enter the password you have now.',
  invalid_credentials: 'This is not your current password.',
}

/** GET /settings/security */
export async function securityPage(c: AppContext): Promise<Response> {
  return showSecurity(c, null)
}

async function showSecurity(c: AppContext, refused: Refused | null): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const [me, sessions, identities] = await Promise.all([
    whoAmI(deps.db, claim),
    listSessions(deps.db, claim, { before: null, limit: devicesShown }),
    listIdentities(deps.db, claim, { before: null, limit: devicesShown }),
  ])
  const now = deps.clock()
  return showPage(
    c,
    { title: 'Security', visitor: me, section: 'settings', refused },
    <>
      <ErrorNotice code={c.req.query('error')} />
      <DoneNotice done={c.req.query('done')} />
      <RefusedNotice refused={refused} title="Nothing was changed" />
      <SettingsHead path={path} title="Settings">
        <p class="soft">Signed in as {me.email}</p>
      </SettingsHead>
      <div class="settings">
        <PasswordCard me={me} problems={refused?.problems ?? {}} />
        <SignInMethods me={me} identities={identities} providers={offeredProviders(deps)} now={now} />
        <Devices sessions={sessions} now={now} />
        <section class="card" aria-labelledby="end-title">
          <h2 id="end-title">Delete the account</h2>
          <p class="soft">Mailboxes are disconnected and their permissions revoked. It cannot be undone.</p>
          <div class="actions">
            <a class="button danger" href="/settings/delete">
              Delete my account
            </a>
          </div>
        </section>
      </div>
    </>,
  )
}

const PasswordCard = ({ me, problems }: { me: SignedIn; problems: Problems }) => (
  <section class="card" aria-labelledby="password-title">
    <h2 id="password-title">Password</h2>
    {me.hasPassword ? null : <p class="soft">There is none yet. With one you can sign in without a provider, too.</p>}
    <PageForm path={path} action="password">
      <input type="hidden" name="username" value={me.email} autocomplete="username" />
      {me.hasPassword ? (
        <Field
          name="current_password"
          label="Current password"
          type="password"
          autocomplete="current-password"
          problems={problems}
        />
      ) : null}
      <Field
        name="new_password"
        label="New password"
        type="password"
        hint="At least 8 characters. Every other session ends."
        autocomplete="new-password"
        problems={problems}
      />
      <div class="actions">
        <Submit>{me.hasPassword ? 'Change password' : 'Set password'}</Submit>
      </div>
    </PageForm>
  </section>
)

interface MethodsProps {
  readonly me: SignedIn
  readonly identities: readonly Identity[]
  readonly providers: readonly OfferedProvider[]
  readonly now: Date
}

const SignInMethods = ({ me, identities, providers, now }: MethodsProps) => {
  const nameOf = (code: string): string => providers.find((provider) => provider.code === code)?.name ?? code
  // As the verb judges: a password counts where there is a name to say with it.
  const isLast = identities.length === 1 && !(me.hasPassword && (me.emailVerified || me.username !== null))
  return (
    <section class="card" aria-labelledby="methods-title">
      <h2 id="methods-title">Ways to sign in</h2>
      {identities.length === 0 ? (
        <p class="soft">Your password is the only one.</p>
      ) : (
        <ul class="rows">
          {identities.map(({ id, provider, email, createdAt }) => (
            <li>
              <ProviderMark code={provider} />
              <div class="row-words">
                <strong>{nameOf(provider)}</strong>
                <span class="soft address">{email ?? 'no address'}</span>
                <span class="soft">
                  added <Moment at={createdAt} now={now} />
                </span>
              </div>
              {isLast ? (
                <span class="soft">the only way in</span>
              ) : (
                <PageForm path={path} action="unlink" label={`Remove ${nameOf(provider)}`}>
                  <input type="hidden" name="identity_id" value={id} />
                  <button class="button danger" type="submit">
                    Remove<span class="sr-only"> {nameOf(provider)}</span>
                  </button>
                </PageForm>
              )}
            </li>
          ))}
        </ul>
      )}
      {providers.length === 0 ? null : (
        <div class="actions">
          {providers.map(({ code, name }) => (
            <a class="button" href={me.isPresent ? linkPath(code) : `/step-up?return_to=${path}`}>
              Add {name}
            </a>
          ))}
        </div>
      )}
    </section>
  )
}

const Devices = ({ sessions, now }: { sessions: readonly LiveSession[]; now: Date }) => (
  <section class="card" aria-labelledby="devices-title">
    <h2 id="devices-title">Devices</h2>
    <ul class="rows">
      {sessions.map((session) => (
        <li>
          <div class="row-words">
            <strong>{deviceName(session.userAgent)}</strong>
            <span class="soft">{session.ipAddress ?? 'address unknown'}</span>
            <span class="soft">
              last seen <Moment at={session.lastSeenAt} now={now} />
            </span>
          </div>
          {session.isCurrent ? (
            <Badge tone="good">This one</Badge>
          ) : (
            <PageForm path={path} action="end_session" label={`End the session of ${deviceName(session.userAgent)}`}>
              <input type="hidden" name="session_id" value={session.id} />
              <button class="button danger" type="submit">
                End<span class="sr-only"> the session of {deviceName(session.userAgent)}</span>
              </button>
            </PageForm>
          )}
        </li>
      ))}
    </ul>
    <PageForm path={path} action="end_all" label="End every session">
      <div class="actions">
        <Submit tone="plain">Sign out everywhere</Submit>
      </div>
    </PageForm>
  </section>
)

/** POST /settings/security, `action=password`, `unlink`, `end_session` or `end_all`. */
export async function changeSecurity(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const form = await readForm(c)
  const idOf = (name: string): string => {
    const id = uuid.safeParse(form.get(name))
    if (!id.success) throw new AppError('not_found')
    return id.data
  }
  try {
    switch (form.get('action')) {
      case 'password': {
        const passwords = { currentPassword: form.get('current_password'), newPassword: form.get('new_password') ?? '' }
        const { messages } = await changePassword(deps, claim, passwords, originOf(c))
        await sendMessages(c, messages)
        return c.redirect(`${path}?done=password`, 303)
      }
      case 'unlink':
        await unlinkIdentity(deps.db, claim, idOf('identity_id'), originOf(c))
        return c.redirect(`${path}?done=unlinked`, 303)
      case 'end_session':
        await revokeSession(deps.db, claim, idOf('session_id'), originOf(c))
        return c.redirect(`${path}?done=session`, 303)
      case 'end_all':
        await logOutEverywhere(deps.db, claim, originOf(c))
        clearSessionCookie(c)
        return c.redirect('/sign-in', 303)
      default:
        throw new AppError('invalid_input')
    }
  } catch (thrown) {
    // A second click: what it asks for is so already.
    if (thrown instanceof AppError && thrown.code === 'not_found') return c.redirect(`${path}?done=gone`, 303)
    const fields = { password_too_common: 'new_password', invalid_credentials: 'current_password' }
    return showSecurity(c, shownRefusal(thrown, sentences, fields))
  }
}
