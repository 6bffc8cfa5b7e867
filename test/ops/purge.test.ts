// Purge: a backlog is worked off batch by batch, one statement that fails leaves the others to run, and what could still
// be revoked is never thrown away.
import { beforeEach, describe, expect, it } from 'vitest'
import { createDb } from '../../src/db/client.ts'
import { createLog } from '../../src/log.ts'
import { blankOldOrigins } from '../../src/ops/purge.sql.ts'
import { purgeExpired } from '../../src/ops/purge.ts'
import { count, google } from '../support/app.ts'
import { emptyTables, query, testAddresses } from '../support/database.ts'
import { seedMailboxes } from '../support/vault.ts'

const lines: string[] = []
const log = createLog((line) => lines.push(line))
const purge = (): Promise<number> => purgeExpired(createDb({ connectionString: testAddresses.TEST_DATABASE_URL }), log)

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  lines.length = 0
})

const makeOldDeadLetters = (n: number): Promise<unknown> =>
  query(
    `INSERT INTO dead_letters (message_id_txt, queue_txt, body_json, created_at_utc)
     SELECT n::text, 'q', '{}', now() - interval '91 days' FROM generate_series(1, $1::int) n`,
    [n],
  )

describe('purge', () => {
  it('works off more than one batch in a tick', async () => {
    await makeOldDeadLetters(12_000)
    expect(await purge()).toBe(12_000)
    expect([await count('dead_letters'), lines]).toEqual([0, []])
  })

  it('logs a statement that fails by its name, and runs the others', async () => {
    await makeOldDeadLetters(1)
    await query(
      `INSERT INTO letters (kind_cd, recipient_txt, cause_txt, due_at_utc) VALUES ('k', 'r', 'c', now() - interval '8 days')`,
    )
    await query('ALTER TABLE dead_letters RENAME TO dead_letters_away')
    try {
      expect(await purge()).toBe(1)
    } finally {
      await query('ALTER TABLE dead_letters_away RENAME TO dead_letters')
    }
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ level: 'error', event: 'job', job: 'purge-dead-letters', error_code: '42P01' }),
    ])
    expect(await count('letters', `status_cd = 'void'`)).toBe(1)
  })

  it('voids letters that were due for a week, keeps their cause told, and leaves the others', async () => {
    await query(
      `INSERT INTO letters (kind_cd, recipient_txt, cause_txt, status_cd, due_at_utc) VALUES
        ('k', 'r', 'old', 'due', now() - interval '8 days'), ('k', 'r', 'new', 'due', now() - interval '6 days'),
        ('k', 'r', 'sent', 'sent', now() - interval '8 days')`,
    )
    expect(await purge()).toBe(1)
    expect(await query('SELECT cause_txt, status_cd FROM letters ORDER BY 1')).toEqual([
      { cause_txt: 'new', status_cd: 'due' },
      { cause_txt: 'old', status_cd: 'void' },
      { cause_txt: 'sent', status_cd: 'sent' },
    ])
  })

  it('PW-13 forgets tries of yesterday and windows that are over, never a lock that stands', async () => {
    await query(
      `INSERT INTO login_attempts (identifier_hash_txt, failed_cnt, locked_until_utc, modified_at_utc) VALUES
        ('idle', 3, NULL, now() - interval '25 hours'), ('fresh', 3, NULL, now() - interval '23 hours'),
        ('over', 5, now() - interval '24 hours', now() - interval '25 hours'),
        ('standing', 5, now() + interval '1 minute', now() - interval '25 hours')`,
    )
    await query(
      `INSERT INTO counters (kind_cd, subject_hash_txt, window_started_at_utc) VALUES
        ('k', 'over', now() - interval '26 hours'), ('k', 'running', now() - interval '24 hours')`,
    )
    expect(await purge()).toBe(3)
    expect(await query('SELECT identifier_hash_txt AS subject FROM login_attempts ORDER BY 1')).toEqual([
      { subject: 'fresh' },
      { subject: 'standing' },
    ])
    expect(await query('SELECT subject_hash_txt AS subject FROM counters')).toEqual([{ subject: 'running' }])
  })

  it('TV-08 takes an ownerless mailbox with whatever secret it still holds', async () => {
    const [kept] = await seedMailboxes(3)
    await query('UPDATE user_mail_accounts SET user_id = NULL WHERE user_mail_account_id <> $1', [kept?.accountId])
    expect(await purge()).toBe(2)
    expect(await query('SELECT user_mail_account_id AS id FROM oauth_tokens')).toEqual([{ id: kept?.accountId }])
    expect(await query('SELECT user_mail_account_id AS id FROM user_mail_accounts')).toEqual([{ id: kept?.accountId }])
  })

  it('finds origins to blank by the partial index, however long the trail', async () => {
    await query(
      `INSERT INTO audit_logs (action_cd, outcome_cd, subject_id_txt, ip_address_txt, created_at_utc)
       SELECT 'test.trail', 'success', 'x', CASE WHEN n % 100 = 0 THEN '10.0.0.1' END, now() - interval '91 days'
       FROM generate_series(1, 20000) n`,
    )
    await query('ANALYZE audit_logs')
    const plan = await query(`EXPLAIN ${blankOldOrigins.text}`, [5_000])
    expect(JSON.stringify(plan)).toContain('audit_logs_origin_ix')
    expect(await purge()).toBe(200)
    expect(await count('audit_logs', 'ip_address_txt IS NOT NULL')).toBe(0)
  })
})
