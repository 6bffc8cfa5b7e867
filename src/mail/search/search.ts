// How a list is asked of the database: along the dates where so little is asked that the nearest rows will do, by the word
// index everywhere else, ranked where that was wished and there are words to rank by. Pure.

import { AppError } from '../../errors.ts'
import type { BrowseParams } from '../read/list.sql.ts'
import { compileQuery, likePattern, type SearchFilters } from './query.ts'
import type { SearchBranch } from './query-tree.ts'
import type { BranchParam, RankedSearchParams, SearchParams } from './search.sql.ts'
import { quoteLexeme } from './terms.ts'
import { foldText } from './words.ts'

interface Asked {
  /** Spam and trash too. */
  readonly isAnywhere: boolean
  /** It would be another, were it known who `me` is. */
  readonly saysMe: boolean
  /** Folded words to mark, a prefix with its star. */
  readonly highlight: readonly string[]
  /** A few of them, as the database looks for them in a text. */
  readonly excerptWords: readonly string[]
}

export type SearchPlan = Asked &
  (
    | { readonly kind: 'browse'; readonly params: Pick<BrowseParams, 'labelId' | 'tsquery' | 'after' | 'before'> }
    | { readonly kind: 'search'; readonly params: Pick<SearchParams, 'tsquery' | 'branches'> }
    | {
        readonly kind: 'ranked'
        readonly params: Pick<RankedSearchParams, 'tsquery' | 'branches' | 'nearQuery' | 'anyQuery'>
      }
  )

/**
 * What most messages have, or the newest: a page of it stands near the top of the mailbox, however long it is. Of the
 * others a mailbox may have few, and the index of words knows where.
 */
const commonLabels: readonly (string | null)[] = [null, 'INBOX', 'SENT', 'UNREAD', 'IMPORTANT']

const excerptWordsMost = 6
const rankedWordsMost = 16

/** Throws 422 with the parameter that it is about. */
export function planSearch(
  query: SearchFilters & { readonly q: string | null; readonly sort: 'date' | 'relevance' },
  now: Date,
  ownAddresses: readonly string[],
): SearchPlan {
  const compiled = compileQuery(query.q ?? '', query, now, ownAddresses)
  if ('problem' in compiled)
    throw new AppError('invalid_input', { errors: [{ path: compiled.path, message: compiled.problem }] })
  const { branches, isPlain, highlight } = compiled
  const asked: Asked = {
    isAnywhere: compiled.wantsSpamTrash,
    saysMe: compiled.saysMe,
    highlight,
    excerptWords: highlight.slice(0, excerptWordsMost).map((word) => word.replace(/\*$/, '')),
  }
  const [first] = branches
  if (isPlain !== null && commonLabels.includes(isPlain.label) && first !== undefined && isSpan(first)) {
    const { tsquery, after, before } = first
    return { ...asked, kind: 'browse', params: { labelId: isPlain.label, tsquery, after, before } }
  }
  const tsquery = anyOf(branches)
  const isWalk = tsquery !== null && hasShortPrefix(tsquery)
  const isSaid = branches.length === 1 && !isWalk
  const params = { tsquery: isWalk ? null : tsquery, branches: JSON.stringify(branches.map(branchParam(isSaid))) }
  const words = highlight.slice(0, rankedWordsMost).map(printWord)
  if (query.sort === 'date' || words.length === 0) return { ...asked, kind: 'search', params }
  return {
    ...asked,
    kind: 'ranked',
    params: { ...params, nearQuery: words.join(' & '), anyQuery: words.join(' | ') },
  }
}

/** False of a span without a day in it: its one branch is a word that nothing has. */
function isSpan({ tsquery }: SearchBranch): boolean {
  return tsquery?.includes("':none'") !== true
}

function anyOf(branches: readonly SearchBranch[]): string | null {
  const tsqueries = branches.map(({ tsquery }) => tsquery)
  if (tsqueries.some((tsquery) => tsquery === null)) return null
  return tsqueries.map((tsquery) => `(${tsquery})`).join(' | ')
}

/**
 * The beginning of a word is looked up in the words of all mailboxes. One or two letters begin too many: then the messages
 * of the mailboxes asked for are read instead.
 */
function hasShortPrefix(tsquery: string): boolean {
  return [...tsquery.matchAll(/'(?::[a-z]:)?((?:[^'\\]|''|\\\\)*)':[A-D]*\*/g)].some(
    ([, word = '']) => [...word].length < 3,
  )
}

/** @param isSaid one branch, and the index has been asked its words already */
function branchParam(isSaid: boolean): (branch: SearchBranch) => BranchParam {
  return (branch) => ({
    tsquery: isSaid ? null : branch.tsquery,
    after: branch.after,
    before: branch.before,
    min_bytes: branch.minBytes,
    max_bytes: branch.maxBytes,
    contains: branch.contains.map((text) => likePattern(foldText(text))),
    lacks: branch.lacks.map((text) => likePattern(foldText(text))),
  })
}

function printWord(word: string): string {
  return word.endsWith('*') ? `${quoteLexeme(word.slice(0, -1))}:*` : quoteLexeme(word)
}
