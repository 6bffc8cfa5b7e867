// What the pages under `/settings` share: the way between them, and what was just done.

import type { Child } from 'hono/jsx'
import { Notice, Tabs } from './parts.tsx'

const places = [
  { path: '/settings', label: 'Profile' },
  { path: '/settings/security', label: 'Security' },
] as const

export type SettingsPath = (typeof places)[number]['path']

export const SettingsHead = ({ path, title, children }: { path: SettingsPath; title: string; children?: Child }) => (
  <>
    <div class="page-head">
      <div>
        <h1>{title}</h1>
        {children}
      </div>
    </div>
    <Tabs label="Settings" places={places} path={path} />
  </>
)

const doneWords: Readonly<Record<string, string>> = {
  profile: 'Your profile was saved.',
  picture: 'Your picture was changed.',
  picture_removed: 'Your picture was removed.',
  email_asked: 'We wrote to the new address. Open the link in that letter, in this browser, to finish.',
  email_changed: 'Your address was changed.',
  password: 'Your password was changed. Every other session was ended.',
  unlinked: 'That way to sign in was removed. Every other session was ended.',
  session: 'That session was ended.',
  gone: 'That was done already.',
}

/** The notice of `?done=`; nothing for a word that is none of ours. */
export const DoneNotice = ({ done }: { done: string | undefined }) => {
  const words = done === undefined || !Object.hasOwn(doneWords, done) ? undefined : doneWords[done]
  return words === undefined ? null : <Notice tone="good" title={words} />
}
