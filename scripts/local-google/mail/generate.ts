// A mailbox full of varied mail, the same for the same seed: conversations, labels, two years of dates, and among them
// every kind of trouble of generate-bodies.ts. Ten thousand take about a second.
import { headerText } from './compose.ts'
import { createContents, DUPLICATE_KIND, sentence } from './generate-bodies.ts'
import { addMessage, type Mailbox, type Message, putLabel } from './store.ts'

const SPAN_MS = 2 * 365 * 86_400_000
/** How many conversations are still open to an answer. */
const OPEN_THREADS = 60

const people = [
  '"Byron, Ada" <ada@northwind.example>',
  'Amy O’Neil <amy.oneil@harbourpoint.example>',
  'Inês Duarte <ines@northwind.example>',
  'Jürgen Weiß <juergen@werkstatt.example>',
  '山田 太郎 <yamada@example.jp>',
  'billing@shop.example',
  'Paper & Pine <orders@paperandpine.example>',
  'no-reply@updates.example.com',
]
const labels = [
  ['Label_1', 'Work'],
  ['Label_2', 'Work/Projects'],
  ['Label_3', 'Receipts'],
  ['Label_4', 'Travel 2025'],
  ['Label_5', 'Überfällig'],
] as const
const categories = [
  'CATEGORY_PROMOTIONS',
  'CATEGORY_SOCIAL',
  'CATEGORY_UPDATES',
  'CATEGORY_FORUMS',
  'CATEGORY_PERSONAL',
]

interface OpenThread {
  readonly threadId: string
  readonly subject: string
  readonly messageIds: readonly string[]
}

/** Leaves no history: it is what stood there before anybody looked. */
export function generateMail(mailbox: Mailbox, input: { count: number; seed: number; now: number }): void {
  const random = randomNumbers(input.seed)
  const contents = createContents()
  for (const [id, name] of labels) putLabel(mailbox, id, name)
  let open: OpenThread[] = []
  for (let index = 0; index < input.count; index++) {
    const { content, kind } = contents.of(index)
    const step = SPAN_MS / input.count
    const internalDate = Math.floor(input.now - SPAN_MS + (index + random()) * step)
    const answered = kind === null && random() < 0.4 ? open[Math.floor(random() * open.length)] : undefined
    const isSent = random() < 0.12
    const other = people[Math.floor(random() * people.length)] ?? ''
    const own = mailbox.email
    const number = kind === DUPLICATE_KIND ? Math.floor(index / 100) : index
    const messageId = `<generated-${input.seed}-${kind === DUPLICATE_KIND ? 'twice-' : ''}${number}@mail.example.com>`
    const plainSubject = answered?.subject ?? headerText(`${sentence(index + input.seed, 3)} ${index}`)
    const subject = content.subject ?? (answered === undefined ? plainSubject : `Re: ${plainSubject}`)
    const head = [
      ['From', headerText(isSent ? own : other)],
      ['To', headerText(isSent ? other : own)],
      ...(random() < 0.1 ? [['Cc', headerText(people[index % people.length] ?? '')]] : []),
      ['Subject', subject],
      ['Date', new Date(internalDate).toUTCString().replace('GMT', '+0000')],
      ['Message-ID', messageId],
      ...(answered === undefined ? [] : [['References', answered.messageIds.join(' ')]]),
      ...(random() < 0.05 ? [['List-Id', '<announce.lists.example.org>']] : []),
      ['MIME-Version', '1.0'],
    ].filter(([name = '']) => content.without?.includes(name) !== true)
    const text = `${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}${content.lines}\r\n`
    const message = addMessage(
      mailbox,
      {
        threadId: answered?.threadId,
        labelIds: labelsFor(random, isSent),
        internalDate,
        head: Buffer.from(text, 'latin1'),
        body: content.body,
      },
      'quiet',
    )
    if (kind === null) open = [...open, threadAfter(message, plainSubject, messageId, answered)].slice(-OPEN_THREADS)
  }
}

function threadAfter(message: Message, subject: string, messageId: string, before: OpenThread | undefined): OpenThread {
  return { threadId: message.threadId, subject, messageIds: [...(before?.messageIds ?? []), messageId].slice(-10) }
}

function labelsFor(random: () => number, isSent: boolean): string[] {
  if (isSent) return ['SENT']
  const place = random()
  const found = place < 0.03 ? ['SPAM'] : place < 0.06 ? ['TRASH'] : place < 0.75 ? ['INBOX'] : []
  if (random() < 0.3) found.push('UNREAD')
  if (random() < 0.05) found.push('STARRED')
  if (random() < 0.1) found.push('IMPORTANT')
  if (random() < 0.3) found.push(categories[Math.floor(random() * categories.length)] ?? 'CATEGORY_PERSONAL')
  if (random() < 0.2) found.push(labels[Math.floor(random() * labels.length)]?.[0] ?? 'Label_1')
  return found
}

/** Mulberry32: small, and the same everywhere. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
