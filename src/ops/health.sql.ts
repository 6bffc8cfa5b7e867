// What health asks of the database: that it answers, that its schema is there, and which sealing keys rows still need.

import { sql } from 'drizzle-orm'
import { statement } from '../db/client.ts'

type NoParams = Record<never, never>

export const readDatabase = statement<NoParams, { readonly version: string; readonly isMigrated: boolean }>(
  'health-database',
  sql`SELECT current_setting('server_version') AS "version", to_regclass('audit_logs') IS NOT NULL AND to_regclass('oauth_tokens') IS NOT NULL AS "isMigrated"`,
)

/** Rows under each sealing key, by the envelopes themselves. The index answers the walk from key to key. */
export const countSealed = statement<NoParams, { readonly keyId: string; readonly rows: number }>(
  'health-sealing-keys',
  sql`WITH RECURSIVE key_ids AS (
    (SELECT split_part(coalesce(refresh_token_txt, access_token_txt), '.', 2) AS id FROM oauth_tokens
     WHERE split_part(coalesce(refresh_token_txt, access_token_txt), '.', 2) > '' ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT split_part(coalesce(t.refresh_token_txt, t.access_token_txt), '.', 2) FROM oauth_tokens t
            WHERE split_part(coalesce(t.refresh_token_txt, t.access_token_txt), '.', 2) > key_ids.id ORDER BY 1 LIMIT 1)
    FROM key_ids WHERE key_ids.id IS NOT NULL
  ),
  waiting AS (
    SELECT split_part(payload_sealed_txt, '.', 2) AS id, count(*) AS rows FROM one_time_codes WHERE payload_sealed_txt IS NOT NULL GROUP BY 1
    UNION ALL
    SELECT split_part(sealed_txt, '.', 2), count(*) FROM erasures WHERE sealed_txt IS NOT NULL GROUP BY 1
  )
  SELECT id AS "keyId", sum(rows)::int AS "rows" FROM (
    SELECT key_ids.id, (SELECT count(*) FROM oauth_tokens t WHERE split_part(coalesce(t.refresh_token_txt, t.access_token_txt), '.', 2) = key_ids.id) AS rows
    FROM key_ids WHERE key_ids.id IS NOT NULL
    UNION ALL SELECT id, rows FROM waiting
  ) counted GROUP BY id ORDER BY id`,
)
