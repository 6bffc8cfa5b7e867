// Pages at two widths in both schemes, judged by page-audit.js inside the page.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'

/** The audit as text: it runs where the page is. */
export const pageAudit = readFileSync(join(import.meta.dirname, 'page-audit.js'), 'utf8')

type View = readonly [width: number, height: number, colorScheme: 'light' | 'dark']

const everyView: readonly View[] = [
  [320, 640, 'dark'],
  [1280, 800, 'dark'],
  [320, 640, 'light'],
  [1280, 800, 'light'],
]

/** Half of them, each width and each scheme once. */
export const fewViews: readonly View[] = [
  [320, 640, 'dark'],
  [1280, 800, 'light'],
]

/** What is wrong with these pages of `origin`, a line each; the page is wide and light afterwards. */
export async function auditPages(
  page: Page,
  origin: string,
  paths: readonly string[],
  views: readonly View[] = everyView,
): Promise<string[]> {
  const found: string[] = []
  for (const path of paths) {
    await page.goto(`${origin}${path}`)
    for (const [width, height, colorScheme] of views) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await page.setViewportSize({ width, height })
      const problems = await page.evaluate<string[]>(pageAudit)
      found.push(...problems.map((problem) => `${path} ${width} ${colorScheme}: ${problem}`))
    }
  }
  return found
}
