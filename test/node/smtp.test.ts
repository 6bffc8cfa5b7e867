// The SMTP transport as workerd runs it, against a real mail server with TLS, and against servers that misbehave.
import PostalMime from 'postal-mime'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { OutgoingLetter } from '../../src/letters/transport.ts'
import {
  type MailServer,
  type ScriptedServer,
  type SmtpSender,
  startMailServer,
  startScriptedServer,
  startSmtpSender,
} from '../support/smtp-world.ts'
import { makeTestCertificate } from '../support/test-certificate.ts'

const certificate = makeTestCertificate('localhost')
let sender: SmtpSender
const closings: (() => Promise<void>)[] = []

beforeAll(async () => {
  sender = await startSmtpSender(certificate)
})
afterAll(() => sender.stop())
afterEach(async () => {
  await Promise.all(closings.splice(0).map((close) => close()))
})

async function mailServer(...args: Parameters<typeof startMailServer>): Promise<MailServer> {
  const server = await startMailServer(...args)
  closings.push(server.close)
  return server
}

async function scripted(...args: Parameters<typeof startScriptedServer>): Promise<ScriptedServer> {
  const server = await startScriptedServer(...args)
  closings.push(server.close)
  return server
}

const letter: OutgoingLetter = {
  id: '0190c3a4-7b1e-7c3d-8e2f-1234567890ab',
  from: { name: 'Gatepost', address: 'no-reply@gatepost.test' },
  to: 'ada@example.com',
  subject: 'Confirm your address for Gatepost',
  text: 'Hello.\n\n.A line that begins with a dot\n..and two\n\nhttps://gatepost.test/verify-email?token=abc_DEF-123\n',
  html: '<!doctype html><p>Grüße &amp; “quotes” = fine</p>\n<p>.</p>',
}

const starttls = (port: number, user = 'gatepost:secret%2Fword@'): string => `smtp://${user}localhost:${port}`
const implicit = (port: number, user = 'gatepost:secret%2Fword@'): string => `smtps://${user}localhost:${port}`

describe('a real mail server', () => {
  it.each([
    ['STARTTLS', false, starttls],
    ['implicit TLS', true, implicit],
  ] as const)('takes a letter by %s, after a login, all of it encrypted', async (_name, secure, url) => {
    const server = await mailServer(certificate, { secure })
    expect(await sender.send(url(server.port), letter)).toEqual({ ok: true })
    const [mail] = server.received
    expect(mail).toMatchObject({
      from: 'no-reply@gatepost.test',
      to: ['ada@example.com'],
      user: 'gatepost',
      isSecure: true,
    })
    expect(server.logins).toEqual([{ isSecure: true }])
    const parsed = await PostalMime.parse(mail?.raw ?? '')
    expect(parsed).toMatchObject({
      from: { name: 'Gatepost', address: 'no-reply@gatepost.test' },
      to: [{ address: 'ada@example.com' }],
      subject: letter.subject,
      messageId: `<${letter.id}@gatepost.test>`,
    })
    expect(parsed.text?.replaceAll('\r\n', '\n').trim()).toBe(letter.text.trim())
    expect(parsed.html?.replaceAll('\r\n', '\n').trim()).toBe(letter.html.trim())
    expect(parsed.headers.find(({ key }) => key === 'auto-submitted')?.value).toBe('auto-generated')
    expect(Math.abs(Date.parse(parsed.date ?? '') - Date.now())).toBeLessThan(60_000)
  })

  it('sent twice it is one message to whoever compares Message-IDs', async () => {
    const server = await mailServer(certificate)
    await sender.send(starttls(server.port), letter)
    await sender.send(starttls(server.port), letter)
    const ids = await Promise.all(server.received.map(async ({ raw }) => (await PostalMime.parse(raw)).messageId))
    expect(new Set(ids).size).toBe(1)
    expect(ids).toHaveLength(2)
  })

  it('takes AUTH LOGIN where that is all it offers', async () => {
    const server = await mailServer(certificate, { authMethods: ['LOGIN'] })
    expect(await sender.send(starttls(server.port), letter)).toEqual({ ok: true })
    expect(server.received).toHaveLength(1)
  })

  it.each([
    ['Grüße aus Köln & 東京 — ünïcödé in a name that is long enough to be folded'],
    ['Acme, Inc. "the best" \\ <us>'],
    ['=?utf-8?q?Bank?='],
    ['👩‍👩‍👧‍👦'.repeat(5)],
  ])('keeps the name and subject %s as they are', async (name) => {
    const server = await mailServer(certificate)
    const subject = `Confirm your address for ${name}`
    expect(await sender.send(starttls(server.port), { ...letter, subject, from: { ...letter.from, name } })).toEqual({
      ok: true,
    })
    const raw = server.received[0]?.raw.toString() ?? ''
    const parsed = await PostalMime.parse(raw)
    expect([parsed.subject, parsed.from]).toEqual([subject, { name, address: 'no-reply@gatepost.test' }])
    const headers = raw.slice(0, raw.indexOf('\r\n\r\n'))
    expect(headers).toMatch(/^[\x20-\x7e\r\n]+$/)
    for (const line of headers.split('\r\n').filter((text) => text.includes('=?'))) {
      expect(line.length).toBeLessThanOrEqual(76)
    }
  })

  it('an address beyond ASCII goes to a server that takes such', async () => {
    const server = await mailServer(certificate)
    expect(await sender.send(starttls(server.port), { ...letter, to: 'grüße@example.com' })).toEqual({ ok: true })
    expect(server.received[0]?.to).toEqual(['grüße@example.com'])
  })

  it.each([
    ['a wrong password', 'gatepost:wrong@', {}, { kind: 'misconfigured', code: 'smtp_auth_535' }],
    ['no login where one is wanted', '', {}, { kind: 'misconfigured', code: 'smtp_mail_530' }],
    [
      'a recipient it refuses',
      undefined,
      {
        onRcptTo: (_to: unknown, _session: unknown, done: (error: Error) => void) => done(new Error('no such person')),
      },
      { kind: 'refused', code: 'smtp_rcpt_550' },
    ],
    [
      'a recipient it will take later',
      undefined,
      {
        onRcptTo: (_to: unknown, _session: unknown, done: (error: Error) => void) =>
          done(Object.assign(new Error('greylisted'), { responseCode: 451 })),
      },
      { kind: 'unavailable', code: 'smtp_rcpt_451' },
    ],
    [
      'a sender it refuses',
      undefined,
      { onMailFrom: (_from: unknown, _session: unknown, done: (error: Error) => void) => done(new Error('not yours')) },
      { kind: 'misconfigured', code: 'smtp_mail_550' },
    ],
  ])('%s is told by its kind', async (_name, user, options, expected) => {
    const server = await mailServer(certificate, options)
    expect(await sender.send(starttls(server.port, user), letter)).toEqual({
      ok: false,
      retryAfterSeconds: null,
      ...expected,
    })
    expect(server.received).toEqual([])
  })

  it('a letter that it refuses after its data is refused for good', async () => {
    const server = await mailServer(certificate, {
      onData: (stream, _session, done) => {
        stream.resume()
        stream.on('end', () => done(Object.assign(new Error('spam'), { responseCode: 554 })))
      },
    })
    expect(await sender.send(starttls(server.port), letter)).toMatchObject({ kind: 'refused', code: 'smtp_body_554' })
  })
})

describe('encryption', () => {
  it.each([
    ['STARTTLS', false, starttls],
    ['implicit TLS', true, implicit],
  ] as const)('%s: a certificate that nobody trusts ends it before any login', async (_name, secure, url) => {
    const server = await mailServer(makeTestCertificate('localhost'), { secure })
    expect(await sender.send(url(server.port), letter)).toMatchObject({ ok: false, kind: 'unavailable' })
    expect([server.logins, server.received]).toEqual([[], []])
  })

  it.each([
    ['STARTTLS', false, starttls],
    ['implicit TLS', true, implicit],
  ] as const)('%s: a trusted certificate of another name ends it before any login', async (_name, secure, url) => {
    const other = makeTestCertificate('other.test')
    const trusting = await startSmtpSender(other)
    closings.push(trusting.stop)
    const server = await mailServer(other, { secure })
    expect(await trusting.send(url(server.port), letter)).toMatchObject({ ok: false, kind: 'unavailable' })
    expect([server.logins, server.received]).toEqual([[], []])
  })

  it.each([
    ['with credentials', 'gatepost:secret%2Fword@localhost'],
    // A spelling of this machine that is none of those we let speak in the clear.
    ['for a name that is not this machine’s', 'LOCALHOST'],
  ])('STARTTLS taken out on the way, %s: nothing but a greeting is said', async (_name, authority) => {
    const server = await scripted((line) =>
      line === '' ? '220 hi\r\n' : line.startsWith('EHLO') ? '250-hi\r\n250 AUTH PLAIN LOGIN\r\n' : '250 ok\r\n',
    )
    expect(await sender.send(`smtp://${authority}:${server.port}`, letter)).toMatchObject({
      kind: 'misconfigured',
      code: 'smtp_starttls_missing',
    })
    expect(server.heard()).not.toMatch(/AUTH|MAIL|Z2F0ZXBvc3Q/)
  })

  it('a test server on this machine, without STARTTLS and credentials, gets its letter', async () => {
    const server = await mailServer(certificate, { hideSTARTTLS: true, disabledCommands: ['AUTH', 'STARTTLS'] })
    expect(await sender.send(starttls(server.port, ''), letter)).toEqual({ ok: true })
    expect(server.received[0]?.isSecure).toBe(false)
  })

  it('an answer smuggled in before TLS is not read as if it came by TLS', async () => {
    const server = await scripted((line) => {
      if (line === '') return '220 hi\r\n'
      if (line.startsWith('EHLO')) return '250-hi\r\n250 STARTTLS\r\n'
      return line === 'STARTTLS' ? '220 go\r\n250-hi\r\n250 AUTH PLAIN\r\n235 welcome\r\n' : '250 ok\r\n'
    })
    expect(await sender.send(starttls(server.port), letter)).toMatchObject({ code: 'smtp_starttls_injected' })
    expect(server.heard()).not.toContain('AUTH')
  })
})

describe('servers that misbehave', () => {
  const clear = (port: number): string => `smtp://localhost:${port}`

  it('nobody listens: unavailable', async () => {
    const server = await scripted(() => undefined)
    await server.close()
    closings.length = 0
    expect(await sender.send(clear(server.port), letter)).toMatchObject({ ok: false, kind: 'unavailable' })
  })

  it.each([
    ['at once', ''],
    ['at EHLO', 'EHLO'],
    ['at MAIL', 'MAIL'],
    ['at DATA', 'DATA'],
    ['at the end of the letter', '.'],
  ])('hangs up %s: unavailable, and the next letter still goes', async (_name, at) => {
    const server = await scripted((line) => {
      if (at === '' ? line === '' : line.startsWith(at)) return null
      if (line === '') return '220 hi\r\n'
      if (line === 'DATA') return '354 go\r\n'
      return /^(EHLO|MAIL|RCPT|\.$)/.test(line) ? '250 ok\r\n' : undefined
    })
    const plain = { ...letter, text: 'x', html: '<p>x</p>' }
    expect(await sender.send(clear(server.port), plain)).toMatchObject({ ok: false, kind: 'unavailable' })
    const good = await mailServer(certificate)
    expect(await sender.send(starttls(good.port), letter)).toEqual({ ok: true })
  })

  it('says nothing: a time-out after ten seconds, and the connection is closed', async () => {
    const server = await scripted((line) => (line === '' ? '220 hi\r\n' : undefined))
    expect(await sender.send(clear(server.port), letter)).toMatchObject({ kind: 'unavailable', code: 'timeout' })
    await expect.poll(server.open).toBe(0)
  })

  it.each([
    ['no SMTP', 'HTTP/1.1 200 OK\r\n\r\n', 'smtp_unreadable'],
    ['a line without end', `220 ${'x'.repeat(100_000)}`, 'smtp_unreadable'],
    ['a reply without end', '220-x\r\n'.repeat(20_000), 'smtp_unreadable'],
    ['busy', '421 later\r\n', 'smtp_greeting_421'],
    ['not for us', '554 no\r\n', 'smtp_greeting_554'],
  ])('speaks %s: a failure of its own, and the connection is closed', async (_name, words, code) => {
    const server = await scripted((line) => (line === '' ? words : undefined))
    expect(await sender.send(clear(server.port), letter)).toMatchObject({ ok: false, code })
    await expect.poll(server.open).toBe(0)
  })
})

describe('what never gets into headers or the envelope', () => {
  it.each(['\r', '\n', '\r\n', '\0', '\u2028', '\u0085'])('%j: refused before anything is connected', async (end) => {
    const server = await scripted(() => '220 hi\r\n')
    const evil = `x${end}Bcc: victim@example.com`
    for (const bent of [
      { ...letter, subject: evil },
      { ...letter, to: `a@b.example${end}RCPT TO:<victim@example.com>` },
      { ...letter, to: `${evil}@example.com` },
      { ...letter, from: { ...letter.from, name: evil } },
      { ...letter, from: { ...letter.from, address: `a@b.example${end}` } },
      { ...letter, id: evil },
    ])
      expect(await sender.send(`smtp://localhost:${server.port}`, bent)).toMatchObject({ ok: false })
    for (const to of ['a@b.example>', '<a@b.example', 'a@b.example, c@d.example', 'a b@c.example', 'a', ''])
      expect(await sender.send(`smtp://localhost:${server.port}`, { ...letter, to })).toMatchObject({
        kind: 'refused',
        code: 'recipient_unusable',
      })
    expect([server.heard(), server.open()]).toEqual(['', 0])
  })
})

it('workerd’s console holds no credential, address or server’s words after all this', () => {
  expect(sender.output()).not.toMatch(/secret|Z2F0ZXBvc3Q|ada@example|no such person|token=/)
})
