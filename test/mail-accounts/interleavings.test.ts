// Two statements of the vault at once, one of them held open in a transaction, so that what PostgreSQL decides after the
// wait (EvalPlanQual, SKIP LOCKED, a snapshot older than the row) is the same in every run.

import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, it } from 'vitest'
import { auditParams } from '../../src/db/audit.ts'
import { callerParams } from '../../src/db/caller.ts'
import { createDb, type Db, statement } from '../../src/db/client.ts'
import { claimErasure, disconnectAccount, finishErasure } from '../../src/mail-accounts/disconnect.sql.ts'
import {
  type AnswerRow,
  claimDueTokens,
  leaseClaimedTokens,
  storeAnswers,
  storeReseals,
} from '../../src/mail-accounts/refresh.sql.ts'
import { count } from '../support/app.ts'
import { emptyTables, query, testAddresses } from '../support/database.ts'

const begin = statement<object, object>('test-begin', sql`BEGIN`)
const commit = statement<object, object>('test-commit', sql`COMMIT`)
const connect = (): Db => createDb({ connectionString: testAddresses.TEST_DATABASE_URL })
const noOrigin = { ipAddress: null, userAgent: null }
const subject = '100000000000000000001'

interface Owner {
  accountId: string
  tokenId: string
  claim: Parameters<typeof callerParams>[0]
}

beforeEach(emptyTables)

/** A person with a session and one mailbox of the shared subject. */
async function owner(): Promise<Owner> {
  const [accountId, tokenId, userId, sessionId] = [0, 1, 2, 3].map(() => crypto.randomUUID()) as [
    string,
    string,
    string,
    string,
  ]
  await query(`INSERT INTO users (user_id, email_address_txt) VALUES ($1::uuid, $1::uuid::text)`, [userId])
  await query(
    `INSERT INTO sessions (session_id, user_id, credential_version_nbr, authenticated_at_utc, last_seen_at_utc) VALUES ($1, $2, 1, now(), now())`,
    [sessionId, userId],
  )
  await query(
    `INSERT INTO user_mail_accounts (user_mail_account_id, user_id, email_address_txt, provider_cd, provider_subject_txt) VALUES ($1, $2, 'm@gmail.com', 'google', $3)`,
    [accountId, userId, subject],
  )
  await query(
    `INSERT INTO oauth_tokens (oauth_token_id, user_mail_account_id, access_token_txt, refresh_token_txt, expires_at_utc, refresh_due_at_utc, client_id_txt)
     VALUES ($1, $2, 'access-1', 'refresh-1', now() + interval '1 hour', now() - interval '1 second', 'c')`,
    [tokenId, accountId],
  )
  return { accountId, tokenId, claim: { kind: 'session', userId, sessionId } }
}

const disconnect = (db: Db, who: Owner) =>
  db.first(disconnectAccount, { ...callerParams(who.claim), ...noOrigin, accountId: who.accountId, keepsMail: false })

function refreshed(who: Owner, leaseId: string, changes: Partial<AnswerRow> = {}): AnswerRow {
  const later = new Date(Date.now() + 3_600_000).toISOString()
  return {
    token_id: who.tokenId,
    lease_id: leaseId,
    version: 1,
    result: 'refreshed',
    access_token: 'access-2',
    refresh_token: 'refresh-2',
    expires_at: later,
    refresh_token_expires_at: null,
    scopes: null,
    due_at: later,
    error: null,
    ...changes,
  }
}

const store = (db: Db, ...rows: AnswerRow[]) =>
  db.all(storeAnswers, { answers: JSON.stringify(rows), ...auditParams(noOrigin, []) })

async function lease(who: Owner): Promise<string> {
  const leaseId = crypto.randomUUID()
  await query(
    `UPDATE oauth_tokens SET lease_id = $2, lease_until_utc = now() + interval '60 seconds' WHERE oauth_token_id = $1`,
    [who.tokenId, leaseId],
  )
  return leaseId
}

/** Runs `first` in an open transaction, begins `second`, commits once that one waits for it (or has ended). */
async function interleave<A, B>(first: (db: Db) => Promise<A>, second: (db: Db) => Promise<B>): Promise<[A, B]> {
  const [one, other] = [connect(), connect()]
  await one.all(begin, {})
  const before = await first(one)
  const waiting = second(other)
  let isOver = false
  void waiting.finally(() => {
    isOver = true
  })
  for (let looks = 0; looks < 100 && !isOver; looks += 1) {
    if (
      (await query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`))
        .length > 0
    )
      break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await one.all(commit, {})
  return [before, await waiting]
}

const tokenOf = async (who: Owner) =>
  (
    await query<{ a: string | null; r: string | null; v: number; l: string | null }>(
      `SELECT access_token_txt AS a, refresh_token_txt AS r, version_nbr AS v, lease_id AS l FROM oauth_tokens WHERE oauth_token_id = $1`,
      [who.tokenId],
    )
  )[0]

describe('a refresh and a disconnect', () => {
  it('an answer is being written: the disconnect waits, and takes the new envelope to be revoked', async () => {
    const ada = await owner()
    const leaseId = await lease(ada)
    const [stored, gone] = await interleave(
      (db) => store(db, refreshed(ada, leaseId)),
      (db) => disconnect(db, ada),
    )
    expect([stored.length, gone?.accountId]).toEqual([1, ada.accountId])
    expect(await tokenOf(ada)).toEqual({ a: null, r: null, v: 3, l: null })
    expect(await query('SELECT sealed_txt FROM erasures')).toEqual([{ sealed_txt: 'refresh-2' }])
  })

  it('a disconnect is being written: the answer waits, and is discarded', async () => {
    const ada = await owner()
    const leaseId = await lease(ada)
    const [gone, stored] = await interleave(
      (db) => disconnect(db, ada),
      (db) => store(db, refreshed(ada, leaseId)),
    )
    expect([gone?.accountId, stored]).toEqual([ada.accountId, []])
    expect(await tokenOf(ada)).toEqual({ a: null, r: null, v: 2, l: null })
    expect(await query('SELECT sealed_txt FROM erasures')).toEqual([{ sealed_txt: 'refresh-1' }])
    expect(await count('letters')).toBe(0)
  })

  it('a death is being written: the disconnect still empties and revokes', async () => {
    const ada = await owner()
    const leaseId = await lease(ada)
    const dead = refreshed(ada, leaseId, {
      result: 'dead',
      access_token: null,
      refresh_token: null,
      expires_at: null,
      error: 'invalid_grant',
    })
    await interleave(
      (db) => store(db, dead),
      (db) => disconnect(db, ada),
    )
    expect(await tokenOf(ada)).toMatchObject({ a: null, r: null, v: 3 })
    expect(await query('SELECT status_cd, is_active_flg FROM user_mail_accounts')).toEqual([
      { status_cd: 'disconnected', is_active_flg: false },
    ])
    expect(await count('erasures')).toBe(1)
  })

  it('one answer written twice at once counts once: one history entry, one version step', async () => {
    const ada = await owner()
    const leaseId = await lease(ada)
    const write = (db: Db) => store(db, refreshed(ada, leaseId))
    const [first, second] = await interleave(write, write)
    expect([first.length, second.length]).toEqual([1, 0])
    expect(await tokenOf(ada)).toEqual({ a: 'access-2', r: 'refresh-2', v: 2, l: null })
    expect(await query('SELECT jsonb_array_length(refresh_history_json) AS n FROM oauth_tokens')).toEqual([{ n: 1 }])
  })

  it('a re-seal that read before a refresh wrote changes nothing, nor one before a disconnect', async () => {
    const ada = await owner()
    const leaseId = await lease(ada)
    const rows = JSON.stringify([
      { token_id: ada.tokenId, version: 1, access_token: 'old again', refresh_token: 'old again' },
    ])
    const [, resealed] = await interleave(
      (db) => store(db, refreshed(ada, leaseId)),
      (db) => db.all(storeReseals, { rows }),
    )
    expect(resealed).toEqual([])
    const next = JSON.stringify([
      { token_id: ada.tokenId, version: 2, access_token: 'old again', refresh_token: 'old again' },
    ])
    const [, after] = await interleave(
      (db) => disconnect(db, ada),
      (db) => db.all(storeReseals, { rows: next }),
    )
    expect(after).toEqual([])
    expect(await tokenOf(ada)).toEqual({ a: null, r: null, v: 3, l: null })
  })
})

describe('claims and leases', () => {
  const until = (minutes: number): Date => new Date(Math.floor(Date.now() / 1_000) * 1_000 + minutes * 60_000)

  it('a claim under way is skipped, and one just committed is not claimed again', async () => {
    const people = [await owner(), await owner(), await owner()]
    const claim = (minutes: number) => (db: Db) => db.all(claimDueTokens, { until: until(minutes), limit: 2 })
    const [first, second] = await interleave(claim(5), claim(6))
    const ids = [...first, ...second].map(({ id }) => id)
    expect([first.length, second.length, new Set(ids).size]).toEqual([2, 1, people.length])
  })

  it('a probe is sent by one of two crons', async () => {
    await owner()
    await query(
      `INSERT INTO provider_states (provider_cd, open_until_utc) VALUES ('google', now() - interval '1 second')`,
    )
    const claim = (db: Db) => db.all(claimDueTokens, { until: until(5), limit: 10 })
    const [first, second] = await interleave(claim, claim)
    expect([first.length, second.length]).toEqual([1, 0])
  })

  it('two deliveries of one message: one lease', async () => {
    const ada = await owner()
    const claimedUntil = until(5)
    await query('UPDATE oauth_tokens SET refresh_due_at_utc = $1', [claimedUntil])
    const take = (db: Db) =>
      db.all(leaseClaimedTokens, { ids: [ada.tokenId], claimedUntil, leaseId: crypto.randomUUID() })
    const [first, second] = await interleave(take, take)
    expect([first.length, second.length]).toEqual([1, 0])
  })

  it('configuration errors of two consumers at once are counted together', async () => {
    const people = await Promise.all(Array.from({ length: 6 }, () => owner()))
    const leases = await Promise.all(people.map(lease))
    const refused = (from: number) => (db: Db) =>
      store(
        db,
        ...people.slice(from, from + 3).map((who, index) =>
          refreshed(who, leases[from + index] ?? '', {
            result: 'misconfigured',
            access_token: null,
            refresh_token: null,
            expires_at: null,
            error: 'invalid_client',
          }),
        ),
      )
    const [first, second] = await interleave(refused(0), refused(3))
    expect([first.some((row) => row.circuitOpened), second.some((row) => row.circuitOpened)]).toEqual([false, true])
    expect(
      await query('SELECT configuration_error_cnt AS n, open_until_utc > now() AS open FROM provider_states'),
    ).toEqual([{ n: 6, open: true }])
  })
})

describe('erasures', () => {
  const claim = (db: Db, erasureId: string) => db.first(claimErasure, { erasureId })

  async function leftByFirst(): Promise<{ eve: Owner; erasureId: string }> {
    const [ada, eve] = [await owner(), await owner()]
    const gone = await disconnect(connect(), ada)
    return { eve, erasureId: gone?.erasureId ?? '' }
  }

  it('the last user leaves while the first one’s row is looked at: not dropped; the second message revokes', async () => {
    const { eve, erasureId } = await leftByFirst()
    const [left, looked] = await interleave(
      (db) => disconnect(db, eve),
      (db) => claim(db, erasureId),
    )
    expect([left?.erasureId, looked]).toEqual([erasureId, null])
    const claimed = await claim(connect(), erasureId)
    expect(claimed).toMatchObject({ verdict: 'claimed', version: 2 })
    expect(await claim(connect(), erasureId)).toBeNull()
  })

  it('the first one’s row is being dropped while the last user leaves: a row of its own, and one revocation', async () => {
    const { eve, erasureId } = await leftByFirst()
    const [dropped, left] = await interleave(
      (db) => claim(db, erasureId),
      (db) => disconnect(db, eve),
    )
    expect(dropped?.verdict).toBe('dropped')
    expect(left?.erasureId).not.toBeNull()
    expect(left?.erasureId).not.toBe(erasureId)
    expect(await claim(connect(), left?.erasureId ?? '')).toMatchObject({ verdict: 'claimed', version: 1 })
    expect(await count('erasures')).toBe(1)
  })

  it('two messages look at once: one claim', async () => {
    const { eve, erasureId } = await leftByFirst()
    await disconnect(connect(), eve)
    const [first, second] = await interleave(
      (db) => claim(db, erasureId),
      (db) => claim(db, erasureId),
    )
    expect([first?.verdict, second]).toEqual(['claimed', null])
  })

  it('a connection cancels the row while it is looked at: no call', async () => {
    const { eve, erasureId } = await leftByFirst()
    await disconnect(connect(), eve)
    const cancel = statement<object, object>('test-cancel', sql`DELETE FROM erasures`)
    const [, looked] = await interleave(
      (db) => db.all(cancel, {}),
      (db) => claim(db, erasureId),
    )
    expect(looked).toBeNull()
  })

  it('a disconnect joins while a revocation ends: its row stays, due', async () => {
    const { eve, erasureId } = await leftByFirst()
    const finish = (db: Db) =>
      db.first(finishErasure, {
        erasureId,
        version: 1,
        isDone: true,
        error: null,
        provider: 'google',
        providerSubject: subject,
        delaySeconds: 0,
      })
    await interleave((db) => disconnect(db, eve), finish)
    expect(await query('SELECT version_nbr AS v, due_at_utc <= now() AS due FROM erasures')).toEqual([
      { v: 2, due: true },
    ])
  })

  it('the last two users leave in one moment: one row, both joined', async () => {
    const [ada, eve] = [await owner(), await owner()]
    const [first, second] = await interleave(
      (db) => disconnect(db, ada),
      (db) => disconnect(db, eve),
    )
    expect(first?.erasureId).toBe(second?.erasureId)
    expect(await query('SELECT version_nbr AS v FROM erasures')).toEqual([{ v: 2 }])
    expect(await count('oauth_tokens', 'num_nonnulls(access_token_txt, refresh_token_txt) > 0')).toBe(0)
  })
})
