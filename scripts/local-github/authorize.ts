// /login/oauth/authorize: what GitHub refuses before anybody is asked, and what a press of a button does. Stricter than
// the real one in one point: a request without PKCE is refused, since ours always has it.
import { randomBytes } from 'node:crypto'
import { html, type Reply, type Request, readForm, redirect, repeatedParameter } from '../local-google/http.ts'
import { choicePage, refusalPage } from './page.ts'
import type { App, Person, World } from './world.ts'

const CODE_LIFETIME_MS = 600_000

export interface Asked {
  readonly app: App
  readonly redirectUri: string
  readonly state: string
  readonly challenge: string
  readonly scopes: readonly string[]
}

export type Decision = { readonly person: Person } | 'cancel'

/** What is asked, or why it cannot be. */
export function parseAuthorize(world: World, q: URLSearchParams): Asked | { refused: string } {
  const twice = repeatedParameter(q)
  if (twice !== null) return { refused: `${twice} stands twice` }
  const app = world.apps.get(q.get('client_id') ?? '')
  if (app === undefined) return { refused: 'client_id is not registered' }
  const redirectUri = q.get('redirect_uri') ?? ''
  if (!isRegistered(app, redirectUri)) return { refused: 'redirect_uri is not the registered one' }
  if (!q.get('state')) return { refused: 'state is missing' }
  const challenge = q.get('code_challenge') ?? ''
  if (q.get('code_challenge_method') !== 'S256' || !/^[A-Za-z0-9_-]{43}$/.test(challenge))
    return { refused: 'code_challenge (S256) is missing' }
  const scopes = (q.get('scope') ?? '').split(/[\s,]+/).filter((scope) => scope !== '')
  return { app, redirectUri, state: q.get('state') ?? '', challenge, scopes }
}

export function isRegistered(app: App, redirectUri: string): boolean {
  if (app.redirectUris !== 'any-loopback') return app.redirectUris.includes(redirectUri)
  return URL.canParse(redirectUri) && ['localhost', '127.0.0.1', '[::1]'].includes(new URL(redirectUri).hostname)
}

/** Where the browser goes with this decision. */
export function decide(world: World, asked: Asked, decision: Decision, issuer: string): string {
  const url = new URL(asked.redirectUri)
  if (decision === 'cancel') {
    url.searchParams.set('error', 'access_denied')
    url.searchParams.set('error_description', 'The user has denied your application access.')
  } else {
    const code = randomBytes(10).toString('hex')
    world.codes.set(code, {
      clientId: asked.app.clientId,
      redirectUri: asked.redirectUri,
      challenge: asked.challenge,
      personId: decision.person.id,
      scopes: asked.scopes,
      expiresAt: Date.now() + CODE_LIFETIME_MS,
    })
    url.searchParams.set('code', code)
  }
  const { issuerInCallback: told } = world
  if (told !== false) url.searchParams.set('iss', told === true ? issuer : told)
  url.searchParams.set('state', asked.state)
  return url.href
}

/** GET shows the page; POST is one of its buttons. */
export function answerAuthorize(world: World, request: Request, issuer: string): Reply {
  const asked = parseAuthorize(world, request.url.searchParams)
  if ('refused' in asked) return html(400, refusalPage(asked.refused))
  const form = request.method === 'POST' ? readForm(request) : null
  const person = world.people.get(Number(form?.get('person')))
  if (form?.get('decision') === 'cancel') return redirect(decide(world, asked, 'cancel', issuer))
  if (person !== undefined) return redirect(decide(world, asked, { person }, issuer))
  return html(200, choicePage(asked, [...world.people.values()], request.url.pathname + request.url.search))
}
