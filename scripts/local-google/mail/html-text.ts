// What a reader sees of HTML, as plain text: for snippets and for search. Not a sanitiser. Pure.

const block =
  /<\/?(?:address|article|aside|blockquote|br|center|dd|div|dl|dt|fieldset|figure|footer|form|h[1-6]|header|hr|li|main|nav|ol|option|p|pre|section|select|table|tbody|td|tfoot|th|thead|tr|ul)\b[^>]*>/gi
const unseen = /<(script|style|title|noscript|template)\b[^>]*>[\s\S]*?(?:<\/\1\s*>|$)/gi

const named: Readonly<Record<string, string>> = {
  amp: '&',
  apos: "'",
  bull: '•',
  copy: '©',
  eacute: 'é',
  euro: '€',
  gt: '>',
  hellip: '…',
  laquo: '«',
  lt: '<',
  mdash: '—',
  nbsp: ' ',
  ndash: '–',
  quot: '"',
  raquo: '»',
  szlig: 'ß',
  uuml: 'ü',
}

/** Text of a document; blocks end in a space, inline tags leave nothing behind. */
export function textOfHtml(html: string): string {
  const seen = html.replace(/<!--[\s\S]*?(?:-->|$)/g, '').replace(unseen, ' ')
  return readEntities(seen.replace(block, ' ').replace(/<[!/?a-z][^>]*>/gi, ''))
}

function readEntities(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]+));?/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return named[name.toLowerCase()] ?? whole
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : '\ufffd'
  })
}

/** The five characters that Gmail escapes in a snippet. */
export function escapeHtml(text: string): string {
  const escapes: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replace(/[&<>"']/g, (character) => escapes[character] ?? character)
}
