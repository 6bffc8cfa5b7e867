// One term of Gmail's search language (`from:amy`, `older_than:2d`, `invo*`) as a piece of the search. What is typed
// becomes words or facets of our own making; a refusal names the operator and never repeats the input.

import { parseAge, parseDay, parseSize } from './query-moments.ts'
import { anyOf, everything, noneOf, nothing, type Query, type TextQuery } from './query-tree.ts'
import { type FacetKind, facet, labelNameFacet, messageIdFacet, quoteLexeme } from './terms.ts'
import { type AskedWord, askedWordsOf, isUnspaced } from './words.ts'

/** Of one search. PostgreSQL would take more; no person types it. */
const termsMost = 64
const wordsMost = 256

/** What one compilation knows and keeps count of. */
export interface Scope {
  readonly now: Date
  /** Whom `me` means. */
  readonly ownAddresses: readonly string[]
  /** The first thing wrong with the input. */
  problem: string | null
  terms: number
  words: number
  /** `in:anywhere` was asked for. */
  isAnywhere: boolean
  /** `from:me` or its like was asked for. */
  saysMe: boolean
}

const operators = [
  'from',
  'to',
  'cc',
  'bcc',
  'subject',
  'filename',
  'label',
  'category',
  'in',
  'is',
  'has',
  'after',
  'before',
  'newer',
  'older',
  'newer_than',
  'older_than',
  'larger',
  'smaller',
  'size',
  'rfc822msgid',
  'list',
  'deliveredto',
] as const

export type Operator = (typeof operators)[number]

/** The operator of this name, in any case; `null` where it is none, and its text plain words. */
export function operatorOf(name: string): Operator | null {
  return operators.find((operator) => operator === name.toLowerCase()) ?? null
}

/** What one term asks for; `null` where it asks for nothing, as a lone `&` does. */
export function termQuery(scope: Scope, operator: Operator | null, text: string, isQuoted: boolean): Query | null {
  scope.terms += 1
  if (scope.terms > termsMost) return refuse(scope, `must have at most ${termsMost} terms`)
  switch (operator) {
    case null:
      return wordsQuery(scope, text, isQuoted, { prefix: null, weight: '', isMarked: true }, true)
    case 'subject':
      return wordsQuery(scope, text, isQuoted, { prefix: null, weight: 'A', isMarked: true }, false)
    case 'from':
      return personQuery(scope, text, isQuoted, { prefix: null, weight: 'B', isMarked: false })
    case 'to':
      return personQuery(scope, text, isQuoted, { prefix: null, weight: 'C', isMarked: false })
    case 'cc':
      return personQuery(scope, text, isQuoted, { prefix: 'c', weight: '', isMarked: false })
    case 'bcc':
      return personQuery(scope, text, isQuoted, { prefix: 'b', weight: '', isMarked: false })
    case 'filename':
      return wordsQuery(scope, text, isQuoted, { prefix: 'f', weight: '', isMarked: false }, false)
    case 'label':
      return labelQuery(text)
    case 'category':
      return categoryQuery(text)
    case 'in':
    case 'is':
      return placeQuery(scope, text)
    case 'has':
      return hasQuery(text)
    case 'after':
    case 'newer':
      return dateQuery(scope, operator, parseDay(text), 'from')
    case 'before':
    case 'older':
      return dateQuery(scope, operator, parseDay(text), 'under')
    case 'newer_than':
      return dateQuery(scope, operator, parseAge(text, scope.now), 'from')
    case 'older_than':
      return dateQuery(scope, operator, parseAge(text, scope.now), 'under')
    case 'larger':
    case 'size':
      return sizeQuery(scope, operator, text, 'from')
    case 'smaller':
      return sizeQuery(scope, operator, text, 'under')
    case 'rfc822msgid':
      return facetQuery(messageIdFacet(text))
    case 'list':
    case 'deliveredto':
      return refuse(scope, `${operator}: cannot be searched here`)
  }
}

/** Keeps the first problem; what is returned then is not looked at. */
export function refuse(scope: Scope, problem: string): null {
  scope.problem ??= problem
  return null
}

interface Field {
  readonly prefix: FacetKind | null
  readonly weight: 'A' | 'B' | 'C' | ''
  /** Whether its words are worth marking in a snippet. */
  readonly isMarked: boolean
}

function textQuery(tsquery: string, words: readonly string[], labelId: string | null): TextQuery {
  return { kind: 'text', tsquery, isWanted: true, words, labelId }
}

/** A substring, without what PostgreSQL's text cannot hold. */
function containsQuery(text: string): Query {
  return { kind: 'contains', text: text.toWellFormed().replaceAll('\0', ''), isWanted: true }
}

const pictures = /\p{Extended_Pictographic}/u

/** Without a letter or digit only a picture can be looked for, where text is kept as it was written: in subject and people. */
function signsQuery(text: string, { prefix, weight }: Field): Query | null {
  const isKept = prefix === null && (weight === '' || weight === 'A')
  if (!isKept || !pictures.test(text)) return null
  return containsQuery(text)
}

/**
 * What the whole value of an operator or a filter asks for. Where nothing in it could be looked for (`from:??`), nothing
 * matches: who named a sender is not answered with all mail.
 */
export function valueQuery(scope: Scope, value: string, query: Query | null): Query | null {
  return query === null && scope.problem === null && /[^\s*"(){}]/.test(value) ? nothing : query
}

/**
 * Words, as a phrase where one term has several (`foo@bar.com`, quotes, scripts without spaces). A star at the end asks
 * for a prefix; one at the beginning of a bare term for a substring. One letter is too little for either.
 */
function wordsQuery(scope: Scope, text: string, isQuoted: boolean, field: Field, mayContain: boolean): Query | null {
  const bare = text.replace(/^\*+|\*+$/g, '')
  const asked = askedWordsOf(bare, wordsMost + 1)
  scope.words += asked.length
  if (scope.words > wordsMost) return refuse(scope, `must have at most ${wordsMost} words`)
  if (asked.length === 0) return signsQuery(bare, field)
  const isLong = bare.length >= 3
  if (mayContain && !isQuoted && isLong && text.startsWith('*')) return containsQuery(bare)
  const lastAsked = asked.at(-1)
  const isPrefix = !isQuoted && text.endsWith('*') && (lastAsked?.word.length ?? 0) > 1
  const words = asked.map((word) => (isPrefix && word === lastAsked ? { ...word, isPrefix: true } : word))
  return textQuery(phrase(words, field), field.isMarked ? words.map(markedWord) : [], null)
}

const markedWord = ({ word, isPrefix }: AskedWord): string => (isPrefix && !isUnspaced(word) ? `${word}*` : word)

function phrase(words: readonly AskedWord[], { prefix, weight }: Field): string {
  let text = ''
  let last: number | null = null
  for (const { word, position, isPrefix } of words) {
    if (last !== null) text += position - last === 1 ? ' <-> ' : ` <${position - last}> `
    const flags = `${isPrefix ? '*' : ''}${weight}`
    text += quoteLexeme(prefix === null ? word : `:${prefix}:${word}`) + (flags === '' ? '' : `:${flags}`)
    last = position
  }
  return words.length > 1 ? `(${text})` : text
}

function personQuery(scope: Scope, text: string, isQuoted: boolean, field: Field): Query | null {
  const isMe = text.toLowerCase() === 'me'
  scope.saysMe ||= isMe
  if (!isMe || scope.ownAddresses.length === 0) return wordsQuery(scope, text, isQuoted, field, false)
  const own = scope.ownAddresses.map((address) => wordsQuery(scope, address, true, field, false))
  return anyOf(own.filter((query) => query !== null))
}

function facetQuery(lexeme: string): TextQuery {
  return textQuery(quoteLexeme(lexeme), [], null)
}

/** Exactly this label, by Gmail's id. */
export function labelIdQuery(labelId: string): TextQuery {
  return textQuery(quoteLexeme(facet('l', labelId)), [], labelId)
}

const systemLabels: ReadonlyMap<string, string> = new Map([
  ['inbox', 'INBOX'],
  ['sent', 'SENT'],
  ['draft', 'DRAFT'],
  ['drafts', 'DRAFT'],
  ['spam', 'SPAM'],
  ['junk', 'SPAM'],
  ['trash', 'TRASH'],
  ['bin', 'TRASH'],
  ['starred', 'STARRED'],
  ['unread', 'UNREAD'],
  ['important', 'IMPORTANT'],
  ['chat', 'CHAT'],
  ['chats', 'CHAT'],
  ['snoozed', 'SNOOZED'],
  ['muted', 'MUTED'],
])

/** By id, or by name as Gmail writes it in a search: `label:my-label`. */
export function labelQuery(text: string): Query | null {
  const name = text.trim()
  if (name === '') return null
  const systemId = systemLabels.get(name.toLowerCase())
  if (systemId !== undefined) return labelIdQuery(systemId)
  if (/^category_[a-z]+$/i.test(name)) return labelIdQuery(name.toUpperCase())
  return anyOf([facetQuery(facet('l', name)), facetQuery(labelNameFacet(name))])
}

function categoryQuery(text: string): Query | null {
  const name = text.trim().toUpperCase()
  return name === '' ? null : labelIdQuery(`CATEGORY_${name === 'PRIMARY' ? 'PERSONAL' : name}`)
}

/** `in:` and `is:` know the same words, as Gmail's do. */
function placeQuery(scope: Scope, text: string): Query | null {
  switch (text.trim().toLowerCase()) {
    case 'anywhere':
      scope.isAnywhere = true
      return everything
    case 'all':
      return everything
    case 'read':
      return noneOf(labelIdQuery('UNREAD'))
    case 'unstarred':
      return noneOf(labelIdQuery('STARRED'))
    case 'unimportant':
      return noneOf(labelIdQuery('IMPORTANT'))
    case 'archive':
    case 'archived':
      return noneOf(anyOf(['INBOX', 'SENT', 'DRAFT', 'SPAM', 'TRASH', 'CHAT'].map(labelIdQuery)))
    default:
      return labelQuery(text)
  }
}

/** What Gmail knows of links and stars and does not tell (`has:drive`, `has:blue-star`) matches nothing. */
function hasQuery(text: string): Query {
  switch (text.trim().toLowerCase()) {
    case 'attachment':
    case 'attachments':
      return attachmentQuery
    case 'userlabels':
      return facetQuery(facet('h', 'userlabels'))
    case 'nouserlabels':
      return noneOf(facetQuery(facet('h', 'userlabels')))
    default:
      return nothing
  }
}

export const attachmentQuery: Query = facetQuery(facet('h', 'attachment'))

function dateQuery(scope: Scope, operator: Operator, date: Date | null, side: 'from' | 'under'): Query | null {
  if (date !== null) return { kind: 'range', of: 'date', side, value: date.getTime() }
  const isAge = operator === 'newer_than' || operator === 'older_than'
  return refuse(scope, `${operator}: must be ${isAge ? 'an age such as 2d, 3m or 1y' : 'a date such as 2026/11/30'}`)
}

function sizeQuery(scope: Scope, operator: Operator, text: string, side: 'from' | 'under'): Query | null {
  const bytes = parseSize(text)
  if (bytes === null) return refuse(scope, `${operator}: must be a size such as 10M, 500K or 2048`)
  return { kind: 'range', of: 'bytes', side, value: side === 'from' ? bytes + 1 : bytes }
}
