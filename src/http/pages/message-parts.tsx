// One message of a conversation: who, to whom, when, what it says, its files, and how to answer it.

import type { Email, EmailAttachment } from '../../mail/read/read.ts'
import type { MailAccount } from '../../mail-accounts/list.ts'
import { MailText } from './mail-text.tsx'
import {
  fileName,
  fullTime,
  inboxLink,
  inboxPath,
  type Person,
  personInFull,
  personName,
  shortTime,
  sizeWords,
} from './mail-words.ts'
import { ClipMark } from './marks.tsx'

export interface MessageView {
  /** The page's own path, and what stays in its query whichever way a message is shown. */
  readonly path: string
  readonly kept: Readonly<Record<string, string>>
  /** The one message whose pictures load from elsewhere: whoever loads another's tells its sender that it was read. */
  readonly picturesOf: string | null
  /** What `pictures` of the page's query names that message by. */
  readonly picturesBy: 'remote' | 'id'
  /** What is shown of a message that has both. */
  readonly body: 'text' | 'html'
  readonly accounts: readonly MailAccount[]
  readonly now: Date
}

const nobody: Person = { name: 'Unknown sender', address: '' }

export const Message = ({ email, isOpen, view }: { email: Email; isOpen: boolean; view: MessageView }) => {
  const sender = email.from ?? nobody
  return (
    <details class={email.isUnread ? 'message unread' : 'message'} id={`m-${email.id}`} open={isOpen}>
      <summary>
        <span class="mail-from">
          {email.isUnread ? <span class="sr-only">Unread. </span> : null}
          {personName(sender)}
          {email.aside === null ? null : <span class="chip">{email.aside === 'trash' ? 'Trash' : 'Spam'}</span>}
        </span>
        <span class="mail-snippet">{email.snippet}</span>
        {email.hasAttachments ? (
          <span class="mail-clip">
            <ClipMark />
            <span class="sr-only">Has attachments. </span>
          </span>
        ) : null}
        <time class="mail-time" datetime={email.sentAt.toISOString()}>
          {shortTime(email.sentAt, view.now)}
        </time>
      </summary>
      <MessageHead email={email} />
      <MessageBody email={email} view={view} />
      {email.attachments.length === 0 ? null : <Attachments email={email} />}
      <MessageActions email={email} accounts={view.accounts} />
    </details>
  )
}

const MessageHead = ({ email }: { email: Email }) => (
  <dl class="message-head">
    <People name="From" people={email.from === null ? [] : [email.from]} />
    <People name="To" people={email.to} />
    <People name="Cc" people={email.cc} />
    <People name="Bcc" people={email.bcc} />
    <div>
      <dt>Date</dt>
      <dd>{fullTime(email.sentAt)}</dd>
    </div>
  </dl>
)

const mostPeople = 20

const People = ({ name, people }: { name: string; people: readonly Person[] }) =>
  people.length === 0 ? null : (
    <div>
      <dt>{name}</dt>
      <dd>
        {people.slice(0, mostPeople).map(personInFull).join(', ')}
        {people.length > mostPeople ? ` and ${people.length - mostPeople} more` : null}
      </dd>
    </div>
  )

const MessageBody = ({ email, view }: { email: Email; view: MessageView }) => {
  if (email.isBodyLeftOut) {
    return (
      <p>
        This conversation is long. <a href={`${inboxPath}/${email.id}`}>Open this message by itself</a>
      </p>
    )
  }
  const hasFrame = email.html !== null && view.body === 'html'
  return (
    <>
      {email.html === null ? null : <BodyChoice email={email} view={view} />}
      {hasFrame ? (
        <iframe
          class={`mail-frame ${frameSize(email.html ?? '')}`}
          title={`Message of ${personName(email.from ?? nobody)}`}
          sandbox="allow-popups allow-popups-to-escape-sandbox"
          loading="lazy"
          src={`${inboxPath}/${email.id}/frame${view.picturesOf === email.id ? '?pictures=remote' : ''}`}
        />
      ) : email.text === null || email.text.trim() === '' ? (
        <p class="soft">This message has no text.</p>
      ) : (
        <MailText text={email.text} />
      )}
    </>
  )
}

/** Without a script nobody can measure what is in a frame: its length tells enough. */
function frameSize(html: string): 'short' | 'medium' | 'long' {
  if (html.length < 1_000 && !html.includes('<img')) return 'short'
  return html.length < 6_000 ? 'medium' : 'long'
}

const BodyChoice = ({ email, view }: { email: Email; view: MessageView }) => {
  const isHtml = view.body === 'html'
  const here = (query: Record<string, string>): string => {
    const search = new URLSearchParams({ ...view.kept, ...query }).toString()
    return `${view.path}${search === '' ? '' : `?${search}`}#m-${email.id}`
  }
  return (
    <p class="message-choice">
      {isHtml && email.hasRemotePictures ? (
        view.picturesOf === email.id ? (
          <span>
            Pictures from elsewhere are shown. <a href={here({})}>Leave them out</a>
          </span>
        ) : (
          <span>
            Pictures from elsewhere are left out: loading them tells the sender that you read this.{' '}
            <a href={here({ pictures: view.picturesBy === 'id' ? email.id : 'remote' })}>Show pictures</a>
          </span>
        )
      ) : null}
      <a href={isHtml ? here({ view: 'text' }) : here({})}>{isHtml ? 'Plain text' : 'As it was designed'}</a>
    </p>
  )
}

const Attachments = ({ email }: { email: Email }) => (
  <ul class="attachments" aria-label="Attachments">
    {email.attachments.map((attachment) => (
      <li>
        <a href={attachmentPath(email, attachment)} download>
          <ClipMark />
          <span>
            <span class="attachment-name">{fileName(attachment.filename)}</span>
            <span class="soft">
              {attachment.contentType}, {sizeWords(attachment.sizeBytes)}
            </span>
          </span>
        </a>
      </li>
    ))}
  </ul>
)

function attachmentPath(email: Email, { partId }: EmailAttachment): string {
  return `${inboxPath}/${email.id}/attachments/${encodeURIComponent(partId)}`
}

const MessageActions = ({ email, accounts }: { email: Email; accounts: readonly MailAccount[] }) => {
  const own = new Set(accounts.map(({ email: address }) => address.toLowerCase()))
  const people = [...(email.from === null ? [] : [email.from]), ...email.to, ...email.cc]
  const others = new Set(people.map(({ address }) => address.toLowerCase()).filter((address) => !own.has(address)))
  const reply = `${inboxPath}/compose?reply_to=${email.id}`
  const from = email.from?.address ?? ''
  return (
    <div class="actions message-actions">
      <a class="button" href={reply}>
        Reply<span class="sr-only"> to {personName(email.from ?? nobody)}</span>
      </a>
      {others.size < 2 ? null : (
        <a class="button" href={`${reply}&all=1`}>
          Reply all
        </a>
      )}
      {from === '' || own.has(from.toLowerCase()) ? null : (
        <a href={inboxLink({ q: `from:${from}` })}>More from {from}</a>
      )}
    </div>
  )
}
