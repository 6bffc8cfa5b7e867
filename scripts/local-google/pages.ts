// How the account chooser, the consent page and the error page look: HTML without script. It must not know the rules
// that decide which of them is shown.
import type { AuthorizeRequest, Refusal } from './authorize.ts'
import { isOptional, scopeWords } from './scopes.ts'
import type { User } from './world.ts'

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return text.replace(/[&<>"']/g, (sign) => entities[sign] ?? sign)
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1f1f1f; --soft: #5c5f63; --line: #d5d8dc; --ground: #eef1f6; --card: #fff;
  --accent: #0b57d0; --on-accent: #fff; --hover: #f1f5fc; --avatar: #d7e5fb }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e7e9; --soft: #b3b7bd; --line: #43474d; --ground: #131417;
  --card: #1e2024; --accent: #a8c7fa; --on-accent: #062e6f; --hover: #282b31; --avatar: #2d4468 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif }
main { width: 100%; max-width: 880px; background: var(--card); border-radius: 24px; overflow: hidden }
.label { margin: 0; padding: 12px 36px; border-bottom: 1px solid var(--line); color: var(--soft); font-size: 14px }
.label strong { color: var(--ink) }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 24px 48px; padding: 36px }
h1 { margin: 0 0 8px; font-size: 32px; line-height: 1.2; font-weight: 500; text-wrap: balance }
p { margin: 0 0 12px }
.soft { color: var(--soft) }
.host { overflow-wrap: anywhere; color: var(--ink); font-weight: 600 }
ul { list-style: none; margin: 0; padding: 0 }
li + li { border-top: 1px solid var(--line) }
.account { display: flex; gap: 14px; align-items: center; width: 100%; padding: 14px 10px; border: 0; background: none;
  color: inherit; font: inherit; text-align: left; cursor: pointer; border-radius: 8px }
.account:hover { background: var(--hover) }
.avatar { flex: none; width: 36px; height: 36px; border-radius: 50%; display: grid; place-items: center;
  background: var(--avatar); font-weight: 600 }
.account small, .who small { display: block; color: var(--soft); font-size: 14px; overflow-wrap: anywhere }
.who { display: flex; gap: 14px; align-items: center }
.scope { display: flex; gap: 14px; padding: 12px 4px; align-items: flex-start }
label.scope { cursor: pointer }
.scope input { flex: none; width: 20px; height: 20px; margin: 2px 0 0; accent-color: var(--accent) }
.tick { flex: none; width: 20px; text-align: center; color: var(--soft) }
.actions { display: flex; flex-wrap: wrap; gap: 12px; justify-content: flex-end; margin-top: 24px }
.actions button { min-height: 44px; padding: 8px 26px; border-radius: 22px; border: 1px solid var(--line);
  background: none; color: var(--accent); font: inherit; font-weight: 600; cursor: pointer }
.actions .primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent) }
.actions button:hover { filter: brightness(0.94) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
@media (max-width: 680px) { body { padding: 0; place-items: stretch } main { border-radius: 0 }
  .label { padding: 12px 20px } .columns { grid-template-columns: 1fr; padding: 24px 20px; align-content: start }
  h1 { font-size: 26px } .actions button { flex: 1 } }
`

function frame(title: string, left: string, right: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Local Google (development)</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<p class="label"><strong>Local Google (development)</strong> · not the real Google, never type a real password</p>
<div class="columns">
<div>${left}</div>
<div>${right}</div>
</div>
</main>
</body>
</html>`
}

function person(user: User): string {
  const name = user.name ?? user.email
  const initial = escapeHtml([...name][0]?.toUpperCase() ?? '?')
  const text = `<span>${escapeHtml(name)}<small>${escapeHtml(user.email)}</small></span>`
  return `<span class="avatar" aria-hidden="true">${initial}</span>${text}`
}

function hostOf(asked: AuthorizeRequest): string {
  return `<span class="host">${escapeHtml(new URL(asked.redirectUri).host)}</span>`
}

/** One button for each account, also where there is only one. `action` is where the form goes. */
export function chooserPage(asked: AuthorizeRequest, users: readonly User[], action: string): string {
  const rows = users.map(
    (user) =>
      `<li><button class="account" name="sub" value="${escapeHtml(user.sub)}" type="submit">${person(user)}</button></li>`,
  )
  const hint = asked.loginHint?.toLowerCase()
  const isKnown = users.some((user) => user.email.toLowerCase() === hint || user.sub === hint)
  const hinted =
    hint === undefined || isKnown ? '' : `<p>The app asked for ${escapeHtml(hint)}, which has no account here.</p>`
  const list = rows.length === 0 ? '<p>There is no account here yet.</p>' : `<ul>${rows.join('')}</ul>`
  return frame(
    'Choose an account',
    `<h1>Choose an account</h1><p class="soft">to continue to ${hostOf(asked)}</p>${hinted}`,
    `<form method="post" action="${escapeHtml(action)}">${list}
<div class="actions"><button name="decision" value="cancel" type="submit">Cancel</button></div></form>`,
  )
}

/** What is asked: sign-in listed, mail permissions each with a box to untick. */
export function consentPage(asked: AuthorizeRequest, user: User, action: string): string {
  const rows = asked.scopes
    .filter((scope) => !isOptional(scope))
    .map((scope) => {
      const tick = '<span class="tick" aria-hidden="true">✓</span>'
      return `<li class="scope">${tick}<span>${escapeHtml(scopeWords[scope] ?? scope)}</span></li>`
    })
  const boxes = asked.scopes.filter(isOptional).map((scope) => {
    const box = `<input type="checkbox" name="scope" value="${escapeHtml(scope)}" checked>`
    return `<li><label class="scope">${box}<span>${escapeHtml(scopeWords[scope] ?? scope)}</span></label></li>`
  })
  const choose = boxes.length === 0 ? '' : '<p class="soft">Untick what the app should not be able to do.</p>'
  return frame(
    'Consent',
    `<h1>${hostOf(asked)} wants access to your account</h1>
<div class="who">${person(user)}</div>`,
    `<form method="post" action="${escapeHtml(action)}">
<input type="hidden" name="sub" value="${escapeHtml(user.sub)}">
<p><strong>It will be able to:</strong></p>${choose}
<ul>${rows.join('')}${boxes.join('')}</ul>
<div class="actions"><button name="decision" value="cancel" type="submit">Cancel</button>
<button class="primary" name="decision" value="allow" type="submit">Continue</button></div></form>`,
  )
}

/** A request so wrong that the browser may not be sent back. */
export function refusalPage({ error, description }: Refusal): string {
  return frame(
    'Access blocked',
    '<h1>Access blocked</h1><p class="soft">The app’s request is invalid.</p>',
    `<p><strong>Error 400: ${escapeHtml(error)}</strong></p><p>${escapeHtml(description)}</p>`,
  )
}
