// The form of a message, and what stands in its place where no mailbox may send.

import type { MailAccount } from '../../mail-accounts/list.ts'
import type { Typed } from './compose-draft.ts'
import { Field, type Refused, RefusedNotice } from './form-fields.tsx'
import { inboxPath } from './mail-words.ts'
import { Notice } from './parts.tsx'
import { connectPath, type OfferedProvider, reconnectPath } from './provider-links.tsx'

interface FormProps {
  readonly draft: Typed
  readonly senders: readonly MailAccount[]
  readonly refused: Refused | null
  /** It had files, which no form can be filled with. */
  readonly filesLost: boolean
}

export const ComposeForm = ({ draft, senders, refused, filesLost }: FormProps) => {
  const problems = refused?.problems ?? {}
  const isWide = draft.cc !== '' || draft.bcc !== '' || problems.cc !== undefined || problems.bcc !== undefined
  return (
    <form method="post" action={`${inboxPath}/compose`} enctype="multipart/form-data" class="card form compose">
      {/* Enter in a field presses the form's first button: one that does nothing, so that half a letter never leaves. */}
      <button type="submit" disabled hidden>
        Enter sends nothing
      </button>
      <ComposeNotice refused={refused} />
      <input type="hidden" name="action" value="send" />
      <input type="hidden" name="key" value={draft.key} />
      <input type="hidden" name="reply_to" value={draft.replyTo} />
      <From draft={draft} senders={senders} problem={problems.from} />
      <Recipients name="to" label="To" draft={draft} problems={problems} />
      <details open={isWide}>
        <summary>Cc and Bcc</summary>
        <div class="form">
          <Recipients name="cc" label="Cc" draft={draft} problems={problems} />
          <Recipients name="bcc" label="Bcc" draft={draft} problems={problems} />
        </div>
      </details>
      <Field name="subject" label="Subject" presence="optional" value={draft.subject} problems={problems} isProse />
      <div class="field">
        <label for="field-text">Message</label>
        <textarea
          id="field-text"
          name="text"
          rows={14}
          aria-describedby={problems.text === undefined ? undefined : 'field-text-problem'}
          aria-invalid={problems.text === undefined ? undefined : 'true'}
        >
          {/* A parser takes the first line end away. */ '\n'}
          {draft.text}
        </textarea>
        {problems.text === undefined ? null : (
          <p class="field-problem" id="field-text-problem">
            {problems.text}
          </p>
        )}
      </div>
      <Files problem={problems.files} isLost={filesLost} />
      <div class="actions">
        <button class="button primary" type="submit">
          Send
        </button>
        <a class="button" href={inboxPath}>
          Cancel
        </a>
      </div>
    </form>
  )
}

const ComposeNotice = ({ refused }: { refused: Refused | null }) => {
  if (refused?.code === 'idempotency_key_reused')
    return (
      <Notice tone="warn" title="This message was sent before in another form">
        <p>The first one is on its way. Press Send again to send this one as well.</p>
      </Notice>
    )
  if (refused?.status === 401)
    return (
      <Notice tone="bad" title="You are not signed in any more">
        <p>
          This message was not sent; what you typed is below.{' '}
          <a href="/sign-in" target="_blank" rel="noopener">
            Open the sign-in page in a new tab
          </a>
          , sign in, come back to this one, and press Send again.
        </p>
      </Notice>
    )
  if (refused !== null && refused.status >= 500)
    return (
      <Notice tone="bad" title="This message could not be taken in just now">
        <p>What you typed is below. Press Send again in a moment.</p>
      </Notice>
    )
  return <RefusedNotice refused={refused} title="This message was not sent" />
}

const From = ({
  draft,
  senders,
  problem,
}: {
  draft: Typed
  senders: readonly MailAccount[]
  problem?: string | undefined
}) => (
  <div class="field">
    <label for="field-from">From</label>
    <select
      id="field-from"
      name="from"
      aria-describedby={problem === undefined ? undefined : 'field-from-problem'}
      aria-invalid={problem === undefined ? undefined : 'true'}
    >
      {senders.some(({ email }) => email === draft.from) || draft.from === '' ? null : (
        <option value={draft.from} selected>
          {draft.from}
        </option>
      )}
      {senders.map(({ email }) => (
        <option value={email} selected={email === draft.from}>
          {email}
        </option>
      ))}
    </select>
    {problem === undefined ? null : (
      <p class="field-problem" id="field-from-problem">
        {problem} <a href="/mailboxes">Go to your mailboxes</a>
      </p>
    )}
  </div>
)

interface RecipientsProps {
  readonly name: 'to' | 'cc' | 'bcc'
  readonly label: string
  readonly draft: Typed
  readonly problems: Readonly<Record<string, string>>
}

const Recipients = ({ name, label, draft, problems }: RecipientsProps) => (
  <Field
    name={name}
    label={label}
    value={draft[name]}
    problems={problems}
    presence={name === 'to' ? 'required' : 'optional'}
    inputmode="email"
    hint={
      name === 'to' ? 'Several are separated with commas: ada@example.com, Max Muster <max@example.com>' : undefined
    }
  />
)

const Files = ({ problem, isLost }: { problem?: string | undefined; isLost: boolean }) => (
  <div class="field">
    <label for="field-files">
      Files <span class="optional">optional</span>
    </label>
    <p class="hint" id="field-files-hint">
      Several may be chosen at once, 7 MB in all.
      {isLost ? ' A browser does not keep files: choose them again.' : null}
    </p>
    <input
      id="field-files"
      name="files"
      type="file"
      multiple
      aria-describedby={problem === undefined ? 'field-files-hint' : 'field-files-hint field-files-problem'}
      aria-invalid={problem === undefined ? undefined : 'true'}
    />
    {problem === undefined ? null : (
      <p class="field-problem" id="field-files-problem">
        {problem}
      </p>
    )}
  </div>
)

interface NobodyProps {
  readonly accounts: readonly MailAccount[]
  readonly providers: readonly OfferedProvider[]
}

export const NobodyMaySend = ({ accounts, providers }: NobodyProps) => {
  const first = accounts.find(({ provider }) => providers.some(({ code, hasMail }) => code === provider && hasMail))
  const [withMail] = providers.filter(({ hasMail }) => hasMail)
  return (
    <section class="card empty" aria-labelledby="empty-title">
      <h2 id="empty-title">{accounts.length === 0 ? 'No mailbox connected yet' : 'No mailbox that may send'}</h2>
      <p class="soft">
        {accounts.length === 0
          ? 'Connect one, and allow sending, to write from it here.'
          : 'None of your mailboxes has permission to send mail, or its access has ended. Reconnect one and leave the box for sending ticked.'}
      </p>
      <div class="actions">
        {first !== undefined ? (
          <a class="button primary address" href={reconnectPath(first.provider, first.id)}>
            Reconnect {first.email}
          </a>
        ) : withMail !== undefined ? (
          <a class="button primary" href={connectPath(withMail.code)}>
            Connect a mailbox
          </a>
        ) : null}
      </div>
    </section>
  )
}
