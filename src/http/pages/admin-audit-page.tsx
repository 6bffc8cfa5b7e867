// `/admin/audit`: who did what to whom, newest first, by actor, action and day. It only reads.

import { deviceName } from '../../auth/devices.ts'
import { whoAmI } from '../../auth/sessions.ts'
import { type AuditEntry, type AuditFilter, auditActions, listAuditTrail } from '../../ops/audit-trail.ts'
import { type AppContext, originOf } from '../context.ts'
import { presentList, readCursor, uuid } from '../routes/shapes.ts'
import {
  Cell,
  FilterActions,
  NextPage,
  RecordName,
  RecordRow,
  Records,
  readFilter,
  showAdminPage,
} from './admin-frame.tsx'
import { Field, type Problems, RefusedNotice } from './form-fields.tsx'
import { Badge, Moment, type Tone } from './parts.tsx'
import { requireClaim } from './signed-in.ts'

const entriesAPage = 50
const path = '/admin/audit'

/** As they were typed. */
interface Typed {
  readonly actor: string
  readonly action: string
  readonly after: string
}

/** GET /admin/audit `?actor=&action=&after=&cursor=` */
export async function adminAuditPage(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const typed = { actor: readFilter(c, 'actor'), action: readFilter(c, 'action'), after: readFilter(c, 'after') }
  const { filter, problems } = parseFilter(typed)
  const hasProblems = Object.keys(problems).length > 0
  const page = { before: readCursor(c.req.query('cursor')), limit: entriesAPage + 1 }
  // Asked even then: it says whether this page is for whoever asks.
  const [me, rows] = await Promise.all([
    whoAmI(deps.db, claim),
    listAuditTrail(deps.db, claim, filter, page, originOf(c)),
  ])
  const { items, next_cursor } = presentList(hasProblems ? [] : rows, entriesAPage, (row) => row)
  const isFiltered = Object.values(typed).some((value) => value !== '')
  const refused = { status: 422, code: 'invalid_input', problems, retryAfterSeconds: null } as const
  return showAdminPage(
    c,
    { title: 'Audit trail', me, path, status: hasProblems ? 422 : 200 },
    <>
      <RefusedNotice refused={hasProblems ? refused : null} title="This filter does not work" />
      <div class="page-head">
        <div>
          <h1>Audit trail</h1>
          <p class="soft">
            What was done, by whom, to whom. It cannot be changed. Addresses and devices are blanked after 90 days.
          </p>
        </div>
      </div>
      <Filters typed={typed} problems={problems} isFiltered={isFiltered} />
      {items.length === 0 ? (
        <p class="card empty soft">{isFiltered ? 'Nothing fits this filter.' : 'Nothing yet.'}</p>
      ) : (
        <TrailTable entries={items} now={deps.clock()} />
      )}
      <NextPage path={path} query={{ ...typed }} cursor={next_cursor} />
    </>,
  )
}

/** What the verb takes; where something is wrong, a sentence a field. A day begins at midnight, UTC. */
function parseFilter(typed: Typed): { filter: AuditFilter; problems: Problems } {
  const problems: Record<string, string> = {}
  const actor = uuid.safeParse(typed.actor)
  if (typed.actor !== '' && !actor.success) problems.actor = 'This is no user id. Leave it empty for everybody.'
  const action = auditActions.find((known) => known === typed.action) ?? null
  if (typed.action !== '' && action === null) problems.action = 'There is no such action.'
  const after = /^\d{4}-\d\d-\d\d$/.test(typed.after) ? new Date(`${typed.after}T00:00:00Z`) : null
  const isDay = after !== null && !Number.isNaN(after.getTime())
  if (typed.after !== '' && !isDay) problems.after = 'This is no date. Leave it empty for all of the trail.'
  return {
    filter: { actor: actor.success ? actor.data : null, action, after: isDay ? after : null },
    problems,
  }
}

const Filters = ({ typed, problems, isFiltered }: { typed: Typed; problems: Problems; isFiltered: boolean }) => (
  <search>
    <form method="get" action={path} class="filters">
      <Field
        name="actor"
        label="By user id"
        idPrefix="filter"
        value={typed.actor}
        presence="optional"
        maxlength={36}
        problems={problems}
      />
      <div class="field">
        <label for="filter-action">Action</label>
        <select id="filter-action" name="action">
          <option value="">Every action</option>
          {auditActions.toSorted().map((action) => (
            <option value={action} selected={action === typed.action}>
              {actionWords(action)}
            </option>
          ))}
        </select>
      </div>
      <div class="field">
        <label for="filter-after">From this day on</label>
        <input id="filter-after" name="after" type="date" value={typed.after} />
        {problems.after === undefined ? null : <p class="field-problem">{problems.after}</p>}
      </div>
      <FilterActions path={path} label="Show" isFiltered={isFiltered} />
    </form>
  </search>
)

/** `mail_account.needs_reauthorization` → `Mail account: needs reauthorization`. */
export function actionWords(action: string): string {
  const words = action.replaceAll('_', ' ').replace('.', ': ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

const outcomes: Readonly<Record<AuditEntry['outcome'], { tone: Tone; label: string }>> = {
  success: { tone: 'good', label: 'Done' },
  refused: { tone: 'warn', label: 'Refused' },
  failure: { tone: 'bad', label: 'Failed' },
}

const columns = ['What', 'Outcome', 'By', 'About', 'From', 'When'] as const

const TrailTable = ({ entries, now }: { entries: readonly AuditEntry[]; now: Date }) => (
  <Records caption="Audit trail, newest first" columns={columns}>
    {entries.map((entry) => (
      <RecordRow>
        <RecordName>
          {actionWords(entry.action)}
          <EventDetails event={entry.event} />
        </RecordName>
        <Cell name="Outcome">
          <Badge tone={outcomes[entry.outcome].tone}>{outcomes[entry.outcome].label}</Badge>
        </Cell>
        <Cell name="By">
          {entry.actorUserId === null ? (
            <span class="soft">Nobody known</span>
          ) : (
            <a href={`/admin/users/${entry.actorUserId}`}>
              <code class="id">{entry.actorUserId}</code>
            </a>
          )}
        </Cell>
        <Cell name="About">
          {entry.subjectId === null ? <span class="soft">Nothing</span> : <code class="id">{entry.subjectId}</code>}
        </Cell>
        <Cell name="From">
          {entry.ipAddress === null && entry.userAgent === null ? (
            <span class="soft">Not kept</span>
          ) : (
            <>
              {entry.ipAddress === null ? null : <code class="id">{entry.ipAddress}</code>}
              {entry.userAgent === null ? null : <span class="moment">{deviceName(entry.userAgent)}</span>}
            </>
          )}
        </Cell>
        <Cell name="When">
          <Moment at={entry.createdAt} now={now} />
        </Cell>
      </RecordRow>
    ))}
  </Records>
)

/** Ids and codes only, as the trail has them. */
const EventDetails = ({ event }: { event: AuditEntry['event'] }) => {
  const told = Object.entries(event).filter(([, value]) => value !== null)
  return told.length === 0 ? null : (
    <span class="moment">
      {told.map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`).join(', ')}
    </span>
  )
}
