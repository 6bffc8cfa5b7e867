// The audit trail cannot be rewritten, by nobody and in no session mode; it ages as promised (SECURITY AP-11), and it
// outlives the people it tells of (AP-22).
import { beforeEach, describe, expect, it } from 'vitest'
import { call, count, cron, newPerson } from '../support/app.ts'
import { emptyTables, query, testAddresses } from '../support/database.ts'

let action = ''
let marks = 0

// Rows stay: each test tells its own by their action.
beforeEach(() => {
  marks += 1
  action = `test.${marks}.${Date.now()}`
})

async function insert(ageDays: number, rows = 1): Promise<void> {
  await query(
    `INSERT INTO audit_logs (action_cd, outcome_cd, subject_id_txt, ip_address_txt, user_agent_txt, event_json, created_at_utc)
     SELECT $1, 'success', 'subject ' || n, '192.0.2.1', 'agent', '{"a":1}', now() - make_interval(days => $2) FROM generate_series(1, $3) n`,
    [action, ageDays, rows],
  )
}

const mine = (): Promise<{ ip: string | null; agent: string | null }[]> =>
  query('SELECT ip_address_txt AS ip, user_agent_txt AS agent FROM audit_logs WHERE action_cd = $1', [action])

/** SQLSTATE of a refused statement; 'done' where it went through. */
async function stateOf(sql: string, params: unknown[] = []): Promise<string> {
  try {
    await query(sql, params)
    return 'done'
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'no code'
  }
}

const whole = { ip: '192.0.2.1', agent: 'agent' }

describe('AP-11 the audit trail', () => {
  it.each([0, 89, 91, 399])('AP-11 refuses to change a row of %i days, under the owning role', async (ageDays) => {
    await insert(ageDays)
    for (const set of [
      `action_cd = 'x'`,
      `outcome_cd = 'refused'`,
      `subject_id_txt = NULL`,
      `actor_user_id = gen_random_uuid()`,
      `event_json = '{}'`,
      `created_at_utc = now() - interval '500 days'`,
      `audit_log_id = gen_random_uuid()`,
      `ip_address_txt = '10.0.0.1'`,
      `user_agent_txt = 'other', ip_address_txt = NULL`,
      `ip_address_txt = NULL, user_agent_txt = NULL, event_json = '{}'`,
      `ip_address_txt = NULL, user_agent_txt = NULL, created_at_utc = now() - interval '500 days'`,
      `action_cd = action_cd`,
    ])
      expect(`${set}: ${await stateOf(`UPDATE audit_logs SET ${set} WHERE action_cd = $1`, [action])}`).toBe(
        `${set}: 42501`,
      )
    expect(await stateOf('DELETE FROM audit_logs WHERE action_cd = $1', [action])).toBe('42501')
    expect(await mine()).toEqual([whole])
  })

  it('AP-11 refuses to empty the table, in every way', async () => {
    await insert(0)
    await insert(450)
    expect(await stateOf('DELETE FROM audit_logs')).toBe('42501')
    expect(await stateOf('TRUNCATE audit_logs')).toBe('42501')
    expect(await stateOf('TRUNCATE audit_logs CASCADE')).toBe('42501')
    expect(await stateOf('TRUNCATE users, audit_logs RESTART IDENTITY CASCADE')).toBe('42501')
    expect(
      await stateOf(
        `INSERT INTO audit_logs (audit_log_id, action_cd, outcome_cd) SELECT audit_log_id, 'x', 'success' FROM audit_logs WHERE action_cd = $1
         ON CONFLICT (audit_log_id) DO UPDATE SET action_cd = 'x'`,
        [action],
      ),
    ).toBe('42501')
    expect(
      await stateOf(
        `MERGE INTO audit_logs a USING (SELECT 1) one ON a.action_cd = '${action}' WHEN MATCHED THEN DELETE`,
      ),
    ).toMatch(/^(42501|42601)$/)
    expect((await mine()).length).toBe(2)
  })

  it('AP-11 refuses in a replica session too, where ordinary triggers sleep', async () => {
    await insert(0)
    await query('SET session_replication_role = replica')
    try {
      expect(await stateOf('DELETE FROM audit_logs WHERE action_cd = $1', [action])).toBe('42501')
      expect(await stateOf(`UPDATE audit_logs SET outcome_cd = 'refused' WHERE action_cd = $1`, [action])).toBe('42501')
      expect(await stateOf('TRUNCATE audit_logs')).toBe('42501')
    } finally {
      await query('RESET session_replication_role')
    }
    expect(await mine()).toEqual([whole])
  })

  it('AP-11 blanks address and agent after 90 days, and purges after 400', async () => {
    for (const ageDays of [89, 91, 399]) await insert(ageDays)
    const blank = `UPDATE audit_logs SET ip_address_txt = NULL, user_agent_txt = NULL WHERE action_cd = $1 AND created_at_utc < now() - interval '90 days'`
    expect(await stateOf(blank, [action])).toBe('done')
    expect(await stateOf(blank, [action])).toBe('done')
    expect((await mine()).filter(({ ip }) => ip === null).length).toBe(2)
    await insert(401)
    expect(
      await stateOf(`DELETE FROM audit_logs WHERE action_cd = $1 AND created_at_utc < now() - interval '400 days'`, [
        action,
      ]),
    ).toBe('done')
    expect((await mine()).length).toBe(3)
  })

  it('AP-11 ages by cron: blanked, then gone, and younger rows untouched', async () => {
    for (const ageDays of [0, 89, 91, 399, 401, 1_000]) await insert(ageDays)
    await cron()
    const rows = await query<{ age: number; ip: string | null; agent: string | null; event: object }>(
      `SELECT extract(day FROM now() - created_at_utc)::int AS age, ip_address_txt AS ip, user_agent_txt AS agent, event_json AS event
       FROM audit_logs WHERE action_cd = $1 ORDER BY created_at_utc DESC`,
      [action],
    )
    const event = { a: 1 }
    expect(rows).toEqual([
      { age: 0, ...whole, event },
      { age: 89, ...whole, event },
      { age: 91, ip: null, agent: null, event },
      { age: 399, ip: null, agent: null, event },
    ])
  })

  it('AP-11 drains a backlog over some ticks', async () => {
    await insert(401, 1_500)
    await insert(100, 1_500)
    await cron()
    await cron()
    expect((await mine()).length).toBe(1_500)
    expect((await mine()).filter(({ ip, agent }) => ip !== null || agent !== null)).toEqual([])
  })

  it('AP-11 is told apart from outages: the refusal is the trigger’s own', async () => {
    await insert(0)
    await expect(query('DELETE FROM audit_logs WHERE action_cd = $1', [action])).rejects.toMatchObject({
      code: '42501',
      message: 'audit_logs is append-only',
    })
    expect(testAddresses.TEST_DATABASE_URL).not.toBe('')
  })
})

describe('AP-22 deleting a person', () => {
  it('AP-22 leaves the trail whole: no key of the table points to what it tells of', async () => {
    const [keys] = await query<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_constraint WHERE conrelid = 'audit_logs'::regclass AND contype = 'f'`,
    )
    expect(keys?.n).toBe(0)
    const { userId, access_token } = await newPerson('ada@gmail.com')
    await query(
      `INSERT INTO audit_logs (action_cd, outcome_cd, actor_user_id, subject_id_txt) SELECT $1, 'success', $2::uuid, $2::uuid::text FROM generate_series(1, 100)`,
      [action, userId],
    )
    const before = await count('audit_logs')
    // No route deletes a person yet: the row itself goes.
    await query('DELETE FROM users WHERE user_id = $1', [userId])
    expect(await count('audit_logs')).toBe(before)
    expect(await count('audit_logs', 'action_cd = $1 AND actor_user_id = $2', [action, userId])).toBe(100)
    expect((await call('/auth/me', { bearer: access_token })).status).toBe(401)
    await emptyTables()
    expect(await count('audit_logs')).toBe(before)
  })
})
