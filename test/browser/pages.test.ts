// A person with a browser, from signing in to signing out, over the whole product: real Chromium, real Worker, strict
// local Google. JavaScript is off wherever our own pages are, since they have to work without.
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { auditPages, pageAudit } from './audit-pages.ts'
import { type DevStack, demoPerson, findChromium } from './dev-stack.ts'
import { follow, openStage, type Stage } from './stage.ts'

const executablePath = findChromium()
if (executablePath === null) {
  console.log('No Chromium: browser tests are skipped. Install one (apt-get install chromium), or set CHROMIUM_PATH.')
}

describe.skipIf(executablePath === null)('in a browser', () => {
  let stage: Stage
  let stack: DevStack
  let sql: postgres.Sql
  let browser: Browser
  let context: BrowserContext
  let page: Page

  beforeAll(async () => {
    stage = await openStage()
    ;({ stack, sql, browser, context, page } = stage)
  })

  afterAll(() => stage?.close())

  /** Chooses the demo person where Google asks, ticks these permissions and no others, and goes on. */
  async function consent(permissions: readonly string[]): Promise<void> {
    const account = page.getByRole('button', { name: demoPerson })
    if ((await account.count()) > 0) await follow(account)
    for (const box of await page.getByRole('checkbox').all()) {
      const scope = (await box.getAttribute('value')) ?? ''
      await box.setChecked(permissions.some((permission) => scope.endsWith(permission)))
    }
    await follow(page.getByRole('button', { name: 'Continue' }))
  }

  const open = (path: string) => page.goto(`${stack.url}${path}`)
  const path = () => new URL(page.url()).pathname + new URL(page.url()).search
  const heading = () => page.getByRole('heading', { level: 1 }).innerText()

  it('no to Google is explained on the sign-in page', async () => {
    await open('/')
    await follow(page.getByRole('link', { name: 'Sign in with Google' }))
    await follow(page.getByRole('button', { name: 'Cancel' }))
    expect(path()).toBe('/sign-in?error=access_denied')
    expect(await page.getByRole('alert').innerText()).toContain('Permission was not given')
  })

  it('signs in, sees what is missing, and grants it by reconnecting', async () => {
    await open('/mailboxes')
    expect(path()).toBe('/sign-in?return_to=/mailboxes')
    await follow(page.getByRole('link', { name: 'Sign in with Google' }))
    await consent(['gmail.readonly'])
    expect(path()).toBe('/mailboxes')
    const card = page.getByRole('article', { name: demoPerson })
    expect(await card.innerText()).toContain('Permission to send mail was not given')
    expect(await card.locator('.missing').innerText()).toContain('Send mail')

    await follow(card.getByRole('link', { name: /^Reconnect/ }))
    await consent(['gmail.readonly', 'gmail.send'])
    expect(path()).toBe('/mailboxes')
    expect(await page.getByRole('article').count()).toBe(1)
    expect(await card.locator('.granted').allInnerTexts()).toEqual(['Read mail', 'Send mail'])
    expect(await card.locator('.missing').count()).toBe(0)
  })

  it('connecting another way ends with the same mailbox, and asks first when it comes from elsewhere', async () => {
    await open('/mailboxes')
    await follow(page.getByRole('link', { name: 'Connect another mailbox' }))
    // All of it was granted before, so Google asks only who it is.
    await follow(page.getByRole('button', { name: demoPerson }))
    expect(path()).toBe('/mailboxes')
    expect(await page.getByRole('article').count()).toBe(1)
    await open('/auth/google/login?purpose=connect&return_to=/mailboxes')
    expect(await heading()).toBe('Connect a mailbox to your account?')
    await follow(page.getByRole('main').getByRole('link', { name: 'Connect a mailbox' }))
    expect(page.url().startsWith(stack.googleUrl)).toBe(true)
    await follow(page.getByRole('button', { name: 'Cancel' }))
    expect(path()).toBe('/mailboxes?error=access_denied')
    expect(await page.getByRole('alert').innerText()).toContain('Permission was not given')
  })

  let vend: { url: string; key: string }

  async function askForToken(): Promise<Response> {
    const headers = { Authorization: `Bearer ${vend.key}`, 'Content-Type': 'application/json' }
    return fetch(vend.url, { method: 'POST', headers, body: '{}' })
  }

  async function freshToken(): Promise<string> {
    const answer = await askForToken()
    expect(answer.status).toBe(200)
    const { access_token } = (await answer.json()) as { access_token: string }
    return access_token
  }

  const useToken = (token: string) =>
    fetch(`${stack.googleUrl}/gmail/v1/users/me/profile`, { headers: { Authorization: `Bearer ${token}` } })

  it('makes a service key, and what the page says to run hands out a token that Gmail takes', async () => {
    await open('/')
    await follow(page.getByRole('link', { name: 'Admin' }))
    await follow(page.getByRole('link', { name: 'Service keys' }))
    await page.getByLabel('Name').fill('Billing worker')
    await page.getByLabel('User id').fill('nobody')
    await follow(page.getByRole('button', { name: 'Create key' }))
    expect(await page.getByRole('alert').innerText()).toContain('This is no user id')
    expect(await page.getByLabel('Name').inputValue()).toBe('Billing worker')
    await page.getByLabel('User id').fill('')
    await follow(page.getByRole('button', { name: 'Create key' }))

    const curl = await page.locator('#new-key-curl').innerText()
    const url = /https?:\/\/\S+/.exec(curl)?.[0] ?? ''
    const key = /Bearer (gp_[\w-]+)/.exec(curl)?.[1] ?? ''
    expect(await page.locator('#new-key').innerText()).toBe(key)
    vend = { url, key }
    const profile = await useToken(await freshToken())
    expect(profile.status).toBe(200)
    expect(await profile.json()).toMatchObject({ emailAddress: demoPerson })
    await follow(page.getByRole('link', { name: 'I have copied it' }))
    expect(await page.getByRole('article', { name: 'Billing worker' }).innerText()).toContain('just now')
    expect(await page.content()).not.toContain(key)
  })

  it('a token that ended is renewed when asked for, and its history says so', async () => {
    const old = await freshToken()
    await sql`update oauth_tokens set expires_at_utc = now() - interval '1 minute',
      last_refreshed_at_utc = now() - interval '1 hour'`
    const renewed = await freshToken()
    expect(renewed).not.toBe(old)
    expect((await useToken(renewed)).status).toBe(200)
    await open('/mailboxes')
    await follow(page.getByRole('heading', { level: 2 }).getByRole('link', { name: demoPerson }))
    const table = page.getByRole('table')
    expect(await table.getByRole('columnheader').allInnerTexts()).toEqual(['When', 'Outcome', 'Reason'])
    expect(await table.getByRole('row').nth(1).innerText()).toContain('Renewed')
  })

  it('every page is fit for keyboard, screen reader, phone and both schemes', async () => {
    const [row] = await sql`select user_mail_account_id as mailbox, (select api_key_id from api_keys) as key
      from user_mail_accounts`
    const paths = [
      '/',
      '/sign-in?error=account_exists',
      '/sign-out',
      '/mailboxes?error=wrong_mailbox',
      `/mailboxes/${row?.mailbox}`,
      `/mailboxes/${row?.mailbox}/disconnect`,
      '/admin/keys?done=revoked',
      `/admin/keys/${row?.key}/revoke`,
      '/auth/google/login?purpose=connect',
      '/auth/google/callback?code=x&state=y',
      '/nothing-here',
    ]
    const found = await auditPages(page, stack.url, paths)
    expect(found).toEqual([])
  })

  it('the audit of pages finds what is wrong with a bad one', async () => {
    const bad = await context.newPage()
    await bad.setContent('<h1>a</h1><h1>b</h1><h4 style="color:#888">c</h4><input><a href="/"></a><svg></svg>')
    const found = await bad.evaluate<string[]>(pageAudit)
    await bad.close()
    const rules = [...new Set(found.map((problem) => problem.split(/[ :]/)[0]))].sort()
    const wanted = ['contrast', 'h1', 'heading', 'inline', 'label', 'landmark', 'lang', 'name', 'svg', 'title']
    expect(rules).toEqual(wanted)
  })

  it('the keyboard finds the skip link first, and every stop can be seen', async () => {
    await open('/mailboxes')
    await page.keyboard.press('Tab')
    const skip = page.getByRole('link', { name: 'Skip to content' })
    expect(await skip.evaluate((element) => element.matches(':focus'))).toBe(true)
    expect((await skip.boundingBox())?.y ?? -1).toBeGreaterThanOrEqual(0)
    const outlines = new Set<string>()
    for (let stop = 0; stop < 12; stop += 1) {
      await page.keyboard.press('Tab')
      outlines.add(await page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle'))
    }
    expect([...outlines]).toEqual(['solid'])
    await skip.focus()
    await page.keyboard.press('Enter')
    expect(await page.evaluate<string>('location.hash')).toBe('#content')
  })

  it.each([
    ['/docs', '.opblock'],
    ['/redoc', '[data-section-id]'],
  ])('%s renders under its policy, from our own origin only', async (address, rendered) => {
    const viewer = await browser.newPage()
    const said: string[] = []
    viewer.on('console', (message) => said.push(message.text()))
    viewer.on('pageerror', (error) => said.push(error.message))
    viewer.on('request', (request) => {
      if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== stack.url) said.push(request.url())
    })
    await viewer.goto(`${stack.url}${address}`)
    await viewer.locator(rendered).first().waitFor({ timeout: 60_000 })
    await viewer.waitForTimeout(500)
    await viewer.close()
    expect(said).toEqual([])
  })

  it('revokes the key, disconnects the mailbox, and signs out', async () => {
    await open('/admin/keys')
    const [key] = await sql`select api_key_id as id from api_keys`
    await follow(page.getByRole('link', { name: 'Revoke Billing worker' }))
    expect(await heading()).toBe('Revoke this key?')
    await follow(page.getByRole('link', { name: 'Cancel' }))
    expect(await freshToken()).not.toBe('')

    const token = await freshToken()
    await open('/mailboxes')
    await follow(page.getByRole('link', { name: `Disconnect ${demoPerson}` }))
    await follow(page.getByRole('button', { name: 'Disconnect' }))
    expect(path()).toBe('/mailboxes?done=disconnected')
    expect(await page.getByRole('status').innerText()).toContain('Mailbox disconnected')
    expect(await page.getByRole('article', { name: demoPerson }).innerText()).toContain('Disconnected')
    expect((await askForToken()).status).toBe(404)
    await expect.poll(async () => (await useToken(token)).status, { timeout: 60_000 }).toBe(401)

    await open(`/admin/keys/${key?.id}/revoke`)
    await follow(page.getByRole('button', { name: 'Revoke' }))
    expect(path()).toBe('/admin/keys?done=revoked')
    expect((await askForToken()).status).toBe(401)

    await follow(page.getByRole('button', { name: 'Sign out' }))
    expect(path()).toBe('/')
    expect(await context.cookies(stack.url)).toEqual([])
    await open('/mailboxes')
    expect(path()).toBe('/sign-in?return_to=/mailboxes')
  })
})
