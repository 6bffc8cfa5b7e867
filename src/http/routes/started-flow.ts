// Beginning a flow, as every route that begins one takes and answers it.

import * as z from 'zod'
import type { StartedFlow } from '../../oauth/start.ts'

const challenge = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/)
  .describe('S256 challenge (RFC 7636) that binds the hand-off to this front end')
export const startQuery = z.object({
  purpose: z.enum(['sign_in', 'connect']).default('sign_in'),
  scopes: z.enum(['identity', 'mail']).optional().describe('`mail` where the provider has mail'),
  return_to: z.string().max(2_000).optional(),
  code_challenge: challenge.optional(),
})
export const startedSchema = z.object({ url: z.string(), state: z.string(), expires_in: z.int() })

export function presentStarted(flow: StartedFlow): z.output<typeof startedSchema> {
  return { url: flow.url, state: flow.state, expires_in: flow.expiresIn }
}
