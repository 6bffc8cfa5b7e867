// One user as administrators see them: facts, actions, and the question before deleting. Shows what it is given.

import type { UserFootprint } from '../../ops/user-footprint.sql.ts'
import type { User } from '../../users/administration.ts'
import { PageForm, Submit } from './form-fields.tsx'
import { statusWords } from './mailbox-words.ts'
import { Fact, Moment } from './parts.tsx'
import type { OfferedProvider } from './provider-links.tsx'
import { userTitle } from './user-badges.tsx'

interface FactsProps {
  readonly user: User
  readonly footprint: UserFootprint
  readonly providers: readonly OfferedProvider[]
  readonly now: Date
}

export const UserFacts = ({ user, footprint, providers, now }: FactsProps) => (
  <dl class="facts">
    <Fact name="Address">
      <span class="address">{user.email}</span>
      <span class="moment">{user.emailVerified ? 'confirmed' : 'not confirmed'}</span>
    </Fact>
    <Fact name="User name">{user.username ?? 'None'}</Fact>
    <Fact name="Ways to sign in">
      <Ways user={user} footprint={footprint} providers={providers} />
    </Fact>
    <Fact name="Mailboxes">
      <Mailboxes user={user} footprint={footprint} />
    </Fact>
    <Fact name="Live sessions">
      {footprint.sessions}
      {footprint.lastSeenAt === null ? null : (
        <span class="moment">
          last seen <Moment at={footprint.lastSeenAt} now={now} />
        </span>
      )}
    </Fact>
    <Fact name="Joined">
      <Moment at={user.createdAt} now={now} />
    </Fact>
    <Fact name="User id" isWide>
      <code class="id">{user.id}</code>
      <span class="moment">
        <a href={`/admin/audit?actor=${user.id}`}>What this user did</a>
      </span>
    </Fact>
  </dl>
)

const Ways = ({ user, footprint, providers }: Omit<FactsProps, 'now'>) => {
  const nameOf = (code: string) => providers.find((provider) => provider.code === code)?.name ?? code
  if (!user.hasPassword && footprint.identities.length === 0) return <>None</>
  return (
    <ul class="plain-list">
      {user.hasPassword ? <li>Password</li> : null}
      {footprint.identities.map(({ provider, email }) => (
        <li>
          {nameOf(provider)}
          {email === null ? null : <span class="moment address">{email}</span>}
        </li>
      ))}
    </ul>
  )
}

const Mailboxes = ({ user, footprint }: Pick<FactsProps, 'user' | 'footprint'>) => {
  const total = mailboxCount(footprint)
  if (total === 0) return <>None</>
  const parts = footprint.mailboxes.map(({ status, count }) => `${count} ${labelOf(status)}`)
  return (
    <>
      <a href={`/admin/mailboxes?user=${user.id}#list`}>{total === 1 ? 'One mailbox' : `${total} mailboxes`}</a>
      <span class="moment">{parts.join(', ')}</span>
    </>
  )
}

const mailboxCount = ({ mailboxes }: UserFootprint): number => mailboxes.reduce((sum, { count }) => sum + count, 0)

function labelOf(status: string): string {
  const known = Object.entries(statusWords).find(([code]) => code === status)?.[1]
  return known?.label.toLowerCase() ?? status
}

/** Each a form of its own, beside what it does. */
export const UserActions = ({ user, now }: { user: User; now: Date }) => {
  const path = `/admin/users/${user.id}`
  const isAdmin = user.role === 'admin'
  return (
    <section class="card" aria-labelledby="actions-title">
      <h2 id="actions-title">Change</h2>
      <ul class="rows decisions">
        {user.lockedUntil === null ? null : (
          <li>
            <p class="row-words">
              <strong>Password sign-in is locked</strong>
              <span class="soft">
                After too many failed tries. It opens <Moment at={user.lockedUntil} now={now} />
              </span>
            </p>
            <PageForm path={path} action="unlock">
              <Submit tone="plain">Unlock</Submit>
            </PageForm>
          </li>
        )}
        <li>
          <p class="row-words">
            <strong>{isAdmin ? 'Administrator' : 'Ordinary user'}</strong>
            <span class="soft">
              {isAdmin
                ? 'Sees every user, mailbox and key, and may change them.'
                : 'Sees what is their own. An administrator sees and changes everything.'}
            </span>
          </p>
          <PageForm path={path} action={isAdmin ? 'make_user' : 'make_admin'}>
            <Submit tone="plain">{isAdmin ? 'Take the role away' : 'Make administrator'}</Submit>
          </PageForm>
        </li>
        <li>
          <p class="row-words">
            <strong>{user.isActive ? 'May sign in' : 'Disabled'}</strong>
            <span class="soft">
              {user.isActive
                ? 'Disabling ends every session at once; no token is renewed or handed out meanwhile.'
                : 'No session, and no token is renewed or handed out. Nothing was erased.'}
            </span>
          </p>
          <PageForm path={path} action={user.isActive ? 'disable' : 'enable'}>
            <Submit tone="plain">{user.isActive ? 'Disable' : 'Enable'}</Submit>
          </PageForm>
        </li>
        <li>
          <p class="row-words">
            <strong>Delete</strong>
            <span class="soft">Account, mailboxes and tokens. It cannot be undone.</span>
          </p>
          <a class="button danger" href={`${path}/delete`}>
            Delete<span class="sr-only"> {userTitle(user)}</span>
          </a>
        </li>
      </ul>
    </section>
  )
}

interface QuestionProps {
  readonly user: User
  readonly footprint: UserFootprint
  readonly whose: 'own' | 'other'
}

export const DeleteQuestion = ({ user, footprint, whose }: QuestionProps) => {
  const path = `/admin/users/${user.id}`
  const total = mailboxCount(footprint)
  return (
    <div class="card gate">
      <h1>{whose === 'own' ? 'Delete your own account?' : 'Delete this user?'}</h1>
      <p class="address">
        <strong>{userTitle(user)}</strong>
        {user.fullName === null ? null : <span class="moment">{user.email}</span>}
      </p>
      <ul>
        <li>Every session ends at once.</li>
        <li>
          {total === 0 ? 'No mailbox is connected.' : null}
          {total === 1 ? 'One mailbox is disconnected, and our access is ended at the provider.' : null}
          {total > 1 ? `${total} mailboxes are disconnected, and our access is ended at the provider.` : null}
        </li>
        <li>Synced mail, picture and profile are removed. The audit trail is kept.</li>
        <li>It cannot be undone.</li>
      </ul>
      <PageForm path={`${path}/delete`} action="delete">
        <div class="actions">
          <Submit tone="danger solid">Delete</Submit>
          <a class="button" href={path}>
            Cancel
          </a>
        </div>
      </PageForm>
    </div>
  )
}
