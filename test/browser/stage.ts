// What each browser test begins with: the product on a database of its own, Chromium, and a page without JavaScript, since
// our own pages have to work without. And how a click is followed.
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core'
import postgres from 'postgres'
import { inject } from 'vitest'
import { cloneTemplate } from '../support/test-world.ts'
import { chromiumArgs, type DevStack, findChromium, startDevStack } from './dev-stack.ts'

export interface Stage {
  readonly stack: DevStack
  readonly sql: postgres.Sql
  readonly browser: Browser
  readonly context: BrowserContext
  readonly page: Page
  close(): Promise<void>
}

/** `settings` win over those of every browser test. Needs a Chromium (`findChromium`). */
export async function openStage(settings: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const databaseUrl = await cloneTemplate(inject('adminDatabaseUrl'), inject('templateDatabase'))
  const [started, launched] = await Promise.allSettled([
    startDevStack(databaseUrl, settings),
    chromium.launch({ executablePath: findChromium() ?? '', args: chromiumArgs }),
  ])
  if (started.status === 'rejected' || launched.status === 'rejected') {
    if (started.status === 'fulfilled') await started.value.stop()
    if (launched.status === 'fulfilled') await launched.value.close()
    throw new Error('the stage could not be set', { cause: [started, launched] })
  }
  const stack = started.value
  const browser = launched.value
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  const context = await browser.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  // Only a failure waits as long: machines are slow at times.
  page.setDefaultTimeout(60_000)
  const close = async (): Promise<void> => {
    await browser.close()
    await stack.stop()
    await sql.end({ timeout: 1 })
  }
  return { stack, sql, browser, context, page, close }
}

/** Clicks, and waits until the page that this leads to is there whole: what is counted on it is then all of it. */
export async function follow(target: Locator): Promise<void> {
  await target.click()
  await target.page().waitForLoadState()
}
