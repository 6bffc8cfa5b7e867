// The HTML side of a letter: one column that is good on a phone, system fonts, styles inline, no picture and nothing from
// elsewhere. It knows how a letter looks, not what it says. Everything is escaped here.
//
// Colours have three digits and ids none: a reset letter holds six digits in a row once, in its code.

import { escapeHtml } from '../crypto/encoding.ts'

/** A letter in parts, in the order they are shown. */
export interface LetterParts {
  readonly appName: string
  readonly subject: string
  readonly opening: readonly string[]
  readonly digits: string | null
  readonly button: { readonly label: string; readonly url: string } | null
  readonly after: readonly string[]
  readonly notYou: string
  /** A further address, bare, under the last words. */
  readonly notYouUrl: string | null
}

// Clients that know `prefers-color-scheme` get these; the others see the inline styles, or darken them on their own.
const darkStyles = `@media (prefers-color-scheme:dark){
.page{background:#111!important}.card{background:#1c1c1e!important}
.text{color:#eee!important}.soft{color:#aaa!important}.code{background:#333!important;color:#fff!important}
.link{color:#8bf!important}}`

const font = "font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"

/** A whole document. Links ask for a tab of their own, so that they open from the viewer's sandboxed frame, too. */
export function letterHtml(parts: LetterParts): string {
  const paragraph = (text: string): string =>
    `<p class="text" style="margin:0 0 16px;font-size:16px;line-height:1.5;color:#222">${escapeHtml(text)}</p>`
  const soft = (text: string): string =>
    `<p class="soft" style="margin:0 0 12px;font-size:14px;line-height:1.5;color:#666">${escapeHtml(text)}</p>`
  const bareLink = (url: string): string =>
    `<p style="margin:0 0 16px;font-size:13px;line-height:1.5;word-break:break-all"><a class="link" href="${escapeHtml(url)}" target="_blank" style="color:#05c">${escapeHtml(url)}</a></p>`
  const code = (digits: string): string =>
    `<p class="code" style="margin:8px 0 24px;padding:16px;border-radius:10px;background:#eef;color:#111;text-align:center;font-family:ui-monospace,Menlo,Consolas,monospace;font-size:30px;font-weight:700;letter-spacing:6px">${escapeHtml(digits)}</p>`
  const button = ({ label, url }: { label: string; url: string }): string =>
    `<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:8px 0 20px"><tr><td style="border-radius:10px;background:#05c"><a href="${escapeHtml(url)}" target="_blank" style="display:inline-block;padding:14px 24px;font-size:16px;font-weight:600;line-height:1.25;color:#fff;text-decoration:none">${escapeHtml(label)}</a></td></tr></table>${soft('If the button does not work, open this address:')}${bareLink(url)}`
  const { digits, notYouUrl } = parts
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${escapeHtml(parts.subject)}</title>
<style>${darkStyles}</style>
</head>
<body class="page" style="margin:0;padding:0;background:#f4f4f6;${font}">
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0" style="background:#f4f4f6"><tr><td align="center" style="padding:24px 12px">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:520px;background:#fff;border-radius:14px"><tr><td align="left" style="padding:28px 24px;${font}">
<p class="soft" style="margin:0 0 8px;font-size:14px;font-weight:600;color:#666">${escapeHtml(parts.appName)}</p>
<h1 class="text" style="margin:0 0 16px;font-size:22px;line-height:1.3;color:#111">${escapeHtml(parts.subject)}</h1>
${[
  ...parts.opening.map(paragraph),
  ...(digits === null ? [] : [code(digits)]),
  ...(parts.button === null ? [] : [button(parts.button)]),
  ...parts.after.map(soft),
  soft(parts.notYou),
  ...(notYouUrl === null ? [] : [bareLink(notYouUrl)]),
].join('\n')}
</td></tr></table>
</td></tr></table>
</body>
</html>
`
}
