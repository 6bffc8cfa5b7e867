// Letters by a mail server of the operator's own, over Workers sockets: one connection a letter, always closed. `smtp://`
// begins in the clear and must be upgraded (STARTTLS) before anything is said, `smtps://` is TLS from the first byte.

import { sendBySmtp } from './smtp-conversation.ts'
import { headerProblem, type Transport } from './transport.ts'

export interface SmtpServer {
  readonly hostname: string
  readonly port: number
  readonly isTls: boolean
  readonly credentials: { readonly username: string; readonly password: string } | null
}

/** Reads `SMTP_URL`, whose form was checked as a setting. Ports where none is named: 465 with TLS, 587 (RFC 8314, 6409). */
export function parseSmtpUrl(text: string): SmtpServer {
  const url = new URL(text)
  const isTls = url.protocol === 'smtps:'
  const username = decode(url.username)
  return {
    hostname: url.hostname,
    port: url.port === '' ? (isTls ? 465 : 587) : Number(url.port),
    isTls,
    credentials: username === '' ? null : { username, password: decode(url.password) },
  }
}

/** A percent sign that escapes nothing stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export function createSmtpTransport(url: string): Transport {
  return {
    async send(letter) {
      const problem = headerProblem(letter)
      if (problem !== null) return problem
      // Loaded when they are used: both need a module of the runtime, and scripts in Node read the composition root, too.
      const [{ connect }, { smtpMessage }] = await Promise.all([
        import('cloudflare:sockets'),
        import('./smtp-message.ts'),
      ])
      return sendBySmtp(connect, parseSmtpUrl(url), {
        from: letter.from.address,
        to: letter.to,
        data: smtpMessage(letter, new Date()),
      })
    },
  }
}
