// From a letter's row to what is sent: words of its kind, the code and link derived from its id, plain text and HTML. The
// same row always gives the same letter, so one sent twice says the same. It must not know how a letter leaves.

import { type CodePurpose, deriveDigits, deriveLinkToken } from '../crypto/one-time-code.ts'
import { type LetterParts, letterHtml } from './html.ts'
import type { LetterKind } from './outgoing.sql.ts'
import { isLetterKind, wordsOf } from './words.ts'

export interface ComposeDeps {
  readonly codeKey: CryptoKey
  /** Our own origin: all links lead there. */
  readonly appUrl: string
  readonly settings: { readonly appName: string }
}

export interface LetterToCompose {
  readonly kind: string
  readonly oneTimeCodeId: string | null
  /** The mailbox it is about, by its id and its address. */
  readonly accountId: string | null
  readonly mailbox: string | null
  readonly provider: string | null
}

export interface ComposedLetter {
  readonly subject: string
  readonly text: string
  readonly html: string
  /** Where its button leads; null where it only tells. */
  readonly link: string | null
}

interface Target {
  /** What a link with a token is for; null where the page needs none. */
  readonly token: CodePurpose | null
  /** Of a letter about a mailbox: that mailbox's own page stands below it, with the button that reconnects it. */
  readonly path: string
}

const mailboxesPath = '/mailboxes'

const targets: Readonly<Partial<Record<LetterKind, Target>>> = {
  registration: { token: 'registration', path: '/verify-email' },
  email_change: { token: 'email_change', path: '/verify-email' },
  password_reset: { token: 'password_reset', path: '/reset-password' },
  account_exists: { token: null, path: '/sign-in' },
  mailbox_needs_reauthorization: { token: null, path: mailboxesPath },
  mailbox_access_ends: { token: null, path: mailboxesPath },
}

/** Where somebody goes whose account another is using: a reset ends all sessions. */
const rescuePaths: Readonly<Partial<Record<LetterKind, string>>> = {
  password_changed: '/forgot-password',
  email_change_requested: '/forgot-password',
}

const providerNames: ReadonlyMap<string, string> = new Map([
  ['google', 'Google'],
  ['github', 'GitHub'],
])

/** Null where there is nothing to say: an unknown kind, or a code that the letter should carry and does not. */
export async function composeLetter(deps: ComposeDeps, letter: LetterToCompose): Promise<ComposedLetter | null> {
  const { kind, oneTimeCodeId } = letter
  if (!isLetterKind(kind)) return null
  const target = targets[kind] ?? null
  if (target !== null && target.token !== null && oneTimeCodeId === null) return null
  const { appName } = deps.settings
  const words = wordsOf(kind, { appName, mailbox: mailboxWords(letter) })
  const link = target === null ? null : await linkTo(deps, target, letter)
  const rescuePath = rescuePaths[kind]
  const parts: LetterParts = {
    appName,
    subject: words.subject,
    opening: words.opening,
    digits:
      kind === 'password_reset' && oneTimeCodeId !== null
        ? await deriveDigits(deps.codeKey, 'password_reset', oneTimeCodeId)
        : null,
    button: words.button === null || link === null ? null : { label: words.button, url: link },
    after: words.after,
    notYou: words.notYou,
    notYouUrl: rescuePath === undefined ? null : `${deps.appUrl}${rescuePath}`,
  }
  return { subject: words.subject, text: letterText(parts), html: letterHtml(parts), link }
}

/**
 * A page of ours that only reads, so that a scanner which opens it changes nothing: a mailbox is reconnected by the click
 * after it, also where signing in comes between.
 */
async function linkTo(deps: ComposeDeps, target: Target, letter: LetterToCompose): Promise<string> {
  const { oneTimeCodeId, accountId } = letter
  const isAboutMailbox = target.path === mailboxesPath && accountId !== null
  const page = `${deps.appUrl}${target.path}${isAboutMailbox ? `/${accountId}` : ''}`
  if (target.token === null || oneTimeCodeId === null) return page
  return `${page}?token=${await deriveLinkToken(deps.codeKey, target.token, oneTimeCodeId)}`
}

function mailboxWords({ mailbox, provider }: LetterToCompose): string {
  if (mailbox === null) return 'one of your mailboxes'
  const name = provider === null ? undefined : providerNames.get(provider)
  return name === undefined ? mailbox : `${mailbox} at ${name}`
}

/** The same in plain text; a link stands on a line of its own, so that clients find its end. */
function letterText(parts: LetterParts): string {
  const { digits, button, notYouUrl } = parts
  const blocks = [
    ...parts.opening,
    ...(digits === null ? [] : [`    ${digits}`]),
    ...(button === null ? [] : [`${button.label}:\n${button.url}`]),
    ...parts.after,
    notYouUrl === null ? parts.notYou : `${parts.notYou}\n${notYouUrl}`,
    `-- \n${parts.appName}\n`,
  ]
  return blocks.join('\n\n')
}
