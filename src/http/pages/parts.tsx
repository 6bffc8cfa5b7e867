// Parts that several pages share: notices, badges, moments in time, ids. They show what they are given and fetch nothing.

import type { Child } from 'hono/jsx'

export type Tone = 'good' | 'warn' | 'bad' | 'calm'

/** Said once at the top of a page; screen readers hear it without being moved there. */
export const Notice = ({ tone, title, children }: { tone: Tone; title: string; children?: Child }) => (
  <div class={`notice ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
    <p class="notice-title">{title}</p>
    {children}
  </div>
)

/** A state in words; colour only repeats them. */
export const Badge = ({ tone, children }: { tone: Tone; children?: Child }) => (
  <span class={`badge ${tone}`}>{children}</span>
)

const absolute = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })
const dayOnly = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' })
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const units: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]

/** `in 42 minutes`, `3 days ago`; under a minute `in a moment` and `just now`. */
export function relativeWords(at: Date, now: Date): string {
  const seconds = (at.getTime() - now.getTime()) / 1_000
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit)
  }
  return seconds > 0 ? 'in a moment' : 'just now'
}

/** How far away, with the moment itself beside it. */
export const Moment = ({ at, now }: { at: Date; now: Date }) => (
  <time datetime={at.toISOString()}>
    {relativeWords(at, now)} <span class="moment">{absolute.format(at)} UTC</span>
  </time>
)

export const Day = ({ at }: { at: Date }) => <time datetime={at.toISOString()}>{dayOnly.format(at)}</time>

/** One name and its value in a list of facts. */
export const Fact = ({ name, isWide, children }: { name: string; isWide?: boolean; children?: Child }) => (
  <div class={isWide ? 'fact wide-fact' : 'fact'}>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
)

/** Where a list goes on; nothing where it ends. */
export const Older = ({ path, cursor }: { path: string; cursor: string | null }) =>
  cursor === null ? null : (
    <nav class="older" aria-label="More">
      <a class="button" href={`${path}?cursor=${encodeURIComponent(cursor)}`}>
        Show older
      </a>
    </nav>
  )

/** The way between pages that belong together; `path` is the one this page belongs to. */
export const Tabs = ({
  label,
  places,
  path,
  kind,
}: {
  label: string
  places: readonly { readonly path: string; readonly label: string }[]
  path: string
  kind?: string
}) => (
  <nav class={kind === undefined ? 'tabs' : `tabs ${kind}`} aria-label={label}>
    <ul>
      {places.map((place) => (
        <li>
          <a href={place.path} aria-current={place.path === path ? 'page' : undefined}>
            {place.label}
          </a>
        </li>
      ))}
    </ul>
  </nav>
)
