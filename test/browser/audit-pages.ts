// Every page at two widths in both schemes, judged by page-audit.js inside the page.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'

/** The audit as text: it runs where the page is. */
export const pageAudit = readFileSync(join(import.meta.dirname, 'page-audit.js'), 'utf8')

/** What is wrong with these pages of `origin`, a line each; the page is wide and light afterwards. */
export async function auditPages(page: Page, origin: string, paths: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    for (const [width, height] of [
      [320, 640],
      [1280, 800],
    ] as const) {
      await page.setViewportSize({ width, height })
      for (const path of paths) {
        await page.goto(`${origin}${path}`)
        const problems = await page.evaluate<string[]>(pageAudit)
        found.push(...problems.map((problem) => `${path} ${width} ${colorScheme}: ${problem}`))
      }
    }
  }
  return found
}
