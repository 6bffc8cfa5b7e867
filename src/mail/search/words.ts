// Text into words, for what is stored and for what is asked alike: one place, no locale, no database dictionary. Words
// hold only letters, digits and marks. Where people write without spaces, overlapping pairs of letters stand for words.

/** Longer words (encoded data, long links) are the same word up to here. */
export const wordLength = 64

/** Scripts written without spaces, and Korean, whose particles cling to the noun. */
const scripts = ['Han', 'Hiragana', 'Katakana', 'Hangul', 'Thai', 'Lao', 'Khmer', 'Myanmar']
const unspaced = scripts.map((script) => `\\p{Script_Extensions=${script}}`).join('')
const unspacedLetter = `[[\\p{L}\\p{N}]&&[${unspaced}]]`
const wordPattern = `[[\\p{L}\\p{N}]--[${unspaced}]][[\\p{L}\\p{N}\\p{M}]--[${unspaced}]]*`
const tokenPattern = new RegExp(`(?<run>(?:${unspacedLetter}\\p{M}*)+)|${wordPattern}`, 'gv')
const unspacedPattern = new RegExp(unspacedLetter, 'v')
const unitPattern = /[\p{L}\p{N}]\p{M}*/gu
const unitLength = 8

/**
 * Marks that writers leave out: Latin, Greek and Cyrillic accents, Hebrew points, Arabic vowel signs and hamza; and the
 * Arabic stretcher. With them goes what is invisible within a word (soft hyphen, joiners), but not the space of no width.
 */
const optionalMarks = new RegExp(
  [
    '\\u0300-\\u036F\\u0483-\\u0487\\u1AB0-\\u1AFF\\u1DC0-\\u1DFF\\u20D0-\\u20FF\\uFE20-\\uFE2F',
    '\\u0591-\\u05BD\\u05BF\\u05C1\\u05C2\\u05C4\\u05C5\\u05C7',
    '\\u0640\\u064B-\\u065F\\u0670',
    '[\\p{Default_Ignorable_Code_Point}--[\\u200B]]',
  ]
    .map((set) => (set.startsWith('[') ? set : `[${set}]`))
    .join('|'),
  'gv',
)

/** Letters that Unicode does not take apart, and people type so. */
const plainLetters: ReadonlyMap<string, string> = new Map([
  ['ß', 'ss'],
  ['æ', 'ae'],
  ['œ', 'oe'],
  ['ø', 'o'],
  ['ł', 'l'],
  ['đ', 'd'],
  ['ð', 'd'],
  ['þ', 'th'],
  ['ħ', 'h'],
  ['ı', 'i'],
  ['ς', 'σ'],
])

/** Without case, accents and presentation forms: `Café`, `CAFE` and `ｃａｆé` are one. */
export function foldText(text: string): string {
  return text
    .normalize('NFKD')
    .replace(optionalMarks, '')
    .toLowerCase()
    .replace(/[ßæœøłđðþħıς]/gu, (letter) => plainLetters.get(letter) ?? letter)
    .normalize('NFC')
}

/**
 * - `word` as written
 * - `pair` two neighbours of a run without spaces
 * - `tail` the last letter of such a run, so that a single letter is found wherever it stands
 * - `lone` a run of one letter
 */
interface Token {
  readonly word: string
  readonly kind: 'word' | 'pair' | 'tail' | 'lone'
}

/** The text's tokens one by one, in order: whoever has enough stops asking. */
function* tokensOf(text: string): Generator<Token, void> {
  // One letter may unfold to eighteen: text of nothing else is cut, so that it costs no more than other text.
  const folded = cutAt(foldText(text), 2 * text.length + wordLength)
  for (const match of folded.matchAll(tokenPattern)) {
    if (match.groups?.run === undefined) yield { word: cutAt(match[0], wordLength), kind: 'word' }
    else yield* pairsOf(match.groups.run)
  }
}

function* pairsOf(run: string): Generator<Token, void> {
  let previous: string | null = null
  let isLone = true
  for (const [letter] of run.matchAll(unitPattern)) {
    const unit = cutAt(letter, unitLength)
    if (previous !== null) {
      yield { word: previous + unit, kind: 'pair' }
      isLone = false
    }
    previous = unit
  }
  if (previous !== null) yield { word: previous, kind: isLone ? 'lone' : 'tail' }
}

/** The first `length` UTF-16 units, and never half a character. */
export function cutAt(text: string, length: number): string {
  if (text.length <= length) return text
  const cut = text.slice(0, length)
  return cut.isWellFormed() ? cut : cut.slice(0, -1)
}

/** The words to store, in order; their index is their position. Cut after `most`, never an error. */
export function wordsOf(text: string, most = Number.POSITIVE_INFINITY): string[] {
  const words: string[] = []
  for (const { word } of tokensOf(text)) {
    if (words.length >= most) break
    words.push(word)
  }
  return words
}

export interface AskedWord {
  readonly word: string
  /** Where it stands beside its neighbours, counted as `wordsOf` counts. */
  readonly position: number
  readonly isPrefix: boolean
}

/** The words to ask for: a run's pairs find it within a longer run, a single letter of such a script wherever it begins. */
export function askedWordsOf(text: string, most: number): AskedWord[] {
  const words: AskedWord[] = []
  let position = 0
  for (const { word, kind } of tokensOf(text)) {
    if (words.length >= most) break
    if (kind !== 'tail') words.push({ word, position, isPrefix: kind === 'lone' })
    position += 1
  }
  return words
}

/** Whether the text has a letter of a script written without spaces, where words are not delimited. */
export function isUnspaced(text: string): boolean {
  return unspacedPattern.test(text)
}
