// Words as the search compares them: whole, without case and accents; runs of Chinese, Japanese and Korean letters are
// compared by what they contain, since no blank parts them. And what of a message is searched. Pure.
import { readableHeader } from './charset.ts'
import { textOfHtml } from './html-text.ts'
import { type Entity, fieldOf } from './mime.ts'
import { entityOf, inlineTexts, textOf } from './payload.ts'
import type { Message } from './store.ts'

/** The words of one text, in order, with a blank before and after each for fast finding. */
export interface Words {
  readonly list: readonly string[]
  readonly joined: string
}

const cjk = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}ー々'
const wordPattern = new RegExp(`[${cjk}]+|(?:(?![${cjk}])[\\p{L}\\p{N}\\p{M}])+`, 'gu')
const cjkPattern = new RegExp(`^[${cjk}]`, 'u')

export function wordsOf(text: string): Words {
  const folded = text
    .normalize('NFKD')
    .replace(/([\p{Script=Latin}\p{Script=Greek}])\p{Mn}+/gu, '$1')
    .normalize('NFC')
    .toLowerCase()
  const list = folded.match(wordPattern) ?? []
  return { list, joined: ` ${list.join(' ')} ` }
}

/** Whether these words stand next to each other in the text. No words match nothing. */
export function containsWords(text: Words, wanted: Words): boolean {
  if (wanted.list.length === 0) return false
  if (!wanted.list.some((word) => cjkPattern.test(word))) return text.joined.includes(wanted.joined)
  if (!wanted.list.every((word) => text.joined.includes(word))) return false
  return text.list.some((_, start) =>
    wanted.list.every((word, offset) => fits(text.list[start + offset], wanted, offset, word)),
  )
}

/** A run may go on before the first word and after the last. */
function fits(found: string | undefined, wanted: Words, offset: number, word: string): boolean {
  if (found === undefined) return false
  if (!cjkPattern.test(word)) return found === word
  const [isFirst, isLast] = [offset === 0, offset === wanted.list.length - 1]
  if (isFirst && isLast) return found.includes(word)
  if (isFirst) return found.endsWith(word)
  return isLast ? found.startsWith(word) : found === word
}

export interface SearchDocument {
  readonly from: Words
  readonly to: Words
  readonly cc: Words
  readonly bcc: Words
  readonly subject: Words
  readonly body: Words
  readonly list: Words
  readonly deliveredTo: Words
  readonly filenames: readonly Words[]
}

const documents = new WeakMap<Message, SearchDocument>()
const bodies = new WeakMap<Buffer, Words>()

/** What a message is searched by, made once. */
export function documentOf(message: Message): SearchDocument {
  const known = documents.get(message)
  if (known !== undefined) return known
  const entity = entityOf(message)
  const header = (name: string): Words => wordsOf(readableHeader(fieldOf(entity.fields, name) ?? ''))
  const document: SearchDocument = {
    from: header('from'),
    to: header('to'),
    cc: header('cc'),
    bcc: header('bcc'),
    subject: header('subject'),
    list: header('list-id'),
    deliveredTo: header('delivered-to'),
    body: bodies.get(message.body) ?? wordsOf(bodyText(entity)),
    filenames: filenamesOf(entity).map(wordsOf),
  }
  bodies.set(message.body, document.body)
  documents.set(message, document)
  return document
}

/** The plain text; where there is none, what a reader sees of the HTML. */
function bodyText(entity: Entity): string {
  const plain = inlineTexts(entity, 'text/plain').map(textOf).join('\n')
  return plain.trim() !== ''
    ? plain
    : inlineTexts(entity, 'text/html')
        .map((part) => textOfHtml(textOf(part)))
        .join('\n')
}

/** Names of attachments; those inside an attached message are its own affair. */
function filenamesOf(entity: Entity): string[] {
  const own = entity.filename === '' ? [] : [entity.filename]
  return entity.mimeType === 'message/rfc822' ? own : [...own, ...entity.parts.flatMap(filenamesOf)]
}
