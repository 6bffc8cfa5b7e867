// The token endpoint and the few API calls of a sign-in, as strict as GitHub: errors of the token endpoint in a 200 body,
// codes for one showing, tokens bound to their scopes, no request without a User-Agent.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { bearerToken, json, type Reply, type Request, readForm, repeatedParameter } from '../local-google/http.ts'
import type { App, Token, World } from './world.ts'

/** GitHub answers in a form unless JSON is asked for, and 200 whatever happened. */
export function answerToken(world: World, request: Request): Reply {
  const answer = exchange(world, readForm(request))
  if (request.headers.accept?.includes('json') === true) return json(200, answer)
  return {
    status: 200,
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    body: new URLSearchParams(answer).toString(),
  }
}

const failure = (error: string): Record<string, string> => ({
  error,
  error_description: 'As the local GitHub sees it.',
})

function exchange(world: World, form: URLSearchParams | null): Record<string, string> {
  if (form === null || repeatedParameter(form) !== null) return failure('bad_verification_code')
  const app = world.apps.get(form.get('client_id') ?? '')
  if (app === undefined || !isSecret(app, form.get('client_secret') ?? ''))
    return failure('incorrect_client_credentials')
  const shown = form.get('code') ?? ''
  const code = world.codes.get(shown)
  // Spent by being shown, right or wrong.
  world.codes.delete(shown)
  const challenge = createHash('sha256')
    .update(form.get('code_verifier') ?? '')
    .digest('base64url')
  if (
    code === undefined ||
    code.clientId !== app.clientId ||
    code.expiresAt < Date.now() ||
    code.challenge !== challenge
  )
    return failure('bad_verification_code')
  if (form.get('redirect_uri') !== code.redirectUri) return failure('redirect_uri_mismatch')
  const token = `gho_${randomBytes(27).toString('base64url')}`
  world.tokens.set(token, { clientId: app.clientId, personId: code.personId, scopes: code.scopes })
  world.grants.set(`${app.clientId} ${code.personId}`, code.scopes)
  return { access_token: token, token_type: 'bearer', scope: code.scopes.join(',') }
}

function isSecret(app: App, shown: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(app.clientSecret), digest(shown))
}

const message = (status: number, text: string): Reply => json(status, { message: text, status: String(status) })

function tokenOf(world: World, request: Request): Token | Reply {
  if (!request.headers['user-agent']) return message(403, 'Request forbidden by administrative rules.')
  return world.tokens.get(bearerToken(request) ?? '') ?? message(401, 'Bad credentials')
}

export function answerUser(world: World, request: Request): Reply {
  const token = tokenOf(world, request)
  if ('status' in token) return token
  const person = world.people.get(token.personId)
  if (person === undefined) return message(401, 'Bad credentials')
  const { emails: _, ...shown } = person
  return json(200, { ...shown, type: 'User' })
}

export function answerEmails(world: World, request: Request): Reply {
  const token = tokenOf(world, request)
  if ('status' in token) return token
  // GitHub hides what the token may not see.
  if (!token.scopes.some((scope) => scope === 'user:email' || scope === 'user')) return message(404, 'Not Found')
  return json(200, world.people.get(token.personId)?.emails ?? [])
}

/** DELETE /applications/{client_id}/grant: ends all tokens of the token's person and app. */
export function answerRevoke(world: World, request: Request, clientId: string): Reply {
  if (!request.headers['user-agent']) return message(403, 'Request forbidden by administrative rules.')
  const app = world.apps.get(clientId)
  const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
  const [id, secret = ''] = Buffer.from(basic, 'base64').toString().split(':')
  if (app === undefined || id !== clientId || !isSecret(app, secret)) return message(401, 'Requires authentication')
  const token = world.tokens.get(shownToken(request) ?? '')
  if (token === undefined || token.clientId !== clientId) return message(404, 'Not Found')
  world.grants.delete(`${clientId} ${token.personId}`)
  for (const [text, other] of world.tokens)
    if (other.clientId === clientId && other.personId === token.personId) world.tokens.delete(text)
  return { status: 204, headers: {}, body: '' }
}

function shownToken(request: Request): string | null {
  try {
    const body: unknown = JSON.parse(request.body.toString('utf8'))
    const token = typeof body === 'object' && body !== null && 'access_token' in body ? body.access_token : null
    return typeof token === 'string' ? token : null
  } catch {
    return null
  }
}
