// What the pages of mail have in common, beside a list of it: folders, the choice of a mailbox, the search box, one
// thread as a row. They show what they are given and fetch nothing.

import { raw } from 'hono/html'
import type { ListedThread, Page } from '../../mail/read/list.ts'
import type { MailAccount } from '../../mail-accounts/list.ts'
import { chipsOf, folders, inboxLink, inboxPath, participantWords, shortTime, threadLink } from './mail-words.ts'
import { ClipMark, PenMark } from './marks.tsx'
import { SearchHelp } from './search-help.tsx'

/** Of the caller's mailboxes; nobody has as many. */
export const mailboxesShown = 50

/** Which list is looked at. */
export interface View {
  readonly folder: (typeof folders)[number]
  /** Null: no search. */
  readonly q: string | null
  /** Null: all mailboxes. */
  readonly userEmail: string | null
  readonly sort: 'date' | 'relevance'
}

/** The query of a list's address, for links that keep what is looked at. */
export function queryOf({ folder, q, userEmail, sort }: View): Record<string, string | null> {
  const isSearch = q !== null
  return {
    q,
    folder: isSearch || folder.id === 'inbox' ? null : folder.id,
    user_email: userEmail,
    sort: isSearch && sort === 'relevance' ? sort : null,
  }
}

/** Beside every list: writing, folders, and mailboxes where there are several. */
export const MailNav = ({ view, accounts }: { view: View | null; accounts: readonly MailAccount[] }) => {
  const userEmail = view?.userEmail ?? null
  const choices = accounts.length < 2 ? [] : [null, ...accounts.map(({ email }) => email)]
  return (
    <aside class="mail-nav" aria-label="Mail">
      <a class="button primary" href={composeLink(userEmail)} accesskey="c">
        <PenMark />
        Compose
      </a>
      <nav aria-label="Folders">
        <ul>
          {folders.map(({ id, name }) => (
            <li>
              <a
                href={inboxLink({ folder: id === 'inbox' ? null : id, user_email: userEmail })}
                aria-current={view !== null && view.q === null && view.folder.id === id ? 'page' : undefined}
              >
                {name}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      {choices.length === 0 ? null : (
        <nav aria-label="Mailbox">
          <ul class="mailbox-choice">
            {choices.map((email) => (
              <li>
                <a
                  class="address"
                  href={inboxLink({ ...(view === null ? {} : queryOf(view)), user_email: email })}
                  aria-current={view !== null && userEmail === email ? 'true' : undefined}
                >
                  {email ?? 'All mailboxes'}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      )}
    </aside>
  )
}

function composeLink(from: string | null): string {
  return from === null ? `${inboxPath}/compose` : `${inboxPath}/compose?${new URLSearchParams({ from })}`
}

export const SearchBox = ({ view, problem }: { view: View | null; problem?: string | undefined }) => (
  <search class="mail-search">
    <form action={inboxPath} method="get">
      <label class="sr-only" for="search">
        Search mail
      </label>
      <input
        id="search"
        name="q"
        type="search"
        value={view?.q ?? ''}
        placeholder="Search mail"
        accesskey="s"
        maxlength={2_048}
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        aria-describedby={problem === undefined ? undefined : 'search-problem'}
        aria-invalid={problem === undefined ? undefined : 'true'}
      />
      {view === null || view.userEmail === null ? null : (
        <input type="hidden" name="user_email" value={view.userEmail} />
      )}
      <button class="button" type="submit">
        Search
      </button>
    </form>
    {problem === undefined ? null : (
      <p class="field-problem" id="search-problem">
        {problem}
      </p>
    )}
    <SearchHelp />
  </search>
)

interface RowsProps {
  readonly page: Page<ListedThread>
  readonly accounts: readonly MailAccount[]
  readonly view: View
  readonly now: Date
}

export const ThreadRows = ({ page, accounts, view, now }: RowsProps) => {
  const own = accounts.map(({ email }) => email)
  const nameOf = (accountId: string): string | null =>
    view.userEmail !== null || accounts.length < 2 ? null : (accounts.find(({ id }) => id === accountId)?.email ?? null)
  return (
    <ol class="mail-list">
      {page.items.map((thread) => (
        <ThreadRow
          thread={thread}
          href={threadLink(thread.id, page.isAnywhere ? 'anywhere' : 'kept')}
          from={participantWords(thread.participants, own)}
          mailbox={nameOf(thread.accountId)}
          here={view.q === null ? view.folder.label : null}
          now={now}
        />
      ))}
    </ol>
  )
}

interface RowProps {
  readonly thread: ListedThread
  readonly href: string
  readonly from: string
  /** Said where threads of several mailboxes stand together. */
  readonly mailbox: string | null
  /** The label whose folder this is. */
  readonly here: string | null
  readonly now: Date
}

const ThreadRow = ({ thread, href, from, mailbox, here, now }: RowProps) => {
  const isUnread = thread.unreadCount > 0
  const chips = [...chipsOf(thread.labels, here), ...(mailbox === null ? [] : [mailbox])]
  return (
    <li>
      <a class={isUnread ? 'mail-row unread' : 'mail-row'} href={href}>
        <span class="mail-from">
          {isUnread ? <span class="sr-only">Unread. </span> : null}
          <span class="mail-names">{from}</span>
          {thread.messageCount > 1 ? (
            <span class="mail-count">
              {thread.messageCount}
              <span class="sr-only"> messages</span>
            </span>
          ) : null}
        </span>
        <span class="mail-line">
          <span class="mail-subject">{thread.subject.trim() === '' ? '(no subject)' : thread.subject}</span>
          {chips.map((chip) => (
            <span class="chip">{chip}</span>
          ))}{' '}
          <span class="mail-snippet">
            {thread.highlightedSnippet === null ? thread.snippet : raw(thread.highlightedSnippet)}
          </span>
        </span>
        {thread.hasAttachments ? (
          <span class="mail-clip">
            <ClipMark />
            <span class="sr-only">Has attachments. </span>
          </span>
        ) : null}
        <time class="mail-time" datetime={thread.sentAt.toISOString()}>
          {shortTime(thread.sentAt, now)}
        </time>
      </a>
    </li>
  )
}
