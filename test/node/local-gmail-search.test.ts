// The local Google's search does what Gmail's help page "Refine searches in Gmail" says: it is what the product's own
// search is measured by.
import { beforeAll, describe, expect, it } from 'vitest'
import { composeMail, type SimpleMail } from '../../scripts/local-google/mail/compose.ts'
import { splitRaw } from '../../scripts/local-google/mail/mime.ts'
import { searchMessages } from '../../scripts/local-google/mail/search.ts'
import { addMessage, createMailbox, newestFirst, putLabel } from '../../scripts/local-google/mail/store.ts'

const NOW = Date.UTC(2026, 2, 31, 12)
const mailbox = createMailbox('ada@gmail.com')
const names = new Map<string, string>()

function mail(name: string, date: string, labelIds: string[], input: SimpleMail, more = ''): void {
  const internalDate = Date.parse(date)
  const raw = composeMail(
    { from: 'friend@other.example', ...input },
    { to: 'ada@gmail.com', messageId: `${name}@x`, date: new Date(internalDate) },
  )
  const halves = splitRaw(Buffer.concat([Buffer.from(more), raw]))
  names.set(addMessage(mailbox, { labelIds, internalDate, ...halves }, 'quiet').id, name)
}

const file = (filename: string): SimpleMail['attachments'] => [{ filename, contentBase64: 'aGVsbG8=' }]

beforeAll(() => {
  putLabel(mailbox, 'Label_1', 'Work/Big Projects')
  putLabel(mailbox, 'Label_2', 'Receipts')
  mail('dinner', '2026-03-30T10:00:00Z', ['INBOX', 'UNREAD'], {
    from: 'Amy Müller <amy@example.com>',
    subject: 'Dinner on Friday',
    text: 'Shall we meet at the café? Holiday plans: Lisbon.',
    cc: 'Zoë <zoe@example.org>',
  })
  mail('movie', '2026-03-01T00:00:00Z', ['INBOX', 'STARRED', 'Label_1', 'CATEGORY_SOCIAL'], {
    from: 'David <david.amyson@example.com>',
    subject: 'A movie tonight',
    html: '<p>The <b>din</b>ner is off. Fish &amp; chips?</p><style>hidden</style>',
    attachments: file('Tickets (final).PDF'),
  })
  mail('invoice', '2025-12-31T23:59:59Z', ['IMPORTANT', 'Label_2', 'CATEGORY_PROMOTIONS'], {
    from: 'billing@shop.example',
    to: 'Ada <ada@gmail.com>, amy@example.com',
    subject: 'Invoice 2041 for secret-project',
    text: 'x'.repeat(20_000),
  })
  mail('kyoto', '2025-06-15T08:00:00Z', ['INBOX'], { subject: '京都からのご挨拶', text: '東京と大阪 hello' })
  mail('own', '2024-02-29T08:00:00Z', ['SENT'], {
    from: 'ada@gmail.com',
    to: 'amy@example.com',
    bcc: 'hidden@x.example',
  })
  mail('spam', '2026-03-29T08:00:00Z', ['SPAM'], { subject: 'Dinner for free' })
  mail('trash', '2026-03-28T08:00:00Z', ['TRASH', 'UNREAD'], { subject: 'Dinner cancelled' })
  mail(
    'listed',
    '2026-02-01T08:00:00Z',
    ['CATEGORY_FORUMS'],
    { subject: 'Digest' },
    'List-Id: <dev.lists.example.net>\r\nDelivered-To: ada+dev@gmail.com\r\n',
  )
})

function found(query: string): string[] {
  const hits = searchMessages(mailbox, newestFirst(mailbox), query, { now: NOW })
  return hits.map(({ id }) => names.get(id) ?? '')
}

describe('Gmail’s search', () => {
  it.each<[string, string[]]>([
    ['dinner', ['dinner', 'movie']],
    ['DINNER friday', ['dinner']],
    ['din', []],
    ['cafe', ['dinner']],
    ['muller', ['dinner']],
    ['"fish & chips"', ['movie']],
    ['hidden', ['own']],
    ['"friday dinner"', []],
    ['dinner -movie', ['dinner']],
    ['-dinner -in:sent', ['listed', 'invoice', 'kyoto']],
    ['dinner OR invoice', ['dinner', 'movie', 'invoice']],
    ['dinner | invoice', ['dinner', 'movie', 'invoice']],
    ['is:unread dinner OR invoice', ['dinner']],
    ['is:starred AND dinner', ['movie']],
    ['{from:amy from:david}', ['dinner', 'movie']],
    ['-{from:amy from:david} in:inbox', ['kyoto']],
    ['(dinner friday) OR (invoice 2041)', ['dinner', 'invoice']],
    ['from:amy', ['dinner']],
    ['from:example.com', ['dinner', 'movie']],
    ['from:amy@example.com', ['dinner']],
    ['from:"amy muller"', ['dinner']],
    ['from:(amy OR david)', ['dinner', 'movie']],
    ['from:me', ['own']],
    ['to:amy', ['invoice', 'own']],
    ['cc:zoe', ['dinner']],
    ['bcc:hidden@x.example', ['own']],
    ['subject:(movie tonight)', ['movie']],
    ['subject:{movie dinner}', ['dinner', 'movie']],
    ['subject:"on friday"', ['dinner']],
    ['subject:dinner', ['dinner']],
    ['secret-project', ['invoice']],
    ['+invoice', ['invoice']],
    ['label:work-big-projects', ['movie']],
    ['label:Label_2', ['invoice']],
    ['label:receipts', ['invoice']],
    ['label:inbox is:unread', ['dinner']],
    ['in:inbox', ['dinner', 'movie', 'kyoto']],
    ['in:sent', ['own']],
    ['in:spam', ['spam']],
    ['in:trash', ['trash']],
    ['in:anywhere dinner', ['dinner', 'spam', 'trash', 'movie']],
    ['in:anywhere is:unread', ['dinner', 'trash']],
    ['is:starred', ['movie']],
    ['is:important', ['invoice']],
    ['is:read in:inbox', ['movie', 'kyoto']],
    ['is:snoozed', []],
    ['has:attachment', ['movie']],
    ['has:userlabels', ['movie', 'invoice']],
    ['has:nouserlabels in:inbox', ['dinner', 'kyoto']],
    ['has:drive', []],
    ['filename:pdf', ['movie']],
    ['filename:tickets', ['movie']],
    ['filename:ticket', []],
    ['tickets', ['movie']],
    ['after:2026/03/01', ['dinner', 'movie']],
    ['after:03/01/2026', ['dinner', 'movie']],
    ['after:2026-3-2', ['dinner']],
    ['before:2026/01/01', ['invoice', 'kyoto', 'own']],
    ['before:2025/12/31', ['kyoto', 'own']],
    [`after:${Date.UTC(2026, 2, 1) / 1000} before:2026/03/30`, ['movie']],
    ['older:2025/01/01', ['own']],
    ['newer:2026/03/30', ['dinner']],
    ['after:2026/13/45', []],
    ['newer_than:2d', ['dinner']],
    ['newer_than:1m', ['dinner', 'movie']],
    ['older_than:2y', ['own']],
    ['larger:10K', ['invoice']],
    ['size:10000', ['invoice']],
    ['smaller:10K in:sent', ['own']],
    ['larger:1M', []],
    ['rfc822msgid:<movie@x>', ['movie']],
    ['rfc822msgid:movie@x', ['movie']],
    ['category:promotions', ['invoice']],
    ['category:social', ['movie']],
    ['list:dev.lists.example.net', ['listed']],
    ['deliveredto:ada+dev@gmail.com', ['listed']],
    ['京都', ['kyoto']],
    ['挨拶', ['kyoto']],
    ['大阪', ['kyoto']],
    ['subject:東京', []],
    ['nothing:here', []],
    ['dinner (', ['dinner', 'movie']],
    ['"dinner', ['dinner', 'movie']],
    ['OR', ['dinner', 'movie', 'listed', 'invoice', 'kyoto', 'own']],
    ['', ['dinner', 'movie', 'listed', 'invoice', 'kyoto', 'own']],
  ])('%s', (query, expected) => {
    expect(found(query)).toEqual(expected)
  })

  it('survives a query of ten thousand brackets', () => {
    expect(() => found(`${'('.repeat(2000)}dinner`)).not.toThrow()
    expect(() => found('-{'.repeat(2000))).not.toThrow()
  })
})
