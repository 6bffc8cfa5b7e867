// Gmail's search operators over a mailbox, read strictly by Gmail's help page "Refine searches in Gmail". Written on its
// own, so that it can be the measure of the product's search: nothing of src/ is known here. A word of the query is a
// whole word; OR binds closer than the blank between terms, as in Google's own search.
import { type Clause, clauseOf, type SearchContext } from './search-clauses.ts'
import type { Mailbox, Message } from './store.ts'

export type Node =
  | { readonly kind: 'all' | 'any'; readonly nodes: readonly Node[] }
  | { readonly kind: 'not'; readonly node: Node }
  | { readonly kind: 'clause'; readonly clause: Clause }

/** The messages that match, in the order they came. Spam and trash only where the query or the flag asks. */
export function searchMessages(
  mailbox: Mailbox,
  messages: readonly Message[],
  query: string,
  options: { now: number; includeSpamTrash?: boolean },
): readonly Message[] {
  const node = parseQuery(query)
  const context: SearchContext = { mailbox, now: options.now }
  const anywhere = options.includeSpamTrash === true || mentions(node, 'anywhere')
  const hidden = ['spam', 'trash'].filter((place) => !anywhere && !mentions(node, place))
  const hiddenLabels = hidden.map((place) => place.toUpperCase())
  return messages.filter((message) => {
    if (hiddenLabels.some((label) => message.labelIds.has(label))) return false
    return matches(node, message, context)
  })
}

/** Whether `in:` names this place, not under a minus. */
function mentions(node: Node, place: string): boolean {
  if (node.kind === 'not') return false
  if (node.kind === 'clause') return node.clause.operator === 'in' && node.clause.value.toLowerCase() === place
  return node.nodes.some((it) => mentions(it, place))
}

function matches(node: Node, message: Message, context: SearchContext): boolean {
  if (node.kind === 'not') return !matches(node.node, message, context)
  if (node.kind === 'clause') return node.clause.matches(message, context)
  if (node.kind === 'all') return node.nodes.every((it) => matches(it, message, context))
  return node.nodes.some((it) => matches(it, message, context))
}

type Token = { readonly kind: '(' | ')' | '{' | '}' | '-' | 'or' | 'and' } | Term
interface Term {
  readonly kind: 'term'
  /** Null for words alone. */
  readonly operator: string | null
  readonly value: string
  readonly isQuoted: boolean
}

/** A query as a tree. Nothing is refused: what makes no sense is read as words, as Gmail does. */
export function parseQuery(query: string): Node {
  const tokens = tokenize(query)
  let at = 0
  let depth = 0

  function list(end: ')' | '}' | null, operator: string | null): Node[] {
    const nodes: Node[] = []
    let joins = false
    for (; at < tokens.length; ) {
      const token = tokens[at]
      if (token === undefined || token.kind === end) break
      if (token.kind === 'or' || token.kind === 'and') {
        joins = token.kind === 'or'
        at++
        continue
      }
      const node = item(operator)
      if (node === null) continue
      const before = joins ? nodes.pop() : undefined
      nodes.push(before === undefined ? node : { kind: 'any', nodes: [before, node] })
      joins = false
    }
    return nodes
  }

  function item(operator: string | null): Node | null {
    depth += 1
    const node = depth > deepest ? null : itemWithin(operator)
    if (depth > deepest) at++
    depth -= 1
    return node
  }

  function itemWithin(operator: string | null): Node | null {
    const token = tokens[at++]
    if (token === undefined || token.kind === ')' || token.kind === '}') return null
    if (token.kind === '-') {
      const node = item(operator)
      return node === null ? null : { kind: 'not', node }
    }
    if (token.kind === '(' || token.kind === '{') {
      const end = token.kind === '(' ? ')' : '}'
      const nodes = list(end, operator)
      at++
      return nodes.length === 0 ? null : { kind: end === ')' ? 'all' : 'any', nodes }
    }
    if (token.kind !== 'term') return null
    const opener = tokens[at]?.kind
    const opensGroup = token.operator !== null && token.value === '' && !token.isQuoted
    if (opensGroup && (opener === '(' || opener === '{')) return item(token.operator)
    const clause = clauseOf(token.operator ?? operator, token.value, token.isQuoted)
    return clause === null ? null : { kind: 'clause', clause }
  }

  const nodes: Node[] = []
  while (at < tokens.length) {
    nodes.push(...list(null, null))
    at++
  }
  return { kind: 'all', nodes }
}

/** Deeper brackets are read as nothing: whatever is nested so is no search, and must not be walked to death. */
const deepest = 200

const marks: ReadonlySet<string> = new Set(['(', ')', '{', '}'])

function tokenize(query: string): Token[] {
  const tokens: Token[] = []
  const pattern = /\s+|([(){}])|(-)(?=[^\s])|(\|)|(?:([a-z_0-9]+):)?(?:"([^"]*)(?:"|$)|([^\s(){}"|]+))/giy
  let at = 0
  while (at < query.length) {
    pattern.lastIndex = at
    const match = pattern.exec(query)
    if (match === null) {
      at++
      continue
    }
    at = pattern.lastIndex
    const [whole, mark, minus, bar, operator, quoted, bare] = match
    if (mark !== undefined && isMark(mark)) tokens.push({ kind: mark })
    else if (minus !== undefined) tokens.push({ kind: '-' })
    else if (bar !== undefined || (whole === 'OR' && operator === undefined)) tokens.push({ kind: 'or' })
    else if (whole === 'AND') tokens.push({ kind: 'and' })
    else if (quoted !== undefined) tokens.push(term(operator, quoted, true))
    else if (bare !== undefined) tokens.push(bareTerm(operator, bare))
  }
  return tokens
}

function isMark(text: string): text is '(' | ')' | '{' | '}' {
  return marks.has(text)
}

/** `from:` before a bracket stands alone; `+word` is the word. */
function bareTerm(operator: string | undefined, bare: string): Term {
  const [, lonely] = /^([a-z_0-9]+):$/i.exec(bare) ?? []
  if (operator === undefined && lonely !== undefined) return term(lonely, '', false)
  return term(operator, operator === undefined ? bare.replace(/^\+/, '') : bare, false)
}

function term(operator: string | undefined, value: string, isQuoted: boolean): Term {
  return { kind: 'term', operator: operator?.toLowerCase() ?? null, value, isQuoted }
}
