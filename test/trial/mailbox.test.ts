// `npm run trial`: what a connected mailbox is for, at the size people have. 10,000 varied messages (large, broken, foreign,
// deeply nested, hostile, with ids twice) are synced, kept in step, searched as Gmail searches, and answered from. Takes
// minutes, so it is not part of `npm test`.
import { beforeAll, expect, it, vi } from 'vitest'
import { call, eventually, google, json, workerEnv } from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
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
import { heldQueue } from '../support/vault.ts'

const size = 10_000
vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 })

let box: Box

const record = (): Promise<SyncRecordJson> =>
  json<SyncRecordJson>(call(`/api/v1/mail-accounts/${box.id}/sync`, { bearer: box.bearer }))

async function whole(): Promise<void> {
  await json(
    call(`/api/v1/mail-accounts/${box.id}/sync`, {
      bearer: box.bearer,
      json: { full: true },
      env: workerEnv({ SYNC_QUEUE: heldQueue() }),
    }),
    202,
  )
  await drain(box.id, {}, 1_000)
}

interface Page {
  items: { id: string; provider_message_id: string }[]
  next_cursor: string | null
}

async function found(q: string): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | null = null
  do {
    const parameters = new URLSearchParams({ q, limit: '100', ...(cursor === null ? {} : { cursor }) })
    const page: Page = await json(call(`/api/v1/emails?${parameters}`, { bearer: box.bearer }))
    ids.push(...page.items.map((item) => item.provider_message_id))
    cursor = page.next_cursor
  } while (cursor !== null)
  return ids.sort()
}

beforeAll(async () => {
  await emptyTables()
  await google.reset()
  box = await newBox()
  await google.generateMail(box.email, size, 11)
  await google.settings({ listRepeatsIds: true })
})

it('is synced whole, each message once, in pages of one trip', async () => {
  await proxy.resetCounts()
  const startedAt = performance.now()
  await whole()
  const seconds = (performance.now() - startedAt) / 1_000
  const { statements } = await proxy.counts()
  expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  expect(await record()).toMatchObject({ state: 'done', last_error: null })
  expect(statements / (size / 50)).toBeLessThanOrEqual(2)
  console.info(
    `${size} messages in ${seconds.toFixed(0)} s, ${(statements / (size / 50)).toFixed(2)} trips a page of 50`,
  )
})

it('is kept in step through additions, deletions and labels, and after its history has expired', async () => {
  const pick = async (from: number, count: number): Promise<string[]> =>
    (await google.mailState(box.email)).messages.slice(from, from + count).map(({ id }) => id)
  const change = async (round: number): Promise<void> => {
    const mails = Array.from({ length: 40 }, (_, at) => ({ subject: `Round ${round}, ${at}`, text: 'a new letter' }))
    await google.addMail(box.email, mails)
    await google.modifyMail(box.email, await pick(500 * round, 30), {
      addLabelIds: ['STARRED'],
      removeLabelIds: ['UNREAD'],
    })
    await google.modifyMail(box.email, await pick(500 * round + 100, 30), {
      addLabelIds: ['TRASH'],
      removeLabelIds: ['INBOX'],
    })
    await google.deleteMail(box.email, await pick(500 * round + 200, 30))
  }
  for (const round of [1, 2, 3]) {
    await change(round)
    await drain(box.id)
    expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  }
  await change(4)
  await google.expireHistory(box.email)
  await drain(box.id, {}, 1_000)
  expect(await storedMail(box.id)).toEqual(await googleMail(box.email))
  expect((await record()).relisted).toMatchObject({ count: 1, added: 40, deleted: 30 })
})

it.each([
  'invoice',
  '"harbour bicycle"',
  'invoice -meeting',
  '{invoice piano} library',
  'from:ada',
  'from:northwind.example is:unread',
  'subject:invoice',
  'label:work-projects',
  'label:receipts larger:1K',
  'in:sent',
  'in:trash -in:spam',
  'in:anywhere invoice',
  'is:starred',
  'filename:pdf',
  'before:2026/01/01 after:2025/06/01 invoice',
  'older_than:6m larger:100K',
  'newer_than:30d is:unread',
  '會議',
  'café',
  '-has:userlabels from:grace',
])('is searched as Gmail searches: %s', async (q) => {
  expect(await found(q)).toEqual((await google.searchMail(box.email, q)).sort())
})

it('is answered from, and the answer stands in its thread', async () => {
  const { items } = await json<Page>(call('/api/v1/emails?q=subject:invoice+from:ada&limit=1', { bearer: box.bearer }))
  const original = items[0]
  if (original === undefined) throw new Error('nothing to answer')
  const answer = { from: box.email, to: ['ada@northwind.example'], text: 'Paid.', reply_to_email_id: original.id }
  const { id } = await json<{ id: string }>(call('/api/v1/emails/send', { bearer: box.bearer, json: answer }), 202)
  const sent = await eventually(async () => {
    const row = await json<{ status: string; provider_message_id: string | null }>(
      call(`/api/v1/emails/outbox/${id}`, { bearer: box.bearer }),
    )
    return row.status === 'sent' ? row : null
  })
  await json<Synced>(sync(box))
  const threads = await query<{ thread: string }>(
    `SELECT provider_thread_id_txt AS thread FROM emails WHERE user_mail_account_id = $1 AND provider_message_id_txt = ANY($2)`,
    [box.id, [sent.provider_message_id, original.provider_message_id]],
  )
  expect(threads).toHaveLength(2)
  expect(new Set(threads.map(({ thread }) => thread)).size).toBe(1)
})
