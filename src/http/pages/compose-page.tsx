// `/inbox/compose`: a new message or an answer, and the form that sends it. It is taken in by the verb of the JSON route
// and sent behind the page that follows.

import type { CookieClaim } from '../../auth/claims.ts'
import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { readEmail } from '../../mail/read/read.ts'
import { acceptEmail, readUnsent, type UnsentEmail } from '../../mail/send/outbox.ts'
import { sendScope } from '../../mail/send/scopes.ts'
import { listMailAccounts, type MailAccount } from '../../mail-accounts/list.ts'
import { type AppContext, originOf } from '../context.ts'
import { recordThrown } from '../respond-error.ts'
import { uuid } from '../routes/shapes.ts'
import { sendMessages } from '../send-messages.ts'
import {
  emptyDraft,
  newKey,
  readDraft,
  readTyped,
  replyDraft,
  requestOf,
  splitAddresses,
  type Typed,
  unsentDraft,
} from './compose-draft.ts'
import { ComposeForm, NobodyMaySend } from './compose-form.tsx'
import type { Refused } from './form-fields.tsx'
import { MailNav, mailboxesShown } from './inbox-parts.tsx'
import { showPage, type Visitor } from './layout.tsx'
import { inboxPath } from './mail-words.ts'
import { offeredProviders } from './provider-links.tsx'
import { requireClaim } from './signed-in.ts'

interface Writer {
  readonly me: Visitor
  readonly accounts: readonly MailAccount[]
}

async function readWriter(c: AppContext, claim: CookieClaim): Promise<Writer> {
  const { deps } = c.env
  const mailboxPage = { forUserId: null, before: null, limit: mailboxesShown }
  const [me, accounts] = await Promise.all([whoAmI(deps.db, claim), listMailAccounts(deps, claim, mailboxPage)])
  return { me, accounts }
}

export function maySend({ status, grantedScopes }: MailAccount): boolean {
  return (status === 'active' || status === 'degraded') && grantedScopes.includes(sendScope)
}

/** `reply_to`: an answer to that message, with `all=1` to all of it; `again`: what was not sent, as it was written. */
export async function composePage(c: AppContext): Promise<Response> {
  const claim = await requireClaim(c)
  const [replyTo, again] = [idOf(c, 'reply_to'), idOf(c, 'again')]
  const [writer, original, unsent] = await Promise.all([
    readWriter(c, claim),
    replyTo === null ? null : readEmail(c.env.deps, claim, { emailId: replyTo, forUserId: null, pictures: 'none' }),
    again === null ? null : unsentIfKept(c, claim, again),
  ])
  const { accounts } = writer
  if (unsent !== null)
    return showCompose(c, writer, { draft: unsentDraft(unsent), refused: null, filesLost: unsent.hasFiles })
  const mailbox = accounts.find(({ id }) => id === original?.accountId)
  const wished = accounts.find(({ email }) => email === c.req.query('from')) ?? accounts.find(maySend)
  const draft =
    original !== null && mailbox !== undefined
      ? replyDraft(original, mailbox.email, c.req.query('all') === '1' ? 'all' : 'sender')
      : { ...emptyDraft(wished?.email ?? ''), to: c.req.query('to') ?? '' }
  return showCompose(c, writer, { draft, refused: null, filesLost: false })
}

/** Throws 404 where it is given and no id. */
function idOf(c: AppContext, name: string): string | null {
  const given = c.req.query(name)
  if (given === undefined) return null
  const id = uuid.safeParse(given)
  if (!id.success) throw new AppError('not_found')
  return id.data
}

/** After a week nothing of it is left but that it was not sent: the form is empty then. */
async function unsentIfKept(c: AppContext, claim: CookieClaim, outboxId: string): Promise<UnsentEmail | null> {
  try {
    return await readUnsent(c.env.deps, claim, outboxId)
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'not_found') return null
    throw thrown
  }
}

/**
 * POST /inbox/compose, `action=send`. Whatever it is refused for, what was typed comes back: nobody should write a letter
 * twice because a session ended or the database was away.
 */
export async function sendByForm(c: AppContext): Promise<Response> {
  let claim: CookieClaim
  try {
    claim = await requireClaim(c)
    // Before the body: megabytes are taken from nobody who merely shows a cookie of the right form.
    await whoAmI(c.env.deps.db, claim)
  } catch (thrown) {
    const typed = await readTyped(c)
    if (typed === null) throw thrown
    return refuse(c, null, typed, refusedOf(recordThrown(thrown, c), typed))
  }
  const { typed, files } = await readDraft(c)
  if (files === null) return refuse(c, claim, typed, tooLarge)
  const options = { forUserId: null, idempotencyKey: typed.key }
  try {
    const accepted = await acceptEmail(c.env.deps, claim, requestOf(typed, files), options, originOf(c))
    await sendMessages(c, accepted.messages)
    return c.redirect(`${inboxPath}/outbox/${accepted.id}`, 303)
  } catch (thrown) {
    return refuse(c, claim, typed, refusedOf(recordThrown(thrown, c), typed), files.length)
  }
}

/** @param claim null: nobody known, or nobody to be asked */
async function refuse(
  c: AppContext,
  claim: CookieClaim | null,
  typed: Typed,
  refused: Refused,
  files = 1,
): Promise<Response> {
  const writer = claim === null || isUnasked(refused) ? unknownWriter(refused) : await writerIfAny(c, claim, refused)
  return showCompose(c, writer, { draft: draftAfter(typed, refused), refused, filesLost: files > 0 })
}

function draftAfter(typed: Typed, { code }: Refused): Typed {
  // The earlier message under this key is on its way: what is typed now may follow it, by a key of its own.
  if (code === 'idempotency_key_reused') return { ...typed, key: newKey() }
  // The same form again would be refused again, for ever.
  if (code === 'not_found') return { ...typed, replyTo: '' }
  return typed
}

/** Nobody is signed in, or the database, which would say who, may be what refuses. */
function isUnasked({ status }: Refused): boolean {
  return status === 401 || status >= 500
}

/** The form needs nothing but what was typed: its sender stands in it. */
function unknownWriter({ status }: Refused): Writer {
  return { me: status === 401 ? null : 'somebody', accounts: [] }
}

async function writerIfAny(c: AppContext, claim: CookieClaim, refused: Refused): Promise<Writer> {
  try {
    return await readWriter(c, claim)
  } catch (thrown) {
    recordThrown(thrown, c)
    return unknownWriter(refused)
  }
}

const tooLarge: Refused = {
  status: 413,
  code: 'body_too_large',
  problems: { files: 'All files together may have 7 MB.' },
  retryAfterSeconds: null,
}

const fieldWords: Readonly<Record<string, string>> = {
  from: 'Choose one of your connected mailboxes.',
  to: 'Say whom it goes to: at least one address, and at most 100 in all.',
  subject: 'A subject is one line of at most 998 characters.',
  text: 'A message has at most a million characters.',
  attachments: 'A message takes at most 100 files.',
}

/** Refusals that say what to do about the mailbox, beside it. */
const mailboxWords: Readonly<Partial<Record<string, string>>> = {
  insufficient_scope: 'Permission to send was not given to this mailbox. Reconnect it and leave that box ticked.',
  needs_reauthorization: 'This mailbox needs re-authorization. Reconnect it, then send again.',
  rate_limited: 'This mailbox has as much on its way as it may. Send again when some of it has left.',
}

const originalGone = 'The message you answer is gone. Sent again, this one goes as a new message.'

/** What the form says. */
function refusedOf(error: AppError, typed: Typed): Refused {
  const { code, status, retryAfterSeconds } = error
  const beside = mailboxWords[code]
  if (beside !== undefined) return { status, code, problems: { from: beside }, retryAfterSeconds }
  if (code === 'not_found') return { status, code, problems: { message: originalGone }, retryAfterSeconds }
  const problems: Record<string, string> = {}
  for (const { path, message } of error.errors) {
    const [field = '', at] = path.split('.')
    const name = field === 'attachments' ? 'files' : field
    problems[name] ??=
      at === undefined ? (fieldWords[field] ?? `This ${message}.`) : itemWords(field, Number(at), typed)
  }
  return { status, code, problems, retryAfterSeconds }
}

function itemWords(field: string, at: number, typed: Typed): string {
  if (field === 'attachments') return 'One of the files has a name or a kind that mail cannot carry. Rename it.'
  const lists: Readonly<Record<string, string>> = { to: typed.to, cc: typed.cc, bcc: typed.bcc }
  const item = splitAddresses(lists[field] ?? '')[at] ?? ''
  const shown = item.length > 80 ? `${item.slice(0, 80).toWellFormed()}…` : item
  return `“${shown}” is no address we can write to. Separate addresses with commas.`
}

function showCompose(
  c: AppContext,
  { me, accounts }: Writer,
  form: { readonly draft: Typed; readonly refused: Refused | null; readonly filesLost: boolean },
): Response | Promise<Response> {
  const { draft, refused } = form
  const title = draft.replyTo === '' ? 'New message' : 'Reply'
  const senders = accounts.filter(maySend)
  return showPage(
    c,
    { title, visitor: me, section: 'inbox', refused },
    <div class="mail">
      <MailNav view={null} accounts={[]} />
      <div class="mail-main">
        <div class="mail-head">
          <h1>{title}</h1>
        </div>
        {senders.length === 0 && refused === null ? (
          <NobodyMaySend accounts={accounts} providers={offeredProviders(c.env.deps)} />
        ) : (
          <ComposeForm {...form} senders={senders} />
        )}
      </div>
    </div>,
  )
}
