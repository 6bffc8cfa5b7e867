// A search as a tree in negation normal form, and the tree as branches: what is text becomes one `tsquery` a branch,
// what is a range or a substring stands beside it, since no lexeme can say it. Pure, and safe by construction: a
// `tsquery` is built of quoted lexemes and our own operators only.

import { quoteLexeme } from './terms.ts'

/** More would be a slow statement; no person types it. */
const branchesMost = 16

/** One way to match: everything in it at once. `null` and empty lists ask for nothing. */
export interface SearchBranch {
  /** Text of a `tsquery`. */
  readonly tsquery: string | null
  /** Inclusive. */
  readonly after: Date | null
  /** Exclusive. */
  readonly before: Date | null
  /** Inclusive. */
  readonly minBytes: number | null
  /** Exclusive. */
  readonly maxBytes: number | null
  /** Substrings, without regard to case, of subject and people. Raw: see `likePattern`. */
  readonly contains: readonly string[]
  /** Substrings that they must not have. */
  readonly lacks: readonly string[]
}

export type Query =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  | TextQuery
  | { readonly kind: 'range'; readonly of: 'date' | 'bytes'; readonly side: 'from' | 'under'; readonly value: number }
  | { readonly kind: 'contains'; readonly text: string; readonly isWanted: boolean }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Query[] }

export interface TextQuery {
  readonly kind: 'text'
  readonly tsquery: string
  readonly isWanted: boolean
  /** Words worth marking where they are found. */
  readonly words: readonly string[]
  /** The id of a label, where that is all it asks. */
  readonly labelId: string | null
}

export const everything: Query = { kind: 'all' }
export const nothing: Query = { kind: 'none' }

export function allOf(parts: readonly Query[]): Query {
  const asked = parts
    .flatMap((part) => (part.kind === 'and' ? part.parts : [part]))
    .filter(({ kind }) => kind !== 'all')
  if (asked.some(({ kind }) => kind === 'none')) return nothing
  const [first, ...others] = asked
  if (first === undefined) return everything
  return others.length === 0 ? first : { kind: 'and', parts: asked }
}

export function anyOf(parts: readonly Query[]): Query {
  const asked = parts
    .flatMap((part) => (part.kind === 'or' ? part.parts : [part]))
    .filter(({ kind }) => kind !== 'none')
  if (asked.some(({ kind }) => kind === 'all')) return everything
  const [first, ...others] = asked
  if (first === undefined) return nothing
  return others.length === 0 ? first : { kind: 'or', parts: asked }
}

export function noneOf(query: Query): Query {
  switch (query.kind) {
    case 'all':
      return nothing
    case 'none':
      return everything
    case 'text':
    case 'contains':
      return { ...query, isWanted: !query.isWanted }
    case 'range':
      return { ...query, side: query.side === 'from' ? 'under' : 'from' }
    case 'and':
      return anyOf(query.parts.map(noneOf))
    case 'or':
      return allOf(query.parts.map(noneOf))
  }
}

/** Every text that is asked for and not excluded, in order. */
export function wantedTexts(query: Query): TextQuery[] {
  if (query.kind === 'and' || query.kind === 'or') return query.parts.flatMap(wantedTexts)
  return query.kind === 'text' && query.isWanted ? [query] : []
}

/** A branch under construction: its texts are joined last. */
interface Draft extends Omit<SearchBranch, 'tsquery'> {
  readonly texts: readonly string[]
}

const blank: Draft = { texts: [], after: null, before: null, minBytes: null, maxBytes: null, contains: [], lacks: [] }

/** The tree's branches, each with `always` in its `tsquery`; at least one. `null` where there would be too many. */
export function branchesOf(query: Query, always: readonly string[]): SearchBranch[] | null {
  const drafts = draftsOf(query)
  if (drafts === null) return null
  const possible = drafts.length > 0 ? drafts : [textDraft(noMatch)]
  return possible.map(({ texts, ...rest }) => ({ ...rest, tsquery: [...texts, ...always].join(' & ') || null }))
}

/** A lexeme that no message has. */
const noMatch = quoteLexeme(':none')

const textDraft = (text: string): Draft => ({ ...blank, texts: [text] })

function draftsOf(query: Query): Draft[] | null {
  switch (query.kind) {
    case 'all':
      return [blank]
    case 'none':
      return []
    case 'text':
      return [textDraft(query.isWanted ? query.tsquery : `!${query.tsquery}`)]
    case 'contains':
      return [{ ...blank, [query.isWanted ? 'contains' : 'lacks']: [query.text] }]
    case 'range':
      return [rangeDraft(query.of, query.side, query.value)]
    case 'and':
      return query.parts.map(draftsOf).reduce(crossed, [blank])
    case 'or':
      return gathered(query.parts.map(draftsOf))
  }
}

function rangeDraft(of: 'date' | 'bytes', side: 'from' | 'under', value: number): Draft {
  if (of === 'date') return { ...blank, [side === 'from' ? 'after' : 'before']: new Date(value) }
  return { ...blank, [side === 'from' ? 'minBytes' : 'maxBytes']: value }
}

function crossed(left: Draft[] | null, right: Draft[] | null): Draft[] | null {
  if (left === null || right === null) return null
  const drafts = left.flatMap((one) => right.map((other) => merged(one, other))).filter(isPossible)
  return drafts.length > branchesMost ? null : drafts
}

function merged(one: Draft, other: Draft): Draft {
  return {
    texts: [...one.texts, ...other.texts],
    after: strictest(one.after, other.after, (a, b) => a > b),
    before: strictest(one.before, other.before, (a, b) => a < b),
    minBytes: strictest(one.minBytes, other.minBytes, (a, b) => a > b),
    maxBytes: strictest(one.maxBytes, other.maxBytes, (a, b) => a < b),
    contains: [...one.contains, ...other.contains],
    lacks: [...one.lacks, ...other.lacks],
  }
}

function strictest<Bound>(one: Bound | null, other: Bound | null, isStricter: (a: Bound, b: Bound) => boolean) {
  if (one === null || other === null) return one ?? other
  return isStricter(one, other) ? one : other
}

function isPossible({ after, before, minBytes, maxBytes }: Draft): boolean {
  return (after === null || before === null || after < before) && (minBytes ?? 0) < (maxBytes ?? Infinity)
}

/** What is text only stays one branch, its alternatives within the `tsquery`. */
function gathered(alternatives: readonly (Draft[] | null)[]): Draft[] | null {
  const drafts: Draft[] = []
  const texts: string[] = []
  for (const found of alternatives) {
    if (found === null) return null
    for (const draft of found) {
      if (isTextOnly(draft)) texts.push(draft.texts.length > 1 ? `(${draft.texts.join(' & ')})` : draft.texts.join(''))
      else drafts.push(draft)
    }
  }
  if (texts.length > 0) drafts.unshift(textDraft(texts.length > 1 ? `(${texts.join(' | ')})` : texts.join('')))
  return drafts.length > branchesMost ? null : drafts
}

function isTextOnly({ after, before, minBytes, maxBytes, contains, lacks }: Draft): boolean {
  const hasRange = after !== null || before !== null || minBytes !== null || maxBytes !== null
  return !hasRange && contains.length === 0 && lacks.length === 0
}
