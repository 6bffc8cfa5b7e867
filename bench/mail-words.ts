// Mail for the bench: a vocabulary whose words are as unevenly common as those of real mail (Zipf), correspondents, and
// messages made of them. The same for every run; what a message can be found by comes from the Worker's own code.
import { tsvectorLiteral } from '../src/mail/search/terms.ts'

/** A message without its mailbox, its date and its ids. */
export interface Template {
  readonly number: number
  readonly subject: string
  readonly from: { readonly name: string; readonly address: string }
  readonly text: string
  readonly labels: readonly string[]
  readonly isUnread: boolean
  readonly hasAttachments: boolean
  readonly size: number
  /** `tsvector`, without the facet of a mailbox. */
  readonly search: string
  readonly head: string
}

const vocabularySize = 20_000
const correspondents = 400
const ownLabels: readonly (readonly [id: string, name: string])[] = [
  ['Label_1', 'Work'],
  ['Label_2', 'Receipts'],
  ['Label_3', 'Travel'],
]
const facetOfNoMailbox = "':m:'"

const first = 'b c d f g h k l m n p r s t v w br dr fl gr kl pr st tr'.split(' ')
const vowels = 'a e i o u ai ea oo'.split(' ')
const last = ['', 'n', 'r', 's', 'l', 'm', 't']

/** The most common first. */
export const vocabulary: readonly string[] = makeVocabulary()

function makeVocabulary(): string[] {
  const random = randomNumbers(7)
  const pick = (from: readonly string[]): string => from[Math.floor(random() * from.length)] ?? ''
  const words = new Set<string>()
  // Common words are short.
  for (let syllables = 1; words.size < vocabularySize; ) {
    words.add(Array.from({ length: syllables }, () => pick(first) + pick(vowels) + pick(last)).join(''))
    syllables = words.size < 300 ? 1 : words.size < 4_000 ? 2 : 3
  }
  return [...words]
}

/** A place in a list of `length`, the first being the likeliest: the n-th comes one n-th as often. */
function zipf(random: () => number, length: number): number {
  return Math.min(length - 1, Math.floor(Math.exp(random() * Math.log(length + 1))) - 1)
}

/** Most mail is from the first of them. Names are rare words, so that none is more common than its place says. */
export function correspondent(number: number): { name: string; address: string } {
  const [given, family] = [vocabulary[10_000 + number] ?? '', vocabulary[12_000 + number] ?? '']
  const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1)
  return {
    name: `${capital(given)} ${capital(family)}`,
    address: `${given}@${vocabulary[14_000 + (number % 60)]}.example`,
  }
}

export function makeTemplates(count: number): Template[] {
  const random = randomNumbers(11)
  return Array.from({ length: count }, (_, number) => makeTemplate(number, random))
}

function makeTemplate(number: number, random: () => number): Template {
  const words = (many: number): string =>
    Array.from({ length: many }, () => vocabulary[zipf(random, vocabulary.length)]).join(' ')
  const subject = words(3 + Math.floor(random() * 5))
  const from = correspondent(zipf(random, correspondents))
  const text = words(20 + Math.floor(random() * 60))
  const own = ownLabels[Math.floor(random() * 12)]
  const isUnread = random() < 0.2
  const hasAttachments = random() < 0.15
  const place = random()
  const labels = [
    place < 0.02 ? 'SPAM' : place < 0.04 ? 'TRASH' : place < 0.14 ? 'SENT' : place < 0.8 ? 'INBOX' : 'CATEGORY_UPDATES',
    ...(isUnread ? ['UNREAD'] : []),
    ...(random() < 0.05 ? ['STARRED'] : []),
    ...(own === undefined ? [] : [own[0]]),
  ]
  const literal = tsvectorLiteral({
    mailboxId: '',
    subject,
    from: [`${from.name} <${from.address}>`],
    to: ['person@gmail.com'],
    cc: [],
    bcc: [],
    text,
    attachments: hasAttachments ? [{ filename: `${words(2)}.pdf` }] : [],
    labelIds: labels,
    labelNames: own === undefined ? [] : [own[1]],
    messageId: `<${number}@mail.example>`,
  })
  if (!literal.startsWith(facetOfNoMailbox)) throw new Error('the facet of the mailbox is no longer the first')
  return {
    ...{ number, subject, from, text, labels, isUnread, hasAttachments },
    size: 2_000 + Math.floor(random() * 30_000) + (hasAttachments ? 400_000 : 0),
    search: literal.slice(facetOfNoMailbox.length),
    head: `${subject} ${from.name} ${from.address} person@gmail.com`.toLowerCase(),
  }
}

/** Mulberry32: small, and the same everywhere. */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
