// One mailbox as its owner sees it: state, permissions, times, and what can be done. Used by the list and by its own page.

import type { MailAccount } from '../../mail-accounts/list.ts'
import { inSentence, permissionWords, statusWords } from './mailbox-words.ts'
import { CheckMark, CrossMark } from './marks.tsx'
import { Badge, Day, Fact, Moment } from './parts.tsx'
import { type OfferedProvider, reconnectPath } from './provider-links.tsx'

interface CardProps {
  readonly account: MailAccount
  readonly providers: readonly OfferedProvider[]
  readonly now: Date
}

export const MailboxBadge = ({ account }: { account: MailAccount }) => (
  <Badge tone={statusWords[account.status].tone}>
    <span class="sr-only">Status: </span>
    {statusWords[account.status].label}
  </Badge>
)

export function providerName(account: MailAccount, providers: readonly OfferedProvider[]): string {
  return providers.find(({ code }) => code === account.provider)?.name ?? account.provider
}

/** What somebody should know or do about it, in a sentence or two. */
export const MailboxAdvice = ({ account }: { account: MailAccount }) => {
  const { advice, tone } = statusWords[account.status]
  const missing = account.status === 'disconnected' ? [] : permissionWords(account.missingScopes)
  return (
    <>
      {advice === null ? null : <p class={`advice ${tone}`}>{advice}</p>}
      {missing.length === 0 ? null : (
        <p class="advice warn">
          Permission to {inSentence(missing)} was not given. To grant it, reconnect and leave its box ticked.
        </p>
      )}
    </>
  )
}

export const MailboxFacts = ({ account, now }: CardProps) => {
  const isConnected = account.status !== 'disconnected'
  return (
    <dl class="facts">
      <Fact name="Permissions">{isConnected ? <Permissions account={account} /> : 'None'}</Fact>
      {account.expiresAt === null ? null : (
        <Fact name={account.expiresAt > now ? 'Token ends' : 'Token ended'}>
          <Moment at={account.expiresAt} now={now} />
        </Fact>
      )}
      {isConnected ? (
        <Fact name="Last renewed">
          {account.lastRefreshedAt === null ? 'Not yet' : <Moment at={account.lastRefreshedAt} now={now} />}
        </Fact>
      ) : null}
      {account.refreshTokenExpiresAt === null ? null : (
        <Fact name="Access ends on">
          <Day at={account.refreshTokenExpiresAt} />
        </Fact>
      )}
    </dl>
  )
}

const Permissions = ({ account }: { account: MailAccount }) => (
  <ul class="permissions">
    {permissionWords(account.grantedScopes).map((words) => (
      <li class="granted">
        <CheckMark />
        {words}
      </li>
    ))}
    {permissionWords(account.missingScopes).map((words) => (
      <li class="missing">
        <CrossMark />
        {words}
        <span>(missing)</span>
      </li>
    ))}
  </ul>
)

/** Reconnecting is a link (it leads to the provider); disconnecting asks first, on a page of its own. */
export const MailboxActions = ({ account, providers }: Omit<CardProps, 'now'>) => {
  const isOffered = providers.some(({ code, hasMail }) => code === account.provider && hasMail)
  const needsIt = account.status === 'needs_reauthorization' || account.missingScopes.length > 0
  return (
    <div class="actions">
      {isOffered ? (
        <a class={needsIt ? 'button primary' : 'button'} href={reconnectPath(account.provider, account.id)}>
          Reconnect<span class="sr-only"> {account.email}</span>
        </a>
      ) : null}
      {account.status === 'disconnected' ? null : (
        <a class="button danger" href={`/mailboxes/${account.id}/disconnect`}>
          Disconnect<span class="sr-only"> {account.email}</span>
        </a>
      )}
    </div>
  )
}

/** What support asks for. */
export const MailboxDetails = ({ account, now }: Omit<CardProps, 'providers'>) => (
  <dl class="facts">
    <Fact name="Mailbox id">
      <code class="id">{account.id}</code>
    </Fact>
    <Fact name="Connected">
      <Moment at={account.createdAt} now={now} />
    </Fact>
    {account.grantedScopes.length === 0 ? null : (
      <Fact name="Granted by the provider" isWide>
        <ul class="scopes">
          {account.grantedScopes.map((scope) => (
            <li>
              <code class="id">{scope}</code>
            </li>
          ))}
        </ul>
      </Fact>
    )}
    {account.lastError === null ? null : (
      <Fact name="Last error">
        <code class="id">{account.lastError}</code>
      </Fact>
    )}
  </dl>
)
