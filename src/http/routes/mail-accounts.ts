// /mail-accounts: mailboxes listed, read, reconnected, disconnected, and a live token handed to a backend.

import * as z from 'zod'
import { defaultMinTtlSeconds, maxMinTtlSeconds, vendAccessToken } from '../../mail-accounts/access-token.ts'
import { disconnectMailAccount } from '../../mail-accounts/disconnect.ts'
import { listMailAccounts, type MailAccount, readMailAccount } from '../../mail-accounts/list.ts'
import { startConnect } from '../../oauth/start.ts'
import { type AppContext, assertTokensCanBeSealed, originOf } from '../context.ts'
import { claimed, declare, type Input, type Resource } from '../declare.ts'
import { sendMessages } from '../send-messages.ts'
import { iso, listOf, pageQuery, presentList, readCursor, time, uuid } from './shapes.ts'
import { presentStarted, startedSchema, startQuery } from './started-flow.ts'

export const mailAccountSchema = z.object({
  id: uuid,
  email: z.string(),
  provider: z.string(),
  status: z.enum(['active', 'degraded', 'needs_reauthorization', 'disconnected']),
  granted_scopes: z.array(z.string()),
  missing_scopes: z.array(z.string()),
  expires_at: time.nullable(),
  last_refreshed_at: time.nullable(),
  last_synced_at: time.nullable(),
})

export function presentMailAccount(account: MailAccount): z.output<typeof mailAccountSchema> {
  return {
    id: account.id,
    email: account.email,
    provider: account.provider,
    status: account.status,
    granted_scopes: [...account.grantedScopes],
    missing_scopes: [...account.missingScopes],
    expires_at: iso(account.expiresAt),
    last_refreshed_at: iso(account.lastRefreshedAt),
    last_synced_at: iso(account.lastSyncedAt),
  }
}

const historySchema = z.array(
  z.object({
    at: time,
    outcome: z.enum(['refreshed', 'dead', 'retry', 'misconfigured']),
    error: z.string().nullable(),
  }),
)

const forUser = { user_id: uuid.optional().describe('For service keys: on whose behalf') }
const listQuery = z.strictObject({ ...pageQuery, ...forUser })
const idParam = z.object({ id: uuid })

const listContract = {
  method: 'get',
  summary: 'The mailboxes of the caller, or of `user_id` for a service key with `mail_accounts:read`',
  tag: 'Mail accounts',
  audience: 'person_or_key',
  query: listQuery,
  answers: {
    200: {
      description: 'Newest first; disconnected ones too, so that they can be reconnected',
      schema: listOf(mailAccountSchema),
    },
  },
  errors: ['forbidden', 'not_found'],
} as const

async function list(c: AppContext, input: Input<z.ZodObject, typeof listQuery, z.ZodType>): Promise<Response> {
  const { limit, cursor, user_id } = input.query
  const page = { forUserId: user_id ?? null, before: readCursor(cursor), limit: limit + 1 }
  return c.json(presentList(await listMailAccounts(c.env.deps, claimed(input), page), limit, presentMailAccount))
}

/** GET /emails/addresses and GET /mail-accounts are one. */
export function declareAddresses(emails: Resource): void {
  declare(emails, { ...listContract, path: '/addresses', operationId: 'listAddresses' }, list)
}

export function declareMailAccounts(accounts: Resource): void {
  declare(accounts, { ...listContract, path: '/', operationId: 'listMailAccounts' }, list)

  declare(
    accounts,
    {
      method: 'get',
      path: '/{id}',
      operationId: 'readMailAccount',
      summary: 'One mailbox, with its recent refreshes',
      tag: 'Mail accounts',
      audience: 'person_or_key',
      params: idParam,
      query: z.strictObject(forUser),
      answers: {
        200: { description: 'The mailbox', schema: mailAccountSchema.extend({ refresh_history: historySchema }) },
      },
      errors: ['forbidden', 'not_found'],
    },
    async (c, input) => {
      const which = { accountId: input.params.id, forUserId: input.query.user_id ?? null }
      const account = await readMailAccount(c.env.deps, claimed(input), which)
      return c.json({ ...presentMailAccount(account), refresh_history: account.history })
    },
  )

  declare(
    accounts,
    {
      method: 'post',
      path: '/{id}/reconnect',
      operationId: 'reconnectMailAccount',
      summary: 'Begin a flow that renews this mailbox’s consent',
      description: 'Forces the consent screen, hints the address, and completes only with the same mailbox.',
      tag: 'Mail accounts',
      audience: 'person',
      params: idParam,
      bodyPresence: 'may be absent',
      body: z.strictObject({ code_challenge: startQuery.shape.code_challenge, return_to: startQuery.shape.return_to }),
      answers: { 200: { description: 'Where to send the user', schema: startedSchema } },
      errors: ['not_found', 'invalid_return_to'],
    },
    async (c, input) => {
      assertTokensCanBeSealed(c)
      const request = {
        provider: null,
        entry: 'start',
        scopes: 'mail',
        returnTo: input.body.return_to ?? null,
        codeChallenge: input.body.code_challenge ?? null,
        mailAccountId: input.params.id,
      } as const
      return c.json(presentStarted(await startConnect(c.env.deps, claimed(input), request)))
    },
  )

  declare(
    accounts,
    {
      method: 'delete',
      path: '/{id}',
      operationId: 'disconnectMailAccount',
      summary: 'Disconnect a mailbox',
      description:
        'Erases its secrets at once and revokes the grant at the provider, when it was the last. Its synced mail is hidden at once and deleted within a day, unless kept.',
      tag: 'Mail accounts',
      audience: 'person',
      params: idParam,
      query: z.strictObject({ keep_mail: z.stringbool().default(false) }),
      answers: { 204: { description: 'Disconnected, or disconnected already' } },
      errors: ['not_found'],
    },
    async (c, input) => {
      const which = { accountId: input.params.id, keepsMail: input.query.keep_mail }
      await sendMessages(c, await disconnectMailAccount(c.env.deps.db, claimed(input), which, originOf(c)))
      return c.body(null, 204)
    },
  )

  declare(
    accounts,
    {
      method: 'post',
      path: '/{id}/access-token',
      operationId: 'vendAccessToken',
      summary: 'A valid token for this mailbox',
      description:
        'For service keys with `tokens:vend`. Refreshed first if it must be; every hand-out leaves an audit row.',
      tag: 'Mail accounts',
      audience: 'person_or_key',
      params: idParam,
      query: z.strictObject(forUser),
      bodyPresence: 'may be absent',
      body: z.strictObject({
        scopes: z.array(z.string().min(1).max(200)).max(20).default([]).describe('All of these must have been granted'),
        min_ttl_seconds: z.int().min(1).max(maxMinTtlSeconds).default(defaultMinTtlSeconds),
      }),
      answers: {
        200: {
          description: 'A token the provider accepts',
          schema: z.object({
            access_token: z.string(),
            token_type: z.literal('Bearer'),
            expires_in: z.int(),
            expires_at: time,
            scopes: z.array(z.string()),
            missing_scopes: z.array(z.string()),
          }),
        },
      },
      errors: [
        'forbidden',
        'insufficient_scope',
        'not_found',
        'needs_reauthorization',
        'provider_unavailable',
        'sealed_token_unreadable',
      ],
    },
    async (c, input) => {
      const { deps } = c.env
      const request = {
        accountId: input.params.id,
        forUserId: input.query.user_id ?? null,
        scopes: input.body.scopes,
        minTtlSeconds: input.body.min_ttl_seconds,
      }
      const token = await vendAccessToken(deps, claimed(input), request, originOf(c))
      const secondsLeft = Math.max(0, Math.floor((token.expiresAt.getTime() - deps.clock().getTime()) / 1_000))
      return c.json({
        access_token: token.accessToken,
        token_type: 'Bearer',
        expires_in: secondsLeft,
        expires_at: iso(token.expiresAt),
        scopes: token.scopes,
        missing_scopes: token.missingScopes,
      })
    },
  )
}
