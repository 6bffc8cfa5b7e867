// For tests of lists and searches: messages put straight into the tables, as sync stores them.
import { type SearchableMessage, tsvectorLiteral } from '../../src/mail/search/terms.ts'
import { foldText } from '../../src/mail/search/words.ts'
import { query } from './database.ts'

export interface Person {
  name: string
  address: string
}

export interface StoredMail {
  /** Made up when absent. */
  id?: string
  providerId?: string
  thread?: string
  subject?: string
  from?: Person | null
  to?: Person[]
  cc?: Person[]
  bcc?: Person[]
  snippet?: string
  text?: string | null
  html?: string | null
  sentAt?: string
  bytes?: number
  labels?: string[]
  attachments?: { partId: string; filename: string; contentType?: string; sizeBytes?: number }[]
  messageId?: string
}

let stored = 0

/** Stores messages in a mailbox and gives their ids, in order. `names` are the names of the user's labels, by id. */
export async function storeMails(
  accountId: string,
  mails: readonly StoredMail[],
  names: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const rows = mails.map((mail) => row(accountId, mail, names))
  await query(
    `WITH given AS (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS m (id uuid, "providerId" text, thread text, subject text, "from" jsonb,
        "to" jsonb, cc jsonb, bcc jsonb, snippet text, text text, html text, "sentAt" timestamptz, bytes bigint, labels text[],
        terms text, head text, "messageId" text, attachments jsonb)
    ), message AS (
      INSERT INTO emails (email_id, user_mail_account_id, provider_message_id_txt, provider_thread_id_txt, message_id_txt,
        subject_txt, from_json, to_json, cc_json, bcc_json, snippet_txt, text_txt, html_txt, sent_at_utc, size_bytes_nbr,
        label_ids_txt, is_unread_flg, has_attachments_flg, search_tsv, head_txt)
      SELECT id, $2, "providerId", thread, "messageId", subject, "from", "to", cc, bcc, snippet, text, html, "sentAt", bytes,
        labels, 'UNREAD' = ANY(labels), attachments <> '[]', terms::tsvector, head
      FROM given
    ), label AS (
      INSERT INTO mail_labels (user_mail_account_id, provider_label_id_txt, name_txt)
      SELECT $2, key, value FROM jsonb_each_text($3::jsonb)
      ON CONFLICT DO NOTHING
    )
    INSERT INTO email_attachments (email_id, part_id_txt, position_nbr, filename_txt, content_type_txt, size_bytes_nbr)
    SELECT given.id, a."partId", a."partId"::int, a.filename, a."contentType", a."sizeBytes"
    FROM given, jsonb_to_recordset(given.attachments) AS a ("partId" text, filename text, "contentType" text, "sizeBytes" bigint)`,
    [JSON.stringify(rows), accountId, JSON.stringify(names)],
  )
  return rows.map(({ id }) => id)
}

function row(accountId: string, mail: StoredMail, names: Readonly<Record<string, string>>) {
  stored += 1
  const filled = {
    id: crypto.randomUUID() as string,
    providerId: `p${stored}`,
    thread: `t${stored}`,
    subject: 'Hello',
    from: { name: 'Amy Pond', address: 'amy@acme.io' },
    to: [{ name: '', address: 'me@gmail.com' }],
    cc: [],
    bcc: [],
    snippet: '',
    text: null,
    html: null,
    sentAt: new Date(Date.UTC(2026, 0, 1) + stored * 60_000).toISOString(),
    bytes: 2_000,
    labels: ['INBOX'],
    messageId: `<m${stored}@acme.io>`,
    ...mail,
    attachments: (mail.attachments ?? []).map((it) => ({ contentType: 'application/pdf', sizeBytes: 10, ...it })),
  }
  const printed = (people: readonly Person[]) => people.map(({ name, address }) => `${name} <${address}>`)
  const from = filled.from === null ? [] : [filled.from]
  const searchable: SearchableMessage = {
    mailboxId: accountId,
    subject: filled.subject,
    from: printed(from),
    to: printed(filled.to),
    cc: printed(filled.cc),
    bcc: printed(filled.bcc),
    text: filled.text ?? '',
    attachments: filled.attachments,
    labelIds: filled.labels,
    labelNames: filled.labels.flatMap((id) => names[id] ?? []),
    messageId: filled.messageId,
  }
  const head = [filled.subject, ...printed([...from, ...filled.to])].join('\n')
  return { ...filled, terms: tsvectorLiteral(searchable), head: foldText(head) }
}
