// A single-page front end's side of Gatepost: sign-in by provider and by password, sessions that renew themselves.
// No dependency, no build step. The access token stays in memory; the refresh token in this tab's sessionStorage.

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

/** A refusal of the API: `code` is stable (RFC 9457 problem document), the message is for people. */
export class GatepostError extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title)
    this.code = problem.code
    this.retryAfterSeconds = problem.retryAfterSeconds ?? null
    this.errors = problem.errors ?? []
  }
}

/** @param {string} origin where Gatepost runs, `https://auth.example.com` */
export function createClient(origin) {
  let accessToken = null
  let renewing = null

  async function send(method, path, body, bearer) {
    const response = await fetch(`${origin}${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(bearer === null || bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer = response.status === 204 ? null : await response.json()
    if (!response.ok) throw new GatepostError({ ...answer, retryAfterSeconds: response.headers.get('Retry-After') })
    return answer
  }

  function keep(pair) {
    accessToken = pair.access_token
    sessionStorage.setItem('gatepost.refresh', pair.refresh_token)
  }

  function forget() {
    accessToken = null
    sessionStorage.removeItem('gatepost.refresh')
  }

  /** One refresh at a time: a refresh token works once. */
  function renew() {
    renewing ??= send('POST', '/auth/refresh', { refresh_token: sessionStorage.getItem('gatepost.refresh') ?? '' })
      .then(keep)
      .catch((error) => {
        if (error instanceof GatepostError) forget()
        throw error
      })
      .finally(() => {
        renewing = null
      })
    return renewing
  }

  return {
    /** Goes to the provider; it comes back to FRONTEND_CALLBACK_URL. The verifier binds the answer to this tab. */
    async signInWith(provider) {
      const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)))
      sessionStorage.setItem('gatepost.verifier', verifier)
      const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
      const query = new URLSearchParams({ code_challenge: base64url(new Uint8Array(digest)) })
      const { url } = await send('GET', `/auth/${provider}/start?${query}`)
      location.assign(url)
    },

    /** On the callback page: true where somebody was signed in, false where the page was opened by itself. */
    async finish() {
      const query = new URLSearchParams(location.search)
      const [state, error] = [query.get('state'), query.get('error')]
      if (state === null && error === null) return false
      // The code works once: it must not stay in the address.
      history.replaceState(null, '', location.pathname)
      if (error !== null) throw new GatepostError({ code: error, title: error.replaceAll('_', ' ') })
      const verifier = sessionStorage.getItem('gatepost.verifier')
      sessionStorage.removeItem('gatepost.verifier')
      keep(await send('POST', '/auth/token', { state, code_verifier: verifier }))
      return true
    },

    /** Which ways to sign in this deployment offers: `[{ id, name, supports_mail }]`. */
    async providers() {
      return (await send('GET', '/oauth/providers')).items
    },

    /** A letter follows, whether the address is known or not. */
    register: (account) => send('POST', '/auth/register', account),

    async signInByPassword(name, password) {
      const identity = name.includes('@') ? { email: name } : { username: name }
      keep(await send('POST', '/auth/login', { ...identity, password }))
    },

    forgotPassword: (email) => send('POST', '/auth/forgot-password', { email }),

    /** A call as the signed-in person; renews the session once where the access token has run out. */
    async call(method, path, body) {
      if (accessToken === null) await renew()
      try {
        return await send(method, path, body, accessToken)
      } catch (error) {
        if (!(error instanceof GatepostError) || error.code !== 'unauthorized') throw error
        await renew()
        return send(method, path, body, accessToken)
      }
    },

    async signOut() {
      const refreshToken = sessionStorage.getItem('gatepost.refresh')
      forget()
      if (refreshToken !== null) await send('POST', '/auth/logout', { refresh_token: refreshToken })
    },

    get mayBeSignedIn() {
      return sessionStorage.getItem('gatepost.refresh') !== null
    },
  }
}
