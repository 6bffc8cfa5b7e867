// What was measured of mail, as it is read: its lines with their budgets, the searches, the plans; a section of
// docs/performance.md that stands for itself.
import { fixed, type Line, mark, mib, table } from './figures.ts'
import { listPath, type MailResults, searchPath } from './mail.ts'
import { farawayMs } from './wire.ts'

export const mailHeading = '## Mail'

/** DESIGN section 9. */
const rateBudgets = new Map<string, number>([
  [listPath, 0.8],
  [searchPath, 0.8],
])
const farawayBudget = 1.05
const tripBudgets = new Map<string, number>([
  [listPath, 1],
  ['mail threads', 1],
  [searchPath, 1],
  ['mail search, by relevance', 1],
])
const tripsAPage = 2

export function mailLines(mail: MailResults): Line[] {
  return [...rateLines(mail), ...tripLines(mail), ...syncLines(mail), ...planLines(mail)]
}

function rateLines({ groups, faraway }: MailResults): Line[] {
  const rates = groups.flatMap(([control, ...others]) =>
    others.map((one): Line => {
      const budget = rateBudgets.get(one.name)
      return {
        path: `${one.name}: rate`,
        measured: `${fixed(one.ratio)} of ${control?.name} (${one.rate.toFixed(0)}/s, p50 ${fixed(one.p50, 1)} ms, p99 ${fixed(one.p99, 1)} ms; workerd ${fixed(one.workerCpu)} ms, PostgreSQL ${fixed(one.databaseCpu)} ms)`,
        budget: budget === undefined ? 'none' : `≥ ${budget}`,
        isKept: budget === undefined ? null : one.ratio >= budget,
      }
    }),
  )
  const times = faraway.slice(1).map(
    (one): Line => ({
      path: `${one.name}: time, database ${farawayMs} ms away`,
      measured: `${one.timeRatio.toFixed(3)} of one query`,
      budget: `≤ ${farawayBudget}`,
      isKept: one.timeRatio <= farawayBudget,
    }),
  )
  return [...rates, ...times]
}

function tripLines({ counted, sends }: MailResults): Line[] {
  const requests = counted.map(({ name, trips, connections }): Line => {
    const budget = tripBudgets.get(name) ?? null
    return {
      path: `${name}: round trips`,
      measured: `${trips} (${connections} connection${connections === 1 ? '' : 's'})`,
      budget: budget === null ? 'none' : `${budget}`,
      isKept: budget === null ? null : trips <= budget && connections <= 1,
    }
  })
  return [
    ...requests,
    {
      path: 'send, by the queue',
      measured: `${fixed(sends.messagesPerSecond, 0)} messages/s, ${fixed(sends.tripsPerMessage)} round trips each (${sends.messages} messages, one consumer)`,
      budget: 'none',
      isKept: null,
    },
  ]
}

function syncLines({ syncs, syncTrips, smallHeap }: MailResults): Line[] {
  const runs = syncs.flatMap((run): Line[] => {
    const peak = run.peakBytes === null || run.emptyBytes === null ? null : run.peakBytes - run.emptyBytes
    const name = `sync of ${run.messages} messages`
    return [
      {
        path: name,
        measured: `${fixed(run.messagesPerSecond, 0)} messages/s (${run.providerCalls} calls of the provider, ${mib(run.providerBytes)} from it, ${run.deliveries} messages of the queue; workerd ${fixed(run.workerCpu)} ms and PostgreSQL ${fixed(run.databaseCpu)} ms a message)`,
        budget: 'none',
        isKept: null,
      },
      {
        path: `${name}: peak`,
        measured: `${mib(peak)} over an empty Worker (${mib(run.peakBytes)} in all)`,
        budget: 'none (mostly garbage)',
        isKept: null,
      },
    ]
  })
  const emptyBytes = syncs[0]?.emptyBytes ?? null
  const smallPeak = smallHeap.peakBytes === null || emptyBytes === null ? null : smallHeap.peakBytes - emptyBytes
  return [
    ...runs,
    {
      path: `sync of ${smallHeap.messages} messages with a heap of ${smallHeap.heapMegabytes} MB: peak`,
      measured: smallHeap.isDone ? `${mib(smallPeak)} over an empty Worker` : 'it failed',
      budget: '< 128 MB',
      isKept: smallHeap.isDone ? (smallPeak === null ? null : smallPeak < 128 * 1_048_576) : false,
    },
    {
      path: 'sync: round trips a page of 50',
      measured: `${fixed(syncTrips.perPage)} (beside ${syncTrips.besides} of the whole walk)`,
      budget: `≤ ${tripsAPage}`,
      isKept: syncTrips.perPage <= tripsAPage,
    },
  ]
}

/** Kept where every statement goes by the indexes it should. */
function planLines({ plans }: MailResults): Line[] {
  const astray = plans.filter(({ isByIndex }) => !isByIndex)
  return [
    {
      path: 'lists and searches go by their indexes',
      measured: astray.length === 0 ? `all ${plans.length}` : `not: ${astray.map(({ kind }) => kind).join(', ')}`,
      budget: 'all',
      isKept: astray.length === 0,
    },
  ]
}

export function mailTable(mail: MailResults): string {
  return table(
    ['path', 'measured', 'budget', ''],
    mailLines(mail).map((line) => [line.path, line.measured, line.budget, mark(line)]),
  )
}

export function searchTable({ searches, plans }: MailResults): string {
  return table(
    ['asked', 'p50 ms', 'p99 ms', 'p50, eight at once', 'p99', 'a second', 'found', 'PostgreSQL ms', 'indexes'],
    searches.map(({ name, alone, eight, items }) => {
      const plan = plans.find(({ kind }) => kind === name)
      return [
        name,
        ...[alone.p50, alone.p99, eight.p50, eight.p99].map((ms) => fixed(ms, 1)),
        ...[eight.rate.toFixed(0), items.toFixed(0), fixed(plan?.executionMs ?? null, 1)],
        plan?.indexes.filter((index) => /^emails_(search|sent|thread|head)_ix$/.test(index)).join(', ') || 'none',
      ]
    }),
  )
}

/** The section, its heading included. */
export function mailSection(mail: MailResults): string {
  const { stored } = mail
  return `${mailHeading}

Of ${mail.isQuick ? 'a quick run (read it as a hint)' : 'a full run'} on ${mail.date}: ${stored.messages} stored messages of ${stored.mailboxes} mailboxes, the largest of ${stored.largest} (${mib(stored.tableBytes)} with
their texts, the word index ${mib(stored.indexBytes)}).

${mailTable(mail)}

### Searches

${searchTable(mail)}

Over HTTP, the answer's JSON included; the mailboxes take turns. "Found" is what stood on the first page (50 at most);
\`PostgreSQL ms\` is the statement's own time under its generic plan.

- Messages are spread over all mailboxes in order of their date, as they arrive in life: those of one mailbox lie on pages
  of their own each. Their words are as unevenly common as those of real mail: the most common stands in nearly every
  message, a rare one in a few of a mailbox.
- **list**: walked along \`emails_sent_ix\`, no further than the page. Beside the one query it reads, names the labels of
  and answers fifty messages, some 40 KB of JSON.
- **search**: first the newest four pages along the dates, where a common word fills the page at once; then the word
  index. The mailbox is a word of its messages, so the index itself keeps to the mailbox; what grows is the number of its
  messages that match, since they are put in order of their date before the first of them is shown. By **relevance** the
  newest 2,000 that match are ranked, each by its whole text. A **substring** is no word: every message of the mailbox is
  looked at. A **prefix** is looked up among the words of all mailboxes.
- **sync**: Gmail is a stub that writes prepared answers (40 KB a message on average, one in a hundred 1 MB of HTML), so
  the time is the Worker's and PostgreSQL's; from a real Gmail its quota lets through 300 messages a minute and mailbox.
  The peak is that of a process that did nothing else. Most of it is garbage that V8 leaves lying until its heap of 128 MB
  is full, with buffers beside it; what a sync needs shows with a smaller heap, where memory levels off after the first pages.
- **send**: taken in is one trip beside one insert; the queue's consumer sends to a provider that answers at once.`
}

/** `page` with this section in place of the one it has, or before the bundle's. */
export function withMailSection(page: string, mail: MailResults): string {
  const start = page.indexOf(`\n${mailHeading}\n`)
  const end = start < 0 ? page.indexOf('\n## The bundle\n') : page.indexOf('\n## ', start + 1)
  if (end < 0) throw new Error('the page has another form than ours: make a full run first')
  return `${page.slice(0, (start < 0 ? end : start) + 1)}${mailSection(mail)}\n${page.slice(end)}`
}
