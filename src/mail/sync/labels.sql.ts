// Statements about a mailbox's labels: their names, and the messages found by them.

import { sql } from 'drizzle-orm'
import { param } from '../../db/caller.ts'
import { statement } from '../../db/client.ts'

/** Names as the provider gives them; those it does not know any more go. Only under the mailbox's lease. */
export const storeLabels = statement<
  { accountId: string; leaseId: string; labels: string; goneIds: readonly string[] },
  object
>(
  'labels-store',
  sql`WITH held AS MATERIALIZED (
    SELECT s.user_mail_account_id FROM mail_syncs s
    WHERE s.user_mail_account_id = ${param('accountId', 'uuid')} AND s.lease_id = ${param('leaseId', 'uuid')}
    FOR UPDATE OF s
  ),
  gone AS (
    DELETE FROM mail_labels l USING held
    WHERE l.user_mail_account_id = held.user_mail_account_id AND l.provider_label_id_txt = ANY(${param('goneIds', 'text[]')})
  )
  INSERT INTO mail_labels (user_mail_account_id, provider_label_id_txt, name_txt, is_system_flg)
  SELECT held.user_mail_account_id, n.id, n.name, n.is_system
  FROM held CROSS JOIN jsonb_to_recordset(${param('labels', 'jsonb')}) AS n(id text, name text, is_system boolean)
  ON CONFLICT (user_mail_account_id, provider_label_id_txt)
    DO UPDATE SET name_txt = EXCLUDED.name_txt, is_system_flg = EXCLUDED.is_system_flg, modified_at_utc = now()`,
)

/**
 * Messages of one label that is called otherwise now, or is gone: at most `limit` at once, found by what they are found by.
 * `lookup` is a tsquery of mailbox, label and, for a new name, of its absence.
 */
export const relabelMessages = statement<
  {
    accountId: string
    leaseId: string
    lookup: string
    labelId: string
    isGone: boolean
    goneFacets: readonly string[]
    oldNames: readonly string[]
    /** Of other labels that the old name finds as well: a message with one of them keeps it. */
    sameNameIds: readonly string[]
    newFacets: readonly string[]
    /** The user's own labels that remain. */
    otherIds: readonly string[]
    userLabelsFacet: string
    limit: number
  },
  { readonly count: number }
>(
  'labels-relabel',
  sql`WITH held AS MATERIALIZED (
    SELECT s.user_mail_account_id FROM mail_syncs s
    WHERE s.user_mail_account_id = ${param('accountId', 'uuid')} AND s.lease_id = ${param('leaseId', 'uuid')}
    FOR UPDATE OF s
  ),
  found AS MATERIALIZED (
    SELECT e.email_id FROM held JOIN emails e ON e.user_mail_account_id = held.user_mail_account_id
    WHERE e.search_tsv @@ ${param('lookup', 'text')}::tsquery LIMIT ${param('limit', 'int')}
  ),
  changed AS (
    UPDATE emails e SET
      label_ids_txt = CASE WHEN ${param('isGone', 'boolean')} THEN array_remove(e.label_ids_txt, ${param('labelId', 'text')}) ELSE e.label_ids_txt END,
      search_tsv = ts_delete(e.search_tsv, ${param('goneFacets', 'text[]')}
        || CASE WHEN e.label_ids_txt && ${param('sameNameIds', 'text[]')} THEN ARRAY[]::text[] ELSE ${param('oldNames', 'text[]')} END
        || CASE WHEN ${param('isGone', 'boolean')} AND NOT e.label_ids_txt && ${param('otherIds', 'text[]')} THEN ARRAY[${param('userLabelsFacet', 'text')}]
          ELSE ARRAY[]::text[] END)
        || array_to_tsvector(${param('newFacets', 'text[]')}),
      modified_at_utc = now()
    FROM found WHERE e.email_id = found.email_id
    RETURNING e.email_id
  )
  SELECT count(*)::int AS "count" FROM changed`,
)
