// /auth/{provider}/… and /oauth/…: the dance with a provider, and /auth/token where a front end picks its end up.

import * as z from 'zod'
import { AppError } from '../../errors.ts'
import { type Completed, completeFlow } from '../../oauth/complete.ts'
import { redeemHandOffCode } from '../../oauth/hand-off.ts'
import { type StartedFlow, startConnect, startSignIn } from '../../oauth/start.ts'
import { type AppContext, assertTokensCanBeSealed, originOf } from '../context.ts'
import { clearFlowCookie, readFlowCookie, sessionCookieClaim, setFlowCookie, setSessionCookie } from '../cookies.ts'
import { declare, type Input, type Resource } from '../declare.ts'
import { confirmConnectPage } from '../pages/confirm-connect-page.tsx'
import { identitySchema, presentIdentity } from './identities.ts'
import { mailAccountSchema, presentMailAccount } from './mail-accounts.ts'
import { presentPair, tokenPairSchema } from './sessions.ts'
import { uuid } from './shapes.ts'
import { presentStarted, startedSchema, startQuery } from './started-flow.ts'

const providerParam = z.object({ provider: z.string().max(32).describe('`google` or `github`') })

const loginQuery = startQuery.extend({ mail_account_id: uuid.optional().describe('Reconnects that mailbox') })

// Codes have 256 bytes at most (Google), states are ours; one value each, printable, or nobody is asked (OA-12).
const callbackForms = {
  code: /^[\x21-\x7e]{1,512}$/,
  state: /^[A-Za-z0-9_-]{1,128}$/,
  error: /^[\x20-\x7e]{1,200}$/,
  iss: /^[\x21-\x7e]{1,200}$/,
} as const

/** What the provider adds. A value of another form is a flow nobody knows, not 422: the callback is for people. */
const callbackQuery = z.object({
  code: z.string().regex(callbackForms.code).optional().describe('The authorization code'),
  state: z.string().regex(callbackForms.state).describe('As it was sent to the provider'),
  error: z.string().regex(callbackForms.error).optional().describe('Why there is no code (RFC 6749 §4.1.2.1)'),
  iss: z.string().regex(callbackForms.iss).optional().describe('The issuer (RFC 9207)'),
})

type StartInput = Input<typeof providerParam, typeof startQuery, z.ZodType>

async function startForFrontEnd(c: AppContext, { params, query, claim }: StartInput): Promise<Response> {
  const { deps } = c.env
  assertTokensCanBeSealed(c)
  const request = {
    provider: params.provider,
    entry: 'start',
    scopes: query.scopes ?? null,
    returnTo: query.return_to ?? null,
    codeChallenge: query.code_challenge ?? null,
  } as const
  if (query.purpose === 'sign_in') return c.json(presentStarted(await startSignIn(deps, request)))
  if (claim === null) throw new AppError('unauthorized')
  return c.json(presentStarted(await startConnect(deps, claim, { ...request, mailAccountId: null })))
}

const startContract = {
  method: 'get',
  tag: 'Sign-in with a provider',
  audience: 'anyone',
  params: providerParam,
  query: startQuery,
  answers: { 200: { description: 'Where to send the user', schema: startedSchema } },
  errors: ['provider_unknown', 'invalid_return_to', 'unauthorized', 'step_up_required', 'forbidden'],
} as const

export function declareOauth(auth: Resource, oauth: Resource): void {
  declare(
    auth,
    {
      ...startContract,
      path: '/{provider}/start',
      operationId: 'startFlow',
      summary: 'Begin a flow from a single-page front end',
      description:
        'The same as login, as JSON and without a cookie. `purpose=connect` needs the Bearer token of the session it belongs to.',
    },
    startForFrontEnd,
  )

  declare(
    oauth,
    {
      ...startContract,
      path: '/{provider}/initiate',
      operationId: 'initiateFlow',
      summary: 'Begin a flow (REST name of start)',
    },
    startForFrontEnd,
  )

  declare(
    oauth,
    {
      method: 'get',
      path: '/providers',
      operationId: 'listProviders',
      summary: 'The providers offered here',
      tag: 'Sign-in with a provider',
      audience: 'anyone',
      answers: {
        200: {
          description: 'What is configured',
          schema: z.object({
            items: z.array(z.object({ id: z.string(), name: z.string(), supports_mail: z.boolean() })),
            next_cursor: z.null(),
          }),
        },
      },
    },
    async (c) => {
      const items = [...c.env.deps.providers.values()].map((p) => ({
        id: p.code,
        name: p.displayName,
        supports_mail: p.supportsMail,
      }))
      return c.json({ items, next_cursor: null })
    },
  )

  declare(
    auth,
    {
      method: 'get',
      path: '/{provider}/login',
      operationId: 'login',
      summary: 'Begin a flow in a browser',
      description:
        'Sets the flow cookie and redirects to the provider. `purpose=connect` belongs to the session of our own cookie, and asks for a click where the request did not come from our own pages.',
      tag: 'Sign-in with a provider',
      audience: 'anyone',
      params: providerParam,
      query: loginQuery,
      answers: {
        302: { description: 'To the provider' },
        200: { description: 'A page that asks to confirm connecting', schema: z.string(), mediaType: 'text/html' },
      },
      errors: ['provider_unknown', 'invalid_return_to'],
    },
    async (c, { params, query }) => {
      const { deps } = c.env
      assertTokensCanBeSealed(c)
      const request = {
        provider: params.provider,
        entry: 'login',
        scopes: query.scopes ?? null,
        returnTo: query.return_to ?? null,
        codeChallenge: query.code_challenge ?? null,
      } as const
      if (query.purpose === 'sign_in' && query.mail_account_id === undefined)
        return redirectToProvider(c, await startSignIn(deps, request))
      const claim = await sessionCookieClaim(c)
      if (claim === null) throw new AppError('unauthorized')
      // Somebody else's page may send a browser here; only a click on ours connects something.
      if (c.req.header('Sec-Fetch-Site') !== 'same-origin') return confirmConnectPage(c)
      const { mail_account_id } = query
      const which = mail_account_id === undefined ? { mailAccountId: null } : { mailAccountId: mail_account_id }
      return redirectToProvider(c, await startConnect(deps, claim, { ...request, ...which }))
    },
  )

  for (const resource of [auth, oauth]) {
    declare(
      resource,
      {
        method: 'get',
        path: '/{provider}/callback',
        operationId: resource === auth ? 'completeFlow' : 'completeFlowRest',
        summary: 'Where the provider sends the browser back',
        description:
          'Called by browsers only. Redirects to our own page with a session cookie, or to the front end with `?state=<hand-off code>`; refusals with `?error=<code>`.',
        tag: 'Sign-in with a provider',
        audience: 'anyone',
        params: providerParam,
        describedQuery: callbackQuery,
        answers: { 302: { description: 'On' } },
        errors: ['flow_unknown'],
      },
      (c, { params }) => callback(c, params.provider),
    )
  }

  declare(
    auth,
    {
      method: 'post',
      path: '/token',
      operationId: 'redeemHandOff',
      summary: 'Exchange a hand-off code',
      description:
        'For a connecting flow with the Bearer token of the session it belongs to. A code is spent by being shown, right or wrong.',
      tag: 'Sign-in with a provider',
      audience: 'anyone',
      body: z.strictObject({
        state: z.string().min(1).max(200).describe('The hand-off code, as it came in `?state=`'),
        code_verifier: z
          .string()
          .regex(/^[A-Za-z0-9._~-]{43,128}$/)
          .optional(),
      }),
      answers: {
        200: {
          description: 'A token pair; for a connecting flow what was connected',
          schema: z.union([
            tokenPairSchema,
            z.object({ mail_account: mailAccountSchema }),
            z.object({ identity: identitySchema }),
          ]),
        },
      },
      errors: [
        'invalid_grant',
        'wrong_mailbox',
        'identity_in_use',
        'step_up_required',
        'session_expired',
        'sealed_token_unreadable',
        'conflict',
      ],
    },
    async (c, { body, claim }) => {
      const { deps } = c.env
      const shown = { code: body.state, codeVerifier: body.code_verifier ?? null, claim }
      const redeemed = await redeemHandOffCode(deps, shown, originOf(c))
      switch (redeemed.kind) {
        case 'session':
          return c.json(presentPair(redeemed.pair))
        case 'mail_account':
          return c.json({ mail_account: presentMailAccount(redeemed.account) })
        case 'identity':
          return c.json({ identity: presentIdentity(redeemed.identity) })
      }
    },
  )
}

function redirectToProvider(c: AppContext, flow: StartedFlow): Response {
  if (flow.cookie !== null) setFlowCookie(c, flow.cookie)
  return c.redirect(flow.url, 302)
}

async function callback(c: AppContext, provider: string): Promise<Response> {
  const { searchParams } = new URL(c.req.url)
  const read = (name: keyof typeof callbackForms): string | null => {
    const values = searchParams.getAll(name)
    const [value] = values
    if (value === undefined) return null
    if (values.length > 1 || !callbackForms[name].test(value)) throw new AppError('flow_unknown')
    return value
  }
  const completed = await completeFlow(
    c.env.deps,
    {
      provider,
      code: read('code'),
      state: read('state'),
      error: read('error'),
      issuer: read('iss'),
      flowCookie: (suffix) => readFlowCookie(c, suffix),
      sessionCookie: await sessionCookieClaim(c),
    },
    originOf(c),
  )
  return answerCallback(c, completed)
}

function answerCallback(c: AppContext, completed: Completed): Response {
  clearFlowCookie(c, completed.spentCookieSuffix)
  if (completed.nextFlowCookie !== null) setFlowCookie(c, completed.nextFlowCookie)
  if (completed.sessionCookie !== null) setSessionCookie(c, completed.sessionCookie)
  // The address holds the provider's code: no page after this one may learn it (RFC 9700 §4.2).
  c.header('Referrer-Policy', 'no-referrer')
  c.header('Cache-Control', 'no-store')
  return c.redirect(completed.location, 302)
}
