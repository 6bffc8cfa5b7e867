// /auth: the current user, sessions, rotation and logging out.

import * as z from 'zod'
import { deviceName } from '../../auth/devices.ts'
import type { Me } from '../../auth/sessions.sql.ts'
import {
  type LiveSession,
  listSessions,
  logOut,
  logOutEverywhere,
  refreshSession,
  revokeSession,
  type TokenPair,
  whoAmI,
} from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { originOf } from '../context.ts'
import { claimed, declare, type Resource } from '../declare.ts'
import { iso, listOf, nothing, pageQuery, presentList, readCursor, time, uuid } from './shapes.ts'

export const tokenPairSchema = z.object({
  access_token: z.string().describe('ES256 JWT of 30 minutes; verifiable by /.well-known/jwks.json'),
  refresh_token: z.string().describe('Opaque; rotates on every use'),
  token_type: z.literal('bearer'),
  expires_in: z.int().describe('Seconds'),
})

export function presentPair(pair: TokenPair): z.output<typeof tokenPairSchema> {
  return {
    access_token: pair.accessToken,
    refresh_token: pair.refreshToken,
    token_type: 'bearer',
    expires_in: pair.expiresIn,
  }
}

export const meSchema = z.object({
  id: uuid,
  email: z.string(),
  email_verified: z.boolean(),
  username: z.string().nullable(),
  full_name: z.string().nullable(),
  avatar_url: z.string().nullable(),
  role: z.enum(['user', 'admin']),
  created_at: time,
})

export function presentMe(me: Me, appUrl: string): z.output<typeof meSchema> {
  return {
    id: me.id,
    email: me.email,
    email_verified: me.emailVerified,
    username: me.username,
    full_name: me.fullName,
    avatar_url: me.avatarId === null ? null : `${appUrl}/avatars/${me.avatarId}`,
    role: me.role,
    created_at: iso(me.createdAt),
  }
}

const sessionSchema = z.object({
  id: uuid,
  device: z.string(),
  user_agent: z.string().nullable(),
  ip_address: z.string().nullable(),
  created_at: time,
  last_seen_at: time,
  is_current: z.boolean(),
})

function presentSession(session: LiveSession): z.output<typeof sessionSchema> {
  return {
    id: session.id,
    device: deviceName(session.userAgent),
    user_agent: session.userAgent,
    ip_address: session.ipAddress,
    created_at: iso(session.createdAt),
    last_seen_at: iso(session.lastSeenAt),
    is_current: session.isCurrent,
  }
}

const refreshTokenBody = z.strictObject({ refresh_token: z.string().min(1).max(4_096) })

export function declareSessions(auth: Resource): void {
  declare(
    auth,
    {
      method: 'post',
      path: '/refresh',
      operationId: 'refreshSession',
      summary: 'Rotate a refresh token',
      description:
        'A lost answer may be asked for again for 10 seconds, while its successor is unused; any other use of a spent token ends the session.',
      tag: 'Sessions',
      audience: 'anyone',
      body: refreshTokenBody,
      answers: { 200: { description: 'A new token pair', schema: tokenPairSchema } },
      errors: ['invalid_refresh_token', 'session_expired'],
    },
    async (c, { body }) => c.json(presentPair(await refreshSession(c.env.deps, body.refresh_token, originOf(c)))),
  )

  declare(
    auth,
    {
      method: 'post',
      path: '/logout',
      operationId: 'logOut',
      summary: 'End this session',
      description: 'By Bearer, or by `{ "refresh_token" }` in the body. A session that ended already is 204 too.',
      tag: 'Sessions',
      audience: 'anyone',
      body: refreshTokenBody.partial(),
      bodyPresence: 'may be absent',
      answers: { 204: nothing },
      errors: ['unauthorized', 'forbidden'],
    },
    async (c, { claim, body }) => {
      const refreshToken = body.refresh_token
      if (claim !== null) await logOut(c.env.deps.db, { claim }, originOf(c))
      else if (refreshToken !== undefined) await logOut(c.env.deps.db, { refreshToken }, originOf(c))
      else throw new AppError('unauthorized')
      return c.body(null, 204)
    },
  )

  declare(
    auth,
    {
      method: 'post',
      path: '/logout-everywhere',
      operationId: 'logOutEverywhere',
      summary: 'End all sessions of the caller',
      tag: 'Sessions',
      audience: 'person',
      answers: { 204: { description: 'Done' } },
    },
    async (c, input) => {
      await logOutEverywhere(c.env.deps.db, claimed(input), originOf(c))
      return c.body(null, 204)
    },
  )

  declare(
    auth,
    {
      method: 'get',
      path: '/me',
      operationId: 'readMe',
      summary: 'The current user',
      tag: 'Sessions',
      audience: 'person',
      answers: { 200: { description: 'The current user', schema: meSchema } },
    },
    async (c, input) => c.json(presentMe(await whoAmI(c.env.deps.db, claimed(input)), c.env.deps.appUrl)),
  )

  declare(
    auth,
    {
      method: 'get',
      path: '/sessions',
      operationId: 'listSessions',
      summary: 'Devices: the live sessions of the current user',
      tag: 'Sessions',
      audience: 'person',
      query: z.strictObject(pageQuery),
      answers: { 200: { description: 'Newest first', schema: listOf(sessionSchema) } },
    },
    async (c, input) => {
      const { limit, cursor } = input.query
      const rows = await listSessions(c.env.deps.db, claimed(input), { before: readCursor(cursor), limit: limit + 1 })
      return c.json(presentList(rows, limit, presentSession))
    },
  )

  declare(
    auth,
    {
      method: 'delete',
      path: '/sessions/{id}',
      operationId: 'revokeSession',
      summary: 'End one of the current user’s sessions',
      tag: 'Sessions',
      audience: 'person',
      params: z.object({ id: uuid }),
      answers: { 204: { description: 'Ended' } },
      errors: ['not_found'],
    },
    async (c, input) => {
      await revokeSession(c.env.deps.db, claimed(input), input.params.id, originOf(c))
      return c.body(null, 204)
    },
  )
}
