// The scopes this Google knows, their short names, and which of them a person may untick. Pure.

const prefix = 'https://www.googleapis.com/auth/'

export const EMAIL = `${prefix}userinfo.email`
export const PROFILE = `${prefix}userinfo.profile`
export const GMAIL_READONLY = `${prefix}gmail.readonly`
export const GMAIL_SEND = `${prefix}gmail.send`
export const GMAIL_MODIFY = `${prefix}gmail.modify`
export const GMAIL_COMPOSE = `${prefix}gmail.compose`
export const GMAIL_FULL = 'https://mail.google.com/'

/** What the consent page says about each scope, by full name. */
export const scopeWords: Readonly<Record<string, string>> = {
  openid: 'Associate you with your personal info on Google',
  [EMAIL]: 'See your primary Google Account email address',
  [PROFILE]: 'See your personal info, including any personal info you have made publicly available',
  [GMAIL_READONLY]: 'View your email messages and settings',
  [GMAIL_SEND]: 'Send email on your behalf',
  [GMAIL_MODIFY]: 'Read, compose and send emails from your Gmail account',
  [GMAIL_COMPOSE]: 'Manage drafts and send emails',
  [GMAIL_FULL]: 'Read, compose, send and permanently delete all your email from Gmail',
}

const identity: ReadonlySet<string> = new Set(['openid', EMAIL, PROFILE])
const shortNames: Readonly<Record<string, string>> = { email: EMAIL, profile: PROFILE }

/** Full names of a space-separated list, each once; null where one of them is unknown or none is there. */
export function parseScopes(list: string): string[] | null {
  const names = list.split(' ').filter((name) => name !== '')
  const full = [...new Set(names.map((name) => shortNames[name] ?? name))]
  if (full.length === 0 || full.some((name) => !Object.hasOwn(scopeWords, name))) return null
  return full
}

/** A restricted or sensitive scope: the consent page gives it a checkbox (SECURITY G7). */
export function isOptional(scope: string): boolean {
  return !identity.has(scope)
}

/** The `scope` of the redirect back, where Google also repeats the short names. */
export function callbackScope(scopes: readonly string[]): string {
  const short = Object.entries(shortNames).filter(([, full]) => scopes.includes(full))
  return [...short.map(([name]) => name), ...scopes].join(' ')
}
