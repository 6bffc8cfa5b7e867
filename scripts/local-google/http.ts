// What a request and an answer are inside the local Google, apart from any socket: a part of a batch request looks the
// same as one from the network. Knows nothing of OAuth or Gmail.

export interface Request {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface Reply {
  status: number
  headers: Record<string, string>
  body: string | Buffer
}

/** A JSON answer, never cached unless `headers` say otherwise. */
export function json(status: number, value: unknown, headers: Record<string, string> = {}): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify(value),
  }
}

/** A page. No script runs on it, and nothing may frame it. */
export function html(status: number, body: string): Reply {
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
    },
    body,
  }
}

export function redirect(location: string): Reply {
  return { status: 302, headers: { location, 'cache-control': 'no-store' }, body: '' }
}

/** The error shape of Google's OAuth endpoints (RFC 6749 section 5.2). */
export function oauthError(status: number, error: string, description?: string): Reply {
  return json(status, description === undefined ? { error } : { error, error_description: description })
}

const apiStatus: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'INVALID_ARGUMENT',
  409: 'ABORTED',
  413: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE',
}

/** The error shape of Google's APIs. Callers decide by `reason` (SECURITY G13). */
export function apiError(code: number, reason: string, message: string): Reply {
  const error = { code, message, errors: [{ message, domain: 'global', reason }], status: apiStatus[code] ?? 'UNKNOWN' }
  return json(code, { error }, code === 401 ? { 'www-authenticate': 'Bearer realm="local-google"' } : {})
}

/** The form of a request, or null where it is not form-urlencoded. */
export function readForm(request: Request): URLSearchParams | null {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  return type === 'application/x-www-form-urlencoded' ? new URLSearchParams(request.body.toString('utf8')) : null
}

/** The first name that stands twice. RFC 6749 section 3.1: parameters must not be repeated. */
export function repeatedParameter(parameters: URLSearchParams): string | null {
  const seen = new Set<string>()
  for (const name of parameters.keys()) {
    if (seen.has(name)) return name
    seen.add(name)
  }
  return null
}

/** The token of `Authorization: Bearer`, or null. */
export function bearerToken(request: Request): string | null {
  return /^Bearer ([^\s]+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? null
}
