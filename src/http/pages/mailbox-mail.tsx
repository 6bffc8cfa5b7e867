// The mail of one mailbox, as a card of its page: how far it is synced, and the buttons that sync it or fetch all of it.

import type { CookieClaim } from '../../auth/claims.ts'
import { AppError } from '../../errors.ts'
import { requestBackFill, type SyncRecord } from '../../mail/sync/record.ts'
import type { MailAccount } from '../../mail-accounts/list.ts'
import { type AppContext, originOf } from '../context.ts'
import { readForm } from './form-body.ts'
import { isSyncable, MailNotices } from './inbox-notices.tsx'
import { orRefusal, type Synced, syncOne } from './inbox-sync.ts'
import { inboxLink } from './mail-words.ts'
import type { OfferedProvider } from './provider-links.tsx'
import { isWalking, SyncFacts, WalkProgress } from './sync-parts.tsx'

interface CardProps {
  readonly account: MailAccount
  readonly sync: SyncRecord
  readonly now: Date
}

export const MailCard = ({ account, sync, now }: CardProps) => (
  <section class="card" aria-labelledby="mail-title">
    <h2 id="mail-title">Mail</h2>
    <WalkProgress sync={sync} email={account.email} />
    <SyncFacts sync={sync} now={now} />
    <div class="actions">
      <a class="button primary" href={inboxLink({ user_email: account.email })}>
        Open its inbox
      </a>
      {isSyncable(account) ? (
        <>
          <MailButton account={account} action="sync" label="Sync now" />
          {isWalking(sync) && sync.kind === 'full' ? (
            <a class="button" href={`/mailboxes/${account.id}`}>
              Look again
            </a>
          ) : (
            <MailButton account={account} action="fetch_all" label="Fetch all mail" />
          )}
        </>
      ) : null}
    </div>
  </section>
)

const MailButton = ({ account, action, label }: { account: MailAccount; action: string; label: string }) => (
  <form method="post" action={`/mailboxes/${account.id}`}>
    <input type="hidden" name="action" value={action} />
    <button class="button" type="submit">
      {label}
    </button>
  </form>
)

interface NoticeProps {
  readonly providers: readonly OfferedProvider[]
  readonly refused: AppError | null
  readonly synced: string | undefined
}

/** How asking for it went. What the mailbox itself needs, its state says already. */
export const SyncNotices = (props: NoticeProps) => <MailNotices accounts={[]} {...props} />

/** What a form of the mailbox's page asks for: `action=sync` or `action=fetch_all`. */
export async function syncAsAsked(c: AppContext, claim: CookieClaim, accountId: string): Promise<Synced | AppError> {
  const action = (await readForm(c)).get('action')
  if (action === 'sync') return syncOne(c, claim, accountId)
  if (action !== 'fetch_all') throw new AppError('invalid_input')
  return orRefusal(async () => {
    await requestBackFill(c.env.deps, claim, { accountId, forUserId: null }, originOf(c))
    return { synced: 'queued' }
  })
}
