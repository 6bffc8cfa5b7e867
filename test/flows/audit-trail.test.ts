// The audit trail over HTTP: who may read it, its filters and its pages.
import { beforeEach, describe, expect, it } from 'vitest'
import { call, google, json, newPerson, refusal, type TokenPair } from '../support/app.ts'
import { emptyTables, query } from '../support/database.ts'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
})

interface EntryJson {
  id: string
  action: string
  actor_user_id: string | null
  subject_id: string | null
  outcome: string
  created_at: string
}

const read = (by: TokenPair, parameters: Record<string, string> = {}) =>
  json<{ items: EntryJson[]; next_cursor: string | null }>(
    call(`/api/v1/audit-logs?${new URLSearchParams(parameters)}`, { bearer: by.access_token }),
  )
const identity = { query: { scopes: 'identity' } }

describe('the audit trail', () => {
  it('shows each row in the contract’s shape, newest first', async () => {
    const boss = await newPerson('admin@gmail.com', identity)
    const patch = { method: 'PATCH', bearer: boss.access_token, json: { full_name: 'Boss' } }
    await json(call('/auth/me', { ...patch, ip: '192.0.2.7', headers: { 'User-Agent': 'test browser' } }))
    const { items } = await read(boss, { actor: boss.userId })
    expect(items[0]).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      action: 'profile.updated',
      actor_user_id: boss.userId,
      subject_id: boss.userId,
      outcome: 'success',
      ip_address: '192.0.2.7',
      user_agent: 'test browser',
      created_at: expect.stringMatching(/Z$/),
      event: { username: false, full_name: true },
    })
    expect(items.map(({ action }) => action)).toContain('session.created')
    expect(items.map(({ id }) => id)).toEqual(
      items
        .map(({ id }) => id)
        .sort()
        .reverse(),
    )
  })

  it('filters by actor, action and time, together', async () => {
    const boss = await newPerson('admin@gmail.com', identity)
    const ada = await newPerson('ada@gmail.com', identity)
    const all = await read(boss, { limit: '100' })
    const adas = await read(boss, { actor: ada.userId })
    expect(adas.items.every(({ actor_user_id }) => actor_user_id === ada.userId)).toBe(true)
    expect(adas.items.map(({ id }) => id)).toEqual(
      all.items.filter(({ actor_user_id }) => actor_user_id === ada.userId).map(({ id }) => id),
    )
    const created = await read(boss, { actor: ada.userId, action: 'user.created' })
    expect(created.items.map(({ subject_id }) => subject_id)).toEqual([ada.userId])
    const [mark] = await query<{ now: Date }>('SELECT clock_timestamp() AS now')
    const after = mark?.now.toISOString() ?? ''
    expect((await read(boss, { after })).items).toEqual([])
    await call('/auth/logout', { method: 'POST', bearer: ada.access_token })
    expect((await read(boss, { after })).items.map(({ action }) => action)).toEqual(['session.ended'])
    expect((await read(boss, { after: '1969-01-01T00:00:00Z', actor: ada.userId })).items.length).toBeGreaterThan(1)
    expect((await read(boss, { after: '9999-12-31T23:59:59+01:00' })).items).toEqual([])
  })

  it('pages by cursor without gap or double', async () => {
    const boss = await newPerson('admin@gmail.com', identity)
    await query(
      `INSERT INTO audit_logs (action_cd, outcome_cd, actor_user_id) SELECT 'session.ended', 'success', $1 FROM generate_series(1, 25)`,
      [boss.userId],
    )
    const filter = { actor: boss.userId, action: 'session.ended', limit: '10' }
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page: Awaited<ReturnType<typeof read>> = await read(boss, cursor === null ? filter : { ...filter, cursor })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.next_cursor
    } while (cursor !== null)
    expect(new Set(seen).size).toBe(25)
    expect(seen).toHaveLength(25)
  })

  it('is for administrators, and takes only what it knows', async () => {
    const boss = await newPerson('admin@gmail.com', identity)
    const ada = await newPerson('ada@gmail.com', identity)
    expect(await refusal(call('/api/v1/audit-logs'))).toEqual([401, 'unauthorized'])
    expect(await refusal(call('/api/v1/audit-logs', { bearer: ada.access_token }))).toEqual([403, 'forbidden'])
    for (const q of [
      'actor=x',
      'action=user.exploded',
      'after=yesterday',
      'after=2026-13-01T00:00:00Z',
      'limit=1000',
      'cursor=1',
      'q=x',
      "action=';--",
    ])
      expect(await refusal(call(`/api/v1/audit-logs?${q}`, { bearer: boss.access_token })), q).toEqual([
        422,
        'invalid_input',
      ])
  })
})
