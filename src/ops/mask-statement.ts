// A statement's text without anything its author may have typed as a value (SECURITY AP-14): addresses, codes, passwords.
// PostgreSQL's own texts of utility statements and of running ones hold literals. Pure; it reads no SQL grammar, only where
// literals begin and end, and where that is in doubt it shows what stands before the first of them and nothing else.

/** Of the text shown. */
const longestShown = 2_000

/** Their values are literals, which masking removes. Whatever else a statement says is a name. */
const manipulating = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE', 'WITH', 'VALUES', 'TABLE'])

interface Piece {
  /** What is shown of it. */
  readonly shown: string
  /** Where the next piece begins. */
  readonly end: number
}

// Everything from here on may be read otherwise by a server with other settings: nothing more is shown.
const doubt = (text: string): Piece => ({ shown: '…', end: text.length })

/**
 * The statement with `?` for each literal (quoted strings of every kind, dollar quotes, numbers), without comments, and
 * with unusual quoted names as `"?"`. Utility statements keep their verb and the table they are about. A string with a
 * backslash outside `E''` ends the text: its end depends on `standard_conforming_strings`.
 */
export function maskStatement(text: string): string {
  let shown = ''
  for (let at = 0; at < text.length; ) {
    const piece = pieceAt(text, at)
    shown += piece.shown
    at = piece.end
  }
  const plain = shown.replaceAll(/\s+/g, ' ').trim()
  const verb = /^[(\s]*([A-Za-z]+)\b/.exec(plain)?.[1]?.toUpperCase() ?? ''
  const kept = manipulating.has(verb) ? firstOf(plain) : utility(verb, plain)
  return kept.length > longestShown ? `${kept.slice(0, longestShown)}…` : kept
}

/** What else came in one message may begin with any verb. */
function firstOf(plain: string): string {
  const [first = '', ...others] = plain.split(';')
  return others.some((other) => other.trim() !== '') ? `${first}; …` : first
}

function utility(verb: string, plain: string): string {
  if (verb === '') return '…'
  const named = /\b(?:TABLE|INTO|ON|FROM)\s+(?:ONLY\s+|IF\s+(?:NOT\s+)?EXISTS\s+)*([A-Za-z_][\w.]*)/i
  // Names of settings, roles and channels may tell something too: the table's only.
  const table = named.exec(plain.split(/[?…]/)[0] ?? '')?.[0]
  return table === undefined ? `${verb} …` : `${verb} … ${table}`
}

function pieceAt(text: string, at: number): Piece {
  const rest = text.slice(at, at + 3)
  if (rest.startsWith('--')) return { shown: ' ', end: endOfLine(text, at) }
  if (rest.startsWith('/*')) return { shown: ' ', end: endOfComment(text, at) }
  const character = text.charAt(at)
  if (character === "'") return quoted(text, at, 'plain')
  if (character === '"') return quotedName(text, at)
  if (character === '$') return dollar(text, at)
  if (/\d/.test(character)) return { shown: '?', end: endOfWord(text, at) }
  if (isWordCharacter(character)) return word(text, at)
  // A backslash belongs to no token of SQL: somebody counts quotes otherwise than we do.
  return character === '\\' ? doubt(text) : { shown: character, end: at + 1 }
}

function isWordCharacter(character: string): boolean {
  return /[\w$\u0080-\uffff]/.test(character)
}

function endOfWord(text: string, at: number): number {
  let end = at
  while (end < text.length && (isWordCharacter(text.charAt(end)) || isDecimalPoint(text, at, end))) end += 1
  return end
}

/** `1.5` is one number, `t.id` two names. */
function isDecimalPoint(text: string, from: number, at: number): boolean {
  return text.charAt(at) === '.' && /\d/.test(text.charAt(from))
}

/** A name or keyword, or the letters before a quote that say which kind of string it begins. */
function word(text: string, at: number): Piece {
  const end = endOfWord(text, at)
  const name = text.slice(at, end)
  if (text.charAt(end) === "'" && /^[ebxn]$/i.test(name)) {
    return quoted(text, end, /^e$/i.test(name) ? 'escaped' : 'plain')
  }
  if (/^u$/i.test(name) && text.charAt(end) === '&') {
    if (text.charAt(end + 1) === "'") return quoted(text, end + 1, 'unicode')
    if (text.charAt(end + 1) === '"') return quotedName(text, end + 1)
  }
  // Beyond ASCII a letter of one encoding is a space of another.
  return { shown: /^[\w$]{1,63}$/.test(name) ? name : '?', end }
}

function quoted(text: string, at: number, form: 'plain' | 'escaped' | 'unicode'): Piece {
  for (let end = at + 1; end < text.length; end += 1) {
    const character = text.charAt(end)
    if (character === '\\' && form === 'plain') return doubt(text)
    if (character === '\\' && form === 'escaped') end += 1
    else if (character === "'" && text.charAt(end + 1) === "'") end += 1
    else if (character === "'") return { shown: '?', end: end + 1 }
  }
  // Cut off by the server at the length it keeps.
  return { shown: '?', end: text.length }
}

function quotedName(text: string, at: number): Piece {
  for (let end = at + 1; end < text.length; end += 1) {
    if (text.charAt(end) !== '"') continue
    if (text.charAt(end + 1) === '"') {
      end += 1
      continue
    }
    const name = text.slice(at + 1, end)
    return { shown: /^[A-Za-z_]\w{0,62}$/.test(name) ? `"${name}"` : '"?"', end: end + 1 }
  }
  return { shown: '"?"', end: text.length }
}

/** `$1`, or `$tag$ … $tag$`. */
function dollar(text: string, at: number): Piece {
  const parameter = /^\$\d{1,5}(?![\w$])/.exec(text.slice(at, at + 8))?.[0]
  if (parameter !== undefined) return { shown: parameter, end: at + parameter.length }
  const tag = /^\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]{0,100})?\$/.exec(text.slice(at, at + 104))?.[0]
  if (tag === undefined) return doubt(text)
  return { shown: '?', end: after(text, tag, at + tag.length) }
}

function after(text: string, what: string, from: number): number {
  const found = text.indexOf(what, from)
  return found === -1 ? text.length : found + what.length
}

/** A carriage return alone ends it too. */
function endOfLine(text: string, at: number): number {
  const length = text.slice(at).search(/[\r\n]/)
  return length === -1 ? text.length : at + length
}

/** Comments nest in PostgreSQL. */
function endOfComment(text: string, at: number): number {
  let depth = 0
  for (let end = at; end < text.length; ) {
    const pair = text.slice(end, end + 2)
    depth += pair === '/*' ? 1 : pair === '*/' ? -1 : 0
    end += pair === '/*' || pair === '*/' ? 2 : 1
    if (depth === 0) return end
  }
  return text.length
}
