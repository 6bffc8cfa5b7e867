// GitHub as seen from outside, faked at the HTTP edge: a `fetch` that answers as its endpoints do, counts what was sent,
// and misbehaves when told to. No network. It knows nothing of our code but the addresses that code must call.
import { toBase64Url, utf8 } from '../../src/crypto/encoding.ts'
import type { Fault, SentRequest, Traits } from './contract.ts'

export const client = {
  clientId: 'Iv1.marked-not-secret',
  clientSecret: 'marked-client-secret-of-github',
  redirectUri: 'https://mail.example.com/auth/github/callback',
}

export const api = 'https://api.github.com'
export const userUrl = `${api}/user`
export const emailsUrl = `${api}/user/emails?per_page=100`
export const tokenUrl = 'https://github.com/login/oauth/access_token'
export const revokeUrl = `${api}/applications/${client.clientId}/grant`

/** Of a GitHub at this origin: no ID token, no refresh, no mail; a grant ends by DELETE. */
export function githubTraits(origin: string): Traits {
  return {
    proof: { api: [`${origin}/user`, `${origin}/user/emails?per_page=100`] },
    refresh: 'none',
    mail: 'none',
    revocation: { method: 'DELETE', done: 204, gone: [404, 422] },
  }
}

export class GithubEdge {
  readonly sent: (SentRequest & { readonly body: string })[] = []
  user: unknown = { id: 583231, login: 'octo-ada', name: 'Ada Lovelace', email: 'public@evil.test' }
  emails: unknown = [
    { email: 'first@evil.test', primary: false, verified: true, visibility: null },
    { email: 'Ada@Example.com', primary: true, verified: true, visibility: 'private' },
  ]
  private readonly codes = new Map<string, string>()
  private readonly faults = new Map<string, Fault>()

  /** The next request to this address ends so. */
  fault(url: string, fault: Fault): void {
    this.faults.set(url, fault)
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init)
    const body = typeof init?.body === 'string' ? init.body : ''
    const form = new URLSearchParams(body)
    const { method, url, headers } = request
    this.sent.push({ method, url, form, body, headers, redirect: init?.redirect ?? 'follow' })
    const fault = this.faults.get(url)
    this.faults.delete(url)
    if (fault?.kind === 'drop') throw new TypeError(`fetch failed: ${body}`)
    if (fault?.kind === 'hang') return await new Promise<Response>(() => undefined)
    if (fault?.kind === 'hang_in_body')
      return new Response(new ReadableStream({ start: (it) => it.enqueue(utf8('{"acc')) }))
    if (fault?.kind === 'answer') {
      const text = [204, 304].includes(fault.status) ? null : fault.body
      return new Response(text, { status: fault.status, headers: fault.headers ?? {} })
    }
    if (headers.get('user-agent') === null && url.startsWith(api)) return json(403, { message: 'administrative rules' })
    switch (`${method} ${url}`) {
      case `POST ${tokenUrl}`:
        return this.token(form, headers)
      case `GET ${userUrl}`:
        return this.guarded(headers, this.user)
      case `GET ${emailsUrl}`:
        return this.guarded(headers, this.emails)
      case `DELETE ${revokeUrl}`:
        return new Response(null, { status: 204 })
      default:
        throw new Error(`nobody answers at ${method} ${url}`)
    }
  }

  /** The person says yes; the code. */
  consent(url: URL): string {
    const q = url.searchParams
    if (`${url.origin}${url.pathname}` !== 'https://github.com/login/oauth/authorize') throw new Error('wrong endpoint')
    if (q.get('client_id') !== client.clientId || q.get('redirect_uri') !== client.redirectUri)
      throw new Error('wrong client')
    const code = `marked-code-${this.codes.size + 1}-${crypto.randomUUID()}`
    this.codes.set(code, q.get('code_challenge') ?? '')
    return code
  }

  private guarded(headers: Headers, value: unknown): Response {
    return headers.get('authorization') === 'Bearer gho_marked-access'
      ? json(200, value)
      : json(401, { message: 'Bad credentials' })
  }

  /** Errors come with 200, as at GitHub. */
  private async token(form: URLSearchParams, headers: Headers): Promise<Response> {
    if (headers.get('accept') !== 'application/json') return new Response('access_token=gho_form', { status: 200 })
    if (form.get('client_id') !== client.clientId || form.get('client_secret') !== client.clientSecret)
      return json(200, { error: 'incorrect_client_credentials', error_uri: 'https://docs.github.com/' })
    const challenge = this.codes.get(form.get('code') ?? '')
    this.codes.delete(form.get('code') ?? '')
    const verifier = utf8(form.get('code_verifier') ?? '')
    const hash = toBase64Url(new Uint8Array(await crypto.subtle.digest('SHA-256', verifier)))
    if (challenge !== hash) return json(200, { error: 'bad_verification_code', error_description: form.toString() })
    if (form.get('redirect_uri') !== client.redirectUri) return json(200, { error: 'redirect_uri_mismatch' })
    return json(200, { access_token: 'gho_marked-access', token_type: 'bearer', scope: 'read:user,user:email' })
  }
}

export function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
}
