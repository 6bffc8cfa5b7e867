// The Gmail adapter over the wire, against the strict local Google: varied mail in and out, history, attachments, sending.
import { beforeEach, describe, expect, it } from 'vitest'
import { toBase64, utf8 } from '../../src/crypto/encoding.ts'
import type { ProviderResult } from '../../src/providers/failure.ts'
import { createGmail } from '../../src/providers/gmail.ts'
import type { FetchedMessage, MailAdapter, MailMessage, MessagePage } from '../../src/providers/mail.ts'
import { clientId, google, gmail as scopes } from '../support/app.ts'
import { testAddresses } from '../support/database.ts'

const origin = testAddresses.GOOGLE_EMULATOR_URL
const email = 'ada.lovelace@gmail.com'
let gmail: MailAdapter
let accessToken: string
let pieces = 0

beforeEach(async () => {
  await google.reset()
  await google.addUser({ email })
  const [minted] = await google.mint({ email, client_id: clientId, scopes: [scopes.read, scopes.send] })
  accessToken = minted?.access_token ?? ''
  gmail = createGmail({ fetch, clock: () => new Date(), apiOrigin: origin, batchOrigin: origin })
})

function read<T>(result: ProviderResult<T>): T {
  if (!result.ok) throw new Error(`failed: ${result.kind} ${result.code}`)
  return result.value
}

async function listAll(): Promise<string[]> {
  const ids: string[] = []
  let pageToken: string | null = null
  do {
    const page: MessagePage = read(await gmail.list({ accessToken, limit: 130, pageToken, after: null }))
    ids.push(...page.ids)
    pageToken = page.nextPageToken
  } while (pageToken !== null)
  return ids
}

async function fetchAll(ids: readonly string[], depth: 'full' | 'labels' = 'full'): Promise<FetchedMessage[]> {
  const fetched: FetchedMessage[] = []
  for (let at = 0; at < ids.length; at += 50) {
    for await (const it of gmail.fetch({ accessToken, ids: ids.slice(at, at + 50), depth })) fetched.push(read(it))
  }
  return fetched
}

function messagesOf(fetched: readonly FetchedMessage[]): MailMessage[] {
  return fetched.map((it) => {
    if (it.kind !== 'message') throw new Error(`not read: ${it.kind}`)
    return it.message
  })
}

async function bytesOf(messageId: string, partId: string): Promise<Uint8Array | null> {
  const opened = read(await gmail.attachment({ accessToken, messageId, partId }))
  if (opened === null) return null
  pieces = 0
  const chunks: Uint8Array[] = []
  const reader = opened.body.getReader()
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    pieces += 1
    chunks.push(chunk.value)
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer())
}

describe('a mailbox', () => {
  it('of varied mail, large, broken, foreign, nested and hostile, is read whole', async () => {
    await google.generateMail(email, 200)
    const { messages } = await google.mailState(email)
    const ids = await listAll()
    expect(ids).toEqual(messages.map(({ id }) => id))
    expect(read(await gmail.mailbox({ accessToken }))).toMatchObject({ email, messagesTotal: 200 })

    const decoded = messagesOf(await fetchAll(ids))
    expect(decoded.map(({ id, threadId, labelIds }) => ({ id, threadId, labelIds: [...labelIds].sort() }))).toEqual(
      messages.map(({ id, threadId, labelIds }) => ({ id, threadId, labelIds: labelIds.toSorted() })),
    )
    expect(decoded.map(({ receivedAt }) => String(receivedAt.getTime()))).toEqual(messages.map((it) => it.internalDate))
    const texts = decoded.map(({ text, html }) => `${text}${html}`)
    expect(texts.filter((it) => it.includes('\0') || !it.isWellFormed())).toEqual([])
    expect(texts.filter((it) => it.includes('At the bottom of thirty boxes.'))).not.toEqual([])
    expect(Math.max(...decoded.map(({ html }) => html?.length ?? 0))).toBe(1_000_000)
    const names = decoded.flatMap(({ attachments }) => attachments.map(({ filename }) => filename))
    expect(names).toEqual(
      expect.arrayContaining(['../../etc/passwd', 'a "quoted" name.pdf', 'Übersicht – 請求書.pdf', 'CON']),
    )

    // What Gmail decodes for us and what we decode ourselves must be one text.
    await google.settings({ textBodies: 'as-sent' })
    const asSent = messagesOf(await fetchAll(ids))
    const told = ({ subject, text, html, from, to, attachments }: MailMessage): unknown => ({
      subject,
      text,
      html,
      from,
      to,
      attachments,
    })
    // Where neither can know the charset, each may guess.
    const known = decoded.flatMap((it, at) => (it.text?.includes('\ufffd') === true ? [] : [[it, asSent[at]] as const]))
    expect(known.length).toBeGreaterThan(190)
    for (const [one, other] of known) expect(other === undefined ? null : told(other)).toEqual(told(one))
  })

  it('ML-04 deleted between list and get is gone; labels alone are asked for alone', async () => {
    const added = await google.addMail(email, [{ text: 'one' }, { text: 'two', labelIds: ['INBOX', 'STARRED'] }])
    const [one, two] = added.map(({ id }) => id)
    await google.deleteMail(email, [one ?? ''])
    expect(await fetchAll([one ?? '', two ?? ''], 'labels')).toEqual([
      { kind: 'gone', id: one },
      { kind: 'labels', id: two, labelIds: ['INBOX', 'STARRED'] },
    ])
  })

  it('ML-06 part of a batch that came too fast is for later', async () => {
    const [one, two] = (await google.addMail(email, [{ text: 'one' }, { text: 'two' }])).map(({ id }) => id)
    await google.fault({ path: `/gmail/v1/users/me/messages/${one}`, status: 429, headers: { 'retry-after': '9' } })
    const fetched = await fetchAll([one ?? '', two ?? ''])
    expect(fetched).toMatchObject([
      { kind: 'later', id: one, code: 'http_429', isRateLimit: true, retryAfterSeconds: 9 },
      { kind: 'message', message: { id: two, text: expect.stringContaining('two') } },
    ])
  })

  it('ML-01 tells its history in order, until it is too old', async () => {
    const cursor = read(await gmail.mailbox({ accessToken })).historyId
    const [one, two] = (await google.addMail(email, [{ text: 'one' }, { text: 'two' }])).map(({ id }) => id ?? '')
    await google.modifyMail(email, [one ?? ''], { addLabelIds: ['STARRED'], removeLabelIds: ['UNREAD'] })
    await google.deleteMail(email, [two ?? ''])
    const page = read(await gmail.history({ accessToken, cursor, pageToken: null }))
    expect(page.changes).toEqual([
      { kind: 'added', id: one },
      { kind: 'added', id: two },
      { kind: 'labels_added', id: one, labelIds: ['STARRED'] },
      { kind: 'labels_removed', id: one, labelIds: ['UNREAD'] },
      { kind: 'deleted', id: two },
    ])
    expect(page.nextPageToken).toBeNull()
    expect(page.cursor).toBe((await google.mailState(email)).historyId)
    const again = read(await gmail.history({ accessToken, cursor: page.cursor, pageToken: null }))
    expect(again).toEqual({ changes: [], cursor: page.cursor, nextPageToken: null })
    await google.expireHistory(email)
    expect(await gmail.history({ accessToken, cursor, pageToken: null })).toMatchObject({ kind: 'history_expired' })
  })

  it('names its labels and lists what arrived since', async () => {
    const label = await google.putLabel(email, { name: 'Books/2026' })
    expect(read(await gmail.labels({ accessToken }))).toEqual(
      expect.arrayContaining([
        { id: 'INBOX', name: 'INBOX', isSystem: true },
        { id: label.id, name: 'Books/2026', isSystem: false },
      ]),
    )
    const time = Date.UTC(2025, 5, 1)
    const dates = [time - 5000, time + 5000]
    const added = await google.addMail(
      email,
      dates.map((internalDate) => ({ internalDate, labelIds: ['SPAM'] })),
    )
    const page = read(await gmail.list({ accessToken, limit: 10, pageToken: null, after: new Date(time) }))
    expect(page.ids).toEqual([added[1]?.id])
  })
})

describe('an attachment', () => {
  it('comes as it was, in pieces, at every read', async () => {
    const content = Uint8Array.from({ length: 700_001 }, (_, at) => (at * at) % 251)
    const file = { filename: 'a.bin', contentType: 'application/x-a', contentBase64: toBase64(content) }
    const [added] = await google.addMail(email, [{ text: 'see', attachments: [file] }])
    const [message] = messagesOf(await fetchAll([added?.id ?? '']))
    const partId = message?.attachments[0]?.partId ?? ''
    expect(message?.attachments).toMatchObject([{ filename: 'a.bin', sizeBytes: content.length }])
    for (let time = 0; time < 2; time += 1) {
      const bytes = await bytesOf(added?.id ?? '', partId)
      // Compared as one text: a byte each takes the runner seconds.
      expect(bytes === null ? null : toBase64(bytes) === toBase64(content)).toBe(true)
    }
    expect(pieces).toBeGreaterThan(1)
    expect(await bytesOf(added?.id ?? '', '7')).toBeNull()
    expect(await bytesOf('00000000000000aa', partId)).toBeNull()
  })
})

describe('sending', () => {
  const anyLook = { until: null, allow: () => Promise.resolve(true) }
  const mime = (name: string, size = 10): Uint8Array =>
    utf8(
      `From: ${email}\r\nTo: bob@example.com\r\nSubject: Hi\r\nMessage-ID: <${name}@x>\r\n\r\n${'word \r\n'.repeat(size)}`,
    )

  it.each<[string, number]>([
    ['small', 10],
    ['large', 800_000],
  ])('a %s message leaves once, and is found by its name', async (_, size) => {
    const since = new Date(Date.now() - 60_000)
    expect(read(await gmail.findSent({ accessToken, messageId: '<m1@x>', since, ...anyLook }))).toBeNull()
    const sent = read(await gmail.send({ accessToken, mime: mime('m1', size), threadId: null }))
    expect(await google.sentMail(email)).toMatchObject([{ id: sent.id, threadId: sent.threadId }])
    expect(read(await gmail.findSent({ accessToken, messageId: '<m1@x>', since, ...anyLook }))).toEqual(sent)
    expect(read(await gmail.findSent({ accessToken, messageId: '<m2@x>', since, ...anyLook }))).toBeNull()
  })

  it('is found where Gmail put its own name in place of ours', async () => {
    await google.settings({ messageIdOnSend: 'replaced' })
    const since = new Date(Date.now() - 60_000)
    const sent = read(await gmail.send({ accessToken, mime: mime('m1'), threadId: null }))
    await gmail.send({ accessToken, mime: mime('m2'), threadId: null })
    expect(read(await gmail.findSent({ accessToken, messageId: '<m1@x>', since, ...anyLook }))).toEqual(sent)
  })

  it('what cannot be sent is refused', async () => {
    const nobody = utf8(`From: ${email}\r\nSubject: Hi\r\n\r\nx`)
    expect(await gmail.send({ accessToken, mime: nobody, threadId: null })).toMatchObject({ kind: 'refused' })
    expect(await gmail.send({ accessToken, mime: mime('m1'), threadId: '00000000000000aa' })).toMatchObject({
      kind: 'refused',
    })
    const [reader] = await google.mint({ email, client_id: clientId, scopes: [scopes.read] })
    const readerToken = reader?.access_token ?? ''
    expect(await gmail.send({ accessToken: readerToken, mime: mime('m1'), threadId: null })).toMatchObject({
      kind: 'forbidden',
      code: 'insufficient_permissions',
    })
  })
})
