// `/inbox/threads/{id}`: a conversation, oldest message first; `/inbox/{id}`: one message of it. HTML mail is shown in a
// frame of its own (message-frame.ts), never in these pages.

import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { type Email, readEmail, readThread } from '../../mail/read/read.ts'
import { listMailAccounts, type MailAccount } from '../../mail-accounts/list.ts'
import type { AppContext } from '../context.ts'
import { pagePolicyWithFrames } from '../middleware/security-headers.ts'
import { uuid } from '../routes/shapes.ts'
import { MailNav, mailboxesShown, SearchBox } from './inbox-parts.tsx'
import { showPage } from './layout.tsx'
import { chipsOf, inboxLink, inboxPath, labelSearch } from './mail-words.ts'
import { Message, type MessageView } from './message-parts.tsx'
import { requireClaim } from './signed-in.ts'

export async function threadPage(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const which = { threadId: c.req.param('id') ?? '', forUserId: null, pictures: 'none', isAnywhere: false } as const
  const mailboxPage = { forUserId: null, before: null, limit: mailboxesShown }
  const [me, accounts, thread] = await Promise.all([
    whoAmI(deps.db, claim),
    listMailAccounts(deps, claim, mailboxPage),
    readThread(deps, claim, which),
  ])
  const newest = thread.messages.at(-1)
  const shown = thread.messages.map((email) => ({ email, isOpen: email === newest || email.isUnread }))
  return showConversation(c, { me, accounts, subject: thread.subject, threadId: thread.id, shown, isWhole: true })
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
  return showConversation(c, { me, accounts, subject: email.subject, threadId: email.threadId, shown, isWhole: false })
}

interface Conversation {
  readonly me: Awaited<ReturnType<typeof whoAmI>>
  readonly accounts: readonly MailAccount[]
  readonly subject: string
  readonly threadId: string
  readonly shown: readonly { readonly email: Email; readonly isOpen: boolean }[]
  /** False where one message of it stands alone. */
  readonly isWhole: boolean
}

function showConversation(c: AppContext, conversation: Conversation): Response | Promise<Response> {
  const { me, accounts, threadId, shown, isWhole } = conversation
  const subject = conversation.subject.trim() === '' ? '(no subject)' : conversation.subject
  const { pathname } = new URL(c.req.url)
  const view: MessageView = {
    path: pathname,
    pictures: c.req.query('pictures') === 'remote' ? 'remote' : 'none',
    body: c.req.query('view') === 'text' ? 'text' : 'html',
    accounts,
    now: c.env.deps.clock(),
  }
  const labels = [...new Set(shown.flatMap(({ email }) => chipsOf(email.labels, null)))]
  c.header('Content-Security-Policy', pagePolicyWithFrames)
  return showPage(
    c,
    { title: subject, visitor: me, section: 'inbox' },
    <div class="mail">
      <MailNav view={null} accounts={accounts} />
      <div class="mail-main">
        <SearchBox view={null} />
        <p class="back">
          {isWhole ? (
            <a href={inboxPath}>Inbox</a>
          ) : (
            <a href={`${inboxPath}/threads/${threadId}`}>The whole conversation</a>
          )}
        </p>
        <div class="mail-head">
          <div>
            <h1>{subject}</h1>
            {labels.length === 0 ? null : <Labels labels={labels} />}
          </div>
        </div>
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
