// `/inbox/threads/{id}`: a conversation, oldest message first; `/inbox/{id}`: one message of it. HTML mail is shown in a
// frame of its own (message-frame.ts), never in these pages. `?in=anywhere` shows what of it lies in spam or trash, too.

import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { type Email, readEmail, readThread, type Thread } from '../../mail/read/read.ts'
import { listMailAccounts, type MailAccount } from '../../mail-accounts/list.ts'
import type { AppContext } from '../context.ts'
import { pagePolicyWithFrames } from '../middleware/security-headers.ts'
import { uuid } from '../routes/shapes.ts'
import { MailNav, mailboxesShown, SearchBox } from './inbox-parts.tsx'
import { showPage } from './layout.tsx'
import { asideWords, chipsOf, inboxLink, inboxPath, labelSearch, threadLink } from './mail-words.ts'
import { Message, type MessageView } from './message-parts.tsx'
import { requireClaim } from './signed-in.ts'

export async function threadPage(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const isAnywhere = c.req.query('in') === 'anywhere'
  const which = { threadId: c.req.param('id') ?? '', forUserId: null, pictures: 'none', isAnywhere } as const
  const mailboxPage = { forUserId: null, before: null, limit: mailboxesShown }
  const [me, accounts, thread] = await Promise.all([
    whoAmI(deps.db, claim),
    listMailAccounts(deps, claim, mailboxPage),
    readThread(deps, claim, which),
  ])
  const newest = thread.messages.at(-1)
  const picturesOf = c.req.query('pictures') ?? null
  const isOpen = (email: Email): boolean =>
    email === newest || email.isUnread || email.id === picturesOf || (isAnywhere && email.aside !== null)
  const shown = thread.messages.map((email) => ({ email, isOpen: isOpen(email) }))
  const wholeLink = threadLink(thread.id, 'anywhere')
  const { subject, leftAside } = thread
  return showConversation(c, { me, accounts, subject, wholeLink, shown, leftAside, picturesOf, isWhole: true })
}

export async function messagePage(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const emailId = uuid.safeParse(c.req.param('id'))
  if (!emailId.success) throw new AppError('not_found')
  const which = { emailId: emailId.data, forUserId: null, pictures: 'none' } as const
  const mailboxPage = { forUserId: null, before: null, limit: mailboxesShown }
  const [me, accounts, email] = await Promise.all([
    whoAmI(deps.db, claim),
    listMailAccounts(deps, claim, mailboxPage),
    readEmail(deps, claim, which),
  ])
  const shown = [{ email, isOpen: true }]
  const wholeLink = threadLink(email.threadId, email.aside === null ? 'kept' : 'anywhere')
  const leftAside = { spam: 0, trash: 0 }
  const picturesOf = c.req.query('pictures') === 'remote' ? email.id : null
  const { subject } = email
  return showConversation(c, { me, accounts, subject, wholeLink, shown, leftAside, picturesOf, isWhole: false })
}

interface Conversation {
  readonly me: Awaited<ReturnType<typeof whoAmI>>
  readonly accounts: readonly MailAccount[]
  readonly subject: string
  /** The conversation with all that should be seen beside what is shown. */
  readonly wholeLink: string
  readonly shown: readonly { readonly email: Email; readonly isOpen: boolean }[]
  readonly leftAside: Thread['leftAside']
  readonly picturesOf: MessageView['picturesOf']
  /** False where one message of it stands alone. */
  readonly isWhole: boolean
}

function showConversation(c: AppContext, conversation: Conversation): Response | Promise<Response> {
  const { me, accounts, wholeLink, shown, leftAside, isWhole } = conversation
  const subject = conversation.subject.trim() === '' ? '(no subject)' : conversation.subject
  const { pathname } = new URL(c.req.url)
  const view: MessageView = {
    path: pathname,
    kept: c.req.query('in') === 'anywhere' ? { in: 'anywhere' } : {},
    picturesOf: conversation.picturesOf,
    picturesBy: isWhole ? 'id' : 'remote',
    body: c.req.query('view') === 'text' ? 'text' : 'html',
    accounts,
    now: c.env.deps.clock(),
  }
  const aside = asideWords(leftAside)
  const labels = [...new Set(shown.flatMap(({ email }) => chipsOf(email.labels, null)))]
  c.header('Content-Security-Policy', pagePolicyWithFrames)
  return showPage(
    c,
    { title: subject, visitor: me, section: 'inbox' },
    <div class="mail">
      <MailNav view={null} accounts={accounts} />
      <div class="mail-main">
        <SearchBox view={null} />
        <p class="back">{isWhole ? <a href={inboxPath}>Inbox</a> : <a href={wholeLink}>The whole conversation</a>}</p>
        <div class="mail-head">
          <div>
            <h1>{subject}</h1>
            {labels.length === 0 ? null : <Labels labels={labels} />}
          </div>
        </div>
        {aside === null ? null : (
          <p class="soft">
            {aside} <a href={wholeLink}>Show all of it</a>
          </p>
        )}
        <ol class="messages">
          {shown.map(({ email, isOpen }) => (
            <li>
              <Message email={email} isOpen={isOpen} view={view} />
            </li>
          ))}
        </ol>
      </div>
    </div>,
  )
}

const Labels = ({ labels }: { labels: readonly string[] }) => (
  <ul class="chips mail-labels" aria-label="Labels">
    {labels.map((label) => (
      <li>
        <a class="plain" href={inboxLink({ q: labelSearch(label) })}>
          {label}
        </a>
      </li>
    ))}
  </ul>
)
