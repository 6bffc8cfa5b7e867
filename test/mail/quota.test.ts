// The sliding minute of quota units, asked of PostgreSQL: all of it at once, none of it twice, back when it is over.
import { beforeEach, describe, expect, it } from 'vitest'
import { createDb } from '../../src/db/client.ts'
import { reserveUnits } from '../../src/mail/quota.ts'
import { emptyTables, query, testAddresses } from '../support/database.ts'

const settings = { unitsPerMailbox: 6_000, unitsPerProject: 10_000 }
const deps = (sync = settings) => ({ db: createDb({ connectionString: testAddresses.TEST_DATABASE_URL }), sync })

let accountId: string

async function mailbox(): Promise<string> {
  const [row] = await query<{ id: string }>(
    `WITH u AS (INSERT INTO users (email_address_txt) VALUES (gen_random_uuid() || '@gmail.com') RETURNING user_id)
     INSERT INTO user_mail_accounts (user_id, email_address_txt, provider_cd, provider_subject_txt)
     SELECT user_id, 'm@gmail.com', 'google', gen_random_uuid() FROM u RETURNING user_mail_account_id AS id`,
  )
  if (row === undefined) throw new Error('no row')
  return row.id
}

const take = (units: number, account = accountId) =>
  reserveUnits(deps(), { accountId: account, provider: 'google', units, work: 'interactive' })

/** As a back-fill takes them. */
const takeForBackFill = (units: number) =>
  reserveUnits(deps(), { accountId, provider: 'google', units, work: 'background' })

/** As if what stands in the database had been written so many seconds earlier. */
async function pass(seconds: number): Promise<void> {
  for (const table of ['mail_syncs', 'provider_states'])
    await query(`UPDATE ${table} SET units_window_at_utc = units_window_at_utc - make_interval(secs => $1)`, [seconds])
}

const used = async (): Promise<number> => {
  const [row] = await query<{ n: number }>(
    `SELECT sum(u)::int AS n FROM mail_syncs s CROSS JOIN unnest(s.units_used_cnt) AS u WHERE user_mail_account_id = $1`,
    [accountId],
  )
  return row?.n ?? 0
}

beforeEach(async () => {
  await emptyTables()
  accountId = await mailbox()
})

describe('ML-06 a mailbox’s minute', () => {
  it('has 6,000 units at once, and not one more until they are a minute old', async () => {
    for (let n = 0; n < 6; n += 1) expect(await take(1_000)).toBeNull()
    const wait = await take(1)
    expect(wait).toBeGreaterThanOrEqual(64)
    expect(wait).toBeLessThanOrEqual(70)
    await pass(60)
    expect(await take(1)).not.toBeNull()
    await pass(10)
    expect(await take(6_000)).toBeNull()
    expect(await used()).toBe(6_000)
  })

  it('comes back as it was spent: each five seconds by themselves', async () => {
    expect(await take(4_000)).toBeNull()
    await pass(30)
    expect(await take(2_000)).toBeNull()
    const wait = await take(2_000)
    // The older four thousand are enough for it.
    expect(wait).toBeGreaterThan(30)
    expect(wait).toBeLessThanOrEqual(40)
    await pass(40)
    expect(await take(4_000)).toBeNull()
    expect(await take(1)).toBeGreaterThan(20)
  })

  it('leaves a quarter to people where a back-fill takes all it may', async () => {
    expect(await takeForBackFill(4_500)).toBeNull()
    expect(await takeForBackFill(20)).not.toBeNull()
    expect(await take(1_500)).toBeNull()
    expect(await take(20)).not.toBeNull()
  })

  it('is no other mailbox’s, but the project’s is shared', async () => {
    const other = await mailbox()
    expect(await take(6_000)).toBeNull()
    expect(await take(4_000, other)).toBeNull()
    expect(await take(20, other)).not.toBeNull()
    await pass(70)
    expect(await take(20, other)).toBeNull()
  })

  it('is not lost to a clock that went back: a little counts, an hour does not', async () => {
    expect(await take(6_000)).toBeNull()
    await pass(-3)
    expect(await take(20)).not.toBeNull()
    await pass(-3_600)
    expect(await take(6_000)).toBeNull()
    expect(await take(20)).not.toBeNull()
    await pass(70)
    expect(await take(6_000)).toBeNull()
  })

  it('grants nothing before the provider wants to be asked again', async () => {
    expect(await take(100)).toBeNull()
    await query(`UPDATE mail_syncs SET wait_until_utc = now() + interval '10 minutes'`)
    expect(await take(100)).toBeGreaterThan(590)
    expect(await used()).toBe(100)
    await query(`UPDATE mail_syncs SET wait_until_utc = now() - interval '1 second'`)
    expect(await take(100)).toBeNull()
  })

  it('grants no more to many at once', async () => {
    // First where there is no row yet, then over a row that is there.
    for (const _ of ['first', 'again']) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => take(1_000)))
      expect(answers.filter((answer) => answer === null)).toHaveLength(6)
      expect(await used()).toBe(6_000)
      await pass(70)
    }
  })
})
