// The text of an HTML mail, for mails without a text part, for search and for snippets. It follows the parser's tokens
// without building a tree, so that its time grows with the length alone, whatever the nesting.

import { Tokenizer } from 'htmlparser2'
import { decodeEntities } from './safe-html-entities.ts'

/** Most text that is made, in characters; what comes after it is left out. */
const longestText = 500_000

/** What they contain is no text of the mail. */
const silent = new Set(['script', 'style', 'title', 'textarea', 'iframe', 'noembed', 'noframes', 'xmp', 'template'])

const paragraphs = new Set(
  'address article aside blockquote center dl fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr main nav ol p pre section table ul'.split(
    ' ',
  ),
)
const lines = new Set('body caption dd div dt figcaption li tbody tfoot thead tr'.split(' '))
const cells = new Set(['td', 'th'])

/**
 * Readable text of `html`: blocks become lines, list items begin with a dash, white space is folded as a browser would,
 * entities are decoded. Scripts, styles and titles are left out. It is text: escape it before it becomes HTML again.
 */
export function htmlToText(html: string): string {
  const pieces: string[] = []
  let length = 0
  let breaks = 0
  let silence: string | null = null

  function add(text: string): void {
    if (length > longestText || (breaks > 0 && text.trim() === '')) return
    const piece = '\n'.repeat(Math.min(breaks, 2)) + text
    pieces.push(piece)
    length += piece.length
    breaks = 0
  }

  function open(name: string): void {
    if (silence !== null) return
    if (silent.has(name)) silence = name
    else if (name === 'br') breaks += 1
    else breaks = Math.max(breaks, breaksAround(name))
    if (name === 'li') add('- ')
    if (cells.has(name)) add(' ')
  }

  function close(name: string): void {
    if (silence === name) silence = null
    else if (silence === null) breaks = Math.max(breaks, breaksAround(name))
  }

  const ignore = (): void => undefined
  const tokenizer = new Tokenizer(
    { decodeEntities: false },
    {
      ontext: (start, end) => {
        if (silence === null) add(decodeEntities(html.slice(start, end)).replaceAll(/[\t\n\f\r ]+/g, ' '))
      },
      onopentagname: (start, end) => open(html.slice(start, end).toLowerCase()),
      onclosetag: (start, end) => close(html.slice(start, end).toLowerCase()),
      onattribdata: ignore,
      onattribentity: ignore,
      onattribend: ignore,
      onattribname: ignore,
      oncdata: ignore,
      oncomment: ignore,
      ondeclaration: ignore,
      onend: ignore,
      onopentagend: ignore,
      onprocessinginstruction: ignore,
      onselfclosingtag: ignore,
      ontextentity: ignore,
    },
  )
  tokenizer.write(html)
  tokenizer.end()
  return tidy(pieces.join('').slice(0, longestText))
}

function breaksAround(name: string): number {
  if (paragraphs.has(name)) return 2
  return lines.has(name) ? 1 : 0
}

/** Fillers of newsletters (runs of invisible characters) and white space folded, two line breaks at most. */
function tidy(text: string): string {
  return text
    .replaceAll(/(?!\n)\p{Cc}/gu, '')
    .replaceAll(/(?:[ \u00a0\u00ad\u2007\u200b-\u200f\u2060\ufeff]|\u034f){2,}/g, ' ')
    .replaceAll(/ ?\n ?/g, '\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()
}
