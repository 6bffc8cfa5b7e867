// Steers the local Google of scripts/local-google from a test: one typed method for each of its control endpoints. Only
// `fetch`, so it runs in workerd and in Node.

export interface GoogleUser {
  sub?: string
  email: string
  /** Any JSON value. True when the name is absent; `undefined` leaves the claim out. */
  email_verified?: unknown
  hd?: string
  name?: string
  picture?: string
}

export interface GoogleFault {
  method?: string
  /** Exact, or a beginning that ends in `*`. */
  path: string
  grant_type?: string
  token?: string
  /** How often it strikes: once when absent, for ever when null. */
  times?: number | null
  delayMs?: number
  status?: number
  headers?: Record<string, string>
  body?: unknown
  process?: boolean
  drop?: 'before' | 'after'
  truncate?: boolean
}

export interface GoogleSettings {
  rotateRefreshTokens?: boolean
  accessTokenLifetimeSeconds?: number
  /** Raw value of `expires_in`; null leaves it out, 'default' is the truth again. */
  expiresIn?: unknown
  tokenLength?: 'normal' | 'maximum'
  refreshTokenExpiresIn?: number | null
  issuerInCallback?: boolean | string
  scopeOverrideOnRefresh?: string | null
  idToken?: {
    claims?: Record<string, unknown>
    key?: 'own' | 'foreign'
    omit?: boolean
    alg?: 'RS256' | 'none' | 'HS256'
    kid?: string
  } | null
  omitRefreshToken?: boolean
  omitScope?: boolean
  historyFloor?: string | null
  /** Whether text bodies and header values come decoded. 'utf-8' at first. */
  textBodies?: 'as-sent' | 'utf-8'
  /** Whether a sent message keeps the Message-ID it brought. 'kept' at first. */
  messageIdOnSend?: 'kept' | 'replaced'
  /** null, as at first: no limit. */
  quotaUnitsPerMinutePerUser?: number | null
  quotaStatus?: 403 | 429
  /** Lists give some ids twice, over the borders of pages too. */
  listRepeatsIds?: boolean
}

export interface GoogleCalls {
  counts: Record<string, number>
  log: {
    at: string
    method: string
    path: string
    status: number | null
    form?: Record<string, string>
    basic: boolean
    grant_type: string | null
    has_code_verifier: boolean
    redirect_uri: string | null
  }[]
  max_parallel: Record<string, number>
  /** Gmail's quota units by address. */
  units: Record<string, number>
  /** The most of them within any 60 seconds. */
  max_units_per_minute: Record<string, number>
}

export interface GoogleGrant {
  sub: string
  client_id: string
  scopes: string[]
  refresh_tokens: number
  access_tokens: number
}

export interface MintedTokens {
  access_token: string
  refresh_token: string
  email: string
  sub: string
}

/** A message to put into a mailbox: `raw`, or simple fields. */
export interface NewMail {
  /** 16 hex digits; one that is there already is replaced. */
  id?: string
  threadId?: string
  /** INBOX and UNREAD when absent. Labels nobody knows are made. */
  labelIds?: string[]
  /** Milliseconds. */
  internalDate?: number
  raw?: string
  encoding?: 'text' | 'base64'
  from?: string
  /** The mailbox's address when absent. */
  to?: string
  cc?: string
  bcc?: string
  subject?: string
  text?: string
  html?: string
  messageId?: string
  inReplyTo?: string
  references?: string
  attachments?: { filename: string; contentType?: string; contentBase64: string }[]
}

export interface MailboxState {
  historyId: string
  /** Newest first. */
  messages: { id: string; threadId: string; labelIds: string[]; historyId: string; internalDate: string }[]
}

export interface SentMail {
  id: string
  threadId: string
  raw: string
  labelIds: string[]
}

type Person = { email: string } | { sub: string }

export interface GoogleControl {
  addUser(user: GoogleUser): Promise<GoogleUser & { sub: string }>
  addClient(client: {
    client_id: string
    client_secret: string
    redirect_uris: string[] | 'any-loopback'
  }): Promise<void>
  /** What the pages would do for this person. Refused requests (an error page) give `{ error }`. */
  authorize(
    request: Person & { url: string | URL; grant?: 'all' | 'none-optional' | string[]; cancel?: boolean },
  ): Promise<{ location: string } | { error: string }>
  /** `authorize`, where a redirect is expected: its address, or an exception. */
  redirect(
    request: Person & { url: string | URL; grant?: 'all' | 'none-optional' | string[]; cancel?: boolean },
  ): Promise<URL>
  fault(fault: GoogleFault): Promise<{ id: string }>
  clearFaults(): Promise<void>
  settings(settings: GoogleSettings): Promise<void>
  advanceClock(seconds: number): Promise<void>
  setClockOffset(seconds: number): Promise<void>
  revoke(person: Person & { client_id?: string }): Promise<void>
  withdrawScope(person: Person & { scope: string }): Promise<void>
  calls(): Promise<GoogleCalls>
  /** How often a call came, by its name in `calls().counts`. */
  count(name: string): Promise<number>
  resetCalls(): Promise<void>
  grants(): Promise<GoogleGrant[]>
  /** Live tokens without a dance. `{n}` in the address makes `count` people, counted from 1. */
  mint(input: {
    email: string
    client_id: string
    scopes: string[]
    count?: number
    expires_in?: number
  }): Promise<MintedTokens[]>
  /** @param options `quiet`: no history, as if it had always been there */
  addMail(
    email: string,
    messages: NewMail[],
    options?: { quiet?: boolean },
  ): Promise<{ id: string; threadId: string }[]>
  /** Varied mail, the same for the same seed, without history. */
  generateMail(email: string, count: number, seed?: number): Promise<{ count: number }>
  modifyMail(email: string, ids: string[], change: { addLabelIds?: string[]; removeLabelIds?: string[] }): Promise<void>
  deleteMail(email: string, ids: string[]): Promise<void>
  /** A new label, or another name for the one with this id. */
  putLabel(email: string, label: { id?: string; name: string }): Promise<{ id: string; name: string }>
  mailState(email: string): Promise<MailboxState>
  /** What Gmail's search finds, newest first. */
  searchMail(email: string, q: string): Promise<string[]>
  /** Start ids given out until now are 404 from now on. */
  expireHistory(email: string): Promise<void>
  /** What left the mailbox, newest first. */
  sentMail(email: string): Promise<SentMail[]>
  reset(): Promise<void>
  stopAnswering(seconds: number): Promise<void>
}

/** @param baseUrl the local Google's origin (`GOOGLE_EMULATOR_URL`) */
export function googleControl(baseUrl: string): GoogleControl {
  // The answers' shapes are our own program's: trusted, as everything here is a test's.
  async function send<T>(method: string, name: string, body?: unknown, accept: readonly number[] = [200]): Promise<T> {
    const init: RequestInit = { method, headers: { 'content-type': 'application/json' } }
    if (body !== undefined) init.body = JSON.stringify(body)
    const answer = await fetch(new URL(`/__control/${name}`, baseUrl), init)
    const text = await answer.text()
    if (!accept.includes(answer.status)) throw new Error(`local Google, ${method} ${name}: ${answer.status} ${text}`)
    return JSON.parse(text) as T
  }

  const authorize: GoogleControl['authorize'] = ({ url, ...rest }) =>
    send('POST', 'authorize', { ...rest, url: String(url) }, [200, 400])

  return {
    addUser: (user) => send('PUT', 'users', { email_verified: true, ...user }),
    addClient: (client) => send('PUT', 'clients', client),
    authorize,
    async redirect(request) {
      const outcome = await authorize(request)
      if ('error' in outcome) throw new Error(`local Google refused: ${outcome.error}`)
      return new URL(outcome.location)
    },
    fault: (fault) => send('POST', 'faults', fault),
    clearFaults: () => send('DELETE', 'faults'),
    settings: (settings) => send('POST', 'settings', settings),
    advanceClock: (advanceSeconds) => send('POST', 'clock', { advanceSeconds }),
    setClockOffset: (offsetSeconds) => send('POST', 'clock', { offsetSeconds }),
    revoke: (person) => send('POST', 'revoke', person),
    withdrawScope: (person) => send('POST', 'withdraw-scope', person),
    calls: () => send('GET', 'calls'),
    async count(name) {
      const { counts } = await send<GoogleCalls>('GET', 'calls')
      return counts[name] ?? 0
    },
    resetCalls: () => send('DELETE', 'calls'),
    grants: () => send('GET', 'grants'),
    mint: (input) => send('POST', 'mint', input),
    addMail: (email, messages, options = {}) => send('POST', 'mail/messages', { email, messages, ...options }),
    generateMail: (email, count, seed = 1) => send('POST', 'mail/generate', { email, count, seed }),
    modifyMail: (email, ids, change) => send('POST', 'mail/modify', { email, ids, ...change }),
    deleteMail: (email, ids) => send('POST', 'mail/delete', { email, ids }),
    putLabel: (email, label) => send('PUT', 'mail/labels', { email, ...label }),
    mailState: (email) => send('GET', `mail/state?${new URLSearchParams({ email })}`),
    async searchMail(email, q) {
      const { ids } = await send<{ ids: string[] }>('GET', `mail/search?${new URLSearchParams({ email, q })}`)
      return ids
    },
    expireHistory: (email) => send('POST', 'mail/expire-history', { email }),
    sentMail: (email) => send('GET', `mail/sent?${new URLSearchParams({ email })}`),
    reset: () => send('POST', 'reset'),
    stopAnswering: (seconds) => send('POST', 'stop-answering', { seconds }),
  }
}
