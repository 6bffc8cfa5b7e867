// A person with a password, from registering to leaving, over the whole product: real Chromium without JavaScript, real
// Worker, letters read where development shows them. And the example front end, which does the same by the API.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Browser, Page } from 'playwright-core'
import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { projectRoot } from '../../scripts/postgres.ts'
import { auditPages } from './audit-pages.ts'
import { type DevStack, demoPerson, findChromium, freePort } from './dev-stack.ts'
import { follow, openStage, type Stage } from './stage.ts'

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
  let stage: Stage
  let stack: DevStack
  let sql: postgres.Sql
  let browser: Browser
  let page: Page
  let examplePort: number

  beforeAll(async () => {
    examplePort = await freePort()
    const frontEnd = `http://localhost:${examplePort}`
    stage = await openStage({ FRONTEND_CALLBACK_URL: `${frontEnd}/callback`, CORS_ORIGINS: frontEnd })
    ;({ stack, sql, browser, page } = stage)
  })

  afterAll(() => stage?.close())

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
        { timeout: 60_000 },
      )
      .toBeGreaterThan(0)
    await follow(page.getByRole('link', { name: subject }).first())
  }

  async function followLetter(subject: string): Promise<void> {
    await openLetter(subject)
    await follow(page.getByRole('link', { name: 'Open the letter’s link' }))
  }

  async function signIn(name: string, secret: string): Promise<void> {
    await open('/sign-in')
    await page.getByLabel('E-mail address or user name').fill(name)
    await page.getByLabel('Password', { exact: true }).fill(secret)
    await follow(button('Sign in'))
  }

  it('registers, is refused a common password, and opens the account with the letter and the password', async () => {
    await open('/sign-in')
    await follow(page.getByRole('link', { name: 'Create an account' }))
    await page.getByLabel('E-mail address').fill('eva@example.com')
    await page.getByLabel('Password', { exact: true }).fill('password123')
    await page.getByLabel('Your name').fill('Eva <b>Example</b>')
    await page.getByLabel('User name').fill('Eva-1')
    await follow(button('Create account'))
    expect(await alert()).toContain('on the list that attackers try first')
    expect(await page.getByLabel('E-mail address').inputValue()).toBe('eva@example.com')
    await page.getByLabel('Password', { exact: true }).fill(password)
    await follow(button('Create account'))
    expect(path()).toBe('/verify-email')

    await followLetter('Confirm your address')
    await page.getByRole('textbox', { name: 'The password you chose' }).fill('not the one I chose')
    await follow(button('Open my account'))
    expect(await alert()).toContain('Wrong password')
    await page.getByRole('textbox', { name: 'The password you chose' }).fill(password)
    await follow(button('Open my account'))
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
    await follow(button('Open my account'))
    expect(await alert()).toContain('Invalid code')
  })

  it('shows a name as it was typed, takes a picture, and keeps what was typed where it refuses', async () => {
    await open('/settings')
    expect(await page.getByLabel('Your name').inputValue()).toBe('Eva <b>Example</b>')
    await page
      .getByLabel('A new picture')
      .setInputFiles({ ...picture, buffer: Buffer.from('<svg onload="alert(1)"/>') })
    await follow(button('Use this picture'))
    expect(await alert()).toContain('PNG, JPEG or WebP')
    await page.getByLabel('A new picture').setInputFiles(picture)
    await follow(button('Use this picture'))
    expect(path()).toBe('/settings?done=picture')
    const portrait = page.locator('img.portrait')
    expect(await portrait.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth)).toBe(1)
    await page.getByLabel('User name').fill('e')
    await follow(button('Save'))
    expect(await alert()).toContain('3 to 32')
    expect(await page.getByLabel('User name').inputValue()).toBe('e')
    await follow(button('Remove picture'))
    expect(await page.locator('img.portrait').count()).toBe(0)
  })

  it('changes the address by the new one’s letter, and tells the old one', async () => {
    await open('/settings')
    await page.getByLabel('New address').fill('eva.new@example.com')
    await follow(button('Change address'))
    expect(await page.getByRole('status').innerText()).toContain('We wrote to the new address')
    await openLetter('A new address was asked for')
    expect(await page.getByRole('main').innerText()).toContain('eva@example.com')
    await followLetter('Confirm your new address')
    await follow(button('Use the new address'))
    expect(path()).toBe('/settings?done=email_changed')
    expect(await page.getByRole('banner').innerText()).toContain('eva.new@example.com')
  })

  it('changes the password, and comes back in by a reset letter’s code when it is forgotten', async () => {
    await open('/settings/security')
    await page.getByLabel('Current password').fill('something else')
    await page.getByLabel('New password').fill('five words make one more')
    await follow(button('Change password'))
    expect(await alert()).toContain('This is not your current password')
    await page.getByLabel('Current password').fill(password)
    await page.getByLabel('New password').fill('five words make one more')
    await follow(button('Change password'))
    expect(path()).toBe('/settings/security?done=password')
    await follow(button('Sign out'))

    await signIn('eva-1', password)
    expect(await alert()).toContain('Sign-in refused')
    await follow(page.getByRole('link', { name: 'Forgot your password?' }))
    await page.getByLabel('E-mail address').fill('eva.new@example.com')
    await follow(button('Send the letter'))
    expect(path()).toBe('/reset-password')
    await openLetter('Choose a new password')
    const code = /\b\d{6}\b/.exec(await page.locator('pre').innerText())?.[0] ?? ''
    await open('/reset-password')
    await page.getByLabel('E-mail address').fill('eva.new@example.com')
    await page.getByLabel('Code').fill(`${code.slice(0, 3)} ${code.slice(3)}`)
    await page.getByLabel('New password').fill('six words make one at last')
    await follow(button('Change password'))
    expect(path()).toBe('/sign-in?done=password_reset')
    await signIn('Eva.New@example.com', 'six words make one at last')
    expect(path()).toBe('/mailboxes')
  })

  it('is locked out after five wrong passwords, and let in again by the letter’s link', async () => {
    await follow(button('Sign out'))
    for (let attempt = 1; attempt <= 5; attempt += 1) await signIn('eva.new@example.com', `wrong number ${attempt}`)
    await signIn('eva.new@example.com', 'six words make one at last')
    expect(await alert()).toContain('Too many failed tries')
    await open('/forgot-password')
    await page.getByLabel('E-mail address').fill('eva.new@example.com')
    await follow(button('Send the letter'))
    await followLetter('Choose a new password')
    await page.getByLabel('New password').fill(password)
    await follow(button('Change password'))
    await signIn('eva.new@example.com', password)
    expect(path()).toBe('/mailboxes')
  })

  it('links GitHub after a proof of presence, signs in with it, and unlinks it', async () => {
    await sql`update sessions set authenticated_at_utc = now() - interval '1 hour'`
    await open('/settings/security')
    await follow(page.getByRole('link', { name: 'Add GitHub' }))
    expect(path()).toBe('/step-up?return_to=/settings/security')
    await page.getByLabel('Your password').fill(password)
    await follow(button('Go on'))
    await follow(page.getByRole('link', { name: 'Add GitHub' }))
    await follow(page.getByRole('button').first())
    expect(path()).toBe('/settings/security')
    expect(await page.getByRole('region', { name: 'Ways to sign in' }).innerText()).toContain('GitHub')
    await follow(button('Sign out'))

    await open('/sign-in')
    await follow(page.getByRole('link', { name: 'Sign in with GitHub' }))
    if (new URL(page.url()).origin !== stack.url) await follow(page.getByRole('button').first())
    expect(await page.getByRole('banner').innerText()).toContain('eva.new@example.com')
    await open('/settings/security')
    await follow(page.getByRole('button', { name: 'Remove GitHub' }))
    expect(path()).toBe('/settings/security?done=unlinked')
  })

  it('ends another device’s session', async () => {
    const other = await browser.newContext({ javaScriptEnabled: false })
    const there = await other.newPage()
    await there.goto(`${stack.url}/sign-in`)
    await there.getByLabel('E-mail address or user name').fill('eva-1')
    await there.getByLabel('Password', { exact: true }).fill(password)
    await follow(there.getByRole('button', { name: 'Sign in', exact: true }))
    await open('/settings/security')
    const ends = page.getByRole('button', { name: /^End the session/ })
    expect(await ends.count()).toBe(1)
    await follow(ends.first())
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
    await follow(page.getByRole('link', { name: 'Delete my account' }))
    await follow(button('Delete my account'))
    expect(path()).toBe('/sign-in?done=account_deleted')
    await signIn('eva-1', password)
    expect(await alert()).toContain('Sign-in refused')
  })

  it('an administrator finds a person, disables them, and reads of it in the trail', async () => {
    await sql`insert into users (email_address_txt, email_verified_at_utc, email_proof_cd) values ('max@example.com', now(), 'letter')`
    await open('/sign-in')
    await follow(page.getByRole('link', { name: 'Sign in with Google' }))
    await follow(page.getByRole('button', { name: demoPerson }))
    for (const box of await page.getByRole('checkbox').all()) await box.setChecked(true)
    await follow(page.getByRole('button', { name: 'Continue' }))
    await open('/admin/users?q=max')
    await follow(page.getByRole('link', { name: 'max@example.com' }))
    await follow(page.getByRole('button', { name: /^Disable/ }))
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
      visitor.setDefaultTimeout(60_000)
      await visitor.goto(`http://localhost:${examplePort}`)
      await follow(visitor.getByRole('button', { name: 'Sign in with Google' }))
      await follow(visitor.getByRole('button', { name: demoPerson }))
      const goOn = visitor.getByRole('button', { name: 'Continue' })
      await Promise.race([goOn.waitFor(), visitor.locator('#inside:not([hidden])').waitFor()])
      if ((await goOn.count()) > 0) await follow(goOn)
      await visitor.locator('#me').getByText(demoPerson).first().waitFor()
      expect(visitor.url()).toBe(`http://localhost:${examplePort}/callback`)
      await follow(visitor.getByRole('button', { name: 'Sign out' }))
      await visitor.getByText('Signed out.').waitFor()

      await visitor.getByLabel('E-mail address or user name').fill('fay@example.com')
      await visitor.getByLabel('Password').fill(password)
      await follow(visitor.getByRole('button', { name: 'Create an account' }))
      await visitor.getByText('Look into your mail').waitFor()
      await followLetter('Confirm your address')
      await page.getByRole('textbox', { name: 'The password you chose' }).fill(password)
      await follow(button('Open my account'))
      await follow(visitor.getByRole('button', { name: 'Sign in', exact: true }))
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
