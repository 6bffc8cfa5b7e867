// What Gmail's API answers for one message → ours, from payloads made by hand: charsets, nesting, hostile headers and
// names, limits. No network.
import { describe, expect, it } from 'vitest'
import { toBase64Url, utf8 } from '../../src/crypto/encoding.ts'
import {
  readAddresses,
  readHeaders,
  readParameter,
  readReferences,
  readText,
} from '../../src/providers/gmail/headers.ts'
import { finishMessage, readMessage } from '../../src/providers/gmail/message.ts'
import { Base64Reader, decodeBase64, decodeText, fitText } from '../../src/providers/gmail/text.ts'
import type { MailMessage } from '../../src/providers/mail.ts'

interface TestPart {
  partId?: string
  mimeType?: string
  filename?: string
  headers?: { name: string; value: string }[]
  body?: { size?: number; data?: string; attachmentId?: string }
  parts?: TestPart[]
}

const data = (text: string | Uint8Array): string => toBase64Url(typeof text === 'string' ? utf8(text) : text)
const leaf = (mimeType: string, text: string | Uint8Array, type = mimeType): TestPart => ({
  mimeType,
  filename: '',
  headers: [{ name: 'Content-Type', value: type }],
  body: { size: text.length, data: data(text) },
})
const multi = (subtype: string, ...parts: TestPart[]): TestPart => ({ mimeType: `multipart/${subtype}`, parts })
const file = (partId: string, filename: string, more: Partial<TestPart> = {}): TestPart => ({
  partId,
  mimeType: 'application/pdf',
  filename,
  headers: [{ name: 'Content-Disposition', value: 'attachment' }],
  body: { size: 7, attachmentId: 'ANGjdJ8_x-y' },
  ...more,
})

function decode(payload: TestPart, change: Record<string, unknown> = {}): MailMessage {
  const read = readMessage({
    id: '18c0ffee',
    threadId: '18c0ffee',
    historyId: '100000000000000000001',
    labelIds: ['INBOX', 'UNREAD', 'INBOX', 7],
    internalDate: '1700000000000',
    sizeEstimate: 123,
    snippet: 'a &lt;b&gt; &amp;lt; it&#39;s',
    payload,
    ...change,
  })
  if (read === null) throw new Error('unreadable')
  return finishMessage(read, new Map())
}

function withHeaders(...headers: [string, string][]): MailMessage {
  return decode({ ...leaf('text/plain', 'x'), headers: headers.map(([name, value]) => ({ name, value })) })
}

describe('a body', () => {
  const ja = new Uint8Array([0x1b, 0x24, 0x42, 0x24, 0x22, 0x24, 0x24, 0x1b, 0x28, 0x42])
  it.each<[string, Uint8Array, string | null, string]>([
    ['UTF-8 as declared', utf8('grüße 🎉'), 'utf-8', 'grüße 🎉'],
    ['UTF-8 under a header Gmail left as it was', utf8('привет'), 'koi8-r', 'привет'],
    ['UTF-8 under iso-2022-jp', utf8('あい'), 'ISO-2022-JP', 'あい'],
    ['iso-2022-jp as sent', ja, 'iso-2022-jp', 'あい'],
    ['iso-2022-jp by another name', ja, 'cp50220', 'あい'],
    ['koi8-r as sent', new Uint8Array([0xd0, 0xd2, 0xc9, 0xd7, 0xc5, 0xd4]), 'KOI8-R', 'привет'],
    ['shift_jis as sent', new Uint8Array([0x82, 0xa0]), 'Shift_JIS', 'あ'],
    ['gb2312 as sent', new Uint8Array([0xc4, 0xe3]), 'gb2312', '你'],
    ['windows-1252 undeclared', new Uint8Array([0x93, 0x61, 0x94]), null, '“a”'],
    ['windows-1252 under a charset nobody knows', new Uint8Array([0x93]), 'x-evil', '“'],
    ['a charset that Encoding refuses', new Uint8Array([0xe9]), 'hz-gb-2312', 'é'],
    ['UTF-8 broken in one place', new Uint8Array([0xc3, 0xa9, 0xff]), 'utf-8', 'é\ufffd'],
    ['UTF-16 of plain letters', new Uint8Array([0x68, 0, 0x69, 0]), 'utf-16le', 'hi'],
    ['nothing', new Uint8Array(), 'utf-8', ''],
  ])('%s', (_, bytes, charset, text) => {
    expect(decodeText(bytes, charset)).toBe(text)
  })

  it('is read from base64 with line breaks, padding, either alphabet, and a cut end', () => {
    const bytes = new Uint8Array([251, 255, 191, 1, 2])
    expect(decodeBase64('-_-_\r\nAQI=')).toEqual(bytes)
    expect(decodeBase64('+/+/ AQI')).toEqual(bytes)
    expect(decodeBase64('-_-_A')).toEqual(bytes.slice(0, 3))
    expect(decodeBase64('YQ==YQ==')).toEqual(utf8('aa'))
    const pieces = new Base64Reader()
    expect([...'-_-_AQI'].flatMap((it) => [...pieces.push(utf8(it))])).toEqual([...bytes])
  })

  it('is the first text and the richest HTML of alternatives', () => {
    const related = multi('related', leaf('text/html', '<p>b</p>'), file('1.1', 'a.png'))
    const message = decode(multi('mixed', multi('alternative', leaf('text/plain', 'b'), related), file('2', 'b.pdf')))
    expect(message).toMatchObject({ text: 'b', html: '<p>b</p>' })
    expect(message.attachments.map(({ filename }) => filename)).toEqual(['a.png', 'b.pdf'])
  })

  it('joins what stands one after the other', () => {
    const parts = multi('mixed', leaf('text/plain', 'one'), file('1', 'a.pdf'), leaf('text/plain', 'two'))
    expect(decode(parts)).toMatchObject({ text: 'one\ntwo', html: null })
  })

  it('has no text where a footer would pass for it', () => {
    const { text, html } = decode(multi('mixed', leaf('text/html', '<b>all</b>'), leaf('text/plain', 'foot <er>')))
    expect(text).toBeNull()
    expect(html).toMatch(/^<b>all<\/b>\n<div[^>]*>foot &lt;er&gt;<\/div>$/)
  })

  it('is not taken from attachments or attached messages', () => {
    const attached = { ...leaf('text/plain', 'secret'), partId: '0', filename: 'a.txt' }
    const message = decode(
      multi('mixed', attached, { partId: '1', mimeType: 'message/rfc822', parts: [leaf('text/plain', 'inner')] }),
    )
    expect(message).toMatchObject({ text: null, html: null })
    expect(message.attachments).toMatchObject([
      { partId: '0', filename: 'a.txt', contentType: 'text/plain', sizeBytes: 6 },
      { partId: '1', filename: '', contentType: 'message/rfc822' },
    ])
  })

  it('prefers HTML to an empty text, and keeps an empty text alone', () => {
    expect(decode(multi('alternative', leaf('text/plain', ' \n'), leaf('text/html', 'h')))).toMatchObject({
      text: null,
    })
    expect(decode(leaf('text/plain', ''))).toMatchObject({ text: '', html: null })
  })

  it('is found 30 levels deep, and no depth or number of parts is too much', () => {
    let deep = leaf('text/plain', 'deep')
    for (let level = 0; level < 30; level += 1) deep = multi('mixed', deep)
    expect(decode(deep).text).toBe('deep')
    for (let level = 0; level < 20_000; level += 1) deep = multi('mixed', deep)
    expect(decode(deep).text).toBeNull()
    const many = Array.from({ length: 5000 }, (_, at) => file(`${at}`, `${at}.pdf`))
    expect(decode(multi('mixed', ...many)).attachments).toHaveLength(999)
  })

  it('is cut to a million characters, never through one, and holds no NUL', () => {
    const { text } = decode(leaf('text/plain', `${'a'.repeat(999_999)}🎉`))
    expect(text).toBe('a'.repeat(999_999))
    expect(decode(leaf('text/html', 'a\0b')).html).toBe('ab')
    expect(fitText('a\ud800b', 9)).toBe('a\ufffdb')
  })

  it.each<[string, unknown]>([
    ['a list', []],
    ['text', 'payload'],
    ['null', null],
    ['missing', undefined],
  ])('a payload that is %s is no message', (_, payload) => {
    expect(readMessage({ id: 'a', threadId: 'a', historyId: '1', payload })).toBeNull()
  })

  it('survives parts that are no parts', () => {
    const odd = { mimeType: 7, filename: {}, headers: 'no', body: [], parts: [null, 3, [], { parts: {} }] }
    const read = readMessage({ id: 'a', threadId: 'a', historyId: '1', payload: odd })
    expect(read === null ? null : finishMessage(read, new Map())).toMatchObject({ text: null, subject: '', from: null })
  })
})

describe('an attachment', () => {
  it.each<[string, string, string]>([
    ['a path', '../../etc/passwd', '../../etc/passwd'],
    ['an encoded word', '=?utf-8?B?w6kucGRm?=', 'é.pdf'],
    ['a disguise', 'invoice\u202efdp.exe', 'invoicefdp.exe'],
    ['control characters', 'a\r\n\0b.pdf', 'a b.pdf'],
    ['300 characters', 'x'.repeat(300), 'x'.repeat(255)],
    ['300 characters and an extension', `${'x'.repeat(300)}.pdf`, `${'x'.repeat(251)}.pdf`],
  ])('named with %s', (_, filename, shown) => {
    expect(decode(multi('mixed', file('1', filename))).attachments[0]?.filename).toBe(shown)
  })

  it.each<[string, string]>([
    ["attachment; filename*=utf-8''%e2%82%ac%20.pdf", '€ .pdf'],
    ['attachment; filename*=iso-8859-1\'de\'%fc.pdf; filename="u.pdf"', 'ü.pdf'],
    ['attachment; filename*0*=utf-8\'\'a%c3; filename*1*=%a9b; filename*2=".pdf"', 'aéb.pdf'],
    ['attachment; filename="q\\"uo;te.pdf"', 'q"uo;te.pdf'],
    ["attachment; filename*=utf-8''%", '%'],
    ['attachment; filename=bare.pdf ; size=3', 'bare.pdf'],
  ])('named by its header: %s', (value, name) => {
    const part = file('1', '', { headers: [{ name: 'content-disposition', value }] })
    expect(decode(multi('mixed', part)).attachments[0]?.filename).toBe(name)
  })

  it('that is the whole message is asked for as part 0', () => {
    expect(decode(file('', 'all.pdf')).attachments).toEqual([
      { partId: '0', filename: 'all.pdf', contentType: 'application/pdf', sizeBytes: 7, contentId: null },
    ])
  })

  it('shows a content id and a readable type, else none', () => {
    const headers = [{ name: 'Content-ID', value: ' <logo@x> ' }]
    const parts = [file('1', 'a', { headers }), file('2', 'b', { mimeType: '<script>', body: { size: -1 } })]
    expect(decode(multi('related', ...parts)).attachments).toMatchObject([
      { contentId: 'logo@x' },
      { contentType: 'application/octet-stream', sizeBytes: 0, contentId: null },
    ])
  })
})

describe('headers', () => {
  it('give subject, people and threading', () => {
    expect(
      withHeaders(
        ['SUBJECT', '=?utf-8?Q?Gr=C3=BC?= =?utf-8?Q?=C3=9Fe?=\r\n and more'],
        ['Subject', 'the second does not count'],
        ['From', '=?iso-8859-1?Q?J=F8rn?= <j@example.com>'],
        ['To', 'Team: a@example.com, "B, C" <b@example.com>;, d@example.com'],
        ['Cc', 'nobody in particular'],
        ['Message-ID', ' <m1@x> '],
        ['In-Reply-To', 'your message <p1@x> of today'],
        ['References', '<r1@x>\r\n <r2@x> <r1@x> broken <p1@x>'],
      ),
    ).toMatchObject({
      subject: 'Grüße and more',
      from: { name: 'Jørn', address: 'j@example.com' },
      to: [
        { name: '', address: 'a@example.com' },
        { name: 'B, C', address: 'b@example.com' },
        { name: '', address: 'd@example.com' },
      ],
      cc: [{ name: 'nobody in particular', address: '' }],
      messageId: '<m1@x>',
      inReplyTo: '<p1@x>',
      references: ['<r1@x>', '<r2@x>', '<p1@x>'],
    })
  })

  it('missing or broken give nothing', () => {
    expect(withHeaders(['Message-ID', 'no brackets'], ['From', ''])).toMatchObject({
      messageId: null,
      inReplyTo: null,
      references: [],
      subject: '',
      from: null,
      to: [],
    })
    expect(readText('=?utf-8?B?broken =?x?= \0 =?utf-8?Z?a?=', 1000)).toBe('=?utf-8?B?broken =?x?=   =?utf-8?Z?a?=')
    expect(readHeaders([null, 7, { name: 1, value: 'x' }, { name: 'a' }]).size).toBe(0)
  })

  it('are cut to their limits', () => {
    const ids = Array.from({ length: 80 }, (_, at) => `<${at}@x>`)
    expect(readReferences(ids.join(' '))).toEqual([ids[0], ...ids.slice(-49)])
    expect(readAddresses(Array.from({ length: 900 }, (_, at) => `a${at}@example.com`).join(','))).toHaveLength(500)
    const long = readAddresses(`"${'n'.repeat(400)}" <${'a'.repeat(400)}@example.com>`)
    expect([long[0]?.name.length, long[0]?.address.length]).toEqual([200, 320])
    expect(withHeaders(['Subject', 'é'.repeat(5000)]).subject).toHaveLength(1000)
    expect(decode(leaf('text/plain', ''), { snippet: 's'.repeat(900) }).snippet).toHaveLength(400)
  })

  it.each(['<', '"', '(', ':', '=?utf-8?B?', '=?utf-8?Q?a?= ', 'a:b,', ';a=', '; "', ' ', '<a@', '\\', '<<a>'])(
    'of a megabyte of %j are read at once',
    (piece) => {
      const value = piece.repeat(Math.ceil(1_048_576 / piece.length))
      const names = ['Subject', 'From', 'To', 'References', 'Message-ID', 'Content-Type', 'Content-ID']
      const started = performance.now()
      const message = withHeaders(...names.map((name): [string, string] => [name, value]))
      readParameter(readHeaders([{ name: 'a', value }]).get('a'), 'filename')
      expect(performance.now() - started).toBeLessThan(2000)
      expect(message.subject.length).toBeLessThanOrEqual(1000)
    },
  )
})

describe('the rest', () => {
  it.each<[string, unknown, string, string]>([
    ["Gmail's own", '1700000000000', 'Mon, 1 Jan 2001 00:00:00 +0000', '2023-11-14T22:13:20.000Z'],
    ['none', undefined, 'Mon, 1 Jan 2001 00:00:00 +0200 (CEST)', '2000-12-31T22:00:00.000Z'],
    ['absurd', '99999999999999999999', 'never', '1970-01-01T00:00:00.000Z'],
    ['negative', '-5', '', '1970-01-01T00:00:00.000Z'],
    ['beyond 2200', '8000000000000', 'Mon, 1 Jan 9999 00:00:00 +0000', '1970-01-01T00:00:00.000Z'],
  ])('a time that is %s', (_, internalDate, value, iso) => {
    const payload = { ...leaf('text/plain', ''), headers: [{ name: 'Date', value }] }
    expect(decode(payload, { internalDate }).receivedAt.toISOString()).toBe(iso)
  })

  it('is labels once each, the snippet as it reads, ids that are ids', () => {
    expect(decode(leaf('text/plain', ''))).toMatchObject({
      labelIds: ['INBOX', 'UNREAD'],
      snippet: "a <b> &lt; it's",
      historyId: '100000000000000000001',
      sizeBytes: 123,
    })
    expect(() => decode(leaf('text/plain', ''), { threadId: '../x' })).toThrow('unreadable')
    expect(decode(leaf('text/plain', ''), { historyId: 'x' })).toMatchObject({ historyId: '0' })
  })
})
