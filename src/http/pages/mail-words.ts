// Mail in people's words: names, sizes, times, folders, what a label is called. Pure.

/** A person as a message names them. */
export interface Person {
  /** Empty where none came with the address. */
  readonly name: string
  readonly address: string
}

export const inboxPath = '/inbox'

/** What a link of the inbox asks for; `null` and the empty text leave a field out. */
export type InboxQuery = Readonly<Record<string, string | null>>

export function inboxLink(query: InboxQuery): string {
  const fields = Object.entries(query).filter((field): field is [string, string] => (field[1] ?? '') !== '')
  return fields.length === 0 ? inboxPath : `${inboxPath}?${new URLSearchParams(fields)}`
}

/** A conversation without what of it lies in spam or trash, or with it. */
export function threadLink(threadId: string, what: 'kept' | 'anywhere'): string {
  return `${inboxPath}/threads/${threadId}${what === 'anywhere' ? '?in=anywhere' : ''}`
}

/** `Ada Lovelace`, or the address where no name came with it. */
export function personName({ name, address }: Person): string {
  return name.trim() === '' ? address : name
}

/** `Ada Lovelace <ada@example.com>`. */
export function personInFull(person: Person): string {
  const name = personName(person)
  return name === person.address ? name : `${name} <${person.address}>`
}

/** Whoever takes part in a thread, as a list shows it: up to three names, the first of each where there are several. */
export function participantWords(people: readonly Person[], ownAddresses: readonly string[]): string {
  const own = new Set(ownAddresses.map((address) => address.toLowerCase()))
  const names = people.map((person) => (own.has(person.address.toLowerCase()) ? 'me' : personName(person)))
  const [only, ...others] = [...new Set(names)]
  if (only === undefined) return 'Nobody'
  if (others.length === 0) return only
  return [only, ...others].slice(0, 3).map(shortName).join(', ')
}

function shortName(name: string): string {
  if (name.includes('@')) return name.split('@')[0] ?? name
  return name.split(' ')[0] ?? name
}

const sizes: readonly [string, number][] = [
  ['MB', 1_000_000],
  ['KB', 1_000],
]

/** `1.2 MB`, `340 KB`, `18 bytes`. */
export function sizeWords(bytes: number): string {
  for (const [unit, size] of sizes) {
    if (bytes < size) continue
    const amount = bytes / size
    return `${amount < 10 ? amount.toFixed(1).replace(/\.0$/, '') : String(Math.round(amount))} ${unit}`
  }
  return bytes === 1 ? '1 byte' : `${bytes} bytes`
}

const sameDay = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone: 'UTC' })
const sameYear = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })
const anyYear = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' })
const inFull = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })

/** As short as it can be told apart: `14:05` of today, `30 Nov` of this year, `30 Nov 2025`. All in UTC. */
export function shortTime(at: Date, now: Date): string {
  const [day, today] = [at.toISOString().slice(0, 10), now.toISOString().slice(0, 10)]
  if (day === today) return sameDay.format(at)
  return (day.slice(0, 4) === today.slice(0, 4) ? sameYear : anyYear).format(at)
}

/** `30 Nov 2026, 14:05 UTC`. */
export function fullTime(at: Date): string {
  return `${inFull.format(at)} UTC`
}

export interface Folder {
  readonly id: string
  readonly name: string
  /** The label that its messages have; null: all but spam and trash. */
  readonly label: string | null
  /** Said where nothing is in it. */
  readonly empty: string
}

export const folders = [
  { id: 'inbox', name: 'Inbox', label: 'INBOX', empty: 'Nothing in the inbox' },
  { id: 'starred', name: 'Starred', label: 'STARRED', empty: 'Nothing is starred' },
  { id: 'sent', name: 'Sent', label: 'SENT', empty: 'Nothing was sent' },
  { id: 'all', name: 'All mail', label: null, empty: 'No mail here' },
  { id: 'spam', name: 'Spam', label: 'SPAM', empty: 'No spam' },
  { id: 'trash', name: 'Trash', label: 'TRASH', empty: 'Nothing in the trash' },
] as const satisfies readonly Folder[]

const systemLabel = /^(INBOX|UNREAD|SENT|DRAFT|IMPORTANT|STARRED|SPAM|TRASH|CHAT|CATEGORY_\w+|[A-Z]+_STAR)$/

const placeWords: Readonly<Record<string, string>> = {
  SENT: 'Sent',
  DRAFT: 'Draft',
  STARRED: 'Starred',
  SPAM: 'Spam',
  TRASH: 'Trash',
}

/** `1 message of this conversation is in the trash.` Null where none is left out. */
export function asideWords({ spam, trash }: { readonly spam: number; readonly trash: number }): string | null {
  const count = spam + trash
  if (count === 0) return null
  const place = spam === 0 ? 'in the trash' : trash === 0 ? 'in spam' : 'in spam or in the trash'
  return `${count === 1 ? '1 message of this conversation is' : `${count} messages of this conversation are`} ${place}.`
}

/** Labels worth a chip: the person's own, and where else a message lies than where it is looked at. */
export function chipsOf(labels: readonly string[], here: string | null): string[] {
  return labels.flatMap((label) => {
    if (!systemLabel.test(label)) return [label]
    const words = placeWords[label]
    return words === undefined || label === here || label === 'SENT' ? [] : [words]
  })
}

/** A label as the search language takes it: `Work/Bills` is `label:work-bills`. */
export function labelSearch(label: string): string {
  const folded = label.toLowerCase().replaceAll(/[\s/]+/g, '-')
  return /^[\p{L}\p{N}_.-]+$/u.test(folded) ? `label:${folded}` : `label:"${folded.replaceAll('"', '')}"`
}

/** `file` where a file has no name. */
export function fileName(filename: string): string {
  return filename.trim() === '' ? 'Unnamed file' : filename
}
