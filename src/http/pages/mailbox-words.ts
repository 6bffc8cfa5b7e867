// A mailbox's state and permissions in people's words. Pure; the provider's own names stay beside them for support.

import type { RefreshAttempt } from '../../mail-accounts/list.sql.ts'
import type { MailAccount } from '../../mail-accounts/list.ts'
import type { Tone } from './parts.tsx'

export const statusWords: Readonly<
  Record<MailAccount['status'], { tone: Tone; label: string; advice: string | null }>
> = {
  active: { tone: 'good', label: 'Active', advice: null },
  degraded: {
    tone: 'warn',
    label: 'Degraded',
    advice: 'Renewing the token fails at the moment. The stored one still works, and we keep trying.',
  },
  needs_reauthorization: {
    tone: 'bad',
    label: 'Needs re-authorization',
    advice: 'The provider no longer accepts what it gave us. Reconnect this mailbox to bring it back.',
  },
  disconnected: {
    tone: 'calm',
    label: 'Disconnected',
    advice: 'Its tokens are erased. You can connect it again at any time.',
  },
}

export const outcomeWords: Readonly<Record<RefreshAttempt['outcome'], { tone: Tone; label: string }>> = {
  refreshed: { tone: 'good', label: 'Renewed' },
  retry: { tone: 'warn', label: 'Failed, tried again' },
  misconfigured: { tone: 'warn', label: 'Failed, a setting of ours' },
  dead: { tone: 'bad', label: 'Refused for good' },
}

const scopeWords: Readonly<Record<string, string>> = {
  'https://www.googleapis.com/auth/gmail.readonly': 'Read mail',
  'https://www.googleapis.com/auth/gmail.send': 'Send mail',
}

/** Mail permissions only: who somebody is goes without saying. Unknown ones keep the provider's name. */
export function permissionWords(scopes: readonly string[]): string[] {
  const identity = /^(openid|email|profile)$|\/auth\/userinfo\.(email|profile)$/
  return scopes.filter((scope) => !identity.test(scope)).map((scope) => scopeWords[scope] ?? scope)
}

/** `read mail and send mail`, for the middle of a sentence. */
export function inSentence(permissions: readonly string[]): string {
  return permissions.map((words) => words.charAt(0).toLowerCase() + words.slice(1)).join(' and ')
}
