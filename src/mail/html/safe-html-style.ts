// The attribute `style` of a stranger's HTML: an allow-list of properties, and values that can load nothing, run nothing
// and leave their place on the page for no other. Anything that is not plainly harmless is left out, not repaired.

/** Longest style that is read; a newsletter's are a few hundred characters. */
const longestStyle = 4_000

/** No position, z-index, transform, content, cursor, filter, behavior or binding; no custom properties. */
const properties = new RegExp(
  `^(?:${[
    '(?:margin|padding|border|font|text|list-style|outline)(?:-[a-z]+)*',
    'background|background-color|color|opacity|visibility|display|float|clear|overflow|direction|unicode-bidi',
    '(?:min-|max-)?(?:width|height)|box-sizing|table-layout|caption-side|empty-cells|vertical-align',
    'line-height|letter-spacing|word-spacing|white-space|word-break|word-wrap|overflow-wrap|hyphens',
  ].join('|')})$`,
)

/** No colon, backslash, at sign, brace, angle bracket or comment; functions are looked at one by one. */
const harmlessValue = /^(?!.*\/\*)[\w\s#%.,+()'"/-]+$/

const harmlessFunctions = new Set(['rgb', 'rgba', 'hsl', 'hsla', 'calc', 'min', 'max', 'clamp'])

/** The declarations of `style` that are allowed, in one writing; empty where there are none. */
export function safeStyle(style: string): string {
  if (style.length > longestStyle) return ''
  const kept: string[] = []
  for (const declaration of style.split(';')) {
    const colon = declaration.indexOf(':')
    const property = declaration.slice(0, Math.max(colon, 0)).trim().toLowerCase()
    const { value, isImportant } = readValue(declaration.slice(colon + 1))
    if (!properties.test(property) || !isHarmless(value)) continue
    kept.push(`${property}:${value}${isImportant ? ' !important' : ''}`)
  }
  return kept.join(';')
}

/** Without patterns that look for an end from every place: a stranger chooses how long it is. */
function readValue(written: string): { readonly value: string; readonly isImportant: boolean } {
  const text = written.replaceAll(/\s+/g, ' ').trim()
  const mark = text.lastIndexOf('!')
  const isImportant =
    mark >= 0 &&
    text
      .slice(mark + 1)
      .trim()
      .toLowerCase() === 'important'
  return { value: isImportant ? text.slice(0, mark).trimEnd() : text, isImportant }
}

function isHarmless(value: string): boolean {
  if (!harmlessValue.test(value) || !isBalanced(value)) return false
  const [, ...others] = value.split('(').reverse()
  return others.every((before) => {
    const name =
      before
        .trimEnd()
        .split(/[^\w-]/)
        .at(-1) ?? ''
    return name === '' || harmlessFunctions.has(name.toLowerCase())
  })
}

/** An open quote or bracket would swallow the declarations after it. */
function isBalanced(value: string): boolean {
  const count = (character: string): number => value.split(character).length - 1
  return count('"') % 2 === 0 && count("'") % 2 === 0 && count('(') === count(')')
}
