// Gmail's search language and the list's filters, compiled to what SQL asks: branches of one `tsquery` each, with ranges
// and substrings beside it. Pure: the clock is an argument. It never throws for what a person typed.
//
// Spam and trash are left out unless the search asks for them by name or for mail anywhere, as Gmail does.

import { parseInstant, plausible } from './query-moments.ts'
import {
  attachmentQuery,
  labelIdQuery,
  labelQuery,
  refuse,
  type Scope,
  termQuery,
  valueQuery,
} from './query-operators.ts'
import { parseQuery } from './query-parse.ts'
import { allOf, branchesOf, everything, noneOf, type Query, type SearchBranch, wantedTexts } from './query-tree.ts'
import { facet, quoteLexeme } from './terms.ts'

export const queryLength = 2_048
export const filterLength = 512

/** The list's filters, all of them together with `q`. Absent and `null` ask for nothing. */
export interface SearchFilters {
  readonly from?: string | null | undefined
  readonly to?: string | null | undefined
  readonly subject?: string | null | undefined
  /** A label's id or name. */
  readonly label?: string | null | undefined
  /** Inclusive; a date as `after:` takes it, or ISO 8601. */
  readonly after?: Date | string | null | undefined
  /** Exclusive. */
  readonly before?: Date | string | null | undefined
  readonly hasAttachment?: boolean | null | undefined
  readonly isUnread?: boolean | null | undefined
}

export interface CompiledQuery {
  /** At least one; a message matches where one of them does. Complete: what `isPlain` says stands in them too. */
  readonly branches: readonly SearchBranch[]
  /**
   * Where no more is asked than one label (by id) or none and a span of time, which the one branch has: such a list may
   * go by date instead. Spam and trash are then left out by `wantsSpamTrash` alone.
   */
  readonly isPlain: { readonly label: string | null } | null
  /** Folded words to mark, a prefix with its star: for `highlightSnippet`. */
  readonly highlight: readonly string[]
  readonly wantsSpamTrash: boolean
  /** Somebody called `me` is looked for: it hangs on whose addresses these are. */
  readonly saysMe: boolean
}

/** What is wrong with the input, in words for whoever typed it, and never the input itself. */
export interface SearchRefusal {
  readonly problem: string
  /** The parameter that it is about. */
  readonly path: 'q' | 'from' | 'to' | 'subject' | 'label' | 'after' | 'before'
}

/** `ownAddresses` are whom `from:me` and `to:me` mean. */
export function compileQuery(
  q: string,
  filters: SearchFilters,
  now: Date,
  ownAddresses: readonly string[] = [],
): CompiledQuery | SearchRefusal {
  if (q.length > queryLength) return { problem: `must be at most ${queryLength} characters`, path: 'q' }
  const scope: Scope = { now, ownAddresses, problem: null, terms: 0, words: 0, isAnywhere: false, saysMe: false }
  const asked = parseQuery(scope, q)
  if (scope.problem !== null) return { problem: scope.problem, path: 'q' }
  const filtered = filtersQuery(scope, filters)
  if ('problem' in filtered) return filtered
  const query = allOf([asked, ...filtered])
  const texts = wantedTexts(query)
  const wantsSpamTrash = scope.isAnywhere || texts.some(({ labelId }) => labelId === 'SPAM' || labelId === 'TRASH')
  const branches = branchesOf(query, wantsSpamTrash ? [] : notSpamNorTrash)
  if (branches === null)
    return { problem: 'must offer fewer choices between dates, sizes and parts of words', path: 'q' }
  const highlight = [...new Set(texts.flatMap(({ words }) => words))]
  return { branches, isPlain: plainLabel(query), highlight, wantsSpamTrash, saysMe: scope.saysMe }
}

const notSpamNorTrash = ['SPAM', 'TRASH'].map((id) => `!${quoteLexeme(facet('l', id))}`)

const datedLabels = ['INBOX', 'SENT', 'DRAFT', 'TRASH', 'SPAM', 'STARRED', 'IMPORTANT', 'UNREAD']

function plainLabel(query: Query): CompiledQuery['isPlain'] {
  const parts = query.kind === 'and' ? query.parts : [query]
  let label: string | null = null
  for (const part of parts) {
    if (part.kind === 'all' || (part.kind === 'range' && part.of === 'date')) continue
    if (label !== null || part.kind !== 'text' || !part.isWanted || part.labelId === null) return null
    if (!datedLabels.includes(part.labelId)) return null
    label = part.labelId
  }
  return { label }
}

function filtersQuery(scope: Scope, filters: SearchFilters): Query[] | SearchRefusal {
  const queries: Query[] = []
  for (const path of ['from', 'to', 'subject'] as const) {
    queries.push(...wordsOfFilter(scope, path, filters[path] ?? ''))
    if (scope.problem !== null) return { problem: scope.problem, path }
  }
  const label = filters.label ?? ''
  if (label.length > filterLength) return { problem: `must be at most ${filterLength} characters`, path: 'label' }
  queries.push(labelQuery(label) ?? everything)
  for (const path of ['after', 'before'] as const) {
    const date = dateOf(filters[path] ?? null)
    if (date === 'malformed') return { problem: 'must be a date such as 2026-11-30', path }
    if (date !== null)
      queries.push({ kind: 'range', of: 'date', side: path === 'after' ? 'from' : 'under', value: date.getTime() })
  }
  queries.push(flagQuery(filters.hasAttachment, attachmentQuery), flagQuery(filters.isUnread, labelIdQuery('UNREAD')))
  return queries
}

/** A filter's words are all meant, and are never operators. */
function wordsOfFilter(scope: Scope, operator: 'from' | 'to' | 'subject', text: string): Query[] {
  if (text.length > filterLength) {
    refuse(scope, `must be at most ${filterLength} characters`)
    return []
  }
  const words = text.split(/\s+/).filter((word) => word !== '')
  const queries = words.map((word) => termQuery(scope, operator, word, false)).filter((query) => query !== null)
  const whole = valueQuery(scope, text, queries.length === 0 ? null : allOf(queries))
  return whole === null ? [] : [whole]
}

function dateOf(value: Date | string | null): Date | 'malformed' | null {
  if (value === null || value === '') return null
  return (typeof value === 'string' ? parseInstant(value.trim()) : plausible(value)) ?? 'malformed'
}

function flagQuery(wanted: boolean | null | undefined, query: Query): Query {
  if (wanted === null || wanted === undefined) return everything
  return wanted ? query : noneOf(query)
}

/** The pattern for `ILIKE` that finds this text within another. */
export function likePattern(text: string): string {
  return `%${text.replace(/[\\%_]/g, (sign) => `\\${sign}`)}%`
}
