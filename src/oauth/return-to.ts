// Where a flow may end, as a pure function: a path on our own origin, or one of the configured addresses, compared whole.
// Never a prefix, a host or a pattern (RFC 9700 §4.11).

import { AppError } from '../errors.ts'
import type { Purpose } from './flow.ts'

export interface ReturnSettings {
  readonly appUrl: string
  readonly frontendCallbackUrl: string | null
  /** Exact addresses, the front end's callback among them. */
  readonly returnUrls: readonly string[]
}

export type Destination =
  | { readonly kind: 'own'; readonly path: string }
  | { readonly kind: 'hand_off'; readonly url: string }

/** Where our own pages go on after signing in. */
export const homeAfterSignIn = '/mailboxes'

const ownPath = /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/
// Ways in are no place to end: a redirect there would begin something nobody clicked.
const notAPage = /^\/+(auth|oauth|api)(\/|$)/i

/** True for a path (with query) on our own origin that is a page. */
export function isOwnPage(appUrl: string, text: string): boolean {
  if (!ownPath.test(text) || !URL.canParse(text, appUrl)) return false
  const url = new URL(text, appUrl)
  return url.origin === appUrl && url.username === '' && !notAPage.test(url.pathname)
}

/**
 * A `start` flow ends only at a hand-off; a connecting flow begun with a cookie ends on our own origin only.
 * Throws 400 `invalid_return_to`.
 */
export function resolveReturn(
  settings: ReturnSettings,
  flow: { entry: 'login' | 'start'; purpose: Purpose; returnTo: string | null },
): Destination {
  const { entry, purpose, returnTo } = flow
  const mayEndHere = entry === 'login'
  const mayHandOff = entry === 'start' || purpose === 'sign_in'
  if (returnTo === null) {
    if (mayHandOff && settings.frontendCallbackUrl !== null)
      return { kind: 'hand_off', url: settings.frontendCallbackUrl }
    if (mayEndHere) return { kind: 'own', path: homeAfterSignIn }
  } else {
    if (mayEndHere && isOwnPage(settings.appUrl, returnTo)) return { kind: 'own', path: returnTo }
    if (mayHandOff && settings.returnUrls.includes(returnTo)) return { kind: 'hand_off', url: returnTo }
  }
  throw new AppError('invalid_return_to')
}
