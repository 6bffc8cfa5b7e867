// What a stored message can be found by, as the literal of a `tsvector`: its words with weights and places, and facets
// without places. A facet begins with a colon, which no word does, so that no prefix of a word reaches one.
//
// Weights: A subject, B from, C to, cc and bcc, D text and attachments' names. Bounded far below what PostgreSQL refuses.

import { cutAt, foldText, wordsOf } from './words.ts'

export interface SearchableMessage {
  readonly mailboxId: string
  readonly subject: string
  /** Names and addresses as written, `Amy Pond <amy@example.com>`, one each. */
  readonly from: readonly string[]
  readonly to: readonly string[]
  readonly cc: readonly string[]
  readonly bcc: readonly string[]
  /** The body as plain text. */
  readonly text: string
  readonly attachments: readonly { readonly filename: string }[]
  readonly labelIds: readonly string[]
  /** Names of the user's own labels among them. */
  readonly labelNames: readonly string[]
  /** The header `Message-ID`, with or without its angle brackets. */
  readonly messageId: string | null
}

/** - `m` mailbox, `l` label id, `n` label name, `h` has, `i` Message-ID: stand alone; `c` cc, `b` bcc, `f` file name: before a word. */
export type FacetKind = 'm' | 'l' | 'n' | 'h' | 'i' | 'c' | 'b' | 'f'
type Weight = 'A' | 'B' | 'C' | ''

const subjectLength = 4_000
const addressesLength = 40_000
const filenamesLength = 20_000
const textLength = 200_000
const facetLength = 200
const lexemesMost = 20_000
const literalBytesMost = 512 * 1_024
/** Further words are found, but no phrase of them: all stand at PostgreSQL's last place. */
const placesMost = 16_000
const lastPlace = 16_383
/** PostgreSQL keeps no more of one lexeme. */
const placesOfLexemeMost = 255

/** One facet, bounded, without what PostgreSQL's text cannot hold. */
export function facet(kind: FacetKind, value: string): string {
  return `:${kind}:${cutAt(value.toWellFormed().replace(/\p{Cc}/gu, ''), facetLength)}`
}

/** The facet that every query is confined by: one index serves all mailboxes. */
export function mailboxFacet(mailboxId: string): string {
  return facet('m', mailboxId.replaceAll('-', '').toLowerCase())
}

/** A label's name as `label:` asks for it: lower case, and a dash for all that is neither letter nor digit. */
export function labelNameFacet(name: string): string {
  const slug = foldText(cutAt(name, 4 * facetLength)).replace(/[^\p{L}\p{N}\p{M}]+/gu, '-')
  // A name of signs alone stands for itself.
  return facet('n', slug.replace(/^-|-$/g, '') || name.trim())
}

export function messageIdFacet(messageId: string): string {
  return facet('i', messageId.trim().replace(/^<|>$/g, '').toLowerCase())
}

/** All that a change of labels takes away or adds: for `ts_delete` and `array_to_tsvector`. */
export function facetsOfLabels(labelIds: readonly string[], labelNames: readonly string[]): string[] {
  const facets = [...labelIds.map((id) => facet('l', id)), ...labelNames.map(labelNameFacet)]
  if (labelNames.length > 0) facets.push(facet('h', 'userlabels'))
  return [...new Set(facets)]
}

/** A lexeme in quotes, for a `tsvector` and a `tsquery` alike. */
export function quoteLexeme(lexeme: string): string {
  return `'${lexeme.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

/** A literal for `$1::tsvector`. Too much is cut, never an error; facets are never what is cut. */
export function tsvectorLiteral(message: SearchableMessage): string {
  const draft: Draft = { lexemes: new Map(), place: 1, bytesLeft: literalBytesMost }
  for (const lexeme of facetsOf(message)) add(draft, lexeme, null)
  addField(draft, [message.subject], subjectLength, 'A', null)
  addField(draft, message.from, addressesLength, 'B', null)
  addField(draft, message.to, addressesLength, 'C', null)
  addField(draft, message.cc, addressesLength, 'C', 'c')
  addField(draft, message.bcc, addressesLength, 'C', 'b')
  const filenames = message.attachments.map(({ filename }) => filename)
  addField(draft, filenames, filenamesLength, '', 'f')
  addField(draft, [message.text], textLength, '', null)
  return [...draft.lexemes].map(printLexeme).join(' ')
}

function facetsOf(message: SearchableMessage): string[] {
  const facets = [mailboxFacet(message.mailboxId)]
  if (message.messageId !== null) facets.push(messageIdFacet(message.messageId))
  if (message.attachments.length > 0) facets.push(facet('h', 'attachment'))
  return [...facets, ...facetsOfLabels(message.labelIds, message.labelNames)]
}

interface Draft {
  /** Lexemes with their places, `12A`; of a facet none. */
  readonly lexemes: Map<string, string[]>
  place: number
  bytesLeft: number
}

/** One free place stands between two values, so that no phrase runs from one into the next. */
function addField(
  draft: Draft,
  values: readonly string[],
  length: number,
  weight: Weight,
  prefix: FacetKind | null,
): void {
  let left = length
  for (const value of values) {
    if (left <= 0) return
    for (const word of wordsOf(cutAt(value, left), left)) {
      const place = `${draft.place > placesMost ? lastPlace : draft.place}${weight}`
      add(draft, word, place)
      if (prefix !== null) add(draft, `:${prefix}:${word}`, place)
      draft.place += 1
    }
    draft.place += 1
    left -= value.length
  }
}

const encoder = new TextEncoder()

function add(draft: Draft, lexeme: string, place: string | null): void {
  const known = draft.lexemes.get(lexeme)
  const placeBytes = place === null ? 0 : place.length + 1
  if (known === undefined) {
    const bytes = encoder.encode(lexeme).length + 3 + placeBytes
    if (draft.lexemes.size >= lexemesMost || bytes > draft.bytesLeft) return
    draft.lexemes.set(lexeme, place === null ? [] : [place])
    draft.bytesLeft -= bytes
    return
  }
  if (place === null || known.length >= placesOfLexemeMost || known.at(-1) === place) return
  if (placeBytes > draft.bytesLeft) return
  known.push(place)
  draft.bytesLeft -= placeBytes
}

function printLexeme([lexeme, places]: [string, string[]]): string {
  return places.length === 0 ? quoteLexeme(lexeme) : `${quoteLexeme(lexeme)}:${places.join(',')}`
}
