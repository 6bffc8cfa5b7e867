// How far a mailbox's mail has come: progress of a walk through it, and what was found in need of repair. Shows a sync
// record as mail/sync/record.ts gives it, and asks nobody.

import type { ErrorCode } from '../../errors.ts'
import type { SyncRecord } from '../../mail/sync/record.ts'
import { Fact, Moment } from './parts.tsx'
import { waitWords, wordsFor } from './refusal-words.tsx'

const walkWords: Readonly<Record<NonNullable<SyncRecord['kind']>, string>> = {
  newest: 'Fetching the newest mail',
  full: 'Fetching all mail',
  relist: 'Comparing with the provider, from the list up',
}

export function isWalking({ state }: SyncRecord): boolean {
  return state === 'queued' || state === 'running'
}

/** A walk that is under way, as a bar and in words; nothing while none is. */
export const WalkProgress = ({ sync, email }: { sync: SyncRecord; email: string }) => {
  if (!isWalking(sync) || sync.kind === null) return null
  const { counted, total, etaSeconds } = sync
  const done = total === null ? null : Math.min(counted, total)
  return (
    <div class="walk">
      <p>
        <strong>{walkWords[sync.kind]}</strong> <span class="soft address">of {email}</span>
      </p>
      <progress aria-label={`${walkWords[sync.kind]} of ${email}`} value={done ?? undefined} max={total ?? undefined} />
      <p class="soft">
        {sync.state === 'queued' && counted === 0
          ? 'It waits for its turn.'
          : total === null
            ? `${figure(counted)} looked at so far.`
            : `${figure(counted)} of about ${figure(Math.max(total, counted))} looked at.`}
        {etaSeconds === null ? null : ` About ${waitWords(etaSeconds)} to go.`}
      </p>
    </div>
  )
}

const figures = new Intl.NumberFormat('en-GB')

function figure(count: number): string {
  return figures.format(count)
}

/** The record of one mailbox in full. */
export const SyncFacts = ({ sync, now }: { sync: SyncRecord; now: Date }) => (
  <dl class="facts">
    <Fact name="Last synced">
      {sync.lastSyncedAt === null ? 'Not yet' : <Moment at={sync.lastSyncedAt} now={now} />}
    </Fact>
    {sync.state === 'done' && sync.kind === 'full' && sync.finishedAt !== null ? (
      <Fact name="All mail fetched">
        <Moment at={sync.finishedAt} now={now} />
      </Fact>
    ) : null}
    {sync.skipped === 0 ? null : (
      <Fact name="Left out">
        {sync.skipped === 1 ? '1 message' : `${figure(sync.skipped)} messages`}
        <span class="moment">They cannot be read, and are tried again when all mail is fetched.</span>
      </Fact>
    )}
    {sync.relisted === null ? null : (
      <Fact name="Compared anew">
        <Moment at={sync.relisted.at} now={now} />
        <span class="moment">
          The provider had forgotten where we were: {figure(sync.relisted.added)} added, {figure(sync.relisted.deleted)}{' '}
          removed.
        </span>
      </Fact>
    )}
    {sync.lastError === null ? null : (
      <Fact name="Last trouble">
        {syncTrouble(sync.lastError)} <code class="id moment">{sync.lastError}</code>
      </Fact>
    )}
  </dl>
)

const troubles: Readonly<Partial<Record<string, string>>> = {
  rate_limited: 'The provider asks us to go slower. It goes on by itself.',
  unavailable: 'The provider could not be reached. It is tried again by itself.',
  provider_unavailable: 'The provider could not be reached. It is tried again by itself.',
  insufficient_scope: 'Permission to read mail is missing: reconnect, and leave its box ticked.',
  needs_reauthorization: 'The provider no longer accepts what it gave us: reconnect this mailbox.',
  history_expired: 'The provider had forgotten where we were. All is compared anew.',
}

function syncTrouble(code: string): string {
  return troubles[code] ?? 'Something went wrong. It is tried again by itself.'
}

/** What asking for a sync was refused for; the mailbox is unchanged by it. */
export function syncRefusalWords(code: ErrorCode): { title: string; text: string } {
  return ownWords[code] ?? wordsFor(code)
}

const ownWords: Partial<Record<ErrorCode, { title: string; text: string }>> = {
  sync_running: { title: 'It is being synced just now', text: 'What it finds will be here in a moment.' },
  rate_limited: {
    title: 'The provider’s allowance is used up for the moment',
    text: 'Nothing is lost: mail that is new is fetched as soon as there is room again.',
  },
  needs_reauthorization: {
    title: 'This mailbox needs re-authorization',
    text: 'The provider no longer accepts what it gave us. Reconnect the mailbox, then sync again.',
  },
  insufficient_scope: {
    title: 'Permission to read mail is missing',
    text: 'Reconnect the mailbox, and leave the box for reading mail ticked.',
  },
  provider_unavailable: {
    title: 'The provider cannot be reached',
    text: 'What was synced before is here. Wait a minute, then try again.',
  },
}
