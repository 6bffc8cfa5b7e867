// Lists and searches where they meet PostgreSQL: the index that each reads, under generic plans and many mailboxes.
import { beforeAll, describe, expect, it } from 'vitest'
import { browseEmails, browseThreads, browseThreadsAndUnsent } from '../../src/mail/read/list.sql.ts'
import {
  searchEmails,
  searchEmailsRanked,
  searchThreads,
  searchThreadsRanked,
} from '../../src/mail/search/search.sql.ts'
import { planSearch } from '../../src/mail/search/search.ts'
import { query } from '../support/database.ts'

const mailboxCount = 120
const mailsEach = 250

const user = '01930000-0000-7000-8000-0000000000aa'
const session = '01930000-0000-7000-8000-0000000000bb'
const userOfTwo = '01930000-0000-7000-8000-0000000000cc'
const sessionOfTwo = '01930000-0000-7000-8000-0000000000dd'

beforeAll(async () => {
  await query(
    `INSERT INTO users (user_id, email_address_txt, email_verified_at_utc, email_proof_cd)
     SELECT CASE n WHEN 1 THEN $1::uuid WHEN 2 THEN $2::uuid ELSE gen_random_uuid() END, 'u' || n || '@gmail.com', now(), 'google'
     FROM generate_series(1, $3::int) n`,
    [user, userOfTwo, mailboxCount],
  )
  await query(
    `INSERT INTO sessions (session_id, user_id, credential_version_nbr, authenticated_at_utc, last_seen_at_utc) SELECT id, user_id, credential_version_nbr, now(), now() FROM users JOIN (VALUES ($1::uuid, $2::uuid), ($3, $4)) AS s (id, user_id) USING (user_id)`,
    [session, user, sessionOfTwo, userOfTwo],
  )
  await query(
    `INSERT INTO user_mail_accounts (user_id, email_address_txt, provider_cd, provider_subject_txt)
     SELECT user_id, email_address_txt, 'google', user_id::text FROM users
     UNION ALL SELECT user_id, 'second@gmail.com', 'google', 'second' FROM users WHERE user_id = $1`,
    [userOfTwo],
  )
  // Of each mailbox the oldest five are unread, and the newest hundred were not sent.
  // Every message has the word "hello", one in four "fourth", one in fifty "invoice", in each mailbox as in any other.
  await query(
    `INSERT INTO emails (user_mail_account_id, provider_message_id_txt, provider_thread_id_txt, subject_txt, snippet_txt, text_txt, sent_at_utc, label_ids_txt, search_tsv)
     SELECT a.user_mail_account_id, n, n / 3, 'Hello ' || n, 'hello', repeat('hello there ', 20), now() - n * interval '1 hour',
       CASE WHEN n > $1 - 5 THEN '{INBOX,UNREAD,SENT}'::text[] WHEN n > 100 THEN '{INBOX,SENT}' ELSE '{INBOX}' END,
       (CASE WHEN n > $1 - 5 THEN ''':l:UNREAD'' '':l:SENT'' ' WHEN n > 100 THEN ''':l:SENT'' ' ELSE '' END || format('%L %L %L %L:1A %L:2,3,4 %L', ':m:' || replace(a.user_mail_account_id::text, '-', ''), ':l:INBOX', CASE WHEN n % 50 = 0 THEN 'invoice' ELSE 'w' || n END, 'hello', 'there',
         CASE WHEN n % 4 = 0 THEN 'fourth' ELSE 'hello' END))::tsvector
     FROM user_mail_accounts a, generate_series(1, $1::int) n`,
    [mailsEach],
  )
  await query('ANALYZE')
}, 60_000)

interface Plan {
  'Node Type': string
  'Index Name'?: string
  'Relation Name'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  Plans?: Plan[]
}

const params: Record<string, unknown> = {
  callerSessionId: session,
  callerUserId: user,
  callerSecretHash: null,
  callerKeyHash: null,
  forUserId: null,
  userEmail: null,
  cursorRank: null,
  cursorMicros: null,
  cursorId: null,
  limit: 51,
  isAnywhere: false,
  words: ['hello'],
  labelId: null,
  after: null,
  before: null,
  tsquery: `('hello' & !':l:SPAM')`,
  branches: JSON.stringify([
    { tsquery: null, after: null, before: null, min_bytes: null, max_bytes: null, contains: [], lacks: [] },
  ]),
  nearQuery: `'hello' & 'there'`,
  anyQuery: `'hello' | 'there'`,
}

interface Named {
  readonly name: string
  readonly text: string
  readonly params: readonly unknown[]
}

function valuesOf(statement: Named, overrides: Record<string, unknown>): unknown[] {
  return statement.params.map((placeholder) => {
    const { name } = placeholder as { name: string }
    return { ...params, ...overrides }[name]
  })
}

/** The generic plan, as a prepared statement runs after its fifth call. */
async function explain(
  statement: Named,
  overrides: Record<string, unknown> = {},
): Promise<{ plan: Plan; ms: number; text: string }> {
  const values = valuesOf(statement, overrides)
  const literal = (value: unknown): string =>
    value === null
      ? 'NULL'
      : Array.isArray(value)
        ? `'{${value.join(',')}}'`
        : `'${String(value).replaceAll("'", "''")}'`
  const name = statement.name.replaceAll('-', '_')
  await query(`SET plan_cache_mode = force_generic_plan`)
  await query(`PREPARE ${name} AS ${statement.text}`)
  const run = `EXECUTE ${name}(${values.map(literal).join(', ')})`
  const rows = await query<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE, BUFFERS) ${run}`)
  const [json] = await query<{ 'QUERY PLAN': { Plan: Plan; 'Execution Time': number }[] }>(
    `EXPLAIN (ANALYZE, FORMAT JSON) ${run}`,
  )
  await query(`DEALLOCATE ${name}`)
  const [top] = json?.['QUERY PLAN'] ?? []
  if (top === undefined) throw new Error('no plan')
  return { plan: top.Plan, ms: top['Execution Time'], text: rows.map((row) => row['QUERY PLAN']).join('\n') }
}

/** How `emails` is read: node and index, and how many rows came of it. */
function readsOf(plan: Plan): { node: string; index: string; rows: number }[] {
  const own =
    plan['Relation Name'] === 'emails' || plan['Node Type'] === 'Bitmap Index Scan'
      ? [
          {
            node: plan['Node Type'],
            index: plan['Index Name'] ?? '',
            rows: Math.round((plan['Actual Rows'] ?? 0) * (plan['Actual Loops'] ?? 0)),
          },
        ]
      : []
  return [...own, ...(plan.Plans ?? []).flatMap(readsOf)]
}

describe('generic plans, over 120 mailboxes of 250 messages each', () => {
  it.each([
    ['when the tables were believed to be empty', "DELETE FROM pg_statistic WHERE starelid = 'emails'::regclass"],
    ['after ANALYZE', 'ANALYZE'],
  ])('%s', async (_, prepare) => {
    await query(prepare)
    for (const statement of [browseEmails, browseThreads, browseThreadsAndUnsent]) {
      const { plan, text } = await explain(statement)
      const reads = readsOf(plan)
      expect(
        reads.map(({ node }) => node),
        text,
      ).not.toContain('Seq Scan')
      const [walk] = reads.filter(({ index }) => index === 'emails_sent_ix')
      // Three messages a thread.
      expect(walk?.rows, text).toBeLessThanOrEqual(51 * 3)
      const others = reads.filter(({ index }) => index !== 'emails_sent_ix')
      expect(
        others.reduce((sum, { rows }) => sum + rows, 0),
        text,
      ).toBeLessThanOrEqual(51 * 25)
    }
    for (const statement of [searchEmails, searchThreads, searchEmailsRanked, searchThreadsRanked]) {
      const { plan, text } = await explain(statement)
      const reads = readsOf(plan)
      expect(
        reads.map(({ node }) => node),
        text,
      ).not.toContain('Seq Scan')
      const rowsOf = (name: string) => reads.find(({ index }) => index === name)?.rows
      const isRanked = statement.name.endsWith('-ranked')
      // By date, a word of every message is found along the dates, and the index of words is not asked.
      expect(rowsOf('emails_search_ix'), text).toBe(isRanked ? mailsEach : 0)
      expect(rowsOf('emails_sent_ix'), text).toBe(isRanked ? undefined : 4 * 51)
    }
  })

  it.each([
    ['INBOX', 51 * 3 + 4 * 51, 0],
    ['UNREAD', 4 * 51, 5],
    ['IMPORTANT', 4 * 51, 0],
  ])('a list of %s walks no further than it is common, and asks the index for few', async (labelId, walked, few) => {
    for (const statement of [browseEmails, browseThreads]) {
      const { plan, text } = await explain(statement, { labelId, tsquery: `':l:${labelId}' & !':l:SPAM'` })
      const reads = readsOf(plan)
      expect(
        reads.map(({ node }) => node),
        text,
      ).not.toContain('Seq Scan')
      const rowsOf = (name: string) =>
        reads.filter(({ index }) => index === name).reduce((sum, { rows }) => sum + rows, 0)
      expect(rowsOf('emails_sent_ix'), text).toBeLessThanOrEqual(walked)
      expect(rowsOf('emails_search_ix'), text).toBe(few)
    }
  })

  it('a rare word reads as many rows as have it', async () => {
    const { plan, text } = await explain(searchEmails, { tsquery: `'invoice'` })
    const heap = readsOf(plan).find(({ node }) => node === 'Bitmap Heap Scan')
    expect(heap?.rows, text).toBe(mailsEach / 50)
  })
})

describe('pages of a search by date, over two mailboxes of one person', () => {
  // In every message; in one of four, so that the newest just fill a page or just do not; in one of fifty.
  it.each(['hello', 'fourth', 'invoice'])(
    '"%s": each message once, newest first, by the walk and by the index',
    async (word) => {
      const found = await pagesOf(searchEmails, { tsquery: `'${word}'` })
      const all = await query<{ id: string }>(
        `SELECT email_id AS id FROM emails JOIN user_mail_accounts USING (user_mail_account_id)
       WHERE user_id = $1 AND search_tsv @@ $2::tsquery ORDER BY sent_at_utc DESC, email_id DESC`,
        [userOfTwo, `'${word}'`],
      )
      expect(found).toEqual(all.map(({ id }) => id))
    },
  )

  it.each(['hello', 'fourth', 'invoice'])('"%s": each thread once, where its newest match stands', async (word) => {
    const found = await pagesOf(searchThreads, { tsquery: `'${word}'` })
    const all = await query<{ id: string }>(
      `SELECT email_id AS id FROM (
         SELECT DISTINCT ON (user_mail_account_id, provider_thread_id_txt) email_id, sent_at_utc
         FROM emails JOIN user_mail_accounts USING (user_mail_account_id)
         WHERE user_id = $1 AND search_tsv @@ $2::tsquery
         ORDER BY user_mail_account_id, provider_thread_id_txt, sent_at_utc DESC, email_id DESC
       ) head ORDER BY sent_at_utc DESC, email_id DESC`,
      [userOfTwo, `'${word}'`],
    )
    expect(found).toEqual(all.map(({ id }) => id))
  })
})

describe('pages of a label, over two mailboxes of one person', () => {
  // In every message; in all but the newest, so that it is walked to; in five.
  it.each(['INBOX', 'SENT', 'UNREAD'])('%s: each message and each thread once, newest first', async (labelId) => {
    const asked = { labelId, tsquery: `':l:${labelId}'` }
    const all = await query<{ id: string; thread: string }>(
      `SELECT email_id AS id, user_mail_account_id || provider_thread_id_txt AS thread
       FROM emails JOIN user_mail_accounts USING (user_mail_account_id)
       WHERE user_id = $1 AND $2 = ANY(label_ids_txt) ORDER BY sent_at_utc DESC, email_id DESC`,
      [userOfTwo, labelId],
    )
    // Of three a page, 120 are few.
    for (const limit of labelId === 'INBOX' ? [60] : [3, 60]) {
      expect(await pagesOf(browseEmails, asked, limit)).toEqual(all.map(({ id }) => id))
      const heads = all.filter(({ thread }, at) => all.findIndex((other) => other.thread === thread) === at)
      expect(await pagesOf(browseThreads, asked, limit)).toEqual(heads.map(({ id }) => id))
    }
  })
})

/** Ids of all pages, one after the other. */
async function pagesOf(statement: Named, what: Record<string, unknown>, limit = 11): Promise<string[]> {
  const found: string[] = []
  for (let cursor: Record<string, unknown> = {}; ; ) {
    const asked = { callerUserId: userOfTwo, callerSessionId: sessionOfTwo, limit, ...what, ...cursor }
    const rows = await query<{ id: string | null; sortMicros: string }>(statement.text, valuesOf(statement, asked))
    found.push(...rows.flatMap(({ id }) => id ?? []))
    // A page without an item is a row without an id.
    const last = rows.at(-1)
    if (last === undefined || rows.length < limit) return found
    cursor = { cursorMicros: last.sortMicros, cursorId: last.id }
  }
}

describe('what the index is asked', () => {
  it.each([
    ['invo*', "'invo':*"],
    ['ab*', null],
    ['from:ab*', null],
    ['subject:"x y" OR zz*', null],
    ['larger:5M', "!':l:SPAM'"],
    ['in:anywhere larger:5M', null],
    ['京', null],
  ])('%s: %j', (q, expected) => {
    const plan = planSearch({ q, sort: 'date' }, new Date('2026-11-30'), [])
    const asked = plan.kind === 'browse' ? 'nothing' : plan.params.tsquery
    if (expected === null) expect(asked).toBeNull()
    else expect(asked).toContain(expected)
  })

  it.each([
    ['', 'browse'],
    ['in:inbox newer_than:30d', 'browse'],
    ['is:unread', 'browse'],
    ['is:starred', 'search'],
    ['in:trash', 'search'],
    ['-in:inbox', 'search'],
    ['hello', 'ranked'],
    ['from:amy', 'search'],
  ])('%j is a %s', (q, kind) => {
    expect(planSearch({ q, sort: 'relevance' }, new Date('2026-11-30'), []).kind).toBe(kind)
  })
})
