// The private half of the demo mailbox: receipts, letters, travel, a newsletter in HTML, spam. Data only.
import type { DemoThread } from './demo-mime.ts'

const DEMI = 'Demi Porter <demo.gatepost@gmail.com>'
const JONAS = 'Jonas Brandt <jonas.brandt@mail.example>'

const newsletter = `<!doctype html><html><body style="font-family:Georgia,serif;max-width:600px;margin:auto">
<h1 style="color:#114b5f">The Slow Loaf</h1><p>Bread letters for a quiet Sunday, no. 48</p>
<img src="https://images.slowloaf.example/rye.jpg" alt="A dark rye loaf on a wooden board" width="560">
<h2>Rye, three ways</h2><p>A <b>wetter</b> dough, a longer rest and a lid on the pot: that is the whole secret.</p>
<table border="1" cellpadding="6"><tr><th>Flour</th><th>Water</th></tr><tr><td>Rye 500 g</td><td>420 g</td></tr></table>
<p><a href="https://slowloaf.example/48?reader=demi">Read it in the browser</a> · <a href="https://slowloaf.example/unsubscribe">Unsubscribe</a></p>
<script>document.title = 'never runs'</script></body></html>`

export const demoThreadsOfLife: readonly DemoThread[] = [
  {
    id: 'bread',
    subject: 'The Slow Loaf no. 48: rye, three ways',
    labels: ['CATEGORY_PROMOTIONS'],
    messages: [
      {
        from: 'The Slow Loaf <letters@slowloaf.example>',
        to: DEMI,
        hoursAgo: 15,
        unread: true,
        text: 'Rye, three ways: a wetter dough, a longer rest and a lid on the pot.',
        html: newsletter,
      },
    ],
  },
  {
    id: 'receipt-books',
    subject: 'Receipt for your order 118-2041',
    labels: ['Label_1', 'CATEGORY_UPDATES'],
    messages: [
      {
        from: 'Paper & Pine Books <orders@paperandpine.example>',
        to: DEMI,
        hoursAgo: 66,
        text: 'Thank you for your order.\n\n1 × The Left-Handed Gardener  € 18.90\n1 × Bookmark, oak            €  4.00\nShipping                     €  2.90\nTotal                        € 25.80',
        attachment: {
          name: 'receipt-118-2041.txt',
          type: 'text/plain; charset=utf-8',
          content: 'Receipt 118-2041\nTotal EUR 25.80\n',
        },
      },
      {
        from: 'Paper & Pine Books <orders@paperandpine.example>',
        to: DEMI,
        hoursAgo: 20,
        unread: true,
        text: 'Your parcel 118-2041 has left our house and should be with you on Monday.',
      },
    ],
  },
  {
    id: 'receipt-train',
    subject: 'Your ticket Lisbon – Porto',
    labels: ['Label_3', 'Label_1'],
    messages: [
      {
        from: 'Atlantic Rail <tickets@atlanticrail.example>',
        to: DEMI,
        hoursAgo: 260,
        starred: true,
        text: 'Coach 4, seat 31. Departure 08:09 from Lisboa Oriente, arrival 10:52.\nFare: € 31.50, paid by card ending in 4417.',
      },
    ],
  },
  {
    id: 'hotel',
    subject: 'Booking confirmed: Casa do Rio, 2 nights',
    labels: ['Label_3'],
    messages: [
      {
        from: 'Casa do Rio <stay@casadorio.example>',
        to: DEMI,
        hoursAgo: 258,
        text: 'Dear Ms Porter,\n\nyour room with a view of the river is booked for two nights. Check-in from 15:00.',
      },
      {
        from: DEMI,
        to: 'Casa do Rio <stay@casadorio.example>',
        hoursAgo: 255,
        text: 'Thank you! Is there a place for a bicycle?',
      },
      {
        from: 'Casa do Rio <stay@casadorio.example>',
        to: DEMI,
        hoursAgo: 248,
        text: 'There is, in the yard behind the house.',
      },
    ],
  },
  {
    id: 'japanese',
    subject: '京都からのご挨拶',
    charsetOfSubject: 'iso-2022-jp',
    messages: [
      {
        from: 'Haruka Sato <haruka@sato.example>',
        to: DEMI,
        hoursAgo: 92,
        starred: true,
        text: 'デミさん、お元気ですか。京都は紅葉がとてもきれいです。\n\nDid you get the postcard?\n\nHaruka',
      },
    ],
  },
  {
    id: 'flat',
    subject: 'Heizung: Termin am Mittwoch (Wärmezähler)',
    messages: [
      {
        from: 'Hausverwaltung Köhler <büro@koehler.example>'.replace('büro', 'buero'),
        to: DEMI,
        hoursAgo: 140,
        text: 'Sehr geehrte Frau Porter,\n\nam Mittwoch zwischen 9 und 11 Uhr werden die Wärmezähler abgelesen. Bitte sorgen Sie für Zugang.\n\nMit freundlichen Grüßen',
      },
      {
        from: DEMI,
        to: 'Hausverwaltung Köhler <buero@koehler.example>',
        hoursAgo: 138,
        text: 'Guten Tag, ich bin zu Hause. Viele Grüße',
      },
    ],
  },
  {
    id: 'concert',
    subject: 'Saturday?',
    messages: [
      {
        from: JONAS,
        to: DEMI,
        hoursAgo: 75,
        text: 'I have a second ticket for the quartet on Saturday, 8 pm. Coming along?',
      },
      { from: DEMI, to: JONAS, hoursAgo: 73, text: 'Gladly! Soup at mine before, at six?' },
      {
        from: JONAS,
        to: DEMI,
        hoursAgo: 5,
        unread: true,
        text: 'Six it is. I bring the bread, since somebody reads me rye recipes.',
      },
    ],
  },
  {
    id: 'bank',
    subject: 'Your statement for last month is ready',
    labels: ['CATEGORY_UPDATES'],
    messages: [
      {
        from: 'Ferry Bank <no-reply@ferrybank.example>',
        to: DEMI,
        hoursAgo: 340,
        text: 'Your statement is ready in your account. We never put figures or links to a login into a letter.',
      },
    ],
  },
  {
    id: 'dentist',
    subject: 'Reminder: check-up on the 9th, 16:20',
    messages: [
      {
        from: 'Practice Dr. Lind <reception@lind.example>',
        to: DEMI,
        hoursAgo: 180,
        text: 'See you on the 9th at 16:20. Please call if you cannot come.',
      },
    ],
  },
  {
    id: 'build',
    subject: '[gate-garden] Build 512 failed on main',
    labels: ['CATEGORY_FORUMS'],
    messages: [
      {
        from: 'Build <builds@gategarden.example>',
        to: DEMI,
        hoursAgo: 47,
        text: 'Step "test" ended with 1 failure of 312: calendar/leap-year.',
      },
      { from: 'Build <builds@gategarden.example>', to: DEMI, hoursAgo: 46, text: 'Build 513 passed: 312 of 312.' },
    ],
  },
  {
    id: 'recipe',
    subject: 'Grandma’s plum cake',
    messages: [
      {
        from: 'Mum <ruth.porter@mail.example>',
        to: DEMI,
        hoursAgo: 500,
        starred: true,
        text: 'Found it! 1 kg plums, 300 g flour, 150 g butter, 100 g sugar, 1 egg. 45 minutes at 180 degrees.\n\nLess sugar than you think. Kisses',
      },
    ],
  },
  {
    id: 'note',
    subject: 'Idea: names for the boat',
    draft: true,
    messages: [{ from: DEMI, to: JONAS, hoursAgo: 10, text: 'Candidates so far: Late Reply, Second Draft, Bcc.' }],
  },
  {
    id: 'spam',
    subject: 'You have WON a ladder',
    labels: ['SPAM'],
    messages: [
      {
        from: 'Prize Office <win@prizes.example>',
        to: DEMI,
        hoursAgo: 99,
        unread: true,
        text: 'Dear winner! Your ladder waits. Reply with your bank details.',
      },
    ],
  },
]
