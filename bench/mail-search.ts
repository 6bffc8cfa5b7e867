// Searches over a million stored messages, one kind after the other: how long each takes over HTTP, alone and with eight
// at once, the mailboxes taking turns.
import { httpRequest, load, type Shooter } from './load.ts'
import { correspondent, vocabulary } from './mail-words.ts'
import type { SignedIn } from './seed.ts'
import type { Workerd } from './workerd.ts'

export interface SearchKind {
  readonly name: string
  readonly path: 'emails' | 'emails/threads'
  readonly query: Readonly<Record<string, string>>
  /** Asked of the largest mailbox alone. */
  readonly isOfLargest?: boolean
}

export interface SearchTimes {
  readonly name: string
  /** Milliseconds, one at a time and eight at once. */
  readonly alone: { readonly p50: number; readonly p99: number }
  readonly eight: { readonly p50: number; readonly p99: number; readonly rate: number }
  /** Items on the first page, on average. */
  readonly items: number
}

const word = (rank: number): string => vocabulary[rank] ?? ''
const sender = correspondent(0)
const given = sender.address.split('@')[0] ?? ''

// By how common a word is: the first is in nearly every message, the 1,500th in a few of a mailbox of a thousand.
const common = word(0)
const rare = word(1_500)
const inFives = word(10)

const emails = (name: string, q: string, query: Readonly<Record<string, string>> = {}): SearchKind => ({
  name,
  path: 'emails',
  query: { q, ...query },
})

/** Named as in the issue; the last ones by what is apt to be slow. */
export const searchKinds: readonly SearchKind[] = [
  { name: 'list, no search', path: 'emails', query: {} },
  { name: 'threads, no search', path: 'emails/threads', query: {} },
  emails('one rare word', rare),
  emails('one common word', common),
  emails('two words', `${word(20)} ${word(30)}`),
  emails('phrase', `"${word(2)} ${word(3)}"`),
  emails('from:', `from:${given}`),
  emails('is:unread and a word', `is:unread ${inFives}`),
  emails('label:', 'label:work'),
  emails('negation', `${inFives} -${word(1)}`),
  emails('OR', `${word(100)} OR ${word(200)}`),
  emails('prefix', `${word(400).slice(0, 3)}*`),
  emails('substring', `*${word(600).slice(1)}*`),
  emails('larger: and a span of dates', 'larger:300K newer_than:1y'),
  emails('by relevance, rare word', rare, { sort: 'relevance' }),
  emails('by relevance, common word', common, { sort: 'relevance' }),
  { name: 'threads, a word', path: 'emails/threads', query: { q: inFives } },
  { ...emails('largest mailbox: rare word', rare), isOfLargest: true },
  { ...emails('largest mailbox: common word', common), isOfLargest: true },
  { ...emails('largest mailbox: substring', `*${word(600).slice(1)}*`), isOfLargest: true },
  { ...emails('largest mailbox: by relevance, common word', common, { sort: 'relevance' }), isOfLargest: true },
  { name: 'largest mailbox: threads, common word', path: 'emails/threads', query: { q: common }, isOfLargest: true },
]

/** @param owners the first one's mailbox is the largest */
export function searchShooter(kind: SearchKind, owners: readonly SignedIn[], take?: (body: string) => void): Shooter {
  const path = `/api/v1/${kind.path}?${new URLSearchParams(kind.query)}`
  const asking = kind.isOfLargest === true ? owners.slice(0, 1) : owners.slice(1)
  const requests = asking.map(({ bearer }) => httpRequest({ path, headers: { Authorization: `Bearer ${bearer}` } }))
  let at = 0
  return () => ({
    request: requests[at++ % requests.length] ?? '',
    expect: 200,
    ...(take === undefined ? {} : { take: ({ body }) => take(body) }),
  })
}

/** `requests` of each kind one at a time, then as many eight at once, or as many as `seconds` allow; a few to warm up. */
export async function measureSearches(
  worker: Workerd,
  owners: readonly SignedIn[],
  { requests, seconds }: { readonly requests: number; readonly seconds: number },
): Promise<SearchTimes[]> {
  const times: SearchTimes[] = []
  for (const kind of searchKinds) {
    let items = 0
    const shooter = searchShooter(kind, owners, (body) => {
      items += (JSON.parse(body) as { items: unknown[] }).items.length
    })
    const run = (count: number, lanes: number): ReturnType<typeof load> => {
      let left = count
      return load(worker.port, (lane) => (left-- > 0 ? shooter(lane) : null), { lanes, seconds })
    }
    await run(Math.ceil(requests / 20), 4)
    items = 0
    const alone = await run(requests, 1)
    const eight = await run(requests, 8)
    times.push({ name: kind.name, alone, eight, items: items / (alone.count + eight.count) })
  }
  return times
}
