// What travels through the queues: ids and claim times, never content or a secret. Anything may arrive twice or late.

import * as z from 'zod'

const ids = z.array(z.uuid()).min(1).max(100)

/** Tokens claimed as due by one cron run; `claimedUntil` is the fence that makes a doubled or late message match nothing. */
const refreshMessage = z.strictObject({ kind: z.literal('refresh'), ids, claimed_until: z.iso.datetime() })

/** One grant to revoke at its provider. */
const eraseMessage = z.strictObject({ kind: z.literal('erase'), erasure_id: z.uuid() })

/** One picture to remove from R2. */
const eraseAvatarMessage = z.strictObject({ kind: z.literal('erase_avatar'), erasure_id: z.uuid() })

/** One letter to be sent; what it says is made from its row when it is. */
const letterMessage = z.strictObject({ kind: z.literal('letter'), letter_id: z.uuid() })

/**
 * One mailbox to bring in step; a doubled message finds the lease taken. Cron's carry its claim, and match nothing once the
 * mailbox was worked on or claimed again; what somebody asked for, and what a sync left, has none.
 */
const syncMessage = z.strictObject({
  kind: z.literal('sync'),
  mail_account_id: z.uuid(),
  claimed_until: z.iso.datetime().optional(),
})

/** One message to be sent; it stands in its outbox row. */
const sendMessage = z.strictObject({ kind: z.literal('send'), outbox_id: z.uuid() })

export const queueMessage = z.discriminatedUnion('kind', [
  refreshMessage,
  eraseMessage,
  eraseAvatarMessage,
  letterMessage,
  syncMessage,
  sendMessage,
])

export type RefreshMessage = z.infer<typeof refreshMessage>
export type EraseMessage = z.infer<typeof eraseMessage>
export type EraseAvatarMessage = z.infer<typeof eraseAvatarMessage>
export type LetterMessage = z.infer<typeof letterMessage>
export type SyncMessage = z.infer<typeof syncMessage>
export type SendMessage = z.infer<typeof sendMessage>
/** What the queue of deliveries carries. */
export type DeliverMessage = EraseMessage | EraseAvatarMessage | LetterMessage | SendMessage
export type QueueMessage = z.infer<typeof queueMessage>
