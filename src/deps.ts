// The composition root: from the platform's env to what verbs take. One database client, clock and log an invocation;
// settings and keys are opened once an isolate. No decisions here.

import { fromBase64, normalizeEmail } from './crypto/encoding.ts'
import { importHmacKey } from './crypto/hash.ts'
import { parseSigningKeys, type SigningKeys, SigningKeysError } from './crypto/jwt.ts'
import { type KeyRing, KeyRingError, parseKeyRing } from './crypto/seal.ts'
import { createDb, type Db } from './db/client.ts'
import {
  type LockoutSettings,
  type MailSettings,
  parseSettings,
  type SettingProblem,
  type Settings,
  type SyncSettings,
  type WorkerEnv,
} from './env.ts'
import { AppError } from './errors.ts'
import { createConsoleTransport } from './letters/console.ts'
import { createResendTransport } from './letters/resend.ts'
import { createSmtpTransport } from './letters/smtp.ts'
import { type LetterPost, parseSender, type Transport } from './letters/transport.ts'
import { consoleLog, type Log } from './log.ts'
import type { DeliverMessage, RefreshMessage, SyncMessage } from './messages.ts'
import type { ReturnSettings } from './oauth/return-to.ts'
import type { Provider, ProviderCode } from './providers/provider.ts'
import { createProviders } from './providers/registry.ts'

export interface Deps {
  readonly settings: Settings
  readonly appUrl: string
  readonly adminEmails: readonly string[]
  readonly returns: ReturnSettings
  readonly isHandoffChallengeRequired: boolean
  readonly clock: () => Date
  /** 0 to 1, for jitter. */
  readonly chance: () => number
  readonly log: Log
  readonly db: Db
  /** Gives up within two seconds: for health only. */
  readonly probeDb: Db
  readonly providers: ReadonlyMap<ProviderCode, Provider>
  readonly providerCalls: () => number
  readonly signingKeys: SigningKeys
  /** Derives successors of refresh tokens. */
  readonly refreshTokenKey: CryptoKey
  /** Derives the codes and link tokens of letters (crypto/one-time-code). */
  readonly codeKey: CryptoKey
  /** Keys the hashes of addresses and user names under which tries and letters are counted. */
  readonly subjectKey: CryptoKey
  readonly lockout: LockoutSettings
  readonly sync: SyncSettings
  /** Throws 503 `misconfigured` where the setting is broken: no token is stored or handed out then. */
  readonly keyRing: KeyRing
  readonly keyRingOrNull: KeyRing | null
  readonly flows: KVNamespace
  readonly refreshQueue: { send(messages: readonly RefreshMessage[]): Promise<void> }
  readonly syncQueue: {
    send(messages: readonly SyncMessage[], options?: { readonly delaySeconds: number }): Promise<void>
  }
  readonly deliverQueue: {
    send(messages: readonly DeliverMessage[], options?: { readonly delaySeconds: number }): Promise<void>
  }
  /** How letters leave; null where no transport is set. */
  readonly post: LetterPost | null
  readonly avatars: R2Bucket
  /** KV for what may be stale; the admin's cache verbs reach it. */
  readonly cache: KVNamespace
  readonly authRateLimit: RateLimit
  readonly assets: Fetcher
}

interface Opened {
  readonly settings: Settings
  readonly adminEmails: readonly string[]
  readonly signingKeys: SigningKeys
  readonly keyRing: KeyRing | null
  readonly refreshTokenKey: CryptoKey
  readonly codeKey: CryptoKey
  readonly subjectKey: CryptoKey
}

export type Composed = { readonly deps: Deps } | { readonly problems: readonly SettingProblem[]; readonly log: Log }

// Opened settings outlive a request; promises must not (they belong to the request that made them).
let isolate: { readonly env: WorkerEnv; readonly opened: Opened } | null = null

export async function compose(env: WorkerEnv): Promise<Composed> {
  if (isolate === null || isolate.env !== env) {
    const opened = await openSettings(env)
    if ('problems' in opened) return { problems: opened.problems, log: consoleLog }
    isolate = { env, opened }
  }
  return { deps: buildDeps(env, isolate.opened) }
}

// Without its rate limiter the Worker still serves: the limit itself fails closed where that matters.
const neededBindings = [
  'HYPERDRIVE',
  'OAUTH_STATE',
  'CACHE',
  'REFRESH_QUEUE',
  'DELIVER_QUEUE',
  'SYNC_QUEUE',
  'AVATARS',
  'ASSETS',
] as const

/** What is wrong goes to the log, by its setting's name. A broken key ring alone leaves the rest at work. */
async function openSettings(env: WorkerEnv): Promise<Opened | { problems: readonly SettingProblem[] }> {
  const parsed = parseSettings({ ...env })
  const unbound = neededBindings.filter((name) => env[name] === undefined)
  const problems = [...parsed.problems, ...unbound.map((setting) => ({ setting, problem: 'is not bound' }))]
  const opened =
    parsed.settings === null || unbound.length > 0
      ? null
      : await openKeys(parsed.settings, (setting, problem) => problems.push({ setting, problem }))
  for (const { setting, problem } of problems) consoleLog.error('misconfigured', { setting, problem })
  return opened ?? { problems }
}

/**
 * For scripts, before the Worker starts: all that is wrong with these settings, keys and addresses included, a sentence
 * each, naming the setting and never its value. Runs in Node as well.
 */
export async function checkSettingsAndKeys(vars: Readonly<Record<string, string | undefined>>): Promise<string[]> {
  const { settings, problems } = parseSettings(vars)
  const found = [...problems]
  if (settings !== null) await openKeys(settings, (setting, problem) => found.push({ setting, problem }))
  return found.map(({ setting, problem }) => `${setting} ${problem}`)
}

/** Null where a key without which nothing works cannot be used. */
async function openKeys(
  settings: Settings,
  report: (setting: string, problem: string) => void,
): Promise<Opened | null> {
  // Messages of these two name an entry by its position, never its content.
  const reportThrown = (setting: string) => (thrown: unknown) => {
    const isOurs = thrown instanceof SigningKeysError || thrown instanceof KeyRingError
    report(setting, isOurs ? `cannot be used: ${thrown.message}` : 'is malformed')
    return null
  }
  const { tokenEncryptionKeys } = settings
  const signingKeys = await parseSigningKeys(settings.jwtSigningKeys).catch(reportThrown('JWT_SIGNING_KEYS'))
  const pepper = fromBase64(settings.codePepper)
  const isPepperWell = pepper !== null && pepper.length >= 32
  if (!isPepperWell) report('CODE_PEPPER', 'must be at least 32 random bytes, as base64')
  const keyRing =
    tokenEncryptionKeys === null
      ? null
      : await parseKeyRing(tokenEncryptionKeys).catch(reportThrown('TOKEN_ENCRYPTION_KEYS'))
  // Compared with stored addresses, so of their form; one that is none makes nobody an administrator.
  const adminEmails = settings.adminEmails.map(normalizeEmail).filter((email) => email !== null)
  if (adminEmails.length < settings.adminEmails.length)
    report('ADMIN_EMAILS', 'has an entry that is no e-mail address; the others count')
  if (signingKeys === null || !isPepperWell) return null
  return {
    settings,
    adminEmails,
    signingKeys,
    keyRing,
    refreshTokenKey: await importHmacKey(pepper, 'gatepost/refresh-token-successor'),
    codeKey: await importHmacKey(pepper, 'gatepost/one-time-code'),
    subjectKey: await importHmacKey(pepper, 'gatepost/subject'),
  }
}

// A message of 100 ids is about 4 KB; sendBatch takes 256 KB and 100 messages.
const messagesPerSend = 50

async function sendAll(queue: Queue, messages: readonly unknown[], delaySeconds = 0): Promise<void> {
  for (let start = 0; start < messages.length; start += messagesPerSend) {
    await queue.sendBatch(
      messages.slice(start, start + messagesPerSend).map((body) => ({ body })),
      { delaySeconds },
    )
  }
}

function buildDeps(env: WorkerEnv, opened: Opened): Deps {
  const { settings, keyRing } = opened
  const clock = (): Date => new Date()
  let providerCalls = 0
  const countedFetch: typeof fetch = (input, init) => {
    providerCalls += 1
    return fetch(input, init)
  }
  const { google, github } = settings
  let providers: Deps['providers'] | undefined
  let post: LetterPost | null | undefined
  const connectionString = env.HYPERDRIVE.connectionString
  return {
    settings,
    appUrl: settings.appUrl,
    adminEmails: opened.adminEmails,
    returns: settings,
    isHandoffChallengeRequired: settings.isHandoffChallengeRequired,
    clock,
    chance: Math.random,
    log: consoleLog,
    db: createDb({ connectionString }),
    probeDb: createDb({ connectionString, connectTimeoutMs: 1_500, statementTimeoutMs: 1_500 }),
    // Most requests need neither.
    get providers() {
      providers ??= createProviders(
        { fetch: countedFetch, clock, keyCache: env.CACHE },
        {
          google: google === null ? null : { client: google, emulatorUrl: google.emulatorUrl },
          github:
            github === null
              ? null
              : {
                  client: github,
                  emulatorUrl: github.emulatorUrl,
                  emailTrust: settings.trustedEmailProviders.includes('github') ? 'trusted' : 'untrusted',
                },
        },
      )
      return providers
    },
    providerCalls: () => providerCalls,
    signingKeys: opened.signingKeys,
    refreshTokenKey: opened.refreshTokenKey,
    codeKey: opened.codeKey,
    subjectKey: opened.subjectKey,
    lockout: settings.lockout,
    sync: settings.sync,
    get keyRing(): KeyRing {
      if (keyRing === null) throw new AppError('misconfigured')
      return keyRing
    },
    keyRingOrNull: keyRing,
    flows: env.OAUTH_STATE,
    refreshQueue: { send: (messages) => sendAll(env.REFRESH_QUEUE, messages) },
    syncQueue: { send: (messages, options) => sendAll(env.SYNC_QUEUE, messages, options?.delaySeconds) },
    deliverQueue: { send: (messages, options) => sendAll(env.DELIVER_QUEUE, messages, options?.delaySeconds) },
    get post() {
      if (post === undefined) post = buildPost(settings, { fetch: countedFetch, clock })
      return post
    },
    avatars: env.AVATARS,
    cache: env.CACHE,
    authRateLimit: env.AUTH_RATE_LIMIT,
    assets: env.ASSETS,
  }
}

function buildPost({ mail, appName }: Settings, deps: { fetch: typeof fetch; clock: () => Date }): LetterPost | null {
  return mail === null ? null : { transport: buildTransport(mail, deps), from: parseSender(mail.from, appName) }
}

function buildTransport(mail: MailSettings, deps: { fetch: typeof fetch; clock: () => Date }): Transport {
  switch (mail.transport) {
    case 'resend':
      return createResendTransport(deps, mail)
    case 'smtp':
      return createSmtpTransport(mail.url)
    case 'console':
      return createConsoleTransport()
  }
}
