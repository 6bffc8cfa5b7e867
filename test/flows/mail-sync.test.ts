// Sync as its callers meet it: on demand, by the queue, in step with the local Google, through faults of it and of ours.
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createDb } from '../../src/db/client.ts'
import { limitsOf } from '../../src/mail/quota.ts'
import { addMessage, emptyPage, storePage } from '../../src/mail/sync/store-page.ts'
import { findUnmet } from '../../src/mail/sync/walk.sql.ts'
import { purgeHiddenMail } from '../../src/ops/purge.sql.ts'
import type { MailMessage } from '../../src/providers/mail.ts'
import { call, count, eventually, gmail, google, json, newKey, newPerson, refusal, workerEnv } from '../support/app.ts'
import { emptyTables, proxy, query, testAddresses } from '../support/database.ts'
import {
  type Box,
  drain,
  googleMail,
  newBox,
  type Synced,
  type SyncRecordJson,
  storedMail,
  sync,
} from '../support/sync.ts'
import { adminKey, auditOf, consume, heldQueue, seedMailboxes, tick } from '../support/vault.ts'

// Whole mailboxes on a busy machine take their time.
vi.setConfig({ testTimeout: 60_000 })

beforeAll(async () => {
  await emptyTables()
  await google.reset()
})

// Each test has mailboxes of its own; of earlier ones none is due.
beforeEach(async () => {
  await google.clearFaults()
  await google.settings({ listRepeatsIds: false })
  await google.resetCalls()
  await query(`UPDATE user_mail_accounts SET sync_due_at_utc = NULL`)
})

const nothing = { fetched: 0, inserted: 0, updated: 0, deleted: 0 }
const messagePath = (id: string | undefined): string => `/gmail/v1/users/me/messages/${id}`
const batchPath = '/batch/gmail/v1'

async function gmailCalls(): Promise<number> {
  const { counts } = await google.calls()
  return Object.entries(counts).reduce((sum, [name, n]) => (/gmail/.test(name) ? sum + n : sum), 0)
}

const record = (box: Box): Promise<SyncRecordJson> =>
  json<SyncRecordJson>(call(`/api/v1/mail-accounts/${box.id}/sync`, { bearer: box.bearer }))

const backFill = (box: Box, env?: ReturnType<typeof workerEnv>): Promise<Response> =>
  call(`/api/v1/mail-accounts/${box.id}/sync`, {
    bearer: box.bearer,
    json: { full: true },
    ...(env === undefined ? {} : { env }),
  })

/** Its message is not sent: the test delivers it. */
const held = (more: Record<string, unknown> = {}) => workerEnv({ SYNC_QUEUE: heldQueue(), ...more })

async function walkWhole(box: Box): Promise<void> {
  await json(backFill(box, held()), 202)
  await drain(box.id)
}

const plain: MailMessage = {
  id: '',
  threadId: 't1',
  historyId: '1',
  labelIds: ['INBOX'],
  receivedAt: new Date(),
  sizeBytes: 10,
  messageId: null,
  inReplyTo: null,
  references: [],
  subject: '',
  from: null,
  to: [],
  cc: [],
  bcc: [],
  replyTo: [],
  snippet: '',
  text: 'words',
  html: null,
  attachments: [],
}

const letters = async (email: string, n: number, more: Record<string, unknown> = {}): Promise<string[]> => {
  const mails = Array.from({ length: n }, (_, at) => ({
    subject: `Letter ${at}`,
    text: `Words of letter ${at}`,
    ...more,
  }))
  return (await google.addMail(email, mails)).map(({ id }) => id)
}

describe('on demand', () => {
  it.each([404, 500])('does not wait for the names of labels: %i there, and the mail comes', async (status) => {
    const box = await newBox()
    const [id = ''] = await letters(box.email, 1, { labelIds: ['INBOX', 'Label_9'] })
    await google.fault({ path: '/gmail/v1/users/me/labels', status, body: {}, times: null })
    expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 1 })
    expect(await storedMail(box.id)).toEqual({ [id]: 'INBOX Label_9' })
    // Asked again as soon as the next sync, and then known by name.
    await google.clearFaults()
    await google.putLabel(box.email, { id: 'Label_9', name: 'Receipts' })
    await json(sync(box))
    expect(
      await count('emails', `user_mail_account_id = $1 AND search_tsv @@ ''':n:receipts'''::tsquery`, [box.id]),
    ).toBe(1)
  })

  it('brings the newest first, then what happened since, in four trips', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 30)
    expect(await json<Synced>(sync(box))).toEqual({ ...nothing, fetched: 10, inserted: 10, has_more: true })
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email, 10))
    await proxy.resetCounts()
    expect(await json<Synced>(sync(box))).toEqual({ ...nothing, has_more: true })
    expect((await proxy.counts()).statements).toBe(4)

    const [first, second] = await letters(box.email, 3)
    const { messages } = await google.mailState(box.email)
    await google.deleteMail(box.email, [messages[5]?.id ?? ''])
    await google.modifyMail(box.email, [messages[6]?.id ?? ''], { addLabelIds: ['STARRED'] })
    await google.modifyMail(box.email, [first ?? ''], { removeLabelIds: ['UNREAD'] })
    await google.deleteMail(box.email, [second ?? ''])
    await proxy.resetCounts()
    const third = await json<Synced>(sync(box))
    expect(third).toMatchObject({ fetched: 2, inserted: 2, updated: 1, deleted: 1 })
    expect((await proxy.counts()).statements).toBe(4)
    const stored = await storedMail(box.id)
    expect(Object.keys(stored)).toHaveLength(11)
    expect(await googleMail(box.email)).toMatchObject(stored)
  })

  it('ML-08 refuses a count that is none', async () => {
    const box = await newBox()
    for (const bad of [-1, 0, 501, 1e9, 1.5, '10', null, [], true])
      expect(await refusal(sync(box, { count: bad }))).toEqual([422, 'invalid_input'])
    expect(await refusal(sync(box, { more: 1 }))).toEqual([422, 'invalid_input'])
    expect(
      await refusal(call(`/api/v1/mail-accounts/${box.id}/sync`, { bearer: box.bearer, json: { full: false } })),
    ).toEqual([422, 'invalid_input'])
  })

  it('reaches the caller’s own mailboxes only, a key those it is for', async () => {
    const box = await newBox()
    const stranger = await newPerson('eve@gmail.com')
    const other = { bearer: stranger.access_token, email: 'eve@gmail.com' }
    await google.generateMail(box.email, 3)
    for (const email of [box.email, 'nobody@gmail.com', 'no address'])
      expect(await refusal(sync({ ...other, email }))).toEqual([404, 'not_found'])
    expect(await refusal(backFill({ ...box, bearer: other.bearer }))).toEqual([404, 'not_found'])
    expect(await refusal(call(`/api/v1/mail-accounts/${box.id}/sync`, { bearer: other.bearer }))).toEqual([
      404,
      'not_found',
    ])

    const { admin } = await adminKey()
    const { key } = await newKey(admin, {
      permissions: ['emails:sync'],
      user_id: box.userId,
      mail_account_ids: [box.id],
    })
    expect(await json<Synced>(sync({ ...box, bearer: key, email: box.email.toUpperCase() }))).toMatchObject({
      inserted: 3,
    })
    expect(await refusal(sync({ ...other, bearer: key }))).toEqual([404, 'not_found'])
    const { key: reader } = await newKey(admin, { permissions: ['emails:read'], user_id: box.userId })
    expect(await refusal(sync({ ...box, bearer: reader }))).toEqual([403, 'forbidden'])
    const { key: anybody } = await newKey(admin, { permissions: ['emails:sync'] })
    expect(await refusal(sync({ ...box, bearer: anybody }))).toEqual([422, 'invalid_input'])

    await call(`/api/v1/mail-accounts/${box.id}`, { bearer: box.bearer, method: 'DELETE' })
    expect(await refusal(sync(box))).toEqual([404, 'not_found'])
  })

  it('asks nobody without the permission, or where the grant is dead', async () => {
    const box = await newBox([gmail.send])
    const dead = await newBox()
    await query(`UPDATE user_mail_accounts SET status_cd = 'needs_reauthorization' WHERE user_mail_account_id = $1`, [
      dead.id,
    ])
    await google.resetCalls()
    for (const n of [10, 100]) {
      expect(await refusal(sync(box, { count: n }))).toEqual([403, 'insufficient_scope'])
      expect(await refusal(sync(dead, { count: n }))).toEqual([409, 'needs_reauthorization'])
    }
    await drain(box.id)
    await drain(dead.id)
    expect(await gmailCalls()).toBe(0)
  })

  it('ML-03 of two at once one runs, with the database 20 ms away', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 20)
    await proxy.setDelay(20)
    try {
      const answers = await Promise.all([sync(box), sync(box), consume({ kind: 'sync', mail_account_id: box.id })])
      const statuses = answers.map((it) => (typeof it === 'boolean' ? 'acked' : String(it.status)))
      expect(statuses.filter((it) => it === '200').length).toBeLessThanOrEqual(1)
      expect(statuses.filter((it) => it === '409').length).toBeGreaterThanOrEqual(1)
    } finally {
      await proxy.setDelay(0)
    }
    await json(sync(box, { count: 20 }))
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })

  it('loses nothing that arrives while it lists', async () => {
    const box = await newBox()
    await letters(box.email, 5)
    await google.fault({ path: '/gmail/v1/users/me/messages', delayMs: 700, process: true })
    const [synced] = await Promise.all([
      json<Synced>(sync(box)),
      new Promise((resolve) => setTimeout(resolve, 350)).then(() => letters(box.email, 2)),
    ])
    expect(synced.inserted).toBeGreaterThanOrEqual(5)
    await json(sync(box, { count: 1 }))
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })
})

/** As if a minute had passed: nothing counts any more. */
const passMinute = async (): Promise<void> => {
  await query(`UPDATE mail_syncs SET units_used_cnt = '{}'`)
  await query(`UPDATE provider_states SET units_used_cnt = '{}'`)
}

const labelledMail = (box: Box, name: string): Promise<number> =>
  count('emails', `user_mail_account_id = $1 AND search_tsv @@ quote_literal($2)::tsquery`, [box.id, `:n:${name}`])

const scarce = () => held({ GMAIL_UNITS_PER_MINUTE: '200' })

describe('nothing is lost', () => {
  it('by a label change of a message that is not here, nor by a label nobody had met', async () => {
    const box = await newBox()
    await letters(box.email, 30)
    await json(sync(box))
    const ids = (await google.mailState(box.email)).messages.map(({ id }) => id)
    const pick = (...places: number[]): string[] => places.map((place) => ids[place] ?? '')
    await google.modifyMail(box.email, pick(14, 25), { addLabelIds: ['STARRED'] })
    expect(await json<Synced>(sync(box, { count: 20 }))).toMatchObject({ inserted: 10 })
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email, 20))
    await google.modifyMail(box.email, pick(28), { addLabelIds: ['STARRED'] })
    const label = await google.putLabel(box.email, { name: 'Fresh' })
    await google.modifyMail(box.email, pick(2), { addLabelIds: [label.id] })
    await walkWhole(box)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
    expect(await labelledMail(box, 'fresh')).toBe(1)
  })

  it('by a label that is called otherwise while its mail comes in, or shares its name with another', async () => {
    const box = await newBox()
    const names = ['A/B', 'A-B', 'Old name']
    const [slash, dash, old] = await Promise.all(names.map((name) => google.putLabel(box.email, { name })))
    const [slashId = '', dashId = '', oldId = ''] = [slash?.id, dash?.id, old?.id]
    await letters(box.email, 1, { labelIds: ['INBOX', slashId] })
    await letters(box.email, 1, { labelIds: ['INBOX', slashId, dashId] })
    await json(sync(box))
    // Of two that come in one page, the second has a label nobody has met: names are read in between.
    await letters(box.email, 1, { labelIds: ['INBOX', oldId] })
    await google.putLabel(box.email, { id: oldId, name: 'New name' })
    await google.putLabel(box.email, { id: slashId, name: 'C' })
    const fresh = await google.putLabel(box.email, { name: 'Fresh' })
    await letters(box.email, 1, { labelIds: ['INBOX', fresh.id] })
    await json(sync(box))
    const found = Promise.all(['old-name', 'new-name', 'a-b', 'c', 'fresh'].map((name) => labelledMail(box, name)))
    expect(await found).toEqual([0, 1, 1, 2, 1])
  })

  it('by a page of history dearer than a minute’s quota: it is worked through, each message once', async () => {
    const box = await newBox()
    await letters(box.email, 1)
    await json(sync(box))
    const added = await letters(box.email, 24)
    await google.modifyMail(box.email, added.slice(0, 3), { addLabelIds: ['STARRED'] })
    await google.resetCalls()
    let fetched = 0
    for (let round = 0; round < 12; round += 1) {
      await passMinute()
      fetched += (await json<Synced>(sync(box, { count: 1 }, { env: scarce() }))).fetched
      if (fetched >= 24) break
      // What came by the first part of the page changes before the rest is here.
      if (round === 0) await google.modifyMail(box.email, added.slice(0, 2), { removeLabelIds: ['STARRED', 'UNREAD'] })
    }
    expect(fetched).toBe(24)
    await passMinute()
    await json(sync(box))
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
    expect((await google.calls()).units[box.email]).toBeLessThan(24 * 20 + 150)
  })

  it('by a first sync that stops half way: what it stored stays in step, what it listed still comes', async () => {
    const box = await newBox()
    await letters(box.email, 10)
    await passMinute()
    expect(await json<Synced>(sync(box, {}, { env: scarce() }))).toMatchObject({ has_more: true })
    const stored = Object.keys(await storedMail(box.id))
    expect(stored.length).toBeGreaterThan(2)
    expect(await count('mail_skips', `error_cd = 'later' AND user_mail_account_id = $1`, [box.id])).toBe(
      10 - stored.length,
    )
    await google.modifyMail(box.email, stored.slice(0, 1), { addLabelIds: ['STARRED'] })
    await google.deleteMail(box.email, stored.slice(1, 2))
    await query(`UPDATE mail_skips SET modified_at_utc = now() - interval '1 hour' WHERE user_mail_account_id = $1`, [
      box.id,
    ])
    await passMinute()
    await json(sync(box, { count: 1 }))
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
    expect(await count('mail_skips', 'user_mail_account_id = $1', [box.id])).toBe(0)
  })

  it('by a list that gives fewer than it was asked for', async () => {
    const box = await newBox()
    const ids = await letters(box.email, 4)
    const part = (from: number, to: number) => ids.slice(from, to).map((id) => ({ id, threadId: id }))
    const path = '/gmail/v1/users/me/messages'
    await google.fault({ path, status: 200, body: { messages: part(2, 4), nextPageToken: 'more' }, times: 1 })
    await google.fault({ path, status: 200, body: { messages: part(0, 2) }, times: 1 })
    expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 4, has_more: false })
  })

  it('by purge, which comes while a hidden message is shown again', async () => {
    const box = await newBox()
    const ids = await letters(box.email, 3)
    await json(sync(box))
    await query(
      `UPDATE user_mail_accounts SET mail_since_utc = now(), purge_mail_flg = true WHERE user_mail_account_id = $1`,
      [box.id],
    )
    const showing = query(
      `WITH shown AS (UPDATE emails SET created_at_utc = now() WHERE provider_message_id_txt = $1 RETURNING 1)
       SELECT pg_sleep(0.8)::text FROM shown`,
      [ids[0]],
    )
    await new Promise((resolve) => setTimeout(resolve, 200))
    const db = createDb({ connectionString: testAddresses.TEST_DATABASE_URL })
    await Promise.all([db.first(purgeHiddenMail, { limit: 100 }), showing])
    expect(Object.keys(await storedMail(box.id))).toEqual(ids.slice(0, 1))
  })
})

describe('what never ends', () => {
  it('is skipped in the end: one message that is always too fast', async () => {
    const box = await newBox()
    const ids = await letters(box.email, 5)
    await google.fault({ path: messagePath(ids[4]), status: 429, body: {}, times: null })
    expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 4 })
    const [later] = await query<{ cursor: string }>(
      `SELECT sync_cursor_txt AS cursor FROM user_mail_accounts WHERE user_mail_account_id = $1 AND sync_cursor_txt IS NOT NULL`,
      [box.id],
    )
    expect(later).toBeDefined()
    const skip = () =>
      query(`SELECT error_cd AS code, attempt_cnt AS n FROM mail_skips WHERE user_mail_account_id = $1`, [box.id])
    // Asked again before its time: that counts for nothing.
    await json(sync(box))
    expect(await skip()).toEqual([{ code: 'later', n: 1 }])
    await query(
      `UPDATE mail_skips SET attempt_cnt = 19, modified_at_utc = now() - interval '7 hours' WHERE user_mail_account_id = $1`,
      [box.id],
    )
    // However often: it is asked for until a week has passed.
    await json(sync(box))
    expect(await skip()).toEqual([{ code: 'later', n: 20 }])
    // And however long: a mailbox that nobody could open for days has not asked.
    const weekLater = (tries: number) =>
      query(
        `UPDATE mail_skips SET attempt_cnt = $2, created_at_utc = now() - interval '8 days', modified_at_utc = now() - interval '7 hours' WHERE user_mail_account_id = $1`,
        [box.id, tries],
      )
    await weekLater(1)
    await json(sync(box))
    expect(await skip()).toEqual([{ code: 'later', n: 2 }])
    await weekLater(20)
    await json(sync(box))
    expect(await skip()).toEqual([{ code: 'unanswered', n: 21 }])
    await google.resetCalls()
    await consume({ kind: 'sync', mail_account_id: box.id }, { SYNC_QUEUE: heldQueue() })
    expect((await google.calls()).log.filter(({ path }) => path === batchPath)).toEqual([])
    await google.clearFaults()
    await walkWhole(box)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })

  it('stands in nobody’s way: one message that makes each request for it fail', async () => {
    const box = await newBox()
    await letters(box.email, 4)
    await json(sync(box))
    await letters(box.email, 3)
    // After failures they are asked for one by one.
    await query(`UPDATE mail_syncs SET failure_cnt = 6 WHERE user_mail_account_id = $1`, [box.id])
    await google.fault({ path: batchPath, status: 503, times: 1 })
    expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 2 })
    expect(await count('mail_skips', `error_cd = 'later' AND user_mail_account_id = $1`, [box.id])).toBe(1)
    await query(`UPDATE mail_skips SET modified_at_utc = now() - interval '1 hour'`)
    expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 1 })
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })

  it('ends all the same: a list and a history that always go on', async () => {
    const box = await newBox()
    const ids = await letters(box.email, 5)
    await json(sync(box))
    const messages = ids.map((id) => ({ id, threadId: id }))
    const listPath = '/gmail/v1/users/me/messages'
    await google.fault({ path: listPath, status: 200, body: { messages, nextPageToken: 'again' }, times: null })
    const more = { history: [], historyId: '1', nextPageToken: 'more' }
    await google.fault({ path: '/gmail/v1/users/me/history', status: 200, body: more, times: null })
    await json(backFill(box, held()), 202)
    await google.resetCalls()
    expect(await drain(box.id)).toBeLessThanOrEqual(2)
    expect(await gmailCalls()).toBeLessThan(20)
    expect(await record(box)).toMatchObject({ state: 'done', counted: 5 })
    expect(await json<Synced>(sync(box))).toMatchObject(nothing)
  })
})

describe('messages that are not answered for', () => {
  const everyMessage = '/gmail/v1/users/me/messages/*'
  const owed = (box: Box): Promise<number> =>
    count('mail_skips', `error_cd = 'later' AND user_mail_account_id = $1`, [box.id])
  const makeOwedDue = () => query(`UPDATE mail_skips SET modified_at_utc = now() - interval '1 day'`)
  const batches = async (): Promise<number> =>
    (await google.calls()).log.filter(({ path }) => path === batchPath).length
  const standing = async (box: Box) => {
    const [row] = await query<{ failures: number; error: string | null; wait: number | null; due: number | null }>(
      `SELECT s.failure_cnt AS failures, s.last_error_cd AS error, extract(epoch FROM s.wait_until_utc - now())::int AS wait,
        extract(epoch FROM a.sync_due_at_utc - now())::int AS due
       FROM mail_syncs s JOIN user_mail_accounts a USING (user_mail_account_id) WHERE s.user_mail_account_id = $1`,
      [box.id],
    )
    return row
  }
  const failAs = (box: Box, failures: number) =>
    query(`UPDATE mail_syncs SET failure_cnt = $2, last_error_cd = 'http_503' WHERE user_mail_account_id = $1`, [
      box.id,
      failures,
    ])
  const endWait = () => query(`UPDATE mail_syncs SET wait_until_utc = NULL`)

  it('in a walk, all of them: that is an outage, and it ends once the provider answers', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 160, 3)
    await google.fault({ path: everyMessage, status: 503, body: {}, headers: { 'retry-after': '1800' }, times: null })
    await json(backFill(box, held()), 202)
    expect(await drain(box.id)).toBe(1)
    expect(await batches()).toBe(1)
    expect(await standing(box)).toMatchObject({ failures: 1, error: 'http_503' })
    expect((await standing(box))?.wait).toBeGreaterThan(1_700)
    expect((await standing(box))?.due).toBeGreaterThan(1_700)
    // Nor are they asked for again and again where it names no time.
    await google.clearFaults()
    await google.fault({ path: everyMessage, status: 500, body: {}, times: null })
    for (const failures of [2, 3, 4]) {
      await endWait()
      expect(await drain(box.id)).toBe(1)
      expect(await standing(box)).toMatchObject({ failures, error: 'http_500' })
    }
    await google.clearFaults()
    await makeOwedDue()
    await drain(box.id)
    await makeOwedDue()
    await drain(box.id)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
    expect(await standing(box)).toMatchObject({ failures: 0, error: null, wait: null })
    expect(await owed(box)).toBe(0)
  })

  it('on demand: it is said that there is more, and all of it comes', async () => {
    const box = await newBox()
    await letters(box.email, 3)
    await json(sync(box))
    await letters(box.email, 20)
    await google.fault({ path: everyMessage, status: 503, body: {}, headers: { 'retry-after': '1800' }, times: null })
    const down = await sync(box, { count: 30 })
    expect([down.status, down.headers.get('Retry-After')]).toEqual([503, '1800'])
    await google.clearFaults()
    await endWait()
    expect(await json<Synced>(sync(box, { count: 30 }))).toMatchObject({ inserted: 20, has_more: false })
    expect(await owed(box)).toBe(0)
  })

  it('asked for one by one they are passed, no more of them in a row than syncs have failed', async () => {
    const box = await newBox()
    await letters(box.email, 40)
    await json(sync(box, { count: 1 }))
    await json(backFill(box, held()), 202)
    await failAs(box, 6)
    await google.resetCalls()
    await google.fault({ path: batchPath, status: 503, times: null })
    await drain(box.id)
    expect(await batches()).toBe(7)
    expect(await owed(box)).toBe(6)
    expect(await record(box)).toMatchObject({ state: 'running', last_error: 'http_503' })
    expect(await standing(box)).toMatchObject({ failures: 7 })
    // What is owed stands in nobody's way, and is not asked for before its time.
    await google.clearFaults()
    await drain(box.id)
    expect(Object.keys(await storedMail(box.id))).toHaveLength(34)
    expect(await json<Synced>(sync(box, { count: 1 }))).toMatchObject({ has_more: true })
    await makeOwedDue()
    expect(await json<Synced>(sync(box, { count: 1 }))).toMatchObject({ inserted: 6, has_more: false })
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })

  it.each([
    [401, 'authError'],
    [403, 'domainPolicy'],
    [403, 'insufficientPermissions'],
  ])('one that is refused with %i %s for ever blocks no mailbox, and closes none', async (status, reason) => {
    const box = await newBox()
    await letters(box.email, 3)
    await json(sync(box))
    const ids = await letters(box.email, 3)
    await google.fault({ path: messagePath(ids[1]), status, body: { error: { errors: [{ reason }] } }, times: null })
    expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 2, has_more: true })
    expect(await record(box)).toMatchObject({ last_error: null })
    expect(await owed(box)).toBe(1)
    // Nor does it where it is the only one asked for.
    await makeOwedDue()
    expect(await json<Synced>(sync(box))).toMatchObject({ fetched: 0, has_more: true })
    const [alone] = await letters(box.email, 1)
    await google.fault({ path: messagePath(alone), status, body: { error: { errors: [{ reason }] } }, times: null })
    expect(await json<Synced>(sync(box))).toMatchObject({ fetched: 0, has_more: true })
    expect(await owed(box)).toBe(2)
    expect(
      await count(
        'user_mail_accounts',
        `status_cd = 'active' AND coalesce(sync_due_at_utc < now() + interval '2 hours', true) AND user_mail_account_id = $1`,
        [box.id],
      ),
    ).toBe(1)
  })

  it('several that never are: new mail comes all the same', async () => {
    const box = await newBox()
    await letters(box.email, 3)
    await json(sync(box))
    const ids = await letters(box.email, 5)
    for (const id of ids.slice(0, 3)) await google.fault({ path: messagePath(id), status: 500, body: {}, times: null })
    expect(await refusal(sync(box))).toEqual([503, 'provider_unavailable'])
    expect(await owed(box)).toBe(3)
    for (let round = 0; round < 3; round += 1) {
      await makeOwedDue()
      await letters(box.email, 2)
      expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 2, has_more: true })
      expect(await standing(box)).toMatchObject({ failures: 0, error: null })
    }
    await google.clearFaults()
    await makeOwedDue()
    await drain(box.id)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })

  it('more of them than one sync asks for again come one sync after another', async () => {
    const box = await newBox()
    const ids = await letters(box.email, 70)
    await json(sync(box, { count: 1 }))
    await query(
      `INSERT INTO mail_skips (user_mail_account_id, provider_message_id_txt, error_cd, created_at_utc, modified_at_utc)
       SELECT $1, id, 'later', now() - interval '1 hour', now() - interval '1 hour' FROM unnest($2::text[]) AS id`,
      [box.id, ids.slice(0, 69)],
    )
    expect(await drain(box.id)).toBe(2)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })

  it.each([
    ['in its part', 429],
    ['as a whole', 503],
  ] as const)('one alone, refused %s with a time: nobody calls the provider before', async (where, status) => {
    const box = await newBox()
    await letters(box.email, 3)
    await json(sync(box))
    const [id] = await letters(box.email, 1)
    const isWhole = where === 'as a whole'
    if (isWhole) await failAs(box, 4)
    const path = isWhole ? batchPath : messagePath(id)
    await google.fault({ path, status, body: {}, headers: { 'retry-after': '1800' }, times: null })
    expect(await json<Synced>(sync(box, {}, { env: held() }))).toEqual({ ...nothing, has_more: true })
    const after = await standing(box)
    // It heals nothing that was broken before.
    expect(after).toMatchObject({ failures: isWhole ? 4 : 0, error: `http_${status}` })
    expect(after?.wait).toBeGreaterThan(1_700)
    expect(after?.due).toBeGreaterThan(1_700)
    await google.resetCalls()
    const early = await sync(box)
    expect([early.status, Number(early.headers.get('Retry-After')) > 1_700]).toEqual([429, true])
    await consume({ kind: 'sync', mail_account_id: box.id }, { SYNC_QUEUE: heldQueue() })
    expect(await gmailCalls()).toBe(0)
    await google.clearFaults()
    await endWait()
    await makeOwedDue()
    expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 1, has_more: false })
    expect(await standing(box)).toMatchObject({ failures: 0, error: null, wait: null })
  })

  it('on a full page, once: they come with it', async () => {
    const box = await newBox()
    const ids = await letters(box.email, 110)
    await google.fault({ path: messagePath(ids[100]), status: 500, body: {}, times: 1 })
    await google.fault({ path: messagePath(ids[30]), status: 500, body: {}, times: 1 })
    await json(sync(box, { count: 1 }))
    await walkWhole(box)
    expect(await record(box)).toMatchObject({ state: 'done', counted: 110 })
    expect(await owed(box)).toBe(0)
  })

  it('and fail alone the second time: the others come, and nothing waits', async () => {
    const box = await newBox()
    const ids = await letters(box.email, 5)
    await google.fault({ path: messagePath(ids[2]), status: 500, body: {}, headers: { 'retry-after': '0' }, times: 1 })
    // The first request is answered, the second is not.
    await google.fault({ path: batchPath, process: true, times: 1 })
    await google.fault({ path: batchPath, status: 503, times: 1 })
    expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 4, has_more: true })
    expect(await standing(box)).toMatchObject({ failures: 0, error: null, wait: null })
    await makeOwedDue()
    expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 1, has_more: false })
  })

  it('in a walk: they come though there is no background sync', async () => {
    const box = await newBox()
    const ids = await letters(box.email, 60)
    await google.fault({ path: messagePath(ids[3]), status: 500, body: {}, times: 2 })
    await walkWhole(box)
    expect(await owed(box)).toBe(1)
    await query(`UPDATE user_mail_accounts SET sync_due_at_utc = now() WHERE user_mail_account_id = $1`, [box.id])
    const claimed = async (): Promise<unknown[]> => {
      const queue = heldQueue()
      await tick({ SYNC_QUEUE: queue })
      return queue.bodies
    }
    // Not before its time.
    expect(await claimed()).toEqual([])
    await makeOwedDue()
    const [message] = await claimed()
    expect(message).toMatchObject({ kind: 'sync', mail_account_id: box.id })
    await consume(message, { SYNC_QUEUE: heldQueue() })
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })

  it('a time that one of them was refused with ends the walk’s turn, and it goes on then', async () => {
    const box = await newBox()
    const ids = await letters(box.email, 30)
    await json(sync(box, { count: 1 }))
    for (const id of ids.slice(0, 29))
      await google.fault({
        path: messagePath(id),
        status: 429,
        body: {},
        headers: { 'retry-after': '900' },
        times: null,
      })
    await json(backFill(box, held()), 202)
    await failAs(box, 6)
    await google.resetCalls()
    const waits: unknown[] = []
    const queue = { sendBatch: async (_: unknown, options: unknown) => void waits.push(options) }
    await consume({ kind: 'sync', mail_account_id: box.id }, { SYNC_QUEUE: queue })
    expect(await batches()).toBe(1)
    expect(waits).toEqual([{ delaySeconds: 900 }])
    expect(await record(box)).toMatchObject({ state: 'running', last_error: 'http_429' })
    await google.clearFaults()
    await endWait()
    await makeOwedDue()
    await drain(box.id)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })
})

describe('an endpoint that hangs', () => {
  const slow = (delayMs: number, more = {}) => google.fault({ path: batchPath, delayMs, times: null, ...more })
  const oneByOne = (box: Box) =>
    query(`UPDATE mail_syncs SET failure_cnt = 6 WHERE user_mail_account_id = $1`, [box.id])

  /** The Worker's clock runs ten times as fast: nobody waits for a test either. */
  async function hastened<T>(work: () => Promise<T>): Promise<T> {
    const [startedAt, began] = [Date.now(), performance.now()]
    vi.useFakeTimers({ toFake: ['Date'] })
    const timer = setInterval(() => vi.setSystemTime(startedAt + (performance.now() - began) * 10), 20)
    try {
      return await work()
    } finally {
      clearInterval(timer)
      vi.useRealTimers()
    }
  }

  it('keeps nobody waiting for message after message', async () => {
    const box = await newBox()
    await letters(box.email, 3)
    await json(sync(box))
    await letters(box.email, 12)
    await oneByOne(box)
    await slow(600, { process: true })
    const synced = await hastened(() => json<Synced>(sync(box, { count: 20 }, { env: held() })))
    expect(synced.has_more).toBe(true)
    expect(synced.inserted).toBeGreaterThan(0)
    expect(synced.inserted).toBeLessThan(4)
    // The cursor has not passed what is still to come.
    await google.clearFaults()
    await drain(box.id)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })

  it('ends the walk’s turn, and it goes on there', async () => {
    const box = await newBox()
    await letters(box.email, 20)
    await json(sync(box, { count: 1 }))
    await json(backFill(box, held()), 202)
    await oneByOne(box)
    await slow(900, { process: true })
    const queue = heldQueue()
    await hastened(() => consume({ kind: 'sync', mail_account_id: box.id }, { SYNC_QUEUE: queue }))
    const stored = Object.keys(await storedMail(box.id)).length
    expect(stored).toBeGreaterThan(1)
    expect(stored).toBeLessThan(6)
    expect(queue.bodies).toHaveLength(1)
    expect(await record(box)).toMatchObject({ state: 'running', counted: stored })
    await google.clearFaults()
    await drain(box.id)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })

  it('is a failure where nothing came', async () => {
    const box = await newBox()
    await letters(box.email, 3)
    await json(sync(box))
    await letters(box.email, 4)
    await oneByOne(box)
    await slow(1_100, { status: 503 })
    await google.resetCalls()
    await hastened(async () => {
      expect(await refusal(sync(box, {}, { env: held() }))).toEqual([503, 'provider_unavailable'])
    })
    expect((await google.calls()).log.filter(({ path }) => path === batchPath)).toHaveLength(1)
    expect(await count('mail_syncs', 'failure_cnt = 7 AND user_mail_account_id = $1', [box.id])).toBe(1)
    await google.clearFaults()
    await drain(box.id)
    await query(`UPDATE mail_skips SET modified_at_utc = now() - interval '1 hour'`)
    await drain(box.id)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })
})

describe('one message', () => {
  it('ML-04 ML-07 gone, broken, slow or refused for now stands in nobody’s way', async () => {
    const box = await newBox()
    const ids = await letters(box.email, 12)
    const [gone, broken, once, later] = ids
    await google.fault({ path: messagePath(gone), status: 404, times: 1 })
    await google.fault({ path: messagePath(broken), status: 200, body: 'no message', times: null })
    await google.fault({ path: messagePath(once), status: 503, times: 1 })
    await google.fault({ path: messagePath(later), status: 500, times: 2 })
    expect(await json<Synced>(sync(box, { count: 50 }))).toMatchObject({ fetched: 9, inserted: 9 })
    const skips = () =>
      query<{ id: string; code: string }>(
        `SELECT provider_message_id_txt AS id, error_cd AS code FROM mail_skips WHERE user_mail_account_id = $1 ORDER BY error_cd = 'later'`,
        [box.id],
      )
    expect(await skips()).toEqual([
      { id: broken, code: expect.stringMatching(/^[a-z0-9_]{1,64}$/) },
      { id: later, code: 'later' },
    ])
    // The cursor has passed it; it comes when its time has.
    await query(`UPDATE mail_skips SET modified_at_utc = now() - interval '1 day' WHERE user_mail_account_id = $1`, [
      box.id,
    ])
    const calls = await gmailCalls()
    expect(await json<Synced>(sync(box, { count: 50 }))).toMatchObject({ fetched: 2, inserted: 2 })
    expect((await gmailCalls()) - calls).toBeLessThanOrEqual(6)
    expect((await skips()).map(({ id }) => id)).toEqual([broken])
    expect(await record(box)).toMatchObject({ skipped: 1 })
    // A walk through all of it tries once more.
    await google.clearFaults()
    await walkWhole(box)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
    expect(await record(box)).toMatchObject({ skipped: 0, state: 'done', last_error: null })
  })

  it('ML-07 500 are brought by the queue, 50 in a request', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 90, 7)
    await google.settings({ listRepeatsIds: true })
    const asked = await json<SyncRecordJson>(sync(box, { count: 70 }, { env: held() }), 202)
    expect(asked).toMatchObject({ state: 'queued', kind: 'newest', counted: 0 })
    await google.resetCalls()
    await drain(box.id)
    const { log } = await google.calls()
    const parts = log.filter(({ path }) => /\/messages\/[0-9a-f]{16}$/.test(path)).length
    const batches = log.filter(({ path }) => path === batchPath).length
    expect(parts / batches).toBeLessThanOrEqual(50)
    expect(await record(box)).toMatchObject({ state: 'done', counted: 70, total: 70, eta_seconds: null })
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email, 70))
    // A wish for fewer joins, one for more counts whenever it comes.
    await json(sync(box, { count: 75 }, { env: held() }), 202)
    await json(sync(box, { count: 51 }, { env: held() }), 202)
    await google.fault({ path: '/gmail/v1/users/me/messages', delayMs: 500, process: true })
    await Promise.all([
      drain(box.id),
      new Promise((resolve) => setTimeout(resolve, 250)).then(() =>
        json(sync(box, { count: 80 }, { env: held() }), 202),
      ),
    ])
    await drain(box.id)
    expect(await record(box)).toMatchObject({ state: 'done', kind: 'newest', counted: 80, total: 80 })
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email, 80))
  })
})

describe('a whole mailbox', () => {
  it('is what Gmail has, and stays in step', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 160, 3)
    expect(await record(box)).toMatchObject({
      state: 'none',
      counted: 0,
      total: null,
      last_synced_at: null,
      relisted: null,
    })
    const queued = await json<SyncRecordJson>(backFill(box, held()), 202)
    expect(queued).toMatchObject({ state: 'queued', kind: 'full', last_error: null })
    expect(await json(backFill(box, held()), 202)).toMatchObject({ state: 'queued', kind: 'full' })
    expect((await auditOf(box.id)).filter(({ action }) => action === 'mail_sync.requested')).toHaveLength(2)
    await proxy.resetCounts()
    await drain(box.id)
    // 4 pages of 50, the first among them; one look at what is here for all of them.
    expect((await proxy.counts()).statements).toBeLessThanOrEqual(4 + 9)
    const state = await record(box)
    expect(state).toMatchObject({ state: 'done', counted: 160, total: 160, eta_seconds: null, skipped: 0 })
    const stored = await storedMail(box.id)
    expect(stored).toEqual(await googleMail(box.email))

    const label = await google.putLabel(box.email, { name: 'Receipts/2026' })
    const ids = Object.keys(stored)
    const pick = (from: number, n: number): string[] => ids.slice(from, from + n)
    await google.modifyMail(box.email, pick(0, 40), { addLabelIds: [label.id], removeLabelIds: ['UNREAD'] })
    await google.modifyMail(box.email, pick(20, 30), { addLabelIds: ['TRASH'], removeLabelIds: ['INBOX'] })
    await google.modifyMail(box.email, pick(30, 10), { addLabelIds: ['UNREAD'], removeLabelIds: ['TRASH', label.id] })
    await google.deleteMail(box.email, pick(60, 25))
    await letters(box.email, 60, { labelIds: ['INBOX', 'UNREAD', label.id] })
    await drain(box.id)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
    const labelled = (name: string) => labelledMail(box, name)
    expect(await labelled('receipts-2026')).toBe(90)

    await google.putLabel(box.email, { id: label.id, name: 'Bills' })
    await query(
      `UPDATE mail_syncs SET labels_read_at_utc = now() - interval '2 hours' WHERE user_mail_account_id = $1`,
      [box.id],
    )
    expect(await json<Synced>(sync(box))).toMatchObject({ ...nothing, has_more: false })
    expect([await labelled('receipts-2026'), await labelled('bills')]).toEqual([0, 90])
    expect(await count('mail_labels', `name_txt = 'Bills' AND user_mail_account_id = $1`, [box.id])).toBe(1)

    // Once more through all of it: nothing is fetched, nothing rewritten.
    const before = await query(`SELECT max(modified_at_utc)::text AS at FROM emails`)
    await google.resetCalls()
    await walkWhole(box)
    const { log } = await google.calls()
    expect(log.filter(({ path }) => path === batchPath)).toEqual([])
    expect(await query(`SELECT max(modified_at_utc)::text AS at FROM emails`)).toEqual(before)
  })

  it('goes on where it was broken off', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 150, 5)
    await json(backFill(box, held()), 202)
    let struck = 0
    for (const wait of [2, 1]) {
      await google.clearFaults()
      await google.fault({ path: batchPath, delayMs: 1, process: true, times: wait, headers: {} })
      await google.fault({ path: batchPath, drop: 'after', times: 5 })
      await drain(box.id)
      struck += 1
      expect(await record(box)).toMatchObject({ state: 'running', last_error: expect.any(String) })
    }
    expect(struck).toBe(2)
    const half = Object.keys(await storedMail(box.id)).length
    expect(half).toBeGreaterThanOrEqual(50)
    expect(half).toBeLessThan(150)
    await google.clearFaults()
    await drain(box.id)
    expect(await record(box)).toMatchObject({ state: 'done', last_error: null })
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
    expect(await count('emails', 'user_mail_account_id = $1', [box.id])).toBe(150)
  })

  it('ML-01 is listed again after its history has expired, additions, deletions and labels repaired', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 70, 9)
    await walkWhole(box)
    const ids = Object.keys(await storedMail(box.id))
    const cursor = async () =>
      (
        await query<{ c: string }>(
          `SELECT sync_cursor_txt AS c FROM user_mail_accounts WHERE user_mail_account_id = $1`,
          [box.id],
        )
      )[0]?.c
    const before = await cursor()
    await letters(box.email, 60)
    await google.deleteMail(box.email, ids.slice(0, 7))
    await google.modifyMail(box.email, ids.slice(10, 30), { addLabelIds: ['STARRED'] })
    await google.expireHistory(box.email)

    const synced = await json<Synced>(sync(box, {}, { env: held() }))
    expect(synced).toMatchObject({ fetched: 10, inserted: 10, has_more: true })
    expect(await record(box)).toMatchObject({ state: 'running', kind: 'relist' })
    expect(await cursor()).toBe(before)
    // The newest so many are asked for meanwhile: what is repaired comes first.
    expect(await json(sync(box, { count: 60 }, { env: held() }), 202)).toMatchObject({
      kind: 'relist',
      state: 'running',
    })
    // It fails meanwhile, and mail goes on arriving.
    await google.fault({ path: batchPath, drop: 'before', times: 5 })
    await drain(box.id)
    expect(await cursor()).toBe(before)
    await letters(box.email, 3)
    await google.clearFaults()
    await drain(box.id)
    expect(await cursor()).not.toBe(before)
    expect(await record(box)).toMatchObject({ state: 'done', relisted: { count: 1, deleted: 7 }, last_error: null })
    await drain(box.id)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
    expect(await count('emails', 'user_mail_account_id = $1', [box.id])).toBe(126)
    expect((await record(box)).relisted?.added).toBeGreaterThanOrEqual(50)
    expect(await json<Synced>(sync(box))).toEqual({ ...nothing, has_more: false })
  })

  it('is in step with its history while it is listed again, and the wish for the newest waits without starting it anew', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 60, 9)
    await json(sync(box, { count: 50 }))
    const [old = ''] = Object.keys(await storedMail(box.id))
    await google.expireHistory(box.email)
    // The list cannot be read just now, history can.
    await google.fault({ path: '/gmail/v1/users/me/messages', status: 503, times: null })
    await sync(box, {}, { env: held() })
    const walk = async () =>
      (
        await query<{ id: string; cursor: string; wanted: number | null }>(
          `SELECT walk_id AS id, walk_cursor_txt AS cursor, wanted_cnt AS wanted FROM mail_syncs WHERE user_mail_account_id = $1`,
          [box.id],
        )
      )[0]
    const before = await walk()
    expect(await record(box)).toMatchObject({ state: 'running', kind: 'relist' })
    const [fresh = ''] = await letters(box.email, 1)
    await google.deleteMail(box.email, [old])
    await consume({ kind: 'sync', mail_account_id: box.id }, { SYNC_QUEUE: heldQueue() })
    const stored = await storedMail(box.id)
    expect([fresh in stored, old in stored]).toEqual([true, false])
    await json(sync(box, { count: 61 }, { env: held() }), 202)
    await json(sync(box, { count: 55 }, { env: held() }), 202)
    const after = await walk()
    expect(after).toMatchObject({ id: before?.id, wanted: 61 })
    expect(BigInt(after?.cursor ?? 0) > BigInt(before?.cursor ?? 0)).toBe(true)
    await google.clearFaults()
    await drain(box.id)
    await drain(box.id)
    expect(await record(box)).toMatchObject({ state: 'done', relisted: { count: 1 } })
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })

  it('whose history is never remembered is listed again to the end, once an interval', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 120, 3)
    await walkWhole(box)
    await google.deleteMail(box.email, Object.keys(await storedMail(box.id)).slice(0, 5))
    await google.fault({ path: '/gmail/v1/users/me/history', status: 404, body: {}, times: null })
    const slow = { GMAIL_UNITS_PER_MINUTE: '1000', SYNC_INTERVAL_SECONDS: '300' }
    const walkIds = new Set<string>()
    const round = async (): Promise<number> => {
      await passMinute()
      const queue = heldQueue()
      await consume({ kind: 'sync', mail_account_id: box.id }, { SYNC_QUEUE: queue, ...slow })
      const [row] = await query<{ id: string }>(
        `SELECT walk_id AS id FROM mail_syncs WHERE user_mail_account_id = $1`,
        [box.id],
      )
      walkIds.add(row?.id ?? '')
      return queue.bodies.length
    }
    let rounds = 1
    while ((await round()) > 0 && rounds < 12) rounds += 1
    expect(walkIds.size).toBe(1)
    expect(rounds).toBeLessThan(8)
    expect(await record(box)).toMatchObject({ state: 'done', relisted: { count: 1, deleted: 5 } })
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
    // Neither the queue nor a person lists it again before the interval has passed; new mail comes by the list.
    await letters(box.email, 2)
    await google.resetCalls()
    expect(await round()).toBe(0)
    await passMinute()
    expect(await json<Synced>(sync(box, {}, { env: held({ SYNC_INTERVAL_SECONDS: '300' }) }))).toMatchObject({
      inserted: 2,
      has_more: true,
    })
    expect([walkIds.size, await record(box)]).toEqual([1, expect.objectContaining({ state: 'done' })])
    await query(
      `UPDATE mail_syncs SET relisted_at_utc = now() - interval '280 seconds' WHERE user_mail_account_id = $1`,
      [box.id],
    )
    rounds = 1
    while ((await round()) > 0 && rounds < 12) rounds += 1
    expect(walkIds.size).toBe(2)
    expect(await record(box)).toMatchObject({ state: 'done', relisted: { count: 2 } })
  })

  it('counts a message that cannot be read no more often than others, though its page is listed again', async () => {
    const box = await newBox()
    const ids = await letters(box.email, 120)
    await google.fault({ path: messagePath(ids[119]), status: 200, body: 'no message', times: null })
    await json(sync(box, { count: 1 }))
    await json(backFill(box, held()), 202)
    for (let round = 0; round < 6; round += 1) {
      await passMinute()
      await consume(
        { kind: 'sync', mail_account_id: box.id },
        { SYNC_QUEUE: heldQueue(), GMAIL_UNITS_PER_MINUTE: '1000' },
      )
    }
    expect(await record(box)).toMatchObject({ state: 'done', counted: 119, total: 119, skipped: 1 })
  })

  it('a re-list of a part says how much there is, and the walk after it has times of its own', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 80, 3)
    await json(sync(box, { count: 40 }))
    await google.expireHistory(box.email)
    await sync(box, { count: 1 }, { env: held() })
    const listed = await googleMail(box.email, 30)
    const messages = Object.keys(listed).map((id) => ({ id, threadId: id }))
    const path = '/gmail/v1/users/me/messages'
    await google.fault({ path, status: 200, body: { messages, nextPageToken: 'x', resultSizeEstimate: 5 }, times: 1 })
    await google.fault({ path, status: 503, times: 1 })
    await consume({ kind: 'sync', mail_account_id: box.id }, { SYNC_QUEUE: heldQueue() })
    const half = await record(box)
    expect(half).toMatchObject({ state: 'running', kind: 'relist', counted: 30, total: 40 })
    expect(half.eta_seconds).toBeGreaterThan(0)
    // 10 messages of 20 units, of 300 in seventy seconds.
    const env = held({ GMAIL_UNITS_PER_MINUTE: '400' })
    expect(await json(call(`/api/v1/mail-accounts/${box.id}/sync`, { bearer: box.bearer, env }))).toMatchObject({
      eta_seconds: 47,
    })
    await json(sync(box, { count: 70 }, { env: held() }), 202)
    await query(
      `UPDATE mail_syncs SET walk_started_at_utc = now() - interval '1 hour' WHERE user_mail_account_id = $1`,
      [box.id],
    )
    await consume({ kind: 'sync', mail_account_id: box.id }, { SYNC_QUEUE: heldQueue() })
    const queued = { state: 'queued', kind: 'newest', started_at: null, finished_at: null, eta_seconds: null }
    expect(await record(box)).toMatchObject(queued)
    await drain(box.id)
    const done = await record(box)
    expect(done).toMatchObject({ state: 'done', kind: 'newest', counted: 70, total: 70 })
    expect(Date.parse(done.started_at ?? '')).toBeGreaterThan(Date.now() - 60_000)
  })

  it('a re-list brings what came since the last sync, though nothing is stored', async () => {
    const box = await newBox()
    const ids = await letters(box.email, 2)
    await json(sync(box))
    await google.deleteMail(box.email, ids)
    await json(sync(box))
    await query(
      `UPDATE user_mail_accounts SET last_synced_at_utc = now() - interval '1 hour', sync_cursor_txt = 'not a cursor' WHERE user_mail_account_id = $1`,
      [box.id],
    )
    await letters(box.email, 3)
    await drain(box.id)
    expect(Object.keys(await storedMail(box.id))).toHaveLength(3)
  })

  it('a re-list goes back as far as the mail that is here', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 60, 2)
    await json(sync(box, { count: 10 }))
    const stored = Object.keys(await storedMail(box.id))
    // What a walk has not met is looked for piece by piece.
    const db = createDb({ connectionString: testAddresses.TEST_DATABASE_URL })
    const unmet = (after: string, scan: number) =>
      db.first(findUnmet, { accountId: box.id, walkId: box.id, since: null, after, scan })
    const inOrder = [...stored].sort()
    expect(await unmet('', 4)).toEqual({ ids: inOrder.slice(0, 4), upTo: inOrder[3] })
    expect(await unmet(inOrder[3] ?? '', 100)).toEqual({ ids: inOrder.slice(4), upTo: null })
    await google.deleteMail(box.email, stored.slice(2, 4))
    await letters(box.email, 2)
    await query(`UPDATE user_mail_accounts SET sync_cursor_txt = 'not a cursor' WHERE user_mail_account_id = $1`, [
      box.id,
    ])
    await drain(box.id)
    const now = await storedMail(box.id)
    expect(Object.keys(now).length).toBeLessThan(20)
    expect(await googleMail(box.email)).toMatchObject(now)
    expect(await record(box)).toMatchObject({
      state: 'done',
      kind: 'relist',
      relisted: { count: 1, added: 2, deleted: 2 },
    })
  })

  it('with the database 20 ms away, walks asked for, read and synced over one another end in step', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 75, 6)
    await json(sync(box, { count: 60 }, { env: held() }), 202)
    await proxy.setDelay(20)
    try {
      const statuses: number[] = []
      const asking = async (): Promise<void> => {
        for (let round = 0; round < 3; round += 1) {
          const answers = await Promise.all([
            backFill(box, held()),
            sync(box, { count: 5 }, { env: held() }),
            call(`/api/v1/mail-accounts/${box.id}/sync`, { bearer: box.bearer }),
          ])
          statuses.push(...answers.map(({ status }) => status))
        }
      }
      await Promise.all([drain(box.id), drain(box.id), asking()])
      expect(statuses.filter((status) => ![200, 202, 409].includes(status))).toEqual([])
    } finally {
      await proxy.setDelay(0)
    }
    await drain(box.id)
    expect(await record(box)).toMatchObject({ state: 'done', kind: 'full', last_error: null })
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })

  it('what came ends the failures in a row, also where there are no units for the rest', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 120, 3)
    await json(sync(box, { count: 1 }))
    await json(backFill(box, held()), 202)
    await query(`UPDATE mail_syncs SET failure_cnt = 5, last_error_cd = 'http_503' WHERE user_mail_account_id = $1`, [
      box.id,
    ])
    const batches: number[] = []
    for (let round = 0; round < 2; round += 1) {
      await passMinute()
      await google.resetCalls()
      await consume(
        { kind: 'sync', mail_account_id: box.id },
        { SYNC_QUEUE: heldQueue(), GMAIL_UNITS_PER_MINUTE: '1000' },
      )
      batches.push((await google.calls()).log.filter(({ path }) => path === batchPath).length)
      expect(await count('mail_syncs', 'failure_cnt = 0 AND user_mail_account_id = $1', [box.id])).toBe(1)
      expect(await record(box)).toMatchObject({ state: 'running', last_error: null })
    }
    // One by one at first, then by the page.
    expect(batches[0]).toBeGreaterThan(10)
    expect(batches[1]).toBeLessThan(4)
    await passMinute()
    await drain(box.id)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })

  it('makes room for somebody who waits', async () => {
    const box = await newBox()
    await google.generateMail(box.email, 150, 4)
    await json(backFill(box, held()), 202)
    await query(
      `INSERT INTO mail_syncs (user_mail_account_id, failure_cnt, last_error_cd) VALUES ($1, 1, 'http_503')
       ON CONFLICT (user_mail_account_id) DO UPDATE SET failure_cnt = 1, last_error_cd = 'http_503'`,
      [box.id],
    )
    await google.fault({ path: batchPath, delayMs: 400, process: true, times: 20 })
    const filling = consume({ kind: 'sync', mail_account_id: box.id }, { SYNC_QUEUE: heldQueue() })
    await eventually(async () =>
      (await count('mail_syncs', `lease_kind_cd = 'back_fill' AND user_mail_account_id = $1`, [box.id])) === 1
        ? true
        : null,
    )
    const answer = await json<Synced>(sync(box, { count: 5 }, { env: held() }))
    expect(answer).toMatchObject({ has_more: true })
    expect(await filling).toBe(true)
    expect(await record(box)).toMatchObject({ state: 'running', last_error: null })
    expect(
      await count('mail_syncs', 'lease_id IS NULL AND NOT is_awaited_flg AND user_mail_account_id = $1', [box.id]),
    ).toBe(1)
    await google.clearFaults()
    await drain(box.id)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })
})

describe('what the provider refuses', () => {
  it('ML-05 ML-06 too fast: that mailbox waits, another goes on', async () => {
    const [one, two] = await Promise.all([newBox(), newBox()])
    await Promise.all([letters(one.email, 3), letters(two.email, 3)])
    const quota = { error: { code: 403, errors: [{ reason: 'userRateLimitExceeded' }] } }
    await google.fault({
      path: '/gmail/v1/users/me/profile',
      status: 403,
      body: quota,
      headers: { 'retry-after': '120' },
    })
    const limited = await sync(one)
    expect([limited.status, limited.headers.get('Retry-After')]).toEqual([429, '120'])
    expect(await json<Synced>(sync(two))).toMatchObject({ inserted: 3 })
    const [row] = await query<{ wait: number; failures: number; error: string }>(
      `SELECT extract(epoch FROM a.sync_due_at_utc - now())::int AS wait, s.failure_cnt AS failures, s.last_error_cd AS error
       FROM user_mail_accounts a JOIN mail_syncs s USING (user_mail_account_id) WHERE a.user_mail_account_id = $1`,
      [one.id],
    )
    expect(row).toMatchObject({ failures: 1, error: 'quota_exceeded' })
    expect(row?.wait).toBeGreaterThan(110)
    // Nobody calls the provider before, not for a person either; another mailbox's work goes on.
    await google.resetCalls()
    const early = await sync(one)
    expect(early.status).toBe(429)
    expect(Number(early.headers.get('Retry-After'))).toBeGreaterThan(110)
    await consume({ kind: 'sync', mail_account_id: one.id }, { SYNC_QUEUE: heldQueue() })
    expect(await gmailCalls()).toBe(0)
    await query(`UPDATE mail_syncs SET wait_until_utc = now() WHERE user_mail_account_id = $1`, [one.id])
    expect(await json<Synced>(sync(one))).toMatchObject({ inserted: 3 })
    expect(await record(one)).toMatchObject({ last_error: null })
  })

  it('ML-05 no permission: nothing is tried again until it is connected anew', async () => {
    const box = await newBox()
    const scopes = { error: { code: 403, errors: [{ reason: 'insufficientPermissions' }] } }
    await google.fault({ path: '/gmail/v1/users/me/*', status: 403, body: scopes, times: null })
    expect(await refusal(sync(box))).toEqual([403, 'insufficient_scope'])
    expect(
      await count('user_mail_accounts', `sync_due_at_utc > now() + interval '23 hours' AND user_mail_account_id = $1`, [
        box.id,
      ]),
    ).toBe(1)
    expect(await record(box)).toMatchObject({ last_error: 'insufficient_scope' })
    await google.resetCalls()
    const queue = heldQueue()
    await tick({ SYNC_INTERVAL_SECONDS: '300', SYNC_QUEUE: queue })
    expect([queue.bodies, await gmailCalls()]).toEqual([[], 0])
  })

  it('a refused token is renewed once, then the grant is given up', async () => {
    const box = await newBox()
    await letters(box.email, 2)
    await google.fault({ path: '/gmail/v1/users/me/*', status: 401, times: 1 })
    expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 2 })
    await google.fault({ path: '/gmail/v1/users/me/*', status: 401, times: null })
    expect(await refusal(sync(box))).toEqual([409, 'needs_reauthorization'])
    expect(
      await count('user_mail_accounts', `status_cd = 'needs_reauthorization' AND user_mail_account_id = $1`, [box.id]),
    ).toBe(1)
    await google.resetCalls()
    expect(await refusal(sync(box))).toEqual([409, 'needs_reauthorization'])
    expect(await gmailCalls()).toBe(0)
  })

  it('a refused token that cannot be renewed just now closes nothing', async () => {
    const box = await newBox()
    await letters(box.email, 2)
    const env = held({ SYNC_INTERVAL_SECONDS: '300' })
    await google.fault({ path: '/gmail/v1/users/me/*', status: 401, body: {}, times: null })
    await google.fault({ path: '/token', status: 503, body: {}, times: null })
    for (let round = 0; round < 2; round += 1) {
      const answer = await sync(box, {}, { env })
      expect([answer.status, Number(answer.headers.get('Retry-After')) > 0]).toEqual([503, true])
    }
    expect(
      await count(
        'user_mail_accounts',
        `status_cd <> 'needs_reauthorization' AND sync_due_at_utc IS NOT NULL AND user_mail_account_id = $1`,
        [box.id],
      ),
    ).toBe(1)
    await google.clearFaults()
    await query('UPDATE oauth_tokens SET refresh_due_at_utc = now(), failure_cnt = 0 WHERE user_mail_account_id = $1', [
      box.id,
    ])
    await query('DELETE FROM provider_states')
    expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 2 })
  })

  it('what is wrong with our project marks nobody, and a wait that was asked for is kept while a walk is open', async () => {
    const box = await newBox()
    await letters(box.email, 2)
    await json(sync(box))
    const historyPath = '/gmail/v1/users/me/history'
    const off = { error: { code: 403, errors: [{ domain: 'usageLimits', reason: 'accessNotConfigured' }] } }
    await google.fault({ path: historyPath, status: 403, body: off, times: 1 })
    expect(await refusal(sync(box))).toEqual([503, 'provider_unavailable'])
    expect(
      await count('user_mail_accounts', 'sync_due_at_utc IS NOT NULL AND user_mail_account_id = $1', [box.id]),
    ).toBe(1)
    await json(backFill(box, held()), 202)
    await google.fault({ path: historyPath, status: 429, body: {}, headers: { 'retry-after': '900' }, times: 1 })
    await consume({ kind: 'sync', mail_account_id: box.id }, { SYNC_QUEUE: heldQueue() })
    const put = `sync_due_at_utc > now() + interval '850 seconds' AND user_mail_account_id = $1`
    expect(await count('user_mail_accounts', put, [box.id])).toBe(1)
    // A provider that is not offered any more is not asked, and nobody is kept waiting by a lease.
    const without = held({ GOOGLE_CLIENT_ID: undefined, GOOGLE_CLIENT_SECRET: undefined })
    expect(await refusal(sync(box, {}, { env: without }))).toEqual([503, 'provider_unavailable'])
    await query('UPDATE mail_syncs SET wait_until_utc = NULL WHERE user_mail_account_id = $1', [box.id])
    expect(await json<Synced>(sync(box))).toMatchObject(nothing)
  })

  it('an outage leaves what was stored, and says when to come again', async () => {
    const box = await newBox()
    await letters(box.email, 4)
    await google.fault({ path: batchPath, status: 503, times: null })
    const answer = await sync(box)
    expect([answer.status, Number(answer.headers.get('Retry-After'))]).toEqual([503, 30])
    expect(
      await count('user_mail_accounts', 'sync_cursor_txt IS NOT NULL AND user_mail_account_id = $1', [box.id]),
    ).toBe(0)
    await google.clearFaults()
    // After failures fewer are asked for at once.
    await letters(box.email, 5)
    await query('UPDATE mail_syncs SET failure_cnt = 4 WHERE user_mail_account_id = $1', [box.id])
    await google.resetCalls()
    expect(await json<Synced>(sync(box))).toMatchObject({ inserted: 9 })
    expect((await google.calls()).log.filter(({ path }) => path === batchPath)).toHaveLength(3)
  })

  it('spends no more units than the mailbox may, and keeps a share for people', async () => {
    const box = await newBox()
    const env = held({ GMAIL_UNITS_PER_MINUTE: '400', GMAIL_PROJECT_UNITS_PER_MINUTE: '400' })
    // A sync that another test left under way would give back, of the project's minute, what it reserved before this.
    await query('UPDATE mail_syncs SET lease_id = NULL, lease_until_utc = NULL')
    await passMinute()
    await letters(box.email, 4)
    await google.resetCalls()
    expect(await json<Synced>(sync(box, {}, { env }))).toMatchObject({ inserted: 4 })
    await letters(box.email, 20)
    // A part of it is an answer, and none of it is a refusal.
    expect(await json<Synced>(sync(box, {}, { env }))).toMatchObject({ has_more: true })
    const refused = await sync(box, {}, { env })
    expect(refused.status).toBe(429)
    const wait = Number(refused.headers.get('Retry-After'))
    expect(wait).toBeGreaterThan(0)
    expect(wait).toBeLessThanOrEqual(70)
    const spent = (await google.calls()).units[box.email] ?? 0
    const [row] = await query<{ used: number; project: number }>(
      `SELECT (SELECT sum(u)::int FROM unnest(s.units_used_cnt) AS u) AS used, (SELECT sum(u)::int FROM unnest(p.units_used_cnt) AS u) AS project
       FROM mail_syncs s, provider_states p WHERE p.provider_cd = 'google' AND s.user_mail_account_id = $1`,
      [box.id],
    )
    // What was reserved and not spent was given back.
    expect(row).toEqual({ used: spent, project: spent })
    expect(spent).toBeGreaterThan(300)
    // The queue asks nobody, and the mailbox is due when there are units again.
    await consume({ kind: 'sync', mail_account_id: box.id }, { SYNC_QUEUE: heldQueue(), GMAIL_UNITS_PER_MINUTE: '400' })
    const { units, max_units_per_minute } = await google.calls()
    expect(units[box.email]).toBe(spent)
    expect(max_units_per_minute[box.email]).toBeLessThanOrEqual(400)
    // A walk is not waited for: its next message comes when there are units.
    await letters(box.email, 20)
    await json(backFill(box, held()), 202)
    await passMinute()
    const waits: unknown[] = []
    const queue = { sendBatch: async (_: unknown, options: unknown) => void waits.push(options) }
    await consume({ kind: 'sync', mail_account_id: box.id }, { SYNC_QUEUE: queue, GMAIL_UNITS_PER_MINUTE: '200' })
    expect(waits).toEqual([{ delaySeconds: expect.any(Number) }])
    expect(waits).not.toEqual([{ delaySeconds: 0 }])
    await passMinute()
    await drain(box.id)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  })
})

describe('a mailbox let go of', () => {
  it('during a sync: nothing more is stored', async () => {
    const box = await newBox()
    await letters(box.email, 5)
    await google.fault({ path: batchPath, delayMs: 600, process: true })
    const syncing = sync(box)
    await eventually(async () =>
      (await count('mail_syncs', 'lease_id IS NOT NULL AND user_mail_account_id = $1', [box.id])) === 1 ? true : null,
    )
    expect((await call(`/api/v1/mail-accounts/${box.id}`, { bearer: box.bearer, method: 'DELETE' })).status).toBe(204)
    expect(await refusal(syncing)).toEqual([404, 'not_found'])
    for (const table of ['emails', 'mail_syncs', 'mail_labels'])
      expect(await count(table, 'user_mail_account_id = $1', [box.id])).toBe(0)
  })

  it('SE-25 nothing is asked for a disabled user', async () => {
    const box = await newBox()
    const active = (is: boolean) => query(`UPDATE users SET is_active_flg = $2 WHERE user_id = $1`, [box.userId, is])
    await active(false)
    try {
      await drain(box.id)
      await tick({ SYNC_INTERVAL_SECONDS: '300' })
      expect(await gmailCalls()).toBe(0)
      const put = `sync_due_at_utc > now() + interval '50 minutes' AND user_mail_account_id = $1`
      expect(await count('user_mail_accounts', put, [box.id])).toBe(1)
    } finally {
      await active(true)
    }
  })

  it('mail that was hidden shows again once it is fetched again', async () => {
    const box = await newBox()
    await letters(box.email, 3)
    await json(sync(box))
    // As disconnecting without keeping it, and connecting anew, leave it until purge has come.
    await query(
      `UPDATE user_mail_accounts SET mail_since_utc = now(), sync_cursor_txt = NULL WHERE user_mail_account_id = $1`,
      [box.id],
    )
    expect(await json<Synced>(sync(box))).toMatchObject({ fetched: 3, inserted: 0, updated: 3 })
    const shown =
      'user_mail_account_id = $1 AND created_at_utc >= (SELECT mail_since_utc FROM user_mail_accounts a WHERE a.user_mail_account_id = $1)'
    expect(await count('emails', shown, [box.id])).toBe(3)
  })

  it('a page counts all that a stranger may make long: parts and people as well as text', () => {
    const page = emptyPage()
    const attachments = Array.from({ length: 1_000 }, (_, at) => ({
      partId: `1.${at}`,
      filename: 'f'.repeat(255),
      contentType: 'application/octet-stream',
      sizeBytes: 1,
      contentId: 'c'.repeat(255),
    }))
    const to = Array.from({ length: 500 }, (_, at) => ({ name: 'n'.repeat(100), address: `a${at}@example.com` }))
    addMessage(page, crypto.randomUUID(), { ...plain, id: 'a1', attachments, to }, new Map())
    const { size } = new Blob([JSON.stringify([...page.messages.values(), page.parts])])
    expect(page.bytes).toBeGreaterThan(size * 0.9)
  })

  it('what PostgreSQL cannot store is skipped alone', async () => {
    const box = await newBox()
    await query(
      `INSERT INTO mail_syncs (user_mail_account_id, lease_id, lease_until_utc, lease_kind_cd) VALUES ($1, $1, now() + interval '1 minute', 'on_demand')`,
      [box.id],
    )
    const page = emptyPage()
    for (const [id, subject] of [
      ['a1', 'fine'],
      ['a2', 'a NUL: \0'],
      ['a3', 'fine, too'],
    ] as const)
      addMessage(page, box.id, { ...plain, id, subject }, new Map())
    page.cursor = '17'
    const storing = {
      accountId: box.id,
      leaseId: box.id,
      markId: null,
      patchedWalkId: null,
      patchedWanted: null,
      isSynced: true,
      dueSeconds: null,
      releases: true,
      yields: false,
      unitsWanted: 0,
      unitsLeast: 0,
      unitsHeld: 0,
      givesBack: false,
      unitsAge: 0,
      ...limitsOf({ unitsPerMailbox: 1_000, unitsPerProject: 1_000 }, 'interactive'),
    }
    const db = createDb({ connectionString: testAddresses.TEST_DATABASE_URL })
    expect(await storePage(db, page, storing, new Map())).toMatchObject({ isHeld: true, inserted: 2 })
    expect(Object.keys(await storedMail(box.id)).sort()).toEqual(['a1', 'a3'])
    expect(
      await query(
        `SELECT provider_message_id_txt AS id, error_cd AS code FROM mail_skips WHERE user_mail_account_id = $1`,
        [box.id],
      ),
    ).toEqual([{ id: 'a2', code: 'unstorable_22p05' }])
    expect(await count('user_mail_accounts', `sync_cursor_txt = '17' AND user_mail_account_id = $1`, [box.id])).toBe(1)
    // The lease is gone: a late page stores nothing.
    expect(await storePage(db, page, storing, new Map())).toMatchObject({
      isHeld: false,
      isConnected: true,
      inserted: 0,
    })
  })
})

describe('in the background', () => {
  const due = async (): Promise<unknown[]> => {
    const queue = heldQueue()
    await tick({ SYNC_INTERVAL_SECONDS: '300', SYNC_QUEUE: queue })
    return queue.bodies
  }
  const clock = async (id: string) =>
    (
      await query<{ due: number; interval: number }>(
        `SELECT extract(epoch FROM a.sync_due_at_utc - now())::int AS due, s.interval_seconds_nbr AS interval
         FROM user_mail_accounts a JOIN mail_syncs s USING (user_mail_account_id) WHERE a.user_mail_account_id = $1`,
        [id],
      )
    )[0]

  it('every due mailbox is claimed once, and rests longer while nothing happens', async () => {
    const boxes = await seedMailboxes(3)
    await query(`UPDATE user_mail_accounts SET sync_due_at_utc = NULL WHERE user_id <> $1`, [boxes[0]?.userId])
    const [box, second] = boxes
    if (box === undefined || second === undefined) throw new Error('no mailboxes')
    await query(`UPDATE user_mail_accounts SET status_cd = 'needs_reauthorization' WHERE user_mail_account_id = $1`, [
      second.accountId,
    ])
    const claims = (await Promise.all([due(), due()])).flat()
    expect(claims).toHaveLength(2)
    expect(await due()).toEqual([])
    await letters(box.email, 60)
    const on = { SYNC_INTERVAL_SECONDS: '300' }
    await drain(box.accountId, on)
    expect(await storedMail(box.accountId)).toEqual(await googleMail(box.email, 50))
    expect(await clock(box.accountId)).toMatchObject({ interval: 300 })
    for (const interval of [450, 675]) {
      await drain(box.accountId, on)
      expect(await clock(box.accountId)).toMatchObject({ interval })
    }
    const rest = (await clock(box.accountId))?.due ?? 0
    expect(rest).toBeGreaterThan(600)
    expect(rest).toBeLessThan(750)
    await letters(box.email, 1)
    await proxy.resetCounts()
    await drain(box.accountId, on)
    expect((await proxy.counts()).statements).toBe(3)
    expect(await clock(box.accountId)).toMatchObject({ interval: 300 })
  })

  it('without an interval only walks go on that somebody asked for', async () => {
    await query('DELETE FROM mail_skips')
    const box = await newBox()
    await google.generateMail(box.email, 60)
    await json(sync(box, { count: 60 }, { env: held() }), 202)
    await newBox()
    await query(`UPDATE user_mail_accounts SET sync_due_at_utc = now()`)
    const queue = heldQueue()
    await tick({ SYNC_QUEUE: queue })
    expect(queue.bodies).toEqual([{ kind: 'sync', mail_account_id: box.id, claimed_until: expect.any(String) }])
  })

  it('a late message of cron, whose mailbox was claimed again or worked on, asks nobody', async () => {
    const box = await newBox()
    await letters(box.email, 2)
    const claim = async (): Promise<unknown> => {
      await query(`UPDATE user_mail_accounts SET sync_due_at_utc = now() WHERE user_mail_account_id = $1`, [box.id])
      const [message] = await due()
      return message
    }
    const [first, second] = [await claim(), await claim()]
    expect(second).not.toEqual(first)
    const deliver = async (message: unknown): Promise<number> => {
      await google.resetCalls()
      expect(await consume(message, { SYNC_QUEUE: heldQueue(), SYNC_INTERVAL_SECONDS: '300' })).toBe(true)
      return gmailCalls()
    }
    expect(await deliver(first)).toBe(0)
    expect(await deliver(second)).toBeGreaterThan(0)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
    for (const again of [first, second]) expect(await deliver(again)).toBe(0)
    // One without a claim was asked for by somebody.
    expect(await deliver({ kind: 'sync', mail_account_id: box.id })).toBeGreaterThan(0)
  })

  it('a walk goes on by its clock, not at once, where somebody’s sync fails meanwhile', async () => {
    const box = await newBox()
    await letters(box.email, 3)
    await json(sync(box))
    await json(backFill(box, held()), 202)
    await google.fault({ path: '/gmail/v1/users/me/history', status: 503, times: 3 })
    const queue = heldQueue()
    for (let round = 0; round < 3; round += 1)
      expect((await sync(box, {}, { env: workerEnv({ SYNC_QUEUE: queue }) })).status).toBe(503)
    expect(queue.bodies).toEqual([])
    expect((await clock(box.id))?.due).toBeGreaterThan(15)
    await json(sync(box, {}, { env: workerEnv({ SYNC_QUEUE: queue }) }))
    expect(queue.bodies).toEqual([{ kind: 'sync', mail_account_id: box.id }])
  })
})
