// A new service key, this once: the answer to the form that made it. Not stored here or anywhere, never cached.

import type { ServiceKey } from '../../auth/service-keys.sql.ts'
import type { Me } from '../../auth/sessions.sql.ts'
import { whoAmI } from '../../auth/sessions.ts'
import { listMailAccounts, type MailAccount } from '../../mail-accounts/list.ts'
import type { AppContext } from '../context.ts'
import { showPage } from './layout.tsx'
import { Notice } from './parts.tsx'
import { requireClaim } from './signed-in.ts'

/** What the page needs beside the key, read before it is made: a key that was made must be shown. */
export interface KeyMaker {
  readonly me: Me
  readonly mailboxes: readonly MailAccount[]
}

export async function readKeyMaker(c: AppContext): Promise<KeyMaker> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const page = { forUserId: null, before: null, limit: 100 }
  const [me, mailboxes] = await Promise.all([whoAmI(deps.db, claim), listMailAccounts(deps, claim, page)])
  return { me, mailboxes }
}

export function newKeyPage(
  c: AppContext,
  created: ServiceKey & { key: string },
  { me, mailboxes }: KeyMaker,
): Response | Promise<Response> {
  const own = created.userId === null || created.userId === me.id ? mailboxes : []
  const reached = own.find(
    ({ id, status }) => status !== 'disconnected' && (created.mailAccountIds?.includes(id) ?? true),
  )
  const mailboxId = created.mailAccountIds?.[0] ?? reached?.id ?? 'MAILBOX_ID'
  c.header('Cache-Control', 'no-store')
  return showPage(
    c,
    { title: 'New service key', visitor: me, section: 'admin' },
    <>
      <Notice tone="good" title={`The key “${created.name}” is made`}>
        <p>Copy it now. It is stored as a hash only, so nobody can show it again.</p>
      </Notice>
      <div class="page-head">
        <h1>Your new service key</h1>
      </div>
      <section class="card" aria-labelledby="key-title">
        <h2 id="key-title">The key</h2>
        <pre class="secret">
          <code id="new-key">{created.key}</code>
        </pre>
        <p class="soft">Click it once to select all of it. Keep it where your backend keeps its secrets.</p>
      </section>
      {created.permissions.includes('tokens:vend') ? (
        <section class="card" aria-labelledby="try-title">
          <h2 id="try-title">Try it</h2>
          <p class="soft">
            {mailboxId === 'MAILBOX_ID'
              ? 'Put the id of a connected mailbox in place of MAILBOX_ID.'
              : `Asks for a live token of ${reached?.email ?? 'the first mailbox it reaches'}.`}
          </p>
          <pre class="secret">
            <code id="new-key-curl">{curlFor(c.env.deps.appUrl, mailboxId, created.key)}</code>
          </pre>
        </section>
      ) : null}
      <p class="actions">
        <a class="button primary" href="/admin/keys">
          I have copied it
        </a>
      </p>
    </>,
  )
}

function curlFor(appUrl: string, mailboxId: string, key: string): string {
  return [
    `curl -X POST ${appUrl}/api/v1/mail-accounts/${mailboxId}/access-token`,
    `-H "Authorization: Bearer ${key}"`,
    '-H "Content-Type: application/json"',
    "-d '{}'",
  ].join(' \\\n  ')
}
