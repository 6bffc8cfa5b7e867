// Google as seen from outside, faked at the HTTP edge: a `fetch` that answers as its endpoints do, counts what was
// sent, and misbehaves when told to. No network. It knows nothing of our code but the addresses that code must call.
import { CompactSign, exportJWK, generateKeyPair, type CryptoKey as JoseKey, type JWK } from 'jose'
import { toBase64Url, utf8 } from '../../src/crypto/encoding.ts'
import type { Fault, SentRequest, Traits } from './contract.ts'

export const client = {
  clientId: '1234-gatepost.apps.googleusercontent.com',
  clientSecret: 'GOCSPX-marked-client-secret',
  redirectUri: 'https://mail.example.com/auth/google/callback',
}

export const googleTraits: Traits = {
  proof: 'id_token',
  refresh: 'rotates',
  mail: 'has',
  revocation: { method: 'POST', done: 200, gone: [400] },
}

interface Code {
  readonly challenge: string
  readonly nonce: string
  readonly scopes: string
}

type Handler = (form: URLSearchParams, headers: Headers) => Response | Promise<Response>

let googleKey: ReturnType<typeof newSigningKey> | undefined

export class GoogleEdge {
  readonly sent: SentRequest[] = []
  now: Date
  /** The address as Google writes it into ID tokens and Gmail's profile. */
  email = 'Ada.Lovelace@gmail.com'
  private readonly codes = new Map<string, Code>()
  private readonly faults = new Map<string, Fault[]>()
  private readonly signing: { kid: string; privateKey: JoseKey; jwk: JWK }
  readonly publishedKeys: JWK[]
  private readonly handlers: Readonly<Record<string, Handler>>
  private count = 0

  static async open(now: Date): Promise<GoogleEdge> {
    // One key for the whole file: making one costs more than the rest of a test.
    googleKey ??= newSigningKey('g1')
    return new GoogleEdge(now, await googleKey)
  }

  private constructor(now: Date, signing: { kid: string; privateKey: JoseKey; jwk: JWK }) {
    this.now = now
    this.signing = signing
    this.publishedKeys = [signing.jwk]
    this.handlers = {
      'POST https://oauth2.googleapis.com/token': (form) => this.token(form),
      'POST https://oauth2.googleapis.com/revoke': (form) =>
        form.get('token') === 'unknown' ? json(400, { error: 'invalid_token' }) : json(200, {}),
      'GET https://www.googleapis.com/oauth2/v3/certs': () => json(200, { keys: this.publishedKeys }),
      'GET https://gmail.googleapis.com/gmail/v1/users/me/profile': (_, headers) =>
        headers.get('authorization')?.startsWith('Bearer ya29.') === true
          ? json(200, { emailAddress: this.email, messagesTotal: 3, historyId: '123456789012345678901' })
          : json(401, { error: { code: 401, status: 'UNAUTHENTICATED' } }),
    }
  }

  /** The next request to this address ends so; told again, the one after it. */
  fault(url: string, fault: Fault): void {
    this.faults.set(url, [...(this.faults.get(url) ?? []), fault])
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init)
    const form = new URLSearchParams(typeof init?.body === 'string' ? init.body : '')
    this.sent.push({
      method: request.method,
      url: request.url,
      form,
      headers: request.headers,
      redirect: init?.redirect ?? 'follow',
    })
    const fault = this.faults.get(request.url)?.shift()
    if (fault?.kind === 'drop') throw new TypeError(`fetch failed: ${form}`)
    if (fault?.kind === 'hang') return await new Promise<Response>(() => undefined)
    if (fault?.kind === 'hang_in_body')
      return new Response(new ReadableStream({ start: (it) => it.enqueue(utf8('{"acc')) }))
    if (fault?.kind === 'answer') {
      const body = [204, 304].includes(fault.status) ? null : fault.body
      return new Response(body, { status: fault.status, headers: fault.headers ?? {} })
    }
    const handler = this.handlers[`${request.method} ${request.url}`]
    if (handler === undefined) throw new Error(`nobody answers at ${request.method} ${request.url}`)
    return await handler(form, request.headers)
  }

  /** The person says yes to everything at this address; returns the code. */
  consent(url: URL): string {
    const q = url.searchParams
    if (`${url.origin}${url.pathname}` !== 'https://accounts.google.com/o/oauth2/v2/auth')
      throw new Error('wrong endpoint')
    if (q.get('client_id') !== client.clientId || q.get('redirect_uri') !== client.redirectUri)
      throw new Error('wrong client')
    this.count += 1
    const code = `4/0-marked-code-${this.count}`
    this.codes.set(code, {
      challenge: q.get('code_challenge') ?? '',
      nonce: q.get('nonce') ?? '',
      scopes: q.get('scope') ?? '',
    })
    return code
  }

  /** An ID token as Google would sign it, with changes; undefined removes a claim. */
  async idToken(
    nonce: string,
    change: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key?: JoseKey,
  ): Promise<string> {
    const seconds = Math.floor(this.now.getTime() / 1000)
    const claims = {
      iss: 'https://accounts.google.com',
      aud: client.clientId,
      azp: client.clientId,
      sub: '110248495921238986420',
      email: this.email,
      email_verified: true,
      name: 'Ada Lovelace',
      iat: seconds,
      exp: seconds + 3600,
      nonce,
      ...change,
    }
    return await new CompactSign(utf8(JSON.stringify(claims)))
      .setProtectedHeader({ alg: 'RS256', kid: this.signing.kid, typ: 'JWT', ...header })
      .sign(key ?? this.signing.privateKey)
  }

  private async token(form: URLSearchParams): Promise<Response> {
    if (form.get('client_id') !== client.clientId || form.get('client_secret') !== client.clientSecret) {
      return json(401, { error: 'invalid_client' })
    }
    if (form.get('grant_type') === 'refresh_token') {
      if (form.get('refresh_token')?.startsWith('1//') !== true)
        return json(400, { error: 'invalid_grant', error_description: 'Bad Request' })
      return json(200, {
        access_token: 'ya29.marked-refreshed',
        expires_in: 3599,
        token_type: 'Bearer',
        scope: 'openid',
      })
    }
    const code = this.codes.get(form.get('code') ?? '')
    this.codes.delete(form.get('code') ?? '')
    const verifier = form.get('code_verifier') ?? ''
    const challenge = toBase64Url(new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(verifier))))
    if (code === undefined || challenge !== code.challenge)
      return json(400, { error: 'invalid_grant', error_description: verifier })
    if (form.get('redirect_uri') !== client.redirectUri) return json(400, { error: 'redirect_uri_mismatch' })
    return json(200, {
      access_token: 'ya29.marked-access',
      refresh_token: '1//marked-refresh',
      expires_in: 3599,
      token_type: 'Bearer',
      scope: code.scopes,
      id_token: await this.idToken(code.nonce),
    })
  }
}

export async function newSigningKey(kid: string): Promise<{ kid: string; privateKey: JoseKey; jwk: JWK }> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' } }
}

/** Workers KV as the providers see it. */
export class MemoryKeyCache {
  readonly records = new Map<string, string>()
  readonly ttls: number[] = []
  failure: Error | null = null

  async get(key: string): Promise<string | null> {
    if (this.failure !== null) throw this.failure
    return this.records.get(key) ?? null
  }

  async put(key: string, value: string, options: { expirationTtl: number }): Promise<void> {
    if (this.failure !== null) throw this.failure
    if (options.expirationTtl < 60) throw new Error('KV PUT failed: 400 expiration_ttl must be at least 60')
    this.ttls.push(options.expirationTtl)
    this.records.set(key, value)
  }
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
}
