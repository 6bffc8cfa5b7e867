// What strangers call their files, as it is handed on to browsers and file systems.
import { describe, expect, it } from 'vitest'
import { contentDisposition, safeContentType, safeFilename } from '../../src/mail/read/attachment-name.ts'

describe('ML-24 a file name', () => {
  it.each([
    ['report.pdf', 'report.pdf'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\Windows\\system32\\evil.dll', 'evil.dll'],
    ['CON', '_CON'],
    ['con.txt', '_con.txt'],
    ['nul .txt', '_nul .txt'],
    ['lpt1.tar.gz', '_lpt1.tar.gz'],
    ['console.txt', 'console.txt'],
    ['.bashrc', 'bashrc'],
    ['name. . ', 'name'],
    ['...', 'attachment'],
    ['', 'attachment'],
    ['/', 'attachment'],
    ['a\u202Efdp.exe', 'afdp.exe'],
    ['a\r\nSet-Cookie: x=1.txt', 'aSet-Cookie_ x=1.txt'],
    ['a\u0000b\u200Bc.txt', 'abc.txt'],
    ['a<b>:"|?*.txt', 'a_b______.txt'],
    ['\uD800.txt', '_.txt'],
    ['請求書.pdf', '請求書.pdf'],
  ])('%j becomes %j', (name, safe) => {
    expect(safeFilename(name)).toBe(safe)
  })

  it('keeps what tells its kind where it is cut, and never half a character', () => {
    for (const name of [`${'x'.repeat(300)}.pdf`, `${'😀'.repeat(100)}.pdf`, `${'ü'.repeat(140)}.tar.gz`]) {
      const safe = safeFilename(name)
      expect(new TextEncoder().encode(safe).length).toBeLessThanOrEqual(150)
      expect(safe.isWellFormed()).toBe(true)
      expect(safe.split('.').at(-1)).toBe(name.split('.').at(-1))
    }
    expect(safeFilename(`a.${'x'.repeat(300)}`)).toHaveLength(150)
  })

  it('stands in both spellings of the header, in signs that a header may have', () => {
    expect(contentDisposition(`a "q" 50% café's 請.pdf`)).toBe(
      `attachment; filename="a _q_ 50_ cafe's _.pdf"; filename*=UTF-8''a%20_q_%2050%25%20caf%C3%A9%27s%20%E8%AB%8B.pdf`,
    )
    expect(contentDisposition("\"; filename*=UTF-8''evil.exe")).toMatch(
      /^attachment; filename="[^"\\]*"; filename\*=UTF-8''[\w%.-]+$/,
    )
  })

  it.each([
    ['..／..／etc／passwd', 'passwd'],
    ['․․／x', 'x'],
    ['℀.pdf', 'c.pdf'],
    ['ＣＯＮ.txt', '_CON.txt'],
    ['x：y', 'x_y'],
    ['＂a＂％.txt', '_a__.txt'],
    ['．．．', 'attachment'],
    ['ﷺ'.repeat(50), /^[ _]{1,150}$/],
  ])('of %j the plain spelling becomes %j, harmless after it is made of simple letters', (name, plain) => {
    const [, found = ''] = /filename="([^"]*)"/.exec(contentDisposition(name)) ?? []
    expect(found).toEqual(typeof plain === 'string' ? plain : expect.stringMatching(plain))
  })
})

describe('ML-24 a media type', () => {
  it.each([
    'image/png',
    'application/pdf',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'text/plain',
    'audio/mpeg',
  ])('%s stays', (type) => {
    expect(safeContentType(type)).toBe(type)
  })

  it.each([
    'text/html',
    'image/svg+xml',
    'image/svg',
    'text/xml',
    'application/xhtml+xml',
    'application/vnd.mozilla.xul+xml',
    'application/javascript',
    'text/javascript',
    'application/x-shockwave-flash',
    'multipart/mixed',
    'message/rfc822',
    'text/plain; charset=utf-8',
    'TEXT/HTML',
    'nonsense',
    '',
    'image/png\r\nx: y',
    `image/${'x'.repeat(200)}`,
  ])('%j is a heap of bytes', (type) => {
    expect(safeContentType(type)).toBe('application/octet-stream')
  })
})
