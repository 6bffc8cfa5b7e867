// The closed table of refusals: code → status → public words. Codes are API: stable, documented, never matched by text.
// It knows nothing of HTTP frameworks; http/respond-error.ts turns an AppError into a problem document or a page.

interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 422 | 429 | 500 | 503
  readonly title: string
  readonly detail: string
}

export const refusals = {
  // 400: malformed, or refused by a protocol
  malformed_request: { status: 400, title: 'Malformed request', detail: 'The request could not be read.' },
  flow_unknown: {
    status: 400,
    title: 'This sign-in can no longer be completed',
    detail:
      'It was begun in another browser, took longer than ten minutes, or was completed already. Please begin again.',
  },
  invalid_grant: {
    status: 400,
    title: 'Invalid grant',
    detail: 'The code is unknown, spent, expired, or its verifier does not match.',
  },
  invalid_return_to: {
    status: 400,
    title: 'Return address refused',
    detail: 'return_to is not one of the configured addresses.',
  },
  wrong_password: {
    status: 400,
    title: 'Wrong password',
    detail: 'The password is not the one this registration was made with. A new one may be chosen instead.',
  },
  invalid_code: { status: 400, title: 'Invalid code', detail: 'The code or link is unknown, spent or expired.' },
  // 401: not signed in
  unauthorized: { status: 401, title: 'Not signed in', detail: 'Sign in, or show a valid key.' },
  invalid_credentials: {
    status: 401,
    title: 'Sign-in refused',
    detail: 'The name or address and the password do not belong together.',
  },
  session_expired: { status: 401, title: 'Session ended', detail: 'This session has ended. Please sign in again.' },
  invalid_refresh_token: {
    status: 401,
    title: 'Refresh token refused',
    detail: 'The refresh token is unknown, expired or spent.',
  },
  // 403: signed in without the role or permission
  forbidden: { status: 403, title: 'Not allowed', detail: 'This is not allowed for you.' },
  insufficient_scope: {
    status: 403,
    title: 'Permission missing',
    detail: 'The mailbox was connected without a permission this needs.',
  },
  step_up_required: { status: 403, title: 'Please confirm it is you', detail: 'This needs a recent sign-in.' },
  account_disabled: { status: 403, title: 'Account disabled', detail: 'This account has been disabled.' },
  origin_refused: { status: 403, title: 'Origin refused', detail: 'This form may be sent from our own pages only.' },
  // 404: another's or nothing, never told apart
  not_found: { status: 404, title: 'Not found', detail: 'There is nothing here for you.' },
  provider_unknown: {
    status: 404,
    title: 'Provider not offered',
    detail: 'This sign-in provider is not offered here.',
  },
  method_not_allowed: { status: 405, title: 'Method not allowed', detail: 'This address does not take that method.' },
  // 409: conflict
  needs_reauthorization: {
    status: 409,
    title: 'Mailbox needs re-authorization',
    detail: 'Its owner must reconnect it before a token can be handed out.',
  },
  account_exists: {
    status: 409,
    title: 'There is an account with this address',
    detail: 'Sign in to it the way you did before, then link this way to sign in.',
  },
  identity_in_use: { status: 409, title: 'Already in use', detail: 'This sign-in belongs to another account.' },
  wrong_mailbox: {
    status: 409,
    title: 'Another mailbox was chosen',
    detail: 'Reconnecting needs the same mailbox as before.',
  },
  username_taken: {
    status: 409,
    title: 'User name taken',
    detail: 'Somebody has this user name. Please choose another.',
  },
  email_taken: { status: 409, title: 'Address taken', detail: 'Another account has proven this address meanwhile.' },
  last_sign_in_method: {
    status: 409,
    title: 'Last way to sign in',
    detail: 'Without it nobody could sign in to this account. Set a password or link another way first.',
  },
  last_admin: { status: 409, title: 'Last administrator', detail: 'There must be one administrator left.' },
  admin_by_setting: {
    status: 409,
    title: 'Administrator by setting',
    detail: 'ADMIN_EMAILS names this address: take it out there first.',
  },
  sync_running: {
    status: 409,
    title: 'Sync is running',
    detail: 'This mailbox is being synced just now. What it finds will be there in a moment.',
  },
  idempotency_key_reused: {
    status: 409,
    title: 'Idempotency key used before',
    detail: 'The same Idempotency-Key came with another body within 24 hours. Nothing was sent for this one.',
  },
  conflict: {
    status: 409,
    title: 'Conflict',
    detail: 'Something else changed this at the same time. Please try again.',
  },
  // size, type, schema
  body_too_large: {
    status: 413,
    title: 'Body too large',
    detail: 'The request body is larger than this address takes.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    detail: 'This address takes application/json.',
  },
  invalid_input: { status: 422, title: 'Input refused', detail: 'Some fields are missing or not as they should be.' },
  password_too_common: {
    status: 422,
    title: 'Password too common',
    detail: 'This password is on the list that attackers try first. Please choose another.',
  },
  picture_refused: {
    status: 422,
    title: 'Picture refused',
    detail: 'A picture is a PNG, JPEG or WebP file of at most 4,096 by 4,096 pixels.',
  },
  account_locked: {
    status: 429,
    title: 'Too many failed tries',
    detail: 'Sign-in with a password is closed for a while. A password reset opens it at once.',
  },
  rate_limited: { status: 429, title: 'Too many requests', detail: 'Please wait a moment before trying again.' },
  // the provider said no, or nothing
  access_denied: {
    status: 400,
    title: 'Permission was not given',
    detail: 'The provider was told not to share anything with us. Nothing was changed.',
  },
  provider_refused: {
    status: 400,
    title: 'The provider refused',
    detail: 'The provider did not accept this sign-in. Please begin again.',
  },
  // ours
  internal: { status: 500, title: 'Something went wrong', detail: 'The error was recorded under this request id.' },
  unavailable: { status: 503, title: 'Temporarily unavailable', detail: 'Please try again in a moment.' },
  provider_unavailable: {
    status: 503,
    title: 'The provider cannot be reached',
    detail: 'Please try again in a moment.',
  },
  sealed_token_unreadable: {
    status: 503,
    title: 'Stored token cannot be opened',
    detail: 'The operator has been alarmed. Nothing was changed.',
  },
  misconfigured: {
    status: 503,
    title: 'Not configured',
    detail: 'A setting of this deployment is missing or malformed.',
  },
} as const satisfies Record<string, Refusal>

export type ErrorCode = keyof typeof refusals

export interface InputProblem {
  readonly path: string
  readonly message: string
}

export interface AppErrorOptions {
  /** Seconds; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number
  readonly errors?: readonly InputProblem[]
  /** For the log only; never shown. */
  readonly cause?: unknown
}

/** A refusal that ends the request. Everything else that is thrown is a bug and becomes a 500. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly retryAfterSeconds: number | null
  readonly errors: readonly InputProblem[]

  constructor(code: ErrorCode, options: AppErrorOptions = {}) {
    super(code, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.retryAfterSeconds = options.retryAfterSeconds ?? (refusals[code].status === 503 ? 5 : null)
    this.errors = options.errors ?? []
  }

  get status(): Refusal['status'] {
    return refusals[this.code].status
  }
}
