// What leaves as a message, read back by postal-mime: names, subjects and file names of all scripts, bodies byte for byte,
// line lengths, and recipients that are one address each (SECURITY ML-20, ML-24).
import PostalMime from 'postal-mime'
import { describe, expect, it } from 'vitest'
import { readRecipient, recipientOf } from '../../src/mail/send/addresses.ts'
import { composeMime, type OutgoingMessage } from '../../src/mail/send/mime-message.ts'
import { afterLook, waitSeconds } from '../../src/mail/send/policy.ts'
import {
  isSameSubject,
  type Original,
  replyRecipients,
  replyReferences,
  replySubject,
} from '../../src/mail/send/reply.ts'
import { admitRequest, type EmailRequest } from '../../src/mail/send/request.ts'

const now = new Date('2026-03-01T10:20:30.000Z')

const plain: OutgoingMessage = {
  messageId: '<a.b@gmail.com>',
  from: { name: '', address: 'me@gmail.com' },
  to: [{ name: '', address: 'you@x.io' }],
  cc: [],
  bcc: [],
  subject: 'Hello',
  text: 'Hi',
  html: null,
  attachments: [],
  inReplyTo: null,
  references: [],
}

function compose(part: Partial<OutgoingMessage> = {}): string {
  const mime = composeMime({ ...plain, ...part }, now)
  // Of every message whatever it says: ASCII, CRLF only, no line over 998, ended.
  expect(mime).toMatch(/^(?:[\t\x20-\x7e]{0,998}\r\n)+$/)
  return mime
}

/** But for the two lines that name boundaries: those are the package's, 116 at most. */
function longest(mime: string): number {
  const lines = mime.split('\r\n').filter((line) => !line.startsWith('Content-Type: multipart/'))
  return Math.max(...lines.map((line) => line.length))
}

const read = (part: Partial<OutgoingMessage>) => PostalMime.parse(compose(part))

const subjects = [
  'x'.repeat(998),
  'words and words '.repeat(62).trim(),
  'ä'.repeat(998),
  '漢字'.repeat(499),
  '👩‍👩‍👧‍👦 family',
  'שלום עולם',
  'two  blanks',
  '=?UTF-8?Q?no?= word of ours',
  `${'a'.repeat(60)} ${'b'.repeat(70)} tail`,
  '',
]

const names = [
  'Zoë Müller',
  '山田 太郎',
  'O"Brien \\ Co',
  'Doe, John',
  'Plain Name',
  'Привет '.repeat(20).trim(),
  '=?x?=',
]

const filenames = [
  'report.pdf',
  'a b;c="d".txt',
  'Übersicht 2026.xlsx',
  '契約書.pdf',
  `${'long-'.repeat(50)}.t`,
  '💾'.repeat(60),
  "it's 100%.txt",
]

describe('a message', () => {
  it.each(subjects)('keeps its subject (%#)', async (subject) => {
    expect((await read({ subject })).subject ?? '').toBe(subject)
  })

  it('keeps names of all scripts, in every header', async () => {
    const list = names.map((name, at) => ({ name, address: `p${at}@x.io` }))
    for (const from of list) expect((await read({ from })).from).toEqual(from)
    const { to, cc, bcc } = await read({ to: list, cc: list, bcc: list })
    expect({ to, cc, bcc }).toEqual({ to: list, cc: list, bcc: list })
  })

  it.each([
    ['dots at the beginning of lines', '.\n..\n.a\n...\n'],
    ['bare CR and LF', 'a\rb\nc\r\nd'],
    ['long lines', `${'x'.repeat(5_000)}\n${'ü'.repeat(3_000)}`],
    ['blanks before line ends', 'a \nb\t\n  \n'],
    ['what looks like a boundary', '--mixed_1\n--\nFrom x\n=41=\n'],
    ['nothing', ''],
    ['emoji and right-to-left', '👍🏽 שלום\n'],
  ])('keeps its text and HTML: %s', async (_, text) => {
    const html = `<p>${text}</p>`
    const mime = compose({ text, html })
    expect(longest(mime)).toBeLessThanOrEqual(76)
    const parsed = await PostalMime.parse(mime)
    const lines = (it: string | undefined) => (it ?? '').replaceAll(/\r\n?/g, '\n').trimEnd()
    expect(lines(parsed.text)).toBe(lines(text))
    expect(lines(parsed.html)).toBe(lines(html))
    expect((await read({ text })).html).toBeUndefined()
  })

  it.each(filenames)('ML-24 keeps an attachment byte for byte under its name (%#)', async (filename) => {
    const bytes = Uint8Array.from({ length: 3_001 }, (_, at) => (at * 7) % 256)
    const contentBase64 = btoa(String.fromCharCode(...bytes))
    const second = { filename: 'empty.txt', contentType: 'text/plain', contentBase64: '' }
    const attachments = [{ filename, contentType: 'application/pdf', contentBase64 }, second]
    const mime = compose({ attachments })
    expect(longest(mime)).toBeLessThanOrEqual(78)
    const parsed = await PostalMime.parse(mime)
    expect(parsed.attachments.map((it) => [it.filename, it.mimeType, it.disposition])).toEqual([
      [filename, 'application/pdf', 'attachment'],
      ['empty.txt', 'text/plain', 'attachment'],
    ])
    const [first, empty] = parsed.attachments.map((it) => new Uint8Array(it.content as ArrayBuffer))
    expect(first).toEqual(bytes)
    expect(empty?.length).toBe(0)
    expect(parsed.text?.trim()).toBe('Hi')
  })

  it('has a Date, its Message-ID, and what it answers', async () => {
    const references = Array.from({ length: 20 }, (_, at) => `<${'r'.repeat(200)}${at}@x.io>`)
    const parsed = await read({ references, inReplyTo: references[19] ?? null, bcc: [{ name: '', address: 'b@x.io' }] })
    expect(parsed.messageId).toBe('<a.b@gmail.com>')
    expect(parsed.date).toBe(now.toISOString())
    expect(parsed.inReplyTo).toBe(references[19])
    expect(parsed.references?.split(/\s+/)).toEqual(references)
  })

  it('has no To where nobody is named there', async () => {
    const mime = compose({ to: [], bcc: [{ name: '', address: 'b@x.io' }], text: 'To: \r\nTo: ' })
    expect(mime.slice(0, mime.indexOf('\r\n\r\n'))).not.toMatch(/^To:/m)
    expect((await PostalMime.parse(mime)).text?.trim()).toBe('To: \nTo:')
  })
})

describe('a recipient', () => {
  it.each([
    ['a@x.io', { name: '', address: 'a@x.io' }],
    ['  a@x.io ', { name: '', address: 'a@x.io' }],
    ['Ann Other <Ann@X.io>', { name: 'Ann Other', address: 'Ann@x.io' }],
    ['"Other, Ann" <a@x.io>', { name: 'Other, Ann', address: 'a@x.io' }],
    ['"a \\"b\\" <c>" <a@x.io>', { name: 'a "b" <c>', address: 'a@x.io' }],
    ['"a@x.io" <a@x.io>', { name: '', address: 'a@x.io' }],
    ['山田 <a@日本.jp>', { name: '山田', address: 'a@xn--wgv71a.jp' }],
    ['<a@x.io>', { name: '', address: 'a@x.io' }],
  ])('is %s', (text, mailbox) => {
    expect(readRecipient(text)).toEqual(mailbox)
  })

  it.each([
    'a@x.io, evil@x.io',
    'a@x.io evil@x.io',
    'a@x.io;evil@x.io',
    'a@x.io <evil@x.io>',
    '"boss@x.io" <evil@x.io>',
    'a@x.io <evil@x.io>, b@x.io',
    'Ann <a@x.io> <b@x.io>',
    'Friends: a@x.io, b@x.io;',
    'Friends: Ann <a@x.io>;',
    'undisclosed-recipients:;',
    'a@x.io (comment)',
    '(comment) <a@x.io>',
    'Other, Ann <a@x.io>',
    'Ann <a@x.io>\r\nBcc: evil@x.io',
    'a@x.io\n',
    'A\u0000nn <a@x.io>',
    'A\u2028nn <a@x.io>',
    '"Ann <a@x.io>',
    'a@x.io>',
    '<a@x.io',
    '@x.io',
    'a@localhost',
    'a@[127.0.0.1]',
    '"a b"@x.io',
    'ä@x.io',
    `${'n'.repeat(201)} <a@x.io>`,
    '\ud800 <a@x.io>',
    '',
  ])('ML-20 is not %j', (text) => {
    expect(readRecipient(text)).toBeNull()
  })

  it('is taken in parts, as messages give it', () => {
    expect(readRecipient({ name: 'Other, "Ann"', address: 'Ann@X.io' })).toEqual({
      name: 'Other, "Ann"',
      address: 'Ann@x.io',
    })
    expect(readRecipient({ name: '', address: 'a@日本.jp' })).toEqual({ name: '', address: 'a@xn--wgv71a.jp' })
    // A stranger wrote it: it is answered all the same.
    expect(readRecipient({ name: 'boss@x.io', address: 'evil@x.io' })).toEqual({ name: '', address: 'evil@x.io' })
    expect(readRecipient({ name: 'A\u2028nn', address: 'a@x.io' })).toEqual({ name: 'A nn', address: 'a@x.io' })
  })

  it.each([
    { name: 'A\r\nBcc: evil@x.io', address: 'a@x.io' },
    { name: 'A\u0000nn', address: 'a@x.io' },
    { name: 'n'.repeat(201), address: 'a@x.io' },
    { name: '', address: 'a@x.io\n' },
    { name: '', address: 'a@x.io, evil@x.io' },
    { name: '', address: 'Ann <a@x.io>' },
    { name: '', address: '' },
  ])('ML-20 is not %j in parts', (parts) => {
    expect(readRecipient(parts)).toBeNull()
  })

  it('loses a misleading name where a stranger wrote it', () => {
    expect(recipientOf('boss@x.io', 'evil@x.io')).toEqual({ name: '', address: 'evil@x.io' })
    expect(recipientOf('An\r\nn', 'a@x.io')).toEqual({ name: 'An n', address: 'a@x.io' })
    expect(recipientOf('Ann', 'a@x.io\r\nBcc: b@x.io')).toBeNull()
  })
})

const request: EmailRequest = {
  from: 'me@gmail.com',
  to: ['you@x.io'],
  cc: [],
  bcc: [],
  subject: 'Hello',
  text: 'Hi',
  html: null,
  attachments: [],
  replyToEmailId: null,
}
const file = { filename: 'a.txt', contentType: 'text/plain', contentBase64: 'YQ==' }

/** The paths that are refused. */
function refusedIn(part: Partial<EmailRequest>): string[] {
  try {
    admitRequest({ ...request, ...part })
    return []
  } catch (thrown) {
    return (thrown as { errors: { path: string }[] }).errors.map(({ path }) => path)
  }
}

describe('a request', () => {
  it.each<[string, Partial<EmailRequest>, string[]]>([
    ['two recipients in one', { to: ['a@x.io', 'b@x.io, c@x.io'], cc: ['c'] }, ['to.1', 'cc.0']],
    ['101 recipients', { to: Array<string>(50).fill('a@x.io'), bcc: Array<string>(51).fill('b@x.io') }, ['to']],
    ['nobody', { to: [] }, ['to']],
    ['no subject', { subject: null }, ['subject']],
    [
      'a line break in a part of a recipient',
      { to: [{ name: 'a\nb', address: 'a@x.io' }], bcc: [{ name: '', address: 'a@x.io\r' }] },
      ['to.0', 'bcc.0'],
    ],
    ['CR in the subject', { subject: 'a\rBcc: x@x.io' }, ['subject']],
    ['LF in the subject', { subject: 'a\nb' }, ['subject']],
    ['NUL in the subject', { subject: 'a\u0000' }, ['subject']],
    ['no body', { text: null }, ['text']],
    ['a line break in the sender', { from: 'me@gmail.com\n' }, ['from']],
    ['a line break in a file name', { attachments: [{ ...file, filename: 'a\r\nX: b' }] }, ['attachments.0.filename']],
    [
      'ML-24 300 characters of file name',
      { attachments: [{ ...file, filename: 'a'.repeat(300) }] },
      ['attachments.0.filename'],
    ],
    ['ML-24 a file name of dots', { attachments: [{ ...file, filename: '../..' }] }, ['attachments.0.filename']],
    [
      'a line break in a type',
      { attachments: [{ ...file, contentType: 'text/plain\r\nX: b' }] },
      ['attachments.0.content_type'],
    ],
    [
      'a parameter in a type',
      { attachments: [{ ...file, contentType: 'text/plain; name=x' }] },
      ['attachments.0.content_type'],
    ],
    ['no type', { attachments: [{ ...file, contentType: 'text' }] }, ['attachments.0.content_type']],
    ['base64 with blanks', { attachments: [{ ...file, contentBase64: 'YQ ==' }] }, ['attachments.0.content_base64']],
    ['base64 of a URL', { attachments: [{ ...file, contentBase64: '_-__' }] }, ['attachments.0.content_base64']],
    [
      'base64 padded inside',
      { attachments: [{ ...file, contentBase64: 'YQ==YQ==' }] },
      ['attachments.0.content_base64'],
    ],
    ['base64 unpadded', { attachments: [{ ...file, contentBase64: 'YQ' }] }, ['attachments.0.content_base64']],
  ])('is refused with %s', (_, part, paths) => {
    expect(refusedIn(part)).toEqual(paths)
  })

  it('ML-24 loses the path of a file name, and composite types their claim', () => {
    const attachments = [
      { ...file, filename: '../../etc/passwd' },
      { ...file, filename: 'C:\\Users\\me\\CON', contentType: 'Message/RFC822' },
      { ...file, contentType: 'Text/Plain; charset="UTF-8"' },
    ]
    expect(admitRequest({ ...request, attachments }).attachments.map((it) => [it.filename, it.contentType])).toEqual([
      ['passwd', 'text/plain'],
      ['CON', 'application/octet-stream'],
      ['a.txt', 'text/plain; charset="utf-8"'],
    ])
  })
})

const original: Original = {
  messageId: '<m@x.io>',
  references: '<r1@x.io> <r2@x.io>',
  subject: 'Plan',
  from: { name: 'Ann', address: 'ann@x.io' },
  to: [{ name: '', address: 'me@gmail.com' }],
  replyTo: [],
  threadId: '1',
}

describe('an answer', () => {
  it('goes to Reply-To, else the sender; of an own message to its recipients', () => {
    expect(replyRecipients(original, 'me@gmail.com')).toEqual([{ name: 'Ann', address: 'ann@x.io' }])
    const replyTo = [{ name: '', address: 'list@x.io' }]
    expect(replyRecipients({ ...original, replyTo }, 'me@gmail.com').map((it) => it.address)).toEqual(['list@x.io'])
    const own = { ...original, from: { name: '', address: 'Me@gmail.com' }, to: replyTo }
    expect(replyRecipients(own, 'me@gmail.com').map((it) => it.address)).toEqual(['list@x.io'])
    expect(replyRecipients({ ...original, from: null }, 'me@gmail.com')).toEqual([])
  })

  it('has the subject of its original, once answered', () => {
    expect(replySubject('Plan')).toBe('Re: Plan')
    expect(replySubject('RE: Plan')).toBe('RE: Plan')
    expect(replySubject('a\r\n b\u0000')).toBe('Re: a b')
    expect(replySubject('👍'.repeat(600)).isWellFormed()).toBe(true)
    expect(replySubject('x'.repeat(2_000))).toHaveLength(998)
    expect(isSameSubject('Re: AW: Fwd[2]: plan', 'PLAN')).toBe(true)
    expect(isSameSubject('Re: Plan B', 'Plan')).toBe(false)
  })

  it('names what it answers, twenty ids at most, and nothing that is none', () => {
    expect(replyReferences(original)).toEqual({
      inReplyTo: '<m@x.io>',
      references: ['<r1@x.io>', '<r2@x.io>', '<m@x.io>'],
    })
    const many = Array.from({ length: 60 }, (_, at) => `<${at}@x.io>`)
    const { references } = replyReferences({ ...original, references: many.join(' ') })
    expect(references).toEqual([many[0], ...many.slice(42), '<m@x.io>'])
    expect(replyReferences({ ...original, messageId: '<a b@x.io>', references: 'x <y <z@x.io>\r\nBcc:' })).toEqual({
      inReplyTo: null,
      references: ['<z@x.io>'],
    })
  })
})

describe('what is sent again', () => {
  it('is looked for three times first, and sent again where these could have seen it', () => {
    const steps = [1, 2, 3, 5, 6, 7, 9, 10, 11].map((attempt) => afterLook(attempt, true))
    const looks = [
      { kind: 'look', delaySeconds: 90 },
      { kind: 'look', delaySeconds: 180 },
    ]
    const later = { kind: 'send', isAtOnce: false }
    expect(steps).toEqual([...looks, { kind: 'send', isAtOnce: true }, ...looks, later, ...looks, later])
    expect([3, 7].map((attempt) => afterLook(attempt, false))).toEqual([{ kind: 'give up' }, { kind: 'give up' }])
  })

  it('waits as long as it was asked to, else as long again as it has waited', () => {
    expect(waitSeconds(0, null, 0)).toBe(30)
    expect(waitSeconds(300, null, 0)).toBe(300)
    expect(waitSeconds(50_000, null, 1)).toBe(1_080)
    expect(waitSeconds(0, 3_600, 0)).toBe(3_600)
  })
})
