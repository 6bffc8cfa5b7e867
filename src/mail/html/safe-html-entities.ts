// The character references of HTML that mail uses (HTML 4's, and those an attacker writes a scheme with), decoded. What
// comes out is text: whoever writes it into HTML escapes it again, so a name that is not known here stays as written.

/** U+00A0 to U+00FF, in order. Their names count without a semicolon, too. */
const latinNames = `
  nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute
  micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring
  AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml
  times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil
  egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash
  ugrave uacute ucirc uuml yacute thorn yuml
`
  .trim()
  .split(/\s+/)

/** name:code point in hexadecimal. */
const otherNames = `
  amp:26 lt:3c gt:3e quot:22 apos:27 Tab:9 NewLine:a excl:21 num:23 dollar:24 percnt:25 lpar:28 rpar:29 ast:2a
  plus:2b comma:2c period:2e sol:2f colon:3a semi:3b equals:3d quest:3f commat:40 lsqb:5b lbrack:5b bsol:5c
  rsqb:5d rbrack:5d lowbar:5f lbrace:7b lcub:7b rbrace:7d rcub:7d vert:7c verbar:7c Hat:5e grave:60 OElig:152
  oelig:153 Scaron:160 scaron:161 Yuml:178 fnof:192 circ:2c6 tilde:2dc Alpha:391 Beta:392 Gamma:393 Delta:394
  Epsilon:395 Zeta:396 Eta:397 Theta:398 Iota:399 Kappa:39a Lambda:39b Mu:39c Nu:39d Xi:39e Omicron:39f Pi:3a0
  Rho:3a1 Sigma:3a3 Tau:3a4 Upsilon:3a5 Phi:3a6 Chi:3a7 Psi:3a8 Omega:3a9 alpha:3b1 beta:3b2 gamma:3b3 delta:3b4
  epsilon:3b5 zeta:3b6 eta:3b7 theta:3b8 iota:3b9 kappa:3ba lambda:3bb mu:3bc nu:3bd xi:3be omicron:3bf pi:3c0
  rho:3c1 sigmaf:3c2 sigma:3c3 tau:3c4 upsilon:3c5 phi:3c6 chi:3c7 psi:3c8 omega:3c9 thetasym:3d1 upsih:3d2
  piv:3d6 ensp:2002 emsp:2003 thinsp:2009 zwnj:200c zwj:200d lrm:200e rlm:200f ndash:2013 mdash:2014 lsquo:2018
  rsquo:2019 sbquo:201a ldquo:201c rdquo:201d bdquo:201e dagger:2020 Dagger:2021 bull:2022 hellip:2026
  permil:2030 prime:2032 Prime:2033 lsaquo:2039 rsaquo:203a oline:203e frasl:2044 euro:20ac image:2111
  weierp:2118 real:211c trade:2122 alefsym:2135 larr:2190 uarr:2191 rarr:2192 darr:2193 harr:2194 crarr:21b5
  lArr:21d0 uArr:21d1 rArr:21d2 dArr:21d3 hArr:21d4 forall:2200 part:2202 exist:2203 empty:2205 nabla:2207
  isin:2208 notin:2209 ni:220b prod:220f sum:2211 minus:2212 lowast:2217 radic:221a prop:221d infin:221e
  ang:2220 and:2227 or:2228 cap:2229 cup:222a int:222b there4:2234 sim:223c cong:2245 asymp:2248 ne:2260
  equiv:2261 le:2264 ge:2265 sub:2282 sup:2283 nsub:2284 sube:2286 supe:2287 oplus:2295 otimes:2297 perp:22a5
  sdot:22c5 lceil:2308 rceil:2309 lfloor:230a rfloor:230b lang:27e8 rang:27e9 loz:25ca spades:2660 clubs:2663
  hearts:2665 diams:2666 check:2713 star:2606 starf:2605 phone:260e hyphen:2010 horbar:2015 Amacr:100 amacr:101
  Aogon:104 aogon:105 Cacute:106 cacute:107 Ccaron:10c ccaron:10d Dcaron:10e dcaron:10f Dstrok:110 dstrok:111
  Ecaron:11a ecaron:11b Eogon:118 eogon:119 Gbreve:11e gbreve:11f Idot:130 imath:131 inodot:131 Lstrok:141
  lstrok:142 Nacute:143 nacute:144 Ncaron:147 ncaron:148 Odblac:150 odblac:151 Rcaron:158 rcaron:159 Sacute:15a
  sacute:15b Scedil:15e scedil:15f Tcaron:164 tcaron:165 Uring:16e uring:16f Udblac:170 udblac:171 Zacute:179
  zacute:17a Zcaron:17d zcaron:17e Zdot:17b zdot:17c
`
  .trim()
  .split(/\s+/)

const characters: ReadonlyMap<string, string> = new Map([
  ...latinNames.map((name, index): [string, string] => [name, String.fromCodePoint(0xa0 + index)]),
  ...otherNames.map((entry): [string, string] => {
    const [name = '', code = ''] = entry.split(':')
    return [name, String.fromCodePoint(Number.parseInt(code, 16))]
  }),
])

/** What stands at 0x80 to 0x9f there; as numbers in HTML, browsers read them so. */
const windows1252 = new TextDecoder('windows-1252').decode(Uint8Array.from({ length: 32 }, (_, index) => 0x80 + index))

/** Names that browsers read without their semicolon. */
const legacyNames: ReadonlySet<string> = new Set([...latinNames, 'amp', 'lt', 'gt', 'quot'])

/** `text` with its references decoded, once. Numbers follow the standard: C1 controls are windows-1252, nonsense is U+FFFD. */
export function decodeEntities(text: string): string {
  if (!text.includes('&')) return text
  return closeEntities(text).replaceAll(
    /&(?:#x([0-9a-f]+)|#(\d+)|([a-z][a-z0-9]{1,31}));/gi,
    (written: string, hexadecimal?: string, decimal?: string, name?: string) => {
      if (name !== undefined) return characters.get(name) ?? written
      return hexadecimal === undefined
        ? fromNumber(Number.parseInt(decimal ?? '', 10))
        : fromNumber(Number.parseInt(hexadecimal, 16))
    },
  )
}

/** Gives references the semicolon that browsers do without, so that every later reader sees the same ones. */
export function closeEntities(html: string): string {
  return html.replaceAll(/&(#\d+|#x[0-9a-f]+|[a-z]+\d{0,2})(?![\w;=])/gi, (written: string, name: string) =>
    name.startsWith('#') || legacyNames.has(name) ? `&${name};` : written,
  )
}

/** Text as the content of an element, or of an attribute in double quotes. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

function fromNumber(code: number): string {
  if (code >= 0x80 && code <= 0x9f) return windows1252.charAt(code - 0x80)
  const isNonsense = code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)
  return isNonsense ? '\ufffd' : String.fromCodePoint(code)
}
