// A person and their mail in a browser, over the whole product: real Chromium, real Worker with its queues, the strict
// local Google. JavaScript is off, but where hostile mail is to show what it would do with it.
import { readFile } from 'node:fs/promises'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GoogleControl, googleControl } from '../support/google.ts'
import { auditPages, fewViews } from './audit-pages.ts'
import { type DevStack, demoPerson, findChromium } from './dev-stack.ts'
import { follow, openStage, type Stage } from './stage.ts'

const executablePath = findChromium()
const tracker = 'https://tracker.example/p.png'
const hostileHtml = `<h1>Big news</h1><script>document.title = 'ran'; fetch('${tracker}?script')</script>
  <img src="${tracker}" alt="A pier" onerror="fetch('${tracker}?onerror')" onload="fetch('${tracker}?onload')">
  <svg onload="fetch('${tracker}?svg')"></svg><iframe src="${tracker}?frame"></iframe>
  <style>@import url('${tracker}?import'); body { background: url('${tracker}?style') }</style>
  <div style="background: url('${tracker}?inline')">Read on</div><meta http-equiv="refresh" content="0; url=${tracker}?refresh">
  <form action="${tracker}?form"><input name="password"><button>Sign in</button></form>
  <a href="javascript:fetch('${tracker}?link')">Click</a> <a href="https://harbour.example/more">More</a>
  <p>${'The pier opens on Saturday. '.repeat(60)}</p>`
const minute = 60_000

describe.skipIf(executablePath === null)('mail in a browser', () => {
  let stage: Stage
  let stack: DevStack
  let sql: postgres.Sql
  let browser: Browser
  let google: GoogleControl
  let context: BrowserContext
  let page: Page

  beforeAll(async () => {
    // The local Google counts no units unless it is asked to: nobody waits for a minute to pass.
    stage = await openStage({ GMAIL_UNITS_PER_MINUTE: '100000' })
    ;({ stack, sql, browser, context, page } = stage)
    google = googleControl(stack.googleUrl)
    const now = Date.now()
    await google.generateMail(demoPerson, 70, 7)
    await google.addMail(demoPerson, [
      {
        from: 'Harbour News <news@harbour.example>',
        subject: 'News of the <b>harbour</b>',
        html: hostileHtml,
        internalDate: now - 3 * minute,
      },
      {
        from: 'Sam Okafor <sam@northwind.example>',
        cc: 'Lin Wei <lin@northwind.example>',
        subject: 'Pier plan',
        text: 'Here is the plan, see https://northwind.example/plan.\n\nOn Monday Lin wrote:\n> Where is the plan?\n',
        messageId: '<plan-1@northwind.example>',
        internalDate: now - 2 * minute,
        attachments: [
          { filename: 'plan.csv', contentType: 'text/csv', contentBase64: btoa('pier,metres\nnorth,12\n') },
        ],
      },
    ])
  })

  afterAll(() => stage?.close())

  const open = (path: string) => page.goto(`${stack.url}${path}`)
  const path = () => new URL(page.url()).pathname + new URL(page.url()).search
  const main = () => page.getByRole('main').innerText()
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const link = (name: string) => page.getByRole('link', { name, exact: true })
  const rows = () => page.locator('.mail-list > li')
  const subjects = () => page.locator('.mail-list .mail-subject').allInnerTexts()

  async function search(q: string): Promise<string[]> {
    await page.getByLabel('Search mail').fill(q)
    await follow(button('Search'))
    return subjects()
  }

  it('an inbox without a sync says so, and one click fills it, unread mail told by words', async () => {
    await open('/inbox')
    expect(path()).toBe('/sign-in?return_to=/inbox')
    await follow(link('Sign in with Google'))
    await follow(page.getByRole('button', { name: demoPerson }))
    for (const box of await page.getByRole('checkbox').all()) await box.setChecked(true)
    await follow(button('Continue'))
    expect(path()).toBe('/inbox')
    expect(await main()).toContain('Not synced yet')
    await follow(button('Sync now').last())
    expect(path()).toBe('/inbox?synced=50')
    expect(await page.getByRole('status').innerText()).toContain('50 new messages')
    const [newest, second] = await subjects()
    expect([newest, second]).toEqual(['Pier plan', 'News of the <b>harbour</b>'])
    const first = page.getByRole('link', { name: /^Unread\. Sam Okafor.*Pier plan.*Has attachments/ })
    expect(await first.count()).toBe(1)
    expect(await first.getAttribute('class')).toContain('unread')
  })

  it('all mail is fetched on request, with its progress on the mailbox’s page', async () => {
    await open('/mailboxes')
    await follow(link(`Open its inbox (${demoPerson})`))
    expect(path()).toBe(`/inbox?user_email=${encodeURIComponent(demoPerson)}`)
    const [box] = await sql`select user_mail_account_id as id from user_mail_accounts`
    await open(`/mailboxes/${box?.id}`)
    await follow(button('Fetch all mail'))
    expect(path()).toBe(`/mailboxes/${box?.id}?synced=queued`)
    await expect
      .poll(
        async () => {
          await open(`/mailboxes/${box?.id}`)
          return page.getByRole('region', { name: 'Mail' }).innerText()
        },
        { timeout: 60_000, interval: 500 },
      )
      .toContain('All mail fetched')
    const { messages } = await google.mailState(demoPerson)
    const [stored] = await sql`select count(*)::int as n, (select count(*)::int from mail_skips) as skipped from emails`
    expect((stored?.n ?? 0) + (stored?.skipped ?? 0)).toBe(messages.length)
  })

  it('pages through it to the end and back', async () => {
    await open('/inbox?folder=all')
    expect(await rows().count()).toBe(40)
    const seen = new Set(
      await page.locator('.mail-row').evaluateAll((all) => all.map((row) => row.getAttribute('href'))),
    )
    while ((await link('Older').count()) > 0) {
      await follow(link('Older'))
      for (const row of await page.locator('.mail-row').all()) seen.add(await row.getAttribute('href'))
    }
    const [threads] = await sql`select count(distinct provider_thread_id_txt)::int as n from emails
      where not label_ids_txt && '{SPAM,TRASH}'`
    expect(seen.size).toBe(threads?.n)
    await follow(link('Back to the newest'))
    expect(path()).toBe('/inbox?folder=all')
  })

  it('searches with operators, marks what was found, and says what it cannot read', async () => {
    expect(await search('from:sam@northwind.example has:attachment subject:pier')).toEqual(['Pier plan'])
    expect(await search('plan -from:sam "where is the plan"')).toEqual([])
    expect(await main()).toContain('No mail matches')
    expect(await search('"here is the plan"')).toEqual(['Pier plan'])
    expect(await page.locator('.mail-snippet mark').allInnerTexts()).toContain('plan')
    await search('after:yesterday')
    expect(await page.locator('#search-problem').innerText()).toContain('date')
    expect(await page.getByLabel('Search mail').inputValue()).toBe('after:yesterday')
  })

  it('opens a thread: links that can be followed, what was quoted folded, its file as a download', async () => {
    await open('/inbox')
    await follow(page.getByRole('link', { name: /Pier plan/ }))
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Pier plan')
    const text = page.locator('.mail-text')
    expect(await text.getByRole('link').getAttribute('href')).toBe('https://northwind.example/plan')
    expect(await text.getByText('Where is the plan?').isVisible()).toBe(false)
    await follow(text.getByText('Quoted text'))
    expect(await text.getByText('Where is the plan?').isVisible()).toBe(true)
    const arriving = page.waitForEvent('download')
    await follow(page.getByRole('link', { name: /plan\.csv/ }))
    const download = await arriving
    expect(download.suggestedFilename()).toBe('plan.csv')
    expect(await readFile(await download.path(), 'utf8')).toBe('pier,metres\nnorth,12\n')
  })

  it('ML-16 hostile HTML runs nothing and asks nobody, even with scripts on; pictures come when asked for', async () => {
    const bold = await browser.newContext({ storageState: await context.storageState() })
    const there = await bold.newPage()
    const asked: string[] = []
    const said: string[] = []
    await bold.route(/^https:\/\//, (route) => {
      asked.push(route.request().url())
      return route.fulfill({
        status: 200,
        contentType: 'image/svg+xml',
        body: '<svg xmlns="http://www.w3.org/2000/svg"/>',
      })
    })
    there.on('dialog', (dialog) => said.push(dialog.message()))
    there.on('pageerror', (error) => said.push(error.message))
    await there.goto(`${stack.url}/inbox`)
    await follow(there.getByRole('link', { name: /News of the/ }))
    expect(await there.getByRole('heading', { level: 1 }).innerText()).toBe('News of the <b>harbour</b>')
    const frame = there.frameLocator('iframe')
    await frame.getByText('Read on').waitFor()
    expect(await frame.locator('form, input, script, iframe, svg, meta[http-equiv]').count()).toBe(0)
    expect(await frame.getByRole('link').evaluateAll((all) => all.map((it) => it.getAttribute('href')))).toEqual([
      'https://harbour.example/more',
    ])
    await there.waitForTimeout(300)
    expect(asked).toEqual([])
    await follow(there.getByRole('link', { name: 'Show pictures' }))
    await expect.poll(() => asked, { timeout: 60_000 }).toEqual([tracker])
    expect(await there.title()).toBe('News of the <b>harbour</b> · Gatepost')
    expect(said).toEqual([])
    await follow(there.getByRole('link', { name: 'Plain text' }))
    expect(await there.locator('.mail-text').innerText()).toContain('The pier opens on Saturday.')
    expect(await there.locator('iframe').count()).toBe(0)
    await bold.close()
  })

  it('Enter in a field sends nothing; the keyboard sends by the button', async () => {
    const before = (await google.sentMail(demoPerson)).length
    await open('/inbox/compose')
    const to = page.getByLabel('To', { exact: true })
    await to.fill('lin@northwind.example')
    await to.press('Enter')
    const subject = page.getByLabel('Subject')
    await subject.fill('Half')
    await subject.press('Enter')
    await page.waitForTimeout(500)
    expect(path()).toBe('/inbox/compose')
    expect(await subject.inputValue()).toBe('Half')
    expect(await google.sentMail(demoPerson)).toHaveLength(before)
    expect([await subject.getAttribute('autocapitalize'), await subject.getAttribute('spellcheck')]).toEqual([
      null,
      null,
    ])
    await button('Send').focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/inbox\/outbox\//)
    await sentPage()
    expect(await google.sentMail(demoPerson)).toHaveLength(before + 1)
  })

  it('an address that is none is said beside its field; what was typed stays, and the letter leaves with its file', async () => {
    await open('/inbox')
    await follow(link('Compose'))
    await page.getByLabel('To', { exact: true }).fill('Max Muster <max@example.com>, nobody')
    await page.getByLabel('Subject').fill('Measures <of> the pier')
    await page.getByLabel('Message', { exact: true }).fill('North: 12 metres.\n.\nSam & Lin know.')
    const file = { name: 'south.csv', mimeType: 'text/csv', buffer: Buffer.from('pier,metres\nsouth,9\n') }
    await page.getByLabel('Files').setInputFiles(file)
    await follow(button('Send'))
    expect(path()).toBe('/inbox/compose')
    expect(await page.locator('#field-to-problem').innerText()).toContain('“nobody” is no address')
    expect(await page.getByLabel('Subject').inputValue()).toBe('Measures <of> the pier')
    expect(await page.getByLabel('Message', { exact: true }).inputValue()).toBe('North: 12 metres.\n.\nSam & Lin know.')
    expect(await page.locator('#field-files-hint').innerText()).toContain('choose them again')
    await page.getByLabel('To', { exact: true }).fill('Max Muster <max@example.com>; lin@northwind.example')
    await page.getByLabel('Files').setInputFiles(file)
    await follow(button('Send'))
    await sentPage()
    const [sent] = await google.sentMail(demoPerson)
    expect(sent?.raw).toContain('Max Muster <max@example.com>')
    expect(sent?.raw).toContain('filename="south.csv"')
  })

  /** The page of a message on its way, until it was sent. */
  async function sentPage(): Promise<void> {
    expect(path()).toMatch(/^\/inbox\/outbox\/[0-9a-f-]{36}$/)
    const here = path()
    await expect
      .poll(
        async () => {
          await open(here)
          return page.getByRole('heading', { level: 1 }).innerText()
        },
        { timeout: 60_000, interval: 300 },
      )
      .toBe('Your message was sent')
  }

  it('a reply to all quotes, goes to the others, and lands in its conversation', async () => {
    await open('/inbox')
    await follow(page.getByRole('link', { name: /Pier plan/ }))
    await follow(link('Reply all'))
    expect(await page.getByLabel('To', { exact: true }).inputValue()).toBe('Sam Okafor <sam@northwind.example>')
    expect(await page.locator('#field-cc').inputValue()).toBe('Lin Wei <lin@northwind.example>')
    expect(await page.getByLabel('Subject').inputValue()).toBe('Re: Pier plan')
    const message = page.getByLabel('Message', { exact: true })
    const quoted = await message.inputValue()
    expect(quoted).toContain('> Here is the plan, see https://northwind.example/plan.')
    await message.fill(`Twelve metres it is.${quoted}`)
    await follow(button('Send'))
    await sentPage()
    expect(await link('Open its conversation').count()).toBe(1)
    await follow(link('Go to the inbox'))
    await follow(button('Sync now'))
    expect(path()).toMatch(/^\/inbox\?synced=/)
    await follow(page.getByRole('link', { name: /Pier plan/ }))
    expect(await page.locator('.messages > li').count()).toBe(2)
    expect(await page.locator('.message').last().innerText()).toContain('Twelve metres it is.')
  })

  it('every page of it is fit for keyboard, screen reader, phone and both schemes', async () => {
    const [email] =
      await sql`select e.email_id as id, replace(e.user_mail_account_id::text, '-', '') || '.' || e.provider_thread_id_txt as thread,
        e.user_mail_account_id as mailbox, (select outbox_id from outbox limit 1) as outbox
      from emails e where e.subject_txt = 'Pier plan'`
    const [news] = await sql`select email_id as id from emails where subject_txt like 'News of%'`
    await sql`update user_mail_accounts set status_cd = 'needs_reauthorization'`
    await open('/inbox')
    expect(await page.getByRole('status').innerText()).toContain('A mailbox needs re-authorization')
    const pages = [
      '/inbox?folder=all&synced=3',
      '/inbox?q=after:yesterday',
      '/inbox?folder=trash',
      `/inbox/threads/${email?.thread}`,
      `/inbox/${news?.id}?pictures=remote`,
      '/inbox/compose',
    ]
    const found = await auditPages(page, stack.url, pages, fewViews)
    await sql`update user_mail_accounts set status_cd = 'active'`
    const others = [
      '/inbox?q=plan',
      `/inbox/compose?reply_to=${email?.id}&all=1`,
      `/inbox/outbox/${email?.outbox}`,
      `/mailboxes/${email?.mailbox}`,
    ]
    expect([...found, ...(await auditPages(page, stack.url, others, fewViews))]).toEqual([])
  })

  it('the keyboard reaches writing, the folders, the search and the first thread in this order, each of them seen', async () => {
    await open('/inbox')
    const stops: string[] = []
    for (let stop = 0; stop < 30; stop += 1) {
      await page.keyboard.press('Tab')
      const place = await page.evaluate<string>(
        `(document.activeElement.className || document.activeElement.id || document.activeElement.textContent).trim() + ' ' + getComputedStyle(document.activeElement).outlineStyle`,
      )
      stops.push(place)
      if (place.startsWith('mail-row')) break
    }
    expect(stops.every((stop) => stop.endsWith('solid'))).toBe(true)
    const order = ['button primary', 'Trash', 'search'].map((name) => stops.findIndex((it) => it.startsWith(name)))
    expect(order.toSorted((a, b) => a - b)).toEqual(order)
    expect(stops.at(-1)).toMatch(/^mail-row/)
    expect(order).not.toContain(-1)
    const target = await page.locator('.mail-row').first().boundingBox()
    expect(target?.height ?? 0).toBeGreaterThanOrEqual(44)
  })
})
