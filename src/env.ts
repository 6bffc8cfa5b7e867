// The Worker's settings, parsed once at the door and typed from there on. It names what is wrong and never repeats a
// value. The form of keys is checked here; deps.ts opens them, and looks whether the bindings are there.

import * as z from 'zod'

/** What the platform hands over: bindings as objects, settings and secrets as text. */
export interface WorkerEnv {
  readonly HYPERDRIVE: Hyperdrive
  readonly OAUTH_STATE: KVNamespace
  readonly CACHE: KVNamespace
  readonly REFRESH_QUEUE: Queue
  readonly DELIVER_QUEUE: Queue
  readonly SYNC_QUEUE: Queue
  readonly AVATARS: R2Bucket
  readonly AUTH_RATE_LIMIT: RateLimit
  readonly ASSETS: Fetcher
}

export interface ProviderSettings {
  readonly clientId: string
  readonly clientSecret: string
  readonly redirectUri: string
  readonly emulatorUrl: string | null
}

/** How letters leave. Null: they do not; they wait a week and are void. */
export type MailSettings =
  | {
      readonly transport: 'resend'
      readonly from: string
      readonly apiKey: string
      readonly emulatorUrl: string | null
    }
  | { readonly transport: 'smtp'; readonly from: string; readonly url: string }
  | { readonly transport: 'console'; readonly from: string }

export interface LockoutSettings {
  /** Failed tries before a lock. */
  readonly threshold: number
  readonly minutes: number
}

/** How mail is kept in step, and how fast the provider may be asked (SECURITY G12: what Google allows is the project's). */
export interface SyncSettings {
  /** Seconds between background syncs of a busy mailbox; an idle one's grow to twelve times that. 0: none in the background. */
  readonly intervalSeconds: number
  /** Gmail quota units a minute. */
  readonly unitsPerMailbox: number
  readonly unitsPerProject: number
}

export interface Settings {
  readonly appName: string
  /** Gatepost's own origin, without a trailing slash; issuer and audience of its JWTs. */
  readonly appUrl: string
  /** True where `appUrl` is https: cookies carry `Secure` and the `__Host-` prefix. */
  readonly isSecure: boolean
  readonly google: ProviderSettings | null
  readonly github: ProviderSettings | null
  /** Providers whose word about an address counts as proof (never for `ADMIN_EMAILS`). */
  readonly trustedEmailProviders: readonly string[]
  readonly mail: MailSettings | null
  readonly lockout: LockoutSettings
  readonly sync: SyncSettings
  readonly frontendCallbackUrl: string | null
  /** Exact addresses a hand-off code may be sent to, the front end's callback among them. */
  readonly returnUrls: readonly string[]
  readonly corsOrigins: readonly string[]
  readonly isHandoffChallengeRequired: boolean
  /** As they were given; deps.ts normalises them. */
  readonly adminEmails: readonly string[]
  /** Null where it is missing or malformed: the token routes then refuse; there is no fallback. */
  readonly tokenEncryptionKeys: string | null
  readonly jwtSigningKeys: string
  readonly codePepper: string
}

export interface SettingProblem {
  readonly setting: string
  /** A sentence that never quotes the value. */
  readonly problem: string
}

const isLoopback = (url: URL): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)

function origin(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url)))) return null
  return url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' ? url : null
}

function address(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || url.hash !== '' || url.username !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))
}

const required = z.string().trim().min(1)
const list = z
  .string()
  .optional()
  .transform((text) =>
    (text ?? '')
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  )
const optional = z
  .string()
  .trim()
  .optional()
  .transform((text) => (text === undefined || text === '' ? null : text))

/** `a@b.example` or `Name <a@b.example>`; no quotes, no line ends. */
const sender = /^(?:[^<>"\p{Cc}]{1,100} <[^\s<>@"]+@[^\s<>@"]+>|[^\s<>@"]+@[^\s<>@"]+)$/u

function smtpServer(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && ['smtp:', 'smtps:'].includes(url.protocol) && url.hostname !== '' && url.pathname.length <= 1
}

const count = (fallback: string, least: number, most: number) =>
  optional
    .transform((text) => Number(text ?? fallback))
    .refine((n) => Number.isInteger(n) && n >= least && n <= most, {
      error: `must be a whole number from ${least} to ${most}`,
    })

const anOrigin = 'must be an origin such as https://mail.example.com (http only on a loopback host), without a path'
const anAddress = 'must be a whole address (https, or http on a loopback host) without a fragment'

const settingsSchema = z
  .object({
    APP_NAME: optional
      // It stands in the headers of letters.
      .refine((text) => text === null || (text.length <= 60 && !/\p{Cc}/u.test(text)), {
        error: 'must have at most 60 characters, and no line ends or other control characters',
      })
      .transform((text) => text ?? 'Gatepost'),
    APP_URL: required.refine((text) => origin(text) !== null, { error: anOrigin }),
    GOOGLE_CLIENT_ID: optional,
    GOOGLE_CLIENT_SECRET: optional,
    GOOGLE_REDIRECT_URI: optional.refine((text) => text === null || address(text), { error: anAddress }),
    GOOGLE_EMULATOR_URL: optional.refine((text) => text === null || origin(text) !== null, { error: anOrigin }),
    GITHUB_CLIENT_ID: optional,
    GITHUB_CLIENT_SECRET: optional,
    GITHUB_REDIRECT_URI: optional.refine((text) => text === null || address(text), { error: anAddress }),
    TRUSTED_EMAIL_PROVIDERS: list.refine((entries) => entries.every((entry) => entry === 'github'), {
      error: 'may name github; Google is believed by its own rules',
    }),
    GITHUB_EMULATOR_URL: optional.refine((text) => text === null || origin(text) !== null, { error: anOrigin }),
    RESEND_EMULATOR_URL: optional.refine((text) => text === null || origin(text) !== null, { error: anOrigin }),
    MAIL_TRANSPORT: optional.refine((text) => text === null || ['resend', 'smtp', 'console'].includes(text), {
      error: 'must be resend, smtp or console',
    }),
    MAIL_FROM: optional.refine((text) => text === null || sender.test(text), {
      error: 'must be an address, or a name and an address in angle brackets',
    }),
    RESEND_API_KEY: optional,
    SMTP_URL: optional.refine((text) => text === null || smtpServer(text), {
      error:
        'must be smtp://host:port (STARTTLS) or smtps://host:port (TLS), with user:password@ where it asks for them',
    }),
    ACCOUNT_LOCKOUT_THRESHOLD: count('5', 1, 100),
    ACCOUNT_LOCKOUT_DURATION_MINUTES: count('30', 1, 1_440),
    SYNC_INTERVAL_SECONDS: count('300', 0, 86_400),
    GMAIL_UNITS_PER_MINUTE: count('6000', 200, 1_000_000),
    GMAIL_PROJECT_UNITS_PER_MINUTE: count('1200000', 200, 100_000_000),
    FRONTEND_CALLBACK_URL: optional.refine((text) => text === null || address(text), { error: anAddress }),
    RETURN_URLS: list.refine((entries) => entries.every(address), { error: `each entry ${anAddress}` }),
    CORS_ORIGINS: list.refine((entries) => entries.every((entry) => origin(entry) !== null), {
      error: `each entry ${anOrigin}`,
    }),
    HANDOFF_CHALLENGE: optional.refine((text) => text === null || ['optional', 'required'].includes(text), {
      error: 'must be optional or required',
    }),
    ADMIN_EMAILS: list,
    TOKEN_ENCRYPTION_KEYS: z.unknown(),
    JWT_SIGNING_KEYS: required,
    CODE_PEPPER: required.refine((text) => text.length >= 43, { error: 'must be 32 random bytes, as base64' }),
  })
  .superRefine((s, context) => {
    const report = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    for (const name of ['GOOGLE', 'GITHUB'] as const) {
      const [id, secret] = [`${name}_CLIENT_ID`, `${name}_CLIENT_SECRET`] as const
      if ((s[id] === null) !== (s[secret] === null))
        report(s[id] === null ? id : secret, 'is missing: give both or neither')
    }
    const app = origin(s.APP_URL)
    if (app === null || isLoopback(app)) return
    // Development doors: open only where the product itself is on this machine (DESIGN 6.11).
    for (const name of ['GOOGLE_EMULATOR_URL', 'GITHUB_EMULATOR_URL', 'RESEND_EMULATOR_URL'] as const) {
      if (s[name] !== null) report(name, 'is for development: it works only where APP_URL is a loopback host')
    }
    if (s.MAIL_TRANSPORT === 'console')
      report('MAIL_TRANSPORT', 'console is for development: it works only where APP_URL is a loopback host')
  })

const sealingKey = '[A-Za-z0-9_-]{1,32}:[A-Za-z0-9+/]{43}='
const sealingKeys = new RegExp(`^\\s*${sealingKey}\\s*(,\\s*${sealingKey}\\s*)*$`)

export interface ParsedSettings {
  /** Null where a core setting is broken: nothing but health is answered then. */
  readonly settings: Settings | null
  readonly problems: readonly SettingProblem[]
}

/** Parses what the platform gave. Every problem names its setting; no value is ever repeated. */
export function parseSettings(env: Readonly<Record<string, unknown>>): ParsedSettings {
  const problems: SettingProblem[] = []
  const keys = env.TOKEN_ENCRYPTION_KEYS
  const areKeysWell = typeof keys === 'string' && sealingKeys.test(keys)
  const keyForm = 'must be kid:base64 of 32 bytes, comma-separated; the token routes refuse until it is'
  if (!areKeysWell) problems.push({ setting: 'TOKEN_ENCRYPTION_KEYS', problem: keyForm })
  const parsed = settingsSchema.safeParse(env)
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      problems.push({
        setting: String(issue.path[0] ?? 'settings'),
        problem: issue.code === 'custom' ? issue.message : 'is missing or malformed',
      })
    }
    return { settings: null, problems }
  }
  problems.push(...mailProblems(parsed.data))
  return { settings: shape(parsed.data, areKeysWell ? keys : null), problems }
}

function shape(s: z.output<typeof settingsSchema>, tokenEncryptionKeys: string | null): Settings {
  const appUrl = new URL(s.APP_URL).origin
  return {
    appName: s.APP_NAME,
    appUrl,
    isSecure: appUrl.startsWith('https:'),
    google: providerSettings(s, 'GOOGLE', `${appUrl}/auth/google/callback`),
    github: providerSettings(s, 'GITHUB', `${appUrl}/auth/github/callback`),
    trustedEmailProviders: s.TRUSTED_EMAIL_PROVIDERS,
    mail: mailSettings(s),
    lockout: { threshold: s.ACCOUNT_LOCKOUT_THRESHOLD, minutes: s.ACCOUNT_LOCKOUT_DURATION_MINUTES },
    sync: {
      intervalSeconds: s.SYNC_INTERVAL_SECONDS,
      unitsPerMailbox: s.GMAIL_UNITS_PER_MINUTE,
      unitsPerProject: s.GMAIL_PROJECT_UNITS_PER_MINUTE,
    },
    frontendCallbackUrl: s.FRONTEND_CALLBACK_URL,
    returnUrls: s.FRONTEND_CALLBACK_URL === null ? s.RETURN_URLS : [s.FRONTEND_CALLBACK_URL, ...s.RETURN_URLS],
    corsOrigins: s.CORS_ORIGINS.map((entry) => new URL(entry).origin),
    isHandoffChallengeRequired: s.HANDOFF_CHALLENGE === 'required',
    adminEmails: s.ADMIN_EMAILS,
    tokenEncryptionKeys,
    jwtSigningKeys: s.JWT_SIGNING_KEYS,
    codePepper: s.CODE_PEPPER,
  }
}

function providerSettings(
  s: z.output<typeof settingsSchema>,
  name: 'GOOGLE' | 'GITHUB',
  ownCallback: string,
): ProviderSettings | null {
  const [clientId, clientSecret] = [s[`${name}_CLIENT_ID`], s[`${name}_CLIENT_SECRET`]]
  if (clientId === null || clientSecret === null) return null
  const emulatorUrl = s[`${name}_EMULATOR_URL`]
  return {
    clientId,
    clientSecret,
    redirectUri: s[`${name}_REDIRECT_URI`] ?? ownCallback,
    emulatorUrl: emulatorUrl === null ? null : new URL(emulatorUrl).origin,
  }
}

/** What a transport lacks. Not one of the core settings: everything else works, and letters wait. */
function mailProblems(s: z.output<typeof settingsSchema>): SettingProblem[] {
  const { MAIL_TRANSPORT: transport, RESEND_API_KEY: key, RESEND_EMULATOR_URL: emulator } = s
  const missing = [
    transport === 'resend' && key === null && emulator === null ? ['RESEND_API_KEY'] : [],
    transport === 'smtp' && s.SMTP_URL === null ? ['SMTP_URL'] : [],
    (transport === 'resend' || transport === 'smtp') && senderOf(s) === null ? ['MAIL_FROM'] : [],
  ].flat()
  return missing.map((setting) => ({ setting, problem: `is missing: letters wait until ${transport} has it` }))
}

/** On this machine any sender will do. */
function senderOf(s: z.output<typeof settingsSchema>): string | null {
  return s.MAIL_FROM ?? (isLoopback(new URL(s.APP_URL)) ? 'no-reply@example.com' : null)
}

function mailSettings(s: z.output<typeof settingsSchema>): MailSettings | null {
  const from = senderOf(s)
  if (from === null || mailProblems(s).length > 0) return null
  if (s.MAIL_TRANSPORT === 'console') return { transport: 'console', from }
  if (s.MAIL_TRANSPORT === 'smtp' && s.SMTP_URL !== null) return { transport: 'smtp', from, url: s.SMTP_URL }
  if (s.MAIL_TRANSPORT !== 'resend') return null
  const emulatorUrl = s.RESEND_EMULATOR_URL === null ? null : new URL(s.RESEND_EMULATOR_URL).origin
  // An emulator asks for no key of ours.
  return { transport: 'resend', from, apiKey: s.RESEND_API_KEY ?? 're_local', emulatorUrl }
}
