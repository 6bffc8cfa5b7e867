// Stored mail, by the million: messages of the templates of mail-words.ts, spread over mailboxes and two years as if they had
// arrived one by one, so that no mailbox lies together on disk. Rows are made by PostgreSQL; the indexes that lists and
// searches go by are built afterwards, by their own definitions.
import type postgres from 'postgres'
import { makeTemplates } from './mail-words.ts'
import type { Person } from './seed.ts'

export interface StoredMail {
  readonly messages: number
  readonly mailboxes: number
  /** Of the largest mailbox: the first one's, which has a fiftieth of everything. */
  readonly largest: number
  /** Bytes of the table with its texts, and of the word index. */
  readonly tableBytes: number
  readonly indexBytes: number
  readonly seconds: number
}

const builtAfterwards = ['emails_search_ix', 'emails_sent_ix', 'emails_thread_ix'] as const
const batchSize = 100_000
const templateBatch = 1_000
/** Messages that make a thread. */
const threadLength = 3

/** The mailboxes of these people share `messages` messages evenly, but for the first one's. */
export async function seedMail(sql: postgres.Sql, owners: readonly Person[], messages: number): Promise<StoredMail> {
  const startedAt = performance.now()
  await storeTemplates(sql, Math.min(20_000, messages / 10))
  const connection = await sql.reserve()
  try {
    // Its foreign keys hold by how the rows are made; checking each of a million is not what is measured.
    await connection`SET session_replication_role = replica`
    await connection`SET maintenance_work_mem = '1GB'`
    const definitions = await connection<{ text: string }[]>`
      SELECT indexdef AS text FROM pg_indexes WHERE indexname = ANY(${[...builtAfterwards]})`
    if (definitions.length !== builtAfterwards.length) throw new Error('an index of mail has another name now')
    for (const name of builtAfterwards) await connection.unsafe(`DROP INDEX ${name}`)
    await connection`CREATE TEMPORARY TABLE bench_mailbox AS
      SELECT (number - 1)::int AS number, id FROM unnest(${owners.map(({ accountId }) => accountId)}::uuid[]) WITH ORDINALITY AS t (id, number)`
    for (let from = 0; from < messages; from += batchSize)
      await insertMessages(connection, {
        from,
        to: Math.min(from + batchSize, messages),
        messages,
        mailboxes: owners.length,
      })
    await connection`INSERT INTO mail_labels (user_mail_account_id, provider_label_id_txt, name_txt)
      SELECT id, label, name FROM bench_mailbox, (VALUES ('Label_1', 'Work'), ('Label_2', 'Receipts'), ('Label_3', 'Travel')) AS l (label, name)`
    for (const { text } of definitions) await connection.unsafe(text)
    await connection`DROP TABLE bench_mailbox`
    await connection`RESET session_replication_role`
    await connection`RESET maintenance_work_mem`
  } finally {
    connection.release()
  }
  await sql`DROP TABLE bench_template`
  await sql`VACUUM ANALYZE emails`
  await sql`CHECKPOINT`
  const [sizes] = await sql<{ largest: number; table: string; index: string }[]>`
    SELECT (SELECT count(*)::int FROM emails WHERE user_mail_account_id = ${owners[0]?.accountId ?? ''}) AS largest,
      pg_table_size('emails')::text AS table, pg_relation_size('emails_search_ix')::text AS index`
  return {
    messages,
    mailboxes: owners.length,
    largest: sizes?.largest ?? 0,
    tableBytes: Number(sizes?.table),
    indexBytes: Number(sizes?.index),
    seconds: (performance.now() - startedAt) / 1_000,
  }
}

async function storeTemplates(sql: postgres.Sql, count: number): Promise<void> {
  await sql`CREATE UNLOGGED TABLE bench_template (number int PRIMARY KEY, subject text, "from" jsonb, text text, labels text[],
    "isUnread" boolean, "hasAttachments" boolean, size bigint, search tsvector, head text)`
  const templates = makeTemplates(count)
  for (let start = 0; start < count; start += templateBatch) {
    const json = JSON.stringify(templates.slice(start, start + templateBatch))
    await sql`INSERT INTO bench_template SELECT * FROM jsonb_to_recordset(${json}::text::jsonb) AS t (number int, subject text,
      "from" jsonb, text text, labels text[], "isUnread" boolean, "hasAttachments" boolean, size bigint, search tsvector, head text)`
  }
  await sql`ANALYZE bench_template`
}

/** Messages number `from` up to `to`, the oldest being number 0. */
async function insertMessages(
  sql: postgres.ReservedSql,
  { from, to, messages, mailboxes }: { from: number; to: number; messages: number; mailboxes: number },
): Promise<void> {
  await sql`
    INSERT INTO emails (user_mail_account_id, provider_message_id_txt, provider_thread_id_txt, message_id_txt, subject_txt,
      from_json, to_json, snippet_txt, sent_at_utc, size_bytes_nbr, label_ids_txt, is_unread_flg, has_attachments_flg,
      text_txt, search_tsv, head_txt)
    SELECT m.id, lpad(to_hex(n), 16, '0'),
      lpad(to_hex(greatest(0, n - (n / ${mailboxes}::int) % ${threadLength}::int * ${mailboxes}::int)), 16, '0'),
      '<' || n || '@mail.example>', t.subject, t."from", '[{"name": "", "address": "person@gmail.com"}]', left(t.text, 200),
      now() - (${messages}::int - n) * (interval '730 days' / ${messages}::int), t.size, t.labels, t."isUnread", t."hasAttachments",
      t.text, t.search || array_to_tsvector(ARRAY[':m:' || replace(m.id::text, '-', '')]), t.head
    FROM generate_series(${from}::int, ${to - 1}::int) AS n
    JOIN bench_mailbox m ON m.number = CASE WHEN hashint4(-n) % 50 = 0 THEN 0 ELSE n % ${mailboxes}::int END
    JOIN bench_template t ON t.number = (hashint4(n) & 2147483647) % (SELECT count(*)::int FROM bench_template)
    ORDER BY n`
}
