// Runs inside a page (as text, see pages.test.ts) and answers what is wrong with it for people who use a keyboard, a
// screen reader, a small screen or tired eyes. The rules of axe that matter to plain pages, by hand.
;(() => {
  const problems = []
  const say = (rule, element) => problems.push(`${rule}: ${element.outerHTML.slice(0, 120)}`)
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true })

  if (document.documentElement.lang !== 'en') problems.push('lang: missing')
  if (document.title.trim() === '') problems.push('title: missing')
  if (document.querySelectorAll('h1').length !== 1) problems.push('h1: not exactly one')
  for (const landmark of ['header', 'nav', 'main', 'footer']) {
    if (document.querySelector(landmark) === null) problems.push(`landmark: no ${landmark}`)
  }
  if (document.querySelector('script, style, [style]') !== null) problems.push('inline: script or style')

  const nameOf = (element) => (element.getAttribute('aria-label') ?? element.textContent).trim()
  for (const element of document.querySelectorAll('a[href], button')) if (nameOf(element) === '') say('name', element)
  for (const field of document.querySelectorAll('input:not([type=hidden]), textarea, select')) {
    if (field.labels.length === 0) say('label', field)
  }
  for (const image of document.querySelectorAll('svg')) {
    // Decoration, or a picture with a name of its own.
    const isPicture = image.getAttribute('role') === 'img' && image.hasAttribute('aria-labelledby')
    if (image.getAttribute('aria-hidden') !== 'true' && !isPicture) say('svg', image)
  }

  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id)
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) problems.push(`id: ${id} twice`)
  for (const attribute of ['aria-labelledby', 'aria-describedby', 'for']) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute).split(' ')) if (!ids.includes(id)) say(attribute, element)
    }
  }

  const levels = [...document.querySelectorAll('h1, h2, h3, h4')].map(({ tagName }) => Number(tagName[1]))
  levels.forEach((level, index) => {
    if (index > 0 && level > levels[index - 1] + 1) problems.push(`heading: h${levels[index - 1]} before h${level}`)
  })

  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) {
    problems.push(`width: ${document.documentElement.scrollWidth} of ${document.documentElement.clientWidth}`)
  }

  const channels = (color) => color.match(/[\d.]+/g).map(Number)
  const luminance = (color) => {
    const [red, green, blue] = channels(color).map((value) => {
      const part = value / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const groundOf = (element) => {
    for (let current = element; current !== null; current = current.parentElement) {
      const ground = getComputedStyle(current).backgroundColor
      if (channels(ground)[3] !== 0) return ground
    }
    return 'rgb(255, 255, 255)'
  }
  for (const element of document.body.querySelectorAll('*')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '')
    if (!hasText || !isShown(element) || element.closest('svg, .sr-only') !== null) continue
    const { color, fontSize, fontWeight } = getComputedStyle(element)
    const [light, dark] = [luminance(color), luminance(groundOf(element))].sort((a, b) => b - a)
    const ratio = (light + 0.05) / (dark + 0.05)
    const size = Number.parseFloat(fontSize)
    const isLarge = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700)
    if (ratio < (isLarge ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)}`, element)
  }
  return problems
})()
