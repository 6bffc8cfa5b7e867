// The queue door: message → one domain call → ack, or retry where it could not be processed at all. Each message is
// answered on its own, so that one that fails does not bring the others back.

import type { Deps } from '../deps.ts'
import { deliverLetter } from '../letters/deliver.ts'
import { describeThrown, type LogFields } from '../log.ts'
import { sendOutgoing } from '../mail/send/deliver.ts'
import { syncMailbox } from '../mail/sync/mailbox.ts'
import { revokeGrant } from '../mail-accounts/disconnect.ts'
import { refreshClaimed } from '../mail-accounts/due.ts'
import { type QueueMessage, queueMessage } from '../messages.ts'
import { keepDeadLetter } from '../ops/dead-letters.ts'
import { eraseAvatar } from '../users/avatar-erasure.ts'

/** As wrangler.toml names it. */
const deadLetterQueue = 'gatepost-dead'
const retryDelaySeconds = 30

export async function consumeBatch(deps: Deps, batch: MessageBatch): Promise<void> {
  for (const message of batch.messages) {
    const startedAt = deps.clock().getTime()
    const before = { trips: deps.db.trips, calls: deps.providerCalls() }
    const measured = () => ({
      queue: batch.queue,
      message_id: message.id,
      attempts: message.attempts,
      duration_ms: deps.clock().getTime() - startedAt,
      db_trips: deps.db.trips - before.trips,
      provider_calls: deps.providerCalls() - before.calls,
    })
    try {
      const done =
        batch.queue === deadLetterQueue
          ? await bury(deps, batch.queue, message)
          : await handle(deps, read(message.body))
      message.ack()
      deps.log.info('job', { ...measured(), ...done })
    } catch (thrown) {
      // What cannot be read now cannot be read later: its tries are over at once, and it becomes a dead letter.
      message.retry({ delaySeconds: thrown instanceof UnreadableMessage ? 0 : retryDelaySeconds })
      deps.log.error('job', { ...measured(), ...describeThrown(thrown) })
    }
  }
}

class UnreadableMessage extends Error {
  override readonly name = 'UnreadableMessage'
}

function read(body: unknown): QueueMessage {
  const parsed = queueMessage.safeParse(body)
  if (!parsed.success) throw new UnreadableMessage()
  return parsed.data
}

async function handle(
  deps: Deps,
  message: QueueMessage,
): Promise<Pick<LogFields, 'job' | 'count' | 'refreshed' | 'failed' | 'fetched' | 'inserted' | 'deleted'>> {
  switch (message.kind) {
    case 'refresh': {
      const outcomes = await refreshClaimed(deps, message)
      const stored = (...kinds: string[]): number =>
        outcomes.filter(({ isStored, verdict }) => isStored && kinds.includes(verdict.kind)).length
      // What was handed back was not asked for, and what cannot be opened has an alarm of its own.
      const failed = stored('retry', 'dead', 'misconfigured')
      return { job: 'refresh', count: outcomes.length, refreshed: stored('refreshed'), failed }
    }
    case 'erase':
      return { job: 'erase', count: (await revokeGrant(deps, message)) === 'done' ? 1 : 0 }
    case 'erase_avatar':
      return { job: 'erase_avatar', count: (await eraseAvatar(deps, message)) === 'done' ? 1 : 0 }
    case 'sync':
      return { job: 'sync', ...(await syncMailbox(deps, message)) }
    case 'send':
      return { job: 'send', ...(await sendOutgoing(deps, message)) }
    case 'letter': {
      const outcome = await deliverLetter(deps, message)
      const failed = outcome === 'retry' || outcome === 'failed' ? 1 : 0
      return { job: 'letter', count: outcome === 'sent' ? 1 : 0, failed }
    }
  }
}

async function bury(deps: Deps, queue: string, message: Message): Promise<{ job: string; count: number }> {
  deps.log.error('alarm_dead_letter', { message_id: message.id })
  await keepDeadLetter(deps.db, { messageId: message.id, queue, body: message.body })
  return { job: 'dead_letter', count: 1 }
}
