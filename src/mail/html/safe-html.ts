// Hostile HTML mail made safe to show: what is allowed is listed here, what decides it is sanitize-html. The second line
// of defence is the frame that shows it, with a sandbox and a policy of its own. See docs/decisions/0032-html-mail.md.

import sanitizeHtml from 'sanitize-html'
import { closeEntities, decodeEntities, escapeHtml } from './safe-html-entities.ts'
import { safeStyle } from './safe-html-style.ts'
import { htmlToText } from './safe-html-text.ts'

export { htmlToText }

export interface SafeHtmlOptions {
  /** `none` leaves remote pictures out, for they tell their sender who reads; `remote` keeps them, from `https:` only. */
  readonly pictures: 'none' | 'remote'
}

export interface SafeHtml {
  /** A fragment for the body of a page; stable when it is made safe again. */
  readonly html: string
  /** Whether asking for remote pictures would show any. */
  readonly hasRemotePictures: boolean
}

/** Deeper elements lose their tags and keep their text. Chromium stops at 512. */
const deepestKept = 250

/** The parser searches its open elements, so a mail that leaves this many open is shown as text. */
const mostOpenElements = 1_000

/** Ordinary mail is stable after the first pass; what is not after so many is shown as text. */
const mostPasses = 4

/** Most HTML that is read, in characters; what comes after it is left out. A long newsletter has a fifth of it. */
const longestHtml = 500_000

const longestUrl = 8_192
const longestAttribute = 1_000

const allowedTags = [
  ...['a', 'abbr', 'acronym', 'address', 'article', 'aside', 'b', 'bdi', 'bdo', 'big', 'blockquote', 'br', 'caption'],
  ...[
    'center',
    'cite',
    'code',
    'col',
    'colgroup',
    'dd',
    'del',
    'details',
    'dfn',
    'div',
    'dl',
    'dt',
    'em',
    'figcaption',
  ],
  ...['figure', 'font', 'footer', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'header', 'hr', 'i', 'img', 'ins', 'kbd', 'li'],
  ...['main', 'mark', 'nav', 'ol', 'p', 'pre', 'q', 's', 'samp', 'section', 'small', 'span', 'strike', 'strong', 'sub'],
  ...['summary', 'sup', 'table', 'tbody', 'td', 'tfoot', 'th', 'thead', 'time', 'tr', 'tt', 'u', 'ul', 'var', 'wbr'],
]

/**
 * Left out with all they contain, as browsers never show it, or never as markup. Of other tags that are not allowed the
 * content is kept: one that is never closed must not take the rest of the mail along.
 */
const silentTags = ['script', 'style', 'title', 'textarea', 'xmp', 'template', 'iframe', 'noembed', 'noframes']

/** Attributes of any element, with short words, numbers, colours and font names as values. */
const plainAttributes = [
  ...['align', 'valign', 'bgcolor', 'color', 'face', 'size', 'width', 'height', 'border', 'cellpadding', 'cellspacing'],
  ...['rules', 'frame', 'colspan', 'rowspan', 'nowrap', 'scope', 'span', 'start', 'type', 'value', 'hspace', 'vspace'],
  ...['noshade', 'clear', 'dir', 'lang'],
]
const plainValue = /^[\w\s#%.,+'()-]*$/

const policy = {
  allowedTags,
  nonTextTags: silentTags,
  allowedAttributes: {
    '*': [...plainAttributes, 'title', 'style'],
    a: ['href', 'rel', 'target'],
    img: ['src', 'alt'],
  },
  allowedSchemes: ['http', 'https', 'mailto', 'tel'],
  allowedSchemesByTag: { img: ['https', 'data'] },
  allowProtocolRelative: false,
  parseStyleAttributes: false,
  nestingLimit: deepestKept,
  parser: { decodeEntities: false },
} as const

type Attributes = Record<string, string>

/**
 * Makes the HTML of a mail safe: no script, style sheet, form, frame, foreign markup, id or class; links to `http`,
 * `https`, `mailto` and `tel` only, in a window of their own. What is longer than half a million characters is cut.
 */
export function safeHtml(written: string, options: SafeHtmlOptions): SafeHtml {
  const html = written.slice(0, longestHtml).toWellFormed()
  try {
    const first = sanitizeOnce(html, options)
    let safe = first.html
    // Markup that reads differently once it is written anew is where attacks hide: it goes round until it does not.
    for (let pass = 1; pass <= mostPasses; pass += 1) {
      const again = sanitizeOnce(safe, options).html
      if (again === safe) return { html: safe, hasRemotePictures: first.hasRemotePictures }
      safe = again
    }
  } catch (thrown) {
    if (!(thrown instanceof TooDeep)) throw thrown
  }
  return { html: escapeHtml(htmlToText(html)).replaceAll('\n', '<br />'), hasRemotePictures: false }
}

/** White space, and signs that are never drawn. */
const unseen = /^[\s\p{C}\p{Default_Ignorable_Code_Point}]*$/u

/** Whether HTML that was made safe shows a word or a picture; rules and empty tables tell nobody anything. */
export function showsSomething(safe: string): boolean {
  return safe.includes('<img') || !unseen.test(htmlToText(safe))
}

function sanitizeOnce(html: string, options: SafeHtmlOptions): SafeHtml {
  let hasRemotePictures = false
  let open = 0

  function attributesOf(tagName: string, written: Readonly<Attributes>): Attributes {
    if (Object.keys(written).length === 0) return {}
    const given: Attributes = Object.fromEntries(
      Object.entries(written).map(([name, value]) => [name, withoutControls(decodeEntities(value))]),
    )
    const kept = textAttributes(given)
    if (tagName === 'a') Object.assign(kept, linkAttributes(given.href ?? ''))
    if (tagName === 'img') {
      const picture = readPicture(given.src ?? '')
      if (picture.isRemote) hasRemotePictures = true
      if (picture.url !== null && (!picture.isRemote || options.pictures === 'remote')) kept.src = picture.url
    }
    // The parser was told to leave entities alone, so values are given to the library as they are to be written.
    return Object.fromEntries(Object.entries(kept).map(([name, value]) => [name, escapeHtml(value)]))
  }

  const safe = sanitizeHtml(closeEntities(withoutControls(html)), {
    ...policy,
    transformTags: {
      '*': (tagName, written) => ({
        // A mail's page becomes a part of ours, with its colours.
        tagName: tagName === 'body' ? 'div' : tagName,
        attribs: attributesOf(tagName, written),
      }),
    },
    onOpenTag: () => {
      open += 1
      if (open > mostOpenElements) throw new TooDeep()
    },
    onCloseTag: () => {
      open -= 1
    },
  })
  return { html: safe, hasRemotePictures }
}

class TooDeep extends Error {
  override readonly name = 'TooDeep'
}

/** NUL and its like: browsers, parsers and PostgreSQL each make something else of them. */
function withoutControls(html: string): string {
  return html.replaceAll(/(?![\t\n\f\r])\p{Cc}/gu, '')
}

function textAttributes(given: Readonly<Attributes>): Attributes {
  const kept: Attributes = {}
  for (const [name, value] of Object.entries(given)) {
    if (name === 'style') kept[name] = safeStyle(value)
    else if (name === 'alt' || name === 'title') kept[name] = value.slice(0, longestAttribute)
    else if (plainAttributes.includes(name) && value.length <= longestAttribute && plainValue.test(value)) {
      kept[name] = value
    }
  }
  return kept
}

function linkAttributes(href: string): Attributes {
  const url = readUrl(href)
  if (url === null || !['http:', 'https:', 'mailto:', 'tel:'].includes(url.protocol)) return {}
  return { href: url.href, rel: 'noopener noreferrer nofollow', target: '_blank' }
}

/** A picture's address as it may be written: ours to show, the sender's to be asked for, or none. */
function readPicture(src: string): { readonly url: string | null; readonly isRemote: boolean } {
  const inline = /^\s*data:image\/(png|jpe?g|gif|webp);base64,([a-z0-9+/=\s]+)$/i.exec(src)
  if (inline !== null) {
    const [, type = '', data = ''] = inline
    return { url: `data:image/${type.toLowerCase()};base64,${data.replaceAll(/\s+/g, '')}`, isRemote: false }
  }
  const url = readUrl(src)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return { url: null, isRemote: false }
  url.protocol = 'https:'
  return { url: url.href, isRemote: true }
}

/** An absolute URL, read as browsers read it and without a name and password before its host; null where it is none. */
function readUrl(written: string): URL | null {
  const trimmed = written.trim()
  if (trimmed.length > longestUrl) return null
  const url = URL.parse(/^[\\/]{2}/.test(trimmed) ? `https:${trimmed}` : trimmed)
  if (url === null || url.href.length > longestUrl) return null
  url.username = ''
  url.password = ''
  return url
}
