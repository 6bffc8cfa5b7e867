// A person with a password, from registering to leaving, over the whole product: real Chromium without JavaScript, real
// Worker, letters read where development shows them. And the example front end, which does the same by the API.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { projectRoot } from '../../scripts/postgres.ts'
import { cloneTemplate } from '../support/test-world.ts'
import { auditPages } from './audit-pages.ts'
import { chromiumArgs, type DevStack, demoPerson, findChromium, freePort, startDevStack } from './dev-stack.ts'

const executablePath = findChromium()
const picture = {
  name: 'me.png',
  mimeType: 'image/png',
  buffer: Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  ),
}
const password = 'four words make one'

describe.skipIf(executablePath === null)('an account in a browser', () => {
  let browser: Browser
  let stack: DevStack
  let sql: postgres.Sql
  let context: BrowserContext
  let page: Page
  let examplePort: number

  beforeAll(async () => {
    const databaseUrl = await cloneTemplate(inject('adminDatabaseUrl'), inject('templateDatabase'))
    sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
    examplePort = await freePort()
    const frontEnd = `http://localhost:${examplePort}`
    ;[stack, browser] = await Promise.all([
      startDevStack(databaseUrl, { FRONTEND_CALLBACK_URL: `${frontEnd}/callback`, CORS_ORIGINS: frontEnd }),
      chromium.launch({ executablePath: executablePath ?? '', args: chromiumArgs }),
    ])
    context = await browser.newContext({ javaScriptEnabled: false })
    page = await context.newPage()
    page.setDefaultTimeout(15_000)
  })

  afterAll(async () => {
    await browser?.close()
    await stack?.stop()
    await sql?.end({ timeout: 1 })
  })

  const open = (path: string) => page.goto(`${stack.url}${path}`)
  const path = () => new URL(page.url()).pathname + new URL(page.url()).search
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const alert = () => page.getByRole('alert').innerText()

  /** Opens the newest letter with this subject, once it is there. */
  async function openLetter(subject: string): Promise<void> {
    await expect
      .poll(
        async () => {
          await open('/dev/letters')
          return page.getByRole('link', { name: subject }).count()
        },
        { timeout: 20_000 },
      )
      .toBeGreaterThan(0)
    await page.getByRole('link', { name: subject }).first().click()
  }

  async function followLetter(subject: string): Promise<void> {
    await openLetter(subject)
    await page.getByRole('link', { name: 'Open the letter’s link' }).click()
  }

  async function signIn(name: string, secret: string): Promise<void> {
    await open('/sign-in')
    await page.getByLabel('E-mail address or user name').fill(name)
    await page.getByLabel('Password', { exact: true }).fill(secret)
    await button('Sign in').click()
  }

  it('registers, is refused a common password, and opens the account with the letter and the password', async () => {
    await open('/sign-in')
    await page.getByRole('link', { name: 'Create an account' }).click()
    await page.getByLabel('E-mail address').fill('eva@example.com')
    await page.getByLabel('Password', { exact: true }).fill('password123')
    await page.getByLabel('Your name').fill('Eva <b>Example</b>')
    await page.getByLabel('User name').fill('Eva-1')
    await button('Create account').click()
    expect(await alert()).toContain('on the list that attackers try first')
    expect(await page.getByLabel('E-mail address').inputValue()).toBe('eva@example.com')
    await page.getByLabel('Password', { exact: true }).fill(password)
    await button('Create account').click()
    expect(path()).toBe('/verify-email')

    await followLetter('Confirm your address')
    await page.getByRole('textbox', { name: 'The password you chose' }).fill('not the one I chose')
    await button('Open my account').click()
    expect(await alert()).toContain('Wrong password')
    await page.getByRole('textbox', { name: 'The password you chose' }).fill(password)
    await button('Open my account').click()
    expect(path()).toBe('/mailboxes')
    expect(await page.getByRole('banner').innerText()).toContain('eva@example.com')
  })

  it('a letter’s link opened by a mail scanner spends nothing, and works once', async () => {
    const [row] = await sql`select count(*)::int as n from users where email_address_txt = 'eva@example.com'`
    expect(row?.n).toBe(1)
    await openLetter('Confirm your address')
    // It was used: the viewer says what the letter said, and the link leads to a refusal.
    const link = await page.getByRole('link', { name: 'Open the letter’s link' }).getAttribute('href')
    await page.goto(link ?? '')
    await page.getByRole('textbox', { name: 'The password you chose' }).fill(password)
    await button('Open my account').click()
    expect(await alert()).toContain('Invalid code')
  })

  it('shows a name as it was typed, takes a picture, and keeps what was typed where it refuses', async () => {
    await open('/settings')
    expect(await page.getByLabel('Your name').inputValue()).toBe('Eva <b>Example</b>')
    await page
      .getByLabel('A new picture')
      .setInputFiles({ ...picture, buffer: Buffer.from('<svg onload="alert(1)"/>') })
    await button('Use this picture').click()
    expect(await alert()).toContain('PNG, JPEG or WebP')
    await page.getByLabel('A new picture').setInputFiles(picture)
    await button('Use this picture').click()
    expect(path()).toBe('/settings?done=picture')
    const portrait = page.locator('img.portrait')
    expect(await portrait.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth)).toBe(1)
    await page.getByLabel('User name').fill('e')
    await button('Save').click()
    expect(await alert()).toContain('3 to 32')
    expect(await page.getByLabel('User name').inputValue()).toBe('e')
    await button('Remove picture').click()
    expect(await page.locator('img.portrait').count()).toBe(0)
  })

  it('changes the address by the new one’s letter, and tells the old one', async () => {
    await open('/settings')
    await page.getByLabel('New address').fill('eva.new@example.com')
    await button('Change address').click()
    expect(await page.getByRole('status').innerText()).toContain('We wrote to the new address')
    await openLetter('A new address was asked for')
    expect(await page.getByRole('main').innerText()).toContain('eva@example.com')
    await followLetter('Confirm your new address')
    await button('Use the new address').click()
    expect(path()).toBe('/settings?done=email_changed')
    expect(await page.getByRole('banner').innerText()).toContain('eva.new@example.com')
  })

  it('changes the password, and comes back in by a reset letter’s code when it is forgotten', async () => {
    await open('/settings/security')
    await page.getByLabel('Current password').fill('something else')
    await page.getByLabel('New password').fill('five words make one more')
    await button('Change password').click()
    expect(await alert()).toContain('This is not your current password')
    await page.getByLabel('Current password').fill(password)
    await page.getByLabel('New password').fill('five words make one more')
    await button('Change password').click()
    expect(path()).toBe('/settings/security?done=password')
    await button('Sign out').click()

    await signIn('eva-1', password)
    expect(await alert()).toContain('Sign-in refused')
    await page.getByRole('link', { name: 'Forgot your password?' }).click()
    await page.getByLabel('E-mail address').fill('eva.new@example.com')
    await button('Send the letter').click()
    expect(path()).toBe('/reset-password')
    await openLetter('Choose a new password')
    const code = /\b\d{6}\b/.exec(await page.locator('pre').innerText())?.[0] ?? ''
    await open('/reset-password')
    await page.getByLabel('E-mail address').fill('eva.new@example.com')
    await page.getByLabel('Code').fill(`${code.slice(0, 3)} ${code.slice(3)}`)
    await page.getByLabel('New password').fill('six words make one at last')
    await button('Change password').click()
    expect(path()).toBe('/sign-in?done=password_reset')
    await signIn('Eva.New@example.com', 'six words make one at last')
    expect(path()).toBe('/mailboxes')
  })

  it('is locked out after five wrong passwords, and let in again by the letter’s link', async () => {
    await button('Sign out').click()
    for (let attempt = 1; attempt <= 5; attempt += 1) await signIn('eva.new@example.com', `wrong number ${attempt}`)
    await signIn('eva.new@example.com', 'six words make one at last')
    expect(await alert()).toContain('Too many failed tries')
    await open('/forgot-password')
    await page.getByLabel('E-mail address').fill('eva.new@example.com')
    await button('Send the letter').click()
    await followLetter('Choose a new password')
    await page.getByLabel('New password').fill(password)
    await button('Change password').click()
    await signIn('eva.new@example.com', password)
    expect(path()).toBe('/mailboxes')
  })

  it('links GitHub after a proof of presence, signs in with it, and unlinks it', async () => {
    await sql`update sessions set authenticated_at_utc = now() - interval '1 hour'`
    await open('/settings/security')
    await page.getByRole('link', { name: 'Add GitHub' }).click()
    expect(path()).toBe('/step-up?return_to=/settings/security')
    await page.getByLabel('Your password').fill(password)
    await button('Go on').click()
    await page.getByRole('link', { name: 'Add GitHub' }).click()
    await page.getByRole('button').first().click()
    expect(path()).toBe('/settings/security')
    expect(await page.getByRole('region', { name: 'Ways to sign in' }).innerText()).toContain('GitHub')
    await button('Sign out').click()

    await open('/sign-in')
    await page.getByRole('link', { name: 'Sign in with GitHub' }).click()
    if (new URL(page.url()).origin !== stack.url) await page.getByRole('button').first().click()
    expect(await page.getByRole('banner').innerText()).toContain('eva.new@example.com')
    await open('/settings/security')
    await page.getByRole('button', { name: 'Remove GitHub' }).click()
    expect(path()).toBe('/settings/security?done=unlinked')
  })

  it('ends another device’s session', async () => {
    const other = await browser.newContext({ javaScriptEnabled: false })
    const there = await other.newPage()
    await there.goto(`${stack.url}/sign-in`)
    await there.getByLabel('E-mail address or user name').fill('eva-1')
    await there.getByLabel('Password', { exact: true }).fill(password)
    await there.getByRole('button', { name: 'Sign in', exact: true }).click()
    await open('/settings/security')
    const ends = page.getByRole('button', { name: /^End the session/ })
    expect(await ends.count()).toBe(1)
    await ends.first().click()
    expect(path()).toBe('/settings/security?done=session')
    await there.goto(`${stack.url}/settings`)
    expect(new URL(there.url()).pathname).toBe('/sign-in')
    await other.close()
  })

  it('every page of it is fit for keyboard, screen reader, phone and both schemes', async () => {
    const pages = [
      '/sign-in?done=password_reset',
      '/register',
      '/verify-email',
      '/verify-email?token=x',
      '/forgot-password',
      '/reset-password',
      '/reset-password?token=x',
      '/step-up',
      '/settings?done=profile',
      '/settings/security',
      '/settings/delete',
      '/dev/letters',
    ]
    expect(await auditPages(page, stack.url, pages)).toEqual([])
  })

  it('leaves: the account is gone, and its password opens nothing', async () => {
    await open('/settings/security')
    await page.getByRole('link', { name: 'Delete my account' }).click()
    await button('Delete my account').click()
    expect(path()).toBe('/sign-in?done=account_deleted')
    await signIn('eva-1', password)
    expect(await alert()).toContain('Sign-in refused')
  })

  it('an administrator finds a person, disables them, and reads of it in the trail', async () => {
    await sql`insert into users (email_address_txt, email_verified_at_utc, email_proof_cd) values ('max@example.com', now(), 'letter')`
    await open('/sign-in')
    await page.getByRole('link', { name: 'Sign in with Google' }).click()
    await page.getByRole('button', { name: demoPerson }).click()
    for (const box of await page.getByRole('checkbox').all()) await box.setChecked(true)
    await page.getByRole('button', { name: 'Continue' }).click()
    await open('/admin/users?q=max')
    await page.getByRole('link', { name: 'max@example.com' }).click()
    await page.getByRole('button', { name: /^Disable/ }).click()
    expect(await page.getByRole('main').innerText()).toContain('Disabled')
    await open('/admin/audit')
    expect(await page.getByRole('main').innerText()).toContain('User: disabled')
    const [user] = await sql`select user_id as id from users where email_address_txt = 'max@example.com'`
    const pages = [
      '/admin/users',
      `/admin/users/${user?.id}`,
      `/admin/users/${user?.id}/delete`,
      '/admin/audit',
      '/admin/mailboxes',
    ]
    expect(await auditPages(page, stack.url, pages)).toEqual([])
  })

  it('the example front end signs a person in with Google and with a password, and out again', async () => {
    const example = await startExample(examplePort, stack.url)
    try {
      // A front end runs scripts.
      const visitor = await browser.newPage()
      visitor.setDefaultTimeout(15_000)
      await visitor.goto(`http://localhost:${examplePort}`)
      await visitor.getByRole('button', { name: 'Sign in with Google' }).click()
      await visitor.getByRole('button', { name: demoPerson }).click()
      const goOn = visitor.getByRole('button', { name: 'Continue' })
      await Promise.race([goOn.waitFor(), visitor.locator('#inside:not([hidden])').waitFor()])
      if ((await goOn.count()) > 0) await goOn.click()
      await visitor.locator('#me').getByText(demoPerson).first().waitFor()
      expect(visitor.url()).toBe(`http://localhost:${examplePort}/callback`)
      await visitor.getByRole('button', { name: 'Sign out' }).click()
      await visitor.getByText('Signed out.').waitFor()

      await visitor.getByLabel('E-mail address or user name').fill('fay@example.com')
      await visitor.getByLabel('Password').fill(password)
      await visitor.getByRole('button', { name: 'Create an account' }).click()
      await visitor.getByText('Look into your mail').waitFor()
      await followLetter('Confirm your address')
      await page.getByRole('textbox', { name: 'The password you chose' }).fill(password)
      await button('Open my account').click()
      await visitor.getByRole('button', { name: 'Sign in', exact: true }).click()
      await visitor.locator('#me').getByText('fay@example.com').first().waitFor()
      await visitor.reload()
      await visitor.locator('#me').getByText('fay@example.com').first().waitFor()
      await visitor.close()
    } finally {
      example.kill('SIGTERM')
    }
  })
})

/** `npm run example`, once it listens. */
function startExample(port: number, gatepostUrl: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(projectRoot, 'examples', 'front-end', 'serve.ts')], {
    env: { ...process.env, EXAMPLE_PORT: String(port), GATEPOST_URL: gatepostUrl },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the example ended with ${code}`)))
    createInterface({ input: child.stdout }).on('line', () => resolve(child))
  })
}
