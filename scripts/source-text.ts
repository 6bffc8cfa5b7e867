// Takes a TypeScript source apart just far enough for our own checks: code without comments and regular
// expressions, and every string literal on its own. Not a parser: it must never need to know what the code means.

export interface Literal {
  /** As written between the quotes; an interpolated expression of a template stands as `{}`. */
  text: string
  line: number
  /** The code just before the literal, so that a check can tell `` sql`…` `` from plain words. */
  before: string
}

export interface SourceText {
  /** Same line breaks as the source; the literal number n stands as `'#n'` or `` `#n` ``. */
  code: string
  literals: Literal[]
}

const beforeRegex =
  /(?:^|[(,=:[!&|?{;+\-*%~^]|=>|\b(?:return|typeof|case|in|of|throw|void|delete|else|do|await|yield))$/

/** Splits a source into code and literals. Line breaks are kept, so positions in `code` still tell the line. */
export function readSource(source: string): SourceText {
  const literals: Literal[] = []
  const templates: { literal: Literal; depth: number }[] = []
  let code = ''
  let line = 1
  let at = 0
  let depth = 0

  const newLines = (text: string): string => {
    const breaks = '\n'.repeat(text.split('\n').length - 1)
    line += breaks.length
    return breaks
  }

  const readQuoted = (quote: string): void => {
    const start = ++at
    while (at < source.length && source[at] !== quote && source[at] !== '\n') at += source[at] === '\\' ? 2 : 1
    const text = source.slice(start, at)
    literals.push({ text, line, before: code.slice(-40) })
    code += `'#${literals.length - 1}'${newLines(text)}`
    if (source[at] === quote) at++
  }

  const readTemplate = (open: { literal: Literal; depth: number }): void => {
    const start = at
    while (at < source.length && source[at] !== '`' && source.slice(at, at + 2) !== '${') {
      at += source[at] === '\\' ? 2 : 1
    }
    const text = source.slice(start, at)
    open.literal.text += text
    code += newLines(text)
    if (source[at] === '$') {
      open.literal.text += '{}'
      code += '${'
      at += 2
      open.depth = depth
      templates.push(open)
    } else {
      at++
      code += `#${literals.indexOf(open.literal)}\``
    }
  }

  const regexEnd = (): number | undefined => {
    let inClass = false
    for (let end = at + 1; end < source.length && source[end] !== '\n'; end++) {
      if (source[end] === '\\') end++
      else if (source[end] === '[') inClass = true
      else if (source[end] === ']') inClass = false
      else if (source[end] === '/' && !inClass) return end + 1
    }
    return undefined
  }

  while (at < source.length) {
    const char = source[at] ?? ''
    const pair = source.slice(at, at + 2)
    const template = templates.at(-1)
    if (pair === '//') {
      const end = source.indexOf('\n', at)
      at = end < 0 ? source.length : end
    } else if (pair === '/*') {
      const end = source.indexOf('*/', at + 2)
      const stop = end < 0 ? source.length : end + 2
      code += ` ${newLines(source.slice(at, stop))}`
      at = stop
    } else if (char === "'" || char === '"') {
      readQuoted(char)
    } else if (char === '`') {
      const literal = { text: '', line, before: code.slice(-40) }
      literals.push(literal)
      code += '`'
      at++
      readTemplate({ literal, depth })
    } else if (char === '}' && template !== undefined && template.depth === depth) {
      templates.pop()
      code += '}'
      at++
      readTemplate(template)
    } else {
      const end = char === '/' && beforeRegex.test(code.trimEnd()) ? regexEnd() : undefined
      if (end !== undefined) {
        at = end
        while (/[a-z]/.test(source[at] ?? '')) at++
        code += '0'
      } else {
        if (char === '{') depth++
        if (char === '}') depth--
        code += char === '\n' ? newLines(char) : char
        at++
      }
    }
  }
  return { code, literals }
}

/** The line, counted from 1, on which a position of `text` stands. */
export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length
}
