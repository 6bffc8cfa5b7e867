// `/inbox`: threads of one mailbox or of all, by folder or as a search, and the button that syncs them now. Everything
// shown or done goes through the verbs of the JSON routes.

import type { CookieClaim } from '../../auth/claims.ts'
import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { type ListedThread, listThreadsAndUnsent, type Page } from '../../mail/read/list.ts'
import type { Unsent } from '../../mail/read/unsent.ts'
import { listMailAccounts, type MailAccount } from '../../mail-accounts/list.ts'
import type { AppContext } from '../context.ts'
import { readForm } from './form-body.ts'
import { MailNotices, NoMailboxes, NothingHere, SyncNow, UnsentNotice } from './inbox-notices.tsx'
import { MailNav, mailboxesShown, queryOf, SearchBox, ThreadRows, type View } from './inbox-parts.tsx'
import { syncInView, syncRecordsOf } from './inbox-sync.ts'
import { showPage } from './layout.tsx'
import { folders, inboxLink } from './mail-words.ts'
import { offeredProviders } from './provider-links.tsx'
import { requireClaim } from './signed-in.ts'
import { WalkProgress } from './sync-parts.tsx'

const threadsAPage = 40

/** Refused for what the address says (a search, a cursor), so that the page itself can say what is wrong. */
interface Listing {
  readonly page: Page<ListedThread>
  readonly unsent: Unsent | null
  readonly refused: AppError | null
}

export async function inboxPage(c: AppContext): Promise<Response> {
  return showInbox(c, await requireClaim(c), null)
}

/** POST /inbox, `action=sync`. */
export async function changeInbox(c: AppContext): Promise<Response> {
  const claim = await requireClaim(c)
  const form = await readForm(c)
  if (form.get('action') !== 'sync') throw new AppError('invalid_input')
  const outcome = await syncInView(c, claim, viewOf(c).userEmail)
  if (outcome instanceof AppError) return showInbox(c, claim, outcome)
  return c.redirect(inboxLink({ ...queryOf(viewOf(c)), ...outcome }), 303)
}

async function showInbox(c: AppContext, claim: CookieClaim, syncRefused: AppError | null): Promise<Response> {
  const { deps } = c.env
  const view = viewOf(c)
  const mailboxPage = { forUserId: null, before: null, limit: mailboxesShown }
  const [me, accounts, listing] = await Promise.all([
    whoAmI(deps.db, claim),
    listMailAccounts(deps, claim, mailboxPage),
    readThreads(c, claim, view),
  ])
  const inView = accounts.filter(({ email }) => view.userEmail === null || email === view.userEmail)
  const syncs = await syncRecordsOf(c, claim, inView)
  const refused = syncRefused ?? listing.refused
  if (refused !== null && refused.retryAfterSeconds !== null) c.header('Retry-After', String(refused.retryAfterSeconds))
  return showPage(
    c,
    { title: titleOf(view), visitor: me, section: 'inbox', status: refused?.status ?? 200 },
    <div class="mail">
      <MailNav view={view} accounts={accounts} />
      <div class="mail-main">
        <SearchBox view={view} problem={listing.refused === null ? undefined : problemOf(listing.refused)} />
        <MailNotices
          accounts={inView}
          providers={offeredProviders(deps)}
          refused={syncRefused}
          synced={c.req.query('synced')}
        />
        <UnsentNotice unsent={listing.unsent} now={deps.clock()} />
        <div class="mail-head">
          <h1>{titleOf(view)}</h1>
          <SyncNow accounts={inView} path={inboxLink(queryOf(view))} />
        </div>
        {syncs.map(({ email, sync }) => (
          <WalkProgress sync={sync} email={email} />
        ))}
        {listing.refused === null ? (
          <Threads c={c} view={view} accounts={accounts} inView={inView} page={listing.page} />
        ) : null}
      </div>
    </div>,
  )
}

interface ThreadsProps {
  readonly c: AppContext
  readonly view: View
  readonly accounts: readonly MailAccount[]
  readonly inView: readonly MailAccount[]
  readonly page: Page<ListedThread>
}

const Threads = ({ c, view, accounts, inView, page }: ThreadsProps) => {
  const isFirst = c.req.query('cursor') === undefined
  if (accounts.length === 0) return <NoMailboxes providers={offeredProviders(c.env.deps)} />
  return (
    <>
      {view.q === null || page.items.length === 0 ? null : <SortLinks view={view} />}
      {page.items.length === 0 ? (
        <NothingHere view={view} accounts={inView} />
      ) : (
        <ThreadRows page={page} accounts={accounts} view={view} now={c.env.deps.clock()} />
      )}
      {isFirst && page.nextCursor === null ? null : (
        <nav class="actions older" aria-label="Pages">
          {isFirst ? null : (
            <a class="button" href={inboxLink(queryOf(view))}>
              {view.sort === 'relevance' ? 'Back to the best' : 'Back to the newest'}
            </a>
          )}
          {page.nextCursor === null ? null : (
            <a class="button" href={inboxLink({ ...queryOf(view), cursor: page.nextCursor })} rel="next">
              {view.sort === 'relevance' ? 'Show more' : 'Older'}
            </a>
          )}
        </nav>
      )}
    </>
  )
}

const SortLinks = ({ view }: { view: View }) => (
  <p class="mail-sort soft">
    {view.sort === 'date' ? 'Newest first. ' : 'Best match first. '}
    <a href={inboxLink(queryOf({ ...view, sort: view.sort === 'date' ? 'relevance' : 'date' }))}>
      {view.sort === 'date' ? 'Show the best match first' : 'Show the newest first'}
    </a>
  </p>
)

/** What the address asks to see. What it says amiss is left out, as a person would have it. */
function viewOf(c: AppContext): View {
  const q = c.req.query('q')?.trim() ?? ''
  const userEmail = c.req.query('user_email')?.trim().toLowerCase() ?? ''
  const [inbox] = folders
  return {
    folder: folders.find(({ id }) => id === c.req.query('folder')) ?? inbox,
    q: q === '' ? null : q,
    userEmail: userEmail === '' ? null : userEmail,
    sort: c.req.query('sort') === 'relevance' ? 'relevance' : 'date',
  }
}

function titleOf({ q, folder }: View): string {
  return q === null ? folder.name : 'Search results'
}

async function readThreads(c: AppContext, claim: CookieClaim, view: View): Promise<Listing> {
  const { q, userEmail, sort, folder } = view
  const label = q === null ? folder.label : null
  const query = {
    forUserId: null,
    userEmail,
    q,
    sort,
    label,
    limit: threadsAPage,
    cursor: c.req.query('cursor') ?? null,
  }
  try {
    assertText(c)
    const { unsent, ...page } = await listThreadsAndUnsent(c.env.deps, claim, query)
    return { page, unsent, refused: null }
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code !== 'invalid_input') throw thrown
    return { page: { items: [], nextCursor: null, isAnywhere: false }, unsent: null, refused: thrown }
  }
}

/** PostgreSQL's text has no NUL, and UTF-8 no lone surrogate. Throws 422. */
function assertText(c: AppContext): void {
  const texts = Object.values(c.req.query())
  if (texts.some((text) => text.includes('\0') || !text.isWellFormed()))
    throw new AppError('invalid_input', { errors: [{ path: 'q', message: 'must be text' }] })
}

function problemOf(refused: AppError): string {
  const [first] = refused.errors
  if (first === undefined || first.path === 'cursor') return 'This page of the list is no more. Begin at its start.'
  // Of an operator it says which one: `after: must be a date`.
  return /^\w+:/.test(first.message) ? `In this search, ${first.message}.` : `The search ${first.message}.`
}
