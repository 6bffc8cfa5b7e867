// What a way out for letters is: one letter in, one classified answer out. Pure; it must not know who writes letters, or
// when a failed one is tried again.

export interface Sender {
  readonly name: string
  readonly address: string
}

/** A letter as it leaves. `id` is its row's: the same letter sent again has the same id, and providers tell it by that. */
export interface OutgoingLetter {
  readonly id: string
  readonly from: Sender
  /** One address, nothing around it. */
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly html: string
}

/**
 * - `refused`        this letter or its recipient will never be taken: trying again is pointless
 * - `misconfigured`  our own settings are refused (key, sender, TLS): nothing leaves until somebody mends them
 * - `rate_limited`   too many just now
 * - `unavailable`    network, time-out, the other side's trouble, an answer that cannot be read
 */
export type SendFailureKind = 'refused' | 'misconfigured' | 'rate_limited' | 'unavailable'

export interface SendFailure {
  readonly ok: false
  readonly kind: SendFailureKind
  /** Short machine code for `last_error_cd` and the log, never the other side's words; `[a-z0-9_]{1,64}`. */
  readonly code: string
  /** Seconds we were asked to wait, 0 to 86,400; null where nothing was said. */
  readonly retryAfterSeconds: number | null
}

export type SendResult = { readonly ok: true } | SendFailure

export interface Transport {
  /** Sends once and always ends. Never throws. */
  send(letter: OutgoingLetter): Promise<SendResult>
}

/** How letters leave: by which way and in whose name. */
export interface LetterPost {
  readonly transport: Transport
  readonly from: Sender
}

/** Longest wait for one answer of a mail provider or server. */
export const SEND_TIMEOUT_MS = 10_000

export function sendFailure(kind: SendFailureKind, code: string, retryAfterSeconds: number | null = null): SendFailure {
  return { ok: false, kind, code, retryAfterSeconds }
}

/** `Name <a@b.example>`, or an address alone, which then goes out under `fallbackName`. Its form was checked as a setting. */
export function parseSender(text: string, fallbackName: string): Sender {
  const [, name, address] = /^([^<>]*)<([^<>]+)>$/.exec(text) ?? []
  return { name: name?.trim() || fallbackName, address: address ?? text.trim() }
}

// C0 and C1 controls, and the two separators that some parsers take for line ends.
const unfit = /[\p{Cc}\u2028\u2029]/u
const addressShape = /^[^\s<>(),;:"[\]\\@]+@[^\s<>(),;:"[\]\\@]+$/u

/**
 * Null where nothing in the letter's headers or envelope can end a line or an address early; the failure otherwise. Every
 * transport asks before it writes anything: header injection (CR, LF, NUL) is refused, not repaired.
 */
export function headerProblem(letter: OutgoingLetter): SendFailure | null {
  if (unfit.test(letter.to) || !addressShape.test(letter.to)) return sendFailure('refused', 'recipient_unusable')
  if (unfit.test(letter.from.address) || !addressShape.test(letter.from.address))
    return sendFailure('misconfigured', 'sender_unusable')
  if (unfit.test(letter.from.name)) return sendFailure('misconfigured', 'sender_unusable')
  if (unfit.test(letter.subject) || !/^[\w-]+$/.test(letter.id)) return sendFailure('refused', 'header_unusable')
  return null
}

/** The sender as one header value: an RFC 5322 quoted name where it needs the quotes. Not for SMTP beyond ASCII. */
export function senderHeader({ name, address }: Sender): string {
  if (name === '') return address
  const isPlain = /^[\p{L}\p{N}\p{M}!#$%&'*+/=?^_`{|}~ -]+$/u.test(name)
  return isPlain ? `${name} <${address}>` : `"${name.replace(/["\\]/g, '\\$&')}" <${address}>`
}
