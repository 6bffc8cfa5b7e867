// Sending: mail taken in over HTTP, and what the queue makes of it at a provider that answers at once.
import * as z from 'zod'
import { httpRequest, load, once, type Shooter } from './load.ts'
import type { SignedIn } from './seed.ts'
import type { World } from './world.ts'

export interface SendRun {
  readonly messages: number
  /** Sent a second, by one consumer. */
  readonly messagesPerSecond: number
  readonly tripsPerMessage: number
}

const acknowledged = z.object({ acked: z.number() })

/** A short letter each time; `take` is given the ids of the outbox. */
export function sendShooter(senders: readonly SignedIn[], take?: (outboxId: string) => void): Shooter {
  const json = (email: string) => ({
    from: email,
    to: ['Somebody Else <somebody@mail.example>'],
    subject: 'A letter from the bench',
    text: 'It is of oak, and five feet long.\n\nThe bench',
    html: '<p>It is of oak, and <b>five feet</b> long.</p><p>The bench</p>',
  })
  const requests = senders.map(({ bearer, email }) =>
    httpRequest({
      method: 'POST',
      path: '/api/v1/emails/send',
      headers: { Authorization: `Bearer ${bearer}` },
      json: json(email),
    }),
  )
  let at = 0
  return () => ({
    request: requests[at++ % requests.length] ?? '',
    expect: 202,
    ...(take === undefined ? {} : { take: ({ body }) => take((JSON.parse(body) as { id: string }).id) }),
  })
}

/** Takes in `messages` and sends them, ten to a batch of the queue, through the counting proxy. */
export async function runSends(world: World, senders: readonly SignedIn[], messages: number): Promise<SendRun> {
  const worker = await world.start('candidate', 'counted')
  const ids: string[] = []
  const shooter = sendShooter(senders, (id) => ids.push(id))
  let left = messages
  await load(worker.port, (lane) => (left-- > 0 ? shooter(lane) : null), { lanes: 4 })
  const before = await world.services.wireCounts()
  const startedAt = performance.now()
  for (let start = 0; start < ids.length; start += 10) {
    const bodies = ids.slice(start, start + 10).map((outbox_id) => ({ kind: 'send', outbox_id }))
    const json = { queue: 'gatepost-deliver', bodies }
    const { body } = await once(worker.port, { method: 'POST', path: '/__bench/queue', json })
    if (acknowledged.parse(JSON.parse(body)).acked !== bodies.length)
      throw new Error(`a letter was not acknowledged: ${await worker.loggedErrors()}`)
  }
  const seconds = (performance.now() - startedAt) / 1_000
  const after = await world.services.wireCounts()
  await worker.stop()
  const [row] = await world.sql<{ sent: number }[]>`
    SELECT count(*)::int AS sent FROM outbox WHERE outbox_id = ANY(${ids}::uuid[]) AND status_cd = 'sent'`
  if (row?.sent !== messages) throw new Error(`of ${messages} letters ${row?.sent} were sent`)
  return {
    messages,
    messagesPerSecond: messages / seconds,
    tripsPerMessage: (after.roundTrips - before.roundTrips) / messages,
  }
}
