// Gmail's search language, asked of a handful of messages in PostgreSQL through its compiled form; then what strangers
// type, which must end in an answer or a refusal.
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type CompiledQuery,
  compileQuery,
  likePattern,
  type SearchFilters,
  type SearchRefusal,
} from '../../src/mail/search/query.ts'
import { mailboxFacet, quoteLexeme, type SearchableMessage, tsvectorLiteral } from '../../src/mail/search/terms.ts'
import { query } from '../support/database.ts'

const now = new Date('2026-11-30T12:00:00Z')
const ours = '01930000-0000-7000-8000-00000000000a'
const another = '01930000-0000-7000-8000-00000000000b'

interface Mail extends SearchableMessage {
  sentAt: string
  bytes: number
}

const blank: Mail = {
  mailboxId: ours,
  subject: '',
  from: ['Someone <someone@else.example>'],
  to: ['me@gmail.com'],
  cc: [],
  bcc: [],
  text: '',
  attachments: [],
  labelIds: ['INBOX'],
  labelNames: [],
  messageId: null,
  sentAt: '2026-01-15T10:00:00Z',
  bytes: 3_000,
}

const mails: Record<string, Mail> = {
  invoice: {
    ...blank,
    subject: 'Invoice 17 for March',
    from: ['Amy Pond <amy.pond@acme.io>'],
    cc: ['Bob <bob@other.org>'],
    text: 'Please pay the quarterly bill at the café. Voicemail follows.',
    attachments: [{ filename: 'Report_final v2.PDF' }],
    labelIds: ['INBOX', 'UNREAD', 'IMPORTANT', 'CATEGORY_UPDATES'],
    messageId: '<CAFx1+=Y@mail.acme.io>',
    sentAt: '2026-11-29T08:00:00Z',
    bytes: 12 * 1_024 ** 2,
  },
  dinner: {
    ...blank,
    subject: 'Dinner and movie tonight',
    from: ['Carl <carl@acme.io>'],
    to: ['me@gmail.com', 'Amy <amy.pond@acme.io>'],
    text: "The movie begins at eight, don't be late. Not tonight's invoice.",
    labelIds: ['INBOX', 'STARRED', 'Label_12'],
    labelNames: ['Family/Close friends'],
    sentAt: '2026-10-01T00:00:00Z',
  },
  sent: {
    ...blank,
    subject: 'Re: lunch',
    from: ['Me <me@gmail.com>'],
    to: ['Dora <dora@acme.io>'],
    bcc: ['eve@spy.example'],
    text: 'movie and dinner tomorrow, friday',
    labelIds: ['SENT'],
    attachments: [{ filename: 'photo.jpeg' }],
    sentAt: '2025-12-31T23:59:59Z',
  },
  tokyo: {
    ...blank,
    subject: '東京大学からのお知らせ',
    text: '서울에서 만나요 ประเทศไทย',
    labelIds: ['INBOX', 'CATEGORY_PERSONAL'],
  },
  archived: {
    ...blank,
    subject: 'Straße nach ISTANBUL',
    text: 'mmm hhh lll nnn',
    labelIds: ['CATEGORY_SOCIAL'],
    bytes: 100,
  },
  draft: { ...blank, subject: 'unfinished', labelIds: ['DRAFT'], text: 'lunch' },
  spam: { ...blank, subject: 'Invoice overdue', labelIds: ['SPAM', 'UNREAD'] },
  trash: { ...blank, subject: 'Old invoice', labelIds: ['TRASH'] },
  foreign: {
    ...blank,
    mailboxId: another,
    subject: 'Invoice dinner movie lunch',
    labelIds: ['INBOX', 'UNREAD', 'STARRED'],
  },
}

beforeAll(async () => {
  await query(`create temporary table searched
    (name text, terms tsvector, sent timestamptz, bytes bigint, subject text, sender text, snippet text)`)
  for (const [name, mail] of Object.entries(mails))
    await query('insert into searched values ($1, $2::tsvector, $3, $4, $5, $6, $7)', [
      name,
      tsvectorLiteral(mail),
      mail.sentAt,
      mail.bytes,
      mail.subject,
      mail.from.join(', '),
      mail.text,
    ])
})

function compiled(q: string, filters: SearchFilters = {}): CompiledQuery {
  const result = compileQuery(q, filters, now, ['me@gmail.com'])
  if ('problem' in result) throw new Error(`refused: ${result.path} ${result.problem}`)
  return result
}

function refusal(q: string, filters: SearchFilters = {}): SearchRefusal {
  const result = compileQuery(q, filters, now)
  if (!('problem' in result)) throw new Error('was not refused')
  return result
}

/** Only in our mailbox, as the statements of search confine it. */
function confined(tsquery: string | null): string {
  const within = quoteLexeme(mailboxFacet(ours))
  return tsquery === null ? within : `${within} & ${tsquery}`
}

/** The names that match, in the order of `mails`. */
async function found({ branches }: CompiledQuery): Promise<string> {
  const params = branches.map((branch) => ({
    ...branch,
    tsquery: confined(branch.tsquery),
    contains: branch.contains.map(likePattern),
    lacks: branch.lacks.map(likePattern),
  }))
  const rows = await query<{ name: string }>(
    `select name from searched as m where exists (
       select from jsonb_to_recordset($1::jsonb) as b (tsquery text, after timestamptz, before timestamptz,
         "minBytes" bigint, "maxBytes" bigint, contains text[], lacks text[])
       where m.terms @@ b.tsquery::tsquery
         and (b.after is null or m.sent >= b.after) and (b.before is null or m.sent < b.before)
         and (b."minBytes" is null or m.bytes >= b."minBytes") and (b."maxBytes" is null or m.bytes < b."maxBytes")
         and not exists (select from unnest(b.contains) as c (part)
           where not (m.subject ilike part or m.sender ilike part or m.snippet ilike part))
         and not exists (select from unnest(b.lacks) as c (part)
           where m.subject ilike part or m.sender ilike part or m.snippet ilike part))`,
    [JSON.stringify(params)],
  )
  const names = new Set(rows.map(({ name }) => name))
  return Object.keys(mails)
    .filter((name) => names.has(name))
    .join(' ')
}

const usual = 'invoice dinner sent tokyo archived draft'

describe('what Gmail finds', () => {
  it.each([
    ['', usual],
    ['movie', 'dinner sent'],
    ['MOVIE tonight', 'dinner'],
    ['"movie tonight"', 'dinner'],
    ['“movie tonight”', 'dinner'],
    ['"movie and dinner"', 'sent'],
    ['"tonight the movie"', ''],
    ['movie -tonight', 'sent'],
    ['movie NOT tonight', 'sent'],
    ['movie -"dinner tomorrow"', 'dinner'],
    ['movie -(tonight late)', 'sent'],
    ['movie -{tonight friday}', ''],
    ['+movie +late', 'dinner'],
    ['lunch OR invoice', 'invoice dinner sent draft'],
    ['lunch | invoice', 'invoice dinner sent draft'],
    ['{lunch invoice}', 'invoice dinner sent draft'],
    ['movie lunch OR late', 'dinner sent'],
    ['(movie lunch) OR late', 'dinner sent'],
    ['movie AND (lunch OR eight)', 'dinner sent'],
    ['dinner AROUND 5 friday', 'sent'],
    ["don't", 'dinner'],
    ['cafe', 'invoice'],
    ['CAFÉ', 'invoice'],
    ['strasse', 'archived'],
    ['istanbul', 'archived'],
    ['invo*', 'invoice dinner'],
    ['inv', ''],
    ['*icemail', 'invoice'],
    ['*CEMAI*', 'invoice'],
    ['-*cemai*', 'dinner sent tokyo archived draft'],
    ['*%*', usual],
    ['*omeone@el*', 'tokyo archived draft'],
    ['東京', 'tokyo'],
    ['京大学', 'tokyo'],
    ['学', 'tokyo'],
    ['せ', 'tokyo'],
    ['大京', ''],
    ['"東京大学 から"', 'tokyo'],
    ['"東京 から"', ''],
    ['서울', 'tokyo'],
    ['ไทย', 'tokyo'],
  ])('words: %s', async (q, names) => {
    expect(await found(compiled(q))).toBe(names)
  })

  it.each([
    ['from:amy', 'invoice'],
    ['from:amy.pond@acme.io', 'invoice'],
    ['from:acme.io', 'invoice dinner'],
    ['FROM: carl', 'dinner'],
    ['from:"amy pond"', 'invoice'],
    ['from:(amy OR carl)', 'invoice dinner'],
    ['from:{amy carl}', 'invoice dinner'],
    ['from:(acme -amy)', 'dinner'],
    ['-from:acme.io', 'sent tokyo archived draft'],
    ['from:me', 'sent'],
    ['to:me', 'invoice dinner tokyo archived draft'],
    ['to:amy', 'dinner'],
    ['to:bob', 'invoice'],
    ['cc:bob@other.org', 'invoice'],
    ['cc:bo*', 'invoice'],
    ['cc:amy', ''],
    ['bcc:eve', 'sent'],
    ['bob', 'invoice'],
    ['eve', 'sent'],
    ['subject:invoice', 'invoice'],
    ['subject:(dinner tonight)', 'dinner'],
    ['subject:"dinner tonight"', ''],
    ['subject:"and movie"', 'dinner'],
    ['subject:{lunch dinner}', 'dinner sent'],
    ['subject:movi*', 'dinner'],
    ['-subject:(dinner OR lunch)', 'invoice tokyo archived draft'],
    ['filename:pdf', 'invoice'],
    ['filename:.pdf', 'invoice'],
    ['filename:report_final', 'invoice'],
    ['filename:"final v2.pdf"', 'invoice'],
    ['filename:{jpeg png}', 'sent'],
    ['filename:rep*', 'invoice'],
    ['filename:invoice', ''],
    ['has:attachment', 'invoice sent'],
    ['-has:attachment subject:lunch', ''],
    ['rfc822msgid:<CAFx1+=Y@mail.acme.io>', 'invoice'],
    ['rfc822msgid:cafx1+=y@mail.acme.io', 'invoice'],
    ['rfc822msgid:cafx1', ''],
    ['re:lunch', 'sent'],
    ['https://movie/tonight', ''],
  ])('people and parts: %s', async (q, names) => {
    expect(await found(compiled(q))).toBe(names)
  })

  it.each([
    ['in:inbox', 'invoice dinner tokyo'],
    ['in:sent', 'sent'],
    ['in:drafts', 'draft'],
    ['is:draft', 'draft'],
    ['in:spam', 'spam'],
    ['in:trash', 'trash'],
    ['label:trash invoice', 'trash'],
    ['invoice in:anywhere', 'invoice dinner spam trash'],
    ['in:anywhere -in:trash invoice', 'invoice dinner spam'],
    ['-in:trash invoice', 'invoice dinner'],
    ['{in:spam in:inbox} invoice', 'invoice dinner spam'],
    ['in:archive', 'archived'],
    ['in:snoozed', ''],
    ['is:unread', 'invoice'],
    ['is:unread in:anywhere', 'invoice spam'],
    ['is:read', 'dinner sent tokyo archived draft'],
    ['is:starred', 'dinner'],
    ['is:unstarred in:inbox', 'invoice tokyo'],
    ['is:important', 'invoice'],
    ['label:family-close-friends', 'dinner'],
    ['label:"Family/Close Friends"', 'dinner'],
    ['in:family-close-friends', 'dinner'],
    ['label:Label_12', 'dinner'],
    ['label:family', ''],
    ['-label:family-close-friends is:starred', ''],
    ['has:userlabels', 'dinner'],
    ['has:nouserlabels in:inbox', 'invoice tokyo'],
    ['category:updates', 'invoice'],
    ['category:primary', 'tokyo'],
    ['label:CATEGORY_social', 'archived'],
    ['has:drive', ''],
    ['-has:blue-star is:unread', 'invoice'],
  ])('places: %s', async (q, names) => {
    expect(await found(compiled(q))).toBe(names)
  })

  it.each([
    ['after:2026/11/01', 'invoice'],
    ['after:2026/10/01', 'invoice dinner'],
    ['before:2026/10/01', 'sent tokyo archived draft'],
    ['before:2026-1-1', 'sent'],
    ['after:2025/12/31 before:2026/01/01', 'sent'],
    ['newer:10/01/2026', 'invoice dinner'],
    ['older:1767225600', 'sent'],
    ['newer_than:2d', 'invoice'],
    ['newer_than:1d', ''],
    ['newer_than:36H', 'invoice'],
    ['older_than:10m', 'sent tokyo archived draft'],
    ['older_than:1y', ''],
    ['newer_than:9w', 'invoice dinner'],
    ['older_than:99999y', ''],
    ['-after:2026/01/01', 'sent'],
    ['-(after:2026/01/01 before:2026/11/01)', 'invoice sent'],
    ['after:2026/11/01 OR in:sent', 'invoice sent'],
    ['{before:2026/01/01 after:2026/11/01 movie}', 'invoice dinner sent'],
    ['after:2026/11/01 before:2026/01/01', ''],
    ['larger:10M', 'invoice'],
    ['size:10m', 'invoice'],
    ['larger:12M', ''],
    ['larger:11.5MB', 'invoice'],
    ['smaller:1K', 'archived'],
    ['larger:99', 'invoice dinner sent tokyo archived draft'],
    ['larger:100', 'invoice dinner sent tokyo draft'],
    ['smaller:100', ''],
    ['-larger:99', ''],
    ['-smaller:1K larger:1M', 'invoice'],
    ['{larger:1M smaller:1K} {from:amy in:archive}', 'invoice archived'],
  ])('times and sizes: %s', async (q, names) => {
    expect(await found(compiled(q))).toBe(names)
  })

  it.each<[string, SearchFilters, string]>([
    ['', { from: 'amy acme' }, 'invoice'],
    ['', { to: 'me@gmail.com', subject: 'movie dinner' }, 'dinner'],
    ['', { subject: 'in:trash' }, ''],
    ['movie', { label: 'SENT' }, 'sent'],
    ['', { label: 'Family/Close friends' }, 'dinner'],
    ['', { label: 'SPAM' }, 'spam'],
    ['', { after: '2026-10-01', before: new Date('2026-11-01T00:00:00Z') }, 'dinner'],
    ['', { after: '2026-11-29T08:00:00Z' }, 'invoice'],
    ['', { after: '2026-11-29T10:00:00+01:00' }, ''],
    ['', { hasAttachment: true }, 'invoice sent'],
    ['', { hasAttachment: false, isUnread: false, label: 'INBOX' }, 'dinner tokyo'],
    ['-movie', { isUnread: true }, 'invoice'],
    ['', { from: null, to: '', subject: undefined, label: '', after: '', before: null, isUnread: null }, usual],
  ])('filters beside %j: %o', async (q, filters, names) => {
    expect(await found(compiled(q, filters))).toBe(names)
  })

  it.each<[string, SearchFilters, string]>([
    ['', { from: '??' }, ''],
    ['', { subject: '€€' }, ''],
    ['', { to: '🎉' }, ''],
    ['', { from: 'amy & pond' }, 'invoice'],
    ['', { from: ' ' }, usual],
    ['from:??', {}, ''],
    ['-from:??', {}, usual],
    ['subject:"!!"', {}, ''],
    ['to: (?? &)', {}, ''],
    ['subject:(dinner & movie)', {}, 'dinner'],
    ['subject:"" from:* filename:', {}, usual],
    ['?!', {}, usual],
  ])('signs alone name nobody: %j with %o', async (q, filters, names) => {
    expect(await found(compiled(q, filters))).toBe(names)
  })

  it('looks for a picture where text is kept as it was written', async () => {
    await query(
      `INSERT INTO searched SELECT 'tokyo', terms, sent, bytes, 'Party 🎉🎉', sender, '' FROM searched WHERE name = 'tokyo'`,
    )
    for (const q of ['🎉', 'subject:🎉', '"🎉🎉"']) expect(await found(compiled(q)), q).toBe('tokyo')
    expect(await found(compiled('-🎉 party'))).toBe('')
    expect(await found(compiled('from:🎉'))).toBe('')
    await query(`DELETE FROM searched WHERE subject LIKE 'Party%'`)
  })

  it('reaches no facet by the prefix of a word, and no other mailbox by any means', async () => {
    for (const prefix of 'bcfhilmn') expect(await found(compiled(`${prefix}*`)), prefix).toBe('')
    for (const q of ['m:0193*', ':m:*', `':m:${another.replaceAll('-', '')}'`, `x OR m:${another}`])
      expect(await found(compiled(q)), q).toBe('')
  })
})

describe('a compiled query', () => {
  it.each<[string, SearchFilters, string | null]>([
    ['', {}, null],
    ['in:anywhere', {}, null],
    ['in:inbox', {}, 'INBOX'],
    ['', { label: 'TRASH' }, 'TRASH'],
    ['is:starred newer_than:1y', { before: '2026-11-01' }, 'STARRED'],
    ['&', { isUnread: true }, 'UNREAD'],
  ])('is plain for %j with %o', (q, filters, label) => {
    const { isPlain, branches } = compiled(q, filters)
    expect(isPlain).toEqual({ label })
    expect(branches).toHaveLength(1)
  })

  it.each([
    'movie',
    'in:inbox is:unread',
    'is:read',
    'larger:1',
    '-in:inbox',
    'label:x',
    'category:social',
    'in:inbox OR is:unread',
    '*voice*',
    'has:drive',
    'after:2026/02/01 before:2026/01/01 OR x',
  ])('is not plain for %s', (q) => {
    expect(compiled(q).isPlain).toBeNull()
  })

  it('takes `me` for a word where nobody is known', () => {
    expect(compileQuery('from:me in:anywhere', {}, now)).toMatchObject({ branches: [{ tsquery: "'me':B" }] })
  })

  it('names the words to mark: of text and subject, not excluded, each once', () => {
    const { highlight } = compiled('Café invo* -spam subject:"Foo bar" cafe from:amy label:x 東京 *oice*')
    expect(highlight).toEqual(['cafe', 'invo*', 'foo', 'bar', '東京'])
  })

  it('says whether spam and trash are asked for', () => {
    const asking = ['in:spam', 'in:anywhere', 'label:trash', '{in:trash x}', 'is:spam']
    expect(asking.map((q) => compiled(q).wantsSpamTrash)).toEqual(asking.map(() => true))
    expect(['', '-in:spam', 'spam', 'label:spammy'].map((q) => compiled(q).wantsSpamTrash)).toEqual(
      Array(4).fill(false),
    )
  })
})

describe('what is refused', () => {
  it.each([
    ['before:yesterday', 'before: must be a date such as 2026/11/30'],
    ['after:2026/02/30', 'after: must be a date such as 2026/11/30'],
    ['after:2026/13/01', 'after: must be a date such as 2026/11/30'],
    ['after:1767225600000', 'after: must be a date such as 2026/11/30'],
    ['newer_than:2', 'newer_than: must be an age such as 2d, 3m or 1y'],
    ['older_than:-1d', 'older_than: must be an age such as 2d, 3m or 1y'],
    ['larger:big', 'larger: must be a size such as 10M, 500K or 2048'],
    ['smaller:-1', 'smaller: must be a size such as 10M, 500K or 2048'],
    ['list:info@example.com', 'list: cannot be searched here'],
    ['deliveredto:me', 'deliveredto: cannot be searched here'],
    ['('.repeat(17), 'must be nested at most 16 deep'],
    ['x'.repeat(2_049), 'must be at most 2048 characters'],
    ['a '.repeat(65), 'must have at most 64 terms'],
    [`"${'a '.repeat(257)}"`, 'must have at most 256 words'],
    [Array(17).fill('{larger:1 a}').join(' '), 'must offer fewer choices between dates, sizes and parts of words'],
    [Array(17).fill('larger:1').join(' OR '), 'must offer fewer choices between dates, sizes and parts of words'],
  ])('%.40s', (q, problem) => {
    expect(refusal(q)).toEqual({ problem, path: 'q' })
  })

  it.each<[SearchFilters, SearchRefusal['path']]>([
    [{ after: 'soon' }, 'after'],
    [{ before: '2026-02-30T00:00:00Z' }, 'before'],
    [{ before: '2026-01-01T25:00:00Z' }, 'before'],
    [{ after: new Date(Number.NaN) }, 'after'],
    [{ before: new Date(8.64e15) }, 'before'],
    [{ subject: 'a '.repeat(200) }, 'subject'],
    [{ from: 'x'.repeat(513) }, 'from'],
    [{ label: 'x'.repeat(513) }, 'label'],
  ])('filters %#', (filters, path) => {
    expect(refusal('', filters).path).toBe(path)
  })
})

describe('ML-12 what strangers type', () => {
  it.each([
    'a & | !',
    'foo:*',
    "'; DROP TABLE users;--",
    '\\',
    '(((((',
    ')))))',
    '"unclosed',
    '"""',
    '-',
    '--a',
    'OR',
    'OR OR a OR',
    'a OR -',
    'from:',
    'from:"',
    'from:(',
    'from:()',
    '{}',
    'NOT',
    '-(-(-(a)))',
    "':*A & 'x",
    "a' <-> 'b:*",
    "a\\' | 'b",
    '\0',
    'a\0b*',
    '*\0%_\\*',
    '\ud800 *\ud800abc*',
    'label:\ud800\0',
    'rfc822msgid:\\\'"',
    '*',
    '**',
    'in:',
    'has:',
    'subject:*abc*',
    '__proto__:x constructor:y toString:z',
    'has:constructor in:__proto__',
  ])('is answered: %j', async (q) => {
    expect(typeof (await found(compiled(q)))).toBe('string')
  })

  it('10 kB of "a " is refused at once', () => {
    expect(refusal('a '.repeat(5_000)).path).toBe('q')
  })

  it('is never more than PostgreSQL takes, nor slow, whatever the mixture', async () => {
    const pieces = [
      'a',
      '"',
      '(',
      ')',
      '{',
      '}',
      '-',
      '+',
      '|',
      ' OR ',
      ' AND ',
      ' NOT ',
      ' AROUND 3 ',
      'from:',
      'subject:',
      'in:',
      'spam',
      "'",
      '\\',
      ':',
      '*',
      '&',
      '!',
      '<->',
      ' ',
      ' ',
      'label:',
      'larger:1',
      'before:2026/01/01',
      '東京',
      'é',
      '\0',
      '\ud800',
      'b.c',
      'filename:',
    ]
    // A fixed seed: the same thousand each time.
    let seed = 20_261_130
    const next = (): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return seed / 2 ** 31
    }
    const begun = Date.now()
    const tsqueries: string[] = []
    for (let count = 0; count < 1_000; count += 1) {
      const q = Array.from(
        { length: 1 + Math.floor(next() * 40) },
        () => pieces[Math.floor(next() * pieces.length)],
      ).join('')
      const result = compileQuery(q, {}, now)
      if (!('problem' in result)) tsqueries.push(...result.branches.map(({ tsquery }) => confined(tsquery)))
    }
    expect(Date.now() - begun).toBeLessThan(3_000)
    expect(tsqueries.length).toBeGreaterThan(500)
    const [row] = await query<{ count: number }>(
      'select count(*)::int as count from unnest($1::text[]) as t (q) where numnode(q::tsquery) > 0',
      [tsqueries],
    )
    expect(row?.count).toBe(tsqueries.length)
  })

  it.each([
    ['quotes', '"'.repeat(2_048)],
    ['dashes', '-'.repeat(2_048)],
    ['stars', '*'.repeat(2_048)],
    ['closing brackets', ')}'.repeat(1_024)],
    ['spaces', ' '.repeat(2_048)],
    ['one operator', 'from:'.repeat(409)],
    ['OR', 'OR '.repeat(682)],
    ['alternating groups', '(a OR {'.repeat(8)],
  ])('2 kB of %s take no time', (_, q) => {
    const begun = Date.now()
    compileQuery(q, {}, now)
    expect(Date.now() - begun).toBeLessThan(500)
  })
})
