// Writes raw mail from simple fields, for tests that do not care about MIME. The mail it writes is clean: what is
// broken on purpose comes as `raw` or from generate.ts.

export interface SimpleMail {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly cc?: string | undefined
  readonly bcc?: string | undefined
  readonly subject?: string | undefined
  readonly text?: string | undefined
  readonly html?: string | undefined
  readonly messageId?: string | undefined
  readonly inReplyTo?: string | undefined
  readonly references?: string | undefined
  readonly attachments?:
    | readonly { filename: string; contentType?: string | undefined; contentBase64: string }[]
    | undefined
}

/** @param defaults for what the mail does not say */
export function composeMail(mail: SimpleMail, defaults: { to: string; messageId: string; date: Date }): Buffer {
  const lines = [
    ['From', mail.from ?? 'Somebody <somebody@example.com>'],
    ['To', mail.to ?? defaults.to],
    ['Cc', mail.cc],
    ['Bcc', mail.bcc],
    ['Subject', mail.subject ?? ''],
    ['Date', defaults.date.toUTCString().replace('GMT', '+0000')],
    ['Message-ID', bracketed(mail.messageId ?? defaults.messageId)],
    ['In-Reply-To', mail.inReplyTo === undefined ? undefined : bracketed(mail.inReplyTo)],
    ['References', mail.references],
    ['MIME-Version', '1.0'],
  ].flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${headerText(value)}`]))
  return Buffer.from(`${lines.join('\r\n')}\r\n${bodyOf(mail)}`)
}

function bracketed(messageId: string): string {
  return messageId.startsWith('<') ? messageId : `<${messageId}>`
}

/** RFC 2047, for a text or for the names before addresses. */
export function headerText(value: string): string {
  if (!/[^\x20-\x7e]/.test(value)) return value
  const encode = (text: string): string =>
    /[^\x20-\x7e]/.test(text) ? `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=` : text
  if (!/<[^<>]+>/.test(value)) return encode(value)
  return value.replace(/([^<>,]+?)(\s*<[^<>]+>)/g, (_, name: string, address: string) => {
    const [lead = ''] = /^\s*/.exec(name) ?? []
    return lead + encode(name.trim().replace(/^"|"$/g, '')) + address
  })
}

function bodyOf(mail: SimpleMail): string {
  const texts: string[] = []
  if (mail.text !== undefined || mail.html === undefined) texts.push(part('text/plain; charset=utf-8', mail.text ?? ''))
  if (mail.html !== undefined) texts.push(part('text/html; charset=utf-8', mail.html))
  const [first = ''] = texts
  const body = texts.length === 1 ? first : multipart('alternative', texts)
  const files = (mail.attachments ?? []).map(({ filename, contentType, contentBase64 }) => {
    const disposition = `Content-Disposition: attachment; ${filenameParameter(filename)}\r\n`
    return part(contentType ?? 'application/octet-stream', Buffer.from(contentBase64, 'base64'), disposition)
  })
  return files.length === 0 ? body : multipart('mixed', [body, ...files])
}

export function filenameParameter(filename: string): string {
  if (!/[^\x20-\x7e]/.test(filename)) return `filename="${filename.replace(/["\\]/g, '\\$&')}"`
  const bytes = [...Buffer.from(filename)].map((byte) => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`)
  return `filename*=UTF-8''${bytes.join('')}`
}

export function part(type: string, content: string | Buffer, more = ''): string {
  const lines = Buffer.from(content)
    .toString('base64')
    .replace(/.{76}(?=.)/g, '$&\r\n')
  return `Content-Type: ${type}\r\n${more}Content-Transfer-Encoding: base64\r\n\r\n${lines}\r\n`
}

export function multipart(kind: string, parts: readonly string[]): string {
  const boundary = `local-${kind}`
  const inner = parts.map((it) => `--${boundary}\r\n${it}`).join('')
  return `Content-Type: multipart/${kind}; boundary="${boundary}"\r\n\r\n${inner}--${boundary}--\r\n`
}
