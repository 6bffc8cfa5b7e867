// What letters say: the right code and link and no other, everything escaped, nothing from elsewhere.
import { beforeAll, describe, expect, it } from 'vitest'
import { headerText } from '../../src/crypto/encoded-words.ts'
import { escapeHtml, fromBase64 } from '../../src/crypto/encoding.ts'
import { importHmacKey } from '../../src/crypto/hash.ts'
import { deriveDigits, deriveLinkToken } from '../../src/crypto/one-time-code.ts'
import { type ComposedLetter, composeLetter, type LetterToCompose } from '../../src/letters/compose.ts'
import type { LetterKind } from '../../src/letters/outgoing.sql.ts'
import { parseSmtpUrl } from '../../src/letters/smtp.ts'
import { parseSender, senderHeader } from '../../src/letters/transport.ts'
import { testKeys } from '../support/keys.ts'

// Without six digits side by side: a letter has none that are no code.
const accountId = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'

const kinds = {
  registration: '/verify-email?token=',
  account_exists: '/sign-in',
  password_reset: '/reset-password?token=',
  password_changed: '/forgot-password',
  email_change: '/verify-email?token=',
  email_change_requested: '/forgot-password',
  email_changed: null,
  mailbox_needs_reauthorization: `/mailboxes/${accountId}`,
  mailbox_access_ends: `/mailboxes/${accountId}`,
  account_deleted: null,
} as const satisfies Record<LetterKind, string | null>
const every = Object.entries(kinds) as [LetterKind, string | null][]

const appUrl = 'https://mail.example.com'
let codeKey: CryptoKey
beforeAll(async () => {
  codeKey = await importHmacKey(fromBase64(testKeys.CODE_PEPPER) ?? new Uint8Array(), 'gatepost/one-time-code')
})

async function compose(
  kind: LetterKind,
  bent: Partial<LetterToCompose> = {},
  appName = 'Gatepost',
): Promise<ComposedLetter> {
  const codeId = crypto.randomUUID()
  const row = {
    kind,
    oneTimeCodeId: codeId,
    accountId,
    mailbox: 'box@example.com',
    provider: 'google',
    ...bent,
  }
  const composed = await composeLetter({ codeKey, appUrl, settings: { appName } }, row)
  if (composed === null) throw new Error(`nothing to say for ${kind}`)
  return composed
}

const text = (html: string): string => html.replace(/<style>[\s\S]*?<\/style>/, ' ').replace(/<[^>]+>/g, ' ')

describe.each(every)('%s', (kind, path) => {
  it('has a subject, plain text and HTML, says what to do if it was not you, and leads to its page only', async () => {
    const { subject, text: plain, html, link } = await compose(kind)
    expect(subject.length).toBeGreaterThan(10)
    expect(subject.length).toBeLessThanOrEqual(78)
    expect(plain).toMatch(/If (it was not you|you removed|you no longer)/)
    expect(html).toMatch(/If (it was not you|you removed|you no longer)/)
    const urls = (side: string): string[] => [...new Set(side.match(/https?:\/\/[^\s"<>]+/g) ?? [])]
    expect(urls(html)).toEqual(urls(plain))
    expect(urls(plain)).toHaveLength(path === null ? 0 : 1)
    for (const url of urls(plain)) expect(url.startsWith(`${appUrl}${path}`)).toBe(true)
    if (link !== null) expect(urls(plain)).toEqual([link])
  })

  it('is the same letter again', async () => {
    const oneTimeCodeId = crypto.randomUUID()
    expect(await compose(kind, { oneTimeCodeId })).toEqual(await compose(kind, { oneTimeCodeId }))
  })

  it('is good on a phone, light or dark, and loads nothing', async () => {
    const { html } = await compose(kind)
    expect(html).toContain('width=device-width')
    expect(html).toContain('prefers-color-scheme:dark')
    expect(html).toContain('max-width:520px')
    expect(html).not.toMatch(/<(img|script|link|iframe|form|video|base|object)\b|url\(|@import|\son\w+=|javascript:/i)
    expect(html).not.toMatch(/(width|height)[=:]"?\d{4}/)
  })

  it('holds six digits nowhere but the reset letter in its code, once each', async () => {
    for (let times = 0; times < 50; times += 1) {
      const oneTimeCodeId = crypto.randomUUID()
      const { subject, text: plain, html } = await compose(kind, { oneTimeCodeId })
      const expected = kind === 'password_reset' ? [await deriveDigits(codeKey, 'password_reset', oneTimeCodeId)] : []
      expect(plain.match(/\d{6,}/g) ?? []).toEqual(expected)
      expect(html.match(/\d{6,}/g) ?? []).toEqual(expected)
      expect(subject).not.toMatch(/\d{6}/)
    }
  })

  it('escapes the product’s name and the mailbox', async () => {
    const appName = `<b onclick="x">"A" & 'B'</b>`
    const { html, text: plain } = await compose(kind, { mailbox: `<i>'&@example.com` }, appName)
    expect(html).not.toMatch(/<b |<i>|<\/b>|onclick="/)
    expect(text(html)).toContain(escapeHtml(appName))
    expect(plain).toContain(appName)
  })
})

describe('links and codes', () => {
  it.each(['registration', 'email_change', 'password_reset'] as const)(
    '%s: derived from its row, for its purpose',
    async (kind) => {
      const oneTimeCodeId = crypto.randomUUID()
      const { link } = await compose(kind, { oneTimeCodeId })
      const page = kind === 'password_reset' ? 'reset-password' : 'verify-email'
      expect(link).toBe(`${appUrl}/${page}?token=${await deriveLinkToken(codeKey, kind, oneTimeCodeId)}`)
      const deps = { codeKey, appUrl, settings: { appName: 'x' } }
      expect(
        await composeLetter(deps, { kind, oneTimeCodeId: null, accountId: null, mailbox: null, provider: null }),
      ).toBeNull()
    },
  )

  it.each(['toString', '__proto__', 'constructor', '', 'unknown'])('an unknown kind %j says nothing', async (kind) => {
    const deps = { codeKey, appUrl, settings: { appName: 'x' } }
    expect(
      await composeLetter(deps, { kind, oneTimeCodeId: null, accountId: null, mailbox: null, provider: null }),
    ).toBeNull()
  })

  it('a letter about a mailbox leads to that mailbox’s page, which only reads; about one that is gone to all of them', async () => {
    for (const kind of ['mailbox_needs_reauthorization', 'mailbox_access_ends'] as const) {
      expect((await compose(kind)).link).toBe(`${appUrl}/mailboxes/${accountId}`)
      expect((await compose(kind, { accountId: null, mailbox: null, provider: null })).link).toBe(`${appUrl}/mailboxes`)
    }
  })

  it('a mailbox that is gone, or of a provider without a name, is still a sentence', async () => {
    expect((await compose('mailbox_access_ends', { mailbox: null, provider: null })).text).toContain(
      'to one of your mailboxes ends',
    )
    expect((await compose('mailbox_access_ends', { provider: 'toString' })).text).toContain('to box@example.com ends')
  })
})

describe('senders and servers as settings name them', () => {
  it.each([
    ['no-reply@a.example', { name: 'Gatepost', address: 'no-reply@a.example' }],
    ['Post <no-reply@a.example>', { name: 'Post', address: 'no-reply@a.example' }],
    ['Pöst & Co. <p@a.example>', { name: 'Pöst & Co.', address: 'p@a.example' }],
  ])('%s', (given, expected) => {
    expect(parseSender(given, 'Gatepost')).toEqual(expected)
  })

  it('quotes a name where it must', () => {
    expect(senderHeader({ name: 'Söhne 東京', address: 'a@b.example' })).toBe('Söhne 東京 <a@b.example>')
    expect(senderHeader({ name: 'Acme, Inc. "x" \\', address: 'a@b.example' })).toBe(
      '"Acme, Inc. \\"x\\" \\\\" <a@b.example>',
    )
    expect(senderHeader({ name: '', address: 'a@b.example' })).toBe('a@b.example')
  })

  it.each([
    ['smtp://mail.example.com', { port: 587, isTls: false, credentials: null }],
    ['smtps://mail.example.com', { port: 465, isTls: true, credentials: null }],
    [
      'smtp://u%40x:p%2F%3A@mail.example.com:2525',
      { port: 2525, isTls: false, credentials: { username: 'u@x', password: 'p/:' } },
    ],
    ['smtps://u:100%@mail.example.com', { port: 465, isTls: true, credentials: { username: 'u', password: '100%' } }],
  ])('%s', (given, expected) => {
    expect(parseSmtpUrl(given)).toEqual({ hostname: 'mail.example.com', ...expected })
  })

  it('header text is left as it is, or cut into words of at most 75 characters, between characters', () => {
    expect(headerText('Plain & simple')).toBe('Plain & simple')
    const words = headerText('ä👍🏽'.repeat(40)).split('\r\n ')
    expect(words.length).toBeGreaterThan(3)
    const decoded = words.map((word) => {
      expect(word.length).toBeLessThanOrEqual(75)
      const bytes = fromBase64(/^=\?UTF-8\?B\?(.+)\?=$/.exec(word)?.[1] ?? '')
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes ?? new Uint8Array())
    })
    expect(decoded.join('')).toBe('ä👍🏽'.repeat(40))
  })
})
