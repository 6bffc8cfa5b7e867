// What a refusal says to a person, and what to do next. Titles and details stand in errors.ts; this adds the step that
// follows. Codes from an address are looked up here and nowhere shown as they came: unknown ones say nothing.

import { type ErrorCode, refusals } from '../../errors.ts'
import { Notice } from './parts.tsx'
import { linkingPage } from './provider-links.tsx'

interface Words {
  readonly title: string
  readonly text: string
}

const ownWords: Partial<Record<ErrorCode, Words>> = {
  access_denied: {
    title: 'Permission was not given',
    text: 'The provider was told not to share anything with us, so nothing was changed. If that was a slip, begin again and choose Continue.',
  },
  provider_refused: {
    title: 'The provider did not accept this',
    text: 'Nothing was changed. Please begin again: each attempt works only once. If it happens again, see whether the provider has a verified primary e-mail address of yours: without one nobody can sign in here.',
  },
  provider_unavailable: {
    title: 'The provider cannot be reached',
    text: 'Nothing was changed. Wait a minute, then try again.',
  },
  account_exists: {
    title: 'There is an account with this address',
    text: 'Nothing was changed. Sign in the way you did before: it leads to your security settings, where you can add this way to sign in.',
  },
  account_disabled: {
    title: 'This account is disabled',
    text: 'Nobody can sign in to it. If you think that is a mistake, ask the people who run this service.',
  },
  identity_in_use: {
    title: 'This sign-in belongs to another account',
    text: 'Nothing was changed. Choose another account at the provider, or sign in with this one instead.',
  },
  wrong_mailbox: {
    title: 'You chose another mailbox',
    text: 'Reconnecting needs the same mailbox as before, so nothing was changed. Reconnect again and choose the address on its card; another address can be connected as a mailbox of its own.',
  },
  session_expired: {
    title: 'Your session ended on the way',
    text: 'Nothing was changed. Please sign in, then try again.',
  },
  step_up_required: {
    title: 'Please confirm it is you',
    text: 'This needs a proof of the last 15 minutes. Confirm it is you, then try once more.',
  },
  conflict: {
    title: 'Something else changed this at the same time',
    text: 'Nothing was lost. Please try again.',
  },
  unavailable: { title: 'Temporarily unavailable', text: 'Nothing was changed. Please try again in a moment.' },
  internal: { title: 'Something went wrong', text: 'The error was recorded. Please try again.' },
  flow_unknown: refusalOf('flow_unknown'),
  sealed_token_unreadable: refusalOf('sealed_token_unreadable'),
  origin_refused: {
    title: 'This form did not come from our own page',
    text: 'Nothing was changed. Open the page here and send the form again.',
  },
  forbidden: { title: 'This is not for your account', text: 'You are signed in, but this page is for administrators.' },
  not_found: {
    title: 'There is nothing here',
    text: 'The address may be mistyped, or what stood here is gone, or it belongs to somebody else.',
  },
  malformed_request: { title: 'The form could not be read', text: 'Nothing was changed. Go back and send it again.' },
  unsupported_media_type: {
    title: 'The form could not be read',
    text: 'It came in a format that this page does not take. Nothing was changed.',
  },
  body_too_large: { title: 'The form is too large', text: 'Nothing was changed. Send less text.' },
  invalid_input: {
    title: 'Some of this is not as it should be',
    text: 'The address or the form has a value that does not fit. Nothing was changed.',
  },
}

function refusalOf(code: ErrorCode): Words {
  const { title, detail } = refusals[code]
  return { title, text: detail }
}

export function wordsFor(code: ErrorCode): Words {
  return ownWords[code] ?? refusalOf(code)
}

/** `a minute`, `30 minutes`: until it may be tried again. */
export function waitWords(seconds: number): string {
  if (seconds < 60) return `${seconds} seconds`
  const minutes = Math.ceil(seconds / 60)
  return minutes === 1 ? 'a minute' : `${minutes} minutes`
}

/** Where a person goes on who was adding a way to sign in: a refused flow ends on `/mailboxes`, where that is not done. */
const onward: Partial<Record<ErrorCode, { path: string; label: string }>> = {
  identity_in_use: { path: linkingPage, label: 'Go to your ways to sign in' },
  step_up_required: { path: `/step-up?return_to=${linkingPage}`, label: 'Confirm it is you' },
}

/** The notice of `?error=<code>`; nothing for a code that is none of ours. */
export const ErrorNotice = ({ code }: { code: string | undefined }) => {
  if (code === undefined || !isKnown(code)) return null
  const { title, text } = wordsFor(code)
  const way = onward[code]
  return (
    <Notice tone="bad" title={title}>
      <p>{text}</p>
      {way === undefined ? null : (
        <p>
          <a href={way.path}>{way.label}</a>
        </p>
      )}
    </Notice>
  )
}

function isKnown(code: string): code is ErrorCode {
  return Object.hasOwn(refusals, code)
}
