// `/mailboxes/{id}`: one mailbox with its mail and the history of its renewals; and the page that asks before
// disconnecting it.

import type { CookieClaim } from '../../auth/claims.ts'
import type { Me } from '../../auth/sessions.sql.ts'
import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { readSync } from '../../mail/sync/record.ts'
import { readMailAccount } from '../../mail-accounts/list.ts'
import type { AppContext } from '../context.ts'
import { uuid } from '../routes/shapes.ts'
import { showPage } from './layout.tsx'
import {
  MailboxActions,
  MailboxAdvice,
  MailboxBadge,
  MailboxDetails,
  MailboxFacts,
  providerName,
} from './mailbox-card.tsx'
import { MailCard, SyncNotices, syncAsAsked } from './mailbox-mail.tsx'
import { outcomeWords } from './mailbox-words.ts'
import { Badge, Moment } from './parts.tsx'
import { offeredProviders } from './provider-links.tsx'
import { requireClaim } from './signed-in.ts'

type Mailbox = Awaited<ReturnType<typeof readMailAccount>>

async function readMailbox(
  c: AppContext,
): Promise<{ claim: CookieClaim; me: Me; account: Mailbox; which: { accountId: string; forUserId: null } }> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const which = { accountId: mailboxId(c), forUserId: null }
  const [me, account] = await Promise.all([whoAmI(deps.db, claim), readMailAccount(deps, claim, which)])
  return { claim, me, account, which }
}

function mailboxId(c: AppContext): string {
  const accountId = uuid.safeParse(c.req.param('id'))
  if (!accountId.success) throw new AppError('not_found')
  return accountId.data
}

export function mailboxPage(c: AppContext): Promise<Response> {
  return showMailbox(c, null)
}

/** POST /mailboxes/{id}: its mail synced, or all of it fetched. */
export async function syncMailbox(c: AppContext): Promise<Response> {
  const accountId = mailboxId(c)
  const outcome = await syncAsAsked(c, await requireClaim(c), accountId)
  if (outcome instanceof AppError) {
    if (outcome.code === 'not_found') throw outcome
    return showMailbox(c, outcome)
  }
  return c.redirect(`/mailboxes/${accountId}?synced=${outcome.synced}`, 303)
}

async function showMailbox(c: AppContext, refused: AppError | null): Promise<Response> {
  const { deps } = c.env
  const { claim, me, account, which } = await readMailbox(c)
  const sync = await readSync(deps, claim, which)
  const providers = offeredProviders(deps)
  const now = deps.clock()
  if (refused !== null && refused.retryAfterSeconds !== null) c.header('Retry-After', String(refused.retryAfterSeconds))
  return showPage(
    c,
    { title: account.email, visitor: me, section: 'mailboxes', status: refused?.status ?? 200 },
    <>
      <p class="back">
        <a href="/mailboxes">Mailboxes</a>
      </p>
      <div class="page-head">
        <div>
          <h1 class="address">{account.email}</h1>
          <p class="soft">{providerName(account, providers)}</p>
        </div>
        <MailboxBadge account={account} />
      </div>
      <SyncNotices providers={providers} refused={refused} synced={c.req.query('synced')} />
      <section class={`card mailbox ${account.status}`} aria-label="State">
        <MailboxAdvice account={account} />
        <MailboxFacts account={account} providers={providers} now={now} />
        <MailboxActions account={account} providers={providers} />
      </section>
      <MailCard account={account} sync={sync} now={now} />
      <section class="card" aria-labelledby="history-title">
        <h2 id="history-title">Renewal history</h2>
        <History history={account.history} now={now} />
      </section>
      <section class="card" aria-labelledby="details-title">
        <h2 id="details-title">Details</h2>
        <MailboxDetails account={account} now={now} />
      </section>
    </>,
  )
}

const History = ({ history, now }: { history: Mailbox['history']; now: Date }) =>
  history.length === 0 ? (
    <p class="soft">Not renewed yet: the first renewal comes some minutes before the token ends.</p>
  ) : (
    <table>
      <caption class="sr-only">The newest attempts to renew this mailbox’s token, newest first</caption>
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">Outcome</th>
          <th scope="col">Reason</th>
        </tr>
      </thead>
      <tbody>
        {history.map(({ at, outcome, error }) => (
          <tr>
            <td>
              <Moment at={new Date(at)} now={now} />
            </td>
            <td>
              <Badge tone={outcomeWords[outcome].tone}>{outcomeWords[outcome].label}</Badge>
            </td>
            <td>{error === null ? <span class="soft">None</span> : <code class="id">{error}</code>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )

export async function disconnectPage(c: AppContext): Promise<Response> {
  const { me, account } = await readMailbox(c)
  if (account.status === 'disconnected') return c.redirect(`/mailboxes/${account.id}`, 303)
  return showPage(
    c,
    { title: `Disconnect ${account.email}`, visitor: me, section: 'mailboxes', width: 'narrow' },
    <form method="post" action="/mailboxes" class="card gate">
      <h1>Disconnect this mailbox?</h1>
      <p class="address">
        <strong>{account.email}</strong>
      </p>
      <p class="soft">
        Its tokens are erased at once and our access at the provider is ended. Backends can no longer get a token for
        it. Mail that was already synced is hidden at once and deleted within a day, unless you keep it.
      </p>
      <input type="hidden" name="action" value="disconnect" />
      <input type="hidden" name="mail_account_id" value={account.id} />
      <label class="check">
        <input type="checkbox" name="keep_mail" />
        <span>
          Keep synced mail
          <small>It stays readable here, and is no longer updated.</small>
        </span>
      </label>
      <div class="actions">
        <button class="button danger solid" type="submit">
          Disconnect
        </button>
        <a class="button" href="/mailboxes">
          Cancel
        </a>
      </div>
    </form>,
  )
}
