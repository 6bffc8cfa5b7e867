// Gmail's search language read from left to right: terms side by side are all meant, `OR` and braces offer a choice (and
// bind tighter than standing side by side, as in Google's other searches), a dash excludes. Lenient as Gmail is: what is
// left open ends with the text, what was never opened is passed over. Linear in the text, and bounded in depth.

import { type Operator, operatorOf, refuse, type Scope, termQuery, valueQuery } from './query-operators.ts'
import { allOf, anyOf, noneOf, type Query } from './query-tree.ts'

const depthMost = 16

interface Cursor {
  readonly text: string
  readonly scope: Scope
  at: number
  depth: number
}

/** The search that `text` asks for; what is wrong with it stands in the scope. */
export function parseQuery(scope: Scope, text: string): Query {
  const cursor: Cursor = { text: text.replace(/[“”„«»]/g, '"'), scope, at: 0, depth: 0 }
  return allOf(parseTerms(cursor, null))
}

/** Terms up to the closing bracket, or to the end. A bracket of the other kind closes too. */
function parseTerms(cursor: Cursor, operator: Operator | null): Query[] {
  const terms: Query[] = []
  let isChoice = false
  while (cursor.scope.problem === null) {
    skip(cursor, /\s*/y)
    const sign = cursor.text[cursor.at]
    if (sign === undefined) break
    if (sign === ')' || sign === '}') {
      cursor.at += 1
      if (cursor.depth > 0) break
    } else if (sign === '|' || skip(cursor, /OR(?=[\s"(){}|]|$)/y) !== '') {
      if (sign === '|') cursor.at += 1
      isChoice = terms.length > 0
    } else if (skip(cursor, /(?:AND|AROUND\s+\d+)(?=[\s"(){}|]|$)/y) === '') {
      const term = parseTerm(cursor, operator)
      if (term === null) continue
      const former = isChoice ? terms.pop() : undefined
      terms.push(former === undefined ? term : anyOf([former, term]))
      isChoice = false
    }
  }
  return terms
}

/** One term at the cursor, with its sign; `null` where it asks for nothing. Always moves on. */
function parseTerm(cursor: Cursor, operator: Operator | null): Query | null {
  const isExcluded = skip(cursor, /[-+]+/y).includes('-') || skip(cursor, /NOT\s+(?=[^\s)}|])/y) !== ''
  const query = parseOperand(cursor, operator)
  return query !== null && isExcluded ? noneOf(query) : query
}

function parseOperand(cursor: Cursor, operator: Operator | null): Query | null {
  const sign = cursor.text[cursor.at]
  if (sign === '"') return termQuery(cursor.scope, operator, quoted(cursor), true)
  if (sign === '(' || sign === '{') return parseGroup(cursor, operator, sign)
  const word = skip(cursor, /[^\s"(){}|]+/y)
  if (word === '') return null
  const colon = word.indexOf(':')
  const named = colon > 0 ? operatorOf(word.slice(0, colon)) : null
  if (named === null) return termQuery(cursor.scope, operator, word, false)
  const value = word.slice(colon + 1)
  if (value !== '') return valueQuery(cursor.scope, value, termQuery(cursor.scope, named, value, false))
  skip(cursor, /\s*/y)
  const from = cursor.at
  const query = parseValue(cursor, named)
  return valueQuery(cursor.scope, cursor.text.slice(from, cursor.at), query)
}

/** What stands after `from:` and a space or an opening sign; a second operator there is the value's beginning, a word. */
function parseValue(cursor: Cursor, operator: Operator): Query | null {
  const sign = cursor.text[cursor.at]
  if (sign === '"') return termQuery(cursor.scope, operator, quoted(cursor), true)
  if (sign === '(' || sign === '{') return parseGroup(cursor, operator, sign)
  const value = skip(cursor, /[^\s"(){}|]+/y)
  return value === '' ? null : termQuery(cursor.scope, operator, value, false)
}

function parseGroup(cursor: Cursor, operator: Operator | null, sign: '(' | '{'): Query | null {
  if (cursor.depth >= depthMost) return refuse(cursor.scope, `must be nested at most ${depthMost} deep`)
  cursor.at += 1
  cursor.depth += 1
  const terms = parseTerms(cursor, operator)
  cursor.depth -= 1
  if (terms.length === 0) return null
  return sign === '{' ? anyOf(terms) : allOf(terms)
}

/** The text between this quote and the next, or the end. */
function quoted(cursor: Cursor): string {
  const [, text = ''] = /"([^"]*)"?/y.exec(cursor.text.slice(cursor.at)) ?? []
  cursor.at += text.length + 2
  return text
}

/** Moves past what the sticky pattern finds here, and answers it. */
function skip(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.text)?.[0] ?? ''
  cursor.at += found.length
  return found
}
