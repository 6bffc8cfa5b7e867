// The part of a text where a search's words stand, as HTML: everything escaped, the words marked. Knows nothing of how
// the search was asked; finds what the index finds, so `cafe` marks `café`. Linear, and bounded.

import { escapeHtml } from '../../crypto/encoding.ts'
import { cutAt, foldText, isUnspaced, wordLength } from './words.ts'

/** No further into a text do we look. */
const textLength = 100_000
const snippetLength = 200
/** No further do we look for a space to begin after. */
const nearby = 20

interface Span {
  readonly from: number
  readonly to: number
}

/**
 * The window around the first hit, of about `length` characters, hits in `<mark>`; the beginning where nothing is hit.
 * `words` are a compiled query's `highlight`.
 */
export function highlightSnippet(
  text: string,
  words: readonly string[],
  options: { readonly length?: number } = {},
): { html: string } {
  const line = cutAt(text.toWellFormed(), textLength).replace(/\s+/g, ' ').trim()
  const hits = hitsIn(line, words)
  const window = windowOf(line, hits[0] ?? null, options.length ?? snippetLength)
  const html = markedHtml(line, window, hits)
  return { html: `${window.from > 0 ? '…' : ''}${html}${window.to < line.length ? '…' : ''}` }
}

const stretchPattern = /[\p{L}\p{N}\p{M}[\p{Default_Ignorable_Code_Point}--[\u200B]]]+/gv

function hitsIn(line: string, words: readonly string[]): Span[] {
  const whole = new Set(words.filter((word) => !word.endsWith('*')))
  const prefixes = words.filter((word) => word.endsWith('*')).map((word) => word.slice(0, -1))
  if (words.length === 0) return []
  const isHit = (word: string): boolean => whole.has(word) || prefixes.some((prefix) => word.startsWith(prefix))
  return [...line.matchAll(stretchPattern)].flatMap(({ 0: stretch, index }) => hitsOfStretch(stretch, index, isHit))
}

/** Parts of a stretch without spaces stand side by side: letters in pairs, or words. */
function hitsOfStretch(stretch: string, offset: number, isHit: (word: string) => boolean): Span[] {
  if (!isUnspaced(foldText(stretch)))
    return isHit(cutAt(foldText(stretch), wordLength)) ? [{ from: offset, to: offset + stretch.length }] : []
  const hits: Span[] = []
  let former: Part | null = null
  for (const part of partsOf(stretch, offset)) {
    if (isHit(part.word)) hits.push(part)
    else if (former?.isUnspaced && part.isUnspaced && isHit(former.word + part.word))
      hits.push({ from: former.from, to: part.to })
    former = part
  }
  return joined(hits)
}

interface Part extends Span {
  readonly word: string
  readonly isUnspaced: boolean
}

/** With its marks, also those of halfwidth Japanese, which are letters until they are folded. */
const letterPattern = /\P{M}[\p{M}\uFF9E\uFF9F]*/gu

/** Letters of scripts without spaces one by one, others as words. */
function partsOf(stretch: string, offset: number): Part[] {
  const parts: Part[] = []
  for (const { 0: letter, index } of stretch.matchAll(letterPattern)) {
    const word = foldText(letter)
    const part = { from: offset + index, to: offset + index + letter.length, word, isUnspaced: isUnspaced(word) }
    const former = parts.at(-1)
    if (former === undefined || former.isUnspaced || part.isUnspaced) parts.push(part)
    else parts[parts.length - 1] = { ...former, to: part.to, word: cutAt(former.word + word, wordLength) }
  }
  return parts
}

function joined(hits: readonly Span[]): Span[] {
  const spans: Span[] = []
  for (const hit of hits) {
    const last = spans.at(-1)
    if (last !== undefined && hit.from <= last.to) spans[spans.length - 1] = { from: last.from, to: hit.to }
    else spans.push(hit)
  }
  return spans
}

/** A quarter of the window stands before the hit; it begins and ends between words where there is a space nearby. */
function windowOf(line: string, hit: Span | null, length: number): Span {
  if (line.length <= length) return { from: 0, to: line.length }
  const wished = Math.max(0, Math.min((hit?.from ?? 0) - Math.floor(length / 4), line.length - length))
  const space = wished === 0 ? -1 : line.slice(wished, Math.min(hit?.from ?? wished, wished + nearby)).indexOf(' ')
  const start = wished + space + 1
  const from = isHalfway(line, start) ? start + 1 : start
  const end = Math.min(line.length, from + length)
  const lastSpace = end === line.length ? -1 : line.slice(from, end).lastIndexOf(' ')
  const isBetweenWords = lastSpace > length / 2 && from + lastSpace >= (hit?.to ?? 0)
  return { from, to: isBetweenWords ? from + lastSpace : isHalfway(line, end) ? end - 1 : end }
}

/** Whether here is between the halves of a character. */
function isHalfway(line: string, index: number): boolean {
  return /[\uDC00-\uDFFF]/.test(line.charAt(index))
}

function markedHtml(line: string, window: Span, hits: readonly Span[]): string {
  let html = ''
  let at = window.from
  for (const hit of hits) {
    if (hit.to <= window.from) continue
    if (hit.from >= window.to) break
    const from = Math.max(hit.from, at)
    const to = Math.min(hit.to, window.to)
    html += `${escapeHtml(line.slice(at, from))}<mark>${escapeHtml(line.slice(from, to))}</mark>`
    at = to
  }
  return html + escapeHtml(line.slice(at, window.to))
}
