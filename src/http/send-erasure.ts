// Hands a revocation to the queue once its row is committed. A queue that refuses loses nothing: cron finds the row.

import { describeThrown } from '../log.ts'
import type { EraseMessage } from '../messages.ts'
import type { AppContext } from './context.ts'

export async function sendErasure(c: AppContext, message: EraseMessage | null): Promise<void> {
  if (message === null) return
  const { deps } = c.env
  try {
    await deps.deliverQueue.send([message])
  } catch (thrown) {
    deps.log.error('queue_send_failed', { request_id: c.var.requestId, ...describeThrown(thrown) })
  }
}
