// A plain text mail made readable: links that can be followed, and what was quoted folded away. Everything is text to
// hono/jsx, which escapes it; only http and https become links.

import type { Child } from 'hono/jsx'

/** More than this of one message is not shown: a page must not be made of one letter. */
const longestShown = 200_000

/** What the reader wrote and what they quoted, in turn. */
interface Passage {
  readonly isQuoted: boolean
  readonly text: string
}

export const MailText = ({ text }: { text: string }) => {
  const shown = text.slice(0, longestShown)
  return (
    <div class="mail-text">
      {passagesOf(shown).map(({ isQuoted, text: passage }) =>
        isQuoted ? (
          <details class="quoted">
            <summary>Quoted text</summary>
            <p>{linked(passage)}</p>
          </details>
        ) : (
          <p>{linked(passage)}</p>
        ),
      )}
      {text.length > longestShown ? (
        <p class="soft">The rest of this message is left out here: it is very long.</p>
      ) : null}
    </div>
  )
}

/** Lines that begin with `>` belong together, and a line that introduces them goes with them. */
export function passagesOf(text: string): Passage[] {
  const passages: { isQuoted: boolean; lines: string[] }[] = []
  for (const line of text.replaceAll('\r\n', '\n').split('\n')) {
    const isQuoted = line.startsWith('>')
    const last = passages.at(-1)
    if (last !== undefined && last.isQuoted === isQuoted) last.lines.push(line)
    else passages.push({ isQuoted, lines: [line] })
  }
  return passages
    .map(({ isQuoted, lines }) => ({ isQuoted, text: trimLines(lines) }))
    .filter(({ text: passage }) => passage !== '')
}

function trimLines(lines: readonly string[]): string {
  return lines.join('\n').replace(/^\n+/, '').trimEnd()
}

const address = /https?:\/\/[^\s<>"'\p{C}]{1,2000}/giu

/** The text with its web addresses as links; marks at the end of a sentence are no part of them. */
function linked(text: string): Child[] {
  const parts: Child[] = []
  let at = 0
  for (const { 0: found, index } of text.matchAll(address)) {
    const url = withoutEnding(found)
    if (!URL.canParse(url)) continue
    parts.push(
      text.slice(at, index),
      <a href={url} rel="noopener noreferrer nofollow" target="_blank">
        {url}
      </a>,
    )
    at = index + url.length
  }
  parts.push(text.slice(at))
  return parts
}

function withoutEnding(url: string): string {
  const trimmed = url.slice(0, lastCharacter(url) + 1)
  return trimmed.endsWith(')') && !trimmed.includes('(') ? withoutEnding(trimmed.slice(0, -1)) : trimmed
}

function lastCharacter(url: string): number {
  let at = url.length - 1
  while (at > 0 && '.,;:!?*_]}'.includes(url.charAt(at))) at -= 1
  return at
}
