// What letters say, as data: one entry a kind. Plain words; no markup, no code, no link (compose.ts adds them). Nothing
// here names a person, and only the two letters about mailboxes name an address: the others are read where they arrive.
// A reset letter must hold no six digits but its code, so figures are small or in words.

import type { LetterKind } from './outgoing.sql.ts'

export interface WordsInput {
  readonly appName: string
  /** `ada@example.com at Google`, or words for a mailbox that is not there any more. */
  readonly mailbox: string
}

export interface Words {
  readonly subject: string
  /** What happened and what to do, before the code and the button. */
  readonly opening: readonly string[]
  /** Written on the button; null where the letter only tells. */
  readonly button: string | null
  /** How long, and what then. */
  readonly after: readonly string[]
  /** What to do if it was not you. */
  readonly notYou: string
}

const nothingHappens = 'If it was not you, ignore this letter. Nothing happens without it.'

/** `Record` over the closed list: a new kind without words does not compile. */
const words: Readonly<Record<LetterKind, (input: WordsInput) => Words>> = {
  registration: ({ appName }) => ({
    subject: `Confirm your address for ${appName}`,
    opening: [
      `This address was given to register at ${appName}.`,
      'If it was you, confirm it. You are asked for the password you chose, or for a new one.',
    ],
    button: 'Confirm address',
    after: ['The link works for a day. After that, register again.'],
    notYou: 'If it was not you, ignore this letter. Without it nobody can use your address.',
  }),
  account_exists: ({ appName }) => ({
    subject: `You already have an account at ${appName}`,
    opening: [
      `This address was given to register at ${appName}, but it has an account already. Nothing was changed.`,
      'If it was you, sign in. If you have forgotten your password, the sign-in page leads to a new one.',
    ],
    button: 'Sign in',
    after: [],
    notYou: 'If it was not you, there is nothing to do: whoever it was learned nothing about your account.',
  }),
  password_reset: ({ appName }) => ({
    subject: `Choose a new password for ${appName}`,
    opening: [
      `A new password was asked for at ${appName}. If it was you, type this code where you asked for it, or use the link below.`,
    ],
    button: 'Choose a new password',
    after: ['The code works for 10 minutes, the link for an hour, and each of them once.'],
    notYou:
      'If it was not you, ignore this letter: your password stays as it is. Never tell anybody the code, whoever asks.',
  }),
  password_changed: ({ appName }) => ({
    subject: `Your password for ${appName} was changed`,
    opening: [`The password of your account at ${appName} was set or changed just now.`],
    button: null,
    after: [],
    notYou: 'If it was not you, choose a new password at once. That ends every session of your account:',
  }),
  email_change: ({ appName }) => ({
    subject: `Confirm your new address for ${appName}`,
    opening: [
      `This address is to become the one of an account at ${appName}.`,
      'If you asked for it, confirm it in the browser where you are signed in.',
    ],
    button: 'Confirm new address',
    after: ['The link works for a day. After that, ask for the change again.'],
    notYou: nothingHappens,
  }),
  email_change_requested: ({ appName }) => ({
    subject: `A new address was asked for at ${appName}`,
    opening: [
      `Somebody who is signed in to your account at ${appName} asked to change its address to another one.`,
      'Nothing is changed until the new address is confirmed.',
    ],
    button: null,
    after: [],
    notYou: 'If it was not you, choose a new password at once. That ends every session of your account:',
  }),
  email_changed: ({ appName }) => ({
    subject: `The address of your account at ${appName} was changed`,
    opening: [
      `Your account at ${appName} has another address now, which was confirmed. This one no longer belongs to it.`,
    ],
    button: null,
    after: [],
    notYou: `If it was not you, write to the people who run ${appName} at once.`,
  }),
  mailbox_needs_reauthorization: ({ appName, mailbox }) => ({
    subject: `${appName} can no longer reach one of your mailboxes`,
    opening: [
      `The provider no longer accepts the access you gave ${appName} to ${mailbox}. That happens after a change of password, or when access is removed there.`,
      'Until you reconnect it, nothing is read from it or sent from it.',
    ],
    button: 'Reconnect the mailbox',
    after: [],
    notYou:
      'If you removed the access on purpose, there is nothing to do. You can disconnect the mailbox on that page.',
  }),
  mailbox_access_ends: ({ appName, mailbox }) => ({
    subject: `Access to one of your mailboxes ends soon`,
    opening: [
      `The access you gave ${appName} to ${mailbox} ends within days: the provider limits how long it lasts.`,
      'Reconnect it before then, and nothing is interrupted.',
    ],
    button: 'Reconnect the mailbox',
    after: [],
    notYou: 'If you no longer want it connected, there is nothing to do. The access ends by itself.',
  }),
  account_deleted: ({ appName }) => ({
    subject: `Your account at ${appName} was deleted`,
    opening: [`Your account at ${appName} was deleted, and with it what was kept for you there.`],
    button: null,
    after: [],
    notYou: `If it was not you, write to the people who run ${appName} at once.`,
  }),
}

/** A text from the database may be a kind that this version does not know. */
export function isLetterKind(text: string): text is LetterKind {
  return Object.hasOwn(words, text)
}

export function wordsOf(kind: LetterKind, input: WordsInput): Words {
  return words[kind](input)
}
