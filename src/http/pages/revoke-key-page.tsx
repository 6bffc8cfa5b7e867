// `/admin/keys/{id}/revoke`: asks before a key is revoked, since what uses it stops at once.

import { listKeys } from '../../auth/service-keys.ts'
import { whoAmI } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { type AppContext, originOf } from '../context.ts'
import { uuid } from '../routes/shapes.ts'
import { Reach } from './keys-page.tsx'
import { showPage } from './layout.tsx'
import { Fact, Moment } from './parts.tsx'
import { requireClaim } from './signed-in.ts'

export async function revokeKeyPage(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const id = uuid.safeParse(c.req.param('id'))
  if (!id.success) throw new AppError('not_found')
  // The list read from just after this id, one row long: the key itself, if there is one.
  const page = { before: nextUuid(id.data), limit: 1 }
  const [me, [key]] = await Promise.all([whoAmI(deps.db, claim), listKeys(deps.db, claim, page, originOf(c))])
  if (key === undefined || key.id !== id.data.toLowerCase() || key.status === 'revoked') throw new AppError('not_found')
  return showPage(
    c,
    { title: `Revoke ${key.name}`, visitor: me, section: 'admin', width: 'narrow' },
    <form method="post" action="/admin/keys" class="card gate">
      <h1>Revoke this key?</h1>
      <p>
        <strong>{key.name}</strong> <code>{key.hint}…</code>
      </p>
      <p class="soft">Whatever uses it is refused from this moment on. A revoked key cannot be brought back.</p>
      <dl class="facts">
        <Fact name="Reach">
          <Reach serviceKey={key} />
        </Fact>
        <Fact name="Last used">
          {key.lastUsedAt === null ? 'Never' : <Moment at={key.lastUsedAt} now={deps.clock()} />}
        </Fact>
      </dl>
      <input type="hidden" name="action" value="revoke" />
      <input type="hidden" name="key_id" value={key.id} />
      <div class="actions">
        <button class="button danger solid" type="submit">
          Revoke
        </button>
        <a class="button" href="/admin/keys">
          Cancel
        </a>
      </div>
    </form>,
  )
}

/** The id that follows; the last one of all stays itself. */
function nextUuid(id: string): string {
  const last = (1n << 128n) - 1n
  const value = BigInt(`0x${id.replaceAll('-', '')}`)
  const hex = (value < last ? value + 1n : last).toString(16).padStart(32, '0')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
