// Sending as its callers and the provider see it: taken in once, sent once, looked for before it is sent again, in its
// conversation, under the mailbox's own name (SECURITY ML-20, ML-21, ML-23, ML-24, TV-04, SE-25).
import PostalMime, { type Email } from 'postal-mime'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createDb } from '../../src/db/client.ts'
import { consoleLog } from '../../src/log.ts'
import { dueSends } from '../../src/mail/send/deliver.ts'
import { purgeExpired } from '../../src/ops/purge.ts'
import {
  call,
  count,
  eventually,
  gmail,
  google,
  json,
  mailboxes,
  newKey,
  newPerson,
  onlyMailbox,
  refusal,
  type TokenPair,
  workerEnv,
} from '../support/app.ts'
import { proxy, query, testAddresses } from '../support/database.ts'
import { newBox } from '../support/sync.ts'
import { auditOf, consume, heldQueue } from '../support/vault.ts'

type Sender = Pick<TokenPair, 'access_token'> & { userId: string; email: string; accountId: string }
type Person = TokenPair & Sender

interface Outcome {
  id: string
  status: string
  mail_account_id: string
  provider_message_id: string | null
  thread_id: string | null
  error: string | null
  created_at: string
  sent_at: string | null
}

let ann: Person
let bob: Person
let queue = heldQueue()
let people = 0

async function person(): Promise<Person> {
  people += 1
  const email = `sender${people}@gmail.com`
  const pair = await newPerson(email)
  return { ...pair, email, accountId: (await onlyMailbox(pair.access_token)).id }
}

/** A mailbox of its own, of somebody who has many: no dance each. */
async function mailbox(scopes?: readonly string[]): Promise<Sender> {
  const { bearer, userId, email, id } = await newBox(scopes)
  return { access_token: bearer, userId, email, accountId: id }
}

async function mailboxStatus({ accountId }: Sender): Promise<string> {
  const sql = 'SELECT status_cd AS status FROM user_mail_accounts WHERE user_mail_account_id = $1'
  return (await query<{ status: string }>(sql, [accountId]))[0]?.status ?? 'none'
}

beforeAll(async () => {
  ann = await person()
  bob = await person()
  await query(`UPDATE users SET full_name_txt = 'Ann Ünlü' WHERE user_id = $1`, [ann.userId])
})

beforeEach(async () => {
  queue = heldQueue()
  await query('DELETE FROM outbox')
  await google.clearFaults()
  await google.settings({ messageIdOnSend: 'kept' })
  await google.resetCalls()
})

afterEach(async () => {
  await proxy.setDelay(0)
  vi.restoreAllMocks()
})

type Options = { bearer?: string; key?: string; path?: string }

/** Asks for a message to be sent; what the queue would carry stays in the test's hand. */
function post(body: Record<string, unknown> = {}, options: Options = {}): Promise<Response> {
  return call(options.path ?? '/emails/send', {
    bearer: options.bearer ?? ann.access_token,
    json: { from: ann.email, to: ['you@x.io'], subject: 'Hello', text: 'Hi', ...body },
    env: workerEnv({ DELIVER_QUEUE: queue }),
    headers: options.key === undefined ? {} : { 'Idempotency-Key': options.key },
  })
}

async function accept(body: Record<string, unknown> = {}, options: Options = {}): Promise<string> {
  const { id, status } = await json<{ id: string; status: string }>(post(body, options), 202)
  expect(status).toBe('queued')
  expect(queue.bodies.at(-1)).toEqual({ kind: 'send', outbox_id: id })
  return id
}

/** One of several at once. */
async function acceptBeside(who: Sender): Promise<string> {
  return (await json<{ id: string }>(post({ from: who.email }, { bearer: who.access_token }), 202)).id
}

/** Delivers the message's queue message; what is sent to the queue stays in the test's hand. */
async function run(id: string): Promise<void> {
  expect(await consume({ kind: 'send', outbox_id: id }, { DELIVER_QUEUE: queue })).toBe(true)
}

/** As if the mailbox had spent so many units just now. */
async function spendUnits({ accountId }: Sender, units: number): Promise<void> {
  await query(
    `INSERT INTO mail_syncs (user_mail_account_id, units_used_cnt) VALUES ($1, ARRAY[$2::int])
     ON CONFLICT (user_mail_account_id) DO UPDATE SET units_used_cnt = EXCLUDED.units_used_cnt, units_window_at_utc = now()`,
    [accountId, units],
  )
}

function outcome(id: string, bearer = ann.access_token): Promise<Outcome> {
  return json<Outcome>(call(`/emails/outbox/${id}`, { bearer }))
}

async function statusOf(id: string): Promise<[string, string | null]> {
  const [row] = await query<{ status: string; error: string | null }>(
    'SELECT status_cd AS status, last_error_cd AS error FROM outbox WHERE outbox_id = $1',
    [id],
  )
  return [row?.status ?? 'none', row?.error ?? null]
}

/** What waits for its time is due now. */
async function passTime(id: string): Promise<void> {
  await query(
    `UPDATE outbox SET due_at_utc = now() - interval '1 second', lease_until_utc = least(lease_until_utc, now() - interval '1 second') WHERE outbox_id = $1`,
    [id],
  )
}

async function dueIn(id: string): Promise<number> {
  const [row] = await query<{ seconds: number }>(
    'SELECT extract(epoch FROM due_at_utc - now())::float AS seconds FROM outbox WHERE outbox_id = $1',
    [id],
  )
  return row?.seconds ?? Number.NaN
}

async function sentBy(who: Sender, subject: string): Promise<(Email & { thread: string; id: string })[]> {
  const all = await google.sentMail(who.email)
  const read = await Promise.all(
    all.map(async ({ raw, threadId, id }) => ({ ...(await PostalMime.parse(raw)), thread: threadId, id })),
  )
  return read.filter((it) => it.subject === subject)
}

async function calls(pattern: RegExp): Promise<number> {
  return (await google.calls()).log.filter(({ path }) => pattern.test(path)).length
}
const sends = () => calls(/\/messages\/send$/)
const everyCall = () => calls(/./)
const sendPath = '/gmail/v1/users/me/messages/send'

/** A stored message of the mailbox and its like at Google. */
async function received(
  who: Person,
  message: { subject: string; messageId: string; references?: string; from?: string },
): Promise<{ emailId: string; threadId: string; id: string }> {
  const [added] = await google.addMail(who.email, [{ from: 'Cat <cat@x.io>', text: 'Hi', ...message }])
  if (added === undefined) throw new Error('nothing was added')
  const [row] = await query<{ id: string }>(
    `INSERT INTO emails (user_mail_account_id, provider_message_id_txt, provider_thread_id_txt, message_id_txt, references_txt,
       subject_txt, from_json, sent_at_utc, search_tsv)
     VALUES ($1, $2, $3, $4, $5, $6, '{"name":"Cat","address":"cat@x.io"}', now(), '') RETURNING email_id AS id`,
    [who.accountId, added.id, added.threadId, message.messageId, message.references ?? '', message.subject],
  )
  return { emailId: row?.id ?? '', ...added }
}

describe('a message', () => {
  it('is taken in within two trips, sent, told, and soon in the lists', async () => {
    await proxy.resetCounts()
    const id = await accept({
      subject: 'Plans ✈',
      to: ['"Doe, John" <john@x.io>', bob.email],
      cc: ['cc@x.io'],
      bcc: ['secret@x.io'],
      text: '.Hi\nthere',
      html: '<p>Hi</p>',
      attachments: [{ filename: '../Übersicht.pdf', content_type: 'application/pdf', content_base64: 'AAECAwQ=' }],
    })
    expect((await proxy.counts()).roundTrips).toBe(2)
    expect(await everyCall()).toBe(0)
    await query(
      `UPDATE user_mail_accounts SET sync_due_at_utc = now() + interval '1 hour' WHERE user_mail_account_id = $1`,
      [ann.accountId],
    )
    await proxy.resetCounts()
    await run(id)
    // Claim, quota, token, ending.
    expect((await proxy.counts()).roundTrips).toBe(4)

    const [mail, ...others] = await sentBy(ann, 'Plans ✈')
    expect(others).toEqual([])
    expect(mail?.from).toEqual({ name: 'Ann Ünlü', address: ann.email })
    expect(mail?.to).toEqual([
      { name: 'Doe, John', address: 'john@x.io' },
      { name: '', address: bob.email },
    ])
    expect(mail?.bcc).toEqual([{ name: '', address: 'secret@x.io' }])
    expect([mail?.text?.trim(), mail?.html?.trim()]).toEqual(['.Hi\nthere', '<p>Hi</p>'])
    const [file] = mail?.attachments ?? []
    expect(file?.filename).toBe('Übersicht.pdf')
    expect(new Uint8Array(file?.content as ArrayBuffer)).toEqual(new Uint8Array([0, 1, 2, 3, 4]))

    const told = await outcome(id)
    expect(told).toEqual({
      id,
      status: 'sent',
      mail_account_id: ann.accountId,
      provider_message_id: mail?.id,
      thread_id: `${ann.accountId.replaceAll('-', '')}.${mail?.thread}`,
      error: null,
      created_at: expect.any(String),
      sent_at: expect.any(String),
    })
    expect(await count('outbox', 'mime_txt IS NULL')).toBe(1)
    expect((await auditOf(id)).map(({ action, actor, event }) => [action, actor, event])).toEqual([
      ['email.queued', ann.userId, { mail_account_id: ann.accountId, recipients: 4 }],
      ['email.sent', null, { mail_account_id: ann.accountId }],
    ])
    expect(
      await count('user_mail_accounts', 'user_mail_account_id = $1 AND sync_due_at_utc <= now()', [ann.accountId]),
    ).toBe(1)
    // A second, doubled or late message finds nothing to do.
    await run(id)
    expect(await sends()).toBe(1)
  })

  it('has a text that can be stored, whatever its HTML spells', async () => {
    const id = await accept({ text: undefined, html: '<p>a&#0;b&#xD800;c&#x0001;d</p>' })
    await run(id)
    expect(await statusOf(id)).toEqual(['sent', null])
  })

  it('has a text made from its HTML where none was given', async () => {
    const id = await accept({ subject: 'Only HTML', text: undefined, html: '<p>Hello <b>there</b></p><p>Bye</p>' })
    await run(id)
    expect((await sentBy(ann, 'Only HTML'))[0]?.text).toMatch(/Hello there\s+Bye/)
  })

  it('ML-24 may hold megabytes of attachments byte for byte; above 10 MB of body is 413', async () => {
    const bytes = new Uint8Array(2_000_001).map((_, at) => (at * 31 + (at >> 8)) % 256)
    let binary = ''
    for (let at = 0; at < bytes.length; at += 8_192) binary += String.fromCharCode(...bytes.subarray(at, at + 8_192))
    const content = btoa(binary)
    const file = { filename: 'big.bin', content_type: 'application/octet-stream', content_base64: content }
    // Somebody of their own: what the other tests read back stays small.
    const ida = await mailbox()
    const body = { from: ida.email, subject: 'Big' }
    const id = await accept({ ...body, attachments: [file] }, { bearer: ida.access_token })
    await run(id)
    expect(await statusOf(id)).toEqual(['sent', null])
    const [mail] = await sentBy(ida, 'Big')
    const back = new Uint8Array(mail?.attachments[0]?.content as ArrayBuffer)
    expect(back.length).toBe(bytes.length)
    expect(back.every((byte, at) => byte === bytes[at])).toBe(true)
    expect(await refusal(post({ attachments: Array(4).fill(file) }))).toEqual([413, 'body_too_large'])
  })

  it('ML-20 CR, LF and NUL in what becomes a header are refused under its path, and nothing is stored', async () => {
    const file = { filename: 'a', content_type: 'text/plain', content_base64: 'YQ==' }
    for (const end of ['\r', '\n', '\r\n', '\0', '\ud800']) {
      const text = `a${end}Bcc: evil@x.io`
      for (const [path, body] of [
        ['from', { from: `${ann.email}${text}` }],
        ['from', { from: `${text} <${ann.email}>` }],
        ['to.1', { to: ['ok@x.io', `ok@x.io${text}`] }],
        ['cc.0', { cc: [`"${text}" <a@x.io>`] }],
        ['bcc.0', { bcc: [text] }],
        ['to.0', { to: [{ name: text, address: 'a@x.io' }] }],
        ['from', { from: { address: `${ann.email}${text}` } }],
        ['subject', { subject: text }],
        ['attachments.0.filename', { attachments: [{ ...file, filename: text }] }],
        ['attachments.0.content_type', { attachments: [{ ...file, content_type: `text/plain${text}` }] }],
        ['reply_to_email_id', { reply_to_email_id: text }],
      ] as const) {
        const { errors } = await json<{ errors: { path: string }[] }>(post(body), 422)
        // What is no text is named where it stands, what cannot be read as a whole.
        expect([end, errors.map((error) => error.path.replace(/\.(name|address)$/, ''))]).toEqual([end, [path]])
      }
    }
    expect(await count('outbox')).toBe(0)
  })

  it('ML-20 names every field that is refused, and stores nothing', async () => {
    const response = await post({
      to: ['a@x.io, evil@x.io', 'a@x.io <evil@x.io>', 'Friends: a@x.io;', 'ok@x.io'],
      cc: ['a@x.io\r\nBcc: evil@x.io'],
      subject: 'a\r\nBcc: evil@x.io',
      attachments: [{ filename: 'a\nb', content_type: 'text/plain', content_base64: 'YQ==' }],
    })
    const { errors } = await json<{ errors: { path: string }[] }>(response, 422)
    expect(errors.map(({ path }) => path)).toEqual([
      'to.0',
      'to.1',
      'to.2',
      'cc.0',
      'subject',
      'attachments.0.filename',
    ])
    for (const body of [
      { to: Array(10_000).fill('a@x.io') },
      // Megabytes of them, and nothing is made of each.
      { to: Array(800_000).fill('') },
      { attachments: Array(200_000).fill({}) },
      { to: Array(60).fill('a@x.io'), cc: Array(60).fill('a@x.io') },
      { to: [] },
      { to: 'a@x.io' },
      { extra: 1 },
      { text: undefined },
    ])
      expect((await refusal(post(body)))[0]).toBe(422)
    expect(await count('outbox')).toBe(0)
  })
})

describe('who may send', () => {
  it('ML-21 nobody under another address, nor under another name', async () => {
    for (const from of [bob.email, 'boss@x.io', `${ann.email}, ${bob.email}`])
      expect(await refusal(post({ from }))).toEqual([422, 'invalid_input'])
    const id = await accept({ from: `The Boss <${ann.email}>`, subject: 'Name' })
    await run(id)
    expect((await sentBy(ann, 'Name'))[0]?.from).toEqual({ name: 'Ann Ünlü', address: ann.email })
  })

  it('TV-04 no mailbox without gmail.send: 403, nothing stored, nothing asked', async () => {
    const carl = await mailbox([gmail.read])
    await google.resetCalls()
    expect(await refusal(post({ from: carl.email }, { bearer: carl.access_token }))).toEqual([
      403,
      'insufficient_scope',
    ])
    expect([await count('outbox'), await everyCall()]).toEqual([0, 0])
  })

  it('no mailbox that needs re-authorization, and none that is disconnected', async () => {
    const dora = await mailbox()
    const from = { from: dora.email }
    await query(`UPDATE user_mail_accounts SET status_cd = 'needs_reauthorization' WHERE user_mail_account_id = $1`, [
      dora.accountId,
    ])
    expect(await refusal(post(from, { bearer: dora.access_token }))).toEqual([409, 'needs_reauthorization'])
    const id = `/api/v1/mail-accounts/${dora.accountId}`
    await json(call(id, { method: 'DELETE', bearer: dora.access_token }), 204)
    expect(await refusal(post(from, { bearer: dora.access_token }))).toEqual([422, 'invalid_input'])
    expect(await count('outbox')).toBe(0)
  })

  it('a key within its permission and reach, for whom it says', async () => {
    const admin = (await newPerson('admin@gmail.com', { query: { scopes: 'identity' } })).access_token
    const { key } = await newKey(admin, { permissions: ['emails:send'] })
    const path = `/api/v1/emails/send?user_id=${ann.userId}`
    const id = await accept({}, { bearer: key, path })
    expect((await auditOf(id)).map(({ actor, event }) => [actor, event.api_key_id !== undefined])).toEqual([
      [null, true],
    ])
    expect(await refusal(post({}, { bearer: key }))).toEqual([422, 'invalid_input'])
    expect(await refusal(post({ from: bob.email }, { bearer: key, path }))).toEqual([404, 'not_found'])
    expect((await call(`/emails/outbox/${id}?user_id=${ann.userId}`, { bearer: key })).status).toBe(200)
    expect(await refusal(call(`/emails/outbox/${id}?user_id=${bob.userId}`, { bearer: key }))).toEqual([
      404,
      'not_found',
    ])
    const other = await newKey(admin, { permissions: ['emails:read'], user_id: ann.userId })
    expect(await refusal(post({}, { bearer: other.key }))).toEqual([403, 'forbidden'])
    const narrow = { permissions: ['emails:send'], user_id: ann.userId }
    const [box] = await mailboxes(ann.access_token)
    const bound = await newKey(admin, { ...narrow, mail_account_ids: [box?.id] })
    await accept({}, { bearer: bound.key })
    await query(`UPDATE api_keys SET mail_account_ids = ARRAY[gen_random_uuid()] WHERE api_key_id = $1`, [bound.id])
    expect(await refusal(post({}, { bearer: bound.key }))).toEqual([404, 'not_found'])
    expect(await refusal(call(`/emails/outbox/${id}`, { bearer: bound.key }))).toEqual([404, 'not_found'])
    expect(await refusal(call(`/emails/outbox/${id}`, { bearer: bob.access_token }))).toEqual([404, 'not_found'])
  })

  it('SE-25 nobody who was disabled: a queued message asks the provider nothing', async () => {
    const eve = await person()
    const id = await accept({ from: eve.email }, { bearer: eve.access_token })
    await query('UPDATE users SET is_active_flg = false WHERE user_id = $1', [eve.userId])
    await google.resetCalls()
    await run(id)
    expect(await statusOf(id)).toEqual(['failed', 'account_disabled'])
    expect(await everyCall()).toBe(0)
    expect(await count('outbox', 'mime_txt IS NULL')).toBe(1)
    expect((await auditOf(id)).at(-1)).toMatchObject({ action: 'email.failed', event: { error: 'account_disabled' } })
  })
})

describe('a mailbox with too much on its way', () => {
  it.each([
    ['2,000 messages', 1_999, `'Hi'`],
    ['a gigabyte of them', 10, `repeat('x', 110000000)`],
  ])('%s: takes no more for now, and no other mailbox minds', async (_, copies, mime) => {
    const [full, other] = [await mailbox(), await mailbox()]
    const key = crypto.randomUUID()
    const options = { bearer: full.access_token, key }
    const first = await json<{ id: string }>(post({ from: full.email }, options), 202)
    await query(`UPDATE outbox SET mime_txt = ${mime}`)
    await query(
      `INSERT INTO outbox (user_mail_account_id, user_id, body_hash_txt, message_id_txt, mime_txt)
       SELECT user_mail_account_id, user_id, body_hash_txt, message_id_txt || n, mime_txt FROM outbox CROSS JOIN generate_series(1, $1::int) AS n`,
      [copies],
    )
    const refused = await post({ from: full.email }, { bearer: full.access_token })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '600'])
    expect(await refused.json()).toMatchObject({ code: 'rate_limited' })
    expect(await count('outbox')).toBe(copies + 1)
    expect(await json(post({ from: full.email }, options), 202)).toMatchObject(first)
    await acceptBeside(other)
    await query(`UPDATE outbox SET status_cd = 'sent', mime_txt = NULL WHERE user_mail_account_id = $1`, [
      full.accountId,
    ])
    await acceptBeside(full)
  })
})

describe('a large body', () => {
  // Twice as large as others may be, and no JSON: it is refused for that where it is read.
  const large = (bearer: string) =>
    call('/emails/send', {
      method: 'POST',
      bearer,
      body: 'x'.repeat(130_000),
      headers: { 'Content-Type': 'application/json' },
    })

  it('is read for nobody but a live caller', async () => {
    await proxy.resetCounts()
    expect(await refusal(large(`gp_${'a'.repeat(43)}`))).toEqual([401, 'unauthorized'])
    expect((await proxy.counts()).statements).toBe(1)
    expect(await refusal(large(ann.access_token))).toEqual([400, 'malformed_request'])
    const stream = new Blob(['x'.repeat(130_000)]).stream()
    const unsaid = call('/emails/send', {
      method: 'POST',
      bearer: `gp_${'a'.repeat(43)}`,
      body: stream,
      headers: { 'Content-Type': 'application/json' },
    })
    expect(await refusal(unsaid)).toEqual([401, 'unauthorized'])
  })
})

describe('ML-23 an Idempotency-Key', () => {
  it('names one request: the same again is the same message, another body is refused', async () => {
    const first = await json<{ id: string }>(post({}, { key: 'k-1' }), 202)
    expect(await json(post({}, { key: 'k-1' }), 202)).toEqual(first)
    await run(first.id)
    expect((await outcome(first.id)).status).toBe('sent')
    // What became of it is told elsewhere: the same question has the same answer.
    expect(await json(post({}, { key: 'k-1' }), 202)).toEqual(first)
    expect(first).toEqual({ id: expect.any(String), status: 'queued' })
    expect(await refusal(post({ text: 'Other' }, { key: 'k-1' }))).toEqual([409, 'idempotency_key_reused'])
    const file = { filename: 'a', content_type: 'text/plain', content_base64: 'YQ==' }
    expect(await refusal(post({ attachments: [file] }, { key: 'k-1' }))).toEqual([409, 'idempotency_key_reused'])
    expect([await count('outbox'), await sends()]).toEqual([1, 1])
    expect(queue.bodies).toHaveLength(1)
    // Somebody else's key of the same letters is another one.
    const other = await json<{ id: string }>(post({ from: bob.email }, { key: 'k-1', bearer: bob.access_token }), 202)
    expect(other.id).not.toBe(first.id)
  })

  it('means the same whichever way people are written', async () => {
    const typed = { from: ann.email, to: ['"Doe, John" <john@x.io>'], cc: ['cc@X.io'] }
    const parts = {
      from: { address: ann.email },
      to: [{ name: 'Doe, John', address: 'john@x.io' }],
      cc: [{ name: '', address: 'cc@x.io' }],
    }
    const first = await json(post(typed, { key: 'people' }), 202)
    expect(await json(post(parts, { key: 'people' }), 202)).toEqual(first)
    const other = { ...parts, cc: [{ name: 'Cee', address: 'cc@x.io' }] }
    expect(await refusal(post(other, { key: 'people' }))).toEqual([409, 'idempotency_key_reused'])
  })

  it('of ten at once makes one message', async () => {
    await proxy.setDelay(20)
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => json<{ id: string }>(post({}, { key: 'race' }), 202)),
    )
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1)
    expect([await count('outbox'), queue.bodies.length]).toEqual([1, 1])
  })

  it('is free again after 24 hours', async () => {
    const id = await accept({}, { key: 'day' })
    await query(`UPDATE outbox SET created_at_utc = now() - interval '24 hours 1 minute'`)
    expect(await accept({ text: 'Other' }, { key: 'day' })).not.toBe(id)
    expect(await count('outbox', 'idempotency_key_txt IS NULL')).toBe(1)
  })

  it.each(['', 'a'.repeat(256), 'ä', 'a\tb'])('is refused where it is none: %j', async (key) => {
    expect(await refusal(post({}, { key }))).toEqual([422, 'invalid_input'])
    expect(await count('outbox')).toBe(0)
  })
})

describe('an answer', () => {
  it('goes to whom a message names, as it names them', async () => {
    const { emailId } = await received(ann, { subject: 'Whom', messageId: '<w1@x.io>' })
    const { from } = await json<{ from: { name: string; address: string } }>(
      call(`/emails/${emailId}`, { bearer: ann.access_token }),
    )
    await run(await accept({ to: [from], cc: [{ address: 'cc@x.io' }], subject: 'To whom it came from' }))
    const [mail] = await sentBy(ann, 'To whom it came from')
    expect([mail?.to, mail?.cc]).toEqual([[from], [{ name: '', address: 'cc@x.io' }]])
    for (const to of [[{ name: 'x' }], [{ address: 'a@x.io', extra: 1 }], [['a@x.io']], [null], { address: 'a@x.io' }])
      expect((await refusal(post({ to })))[0]).toBe(422)
  })

  it('lands in its conversation, addressed as its sender asked', async () => {
    const original = await received(ann, { subject: 'Lunch', messageId: '<l1@x.io>', references: '<l0@x.io>' })
    const id = await accept({ to: undefined, subject: undefined, reply_to_email_id: original.emailId })
    await run(id)
    const [mail] = await sentBy(ann, 'Re: Lunch')
    expect(mail?.thread).toBe(original.threadId)
    expect(mail?.to).toEqual([{ name: 'Cat', address: 'cat@x.io' }])
    expect([mail?.inReplyTo, mail?.references]).toEqual(['<l1@x.io>', '<l0@x.io> <l1@x.io>'])
    expect((await outcome(id)).thread_id).toBe(`${ann.accountId.replaceAll('-', '')}.${original.threadId}`)
  })

  it('begins another one under another subject, and where the conversation is gone', async () => {
    const original = await received(ann, { subject: 'Dinner', messageId: '<d1@x.io>' })
    await run(await accept({ subject: 'Breakfast', reply_to_email_id: original.emailId }))
    expect((await sentBy(ann, 'Breakfast'))[0]?.thread).not.toBe(original.threadId)
    await google.deleteMail(ann.email, [original.id])
    const id = await accept({ subject: 'Re: Dinner', reply_to_email_id: original.emailId })
    await run(id)
    expect(await statusOf(id)).toEqual(['sent', null])
    expect(await sentBy(ann, 'Re: Dinner')).toHaveLength(1)
  })

  it('begins another one where the provider does not accept the conversation', async () => {
    const original = await received(ann, { subject: 'Tea', messageId: '<t1@x.io>' })
    const id = await accept({ subject: 'Re: Tea', reply_to_email_id: original.emailId })
    await google.fault({ path: sendPath, status: 400, body: { error: { errors: [{ reason: 'invalidArgument' }] } } })
    await run(id)
    expect([await statusOf(id), await sends()]).toEqual([['sent', null], 2])
    expect(await sentBy(ann, 'Re: Tea')).toHaveLength(1)
  })

  it('answers nothing that is another’s, hidden or unknown', async () => {
    const theirs = await received(bob, { subject: 'Private', messageId: '<p@x.io>' })
    for (const reply_to_email_id of [theirs.emailId, crypto.randomUUID()])
      expect(await refusal(post({ reply_to_email_id }))).toEqual([404, 'not_found'])
    expect((await refusal(post({ reply_to_email_id: 'x' })))[0]).toBe(422)
    const nobody = await received(ann, { subject: 'Nobody', messageId: '<n@x.io>' })
    await query(`UPDATE emails SET from_json = NULL WHERE email_id = $1`, [nobody.emailId])
    expect(await refusal(post({ to: [], reply_to_email_id: nobody.emailId }))).toEqual([422, 'invalid_input'])
  })
})

describe('an unclear ending', () => {
  it.each(['kept', 'replaced'] as const)(
    'is looked up, and the message is sent once (Message-ID %s)',
    async (messageIdOnSend) => {
      await google.settings({ messageIdOnSend })
      const subject = `Unclear ${messageIdOnSend}`
      const id = await accept({ subject })
      await google.fault({ path: sendPath, drop: 'after' })
      await run(id)
      expect(await statusOf(id)).toEqual(['unconfirmed', 'network'])
      expect(await dueIn(id)).toBeGreaterThan(25)
      // Not before its time.
      await run(id)
      expect((await statusOf(id))[0]).toBe('unconfirmed')
      await passTime(id)
      await run(id)
      const [mail, ...others] = await sentBy(ann, subject)
      expect(others).toEqual([])
      expect(await outcome(id)).toMatchObject({ status: 'sent', error: null, provider_message_id: mail?.id })
      expect(await sends()).toBe(1)
    },
  )

  it('is looked up three times before it is sent again', async () => {
    const id = await accept({ subject: 'Dropped' })
    await google.fault({ path: sendPath, drop: 'before' })
    await run(id)
    const waits: number[] = []
    for (let look = 1; look <= 2; look += 1) {
      await passTime(id)
      await run(id)
      expect(await statusOf(id)).toEqual(['unconfirmed', 'unconfirmed'])
      waits.push(Math.round(await dueIn(id)))
    }
    expect(waits).toEqual([90, 180])
    expect(await sends()).toBe(1)
    await passTime(id)
    await run(id)
    expect(await statusOf(id)).toEqual(['sent', null])
    expect([await sends(), (await sentBy(ann, 'Dropped')).length]).toEqual([2, 1])
  })

  it('that is proved each time is tried for a day, more and more slowly', async () => {
    const id = await accept({ subject: 'Never' })
    await google.fault({ path: sendPath, status: 503, times: null })
    await run(id)
    for (let look = 1; look <= 3; look += 1) {
      await passTime(id)
      await run(id)
    }
    // Sent again at once, and unclear again.
    expect([await statusOf(id), await sends()]).toEqual([['unconfirmed', 'http_503'], 2])
    await query(`UPDATE outbox SET created_at_utc = now() - interval '1 hour'`)
    for (let look = 1; look <= 3; look += 1) {
      await passTime(id)
      await run(id)
    }
    expect([await statusOf(id), await sends()]).toEqual([['queued', 'provider_unavailable'], 2])
    expect(await dueIn(id)).toBeGreaterThan(890)
    await query(`UPDATE outbox SET created_at_utc = now() - interval '24 hours'`)
    await passTime(id)
    await run(id)
    expect([await statusOf(id), await sends()]).toEqual([['failed', 'provider_unavailable'], 2])
  })

  it('is waited out while the look itself fails', async () => {
    const id = await accept({ subject: 'Blind look' })
    await google.fault({ path: sendPath, drop: 'after' })
    await run(id)
    await google.fault({ path: '/gmail/v1/users/me/messages', status: 503 })
    await passTime(id)
    await run(id)
    expect((await statusOf(id))[0]).toBe('unconfirmed')
    await passTime(id)
    await run(id)
    expect([await statusOf(id), await sends()]).toEqual([['sent', null], 1])
  })

  it('of a mailbox that may not be read is never sent twice', async () => {
    const finn = await mailbox([gmail.send])
    const id = await accept({ from: finn.email, subject: 'Unseen' }, { bearer: finn.access_token })
    await google.resetCalls()
    await google.fault({ path: sendPath, drop: 'before' })
    await run(id)
    for (let look = 1; look <= 3; look += 1) {
      expect((await statusOf(id))[0]).toBe('unconfirmed')
      await passTime(id)
      await run(id)
    }
    expect(await statusOf(id)).toEqual(['failed', 'unconfirmed'])
    expect([await sends(), await everyCall()]).toEqual([1, 1])
  })

  it.each([
    ['behind thirty later ones: found', 30, 1, ['sent', null]],
    ['behind more than can be compared: not proved, and never sent twice', 100, 3, ['failed', 'unconfirmed']],
  ])('under a name Gmail gave it, %s', async (_, later, looks, status) => {
    const box = await mailbox()
    await google.settings({ messageIdOnSend: 'replaced' })
    const id = await accept({ from: box.email, subject: 'Behind' }, { bearer: box.access_token })
    await google.fault({ path: sendPath, drop: 'after' })
    await run(id)
    const internalDate = Date.now() + 5_000
    await google.addMail(
      box.email,
      Array.from({ length: later }, () => ({ labelIds: ['SENT'], internalDate, text: 'x' })),
    )
    for (let look = 1; look <= looks; look += 1) {
      expect((await statusOf(id))[0]).toBe('unconfirmed')
      await passTime(id)
      await run(id)
    }
    expect([await statusOf(id), await sends()]).toEqual([status, 1])
  })

  it('is looked up by a busy mailbox with what units it has', async () => {
    const box = await mailbox()
    const id = await accept({ from: box.email, subject: 'Busy' }, { bearer: box.access_token })
    await google.fault({ path: sendPath, drop: 'after' })
    await run(id)
    const [message, busy] = [
      { kind: 'send', outbox_id: id },
      { GMAIL_UNITS_PER_MINUTE: '6000', DELIVER_QUEUE: queue },
    ]
    // A list, and no message: later, and the turn does not count.
    await passTime(id)
    await spendUnits(box, 5_990)
    await consume(message, busy)
    expect(await statusOf(id)).toEqual(['unconfirmed', 'quota_exceeded'])
    expect(await count('outbox', 'attempt_cnt = 1')).toBe(1)
    expect(queue.bodies).toHaveLength(2)
    await passTime(id)
    await spendUnits(box, 5_970)
    await consume(message, busy)
    expect([await statusOf(id), await sends()]).toEqual([['sent', null], 1])
  })

  it('by a crash between the provider’s answer and ours is found by the next run', async () => {
    const id = await accept({ subject: 'Crash' })
    const [before] = await query<{ mime: string }>('SELECT mime_txt AS mime FROM outbox')
    await run(id)
    await query(
      `UPDATE outbox SET status_cd = 'sending', mime_txt = $1, provider_message_id_txt = NULL, sent_at_utc = NULL,
         lease_id = gen_random_uuid(), lease_until_utc = now() + interval '60 seconds', due_at_utc = now() + interval '60 seconds'`,
      [before?.mime],
    )
    await run(id)
    expect((await statusOf(id))[0]).toBe('sending')
    await passTime(id)
    await run(id)
    expect([await statusOf(id), await sends()]).toEqual([['sent', null], 1])
  })

  it('is looked up after a day, too, and then ends as what it was', async () => {
    const id = await accept({ subject: 'Old' })
    await google.fault({ path: sendPath, drop: 'before' })
    await run(id)
    await query(`UPDATE outbox SET created_at_utc = now() - interval '25 hours'`)
    for (let look = 1; look <= 3; look += 1) {
      await passTime(id)
      await run(id)
    }
    expect([await statusOf(id), await sends()]).toEqual([['failed', 'provider_unavailable'], 1])
    await query(
      `UPDATE outbox SET status_cd = 'unconfirmed', created_at_utc = now() - interval '49 hours', due_at_utc = now()`,
    )
    await run(id)
    expect(await statusOf(id)).toEqual(['failed', 'unconfirmed'])
  })

  it('is looked up by a mailbox whose budget is smaller than a look', async () => {
    const box = await mailbox()
    const id = await accept({ from: box.email, subject: 'Small' }, { bearer: box.access_token })
    await google.fault({ path: sendPath, drop: 'after' })
    await run(id)
    await passTime(id)
    await query('DELETE FROM mail_syncs WHERE user_mail_account_id = $1', [box.accountId])
    expect(await consume({ kind: 'send', outbox_id: id }, { GMAIL_UNITS_PER_MINUTE: '400' })).toBe(true)
    expect([await statusOf(id), await sends()]).toEqual([['sent', null], 1])
  })
})

describe('a mailbox that is disconnected', () => {
  /** Its grant is not revoked yet: that is the queue's, which the test holds. */
  const leave = (box: Sender) =>
    json(
      call(`/api/v1/mail-accounts/${box.accountId}`, {
        method: 'DELETE',
        bearer: box.access_token,
        env: workerEnv({ DELIVER_QUEUE: queue }),
      }),
      204,
    )

  it('ends what waits, says of what may have been sent that it may have been, and tells the trail', async () => {
    const box = await mailbox()
    const options = { bearer: box.access_token }
    const unclear = await accept({ from: box.email }, options)
    await google.fault({ path: sendPath, drop: 'after' })
    await run(unclear)
    const waiting = await accept({ from: box.email }, options)
    await leave(box)
    const endings = { [unclear]: 'unconfirmed', [waiting]: 'disconnected' }
    for (const [id, error] of Object.entries(endings)) {
      expect(await statusOf(id)).toEqual(['failed', error])
      expect((await auditOf(id)).at(-1)).toMatchObject({
        action: 'email.failed',
        event: { mail_account_id: box.accountId, error },
      })
    }
  })

  it.each([
    ['sent', { delayMs: 600 }, ['sent', null]],
    ['to wait', { delayMs: 600, status: 429, body: { error: { code: 429 } } }, ['failed', 'disconnected']],
  ])('while a message is being sent: the provider says %s', async (_, fault, ending) => {
    const box = await mailbox()
    const id = await accept({ from: box.email }, { bearer: box.access_token })
    await google.fault({ path: sendPath, ...fault })
    const running = run(id)
    await eventually(async () => ((await sends()) > 0 ? true : null))
    await leave(box)
    await running
    expect(await statusOf(id)).toEqual(ending)
    expect(await count('outbox', 'mime_txt IS NULL AND draft_json IS NULL')).toBe(1)
  })
})

describe('the provider’s refusals', () => {
  it.each([
    ['429', { status: 429, headers: { 'retry-after': '3600' }, body: { error: { code: 429 } } }],
    ['403 for quota', { status: 403, body: { error: { code: 403, errors: [{ reason: 'userRateLimitExceeded' }] } } }],
  ])('%s: later, and never a second time', async (name, fault) => {
    const id = await accept({ subject: `Limit ${name}` })
    await google.fault({ path: sendPath, ...fault })
    await run(id)
    expect((await statusOf(id))[0]).toBe('queued')
    const seconds = await dueIn(id)
    expect(seconds).toBeGreaterThan(name === '429' ? 3_590 : 25)
    expect(seconds).toBeLessThan(name === '429' ? 4_330 : 40)
    expect(await count('outbox', 'attempt_cnt = 0')).toBe(1)
    await passTime(id)
    await run(id)
    expect(await statusOf(id)).toEqual(['sent', null])
    expect(await sentBy(ann, `Limit ${name}`)).toHaveLength(1)
  })

  it('ML-06 a limit holds all that the mailbox has to send, and no other mailbox', async () => {
    const [held, free] = [await mailbox(), await mailbox()]
    const ids: string[] = []
    for (let n = 0; n < 5; n += 1) ids.push(await acceptBeside(held))
    const other = await acceptBeside(free)
    const unclear = ids.pop() ?? ''
    await google.fault({ path: sendPath, drop: 'after' })
    await run(unclear)
    await google.fault({
      path: sendPath,
      status: 429,
      headers: { 'retry-after': '3600' },
      body: { error: { code: 429 } },
    })
    for (const id of ids) await run(id)
    expect(await sends()).toBe(2)
    for (const id of ids) {
      expect(await statusOf(id)).toEqual(['queued', 'http_429'])
      expect(await dueIn(id)).toBeGreaterThan(3_590)
    }
    // What may have been sent is looked for all the same.
    expect(await dueIn(unclear)).toBeLessThan(60)
    await run(other)
    expect(await statusOf(other)).toEqual(['sent', null])
  })

  it('a wait that the provider asked of a sync is kept, too', async () => {
    const box = await mailbox()
    const id = await acceptBeside(box)
    await spendUnits(box, 0)
    await query(`UPDATE mail_syncs SET wait_until_utc = now() + interval '5 minutes' WHERE user_mail_account_id = $1`, [
      box.accountId,
    ])
    await run(id)
    expect([await statusOf(id), await sends()]).toEqual([['queued', 'quota_exceeded'], 0])
    expect(await dueIn(id)).toBeGreaterThan(290)
  })

  it('a daily limit: given up after 24 hours', async () => {
    const id = await accept({ subject: 'Daily' })
    await google.fault({ path: sendPath, status: 429, body: { error: { code: 429 } }, times: null })
    await run(id)
    await query(`UPDATE outbox SET created_at_utc = now() - interval '23 hours'`)
    await passTime(id)
    await run(id)
    expect((await statusOf(id))[0]).toBe('queued')
    expect(await dueIn(id)).toBeGreaterThan(890)
    await query(`UPDATE outbox SET created_at_utc = now() - interval '24 hours'`)
    await passTime(id)
    await google.resetCalls()
    await run(id)
    expect([await statusOf(id), await everyCall()]).toEqual([['failed', 'expired'], 0])
  })

  it.each([
    ['400', { status: 400, body: { error: { code: 400 } } }, 'http_400'],
    [
      'a permission withdrawn',
      { status: 403, body: { error: { code: 403, errors: [{ reason: 'insufficientPermissions' }] } } },
      'insufficient_scope',
    ],
  ])('%s: failed, once and for all', async (_, fault, error) => {
    const id = await accept()
    await google.fault({ path: sendPath, ...fault })
    await run(id)
    expect(await statusOf(id)).toEqual(['failed', error])
    await passTime(id)
    await run(id)
    expect(await sends()).toBe(1)
  })

  it('a refused token is renewed once; a second refusal ends the grant', async () => {
    const gil = await mailbox()
    const options = { bearer: gil.access_token }
    const once = await accept({ from: gil.email, subject: 'Renewed' }, options)
    await google.fault({ path: sendPath, status: 401, body: { error: { code: 401 } } })
    await google.resetCalls()
    await run(once)
    expect(await statusOf(once)).toEqual(['sent', null])
    expect(await google.count('POST /token refresh_token')).toBe(1)
    const twice = await accept({ from: gil.email, subject: 'Refused' }, options)
    await google.fault({ path: sendPath, status: 401, body: { error: { code: 401 } }, times: null })
    await run(twice)
    expect(await statusOf(twice)).toEqual(['failed', 'needs_reauthorization'])
    expect(await mailboxStatus(gil)).toBe('needs_reauthorization')
    const third = await refusal(post({ from: gil.email }, options))
    expect(third).toEqual([409, 'needs_reauthorization'])
  })

  it('a token that cannot be fetched just now: later, and nothing was sent', async () => {
    const id = await accept()
    await query(
      `UPDATE oauth_tokens SET expires_at_utc = now() - interval '1 minute' WHERE user_mail_account_id = $1`,
      [ann.accountId],
    )
    await google.fault({ path: '/token', status: 503 })
    await run(id)
    expect(await statusOf(id)).toEqual(['queued', 'provider_unavailable'])
    expect(await sends()).toBe(0)
    await query(
      `UPDATE oauth_tokens SET refresh_due_at_utc = now(), failure_cnt = 0, lease_until_utc = NULL WHERE user_mail_account_id = $1`,
      [ann.accountId],
    )
    await passTime(id)
    await run(id)
    expect(await statusOf(id)).toEqual(['sent', null])
  })

  it('a provider that is not set up just now: later, and nothing was sent', async () => {
    const id = await accept({ subject: 'Set up again' })
    expect(
      await consume({ kind: 'send', outbox_id: id }, { GOOGLE_CLIENT_ID: undefined, GOOGLE_CLIENT_SECRET: undefined }),
    ).toBe(true)
    expect([await statusOf(id), await sends()]).toEqual([['queued', 'misconfigured'], 0])
    await passTime(id)
    await google.fault({
      path: sendPath,
      status: 403,
      body: { error: { code: 403, errors: [{ reason: 'accessNotConfigured' }] } },
    })
    await run(id)
    expect([(await statusOf(id))[0], await mailboxStatus(ann)]).toEqual(['queued', 'active'])
    await passTime(id)
    await run(id)
    expect(await statusOf(id)).toEqual(['sent', null])
    await query(`UPDATE outbox SET status_cd = 'queued', due_at_utc = now()`)
    await run(id)
    expect(await statusOf(id)).toEqual(['failed', 'message_missing'])
  })

  it('our own budget is asked before the provider is, and the queue brings it again, once', async () => {
    const hal = await mailbox()
    const id = await accept({ from: hal.email }, { bearer: hal.access_token })
    await google.resetCalls()
    const told: [unknown, unknown][] = []
    const DELIVER_QUEUE = {
      async sendBatch(batch: Iterable<{ body: unknown }>, options?: { delaySeconds?: number }) {
        for (const { body } of batch) told.push([body, options?.delaySeconds])
      },
    }
    const poor = { GMAIL_UNITS_PER_MINUTE: '200', DELIVER_QUEUE }
    const message = { kind: 'send', outbox_id: id }
    await spendUnits(hal, 150)
    expect(await consume(message, poor)).toBe(true)
    expect([await statusOf(id), await everyCall()]).toEqual([['queued', 'quota_exceeded'], 0])
    expect(told).toEqual([[message, Math.ceil(await dueIn(id)) + 1]])
    // Nothing has begun: where it is looked for later, it is from its own time on.
    expect(await count('outbox', 'attempt_cnt = 0 AND first_attempt_at_utc IS NULL')).toBe(1)
    // Doubled, too early; then held back again, as one of many: that is cron's.
    await consume(message, poor)
    await passTime(id)
    await spendUnits(hal, 150)
    expect(await consume(message, poor)).toBe(true)
    expect([await statusOf(id), told.length]).toEqual([['queued', 'quota_exceeded'], 1])
  })

  it('ML-06 a hundred messages leave its person room in each minute, and a fresh one finds some beside them', async () => {
    const box = await mailbox()
    const [old, fresh] = [await acceptBeside(box), await acceptBeside(box)]
    await query(`UPDATE outbox SET last_error_cd = 'quota_exceeded' WHERE outbox_id = $1`, [old])
    const own = { GMAIL_UNITS_PER_MINUTE: '6000', DELIVER_QUEUE: queue }
    await spendUnits(box, 4_500)
    for (const id of [old, fresh]) await consume({ kind: 'send', outbox_id: id }, own)
    expect([await statusOf(old), await statusOf(fresh)]).toEqual([
      ['queued', 'quota_exceeded'],
      ['sent', null],
    ])
    await spendUnits(box, 4_800)
    const late = await acceptBeside(box)
    await consume({ kind: 'send', outbox_id: late }, own)
    expect(await statusOf(late)).toEqual(['queued', 'quota_exceeded'])
    const sync = { bearer: box.access_token, json: { email: box.email, count: 50 }, env: workerEnv(own) }
    expect((await call('/emails/sync', sync)).status).toBe(200)
  })

  it('a claim whose answer is lost was no sending: put back, and sent once', async () => {
    const box = await mailbox()
    const id = await acceptBeside(box)
    // Its answer is on its way for half of that; connecting, within five seconds, takes three of them.
    await proxy.setDelay(1_200)
    const failing = consume({ kind: 'send', outbox_id: id })
    await vi.waitFor(async () => expect((await statusOf(id))[0]).toBe('sending'), { timeout: 20_000, interval: 20 })
    await proxy.setMode('kill')
    await proxy.setDelay(0)
    await proxy.setMode('normal')
    expect(await failing).toBe(false)
    expect([await statusOf(id), await sends()]).toEqual([['queued', null], 0])
    expect(await count('outbox', 'attempt_cnt = 0 AND lease_id IS NULL AND first_attempt_at_utc IS NULL')).toBe(1)
    await run(id)
    expect([await statusOf(id), await sends()]).toEqual([['sent', null], 1])
  })

  it.each([
    ['the quota', 'mail_syncs'],
    ['the token', 'oauth_tokens'],
  ])('a database that fails at %s, before anybody was asked: put back, and sent once', async (_, table) => {
    const box = await mailbox()
    const id = await accept({ from: box.email, subject: `Put back ${table}` }, { bearer: box.access_token })
    const message = { kind: 'send', outbox_id: id }
    await query(`ALTER TABLE ${table} RENAME TO gone`)
    try {
      // The queue is to try again, in 30 seconds: then it is due.
      expect(await consume(message)).toBe(false)
      expect(await statusOf(id)).toEqual(['queued', 'unavailable'])
      expect(await count('outbox', 'attempt_cnt = 0 AND lease_id IS NULL')).toBe(1)
      expect(await dueIn(id)).toBeLessThan(25)
      await passTime(id)
      expect(await consume(message)).toBe(false)
      // Again: left to its clock.
      expect(await dueIn(id)).toBeGreaterThan(28)
    } finally {
      await query(`ALTER TABLE gone RENAME TO ${table}`)
    }
    await passTime(id)
    await run(id)
    expect([await statusOf(id), await sends()]).toEqual([['sent', null], 1])
  })
})

describe('two consumers', () => {
  it('of one message at once send it once', async () => {
    const id = await accept({ subject: 'Twice' })
    await proxy.setDelay(20)
    await Promise.all([run(id), run(id), run(id)])
    expect([await statusOf(id), await sends()]).toEqual([['sent', null], 1])
  })

  it.each([
    ['that it was sent counts', {}, 'unconfirmed', ['sent', null]],
    ['that it was sent counts for one given up, too', {}, 'failed', ['sent', null]],
    ['that it was refused does not', { status: 400, body: {} }, 'unconfirmed', ['unconfirmed', null]],
  ])('of whom one comes back late: %s', async (_, fault, meanwhile, status) => {
    const id = await accept()
    await google.fault({ path: sendPath, delayMs: 500, ...fault })
    const running = run(id)
    await eventually(async () => ((await sends()) > 0 ? true : null))
    await query(`UPDATE outbox SET lease_id = gen_random_uuid(), status_cd = $1`, [meanwhile])
    await running
    expect(await statusOf(id)).toEqual(status)
  })

  it('are found by cron where the queue lost its message, once in two minutes, and not before', async () => {
    const [id, other] = [await accept(), await accept()]
    const db = createDb({ connectionString: testAddresses.TEST_DATABASE_URL })
    expect(await dueSends(db, 10)).toEqual([])
    await query(`UPDATE outbox SET due_at_utc = now() - interval '1 minute'`)
    const told = (await Promise.all([dueSends(db, 1), dueSends(db, 1)])).flat()
    expect(told.map(({ outbox_id }) => outbox_id).sort()).toEqual([id, other].sort())
    expect(await dueSends(db, 10)).toEqual([])
    // Due all the same, for whoever was told and for whoever watches its age; and once.
    expect(await dueIn(id)).toBeLessThan(-50)
    await Promise.all([run(id), run(id)])
    expect([await statusOf(id), await sends()]).toEqual([['sent', null], 1])
    // Lost again, it is told again; what it then waits for is waited for, whatever comes doubled.
    await query(
      `UPDATE outbox SET due_at_utc = now() - interval '1 minute', lease_until_utc = now() - interval '1 minute'`,
    )
    expect(await dueSends(db, 10)).toEqual([{ kind: 'send', outbox_id: other }])
    await google.fault({ path: sendPath, status: 429, body: { error: { code: 429 } } })
    await run(other)
    await run(other)
    expect([(await statusOf(other))[0], await sends()]).toEqual(['queued', 2])
  })

  it('are told of each mailbox in turn, however much one has waiting', async () => {
    const [busy, calm] = [await mailbox(), await mailbox()]
    await acceptBeside(busy)
    await query(
      `INSERT INTO outbox (user_mail_account_id, user_id, body_hash_txt, message_id_txt, mime_txt, due_at_utc)
       SELECT user_mail_account_id, user_id, body_hash_txt, message_id_txt || n, mime_txt, now() - interval '1 hour'
       FROM outbox CROSS JOIN generate_series(1, 99) AS n`,
    )
    const [unclear, other] = [await acceptBeside(busy), await acceptBeside(calm)]
    await query(
      `UPDATE outbox SET due_at_utc = now() - interval '1 minute', status_cd = CASE outbox_id WHEN $1 THEN 'unconfirmed' ELSE 'queued' END
       WHERE outbox_id IN ($1, $2)`,
      [unclear, other],
    )
    const db = createDb({ connectionString: testAddresses.TEST_DATABASE_URL })
    const first = await dueSends(db, 2)
    expect(first.map(({ outbox_id }) => outbox_id).sort()).toEqual([unclear, other].sort())
    expect([(await dueSends(db, 500)).length, (await dueSends(db, 500)).length]).toEqual([45, 45])
  })

  it('and a mailbox being disconnected at that moment lock in one order', async () => {
    const box = await mailbox()
    const ids = await Promise.all(Array.from({ length: 6 }, () => acceptBeside(box)))
    await proxy.setDelay(5)
    const path = `/api/v1/mail-accounts/${box.accountId}`
    const [, ...left] = await Promise.all([
      Promise.all(ids.map(run)),
      ...Array.from({ length: 3 }, () => call(path, { method: 'DELETE', bearer: box.access_token })),
    ])
    expect(left.map(({ status }) => status)).toEqual([204, 204, 204])
    expect(await count('outbox', `status_cd NOT IN ('sent', 'failed')`)).toBe(0)
  })
})

it('what a message says stands nowhere but in its row, and there no longer than it must', async () => {
  const lines: string[] = []
  for (const method of ['log', 'error', 'warn', 'info', 'debug'] as const)
    vi.spyOn(console, method).mockImplementation((...args) => void lines.push(args.map(String).join(' ')))
  const marked = { subject: 'marked-subject-4711', text: 'marked-text-4711', to: ['marked-recipient-4711@x.io'] }
  const file = { filename: 'marked-file-4711.txt', content_type: 'text/plain', content_base64: 'YQ==' }
  const id = await accept({ ...marked, attachments: [file] }, { key: 'marked-key-4711' })
  await google.fault({ path: sendPath, status: 400, body: { error: { message: 'marked-answer-4711' } } })
  await run(id)
  expect(await statusOf(id)).toEqual(['failed', 'http_400'])
  expect(lines.length).toBeGreaterThan(1)
  expect(lines.join('\n')).not.toContain('4711')
  expect(await count('outbox', `mime_txt IS NULL AND draft_json->>'text' = 'marked-text-4711'`)).toBe(1)
  // What was given up may be written anew for a week.
  const db = createDb({ connectionString: testAddresses.TEST_DATABASE_URL })
  for (const [days, left] of [
    [6, 1],
    [7, 0],
  ]) {
    await query(`UPDATE outbox SET modified_at_utc = now() - make_interval(days => $1)`, [days])
    await purgeExpired(db, consoleLog)
    expect(await count('outbox', 'draft_json IS NOT NULL')).toBe(left)
  }
  const [row] = await query<{ text: string }>('SELECT to_jsonb(o)::text AS text FROM outbox o')
  expect(row?.text.replace('marked-key-4711', '')).not.toContain('4711')
  expect(JSON.stringify(await auditOf(id))).not.toContain('4711')
})
