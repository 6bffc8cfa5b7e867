// How the authorization page and its refusal look: HTML without script. It knows no rules.
import type { Asked } from './authorize.ts'
import type { Person } from './world.ts'

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return text.replace(/[&<>"']/g, (sign) => entities[sign] ?? sign)
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --ground: #f6f8fa; --card: #fff; --go: #1f883d }
@media (prefers-color-scheme: dark) { :root { --ink: #f0f6fc; --soft: #9198a1; --line: #3d444d; --ground: #0d1117; --card: #151b23; --go: #238636 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 20px; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', sans-serif }
main { width: 100%; max-width: 460px; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 28px }
.label { margin: 0 0 16px; color: var(--soft); font-size: 14px }
h1 { margin: 0 0 12px; font-size: 24px; line-height: 1.25; overflow-wrap: anywhere }
p, ul { margin: 0 0 16px }
small { display: block; font-weight: 400; overflow-wrap: anywhere }
button { width: 100%; min-height: 44px; margin-top: 10px; padding: 8px 16px; border: 1px solid var(--line); border-radius: 8px;
  background: none; color: inherit; font: inherit; font-weight: 600; cursor: pointer }
button.go { background: var(--go); border-color: var(--go); color: #fff }
:focus-visible { outline: 3px solid #4493f8; outline-offset: 2px }
`

function frame(title: string, content: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Local GitHub (development)</title><link rel="icon" href="data:,"><style>${STYLE}</style></head>
<body><main><p class="label"><strong>Local GitHub (development)</strong> · not the real one, never type a real password</p>
${content}</main></body></html>`
}

/** One button for each person, and Cancel. */
export function choicePage(asked: Asked, people: readonly Person[], action: string): string {
  const buttons = people.map((person) => {
    const primary = person.emails.find((entry) => entry.primary === true)
    const words = `${String(primary?.email ?? 'no address')}${primary?.verified === true ? '' : ', not verified'}`
    return `<button class="go" name="person" value="${person.id}" type="submit">Authorize as ${escapeHtml(person.login)}<small>${escapeHtml(words)}</small></button>`
  })
  const scopes = asked.scopes.map((scope) => `<li>${escapeHtml(scope)}</li>`).join('')
  return frame(
    'Authorize',
    `<h1>${escapeHtml(new URL(asked.redirectUri).host)} wants to know who you are</h1><ul>${scopes}</ul>
<form method="post" action="${escapeHtml(action)}">${buttons.join('')}
<button name="decision" value="cancel" type="submit">Cancel</button></form>`,
  )
}

export function refusalPage(reason: string): string {
  return frame('Refused', `<h1>This request is refused</h1><p>${escapeHtml(reason)}</p>`)
}
