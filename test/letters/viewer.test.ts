// The development viewer: what would have been sent, and nothing at all where letters really leave (AP-20).
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { call } from '../support/app.ts'
import { emptyTables } from '../support/database.ts'
import { callWith } from '../support/operations.ts'
import { byResend, post, seedCode, seedLetter } from '../support/post.ts'

beforeEach(async () => {
  await emptyTables()
})

async function page(path: string): Promise<{ status: number; html: string; policy: string }> {
  const answer = await call(path, { headers: { Accept: 'text/html' } })
  return {
    status: answer.status,
    html: await answer.text(),
    policy: answer.headers.get('Content-Security-Policy') ?? '',
  }
}

describe('/dev/letters', () => {
  it('lists letters newest first, with kind, recipient, subject and state', async () => {
    expect((await page('/dev/letters')).html).toContain('No letter yet')
    const codeId = await seedCode('registration')
    await post(await seedLetter({ kind: 'registration', codeId, recipient: 'first@example.com' }))
    await seedLetter({ kind: 'password_reset', status: 'void', recipient: 'second@example.com' })
    const { status, html } = await page('/dev/letters')
    expect(status).toBe(200)
    expect(html.indexOf('second@example.com')).toBeLessThan(html.indexOf('first@example.com'))
    for (const words of ['Confirm your address for Gatepost', 'registration', 'Sent', 'Void', 'Nothing to say'])
      expect(html).toContain(words)
    expect((await page('/')).html).toContain('href="/dev/letters"')
  })

  it('shows one: its HTML in a frame without script, its text, and its link to click', async () => {
    const id = await seedLetter({ kind: 'password_reset', codeId: await seedCode('password_reset') })
    const { status, html, policy } = await page(`/dev/letters/${id}`)
    expect(status).toBe(200)
    const frame = /<iframe[^>]*>/.exec(html)?.[0] ?? ''
    expect(frame).toMatch(/ sandbox="allow-popups allow-popups-to-escape-sandbox"/)
    expect(frame).toContain('srcdoc="&lt;!doctype html&gt;')
    expect(html).toMatch(/<a class="button primary" href="http:\/\/localhost:8787\/reset-password\?token=[a-z]{96}"/)
    expect(html).toMatch(/<pre class="letter-text">[^<]*\b\d{6}\b/)
    expect(policy).toMatch(/^default-src 'none';.*frame-ancestors 'none'/)
    expect(policy).not.toContain('script-src')
  })

  it.each(['0190c3a4-7b1e-7c3d-8e2f-1234567890ab', 'x', "'", '..%2f'])('knows no letter %s', async (id) => {
    expect((await page(`/dev/letters/${id}`)).status).toBe(404)
  })

  it('of a kind it does not know shows that there is nothing to say', async () => {
    const id = await seedLetter({ kind: 'password_reset', status: 'void' })
    expect((await page(`/dev/letters/${id}`)).html).toContain('Nothing was sent')
  })
})

describe('AP-20 elsewhere', () => {
  it.each([
    ['letters leave by Resend', byResend, 'http://localhost:8787'],
    [
      'letters leave by SMTP',
      { MAIL_TRANSPORT: 'smtp', SMTP_URL: 'smtps://u:p@localhost', MAIL_FROM: 'a@b.example' },
      'http://localhost:8787',
    ],
    ['letters do not leave', { MAIL_TRANSPORT: '' }, 'http://localhost:8787'],
    ['another name leads to this machine', {}, 'http://rebound.example:8787'],
    [
      'the product is public',
      {
        APP_URL: 'https://x.test',
        ...byResend,
        RESEND_EMULATOR_URL: '',
        GOOGLE_EMULATOR_URL: '',
        GITHUB_EMULATOR_URL: '',
      },
      'https://x.test',
    ],
  ])('%s: there is no viewer', async (_name, overrides, origin) => {
    const id = await seedLetter({ kind: 'password_reset', codeId: await seedCode('password_reset') })
    for (const path of ['/dev/letters', `/dev/letters/${id}`]) {
      const answer = await callWith(overrides, `${origin}${path}`, { headers: { Accept: 'text/html' } })
      expect(answer.status).toBe(404)
      expect(await answer.text()).not.toContain('ada@example.com')
    }
  })

  it('AP-20 console on a public APP_URL: 503 misconfigured, named in the log', async () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    const overrides = {
      APP_URL: 'https://x.test',
      MAIL_TRANSPORT: 'console',
      GOOGLE_EMULATOR_URL: '',
      GITHUB_EMULATOR_URL: '',
    }
    const answer = await callWith(overrides, 'https://x.test/dev/letters')
    const lines = log.mock.calls.map(([line]) => JSON.parse(String(line)) as Record<string, unknown>)
    log.mockRestore()
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ code: 'misconfigured' })
    expect(lines).toContainEqual(expect.objectContaining({ event: 'misconfigured', setting: 'MAIL_TRANSPORT' }))
  })

  it.each(['Gate\r\npost', 'Gate\nBcc: x', 'a\0b'])(
    'an APP_NAME %j is a broken setting, not a header',
    async (name) => {
      const log = vi.spyOn(console, 'log').mockImplementation(() => {})
      const answer = await callWith({ APP_NAME: name }, '/')
      log.mockRestore()
      expect(answer.status).toBe(503)
    },
  )
})
