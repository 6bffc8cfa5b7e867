// `/inbox/outbox/{id}`: what became of a message on its way out, in words. While it is under way the page comes again by
// itself, and by a link.

import type { CookieClaim } from '../../auth/claims.ts'
import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { readThread } from '../../mail/read/read.ts'
import type { OutgoingRow } from '../../mail/send/outbox.sql.ts'
import { readOutgoing } from '../../mail/send/outbox.ts'
import type { AppContext } from '../context.ts'
import { uuid } from '../routes/shapes.ts'
import { MailNav } from './inbox-parts.tsx'
import { showPage } from './layout.tsx'
import { inboxLink, inboxPath } from './mail-words.ts'
import { Badge, Fact, Moment, type Tone } from './parts.tsx'
import { requireClaim } from './signed-in.ts'

const againSeconds = 3

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
    text: 'It is stored here and will be sent in a moment. You may leave this page: it is sent all the same.',
  },
  sending: {
    tone: 'warn',
    label: 'Sending',
    title: 'Your message is being sent',
    text: 'The provider has it in hand. You may leave this page.',
  },
  unconfirmed: {
    tone: 'warn',
    label: 'Unconfirmed',
    title: 'The provider has not confirmed it yet',
    text: 'Its answer was lost on the way, so it may have been sent or not. We look it up in your mailbox within minutes, and send it again only where it is not there, for a day: nothing is sent twice.',
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
    'The provider could not be reached for a day. It was looked up each time, and is not in your mailbox: send it again.',
  expired: 'The provider, or our limit for it, asked us to wait for a day. Nothing was sent: send it again.',
  disconnected: 'The mailbox was disconnected meanwhile. Connect it again, and send again.',
  account_disabled: 'Your account was disabled before it could be sent. Nothing was sent.',
  provider_not_offered: 'The provider of this mailbox is not offered here any more. Nothing was sent.',
  message_missing: 'The message is no longer stored here. Nothing was sent: write it anew.',
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
  const conversation = await conversationOf(c, claim, row)
  const isUnderWay = row.status === 'queued' || row.status === 'sending'
  if (isUnderWay) c.header('Refresh', String(againSeconds))
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
        <p>{row.status === 'failed' ? failureText(row.error) : words.text}</p>
        <Times row={row} now={deps.clock()} />
        <Ways row={row} path={new URL(c.req.url).pathname} conversation={conversation} />
      </section>
    </div>,
  )
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
async function conversationOf(c: AppContext, claim: CookieClaim, row: OutgoingRow): Promise<string | null> {
  const { threadId } = row
  if (row.status !== 'sent' || threadId === null) return null
  try {
    await readThread(c.env.deps, claim, { threadId, forUserId: null, pictures: 'none', isAnywhere: false })
    return `${inboxPath}/threads/${threadId}`
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'not_found') return null
    throw thrown
  }
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
        <a class="button primary" href={`${inboxPath}/compose`}>
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
