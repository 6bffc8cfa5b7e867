// A provider for the bench: token endpoint, JWKS and Gmail over plain node:http, answering at once or after a set time. It
// verifies nothing; ID tokens are signed beforehand and handed in with their codes, so that signing costs no measurement.
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createGmailStub, type GmailStub } from './gmail-stub.ts'

export interface ProviderStub {
  readonly origin: string
  /** Calls of the token endpoint since the last reset. */
  readonly calls: () => number
  readonly resetCalls: () => void
  readonly setDelay: (ms: number) => void
  readonly addCodes: (codes: readonly (readonly [code: string, idToken: string])[]) => void
  readonly gmail: Pick<GmailStub, 'setMailbox' | 'counts'>
  readonly close: () => void
}

/** As long as Google's own usually are. */
const accessTokenChars = 220
const refreshTokenChars = 103

export const mailScopes: string = [
  'https://www.googleapis.com/auth/gmail.readonly',
  'https://www.googleapis.com/auth/gmail.send',
  'https://www.googleapis.com/auth/userinfo.email',
  'https://www.googleapis.com/auth/userinfo.profile',
  'openid',
].join(' ')

export function fakeAccessToken(seed: string): string {
  return `ya29.${seed}`.padEnd(accessTokenChars, 'a')
}

export function fakeRefreshToken(seed: string): string {
  return `1//${seed}`.padEnd(refreshTokenChars, 'r')
}

export async function startProvider(jwks: string): Promise<ProviderStub> {
  const idTokens = new Map<string, string>()
  const gmail = createGmailStub()
  let calls = 0
  let delayMs = 0
  const send = (response: ServerResponse, status: number, text: string): void => {
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    response.end(text)
  }
  const tokenAnswer = (form: URLSearchParams): [number, string] => {
    const base = { access_token: fakeAccessToken(String(calls)), expires_in: 3599, token_type: 'Bearer' }
    if (form.get('grant_type') === 'refresh_token') return [200, JSON.stringify({ ...base, scope: mailScopes })]
    const code = form.get('code') ?? ''
    const idToken = idTokens.get(code)
    if (idToken === undefined) return [400, '{"error":"invalid_grant"}']
    idTokens.delete(code)
    return [
      200,
      JSON.stringify({
        ...base,
        scope: mailScopes,
        id_token: idToken,
        refresh_token: fakeRefreshToken(code.slice(0, 20)),
      }),
    ]
  }
  const server = createServer((request, response) => {
    if (request.url === '/oauth2/v3/certs') return send(response, 200, jwks)
    if (gmail.answer(request, response)) return
    if (request.url !== '/token') return send(response, 404, '{}')
    calls += 1
    let text = ''
    request.setEncoding('latin1')
    request.on('data', (chunk: string) => {
      text += chunk
    })
    request.on('end', () => {
      const [status, body] = tokenAnswer(new URLSearchParams(text))
      if (delayMs === 0) send(response, status, body)
      else setTimeout(send, delayMs, response, status, body)
    })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: () => calls,
    resetCalls: () => {
      calls = 0
    },
    setDelay: (ms) => {
      delayMs = ms
    },
    addCodes: (codes) => {
      for (const [code, idToken] of codes) idTokens.set(code, idToken)
    },
    gmail,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
