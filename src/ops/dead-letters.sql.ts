// The statement of dead letters.

import { sql } from 'drizzle-orm'
import { param } from '../db/caller.ts'
import { statement } from '../db/client.ts'

export const insertDeadLetter = statement<{ messageId: string; queue: string; body: string }, object>(
  'dead-letter-insert',
  sql`INSERT INTO dead_letters (message_id_txt, queue_txt, body_json) VALUES (${param('messageId', 'text')}, ${param('queue', 'text')}, ${param('body', 'jsonb')})
  ON CONFLICT (message_id_txt) DO NOTHING`,
)
