// /o/oauth2/v2/auth for browsers, and the same without pages for tests: which page comes next, and what a press of a
// button does. The rules themselves are in authorize.ts.
import {
  type AuthorizeRequest,
  answerSilently,
  complete,
  errorLocation,
  hintedUser,
  needsConsent,
  parseAuthorize,
  withIssuer,
} from './authorize.ts'
import { html, type Reply, type Request, readForm, redirect } from './http.ts'
import { chooserPage, consentPage, refusalPage } from './pages.ts'
import { isOptional } from './scopes.ts'
import { findUser, type User, type World } from './world.ts'

export interface DoorDeps {
  readonly world: World
  readonly issuer: string
}

/** GET shows a page or redirects; POST is a pressed button of one of these pages. */
export function answerAuthorize({ world, issuer }: DoorDeps, request: Request): Reply {
  const parsed = parseAuthorize(world, request.url.searchParams)
  if ('refused' in parsed) return html(400, refusalPage(parsed.refused))
  const asked = parsed.request
  const leave = (location: string): Reply => redirect(withIssuer(world, location, issuer))
  if (asked.prompts.has('none')) return leave(answerSilently(world, asked))

  const action = request.url.pathname + request.url.search
  const form = request.method === 'POST' ? readForm(request) : null
  const chosen = form?.get('sub') ?? null
  const user = chosen === null ? hintedUser(world, asked) : (world.users.get(chosen) ?? null)
  const decision = form?.get('decision') ?? null
  if (decision === 'cancel') return leave(errorLocation(asked, 'access_denied'))
  if (user === null) return html(200, chooserPage(asked, [...world.users.values()], action))
  if (!needsConsent(world, asked, user)) return leave(complete(world, asked, user, null))
  if (decision !== 'allow') return html(200, consentPage(asked, user, action))
  return leave(complete(world, asked, user, new Set(form?.getAll('scope'))))
}

/** What a test says a person does on the pages. */
export interface Decision {
  readonly person: string
  readonly grant: 'all' | 'none-optional' | readonly string[]
  readonly cancel: boolean
}

/** The whole dance in one step: where the browser would end, or why it would see a refusal. */
export function decide(
  { world, issuer }: DoorDeps,
  url: URL,
  decision: Decision,
): { location: string } | { error: string } {
  const parsed = parseAuthorize(world, url.searchParams)
  if ('refused' in parsed) return { error: parsed.refused.error }
  const asked = parsed.request
  const user = findUser(world, decision.person)
  if (user === undefined) return { error: 'unknown_user' }
  return { location: withIssuer(world, locationOf(world, asked, user, decision), issuer) }
}

function locationOf(world: World, asked: AuthorizeRequest, user: User, decision: Decision): string {
  if (asked.prompts.has('none')) return answerSilently(world, asked)
  // Cancel is a button of the consent page; where that page is not shown, leaving the chooser ends the same way.
  if (decision.cancel) return errorLocation(asked, 'access_denied')
  if (!needsConsent(world, asked, user)) return complete(world, asked, user, null)
  return complete(world, asked, user, tickedScopes(asked, decision.grant))
}

function tickedScopes(asked: AuthorizeRequest, grant: Decision['grant']): Set<string> {
  if (grant === 'all') return new Set(asked.scopes.filter(isOptional))
  if (grant === 'none-optional') return new Set()
  return new Set(asked.scopes.filter((scope) => grant.some((it) => scope === it || scope.endsWith(`/auth/${it}`))))
}
