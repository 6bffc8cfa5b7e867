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
    const [, value = '', important = ''] =
      /^(.*?)(\s*!\s*important)?$/is.exec(declaration.slice(colon + 1).trim()) ?? []
    if (!properties.test(property) || !isHarmless(value)) continue
    kept.push(`${property}:${value.replaceAll(/\s+/g, ' ')}${important === '' ? '' : ' !important'}`)
  }
  return kept.join(';')
}

function isHarmless(value: string): boolean {
  if (!harmlessValue.test(value) || !isBalanced(value)) return false
  return [...value.matchAll(/([\w-]*)\s*\(/g)].every(
    ([, name = '']) => name === '' || harmlessFunctions.has(name.toLowerCase()),
  )
}

/** An open quote or bracket would swallow the declarations after it. */
function isBalanced(value: string): boolean {
  const count = (character: string): number => value.split(character).length - 1
  return count('"') % 2 === 0 && count("'") % 2 === 0 && count('(') === count(')')
}
