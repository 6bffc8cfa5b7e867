// `/mailboxes`: the caller's mailboxes as cards, and the form that disconnects one. Everything shown or done goes through
// the verbs of the JSON routes.

import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { disconnectMailAccount } from '../../mail-accounts/disconnect.ts'
import { listMailAccounts, type MailAccount } from '../../mail-accounts/list.ts'
import { type AppContext, originOf } from '../context.ts'
import { presentList, readCursor, uuid } from '../routes/shapes.ts'
import { sendMessages } from '../send-messages.ts'
import { readForm } from './form-body.ts'
import { showPage } from './layout.tsx'
import { inboxLink } from './mail-words.ts'
import {
  MailboxActions,
  MailboxAdvice,
  MailboxBadge,
  MailboxDetails,
  MailboxFacts,
  providerName,
} from './mailbox-card.tsx'
import { Notice, Older, relativeWords } from './parts.tsx'
import { connectPath, type OfferedProvider, offeredProviders } from './provider-links.tsx'
import { ErrorNotice } from './refusal-words.tsx'
import { requireClaim } from './signed-in.ts'

const mailboxesAPage = 50

export async function mailboxesPage(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const page = { forUserId: null, before: readCursor(c.req.query('cursor')), limit: mailboxesAPage + 1 }
  const [me, rows] = await Promise.all([whoAmI(deps.db, claim), listMailAccounts(deps, claim, page)])
  const { items, next_cursor } = presentList(rows, mailboxesAPage, (row) => row)
  const providers = offeredProviders(deps)
  const withMail = providers.filter(({ hasMail }) => hasMail)
  return showPage(
    c,
    { title: 'Mailboxes', visitor: me, section: 'mailboxes' },
    <>
      <ErrorNotice code={c.req.query('error')} />
      {c.req.query('done') === 'disconnected' ? (
        <Notice tone="good" title="Mailbox disconnected">
          <p>Its tokens are erased here, and the provider is told to end our access.</p>
        </Notice>
      ) : null}
      <div class="page-head">
        <h1>Mailboxes</h1>
        {items.length === 0 ? null : <ConnectLinks providers={withMail} label="Connect another mailbox" />}
      </div>
      {items.length === 0 ? (
        <EmptyState providers={withMail} />
      ) : (
        <ul class="cards">
          {items.map((account) => (
            <li>
              <MailboxCard account={account} providers={providers} now={deps.clock()} />
            </li>
          ))}
        </ul>
      )}
      <Older path="/mailboxes" cursor={next_cursor} />
    </>,
  )
}

const ConnectLinks = ({ providers, label }: { providers: readonly OfferedProvider[]; label: string }) => (
  <div class="actions">
    {providers.map(({ code, name }) => (
      <a class="button primary" href={connectPath(code)}>
        {providers.length > 1 ? `${label} with ${name}` : label}
      </a>
    ))}
  </div>
)

const EmptyState = ({ providers }: { providers: readonly OfferedProvider[] }) => (
  <section class="card empty" aria-labelledby="empty-title">
    <h2 id="empty-title">No mailbox connected yet</h2>
    <p class="soft">
      Connect one, and its tokens are kept encrypted and fresh from then on. You choose at the provider whether mail may
      be read, sent, both or neither.
    </p>
    {providers.length === 0 ? (
      <p class="empty-line">No mail provider is configured here yet.</p>
    ) : (
      <ConnectLinks providers={providers} label="Connect a mailbox" />
    )}
  </section>
)

const MailboxCard = (props: { account: MailAccount; providers: readonly OfferedProvider[]; now: Date }) => {
  const { account, providers, now } = props
  return (
    <article class={`card mailbox ${account.status}`} aria-labelledby={`mailbox-${account.id}`}>
      <header class="card-head">
        <div>
          <h2 id={`mailbox-${account.id}`}>
            <a class="plain" href={`/mailboxes/${account.id}`}>
              {account.email}
            </a>
          </h2>
          <p class="soft">{providerName(account, providers)}</p>
        </div>
        <MailboxBadge account={account} />
      </header>
      <MailboxAdvice account={account} />
      <MailboxFacts {...props} />
      <p class="soft">
        {account.lastSyncedAt === null
          ? 'Its mail was not synced yet. '
          : `Its mail was synced ${relativeWords(account.lastSyncedAt, now)}. `}
        <a href={inboxLink({ user_email: account.email })}>
          Open its inbox<span class="sr-only"> ({account.email})</span>
        </a>
      </p>
      <details>
        <summary>
          Details<span class="sr-only"> of {account.email}</span>
        </summary>
        <MailboxDetails account={account} now={now} />
        <p>
          <a href={`/mailboxes/${account.id}`}>
            Renewal history<span class="sr-only"> of {account.email}</span>
          </a>
        </p>
      </details>
      <MailboxActions account={account} providers={providers} />
    </article>
  )
}

/** POST /mailboxes, `action=disconnect`. */
export async function changeMailbox(c: AppContext): Promise<Response> {
  const claim = await requireClaim(c)
  const form = await readForm(c)
  if (form.get('action') !== 'disconnect') throw new AppError('invalid_input')
  const accountId = uuid.safeParse(form.get('mail_account_id'))
  if (!accountId.success) throw new AppError('not_found')
  const which = { accountId: accountId.data, keepsMail: ['on', 'true', '1'].includes(form.get('keep_mail') ?? '') }
  await sendMessages(c, await disconnectMailAccount(c.env.deps.db, claim, which, originOf(c)))
  return c.redirect('/mailboxes?done=disconnected', 303)
}
