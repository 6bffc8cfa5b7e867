// `/admin/mailboxes`: everybody's mailboxes by state, how refreshing goes, and the list itself. It only reads.

import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import type { OverviewMailbox } from '../../ops/mailbox-overview.sql.ts'
import { listMailboxOverview, type MailboxFilter, mailboxStatuses } from '../../ops/mailbox-overview.ts'
import { type RefreshHealth, readRefreshHealth } from '../../ops/refresh-health.ts'
import { type AppContext, originOf } from '../context.ts'
import { presentList, readCursor, uuid } from '../routes/shapes.ts'
import { Cell, NextPage, RecordName, RecordRow, Records, readFilter, showAdminPage, withQuery } from './admin-frame.tsx'
import { statusWords } from './mailbox-words.ts'
import { Badge, Moment, Notice, relativeWords } from './parts.tsx'
import { type OfferedProvider, offeredProviders } from './provider-links.tsx'
import { Health } from './refresh-health-cards.tsx'
import { requireClaim } from './signed-in.ts'

const mailboxesAPage = 25
const path = '/admin/mailboxes'
const whole = new Intl.NumberFormat('en')

/** GET /admin/mailboxes `?status=&user=&cursor=` */
export async function adminMailboxesPage(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const filter = filterOf(c)
  const origin = originOf(c)
  const page = { before: readCursor(c.req.query('cursor')), limit: mailboxesAPage + 1 }
  // The health statement speaks for all three: where it refuses, it has told the audit trail, and once is enough.
  const me = await whoAmI(deps.db, claim)
  const health = await readRefreshHealth(deps.db, claim, origin)
  const rows = await listMailboxOverview(deps.db, claim, filter, page, origin)
  const { items, next_cursor } = presentList(rows, mailboxesAPage, (row) => row)
  const now = deps.clock()
  const providers = offeredProviders(deps)
  const query = queryOf(filter)
  return showAdminPage(
    c,
    { title: 'All mailboxes', me, path },
    <>
      <div class="page-head">
        <div>
          <h1>Mailboxes</h1>
          <p class="soft">Everybody’s, and how their tokens are kept fresh.</p>
        </div>
      </div>
      <Circuits health={health} providers={providers} now={now} />
      <States health={health} filter={filter} providers={providers} />
      <Health health={health} now={now} />
      <section class="listing" aria-labelledby="list-title" id="list">
        <h2 id="list-title">{listTitle(filter)}</h2>
        {filter.by === 'nothing' ? null : (
          <p>
            <a href={`${path}#list`}>Show all mailboxes</a>
          </p>
        )}
        {items.length === 0 ? (
          <p class="card empty soft">{filter.by === 'nothing' ? 'Nobody has connected one yet.' : 'None.'}</p>
        ) : (
          <MailboxTable mailboxes={items} providers={providers} now={now} />
        )}
        <NextPage path={path} query={query} cursor={next_cursor} />
      </section>
    </>,
  )
}

/** Throws 422 for a state or user id that cannot be one. */
function filterOf(c: AppContext): MailboxFilter {
  const status = readFilter(c, 'status')
  const user = readFilter(c, 'user')
  if (user !== '') {
    const ownerId = uuid.safeParse(user)
    if (!ownerId.success) throw new AppError('invalid_input', { errors: [{ path: 'user', message: 'is no user id' }] })
    return { by: 'owner', ownerId: ownerId.data }
  }
  if (status === '') return { by: 'nothing' }
  const known = mailboxStatuses.find((code) => code === status)
  if (known === undefined) throw new AppError('invalid_input', { errors: [{ path: 'status', message: 'is no state' }] })
  return { by: 'status', status: known }
}

function queryOf(filter: MailboxFilter): Record<string, string> {
  if (filter.by === 'nothing') return {}
  return filter.by === 'owner' ? { user: filter.ownerId } : { status: filter.status }
}

function listTitle(filter: MailboxFilter): string {
  if (filter.by === 'nothing') return 'All mailboxes'
  return filter.by === 'owner'
    ? 'Mailboxes of one user'
    : `Mailboxes: ${statusWords[filter.status].label.toLowerCase()}`
}

type WithProviders = { readonly providers: readonly OfferedProvider[] }

const nameOf = (code: string, { providers }: WithProviders): string =>
  providers.find((provider) => provider.code === code)?.name ?? code

const Circuits = ({ health, providers, now }: WithProviders & { health: RefreshHealth; now: Date }) => (
  <>
    {health.circuits.map(({ provider, openUntil }) => (
      <Notice tone="bad" title={`${nameOf(provider, { providers })} refuses our own settings`}>
        <p>
          Renewing its tokens is paused after several configuration errors within a minute; no mailbox was marked.{' '}
          {openUntil === null || openUntil <= now ? 'One mailbox is tried next.' : 'It is tried again '}
          {openUntil === null || openUntil <= now ? null : <Moment at={openUntil} now={now} />}
        </p>
      </Notice>
    ))}
  </>
)

const States = ({ health, filter, providers }: WithProviders & { health: RefreshHealth; filter: MailboxFilter }) => (
  <section aria-labelledby="states-title">
    <h2 id="states-title" class="sr-only">
      By state
    </h2>
    <ul class="tiles">
      {mailboxStatuses.map((status) => {
        const counted = health.states.filter((state) => state.status === status)
        const total = counted.reduce((sum, { count }) => sum + count, 0)
        return (
          <li>
            <a
              class={`card tile ${statusWords[status].tone}`}
              href={`${withQuery(path, { status })}#list`}
              aria-current={filter.by === 'status' && filter.status === status ? 'true' : undefined}
            >
              <span class="tile-name">{statusWords[status].label}</span>
              <strong class="tile-figure">{whole.format(total)}</strong>
              <span class="tile-parts">
                {counted
                  .map(({ provider, count }) => `${nameOf(provider, { providers })} ${whole.format(count)}`)
                  .join(', ')}
              </span>
            </a>
          </li>
        )
      })}
    </ul>
    {health.areStatesCapped ? <p class="hint">There are more: this page counts the first million.</p> : null}
  </section>
)

const columns = ['Mailbox', 'Owner', 'State', 'Last renewed', 'Last error'] as const

const MailboxTable = ({
  mailboxes,
  providers,
  now,
}: WithProviders & { mailboxes: readonly OverviewMailbox[]; now: Date }) => (
  <Records caption="Mailboxes, newest first" columns={columns}>
    {mailboxes.map((mailbox) => (
      <RecordRow>
        <RecordName>
          <span class="address">{mailbox.email}</span>
          <span class="moment">{nameOf(mailbox.provider, { providers })}</span>
        </RecordName>
        <Cell name="Owner">
          <a class="address" href={`/admin/users/${mailbox.ownerId}`}>
            {mailbox.ownerEmail}
          </a>
          {mailbox.isOwnerActive ? null : <span class="moment">disabled</span>}
        </Cell>
        <Cell name="State">
          <Badge tone={statusWords[mailbox.status].tone}>{statusWords[mailbox.status].label}</Badge>
          <span class="moment">
            changed <time datetime={mailbox.statusSince.toISOString()}>{relativeWords(mailbox.statusSince, now)}</time>
          </span>
        </Cell>
        <Cell name="Last renewed">
          {mailbox.lastRefreshedAt === null ? (
            <span class="soft">Not yet</span>
          ) : (
            <Moment at={mailbox.lastRefreshedAt} now={now} />
          )}
        </Cell>
        <Cell name="Last error">
          {mailbox.lastError === null ? <span class="soft">None</span> : <code class="id">{mailbox.lastError}</code>}
          {mailbox.failureCount === 0 ? null : (
            <span class="moment">
              {mailbox.failureCount === 1 ? 'one failure' : `${whole.format(mailbox.failureCount)} failures in a row`}
            </span>
          )}
        </Cell>
      </RecordRow>
    ))}
  </Records>
)
