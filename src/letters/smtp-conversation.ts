// One mail handed to one server (RFC 5321), STARTTLS (RFC 3207) and AUTH PLAIN or LOGIN (RFC 4954) included. Ours, for
// what it must never do: log, wait for ever, hand credentials to a line in the clear, or leave a connection open.

import { toBase64 } from '../crypto/encoding.ts'
import type { SmtpServer } from './smtp.ts'
import { openLine, type Reply, type SmtpLine, SmtpLineError, type SmtpSocket } from './smtp-line.ts'
import { SEND_TIMEOUT_MS, type SendResult, sendFailure } from './transport.ts'

export interface SmtpMail {
  readonly from: string
  readonly to: string
  /** As it follows DATA, with its closing dot. */
  readonly data: string
}

export type ConnectSocket = (
  address: { hostname: string; port: number },
  options: { secureTransport: 'on' | 'starttls'; allowHalfOpen: false },
) => SmtpSocket

/** Of a whole conversation; each answer has `SEND_TIMEOUT_MS`. Below the 120 s of a letter's claim. */
const CONVERSATION_TIMEOUT_MS = 60_000

/** Sends one mail and closes the connection, whatever happened. Never throws. */
export async function sendBySmtp(connect: ConnectSocket, server: SmtpServer, mail: SmtpMail): Promise<SendResult> {
  const { hostname, port, isTls } = server
  let line: SmtpLine | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    const secureTransport = isTls ? 'on' : 'starttls'
    line = openLine(connect({ hostname, port }, { secureTransport, allowHalfOpen: false }), SEND_TIMEOUT_MS)
    const timedOut = new Promise<SendResult>((resolve) => {
      timer = setTimeout(() => resolve(sendFailure('unavailable', 'timeout')), CONVERSATION_TIMEOUT_MS)
    })
    return await Promise.race([converse(line, server, mail).catch(describe), timedOut])
  } catch (thrown) {
    return describe(thrown)
  } finally {
    clearTimeout(timer)
    await line?.close()
  }
}

function describe(thrown: unknown): SendResult {
  return sendFailure('unavailable', thrown instanceof SmtpLineError ? thrown.code : 'network')
}

type Step = 'greeting' | 'hello' | 'starttls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'body'

async function converse(line: SmtpLine, server: SmtpServer, mail: SmtpMail): Promise<SendResult> {
  const greeting = await line.readReply()
  if (greeting.code !== 220) return judge('greeting', greeting)
  const hello = `EHLO ${mail.from.slice(mail.from.lastIndexOf('@') + 1)}`
  let offer = await line.ask(hello)
  if (offer.code !== 250) return judge('hello', offer)
  if (!server.isTls) {
    if (offers(offer, 'STARTTLS')) {
      const ready = await line.ask('STARTTLS')
      if (ready.code !== 220) return judge('starttls', ready)
      // What came in the clear behind that answer would be read as if it had come by TLS (CVE-2011-0411).
      if (line.hasUnread()) return sendFailure('unavailable', 'smtp_starttls_injected')
      line.upgrade()
      // What was offered in the clear counts for nothing (RFC 3207 §4.2).
      offer = await line.ask(hello)
      if (offer.code !== 250) return judge('hello', offer)
    } else if (server.credentials !== null || !isThisMachine(server.hostname)) {
      // Not offered, or taken out by somebody on the way: nothing is said in the clear. A test server here may.
      return sendFailure('misconfigured', 'smtp_starttls_missing')
    }
  }
  const refused = (await authenticate(line, server, offer)) ?? (await handOver(line, offer, mail))
  if (refused !== null) return refused
  await line.say('QUIT').catch(() => undefined)
  return { ok: true }
}

async function authenticate(line: SmtpLine, server: SmtpServer, offer: Reply): Promise<SendResult | null> {
  if (server.credentials === null) return null
  const { username, password } = server.credentials
  if (offers(offer, 'AUTH', 'PLAIN')) {
    const reply = await line.ask(`AUTH PLAIN ${base64(`\0${username}\0${password}`)}`)
    return reply.code === 235 ? null : judge('auth', reply)
  }
  if (!offers(offer, 'AUTH', 'LOGIN')) return sendFailure('misconfigured', 'smtp_auth_missing')
  for (const words of ['AUTH LOGIN', base64(username)]) {
    const reply = await line.ask(words)
    if (reply.code !== 334) return judge('auth', reply)
  }
  const reply = await line.ask(base64(password))
  return reply.code === 235 ? null : judge('auth', reply)
}

async function handOver(line: SmtpLine, offer: Reply, mail: SmtpMail): Promise<SendResult | null> {
  const isAscii = /^[\x21-\x7e]*$/.test(mail.from + mail.to)
  if (!isAscii && !offers(offer, 'SMTPUTF8')) return sendFailure('refused', 'smtp_smtputf8_missing')
  const from = await line.ask(`MAIL FROM:<${mail.from}>${isAscii ? '' : ' SMTPUTF8'}`)
  if (from.code !== 250) return judge('mail', from)
  const to = await line.ask(`RCPT TO:<${mail.to}>`)
  if (to.code !== 250 && to.code !== 251) return judge('rcpt', to)
  const go = await line.ask('DATA')
  if (go.code !== 354) return judge('data', go)
  await line.write(mail.data)
  const taken = await line.readReply()
  return taken.code === 250 ? null : judge('body', taken)
}

/** What is refused before the recipient is named is our own account's or setting's fault; 4xx is for later by definition. */
function judge(step: Step, { code }: Reply): SendResult {
  if (code >= 400 && code < 500) return sendFailure('unavailable', `smtp_${step}_${code}`)
  if (code < 500 || code > 599) return sendFailure('unavailable', `smtp_${step}_unexpected`)
  const isLetters = step === 'rcpt' || step === 'data' || step === 'body'
  // 530: it wants credentials (or TLS) first (RFC 4954 §6).
  return sendFailure(isLetters && code !== 530 ? 'refused' : 'misconfigured', `smtp_${step}_${code}`)
}

/** Whether a line of the EHLO answer is this keyword, with this argument where one is asked for. */
function offers(offer: Reply, keyword: string, argument?: string): boolean {
  return offer.lines.slice(1).some((text) => {
    const [name, ...rest] = text.toUpperCase().split(/[ =]+/)
    return name === keyword && (argument === undefined || rest.includes(argument))
  })
}

function isThisMachine(hostname: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
}

function base64(text: string): string {
  return toBase64(new TextEncoder().encode(text))
}
