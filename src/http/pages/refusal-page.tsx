// A refusal as a page: what happened, in words, and one way on. A missing session is no page but a way to the sign-in
// page, a missing proof of presence the way to `/step-up`. It asks the database nothing, since the database may be what is refusing.

import type { AppError } from '../../errors.ts'
import { isOwnPage } from '../../oauth/return-to.ts'
import type { AppContext } from '../context.ts'
import { sessionCookieClaim } from '../cookies.ts'
import { showPage } from './layout.tsx'
import { encodePath, offeredProviders } from './provider-links.tsx'
import { waitWords, wordsFor } from './refusal-words.tsx'

const loginPath = /\/(?:auth|oauth)\/[^/]+\/login\/?$/
const callbackPath = /\/(?:auth|oauth)\/([^/]+)\/callback\/?$/

export async function refusalPage(c: AppContext, error: AppError): Promise<Response> {
  c.header('WWW-Authenticate', undefined)
  // At `login` it is the contract's 401, with the way to sign in on it; everywhere else that way itself.
  if (error.status === 401 && !loginPath.test(new URL(c.req.url).pathname)) {
    return c.redirect(`/sign-in?return_to=${encodePath(returnAddress(c))}`, 303)
  }
  if (error.code === 'step_up_required' && !callbackPath.test(new URL(c.req.url).pathname)) {
    return c.redirect(`/step-up?return_to=${encodePath(returnAddress(c))}`, 303)
  }
  const { title, text } = wordsFor(error.code)
  const wayOn = wayOnFrom(c, error)
  // A callback's address holds the provider's code: nobody may learn it from here (RFC 9700 §4.2). Forms would then come
  // with `Origin: null`, so that page shows none.
  const isCallback = callbackPath.test(new URL(c.req.url).pathname)
  if (isCallback) c.header('Referrer-Policy', 'no-referrer')
  const hasCookie = !isCallback && (await sessionCookieClaim(c)) !== null
  return showPage(
    c,
    { title, visitor: hasCookie ? 'somebody' : null, width: 'narrow', status: error.status },
    <div class="card gate refusal">
      <p class="refusal-status" aria-hidden="true">
        {error.status}
      </p>
      <h1>{title}</h1>
      <p>{text}</p>
      {error.errors.length === 0 ? null : (
        <ul class="problems">
          {error.errors.map(({ path, message }) => (
            <li>
              <code>{path}</code> {message}
            </li>
          ))}
        </ul>
      )}
      {error.retryAfterSeconds === null ? null : <p class="soft">Try again in {waitWords(error.retryAfterSeconds)}.</p>}
      <p class="actions">
        <a class="button primary" href={wayOn.path}>
          {wayOn.label}
        </a>
      </p>
      <p class="small-print">
        Request <code class="id">{c.var.requestId}</code>
      </p>
    </div>,
  )
}

/** Where signing in should lead back to: this page, or for `login` the page that its flow was to end on. */
function returnAddress(c: AppContext): string {
  const { pathname, search, searchParams } = new URL(c.req.url)
  const { appUrl } = c.env.deps
  const isRead = c.req.method === 'GET' || c.req.method === 'HEAD'
  const wanted = [`${pathname}${isRead ? search : ''}`, searchParams.get('return_to') ?? '']
  return wanted.find((path) => path.length <= 1_000 && isOwnPage(appUrl, path)) ?? '/mailboxes'
}

function wayOnFrom(c: AppContext, error: AppError): { path: string; label: string } {
  const { pathname } = new URL(c.req.url)
  const here = isOwnPage(c.env.deps.appUrl, pathname) ? pathname : null
  switch (error.code) {
    case 'flow_unknown':
      return { path: beginningOf(c), label: 'Begin again' }
    case 'access_denied':
    case 'provider_refused':
    case 'provider_unknown':
    case 'provider_unavailable':
    case 'invalid_return_to':
    case 'account_exists':
    case 'account_disabled':
      return { path: '/sign-in', label: 'Go to the sign-in page' }
    case 'unauthorized':
      return { path: `/sign-in?return_to=${encodePath(returnAddress(c))}`, label: 'Sign in' }
    case 'step_up_required':
      return { path: `/step-up?return_to=${encodePath(returnAddress(c))}`, label: 'Confirm it is you' }
    case 'not_found':
    case 'forbidden':
      return { path: '/', label: 'Go to the home page' }
    default:
      return here === null ? { path: '/sign-in', label: 'Begin again' } : { path: here, label: 'Open the page again' }
  }
}

/** The provider's own beginning; where hand-offs need a challenge, which a link cannot make, our sign-in page. */
function beginningOf(c: AppContext): string {
  const { settings } = c.env.deps
  const provider = callbackPath.exec(new URL(c.req.url).pathname)?.[1]
  const isOffered = offeredProviders(c.env.deps).some(({ code }) => code === provider)
  const isClosed = settings.isHandoffChallengeRequired && settings.frontendCallbackUrl !== null
  return isOffered && !isClosed ? `/auth/${provider}/login` : '/sign-in'
}
