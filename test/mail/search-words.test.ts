// Words of many scripts, the literal that PostgreSQL must take whatever a stranger wrote, and marked snippets.
import { describe, expect, it } from 'vitest'
import { highlightSnippet } from '../../src/mail/search/highlight.ts'
import { facetsOfLabels, type SearchableMessage, tsvectorLiteral } from '../../src/mail/search/terms.ts'
import { askedWordsOf, foldText, isUnspaced, wordsOf } from '../../src/mail/search/words.ts'
import { query } from '../support/database.ts'

const blank: SearchableMessage = {
  mailboxId: '01930000-0000-7000-8000-00000000000A',
  subject: '',
  from: [],
  to: [],
  cc: [],
  bcc: [],
  text: '',
  attachments: [],
  labelIds: [],
  labelNames: [],
  messageId: null,
}

interface Lexeme {
  lexeme: string
  positions: number[] | null
  weights: string[] | null
}

/** The literal as PostgreSQL reads it. */
async function stored(message: Partial<SearchableMessage>): Promise<Map<string, Lexeme>> {
  const literal = tsvectorLiteral({ ...blank, ...message })
  const lexemes = await query<Lexeme>('select * from unnest($1::tsvector)', [literal])
  return new Map(lexemes.map((row) => [row.lexeme, row]))
}

describe('wordsOf', () => {
  it.each([
    ['case and accents', 'Café CAFE naïve Ångström', 'cafe cafe naive angstrom'],
    ['decomposed and composed', 'cafe\u0301 caf\u00e9', 'cafe cafe'],
    ['German sharp s', 'Straße STRASSE ẞ', 'strasse strasse ss'],
    ['letters with strokes', 'Łódź Ørsted đak Æsir œuvre', 'lodz orsted dak aesir oeuvre'],
    ['Turkish i, dotted or not', 'İstanbul ISPARTA ısparta', 'istanbul isparta isparta'],
    ['Greek, and its last sigma', 'ΟΔΟΣ οδός', 'οδοσ οδοσ'],
    ['Cyrillic', 'Ёлка ЁЛКА елка', 'елка елка елка'],
    ['Arabic vowel signs, hamza and stretcher', 'مُحَمَّد محمد أحمد احمد مـحـمـد', 'محمد محمد احمد احمد محمد'],
    ['Hebrew points', 'שָׁלוֹם שלום', 'שלום שלום'],
    ['Devanagari keeps its vowel marks', 'हिन्दी में', 'हिन्दी में'],
    ['Thai in pairs', 'ไทย', 'ไท ทย ย'],
    ['Han in pairs', '北京大学', '北京 京大 大学 学'],
    ['Japanese: no accent is lost, long vowels stay', 'がく コーヒー', 'がく く コー ーヒ ヒー ー'],
    ['halfwidth is fullwidth', 'ｶﾞｸ ガク', 'ガク ク ガク ク'],
    ['Korean', '서울에서', '서울 울에 에서 서'],
    ['one letter of such a script', '京', '京'],
    ['two scripts side by side', 'iPhone手机15', 'iphone 手机 机 15'],
    ['fullwidth and ligatures', 'Ａｂ１ ﬁne ℡', 'ab1 fine tel'],
    ['soft hyphens and joiners', 'co\u00adoper\u200date', 'cooperate'],
    ['emoji are no words', '👩‍👩‍👧 ❤️ 1️⃣ ok', '1 ok'],
    ['signs part', "foo_bar don't a@b.co x/y", 'foo bar don t a b co x y'],
    ['marks without a letter', '\u0301 \u093f x', 'x'],
    ['lone surrogates and NUL', '\ud800ab\udc00\0cd', 'ab cd'],
    ['nothing', ' &|!*:() ', ''],
  ])('%s', (_, text, words) => {
    expect(wordsOf(text).join(' ')).toBe(words)
  })

  it('cuts long words, never within a character, and stops when it has enough', () => {
    expect(wordsOf('x'.repeat(500))).toEqual(['x'.repeat(64)])
    const [word] = wordsOf(`y${'𝒜𐐷'.repeat(100)}`)
    expect(word?.isWellFormed()).toBe(true)
    expect(wordsOf('a b c d', 2)).toEqual(['a', 'b'])
  })

  it('folds what is folded to itself', () => {
    for (const text of ['İstanbul', 'Straße', 'ΟΔΟΣ', 'ガク', 'हिन्दी', 'ﷺ', 'Ǆ', '한국어', '½'])
      expect(foldText(foldText(text))).toBe(foldText(text))
  })

  it('asks for the same words as it stores, without the last letter of a run, in the same places', () => {
    expect(askedWordsOf('东京大 tokyo 京', 9)).toEqual([
      { word: '东京', position: 0, isPrefix: false },
      { word: '京大', position: 1, isPrefix: false },
      { word: 'tokyo', position: 3, isPrefix: false },
      { word: '京', position: 4, isPrefix: true },
    ])
    expect([isUnspaced('tokyo'), isUnspaced('東'), isUnspaced('가')]).toEqual([false, true, true])
  })
})

describe('tsvectorLiteral', () => {
  it('weighs subject, sender, recipients and the rest, and keeps fields apart', async () => {
    const lexemes = await stored({
      subject: 'Alpha beta',
      from: ['Gamma <delta@epsilon.io>'],
      to: ['zeta@eta.io'],
      cc: ['theta@iota.io'],
      bcc: ['kappa@lambda.io'],
      text: 'mu alpha',
      attachments: [{ filename: 'Nu xi.pdf' }],
    })
    expect(lexemes.get('alpha')).toMatchObject({ positions: [1, 26], weights: ['A', 'D'] })
    expect(lexemes.get('beta')).toMatchObject({ positions: [2], weights: ['A'] })
    expect(lexemes.get('gamma')).toMatchObject({ positions: [4], weights: ['B'] })
    for (const word of ['zeta', 'theta', 'kappa', ':c:theta', ':b:kappa'])
      expect(lexemes.get(word)?.weights, word).toEqual(['C'])
    for (const word of ['mu', 'nu', ':f:nu', ':f:pdf']) expect(lexemes.get(word)?.weights, word).toEqual(['D'])
    expect(lexemes.has(':c:zeta')).toBe(false)
  })

  it('has facets without places', async () => {
    const lexemes = await stored({
      attachments: [{ filename: '' }],
      labelIds: ['INBOX', 'Label_7'],
      labelNames: ['Büro / Ünïcode & mehr', '🔥'],
      messageId: ' <CAF=X"\'\\@Mail.example.com> ',
    })
    expect([...lexemes.keys()].sort()).toEqual(
      [
        ':m:0193000000007000800000000000000a',
        ':h:attachment',
        ':h:userlabels',
        ':i:caf=x"\'\\@mail.example.com',
        ':l:INBOX',
        ':l:Label_7',
        ':n:buro-unicode-mehr',
        ':n:🔥',
      ].sort(),
    )
    expect([...lexemes.values()].filter(({ positions }) => positions !== null)).toEqual([])
  })

  it("takes a message's old labels away and puts the new ones in their place", async () => {
    const before = tsvectorLiteral({ ...blank, subject: 'kept', labelIds: ['INBOX', 'Label_1'], labelNames: ["It's"] })
    const [row] = await query<{ same: boolean }>(
      'select ts_delete($1::tsvector, $2::text[]) || array_to_tsvector($3::text[]) = $4::tsvector as same',
      [
        before,
        facetsOfLabels(['INBOX', 'Label_1'], ["It's"]),
        facetsOfLabels(['TRASH'], []),
        tsvectorLiteral({ ...blank, subject: 'kept', labelIds: ['TRASH'] }),
      ],
    )
    expect(row?.same).toBe(true)
  })

  const distinct = (count: number, letters: string): string =>
    Array.from({ length: count }, (_, at) => `${letters}${at}`).join(' ')

  it.each([
    ['one word for ever', 'a '.repeat(400_000)],
    ['no space at all', 'x'.repeat(1_000_000)],
    ['very many different words', distinct(100_000, 'w')],
    ['long words of four bytes a letter', distinct(20_000, '𐐷'.repeat(30))],
    [
      'Han without end',
      Array.from({ length: 300_000 }, (_, at) => String.fromCodePoint(0x4e00 + (at % 20_000))).join(''),
    ],
    ['marks without end', `a${'\u093f'.repeat(300_000)} か${'\u3099'.repeat(300_000)}`],
    ['letters that unfold to eighteen', 'ﷺ'.repeat(300_000)],
    ['NUL, surrogates, quotes', '\0\ud800\'\\"'.repeat(100_000)],
  ])('stays within what PostgreSQL takes: %s', async (_, text) => {
    const names = [text.slice(0, 50_000), ...Array.from({ length: 2_000 }, (_, at) => `n${at}@example.com`)]
    const begun = Date.now()
    const literal = tsvectorLiteral({
      ...blank,
      subject: text.slice(0, 50_000),
      from: names,
      to: names,
      cc: names,
      text,
      attachments: names.map((filename) => ({ filename })),
      labelIds: names,
      labelNames: names,
      messageId: text,
    })
    expect(Date.now() - begun).toBeLessThan(3_000)
    const [row] = await query<{ lexemes: number }>('select length($1::tsvector) as lexemes', [literal])
    expect(row?.lexemes).toBeGreaterThan(0)
    expect(row?.lexemes).toBeLessThanOrEqual(20_000)
    expect(new TextEncoder().encode(literal).length).toBeLessThanOrEqual(512 * 1_024)
  })

  it('finds words far down a long text, and what comes after them in importance', async () => {
    const lexemes = await stored({ text: `${distinct(17_000, 'w')} needle haystack`, labelIds: ['INBOX'] })
    expect(lexemes.get('needle')?.positions).toEqual([16_383])
    expect(lexemes.has(':l:INBOX')).toBe(true)
  })
})

describe('highlightSnippet', () => {
  it.each([
    ['accents', 'Le café noir', ['cafe'], 'Le <mark>café</mark> noir'],
    ['whole words only', 'cafes and cafe', ['cafe'], 'cafes and <mark>cafe</mark>'],
    ['prefixes', 'Invoices, invite', ['invo*'], '<mark>Invoices</mark>, invite'],
    ['Han within a longer run', '我在北京大学读书', ['北京', '京大', '大学'], '我在<mark>北京大学</mark>读书'],
    ['one letter of Han', '我在北京', ['京'], '我在北<mark>京</mark>'],
    ['a word beside Han', 'iPhone手机', ['iphone'], '<mark>iPhone</mark>手机'],
    ['halfwidth', 'ｶﾞｸ', ['ガク'], '<mark>ｶﾞｸ</mark>'],
    [
      'escaped, in marks and beside',
      `<b a="1">Q&A's</b>`,
      ['a'],
      '&lt;b <mark>a</mark>=&quot;1&quot;&gt;Q&amp;<mark>A</mark>&#39;s&lt;/b&gt;',
    ],
    ['white space', ' a \r\n\t b ', ['b'], 'a <mark>b</mark>'],
    ['nothing asked', '<i>', [], '&lt;i&gt;'],
    ['nothing there', '', ['a'], ''],
  ])('marks %s', (_, text, words, html) => {
    expect(highlightSnippet(text, words)).toEqual({ html })
  })

  it('shows the part around the first hit, between words', () => {
    const filler = 'lorem ipsum dolor '.repeat(100)
    const { html } = highlightSnippet(`${filler}needle ${filler}`, ['needle'], { length: 60 })
    expect(html).toMatch(/^…(lorem|ipsum|dolor) .*<mark>needle<\/mark>.* (lorem|ipsum|dolor)…$/)
    expect(html.replace(/<\/?mark>|…/g, '').length).toBeLessThanOrEqual(60)
    expect(highlightSnippet(filler, ['needle'], { length: 20 })).toEqual({ html: 'lorem ipsum dolor…' })
  })

  it('shows a hit that is longer than the window, and never half a character', () => {
    const long = 'x'.repeat(300)
    expect(highlightSnippet(`${long} y`, ['x'.repeat(64)], { length: 50 }).html).toBe(`<mark>${'x'.repeat(50)}</mark>…`)
    expect(highlightSnippet('😀'.repeat(300), ['a'], { length: 51 }).html.isWellFormed()).toBe(true)
    expect(highlightSnippet(`${'😀'.repeat(300)} a`, ['a'], { length: 51 }).html).toMatch(/^…(😀)* <mark>a<\/mark>$/u)
  })

  it('is quick with a huge text and many words', () => {
    const words = Array.from({ length: 256 }, (_, at) => `w${at}*`)
    const begun = Date.now()
    highlightSnippet('ab '.repeat(1_000_000), words)
    highlightSnippet('漢'.repeat(1_000_000), words)
    highlightSnippet('x'.repeat(1_000_000), words)
    expect(Date.now() - begun).toBeLessThan(3_000)
  })
})
