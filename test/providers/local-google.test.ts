// The shared contract once more, over the wire: our Google provider against the strict local one.
import { afterEach, beforeEach, expect, vi } from 'vitest'
import { PROVIDER_TIMEOUT_MS } from '../../src/providers/bounded-request.ts'
import { createGoogle } from '../../src/providers/google.ts'
import type { Grant, Provider } from '../../src/providers/provider.ts'
import { clientId, google } from '../support/app.ts'
import { testAddresses } from '../support/database.ts'
import { describeProviderContract, type Fault, type ProviderHarness, type SentRequest } from './contract.ts'
import { googleTraits, MemoryKeyCache } from './google-edge.ts'

const origin = testAddresses.GOOGLE_EMULATOR_URL
const client = {
  clientId,
  clientSecret: 'test-google-secret',
  redirectUri: 'http://localhost:8787/auth/google/callback',
}
const mailScopes = ['https://www.googleapis.com/auth/gmail.readonly', 'https://www.googleapis.com/auth/gmail.send']
const email = 'ada.lovelace@gmail.com'

/** The wire, watched: what was sent, and the two faults that only an edge can make (an answer that never ends). */
class Wire {
  readonly sent: SentRequest[] = []
  private readonly hanging = new Map<string, Fault>()

  hang(url: string, fault: Fault): void {
    this.hanging.set(url, fault)
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const url = String(input)
    this.sent.push({
      method: init?.method ?? 'GET',
      url,
      form: new URLSearchParams(typeof init?.body === 'string' ? init.body : String(init?.body ?? '')),
      headers: new Headers(init?.headers),
      redirect: init?.redirect ?? 'follow',
    })
    const fault = this.hanging.get(url)
    this.hanging.delete(url)
    if (fault?.kind === 'hang') return new Promise(() => {})
    if (fault?.kind === 'hang_in_body')
      return new Response(new ReadableStream({ start: (c) => c.enqueue(new Uint8Array([123])) }))
    return fetch(input, init)
  }
}

async function grantFor(provider: Provider, nonce: string): Promise<Grant> {
  const codeVerifier = 'v'.repeat(43)
  const url = provider.authorizationUrl({
    state: 's'.repeat(43),
    codeVerifier,
    nonce,
    scopes: 'mail',
    prompt: null,
    loginHint: null,
  })
  const back = await google.redirect({ url, email, grant: 'all' })
  const exchanged = await provider.exchange({ code: back.searchParams.get('code') ?? '', codeVerifier })
  if (!exchanged.ok) throw new Error(`the exchange failed: ${exchanged.code}`)
  return exchanged.value
}

async function makeHarness(): Promise<ProviderHarness> {
  await google.reset()
  const { sub } = await google.addUser({ email, name: 'Ada Lovelace' })
  const [minted] = await google.mint({ email, client_id: clientId, scopes: mailScopes })
  const wire = new Wire()
  const provider = createGoogle(
    { fetch: wire.fetch, clock: () => new Date(), keyCache: new MemoryKeyCache() },
    { client, emulatorUrl: origin },
  )
  return {
    provider,
    client,
    person: { provider: 'google', subject: sub, email, emailProof: 'google', fullName: 'Ada Lovelace' },
    scopes: { identity: ['openid', 'email', 'profile'], mail: ['openid', 'email', 'profile', ...mailScopes] },
    endpoints: { token: `${origin}/token`, revoke: `${origin}/revoke` },
    refreshTokens: { live: minted?.refresh_token ?? '', dead: '1//dead' },
    sentTo: (url) => wire.sent.filter((request) => request.url === url),
    fault: (url, fault) => {
      if (fault.kind === 'hang' || fault.kind === 'hang_in_body') return wire.hang(url, fault)
      waiting.push(
        google.fault({
          path: new URL(url).pathname,
          ...(fault.kind === 'drop'
            ? { drop: 'before' }
            : { status: fault.status, body: fault.body, headers: fault.headers ?? {} }),
        }),
      )
    },
    consent: async (url) => (await google.redirect({ url, email, grant: 'all' })).searchParams.get('code') ?? '',
    passTimeLimit: async (call) => {
      await vi.advanceTimersByTimeAsync(PROVIDER_TIMEOUT_MS)
      return call
    },
    badProofs: async (nonce) => {
      const proofs: { name: string; grant: Grant }[] = []
      const tamper = async (name: string, idToken: NonNullable<Parameters<typeof google.settings>[0]['idToken']>) => {
        await google.settings({ idToken })
        proofs.push({ name, grant: await grantFor(provider, nonce) })
        await google.settings({ idToken: null })
      }
      await tamper('no ID token', { omit: true })
      await tamper("another's signature", { key: 'foreign' })
      await tamper('another client', { claims: { aud: 'other', azp: 'other' } })
      await tamper('another issuer', { claims: { iss: 'https://evil.test' } })
      await tamper('no nonce', { claims: { nonce: null } })
      await tamper('expired', { claims: { exp: Math.floor(Date.now() / 1000) - 61 } })
      await tamper('no subject', { claims: { sub: null } })
      await tamper('alg none', { alg: 'none' })
      proofs.push({ name: "another flow's nonce", grant: await grantFor(provider, 'another-nonce') })
      return proofs
    },
  }
}

// Faults are set over the wire and the harness sets them without waiting: the next call must find them there.
const waiting: Promise<unknown>[] = []
const realFetch = globalThis.fetch
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    if (!String(input instanceof Request ? input.url : input).includes('/__control/'))
      await Promise.all(waiting.splice(0))
    return realFetch(input, init)
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describeProviderContract('Google over the wire, strict and local', googleTraits, makeHarness)
