// What one operator of a search asks of a message. Dates are days at 00:00 UTC; `after:` includes its day, `before:`
// does not.
import { sizeOf } from './payload.ts'
import { containsWords, documentOf, type SearchDocument, type Words, wordsOf } from './search-words.ts'
import type { Mailbox, Message } from './store.ts'

export interface SearchContext {
  readonly mailbox: Mailbox
  /** Milliseconds. */
  readonly now: number
}

export interface Clause {
  readonly operator: string | null
  readonly value: string
  matches(message: Message, context: SearchContext): boolean
}

type Test = (message: Message, context: SearchContext) => boolean

const never: Test = () => false
const hasLabel =
  (label: string): Test =>
  (message) =>
    message.labelIds.has(label)

/** @returns null where nothing is asked */
export function clauseOf(operator: string | null, value: string, isQuoted: boolean): Clause | null {
  const make = operator !== null && Object.hasOwn(operators, operator) ? operators[operator] : undefined
  if (make === undefined) {
    // An operator that is none is words: `http://example.com`.
    const words = wordsOf(operator === null ? value : `${operator} ${value}`)
    if (words.list.length === 0) return null
    return { operator: null, value, matches: (message) => anyField(documentOf(message), words) }
  }
  if (value === '' && !isQuoted) return null
  return { operator, value, matches: make(value) }
}

function anyField(document: SearchDocument, words: Words): boolean {
  const { from, to, cc, bcc, subject, body, filenames } = document
  return [subject, from, to, cc, bcc, body, ...filenames].some((text) => containsWords(text, words))
}

function inField(field: (document: SearchDocument) => Words): (value: string) => Test {
  return (value) => {
    const words = wordsOf(value)
    return (message) => containsWords(field(documentOf(message)), words)
  }
}

/** As `inField`; `me` is the mailbox's own address. */
function person(field: (document: SearchDocument) => Words): (value: string) => Test {
  return (value) => {
    if (value.toLowerCase() !== 'me') return inField(field)(value)
    return (message, { mailbox }) => containsWords(field(documentOf(message)), wordsOf(mailbox.email))
  }
}

const operators: Readonly<Record<string, (value: string) => Test>> = {
  from: person((it) => it.from),
  to: person((it) => it.to),
  cc: person((it) => it.cc),
  bcc: person((it) => it.bcc),
  subject: inField((it) => it.subject),
  list: inField((it) => it.list),
  deliveredto: inField((it) => it.deliveredTo),
  filename: (value) => {
    const words = wordsOf(value)
    return (message) => documentOf(message).filenames.some((name) => containsWords(name, words))
  },
  label: labelled,
  in: place,
  is: state,
  has,
  category: (value) => {
    const name = value.toLowerCase() === 'primary' ? 'PERSONAL' : value.toUpperCase()
    return hasLabel(`CATEGORY_${name}`)
  },
  rfc822msgid: (value) => (message) => (message.messageId ?? '').replace(/^<|>$/g, '') === value.replace(/^<|>$/g, ''),
  after: (value) => dated(value, (date, limit) => date >= limit),
  newer: (value) => dated(value, (date, limit) => date >= limit),
  before: (value) => dated(value, (date, limit) => date < limit),
  older: (value) => dated(value, (date, limit) => date < limit),
  newer_than: (value) => aged(value, (date, limit) => date >= limit),
  older_than: (value) => aged(value, (date, limit) => date < limit),
  larger: (value) => sized(value, (size, limit) => size > limit),
  size: (value) => sized(value, (size, limit) => size > limit),
  smaller: (value) => sized(value, (size, limit) => size < limit),
}

/** By id, or by name in lower case with `-` for blanks and slashes. */
function labelled(value: string): Test {
  const plain = (name: string): string => name.toLowerCase().replace(/[\s/]/g, '-')
  return (message, { mailbox }) =>
    [...message.labelIds].some((id) => {
      const label = mailbox.labels.get(id)
      return id === value || (label !== undefined && plain(label.name) === plain(value))
    })
}

function place(value: string): Test {
  const name = value.toLowerCase()
  if (name === 'anywhere') return () => true
  if (name === 'draft' || name === 'drafts') return hasLabel('DRAFT')
  if (name === 'chats') return hasLabel('CHAT')
  if (name === 'snoozed' || name === 'scheduled') return never
  if (name === 'read') return state(name)
  return labelled(name)
}

function state(value: string): Test {
  const name = value.toLowerCase()
  if (name === 'read') return (message) => !message.labelIds.has('UNREAD')
  return ['unread', 'starred', 'important', 'chat'].includes(name) ? hasLabel(name.toUpperCase()) : never
}

function has(value: string): Test {
  const hasUserLabel: Test = (message, { mailbox }) =>
    [...message.labelIds].some((id) => mailbox.labels.get(id)?.type === 'user')
  const tests: Readonly<Record<string, Test>> = {
    attachment: (message) => documentOf(message).filenames.length > 0,
    userlabels: hasUserLabel,
    nouserlabels: (message, context) => !hasUserLabel(message, context),
    'yellow-star': hasLabel('STARRED'),
  }
  const name = value.toLowerCase()
  return (Object.hasOwn(tests, name) ? tests[name] : undefined) ?? never
}

function dated(value: string, compare: (date: number, limit: number) => boolean): Test {
  const limit = readDate(value)
  return limit === null ? never : (message) => compare(message.internalDate, limit)
}

/** YYYY/MM/DD, YYYY-MM-DD, MM/DD/YYYY, or seconds since 1970. */
function readDate(value: string): number | null {
  const [, y1, m1, d1] = /^(\d{4})[/-](\d{1,2})[/-](\d{1,2})$/.exec(value) ?? []
  const [, m2, d2, y2] = /^(\d{1,2})[/-](\d{1,2})[/-](\d{4})$/.exec(value) ?? []
  const [year, month, day] = [Number(y1 ?? y2), Number(m1 ?? m2), Number(d1 ?? d2)]
  if (!Number.isNaN(year)) {
    const date = new Date(Date.UTC(year, month - 1, day))
    return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() : null
  }
  return /^\d{5,12}$/.test(value) ? Number(value) * 1000 : null
}

function aged(value: string, compare: (date: number, limit: number) => boolean): Test {
  const [, count, unit] = /^(\d{1,6})([dmy])$/i.exec(value) ?? []
  if (count === undefined || unit === undefined) return never
  return (message, { now }) => compare(message.internalDate, ago(now, Number(count), unit.toLowerCase()))
}

/** Days of 24 hours; months and years of the calendar, the last day where the month is shorter. */
function ago(now: number, count: number, unit: string): number {
  if (unit === 'd') return now - count * 86_400_000
  const date = new Date(now)
  const day = date.getUTCDate()
  date.setUTCDate(1)
  date.setUTCMonth(date.getUTCMonth() - count * (unit === 'y' ? 12 : 1))
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
  return date.setUTCDate(Math.min(day, lastDay))
}

function sized(value: string, compare: (size: number, limit: number) => boolean): Test {
  const [, count, unit = ''] = /^(\d{1,12})([km]?)b?$/i.exec(value) ?? []
  if (count === undefined) return never
  const factors: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 * 1024 }
  const limit = Number(count) * (factors[unit.toLowerCase()] ?? 1)
  return (message) => compare(sizeOf(message), limit)
}
