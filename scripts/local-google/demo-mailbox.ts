// The demo's people and mail, as data; demo-mime.ts turns it into messages. Threads are told from first to last, each
// message some hours before now. Everybody and everything in it is invented.
import { type DemoMessage, type DemoThread, seedThreads } from './demo-mime.ts'
import { demoThreadsOfLife } from './demo-threads.ts'
import { type Mailbox, putLabel } from './mail/store.ts'
import type { User } from './world.ts'

const DEMI = 'Demi Porter <demo.gatepost@gmail.com>'
const SAM = 'Sam Okafor <sam@northwind.example>'
const INES = 'Inês Duarte <ines@northwind.example>'
const PRIYA = 'Priya Nair <priya@harbourpoint.example>'

export const demoUsers: readonly Omit<User, 'sub'>[] = [
  { email: 'demo.gatepost@gmail.com', email_verified: true, name: 'Demi Porter' },
  { email: 'sam@northwind.example', email_verified: true, name: 'Sam Okafor', hd: 'northwind.example' },
]

const labels = [
  { id: 'Label_1', name: 'Receipts' },
  { id: 'Label_2', name: 'Northwind' },
  { id: 'Label_3', name: 'Travel' },
]

const fromSam = (hoursAgo: number, text: string): DemoMessage => ({ from: SAM, to: DEMI, hoursAgo, text })
const fromDemi = (to: string, hoursAgo: number, text: string): DemoMessage => ({ from: DEMI, to, hoursAgo, text })

const workThreads: readonly DemoThread[] = [
  {
    id: 'launch',
    subject: 'Launch checklist for Thursday',
    labels: ['Label_2', 'IMPORTANT'],
    messages: [
      fromSam(
        31,
        'Hi Demi,\n\nThree things are still open for Thursday: the status page text, the rollback note and somebody on call from 6 pm.\n\nCould you take the first?\n\nSam',
      ),
      fromDemi(SAM, 29, 'Yes, I will send the status page text tonight. Who wrote the rollback note last time?'),
      {
        from: INES,
        to: DEMI,
        cc: SAM,
        hoursAgo: 27,
        text: 'That was me. I copied it into the shared folder and brought the host names up to date.',
      },
      {
        ...fromSam(3, 'Great. I take the on-call evening then. Status page text still missing?'),
        unread: true,
        starred: true,
      },
    ],
  },
  {
    id: 'contract',
    subject: 'Signed contract, Harbour Point',
    labels: ['Label_2'],
    messages: [
      {
        from: PRIYA,
        to: DEMI,
        hoursAgo: 122,
        text: 'Dear Demi,\n\nPlease find the signed contract attached. The second page has the dates we spoke about on Monday.\n\nKind regards\nPriya Nair\nHarbour Point',
        attachment: {
          name: 'Harbour-Point-contract.pdf',
          type: 'application/pdf',
          content:
            '%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n',
        },
      },
      fromDemi(PRIYA, 119, 'Thank you, Priya. It is filed, and the first invoice goes out on the 1st.'),
    ],
  },
  {
    id: 'planning',
    subject: 'Invitation: Quarterly planning, Tuesday 10:00',
    labels: ['Label_2'],
    messages: [
      {
        from: SAM,
        to: DEMI,
        hoursAgo: 50,
        unread: true,
        text: 'Quarterly planning\nTuesday, 10:00 to 11:30, Room Lisbon and online.',
        attachment: {
          name: 'invite.ics',
          type: 'text/calendar; method=REQUEST; charset=utf-8',
          content:
            'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Northwind//Calendar//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:planning-q1@northwind.example\r\nDTSTAMP:20270105T090000Z\r\nDTSTART:20270112T100000Z\r\nDTEND:20270112T113000Z\r\nSUMMARY:Quarterly planning\r\nLOCATION:Room Lisbon\r\nORGANIZER;CN=Sam Okafor:mailto:sam@northwind.example\r\nATTENDEE;CN=Demi Porter;RSVP=TRUE:mailto:demo.gatepost@gmail.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n',
        },
      },
    ],
  },
  {
    id: 'search-bug',
    subject: 'Search is slow on the archive',
    labels: ['Label_2'],
    messages: [
      {
        from: INES,
        to: DEMI,
        hoursAgo: 214,
        text: 'Searching the archive for "invoice 2041" takes nine seconds on my machine. Same for you?',
      },
      fromDemi(
        INES,
        212,
        'Seven here. The query plan reads the whole table; the index on the date column is gone since the move.',
      ),
      {
        from: INES,
        to: DEMI,
        hoursAgo: 209,
        text: 'Put it back on staging: 40 ms now. Shall I do production tonight?',
      },
      fromDemi(INES, 208, 'Please do, and thank you.'),
    ],
  },
  {
    id: 'hiring',
    subject: 'Interview feedback: support engineer',
    labels: ['Label_2'],
    messages: [
      fromSam(310, 'Could you write down your impression of Tuesday’s candidate by Friday? Two paragraphs are plenty.'),
      fromDemi(
        SAM,
        297,
        'Done, it is in the form. In short: a clear yes from me. She asked the best questions of the week.',
      ),
      fromSam(296, 'Thanks, that makes four of four.'),
    ],
  },
  {
    id: 'offsite',
    subject: 'Where shall we go in spring?',
    labels: ['Label_2'],
    messages: [
      {
        from: INES,
        to: DEMI,
        cc: SAM,
        hoursAgo: 432,
        text: 'Three ideas for the team days: Porto, Ghent, or the house by the lake again.\n\nVote by replying.',
      },
      { ...fromSam(430, 'The house by the lake. Nobody misses a train there.'), cc: INES },
      { ...fromDemi(INES, 428, 'Ghent for me, but I would not fight the lake.'), cc: SAM },
    ],
  },
]

const samsMessages: readonly DemoThread[] = [
  {
    id: 'sam-welcome',
    subject: 'Your Northwind account is ready',
    messages: [
      {
        from: 'Northwind IT <it@northwind.example>',
        to: SAM,
        hoursAgo: 700,
        text: 'Welcome, Sam. Your account is ready; mail, calendar and the shared folder are set up.',
      },
    ],
  },
]

/** What the mailbox of one of the demo's people starts with; anybody else's stays empty. */
export function fillDemoMailbox(mailbox: Mailbox, now: Date): void {
  const { email } = mailbox
  if (email === 'demo.gatepost@gmail.com') {
    for (const { id, name } of labels) putLabel(mailbox, id, name)
    seedThreads(mailbox, [...workThreads, ...demoThreadsOfLife], now)
  }
  if (email === 'sam@northwind.example') seedThreads(mailbox, samsMessages, now)
}
