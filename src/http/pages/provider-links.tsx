// Ways to a provider are links, never forms (Chromium holds a form's redirects to `form-action 'self'`). Addresses are
// built here, so that every page begins a flow in the same way.

import type { Deps } from '../../deps.ts'
import { homeAfterSignIn } from '../../oauth/return-to.ts'
import { ProviderMark } from './marks.tsx'

/** Where ways to sign in are linked and unlinked. */
export const linkingPage = '/settings/security'

/** A provider as a page needs it: `google`, and `Google`. */
export interface OfferedProvider {
  readonly code: string
  readonly name: string
  readonly hasMail: boolean
}

export function offeredProviders(deps: Pick<Deps, 'providers'>): readonly OfferedProvider[] {
  return [...deps.providers.values()].map((provider) => ({
    code: provider.code,
    name: provider.displayName,
    hasMail: provider.supportsMail,
  }))
}

/** `return_to` is always said: without it a sign-in may end at a configured front end instead of here. */
export function signInPath(provider: string, returnTo: string = homeAfterSignIn): string {
  return `/auth/${provider}/login?return_to=${encodePath(returnTo)}`
}

/** Signing in anew as a proof of presence: it asks who it is, and for no mailbox. */
export function proofPath(provider: string, returnTo: string): string {
  return `/auth/${provider}/login?scopes=identity&return_to=${encodePath(returnTo)}`
}

export function connectPath(provider: string): string {
  return `/auth/${provider}/login?purpose=connect&scopes=mail&return_to=/mailboxes`
}

/** Adds a way to sign in to the signed-in person's account; needs a proof of presence of the last minutes. */
export function linkPath(provider: string, returnTo: string = linkingPage): string {
  return `/auth/${provider}/login?purpose=connect&scopes=identity&return_to=${encodePath(returnTo)}`
}

export function reconnectPath(provider: string, accountId: string): string {
  return `/auth/${provider}/login?purpose=connect&mail_account_id=${accountId}&return_to=/mailboxes`
}

/** Slashes may stand in a query as they are (RFC 3986 §3.4), and read better. */
export function encodePath(path: string): string {
  return encodeURIComponent(path).replaceAll('%2F', '/')
}

/** One button for each provider, or plain words where there is none. */
export const SignInButtons = ({
  providers,
  returnTo,
}: {
  providers: readonly OfferedProvider[]
  returnTo?: string | undefined
}) =>
  providers.length === 0 ? (
    <p class="empty-line">
      No sign-in provider is configured yet. Whoever runs this service sets one up with <code>GOOGLE_CLIENT_ID</code>{' '}
      and <code>GOOGLE_CLIENT_SECRET</code>.
    </p>
  ) : (
    <ul class="providers">
      {providers.map(({ code, name }) => (
        <li>
          <a class="provider-button" href={signInPath(code, returnTo)}>
            <ProviderMark code={code} />
            <span>Sign in with {name}</span>
          </a>
        </li>
      ))}
    </ul>
  )
