// `/inbox/outbox/{id}`: what became of a message on its way out, in words. While it is under way the page comes again by
// itself, and by a link.

import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import type { OutgoingRow } from '../../mail/send/outbox.sql.ts'
import { readOutgoing } from '../../mail/send/outbox.ts'
import type { AppContext } from '../context.ts'
import { uuid } from '../routes/shapes.ts'
import { MailNav } from './inbox-parts.tsx'
import { showPage } from './layout.tsx'
import { inboxLink, inboxPath, threadLink } from './mail-words.ts'
import { Badge, Fact, Moment, type Tone } from './parts.tsx'
import { waitWords } from './refusal-words.tsx'
import { requireClaim } from './signed-in.ts'

/** The page comes again when the next try is due, within these. */
const shortestAgainSeconds = 3
const longestAgainSeconds = 60

interface Words {
  readonly tone: Tone
  readonly label: string
  readonly title: string
  readonly text: string
}

const statusWords: Readonly<Record<OutgoingRow['status'], Words>> = {
  queued: {
    tone: 'warn',
    label: 'Queued',
    title: 'Your message is on its way',
    text: 'It is stored here and will be sent in a moment. You may leave this page: if it cannot be sent, your inbox says so.',
  },
  sending: {
    tone: 'warn',
    label: 'Sending',
    title: 'Your message is being sent',
    text: 'It is being handed to the provider. You may leave this page: if it cannot be sent, your inbox says so.',
  },
  unconfirmed: {
    tone: 'warn',
    label: 'Unconfirmed',
    title: 'The provider has not confirmed it yet',
    text: 'Its answer was lost on the way, so it may have been sent or not. We look for it in your mailbox within minutes, and send it again only where it is not found there, for a day. Rarely, a message that was sent is not found, and arrives twice.',
  },
  sent: {
    tone: 'good',
    label: 'Sent',
    title: 'Your message was sent',
    text: 'It stands in its conversation after the next sync.',
  },
  failed: { tone: 'bad', label: 'Not sent', title: 'Your message was not sent', text: '' },
}

const failureWords: Readonly<Partial<Record<string, string>>> = {
  insufficient_scope:
    'The mailbox has no permission to send mail. Reconnect it, leave that box ticked, and send again.',
  needs_reauthorization: 'The provider no longer accepts what it gave us. Reconnect the mailbox, and send again.',
  unconfirmed:
    'The provider never said whether it took it, and it could not be looked up. See in your mailbox whether it was sent before you send it again.',
  provider_unavailable:
    'The provider could not be reached for a day. As far as we know it was not sent: look in your mailbox before you send it again.',
  expired:
    'It could not be sent for a day: we were asked to wait, or something was wrong on our side. As far as we know it was not sent: look in your mailbox before you send it again.',
  disconnected: 'The mailbox was disconnected meanwhile. Connect it again, and send again.',
  account_disabled: 'Your account was disabled before it could be sent.',
  message_missing: 'The message is no longer stored here, so it could not be sent. Write it anew.',
}

function failureText(code: string | null): string {
  return (
    failureWords[code ?? ''] ??
    'The provider refused it, and would refuse it again. Look at its addresses and files, and send it anew.'
  )
}

export async function outboxPage(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const outboxId = uuid.safeParse(c.req.param('id'))
  if (!outboxId.success) throw new AppError('not_found')
  const [me, row] = await Promise.all([
    whoAmI(deps.db, claim),
    readOutgoing(deps, claim, { outboxId: outboxId.data, forUserId: null }),
  ])
  const words = statusWords[row.status]
  const againSeconds = againIn(row)
  if (againSeconds !== null) c.header('Refresh', String(againSeconds))
  return showPage(
    c,
    { title: words.title, visitor: me, section: 'inbox' },
    <div class="mail">
      <MailNav view={null} accounts={[]} />
      <section class="card mail-main outgoing" aria-labelledby="outgoing-title">
        <div class="card-head">
          <h1 id="outgoing-title">{words.title}</h1>
          <Badge tone={words.tone}>
            <span class="sr-only">Status: </span>
            {words.label}
          </Badge>
        </div>
        <p>{textOf(row)}</p>
        <Times row={row} now={deps.clock()} />
        <Ways row={row} path={new URL(c.req.url).pathname} conversation={conversationOf(row)} />
      </section>
    </div>,
  )
}

/** Seconds until the page comes again by itself; null where nothing changes soon. */
function againIn({ status, dueInSeconds }: OutgoingRow): number | null {
  if (status === 'sending') return shortestAgainSeconds
  if (status !== 'queued') return null
  return Math.min(Math.max(dueInSeconds, shortestAgainSeconds), longestAgainSeconds)
}

function textOf({ status, error, dueInSeconds }: OutgoingRow): string {
  if (status === 'failed') return failureText(error)
  if (status !== 'queued' || dueInSeconds <= longestAgainSeconds) return statusWords[status].text
  return `It could not be sent yet. The next try is in about ${waitWords(dueInSeconds)}. You may leave this page: if it cannot be sent, your inbox says so.`
}

const Times = ({ row, now }: { row: OutgoingRow; now: Date }) => (
  <dl class="facts">
    <Fact name="Written">
      <Moment at={row.createdAt} now={now} />
    </Fact>
    {row.sentAt === null ? null : (
      <Fact name="Sent">
        <Moment at={row.sentAt} now={now} />
      </Fact>
    )}
    {row.error === null || row.status === 'sent' ? null : (
      <Fact name="Reason">
        <code class="id">{row.error}</code>
      </Fact>
    )}
  </dl>
)

/** Where the message stands, or will: nothing for a conversation of which nothing was synced yet. */
function conversationOf({ status, threadId, hasConversation }: OutgoingRow): string | null {
  return status === 'sent' && threadId !== null && hasConversation ? threadLink(threadId, 'kept') : null
}

interface WaysProps {
  readonly row: OutgoingRow
  readonly path: string
  readonly conversation: string | null
}

const Ways = ({ row, path, conversation }: WaysProps) => (
  <div class="actions">
    {row.status === 'sent' ? (
      <>
        {conversation === null ? null : (
          <a class="button primary" href={conversation}>
            Open its conversation
          </a>
        )}
        <a class="button" href={inboxLink({ folder: 'sent' })}>
          Go to Sent
        </a>
      </>
    ) : row.status === 'failed' ? (
      <>
        <a class="button primary" href={`${inboxPath}/compose?again=${row.id}`}>
          Write anew
        </a>
        <a class="button" href={`/mailboxes/${row.accountId}`}>
          Look at the mailbox
        </a>
      </>
    ) : (
      <a class="button primary" href={path}>
        Look again
      </a>
    )}
    <a class="button" href={inboxPath}>
      Go to the inbox
    </a>
  </div>
)
