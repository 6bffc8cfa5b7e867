// Messages that could not be processed at all: kept in a table where somebody can look at them. Safe to repeat.

import type { Db } from '../db/client.ts'
import { insertDeadLetter } from './dead-letters.sql.ts'

// PostgreSQL refuses NUL and lone surrogates in jsonb: such a message would never find its home.
const notForJsonb = /\\u(?:0000|d[89a-f])/i

/** Keeps a message; `body` is ids and claim times only, by the rule of messages.ts, and is cut where it is not. */
export async function keepDeadLetter(
  db: Db,
  letter: { messageId: string; queue: string; body: unknown },
): Promise<void> {
  const text = JSON.stringify(letter.body ?? null)
  const isKept = text.length <= 16_384 && !notForJsonb.test(text)
  const body = isKept ? text : JSON.stringify({ cut: true, length: text.length })
  await db.all(insertDeadLetter, { messageId: letter.messageId, queue: letter.queue, body })
}
