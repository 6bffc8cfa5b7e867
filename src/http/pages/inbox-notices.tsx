// What stands above or in place of a list of mail: mailboxes that need their owner, how a sync went, why nothing is here.

import type { AppError } from '../../errors.ts'
import type { Unsent } from '../../mail/read/unsent.ts'
import type { MailAccount } from '../../mail-accounts/list.ts'
import type { View } from './inbox-parts.tsx'
import { inboxPath } from './mail-words.ts'
import { Notice, relativeWords } from './parts.tsx'
import { connectPath, type OfferedProvider, reconnectPath } from './provider-links.tsx'
import { waitWords } from './refusal-words.tsx'
import { syncRefusalWords } from './sync-parts.tsx'

const readScope = 'https://www.googleapis.com/auth/gmail.readonly'
const mostNotices = 3

export function mayRead({ grantedScopes }: MailAccount): boolean {
  return grantedScopes.includes(readScope)
}

/** Whether asking for its mail can succeed. */
export function isSyncable(account: MailAccount): boolean {
  return (account.status === 'active' || account.status === 'degraded') && mayRead(account)
}

interface NoticesProps {
  readonly accounts: readonly MailAccount[]
  readonly providers: readonly OfferedProvider[]
  readonly refused: AppError | null
  /** How many messages came, as the address says; `queued` where they are fetched behind the page. */
  readonly synced: string | undefined
}

export const MailNotices = ({ accounts, providers, refused, synced }: NoticesProps) => (
  <>
    {refused === null ? null : <SyncRefused refused={refused} />}
    {synced === undefined ? null : <Synced synced={synced} />}
    {accounts
      .filter((account) => account.status !== 'disconnected' && !isSyncable(account))
      .slice(0, mostNotices)
      .map((account) => (
        <NeedsOwner account={account} isOffered={providers.some(({ code }) => code === account.provider)} />
      ))}
  </>
)

/** What was given up after its writer had left the page that told of it. */
export const UnsentNotice = ({ unsent, now }: { unsent: Unsent | null; now: Date }) => {
  if (unsent === null || unsent.count === 0) return null
  const { count, newest } = unsent
  const older = count - newest.length
  return (
    <Notice tone="warn" title={count === 1 ? '1 message was not sent' : `${count} messages were not sent`}>
      <ul>
        {newest.map(({ id, writtenAt }) => (
          <li>
            <a href={`${inboxPath}/outbox/${id}`}>Written {relativeWords(writtenAt, now)}: see why</a>
          </li>
        ))}
        {older === 0 ? null : <li>{older === 1 ? '1 before them' : `${older} before them`}</li>}
      </ul>
    </Notice>
  )
}

const SyncRefused = ({ refused }: { refused: AppError }) => {
  const { title, text } = syncRefusalWords(refused.code)
  return (
    <Notice tone={refused.code === 'sync_running' ? 'calm' : 'bad'} title={title}>
      <p>
        {text}
        {refused.retryAfterSeconds === null ? null : ` Try again in ${waitWords(refused.retryAfterSeconds)}.`}
      </p>
    </Notice>
  )
}

const Synced = ({ synced }: { synced: string }) => {
  if (synced === 'queued')
    return (
      <Notice tone="good" title="Mail is being fetched">
        <p>It goes on behind this page. Look again in a moment.</p>
      </Notice>
    )
  const count = /^\d{1,3}$/.test(synced) ? Number(synced) : null
  if (count === null) return null
  return (
    <Notice tone="good" title={count === 0 ? 'No new mail' : count === 1 ? '1 new message' : `${count} new messages`} />
  )
}

const NeedsOwner = ({ account, isOffered }: { account: MailAccount; isOffered: boolean }) => {
  const isDead = account.status === 'needs_reauthorization'
  return (
    <Notice tone="warn" title={isDead ? 'A mailbox needs re-authorization' : 'Permission to read mail is missing'}>
      <p>
        {isDead ? 'The provider no longer lets us reach ' : 'Without it nothing new can be fetched from '}
        <strong class="address">{account.email}</strong>.{' '}
        {isOffered ? <a href={reconnectPath(account.provider, account.id)}>Reconnect this mailbox</a> : null}
      </p>
    </Notice>
  )
}

/** Syncs what is looked at; not there where nothing could come of it. */
export const SyncNow = ({ accounts, path }: { accounts: readonly MailAccount[]; path: string }) =>
  accounts.some(isSyncable) ? <SyncForm path={path} tone="plain" /> : null

const SyncForm = ({ path, tone }: { path: string; tone: 'plain' | 'primary' }) => (
  <form method="post" action={path}>
    <input type="hidden" name="action" value="sync" />
    <button class={`button ${tone}`} type="submit">
      Sync now
    </button>
  </form>
)

export const NoMailboxes = ({ providers }: { providers: readonly OfferedProvider[] }) => {
  const withMail = providers.filter(({ hasMail }) => hasMail)
  return (
    <section class="card empty" aria-labelledby="empty-title">
      <h2 id="empty-title">No mailbox connected yet</h2>
      <p class="soft">Connect one, and its mail can be read, searched and answered here.</p>
      {withMail.length === 0 ? (
        <p class="empty-line">No mail provider is configured here yet.</p>
      ) : (
        <div class="actions">
          {withMail.map(({ code, name }) => (
            <a class="button primary" href={connectPath(code)}>
              {withMail.length > 1 ? `Connect a mailbox with ${name}` : 'Connect a mailbox'}
            </a>
          ))}
        </div>
      )}
    </section>
  )
}

/** An empty list, and what can be done about it. */
export const NothingHere = ({ view, accounts }: { view: View; accounts: readonly MailAccount[] }) => {
  const isUnsynced = view.q === null && accounts.some(isSyncable) && accounts.every((it) => it.lastSyncedAt === null)
  const title = isUnsynced ? 'Not synced yet' : view.q === null ? view.folder.empty : 'No mail matches'
  return (
    <section class="card empty" aria-labelledby="empty-title">
      <h2 id="empty-title">{title}</h2>
      <p class="soft">
        {isUnsynced
          ? 'Bring the newest mail here. All of it can be fetched from the mailbox’s own page.'
          : view.q === null
            ? 'What is synced shows here.'
            : 'Only mail that was synced is searched. Fewer words find more; spam and trash are searched with in:anywhere.'}
      </p>
      {isUnsynced ? (
        <SyncForm
          path={view.userEmail === null ? inboxPath : `${inboxPath}?${userQuery(view.userEmail)}`}
          tone="primary"
        />
      ) : null}
    </section>
  )
}

function userQuery(userEmail: string): URLSearchParams {
  return new URLSearchParams({ user_email: userEmail })
}
