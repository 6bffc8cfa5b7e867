// The form that asks for a new service key. It keeps what was typed and says beside each field what is wrong with it.

import { permissions } from '../../auth/service-keys.ts'
import type { MailAccount } from '../../mail-accounts/list.ts'
import { type KeyField, type KeyFields, type KeyProblems, permissionWords } from './key-words.ts'
import { Notice } from './parts.tsx'

export interface KeyFormProps {
  readonly fields: KeyFields
  readonly problems: KeyProblems
  /** For the hint: whose id an administrator most likely needs. */
  readonly ownId: string
  readonly ownMailboxes: readonly MailAccount[]
  readonly now: Date
}

const labels: Readonly<Record<KeyField, string>> = {
  name: 'Name',
  permissions: 'Permissions',
  userId: 'User id',
  mailAccountIds: 'Mailbox ids',
  expiresOn: 'Expires on',
}
const inputIds: Readonly<Record<KeyField, string>> = {
  name: 'key-name',
  permissions: 'key-permissions',
  userId: 'key-user',
  mailAccountIds: 'key-mailboxes',
  expiresOn: 'key-expiry',
}
const order: readonly KeyField[] = ['name', 'permissions', 'userId', 'mailAccountIds', 'expiresOn']

export const KeyProblemsNotice = ({ problems }: { problems: KeyProblems }) => {
  const wrong = order.filter((field) => problems[field] !== undefined)
  if (wrong.length === 0) return null
  return (
    <Notice tone="bad" title="The key was not created">
      <ul>
        {wrong.map((field) => (
          <li>
            <a href={`#${inputIds[field]}`}>{labels[field]}</a>: {problems[field]}
          </li>
        ))}
      </ul>
    </Notice>
  )
}

const Problem = ({ field, problems }: { field: KeyField; problems: KeyProblems }) =>
  problems[field] === undefined ? null : (
    <p class="field-problem" id={`${inputIds[field]}-problem`}>
      {problems[field]}
    </p>
  )

/** What ties a field to its hint and problem, for those who hear the page. */
function described(field: KeyField, problems: KeyProblems): { 'aria-describedby': string; 'aria-invalid'?: 'true' } {
  const hint = `${inputIds[field]}-hint`
  if (problems[field] === undefined) return { 'aria-describedby': hint }
  return { 'aria-describedby': `${hint} ${inputIds[field]}-problem`, 'aria-invalid': 'true' }
}

export const KeyForm = ({ fields, problems, ownId, ownMailboxes, now }: KeyFormProps) => (
  <form method="post" action="/admin/keys" class="card form" aria-labelledby="create-title" id="create">
    <h2 id="create-title">Create a key</h2>
    <input type="hidden" name="action" value="create" />
    <div class="field">
      <label for="key-name">{labels.name}</label>
      <p class="hint" id="key-name-hint">
        What uses it, so that you recognise it later.
      </p>
      <input
        id="key-name"
        name="name"
        value={fields.name}
        maxlength={100}
        required
        autocomplete="off"
        {...described('name', problems)}
      />
      <Problem field="name" problems={problems} />
    </div>
    <fieldset id="key-permissions" aria-describedby={problems.permissions && 'key-permissions-problem'}>
      <legend>{labels.permissions}</legend>
      {permissions.map((permission) => (
        <label class="check">
          <input
            type="checkbox"
            name="permissions"
            value={permission}
            checked={fields.permissions.includes(permission)}
          />
          <span>
            {permissionWords[permission]}
            <small>
              <code>{permission}</code>
            </small>
          </span>
        </label>
      ))}
      <Problem field="permissions" problems={problems} />
    </fieldset>
    <fieldset>
      <legend>Reach</legend>
      <div class="field">
        <label for="key-user">
          {labels.userId} <span class="optional">optional</span>
        </label>
        <p class="hint" id="key-user-hint">
          Empty: every user. Yours is <code class="id">{ownId}</code>
        </p>
        <input
          id="key-user"
          name="user_id"
          value={fields.userId}
          maxlength={100}
          autocomplete="off"
          spellcheck={false}
          class="mono"
          {...described('userId', problems)}
        />
        <Problem field="userId" problems={problems} />
      </div>
      <div class="field">
        <label for="key-mailboxes">
          {labels.mailAccountIds} <span class="optional">optional</span>
        </label>
        <p class="hint" id="key-mailboxes-hint">
          Empty: every mailbox of that user. One a line; only together with a user id.
        </p>
        <textarea
          id="key-mailboxes"
          name="mail_account_ids"
          rows={2}
          spellcheck={false}
          class="mono"
          {...described('mailAccountIds', problems)}
        >
          {fields.mailAccountIds}
        </textarea>
        <Problem field="mailAccountIds" problems={problems} />
        <OwnMailboxes mailboxes={ownMailboxes} />
      </div>
    </fieldset>
    <div class="field">
      <label for="key-expiry">
        {labels.expiresOn} <span class="optional">optional</span>
      </label>
      <p class="hint" id="key-expiry-hint">
        Works to the end of that day, UTC.
      </p>
      <input
        id="key-expiry"
        name="expires_on"
        type="date"
        value={fields.expiresOn}
        min={now.toISOString().slice(0, 10)}
        {...described('expiresOn', problems)}
      />
      <Problem field="expiresOn" problems={problems} />
    </div>
    <div class="actions">
      <button class="button primary" type="submit">
        Create key
      </button>
    </div>
  </form>
)

const OwnMailboxes = ({ mailboxes }: { mailboxes: readonly MailAccount[] }) =>
  mailboxes.length === 0 ? null : (
    <details>
      <summary>Ids of your own mailboxes</summary>
      <dl class="facts">
        {mailboxes.map(({ id, email }) => (
          <div class="fact">
            <dt>{email}</dt>
            <dd>
              <code class="id">{id}</code>
            </dd>
          </div>
        ))}
      </dl>
    </details>
  )
