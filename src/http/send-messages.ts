// Hands to the queue what a verb has committed as rows: revocations, pictures to remove, letters. A queue that refuses
// loses nothing: cron finds the rows.

import { describeThrown } from '../log.ts'
import type { DeliverMessage } from '../messages.ts'
import type { AppContext } from './context.ts'

export async function sendMessages(c: AppContext, messages: readonly DeliverMessage[]): Promise<void> {
  if (messages.length === 0) return
  const { deps } = c.env
  try {
    await deps.deliverQueue.send(messages)
  } catch (thrown) {
    deps.log.error('queue_send_failed', { request_id: c.var.requestId, ...describeThrown(thrown) })
  }
}
