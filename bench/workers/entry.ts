// Stands around the built Worker in the bench: the bindings that workerd has no service for, made once an isolate (the
// Worker keeps what it opened by env's identity), and doors for cron and queue, which nothing else can ring here.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { WorkerEnv } from '../../src/env.ts'
import worker from '../../src/index.ts'

interface Sent {
  readonly queue: string
  readonly body: unknown
}

// What a tick or a batch sends. Whatever else is sent to a queue is dropped, and cron would find its row.
const sending = new AsyncLocalStorage<Sent[]>()
let env: WorkerEnv | undefined

function queueBinding(queue: string): Queue {
  const sendBatch = async (messages: Iterable<{ readonly body: unknown }>): Promise<void> => {
    for (const { body } of messages) sending.getStore()?.push({ queue, body: structuredClone(body) })
  }
  return { sendBatch } as unknown as Queue
}

function benchEnv(platform: WorkerEnv): WorkerEnv {
  env ??= {
    ...platform,
    REFRESH_QUEUE: queueBinding('gatepost-refresh'),
    DELIVER_QUEUE: queueBinding('gatepost-deliver'),
    SYNC_QUEUE: queueBinding('gatepost-sync'),
    // No path of the bench has a picture.
    AVATARS: {} as R2Bucket,
    AUTH_RATE_LIMIT: { limit: async () => ({ success: true }) },
  }
  return env
}

/** One cron tick; answers what it sent to the queues. */
async function tick(given: WorkerEnv): Promise<Response> {
  const sent: Sent[] = []
  const event = { scheduledTime: Date.now(), cron: '* * * * *', noRetry: () => undefined }
  await sending.run(sent, () => worker.scheduled(event, given))
  return Response.json(sent)
}

/** One batch of a queue; answers how many messages were acknowledged, and what was sent to queues meanwhile. */
async function deliver(request: Request, given: WorkerEnv): Promise<Response> {
  const { queue, bodies } = (await request.json()) as { queue: string; bodies: unknown[] }
  let acked = 0
  const messages = bodies.map((body) => ({
    id: crypto.randomUUID(),
    timestamp: new Date(),
    attempts: 1,
    body,
    ack: () => {
      acked += 1
    },
    retry: () => undefined,
  }))
  const sent: Sent[] = []
  await sending.run(sent, () => worker.queue({ queue, messages } as unknown as MessageBatch, given))
  return Response.json(sent.length === 0 ? { acked } : { acked, sent })
}

export default {
  fetch(request: Request, platform: WorkerEnv, context: ExecutionContext): Promise<Response> {
    const given = benchEnv(platform)
    if (request.url.endsWith('/__bench/scheduled')) return tick(given)
    if (request.url.endsWith('/__bench/queue')) return deliver(request, given)
    return worker.fetch(request as Parameters<typeof worker.fetch>[0], given, context)
  },
}
