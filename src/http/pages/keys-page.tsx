// `/admin/keys`: all service keys, and the forms that create and revoke one. Who may is decided by the verbs, in the
// statements themselves.

import type { ServiceKey } from '../../auth/service-keys.sql.ts'
import { createServiceKey, listKeys, revokeServiceKey } from '../../auth/service-keys.ts'
import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { listMailAccounts } from '../../mail-accounts/list.ts'
import { type AppContext, originOf } from '../context.ts'
import { presentList, readCursor, uuid } from '../routes/shapes.ts'
import { showAdminPage } from './admin-frame.tsx'
import { readForm } from './form-body.ts'
import { KeyForm, KeyProblemsNotice } from './key-form.tsx'
import {
  emptyFields,
  type KeyFields,
  type KeyProblems,
  parseKeyFields,
  problemsOf,
  readKeyFields,
} from './key-words.ts'
import { newKeyPage, readKeyMaker } from './new-key-page.tsx'
import { Badge, Fact, Moment, Notice, Older } from './parts.tsx'
import { requireClaim } from './signed-in.ts'

const keysAPage = 50
const ownMailboxesShown = 20

export async function keysPage(c: AppContext): Promise<Response> {
  return showKeys(c, { fields: emptyFields, problems: {} })
}

async function showKeys(c: AppContext, form: { fields: KeyFields; problems: KeyProblems }): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const [me, rows, ownMailboxes] = await Promise.all([
    whoAmI(deps.db, claim),
    listKeys(deps.db, claim, { before: readCursor(c.req.query('cursor')), limit: keysAPage + 1 }, originOf(c)),
    listMailAccounts(deps, claim, { forUserId: null, before: null, limit: ownMailboxesShown }),
  ])
  const { items, next_cursor } = presentList(rows, keysAPage, (row) => row)
  const now = deps.clock()
  const isRefused = Object.keys(form.problems).length > 0
  return showAdminPage(
    c,
    { title: 'Service keys', me, path: '/admin/keys', status: isRefused ? 422 : 200 },
    <>
      <KeyProblemsNotice problems={form.problems} />
      <DoneNotice done={c.req.query('done')} />
      <div class="page-head">
        <div>
          <h1>Service keys</h1>
          <p class="soft">A backend shows its key to get tokens and mail. A key is shown once, when it is made.</p>
        </div>
        <a class="button jump" href="#create">
          Create a key
        </a>
      </div>
      <div class="split">
        <section aria-labelledby="list-title">
          <h2 id="list-title" class="sr-only">
            All keys
          </h2>
          {items.length === 0 ? (
            <p class="card empty soft">No key yet. The first one is made with the form on this page.</p>
          ) : (
            <ul class="cards">
              {items.map((key) => (
                <li>
                  <KeyCard serviceKey={key} now={now} />
                </li>
              ))}
            </ul>
          )}
          <Older path="/admin/keys" cursor={next_cursor} />
        </section>
        <KeyForm {...form} ownId={me.id} ownMailboxes={ownMailboxes} now={now} />
      </div>
    </>,
  )
}

const DoneNotice = ({ done }: { done: string | undefined }) => {
  if (done === 'revoked') return <Notice tone="good" title="Key revoked. It no longer opens anything." />
  if (done === 'gone') return <Notice tone="calm" title="That key was revoked already." />
  return null
}

export function keyState(key: ServiceKey, now: Date): 'active' | 'revoked' | 'expired' {
  if (key.status === 'revoked') return 'revoked'
  return key.expiresAt !== null && key.expiresAt <= now ? 'expired' : 'active'
}

const stateLabels = { active: 'Active', revoked: 'Revoked', expired: 'Expired' } as const

const KeyCard = ({ serviceKey: key, now }: { serviceKey: ServiceKey; now: Date }) => {
  const state = keyState(key, now)
  return (
    <article class={`card key ${state}`} aria-labelledby={`key-${key.id}`}>
      <header class="card-head">
        <div>
          <h3 id={`key-${key.id}`}>{key.name}</h3>
          <p class="soft">
            <code>{key.hint}…</code>
          </p>
        </div>
        <Badge tone={state === 'active' ? 'good' : 'calm'}>
          <span class="sr-only">Status: </span>
          {stateLabels[state]}
        </Badge>
      </header>
      <ul class="chips" aria-label="Permissions">
        {key.permissions.map((permission) => (
          <li>
            <code>{permission}</code>
          </li>
        ))}
      </ul>
      <dl class="facts">
        <Fact name="Reach">
          <Reach serviceKey={key} />
        </Fact>
        <Fact name="Created">
          <Moment at={key.createdAt} now={now} />
        </Fact>
        <Fact name="Last used">{key.lastUsedAt === null ? 'Never' : <Moment at={key.lastUsedAt} now={now} />}</Fact>
        <Fact name="Expires">{key.expiresAt === null ? 'Never' : <Moment at={key.expiresAt} now={now} />}</Fact>
      </dl>
      {key.status === 'revoked' ? null : (
        <div class="actions">
          <a class="button danger" href={`/admin/keys/${key.id}/revoke`}>
            Revoke<span class="sr-only"> {key.name}</span>
          </a>
        </div>
      )}
    </article>
  )
}

export const Reach = ({ serviceKey: key }: { serviceKey: ServiceKey }) => {
  const { userId, mailAccountIds } = key
  if (userId === null) return <>Every user</>
  const count = mailAccountIds?.length ?? 0
  const mailboxes = mailAccountIds === null ? 'All mailboxes' : count === 1 ? 'One mailbox' : `${count} mailboxes`
  return (
    <>
      {mailboxes} of user <code class="id">{userId}</code>
    </>
  )
}

/** POST /admin/keys, `action=create` or `action=revoke`. */
export async function changeKeys(c: AppContext): Promise<Response> {
  await requireClaim(c)
  const form = await readForm(c)
  switch (form.get('action')) {
    case 'create':
      return createKey(c, readKeyFields(form))
    case 'revoke':
      return revokeKey(c, form.get('key_id') ?? '')
    default:
      throw new AppError('invalid_input')
  }
}

async function createKey(c: AppContext, fields: KeyFields): Promise<Response> {
  const { deps } = c.env
  const parsed = parseKeyFields(fields, deps.clock())
  if ('problems' in parsed) return showKeys(c, { fields, problems: parsed.problems })
  try {
    const maker = await readKeyMaker(c)
    const created = await createServiceKey(deps, await requireClaim(c), parsed.wanted, originOf(c))
    return newKeyPage(c, created, maker)
  } catch (thrown) {
    const problems = problemsOf(thrown)
    if (problems === null) throw thrown
    return showKeys(c, { fields, problems })
  }
}

async function revokeKey(c: AppContext, id: string): Promise<Response> {
  const keyId = uuid.safeParse(id)
  if (!keyId.success) throw new AppError('not_found')
  try {
    await revokeServiceKey(c.env.deps.db, await requireClaim(c), keyId.data, originOf(c))
    return c.redirect('/admin/keys?done=revoked', 303)
  } catch (thrown) {
    // A second click: what it asks for is so already.
    if (thrown instanceof AppError && thrown.code === 'not_found') return c.redirect('/admin/keys?done=gone', 303)
    throw thrown
  }
}
